//! What must hold of every run. Each rule is a function of its own; a broken one panics, and the runner
//! prints the seed.

use std::collections::{HashMap, VecDeque};

use hf_inference_wasm::core::engine::attempt::{Head, HttpRequest};
use hf_inference_wasm::core::engine::plan::Task;
use hf_inference_wasm::core::engine::settings::{MidStream, WAKE};
use hf_inference_wasm::core::engine::{Progress, Shared, Step};
use hf_inference_wasm::core::error::Kind;
use hf_inference_wasm::core::resilience::breaker::State;
use hf_inference_wasm::core::resilience::lane::{Admission, Applicant, Limits};
use hf_inference_wasm::core::wire::batch::Want;
use serde_json::Value;

use crate::conversations;
use crate::kept;
use crate::routed::{self, Routed};
use crate::scenario::{self, CATALOGUE, PLACES, PROMPT};
use crate::service::{self, Answer, Ending, Told};
use crate::world::World;

/// What timers that come a little early or late, and numbers that were rounded, may amount to.
const SLACK: f64 = 5.0;
const MINUTE: f64 = 60_000.0;

/// What is kept of a call for the judges.
#[derive(Debug, Default)]
pub struct Facts {
    /// For each leg, until when the service that it asked last wants to be left alone, at which URL.
    hints: HashMap<usize, (String, u64, f64)>,
    /// Refusals of each leg that a waking endpoint may have sent.
    wakes: HashMap<usize, u32>,
    sends: HashMap<usize, u32>,
    pub routed: Routed,
}

/// What the services saw of a lane, and what they said to it.
#[derive(Debug, Default)]
pub struct LaneModel {
    /// Nobody may send before.
    gate: f64,
    /// The most that may be in flight.
    window: Option<f64>,
    attempts: VecDeque<usize>,
    /// Of the service's own count, as told when nothing else was on its way: its window, and what remains.
    learned: Option<(f64, usize)>,
    /// The last request whose answer told a count: that of an earlier one comes too late.
    told: usize,
    limits: Limits,
}

/// The breakers as they were seen last.
#[derive(Debug, Default)]
pub struct Breakers(HashMap<String, BreakerModel>);

#[derive(Debug, Default)]
struct BreakerModel {
    state: State,
    cooldown: f64,
    /// The attempt that was let through to find out.
    probe: Option<usize>,
    /// The attempts since it was closed last.
    attempts: Vec<usize>,
    /// Plain failures in a row.
    failures: u32,
}

impl Facts {
    /// The caller wants the leg to go elsewhere.
    pub fn goes_on(&mut self, leg: usize) {
        self.hints.remove(&leg);
    }
}

/// Who was first in each queue before a step.
pub struct Queues(Vec<(u64, Option<u64>)>);

impl Queues {
    pub fn of(world: &mut World, c: usize) -> Queues {
        let now = world.now;
        let client = &mut world.clients[world.sims[c].plan.client];
        let shared = &mut client.shared;
        Queues(client.lanes.keys().map(|&key| (key, shared.lane(key, now).next())).collect())
    }
}

/// **Secrets** stand in no trace, error, event, notice or snapshot, and neither does the prompt.
pub fn no_secret(bytes: &[u8], place: &str) {
    let text = String::from_utf8_lossy(bytes);
    for secret in [scenario::SECRET, PROMPT] {
        assert!(!text.contains(secret), "{secret:?} stands in {place}: {text}");
    }
}

/// A request has been sent: the rules about who may send what, where and when.
pub fn sent(
    world: &mut World,
    c: usize,
    leg: usize,
    connection: usize,
    request: &HttpRequest,
    before: &Queues,
) {
    a_token_goes_only_to_its_host(world, c, request);
    not_past_the_deadline(world, c);
    a_leg_has_one_connection(world, c, leg, connection);
    if !world.connections[connection].is_attempt {
        world.sims[c].facts.hints.remove(&leg);
        world.count("look-up");
        return;
    }
    nothing_is_sent_again_after_it_was_shown(world, c);
    hints_are_obeyed(world, c, leg, connection);
    attempts_are_bounded(world, c, leg, connection);
    let client = world.sims[c].plan.client;
    world.clients[client].generations += u64::from(world.sims[c].plan.task == Task::Generation);
    crate::money::within_the_budget(world, c);
    let key = world.connections[connection].lane;
    let limits = world.sims[c].plan.settings.limits;
    world.clients[client].lanes.entry(key).or_default().limits = limits;
    the_gate_is_respected(world, c, key);
    limits_hold(world, c, key, connection);
    the_learned_quota_holds(world, c, key, connection);
    turns_are_fair(world, c, leg, key, before);
    breakers_let_nobody_through(world, c, connection, request);
    let lane = world.clients[client].lanes.entry(key).or_default();
    lane.attempts.push_back(connection);
    world.count("attempts");
}

/// **Tokens go only where they may**: Hugging Face's to Hugging Face or where the caller said, a provider's key
/// to the provider, a fallback's to the fallback.
fn a_token_goes_only_to_its_host(world: &World, c: usize, request: &HttpRequest) {
    let Some(credential) = &request.credential else { return };
    let token = credential.expose();
    let plan = &world.sims[c].plan;
    let own = plan.settings.endpoint_url.as_str();
    let at_own = !own.is_empty() && request.url.starts_with(own);
    let ok = if token == scenario::FALLBACK_KEY {
        plan.settings.fallbacks.iter().any(|fallback| {
            (fallback.token.is_some() || fallback.has_token_function)
                && request.url.starts_with(&fallback.endpoint_url)
        })
    } else if token.starts_with("hf_") {
        at_own
            || ["https://router.huggingface.co/", "https://huggingface.co/", PLACES[3]]
                .iter()
                .any(|host| request.url.starts_with(host))
    } else {
        at_own || own.is_empty() && request.url.starts_with("https://api.groq.com/")
    };
    assert!(ok, "call {c}: the token {token} goes to {}", request.url);
}

