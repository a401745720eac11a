//! Small and large targets: who is asked first, what becomes of a small one's answer, and what is told of it.

use std::rc::Rc;

use hf_inference_wasm::core::engine::Found;
use hf_inference_wasm::core::engine::attempt::Head;
use hf_inference_wasm::core::engine::plan::Task;
use hf_inference_wasm::core::engine::settings::{Fallback, MidStream, Order, Route, Settings};
use hf_inference_wasm::core::secret::Secret;
use hf_inference_wasm::core::wire::batch::{Mark, Want};
use serde_json::{Value, json};

use super::stage::*;
use crate::value;

const SMALL: &str = r#"{"large":false,"reason":"cascade"}"#;
const LARGE: &str = r#"{"large":true,"reason":"estimate","estimate":{"score":0.75}}"#;

fn model(name: &str) -> Fallback {
    Fallback { model: name.to_owned(), ..Fallback::default() }
}

fn routed(settings: &mut Settings, route: Route) {
    if route.shadow.is_empty() {
        settings.fallbacks.splice(0..0, [model("lab/small"), model("lab/large")]);
    }
    settings.route = Some(Rc::new(route));
}

/// A chat whose small target answers first, and is judged by the rules, and by the caller where `asks`.
fn cascade(asks: bool, change: impl FnOnce(&mut Settings)) -> Stage {
    let route = Route { tries: true, asks, ..Route::default() };
    let mut stage = Stage::with(|settings| {
        routed(settings, route);
        change(settings);
    });
    stage.tell(0, SMALL);
    stage
}

fn ending(reason: &str) -> String {
    let end = json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] });
    format!("data: {end}\n\n{DONE}")
}

fn models(stage: &Stage) -> Vec<String> {
    let bodies =
        stage.runs[0].sent.iter().map(|(.., request)| value(request.body.as_deref().expect("a body")));
    bodies.map(|body| body["model"].as_str().expect("a model").to_owned()).collect()
}

fn route(stage: &Stage) -> Value {
    stage.runs[0].trace()["route"].clone()
}

#[test]
fn the_caller_is_asked_before_anything_is_sent_and_the_call_begins_where_it_says() {
    for (told, asked) in [(SMALL, "lab/small"), (LARGE, "lab/large"), ("", "lab/large")] {
        let mut stage = Stage::with(|settings| routed(settings, Route::default()));
        assert_eq!(stage.runs[0].legs, [At::Question(Value::Null)]);
        stage.tell(0, told);
        assert_eq!(models(&stage), [asked], "{told}");
        stage.complete(0, "Hi");
        assert_eq!(route(&stage)["chosen"], if told == SMALL { "small" } else { "large" });
        assert_eq!(stage.runs[0].noticed("route")[0]["chosen"], route(&stage)["chosen"]);
    }
    let mut stage = Stage::with(|settings| routed(settings, Route::default()));
    stage.tell(0, LARGE);
    assert_eq!(
        route(&stage),
        json!({ "chosen": "large", "reason": "estimate", "estimate": { "score": 0.75 } })
    );
}

#[test]
fn a_caller_that_never_chooses_has_the_call_end_in_time() {
    let mut stage = Stage::with(|settings| routed(settings, Route::default()));
    stage.until(300_000.0);
    assert_eq!(stage.runs[0].word(), "failed: Timeout queue");
    let mut stage = Stage::with(|settings| routed(settings, Route::default()));
    stage.abort(0);
    assert_eq!(stage.runs[0].word(), "aborted");
    // What it says then is heard by nobody.
    stage.with_call(0, |call, shared, now| call.on_told(0, LARGE, shared, now));
    assert!(stage.runs[0].sent.is_empty());
}

