//! What a call tells of itself: the trace, the notices and the errors, without prompt or secret.

use hf_inference_wasm::core::engine::attempt::Head;
use hf_inference_wasm::core::engine::plan::Task;
use hf_inference_wasm::core::engine::settings::{Fallback, MidStream, Settings};
use hf_inference_wasm::core::secret::Secret;
use hf_inference_wasm::core::wire::batch::{Mark, Want};
use serde_json::{Value, json};

use super::stage::{BUSY, DONE, EPOCH, Event, PROMPT, Stage, TOKEN, chat, delta, elsewhere, head};

#[test]
fn each_attempt_has_its_place_its_times_and_its_verdict() {
    let mut stage = Stage::new();
    stage.time = 1_000.0;
    stage.chat(|settings| {
        settings.retry.jitter = false;
        settings.retry.limit = 1;
        settings.endpoint_url = "https://h/v1?key=topSecret".to_owned();
        settings.fallbacks = vec![elsewhere("https://f")];
    });
    stage.until(1_100.0);
    stage.refuse(0, 500);
    stage.until(1_700.0);
    stage.no_answer(0);
    stage.until(1_800.0);
    stage.answer(0, Head { provider: "them".to_owned(), ..head(200) }, "");
    stage.until(1_900.0);
    stage.feed(0, &delta("a"));
    stage.until(2_000.0);
    stage.feed(0, &delta("b"));
    stage.feed(0, ": keep-alive\n\n");
    stage.until(2_100.0);
    stage.feed(0, DONE);
    let expected = json!({ "startedAt": EPOCH as u64 + 1_000, "state": "complete", "attempts": [
        { "provider": "endpoint", "model": "a/b", "url": "https://h/v1/chat/completions", "status": 500, "queued": 0,
          "sent": 0, "headers": 100, "ended": 100, "delay": 500, "outcome": "refused", "verdict": "retry" },
        { "provider": "endpoint", "model": "a/b", "url": "https://h/v1/chat/completions", "queued": 600, "sent": 600,
          "ended": 700, "outcome": "no_answer", "verdict": "fallback" },
        { "provider": "them", "model": "a/b", "url": "https://f/v1/chat/completions", "status": 200, "queued": 700,
          "sent": 700, "headers": 800, "firstToken": 900, "lastToken": 1_100, "ended": 1_100, "outcome": "complete" },
    ]});
    assert_eq!(stage.runs[0].trace(), expected);
    assert_eq!(stage.runs[0].result()["trace"], expected);
}

#[test]
fn an_attempt_that_waited_for_its_turn_says_how_long() {
    let mut stage = Stage::with(|settings| settings.limits.concurrency = 1.0);
    stage.until(100.0);
    let second = stage.chat(|settings| settings.limits.concurrency = 1.0);
    stage.until(2_000.0);
    stage.complete(0, "a");
    let attempt = stage.runs[second].attempt(0);
    assert_eq!(
        (&attempt["queued"], &attempt["sent"], &attempt["outcome"]),
        (&json!(0), &json!(1_900), &json!("open"))
    );
}

#[test]
fn the_state_names_how_it_ended() {
    let cases: [(&str, Event); 7] = [
        ("complete", |stage| stage.complete(0, "a")),
        ("truncated", |stage| {
            stage.open(0, &delta("a"));
            stage.end(0);
        }),
        ("stalled", |stage| {
            stage.open(0, &delta("a"));
            stage.until(1e6);
        }),
        ("stalled", |stage| stage.until(60_000.0)),
        ("aborted", |stage| stage.abort(0)),
        ("failed", |stage| stage.refuse(0, 400)),
        ("failed", |stage| {
            stage.open(0, &delta("a"));
            stage.break_off(0);
        }),
    ];
    for (expected, end) in cases {
        let mut stage = Stage::with(|settings| settings.retry.limit = 0);
        assert_eq!(stage.runs[0].trace()["state"], "open");
        end(&mut stage);
        assert_eq!(stage.runs[0].trace()["state"], expected);
        let ended = stage.runs[0].trace();
        // Whatever comes late changes nothing.
        stage.until(stage.time + 1e6);
        stage.abort(0);
        let now = stage.now();
        stage.runs[0].call.break_off(0, &mut stage.shared, now);
        stage.runs[0].call.on_no_answer(0, &mut stage.shared, now);
        stage.runs[0].call.on_consulted(0, Some(true), &mut stage.shared, now);
        assert_eq!(stage.runs[0].trace(), ended);
    }
}

#[test]
fn listeners_hear_of_everything_as_it_happens() {
    let mut stage = Stage::with(|settings| {
        settings.retry.limit = 1;
        settings.retry.jitter = false;
        settings.fallbacks = vec![elsewhere("https://f?key=topSecret")];
    });
    stage.refuse(0, 500);
    stage.until_sent(0, 2);
    stage.refuse(0, 500);
    let types: Vec<&Value> = stage.runs[0].notices.iter().map(|notice| &notice["type"]).collect();
    assert_eq!(types, ["attempt", "retry", "attempt", "fallback", "attempt"]);
    let notices = &stage.runs[0].notices;
    assert_eq!(notices[0], json!({ "type": "attempt", "attempt": 1, "provider": "auto", "model": "a/b" }));
    assert_eq!((&notices[1]["attempt"], &notices[1]["delay"]), (&json!(2), &json!(500)));
    assert_eq!(notices[1]["error"]["status"], 500);
    assert_eq!(notices[3]["to"]["endpointUrl"], "https://f", "without the query");
    assert_eq!(
        notices[4],
        json!({ "type": "attempt", "attempt": 3, "provider": "endpoint", "model": "a/b" })
    );
    // Whoever does not listen is not told, but the stream has its events all the same.
    let mut stage = Stage::with(|settings| settings.notices = false);
    stage.refuse(0, 500);
    assert!(stage.runs[0].notices.is_empty());
    assert_eq!(stage.runs[0].told(Mark::Retry).len(), 1);
}

