//! One call's life, told in order: plan, attempt, stream, settle.
//!
//! A [`Call`] is a state machine. [`Call::step`] says what it wants done next; the driver does it and
//! reports with one of the `on_…` methods; bodies are fed piece by piece with [`Call::feed`]. Nothing
//! here waits, and nothing here knows JavaScript.

pub mod attempt;
pub mod plan;
pub mod settings;
pub mod settle;
pub mod stream;
pub mod trace;

use self::attempt::{Head, HttpRequest, Reading};
use self::plan::{Plan, Target, Task};
use self::settings::Settings;
use self::settle::Answerer;
use self::stream::{Outcome, Stream};
use self::trace::Trace;
use super::error::{Error, Kind};
use super::ports::{Milliseconds, Now};
use super::provider::body::{self, Members};
use super::provider::mapping::{self, Offer};
use super::resilience::watchdog::{self, Look, Watchdog};
use super::secret::Secret;
use super::wire::batch::{Batch, Mark, Want};
use super::wire::json::{self, ObjectWriter};

/// What the calls of one client share.
#[derive(Debug, Default)]
pub struct Shared {
    mappings: mapping::Cache,
    /// Endpoint URLs at which the first route was unknown and a later one answered.
    routes: Vec<(String, usize)>,
}

/// How many endpoints' routes are remembered.
const MAX_ROUTES: usize = 64;

/// What a call wants done.
#[derive(Clone, Debug)]
pub enum Step {
    /// Ask the caller's function for the access token; then [`Call::on_token`].
    Token,
    /// Send this; then [`Call::on_head`] or [`Call::on_no_answer`].
    Send(Box<HttpRequest>),
    /// Let the consumer read the body and feed it.
    Read,
    /// It is over: [`Call::result`] or [`Call::error`] has the last word.
    Settled,
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
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    /// The access token is awaited.
    Token,
    /// Everything is known that a plan needs.
    Plan,
    /// The Hub is asked for this model's mapping.
    Lookup(String),
    /// A request is out.
    Attempt,
    /// The answer's body is read.
    Reading,
    /// Complete, failed, or aborted.
    Settled,
}

/// A request and its answer.
#[derive(Debug)]
pub struct Call {
    task: Task,
    streamed: bool,
    settings: Settings,
    request: Vec<u8>,
    state: State,
    token: Option<Secret>,
    offers: Option<Vec<Offer>>,
    targets: Vec<Target>,
    /// Which of the targets is tried.
    at: usize,
    /// What the first target said when it did not know its route.
    unknown_route: Option<Box<Error>>,
    /// The head of the attempt whose refusal is being read.
    head: Head,
    stream: Stream,
    batch: Batch,
    answerer: Answerer,
    error: Option<Box<Error>>,
    aborted: bool,
    watchdog: Watchdog,
    /// The timer must be set anew.
    rearm: bool,
    trace: Trace,
}

