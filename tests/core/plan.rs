//! Where a call goes, with whose key, under which name of the model; and every refusal to go.

use hf_inference_wasm::core::engine::attempt::{Head, HttpRequest, Reading, lookup, request};
use hf_inference_wasm::core::engine::plan::{Plan, Protocol, Target, Task, plan};
use hf_inference_wasm::core::engine::settings::Settings;
use hf_inference_wasm::core::engine::{Call, Shared, Step};
use hf_inference_wasm::core::error::{Error, Kind};
use hf_inference_wasm::core::ports::Now;
use hf_inference_wasm::core::provider::body::Members;
use hf_inference_wasm::core::provider::mapping::{Cache, Offer, read};
use hf_inference_wasm::core::provider::table::PROVIDERS;
use hf_inference_wasm::core::resilience::retry::Policy;
use hf_inference_wasm::core::secret::Secret;

use crate::value;

const HF: &str = "hf_userToken";
const OAUTH: &str = "hf_oauth_token";
const KEY: &str = "gsk_providerKey";

fn settings(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings { model: "a/b".to_owned(), ..Settings::default() };
    change(&mut settings);
    settings
}

fn provider(name: &str) -> Settings {
    settings(|settings| settings.provider = name.to_owned())
}

fn endpoint(url: &str) -> Settings {
    settings(|settings| settings.endpoint_url = url.to_owned())
}

fn base(url: &str, provider: &str) -> Settings {
    settings(|settings| {
        settings.base_url = url.to_owned();
        settings.provider = provider.to_owned();
    })
}

fn offer(provider: &str, provider_id: &str, status: &str, task: &str) -> Offer {
    Offer {
        provider: provider.to_owned(),
        provider_id: provider_id.to_owned(),
        status: status.to_owned(),
        task: task.to_owned(),
    }
}

fn planned(
    task: Task,
    settings: &Settings,
    body: &str,
    token: &str,
    offers: Option<&[Offer]>,
) -> Result<Plan, Box<Error>> {
    let members = Members::read(body.as_bytes()).expect("an object");
    plan(task, true, settings, &members, Secret::new(token).as_ref(), offers)
}

fn targets(task: Task, settings: &Settings, token: &str, offers: Option<&[Offer]>) -> Vec<Target> {
    match planned(task, settings, "{}", token, offers) {
        Ok(Plan::Go(targets)) => targets,
        other => panic!("no targets but {other:?}"),
    }
}

fn only(
    task: Task,
    settings: &Settings,
    token: &str,
    offers: Option<&[Offer]>,
) -> (String, String, Protocol) {
    let mut targets = targets(task, settings, token, offers);
    assert_eq!(targets.len(), 1);
    let target = targets.remove(0);
    (target.url, target.model, target.protocol)
}

fn refusal(task: Task, settings: &Settings, token: &str, offers: Option<&[Offer]>) -> Box<Error> {
    planned(task, settings, "{}", token, offers).expect_err("a refusal")
}

fn asks_the_hub(task: Task, settings: &Settings, token: &str) {
    match planned(task, settings, "{}", token, None) {
        Ok(Plan::Lookup { model }) => assert_eq!(model, settings.model),
        other => panic!("no lookup but {other:?}"),
    }
}

#[test]
fn chat_without_a_provider_goes_to_the_router_with_the_name_as_it_is() {
    for model in ["a/b", "a/b:groq", "a/b:cheapest", "gpt2"] {
        for token in [HF, OAUTH, "hf_jwt_x"] {
            let settings = settings(|settings| settings.model = model.to_owned());
            let (url, name, protocol) = only(Task::Chat, &settings, token, None);
            assert_eq!(
                (url.as_str(), name.as_str()),
                ("https://router.huggingface.co/v1/chat/completions", model)
            );
            assert_eq!(protocol, Protocol::Chat);
        }
    }
    assert_eq!(targets(Task::Chat, &settings(|_| ()), HF, None)[0].provider, "auto");
}

#[test]
fn generation_without_a_provider_goes_to_the_first_able_one() {
    let settings = settings(|_| ());
    asks_the_hub(Task::Generation, &settings, HF);
    let offers = [
        offer("groq", "g", "live", "text-generation"),
        offer("no-such-provider", "n", "live", "text-generation"),
        offer("together", "t", "staging", "text-generation"),
        offer("novita", "n", "error", "text-generation"),
        offer("scaleway", "s", "live", "conversational"),
        offer("featherless-ai", "org/Model", "live", "text-generation"),
        offer("together", "t", "live", "text-generation"),
    ];
    let (url, model, protocol) = only(Task::Generation, &settings, HF, Some(&offers));
    assert_eq!(url, "https://router.huggingface.co/featherless-ai/v1/completions");
    assert_eq!((model.as_str(), protocol), ("org/Model", Protocol::Completions));
}

#[test]
fn generation_without_a_provider_prefers_live_offers_then_staging_then_those_in_error() {
    let settings = settings(|_| ());
    let chosen = |offers: &[(&str, &str)]| {
        let offers: Vec<Offer> = offers
            .iter()
            .map(|(provider, status)| offer(provider, "theirs", status, "text-generation"))
            .collect();
        targets(Task::Generation, &settings, HF, Some(&offers)).remove(0).provider
    };
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("together", "error"), ("novita", "staging"), ("scaleway", "live")], "scaleway"),
        (&[("together", "error"), ("novita", "staging")], "novita"),
        (&[("together", "error")], "together"),
        // Within a status the Hub's order, which is the user's own.
        (&[("together", "live"), ("scaleway", "live")], "together"),
        (&[("scaleway", "staging"), ("together", "staging")], "scaleway"),
        // Who has no route for it does not count, however live.
        (&[("groq", "live"), ("together", "error")], "together"),
    ];
    for (offers, expected) in cases {
        assert_eq!(chosen(offers), *expected, "{offers:?}");
    }
}

