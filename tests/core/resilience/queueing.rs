//! Calls of one client that want the same service: one gate, one count, one queue.

use hf_inference_wasm::core::engine::attempt::Head;
use hf_inference_wasm::core::engine::plan::Task;
use hf_inference_wasm::core::engine::settings::Settings;
use hf_inference_wasm::core::wire::batch::Want;
use hf_inference_wasm::core::wire::rate_limit::Quota;
use serde_json::json;

use super::stage::{At, BUSY, DONE, EPOCH, Stage, chat, delta, elsewhere, head};

fn one_at_a_time(settings: &mut Settings) {
    settings.limits.concurrency = 1.0;
}

#[test]
fn a_429_closes_the_gate_for_every_call_of_that_provider_and_credential() {
    let mut stage = Stage::with(|_| ());
    stage.answer(0, Head { retry_after: "5".to_owned(), ..head(429) }, BUSY);
    let same = stage.chat(|_| ());
    let mut model = chat();
    model["model"] = json!("c/d");
    let other_model = stage.begin(Task::Chat, model, |_| ());
    let other_token = stage.ask(Task::Chat, chat(), Some("hf_other"), Want::Events, |_| ());
    let elsewhere = stage.chat(|settings| settings.endpoint_url = "https://h".to_owned());
    let sent =
        |stage: &Stage| [same, other_model, other_token, elsewhere].map(|run| stage.runs[run].sent.len());
    assert_eq!(sent(&stage), [0, 0, 1, 1]);
    stage.until(4_999.0);
    assert_eq!(sent(&stage), [0, 0, 1, 1]);
    stage.complete(other_token, "a");
    for run in [0, same, other_model] {
        stage.until_sent(run, if run == 0 { 2 } else { 1 });
        assert!(stage.time >= 5_000.0, "never early");
        stage.complete(run, "a");
    }
    assert!(stage.time < 6_000.0, "{}", stage.time);
}

#[test]
fn a_gate_without_a_word_opens_by_itself_and_later_each_time() {
    let closed_for = |refusals: usize| {
        let mut stage = Stage::new();
        let alone = |settings: &mut Settings| settings.retry.limit = 0;
        let mut opened = 0.0;
        for number in 0..refusals {
            stage.chat(alone);
            stage.until_sent(number, 1);
            opened = stage.time;
            stage.refuse(number, 429);
        }
        let last = stage.chat(alone);
        stage.until_sent(last, 1);
        stage.time - opened
    };
    let bounds = [500.0, 1_000.0, 2_000.0, 4_000.0, 8_000.0, 16_000.0, 30_000.0, 30_000.0];
    for (refusals, bound) in bounds.into_iter().enumerate() {
        let wait = closed_for(refusals + 1);
        assert!((bound..bound + 100.0).contains(&wait), "{wait} after {} refusals", refusals + 1);
    }
}

#[test]
fn an_opening_gate_lets_no_storm_through() {
    let mut stage = Stage::new();
    for number in 0..100 {
        stage.chat(|_| ());
        assert_eq!(stage.runs[number].sent.len(), 1);
    }
    for number in 0..100 {
        stage.answer(number, Head { retry_after: "1".to_owned(), ..head(429) }, BUSY);
    }
    let before: usize = stage.runs.iter().map(|run| run.sent.len()).sum();
    stage.until(1_500.0);
    let after: usize = stage.runs.iter().map(|run| run.sent.len()).sum();
    assert!((1..=50).contains(&(after - before)), "{} at once", after - before);
}

#[test]
fn who_waits_goes_when_a_place_is_free_by_priority_and_then_by_arrival() {
    let mut stage = Stage::with(one_at_a_time);
    for priority in [0.0, 5.0, 0.0, -1.0, 5.0] {
        stage.chat(|settings| {
            one_at_a_time(settings);
            settings.priority = priority;
        });
    }
    let mut order = Vec::new();
    stage.complete(0, "a");
    for _ in 0..5 {
        let next =
            (1..6).find(|run| stage.runs[*run].legs == [At::Answer]).expect("the next is called at once");
        order.push(next);
        stage.complete(next, "a");
    }
    assert_eq!(order, [2, 5, 1, 3, 4]);
    assert_eq!(stage.time, 0.0, "nobody waited for a timer");
}

/// An end of the call of this number.
type End = fn(&mut Stage, usize);

