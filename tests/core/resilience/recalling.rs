//! Answers that cost no request: keys, tapes, and what may be kept.

use hf_inference_wasm::core::engine::plan::Task;
use hf_inference_wasm::core::engine::settings::{Fallback, MidStream, Settings};
use hf_inference_wasm::core::engine::{Call, Found, Progress, Shared};
use hf_inference_wasm::core::secret::Secret;
use hf_inference_wasm::core::wire::batch::{Mark, Want};
use serde_json::{Value, json};

use super::stage::*;
use crate::value;

const STOP: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

fn cold() -> Value {
    let mut request = chat();
    request["temperature"] = json!(0);
    request
}

/// Begins a call that looks for its answer first.
fn recall(stage: &mut Stage, request: Value, change: impl FnOnce(&mut Settings)) -> usize {
    stage.begin(Task::Chat, request, |settings| {
        settings.recalls = true;
        change(settings);
    })
}

/// Begins the call behind it that writes a tape, and that nobody reads.
fn record(stage: &mut Stage, request: Value, change: impl FnOnce(&mut Settings)) -> usize {
    stage.ask(Task::Chat, request, Some(TOKEN), Want::Nothing, |settings| {
        settings.tapes = true;
        change(settings);
    })
}

fn tape(stage: &mut Stage, run: usize) -> String {
    String::from_utf8(stage.runs[run].call.take_tape()).expect("UTF-8")
}

fn keeps(stage: &Stage, run: usize) -> bool {
    stage.runs[run].call.is_keepable()
}

/// The key of a call, and whether it says itself that its answer is always the same.
fn asked(stage: &Stage, run: usize) -> (String, bool) {
    match &stage.runs[run].legs[0] {
        At::Recall(key, deterministic) => (key.clone(), *deterministic),
        other => panic!("{other:?}"),
    }
}

fn key_of(request: Value, token: Option<&str>, change: impl FnOnce(&mut Settings)) -> String {
    let mut stage = Stage::new();
    let mut settings = Settings { recalls: true, ..Settings::default() };
    change(&mut settings);
    let secret = token.and_then(Secret::new);
    let now = stage.now();
    let bytes = request.to_string().into_bytes();
    let mut call = Call::new(Task::Chat, true, settings, bytes, secret, false, &mut stage.shared, now)
        .expect("a good request");
    match call.step(0, &mut Shared::new(1), now) {
        hf_inference_wasm::core::engine::Step::Recall(key, _) => key,
        other => panic!("{other:?}"),
    }
}

/// A whole answer on tape.
fn taped(bodies: &str) -> String {
    let mut stage = Stage::new();
    let flight = record(&mut stage, cold(), |_| {});
    stage.open(flight, bodies);
    assert_eq!(stage.runs[flight].word(), "complete");
    tape(&mut stage, flight)
}

#[test]
fn nothing_is_looked_for_unless_asked() {
    let stage = Stage::with(|_| {});
    assert_eq!(stage.runs[0].sent.len(), 1);
    assert!(stage.runs[0].trace().get("cache").is_none());
}

#[test]
fn the_key_is_of_what_is_asked_of_whom_and_with_which_credential() {
    let own = key_of(cold(), Some(TOKEN), |_| {});
    assert_eq!(key_of(cold(), Some(TOKEN), |settings| settings.timeouts.total = 1.0), own, "a limit");
    let mut named = cold();
    named["stream"] = json!(true);
    named["user"] = json!("u");
    assert_eq!(key_of(named, Some(TOKEN), |_| {}), own, "who asks, and how it is sent");
    let mut other_model = cold();
    other_model["model"] = json!("a/c");
    let fallback = |settings: &mut Settings| settings.fallbacks = vec![elsewhere(ENDPOINT)];
    let header = |settings: &mut Settings| settings.headers.push(("x-key".into(), "1".into()));
    let others = [
        ("the credential", key_of(cold(), Some("hf_other"), |_| {})),
        ("no credential", key_of(cold(), None, |settings| settings.base_url = "/api".into())),
        ("the model", key_of(other_model, Some(TOKEN), |_| {})),
        ("the provider", key_of(cold(), Some(TOKEN), |settings| settings.provider = "groq".into())),
        ("the endpoint", key_of(cold(), Some(TOKEN), |settings| settings.endpoint_url = ENDPOINT.into())),
        ("the base", key_of(cold(), Some(TOKEN), |settings| settings.base_url = "/api".into())),
        ("who pays", key_of(cold(), Some(TOKEN), |settings| settings.bill_to = "org".into())),
        ("a header", key_of(cold(), Some(TOKEN), header)),
        ("a fallback", key_of(cold(), Some(TOKEN), fallback)),
    ];
    for (position, (what, key)) in others.iter().enumerate() {
        assert_ne!(*key, own, "{what}");
        assert!(others.iter().skip(position + 1).all(|(_, other)| other != key), "{what}");
    }
    assert!(!own.contains("hf_"));
}