#[test]
fn a_provider_behind_the_models_name_is_pinned_in_text_generation_too() {
    let pinned = |suffix: &str| settings(|settings| settings.model = format!("a/b:{suffix}"));
    let named =
        |suffix: &str, offers: &[Offer]| planned(Task::Generation, &pinned(suffix), "{}", HF, Some(offers));
    match planned(Task::Generation, &pinned("together"), "{}", HF, None) {
        Ok(Plan::Lookup { model }) => assert_eq!(model, "a/b", "the Hub knows no suffix"),
        other => panic!("no lookup but {other:?}"),
    }
    let offers = [
        offer("featherless-ai", "f", "live", "text-generation"),
        offer("together", "t", "staging", "text-generation"),
    ];
    match named("together", &offers) {
        Ok(Plan::Go(targets)) => {
            assert_eq!(targets.len(), 1);
            assert_eq!(targets[0].url, "https://router.huggingface.co/together/v1/completions");
            assert_eq!((targets[0].model.as_str(), targets[0].provider.as_str()), ("t", "together"));
        }
        other => panic!("no target but {other:?}"),
    }
    let error = named("scaleway", &offers).expect_err("scaleway has no offer");
    assert_eq!((error.kind, error.reason), (Kind::Input, "model_not_served"));
    for word in ["scaleway", "a/b", "featherless-ai", "together"] {
        assert!(error.message.contains(word), "{word} in {}", error.message);
    }
    let error = named("no-such", &offers).expect_err("nobody is called so");
    assert_eq!(error.kind, Kind::Input);
    // The router's policies are for chats: no text can be had by them.
    for policy in ["fastest", "cheapest", "preferred"] {
        let error = named(policy, &offers).expect_err("a policy");
        assert_eq!((error.kind, error.option.as_str()), (Kind::Input, "model"), "{policy}");
    }
}