#[test]
fn every_end_of_a_call_frees_its_place() {
    let ends: [(&str, End); 7] = [
        ("complete", |stage, run| stage.complete(run, "a")),
        ("refused", |stage, run| stage.refuse(run, 400)),
        ("no answer", |stage, run| stage.no_answer(run)),
        ("aborted before the answer", |stage, run| stage.abort(run)),
        ("aborted in the answer", |stage, run| {
            stage.open(run, &delta("a"));
            stage.abort(run);
        }),
        ("broken", |stage, run| {
            stage.open(run, &delta("a"));
            stage.break_off(run);
        }),
        ("too late", |stage, _| stage.until(stage.time + 60_000.0)),
    ];
    for (name, end) in ends {
        let mut stage = Stage::new();
        let alone = |settings: &mut Settings| {
            one_at_a_time(settings);
            settings.retry.limit = 0;
        };
        stage.chat(alone);
        stage.chat(alone);
        assert!(stage.runs[1].sent.is_empty());
        end(&mut stage, 0);
        assert_eq!(stage.runs[1].sent.len(), 1, "{name}");
    }
}

#[test]
fn a_call_between_two_attempts_holds_no_place() {
    let mut stage = Stage::with(one_at_a_time);
    stage.chat(one_at_a_time);
    stage.answer(0, Head { retry_after: "20".to_owned(), ..head(500) }, BUSY);
    assert_eq!(stage.runs[1].sent.len(), 1);
}

#[test]
fn a_waiter_that_is_aborted_or_forgotten_holds_nobody_up() {
    let mut stage = Stage::with(one_at_a_time);
    for _ in 0..3 {
        stage.chat(one_at_a_time);
    }
    stage.abort(1);
    stage.complete(0, "a");
    assert_eq!(stage.runs[2].sent.len(), 1);
    stage.complete(2, "a");
    stage.complete(3, "a");
    let mut stage = Stage::with(one_at_a_time);
    stage.chat(one_at_a_time);
    let last = stage.chat(one_at_a_time);
    stage.cut_off(1);
    stage.complete(0, "a");
    stage.cut_off(1);
    stage.until_sent(last, 1);
    assert!(stage.time < 6_000.0, "{}", stage.time);
}

#[test]
fn a_queue_has_an_end() {
    let mut stage = Stage::new();
    let short = |settings: &mut Settings| {
        one_at_a_time(settings);
        settings.limits.queue = 2;
    };
    for _ in 0..4 {
        stage.chat(short);
    }
    assert_eq!(stage.runs[3].word(), "failed: QueueFull queue_full");
    assert_eq!(stage.runs[3].error()["retryable"], true);
    assert!(stage.runs[1].settled_at.is_none() && stage.runs[2].settled_at.is_none());
    let moved = stage.chat(|settings| {
        short(settings);
        settings.fallbacks = vec![elsewhere("https://f")];
    });
    assert_eq!(stage.runs[moved].urls(), ["https://f/v1/chat/completions"]);
}

#[test]
fn a_turn_that_never_comes_is_a_timeout_of_the_queue() {
    let mut stage = Stage::with(one_at_a_time);
    stage.open(0, &delta("a"));
    let waiting = stage.chat(|settings| {
        one_at_a_time(settings);
        settings.timeouts.queue = 3_000.0;
    });
    stage.until(1e6);
    assert_eq!(stage.runs[waiting].word(), "failed: Timeout queue");
    assert_eq!(stage.runs[waiting].settled_at, Some(3_000.0));
    assert!(stage.runs[waiting].sent.is_empty());
}

#[test]
fn whoever_has_looked_up_a_mapping_waits_for_its_turn_as_long_as_others() {
    let mut stage = Stage::new();
    let groq = |settings: &mut Settings| {
        one_at_a_time(settings);
        settings.provider = "groq".to_owned();
    };
    let mapping = r#"{"inferenceProviderMapping":{"groq":{"status":"live","providerId":"theirs","task":"conversational"}}}"#;
    stage.chat(groq);
    stage.chat(groq);
    stage.answer(0, head(200), mapping);
    stage.answer(1, head(200), mapping);
    assert!(matches!(stage.runs[1].legs[0], At::Sleep(_)));
    stage.open(0, "");
    for minute in 1..4 {
        stage.feed(0, &delta("a"));
        stage.until(f64::from(minute) * 60_000.0);
    }
    assert!(stage.runs[1].settled_at.is_none(), "{}", stage.runs[1].word());
    stage.feed(0, DONE);
    assert_eq!(stage.runs[1].sent.len(), 2);
}

#[test]
fn requests_of_a_minute_are_counted() {
    let mut stage = Stage::new();
    let three = |settings: &mut Settings| settings.limits.requests_per_minute = 3.0;
    for number in 0..7 {
        stage.chat(three);
        stage.until(stage.time + 100.0);
        if !stage.runs[number].sent.is_empty() {
            stage.complete(number, "a");
        }
    }
    for number in 0..7 {
        stage.until_sent(number, 1);
        if stage.runs[number].settled_at.is_none() {
            stage.complete(number, "a");
        }
    }
    let times: Vec<f64> = stage.runs.iter().map(|run| run.times()[0]).collect();
    assert!(times.windows(4).all(|four| four[3] - four[0] >= 60_000.0), "{times:?}");
    assert!(times[6] < 121_000.0, "{times:?}");
}