#[test]
fn an_error_says_what_it_cost_as_told_or_about() {
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9}}\n\n";
    let broken = |pieces: &str| {
        let mut stage = Stage::with(|_| ());
        stage.open(0, pieces);
        stage.break_off(0);
        stage.runs[0].error()
    };
    assert_eq!(
        broken(&(delta("a") + usage))["usage"],
        json!({ "prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9 })
    );
    let prompt = (chat()["messages"].to_string().len() as f64 / 4.0).ceil() as u64;
    assert_eq!(
        broken(&delta("twelve bytes"))["usage"],
        json!({ "prompt_tokens": prompt, "completion_tokens": 3, "total_tokens": prompt + 3, "estimated": true })
    );
    // An abort has what had come, too.
    let mut stage = Stage::with(|_| ());
    stage.open(0, &delta("twelve bytes"));
    stage.abort(0);
    let error = stage.runs[0].error();
    assert_eq!((&error["kind"], &error["partial"]["text"]), (&Value::Null, &json!("twelve bytes")));
    assert_eq!(error["usage"]["estimated"], true);
    // Where nothing came, nothing is guessed.
    let mut stage = Stage::with(|_| ());
    stage.refuse(0, 400);
    assert_eq!(
        (&stage.runs[0].error()["usage"], &stage.runs[0].error()["partial"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn an_attempt_whose_answer_was_no_use_says_what_it_took() {
    let mut stage = Stage::with(|settings| settings.mid_stream = MidStream::Restart);
    stage.open(0, &delta("twelve bytes"));
    stage.break_off(0);
    assert_eq!(stage.runs[0].attempt(0)["wasted"]["completion_tokens"], 3);
    stage.until_sent(0, 2);
    stage.complete(0, "fine");
    assert_eq!(stage.runs[0].attempt(1)["wasted"], Value::Null);
}

#[test]
fn nothing_that_is_told_has_a_prompt_or_a_secret() {
    let mut stage = Stage::new();
    let settings = |settings: &mut Settings| {
        settings.endpoint_url = "https://h/v1?key=topSecret".to_owned();
        settings.headers = vec![
            ("x-api-key".to_owned(), "topSecret".to_owned()),
            ("authorization".to_owned(), "topSecret".to_owned()),
        ];
        settings.fallbacks = vec![
            Fallback { token: Secret::new("sk-topSecret"), ..elsewhere("https://f?key=topSecret") },
            elsewhere("https://g/v1?key=topSecret"),
        ];
        settings.hedge = Some((1_000.0, 2));
        settings.asks_before_retry = true;
        settings.mid_stream = MidStream::Continue;
    };
    let run = stage.begin(Task::Chat, chat(), settings);
    let mut told = String::new();
    stage.until(1_000.0);
    stage.refuse(run, 503);
    told += &format!("{:?}", stage.runs[run].legs);
    stage.opine(run, None);
    stage.until(5_000.0);
    while stage.runs[run].settled_at.is_none() {
        if stage.runs[run].legs.iter().any(|at| matches!(at, super::stage::At::Answer)) {
            stage.refuse(run, 503);
        }
        if stage.runs[run].legs.iter().any(|at| matches!(at, super::stage::At::Opinion(_))) {
            stage.opine(run, None);
        }
        stage.until(stage.time + 1_000.0);
    }
    let last = &stage.runs[run];
    told += &format!(
        "{} {} {:?} {:?} {:?}",
        last.error(),
        last.trace(),
        last.events,
        last.notices,
        last.call.result()
    );
    let now = stage.now();
    told += &String::from_utf8(stage.shared.snapshot(now)).expect("UTF-8");
    for (.., request) in &stage.runs[run].sent {
        told += &format!("{request:?}").replace("?key=topSecret", "");
    }
    for secret in ["topSecret", TOKEN, PROMPT] {
        assert!(!told.contains(secret), "{told}");
    }
    assert!(told.contains("https://f/v1/chat/completions"));
}

#[test]
fn a_generation_is_told_of_in_the_same_way() {
    let mut stage = Stage::new();
    let request = json!({ "inputs": PROMPT });
    stage.ask(Task::Generation, request, Some(TOKEN), Want::Text, |settings| {
        settings.endpoint_url = "https://h/v1".to_owned();
    });
    stage.open(0, "data: {\"choices\":[{\"text\":\"twelve bytes\"}]}\n\n");
    stage.break_off(0);
    let error = stage.runs[0].error();
    assert_eq!(error["partial"], json!({ "text": "twelve bytes", "reasoning": "", "toolCalls": [] }));
    let prompt = (PROMPT.len() as u64 + 2).div_ceil(4);
    assert_eq!(
        (&error["usage"]["prompt_tokens"], &error["usage"]["completion_tokens"]),
        (&json!(prompt), &json!(3))
    );
}

#[test]
fn a_trace_that_is_asked_for_on_the_way_shows_what_is_open() {
    let mut stage = Stage::with(|_| ());
    stage.answer(0, Head { retry_after: "2".to_owned(), ..head(500) }, BUSY);
    let trace = stage.runs[0].trace();
    assert_eq!((&trace["state"], trace["attempts"].as_array().map(Vec::len)), (&json!("open"), Some(1)));
    stage.until_sent(0, 2);
    assert_eq!(stage.runs[0].attempts("outcome"), ["refused", "open"]);
}