/// **Never past the deadline**: nothing is sent, and nothing ends, later than `timeout.total` after the
/// start. Time that nobody lived through does not count.
pub fn not_past_the_deadline(world: &World, c: usize) {
    let sim = &world.sims[c];
    let total = sim.plan.settings.timeouts.total;
    if !total.is_finite() {
        return;
    }
    let slept = world.freezes.iter().filter(|(at, _)| *at >= sim.started);
    let (count, lost) = slept.fold((0.0, 0.0), |(count, lost), (_, duration)| (count + 1.0, lost + duration));
    let latest = sim.started + total * (1.0 + count) + lost + 2.0 * world.lateness + SLACK;
    assert!(world.now <= latest, "call {c}: {} ms past its deadline", world.now - sim.started - total);
}

/// **A leg has one connection**: the one before is closed when it sends again.
fn a_leg_has_one_connection(world: &World, c: usize, leg: usize, connection: usize) {
    for &other in &world.sims[c].connections {
        let other_one = &world.connections[other];
        let is_open = other != connection && other_one.leg == leg && other_one.closed.is_none();
        assert!(!is_open, "call {c}: request {other} is still open when its leg sends another");
    }
}

/// **No retry after something was shown**, unless the caller asked for it.
fn nothing_is_sent_again_after_it_was_shown(world: &mut World, c: usize) {
    let sim = &world.sims[c];
    let mode = sim.plan.settings.mid_stream;
    if sim.shown.any {
        assert!(mode != MidStream::Fail, "call {c}: sent again after something was shown");
        if mode == MidStream::Restart {
            world.count("restart");
        } else {
            world.count("continue");
        }
    }
}

/// **Never earlier than a hint**: the same target is asked again when it said, or later.
fn hints_are_obeyed(world: &mut World, c: usize, leg: usize, connection: usize) {
    let own = &world.connections[connection];
    if own.retries == 0 {
        world.sims[c].facts.hints.remove(&leg);
        return;
    }
    if let Some((url, lane, until)) = world.sims[c].facts.hints.remove(&leg)
        && url == own.url
        && lane == own.lane
        // While the caller is asked, the wish is kept as a moment of the wall clock.
        && !(world.clock_set && world.sims[c].plan.settings.asks_before_retry)
    {
        assert!(
            world.now >= until - SLACK,
            "call {c}: {} ms earlier than the service asked",
            until - world.now
        );
        world.count("hint obeyed");
    }
}

/// **Attempts are bounded** by `retry.limit`, the fallbacks, the hedges and the waiting for an endpoint to wake.
fn attempts_are_bounded(world: &mut World, c: usize, leg: usize, connection: usize) {
    let retries = world.connections[connection].retries;
    let sim = &mut world.sims[c];
    let settings = &sim.plan.settings;
    assert!(retries <= settings.retry.limit, "call {c}: retry {retries} of {}", settings.retry.limit);
    let routes = if sim.plan.task == Task::Generation { 2 } else { 1 };
    let wakes = sim.facts.wakes.get(&leg).copied().unwrap_or(0);
    let preferred = u32::from(!settings.session.is_empty());
    let targets =
        1 + preferred + settings.fallbacks.len() as u32 + if settings.automatic.is_some() { 3 } else { 0 };
    let most = if leg == 0 { targets * (settings.retry.limit + routes) + wakes } else { routes };
    let sends = sim.facts.sends.entry(leg).or_default();
    *sends += 1;
    assert!(*sends <= most, "call {c}: leg {leg} sends the {sends}th request of {most}");
    let hedges = settings.hedge.map_or(0, |(_, most)| most as usize);
    assert!(leg <= hedges, "call {c}: hedge {leg} of {hedges}");
    if retries > 0 {
        world.count("retry");
    }
}

/// **The gate holds for everybody** who would send to that provider with that credential.
fn the_gate_is_respected(world: &mut World, c: usize, key: u64) {
    let lane = &world.clients[world.sims[c].plan.client].lanes[&key];
    assert!(
        world.now >= lane.gate - SLACK,
        "call {c}: sent {} ms before the gate opens",
        lane.gate - world.now
    );
    if lane.gate > 0.0 {
        world.count("sent after a gate");
    }
}

/// **The limits hold at every instant**: requests in flight, requests and tokens in any minute, and the
/// window that a 429 halves, as the service sees them.
fn limits_hold(world: &mut World, c: usize, key: u64, connection: usize) {
    let now = world.now;
    // What was out when all stood still was given up for lost, and may still be there.
    let lived = world.freezes.last().map_or(0.0, |(at, duration)| at + duration);
    let client = world.sims[c].plan.client;
    let connections = &world.connections;
    let lane = world.clients[client].lanes.entry(key).or_default();
    while lane
        .attempts
        .front()
        .is_some_and(|&old| connections[old].opened + MINUTE < now && connections[old].closed.is_some())
    {
        lane.attempts.pop_front();
    }
    let limits = &lane.limits;
    let open = lane.attempts.iter().filter(|&&other| {
        let own = &connections[other];
        own.closed.is_none() && world.sims[own.call].started >= lived
    });
    let in_flight = open.count() as f64 + 1.0;
    let mut exercised = Vec::new();
    if limits.concurrency > 0.0 {
        assert!(in_flight <= limits.concurrency, "call {c}: {in_flight} in flight of {}", limits.concurrency);
        exercised.push("limit on concurrency");
    }
    // What stood still was given up for lost by the lane, and its window with it.
    if let Some(window) = lane.window.filter(|_| world.freezes.is_empty()) {
        assert!(
            in_flight <= window.floor().max(1.0),
            "call {c}: {in_flight} in flight in a window of {window}"
        );
        exercised.push("window");
    }
    let minute = lane.attempts.iter().filter(|&&other| connections[other].opened > now - MINUTE + 1e-6);
    if limits.requests_per_minute > 0.0 {
        let sent = minute.clone().count() as f64 + 1.0;
        assert!(
            sent <= limits.requests_per_minute,
            "call {c}: {sent} requests in a minute of {}",
            limits.requests_per_minute
        );
        exercised.push("limit on requests");
    }
    if limits.tokens_per_minute > 0.0 {
        // No attempt that has not told otherwise is taken for less than this.
        let estimate = |other: usize| if tells_usage(&connections[other]) { 50.0 } else { 512.0 };
        let others: f64 = minute.map(|&other| estimate(other)).sum();
        assert!(
            others == 0.0 || others + 512.0 <= limits.tokens_per_minute,
            "call {c}: {others} tokens in a minute of {}",
            limits.tokens_per_minute
        );
        exercised.push("limit on tokens");
    }
    let _ = connection;
    for feature in exercised {
        world.count(feature);
    }
}