#[test]
fn tokens_of_a_minute_are_counted_as_they_turn_out() {
    let mut stage = Stage::new();
    let limit = |settings: &mut Settings| settings.limits.tokens_per_minute = 2_000.0;
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":900,\"completion_tokens\":1000,\"total_tokens\":1900}}\n\n";
    stage.chat(limit);
    stage.open(0, &(delta("a") + usage + DONE));
    let second = stage.chat(limit);
    assert!(stage.runs[second].sent.is_empty());
    stage.until_sent(second, 1);
    assert_eq!(stage.time, 60_000.0);
    // A short answer makes room again.
    stage.open(second, &(delta("a") + &usage.replace("1900", "10") + DONE));
    let third = stage.chat(limit);
    assert_eq!(stage.runs[third].sent.len(), 1);
}

#[test]
fn one_end_that_makes_room_for_two_calls_both() {
    let mut stage = Stage::new();
    let limit = |settings: &mut Settings| settings.limits.tokens_per_minute = 2_100.0;
    let mut long = chat();
    long["messages"][0]["content"] = json!("a".repeat(6_000));
    stage.begin(Task::Chat, long, limit);
    stage.chat(limit);
    stage.chat(limit);
    assert!(stage.runs[1].sent.is_empty() && stage.runs[2].sent.is_empty());
    stage.open(0, &(delta("a") + "data: {\"choices\":[],\"usage\":{\"total_tokens\":10}}\n\n" + DONE));
    assert_eq!((stage.runs[1].times(), stage.runs[2].times()), (vec![0.0], vec![0.0]));
}

#[test]
fn a_quota_that_is_told_is_kept() {
    let mut stage = Stage::with(|_| ());
    let quota = Quota { limit: Some(10.0), remaining: Some(2.0), reset: Some(20_000.0) };
    stage.answer(0, Head { quota, ..head(200) }, "");
    for _ in 0..5 {
        stage.chat(|_| ());
    }
    let sent = |stage: &Stage| stage.runs[1..].iter().filter(|run| !run.sent.is_empty()).count();
    assert_eq!(sent(&stage), 2);
    stage.until(19_999.0);
    assert_eq!(sent(&stage), 2);
    stage.until(20_100.0);
    assert_eq!(sent(&stage), 5);
}

#[test]
fn a_quota_that_is_used_up_for_long_ends_the_call_with_the_moment_or_goes_elsewhere() {
    let mut stage = Stage::with(|_| ());
    let quota = Quota { limit: None, remaining: Some(0.0), reset: Some(290_000.0) };
    stage.answer(0, Head { quota, ..head(200) }, "");
    let next = stage.chat(|_| ());
    assert_eq!(stage.runs[next].word(), "failed: RateLimit gate");
    assert_eq!(stage.runs[next].error()["retryAt"], (EPOCH + 290_000.0) as u64);
    let patient = stage.chat(|settings| settings.retry.max_retry_after = 300_000.0);
    let moved = stage.chat(|settings| settings.fallbacks = vec![elsewhere("https://f")]);
    assert_eq!(stage.runs[moved].urls(), ["https://f/v1/chat/completions"]);
    stage.until_sent(patient, 1);
    assert_eq!(stage.time, 290_000.0);
}

#[test]
fn a_retry_has_its_place_before_those_that_came_later() {
    let mut stage = Stage::with(one_at_a_time);
    stage.chat(one_at_a_time);
    stage.chat(one_at_a_time);
    stage.answer(0, Head { retry_after: "1".to_owned(), ..head(500) }, BUSY);
    assert_eq!(stage.runs[1].sent.len(), 1, "meanwhile another has its turn");
    stage.until(2_000.0);
    stage.complete(1, "a");
    assert_eq!(stage.runs[0].sent.len(), 2);
    assert!(stage.runs[2].sent.is_empty());
}

#[test]
fn where_callers_are_cut_off_a_call_that_is_not_heard_of_gives_its_place_up() {
    let mut stage = Stage::new();
    stage.shared.mortal = true;
    stage.chat(one_at_a_time);
    stage.open(0, &delta("a"));
    let waiting = stage.chat(one_at_a_time);
    stage.until(60_000.0);
    assert!(stage.runs[waiting].sent.is_empty(), "the first is heard of, and keeps its place");

    stage.cut_off(0);
    stage.until_sent(waiting, 1);
    assert!(stage.time <= 71_000.0, "{}", stage.time);
    stage.complete(waiting, "b");
}