#[test]
fn what_a_target_leaves_out_is_as_in_the_call_and_each_has_its_own_key() {
    let mut stage = Stage::new();
    stage.ask(Task::Chat, chat(), None, Want::Events, |settings| {
        settings.fallbacks = vec![
            Fallback { token: Secret::new("sk-small"), ..elsewhere("https://small.example/v1") },
            Fallback::default(),
        ];
        settings.route = Some(Rc::new(Route { tries: true, ..Route::default() }));
    });
    assert_eq!(stage.runs[0].legs, [At::Token(0)], "the call's own key is asked for first");
    stage.over_token(0, Some("hf_own"));
    stage.tell(0, SMALL);
    assert_eq!(stage.runs[0].last().url, "https://small.example/v1/chat/completions");
    assert_eq!(stage.runs[0].last().credential.as_ref().expect("a key").expose(), "sk-small");
    stage.open(0, &(delta("?") + &ending("length")));
    let last = stage.runs[0].last();
    assert_eq!(last.url, "https://router.huggingface.co/v1/chat/completions");
    assert_eq!(last.credential.as_ref().expect("a key").expose(), "hf_own");
    assert_eq!(stage.runs[0].body()["model"], "a/b");
}

#[test]
fn an_answer_on_trial_is_shown_whole_or_not_at_all() {
    for want in [Want::Events, Want::Text, Want::Chunks, Want::Nothing] {
        let mut stage = Stage::new();
        stage.ask(Task::Chat, chat(), Some(TOKEN), want, |settings| {
            routed(settings, Route { tries: true, asks: true, ..Route::default() });
        });
        stage.tell(0, SMALL);
        stage.open(0, &delta("Hel"));
        stage.feed(0, &delta("lo"));
        assert!(stage.runs[0].events.is_empty() && stage.runs[0].call.batch().is_empty());
        stage.feed(0, &ending("stop"));
        let At::Question(question) = &stage.runs[0].legs[0] else { panic!("{:?}", stage.runs[0].legs) };
        assert_eq!(question["choices"][0]["text"], "Hello");
        assert_eq!(question["choices"][0]["finishReason"], "stop");
        assert_eq!(question["model"], "lab/small");
        assert!(stage.runs[0].call.batch().is_empty(), "{want:?}");
        stage.tell(0, "true");
        assert_eq!(stage.runs[0].word(), "complete");
        assert_eq!(stage.runs[0].result()["choices"][0]["text"], "Hello");
        assert_eq!(stage.runs[0].attempts("outcome"), ["complete"]);
        if want == Want::Events {
            assert_eq!(stage.runs[0].shown(), "Hello");
            let marks: Vec<u32> = stage.runs[0].events.iter().map(|(mark, _)| *mark).collect();
            assert_eq!(marks.first(), Some(&(Mark::Start as u32)));
            assert_eq!(marks.last(), Some(&(Mark::Finish as u32)));
            assert_eq!(marks.iter().filter(|mark| **mark == Mark::Finish as u32).count(), 1);
        }
    }
}

#[test]
fn a_reader_that_comes_while_the_caller_judges_is_told_all_of_it_once() {
    for want in [Want::Events, Want::Text] {
        let mut stage = Stage::new();
        stage.ask(Task::Chat, chat(), Some(TOKEN), Want::Nothing, |settings| {
            routed(settings, Route { tries: true, asks: true, ..Route::default() });
        });
        stage.tell(0, SMALL);
        stage.open(0, &(delta("Hello") + &ending("stop")));
        stage.with_call(0, |call, _, _| call.want(want));
        assert!(stage.runs[0].events.is_empty());
        stage.tell(0, "true");
        if want == Want::Events {
            assert_eq!(stage.runs[0].shown(), "Hello");
            assert_eq!(stage.runs[0].told(Mark::Finish).len(), 1);
        }
        assert_eq!(stage.runs[0].word(), "complete");
    }
}

