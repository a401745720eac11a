//! Calls and their money: what is reserved, entered and told, whatever becomes of the call.

use hf_inference_wasm::core::engine::attempt::Head;
use hf_inference_wasm::core::engine::plan::Task;
use hf_inference_wasm::core::engine::settings::{Fallback, MidStream};
use hf_inference_wasm::core::wire::batch::{Mark, Want};
use serde_json::{Value, json};

use super::in_numbers;
use crate::resilience::stage::{At, DONE, Stage, TOKEN, chat, delta, elsewhere, head};
use crate::value;

const CATALOGUE: &str = r#"{"object":"list","data":[{"id":"a/b","providers":[
{"provider":"groq","status":"live","pricing":{"input":0.15,"output":0.75}},
{"provider":"together","status":"live","pricing":{"input":0.2,"output":0.6}},
{"provider":"novita","status":"live"}]}]}"#;

fn usage(usage: &Value) -> String {
    format!("data: {}\n\n", json!({ "choices": [], "usage": usage }))
}

fn answered_by(provider: &str) -> Head {
    Head { provider: provider.to_owned(), ..head(200) }
}

/// A client with these accounts, and the catalogue.
fn stage(accounts: &Value) -> Stage {
    let mut stage = Stage::new();
    let mut accounts = accounts.clone();
    accounts["budgets"] = in_numbers(accounts["budgets"].as_array().cloned().unwrap_or_default().into());
    stage.shared.accounts.set(accounts.to_string().as_bytes()).expect("accounts");
    assert!(stage.shared.catalogue.set(CATALOGUE.as_bytes()));
    stage
}

fn books(stage: &mut Stage) -> Value {
    let (mut out, now) = (Vec::new(), stage.now());
    stage.shared.accounts.write(now, &mut out);
    value(&out)
}

/// The whole of the ledger: requests, USD, those without a price, those that are estimated.
fn total(stage: &mut Stage) -> Value {
    let row = books(stage)["rows"][0].clone();
    json!([row["requests"], row["usd"], row["unpriced"], row["estimated"]])
}

