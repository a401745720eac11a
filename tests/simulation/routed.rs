//! Calls with a small and a large target: who is chosen, what the caller makes of an answer on trial, and that nobody
//! is shown what was not accepted.

use hf_inference_wasm::core::engine::settings::{Fallback, Route};
use serde_json::Value;

use crate::random::Random;
use crate::scenario::CallPlan;
use crate::service;
use crate::world::World;

/// What happened to a call that was routed.
#[derive(Debug, Default)]
pub struct Routed {
    /// The caller chose; the large one, or the small one.
    pub chosen: Option<bool>,
    /// The text that the caller was asked about, and what it said.
    trials: Vec<(String, bool)>,
    /// How many requests it had made when the large one's turn came.
    escalated_at: Option<usize>,
}

/// How a route may be.
pub fn some(random: &mut Random) -> Route {
    let tries = !random.one_in(4);
    let asks = tries && !random.one_in(3);
    let least_logprob = random.one_in(6).then_some(-1.0);
    Route {
        tries,
        asks,
        least_logprob,
        shadow: if random.one_in(8) { vec![Fallback::default(); 2] } else { Vec::new() },
        text: format!("{tries} {asks} {least_logprob:?}").into_bytes(),
    }
}

/// The route that changes anything.
pub fn route(plan: &CallPlan) -> Option<&Route> {
    plan.settings.route.as_deref().filter(|route| route.shadow.is_empty())
}

/// Whether the small target was chosen, and its answer is on trial.
pub fn tries(world: &World, c: usize) -> bool {
    let sim = &world.sims[c];
    route(&sim.plan).is_some_and(|route| route.tries) && sim.facts.routed.chosen == Some(false)
}

/// The core asks the caller something: **nothing was shown of what it asks about**, nor of anything else.
pub fn asked(world: &mut World, c: usize, question: &[u8]) {
    let sim = &mut world.sims[c];
    if question.is_empty() {
        assert_eq!(sim.facts.routed.chosen, None, "call {c}: the caller is to choose twice");
        assert!(sim.connections.is_empty(), "call {c}: the caller is to choose when something was sent");
        return;
    }
    let question: Value = serde_json::from_slice(question).expect("JSON");
    let texts = [&question["choices"][0]["text"], &question["output"]["generated_text"]];
    let text = texts.iter().find_map(|text| text.as_str()).expect("a text").to_owned();
    assert!(!sim.shown.any, "call {c}: {:?} was shown before it was accepted", sim.shown.text);
    let trials = &sim.facts.routed.trials;
    assert!(trials.is_empty(), "call {c}: a second trial of {text:?} after {trials:?}");
    sim.facts.routed.trials.push((text, false));
}

/// What the caller says: a target, or whether it accepts.
pub fn says(world: &mut World, c: usize, is_choice: bool) -> &'static str {
    let yes = world.random.one_in(2);
    let shadow = route(&world.sims[c].plan).is_none();
    let routed = &mut world.sims[c].facts.routed;
    if is_choice {
        let large = world.random.one_in(4);
        routed.chosen = Some(large);
        world.count(if shadow { "choice for show" } else { "choice" });
        return if large { r#"{"large":true}"# } else { r#"{"large":false,"reason":"cascade"}"# };
    }
    if let Some(trial) = routed.trials.last_mut() {
        trial.1 = yes;
    }
    world.count(if yes { "accepted" } else { "rejected by the caller" });
    if yes { "true" } else { "accept" }
}

/// Notes how many requests a call had made when it went on to its large target: until then nothing may be shown.
pub fn watch(world: &mut World, c: usize) {
    if !tries(world, c) || world.sims[c].facts.routed.escalated_at.is_some() {
        return;
    }
    let trace: Value = serde_json::from_slice(&world.sims[c].call.trace()).expect("JSON");
    if trace["route"]["escalated"].is_string() {
        world.sims[c].facts.routed.escalated_at = Some(attempts(world, c).len());
    }
}

fn attempts(world: &World, c: usize) -> Vec<usize> {
    let all = world.sims[c].connections.iter().copied();
    all.filter(|&one| world.connections[one].is_attempt).collect()
}

/// How many of a call's requests were made while nothing might be shown.
pub fn on_trial(world: &World, c: usize) -> usize {
    match tries(world, c) {
        true => world.sims[c].facts.routed.escalated_at.unwrap_or(attempts(world, c).len()),
        false => 0,
    }
}

/// **What was not accepted is shown to nobody**, not even in part: neither to the reader, nor in the result, nor in an
/// error. And what was accepted had nothing against it.
pub fn nothing_is_shown_that_was_not_accepted(
    world: &mut World,
    c: usize,
    text: &str,
    is_complete: bool,
    trace: &Value,
) {
    if world.sims[c].call.is_recalled() || !tries(world, c) {
        return;
    }
    let (tried, attempts) = (on_trial(world, c), attempts(world, c));
    let sim = &world.sims[c];
    let rejected = trace["attempts"].as_array().into_iter().flatten();
    let rejected = rejected.filter(|attempt| attempt["outcome"] == "rejected").count();
    assert!(rejected <= 1, "call {c}: rejected {rejected} times: {trace}");
    let accepted = sim.facts.routed.escalated_at.is_none() && is_complete;
    let shown =
        [text, sim.shown.text.as_str()].into_iter().chain(sim.shown.cleared.iter().map(String::as_str));
    for shown in shown.filter(|shown| !shown.is_empty()) {
        let story = service::story_of(shown);
        let small = attempts[..tried].iter().any(|&one| Some(world.connections[one].truth.story) == story);
        assert!(accepted || !small, "call {c}: {shown:?} was shown, and nobody accepted it: {trace}");
    }
    let said = sim.facts.routed.trials.last();
    let asks = route(&sim.plan).is_some_and(|route| route.asks);
    if accepted {
        assert_eq!(rejected, 0, "call {c}: rejected, and nobody else was asked: {trace}");
        let last = &world.connections[*attempts.last().expect("a request")];
        assert!(last.truth.ended.is_empty(), "call {c}: {:?} was accepted", last.truth.ended);
        assert!(
            !asks || said.is_some_and(|said| said.1 && said.0 == text),
            "call {c}: {said:?}, not {text:?}"
        );
        world.count("small one answers");
    } else if rejected > 0 {
        assert!(said.is_none_or(|said| !said.1), "call {c}: accepted, and rejected: {trace}");
        assert!(trace["route"]["escalated"].is_string(), "call {c}: nobody is told why: {trace}");
        if said.is_none() {
            world.count("rejected by a rule");
        }
        if is_complete {
            world.count("large one answers");
        }
    }
    if trace["attempts"].as_array().into_iter().flatten().any(|attempt| attempt["outcome"] == "unjudged") {
        assert!(!is_complete, "call {c}: complete, and unjudged: {trace}");
        world.count("never judged");
    }
}
