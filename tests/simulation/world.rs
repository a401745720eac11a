//! A run: a virtual clock, a queue of events, and a driver that does with the core what `src/web/call.rs` and
//! `pkg-js/src/exchange.ts` do, await for await.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};

use hf_inference_wasm::core::engine::attempt::{HttpRequest, Reading};
use hf_inference_wasm::core::engine::{Call, Progress, Shared, Step};
use hf_inference_wasm::core::ports::Now;
use hf_inference_wasm::core::secret::{Secret, fingerprint};
use hf_inference_wasm::core::wire::batch::Want;

use crate::conversations::Conversations;
use crate::invariants::{self, Breakers, LaneModel};
use crate::kept::{self, Store};
use crate::money::{self, Purse};
use crate::random::Random;
use crate::routed;
use crate::scenario::{self, CATALOGUE, CallPlan, ClientPlan, HUB, PLACES, ROUTER, Scenario};
use crate::service::{Answer, Asked, Ending, Service, Truth};
use crate::shown::Shown;

/// Wall time at the start of every run.
const EPOCH: f64 = 1_800_000_000_000.0;
/// So many things done at one moment are a loop that never lets time pass.
const SPINS: u64 = 200_000;
/// So many events are a run that never ends.
const EVENTS: u64 = 3_000_000;

/// What a leg's task awaits.
#[derive(Debug)]
pub enum Waiting {
    Token(usize),
    Recall,
    /// The caller is to choose a target, or else to judge an answer.
    Told(bool),
    Consult,
    Sleep,
    Head(usize),
    Whole(usize, usize, Vec<u8>),
    Read(usize),
}

/// The running part of a leg.
#[derive(Debug, Default)]
pub struct Running {
    /// What it awaits, by a number that nothing else has.
    pub waiting: Option<(u64, Waiting)>,
    pub connection: Option<usize>,
    pub reader: Option<usize>,
    pub interrupted: bool,
}

/// Where the consumer's loop is.
#[derive(Debug, Default, PartialEq)]
pub enum Consumer {
    #[default]
    Opening,
    Thinking,
    AwaitsChange,
    Reads(u64, usize),
    Over,
}

#[derive(Debug)]
enum Event {
    Start(usize),
    Look(usize, u64),
    /// What a leg awaits is there.
    Ready(usize, usize, u64),
    Woken(usize, usize, u64),
    Interrupted(usize, usize, u64),
    Run(usize, usize),
    Change(usize, u64),
    Pull(usize),
    Chunk(usize, u64),
    Want(usize),
    Abort(usize),
    Vanish(usize),
    Freeze(f64),
    SetClock(f64),
}

/// One request, as the service and the judges see it.
#[derive(Debug)]
pub struct Connection {
    pub call: usize,
    pub leg: usize,
    pub place: usize,
    pub is_attempt: bool,
    pub url: String,
    pub lane: u64,
    pub breaker: bool,
    pub opened: f64,
    /// When the head of its answer came.
    pub heard: f64,
    pub closed: Option<f64>,
    pub answer: Answer,
    pub truth: Truth,
    /// How much of the body the client has, and how many of the arrivals.
    pub delivered: usize,
    pub arrived: usize,
    /// The end of the body was seen: how.
    pub ended: Option<Ending>,
    pub retries: u32,
}

impl Connection {
    /// Whether the client has got these bytes.
    pub fn has_delivered(&self, part: &[u8]) -> bool {
        let Answer::Head { body, .. } = &self.answer else { return false };
        let delivered = &body.bytes[..self.delivered.min(body.bytes.len())];
        delivered.windows(part.len()).any(|window| window == part)
    }
}

/// What a client begins with.
fn shared(seed: u64, plan: &ClientPlan) -> Shared {
    let mut shared = Shared::new(seed);
    shared.mortal = plan.alone;
    if let Some(purse) = plan.purse {
        shared.accounts.set(purse.options().as_bytes()).expect("accounts");
    }
    shared
}

/// A call under way.
pub struct Sim {
    pub plan: CallPlan,
    pub call: Call,
    pub legs: Vec<Running>,
    pub reported: bool,
    pub over: bool,
    pub offset: f64,
    pub timer: u64,
    pub started: f64,
    pub began: bool,
    // The hooks.
    pub busy: f64,
    pub busy_since: Option<f64>,
    pub reader: Option<usize>,
    pub due: bool,
    pub settled: bool,
    pub change: u64,
    /// The leg whose body was handed to the loop, and the loop's own call is under way.
    pub handed: Option<usize>,
    pub reads: bool,
    // The exchange and its consumer.
    pub consumer: Consumer,
    pub exchange_over: bool,
    pub aborted: bool,
    pub vanished: bool,
    pub wants: bool,
    pub shown: Shown,
    // What the judges keep.
    pub settled_at: Option<f64>,
    /// Its usage was told.
    pub accounted: bool,
    pub connections: Vec<usize>,
    pub facts: invariants::Facts,
    /// What its answer is looked up by, and the answer that was found.
    pub key: Option<String>,
    pub replays: Option<(String, serde_json::Value)>,
}