fn tells_usage(connection: &crate::world::Connection) -> bool {
    let Answer::Head { body, .. } = &connection.answer else { return false };
    let delivered = &body.bytes[..connection.delivered.min(body.bytes.len())];
    delivered.windows(13).any(|part| part == b"\"total_tokens")
}

/// **A learned quota holds**: once an answer has told what remains, and nothing else was on its way, no
/// more than that is sent within the service's window.
fn the_learned_quota_holds(world: &mut World, c: usize, key: u64, connection: usize) {
    let place = world.connections[connection].place;
    let Some(quota) = world.services[place].mood.quota.clone() else { return };
    // What it refuses for other reasons, it does not count.
    let truth = &world.connections[connection].truth;
    if !truth.quota_told && truth.status != 429 || world.services[place].mood.concurrency.is_some() {
        return;
    }
    let start = (world.now / quota.window).floor() * quota.window;
    let lane = world.clients[world.sims[c].plan.client].lanes.entry(key).or_default();
    if let Some((window, left)) = &mut lane.learned
        && *window == start
        && world.freezes.is_empty()
    {
        assert!(*left > 0, "call {c}: sent although nothing remained of the service's quota");
        *left -= 1;
        world.count("learned quota");
    }
}

/// **Turns are fair**: nobody is sent before one who waits in the same lane and has a higher priority, or the
/// same and asked earlier.
fn turns_are_fair(world: &mut World, c: usize, leg: usize, key: u64, before: &Queues) {
    let Some((_, Some(first))) = before.0.iter().find(|(own, _)| *own == key) else { return };
    let sim = &world.sims[c];
    let ticket = sim.call.ticket(leg);
    if ticket == *first || !world.freezes.is_empty() {
        return;
    }
    let client = &world.clients[sim.plan.client];
    let Some(&(other, _)) = client.tickets.get(first) else { return };
    let other = &world.sims[other];
    if other.vanished {
        return;
    }
    let (own, other) = (sim.plan.settings.priority, other.plan.settings.priority);
    let fair = own > other || own == other && ticket < *first;
    assert!(fair, "call {c}: {ticket} (priority {own}) goes before {first} (priority {other})");
    world.count("overtaken");
}

/// **A breaker lets nobody through** while it is open, and one at a time while it finds out.
fn breakers_let_nobody_through(world: &mut World, c: usize, connection: usize, request: &HttpRequest) {
    let now = world.now;
    let Some(name) = breaker_of(request) else { return };
    let own = &world.connections[connection];
    let has_breaker = own.breaker;
    let client = world.sims[c].plan.client;
    let model = world.clients[client].breakers.0.entry(name).or_default();
    model.attempts.push(connection);
    if !has_breaker {
        return;
    }
    match model.state {
        State::Closed => {}
        State::Open { until } => {
            assert!(now >= until - 1e-6, "call {c}: sent to a target whose breaker is open");
            model.probe = Some(connection);
            world.count("probe");
        }
        State::HalfOpen { .. } => {
            let busy = model.probe.filter(|&probe| {
                let probe = &world.connections[probe];
                // After a long freeze the one that was given up for dead may still speak.
                world.freezes.is_empty() && probe.closed.is_none() && now < probe.opened + 600_000.0
            });
            assert!(busy.is_none(), "call {c}: a second probe beside request {busy:?}");
            model.probe = Some(connection);
            world.count("probe");
        }
    }
}

/// The name of the target that a request is for, where the request tells it.
fn breaker_of(request: &HttpRequest) -> Option<String> {
    let body = std::str::from_utf8(request.body.as_deref()?).ok()?;
    let model = body.strip_prefix("{\"model\":\"")?.split_once('"')?.0;
    Some(format!("{} {model}", request.url))
}

