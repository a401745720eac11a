//! A store that all clients of a run have in common: who recorded what, and that nobody is given what another
//! credential, another service or an incomplete answer brought.

use std::collections::HashMap;

use hf_inference_wasm::core::engine::Found;
use hf_inference_wasm::core::engine::settings::{Fallback, Route};
use hf_inference_wasm::core::wire::batch::Want;
use serde_json::Value;

use crate::random::Random;
use crate::routed;
use crate::scenario::{CATALOGUE, CallPlan};
use crate::service::{Answer, Body, Ending, Truth};
use crate::world::{Connection, World};

/// An answer that was kept, and whose it is.
#[derive(Debug)]
pub struct Kept {
    tape: Vec<u8>,
    text: String,
    by: usize,
    at: f64,
    /// What it cost, if that is known.
    usd: Value,
}

/// What is kept, by key.
pub type Store = HashMap<String, Kept>;

/// Has some of the calls look for their answers, and those whose callers only want the end record them.
pub fn dress(plan: &mut CallPlan, random: &mut Random) {
    plan.settings.recalls = random.one_in(3);
    if plan.settings.recalls && random.one_in(3) {
        plan.reader.want = Want::Nothing;
    }
    let reads = plan.streamed && plan.reader.want != Want::Nothing;
    plan.settings.tapes = plan.settings.recalls && !reads;
    if plan.settings.recalls && random.one_in(2) {
        // Many must ask for the same, or nothing would ever be found.
        plan.settings.automatic = None;
        plan.settings.fallbacks.clear();
        plan.settings.route = None;
        if random.one_in(3) {
            // The same two for all.
            let small = Fallback { model: "lab/model-small".to_owned(), ..Fallback::default() };
            plan.settings.fallbacks = vec![small, Fallback::default()];
            plan.settings.route = Some(Route { tries: true, asks: true, ..Route::default() }.into());
        }
    }
}

/// Whether the call earns its retries when it begins: who looks for an answer first does so later.
pub fn earns_at_once(plan: &CallPlan) -> bool {
    !plan.settings.recalls || plan.settings.fallbacks.iter().any(|fallback| fallback.has_token_function)
}

/// What the store has under the call's key is there: nothing, a tape, or the beginning of one.
pub fn found(world: &mut World, c: usize, leg: usize) {
    let key = world.sims[c].key.clone().expect("a key");
    let now = world.now;
    let Some(kept) = world.kept.get(&key).filter(|_| !world.random.one_in(10)) else {
        world.count("nothing kept");
        let client = world.sims[c].plan.client;
        world.clients[client].begun.push(now);
        return world.with(c, |call, shared, now| call.on_recalled(leg, Found::Nothing, shared, now));
    };
    let (own, other) = (&world.sims[c].plan, &world.sims[kept.by].plan);
    assert_eq!(own.token, other.token, "call {c} is given what another credential asked for");
    let chosen = |c: usize| {
        let sim = &world.sims[c];
        routed::route(&sim.plan).map(|route| (&route.text, sim.facts.routed.chosen))
    };
    assert_eq!(chosen(c), chosen(kept.by), "call {c} is given the answer to another choice");
    let whom = |plan: &CallPlan| {
        let settings = &plan.settings;
        let targets = (settings.model.clone(), settings.provider.clone(), settings.endpoint_url.clone());
        (
            targets,
            settings.fallbacks.clone(),
            settings.automatic,
            plan.task,
            plan.streamed,
            plan.request.clone(),
        )
    };
    assert_eq!(whom(own), whom(other), "call {c} is given what was asked of another");
    let age = now - kept.at;
    let mut bytes = kept.tape.clone();
    world.sims[c].replays = Some((kept.text.clone(), kept.usd.clone()));
    world.count("kept");
    if world.random.one_in(8) {
        world.count("tape cut");
        // What the answer cost stands near the end.
        let from = if world.random.one_in(2) { bytes.len().saturating_sub(80) } else { 0 };
        let length = from + world.random.below(bytes.len() - from);
        bytes.truncate(length);
    }
    let mut arrivals = Vec::new();
    let (mut at, mut to) = (now, 0);
    while to < bytes.len() {
        at += world.random.pick(&[0.0, 0.0, 1.0, 700.0]);
        to = (to + 1 + world.random.below(bytes.len())).min(bytes.len());
        arrivals.push((at, to));
    }
    let ending = Some(world.random.pick(&[Ending::Clean, Ending::Breaks]));
    let number = world.connections.len();
    world.connections.push(Connection {
        call: c,
        leg,
        place: CATALOGUE,
        is_attempt: false,
        url: String::new(),
        lane: 0,
        breaker: false,
        opened: now,
        heard: now,
        closed: None,
        answer: Answer::Head {
            at: now,
            head: Box::default(),
            body: Body { bytes, arrivals, ending, told: Vec::new() },
        },
        truth: Truth::default(),
        delivered: 0,
        arrived: 0,
        ended: None,
        retries: 0,
    });
    world.services[CATALOGUE].open += 1;
    world.sims[c].connections.push(number);
    world.with(c, |call, shared, now| call.on_recalled(leg, Found::Kept(age), shared, now));
    world.sims[c].legs[leg].reader = Some(number);
}