pub struct Client {
    pub shared: Shared,
    pub alone: bool,
    pub sleeping: Vec<(u64, usize, usize, u64)>,
    pub tickets: HashMap<u64, (usize, usize)>,
    pub lanes: BTreeMap<u64, LaneModel>,
    pub breakers: Breakers,
    pub begun: Vec<f64>,
    pub withdrawn: Vec<f64>,
    pub purse: Option<Purse>,
    /// Thresholds of the budget that were told.
    pub alerts: Vec<u64>,
    /// What its calls' conversations were answered.
    pub conversations: Conversations,
    /// Requests for text, which may take more than they reserve.
    pub generations: u64,
}

pub struct World {
    pub now: f64,
    pub unix_offset: f64,
    pub random: Random,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: HashMap<u64, Event>,
    ready: VecDeque<Event>,
    sequence: u64,
    spins: u64,
    pub clients: Vec<Client>,
    pub sims: Vec<Sim>,
    pub services: Vec<Service>,
    pub connections: Vec<Connection>,
    pub kept: Store,
    pub freezes: Vec<(f64, f64)>,
    pub clock_set: bool,
    pub lateness: f64,
    pub stats: HashMap<&'static str, u64>,
    pub log: Option<Vec<String>>,
}

macro_rules! note {
    ($world:expr, $($words:tt)*) => {
        if $world.log.is_some() {
            let line = format!("{:>12.3}  {}", $world.now, format!($($words)*));
            if let Some(log) = &mut $world.log {
                log.push(line);
            }
        }
    };
}

impl World {
    /// Makes the run of a seed.
    pub fn new(seed: u64, logs: bool) -> World {
        let mut random = Random::new(seed ^ 0x5bd1_e995_9e37_79b9);
        let Scenario { moods, clients, calls, freezes, clock_changes, lateness } = Scenario::new(&mut random);
        let clients = clients
            .into_iter()
            .map(|plan| Client {
                shared: shared(random.bits(), &plan),
                alone: plan.alone,
                sleeping: Vec::new(),
                tickets: HashMap::new(),
                lanes: BTreeMap::new(),
                breakers: Breakers::default(),
                begun: Vec::new(),
                withdrawn: Vec::new(),
                purse: plan.purse,
                alerts: Vec::new(),
                conversations: Conversations::default(),
                generations: 0,
            })
            .collect();
        let mut world = World {
            now: 1_000.0 * random.unit(),
            unix_offset: EPOCH,
            random,
            queue: BinaryHeap::new(),
            events: HashMap::new(),
            ready: VecDeque::new(),
            sequence: 0,
            spins: 0,
            clients,
            sims: Vec::new(),
            services: moods.into_iter().map(Service::new).collect(),
            connections: Vec::new(),
            kept: Store::new(),
            freezes: Vec::new(),
            clock_set: false,
            lateness,
            stats: HashMap::new(),
            log: logs.then(Vec::new),
        };
        let origin = world.now;
        for (at, duration) in freezes {
            world.at(origin + at, Event::Freeze(duration));
        }
        for (at, change) in clock_changes {
            world.at(origin + at, Event::SetClock(change));
        }
        let mut calls = calls;
        calls.sort_by(|one, other| one.starts.total_cmp(&other.starts));
        for mut plan in calls {
            kept::dress(&mut plan, &mut world.random);
            let starts = origin + plan.starts;
            world.plan(plan, starts);
        }
        world
    }

    pub fn count(&mut self, feature: &'static str) {
        *self.stats.entry(feature).or_default() += 1;
    }

    pub fn clock(&self) -> Now {
        Now { monotonic: self.now, unix: self.now + self.unix_offset }
    }

    fn at(&mut self, time: f64, event: Event) {
        self.sequence += 1;
        self.events.insert(self.sequence, event);
        // Times are never negative, so their bits order as they do.
        self.queue.push(Reverse((time.max(self.now).to_bits(), self.sequence)));
    }

    /// A timer of JavaScript's: whole milliseconds in some runtimes, and late.
    fn timer(&mut self, delay: f64, event: Event) {
        let delay = delay.clamp(0.0, 2_147_483_647.0);
        let cut = if self.random.one_in(2) { delay.trunc().max(1.0) } else { delay.max(0.01) };
        let late = self.lateness * self.random.unit();
        let time = self.now + cut + late;
        self.at(time, event);
    }

    fn soon(&mut self, event: Event) {
        self.ready.push_back(event);
    }

    fn plan(&mut self, plan: CallPlan, starts: f64) {
        // The core's call is made when it starts; its place is kept until then.
        let index = self.sims.len();
        let shared = &mut Shared::default();
        let now = Now { monotonic: 0.0, unix: 0.0 };
        let call = Call::new(
            plan.task,
            plan.streamed,
            plan.settings.clone(),
            plan.request.clone().into_bytes(),
            None,
            true,
            shared,
            now,
        );
        let Ok(call) = call else { panic!("a good request is refused") };
        let want = plan.reader.want;
        let facts = invariants::Facts::default();
        self.sims.push(Sim {
            plan,
            call,
            legs: Vec::new(),
            reported: false,
            over: false,
            offset: 0.0,
            timer: 0,
            started: starts,
            began: false,
            busy: 0.0,
            busy_since: None,
            reader: None,
            due: false,
            settled: false,
            change: 0,
            handed: None,
            reads: false,
            consumer: Consumer::Opening,
            exchange_over: false,
            aborted: false,
            vanished: false,
            wants: false,
            shown: Shown::new(want),
            settled_at: None,
            accounted: false,
            connections: Vec::new(),
            facts,
            key: None,
            replays: None,
        });
        self.at(starts, Event::Start(index));
    }

