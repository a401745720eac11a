//! A conversation stays with whoever answered it last, while that is healthy; its messages stay as they are.

use hf_inference_wasm::core::engine::attempt::Head;
use hf_inference_wasm::core::engine::plan::Task;
use hf_inference_wasm::core::engine::settings::{Fallback, MidStream, Settings};
use hf_inference_wasm::core::provider::table;
use hf_inference_wasm::core::wire::batch::Want;
use serde_json::{Value, json};

use super::stage::{At, DONE, Stage, chat, delta, elsewhere, head};

const SECOND: &str = "https://second.example";

fn session(settings: &mut Settings) {
    settings.session = "thread-7".to_owned();
    settings.retry.limit = 0;
}

fn of(provider: &str) -> Head {
    Head { provider: provider.to_owned(), ..head(200) }
}

/// Answers a call, as this provider behind the router.
fn answered(stage: &mut Stage, run: usize, provider: &str) {
    stage.answer(run, of(provider), "");
    stage.feed(run, &(delta("hi") + DONE));
    assert_eq!(stage.runs[run].word(), "complete");
}

/// A client whose conversation was answered by a provider behind the router.
fn after_an_answer_of(provider: &str) -> Stage {
    let mut stage = Stage::with(session);
    answered(&mut stage, 0, provider);
    stage
}

fn models(stage: &Stage, run: usize) -> Vec<String> {
    let bodies = stage.runs[run].sent.iter().map(|(.., request)| request.body.as_deref().expect("a body"));
    bodies.map(|body| crate::value(body)["model"].as_str().expect("a model").to_owned()).collect()
}

fn hosts(stage: &Stage, run: usize) -> Vec<String> {
    let urls = stage.runs[run].urls().into_iter();
    urls.map(|url| url.split('/').nth(2).expect("a host").to_owned()).collect()
}

fn why(stage: &Stage, run: usize) -> Value {
    stage.runs[run].trace()["affinity"].clone()
}

#[test]
fn the_next_call_of_a_conversation_goes_to_the_provider_that_answered_the_last() {
    let mut stage = after_an_answer_of("groq");
    assert_eq!((models(&stage, 0), why(&stage, 0)), (vec!["a/b".to_owned()], json!("new")));
    let next = stage.chat(session);
    assert_eq!((models(&stage, next), why(&stage, next)), (vec!["a/b:groq".to_owned()], json!("kept")));
    assert_eq!(hosts(&stage, next), ["router.huggingface.co"]);
    answered(&mut stage, next, "groq");
    let other = stage.chat(|settings| {
        session(settings);
        settings.session = "thread-8".to_owned();
    });
    assert_eq!((models(&stage, other), why(&stage, other)), (vec!["a/b".to_owned()], json!("new")));
    let none = stage.chat(|settings| settings.retry.limit = 0);
    assert_eq!((models(&stage, none), why(&stage, none)), (vec!["a/b".to_owned()], Value::Null));
    // Another model, another credential: another prompt cache.
    let request = json!({ "model": "c/d", "messages": [] });
    let model = stage.begin(Task::Chat, request, session);
    assert_eq!((models(&stage, model), why(&stage, model)), (vec!["c/d".to_owned()], json!("new")));
    let key = stage.ask(Task::Chat, chat(), Some("hf_another"), Want::Events, session);
    assert_eq!((models(&stage, key), why(&stage, key)), (vec!["a/b".to_owned()], json!("new")));
}

#[test]
fn a_policy_gives_way_and_a_provider_that_was_named_does_not() {
    let asked = |model: &str| {
        let mut stage = after_an_answer_of("groq");
        let request = json!({ "model": model, "messages": [] });
        let run = stage.begin(Task::Chat, request, session);
        (models(&stage, run).remove(0), why(&stage, run))
    };
    assert_eq!(asked("a/b:cheapest"), ("a/b:groq".to_owned(), json!("kept")));
    assert_eq!(asked("a/b:together"), ("a/b:together".to_owned(), json!("elsewhere")));
    assert_eq!(asked("a/b:groq"), ("a/b:groq".to_owned(), json!("unchanged")));
}

#[test]
fn who_cannot_be_known_is_not_asked_for() {
    // As in pages that may not read the header.
    let mut stage = after_an_answer_of("");
    let next = stage.chat(session);
    assert_eq!((models(&stage, next), why(&stage, next)), (vec!["a/b".to_owned()], json!("unchanged")));
    answered(&mut stage, next, "novita");
    let third = stage.chat(session);
    assert_eq!(models(&stage, third), ["a/b:novita"]);
}

