//! One call's life, told in order: plan, admit, attempt, stream, settle.
//!
//! A [`Call`] is a state machine. It has one or more [legs](leg::Leg), each of which sends one request
//! after the other. [`Call::step`] says what a leg wants done next; the driver does it and reports with
//! one of the `on_…` methods; bodies are fed piece by piece with [`Call::feed`]. The leg that first
//! brings something to show takes the lead: the others end, and the consumer reads it. Nothing here
//! waits, and nothing here knows JavaScript.

pub mod affinity;
pub mod attempt;
pub mod judge;
pub mod leg;
pub mod plan;
pub mod recall;
pub mod route;
pub mod settings;
pub mod settle;
pub mod shared;
pub mod spending;
pub mod stream;
pub mod tape;
pub mod trace;

use std::rc::Rc;

use self::attempt::{Head, HttpRequest, Reading};
use self::leg::{Leg, Phase, Verdict};
use self::plan::{Plan, Protocol, Task};
pub use self::recall::Found;
use self::settings::{Fallback, MidStream, Order, Settings};
use self::settle::Answerer;
pub use self::shared::Shared;
use self::spending::Spending;
use self::stream::{Outcome, Stream};
use self::trace::Trace;
use super::error::{Error, Kind};
use super::ports::{Milliseconds, Now};
use super::provider::body::{self, Members};
use super::provider::catalogue::{self, Needs, Terms};
use super::provider::{mapping, table, url};
use super::resilience::breaker::{self, Breaker, Permission};
use super::resilience::lane::{Admission, Applicant};
use super::resilience::watchdog::{self, Look, Watchdog};
use super::secret::Secret;
use super::wire::batch::{Batch, Mark, Want};
use super::wire::chat::MAX_ANSWER_BYTES;
use super::wire::json::{self, ObjectWriter};