    /// Runs until nothing is left to happen.
    pub fn run(&mut self) {
        loop {
            while let Some(event) = self.ready.pop_front() {
                self.spins += 1;
                if self.spins > SPINS {
                    panic!("a loop that never lets time pass: {event:?}");
                }
                self.handle(event);
            }
            let Some(Reverse((bits, sequence))) = self.queue.pop() else { break };
            assert!(self.sequence < EVENTS, "a run that never ends");
            let time = f64::from_bits(bits);
            if time > self.now {
                self.now = time;
                self.spins = 0;
            }
            if let Some(event) = self.events.remove(&sequence) {
                self.handle(event);
            }
        }
        invariants::at_the_end(self);
        money::books_are_right(self);
        kept::nothing_incomplete_is_kept(self);
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Start(c) => self.start(c),
            Event::Look(c, timer) => {
                if self.sims[c].timer == timer && self.lives(c) {
                    self.sims[c].timer = 0;
                    self.look(c);
                }
            }
            Event::Ready(c, leg, number) => self.ready(c, leg, number),
            Event::Woken(c, leg, number) => self.resume(c, leg, number, false),
            Event::Interrupted(c, leg, number) => self.resume(c, leg, number, true),
            Event::Run(c, leg) => {
                if self.lives(c) {
                    self.run_leg(c, leg);
                }
            }
            Event::Change(c, change) => {
                if self.lives(c) && self.sims[c].change == change {
                    self.changed(c);
                }
            }
            Event::Pull(c) => {
                if self.lives(c) && self.sims[c].consumer == Consumer::Thinking {
                    self.pull(c);
                }
            }
            Event::Chunk(c, number) => self.chunk(c, number),
            Event::Want(c) => {
                if self.lives(c) && !self.sims[c].exchange_over {
                    self.want(c);
                }
            }
            Event::Abort(c) => self.abort(c),
            Event::Vanish(c) => self.vanish(c),
            Event::Freeze(duration) => {
                note!(self, "all stands still for {duration}");
                self.count("frozen clock");
                self.freezes.push((self.now, duration));
                self.now += duration;
            }
            Event::SetClock(change) => {
                note!(self, "the wall clock is set by {change}");
                self.count("wall clock set");
                self.clock_set = true;
                self.unix_offset += change;
            }
        }
    }

    fn lives(&self, c: usize) -> bool {
        self.sims[c].began && !self.sims[c].vanished
    }

    fn start(&mut self, c: usize) {
        let now = self.clock();
        let client = self.sims[c].plan.client;
        let plan = self.sims[c].plan.clone();
        let token = plan.token.filter(|_| !plan.token_function).and_then(Secret::new);
        let call = Call::new(
            plan.task,
            plan.streamed,
            plan.settings.clone(),
            plan.request.clone().into_bytes(),
            token,
            plan.token_function,
            &mut self.clients[client].shared,
            now,
        );
        let Ok(call) = call else { panic!("a good request is refused") };
        if kept::earns_at_once(&plan) {
            self.clients[client].begun.push(self.now);
        }
        note!(self, "call {c} begins: {:?} {:?}", plan, plan.settings.timeouts);
        let sim = &mut self.sims[c];
        sim.call = call;
        sim.began = true;
        sim.started = now.monotonic;
        sim.offset = now.unix - now.monotonic;
        self.count("calls");
        if plan.streamed && plan.reader.want_after == 0.0 {
            self.want(c);
        } else if plan.streamed && plan.reader.want != Want::Nothing {
            self.at(now.monotonic + plan.reader.want_after, Event::Want(c));
        }
        if let Some(after) = plan.aborts_after {
            self.at(now.monotonic + after, Event::Abort(c));
        }
        if let Some(after) = plan.vanishes_after {
            self.at(now.monotonic + after, Event::Vanish(c));
        }
        // `Call.start`.
        self.follow_up(c);
        self.look(c);
        self.changed(c);
    }

    fn want(&mut self, c: usize) {
        let want = self.sims[c].plan.reader.want;
        if want == Want::Nothing || self.sims[c].wants {
            return;
        }
        if self.now > self.sims[c].started {
            self.count("late reader");
        }
        self.sims[c].wants = true;
        self.with(c, |call, _, _| call.want(want));
        self.sims[c].due = true;
    }

    // ------ what `src/web/call.rs` does

    pub fn with<Result>(
        &mut self,
        c: usize,
        work: impl FnOnce(&mut Call, &mut Shared, Now) -> Result,
    ) -> Result {
        let now = self.clock();
        self.with_at(c, now, work)
    }

    fn with_at<Result>(
        &mut self,
        c: usize,
        now: Now,
        work: impl FnOnce(&mut Call, &mut Shared, Now) -> Result,
    ) -> Result {
        let sim = &mut self.sims[c];
        if std::mem::take(&mut sim.reported) {
            sim.call.clear_batch();
        }
        work(&mut sim.call, &mut self.clients[sim.plan.client].shared, now)
    }

    fn follow_up(&mut self, c: usize) {
        routed::watch(self, c);
        let client = self.sims[c].plan.client;
        let sim = &mut self.sims[c];
        let woken = self.clients[client].shared.take_woken();
        let waits = sim.call.takes_look();
        let dropped = sim.call.take_dropped();
        let begun = sim.call.take_begun();
        let notices = sim.call.take_notices();
        let settled = sim.call.is_settled();
        for leg in dropped {
            self.interrupt(c, leg);
        }
        if !notices.is_empty() {
            invariants::no_secret(&notices, "a notice");
            money::told(self, c, &notices);
            self.count("notices");
        }
        if !self.clients[client].alone {
            for ticket in woken {
                let sleeper =
                    self.clients[client].sleeping.iter().find(|sleeper| sleeper.0 == ticket).copied();
                if let Some((_, call, leg, number)) = sleeper {
                    self.count("woken");
                    self.soon(Event::Woken(call, leg, number));
                }
            }
        }
        if settled {
            self.close(c);
            invariants::breaker_follows_its_diagram(self, client);
            invariants::settled(self, c);
            return;
        }
        for leg in begun {
            if leg > 0 {
                self.count("hedge");
                let now = self.now;
                self.clients[client].withdrawn.push(now);
            }
            self.soon(Event::Run(c, leg));
        }
        if waits {
            self.look(c);
        }
        invariants::breaker_follows_its_diagram(self, client);
        invariants::losers_are_cancelled(self, c);
        let sim = &self.sims[c];
        if !sim.reads && !sim.reported && !sim.call.batch().is_empty() {
            self.hooks_changed(c, false);
        }
    }

    fn close(&mut self, c: usize) {
        self.sims[c].timer = 0;
        if std::mem::replace(&mut self.sims[c].over, true) {
            return;
        }
        for leg in 0..self.sims[c].legs.len() {
            self.interrupt(c, leg);
        }
        self.hooks_changed(c, true);
    }

    fn hooks_changed(&mut self, c: usize, settled: bool) {
        let sim = &mut self.sims[c];
        sim.due = true;
        sim.settled |= settled;
        let change = sim.change;
        self.soon(Event::Change(c, change));
    }

    fn interrupt(&mut self, c: usize, leg: usize) {
        let Some(running) = self.sims[c].legs.get_mut(leg) else { return };
        running.interrupted = true;
        let waiting = running.waiting.as_ref().map(|(number, _)| *number);
        let open = [running.connection, running.reader];
        for connection in open.into_iter().flatten() {
            self.cancel(connection);
        }
        if let Some(number) = waiting {
            self.soon(Event::Interrupted(c, leg, number));
        }
    }

    /// The client closes a connection. Whoever reads it is told that it is at its end.
    fn cancel(&mut self, connection: usize) {
        if self.connections[connection].closed.is_some() {
            return;
        }
        self.closed(connection);
        let c = self.connections[connection].call;
        if let Consumer::Reads(number, read) = self.sims[c].consumer
            && read == connection
        {
            self.soon(Event::Chunk(c, number));
        }
    }

    fn closed(&mut self, connection: usize) {
        let now = self.now;
        let own = &mut self.connections[connection];
        if own.closed.is_none() {
            own.closed = Some(now);
            self.services[own.place].open -= 1;
        }
    }

    fn run_leg(&mut self, c: usize, leg: usize) {
        let before = invariants::Queues::of(self, c);
        let step = self.with(c, |call, shared, now| call.step(leg, shared, now));
        routed::watch(self, c);
        note!(self, "call {c} leg {leg}: {}", told(&step));
        if let Step::Send(request) = &step {
            self.send(c, leg, (**request).clone(), before);
        } else if matches!(step, Step::Wait(_)) {
            invariants::queue_is_bounded(self, c);
            invariants::not_past_the_deadline(self, c);
        }
        self.follow_up(c);
        match step {
            Step::Token(candidate) => {
                self.rearm(c, leg);
                self.count("token function");
                let delay = self.random.pick(&[0.0, 1.0, 500.0]);
                self.wait_for(c, leg, Waiting::Token(candidate), Some(delay));
            }
            Step::Recall(key, _) => {
                self.rearm(c, leg);
                self.sims[c].key = Some(key);
                let delay = self.random.pick(&[0.0, 1.0, 500.0]);
                self.wait_for(c, leg, Waiting::Recall, Some(delay));
            }
            Step::Ask(question) => {
                routed::asked(self, c, &question);
                self.rearm(c, leg);
                let is_choice = question.is_empty();
                let delay = self.random.pick(&[0.0, 1.0, 500.0]);
                // A caller may never say anything, where time ends the call.
                let ends = is_choice || self.sims[c].plan.settings.timeouts.total.is_finite();
                let never = ends && self.random.one_in(if is_choice { 60 } else { 10 });
                self.wait_for(c, leg, Waiting::Told(is_choice), (!never).then_some(delay));
            }
            Step::Consult(facts) => {
                invariants::no_secret(&facts, "the facts that the caller is asked about");
                self.rearm(c, leg);
                self.count("shouldRetry");
                let delay = self.random.pick(&[0.0, 1.0, 500.0]);
                self.wait_for(c, leg, Waiting::Consult, Some(delay));
            }
            Step::Wait(until) => {
                self.rearm(c, leg);
                let number = self.wait_for(c, leg, Waiting::Sleep, None);
                let client = self.sims[c].plan.client;
                let ticket = self.sims[c].call.ticket(leg);
                self.clients[client].sleeping.push((ticket, c, leg, number));
                let delay = until - self.now;
                self.timer(delay, Event::Ready(c, leg, number));
                if self.sims[c].legs[leg].interrupted {
                    self.soon(Event::Interrupted(c, leg, number));
                }
            }
            // Sent above, before what follows from the step.
            Step::Send(_) => {
                if self.sims[c].settled_at.is_some() {
                    panic!("call {c}: leg {leg} sends although the call is over");
                }
            }
            Step::Read => {
                let Some(connection) = self.sims[c].legs.get(leg).and_then(|running| running.reader) else {
                    panic!("call {c}: leg {leg} is to read without a body");
                };
                self.await_body(c, leg, connection, Waiting::Read(connection));
            }
            Step::Lead => {
                let reader = self.sims[c].legs.get(leg).and_then(|running| running.reader);
                if reader.is_some() {
                    self.sims[c].reader = reader;
                    self.sims[c].handed = Some(leg);
                    self.hooks_changed(c, false);
                }
            }
            Step::Over => {
                self.interrupt(c, leg);
            }
        }
    }

    fn rearm(&mut self, c: usize, leg: usize) {
        let legs = &mut self.sims[c].legs;
        while legs.len() <= leg {
            legs.push(Running::default());
        }
        self.interrupt(c, leg);
        self.sims[c].legs[leg] = Running::default();
        let ticket = self.sims[c].call.ticket(leg);
        let client = self.sims[c].plan.client;
        self.clients[client].tickets.insert(ticket, (c, leg));
    }

    /// Notes what a leg awaits; it is there after `delay`, if that is known.
    fn wait_for(&mut self, c: usize, leg: usize, waiting: Waiting, delay: Option<f64>) -> u64 {
        self.sequence += 1;
        let number = self.sequence;
        self.sims[c].legs[leg].waiting = Some((number, waiting));
        if let Some(delay) = delay {
            let at = self.now + delay;
            self.at(at, Event::Ready(c, leg, number));
        }
        number
    }

    fn send(&mut self, c: usize, leg: usize, request: HttpRequest, before: invariants::Queues) {
        self.rearm(c, leg);
        let connection = self.open(c, leg, &request);
        invariants::sent(self, c, leg, connection, &request, &before);
        self.sims[c].legs[leg].connection = Some(connection);
        let number = self.wait_for(c, leg, Waiting::Head(connection), None);
        match &self.connections[connection].answer {
            Answer::Silent => {}
            Answer::Reset(at) | Answer::Head { at, .. } => {
                let at = *at;
                self.at(at, Event::Ready(c, leg, number));
            }
        }
    }

    /// A service gets a request.
    fn open(&mut self, c: usize, leg: usize, request: &HttpRequest) -> usize {
        let Some(place) = PLACES.iter().position(|place| request.url.starts_with(place)) else {
            panic!("call {c}: a request to {}", request.url);
        };
        let credential = request.credential.as_ref().map_or(0, Secret::fingerprint);
        let number = self.connections.len();
        let own = self.sims[c].connections.iter().rev().map(|&one| &self.connections[one]);
        let told = own.filter(|one| one.is_attempt && one.truth.words > 0 && one.delivered > 0);
        let told_before = told.map(|one| one.truth.story).collect();
        let plan = &self.sims[c].plan;
        let asked = Asked {
            told_before,
            number,
            request,
            credential,
            as_json: plan.reader.want == Want::Object,
            streamed: plan.streamed,
        };
        let (now, unix) = (self.now, self.now + self.unix_offset);
        self.services[place].open += 1;
        let (mut answer, truth) = self.services[place].answer(&asked, now, unix, &mut self.random);
        if (place == CATALOGUE || place == HUB)
            && let Answer::Head { head, body, .. } = &mut answer
            && head.status == 200
            && truth.words > 0
        {
            let text = if place == HUB { mapping(plan.task.name()) } else { CATALOGUE_ANSWER.to_owned() };
            body.bytes = text.into_bytes();
            let end = body.bytes.len();
            let at = body.arrivals.first().map_or(now, |arrival| arrival.0);
            body.arrivals = vec![(at, end)];
            body.told.clear();
        }
        // The router tells who answered, unless it cannot be read.
        if place == ROUTER
            && let Answer::Head { head, .. } = &mut answer
            && !self.random.one_in(4)
        {
            let pinned = ["groq", "together", "novita", "nscale"].into_iter().find(|provider| {
                let model = format!("{{\"model\":\"{}:{provider}\"", scenario::MODEL);
                request.body.as_deref().is_some_and(|body| body.starts_with(model.as_bytes()))
            });
            let provider = pinned.unwrap_or_else(|| self.random.pick(&["groq", "together"]));
            provider.clone_into(&mut head.provider);
        }
        let retries = request.headers.iter().find(|(name, _)| name == "x-retry-count");
        let retries = retries.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
        let host = match place {
            0..=3 => PLACES[place],
            5 => "auto",
            6 | 8 => "groq",
            7 => "together",
            _ => "",
        };
        note!(self, "call {c} leg {leg}: request {number} to {} ({truth:?})", request.url);
        self.connections.push(Connection {
            call: c,
            leg,
            place,
            is_attempt: request.method == "POST",
            url: request.url.clone(),
            lane: fingerprint(host) ^ credential,
            breaker: plan.settings.breaker,
            opened: now,
            heard: now,
            closed: None,
            answer,
            truth,
            delivered: 0,
            arrived: 0,
            ended: None,
            retries,
        });
        self.sims[c].connections.push(number);
        number
    }

    /// What a leg awaits is there.
    fn ready(&mut self, c: usize, leg: usize, number: u64) {
        if self.lives(c) {
            self.resume(c, leg, number, false);
        }
    }

    fn resume(&mut self, c: usize, leg: usize, number: u64, interrupted: bool) {
        if !self.lives(c) {
            return;
        }
        let Some(running) = self.sims[c].legs.get_mut(leg) else { return };
        if running.waiting.as_ref().is_none_or(|(own, _)| *own != number) {
            return;
        }
        let Some((_, waiting)) = running.waiting.take() else { return };
        match waiting {
            Waiting::Sleep => {
                let ticket = self.sims[c].call.ticket(leg);
                let client = self.sims[c].plan.client;
                self.clients[client].sleeping.retain(|sleeper| sleeper.0 != ticket);
            }
            _ if interrupted => {}
            Waiting::Recall => kept::found(self, c, leg),
            Waiting::Told(is_choice) => {
                let told = routed::says(self, c, is_choice);
                note!(self, "call {c} leg {leg}: the caller says {told:?}");
                self.with(c, |call, shared, now| call.on_told(leg, told, shared, now));
            }
            Waiting::Token(candidate) => self.token(c, leg, candidate),
            Waiting::Consult => {
                let opinion = self.random.pick(&[Some(true), Some(false), None]);
                note!(self, "call {c} leg {leg}: the caller says {opinion:?}");
                if opinion == Some(false) {
                    self.sims[c].facts.goes_on(leg);
                }
                self.with(c, |call, shared, now| call.on_consulted(leg, opinion, shared, now));
            }
            Waiting::Head(connection) => {
                if self.head(c, leg, connection) {
                    return;
                }
            }
            Waiting::Whole(connection, limit, mut bytes) => {
                match self.take_chunk(connection) {
                    Chunk::Data(data) => {
                        bytes.extend_from_slice(&data);
                        if bytes.len() < limit {
                            return self.await_body(
                                c,
                                leg,
                                connection,
                                Waiting::Whole(connection, limit, bytes),
                            );
                        }
                        self.cancel(connection);
                    }
                    Chunk::End | Chunk::Broken => {}
                    Chunk::Nothing => {
                        return self.await_body(c, leg, connection, Waiting::Whole(connection, limit, bytes));
                    }
                }
                invariants::refusal_read(self, c, connection);
                self.with(c, |call, shared, now| call.on_body(leg, &bytes, shared, now));
            }
            Waiting::Read(connection) => {
                let chunk = self.take_chunk(connection);
                note!(self, "call {c} leg {leg}: {chunk:?}");
                match chunk {
                    Chunk::Nothing => {
                        return self.await_body(c, leg, connection, Waiting::Read(connection));
                    }
                    Chunk::Data(bytes) => {
                        self.with(c, |call, shared, now| call.feed(leg, &bytes, shared, now));
                    }
                    Chunk::End => {
                        self.with(c, |call, shared, now| call.end(leg, shared, now));
                    }
                    Chunk::Broken => {
                        self.with(c, |call, shared, now| call.break_off(leg, shared, now));
                    }
                }
            }
        }
        self.follow_up(c);
        self.run_leg(c, leg);
    }

    fn token(&mut self, c: usize, leg: usize, candidate: usize) {
        if self.random.one_in(20) {
            self.count("token function fails");
            self.with(c, |call, shared, now| call.on_token_failure(leg, shared, now));
            return;
        }
        let plan = &self.sims[c].plan;
        let token = if candidate == 0 { plan.token } else { Some(scenario::FALLBACK_KEY) };
        let token = token.and_then(Secret::new);
        self.with(c, |call, _, _| call.on_token(leg, token));
    }

    /// An answer has begun, or will not. Returns whether its body is awaited.
    fn head(&mut self, c: usize, leg: usize, connection: usize) -> bool {
        let answer = &mut self.connections[connection].answer;
        let head = match answer {
            Answer::Head { head, .. } => std::mem::take(&mut **head),
            _ => {
                self.closed(connection);
                self.count("reset before headers");
                note!(self, "call {c} leg {leg}: no answer");
                self.with(c, |call, shared, now| call.on_no_answer(leg, shared, now));
                return false;
            }
        };
        self.connections[connection].heard = self.now;
        invariants::answered(self, c, connection, &head);
        note!(self, "call {c} leg {leg}: {head:?}");
        let reading = self.with(c, |call, shared, now| call.on_head(leg, head, shared, now));
        match reading {
            Reading::Stream => self.sims[c].legs[leg].reader = Some(connection),
            Reading::Discard => {
                self.cancel(connection);
            }
            Reading::Whole(limit) => {
                self.await_body(c, leg, connection, Waiting::Whole(connection, limit, Vec::new()));
                self.follow_up(c);
                return true;
            }
        }
        false
    }

    /// When a body has something to give; `None` for never.
    fn next_arrival(&self, connection: usize) -> Option<f64> {
        let own = &self.connections[connection];
        if own.closed.is_some() {
            return Some(self.now);
        }
        let Answer::Head { body, at, .. } = &own.answer else { return None };
        match body.arrivals.get(own.arrived) {
            Some((at, _)) => Some(*at),
            None if body.ending == Some(Ending::Silent) => None,
            None => Some(body.arrivals.last().map_or(*at, |arrival| arrival.0)),
        }
    }

    fn await_body(&mut self, c: usize, leg: usize, connection: usize, waiting: Waiting) {
        let number = self.wait_for(c, leg, waiting, None);
        if self.sims[c].legs[leg].interrupted {
            return self.soon(Event::Interrupted(c, leg, number));
        }
        match self.next_arrival(connection) {
            None => {}
            Some(at) if at > self.now => self.at(at, Event::Ready(c, leg, number)),
            Some(_) => self.soon(Event::Ready(c, leg, number)),
        }
    }

    fn take_chunk(&mut self, connection: usize) -> Chunk {
        let now = self.now;
        let own = &mut self.connections[connection];
        if own.closed.is_some() {
            return Chunk::End;
        }
        let Answer::Head { body, .. } = &own.answer else { return Chunk::End };
        let from = own.delivered;
        // What lies ready comes in one piece or in several.
        let merges = self.random.one_in(2);
        while let Some((at, to)) = body.arrivals.get(own.arrived) {
            if *at > now || own.delivered > from && !merges {
                break;
            }
            own.delivered = *to;
            own.arrived += 1;
        }
        if own.delivered > from {
            return Chunk::Data(body.bytes[from..own.delivered].to_vec());
        }
        if own.arrived < body.arrivals.len() {
            return Chunk::Nothing;
        }
        let ending = body.ending;
        own.ended = ending;
        match ending {
            Some(Ending::Silent) | None => Chunk::Nothing,
            Some(Ending::Clean) => {
                self.closed(connection);
                Chunk::End
            }
            Some(Ending::Breaks) => {
                self.closed(connection);
                self.count("cut mid-stream");
                Chunk::Broken
            }
        }
    }

    fn look(&mut self, c: usize) {
        let sim = &self.sims[c];
        let busy = sim.busy + sim.busy_since.map_or(0.0, |since| self.now - since);
        let next = self.with(c, |call, shared, now| {
            call.set_busy(busy);
            call.look(shared, now)
        });
        note!(self, "call {c} looks (busy for {busy}): again at {next:?}");
        if let Some(at) = next {
            self.sequence += 1;
            let timer = self.sequence;
            self.sims[c].timer = timer;
            let delay = at - self.now;
            if delay < 2_147_483_647.0 {
                self.timer(delay, Event::Look(c, timer));
            }
        }
        self.follow_up(c);
    }

    /// Leaves the batch to be read, as the four words do.
    fn report(&mut self, c: usize) {
        let sim = &mut self.sims[c];
        sim.reported = true;
        sim.shown.report(sim.call.batch());
    }

    /// What `feed` and `end` do.
    fn finish(
        &mut self,
        c: usize,
        now: Now,
        work: impl FnOnce(&mut Call, &mut Shared, Now, usize),
    ) -> Progress {
        self.with_at(c, now, |call, shared, now| {
            let leg = call.leader();
            work(call, shared, now, leg);
        });
        self.sims[c].reads = true;
        self.follow_up(c);
        self.sims[c].reads = false;
        self.tell(c)
    }

    /// Leaves the batch to be taken, and runs the leg again whose body is done with.
    fn tell(&mut self, c: usize) -> Progress {
        let progress = self.sims[c].call.progress();
        self.report(c);
        if progress == Progress::Again
            && let Some(leg) = self.sims[c].handed.take()
        {
            self.interrupt(c, leg);
            self.soon(Event::Run(c, leg));
        }
        progress
    }

    // ------ what `pkg-js/src/exchange.ts` does

    /// Something happened that the loop did not bring about.
    fn changed(&mut self, c: usize) {
        self.sims[c].change += 1;
        match self.sims[c].consumer {
            Consumer::Opening => {
                let sim = &self.sims[c];
                if !sim.exchange_over && !sim.settled && sim.reader.is_none() {
                    return;
                }
                if sim.settled && !sim.exchange_over {
                    let final_only = !sim.wants;
                    // Nothing is taken yet: whoever reads takes it.
                    let progress = self.sims[c].call.progress();
                    if progress == Progress::Failed && final_only {
                        return self.end(c, progress);
                    }
                }
                self.sims[c].consumer = Consumer::Thinking;
                self.soon(Event::Pull(c));
            }
            Consumer::AwaitsChange => {
                self.sims[c].busy_since = Some(self.now);
                self.pull(c);
            }
            _ => {}
        }
    }

    fn pull(&mut self, c: usize) {
        if self.sims[c].exchange_over {
            self.sims[c].consumer = Consumer::Over;
            return;
        }
        if std::mem::take(&mut self.sims[c].due) {
            let progress = self.tell(c);
            // What the consumer does with it is no stall either.
            let now = self.now;
            self.sims[c].busy_since.get_or_insert(now);
            self.take(c);
            return self.end(c, progress);
        }
        let sim = &mut self.sims[c];
        if let Some(since) = sim.busy_since.take() {
            sim.busy += self.now - since;
        }
        let Some(reader) = sim.reader else {
            sim.consumer = Consumer::AwaitsChange;
            return;
        };
        self.sequence += 1;
        let number = self.sequence;
        self.sims[c].consumer = Consumer::Reads(number, reader);
        match self.next_arrival(reader) {
            None => {}
            Some(at) if at > self.now => self.at(at, Event::Chunk(c, number)),
            Some(_) => self.soon(Event::Chunk(c, number)),
        }
    }

    fn chunk(&mut self, c: usize, number: u64) {
        let reader = match self.sims[c].consumer {
            Consumer::Reads(own, reader) if own == number && self.lives(c) => reader,
            _ => return,
        };
        if self.sims[c].exchange_over {
            self.sims[c].consumer = Consumer::Over;
            return;
        }
        let chunk = self.take_chunk(reader);
        note!(self, "call {c} reads {chunk:?}");
        let busy = self.sims[c].busy;
        let own = Now { monotonic: self.now, unix: self.now + self.sims[c].offset };
        let clock = self.clock();
        if !matches!(chunk, Chunk::Nothing) {
            self.sims[c].busy_since = Some(self.now);
            // What lies ready comes with what this brings.
            self.sims[c].due = false;
        }
        let progress = match chunk {
            Chunk::Nothing => {
                self.sims[c].consumer = Consumer::Thinking;
                return self.pull(c);
            }
            Chunk::Data(bytes) => self.finish(c, own, |call, shared, now, leg| {
                call.set_busy(busy);
                call.feed(leg, &bytes, shared, now);
            }),
            Chunk::End => self.finish(c, clock, |call, shared, now, leg| {
                call.end(leg, shared, now);
            }),
            Chunk::Broken => self.finish(c, clock, |call, shared, now, leg| {
                call.break_off(leg, shared, now);
            }),
        };
        self.take(c);
        self.end(c, progress);
    }

    /// The consumer takes what was reported.
    fn take(&mut self, c: usize) {
        let sim = &mut self.sims[c];
        sim.shown.take(sim.wants);
        invariants::shown(self, c);
    }

    fn end(&mut self, c: usize, progress: Progress) {
        note!(self, "call {c}: {progress:?}");
        match progress {
            Progress::Again => self.sims[c].reader = None,
            Progress::More => {}
            Progress::Complete | Progress::Failed => {
                invariants::ended(self, c, progress);
                return self.settle(c);
            }
        }
        self.sims[c].consumer = Consumer::Thinking;
        let pace = self.sims[c].plan.reader.pace;
        if pace == 0.0 || self.random.one_in(2) {
            self.soon(Event::Pull(c));
        } else {
            let at = self.now + pace * self.random.unit();
            self.at(at, Event::Pull(c));
        }
    }

    fn settle(&mut self, c: usize) {
        let sim = &mut self.sims[c];
        sim.exchange_over = true;
        sim.consumer = Consumer::Over;
        if let Some(reader) = sim.reader.take() {
            self.cancel(reader);
        }
    }

    fn abort(&mut self, c: usize) {
        if !self.lives(c) || self.sims[c].exchange_over {
            return;
        }
        self.count("abort");
        note!(self, "call {c} is aborted");
        self.sims[c].aborted = true;
        self.with(c, |call, shared, now| call.abort(shared, now));
        self.follow_up(c);
        invariants::aborted(self, c);
        self.settle(c);
    }

    /// A worker's request was cut off: nothing of it runs any more, and nobody is told.
    fn vanish(&mut self, c: usize) {
        if !self.lives(c) || self.sims[c].exchange_over {
            return;
        }
        self.count("caller vanishes");
        note!(self, "the caller of call {c} vanishes");
        self.sims[c].vanished = true;
        for connection in self.sims[c].connections.clone() {
            self.closed(connection);
        }
    }
}