#[test]
fn the_fallback_that_answered_goes_first_and_the_others_keep_their_order() {
    let targets = |settings: &mut Settings| {
        session(settings);
        settings.fallbacks = vec![elsewhere("https://f1"), elsewhere("https://f2"), elsewhere("https://f3")];
    };
    let mut stage = Stage::with(targets);
    stage.refuse(0, 503);
    stage.refuse(0, 503);
    stage.complete(0, "from f2");
    let next = stage.chat(targets);
    for _ in 0..4 {
        stage.refuse(next, 503);
    }
    assert_eq!(hosts(&stage, next), ["f2", "router.huggingface.co", "f1", "f3"]);
    assert_eq!(why(&stage, next), "kept");
    assert_eq!(stage.runs[next].error()["url"], "https://f3/v1/chat/completions");
    // What failed did not answer: it stays the last that did, until another does.
    let third = stage.chat(targets);
    assert_eq!(hosts(&stage, third), ["f2"]);
    stage.refuse(third, 503);
    stage.complete(third, "from the router");
    let fourth = stage.chat(targets);
    assert_eq!(
        (hosts(&stage, fourth), why(&stage, fourth)),
        (vec!["router.huggingface.co".to_owned()], json!("unchanged"))
    );
    // A target that the call does not name is not asked, whoever answered.
    stage.refuse(fourth, 503);
    stage.complete(fourth, "from f1");
    let fifth = stage.chat(session);
    assert_eq!(
        (hosts(&stage, fifth), why(&stage, fifth)),
        (vec!["router.huggingface.co".to_owned()], json!("elsewhere"))
    );
}

#[test]
fn a_failure_goes_on_as_without_affinity_and_affinity_moves_to_who_answers() {
    for status in [400, 401, 402, 404, 422, 429, 500, 503] {
        let mut stage = after_an_answer_of("groq");
        let next = stage.chat(session);
        stage.refuse(next, status);
        // A refused rate closes the gate of the router, for everybody.
        stage.until_sent(next, 2);
        assert_eq!(models(&stage, next), ["a/b:groq", "a/b"], "{status}");
        answered(&mut stage, next, "novita");
        assert_eq!(stage.runs[next].attempts("verdict"), [json!("fallback"), Value::Null], "{status}");
        let third = stage.chat(session);
        assert_eq!(models(&stage, third), ["a/b:novita"], "{status}");
    }
}

#[test]
fn a_failure_with_retries_is_tried_again_where_the_prompt_is_cached() {
    let mut stage = after_an_answer_of("groq");
    let next = stage.chat(|settings| {
        session(settings);
        settings.retry.limit = 1;
    });
    for count in 2..=4 {
        stage.refuse(next, 503);
        stage.until_sent(next, count);
    }
    stage.refuse(next, 503);
    assert_eq!(models(&stage, next), ["a/b:groq", "a/b:groq", "a/b", "a/b"]);
    assert_eq!(stage.runs[next].word(), "failed: Server refused");
}

#[test]
fn an_open_breaker_lets_the_call_go_on_at_once() {
    let mut stage = after_an_answer_of("groq");
    for _ in 0..5 {
        let run = stage.chat(session);
        stage.refuse(run, 500);
        stage.abort(run);
    }
    let next = stage.chat(session);
    assert_eq!((models(&stage, next), why(&stage, next)), (vec!["a/b".to_owned()], json!("kept")));
    assert_eq!(stage.runs[next].attempts("outcome"), ["circuit_open", "open"]);
    answered(&mut stage, next, "groq");
    // Once the breaker may be tried again, it goes back.
    stage.until(stage.time + 16_000.0);
    let later = stage.chat(session);
    assert_eq!(models(&stage, later), ["a/b:groq"]);
}