#[test]
fn shared_answers_have_one_key_for_all_credentials() {
    let shared = |token, header: &str| {
        key_of(cold(), token, |settings| {
            settings.shares_answers = true;
            settings.headers.push(("x-api-key".into(), header.into()));
        })
    };
    let own = shared(Some(TOKEN), "1");
    assert_eq!(shared(Some("hf_other"), "2"), own);
    assert_ne!(key_of(cold(), Some(TOKEN), |settings| settings.shares_answers = true), "");
}

#[test]
fn the_token_is_asked_for_before_the_key_is_made() {
    let mut stage = Stage::new();
    let change = |settings: &mut Settings| settings.recalls = true;
    let run = stage.ask(Task::Chat, cold(), None, Want::Events, change);
    assert_eq!(stage.runs[run].legs[0], At::Token(0));
    stage.with_call(run, |call, _, _| call.on_token(0, Secret::new(TOKEN)));
    let now = stage.now();
    let step = stage.runs[run].call.step(0, &mut stage.shared, now);
    let hf_inference_wasm::core::engine::Step::Recall(key, _) = step else { panic!("{step:?}") };
    assert_eq!(key, key_of(cold(), Some(TOKEN), |_| {}));
}

#[test]
fn a_fallback_whose_credential_is_not_known_is_never_kept_under_another() {
    let unknown = Fallback { has_token_function: true, ..elsewhere(ENDPOINT) };
    let mut stage = Stage::new();
    let run = recall(&mut stage, cold(), |settings| settings.fallbacks = vec![unknown.clone()]);
    assert_eq!(stage.runs[run].sent.len(), 1, "it goes alone");
    assert_eq!(stage.runs[run].trace()["cache"], json!({ "hit": false, "why": "credentials" }));
    let run = recall(&mut stage, cold(), |settings| {
        settings.fallbacks = vec![unknown];
        settings.shares_answers = true;
    });
    asked(&stage, run);
}

#[test]
fn only_a_temperature_of_zero_is_always_the_same() {
    let told = |request: Value| {
        let mut stage = Stage::new();
        let run = recall(&mut stage, request, |_| {});
        asked(&stage, run).1
    };
    assert!(told(cold()));
    assert!(!told(chat()));
    for temperature in [json!(0.1), json!(1), json!(null), json!("0")] {
        let mut request = chat();
        request["temperature"] = temperature.clone();
        assert!(!told(request), "{temperature}");
    }
    let generation = |parameters: Value| {
        let mut stage = Stage::new();
        let request = json!({ "inputs": "x", "parameters": parameters });
        let run = stage.begin(Task::Generation, request, |settings| {
            settings.recalls = true;
            settings.endpoint_url = ENDPOINT.into();
        });
        asked(&stage, run).1
    };
    assert!(generation(json!({ "do_sample": false })));
    assert!(generation(json!({ "temperature": 0.0 })));
    assert!(!generation(json!({})));
    assert!(!generation(json!({ "do_sample": true })));
}

#[test]
fn what_is_not_found_is_asked_for() {
    let mut stage = Stage::new();
    let run = recall(&mut stage, cold(), |_| {});
    assert!(stage.runs[run].sent.is_empty());
    stage.recalled(run, Found::Nothing);
    assert_eq!(stage.runs[run].sent.len(), 1);
    stage.open(run, &(delta("Hi") + STOP + DONE));
    assert_eq!(stage.runs[run].word(), "complete");
    assert_eq!(stage.runs[run].trace()["cache"], json!({ "hit": false }));
    assert!(!stage.runs[run].call.is_recalled());
}