/// **A breaker follows its diagram**, and when it is half open somebody is finding out.
pub fn breaker_follows_its_diagram(world: &mut World, client: usize) {
    let now = world.now;
    let mut exercised = Vec::new();
    let own = &mut world.clients[client];
    let shared = &mut own.shared;
    let (connections, sims) = (&world.connections, &world.sims);
    for (name, model) in &mut own.breakers.0 {
        let (state, cooldown) = {
            let breaker = shared.breaker(name);
            (breaker.state(), breaker.cooldown())
        };
        let opened = |expected: f64| {
            let State::Open { until } = state else { return };
            assert!(cooldown == expected, "{name}: a cooldown of {cooldown}, not {expected}");
            assert!(until == now + cooldown, "{name}: open until {until}");
        };
        if state == model.state {
            // A breaker that is open stays so for its time.
        } else {
            match (model.state, state) {
                (State::Closed, State::Open { .. }) => {
                    let bad = model.attempts.iter().filter(|&&attempt| !went_well(&connections[attempt]));
                    let bad = bad.count();
                    assert!(bad >= 3, "{name}: the breaker opens after {bad} failures");
                    opened(15_000.0);
                    exercised.push("breaker opens");
                }
                (State::Open { until }, State::HalfOpen { .. }) => {
                    assert!(now >= until, "{name}: half open too early");
                }
                (State::HalfOpen { .. }, State::Open { .. }) => {
                    opened((model.cooldown * 2.0).min(300_000.0));
                    exercised.push("breaker opens again");
                }
                (State::HalfOpen { .. }, State::Closed) => {
                    model.attempts.retain(|&attempt| connections[attempt].closed.is_none());
                    exercised.push("breaker closes");
                }
                (State::HalfOpen { .. }, State::HalfOpen { .. }) => {}
                (from, to) => panic!("{name}: the breaker goes from {from:?} to {to:?}"),
            }
            model.failures = 0;
        }
        if let State::HalfOpen { probe } = state
            && probe > now
        {
            let is_out = model.probe.is_some_and(|probe| {
                connections[probe].closed.is_none() || sims[connections[probe].call].vanished
            });
            assert!(is_out, "{name}: half open, and nobody finds out");
        }
        assert!(
            model.failures < 12 || state != State::Closed,
            "{name}: {} failures in a row, and the breaker is closed",
            model.failures
        );
        model.state = state;
        model.cooldown = cooldown;
    }
    for feature in exercised {
        world.count(feature);
    }
}

/// Whether an attempt brought a whole answer, as far as its service is concerned.
fn went_well(connection: &crate::world::Connection) -> bool {
    let Answer::Head { body, .. } = &connection.answer else { return false };
    let is_error = |told: &Told| told.error && told.data_end <= connection.delivered;
    connection.truth.status == 200
        && !body.told.iter().any(is_error)
        && told(connection).0.is_some_and(|told| told.finish || told.done)
}

/// The last event of a body that has come whole, and the last of which all but the blank line has.
fn told(connection: &crate::world::Connection) -> (Option<&Told>, Option<&Told>) {
    let Answer::Head { body, .. } = &connection.answer else { return (None, None) };
    let delivered = connection.delivered;
    let surely = body.told.iter().rev().find(|told| told.end <= delivered);
    let perhaps = body.told.iter().rev().find(|told| told.data_end <= delivered);
    (surely, perhaps)
}

/// A head has come, and is about to be told.
pub fn answered(world: &mut World, c: usize, connection: usize, head: &Head) {
    let now = world.now;
    let client = world.sims[c].plan.client;
    let own = &world.connections[connection];
    if !own.is_attempt || world.sims[c].call.is_settled() {
        return;
    }
    let (place, key) = (own.place, own.lane);
    let lane = world.clients[client].lanes.entry(key).or_default();
    if (200..300).contains(&head.status) {
        lane.window = lane.window.map(|window| window + 1.0 / window).filter(|window| *window < 256.0);
    }
    if Kind::from_status(head.status).is_some() {
        refused(world, c, connection);
    }
    let lane = world.clients[client].lanes.entry(key).or_default();
    if head.quota.remaining.is_some() && head.quota.reset.is_some() {
        if connection < lane.told {
            return;
        }
        lane.told = connection;
    }
    // A refusal with a wish of its own tells of that, and takes back what was told before.
    if head.status != 200 && head.quota.remaining == Some(0.0) {
        lane.learned = None;
    }
    let own = &world.connections[connection];
    if !own.truth.quota_told || own.truth.status != 200 {
        return;
    }
    let connections = &world.connections;
    let lane = world.clients[client].lanes.entry(key).or_default();
    let Some(quota) = &world.services[place].mood.quota else { return };
    let (Some(remaining), Some(_)) = (head.quota.remaining, head.quota.limit) else { return };
    let start = (own.opened / quota.window).floor() * quota.window;
    if start != (now / quota.window).floor() * quota.window {
        return;
    }
    let others = lane.attempts.iter().any(|&other| {
        other != connection && connections[other].closed.is_none() && connections[other].delivered == 0
    });
    if !others {
        let left = remaining as usize;
        lane.learned = match lane.learned {
            Some((window, known)) if window == start => Some((start, known.min(left))),
            _ => Some((start, left)),
        };
    }
}

/// The head of a refusal is about to be told: what it asks for holds from here.
fn refused(world: &mut World, c: usize, connection: usize) {
    let now = world.now;
    let own = &world.connections[connection];
    let (truth, key) = (own.truth.clone(), own.lane);
    world.count(match truth.status {
        429 => "429",
        500..600 => "5xx",
        _ => "4xx",
    });
    if truth.woke {
        world.count("endpoint asleep");
    }
    let wake = world.sims[c].plan.settings.wake_timeout.unwrap_or(WAKE);
    if matches!(truth.status, 502 | 503) && wake > 0.0 {
        let leg = world.connections[connection].leg;
        *world.sims[c].facts.wakes.entry(leg).or_default() += 1;
    }
    if truth.status == 429 {
        let connections = &world.connections;
        let sims = &world.sims;
        let own = &mut world.clients[sims[c].plan.client];
        let lane = own.lanes.entry(key).or_default();
        let gate = own.shared.lane(key, now).gate();
        if now >= gate {
            // At most these are in flight, as the lane counts.
            let in_flight = lane.attempts.iter().filter(|&&other| {
                let other = &connections[other];
                other.closed.is_none_or(|closed| closed == now) || sims[other.call].vanished
            });
            let width = lane.window.unwrap_or(f64::INFINITY).min(in_flight.count() as f64);
            lane.window = Some((width / 2.0).floor().max(1.0));
        }
        if truth.hint.is_none() || truth.hint_in_body {
            lane.gate = lane.gate.max(now + 500.0);
        }
    }
    if !truth.hint_in_body {
        hinted(world, c, connection);
    }
}

