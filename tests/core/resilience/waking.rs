//! Endpoints that are scaled to zero: waited for while they get up, and not a moment longer.

use hf_inference_wasm::core::engine::attempt::Head;
use hf_inference_wasm::core::engine::settings::Settings;
use hf_inference_wasm::core::wire::batch::Mark;
use serde_json::{Value, json};

use super::stage::{At, BUSY, ENDPOINT, Stage, elsewhere, head};

fn asleep(settings: &mut Settings) {
    settings.endpoint_url = ENDPOINT.to_owned();
}

#[test]
fn it_is_asked_every_few_seconds_until_it_is_up() {
    for status in [502, 503] {
        let mut stage = Stage::with(asleep);
        for count in 2..=40 {
            stage.refuse(0, status);
            assert!(matches!(stage.runs[0].legs[0], At::Sleep(_)), "attempt {count}");
            stage.until_sent(0, count);
        }
        stage.complete(0, "up");
        let times = stage.runs[0].times();
        assert!(times.windows(2).all(|two| (1_000.0..=5_000.0).contains(&(two[1] - two[0]))), "{times:?}");
        let verdicts = stage.runs[0].attempts("verdict");
        assert!(verdicts[..39].iter().all(|verdict| *verdict == "wake"), "{verdicts:?}");
        let told = stage.runs[0].told(Mark::Retry);
        assert_eq!(told.len(), 39);
        assert_eq!((&told[0]["waking"], &told[0]["attempt"]), (&json!(true), &json!(2)));
        assert!(stage.runs[0].noticed("retry").iter().all(|notice| notice["waking"] == true));
        assert!(stage.runs[0].noticed("state").is_empty(), "getting up is not failing");
    }
}

#[test]
fn it_is_waited_for_no_longer_than_allowed_and_then_retried_as_any_other() {
    let mut stage = Stage::with(|settings| {
        asleep(settings);
        settings.wake_timeout = Some(20_000.0);
        settings.breaker = false;
    });
    while stage.runs[0].settled_at.is_none() {
        stage.refuse(0, 503);
        let next = stage.runs[0].sent.len() + 1;
        stage.until_sent(0, next);
    }
    assert_eq!(stage.runs[0].word(), "failed: Server refused");
    let verdicts = stage.runs[0].attempts("verdict");
    let wakes = verdicts.iter().filter(|verdict| **verdict == "wake").count();
    assert_eq!(verdicts[wakes..], ["retry", "retry", "fallback"]);
    let last_wake = stage.runs[0].times()[wakes];
    assert!((15_000.0..=20_000.0).contains(&last_wake), "{last_wake}");
}

#[test]
fn the_deadline_counts_while_it_wakes() {
    let mut stage = Stage::with(|settings| {
        asleep(settings);
        settings.timeouts.total = 12_000.0;
        settings.retry.limit = 0;
    });
    while stage.runs[0].settled_at.is_none() {
        stage.refuse(0, 503);
        let next = stage.runs[0].sent.len() + 1;
        stage.until_sent(0, next);
    }
    assert!(stage.runs[0].settled_at <= Some(12_000.0));
    assert_eq!(stage.runs[0].word(), "failed: Server refused");
}

#[test]
fn a_wish_is_kept_and_none_makes_it_spin() {
    let wait = |head: Head, body: &str| {
        let mut stage = Stage::with(asleep);
        stage.answer(0, head, body);
        stage.until_sent(0, 2);
        stage.runs[0].times()[1]
    };
    let after = |text: &str| Head { retry_after: text.to_owned(), ..head(503) };
    assert_eq!(wait(after("30"), BUSY), 30_000.0);
    assert_eq!(wait(after("120"), BUSY), 120_000.0, "longer than a retry would wait");
    assert_eq!(wait(head(503), r#"{"error":"loading","estimated_time":42.5}"#), 42_500.0);
    for text in ["0", "0.001", "Thu, 01 Jan 1970 00:00:00 GMT"] {
        assert!(wait(after(text), BUSY) >= 1_000.0, "{text}");
    }
}

#[test]
fn only_endpoints_of_hugging_face_are_waited_for_unless_the_caller_says_so() {
    let waits = |url: &str, timeout: Option<f64>, status: u16| {
        let mut stage = Stage::with(|settings| {
            settings.endpoint_url = url.to_owned();
            settings.wake_timeout = timeout;
            settings.retry.limit = 0;
        });
        stage.answer(0, Head { retry_after: "0".to_owned(), ..head(status) }, BUSY);
        stage.runs[0].settled_at.is_none()
    };
    assert!(waits(ENDPOINT, None, 503));
    assert!(waits("https://x.us-east-1.aws.endpoints.huggingface.cloud/v1", None, 502));
    assert!(!waits("https://llm.example", None, 503));
    assert!(!waits("", None, 503), "the router does not sleep");
    assert!(waits("https://llm.example", Some(10_000.0), 503));
    assert!(!waits(ENDPOINT, Some(0.0), 503));
    for status in [500, 504, 404, 429] {
        assert!(!waits(ENDPOINT, None, status), "{status}");
    }
}

#[test]
fn waking_takes_nothing_from_retries_nor_from_their_budget() {
    let mut stage = Stage::new();
    for number in 0..30 {
        stage.chat(asleep);
        stage.refuse(number, 503);
    }
    assert!(stage.runs.iter().all(|run| matches!(run.legs[0], At::Sleep(_))));
    stage.until_sent(0, 2);
    stage.refuse(0, 500);
    stage.until_sent(0, 3);
    stage.refuse(0, 500);
    assert!(matches!(stage.runs[0].legs[0], At::Sleep(_)), "both retries are left");
    assert_eq!(stage.runs[0].attempts("verdict"), ["wake", "retry", "retry"]);
}

#[test]
fn a_caller_who_is_asked_can_go_elsewhere_instead() {
    let mut stage = Stage::with(|settings| {
        asleep(settings);
        settings.asks_before_retry = true;
        settings.fallbacks = vec![elsewhere("https://f")];
    });
    stage.refuse(0, 503);
    stage.opine(0, Some(false));
    assert_eq!(stage.runs[0].last().url, "https://f/v1/chat/completions");
    assert_ne!(stage.runs[0].attempt(1), Value::Null);
}

#[test]
fn an_abort_ends_the_wait() {
    let mut stage = Stage::with(asleep);
    stage.refuse(0, 503);
    stage.abort(0);
    stage.until(1e6);
    assert_eq!((stage.runs[0].sent.len(), stage.runs[0].word().as_str()), (1, "aborted"));
}
