//! Which failures send a call to its next target, and what goes with it: never a secret that was meant for another host.

use hf_inference_wasm::core::engine::attempt::Head;
use hf_inference_wasm::core::engine::plan::Task;
use hf_inference_wasm::core::engine::settings::{Fallback, Order, Settings};
use hf_inference_wasm::core::secret::Secret;
use hf_inference_wasm::core::wire::batch::{Mark, Want};
use serde_json::{Value, json};

use super::stage::{At, BUSY, DONE, ENDPOINT, Event, Stage, TOKEN, chat, delta, elsewhere, head};

const SECOND: &str = "https://second.example";

/// One attempt for each target, the second being an endpoint.
fn once(settings: &mut Settings) {
    settings.retry.limit = 0;
    settings.fallbacks = vec![elsewhere(SECOND)];
}

fn sent_to(stage: &Stage, run: usize) -> Vec<String> {
    let hosts = stage.runs[run].urls().into_iter();
    hosts.map(|url| url.split('/').nth(2).expect("a host").to_owned()).collect()
}

#[test]
fn a_failure_of_the_targets_own_moves_on_and_one_of_the_request_does_not() {
    let moves = |status: u16, body: &str| {
        let mut stage = Stage::with(once);
        stage.answer(0, head(status), body);
        let moved = stage.runs[0].sent.len() == 2;
        assert_eq!(moved, stage.runs[0].settled_at.is_none(), "{status} {body}");
        moved
    };
    for status in [402, 404, 408, 409, 410, 425, 429, 500, 502, 503, 504, 520, 524, 529, 302] {
        assert!(moves(status, BUSY), "{status}");
    }
    for status in [400, 401, 403, 405, 413, 415, 422, 501] {
        assert!(!moves(status, BUSY), "{status}");
    }
    for body in [
        r#"{"error":{"message":"The requested model 'x' is not supported by any provider","code":"model_not_supported"}}"#,
        r#"{"error":{"message":"no such model","code":"model_not_found"}}"#,
        r#"{"error":{"message":"too long","code":"context_length_exceeded"}}"#,
        r#"{"error":{"message":"This model's maximum context length is 4096 tokens"}}"#,
        r#"{"error":"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096","error_type":"validation"}"#,
        r#"{"error":{"message":"the request exceeds the available context size"}}"#,
        r#"{"message":"Prompt exceeds the Context Window of the model"}"#,
    ] {
        assert!(moves(400, body), "{body}");
        assert!(moves(422, body), "{body}");
    }
    assert!(!moves(400, r#"{"error":{"message":"messages must alternate","code":"invalid"}}"#));
}

#[test]
fn no_answer_and_answers_of_no_use_move_on() {
    let failures: [Event; 5] = [
        |stage| stage.no_answer(0),
        |stage| stage.until(60_000.0),
        |stage| {
            let head = Head { status: 200, content_type: "text/html".to_owned(), ..Head::default() };
            stage.answer(0, head, "");
        },
        |stage| stage.open(0, "data: {oops}\n\n"),
        |stage| {
            stage.open(0, "");
            stage.end(0);
        },
    ];
    for (number, fail) in failures.into_iter().enumerate() {
        let mut stage = Stage::with(once);
        fail(&mut stage);
        assert_eq!(stage.runs[0].sent.len(), 2, "failure {number}");
        stage.complete(0, "fine");
        assert_eq!(stage.runs[0].shown(), "fine");
        assert_eq!(stage.runs[0].result()["provider"], "endpoint");
    }
}

#[test]
fn a_target_is_left_only_when_its_retries_are_used_up_and_the_next_has_its_own() {
    let mut stage = Stage::with(|settings| settings.fallbacks = vec![elsewhere(SECOND)]);
    for count in 2..=6 {
        stage.refuse(0, 500);
        stage.until_sent(0, count);
    }
    stage.refuse(0, 500);
    let router = "router.huggingface.co";
    let second = "second.example";
    assert_eq!(sent_to(&stage, 0), [router, router, router, second, second, second]);
    assert_eq!(stage.runs[0].word(), "failed: Server refused");
}

#[test]
fn a_wish_beyond_patience_goes_to_the_next_target_at_once() {
    let mut stage = Stage::with(|settings| settings.fallbacks = vec![elsewhere(SECOND)]);
    stage.answer(0, Head { retry_after: "120".to_owned(), ..head(429) }, BUSY);
    assert_eq!(sent_to(&stage, 0), ["router.huggingface.co", "second.example"]);
    assert_eq!(stage.time, 0.0);
    // The next call need not be refused to know it.
    let next = stage.chat(|settings| settings.fallbacks = vec![elsewhere(SECOND)]);
    assert_eq!(sent_to(&stage, next), ["second.example"]);
}

#[test]
fn fallbacks_are_tried_in_their_order_and_the_last_failure_is_told() {
    let mut stage = Stage::with(|settings| {
        settings.retry.limit = 0;
        settings.fallbacks = (1..=3).map(|number| elsewhere(&format!("https://f{number}"))).collect();
    });
    for status in [500, 402, 404, 503] {
        stage.refuse(0, status);
    }
    assert_eq!(sent_to(&stage, 0), ["router.huggingface.co", "f1", "f2", "f3"]);
    assert_eq!(stage.runs[0].error()["status"], 503);
    assert_eq!(stage.runs[0].error()["url"], "https://f3/v1/chat/completions");
    assert_eq!(stage.runs[0].attempts("verdict"), ["fallback"; 4]);
    let told = stage.runs[0].told(Mark::Fallback);
    assert_eq!(told.len(), 3);
    assert_eq!(told[0]["from"], json!({ "provider": "auto", "model": "a/b" }));
    assert_eq!(told[0]["to"], json!({ "provider": "auto", "model": "a/b", "endpointUrl": "https://f1" }));
    assert_eq!((&told[0]["error"]["status"], &told[2]["error"]["status"]), (&json!(500), &json!(404)));
    assert_eq!(stage.runs[0].noticed("fallback").len(), 3);
}

#[test]
fn each_target_has_its_model_and_its_body() {
    let mut stage = Stage::with(|settings| {
        settings.retry.limit = 0;
        settings.fallbacks = vec![
            Fallback { model: "c/d".to_owned(), ..Fallback::default() },
            Fallback { provider: "groq".to_owned(), ..Fallback::default() },
        ];
    });
    assert_eq!(stage.runs[0].body()["model"], "a/b");
    stage.refuse(0, 404);
    assert_eq!(stage.runs[0].body()["model"], "c/d");
    assert_eq!(stage.runs[0].body()["messages"], chat()["messages"]);
    stage.refuse(0, 404);
    assert!(stage.runs[0].last().url.contains("/api/models/a/b"), "the call's own model again");
    stage.answer(0, head(200), r#"{"inferenceProviderMapping":{"groq":{"status":"live","providerId":"theirs","task":"conversational"}}}"#);
    assert_eq!(stage.runs[0].body()["model"], "theirs");
    assert!(stage.runs[0].last().url.ends_with("/groq/openai/v1/chat/completions"));
}

/// The credential of the request to the fallback, of a call with these options.
fn credential(token: &str, fallback: Fallback, change: impl FnOnce(&mut Settings)) -> Option<String> {
    let mut stage = Stage::new();
    stage.ask(Task::Chat, chat(), Some(token), Want::Nothing, |settings| {
        settings.retry.limit = 0;
        settings.fallbacks = vec![fallback];
        change(settings);
    });
    assert_eq!(stage.runs[0].last().credential.as_ref().map(Secret::expose), Some(token));
    stage.refuse(0, 503);
    assert_eq!(stage.runs[0].sent.len(), 2, "{}", stage.runs[0].word());
    stage.runs[0].last().credential.as_ref().map(|token| token.expose().to_owned())
}

#[test]
fn a_token_goes_to_hugging_face_or_to_whom_it_was_given() {
    let nothing = |_: &mut Settings| ();
    let hub = Some(TOKEN.to_owned());
    assert_eq!(credential(TOKEN, elsewhere(SECOND), nothing), None, "a foreign host");
    assert_eq!(credential(TOKEN, elsewhere("https://huggingface.co.example"), nothing), None);
    assert_eq!(credential(TOKEN, elsewhere("https://nothuggingface.co"), nothing), None);
    assert_eq!(credential(TOKEN, elsewhere("http://x.endpoints.huggingface.cloud"), nothing), None);
    assert_eq!(credential(TOKEN, elsewhere(ENDPOINT), nothing), hub);
    let own = Fallback { token: Secret::new("sk-own"), ..elsewhere(SECOND) };
    assert_eq!(credential(TOKEN, own, nothing), Some("sk-own".to_owned()));
    let other_model = Fallback { model: "c/d".to_owned(), ..Fallback::default() };
    assert_eq!(credential(TOKEN, other_model.clone(), nothing), hub);
    let key = |settings: &mut Settings| settings.endpoint_url = SECOND.to_owned();
    assert_eq!(credential("sk-key", other_model, key), Some("sk-key".to_owned()), "the same host");
    assert_eq!(credential("sk-key", elsewhere(ENDPOINT), key), None);
    assert_eq!(credential("sk-key", elsewhere("https://third.example"), key), None);
}

#[test]
fn a_gateway_that_stands_in_for_the_router_keeps_its_credentials() {
    let mut stage = Stage::new();
    let gateway = |settings: &mut Settings| {
        settings.retry.limit = 0;
        settings.base_url = "https://gateway.example".to_owned();
        settings.headers = vec![("x-api-key".to_owned(), "gatewayKey".to_owned())];
        settings.fallbacks = vec![Fallback { provider: "openai".to_owned(), ..Fallback::default() }];
    };
    stage.ask(Task::Chat, chat(), Some("gw-token"), Want::Nothing, gateway);
    stage.refuse(0, 503);
    assert_eq!(sent_to(&stage, 0), ["gateway.example"; 2]);
    let request = stage.runs[0].last();
    assert_eq!(request.credential.as_ref().map(Secret::expose), Some("gw-token"));
    assert!(request.headers.iter().any(|(name, _)| name == "x-api-key"));
}

#[test]
fn headers_that_may_hold_a_key_stay_with_their_host() {
    let names = [
        "authorization",
        "x-api-key",
        "x-goog-api-key",
        "cookie",
        "x-auth",
        "x-secret",
        "my-token",
        "x-plain",
    ];
    let mut stage = Stage::with(|settings| {
        once(settings);
        settings.headers = names.map(|name| (name.to_owned(), format!("of {name}"))).to_vec();
    });
    let with = |stage: &Stage| {
        let headers = stage.runs[0].last().headers.iter();
        headers
            .filter(|(_, value)| value.starts_with("of "))
            .map(|(name, _)| name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(with(&stage), names);
    stage.refuse(0, 503);
    assert_eq!(with(&stage), ["x-plain"]);
    // The same host keeps them.
    let mut stage = Stage::with(|settings| {
        once(settings);
        settings.fallbacks = vec![Fallback { model: "c/d".to_owned(), ..Fallback::default() }];
        settings.headers = vec![("x-api-key".to_owned(), "of x".to_owned())];
    });
    stage.refuse(0, 503);
    assert_eq!(with(&stage), ["x-api-key"]);
}

#[test]
fn a_fallbacks_token_function_is_asked_when_its_turn_comes() {
    let mut stage = Stage::with(|settings| {
        settings.retry.limit = 0;
        settings.fallbacks = vec![Fallback { has_token_function: true, ..elsewhere(SECOND) }];
    });
    stage.refuse(0, 503);
    assert_eq!(stage.runs[0].legs, [At::Token(1)]);
    stage.with_call(0, |call, _, _| call.on_token(0, Secret::new("sk-asked")));
    let mut step = None;
    stage.with_call(0, |call, shared, now| step = Some(call.step(0, shared, now)));
    let Some(hf_inference_wasm::core::engine::Step::Send(request)) = step else { panic!("{step:?}") };
    assert_eq!(request.credential.expect("a token").expose(), "sk-asked");
}

#[test]
fn a_fallback_that_is_configured_wrongly_does_not_keep_the_next_from_its_turn() {
    for status in [401, 403] {
        let mut stage = Stage::with(|settings| {
            settings.retry.limit = 0;
            settings.fallbacks = vec![elsewhere("https://f1"), elsewhere("https://f2")];
        });
        stage.refuse(0, 503);
        stage.refuse(0, status);
        assert_eq!(sent_to(&stage, 0)[1..], ["f1", "f2"]);
        stage.complete(0, "a");
    }
    // A provider that cannot be planned for is passed over.
    let mut stage = Stage::new();
    stage.ask(Task::Chat, chat(), Some("sk-x"), Want::Nothing, |settings| {
        settings.retry.limit = 0;
        settings.endpoint_url = SECOND.to_owned();
        settings.fallbacks =
            vec![Fallback { provider: "groq".to_owned(), ..Fallback::default() }, elsewhere("https://f2")];
    });
    stage.refuse(0, 503);
    assert_eq!(sent_to(&stage, 0), ["second.example", "f2"]);
}

#[test]
fn a_fallback_whose_token_function_fails_is_passed_over() {
    let mut stage = Stage::with(|settings| {
        settings.retry.limit = 0;
        let asked = Fallback { has_token_function: true, ..elsewhere(SECOND) };
        settings.fallbacks = vec![asked.clone(), elsewhere("https://f2"), asked];
    });
    stage.refuse(0, 503);
    stage.fail_token(0);
    assert_eq!(sent_to(&stage, 0)[1..], ["f2"]);
    stage.refuse(0, 503);
    stage.fail_token(0);
    assert_eq!(stage.runs[0].error()["reason"], "token_function");
}

#[test]
fn nothing_of_an_attempt_that_failed_is_told_of_the_next() {
    let mut stage = Stage::with(once);
    let first = Head { provider: "groq".to_owned(), request_id: "r-1".to_owned(), ..head(200) };
    stage.answer(0, first, "");
    stage.feed(0, "data: {\"id\":\"1\",\"model\":\"m1\",\"choices\":[]}\n\n");
    stage.break_off(0);
    stage.complete(0, "b");
    let result = stage.runs[0].result();
    assert_eq!((&result["provider"], &result["requestId"]), (&json!("endpoint"), &Value::Null));
    let start = stage.runs[0].told(Mark::Start);
    assert_eq!(start.len(), 1, "one start, of the one that answers: {start:?}");
    assert_eq!(start[0]["provider"], "endpoint");
}

const TERMS: &str = r#"{"id":"a/b","providers":[
    {"provider":"slow","status":"live","context_length":100000,"pricing":{"input":1,"output":1},"throughput":10,"first_token_latency_ms":50,"supports_tools":true,"supports_structured_output":true},
    {"provider":"dear","status":"live","context_length":1000,"pricing":{"input":9,"output":9},"throughput":90,"first_token_latency_ms":500,"supports_tools":true,"supports_structured_output":false},
    {"provider":"cheap","status":"live","context_length":100000,"pricing":{"input":0.1,"output":0.1},"throughput":50,"first_token_latency_ms":900,"supports_tools":false,"supports_structured_output":true},
    {"provider":"down","status":"error","pricing":{"input":0,"output":0},"throughput":999,"first_token_latency_ms":1},
    {"provider":"untold","status":"live"}]}"#;

/// Where a call goes whose targets all fail, when the router is asked: the providers in order.
fn automatic(order: Order, request: Value, provider: &str, terms: &str) -> Vec<String> {
    let mut stage = Stage::new();
    let run = stage.begin(Task::Chat, request, |settings| {
        settings.retry.limit = 0;
        settings.automatic = Some(order);
    });
    stage.answer(run, Head { provider: provider.to_owned(), ..head(503) }, BUSY);
    let lookup = stage.runs[run].last();
    assert_eq!((lookup.method, lookup.url.as_str()), ("GET", "https://router.huggingface.co/v1/models/a/b"));
    assert!(lookup.credential.is_none() && lookup.body.is_none());
    stage.answer(run, head(200), terms);
    let mut providers = Vec::new();
    while stage.runs[run].settled_at.is_none() {
        let model = stage.runs[run].body()["model"].as_str().expect("a model").to_owned();
        providers.push(model.strip_prefix("a/b:").expect("a provider").to_owned());
        assert_eq!(stage.runs[run].last().credential.as_ref().map(Secret::expose), Some(TOKEN));
        stage.refuse(run, 503);
    }
    assert_eq!(stage.runs[run].word(), "failed: Server refused");
    providers
}

#[test]
fn the_routers_other_providers_follow_in_the_order_that_was_asked_for() {
    assert_eq!(automatic(Order::Price, chat(), "", TERMS), ["cheap", "slow", "dear", "untold"]);
    assert_eq!(automatic(Order::Throughput, chat(), "", TERMS), ["dear", "cheap", "slow", "untold"]);
    assert_eq!(automatic(Order::Latency, chat(), "", TERMS), ["slow", "dear", "cheap", "untold"]);
}

#[test]
fn providers_of_which_nothing_is_told_follow_in_the_routers_order() {
    let terms = r#"{"providers":[{"provider":"x","status":"live"},{"provider":"y","status":"live"},{"provider":"z","status":"live"}]}"#;
    for order in [Order::Price, Order::Throughput, Order::Latency] {
        assert_eq!(automatic(order, chat(), "", terms), ["x", "y", "z"]);
    }
}

#[test]
fn only_providers_that_can_serve_the_request_follow() {
    let with = |name: &str, value: Value| {
        let mut request = chat();
        request[name] = value;
        automatic(Order::Price, request, "", TERMS)
    };
    assert_eq!(with("tools", json!([{ "type": "function" }])), ["slow", "dear", "untold"]);
    assert_eq!(with("response_format", json!({ "type": "json_object" })), ["cheap", "slow", "untold"]);
    assert_eq!(with("response_format", json!({ "type": "text" })).len(), 4);
    assert_eq!(with("max_tokens", json!(5_000)), ["cheap", "slow", "untold"]);
    assert_eq!(with("max_completion_tokens", json!(1_000_000)), ["untold"]);
}

#[test]
fn the_provider_that_has_just_failed_is_not_asked_again() {
    assert_eq!(automatic(Order::Price, chat(), "cheap", TERMS), ["slow", "dear", "untold"]);
    // Named by the caller, and unreadable in the answer's head.
    let mut request = chat();
    request["model"] = json!("a/b:cheap");
    assert_eq!(automatic(Order::Price, request, "", TERMS), ["slow", "dear", "untold"]);
}

#[test]
fn a_router_that_tells_nothing_leaves_the_first_failure_to_be_told() {
    let answers: [Event; 6] = [
        |stage| stage.no_answer(0),
        |stage| stage.refuse(0, 500),
        |stage| {
            stage.answer(0, head(200), "<html></html>");
        },
        |stage| {
            stage.answer(0, head(200), r#"{"providers":[]}"#);
        },
        |stage| {
            stage.answer(0, head(200), r#"{"providers":[{"provider":"x","status":"error"}]}"#);
        },
        |stage| stage.until(60_000.0),
    ];
    for (number, answer) in answers.into_iter().enumerate() {
        let mut stage = Stage::with(|settings| {
            settings.retry.limit = 0;
            settings.automatic = Some(Order::Price);
        });
        stage.refuse(0, 402);
        assert_eq!(stage.runs[0].sent.len(), 2);
        answer(&mut stage);
        assert_eq!(stage.runs[0].word(), "failed: PaymentRequired refused", "answer {number}");
        assert_eq!(stage.runs[0].error()["message"], "busy");
        assert_eq!(stage.runs[0].sent.len(), 2, "asked once");
    }
}

#[test]
fn the_router_is_not_asked_for_an_endpoint_nor_for_what_no_other_can_mend() {
    let mut stage = Stage::with(|settings| {
        settings.retry.limit = 0;
        settings.automatic = Some(Order::Price);
        settings.endpoint_url = SECOND.to_owned();
    });
    stage.refuse(0, 503);
    assert_eq!((stage.runs[0].sent.len(), stage.runs[0].word().as_str()), (1, "failed: Server refused"));
    let mut stage = Stage::with(|settings| settings.automatic = Some(Order::Price));
    stage.refuse(0, 400);
    assert_eq!(stage.runs[0].sent.len(), 1);
}

#[test]
fn an_open_circuit_costs_no_request() {
    let mut stage = Stage::new();
    let alone = |settings: &mut Settings| settings.retry.limit = 0;
    for number in 0..5 {
        stage.chat(alone);
        stage.refuse(number, 500);
    }
    let refused = stage.chat(alone);
    assert_eq!(stage.runs[refused].word(), "failed: CircuitOpen circuit_open");
    assert_eq!(stage.runs[refused].error()["retryAt"], (super::stage::EPOCH + 15_000.0) as u64);
    assert!(stage.runs[refused].sent.is_empty());
    let moved = stage.chat(once);
    assert_eq!(sent_to(&stage, moved), ["second.example"]);
    let careless = stage.chat(|settings| settings.breaker = false);
    assert_eq!(stage.runs[careless].sent.len(), 1, "a breaker that is switched off");
    // Another model of the same host is another target.
    let mut other = chat();
    other["model"] = json!("c/d");
    let other = stage.begin(Task::Chat, other, alone);
    assert_eq!(stage.runs[other].sent.len(), 1);
}

#[test]
fn exactly_one_probe_finds_out_whether_a_target_is_well_again() {
    let mut stage = Stage::new();
    let alone = |settings: &mut Settings| settings.retry.limit = 0;
    for number in 0..5 {
        stage.chat(alone);
        stage.refuse(number, 500);
    }
    let states = |stage: &Stage| -> Vec<Value> {
        let notices = stage.runs.iter().flat_map(|run| run.noticed("state"));
        notices.map(|notice| notice["state"].clone()).collect()
    };
    assert_eq!(states(&stage), ["open"]);
    stage.until(15_000.0);
    let probe = stage.chat(alone);
    assert_eq!(stage.runs[probe].sent.len(), 1);
    let other = stage.chat(alone);
    assert_eq!(stage.runs[other].word(), "failed: CircuitOpen circuit_open");
    // The outcome of the stream counts, not its head.
    stage.open(probe, &delta("a"));
    let other = stage.chat(alone);
    assert!(stage.runs[other].sent.is_empty());
    stage.break_off(probe);
    assert_eq!(states(&stage), ["open", "open"]);
    stage.until(15_000.0 + 29_999.0);
    let early = stage.chat(alone);
    assert!(stage.runs[early].sent.is_empty(), "twice as long");
    stage.until(45_000.0);
    // A probe that its caller gives up tells nothing: another may try.
    let probe = stage.chat(alone);
    stage.abort(probe);
    let probe = stage.chat(alone);
    stage.open(probe, &(delta("a") + DONE));
    assert_eq!(stage.runs[probe].word(), "complete");
    assert_eq!(states(&stage).last(), Some(&json!("closed")));
    let (one, two) = (stage.chat(alone), stage.chat(alone));
    assert_eq!((stage.runs[one].sent.len(), stage.runs[two].sent.len()), (1, 1));
}

#[test]
fn a_call_without_breaker_takes_no_probe_from_the_others() {
    let mut stage = Stage::new();
    let alone = |settings: &mut Settings| settings.retry.limit = 0;
    for number in 0..5 {
        stage.chat(alone);
        stage.refuse(number, 500);
    }
    stage.until(15_000.0);
    let careless = stage.chat(|settings| settings.breaker = false);
    stage.complete(careless, "a");
    let careful = stage.chat(alone);
    assert_eq!(stage.runs[careful].sent.len(), 1, "{}", stage.runs[careful].word());
}

#[test]
fn a_probe_of_an_unknown_route_does_not_lock_the_route() {
    let mut stage = Stage::new();
    let request = || json!({ "inputs": "i" });
    let alone = |settings: &mut Settings| {
        settings.retry.limit = 0;
        settings.endpoint_url = SECOND.to_owned();
    };
    for _ in 0..5 {
        let run = stage.begin(Task::Generation, request(), alone);
        stage.refuse(run, 500);
    }
    stage.until(15_000.0);
    let probe = stage.begin(Task::Generation, request(), alone);
    stage.answer(probe, head(404), "Not Found");
    assert_eq!(stage.runs[probe].last().url, "https://second.example/");
    stage.abort(probe);
    let next = stage.begin(Task::Generation, request(), alone);
    assert_eq!(stage.runs[next].sent.len(), 1, "{}", stage.runs[next].word());
}

#[test]
fn what_the_caller_did_and_a_429_say_nothing_about_the_target() {
    for status in [400, 401, 403, 404, 422, 429] {
        let mut stage = Stage::new();
        for number in 0..20 {
            stage.chat(|settings| settings.retry.limit = 0);
            stage.answer(number, Head { retry_after: "0".to_owned(), ..head(status) }, BUSY);
        }
        assert!(stage.runs.iter().all(|run| run.noticed("state").is_empty()), "{status}");
    }
    let mut stage = Stage::new();
    for number in 0..20 {
        stage.chat(|_| ());
        stage.open(number, &delta("a"));
        stage.abort(number);
    }
    assert!(stage.runs.iter().all(|run| run.noticed("state").is_empty()));
}