/// The service's wish is known.
fn hinted(world: &mut World, c: usize, connection: usize) {
    let own = &world.connections[connection];
    let (leg, url, key, heard) = (own.leg, own.url.clone(), own.lane, own.heard);
    let (status, is_date) = (own.truth.status, own.truth.hint_is_date);
    let Some(hint) = own.truth.hint else { return };
    let until = if is_date { hint - world.unix_offset } else { heard + hint };
    world.sims[c].facts.hints.insert(leg, (url, key, until));
    if status == 429 {
        let lane = world.clients[world.sims[c].plan.client].lanes.entry(key).or_default();
        lane.gate = lane.gate.max(until);
    }
}

/// The words of a refusal have been read, and are about to be told.
pub fn refusal_read(world: &mut World, c: usize, connection: usize) {
    let own = &world.connections[connection];
    if !own.is_attempt || world.sims[c].call.is_settled() {
        return;
    }
    let client = world.sims[c].plan.client;
    let (truth, has_breaker) = (own.truth.clone(), own.breaker);
    if truth.hint_in_body {
        hinted(world, c, connection);
    }
    if has_breaker && matches!(truth.status, 500 | 504) {
        let model =
            breaker_name(world, connection).and_then(|name| world.clients[client].breakers.0.get_mut(&name));
        if let Some(model) = model.filter(|model| model.state == State::Closed) {
            model.failures += 1;
        }
    }
}

fn breaker_name(world: &World, connection: usize) -> Option<String> {
    let own = &world.connections[connection];
    let client = &world.clients[world.sims[own.call].plan.client];
    let found = client.breakers.0.iter().find(|(_, model)| model.attempts.contains(&connection));
    found.map(|(name, _)| name.clone())
}

/// **Losers are cancelled**: when a leg has the lead, the others' connections are closed.
pub fn losers_are_cancelled(world: &mut World, c: usize) {
    let sim = &world.sims[c];
    if sim.legs.len() < 2 || !sim.call.leads(sim.call.leader()) {
        return;
    }
    let leader = sim.call.leader();
    for &connection in &sim.connections {
        let own = &world.connections[connection];
        assert!(
            own.leg == leader || own.closed.is_some(),
            "call {c}: leg {} goes on although {leader} has the lead",
            own.leg
        );
    }
    world.count("race decided");
}

/// **Queues are bounded.**
pub fn queue_is_bounded(world: &mut World, c: usize) {
    let now = world.now;
    let client = &mut world.clients[world.sims[c].plan.client];
    let most = world.sims[c].plan.settings.limits.queue;
    let mut waits = false;
    let money = client.shared.accounts.budgets.next().is_some();
    for &key in client.lanes.keys() {
        let queued = client.shared.lane(key, now).queued();
        waits |= queued > 0;
        assert!(queued <= most, "{queued} wait in a queue of {most}");
    }
    if waits {
        world.count("queue");
    }
    if money {
        world.count("waits for money");
    }
}

/// The core has settled a call: **it is over at once and for good**, in time, and nothing is left behind.
pub fn settled(world: &mut World, c: usize) {
    if world.sims[c].settled_at.is_some() {
        return;
    }
    world.sims[c].settled_at = Some(world.now);
    conversations::over(world, c);
    not_past_the_deadline(world, c);
    let now = world.clock();
    let client = world.sims[c].plan.client;
    let legs = world.sims[c].legs.len();
    let (sim, shared) = (&mut world.sims[c], &mut world.clients[client].shared);
    for leg in 0..legs + 1 {
        assert!(matches!(sim.call.step(leg, shared, now), Step::Over), "call {c}: leg {leg} goes on");
    }
    assert!(sim.call.look(shared, now).is_none(), "call {c}: looks on");
    for &connection in &world.sims[c].connections {
        assert!(world.connections[connection].closed.is_some(), "call {c}: request {connection} stays open");
    }
}

/// The consumer has taken a batch.
pub fn shown(world: &mut World, c: usize) {
    let sim = &world.sims[c];
    if !sim.shown.any {
        return;
    }
    world.count(match sim.plan.reader.want {
        Want::Text => "reader of text",
        Want::Events => "reader of events",
        Want::Chunks => "reader of chunks",
        Want::Object => "reader of an object",
        Want::Nothing => "reader of the end",
    });
}

/// The caller has aborted.
pub fn aborted(world: &mut World, c: usize) {
    if world.sims[c].call.is_aborted() {
        world.count("aborted");
        the_last_word_is_true(world, c, "aborted");
    }
}

/// The consumer has seen the end.
pub fn ended(world: &mut World, c: usize, progress: Progress) {
    let sim = &world.sims[c];
    assert!(!sim.exchange_over, "call {c}: ends twice");
    assert!(sim.call.is_settled(), "call {c}: ends before the core says so");
    assert!(sim.settled_at.is_some(), "call {c}: nobody noticed its end");
    match progress {
        Progress::Complete => the_last_word_is_true(world, c, "complete"),
        _ => the_last_word_is_true(world, c, ""),
    }
}

