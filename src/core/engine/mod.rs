//! One call's life, told in order: plan, admit, attempt, stream, settle.
//!
//! A [`Call`] is a state machine. It has one or more [legs](leg::Leg), each of which sends one request
//! after the other. [`Call::step`] says what a leg wants done next; the driver does it and reports with
//! one of the `on_…` methods; bodies are fed piece by piece with [`Call::feed`]. The leg that first
//! brings something to show takes the lead: the others end, and the consumer reads it. Nothing here
//! waits, and nothing here knows JavaScript.
//!
//! This file has the state and the next step. What happens to a call is told by the event: `admission` (what
//! it takes to send), `answer` (what came back), `deadline` and `hedging` (time passed), `failure` and
//! `fallback` (where it goes from there), `ending`, and `report` (what callers are told).

mod admission;
pub mod affinity;
mod answer;
pub mod attempt;
mod deadline;
mod ending;
mod failure;
mod fallback;
mod hedging;
pub mod judge;
pub mod leg;
pub mod plan;
pub mod recall;
mod report;
pub mod route;
pub mod settings;
pub mod settle;
pub mod shared;
pub mod spending;
pub mod stream;
pub mod tape;
pub mod trace;

use std::rc::Rc;

use self::attempt::{Head, HttpRequest};
use self::leg::{Leg, Phase};
use self::plan::Task;
pub use self::recall::Found;
use self::report::{notice, write_error};
use self::settings::{Fallback, Settings};
use self::settle::Answerer;
pub use self::shared::Shared;
use self::spending::Spending;
use self::stream::Stream;
use self::trace::Trace;
use super::error::Error;
use super::ports::{Milliseconds, Now};
use super::provider::body::{self, Members};
use super::resilience::watchdog::Watchdog;
use super::secret::Secret;
use super::wire::batch::Batch;
use super::wire::json;

/// How soon to ask again who has come to send after the deadline.
const LATE: Milliseconds = 50.0;
/// How often a call is heard of whose caller may be cut off without a word.
const PULSE: Milliseconds = 5_000.0;

/// What a leg wants done.
#[derive(Clone, Debug)]
pub enum Step {
    /// Ask the caller's function for the access token of this target (0 for the call's own, 1 for the
    /// first fallback's); then [`Call::on_token`].
    Token(usize),
    /// Look for an answer under this key, which is [deterministic](Phase::Recall) or not; then
    /// [`Call::on_recalled`].
    Recall(String, bool),
    /// Ask the caller which target is to answer (nothing), or whether it accepts this answer (JSON); then
    /// [`Call::on_told`].
    Ask(Vec<u8>),
    /// Send this; then [`Call::on_head`] or [`Call::on_no_answer`].
    Send(Box<HttpRequest>),
    /// Ask the caller's function whether to try again after this failure (its facts as JSON); then
    /// [`Call::on_consulted`], or [`Call::on_told`].
    Consult(Vec<u8>),
    /// Ask again at this moment, or when [`Shared::take_woken`] names the leg's [ticket](Call::ticket).
    Wait(Milliseconds),
    /// Read a piece of the body and feed it.
    Read,
    /// Let the consumer read the body and feed it.
    Lead,
    /// The leg has nothing more to do.
    Over,
}

/// What the consumer's loop is to do after a piece of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Read on.
    More = 0,
    /// Over, and well: take the batch, close the body.
    Complete = 1,
    /// Over: take the batch, then throw the error.
    Failed = 2,
    /// This body is done with, and another will come: take the batch, close the body.
    Again = 3,
}

/// A request and its answer.
#[derive(Debug)]
pub struct Call {
    task: Task,
    streamed: bool,
    settings: Rc<Settings>,
    request: Vec<u8>,
    /// The request with the beginning of its answer, once an answer that broke off is continued.
    continued: Option<Vec<u8>>,
    token: Option<Secret>,
    has_token_function: bool,
    /// Where the call goes that its own target cannot serve.
    fallbacks: Vec<Fallback>,
    /// The caller is to be asked which of the first two is to answer, before a request is planned.
    routes: bool,
    /// The router has not been asked yet who else serves the model.
    may_ask_router: bool,
    legs: Vec<Leg>,
    leader: Option<usize>,
    /// Legs that were begun for the driver to run, and those whose request it is to give up.
    begun: Vec<usize>,
    dropped: Vec<usize>,
    settled: bool,
    aborted: bool,
    error: Option<Box<Error>>,
    batch: Batch,
    answerer: Answerer,
    /// The facts that go with the error: where it happened.
    place: Option<(String, String)>,
    trace: Trace,
    /// JSON objects, comma-separated: what the caller's listeners are to be told.
    notices: Vec<u8>,
    busy: Milliseconds,
    /// The timer must be set anew.
    rearm: bool,
    estimated_prompt: f64,
    /// An answer is to be looked for before a request is planned.
    recalls: bool,
    /// Whoever answered the conversation last has still to be looked for.
    prefers: bool,
    /// Where the call's own course begins: at 0, or at the target that a route has chosen.
    first: usize,
    /// The fallback that was tried before that, for the conversation's sake; 0 for none.
    preferred: usize,
    /// What is on the tape and not yet taken, and whether its end has been put there.
    tape: Vec<u8>,
    tape_ended: bool,
    /// The number by which budgets know it.
    number: u64,
    spending: Spending,
}