#[test]
fn a_tape_replays_text_events_usage_and_finish_as_they_were() {
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n";
    let thinks = "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning\":\"Hm. \"}}]}\r\n\r\n";
    let calls = "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]}}]}\n\n";
    let body = format!(": keep-alive\n\n{thinks}{}{calls}{}{STOP}{usage}{DONE}", delta("Hé"), delta(" 😀"));
    // As it is without a cache.
    let mut plain = Stage::new();
    let first = plain.begin(Task::Chat, cold(), |_| {});
    plain.open(first, &body);
    let tape = taped(&body);
    assert!(tape.ends_with(&(DONE.to_owned() + ": keepable\n\n")) && !tape.contains("keep-alive"), "{tape}");
    for cut in [1, 7, tape.len()] {
        let mut stage = Stage::new();
        let run = recall(&mut stage, cold(), |_| {});
        stage.recalled(run, Found::Kept(1_234.0));
        let bytes = tape.as_bytes();
        for piece in bytes.chunks(cut) {
            if stage.runs[run].settled_at.is_none() {
                stage.with_call(run, |call, shared, now| call.feed(0, piece, shared, now));
            }
        }
        let mut expected = plain.runs[first].result();
        let mut got = stage.runs[run].result();
        assert_eq!(got["trace"]["cache"], json!({ "hit": true, "age": 1234 }));
        assert_eq!(got["trace"]["attempts"], json!([]));
        assert_eq!(got["trace"]["state"], "complete");
        expected["trace"] = json!(null);
        got["trace"] = json!(null);
        assert_eq!(got, expected, "cut every {cut} bytes");
        assert!(stage.runs[run].sent.is_empty());
        assert!(stage.runs[run].call.is_recalled());
        if cut == tape.len() {
            assert_eq!(stage.runs[run].events, plain.runs[first].events);
        }
    }
}

#[test]
fn a_consumer_who_comes_late_is_told_all_of_a_tape() {
    let tape = taped(&(delta("one ") + &delta("two") + STOP + DONE));
    let mut stage = Stage::new();
    let change = |settings: &mut Settings| settings.recalls = true;
    let run = stage.ask(Task::Chat, cold(), Some(TOKEN), Want::Nothing, change);
    stage.recalled(run, Found::Kept(5.0));
    stage.feed(run, &tape);
    stage.with_call(run, |call, _, _| call.want(Want::Events));
    assert_eq!(stage.runs[run].shown(), "one two");
    assert_eq!(stage.runs[run].told(Mark::Start)[0]["model"], "a/b");
    assert_eq!(stage.runs[run].told(Mark::Finish).len(), 1);
}

#[test]
fn chunks_come_back_to_the_letter() {
    let odd =
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}],\"own\":9007199254740993}\n\n";
    let tape = taped(&(odd.to_owned() + STOP + DONE));
    let mut stage = Stage::new();
    let change = |settings: &mut Settings| settings.recalls = true;
    let run = stage.ask(Task::Chat, cold(), Some(TOKEN), Want::Chunks, change);
    stage.recalled(run, Found::Kept(5.0));
    let now = stage.now();
    let progress = stage.runs[run].call.feed(0, tape.as_bytes(), &mut stage.shared, now);
    assert_eq!(progress, Progress::Complete);
    let chunks = String::from_utf8(stage.runs[run].call.batch().text().to_vec()).expect("UTF-8");
    assert!(chunks.contains("\"own\":9007199254740993"), "{chunks}");
}

#[test]
fn a_whole_answer_comes_back_as_the_service_wrote_it() {
    let document = "{\"id\":\"x\",\r\n \"choices\":[{\"index\":0,\"message\":{\"content\":\"Hi\\nthere\"},\"finish_reason\":\"stop\"}],\"own\":1}";
    let mut stage = Stage::new();
    let begin = |stage: &mut Stage, recalls: bool| {
        let settings = Settings { recalls, tapes: !recalls, ..Settings::default() };
        let (bytes, now) = (cold().to_string().into_bytes(), stage.now());
        let token = Secret::new(TOKEN);
        Call::new(Task::Chat, false, settings, bytes, token, false, &mut stage.shared, now).expect("good")
    };
    let now = stage.now();
    let mut flight = begin(&mut stage, false);
    flight.step(0, &mut stage.shared, now);
    flight.on_head(0, head(200), &mut stage.shared, now);
    flight.feed(0, document.as_bytes(), &mut stage.shared, now);
    assert!(flight.take_tape().is_empty() || !flight.is_keepable());
    flight.end(0, &mut stage.shared, now);
    let tape = flight.take_tape();
    assert!(flight.is_keepable());
    let mut call = begin(&mut stage, true);
    call.step(0, &mut stage.shared, now);
    call.on_recalled(0, Found::Kept(0.0), &mut stage.shared, now);
    assert_eq!(call.feed(0, &tape, &mut stage.shared, now), Progress::Complete);
    assert_eq!(value(&call.result()), value(document.as_bytes()));
    // And where a stream was asked for.
    let run = recall(&mut stage, cold(), |_| {});
    stage.recalled(run, Found::Kept(0.0));
    stage.feed(run, &String::from_utf8(tape).expect("UTF-8"));
    assert_eq!(stage.runs[run].shown(), "Hi\nthere");
}