/// The tokens of an answer whose length nobody knows, for the caller's limit on tokens.
const USUAL_ANSWER: f64 = 512.0;
/// After the deadline a call that is still counted has been forgotten by its caller.
const FORGOTTEN: Milliseconds = 10_000.0;
/// How soon to ask again who has come to send after the deadline.
const LATE: Milliseconds = 50.0;
/// The longest that a call is counted which has no deadline: its caller may be gone.
const LONGEST: Milliseconds = 3_600_000.0;
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

    fn plan(&mut self, leg: usize, shared: &mut Shared, now: Now) {
        if std::mem::take(&mut self.prefers) {
            self.prefer(leg, shared, now);
            // It may have a credential of its own that has to be asked for.
            return;
        }
        let Some(own) = self.legs.get_mut(leg) else { return };
        let Some(members) = Members::read(&self.request) else { return };
        if own.offers.is_none() {
            let (model, _) = plan::split_suffix(&own.settings.model);
            let known = shared.mappings.get(model, credential(own.token.as_ref()), now.monotonic);
            own.offers = known.map(<[mapping::Offer]>::to_vec);
        }
        let planned = plan::plan(
            self.task,
            self.streamed,
            &own.settings,
            &members,
            own.token.as_ref(),
            own.offers.as_deref(),
        );
        match planned {
            Ok(Plan::Lookup { model }) => own.phase = Phase::Lookup(model),
            Ok(Plan::Go(mut targets)) => {
                // What continues a completion is read as one.
                if self.continued.is_some() {
                    targets
                        .retain(|target| matches!(target.protocol, Protocol::Chat | Protocol::Completions));
                }
                own.at = targets.first().map_or(0, |first| shared.route(&first.url));
                own.at = own.at.min(targets.len().saturating_sub(1));
                own.targets = targets;
                own.phase = Phase::Admit;
            }
            Err(error) => self.attempt_failed(leg, error, shared, now),
        }
    }

    /// Asks for leave to send the leg's next request.
    fn admit(&mut self, leg: usize, shared: &mut Shared, now: Now) {
        let Some(own) = self.legs.get_mut(leg) else { return };
        let Some(target) = own.targets.get(own.at) else {
            return self.attempt_failed(leg, Error::boxed(Kind::InvalidResponse, "no_target"), shared, now);
        };
        let number = match own.attempt {
            Some(number) => number,
            None => {
                let number = self.trace.begins(target, own.hedge, now.monotonic);
                own.attempt = Some(number);
                number
            }
        };
        let name = target.name();
        let settings = own.settings.clone();
        // A call that does not ask the breaker must not take the probe from those that do.
        let ask = |breaker: &mut Breaker| match settings.breaker {
            true => breaker.admit(now.monotonic),
            false => Permission::Go,
        };
        // Who would be refused need not queue. Asking for good comes last, because it may make a probe.
        if let Permission::Refused(until) = ask(&mut shared.breaker(&name).clone()) {
            return self.circuit_open(leg, until, shared, now);
        }
        if !self.affords(leg, shared, now) {
            return;
        }
        let Some(own) = self.legs.get_mut(leg) else { return };
        let Some(target) = own.targets.get(own.at) else { return };
        let key = target.lane(own.token.as_ref());
        let applicant = Applicant {
            ticket: own.ticket,
            priority: settings.priority,
            tokens: self.estimated_prompt + USUAL_ANSWER,
            deadline: match shared.mortal {
                true => now.monotonic + PULSE,
                false => own.watchdog.deadline().min(now.monotonic + LONGEST) + FORGOTTEN,
            },
        };
        own.lane = Some(key);
        let lane = shared.lane(key, now.monotonic);
        let admission = lane.admit(&applicant, &settings.limits, now.monotonic);
        let gate = lane.gate();
        match admission {
            Admission::Full => {
                self.attempt_failed(leg, Error::boxed(Kind::QueueFull, "queue_full"), shared, now)
            }
            Admission::Wait(until) => {
                let patience = (now.monotonic + settings.retry.max_retry_after).min(own.watchdog.deadline());
                if gate > patience {
                    let mut error = Error::boxed(Kind::RateLimit, "gate");
                    error.retry_at = Some(now.unix + gate - now.monotonic);
                    return self.attempt_failed(leg, error, shared, now);
                }
                own.phase = Phase::Wait(until);
                self.rearm = true;
            }
            Admission::Go => {
                let permission = ask(shared.breaker(&name));
                shared.wake_next(key);
                if let Permission::Refused(until) = permission {
                    return self.circuit_open(leg, until, shared, now);
                }
                let Some(own) = self.legs.get_mut(leg) else { return };
                own.probe = permission == Permission::Probe;
                own.head = Head::default();
                self.reserve(leg, applicant.deadline + PULSE, shared, now);
                let Some(own) = self.legs.get_mut(leg) else { return };
                own.phase = Phase::Out;
                own.sent = Some(now.monotonic);
                own.watchdog.sent(now.monotonic);
                self.trace.sent(number, now.monotonic);
                self.rearm = true;
                if settings.notices {
                    let (provider, model) = own.target().map_or(("", ""), |target| target.who());
                    notice(&mut self.notices, "attempt", &|event| {
                        event.integer("attempt", number as u64 + 1);
                        event.text("provider", provider.as_bytes()).text("model", model.as_bytes());
                    });
                }
            }
        }
    }

    fn circuit_open(&mut self, leg: usize, until: Milliseconds, shared: &mut Shared, now: Now) {
        let mut error = Error::boxed(Kind::CircuitOpen, "circuit_open");
        error.retry_at = Some(now.unix + until - now.monotonic);
        self.attempt_failed(leg, error, shared, now);
    }

    /// The caller's function has given the token, or none.
    pub fn on_token(&mut self, leg: usize, token: Option<Secret>) {
        let Some(own) = self.legs.get_mut(leg) else { return };
        if matches!(own.phase, Phase::Token) {
            if own.candidate == 0 {
                self.token.clone_from(&token);
            }
            own.token = token;
            own.phase = Phase::Plan;
        }
    }

    /// The caller's function has failed: this target cannot be asked.
    pub fn on_token_failure(&mut self, leg: usize, shared: &mut Shared, now: Now) {
        if self.legs.get(leg).is_some_and(|own| matches!(own.phase, Phase::Token)) {
            let error = Error::boxed(Kind::Authentication, "token_function");
            self.attempt_failed(leg, error, shared, now);
        }
    }

    /// The caller has been asked whether to try again: yes, no, or as it would be anyway.
    pub fn on_consulted(&mut self, leg: usize, answer: Option<bool>, shared: &mut Shared, now: Now) {
        let Some(own) = self.legs.get_mut(leg) else { return };
        if !matches!(own.phase, Phase::Consult(..)) {
            return;
        }
        let Phase::Consult(error, planned, number) = std::mem::replace(&mut own.phase, Phase::Over) else {
            return;
        };
        let verdict = match (answer, planned) {
            (Some(false), Verdict::Retry(_) | Verdict::Wake(_)) => Verdict::Next,
            (Some(true), Verdict::Next | Verdict::Fail)
                if own.retries < own.settings.retry.limit && shared.budget.withdraw(now.monotonic) =>
            {
                // Also the caller's yes sends nothing earlier than the service asks.
                let hint = error.retry_at.map(|at| (at - now.unix).max(0.0));
                let policy = &own.settings.retry;
                Verdict::Retry(hint.unwrap_or_else(|| policy.backoff(own.retries, &mut shared.random)))
            }
            _ => planned,
        };
        self.judged(leg, Some(number), verdict);
        self.execute(leg, verdict, error, shared, now);
    }

    /// The head of the answer to the request of the last [`Step::Send`] is here.
    pub fn on_head(&mut self, leg: usize, head: Head, shared: &mut Shared, now: Now) -> Reading {
        let Some(own) = self.legs.get_mut(leg).filter(|_| !self.settled) else { return Reading::Discard };
        if !matches!(own.phase, Phase::Lookup(_) | Phase::Catalogue(_) | Phase::Out) {
            // The leg ended while the answer was on its way.
            return Reading::Discard;
        }
        own.heard = now.monotonic;
        let refused = Kind::from_status(head.status).is_some();
        if refused {
            self.rearm |= own.watchdog.progressed(now.monotonic, false, true);
        }
        if !matches!(own.phase, Phase::Out) {
            // Who failed is still to be known when the router has told who else there is.
            own.head = Head { provider: std::mem::take(&mut own.head.provider), ..head };
            return Reading::Whole(attempt::MAX_MAPPING_BYTES);
        }
        if let Some(lane) = own.lane {
            let lane = shared.lane(lane, now.monotonic);
            lane.answered(own.ticket, &head.quota, now.monotonic);
            if !refused {
                lane.succeeded();
            }
        }
        if let Some(number) = own.attempt {
            self.trace.headers(number, head.status, &head.provider, now.monotonic);
        }
        if refused {
            // Who asks meanwhile is not to wait for the words of the refusal.
            let error = attempt::refusal(&head, b"", now);
            own.head = head;
            if let (Kind::RateLimit, Some(lane)) = (error.kind, own.lane) {
                let until = error.retry_at.map(|at| now.monotonic + at - now.unix);
                shared.lane(lane, now.monotonic).refused(until, now.monotonic);
            }
            return Reading::Whole(attempt::MAX_ERROR_BYTES);
        }
        if head.content_type.starts_with("text/html") {
            let mut error = Error::boxed(Kind::InvalidResponse, "markup");
            error.status = Some(head.status);
            own.head = head;
            self.attempt_failed(leg, error, shared, now);
            return Reading::Discard;
        }
        own.head = head;
        own.phase = Phase::Reading;
        if own.unknown_route.is_some()
            && let Some(first) = own.targets.first()
        {
            shared.remember_route(&first.url, own.at);
        }
        let answerer = own.answerer();
        own.batch.set_want(self.batch.want());
        if self.batch.want() != Want::Nothing {
            own.stream.hold_nothing();
        }
        own.batch.event(Mark::Start, &|event| answerer.write(event));
        // What continues an answer has been shown to begin.
        if self.continued.is_some() {
            self.lead(leg, shared, now);
        }
        Reading::Stream
    }

    /// The body that was to be read whole is here.
    pub fn on_body(&mut self, leg: usize, body: &[u8], shared: &mut Shared, now: Now) {
        self.read_whole(leg, body, now, shared, now);
    }

    /// All of a body that is to be had is here. From `told` on counts how long a refusal asks to wait.
    fn read_whole(&mut self, leg: usize, body: &[u8], told: Now, shared: &mut Shared, now: Now) {
        let Some(own) = self.legs.get_mut(leg).filter(|_| !self.settled) else { return };
        match &own.phase {
            Phase::Lookup(model) => {
                let offers = if own.head.status == 200 { mapping::read(body) } else { None };
                // The Hub does not know the model: nobody serves it there.
                let unknown = own.head.status == 404;
                match offers {
                    Some(offers) => {
                        let key = credential(own.token.as_ref());
                        shared.mappings.put(model, key, now.monotonic, offers.clone());
                        own.offers = Some(offers);
                    }
                    None if unknown => own.offers = Some(Vec::new()),
                    None => {
                        let mut error = attempt::refusal(&own.head, body, told);
                        error.reason = "mapping";
                        return self.attempt_failed(leg, error, shared, now);
                    }
                }
                own.watchdog.waits();
                own.phase = Phase::Plan;
            }
            Phase::Catalogue(_) => {
                let terms = if own.head.status == 200 { catalogue::read(body) } else { None };
                self.router_answered(leg, terms.unwrap_or_default(), shared, now);
            }
            Phase::Out => {
                let error = attempt::refusal(&own.head, body, told);
                // Only an endpoint whose protocol is not known has several routes.
                if matches!(own.head.status, 404 | 405) && own.at + 1 < own.targets.len() {
                    own.unknown_route.get_or_insert(error);
                    self.leave(leg, "unknown_route", breaker::Outcome::Neutral, shared, now);
                    if let Some(own) = self.legs.get_mut(leg) {
                        own.at += 1;
                        own.phase = Phase::Admit;
                    }
                    return;
                }
                // When no route is known, the first one's words are the telling ones: the unknown thing
                // may have been the model.
                let error = match own.unknown_route.take() {
                    Some(first) if matches!(own.head.status, 404 | 405) => first,
                    _ => error,
                };
                self.attempt_failed(leg, error, shared, now);
            }
            _ => {}
        }
    }

    /// No answer came: the network failed, or the browser does not let the page have it.
    pub fn on_no_answer(&mut self, leg: usize, shared: &mut Shared, now: Now) {
        let Some(own) = self.legs.get(leg).filter(|_| !self.settled) else { return };
        match own.phase {
            Phase::Catalogue(_) => self.router_answered(leg, Vec::new(), shared, now),
            Phase::Lookup(_) => {
                self.attempt_failed(leg, Error::boxed(Kind::Network, "mapping"), shared, now);
            }
            Phase::Out => {
                self.attempt_failed(leg, Error::boxed(Kind::Network, "no_answer"), shared, now);
            }
            _ => {}
        }
    }

    /// Chooses what later pieces put into the batch.
    pub fn want(&mut self, want: Want) {
        let first = self.batch.want() == Want::Nothing && want != Want::Nothing;
        self.batch.set_want(want);
        for (number, leg) in self.legs.iter_mut().enumerate() {
            leg.batch.set_want(want);
            if !first {
                continue;
            }
            // What broke off after it was shown stays shown, unless it is to begin anew.
            let stays = match leg.broken {
                Some(MidStream::Restart) => want == Want::Events,
                Some(_) => true,
                None => self.continued.is_some() && leg.is_alive(),
            };
            let leads = self.leader == Some(number) || self.leader.is_none() && stays;
            let answerer = leg.answerer();
            let batch = if leads { &mut self.batch } else { &mut leg.batch };
            if leg.head.status == 200 || !answerer.provider.is_empty() && leg.stream.tape.is_some() {
                batch.event(Mark::Start, &|event| answerer.write(event));
            }
            leg.stream.replay(batch);
            if matches!(leg.phase, Phase::Judge(_)) {
                settle::close(&mut leg.stream.answer, batch);
            }
            if leads && self.settled {
                if self.error.is_none() && !self.aborted {
                    settle::close(&mut leg.stream.answer, batch);
                } else {
                    leg.stream.answer.release(batch);
                }
            }
        }
    }

    /// Takes a piece of the body of the leg's answer. The batch of the call then has what it brought, as
    /// soon as the leg has the lead.
    pub fn feed(&mut self, leg: usize, bytes: &[u8], shared: &mut Shared, now: Now) -> Progress {
        let leads = self.leader == Some(leg);
        let Some(own) = self.reading(leg) else { return self.progress() };
        let pieces = own.0.pieces();
        let mut outcome = own.0.feed(bytes, own.1);
        // Nobody takes it before the leg has the lead.
        if !leads && outcome == Outcome::More && own.1.text().len() > MAX_ANSWER_BYTES {
            outcome = Outcome::Failed(Error::boxed(Kind::ResponseTooLarge, "answer"));
        }
        let nothing = outcome == Outcome::More && pieces == own.0.pieces();
        // A body whose pieces are always ready leaves the timer no turn.
        self.rearm |= self.legs.get(leg).is_some_and(|own| own.watchdog.is_due(now.monotonic));
        if nothing {
            return if leads { Progress::More } else { self.progress() };
        }
        self.advance(leg, outcome, shared, now)
    }

    /// The body of the leg's answer has ended.
    pub fn end(&mut self, leg: usize, shared: &mut Shared, now: Now) -> Progress {
        let Some(own) = self.reading(leg) else { return self.progress() };
        let outcome = own.0.end(own.1);
        self.advance(leg, outcome, shared, now)
    }

    /// The body of the leg's answer broke off: the connection was lost.
    pub fn break_off(&mut self, leg: usize, shared: &mut Shared, now: Now) -> Progress {
        let Some(own) = self.reading(leg) else { return self.progress() };
        let outcome = own.0.break_off(own.1);
        self.advance(leg, outcome, shared, now)
    }

    /// The stream of a leg that reads, and the batch for what it brings.
    fn reading(&mut self, leg: usize) -> Option<(&mut Stream, &mut Batch)> {
        let leads = self.leader == Some(leg);
        let own = self.legs.get_mut(leg).filter(|_| !self.settled)?;
        if !matches!(own.phase, Phase::Reading) {
            return None;
        }
        Some((&mut own.stream, if leads { &mut self.batch } else { &mut own.batch }))
    }

    fn advance(&mut self, leg: usize, outcome: Outcome, shared: &mut Shared, now: Now) -> Progress {
        let Some(own) = self.legs.get_mut(leg) else { return self.progress() };
        let shown = own.stream.answer.has_output();
        let tried = own.is_on_trial();
        self.rearm |= own.watchdog.progressed(now.monotonic, shown, own.stream.is_finished());
        if let (true, Some(number)) = (shown, own.attempt) {
            self.trace.token(number, now.monotonic);
        }
        match outcome {
            Outcome::More if !shown || tried => {}
            Outcome::More => self.lead(leg, shared, now),
            Outcome::Complete if tried => self.judge(leg, shared, now),
            Outcome::Complete => {
                self.lead(leg, shared, now);
                self.complete(leg, shared, now);
            }
            Outcome::Failed(error) => {
                // What can be shown of it is the consumer's, also when it is the last.
                if shown && self.streamed && !tried {
                    self.lead(leg, shared, now);
                }
                self.attempt_failed(leg, error, shared, now);
            }
        }
        self.progress()
    }

    /// The leg is the first with something to show: the others end.
    fn lead(&mut self, leg: usize, shared: &mut Shared, now: Now) {
        if self.leader.is_some() {
            return;
        }
        self.leader = Some(leg);
        for other in 0..self.legs.len() {
            if other != leg && self.legs.get(other).is_some_and(Leg::is_alive) {
                self.waste(other);
                self.leave(other, "outpaced", breaker::Outcome::Neutral, shared, now);
                self.dropped.push(other);
                if let Some(own) = self.legs.get_mut(other) {
                    own.phase = Phase::Over;
                }
            }
        }
        if let Some(own) = self.legs.get_mut(leg) {
            self.answerer = own.answerer();
            self.batch.append(&own.batch);
            own.batch.clear();
        }
        if self.settings.tapes {
            let answerer = self.answerer.clone();
            self.note_before("start", &|event| answerer.write(event));
        }
    }

    fn complete(&mut self, leg: usize, shared: &mut Shared, now: Now) {
        if let Some(own) = self.legs.get_mut(leg) {
            settle::close(&mut own.stream.answer, &mut self.batch);
            if let (Some(cache), Some(tape)) = (&mut self.trace.cache, &own.stream.tape) {
                cache.saved = tape.usd;
            }
        }
        self.leave(leg, "complete", breaker::Outcome::Success, shared, now);
        self.trace.settled("complete");
        self.settle(shared, now);
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

    /// The leg's attempt is over: frees its place in the lane, and tells the breaker.
    fn leave(
        &mut self,
        leg: usize,
        outcome: &'static str,
        counts: breaker::Outcome,
        shared: &mut Shared,
        now: Now,
    ) {
        self.charge(leg, outcome, shared, now);
        let Some(own) = self.legs.get_mut(leg) else { return };
        own.watchdog.waits();
        if let Some(number) = own.attempt.take() {
            self.trace.ended(number, outcome, now.monotonic);
        }
        if let Some(lane) = own.lane.take() {
            let total = json::number_member(own.stream.answer.usage(), "total_tokens");
            shared.lane(lane, now.monotonic).leave(own.ticket, total);
            shared.wake_next(lane);
        }
        shared.accounts.budgets.leave(own.ticket);
        let probe = std::mem::take(&mut own.probe);
        if let (Some(_), true, Some(target)) =
            (own.sent.take(), own.settings.breaker, own.targets.get(own.at))
        {
            let name = target.name();
            let breaker = shared.breaker(&name);
            let changed = breaker.record(counts, probe, now.monotonic);
            let state = breaker.state().name();
            if changed && own.settings.notices {
                notice(&mut self.notices, "state", &|event| {
                    event.text("target", name.as_bytes()).text("state", state.as_bytes());
                });
            }
        }
    }

    /// Notes the tokens of an attempt whose answer is of no use.
    fn waste(&mut self, leg: usize) {
        if let Some(own) = self.legs.get(leg)
            && let Some(number) = own.attempt
        {
            let (prompt, completion) = self.tokens(&own.stream);
            self.trace.wasted(number, prompt, completion);
        }
    }

    /// The tokens that an answer took, as told or else about.
    fn tokens(&self, stream: &Stream) -> (f64, f64) {
        let told = |name| json::number_member(stream.answer.usage(), name);
        let completion = told("completion_tokens")
            .or(stream.answer.generated_tokens())
            .unwrap_or_else(|| settle::estimated_tokens(&stream.answer));
        (told("prompt_tokens").unwrap_or(self.estimated_prompt), completion)
    }

    /// The leg's attempt has failed, or could not be made.
    fn attempt_failed(&mut self, leg: usize, error: Box<Error>, shared: &mut Shared, now: Now) {
        if self.plays(leg) {
            return self.tape_failed(leg, error, shared, now);
        }
        self.tape_answer();
        let Some(own) = self.legs.get_mut(leg).filter(|_| !self.settled) else { return };
        if error.kind == Kind::RateLimit
            && error.reason != "gate"
            && let Some(lane) = own.lane
        {
            let until = error.retry_at.map(|at| now.monotonic + at - now.unix);
            let lane = shared.lane(lane, now.monotonic);
            match (error.reason, until) {
                // The head has closed the gate; its words may want it closed for longer.
                ("refused", Some(until)) => lane.close(until),
                ("refused", None) => {}
                _ => lane.refused(until, now.monotonic),
            }
        }
        let deadline = own.watchdog.deadline();
        let mid_stream = self.leader == Some(leg);
        let mode = if mid_stream { self.mid_stream(leg) } else { MidStream::Fail };
        let Some(own) = self.legs.get(leg) else { return };
        let verdict = match mode {
            MidStream::Fail if mid_stream => Verdict::Fail,
            _ => match judge::verdict(own, &error, deadline, shared, now) {
                // It would not have been asked if it had not answered before.
                Verdict::Fail if own.affine => Verdict::Next,
                verdict => verdict,
            },
        };
        let counts = match verdict {
            // It is not failing, it is getting up.
            Verdict::Wake(_) => breaker::Outcome::Neutral,
            _ => judge::outcome(&error),
        };
        let number = own.attempt;
        if mid_stream {
            self.waste(leg);
            if let Some(own) = self.legs.get_mut(leg) {
                own.stream.answer.release(&mut self.batch);
            }
        }
        self.leave(leg, error.reason, counts, shared, now);
        if mid_stream && !matches!(verdict, Verdict::Fail) {
            self.leader = None;
            if let Some(own) = self.legs.get_mut(leg) {
                own.broken = Some(mode);
            }
        }
        match (self.legs.get_mut(leg), number) {
            // What was half shown is sent again only where `midStream` says so.
            (Some(own), Some(number))
                if own.settings.asks_before_retry
                    && !own.hedge
                    && (!mid_stream || !matches!(verdict, Verdict::Fail)) =>
            {
                own.phase = Phase::Consult(error, verdict, number);
            }
            _ => {
                self.judged(leg, number, verdict);
                self.execute(leg, verdict, error, shared, now);
            }
        }
    }

    /// Notes what follows from the failure of an attempt.
    fn judged(&mut self, leg: usize, number: Option<usize>, verdict: Verdict) {
        let broken = self.legs.get(leg).and_then(|leg| leg.broken);
        let (word, delay) = match (verdict, broken) {
            (Verdict::Fail, _) => ("fail", None),
            (Verdict::Next, _) => ("fallback", None),
            (Verdict::Wake(delay), _) => ("wake", Some(delay)),
            (Verdict::Retry(delay), Some(MidStream::Continue)) => ("continue", Some(delay)),
            (Verdict::Retry(delay), Some(MidStream::Restart)) => ("restart", Some(delay)),
            (Verdict::Retry(delay), _) => ("retry", Some(delay)),
        };
        if let Some(number) = number {
            self.trace.judged(number, word, delay);
        }
    }

    /// What may become of an answer of which something was shown.
    fn mid_stream(&self, leg: usize) -> MidStream {
        let Some(own) = self.legs.get(leg) else { return MidStream::Fail };
        let simple = || {
            let members = Members::read(&self.request);
            members.is_some_and(|members| {
                let n = members.get("n").is_none_or(|n| n == b"1");
                n && members.get("tools").is_none() && members.get("response_format").is_none()
            })
        };
        match self.settings.mid_stream {
            // Readers of chunks get them as the service sent them, repetitions and all.
            MidStream::Continue
                if self.batch.want() != Want::Chunks && own.stream.answer.can_continue() && simple() =>
            {
                MidStream::Continue
            }
            // Whoever reads text or chunks cannot be told to clear what was shown.
            MidStream::Restart if matches!(self.batch.want(), Want::Nothing | Want::Events) => {
                MidStream::Restart
            }
            _ => MidStream::Fail,
        }
    }

    /// Makes the leg ready for another attempt, now that it is sure to come, if a part was shown.
    fn resume(&mut self, leg: usize) {
        let Some(own) = self.legs.get_mut(leg) else { return };
        let Some(mode) = own.broken.take() else { return };
        if mode == MidStream::Continue {
            let text = own.stream.answer.text().to_vec();
            self.continued =
                Members::read(&self.request).and_then(|request| body::continued(&request, &text));
            own.targets.truncate(own.at + 1);
            own.stream.resume();
        } else {
            own.stream.restart();
            self.batch.event(Mark::Restart, &|_| {});
            self.note("restart", &|_| {});
        }
    }

    fn execute(&mut self, leg: usize, verdict: Verdict, error: Box<Error>, shared: &mut Shared, now: Now) {
        match verdict {
            Verdict::Retry(delay) | Verdict::Wake(delay) => {
                self.resume(leg);
                let Some(own) = self.legs.get_mut(leg) else { return };
                let wakes = matches!(verdict, Verdict::Wake(_));
                if wakes {
                    own.waking_since.get_or_insert(now.monotonic);
                } else {
                    own.retries += 1;
                }
                if self.continued.is_none() {
                    own.stream.restart();
                }
                own.batch.clear();
                own.phase = Phase::Wait(now.monotonic + delay);
                self.rearm = true;
                let attempt = self.trace.count() as u64 + 1;
                self.tell(Mark::Retry, "retry", &|event| {
                    event.integer("attempt", attempt).integer("delay", delay as u64);
                    if wakes {
                        event.bool("waking", true);
                    }
                    write_error(&error, event.key("error"));
                });
            }
            Verdict::Next => self.next(leg, error, shared, now),
            Verdict::Fail => self.give_up(leg, error, shared, now),
        }
    }

    fn tell(&mut self, mark: Mark, kind: &str, fill: &dyn Fn(&mut ObjectWriter<'_>)) {
        self.batch.event(mark, fill);
        self.note(kind, fill);
        if self.settings.notices {
            notice(&mut self.notices, kind, fill);
        }
    }

    /// Sends the leg to the next target, if there is one.
    fn next(&mut self, leg: usize, error: Box<Error>, shared: &mut Shared, now: Now) {
        let Some(own) = self.legs.get_mut(leg) else { return };
        if own.hedge {
            return self.give_up(leg, error, shared, now);
        }
        let first = self.first;
        // What was rejected was the small target's own answer.
        let again = own.affine && error.reason != "rejected";
        let mut candidate = if again { first } else { own.candidate + 1 };
        if candidate > first && candidate == self.preferred {
            candidate += 1;
        }
        if candidate > self.fallbacks.len() {
            let settings = own.settings.clone();
            let (model, _) = plan::split_suffix(&settings.model);
            let asks = settings.endpoint_url.is_empty() && std::mem::take(&mut self.may_ask_router);
            if asks && url::is_model_id(model) {
                let known = shared.catalogue.terms(model).to_vec();
                own.phase = Phase::Catalogue(error);
                // Who has the catalogue need not ask for it.
                if !known.is_empty() {
                    self.router_answered(leg, known, shared, now);
                }
                return;
            }
            return self.give_up(leg, error, shared, now);
        }
        let from = own.target().map(|target| (target.provider.clone(), target.model.clone()));
        if let Some(choice) = self.trace.route.as_mut().filter(|_| candidate == route::LARGE)
            && choice.escalated.is_empty()
        {
            error.reason.clone_into(&mut choice.escalated);
        }
        self.resume(leg);
        if let Some(own) = self.legs.get_mut(leg) {
            own.affine = false;
            own.retries = 0;
            own.waking_since = None;
            own.batch.clear();
            if self.continued.is_none() {
                own.stream.restart();
            }
        }
        self.enter(leg, candidate);
        let (provider, model) = from.unwrap_or_default();
        let settings = self.legs.get(leg).map(|own| own.settings.clone());
        self.tell(Mark::Fallback, "fallback", &|event| {
            let mut place = ObjectWriter::new(event.key("from"));
            place.text("provider", provider.as_bytes()).text("model", model.as_bytes());
            place.end();
            if let Some(settings) = &settings {
                let mut place = ObjectWriter::new(event.key("to"));
                place
                    .text_if("provider", settings.provider.as_bytes())
                    .text_if("model", settings.model.as_bytes())
                    .text_if("endpointUrl", url::shown(&settings.endpoint_url).as_bytes());
                place.end();
            }
            write_error(&error, event.key("error"));
        });
    }

    /// Brings a leg to a target, with its options and its credential.
    fn enter(&mut self, leg: usize, candidate: usize) {
        let base = &self.settings;
        let (settings, token, asks) = match candidate.checked_sub(1).and_then(|at| self.fallbacks.get(at)) {
            None => (base.clone(), self.token.clone(), self.has_token_function && self.token.is_none()),
            Some(fallback) => {
                let mut settings = fallback.over(base);
                // Behind what stands in for the router, every provider has the same host.
                let stays = settings.endpoint_url == base.endpoint_url
                    && (settings.provider == base.provider || !settings.base_url.is_empty());
                if !stays {
                    // A gateway's own key stays with the gateway.
                    settings.headers.retain(|(name, _)| !plan::is_confidential(name));
                }
                let token = fallback.token.clone().or_else(|| {
                    // A token goes to whom it was meant for, and Hugging Face's to Hugging Face.
                    let own =
                        settings.endpoint_url.is_empty() || url::is_hugging_face(&settings.endpoint_url);
                    let fits = |token: &&Secret| stays || own && token.is_hugging_face();
                    self.token.as_ref().filter(fits).cloned()
                });
                (Rc::new(settings), token, fallback.has_token_function)
            }
        };
        if let Some(own) = self.legs.get_mut(leg) {
            own.candidate = candidate;
            own.settings = settings;
            own.token = token;
            own.offers = None;
            own.targets.clear();
            own.at = 0;
            own.unknown_route = None;
            own.phase = if asks { Phase::Token } else { Phase::Plan };
        }
    }

    /// The router has told who else serves the model, or nothing.
    fn router_answered(&mut self, leg: usize, terms: Vec<Terms>, shared: &mut Shared, now: Now) {
        let Some(own) = self.legs.get_mut(leg) else { return };
        let Phase::Catalogue(error) = std::mem::replace(&mut own.phase, Phase::Over) else { return };
        own.watchdog.waits();
        let members = Members::read(&self.request);
        let number = |name: &str| members.as_ref()?.get(name).and_then(json::as_number);
        let answer = number("max_tokens").or(number("max_completion_tokens")).unwrap_or(0.0);
        let needs = Needs {
            context_length: self.estimated_prompt + answer,
            tools: members.as_ref().is_some_and(|members| members.get("tools").is_some()),
            structured_output: members.as_ref().is_some_and(|members| {
                members.get("response_format").is_some_and(|format| format != br#"{"type":"text"}"#)
            }),
        };
        let settings = own.settings.clone();
        let (model, suffix) = plan::split_suffix(&settings.model);
        let tried = [&own.head.provider, own.settings.provider.as_str(), suffix.unwrap_or_default()];
        let mut terms: Vec<Terms> = terms
            .into_iter()
            .filter(|terms| terms.serve(&needs) && !tried.contains(&terms.provider.as_str()))
            .collect();
        let worth = |terms: &Terms| match self.settings.automatic {
            Some(Order::Price) => terms.price().unwrap_or(f64::INFINITY),
            Some(Order::Latency) => terms.latency.unwrap_or(f64::INFINITY),
            _ => -terms.throughput.unwrap_or(0.0),
        };
        // One after the other the best of the rest: the standard library's sort would be 2 KB for a dozen.
        while let Some(best) = (0..terms.len()).reduce(|best, next| {
            let worth = |at: usize| terms.get(at).map_or(f64::INFINITY, worth);
            if worth(next) < worth(best) { next } else { best }
        }) {
            let mut name = String::from(model);
            name.push(':');
            name.push_str(&terms.remove(best).provider);
            let fallback = Fallback { model: name, provider: table::AUTO.to_owned(), ..Fallback::default() };
            self.fallbacks.push(fallback);
        }
        self.next(leg, error, shared, now);
    }

    /// The leg ends; the call fails with it, unless another leg may still answer.
    fn give_up(&mut self, leg: usize, error: Box<Error>, shared: &mut Shared, now: Now) {
        if let Some(own) = self.legs.get_mut(leg) {
            own.phase = Phase::Over;
        }
        if self.legs.iter().any(Leg::is_alive) {
            return;
        }
        self.fail(error, shared, now);
    }

    fn fail(&mut self, error: Box<Error>, shared: &mut Shared, now: Now) {
        if self.settled {
            return;
        }
        self.trace.settled(judge::state(&error));
        for leg in 0..self.legs.len() {
            self.leave(leg, error.reason, judge::outcome(&error), shared, now);
        }
        self.error = Some(error);
        self.settle(shared, now);
    }

    fn settle(&mut self, shared: &mut Shared, now: Now) {
        self.settled = true;
        // What nobody has accepted is shown to nobody.
        for own in self.legs.iter_mut().filter(|own| self.leader.is_none() && own.is_on_trial()) {
            own.stream.restart();
            own.batch.clear();
        }
        // The one that has most to tell speaks for the call.
        let told = self.leader.or_else(|| self.legs.iter().position(|leg| leg.stream.answer.has_output()));
        if let Some(leader) = self.leader.filter(|_| self.error.is_none()) {
            self.remember(leader, shared, now);
        }
        if self.leader.is_none()
            && let Some(own) = self.legs.get_mut(told.unwrap_or(0))
        {
            // What the last attempt brought, although there was nothing in it to show.
            self.batch.append(&own.batch);
            own.batch.clear();
        }
        self.leader = Some(told.unwrap_or(0));
        if let Some(own) = told.and_then(|told| self.legs.get_mut(told)) {
            own.stream.answer.release(&mut self.batch);
        }
        for leg in 0..self.legs.len() {
            self.leave(leg, "over", breaker::Outcome::Neutral, shared, now);
        }
        let mut legs =
            told.into_iter().chain((0..self.legs.len()).rev()).filter_map(|leg| self.legs.get(leg));
        let last = legs.find_map(|leg| leg.target().map(|target| (leg, target)));
        if let Some((leg, target)) = last {
            self.place = Some((target.provider.clone(), target.url.clone()));
            if self.answerer.provider.is_empty() {
                self.answerer = leg.answerer();
            }
        }
        // Who used another call's answer, or one that was kept, used nothing.
        if !self.is_recalled() {
            self.save(shared);
            self.account(shared, now);
        }
    }

    /// The caller wants no more of it.
    pub fn abort(&mut self, shared: &mut Shared, now: Now) {
        if self.settled {
            return;
        }
        for leg in 0..self.legs.len() {
            self.leave(leg, "aborted", breaker::Outcome::Neutral, shared, now);
        }
        self.trace.settled("aborted");
        self.aborted = true;
        self.settle(shared, now);
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

    /// How long the consumer has been busy with what it had instead of waiting for the service, in all.
    /// To be told before [`Call::feed`] and [`Call::look`].
    pub fn set_busy(&mut self, busy: Milliseconds) {
        self.busy = busy;
        for leg in &mut self.legs {
            leg.watchdog.set_busy(busy);
        }
    }

    /// Looks whether a deadline has passed, and ends what is late. Returns when to look again.
    pub fn look(&mut self, shared: &mut Shared, now: Now) -> Option<Milliseconds> {
        let mut next = f64::INFINITY;
        for leg in 0..self.legs.len() {
            let Some(own) = self.legs.get_mut(leg).filter(|leg| leg.is_alive() && !self.settled) else {
                continue;
            };
            match own.watchdog.check(now.monotonic) {
                Look::Again(at) => next = next.min(at),
                Look::TrailerMissing if matches!(own.phase, Phase::Reading) => {
                    self.advance(leg, Outcome::Complete, shared, now);
                    self.dropped.push(leg);
                }
                // A refusal whose words do not end is what its head says.
                Look::TrailerMissing => {
                    let told = own.then(now);
                    self.dropped.push(leg);
                    self.read_whole(leg, b"", told, shared, now);
                    next = now.monotonic;
                }
                Look::Expired(phase) => {
                    self.expire(leg, phase, shared, now);
                    next = now.monotonic;
                }
            }
        }
        if self.settled {
            return None;
        }
        next = next.min(self.hedge(shared, now));
        if shared.mortal {
            next = next.min(now.monotonic + PULSE);
            for own in &self.legs {
                if let Some(lane) = own.lane {
                    shared.lane(lane, now.monotonic).heard_of(own.ticket, now.monotonic + PULSE);
                    shared.accounts.budgets.heard_of(own.ticket, now.monotonic + 2.0 * PULSE);
                }
            }
        }
        Some(next)
    }

    fn expire(&mut self, leg: usize, phase: watchdog::Phase, shared: &mut Shared, now: Now) {
        let reason = match phase {
            watchdog::Phase::Queue => "queue",
            watchdog::Phase::FirstToken => "first_token",
            watchdog::Phase::Stall => "stall",
            watchdog::Phase::Total => "total",
        };
        let error = Error::boxed(Kind::Timeout, reason);
        let own = self.legs.get(leg);
        match own.map(|own| &own.phase) {
            // These end what the leg waits for; the others end the call.
            Some(Phase::Lookup(_) | Phase::Out | Phase::Reading)
                if matches!(phase, watchdog::Phase::FirstToken | watchdog::Phase::Stall) =>
            {
                self.dropped.push(leg);
                self.attempt_failed(leg, error, shared, now);
            }
            Some(Phase::Catalogue(_)) if matches!(phase, watchdog::Phase::FirstToken) => {
                self.dropped.push(leg);
                self.router_answered(leg, Vec::new(), shared, now);
            }
            _ => self.fail(error, shared, now),
        }
    }

    /// Begins another leg if it is time for one. Returns when it will be.
    fn hedge(&mut self, shared: &mut Shared, now: Now) -> Milliseconds {
        let Some((after, most)) = self.settings.hedge else { return f64::INFINITY };
        // Only the leg that was read knows what the continuation of an answer is behind.
        if self.leader.is_some()
            || self.continued.is_some()
            || !self.streamed
            || self.legs.len() > most as usize
        {
            return f64::INFINITY;
        }
        // An answer that is shown late in any case is not raced for.
        let last = self.legs.last().filter(|last| last.is_alive() && !last.is_on_trial());
        let Some(last) = last else { return f64::INFINITY };
        let Some(due) = last.sent.map(|sent| sent + after) else { return f64::INFINITY };
        if now.monotonic < due {
            return due;
        }
        if !shared.budget.withdraw(now.monotonic) {
            return now.monotonic + after;
        }
        let stream = last.stream.anew();
        let candidate = last.candidate;
        let next = if last.affine { self.first } else { candidate + 1 };
        let leg = Leg {
            candidate,
            settings: last.settings.clone(),
            token: last.token.clone(),
            phase: Phase::Admit,
            offers: last.offers.clone(),
            targets: last.targets.clone(),
            at: last.at,
            unknown_route: None,
            head: Head::default(),
            heard: now.monotonic,
            stream,
            batch: Batch::default(),
            watchdog: last.watchdog.clone(),
            retries: 0,
            waking_since: None,
            ticket: shared.ticket(),
            lane: None,
            probe: false,
            attempt: None,
            sent: None,
            before: 0.0,
            hedge: true,
            affine: false,
            broken: None,
        };
        self.legs.push(leg);
        let number = self.legs.len() - 1;
        if let Some(own) = self.legs.get_mut(number) {
            own.batch.set_want(self.batch.want());
            own.watchdog.waits();
        }
        // Another target, where there is one: the same may be slow for both.
        if next <= self.fallbacks.len() {
            self.enter(number, next);
        }
        self.begun.push(number);
        f64::INFINITY
    }

    /// Whether the driver has more to see to than the batch. After nearly every piece it has not.
    pub fn has_news(&self) -> bool {
        self.settled
            || self.rearm
            || !(self.begun.is_empty() && self.dropped.is_empty() && self.notices.is_empty())
    }

    /// Whether [`Call::look`] is to be called now, because another deadline counts since the last one.
    pub fn takes_look(&mut self) -> bool {
        std::mem::take(&mut self.rearm) && !self.settled
    }

    /// What the last piece brought.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// The batch has been taken.
    pub fn clear_batch(&mut self) {
        self.batch.clear();
    }

    fn stream(&self) -> Option<&Stream> {
        self.legs.get(self.leader.unwrap_or(0)).map(|leg| &leg.stream)
    }

    /// The result, as JSON: of a stream, `final()`'s; of a whole chat answer, the service's own
    /// document; of a whole generation, `{ generated_text, details? }`.
    pub fn result(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let Some(stream) = self.stream() else { return out };
        if !self.streamed {
            match &stream.answer {
                stream::Answer::Chat(_) => out.extend_from_slice(stream.document()),
                stream::Answer::Generation(generation) => generation.write_output(&mut out),
            }
            return json::well_formed(out);
        }
        let mut object = ObjectWriter::new(&mut out);
        settle::write_result(&stream.answer, &self.answerer, &mut object);
        if stream.answer.usage().is_empty() {
            let (prompt, completion) = self.tokens(stream);
            trace::write_tokens(object.key("usage"), prompt, completion, true);
        }
        self.spending.write(&mut object, false);
        self.trace.write(object.key("trace"));
        object.end();
        json::well_formed(out)
    }

    /// The error's facts, as JSON; of an abort, only what had come and the trace.
    pub fn error(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut object = ObjectWriter::new(&mut out);
        if let Some(error) = &self.error {
            error.write(&mut object);
            let mut answerer = self.answerer.clone();
            if answerer.provider.is_empty() {
                answerer.provider.clone_from(&self.settings.provider);
            }
            if answerer.model.is_empty() {
                answerer.model.clone_from(&self.settings.model);
            }
            answerer.write(&mut object);
            if let Some((_, place)) = &self.place {
                object.text("url", url::shown(place).as_bytes());
            }
        }
        if let Some(stream) = self.stream().filter(|stream| stream.answer.has_output()) {
            let mut partial = ObjectWriter::new(object.key("partial"));
            settle::write_partial(&stream.answer, &mut partial);
            partial.end();
            if stream.answer.usage().is_empty() {
                let (prompt, completion) = self.tokens(stream);
                trace::write_tokens(object.key("usage"), prompt, completion, true);
            } else {
                object.raw("usage", stream.answer.usage());
            }
        }
        self.spending.write(&mut object, false);
        self.trace.write(object.key("trace"));
        object.end();
        json::well_formed(out)
    }

    /// The trace so far, as JSON.
    pub fn trace(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.trace.write(&mut out);
        json::well_formed(out)
    }
}

impl Leg {
    /// Who answers, as far as it is known.
    fn answerer(&self) -> Answerer {
        if let Some(tape) = &self.stream.tape {
            return tape.origin.clone().unwrap_or_default();
        }
        let planned = self.target().map_or("", |target| target.provider.as_str());
        let provider = if self.head.provider.is_empty() { planned } else { &self.head.provider };
        Answerer {
            provider: provider.to_owned(),
            model: self.settings.model.clone(),
            request_id: self.head.request_id.clone(),
        }
    }
}

/// The part of a cache's key that stands for a credential: what the Hub tells depends on it.
fn credential(token: Option<&Secret>) -> u64 {
    token.filter(|token| token.is_hugging_face()).map_or(0, Secret::fingerprint)
}

fn write_error(error: &Error, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::new(out);
    error.write(&mut object);
    object.end();
}

fn notice(notices: &mut Vec<u8>, kind: &str, fill: &dyn Fn(&mut ObjectWriter<'_>)) {
    if !notices.is_empty() {
        notices.push(b',');
    }
    let mut object = ObjectWriter::new(notices);
    object.text("type", kind.as_bytes());
    fill(&mut object);
    object.end();
}