impl Call {
    /// A call for `task` with the caller's `request` (JSON). `has_token_function` is whether the
    /// token has still to be asked for; otherwise `token` is it, or there is none.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        task: Task,
        streamed: bool,
        mut settings: Settings,
        request: Vec<u8>,
        token: Option<Secret>,
        has_token_function: bool,
        shared: &mut Shared,
        now: Now,
    ) -> Result<Call, Box<Error>> {
        let (quiet_usage, expected_choices, estimated_prompt, spending);
        {
            let Some(members) = Members::read(&request) else {
                return Err(Error::option("request", "an object"));
            };
            if let Some(model) = members.get("model").and_then(json::as_text) {
                settings.model = model.to_text();
            }
            let wanted = match task {
                Task::Chat => ("messages", b'[', "an array of messages"),
                Task::Generation => ("inputs", b'"', "a string"),
            };
            let (name, first, expected) = wanted;
            if members.get(name).is_none_or(|value| value.first() != Some(&first)) {
                return Err(Error::option(name, expected));
            }
            quiet_usage = !body::asks_for_usage(&members);
            let n = members.get("n").and_then(json::as_number);
            expected_choices = n.map_or(1, |n| n as usize);
            estimated_prompt = body::estimated_tokens(&members);
            spending = Spending::new(&members);
        }
        if !streamed {
            // A whole answer has no first token: only the total bounds it.
            settings.timeouts.first_token = settings.timeouts.total;
        }
        let mut stream = Stream::new(task, streamed, quiet_usage, expected_choices);
        if let stream::Answer::Chat(chat) = &mut stream.answer {
            chat.think_tags = settings.reasoning_tags;
        }
        if !settings.recalls {
            shared.budget.deposit(now.monotonic);
        }
        let fallbacks = std::mem::take(&mut settings.fallbacks);
        let may_ask_router = settings.automatic.is_some();
        let targets = settings.route.as_ref().map(|route| route.shadow.len().max(fallbacks.len()));
        let routes = targets.is_some_and(|targets| targets >= route::LARGE);
        let tries = settings.route.as_ref().filter(|route| route.tries && route.shadow.is_empty());
        stream.logprobs = tries.and_then(|route| route.least_logprob).map(|_| Default::default());
        let recalls = settings.recalls;
        let prefers = !settings.session.is_empty();
        let mut trace = Trace::new(now);
        if settings.tapes {
            trace.recalled(&settings.cache_note);
        }
        let settings = Rc::new(settings);
        let number = shared.ticket();
        let first = Leg {
            candidate: 0,
            settings: settings.clone(),
            token: token.clone(),
            phase: if has_token_function { Phase::Token } else { Phase::Plan },
            offers: None,
            targets: Vec::new(),
            at: 0,
            unknown_route: None,
            head: Head::default(),
            heard: now.monotonic,
            stream,
            batch: Batch::default(),
            watchdog: Watchdog::new(settings.timeouts, now.monotonic),
            retries: 0,
            waking_since: None,
            ticket: number,
            lane: None,
            probe: false,
            attempt: None,
            sent: None,
            before: 0.0,
            hedge: false,
            affine: false,
            broken: None,
        };
        Ok(Call {
            task,
            streamed,
            settings,
            request,
            continued: None,
            token,
            has_token_function,
            fallbacks,
            routes,
            may_ask_router,
            legs: vec![first],
            leader: None,
            begun: vec![0],
            dropped: Vec::new(),
            settled: false,
            aborted: false,
            error: None,
            batch: Batch::default(),
            answerer: Answerer::default(),
            place: None,
            trace,
            notices: Vec::new(),
            busy: 0.0,
            rearm: false,
            estimated_prompt,
            recalls,
            prefers,
            first: 0,
            preferred: 0,
            tape: Vec::new(),
            tape_ended: false,
            number,
            spending,
        })
    }

    /// What the leg is to do next.
    pub fn step(&mut self, leg: usize, shared: &mut Shared, now: Now) -> Step {
        loop {
            if self.settled {
                return Step::Over;
            }
            let Some(own) = self.legs.get_mut(leg) else { return Step::Over };
            // Nothing is sent then. Whether it is late or the clock has jumped, the next look finds out.
            let sends =
                matches!(own.phase, Phase::Plan | Phase::Lookup(_) | Phase::Catalogue(_) | Phase::Admit);
            if sends && now.monotonic >= own.watchdog.deadline() {
                self.rearm = true;
                return Step::Wait(now.monotonic + LATE);
            }
            match &own.phase {
                Phase::Token => return Step::Token(own.candidate),
                Phase::Plan if std::mem::take(&mut self.routes) => own.phase = Phase::Route,
                Phase::Route => return Step::Ask(Vec::new()),
                Phase::Judge(_) => return Step::Ask(self.on_trial(leg)),
                Phase::Plan if std::mem::take(&mut self.recalls) => {
                    if let Some(step) = self.recall(leg, shared, now) {
                        return step;
                    }
                }
                // Its driver is about to tell what was found.
                Phase::Recall(_) => return Step::Over,
                Phase::Plan => self.plan(leg, shared, now),
                Phase::Lookup(model) => {
                    let request = attempt::lookup(&own.settings, model, own.token.as_ref());
                    own.watchdog.asks(now.monotonic);
                    self.rearm = true;
                    return Step::Send(Box::new(request));
                }
                Phase::Catalogue(_) => {
                    let (model, _) = plan::split_suffix(&own.settings.model);
                    let request = attempt::catalogue(&own.settings, model);
                    own.watchdog.asks(now.monotonic);
                    self.rearm = true;
                    return Step::Send(Box::new(request));
                }
                // Who waits in a queue may be called before its time; after a failure it is waited out.
                Phase::Wait(until) if now.monotonic < *until && own.attempt.is_none() => {
                    return Step::Wait(*until);
                }
                Phase::Wait(_) => {
                    own.phase = if own.targets.is_empty() { Phase::Plan } else { Phase::Admit };
                }
                Phase::Admit => {
                    self.admit(leg, shared, now);
                    if let Some(Phase::Wait(until)) = self.legs.get(leg).map(|leg| &leg.phase) {
                        return Step::Wait(*until);
                    }
                }
                Phase::Consult(error, ..) => {
                    let mut out = Vec::new();
                    write_error(error, &mut out);
                    return Step::Consult(out);
                }
                Phase::Out => {
                    let Some(target) = own.target() else { return Step::Over };
                    let request = self.continued.as_ref().unwrap_or(&self.request);
                    let Some(mut members) = Members::read(request) else { return Step::Over };
                    if own.is_on_trial() && own.stream.logprobs.is_some() && self.task == Task::Chat {
                        members.set_default("logprobs", b"true");
                    }
                    let request = attempt::request(
                        &own.settings,
                        target,
                        &members,
                        self.streamed,
                        own.token.as_ref(),
                        own.retries,
                    );
                    return Step::Send(Box::new(request));
                }
                Phase::Reading if self.leader == Some(leg) => return Step::Lead,
                Phase::Reading => return Step::Read,
                Phase::Over => return Step::Over,
            }
        }
    }

    /// What the consumer's loop is to do.
    pub fn progress(&self) -> Progress {
        match self.settled {
            true if self.error.is_some() || self.aborted => Progress::Failed,
            true => Progress::Complete,
            false if self.leader.is_none() => Progress::Again,
            false => Progress::More,
        }
    }

    /// Whether it is over.
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// Whether the caller's abort ended it.
    pub fn is_aborted(&self) -> bool {
        self.aborted
    }

    /// Whether the leg has the lead: the consumer reads its body.
    pub fn leads(&self, leg: usize) -> bool {
        self.leader == Some(leg) && !self.settled
    }

    /// The leg that has the lead.
    pub fn leader(&self) -> usize {
        self.leader.unwrap_or(0)
    }

    /// The leg's number in queues.
    pub fn ticket(&self, leg: usize) -> u64 {
        self.legs.get(leg).map_or(0, |leg| leg.ticket)
    }

    /// Legs that have begun, for the driver to run.
    pub fn take_begun(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.begun)
    }

    /// Legs whose request or body is to be given up.
    pub fn take_dropped(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.dropped)
    }

    /// What the caller's listeners are to be told: JSON objects, comma-separated.
    pub fn take_notices(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.notices)
    }

    /// Whether the driver has more to see to than the batch. After nearly every piece it has not.
    pub fn has_news(&self) -> bool {
        self.settled
            || self.rearm
            || !(self.begun.is_empty() && self.dropped.is_empty() && self.notices.is_empty())
    }

    /// What the last piece brought.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// The batch has been taken.
    pub fn clear_batch(&mut self) {
        self.batch.clear();
    }
}