#[test]
fn a_call_costs_what_the_one_who_answered_takes() {
    let told = json!({ "prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100 });
    let cases = [
        // Who answered, the router's model, the caller's prices, and then what it cost.
        ("groq", "a/b", json!([]), json!([0.000225, "catalog"])),
        ("together", "a/b:fastest", json!([]), json!([0.00026, "catalog"])),
        ("", "a/b:together", json!([]), json!([0.00026, "catalog"])),
        ("novita", "a/b", json!([]), Value::Null),
        ("", "a/b", json!([]), Value::Null),
        ("who", "a/b", json!([]), Value::Null),
        ("groq", "x/y", json!([]), Value::Null),
        ("groq", "a/b", json!([{ "provider": "groq", "input": 1, "output": 2 }]), json!([0.0012, "prices"])),
        ("groq", "a/b:groq", json!([{ "model": "a/b", "input": 1, "output": 2 }]), json!([0.0012, "prices"])),
        ("groq", "a/b", json!([{ "model": "x/y", "input": 1, "output": 2 }]), json!([0.000225, "catalog"])),
        ("groq", "a/b", json!([{ "endpointUrl": "https://x", "input": 1 }]), json!([0.000225, "catalog"])),
    ];
    for (provider, model, prices, expected) in cases {
        let mut stage = stage(&json!({ "prices": prices }));
        let mut request = chat();
        request["model"] = json!(model);
        stage.begin(Task::Chat, request, |_| ());
        stage.answer(0, answered_by(provider), "");
        stage.feed(0, &(delta("Hi") + &usage(&told) + DONE));
        let cost = stage.runs[0].result()["cost"].clone();
        let found = if cost.is_null() { cost } else { json!([cost["usd"], cost["source"]]) };
        assert_eq!(found, expected, "{provider} {model} {prices}");
        let known = if expected.is_null() { json!([1, 0, 1, 0]) } else { json!([1, expected[0], 0, 0]) };
        assert_eq!(total(&mut stage), known, "{provider} {model}");
    }
}

#[test]
fn what_the_service_bills_wins_and_an_endpoint_costs_its_time() {
    let mut one = stage(&json!({ "prices": [{ "input": 1, "output": 1 }] }));
    one.chat(|_| ());
    one.answer(0, answered_by("groq"), "");
    one.feed(
        0,
        &(delta("Hi") + &usage(&json!({ "prompt_tokens": 1, "completion_tokens": 1, "cost": 0.5 })) + DONE),
    );
    assert_eq!(one.runs[0].result()["cost"], json!({ "usd": 0.5, "estimated": false, "source": "billed" }));

    let mut two = stage(&json!({ "prices": [{ "endpointUrl": "https://own.example.org", "perHour": 3.6 }] }));
    two.chat(|settings| settings.endpoint_url = "https://own.example.org/v1".to_owned());
    two.open(0, &delta("Hi"));
    two.until(2_000.0);
    two.feed(0, DONE);
    assert_eq!(two.runs[0].result()["cost"], json!({ "usd": 0.002, "estimated": true, "source": "prices" }));
}

#[test]
fn a_provider_s_own_key_has_not_the_router_s_prices() {
    let mut stage = stage(&json!({}));
    stage.ask(
        Task::Chat,
        json!({ "model": "a/b", "messages": [] }),
        Some("gsk-own"),
        Want::Events,
        |settings| {
            settings.provider = "groq".to_owned();
            settings.model = "a/b".to_owned();
        },
    );
    // The Hub is asked for the provider's name of the model.
    stage.answer(0, head(200), r#"{"inferenceProviderMapping":{"groq":{"status":"live","providerId":"ab","task":"conversational"}}}"#);
    assert!(stage.runs[0].last().url.starts_with("https://api.groq.com/"), "{:?}", stage.runs[0].urls());
    stage.open(0, &(delta("Hi") + &usage(&json!({ "prompt_tokens": 9, "completion_tokens": 1 })) + DONE));
    assert_eq!(stage.runs[0].result()["cost"], Value::Null);
}

/// What each end of a call enters: requests, USD, those without a price, those that are estimated. The
/// prompt of `chat()` counts 13 tokens, the text 3; groq takes 0.15 and 0.75 for a million.
#[test]
fn every_end_is_entered_once() {
    let text = delta("twelve bytes");
    let estimated = json!([1, 0.0000042, 0, 1]);
    type Deed = fn(&mut Stage, &str);
    let cases: &[(&str, Deed, Value)] = &[
        (
            "complete without usage",
            |stage, text| {
                stage.feed(0, &(text.to_owned() + DONE));
            },
            estimated.clone(),
        ),
        (
            "aborted",
            |stage, text| {
                stage.feed(0, text);
                stage.abort(0)
            },
            estimated.clone(),
        ),
        (
            "truncated",
            |stage, text| {
                stage.feed(0, text);
                stage.end(0);
            },
            estimated.clone(),
        ),
        (
            "broken off",
            |stage, text| {
                stage.feed(0, text);
                stage.break_off(0);
            },
            estimated.clone(),
        ),
        (
            "stalled",
            |stage, text| {
                stage.feed(0, text);
                stage.until(300_000.0)
            },
            estimated.clone(),
        ),
        (
            "an error in the stream",
            |stage, text| {
                stage.feed(0, &(text.to_owned() + "data: {\"error\":{\"message\":\"x\"}}\n\n"));
            },
            estimated,
        ),
        ("aborted before anything came", |stage, _| stage.abort(0), json!([1, 0.00000195, 0, 1])),
        (
            "a page",
            |stage, _| {
                stage.feed(0, "<html>");
            },
            Value::Null,
        ),
        (
            "an error at once",
            |stage, _| {
                stage.feed(0, "data: {\"error\":{\"message\":\"x\"}}\n\n");
            },
            Value::Null,
        ),
    ];
    for (name, deed, expected) in cases {
        let mut stage = stage(&json!({ "budgets": [{ "usd": 1 }] }));
        stage.chat(|settings| settings.retry.limit = 0);
        stage.answer(0, answered_by("groq"), "");
        deed(&mut stage, &text);
        assert!(stage.runs[0].settled_at.is_some(), "{name}");
        assert_eq!(stage.shared.accounts.budgets.open(), 0, "{name}");
        let booked = books(&mut stage)["rows"].as_array().is_some_and(|rows| !rows.is_empty());
        let found = if booked { total(&mut stage) } else { Value::Null };
        assert_eq!(found, *expected, "{name}");
        let run = &stage.runs[0];
        let notice = run.noticed("usage");
        assert_eq!(notice.len(), 1, "{name}");
        let cost =
            if run.word() == "complete" { run.result()["cost"].clone() } else { run.error()["cost"].clone() };
        assert_eq!(notice[0]["cost"], cost, "{name}");
        if booked {
            assert_eq!(cost["estimated"], true, "{name}");
            assert_eq!(notice[0]["usage"]["estimated"], true, "{name}");
            assert_eq!(run.attempt(0)["usd"], expected[1], "{name}");
        }
    }
}

#[test]
fn who_was_refused_or_never_heard_has_used_nothing() {
    let mut stage = stage(&json!({ "budgets": [{ "usd": 1 }] }));
    stage.chat(|settings| settings.retry.limit = 1);
    stage.refuse(0, 503);
    stage.until_sent(0, 2);
    assert_eq!(stage.shared.accounts.budgets.open(), 1);
    stage.no_answer(0);
    assert_eq!((stage.shared.accounts.budgets.open(), books(&mut stage)["rows"].clone()), (0, json!([])));
    assert_eq!(stage.runs[0].error()["cost"], Value::Null);
    assert_eq!(stage.runs[0].noticed("usage")[0]["state"], "failed");
}

#[test]
fn the_loser_of_a_race_is_paid_for_too() {
    let mut stage = stage(&json!({ "budgets": [{ "usd": 1 }] }));
    stage.chat(|settings| settings.hedge = Some((100.0, 1)));
    stage.until(150.0);
    assert_eq!(stage.shared.accounts.budgets.open(), 2);
    stage.answer_leg(0, 1, answered_by("groq"), "");
    stage.feed_leg(
        0,
        1,
        &(delta("Hi") + &usage(&json!({ "prompt_tokens": 20, "completion_tokens": 2 })) + DONE),
    );
    assert_eq!(stage.runs[0].word(), "complete");
    // Nobody told who the other was: what it cost is not known, and so neither is what the call cost.
    assert_eq!(stage.runs[0].result()["cost"], Value::Null);
    assert_eq!(total(&mut stage), json!([2, 0.0000045, 1, 1]));
    // The budget counts it at the most that it can have cost.
    assert_eq!(books(&mut stage)["budgets"][0]["spent"], json!(0.0000071));
    assert_eq!(stage.shared.accounts.budgets.open(), 0);
}

#[test]
fn a_continuation_is_paid_for_apart() {
    let mut stage = stage(&json!({}));
    stage.chat(|settings| settings.mid_stream = MidStream::Continue);
    stage.answer(0, answered_by("groq"), "");
    // It tells its tokens as it goes, and breaks off.
    stage.feed(0, &delta("twelve bytes"));
    stage.feed(0, &usage(&json!({ "prompt_tokens": 1000, "completion_tokens": 100 })));
    stage.break_off(0);
    stage.until_sent(0, 2);
    stage.answer(0, answered_by("together"), "");
    stage.feed(0, &(delta(" and eight more b") + DONE));
    // The first part as told (0.000225), the second about: prompt 13 and 3, answer 5 tokens.
    let second = (16.0 * 0.2 + 5.0 * 0.6) / 1e6;
    let run = &stage.runs[0];
    assert_eq!(run.word(), "complete");
    assert_eq!(run.attempts("usd"), [json!(0.000225), json!(second)]);
    let cost = run.result()["cost"].clone();
    assert_eq!((cost["usd"].clone(), cost["estimated"].clone()), (json!(0.0002312), json!(true)));
    assert_eq!(total(&mut stage), json!([2, 0.0002312, 0, 1]));
}

#[test]
fn tags_and_hours_are_in_the_ledger_and_in_what_is_told() {
    let mut stage = stage(&json!({}));
    stage.chat(|settings| settings.tags = vec![("user".to_owned(), "ann".to_owned())]);
    stage.answer(0, answered_by("groq"), "");
    stage.feed(0, &(delta("Hi") + &usage(&json!({ "prompt_tokens": 1000, "completion_tokens": 100, "prompt_tokens_details": { "cached_tokens": 10 } })) + DONE));
    let notice = stage.runs[0].noticed("usage")[0].clone();
    let expected = json!({ "type": "usage", "provider": "groq", "model": "a/b", "task": "conversational", "state": "complete",
        "startedAt": 1_800_000_000_000u64, "duration": 0, "tags": { "user": "ann" },
        "usage": { "prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100, "prompt_tokens_details": { "cached_tokens": 10 } },
        "cost": { "usd": 0.000225, "input": 0.0001485, "output": 0.000075, "cached": 0.0000015, "estimated": false, "source": "catalog" } });
    assert_eq!(notice, expected);
    let rows = books(&mut stage)["rows"].clone();
    let keys: Vec<_> =
        rows.as_array().expect("rows").iter().map(|row| (row["by"].clone(), row["key"].clone())).collect();
    let keys = json!(keys);
    assert_eq!(
        keys,
        json!([
            ["total", ""],
            ["model", "a/b"],
            ["provider", "groq"],
            ["hour", "1800000000000"],
            ["day", "1799971200000"],
            ["tag", "ann"]
        ])
    );
}

/// At most 13 + 1,024 tokens are reserved, together's being the dearest prompt and groq's the dearest answer.
const RESERVED: f64 = (13.0 * 0.2 + 1024.0 * 0.75) / 1e6;

#[test]
fn a_call_that_does_not_fit_fails_before_anything_is_sent() {
    let mut stage = stage(
        &json!({ "budgets": [{ "tokens": 5, "onExceeded": "warn" }, { "usd": RESERVED - 0.000001, "per": "day" }] }),
    );
    stage.chat(|_| ());
    assert!(stage.runs[0].sent.is_empty());
    let error = stage.runs[0].error();
    assert_eq!((error["kind"].clone(), error["retryable"].clone()), (json!("BudgetExceeded"), json!(false)));
    assert_eq!(error["budget"]["index"], 1);
    assert_eq!(
        (error["budget"]["spent"].clone(), error["retryAt"].clone()),
        (json!(0), json!(1_800_057_600_000u64))
    );
    // The same call with fewer tokens fits.
    let mut request = chat();
    request["max_tokens"] = json!(10);
    let run = stage.begin(Task::Chat, request, |_| ());
    assert_eq!(stage.runs[run].sent.len(), 1);
}

#[test]
fn a_call_that_is_too_dear_goes_to_what_is_cheaper() {
    let mut stage =
        stage(&json!({ "prices": [{ "endpointUrl": "https://cheap", "input": 0.01, "output": 0.01 }],
        "budgets": [{ "usd": 0.0001, "onExceeded": "fallback" }] }));
    let dear = Fallback { model: "a/b:groq".to_owned(), ..Fallback::default() };
    stage.chat(|settings| settings.fallbacks = vec![dear, elsewhere("https://cheap.example.org")]);
    assert_eq!(stage.runs[0].urls(), ["https://cheap.example.org/v1/chat/completions"]);
    assert_eq!(stage.runs[0].told(Mark::Fallback).len(), 2);
    let reasons = stage.runs[0].attempts("outcome");
    assert_eq!(reasons, [json!("too_dear"), json!("too_dear"), json!("open")]);
    stage.complete(0, "cheap");
    assert_eq!(stage.runs[0].result()["cost"]["source"], "prices");
}

#[test]
fn a_call_waits_for_money_that_others_may_not_need() {
    let mut stage = stage(&json!({ "budgets": [{ "usd": RESERVED * 1.5 }] }));
    for _ in 0..3 {
        stage.chat(|_| ());
    }
    let sent = |stage: &Stage| -> Vec<usize> { stage.runs.iter().map(|run| run.sent.len()).collect() };
    assert_eq!(sent(&stage), [1, 0, 0]);
    stage.until(5_000.0);
    assert_eq!(sent(&stage), [1, 0, 0]);
    assert!(matches!(stage.runs[1].legs[0], At::Sleep(_)));
    // Woken at once, in order.
    stage.answer(0, answered_by("groq"), "");
    stage.feed(0, &(delta("Hi") + DONE));
    assert_eq!((sent(&stage), stage.runs[1].times()), (vec![1, 1, 0], vec![5_000.0]));
    // What one waits for that is never heard of again comes free by itself.
    stage.until(5_000.0 + 600_000.0 + 15_000.0);
    assert!(stage.runs[2].settled_at.is_some() || stage.runs[2].sent.len() == 1);
}

#[test]
fn who_waits_for_money_is_not_in_the_way_of_others() {
    let mut stage = stage(&json!({ "budgets": [{ "usd": RESERVED * 1.5, "tag": "user" }] }));
    let tagged = |user: &str| vec![("user".to_owned(), user.to_owned())];
    for user in ["ann", "ann", "bob"] {
        stage.chat(|settings| {
            settings.tags = tagged(user);
            settings.limits.concurrency = 2.0;
        });
    }
    let sent: Vec<usize> = stage.runs.iter().map(|run| run.sent.len()).collect();
    assert_eq!(sent, [1, 0, 1]);
}

#[test]
fn a_thousand_calls_at_once_stay_within_their_budget() {
    let mut stage = stage(&json!({ "budgets": [{ "usd": RESERVED * 40.0 }] }));
    for _ in 0..1_000 {
        stage.ask(Task::Chat, chat(), Some(TOKEN), Want::Nothing, |settings| settings.limits.queue = 2_000);
    }
    let mut most = 0;
    loop {
        let open: Vec<usize> =
            (0..1_000).filter(|run| stage.runs[*run].legs.first() == Some(&At::Answer)).collect();
        most = most.max(open.len());
        let Some(run) = open.first() else { break };
        stage.answer(*run, answered_by("groq"), "");
        // As much as was reserved: nothing is overspent.
        stage.feed(
            *run,
            &(delta("Hi") + &usage(&json!({ "prompt_tokens": 13, "completion_tokens": 1024 })) + DONE),
        );
    }
    assert_eq!(most, 40);
    let complete = stage.runs.iter().filter(|run| run.word() == "complete").count();
    let refused = stage.runs.iter().filter(|run| run.word() == "failed: BudgetExceeded budget").count();
    assert_eq!((complete, complete + refused), (40, 1_000), "none waits for ever");
    let books = books(&mut stage);
    assert!(books["budgets"][0]["spent"].as_f64() <= books["budgets"][0]["limit"].as_f64());
    assert_eq!(books["rows"][0]["requests"], 40);
    assert_eq!((stage.shared.accounts.budgets.open(), stage.shared.accounts.budgets.next()), (0, None));
}

#[test]
fn alerts_are_told_to_the_call_that_passes_them() {
    let mut stage = stage(
        &json!({ "budgets": [{ "usd": 0.001, "alertAt": [0.5, 1], "tag": "user", "onExceeded": "warn" }] }),
    );
    for expected in [json!([]), json!([[0, 0.0006]]), json!([]), json!([[1, 0.0012]]), json!([])] {
        let run = stage.chat(|settings| settings.tags = vec![("user".to_owned(), "ann".to_owned())]);
        stage.answer(run, answered_by("groq"), "");
        stage.feed(
            run,
            &(delta("Hi") + &usage(&json!({ "prompt_tokens": 0, "completion_tokens": 400 })) + DONE),
        );
        let told = stage.runs[run].noticed("budget");
        let told: Vec<_> = told.iter().map(|alert| json!([alert["threshold"], alert["spent"]])).collect();
        assert_eq!(json!(told), expected, "call {run}");
    }
    let alert = stage.runs[3].noticed("budget")[0].clone();
    assert_eq!(
        alert,
        json!({ "type": "budget", "index": 0, "threshold": 1, "value": "ann", "unit": "usd", "spent": 0.0012, "limit": 0.001 })
    );
}