#[test]
fn what_stands_behind_the_models_name_in_a_chat_is_the_routers_to_read() {
    for suffix in ["fastest", "cheapest", "preferred", "groq", "no-such"] {
        let name = format!("a/b:{suffix}");
        let settings = settings(|settings| settings.model.clone_from(&name));
        let target = targets(Task::Chat, &settings, HF, None).remove(0);
        assert_eq!(target.url, "https://router.huggingface.co/v1/chat/completions");
        let members = Members::read(br#"{"model":"ignored","messages":[]}"#).expect("an object");
        let body = request(&settings, &target, &members, true, None, 0).body.expect("a body");
        let start = format!(r#"{{"model":"{name}","stream":true,"#);
        assert!(body.starts_with(start.as_bytes()), "{}", String::from_utf8_lossy(&body));
    }
}

/// One provider as the services describe it.
struct Service {
    name: &'static str,
    /// Where its own key chats, and where a Hugging Face token does.
    chat: (&'static str, &'static str),
    /// The same for text generation; empty where it has none.
    generation: (&'static str, &'static str),
    /// Beside `content-type`.
    headers: &'static [(&'static str, &'static str)],
    /// Members of a body that must not be sent.
    refuses: &'static [&'static str],
}

const PLAIN: Service = Service { name: "", chat: ("", ""), generation: ("", ""), headers: &[], refuses: &[] };

/// Written from the providers' own documents, not from the table that is tested. The model is `a/b`.
const SERVICES: &[Service] = &[
    Service {
        name: "baseten",
        chat: (
            "https://inference.baseten.co/v1/chat/completions",
            "https://router.huggingface.co/baseten/v1/chat/completions",
        ),
        ..PLAIN
    },
    Service {
        name: "cerebras",
        chat: (
            "https://api.cerebras.ai/v1/chat/completions",
            "https://router.huggingface.co/cerebras/v1/chat/completions",
        ),
        refuses: &["store"],
        ..PLAIN
    },
    Service {
        name: "cohere",
        chat: (
            "https://api.cohere.com/compatibility/v1/chat/completions",
            "https://router.huggingface.co/cohere/compatibility/v1/chat/completions",
        ),
        ..PLAIN
    },
    Service {
        name: "deepinfra",
        chat: (
            "https://api.deepinfra.com/v1/openai/chat/completions",
            "https://router.huggingface.co/deepinfra/v1/openai/chat/completions",
        ),
        generation: (
            "https://api.deepinfra.com/v1/openai/completions",
            "https://router.huggingface.co/deepinfra/v1/openai/completions",
        ),
        ..PLAIN
    },
    Service {
        name: "featherless-ai",
        chat: (
            "https://api.featherless.ai/v1/chat/completions",
            "https://router.huggingface.co/featherless-ai/v1/chat/completions",
        ),
        generation: (
            "https://api.featherless.ai/v1/completions",
            "https://router.huggingface.co/featherless-ai/v1/completions",
        ),
        ..PLAIN
    },
    Service {
        name: "fireworks-ai",
        chat: (
            "https://api.fireworks.ai/inference/v1/chat/completions",
            "https://router.huggingface.co/fireworks-ai/inference/v1/chat/completions",
        ),
        ..PLAIN
    },
    Service {
        name: "groq",
        chat: (
            "https://api.groq.com/openai/v1/chat/completions",
            "https://router.huggingface.co/groq/openai/v1/chat/completions",
        ),
        ..PLAIN
    },
    Service {
        name: "hf-inference",
        // It has no other host than the router's.
        chat: (
            "https://router.huggingface.co/hf-inference/models/a/b/v1/chat/completions",
            "https://router.huggingface.co/hf-inference/models/a/b/v1/chat/completions",
        ),
        generation: (
            "https://router.huggingface.co/hf-inference/models/a/b/v1/completions",
            "https://router.huggingface.co/hf-inference/models/a/b/v1/completions",
        ),
        ..PLAIN
    },
    Service {
        name: "novita",
        chat: (
            "https://api.novita.ai/v3/openai/chat/completions",
            "https://router.huggingface.co/novita/v3/openai/chat/completions",
        ),
        generation: (
            "https://api.novita.ai/v3/openai/completions",
            "https://router.huggingface.co/novita/v3/openai/completions",
        ),
        ..PLAIN
    },
    Service {
        name: "nscale",
        chat: (
            "https://inference.api.nscale.com/v1/chat/completions",
            "https://router.huggingface.co/nscale/v1/chat/completions",
        ),
        ..PLAIN
    },
    Service {
        name: "openai",
        chat: ("https://api.openai.com/v1/chat/completions", ""),
        generation: ("https://api.openai.com/v1/completions", ""),
        ..PLAIN
    },
    Service {
        name: "ovhcloud",
        chat: (
            "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1/chat/completions",
            "https://router.huggingface.co/ovhcloud/v1/chat/completions",
        ),
        generation: (
            "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1/completions",
            "https://router.huggingface.co/ovhcloud/v1/completions",
        ),
        ..PLAIN
    },
    Service {
        name: "publicai",
        chat: (
            "https://api.publicai.co/v1/chat/completions",
            "https://router.huggingface.co/publicai/v1/chat/completions",
        ),
        ..PLAIN
    },
    Service {
        name: "scaleway",
        chat: (
            "https://api.scaleway.ai/v1/chat/completions",
            "https://router.huggingface.co/scaleway/v1/chat/completions",
        ),
        generation: (
            "https://api.scaleway.ai/v1/completions",
            "https://router.huggingface.co/scaleway/v1/completions",
        ),
        ..PLAIN
    },
    Service {
        name: "together",
        chat: (
            "https://api.together.xyz/v1/chat/completions",
            "https://router.huggingface.co/together/v1/chat/completions",
        ),
        generation: (
            "https://api.together.xyz/v1/completions",
            "https://router.huggingface.co/together/v1/completions",
        ),
        ..PLAIN
    },
    Service {
        name: "zai-org",
        chat: (
            "https://api.z.ai/api/paas/v4/chat/completions",
            "https://router.huggingface.co/zai-org/api/paas/v4/chat/completions",
        ),
        headers: &[("x-source-channel", "hugging_face"), ("accept-language", "en-US,en")],
        ..PLAIN
    },
];

/// What is sent for a call with `token`; the Hub says that the provider calls the model as it is called.
fn sent_to(service: &Service, task: Task, token: &str) -> HttpRequest {
    let settings = provider(service.name);
    // Another provider's offer, to be passed over, and the task that is not asked for.
    let other = if task == Task::Chat { Task::Generation } else { Task::Chat };
    let offers = [
        offer("other", "not/this", "live", task.name()),
        offer(service.name, "a/b", "live", task.name()),
        offer("another", "nor/this", "live", other.name()),
    ];
    let target = targets(task, &settings, token, Some(&offers)).remove(0);
    assert_eq!(target.provider, service.name);
    let body =
        br#"{"messages":[],"inputs":"i","parameters":{"store":false,"top_k":5},"store":true,"zebra":1.0}"#;
    let members = Members::read(body).expect("an object");
    request(&settings, &target, &members, true, Secret::new(token).as_ref(), 0)
}

fn headers_of(service: &Service) -> Vec<(String, String)> {
    let common: &[(&str, &str)] = &[("content-type", "application/json")];
    common
        .iter()
        .chain(service.headers)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn every_provider_chats_through_the_router_with_a_hugging_face_token() {
    assert_eq!(SERVICES.len(), 16);
    for service in SERVICES.iter().filter(|service| !service.chat.1.is_empty()) {
        for token in [HF, OAUTH] {
            asks_the_hub(Task::Chat, &provider(service.name), token);
            let sent = sent_to(service, Task::Chat, token);
            assert_eq!((sent.method, sent.url.as_str()), ("POST", service.chat.1));
            assert_eq!(sent.credential.expect("a token").expose(), token, "{}", service.name);
            assert_eq!(sent.headers, headers_of(service), "{}", service.name);
        }
    }
}

#[test]
fn every_provider_chats_on_its_own_host_with_its_own_key() {
    for service in SERVICES {
        let sent = sent_to(service, Task::Chat, KEY);
        assert_eq!((sent.method, sent.url.as_str()), ("POST", service.chat.0));
        assert_eq!(sent.credential.expect("a key").expose(), KEY, "{}", service.name);
        assert_eq!(sent.headers, headers_of(service), "{}", service.name);
    }
}

#[test]
fn every_provider_that_completes_texts_does_so_both_ways() {
    let mut count = 0;
    for service in SERVICES.iter().filter(|service| !service.generation.0.is_empty()) {
        count += 1;
        let direct = sent_to(service, Task::Generation, KEY);
        assert_eq!((direct.method, direct.url.as_str()), ("POST", service.generation.0));
        assert_eq!(direct.credential.expect("a key").expose(), KEY, "{}", service.name);
        if service.generation.1.is_empty() {
            continue;
        }
        asks_the_hub(Task::Generation, &provider(service.name), HF);
        let routed = sent_to(service, Task::Generation, HF);
        assert_eq!(routed.url, service.generation.1);
        assert_eq!(routed.credential.expect("a token").expose(), HF, "{}", service.name);
        let body = value(&routed.body.expect("a body"));
        assert_eq!(
            body,
            serde_json::json!({
                "model": "a/b", "stream": true, "stream_options": { "include_usage": true },
                "prompt": "i", "store": true, "top_k": 5, "messages": [], "zebra": 1.0,
            }),
            "{}",
            service.name
        );
    }
    assert_eq!(count, 8);
}

#[test]
fn a_member_is_dropped_only_for_the_provider_that_refuses_it() {
    for service in SERVICES {
        let body = sent_to(service, Task::Chat, KEY).body.expect("a body");
        let body = String::from_utf8(body).expect("UTF-8");
        let start = r#"{"model":"a/b","stream":true,"stream_options":{"include_usage":true},"messages":[],"inputs":"i","parameters":{"store":false,"top_k":5},"#;
        let end = if service.refuses.contains(&"store") {
            r#""zebra":1.0}"#
        } else {
            r#""store":true,"zebra":1.0}"#
        };
        assert_eq!(body, [start, end].concat(), "{}", service.name);
    }
}

#[test]
fn the_hub_learns_nothing_of_a_providers_own_key() {
    for service in SERVICES {
        let settings = provider(service.name);
        if let Ok(Plan::Lookup { model }) = planned(Task::Chat, &settings, "{}", KEY, None) {
            let request = lookup(&settings, &model, Secret::new(KEY).as_ref());
            assert!(request.credential.is_none(), "{}", service.name);
            assert!(request.headers.is_empty() && !request.url.contains(KEY), "{}", service.name);
        }
    }
}

#[test]
fn an_unknown_provider_is_refused_with_the_names_of_the_known_ones() {
    // Names of the Hub's that serve other tasks, that are gone, or that nobody ever had.
    for name in
        ["fal-ai", "replicate", "wavespeed", "sambanova", "nebius", "hyperbolic", "Groq", "groq ", "no-such"]
    {
        for (task, token) in [(Task::Chat, HF), (Task::Generation, KEY), (Task::Chat, "")] {
            let error = refusal(task, &provider(name), token, None);
            assert_eq!((error.kind, error.option.as_str()), (Kind::Input, "provider"), "{name}");
            for service in SERVICES {
                assert!(error.message.contains(service.name), "{} in {}", service.name, error.message);
            }
        }
    }
}

#[test]
fn a_named_provider_is_reached_through_the_router_under_its_own_name_for_the_model() {
    let settings = provider("fireworks-ai");
    asks_the_hub(Task::Chat, &settings, HF);
    let offers = [
        offer("groq", "g", "live", "conversational"),
        offer("fireworks-ai", "accounts/fireworks/models/b", "live", "conversational"),
    ];
    let (url, model, _) = only(Task::Chat, &settings, HF, Some(&offers));
    assert_eq!(url, "https://router.huggingface.co/fireworks-ai/inference/v1/chat/completions");
    assert_eq!(model, "accounts/fireworks/models/b");
    let target = &targets(Task::Chat, &settings, HF, Some(&offers))[0];
    assert_eq!(
        (target.provider.as_str(), target.entry.map(|entry| entry.name)),
        ("fireworks-ai", Some("fireworks-ai"))
    );
    // The Hub's own checks may be behind: a named provider is tried whatever the status.
    for status in ["live", "staging", "error", ""] {
        let offers = [offer("fireworks-ai", "x", status, "conversational")];
        assert_eq!(only(Task::Chat, &settings, HF, Some(&offers)).1, "x");
    }
}

#[test]
fn hf_inference_has_the_model_in_its_path() {
    let settings = provider("hf-inference");
    let offers = |id: &str, task: &str| [offer("hf-inference", id, "live", task)];
    let (url, model, _) = only(Task::Chat, &settings, HF, Some(&offers("a/b", "conversational")));
    assert_eq!(url, "https://router.huggingface.co/hf-inference/models/a/b/v1/chat/completions");
    assert_eq!(model, "a/b");
    let (url, ..) = only(Task::Generation, &settings, HF, Some(&offers("a/b", "text-generation")));
    assert_eq!(url, "https://router.huggingface.co/hf-inference/models/a/b/v1/completions");
    let error = refusal(Task::Chat, &settings, HF, Some(&offers("../../x", "conversational")));
    assert_eq!(
        (error.kind, error.option.as_str()),
        (Kind::Input, "model"),
        "the Hub's word is not trusted in a path"
    );
}

#[test]
fn a_providers_own_key_goes_to_its_own_host() {
    let named = settings(|settings| {
        settings.provider = "groq".to_owned();
        settings.model = "llama-3.1-8b-instant".to_owned();
    });
    let (url, model, _) = only(Task::Chat, &named, KEY, None);
    assert_eq!(
        (url.as_str(), model.as_str()),
        ("https://api.groq.com/openai/v1/chat/completions", "llama-3.1-8b-instant")
    );
    // A name of the Hub's is looked up first; what the Hub does not list is sent as it is.
    let settings = provider("groq");
    asks_the_hub(Task::Chat, &settings, KEY);
    let offers = [offer("groq", "theirs", "live", "conversational")];
    assert_eq!(
        only(Task::Chat, &settings, KEY, Some(&offers)),
        ("https://api.groq.com/openai/v1/chat/completions".to_owned(), "theirs".to_owned(), Protocol::Chat)
    );
    assert_eq!(only(Task::Chat, &settings, KEY, Some(&[])).1, "a/b");
}

#[test]
fn openai_is_reached_with_its_own_key_only() {
    for (given, sent) in [
        ("openai/gpt-4o", "gpt-4o"),
        ("gpt-4o", "gpt-4o"),
        ("other/gpt", "other/gpt"),
        ("openaix/gpt", "openaix/gpt"),
    ] {
        let settings = settings(|settings| {
            settings.provider = "openai".to_owned();
            settings.model = given.to_owned();
        });
        let (url, model, _) = only(Task::Chat, &settings, "sk-x", None);
        assert_eq!((url.as_str(), model.as_str()), ("https://api.openai.com/v1/chat/completions", sent));
        let error = refusal(Task::Chat, &settings, HF, None);
        assert_eq!((error.kind, error.reason), (Kind::Authentication, "provider_key_needed"));
    }
}

#[test]
fn an_endpoint_is_called_without_the_hub_and_without_a_token() {
    for token in ["", HF, KEY] {
        let (url, model, protocol) = only(Task::Chat, &endpoint("https://h/v1?x=1"), token, None);
        assert_eq!((url.as_str(), model.as_str()), ("https://h/v1/chat/completions?x=1", "a/b"));
        assert_eq!(protocol, Protocol::Chat);
    }
    let mut nameless = endpoint("https://h");
    nameless.model.clear();
    assert_eq!(only(Task::Chat, &nameless, "", None).1, "tgi", "any other name would be an adapter's to TGI");
    assert_eq!(targets(Task::Chat, &nameless, "", None)[0].provider, "endpoint");
}

#[test]
fn a_generation_tries_the_protocols_that_an_endpoint_may_speak() {
    let seen = |url: &str, body: &str| match planned(Task::Generation, &endpoint(url), body, "", None) {
        Ok(Plan::Go(targets)) => {
            targets.into_iter().map(|target| (target.url, target.protocol)).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    let target = |url: &str, protocol| (url.to_owned(), protocol);
    let tgi_only = r#"{"parameters":{"grammar":{}}}"#;
    let completions = || target("https://h/v1/completions", Protocol::Completions);
    let generate = || target("https://h/generate_stream", Protocol::Generate);
    let root = || target("https://h/", Protocol::Root);
    assert_eq!(seen("https://h", "{}"), [completions(), root()]);
    assert_eq!(seen("https://h/v1", "{}"), [completions()]);
    assert_eq!(seen("https://h/v1/chat/completions", "{}"), [completions()]);
    assert_eq!(seen("https://h/generate", "{}"), [generate()]);
    assert_eq!(seen("https://h/generate_stream", tgi_only), [generate()]);
    assert_eq!(seen("https://h", tgi_only), [generate(), root()]);
    assert_eq!(seen("https://h/v1", tgi_only), [generate(), root()]);
}

#[test]
fn what_stands_in_for_the_router_needs_no_token() {
    for token in ["", HF, KEY] {
        let (url, model, _) = only(Task::Chat, &base("http://localhost:8080/v1", "auto"), token, None);
        assert_eq!((url.as_str(), model.as_str()), ("http://localhost:8080/v1/chat/completions", "a/b"));
        let (url, _, protocol) = only(Task::Generation, &base("http://localhost:8080", "auto"), token, None);
        assert_eq!((url.as_str(), protocol), ("http://localhost:8080/v1/completions", Protocol::Completions));
        asks_the_hub(Task::Chat, &base("http://localhost:8080", "groq"), token);
        let offers = [offer("groq", "theirs", "live", "conversational")];
        let (url, model, _) =
            only(Task::Chat, &base("http://localhost:8080/v1", "groq"), token, Some(&offers));
        assert_eq!(
            (url.as_str(), model.as_str()),
            ("http://localhost:8080/groq/openai/v1/chat/completions", "theirs")
        );
    }
}

#[test]
fn without_a_token_nothing_goes_to_the_router() {
    for settings in [settings(|_| ()), provider("groq"), provider("openai"), provider("hf-inference")] {
        for task in [Task::Chat, Task::Generation] {
            let error = refusal(task, &settings, "", None);
            assert_eq!((error.kind, error.reason, error.status), (Kind::Authentication, "no_token", None));
        }
    }
}

#[test]
fn a_providers_key_without_a_provider_is_refused() {
    for task in [Task::Chat, Task::Generation] {
        let error = refusal(task, &settings(|_| ()), KEY, None);
        assert_eq!((error.kind, error.reason), (Kind::Authentication, "provider_key_without_provider"));
    }
}

#[test]
fn a_wrong_option_is_named() {
    let cases: &[(Settings, &str, &str)] = &[
        (settings(|settings| settings.model.clear()), HF, "model"),
        (settings(|settings| settings.model = "https://h/v1".to_owned()), HF, "model"),
        (settings(|settings| settings.model = "http://h".to_owned()), HF, "model"),
        (
            settings(|settings| {
                settings.provider = "groq".to_owned();
                settings.model = "a/b:c".to_owned()
            }),
            HF,
            "model",
        ),
        (
            settings(|settings| {
                settings.provider = "groq".to_owned();
                settings.model = "../x".to_owned()
            }),
            HF,
            "model",
        ),
        (provider("no-such"), HF, "provider"),
        (provider("Groq"), HF, "provider"),
        (
            settings(|settings| {
                settings.provider = "groq".to_owned();
                settings.endpoint_url = "https://h".to_owned()
            }),
            HF,
            "provider",
        ),
        (endpoint("h/v1"), HF, "endpointUrl"),
        (endpoint("https://user:secret@h"), HF, "endpointUrl"),
        (endpoint("/v1"), HF, "endpointUrl"),
        (base("localhost:8080", "auto"), HF, "baseUrl"),
        (settings(|settings| settings.hub_url = "huggingface.co".to_owned()), HF, "hubUrl"),
        (settings(|_| ()), "hf_tök", "accessToken"),
        (settings(|_| ()), "hf_a b", "accessToken"),
        (settings(|_| ()), "hf_a\r\nx: y", "accessToken"),
        (settings(|settings| settings.in_page = true), HF, "accessToken"),
    ];
    for (settings, token, option) in cases {
        let error = refusal(Task::Chat, settings, token, None);
        assert_eq!(
            (error.kind, error.reason, error.option.as_str()),
            (Kind::Input, "option", *option),
            "{settings:?}"
        );
        assert!(!error.expected.is_empty() && !error.retryable);
        assert!(!format!("{error:?}").contains("secret"));
    }
}

#[test]
fn a_users_token_in_a_page_needs_a_word() {
    let page = |allow| {
        settings(|settings| {
            settings.in_page = true;
            settings.allow_browser = allow;
        })
    };
    for token in [OAUTH, "hf_jwt_x"] {
        targets(Task::Chat, &page(false), token, None);
    }
    targets(Task::Chat, &page(true), HF, None);
    let mut page = page(false);
    page.endpoint_url = "https://h".to_owned();
    let error = refusal(Task::Chat, &page, HF, None);
    assert_eq!(error.option, "accessToken", "an endpoint's page is read by visitors too");
    page.endpoint_url = "/v1".to_owned();
    targets(Task::Chat, &page, KEY, None);
}

#[test]
fn a_provider_that_has_no_text_generation_is_refused_before_the_hub_is_asked() {
    for entry in PROVIDERS.iter().filter(|entry| entry.completions.is_empty()) {
        let error = refusal(Task::Generation, &provider(entry.name), HF, None);
        assert_eq!((error.kind, error.reason), (Kind::Input, "model_not_served"));
        assert!(error.message.contains(entry.name), "{}", error.message);
    }
}

#[test]
fn what_only_tgi_can_do_is_refused_elsewhere() {
    let error = planned(Task::Generation, &settings(|_| ()), r#"{"parameters":{"grammar":{}}}"#, HF, None)
        .expect_err("a refusal");
    assert_eq!((error.kind, error.option.as_str()), (Kind::Input, "parameters.grammar"));
}

#[test]
fn a_model_that_is_not_served_says_who_does_serve_it() {
    let offers = [
        offer("groq", "g", "live", "conversational"),
        offer("novita", "n", "error", "conversational"),
        offer("together", "t", "live", "conversational"),
        offer("deepinfra", "d", "live", "text-generation"),
    ];
    let message = |task, settings: &Settings, offers: &[Offer]| {
        let error = refusal(task, settings, HF, Some(offers));
        assert_eq!((error.kind, error.reason, error.retryable), (Kind::Input, "model_not_served", false));
        error.message.clone()
    };
    let missing = message(Task::Chat, &provider("cerebras"), &offers);
    assert_eq!(missing, "cerebras does not serve a/b for conversational; these do: groq, together");
    let other_task = message(Task::Chat, &provider("deepinfra"), &offers[3..]);
    assert_eq!(
        other_task,
        "deepinfra does not serve a/b for conversational; deepinfra serves it for text-generation"
    );
    assert_eq!(
        message(Task::Generation, &settings(|_| ()), &[]),
        "no provider that this client can use serves a/b for text-generation"
    );
}

#[test]
fn a_task_that_does_not_match_is_told_with_who_serves_it_and_what_the_provider_serves() {
    let offers = [
        offer("deepinfra", "d", "live", "text-generation"),
        offer("groq", "g", "live", "conversational"),
        offer("together", "t", "staging", "conversational"),
        offer("fal-ai", "f", "live", "text-to-image"),
    ];
    let cases = [
        (
            Task::Chat,
            "deepinfra",
            &["deepinfra", "conversational", "text-generation", "groq", "together"][..],
        ),
        (Task::Generation, "together", &["together", "text-generation", "conversational", "deepinfra"]),
        (Task::Generation, "scaleway", &["scaleway", "text-generation", "deepinfra"]),
    ];
    for (task, name, words) in cases {
        let error = refusal(task, &provider(name), HF, Some(&offers));
        assert_eq!((error.kind, error.reason), (Kind::Input, "model_not_served"));
        for word in words {
            assert!(error.message.contains(word), "{word} is not in {:?}", error.message);
        }
        assert!(!error.message.contains("fal-ai"), "it does something else: {:?}", error.message);
    }
    // Who serves it may be unknown to this client, or have no route for it: that is not nobody.
    for name in ["sambanova", "groq"] {
        let offers = [offer(name, "s", "live", "text-generation")];
        let error = refusal(Task::Generation, &settings(|_| ()), HF, Some(&offers));
        assert!(error.message.contains(name), "{:?}", error.message);
        assert!(!error.message.starts_with("no provider serves"), "{:?}", error.message);
    }
    // What nobody serves for this task is told with the task that it is served for.
    let error = refusal(Task::Generation, &settings(|_| ()), HF, Some(&offers[1..3]));
    for word in ["a/b", "text-generation", "conversational"] {
        assert!(error.message.contains(word), "{word} is not in {:?}", error.message);
    }
}

fn now(monotonic: f64) -> Now {
    Now { monotonic, unix: 1_800_000_000_000.0 + monotonic }
}

/// A chat with groq at a time of the virtual clock.
fn chat_call(token: &str, time: f64) -> Call {
    let body = br#"{"model":"a/b","messages":[]}"#.to_vec();
    let retry = Policy { limit: 0, ..Policy::default() };
    let settings = Settings { provider: "groq".to_owned(), retry, ..Settings::default() };
    let token = Secret::new(token);
    Call::new(Task::Chat, false, settings, body, token, false, &mut Shared::default(), now(time))
        .expect("a good request")
}

/// Where the call's first request goes.
fn first_url(call: &mut Call, shared: &mut Shared, time: f64) -> String {
    match call.step(0, shared, now(time)) {
        Step::Send(request) => request.url,
        other => panic!("nothing sent but {other:?}"),
    }
}

/// What becomes of a call whose lookup is answered so: kind, reason and words.
fn after_lookup(status: u16, content_type: &str, body: &[u8]) -> (String, String, String) {
    let (mut call, mut shared) = (chat_call(HF, 0.0), Shared::default());
    assert!(first_url(&mut call, &mut shared, 0.0).starts_with("https://huggingface.co/api/models/a/b"));
    let head = Head { status, content_type: content_type.to_owned(), ..Head::default() };
    assert!(matches!(call.on_head(0, head, &mut shared, now(1.0)), Reading::Whole(_)));
    call.on_body(0, body, &mut shared, now(2.0));
    let step = call.step(0, &mut shared, now(2.0));
    assert!(matches!(step, Step::Over), "{status} {:?}: {step:?}", String::from_utf8_lossy(body));
    let error = value(&call.error());
    let word = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (word("kind"), word("reason"), word("message"))
}

#[test]
fn a_lookup_that_is_refused_says_so_with_the_hubs_words() {
    let cases: &[(u16, &str, &str, &str)] = &[
        (
            401,
            r#"{"error":"Invalid credentials in Authorization header"}"#,
            "Authentication",
            "Invalid credentials",
        ),
        (403, r#"{"error":"This repository is gated"}"#, "Permission", "gated"),
        (429, r#"{"error":"We had to rate limit you"}"#, "RateLimit", "rate limit"),
        (500, r#"{"error":"Internal Error"}"#, "Server", "Internal Error"),
        (502, "<html><body>Bad Gateway</body></html>", "Server", ""),
    ];
    for (status, body, kind, words) in cases {
        let (seen, reason, message) = after_lookup(*status, "application/json", body.as_bytes());
        assert_eq!((seen.as_str(), reason.as_str()), (*kind, "mapping"), "{status}");
        assert!(message.contains(words) && !message.contains('<'), "{message}");
    }
    let (kind, reason, message) =
        after_lookup(404, "application/json", br#"{"error":"Repository not found"}"#);
    assert_eq!((kind.as_str(), reason.as_str()), ("Input", "model_not_served"));
    assert!(message.contains("a/b"), "{message}");
}

#[test]
fn a_lookup_whose_answer_cannot_be_read_is_not_taken_for_a_model_that_nobody_serves() {
    let deep = format!(r#"{{"inferenceProviderMapping":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let cut = &format!(r#"{{"inferenceProviderMapping":{{{}"#, r#""x":{"status":"live"},"#.repeat(10));
    let cases: &[(&str, &str)] = &[
        ("text/html", "<!DOCTYPE html><html><body>Sign in to the hotel's network</body></html>"),
        ("application/json", "<html></html>"),
        ("application/json", "{\"inferenceProviderMapping\":{\"groq\":"),
        ("application/json", "not json"),
        ("application/json", ""),
        ("application/json", "[]"),
        ("application/json", "null"),
        ("application/json", r#"{"inferenceProviderMapping":"x"}"#),
        ("application/json", &deep),
        ("application/json", cut),
    ];
    for (content_type, body) in cases {
        let (kind, reason, message) = after_lookup(200, content_type, body.as_bytes());
        let start: String = body.chars().take(60).collect();
        assert_eq!((kind.as_str(), reason.as_str()), ("InvalidResponse", "mapping"), "{start}: {message}");
    }
}

#[test]
fn a_model_of_which_the_hub_tells_no_offers_is_served_by_nobody() {
    for body in [
        r#"{"_id":"6","id":"a/b"}"#,
        r#"{"id":"a/b","inferenceProviderMapping":null}"#,
        r#"{"id":"a/b","inferenceProviderMapping":{}}"#,
        r#"{"id":"a/b","inferenceProviderMapping":[]}"#,
    ] {
        let (kind, reason, message) = after_lookup(200, "application/json", body.as_bytes());
        assert_eq!((kind.as_str(), reason.as_str()), ("Input", "model_not_served"), "{body}");
        assert!(message.contains("groq") && message.contains("a/b"), "{message}");
    }
}

#[test]
fn a_lookup_serves_the_calls_of_its_token_for_ten_minutes() {
    let mapping = br#"{"inferenceProviderMapping":[{"provider":"groq","providerId":"g","status":"live","task":"conversational"}]}"#;
    let (mut call, mut shared) = (chat_call(HF, 0.0), Shared::default());
    first_url(&mut call, &mut shared, 0.0);
    call.on_head(0, Head { status: 200, ..Head::default() }, &mut shared, now(40.0));
    call.on_body(0, mapping, &mut shared, now(50.0));
    let asks = |token: &str, shared: &mut Shared, time: f64| {
        first_url(&mut chat_call(token, time), shared, time).contains("/api/models/")
    };
    assert!(!first_url(&mut call, &mut shared, 50.0).contains("/api/models/"));
    assert!(!asks(HF, &mut shared, 600_049.0));
    assert!(asks(OAUTH, &mut shared, 60.0), "another token may see other offers");
    assert!(asks(KEY, &mut shared, 60.0), "so may nobody in particular");
    assert!(asks(HF, &mut shared, 600_050.0));
}

#[test]
fn the_mapping_is_read_in_both_its_forms() {
    let object = br#"{"_id":"6","id":"a/b","inferenceProviderMapping":{"novita":{"status":"live","providerId":"n/b","task":"conversational","isModelAuthor":false},"groq":{"status":"staging","providerId":"g","task":"text-generation","adapter":"lora"},"x":{}}}"#;
    let array = br#"{"id":"a/b","inferenceProviderMapping":[{"provider":"novita","providerId":"n/b","hfModelId":"a/b","status":"live","task":"conversational"},{"provider":"groq","providerId":"g","status":"staging","task":"text-generation"},{"provider":"x"}]}"#;
    let expected = [
        offer("novita", "n/b", "live", "conversational"),
        offer("groq", "g", "staging", "text-generation"),
        offer("x", "", "", ""),
    ];
    assert_eq!(read(object).as_deref(), Some(&expected[..]));
    assert_eq!(read(array).as_deref(), Some(&expected[..]));
    assert_eq!(read(br#"{"inferenceProviderMapping":{}}"#), Some(vec![]));
    assert_eq!(read(br#"{"inferenceProviderMapping":[]}"#), Some(vec![]));
    // A model that nobody serves.
    for body in ["{}", r#"{"inferenceProviderMapping":null}"#] {
        assert_eq!(read(body.as_bytes()), Some(vec![]), "{body}");
    }
    for body in [
        "",
        "[]",
        "null",
        "<html>",
        r#"{"inferenceProviderMapping":"x"}"#,
        r#"{"inferenceProviderMapping":{"a":{}"#,
    ] {
        assert_eq!(read(body.as_bytes()), None, "{body}");
    }
}

#[test]
fn an_answer_of_the_hub_is_remembered_for_a_while_and_for_its_credential() {
    let mut cache = Cache::default();
    let offers = vec![offer("groq", "g", "live", "conversational")];
    cache.put("a/b", 1, 0.0, offers.clone());
    assert_eq!(cache.get("a/b", 1, 599_999.0), Some(&offers[..]));
    assert_eq!(cache.get("a/b", 1, 600_000.0), None, "ten minutes");
    assert_eq!(cache.get("a/b", 2, 1.0), None);
    assert_eq!(cache.get("a/c", 1, 1.0), None);
    cache.put("a/b", 1, 1_000.0, vec![]);
    assert_eq!(cache.get("a/b", 1, 2_000.0), Some(&[][..]), "the newer answer counts");
    for model in 0..1_000 {
        cache.put(&model.to_string(), 1, 3_000.0, vec![]);
    }
    assert_eq!(cache.get("999", 1, 4_000.0), Some(&[][..]));
    assert_eq!(cache.get("0", 1, 4_000.0), None, "the oldest has made room");
}

#[test]
fn the_hub_sees_hugging_face_tokens_only() {
    let sent = |token: &str| lookup(&settings(|_| ()), "a/b", Secret::new(token).as_ref());
    for token in [HF, OAUTH] {
        assert_eq!(sent(token).credential.expect("a token").expose(), token);
    }
    for token in [KEY, "sk-x", "eyJhbGciOi.x.y", ""] {
        let request = sent(token);
        assert!(request.credential.is_none());
        assert!(!format!("{request:?}").contains("x.y"));
        assert_eq!((request.method, request.body), ("GET", None));
        assert_eq!(request.url, "https://huggingface.co/api/models/a/b?expand[]=inferenceProviderMapping");
    }
}

#[test]
fn no_hugging_face_token_goes_to_a_providers_own_host() {
    let body = r#"{"messages":[],"inputs":"i"}"#;
    let mut requests = 0;
    for entry in PROVIDERS {
        for task in [Task::Chat, Task::Generation] {
            let task_name = if task == Task::Chat { "conversational" } else { "text-generation" };
            let offers = [offer(entry.name, "a/b", "live", task_name)];
            let settings = provider(entry.name);
            for token in [HF, OAUTH, KEY] {
                let Ok(Plan::Go(targets)) = planned(task, &settings, body, token, Some(&offers)) else {
                    continue;
                };
                for target in targets {
                    let secret = Secret::new(token);
                    let members = Members::read(body.as_bytes()).expect("an object");
                    let request = request(&settings, &target, &members, true, secret.as_ref(), 0);
                    let to_router = request.url.starts_with("https://router.huggingface.co/");
                    let own_host = request.url.starts_with(&format!("{}/", entry.base));
                    assert_eq!(request.credential.expect("a token").expose(), token);
                    requests += 1;
                    if token == KEY {
                        assert!(own_host, "{} goes to {}", entry.name, request.url);
                    } else {
                        assert!(to_router, "{} goes to {}", entry.name, request.url);
                    }
                }
            }
        }
    }
    // Sixteen providers chat and eight complete; openai takes no Hugging Face token.
    assert_eq!(requests, 3 * (16 + 8) - 2 * 2);
}

fn sent(settings: &Settings, token: &str) -> HttpRequest {
    let offers =
        PROVIDERS.iter().map(|entry| offer(entry.name, "x", "live", "conversational")).collect::<Vec<_>>();
    let target = targets(Task::Chat, settings, token, Some(&offers)).remove(0);
    let members = Members::read(br#"{"messages":[],"store":true}"#).expect("an object");
    request(settings, &target, &members, false, Secret::new(token).as_ref(), 0)
}

#[test]
fn a_request_has_the_headers_of_its_provider_and_of_its_payer() {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let plain = sent(&settings(|_| ()), HF);
    assert_eq!(plain.method, "POST");
    assert_eq!(plain.headers, [header("content-type", "application/json")]);
    assert_eq!(plain.body.as_deref(), Some(&br#"{"model":"a/b","messages":[],"store":true}"#[..]));
    let paid = sent(&settings(|settings| settings.bill_to = "org".to_owned()), HF);
    assert!(paid.headers.contains(&header("x-hf-bill-to", "org")));
    let zai = sent(&provider("zai-org"), HF);
    assert!(zai.headers.contains(&header("x-source-channel", "hugging_face")));
    let cerebras = sent(&provider("cerebras"), HF);
    assert_eq!(cerebras.body.as_deref(), Some(&br#"{"model":"x","messages":[]}"#[..]), "it refuses `store`");
}

#[test]
fn the_callers_own_headers_have_the_last_word() {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let settings = settings(|settings| {
        settings.headers = vec![
            header("content-type", "application/x"),
            header("x-a", "1"),
            header("authorization", "Basic own"),
        ];
    });
    let request = sent(&settings, HF);
    assert_eq!(request.headers, settings.headers, "each name once");
    assert!(request.credential.is_none(), "one Authorization only");
}

#[test]
fn a_secret_is_never_printed() {
    let secret = Secret::new(" hf_secret\n").expect("a token");
    assert_eq!((secret.expose(), format!("{secret:?}").as_str()), ("hf_secret", "[redacted]"));
    assert_eq!(format!("{:?}", sent(&settings(|_| ()), "hf_secret").credential), "Some([redacted])");
    assert!(!format!("{:?}", sent(&settings(|_| ()), "hf_secret")).contains("hf_secret"));
    assert_eq!(Secret::new(" \n\t"), None);
    for (token, hugging_face, long_lived, fits) in [
        ("hf_x", true, true, true),
        ("hf_oauth_x", true, false, true),
        ("hf_jwt_x", true, false, true),
        ("sk-x", false, false, true),
        ("HF_x", false, false, true),
        ("a b", false, false, false),
        ("é", false, false, false),
        ("a\u{7f}", false, false, false),
    ] {
        let secret = Secret::new(token).expect("a token");
        assert_eq!(
            (secret.is_hugging_face(), secret.is_long_lived(), secret.fits_header()),
            (hugging_face, long_lived, fits),
            "{token}"
        );
    }
    assert_ne!(
        Secret::new("hf_a").map(|secret| secret.fingerprint()),
        Secret::new("hf_b").map(|secret| secret.fingerprint())
    );
}