#[test]
fn what_is_rejected_goes_to_the_large_target_and_is_never_shown() {
    let refused = json!({ "choices": [{ "index": 0, "delta": { "refusal": "I cannot" } }] });
    let cases = [
        (delta("no") + &ending("length"), "length"),
        (delta("no") + &ending("content_filter"), "content_filter"),
        (delta("no") + &format!("data: {refused}\n\n") + &ending("stop"), "refusal"),
    ];
    for (answer, objection) in cases {
        let mut stage = cascade(false, |_| ());
        stage.open(0, &answer);
        assert_eq!(models(&stage), ["lab/small", "lab/large"], "{objection}");
        stage.complete(0, "yes");
        assert_eq!(stage.runs[0].shown(), "yes");
        assert_eq!(stage.runs[0].result()["choices"][0]["text"], "yes");
        assert_eq!(stage.runs[0].attempts("outcome"), ["rejected", "complete"]);
        assert_eq!(stage.runs[0].attempts("verdict"), [json!("fallback"), Value::Null]);
        assert!(stage.runs[0].attempt(0)["wasted"]["completion_tokens"].as_u64() > Some(0));
        assert_eq!(route(&stage), json!({ "chosen": "small", "reason": "cascade", "escalated": objection }));
        let [told] = &stage.runs[0].told(Mark::Fallback)[..] else { panic!("one fallback") };
        assert_eq!(told["error"]["message"], objection);
        assert_eq!(stage.runs[0].told(Mark::Start).len(), 1, "only the large one's answer begins");
    }
    let mut stage = cascade(true, |_| ());
    stage.open(0, &(delta("no") + &ending("stop")));
    stage.tell(0, "accept");
    stage.complete(0, "yes");
    assert_eq!(stage.runs[0].shown(), "yes");
    assert_eq!(route(&stage)["escalated"], "accept");
}