#[test]
fn only_what_is_complete_and_ended_by_itself_is_kept() {
    let ended = |reason: &str| {
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"{reason}\"}}]}}\n\n")
    };
    let kept = |request: Value, body: String| {
        let mut stage = Stage::new();
        let flight = record(&mut stage, request, |settings| settings.retry.limit = 0);
        stage.open(flight, &body);
        if stage.runs[flight].settled_at.is_none() {
            assert!(!keeps(&stage, flight), "before its end");
            stage.end(flight);
        }
        keeps(&stage, flight)
    };
    assert!(kept(cold(), delta("x") + &ended("stop") + DONE));
    assert!(kept(cold(), delta("x") + &ended("eos_token")));
    assert!(kept(cold(), delta("x") + &ended("tool_calls") + DONE));
    assert!(!kept(cold(), delta("x") + &ended("length") + DONE), "the service's own limit");
    let mut bounded = cold();
    bounded["max_tokens"] = json!(5);
    assert!(kept(bounded, delta("x") + &ended("length") + DONE), "the caller's limit");
    assert!(!kept(cold(), delta("x") + &ended("content_filter") + DONE));
    assert!(!kept(cold(), delta("x") + &ended("whatever") + DONE));
    assert!(!kept(cold(), delta("x") + DONE), "no reason");
    assert!(!kept(cold(), delta("x")), "truncated");
    assert!(!kept(cold(), delta("x") + "data: {\"error\":\"boom\"}\n\n"), "an error in the stream");
    let mut two = cold();
    two["n"] = json!(2);
    assert!(!kept(two, delta("x") + &ended("stop") + DONE), "one of two choices");
    let mut stage = Stage::new();
    let flight = record(&mut stage, cold(), |_| {});
    stage.open(flight, &delta("x"));
    stage.abort(flight);
    assert!(!keeps(&stage, flight), "aborted");
}

/// What a replay saved is what the call cost that made the tape, failed attempts and all; unknown is nothing.
#[test]
fn a_replay_tells_what_it_has_saved() {
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":10}}\n\n";
    let billed =
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":10,\"cost\":0.5}}\n\n";
    let ours = r#"{"prices":[{"input":1,"output":2}]}"#;
    let unknown = "{}";
    for (accounts, told, expected) in [
        // 100 × 1 and 10 × 2, for a million.
        (ours, usage, json!(0.00012)),
        (ours, billed, json!(0.5)),
        (unknown, billed, json!(0.5)),
        (unknown, usage, Value::Null),
    ] {
        let mut stage = Stage::new();
        stage.shared.accounts.set(accounts.as_bytes()).expect("accounts");
        let flight = record(&mut stage, cold(), |_| {});
        stage.open(flight, &(delta("Hi") + STOP + told + DONE));
        let tape = tape(&mut stage, flight);
        for found in [Found::Kept(5.0), Found::InFlight] {
            let run = recall(&mut stage, cold(), |_| {});
            stage.recalled(run, found);
            stage.feed(run, &tape);
            assert_eq!(stage.runs[run].word(), "complete");
            let result = stage.runs[run].result();
            assert_eq!(result["trace"]["cache"]["savedUsd"], expected, "{accounts} {told}");
            assert_eq!(result["cost"], Value::Null, "it cost nothing");
        }
        assert_eq!(stage.shared.accounts.ledger.total().requests, 1);
    }
}

