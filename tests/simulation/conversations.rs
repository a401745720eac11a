//! What must hold of conversations: a call goes first to who answered the last of its conversation, if that is one
//! of its own targets, and nowhere else for the conversation's sake. That nobody is asked whose breaker is open or
//! whose gate is closed holds of these requests as of all (`invariants.rs`).

use std::collections::HashMap;

use serde_json::Value;

use crate::scenario::PLACES;
use crate::world::World;

/// For how long it is known who answered, in milliseconds.
const LIFETIME: f64 = 600_000.0;
const AUTO: &str = "https://router.huggingface.co/v1/chat/completions";

/// When a conversation was answered, by whom (URL and model), and whether to the end.
type Answers = Vec<(f64, String, String, bool)>;

/// By name, model and credential.
#[derive(Debug, Default)]
pub struct Conversations(HashMap<(String, String, Option<&'static str>), Answers>);

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// **Conversations stay** with who answered, and go no further than the call would.
pub fn stay(world: &mut World, c: usize, trace: &Value, state: &str) {
    let sim = &world.sims[c];
    let settings = sim.plan.settings.clone();
    let why = text(trace, "affinity").to_owned();
    let none = Vec::new();
    let attempts = trace["attempts"].as_array().unwrap_or(&none).clone();
    if settings.session.is_empty() {
        assert!(why.is_empty(), "call {c} belongs to no conversation: {trace}");
        return;
    }
    assert!(!why.is_empty() || attempts.is_empty(), "call {c}: where it went is not explained: {trace}");
    let key = (settings.session.clone(), settings.model.clone(), sim.plan.token);
    let (started, client) = (sim.started, sim.plan.client);
    let answers = world.clients[client].conversations.0.entry(key).or_default();
    if let Some(first) = attempts.first() {
        let planned = started + first["queued"].as_f64().expect("a time");
        let (url, model) = (text(first, "url"), text(first, "model"));
        // An endpoint may have several routes.
        let place = |url: &str| PLACES.iter().position(|place| url.starts_with(place));
        let same =
            |answer: &&(f64, String, String, bool)| place(&answer.1) == place(url) && answer.2 == model;
        match why.as_str() {
            "kept" => {
                // What fails before there is an attempt (a token, a look-up) leaves no other trace.
                let unseen = settings.provider != "auto"
                    || settings
                        .fallbacks
                        .iter()
                        .any(|fallback| fallback.has_token_function || !fallback.provider.is_empty());
                match answers.iter().rev().find(same) {
                    Some((at, ..)) => assert!(started - at <= LIFETIME, "call {c}: too late: {trace}"),
                    None => assert!(unseen, "call {c}: {url} {model} answered nothing: {answers:?}"),
                }
                let own = |endpoint: &str| match endpoint {
                    "" => PLACES[5..].iter().any(|place| url.starts_with(place)),
                    endpoint => url.starts_with(endpoint),
                };
                let mut targets = settings.fallbacks.iter().map(|fallback| fallback.endpoint_url.as_str());
                assert!(
                    own(&settings.endpoint_url) || targets.any(own),
                    "call {c}: no target of its own: {trace}"
                );
                world.stats.entry("conversation kept").and_modify(|count| *count += 1).or_insert(1);
                if first["verdict"] == "fallback" && state == "complete" {
                    world.stats.entry("conversation moves").and_modify(|count| *count += 1).or_insert(1);
                }
            }
            "new" | "expired" => {
                let known =
                    answers.iter().find(|(at, .., whole)| *whole && *at < started && planned - at < LIFETIME);
                assert!(known.is_none(), "call {c}: {why}, and {known:?} is known");
                let feature = if why == "new" { "conversation begins" } else { "conversation was long ago" };
                *world.stats.entry(feature).or_default() += 1;
            }
            "unchanged" => *world.stats.entry("conversation stays anyway").or_default() += 1,
            "elsewhere" => *world.stats.entry("conversation was elsewhere").or_default() += 1,
            why => panic!("call {c}: {why}"),
        }
    }
}

/// A call is over, as far as the core is concerned: from now on it is known who answered.
pub fn over(world: &mut World, c: usize) {
    let sim = &world.sims[c];
    let settings = &sim.plan.settings;
    if settings.session.is_empty() || sim.call.is_recalled() {
        return;
    }
    let trace: Value = serde_json::from_slice(&sim.call.trace()).expect("JSON");
    let key = (settings.session.clone(), settings.model.clone(), sim.plan.token);
    let (now, client) = (world.now, sim.plan.client);
    let answers = world.clients[client].conversations.0.entry(key).or_default();
    let whole = trace["state"] == "complete";
    for attempt in trace["attempts"].as_array().into_iter().flatten() {
        // Of an answer that was given up, the trace does not tell who had begun to show it.
        let answered =
            attempt["outcome"] == "complete" || trace["state"] == "aborted" && attempt["headers"].is_number();
        let (url, mut model) = (text(attempt, "url").to_owned(), text(attempt, "model").to_owned());
        if url == AUTO && text(attempt, "provider") != "auto" && !model.contains(':') {
            model = format!("{model}:{}", text(attempt, "provider"));
        }
        if answered {
            answers.push((now, url, model, whole));
        }
    }
}