#[test]
fn a_gate_is_waited_for_within_patience_and_passed_by_beyond() {
    let targets = |settings: &mut Settings| {
        session(settings);
        settings.fallbacks = vec![elsewhere(SECOND)];
    };
    for (wait, first) in [("30", 2), ("90", 1)] {
        let mut stage = Stage::with(targets);
        stage.refuse(0, 503);
        stage.complete(0, "from the second");
        let refused = stage.chat(targets);
        stage.answer(refused, Head { retry_after: wait.to_owned(), ..head(429) }, "");
        stage.abort(refused);
        let next = stage.chat(targets);
        stage.until_sent(next, 1);
        let expected = if first == 2 { "second.example" } else { "router.huggingface.co" };
        assert_eq!(hosts(&stage, next), [expected], "{wait}");
        assert_eq!(stage.time, if first == 2 { 30_000.0 } else { 0.0 });
    }
}

#[test]
fn it_is_forgotten_after_ten_minutes_and_beyond_a_thousand_conversations() {
    for (after, expected) in [(600_000.0, "kept"), (600_001.0, "expired")] {
        let mut stage = after_an_answer_of("groq");
        stage.until(stage.time + after);
        let next = stage.chat(session);
        assert_eq!(why(&stage, next), expected);
    }
    let mut stage = after_an_answer_of("groq");
    for number in 0..1_000 {
        let run = stage.chat(|settings| {
            session(settings);
            settings.session = format!("other {number}");
        });
        answered(&mut stage, run, "groq");
    }
    assert_eq!(
        {
            let run = stage.chat(session);
            why(&stage, run)
        },
        "new"
    );
    let recent = stage.chat(|settings| {
        session(settings);
        settings.session = "other 0".to_owned();
    });
    assert_eq!(why(&stage, recent), "kept");
}

#[test]
fn an_answer_that_was_aborted_counts_and_one_that_broke_off_does_not() {
    let mut stage = Stage::with(session);
    stage.answer(0, of("groq"), "");
    stage.feed(0, &delta("hal"));
    stage.abort(0);
    let next = stage.chat(session);
    assert_eq!(models(&stage, next), ["a/b:groq"]);
    let mut stage = Stage::with(session);
    stage.answer(0, of("groq"), "");
    stage.feed(0, &delta("hal"));
    stage.break_off(0);
    let next = stage.chat(session);
    assert_eq!((models(&stage, next), why(&stage, next)), (vec!["a/b".to_owned()], json!("new")));
    // Nothing of it had come: whoever was asked may not have begun.
    let mut stage = Stage::with(session);
    stage.answer(0, of("groq"), "");
    stage.abort(0);
    let next = stage.chat(session);
    assert_eq!(why(&stage, next), "new");
}

#[test]
fn an_answer_that_breaks_off_is_not_sent_again_because_of_affinity() {
    let mut stage = after_an_answer_of("groq");
    let next = stage.chat(session);
    stage.answer(next, of("groq"), "");
    stage.feed(next, &delta("hal"));
    stage.break_off(next);
    assert_eq!(models(&stage, next), ["a/b:groq"]);
    assert_eq!(stage.runs[next].word(), "failed: StreamInterrupted connection_lost");
    let next = stage.chat(|settings| {
        session(settings);
        settings.mid_stream = MidStream::Restart;
    });
    stage.answer(next, of("groq"), "");
    stage.feed(next, &delta("hal"));
    stage.break_off(next);
    assert_eq!(models(&stage, next), ["a/b:groq", "a/b"]);
    answered(&mut stage, next, "novita");
    assert_eq!(stage.runs[next].shown(), "hi");
}

#[test]
fn a_race_goes_to_where_the_call_would_have_gone_and_the_winner_is_remembered() {
    let race = |settings: &mut Settings| {
        session(settings);
        settings.hedge = Some((1_000.0, 1));
    };
    let mut stage = after_an_answer_of("groq");
    let next = stage.chat(race);
    stage.until(1_000.0);
    assert_eq!(models(&stage, next), ["a/b:groq", "a/b"]);
    stage.answer_leg(next, 1, of("novita"), "");
    stage.feed_leg(next, 1, &(delta("fast") + DONE));
    assert_eq!(stage.runs[next].word(), "complete");
    let third = stage.chat(session);
    assert_eq!(models(&stage, third), ["a/b:novita"]);
}