/// **The last word is true**: what was shown, the result or the error's part, and what the service said are
/// the same, to the letter; the answer is complete only if the service said so.
fn the_last_word_is_true(world: &mut World, c: usize, expected: &'static str) {
    let sim = &world.sims[c];
    let streamed = sim.plan.streamed;
    let is_complete = expected == "complete";
    let bytes = if is_complete { sim.call.result() } else { sim.call.error() };
    let trace_bytes = sim.call.trace();
    if streamed || !is_complete {
        no_secret(&bytes, "a result");
    }
    no_secret(&trace_bytes, "a trace");
    let parse = |bytes: &[u8]| -> Value { serde_json::from_slice(bytes).expect("JSON") };
    let word = parse(&bytes);
    let trace = if streamed || !is_complete { word["trace"].clone() } else { parse(&trace_bytes) };
    let state = trace["state"].as_str().unwrap_or_default().to_owned();
    if !expected.is_empty() {
        assert_eq!(state, expected, "call {c}");
    } else {
        assert!(["failed", "truncated", "stalled"].contains(&state.as_str()), "call {c}: {state}");
    }
    let (text, reasoning) = if !is_complete {
        let partial = &word["partial"];
        (partial["text"].as_str(), partial["reasoning"].as_str())
    } else if !streamed {
        let choice = &word["choices"][0];
        let place = [&choice["message"]["content"], &choice["text"], &word["generated_text"]];
        (place.iter().find_map(|text| text.as_str()), None)
    } else if sim.plan.task == Task::Generation {
        (word["output"]["generated_text"].as_str(), None)
    } else {
        (word["choices"][0]["text"].as_str(), word["choices"][0]["reasoning"].as_str())
    };
    let (text, reasoning) = (text.unwrap_or_default(), reasoning.unwrap_or_default());
    if world.sims[c].call.is_recalled() {
        kept::the_replay_is_true(world, c, text, is_complete, &word, &trace);
    } else {
        let tried = routed::on_trial(world, c);
        nothing_is_lost_or_doubled(world, c, text, reasoning, is_complete, was_restarted(&trace), tried);
        routed::nothing_is_shown_that_was_not_accepted(world, c, text, is_complete, &trace);
        the_trace_is_consistent(world, c, &trace, &state);
    }
    what_was_shown_is_what_came(world, c, text, is_complete);
    if is_complete {
        kept::keep(world, c, text);
    }
    let kind = word["kind"].as_str().unwrap_or_default().to_owned();
    if kind.is_empty() {
        assert!(is_complete || state == "aborted", "call {c}: {word}");
    }
    let end = match (state.as_str(), kind.as_str()) {
        ("complete", _) => "end: complete",
        ("aborted", _) => "end: aborted",
        ("truncated", _) => "end: truncated",
        ("stalled", _) => "end: stalled",
        (_, "Timeout") if word["reason"] == "queue" => "end: timeout of the queue",
        (_, "Timeout") => "end: timeout",
        (_, "RateLimit") => "end: rate limit",
        (_, "CircuitOpen") => "end: circuit open",
        (_, "QueueFull") => "end: queue full",
        (_, "BudgetExceeded") => "end: budget",
        (_, "StreamInterrupted") => "end: interrupted",
        (_, "Network") => "end: network",
        (_, "Server") => "end: server",
        (_, "InvalidResponse") => "end: invalid response",
        (_, "Authentication") => "end: authentication",
        _ => "end: other refusal",
    };
    if word["reason"] == "gate" {
        world.count("gate beyond patience");
    }
    world.count(end);
}

/// Whether the last thing that happened to an answer was that it was to begin anew.
fn was_restarted(trace: &Value) -> bool {
    let attempts = trace["attempts"].as_array();
    let mut sent = attempts.into_iter().flatten().rev().filter(|attempt| attempt["sent"].is_number());
    sent.next().is_some_and(|last| last["verdict"] == "restart")
}

/// **No delta is lost, doubled or out of order.** Whatever is there must be the beginning of one story, as long
/// as what the service's events had brought; and complete only if they had said that it was all.
fn nothing_is_lost_or_doubled(
    world: &mut World,
    c: usize,
    text: &str,
    reasoning: &str,
    is_complete: bool,
    restarted: bool,
    tried: usize,
) {
    let sim = &world.sims[c];
    let leader = sim.call.leader();
    let own = sim.connections.iter().map(|&connection| &world.connections[connection]);
    // Of an answer on trial nothing is there, unless it was accepted.
    let skipped = if is_complete { 0 } else { tried };
    let own: Vec<_> = own.filter(|connection| connection.is_attempt).skip(skipped).collect();
    let mut own = own.into_iter().rev().filter(|connection| connection.leg == leader);
    let continues = sim.plan.settings.mid_stream == MidStream::Continue;
    let has_body = |connection: &&crate::world::Connection| matches!(&connection.answer, Answer::Head { body, .. } if !body.told.is_empty());
    // Where it began anew elsewhere, what was there is gone as well.
    if text.is_empty() && !is_complete && sim.plan.settings.mid_stream == MidStream::Restart {
        return;
    }
    if restarted {
        assert!(text.is_empty() && !is_complete, "call {c}: {text:?} was to be cleared");
        return;
    }
    let last = if continues { own.find(|one| has_body(one)) } else { own.next().filter(has_body) };
    let Some(last) = last else {
        assert!(!is_complete, "call {c}: complete without an answer");
        assert!(text.is_empty(), "call {c}: nobody said {text:?}");
        return;
    };
    let truth = &last.truth;
    let story = service::story(truth.story, truth.words, truth.as_json);
    let (surely, perhaps) = told(last);
    let none = Told { text: truth.from, ..Told::default() };
    let (surely, perhaps) = (surely.unwrap_or(&none), perhaps.unwrap_or(&none));
    if is_complete {
        assert!(perhaps.finish || perhaps.done, "call {c}: complete, and the service had not said so");
        assert_eq!(text, &story[..perhaps.text], "call {c}");
        assert!(perhaps.finish || !sim.call.is_keepable(), "call {c}: kept, and nobody said why it ended");
        return;
    }
    if !sim.plan.streamed {
        return;
    }
    // A repetition that was itself cut off short cannot be told from words of the answer.
    let cut_repetition = truth.from > 0 && perhaps.text == truth.from;
    let same = text.bytes().zip(story.bytes()).take_while(|(one, other)| one == other).count();
    let beyond = text.len() - same;
    let fits = beyond == 0 || cut_repetition && same >= truth.from && beyond < 12;
    assert!(fits, "call {c}: {text:?} is not the beginning of {story:?}");
    let length = same;
    let (least, most) = (surely.text, perhaps.text.max(truth.from));
    // A continuation that breaks off while it says only what was said before may be a repetition.
    let may_repeat = truth.from > 0
        && length == truth.from
        && story.get(truth.from..least).is_some_and(|new| story[..truth.from].contains(new));
    assert!(length >= least || may_repeat, "call {c}: of {:?} only {text:?} is there", &story[..least]);
    assert!(length <= most || cut_repetition, "call {c}: {text:?} was not said yet: {:?}", &story[..most]);
    assert!(reasoning.len() >= surely.reasoning, "call {c}: reasoning {reasoning:?} of {}", surely.reasoning);
    if truth.from > 0 && text.len() > truth.from {
        world.count("continuation read");
    }
}