impl Call {
    /// A call for `task` with the caller's `request` (JSON). `has_token_function` is whether the
    /// token has still to be asked for; otherwise `token` is it, or there is none.
    pub fn new(
        task: Task,
        streamed: bool,
        mut settings: Settings,
        request: Vec<u8>,
        token: Option<Secret>,
        has_token_function: bool,
        now: Now,
    ) -> Result<Call, Box<Error>> {
        let quiet_usage;
        let expected_choices;
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
        }
        if !streamed {
            // A whole answer has no first token: only the total bounds it.
            settings.limits.first_token = settings.limits.total;
        }
        let mut stream = Stream::new(task, streamed, quiet_usage, expected_choices);
        if let stream::Answer::Chat(chat) = &mut stream.answer {
            chat.think_tags = settings.reasoning_tags;
        }
        let watchdog = Watchdog::new(settings.limits, now.monotonic);
        Ok(Call {
            task,
            streamed,
            settings,
            request,
            state: if has_token_function { State::Token } else { State::Plan },
            token,
            offers: None,
            targets: Vec::new(),
            at: 0,
            unknown_route: None,
            head: Head::default(),
            stream,
            batch: Batch::default(),
            answerer: Answerer::default(),
            error: None,
            aborted: false,
            watchdog,
            rearm: false,
            trace: Trace::new(now),
        })
    }

    /// What to do next.
    pub fn step(&mut self, shared: &mut Shared, now: Now) -> Step {
        loop {
            match &self.state {
                State::Token => return Step::Token,
                State::Plan => self.plan(shared, now),
                State::Lookup(model) => {
                    let request = attempt::lookup(&self.settings, model, self.token.as_ref());
                    return Step::Send(Box::new(request));
                }
                State::Attempt => {
                    let Some(target) = self.targets.get(self.at) else {
                        self.fail(Error::boxed(Kind::InvalidResponse, "no_target"), now.monotonic);
                        continue;
                    };
                    self.trace.sent(target, now);
                    self.watchdog.sent(now.monotonic);
                    self.rearm = true;
                    let Some(members) = Members::read(&self.request) else { return Step::Settled };
                    let request = attempt::request(
                        &self.settings,
                        target,
                        &members,
                        self.streamed,
                        self.token.as_ref(),
                    );
                    return Step::Send(Box::new(request));
                }
                State::Reading => return Step::Read,
                State::Settled => return Step::Settled,
            }
        }
    }

    fn plan(&mut self, shared: &mut Shared, now: Now) {
        let Some(members) = Members::read(&self.request) else { return };
        let credential = self.credential();
        if self.offers.is_none() {
            let (model, _) = plan::split_suffix(&self.settings.model);
            let known = shared.mappings.get(model, credential, now.monotonic);
            self.offers = known.map(<[Offer]>::to_vec);
        }
        let planned = plan::plan(
            self.task,
            self.streamed,
            &self.settings,
            &members,
            self.token.as_ref(),
            self.offers.as_deref(),
        );
        match planned {
            Ok(Plan::Lookup { model }) => self.state = State::Lookup(model),
            Ok(Plan::Go(targets)) => {
                self.at = 0;
                if let Some(first) = targets.first() {
                    let known = shared.routes.iter().find(|(url, _)| *url == first.url);
                    self.at = known.map_or(0, |(_, at)| *at).min(targets.len() - 1);
                }
                self.targets = targets;
                self.state = State::Attempt;
            }
            Err(error) => self.fail(error, now.monotonic),
        }
    }

    fn credential(&self) -> u64 {
        self.token.as_ref().filter(|token| token.is_hugging_face()).map_or(0, Secret::fingerprint)
    }

    /// The caller's function has given the token, or none.
    pub fn on_token(&mut self, token: Option<Secret>) {
        if self.state == State::Token {
            self.token = token;
            self.state = State::Plan;
        }
    }

    /// The caller's function has failed.
    pub fn on_token_failure(&mut self, now: Milliseconds) {
        self.fail(Error::boxed(Kind::Authentication, "token_function"), now);
    }

    /// The head of the answer to the request of the last [`Step::Send`] is here.
    pub fn on_head(&mut self, head: Head, shared: &mut Shared, now: Now) -> Reading {
        match &self.state {
            State::Lookup(_) => {
                self.head = head;
                Reading::Whole(attempt::MAX_MAPPING_BYTES)
            }
            State::Attempt => {
                self.trace.headers(head.status, &head.provider, now);
                if let Some(target) = self.targets.get(self.at) {
                    let provider = if head.provider.is_empty() { &target.provider } else { &head.provider };
                    self.answerer = Answerer {
                        provider: provider.clone(),
                        model: self.settings.model.clone(),
                        request_id: head.request_id.clone(),
                    };
                }
                if Kind::from_status(head.status).is_some() {
                    self.head = head;
                    return Reading::Whole(attempt::MAX_ERROR_BYTES);
                }
                if head.content_type.starts_with("text/html") {
                    let mut error = Error::boxed(Kind::InvalidResponse, "markup");
                    error.status = Some(head.status);
                    self.fail(error, now.monotonic);
                    return Reading::Discard;
                }
                self.head = head;
                self.state = State::Reading;
                if self.unknown_route.is_some() {
                    self.remember_route(shared);
                }
                let answerer = &self.answerer;
                self.batch.event(Mark::Start, &|event| answerer.write(event));
                Reading::Stream
            }
            // The call ended while the answer was on its way.
            _ => Reading::Discard,
        }
    }

    /// The body that was to be read whole is here.
    pub fn on_body(&mut self, body: &[u8], shared: &mut Shared, now: Now) {
        let head = std::mem::take(&mut self.head);
        match &self.state {
            State::Lookup(model) => {
                let offers = if head.status == 200 { mapping::read(body) } else { None };
                match offers {
                    Some(offers) => {
                        shared.mappings.put(model, self.credential(), now.monotonic, offers.clone());
                        self.offers = Some(offers);
                        self.state = State::Plan;
                    }
                    // The Hub does not know the model: nobody serves it there.
                    None if head.status == 404 => {
                        self.offers = Some(Vec::new());
                        self.state = State::Plan;
                    }
                    None => {
                        let mut error = attempt::refusal(&head, body, now);
                        error.reason = "mapping";
                        self.fail(error, now.monotonic);
                    }
                }
            }
            State::Attempt => {
                let error = attempt::refusal(&head, body, now);
                // Only an endpoint whose protocol is not known has several targets.
                if matches!(head.status, 404 | 405) && self.at + 1 < self.targets.len() {
                    self.trace.ended("unknown_route", now.monotonic);
                    self.at += 1;
                    self.unknown_route.get_or_insert(error);
                    return;
                }
                // When no route is known, the first one's words are the telling ones: the unknown thing
                // may have been the model.
                let error = match self.unknown_route.take() {
                    Some(first) if matches!(head.status, 404 | 405) => first,
                    _ => error,
                };
                self.fail(error, now.monotonic);
            }
            _ => {}
        }
    }

    fn remember_route(&self, shared: &mut Shared) {
        let Some(first) = self.targets.first() else { return };
        shared.routes.retain(|(url, _)| *url != first.url);
        if shared.routes.len() >= MAX_ROUTES {
            shared.routes.remove(0);
        }
        shared.routes.push((first.url.clone(), self.at));
    }

    /// No answer came: the network failed, or the browser does not let the page have it.
    pub fn on_no_answer(&mut self, now: Milliseconds) {
        let reason = if matches!(self.state, State::Lookup(_)) { "mapping" } else { "no_answer" };
        self.fail(Error::boxed(Kind::Network, reason), now);
    }

    /// Chooses what later pieces put into the batch.
    pub fn want(&mut self, want: Want) {
        let first = self.batch.want() == Want::Nothing && want == Want::Events;
        self.batch.set_want(want);
        if first && self.state == State::Reading {
            let answerer = &self.answerer;
            self.batch.event(Mark::Start, &|event| answerer.write(event));
        }
    }

    /// Takes a piece of the body. The batch then has what it brought.
    pub fn feed(&mut self, bytes: &[u8], now: Milliseconds) -> Progress {
        if self.state != State::Reading {
            return self.progress();
        }
        self.rearm |= self.watchdog.is_due(now);
        let pieces = self.stream.pieces();
        let outcome = self.stream.feed(bytes, &mut self.batch);
        if outcome == Outcome::More && pieces == self.stream.pieces() {
            return Progress::More;
        }
        self.advance(outcome, now)
    }

    /// The body has ended.
    pub fn end(&mut self, now: Milliseconds) -> Progress {
        if self.state != State::Reading {
            return self.progress();
        }
        let outcome = self.stream.end(&mut self.batch);
        self.advance(outcome, now)
    }

    /// The body broke off: the connection was lost.
    pub fn break_off(&mut self, now: Milliseconds) -> Progress {
        if self.state == State::Reading {
            let outcome = self.stream.break_off(&mut self.batch);
            return self.advance(outcome, now);
        }
        self.progress()
    }

    fn advance(&mut self, outcome: Outcome, now: Milliseconds) -> Progress {
        let shown = self.stream.answer.has_output();
        self.rearm |= self.watchdog.progressed(now, shown, self.stream.is_finished());
        if shown {
            self.trace.first_token(now);
        }
        match outcome {
            Outcome::More => return Progress::More,
            Outcome::Complete => {
                settle::close(&mut self.stream.answer, &mut self.batch);
                self.trace.ended("complete", now);
                self.state = State::Settled;
            }
            Outcome::Failed(error) => self.fail(error, now),
        }
        self.progress()
    }

    fn progress(&self) -> Progress {
        match self.state {
            State::Settled if self.error.is_some() || self.aborted => Progress::Failed,
            State::Settled => Progress::Complete,
            _ => Progress::More,
        }
    }

    fn fail(&mut self, error: Box<Error>, now: Milliseconds) {
        if self.state != State::Settled {
            self.stream.answer.release(&mut self.batch);
            self.trace.ended(error.reason, now);
            self.error = Some(error);
            self.state = State::Settled;
        }
    }

    /// The caller wants no more of it.
    pub fn abort(&mut self, now: Milliseconds) {
        if self.state != State::Settled {
            self.stream.answer.release(&mut self.batch);
            self.trace.ended("aborted", now);
            self.aborted = true;
            self.state = State::Settled;
        }
    }

    /// Whether it is over.
    pub fn is_settled(&self) -> bool {
        self.state == State::Settled
    }

    /// Whether the caller's abort ended it.
    pub fn is_aborted(&self) -> bool {
        self.aborted
    }

    /// How long the consumer has been busy with what it had instead of waiting for the service, in all.
    /// To be told before [`Call::feed`] and [`Call::look`].
    pub fn set_busy(&mut self, busy: Milliseconds) {
        self.watchdog.set_busy(busy);
    }

    /// Looks whether a deadline has passed, and settles the call if so. Otherwise: when to look again.
    pub fn look(&mut self, now: Milliseconds) -> Option<Milliseconds> {
        if self.is_settled() {
            return None;
        }
        match self.watchdog.check(now) {
            Look::Again(at) => return Some(at),
            Look::Expired(phase) => {
                let reason = match phase {
                    watchdog::Phase::FirstToken => "first_token",
                    watchdog::Phase::Stall => "stall",
                    watchdog::Phase::Total => "total",
                };
                self.fail(Error::boxed(Kind::Timeout, reason), now);
            }
            Look::TrailerMissing => {
                self.advance(Outcome::Complete, now);
            }
        }
        None
    }

    /// Whether [`Call::look`] is to be called now, because another deadline counts since the last one.
    pub fn takes_look(&mut self) -> bool {
        std::mem::take(&mut self.rearm) && !self.is_settled()
    }

    /// What the last piece brought.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// The batch has been taken.
    pub fn clear_batch(&mut self) {
        self.batch.clear();
    }

    /// The result, as JSON: of a stream, `final()`'s; of a whole chat answer, the service's own
    /// document; of a whole generation, `{ generated_text, details? }`.
    pub fn result(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.streamed {
            match &self.stream.answer {
                stream::Answer::Chat(_) => out.extend_from_slice(self.stream.document()),
                stream::Answer::Generation(generation) => generation.write_output(&mut out),
            }
            return json::well_formed(out);
        }
        let mut object = ObjectWriter::new(&mut out);
        settle::write_result(&self.stream.answer, &self.answerer, &mut object);
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
            let target = self.targets.get(self.at);
            let mut answerer = self.answerer.clone();
            if answerer.provider.is_empty() {
                answerer.provider = target.map_or(&self.settings.provider, |target| &target.provider).clone();
                answerer.model.clone_from(&self.settings.model);
            }
            answerer.write(&mut object);
            if let Some(target) = target {
                object.text("url", super::provider::url::shown(&target.url).as_bytes());
            }
        }
        if self.stream.answer.has_output() {
            let mut partial = ObjectWriter::new(object.key("partial"));
            settle::write_partial(&self.stream.answer, &mut partial);
            partial.end();
        }
        self.trace.write(object.key("trace"));
        object.end();
        json::well_formed(out)
    }
}