#[test]
fn a_token_function_of_the_place_is_asked_and_tokens_go_where_they_may() {
    let targets = |settings: &mut Settings| {
        session(settings);
        let own = Fallback { has_token_function: true, ..elsewhere(SECOND) };
        settings.fallbacks = vec![own];
    };
    let mut stage = Stage::with(targets);
    stage.refuse(0, 503);
    assert_eq!(stage.runs[0].legs, [At::Token(1)]);
    let give = |stage: &mut Stage, run: usize| {
        stage.with_call(run, |call, _, _| {
            call.on_token(0, hf_inference_wasm::core::secret::Secret::new("sk-own"))
        });
        let now = stage.now();
        let step = stage.runs[run].call.step(0, &mut stage.shared, now);
        let hf_inference_wasm::core::engine::Step::Send(request) = step else { panic!("{step:?}") };
        assert_eq!(request.credential.expect("a token").expose(), "sk-own");
        stage.runs[run].legs[0] = At::Answer;
    };
    give(&mut stage, 0);
    stage.complete(0, "from the second");
    let next = stage.chat(targets);
    assert_eq!(stage.runs[next].legs, [At::Token(1)], "before anything of the call's own");
    give(&mut stage, next);
    stage.refuse(next, 500);
    assert_eq!(
        hosts(&stage, next),
        ["router.huggingface.co"],
        "the other request was not the stage's to note"
    );
    let credential = stage.runs[next].last().credential.as_ref().expect("a token");
    assert_eq!(credential.expose(), super::stage::TOKEN);
}

#[test]
fn a_conversations_name_stands_nowhere() {
    let mut stage = after_an_answer_of("groq");
    let next = stage.chat(session);
    answered(&mut stage, next, "groq");
    let snapshot = String::from_utf8(stage.shared.snapshot(stage.now())).expect("UTF-8");
    let told = format!(
        "{} {} {:?} {snapshot}",
        stage.runs[next].trace(),
        stage.runs[next].result(),
        stage.shared.affinities
    );
    assert!(!told.contains("thread-7"), "{told}");
    assert!(!snapshot.contains("groq"), "prompt caches live for minutes: {snapshot}");
    let request = stage.runs[next].last();
    let body = String::from_utf8(request.body.clone().expect("a body")).expect("UTF-8");
    assert!(
        !body.contains("thread-7") && !request.headers.iter().any(|(_, value)| value.contains("thread-7"))
    );
}

#[test]
fn messages_reach_every_provider_as_they_were_written_in_every_attempt() {
    let messages = r#"[ {"content":"Be \u0062rief. é\/","role":"system"},{"role":"user","x":1.0,"content":[{"type":"text","text":"a"} , {"text":"b","type":"text","cache_control":{"type":"ephemeral"}}]},{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{ \"b\":1, \"a\":2 }"}}]},{"role":"tool","tool_call_id":"1","content":"1e2"} ]"#;
    let tools = r#"[{"type":"function","function":{"parameters":{"z":1,"a":2},"name":"f"}}]"#;
    let request = format!(
        r#"{{"tools":{tools},"prompt_cache_key":"mine","messages":{messages},"model":"a/b","seed":1}}"#
    );
    let holds = |body: &[u8], place: &str| {
        let body = std::str::from_utf8(body).expect("UTF-8");
        for part in [
            &format!(r#""messages":{messages}"#),
            &format!(r#""tools":{tools}"#),
            r#""prompt_cache_key":"mine""#,
        ] {
            assert_eq!(body.matches(part).count(), 1, "{place}: {body}");
        }
    };
    let members =
        hf_inference_wasm::core::provider::body::Members::read(request.as_bytes()).expect("an object");
    for provider in table::PROVIDERS {
        let body = hf_inference_wasm::core::provider::body::chat(&members, "m", true, true, Some(provider));
        holds(&body, provider.name);
    }
    // And through retries, fallbacks, affinity and a race.
    let mut stage = Stage::new();
    let ask = |stage: &mut Stage| {
        let mut settings = Settings { hedge: Some((500.0, 1)), ..Settings::default() };
        settings.session = "thread-7".to_owned();
        settings.fallbacks = vec![elsewhere(SECOND)];
        stage.ask_text(Task::Chat, &request, settings)
    };
    let first = ask(&mut stage);
    answered(&mut stage, first, "groq");
    let second = ask(&mut stage);
    stage.until(500.0);
    stage.refuse(second, 503);
    stage.until_sent(second, 3);
    for (number, (.., request)) in stage.runs[first].sent.iter().chain(&stage.runs[second].sent).enumerate() {
        holds(request.body.as_deref().expect("a body"), &format!("request {number}"));
    }
    assert!(stage.runs[second].sent.len() >= 3);
}