#[test]
fn a_replay_of_tgi_s_own_stream_tells_what_it_has_saved() {
    let body = "data: {\"token\":{\"id\":1,\"text\":\"one\"},\"generated_text\":\"one\",\"details\":{\"finish_reason\":\"eos_token\",\"generated_tokens\":1}}\n\n";
    let request =
        || json!({ "inputs": "12345678", "parameters": { "grammar": { "type": "regex", "value": "o" } } });
    let mut stage = Stage::new();
    stage.shared.accounts.set(br#"{"prices":[{"input":1,"output":2}]}"#).expect("accounts");
    let flight = stage.ask(Task::Generation, request(), Some(TOKEN), Want::Nothing, |settings| {
        settings.tapes = true;
        settings.endpoint_url = ENDPOINT.into();
    });
    stage.open(flight, body);
    assert_eq!(stage.runs[flight].word(), "complete");
    let cost = stage.runs[flight].result()["cost"]["usd"].clone();
    assert!(cost.as_f64() > Some(0.0), "{cost}");
    let tape = tape(&mut stage, flight);
    let run = stage.begin(Task::Generation, request(), |settings| {
        settings.recalls = true;
        settings.endpoint_url = ENDPOINT.into();
    });
    stage.recalled(run, Found::Kept(5.0));
    stage.feed(run, &tape);
    assert_eq!(stage.runs[run].word(), "complete");
    assert_eq!(stage.runs[run].trace()["cache"]["savedUsd"], cost);
}

#[test]
fn an_answer_that_was_continued_is_told_and_not_kept() {
    let mut stage = Stage::new();
    let flight = record(&mut stage, cold(), |settings| settings.mid_stream = MidStream::Continue);
    let reader = recall(&mut stage, cold(), |_| {});
    stage.recalled(reader, Found::InFlight);
    stage.open(flight, &delta("one "));
    stage.break_off(flight);
    stage.until_sent(flight, 2);
    stage.open(flight, &(delta("two") + STOP + DONE));
    let text = tape(&mut stage, flight);
    stage.feed(reader, &text);
    assert_eq!(stage.runs[reader].shown(), "one two");
    assert_eq!(stage.runs[reader].word(), "complete");
    assert_eq!(stage.runs[reader].told(Mark::Retry).len(), 1);
    assert_eq!(stage.runs[reader].trace()["cache"], json!({ "hit": true, "joined": true }));
    assert!(!keeps(&stage, flight));
}

#[test]
fn an_answer_that_began_anew_is_cleared_for_those_who_can_clear() {
    for (want, ends) in
        [(Want::Events, "complete"), (Want::Text, "failed: StreamInterrupted connection_lost")]
    {
        let mut stage = Stage::new();
        let flight = record(&mut stage, cold(), |settings| settings.mid_stream = MidStream::Restart);
        let change = |settings: &mut Settings| settings.recalls = true;
        let reader = stage.ask(Task::Chat, cold(), Some(TOKEN), want, change);
        stage.recalled(reader, Found::InFlight);
        stage.open(flight, &delta("one"));
        stage.break_off(flight);
        stage.until_sent(flight, 2);
        stage.open(flight, &(delta("two") + STOP + DONE));
        let text = tape(&mut stage, flight);
        let now = stage.now();
        stage.runs[reader].call.feed(0, text.as_bytes(), &mut stage.shared, now);
        assert_eq!(stage.runs[reader].word(), ends);
        if want == Want::Events {
            stage.with_call(reader, |_, _, _| {});
            assert_eq!(stage.runs[reader].shown(), "two");
        }
    }
}

#[test]
fn retries_before_the_answer_are_on_the_tape_as_they_happen() {
    let mut stage = Stage::new();
    let flight = record(&mut stage, cold(), |_| {});
    stage.refuse(flight, 503);
    assert!(tape(&mut stage, flight).starts_with("event: retry\ndata: {\"attempt\":2,"));
    assert_eq!(tape(&mut stage, flight), "");
}

#[test]
fn a_reader_of_a_call_in_flight_fails_with_it_and_asks_for_nothing() {
    for shown in [false, true] {
        let mut stage = Stage::new();
        let run = recall(&mut stage, cold(), |_| {});
        stage.recalled(run, Found::InFlight);
        let start = "event: start\ndata: {\"provider\":\"p\",\"model\":\"m\"}\n\n".to_owned();
        stage.feed(run, &(start + &if shown { delta("x") } else { String::new() }));
        stage.feed(run, "event: failed\ndata: {}\n\n");
        assert_eq!(stage.runs[run].word(), "failed: StreamInterrupted shared");
        assert!(stage.runs[run].sent.is_empty());
    }
}

#[test]
fn a_tape_that_cannot_be_read_is_as_good_as_none() {
    for bad in [
        "",
        "rubbish",
        "event: nobody\ndata: {}\n\n",
        "data: {\"choi",
        "<html>",
        "data: {\"error\":\"x\"}\n\n",
    ] {
        let mut stage = Stage::new();
        let run = recall(&mut stage, cold(), |_| {});
        stage.recalled(run, Found::Kept(1.0));
        stage.feed(run, bad);
        if stage.runs[run].sent.is_empty() {
            stage.end(run);
        }
        assert_eq!(stage.runs[run].sent.len(), 1, "{bad}");
        stage.open(run, &(delta("asked for") + STOP + DONE));
        assert_eq!(stage.runs[run].shown(), "asked for");
        assert_eq!(stage.runs[run].trace()["cache"], json!({ "hit": false, "why": "corrupt" }));
    }
    // Once something was shown it is an error, never a short answer.
    let mut stage = Stage::new();
    let run = recall(&mut stage, cold(), |_| {});
    stage.recalled(run, Found::Kept(1.0));
    stage.feed(run, &delta("half"));
    stage.end(run);
    assert_eq!(stage.runs[run].word(), "truncated: Truncated no_end");
    assert!(stage.runs[run].sent.is_empty());
}

#[test]
fn a_tape_cut_anywhere_is_the_whole_answer_or_none() {
    let document = r#"{"choices":[{"index":0,"message":{"content":"all of it"},"finish_reason":"stop"}]}"#;
    let tapes = [
        taped(&(delta("all ") + &delta("of it") + STOP + DONE)),
        format!("event: start\ndata: {{\"provider\":\"p\"}}\n\nevent: document\ndata: {document}\n\n"),
    ];
    for (tape, streamed) in [(&tapes[0], true), (&tapes[1], true), (&tapes[1], false)] {
        for end in 0..tape.len() {
            let mut stage = Stage::new();
            let settings = Settings { recalls: true, ..Settings::default() };
            let (bytes, now) = (cold().to_string().into_bytes(), stage.now());
            let token = Secret::new(TOKEN);
            let call = Call::new(Task::Chat, streamed, settings, bytes, token, false, &mut stage.shared, now);
            let mut call = call.expect("a good request");
            call.step(0, &mut stage.shared, now);
            call.on_recalled(0, Found::Kept(1.0), &mut stage.shared, now);
            call.feed(0, &tape.as_bytes()[..end], &mut stage.shared, now);
            call.end(0, &mut stage.shared, now);
            let trace = value(&call.trace());
            match trace["state"].as_str().expect("a state") {
                "complete" if streamed => {
                    assert_eq!(value(&call.result())["choices"][0]["text"], "all of it")
                }
                "complete" => {
                    let message = &value(&call.result())["choices"][0]["message"];
                    assert_eq!(message["content"], "all of it", "{end} bytes of {tape}");
                }
                "open" => assert_eq!(trace["cache"]["why"], "corrupt", "{end} bytes of {tape}"),
                state => {
                    assert!(state == "truncated" && streamed && end > 0, "{state}: {end} bytes of {tape}")
                }
            }
        }
    }
}

#[test]
fn a_replay_has_only_the_total_to_keep_to() {
    let mut stage = Stage::new();
    let run = recall(&mut stage, cold(), |settings| settings.timeouts.total = 500_000.0);
    stage.recalled(run, Found::InFlight);
    // Longer than a first token and a stall may take: the call in flight keeps to those.
    stage.until(400_000.0);
    assert_eq!(stage.runs[run].word(), "open");
    stage.feed(run, &delta("x"));
    stage.until(499_999.0);
    assert_eq!(stage.runs[run].word(), "open");
    stage.until(500_001.0);
    assert_eq!(stage.runs[run].word(), "failed: Timeout total");
}

#[test]
fn a_look_up_that_never_ends_is_bounded_too() {
    let mut stage = Stage::new();
    let run = recall(&mut stage, cold(), |settings| settings.timeouts.total = 1_000.0);
    stage.until(2_000.0);
    assert_eq!(stage.runs[run].word(), "failed: Timeout total");
    // What is found then is too late.
    stage.with_call(run, |call, shared, now| call.on_recalled(0, Found::Kept(0.0), shared, now));
    assert!(stage.runs[run].call.is_settled() && stage.runs[run].sent.is_empty());
}

#[test]
fn replays_earn_no_retries() {
    let mut stage = Stage::new();
    let tape = taped(&(delta("x") + STOP + DONE));
    for _ in 0..1_000 {
        let run = recall(&mut stage, cold(), |_| {});
        stage.recalled(run, Found::Kept(1.0));
        stage.feed(run, &tape);
        stage.runs.clear();
    }
    let budget = std::iter::repeat_with(|| stage.shared.budget.withdraw(0.0)).take_while(|&granted| granted);
    assert_eq!(budget.count(), 10, "the ten that a client begins with");
}