/// **What was shown is what came**: the consumer's text is the result's, or the part of the error's.
fn what_was_shown_is_what_came(world: &mut World, c: usize, text: &str, is_complete: bool) {
    let sim = &world.sims[c];
    if !sim.wants || !sim.plan.streamed || sim.aborted {
        return;
    }
    let shown = sim.shown.text.as_str();
    // Who comes while an answer is to begin anew is not shown what would have to be cleared.
    let restarts = sim.plan.settings.mid_stream == MidStream::Restart && sim.plan.reader.want_after > 0.0;
    if restarts && !is_complete && shown.is_empty() {
        return;
    }
    for cleared in &sim.shown.cleared {
        if let Some(number) = service::story_of(cleared) {
            let story = service::story(number, cleared.len() / service::WORD + 1, false);
            assert!(story.starts_with(cleared), "call {c}: {cleared:?} was shown before a restart");
        }
    }
    if sim.plan.reader.want == Want::Object {
        let inner = text.strip_prefix("{\"t\":\"").unwrap_or_default();
        let inner = inner.strip_suffix("\"}").unwrap_or(inner);
        let same = if is_complete { inner == shown } else { inner.starts_with(shown) };
        assert!(same, "call {c}: shown {shown:?} of {text:?}");
    } else {
        assert_eq!(shown, text, "call {c}: shown, and there");
    }
    if sim.plan.reader.want == Want::Events && sim.plan.task == Task::Chat && is_complete {
        assert!(sim.shown.finished, "call {c}: complete without a finish");
    } else {
        assert!(is_complete || !sim.shown.finished, "call {c}: a finish without a complete answer");
    }
    if !is_complete && !text.is_empty() {
        world.count("partial");
    }
}

/// **The trace is consistent**: an attempt for each request, times in order, outcomes and verdicts that fit
/// the end.
fn the_trace_is_consistent(world: &mut World, c: usize, trace: &Value, state: &str) {
    let sim = &world.sims[c];
    let none = Vec::new();
    let attempts = trace["attempts"].as_array().unwrap_or(&none);
    let sent = attempts.iter().filter(|attempt| attempt["sent"].is_number()).count();
    let made = sim.connections.iter().filter(|&&one| world.connections[one].is_attempt).count();
    assert_eq!(sent, made, "call {c}: attempts in the trace, and requests: {trace}");
    let settings = &sim.plan.settings;
    let mut complete = 0;
    for attempt in attempts {
        let times = ["queued", "sent", "headers", "firstToken", "lastToken", "ended"];
        let times: Vec<f64> = times.iter().filter_map(|name| attempt[name].as_f64()).collect();
        assert!(times.is_sorted(), "call {c}: times out of order: {attempt}");
        assert!(attempt["ended"].is_number() && attempt["outcome"] != "open", "call {c}: {attempt}");
        complete += usize::from(attempt["outcome"] == "complete");
        let lasted = |from: &str| Some(attempt["ended"].as_f64()? - attempt[from].as_f64()?);
        let slack = 2.0 * world.lateness + SLACK;
        let undisturbed = world.freezes.is_empty() && sim.plan.reader.pace == 0.0 && sim.plan.streamed;
        if undisturbed && attempt["firstToken"].is_null() {
            // A body that only finishes has its own five seconds.
            let most = settings.timeouts.first_token + 5_000.0;
            assert!(
                lasted("sent").is_none_or(|time| time <= most + slack),
                "call {c}: no first token: {attempt}"
            );
        } else if undisturbed {
            let most = settings.timeouts.stall.max(5_000.0);
            assert!(
                lasted("lastToken").is_none_or(|time| time <= most + slack),
                "call {c}: a stall goes on: {attempt}"
            );
        }
        if state == "complete" && attempts.iter().all(|attempt| attempt["hedge"].is_null()) {
            assert!(attempt["verdict"] != "fail", "call {c}: complete after {attempt}");
        }
        if attempt["verdict"] == "fallback" {
            world.stats.entry("fallback").and_modify(|count| *count += 1).or_insert(1);
        }
        if attempt["verdict"] == "wake" {
            world.stats.entry("wake").and_modify(|count| *count += 1).or_insert(1);
        }
    }
    assert_eq!(complete, usize::from(state == "complete"), "call {c}: {trace}");
    an_unknown_route_leads_to_the_next(world, c, attempts);
    a_refusal_holds_nobody_up(world, c);
    retries_of(world, c, trace);
    conversations::stay(world, c, trace, state);
}

/// **An unknown route leads to the next**, also where the words of the refusal never end: an endpoint whose
/// protocol nobody knows has two for a text.
fn an_unknown_route_leads_to_the_next(world: &mut World, c: usize, attempts: &[Value]) {
    let plan = &world.sims[c].plan;
    // What is continued stays where it began.
    if plan.task == Task::Chat || plan.settings.mid_stream == MidStream::Continue {
        return;
    }
    for attempt in attempts {
        let url = attempt["url"].as_str().unwrap_or_default();
        let route = PLACES[..CATALOGUE].iter().find_map(|place| url.strip_prefix(place));
        if route.is_none_or(|route| route == "/") || !matches!(attempt["status"].as_u64(), Some(404 | 405)) {
            continue;
        }
        assert!(attempt["outcome"] != "refused", "call {c}: the next route was not tried: {attempt}");
        if attempt["outcome"] == "unknown_route" {
            let waited = attempt["ended"].as_u64().zip(attempt["headers"].as_u64());
            let is_endless = waited.is_some_and(|(ended, headers)| ended - headers >= 5_000);
            world.count(if is_endless { "unknown route, endlessly" } else { "unknown route" });
        }
    }
}