/// **A replay is the answer that was kept**: complete to the letter, or its beginning; it costs nothing, and tells
/// what the answer did.
pub fn the_replay_is_true(
    world: &mut World,
    c: usize,
    text: &str,
    is_complete: bool,
    word: &Value,
    trace: &Value,
) {
    let (kept, usd) = world.sims[c].replays.clone().expect("a replay");
    let saved = &trace["cache"]["savedUsd"];
    assert!(saved.is_null() || *saved == usd, "call {c}: saved {saved} of {usd}");
    assert!(word["cost"].is_null(), "call {c}: a replay that costs something");
    let saves = u64::from(!saved.is_null());
    if is_complete {
        assert_eq!(text, kept, "call {c}: another answer than was kept");
    } else {
        assert!(kept.starts_with(text), "call {c}: {text:?} is not the beginning of {kept:?}");
    }
    let asked = world.sims[c].connections.iter().filter(|&&one| world.connections[one].is_attempt).count();
    assert_eq!(asked, 0, "call {c}: a replay that sends requests");
    assert_eq!(trace["attempts"], Value::Array(Vec::new()), "call {c}");
    assert_eq!(trace["cache"]["hit"], true, "call {c}");
    world.count("replay");
    *world.stats.entry("saved").or_default() += saves;
}

/// An answer is complete: keeps it, if the core says that it may be kept.
pub fn keep(world: &mut World, c: usize, text: &str) {
    let now = world.now;
    let sim = &mut world.sims[c];
    if !sim.plan.settings.tapes || sim.call.is_recalled() || !sim.call.is_keepable() {
        return;
    }
    let Some(key) = sim.key.clone() else { return };
    // A whole answer's result is the service's document, without what it cost.
    let told: Value = serde_json::from_slice(&sim.call.error()).expect("JSON");
    let tape = String::from_utf8(sim.call.take_tape()).expect("UTF-8");
    let from = tape.rfind("event: start\n").unwrap_or(0);
    let tape = tape.as_bytes()[from..].to_vec();
    world
        .kept
        .insert(key, Kept { tape, text: text.to_owned(), by: c, at: now, usd: told["cost"]["usd"].clone() });
    world.count("recorded");
}

/// **Only what is complete may be kept**, whatever became of a call.
pub fn nothing_incomplete_is_kept(world: &World) {
    for (c, sim) in world.sims.iter().enumerate().filter(|(_, sim)| sim.began && sim.call.is_keepable()) {
        let trace: Value = serde_json::from_slice(&sim.call.trace()).expect("JSON");
        assert_eq!(trace["state"], "complete", "call {c} may be kept");
    }
}