#[test]
fn a_whole_answer_is_tried_as_well() {
    let document = |text: &str, reason: &str| {
        json!({ "choices": [{ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": reason }] })
            .to_string()
    };
    for (accepted, expected) in [("true", "small"), ("accept", "large")] {
        let mut stage = Stage::new();
        stage.whole(chat(), |settings| {
            routed(settings, Route { tries: true, asks: true, ..Route::default() })
        });
        stage.tell(0, SMALL);
        stage.open(0, &document("small", "stop"));
        stage.end(0);
        let At::Question(question) = &stage.runs[0].legs[0] else { panic!("{:?}", stage.runs[0].legs) };
        assert_eq!(question["choices"][0]["text"], "small");
        stage.tell(0, accepted);
        if expected == "large" {
            stage.open(0, &document("large", "stop"));
            stage.end(0);
        }
        assert_eq!(stage.runs[0].word(), "complete");
        assert_eq!(stage.runs[0].result()["choices"][0]["message"]["content"], expected);
    }
}

#[test]
fn a_low_mean_log_probability_escalates_and_is_asked_for_where_the_caller_has_not() {
    let token = |text: &str, logprob: f64| {
        let logprobs = json!({ "content": [{ "token": text, "logprob": logprob }] });
        format!(
            "data: {}\n\n",
            json!({ "choices": [{ "index": 0, "delta": { "content": text }, "logprobs": logprobs }] })
        )
    };
    let route = || Route { tries: true, least_logprob: Some(-1.0), ..Route::default() };
    for (logprobs, escalates) in [(vec![-0.5, -1.4], false), (vec![-0.5, -1.6], true), (vec![], false)] {
        let mut stage = Stage::with(|settings| routed(settings, route()));
        stage.tell(0, SMALL);
        assert_eq!(stage.runs[0].body()["logprobs"], true);
        let words: String = logprobs.iter().map(|logprob| token("a", *logprob)).collect();
        stage.open(0, &(delta("b") + &words + &ending("stop")));
        assert_eq!(stage.runs[0].sent.len(), if escalates { 2 } else { 1 }, "{logprobs:?}");
        if escalates {
            assert_eq!(self::route(&stage)["escalated"], "logprob");
            assert!(stage.runs[0].body().get("logprobs").is_none(), "the large one is not asked for them");
        }
    }
    for (given, sent) in [(json!(false), json!(false)), (json!(true), json!(true))] {
        let mut request = chat();
        request["logprobs"] = given;
        let mut stage = Stage::new();
        stage.begin(Task::Chat, request, |settings| routed(settings, route()));
        stage.tell(0, SMALL);
        let body = stage.runs[0].last().body.clone().expect("a body");
        let text = String::from_utf8(body).expect("UTF-8");
        assert_eq!(text.matches("\"logprobs\"").count(), 1, "{text}");
        assert_eq!(value(text.as_bytes())["logprobs"], sent);
    }
}

#[test]
fn a_small_target_that_fails_for_good_is_followed_by_the_large_one() {
    // Whatever it refuses the request for: what a small model cannot do, a large one may.
    for status in [400, 401, 404, 413, 422, 500, 503] {
        let mut stage = cascade(false, |settings| settings.retry.limit = 0);
        stage.refuse(0, status);
        assert_eq!(models(&stage), ["lab/small", "lab/large"], "{status}");
        assert_eq!(route(&stage)["escalated"], "refused");
        stage.complete(0, "yes");
    }
    // The large one's refusal is the call's.
    let mut stage = cascade(false, |settings| settings.retry.limit = 0);
    stage.refuse(0, 400);
    stage.refuse(0, 400);
    assert_eq!(stage.runs[0].word(), "failed: Input refused");
    // Without a trial a choice is as any target: who refuses the request, refuses it.
    let mut stage = Stage::with(|settings| routed(settings, Route::default()));
    stage.tell(0, SMALL);
    stage.refuse(0, 400);
    assert_eq!(stage.runs[0].word(), "failed: Input refused");
}

#[test]
fn an_answer_on_trial_that_breaks_off_is_tried_again_as_if_nothing_had_come() {
    for mode in [MidStream::Fail, MidStream::Continue, MidStream::Restart] {
        let mut stage = cascade(false, |settings| settings.mid_stream = mode);
        stage.open(0, &delta("lost"));
        stage.break_off(0);
        stage.until_sent(0, 2);
        assert_eq!(models(&stage), ["lab/small"; 2]);
        stage.open(0, &(delta("kept") + &ending("stop")));
        assert_eq!(stage.runs[0].shown(), "kept");
        assert_eq!(stage.runs[0].told(Mark::Restart).len(), 0);
    }
}

#[test]
fn the_large_ones_answer_streams_and_may_be_continued() {
    let mut stage = cascade(false, |settings| settings.mid_stream = MidStream::Continue);
    stage.open(0, &(delta("no") + &ending("length")));
    stage.open(0, &delta("The beginning"));
    assert_eq!(stage.runs[0].shown(), "The beginning", "it is shown as it comes");
    stage.break_off(0);
    stage.until_sent(0, 3);
    assert_eq!(models(&stage)[2], "lab/large");
    stage.open(0, &(delta(" and the end") + DONE));
    assert_eq!(stage.runs[0].shown(), "The beginning and the end");
}

#[test]
fn nobody_waits_for_a_caller_that_never_judges() {
    let mut stage = cascade(true, |settings| settings.timeouts.total = 20_000.0);
    stage.open(0, &(delta("perhaps") + &ending("stop")));
    assert!(matches!(stage.runs[0].legs[0], At::Question(_)));
    stage.until(20_000.0);
    assert_eq!(stage.runs[0].word(), "failed: Timeout total");
    assert_eq!(stage.runs[0].settled_at, Some(20_000.0));
    assert_eq!(stage.runs[0].attempts("outcome"), ["unjudged"]);
    assert!(stage.runs[0].error()["partial"].is_null(), "what nobody accepted is shown to nobody");
    assert_eq!(stage.runs[0].shown(), "");
    // What it says then is heard by nobody.
    stage.with_call(0, |call, shared, now| call.on_told(0, "true", shared, now));
    assert_eq!(stage.runs[0].word(), "failed: Timeout total");
}

#[test]
fn an_abort_shows_nothing_of_an_answer_on_trial() {
    let mut stage = cascade(true, |_| ());
    stage.open(0, &delta("perhaps"));
    stage.abort(0);
    assert_eq!((stage.runs[0].word(), stage.runs[0].shown()), ("aborted".to_owned(), String::new()));
    assert!(stage.runs[0].error()["partial"].is_null());
    let mut stage = cascade(true, |_| ());
    stage.open(0, &(delta("perhaps") + &ending("stop")));
    stage.abort(0);
    assert!(stage.runs[0].error()["partial"].is_null());
}

#[test]
fn trailing_words_that_never_come_do_not_keep_an_answer_from_its_judge() {
    let mut stage = cascade(true, |_| ());
    let end = json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
    stage.open(0, &(delta("Hi") + &format!("data: {end}\n\n")));
    stage.until(10_000.0);
    assert!(matches!(stage.runs[0].legs[0], At::Question(_)), "{:?}", stage.runs[0].legs);
    stage.tell(0, "true");
    assert_eq!(stage.runs[0].shown(), "Hi");
}

#[test]
fn while_the_caller_judges_its_place_in_the_lane_is_free() {
    let mut stage = cascade(true, |settings| settings.limits.concurrency = 1.0);
    stage.open(0, &(delta("perhaps") + &ending("stop")));
    let other = stage.chat(|settings| settings.limits.concurrency = 1.0);
    assert_eq!(stage.runs[other].sent.len(), 1);
    stage.complete(other, "Hi");
}

#[test]
fn what_is_held_back_is_not_raced_for() {
    let mut stage = cascade(false, |settings| settings.hedge = Some((100.0, 2)));
    stage.until(5_000.0);
    assert_eq!(models(&stage), ["lab/small"]);
    stage.open(0, &(delta("no") + &ending("length")));
    stage.until(10_000.0);
    assert_eq!(models(&stage)[1..], ["lab/large"; 3], "the large one is");
}

#[test]
fn a_rejected_answer_says_nothing_against_its_target() {
    let mut stage = Stage::new();
    for run in 0..12 {
        stage.chat(|settings| routed(settings, Route { tries: true, ..Route::default() }));
        stage.tell(run, SMALL);
        stage.open(run, &(delta("no") + &ending("length")));
        stage.complete(run, "yes");
    }
    assert!(stage.runs.iter().all(|run| run.sent.len() == 2));
}

#[test]
fn both_answers_are_paid_for() {
    let mut stage = Stage::new();
    let prices = r#"{"prices":[{"model":"lab/small","input":1,"output":1},{"model":"lab/large","input":10,"output":10}]}"#;
    stage.shared.accounts.set(prices.as_bytes()).expect("accounts");
    stage.chat(|settings| routed(settings, Route { tries: true, ..Route::default() }));
    stage.tell(0, SMALL);
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":100,\"total_tokens\":200}}\n\n";
    let length = ending("length").replace(DONE, usage);
    stage.open(0, &(delta("no") + &length + DONE));
    stage.open(0, &(delta("yes") + &ending("stop").replace(DONE, usage) + DONE));
    assert_eq!(stage.runs[0].result()["cost"]["usd"], 0.0022);
    assert_eq!(stage.runs[0].attempts("usd"), [0.0002, 0.002]);
    assert_eq!(stage.runs[0].result()["usage"]["total_tokens"], 200);
    assert_eq!(stage.shared.accounts.ledger.total().requests, 2);
}

#[test]
fn other_providers_are_those_of_the_model_that_was_asked_last() {
    let mut stage = Stage::new();
    stage.begin(Task::Chat, chat(), |settings| {
        settings.retry.limit = 0;
        settings.automatic = Some(Order::Price);
        routed(settings, Route { tries: true, ..Route::default() });
    });
    stage.tell(0, SMALL);
    stage.refuse(0, 503);
    stage.refuse(0, 503);
    assert_eq!(stage.runs[0].last().url, "https://router.huggingface.co/v1/models/lab/large");
    let terms = r#"{"id":"lab/large","providers":[{"provider":"groq","status":"live"}]}"#;
    stage.answer(0, head(200), terms);
    assert_eq!(stage.runs[0].body()["model"], "lab/large:groq");
}

#[test]
fn a_choice_for_show_changes_nothing_and_tells_what_it_would_have_saved() {
    let catalogue = r#"{"object":"list","data":[{"id":"a/b","providers":[{"provider":"groq","status":"live","pricing":{"input":10,"output":10}}]},
{"id":"lab/small","providers":[{"provider":"groq","status":"live","pricing":{"input":1,"output":1}},{"provider":"novita","status":"live","pricing":{"input":2,"output":2}}]},
{"id":"lab/large","providers":[{"provider":"groq","status":"live","pricing":{"input":30,"output":30}}]},
{"id":"lab/odd","providers":[{"provider":"groq","status":"live","pricing":{"input":1,"output":1}},{"provider":"novita","status":"live"}]}]}"#;
    let cases = [
        // Which target, what was said, and what it would have saved of 0.002 USD.
        (model("lab/small"), SMALL, json!(0.0016)),
        (model("lab/small:groq"), SMALL, json!(0.0018)),
        (model("lab/small"), LARGE, json!(-0.004)),
        (model("lab/odd"), SMALL, Value::Null),
        (model("lab/unknown"), SMALL, Value::Null),
        (elsewhere("https://small.example"), SMALL, json!(0.00198)),
        (elsewhere("https://hourly.example"), SMALL, Value::Null),
        (elsewhere("https://unknown.example"), SMALL, Value::Null),
        (Fallback::default(), SMALL, json!(0)),
    ];
    for (small, told, saved) in cases {
        let mut stage = Stage::new();
        assert!(stage.shared.catalogue.set(catalogue.as_bytes()));
        let prices = r#"{"prices":[{"endpointUrl":"https://small","input":0.1,"output":0.1},{"endpointUrl":"https://hourly","perHour":1}]}"#;
        stage.shared.accounts.set(prices.as_bytes()).expect("accounts");
        stage.chat(|settings| {
            settings.retry.limit = 0;
            let shadow = vec![small.clone(), model("lab/large")];
            routed(settings, Route { shadow, tries: true, asks: true, ..Route::default() });
        });
        stage.tell(0, told);
        assert_eq!(models(&stage), ["a/b"]);
        stage.answer(0, Head { provider: "groq".to_owned(), ..head(200) }, "");
        stage.feed(0, &delta("Hi"));
        assert_eq!(stage.runs[0].shown(), "Hi", "nothing is held back");
        let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":100,\"total_tokens\":200}}\n\n";
        stage.feed(0, &(usage.to_owned() + DONE));
        assert_eq!(stage.runs[0].result()["cost"]["usd"], 0.002);
        let route = route(&stage);
        assert_eq!((&route["shadow"], &route["savedUsd"]), (&json!(true), &saved), "{small:?} {told}");
        assert_eq!(stage.runs[0].noticed("route")[0]["savedUsd"], saved);
    }
    // It brings no further targets either, and without a price of what answered nothing is known.
    let mut stage = Stage::with(|settings| {
        settings.retry.limit = 0;
        routed(settings, Route { shadow: vec![model("lab/small"), model("lab/large")], ..Route::default() });
    });
    stage.tell(0, SMALL);
    stage.refuse(0, 503);
    assert_eq!(stage.runs[0].word(), "failed: Server refused");
    assert!(route(&stage)["savedUsd"].is_null());
}

#[test]
fn a_key_tells_apart_who_was_chosen_and_how_it_is_judged() {
    let key = |told: &str, given: &str| {
        let mut request = chat();
        request["temperature"] = json!(0);
        let mut stage = Stage::new();
        stage.begin(Task::Chat, request, |settings| {
            settings.recalls = true;
            if !given.is_empty() {
                settings.fallbacks = vec![model("lab/small"), Fallback::default()];
                Route::read(given.as_bytes(), settings);
            }
        });
        if !given.is_empty() {
            stage.tell(0, told);
        }
        match &stage.runs[0].legs[0] {
            At::Recall(key, _) => key.clone(),
            other => panic!("{other:?}"),
        }
    };
    let route = |more: &str| format!(r#"{{"small":1{more}}}"#);
    let keys = [
        key("", ""),
        key(SMALL, &route("")),
        key(LARGE, &route("")),
        key(SMALL, &route(r#","is":1"#)),
        key(SMALL, &route(r#","is":3,"accept":"(answer) => true""#)),
        key(SMALL, &route(r#","is":3,"accept":"(answer) => false""#)),
        key(SMALL, &route(r#","is":1,"minLogprob":-1"#)),
        key(SMALL, &route(r#","is":1,"minLogprob":-2"#)),
    ];
    for (position, key) in keys.iter().enumerate() {
        assert!(!keys[..position].contains(key), "{position}");
    }
    assert_eq!(keys[3], key(SMALL, &route(r#","is":1"#)));
    for told in [SMALL, LARGE] {
        assert_eq!(key(told, &route(r#","is":5"#)), keys[0], "what is only for show changes nothing");
    }
}

#[test]
fn a_route_is_read_as_it_was_given() {
    let fallbacks = vec![model("lab/small"), elsewhere("https://large.example"), model("lab/last")];
    let mut settings = Settings { fallbacks: fallbacks.clone(), ..Settings::default() };
    Route::read(br#"{"is":17,"minLogprob":-0.5}"#, &mut settings);
    let route = settings.route.take().expect("a route");
    assert_eq!((settings.fallbacks, settings.automatic), (fallbacks.clone(), Some(Order::Throughput)));
    assert_eq!((route.tries, route.asks, route.least_logprob), (true, false, Some(-0.5)));
    assert!(route.shadow.is_empty());
    for (is, order) in [(4, None), (12, Some(Order::Price)), (28, Some(Order::Latency))] {
        let mut settings = Settings { fallbacks: fallbacks.clone(), ..Settings::default() };
        Route::read(format!(r#"{{"is":{is}}}"#).as_bytes(), &mut settings);
        assert_eq!((settings.fallbacks.as_slice(), settings.automatic), (&fallbacks[2..], order));
        assert_eq!(settings.route.expect("a route").shadow, fallbacks[..2]);
    }
    let mut settings = Settings::default();
    Route::read(b"{}", &mut settings);
    assert!(settings.route.is_some_and(|route| !route.tries));
}

#[test]
fn what_is_kept_is_what_was_accepted() {
    let stop = ending("stop");
    for (objection, expected) in [("true", "small"), ("accept", "large")] {
        let mut stage = Stage::new();
        let mut request = chat();
        request["temperature"] = json!(0);
        let change =
            |settings: &mut Settings| routed(settings, Route { tries: true, asks: true, ..Route::default() });
        stage.ask(Task::Chat, request.clone(), Some(TOKEN), Want::Nothing, |settings| {
            settings.tapes = true;
            change(settings);
        });
        stage.tell(0, SMALL);
        stage.open(0, &(delta("small") + &stop));
        assert_eq!(stage.runs[0].call.take_tape(), b"", "nothing is on the tape that nobody has accepted");
        stage.tell(0, objection);
        if expected == "large" {
            stage.open(0, &(delta("large") + &stop));
        }
        assert!(stage.runs[0].call.is_keepable());
        let tape = String::from_utf8(stage.runs[0].call.take_tape()).expect("UTF-8");
        assert_eq!(tape.contains("small\""), expected == "small" || tape.contains("lab/small"), "{tape}");
        assert_eq!(tape.matches("event: start").count(), 1);
        // Who reads it is not asked again, and shown at once.
        stage.begin(Task::Chat, request, |settings| {
            settings.recalls = true;
            change(settings);
        });
        stage.tell(1, SMALL);
        stage.recalled(1, Found::Kept(5.0));
        stage.feed(1, &tape);
        assert_eq!(stage.runs[1].shown(), expected);
        assert_eq!(stage.runs[1].word(), "complete");
        assert!(stage.runs[1].noticed("route").is_empty(), "the call that was made has told of it");
    }
}

#[test]
fn a_tape_that_cannot_be_read_leads_to_a_trial() {
    let mut stage = Stage::new();
    let mut request = chat();
    request["temperature"] = json!(0);
    stage.begin(Task::Chat, request, |settings| {
        settings.recalls = true;
        routed(settings, Route { tries: true, asks: true, ..Route::default() });
    });
    stage.tell(0, SMALL);
    stage.recalled(0, Found::Kept(5.0));
    stage.end(0);
    assert_eq!(models(&stage), ["lab/small"]);
    stage.open(0, &(delta("Hi") + &ending("stop")));
    assert!(matches!(stage.runs[0].legs[0], At::Question(_)));
    stage.tell(0, "true");
    assert_eq!(stage.runs[0].shown(), "Hi");
}

#[test]
fn a_budget_that_the_large_one_would_break_is_kept() {
    let mut stage = Stage::new();
    stage
        .shared
        .accounts
        .set(br#"{"budgets":[{"tokens":1500,"exceeded":0,"alertAt":[]}]}"#)
        .expect("accounts");
    stage.chat(|settings| routed(settings, Route { tries: true, ..Route::default() }));
    stage.tell(0, SMALL);
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":400,\"completion_tokens\":400,\"total_tokens\":800}}\n\n";
    stage.open(0, &(delta("no") + &ending("length").replace(DONE, usage) + DONE));
    assert_eq!(stage.runs[0].word(), "failed: BudgetExceeded budget");
    assert!(stage.runs[0].error()["partial"].is_null());
    assert_eq!(models(&stage), ["lab/small"]);
    assert_eq!(stage.shared.accounts.budgets.open(), 0);
}

#[test]
fn a_conversation_stays_with_the_provider_of_the_target_that_is_chosen() {
    let begin = |stage: &mut Stage, told: &str| {
        let run = stage.chat(|settings| {
            routed(settings, Route { tries: true, ..Route::default() });
            settings.session = "thread-7".to_owned();
            settings.retry.limit = 0;
        });
        stage.tell(run, told);
        run
    };
    let answer = |stage: &mut Stage, run: usize, provider: &str, reason: &str| {
        stage.answer(run, Head { provider: provider.to_owned(), ..head(200) }, "");
        stage.feed(run, &(delta("hi") + &ending(reason)));
    };
    let asked = |stage: &Stage, run: usize| {
        let bodies = stage.runs[run].sent.iter().map(|(.., request)| value(request.body.as_deref().unwrap()));
        bodies.map(|body| body["model"].as_str().expect("a model").to_owned()).collect::<Vec<_>>()
    };
    let mut stage = Stage::new();
    let first = begin(&mut stage, SMALL);
    answer(&mut stage, first, "groq", "stop");
    let second = begin(&mut stage, SMALL);
    assert_eq!(stage.runs[second].trace()["affinity"], "kept");
    // What is rejected there is not asked for again at another provider of the small one.
    answer(&mut stage, second, "groq", "length");
    assert_eq!(asked(&stage, second), ["lab/small:groq", "lab/large"]);
    answer(&mut stage, second, "novita", "stop");
    assert_eq!(stage.runs[second].trace()["route"]["escalated"], "length");
    // The choice goes before the conversation, which was with the large one.
    let third = begin(&mut stage, SMALL);
    assert_eq!(
        (asked(&stage, third), stage.runs[third].trace()["affinity"].clone()),
        (vec!["lab/small".to_owned()], json!("elsewhere"))
    );
    let fourth = begin(&mut stage, LARGE);
    assert_eq!(asked(&stage, fourth), ["lab/large:novita"]);
    // And when that fails, the call goes on as without.
    stage.refuse(fourth, 503);
    assert_eq!(asked(&stage, fourth), ["lab/large:novita", "lab/large"]);
    let fifth = begin(&mut stage, SMALL);
    answer(&mut stage, fifth, "groq", "stop");
    let sixth = begin(&mut stage, SMALL);
    stage.refuse(sixth, 503);
    stage.refuse(sixth, 503);
    assert_eq!(asked(&stage, sixth), ["lab/small:groq", "lab/small", "lab/large"]);
}