/// **A refusal holds nobody up**: where its words do not end, what was asked is given up soon after its head,
/// whoever it was asked of.
fn a_refusal_holds_nobody_up(world: &mut World, c: usize) {
    let sim = &world.sims[c];
    if !world.freezes.is_empty() || sim.plan.reader.pace > 0.0 {
        return;
    }
    let mut looked_up = 0;
    for &connection in &sim.connections {
        let own = &world.connections[connection];
        let Some(closed) = own.closed.filter(|_| own.truth.status >= 300 && own.heard > own.opened) else {
            continue;
        };
        let lasted = closed - own.heard;
        let most = 5_000.0 + 2.0 * world.lateness + SLACK;
        assert!(lasted <= most, "call {c}: {lasted} ms for the words of a {}", own.truth.status);
        let is_endless =
            matches!(&own.answer, Answer::Head { body, .. } if body.ending == Some(Ending::Silent));
        looked_up += usize::from(is_endless && !own.is_attempt);
    }
    for _ in 0..looked_up {
        world.count("endless refusal of a look-up");
    }
}

/// Notes when the retries of a call took from the budget.
fn retries_of(world: &mut World, c: usize, trace: &Value) {
    let sim = &world.sims[c];
    let started = sim.started;
    let client = sim.plan.client;
    // Where the caller is asked first, the trace does not tell when it answered.
    if sim.plan.settings.asks_before_retry {
        return;
    }
    for attempt in trace["attempts"].as_array().into_iter().flatten() {
        let verdict = attempt["verdict"].as_str().unwrap_or_default();
        // Whoever was refused for the rate comes back through the lane, at the service's own pace.
        let paced = attempt["status"] == 429 || attempt["outcome"] == "gate";
        if !paced
            && ["retry", "continue", "restart"].contains(&verdict)
            && let Some(ended) = attempt["ended"].as_f64()
        {
            world.clients[client].withdrawn.push(started + ended);
        }
    }
}

/// **The retry budget holds over any ten seconds**: ten, and a fifth of the calls.
fn the_budget_holds(world: &mut World) {
    let mut nearly = 0;
    for client in &mut world.clients {
        client.withdrawn.sort_by(f64::total_cmp);
        client.begun.sort_by(f64::total_cmp);
        let (mut from, mut first, mut last) = (0, 0, 0);
        for (at, &time) in client.withdrawn.iter().enumerate() {
            while client.withdrawn[from] <= time - 10_000.0 + 2.0 {
                from += 1;
            }
            // The budget's second may have begun a second earlier.
            while client.begun.get(first).is_some_and(|&begun| begun < time - 11_000.0) {
                first += 1;
            }
            while client.begun.get(last).is_some_and(|&begun| begun <= time + 1.0) {
                last += 1;
            }
            let granted = 10.0 + 0.2 * (last - first) as f64;
            let taken = (at + 1 - from) as f64;
            assert!(taken <= granted, "{taken} retries within ten seconds, {granted} granted");
            nearly += u64::from(taken + 2.0 > granted);
        }
    }
    *world.stats.entry("budget nearly spent").or_default() += nearly;
}

/// A run is over: **nothing waits for ever**, and nothing is left in lanes.
pub fn at_the_end(world: &mut World) {
    for c in 0..world.sims.len() {
        let sim = &world.sims[c];
        if sim.vanished {
            let trace = serde_json::from_slice(&sim.call.trace()).unwrap_or_default();
            retries_of(world, c, &trace);
            continue;
        }
        assert!(sim.exchange_over, "call {c} waits for ever: {:?}", sim.consumer);
        for &connection in &sim.connections {
            assert!(
                world.connections[connection].closed.is_some(),
                "call {c}: request {connection} stays open"
            );
        }
    }
    the_budget_holds(world);
    lanes_are_empty(world);
    snapshots_keep_what_they_should(world);
}

/// **Lanes are empty at the end**: who left, left; who vanished is forgotten.
fn lanes_are_empty(world: &mut World) {
    let late = world.now + 1e9;
    let vanished = world.sims.iter().any(|sim| sim.vanished);
    for client in &mut world.clients {
        for &key in client.lanes.keys() {
            let lane = client.shared.lane(key, world.now);
            if vanished {
                let who = Applicant { ticket: u64::MAX, priority: 0.0, tokens: 1.0, deadline: late };
                let admission = lane.admit(&who, &Limits { concurrency: 1.0, ..Limits::default() }, late);
                assert!(admission == Admission::Go, "a caller that is gone holds others up: {admission:?}");
                lane.leave(u64::MAX, None);
            }
            let idle = lane.is_idle(late + 1e9);
            assert!(idle, "something is left in a lane");
        }
    }
}

/// **A snapshot** has no secret, and brings back which breakers are open.
fn snapshots_keep_what_they_should(world: &mut World) {
    let now = world.clock();
    let mut kept = 0;
    for client in &mut world.clients {
        let snapshot = client.shared.snapshot(now);
        no_secret(&snapshot, "a snapshot");
        let mut restored = Shared::new(1);
        assert!(restored.restore(&snapshot, now).is_some(), "{}", String::from_utf8_lossy(&snapshot));
        for (name, model) in &client.breakers.0 {
            let is_closed = restored.breaker(name).state() == State::Closed;
            assert_eq!(is_closed, model.state == State::Closed, "{name} after a snapshot");
            kept += u64::from(!is_closed);
        }
    }
    *world.stats.entry("snapshot of an open breaker").or_default() += kept;
}