/// What a read of a body gave.
pub enum Chunk {
    Data(Vec<u8>),
    End,
    Broken,
    Nothing,
}

impl std::fmt::Debug for Chunk {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Chunk::Data(bytes) => write!(formatter, "{:?}", String::from_utf8_lossy(bytes)),
            Chunk::End => formatter.write_str("the end"),
            Chunk::Broken => formatter.write_str("a break"),
            Chunk::Nothing => formatter.write_str("nothing yet"),
        }
    }
}

fn told(step: &Step) -> String {
    match step {
        Step::Send(request) => format!("send {} {}", request.method, request.url),
        Step::Ask(question) => format!("ask {}", String::from_utf8_lossy(question)),
        Step::Consult(facts) => format!("consult {}", String::from_utf8_lossy(facts)),
        other => format!("{other:?}"),
    }
}

fn mapping(task: &str) -> String {
    format!(
        r#"{{"inferenceProviderMapping":{{"groq":{{"status":"live","providerId":"served-name","task":"conversational"}},"together":{{"status":"live","providerId":"lab/served","task":"{task}"}},"novita":{{"status":"error","providerId":"lab/other","task":"{task}"}}}}}}"#
    )
}

const CATALOGUE_ANSWER: &str = r#"{"id":"lab/model","providers":[
{"provider":"groq","status":"live","context_length":8000,"pricing":{"input":0.1,"output":0.4},"throughput":200,"first_token_latency_ms":100},
{"provider":"together","status":"live","context_length":32000,"pricing":{"input":0.05,"output":0.1},"throughput":50,"first_token_latency_ms":400},
{"provider":"novita","status":"staging"},
{"provider":"nscale","status":"live","throughput":20}]}"#;
