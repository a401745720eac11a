//! Answers that cost no request: a cache's, or that of the same request in flight.
//!
//! Such a call (`Settings::recalls`) has its key looked up before it plans anything, and reads a
//! [tape](super::tape) if there is one. A call that makes one (`Settings::tapes`) is an ordinary call that
//! nobody reads: its driver takes the tape as it grows, and hands it to the calls that do.

use super::leg::Phase;
use super::plan::{self, Task};
use super::stream::Answer;
use super::tape::{self, Tape};
use super::{Call, Shared, Step};
use crate::core::cache::Key;
use crate::core::error::Error;
use crate::core::ports::{Milliseconds, Now};
use crate::core::secret::Secret;
use crate::core::usage::money::{self, Pico};
use crate::core::wire::batch::Want;
use crate::core::wire::chat;
use crate::core::wire::json::{self, ObjectWriter};

/// What was found under a call's key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Found {
    /// Nothing, or nothing that may be used: a request is to be sent.
    Nothing,
    /// A tape that was kept, so long ago.
    Kept(Milliseconds),
    /// The growing tape of a call in flight.
    InFlight,
}

/// What the cache did for a call, for its trace.
#[derive(Clone, Debug, Default)]
pub struct Recalled {
    /// The answer cost no request.
    pub hit: bool,
    /// It is that of another call in flight.
    pub joined: bool,
    /// How old it is.
    pub age: Option<Milliseconds>,
    /// What it cost when it was asked for.
    pub saved: Option<Pico>,
    /// Why it was not found, or not looked for, where there is something to tell.
    pub why: String,
}

impl Recalled {
    /// `{ "hit", "joined"?, "age"?, "savedUsd"?, "why"? }`
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = ObjectWriter::new(out);
        object.bool("hit", self.hit);
        if self.joined {
            object.bool("joined", true);
        }
        if let Some(age) = self.age {
            object.integer("age", age.max(0.0) as u64);
        }
        money::write(&mut object, "savedUsd", self.saved);
        object.text_if("why", self.why.as_bytes());
        object.end();
    }
}

impl Call {
    /// The leg's key is to be looked up, unless nobody knows with whose credential a fallback would answer.
    pub(super) fn recall(&mut self, leg: usize, shared: &mut Shared, now: Now) -> Option<Step> {
        let settings = &self.settings;
        let unknown = self.fallbacks.iter().any(|fallback| fallback.has_token_function);
        if unknown && !settings.shares_answers {
            self.trace.recalled("credentials");
            shared.budget.deposit(now.monotonic);
            return None;
        }
        // Whether the same request gives the same answer, as far as it says so itself: a service's own
        // temperature is not known.
        let deterministic = self.asked("temperature").and_then(json::as_number) == Some(0.0)
            || self.asked("do_sample") == Some(b"false");
        let key = self.key();
        self.legs.get_mut(leg)?.phase = Phase::Recall(deterministic);
        Some(Step::Recall(key, deterministic))
    }

    /// What is asked, of whom, and with which credential. Not who answered: that may be a fallback.
    fn key(&self) -> String {
        let settings = &self.settings;
        let shares = settings.shares_answers;
        let mut key = Key::new(tape::VERSION);
        let order = settings.automatic.map_or(0, |order| order as u8 + 1);
        key.part(&(self.fallbacks.len() as u64).to_be_bytes());
        key.part(&[u8::from(self.task == Task::Generation), u8::from(self.streamed), order]);
        key.part(settings.base_url.as_bytes());
        key.part(settings.bill_to.as_bytes());
        let mut target = |texts: &[&String; 3], token: &Option<Secret>| {
            texts.iter().for_each(|text| key.part(text.as_bytes()));
            let token = token.as_ref().filter(|_| !shares);
            key.part(token.map_or("", Secret::expose).as_bytes());
        };
        target(&[&settings.model, &settings.provider, &settings.endpoint_url], &self.token);
        for fallback in &self.fallbacks {
            target(&[&fallback.model, &fallback.provider, &fallback.endpoint_url], &fallback.token);
        }
        // One part, where those of headers are pairs.
        if let Some(route) = settings.route.as_ref().filter(|route| route.shadow.is_empty()) {
            let mut part = vec![self.legs.first().map_or(0, |leg| leg.candidate as u8)];
            part.extend_from_slice(&route.text);
            key.part(&part);
        }
        // What follows their last is no part: it begins with a brace, and a part with its length.
        for (name, value) in &settings.headers {
            if !shares || !plan::is_confidential(name) {
                key.part(name.as_bytes());
                key.part(value.as_bytes());
            }
        }
        key.of_request(&self.request)
    }

    /// What was found under the key of [`Step::Recall`]. When something was, the driver feeds the tape to the
    /// leg as it would a body.
    pub fn on_recalled(&mut self, leg: usize, found: Found, shared: &mut Shared, now: Now) {
        let Some(own) = self.legs.get_mut(leg).filter(|_| !self.settled) else { return };
        let Phase::Recall(deterministic) = own.phase else { return };
        if found == Found::Nothing {
            own.phase = Phase::Plan;
            self.trace.recalled(if deterministic { "" } else { "temperature" });
            shared.budget.deposit(now.monotonic);
            return;
        }
        own.phase = Phase::Reading;
        own.stream.tape = Some(Box::new(Tape::default()));
        own.watchdog.rests();
        own.batch.set_want(self.batch.want());
        if self.batch.want() != Want::Nothing {
            own.stream.hold_nothing();
        }
        let age = if let Found::Kept(age) = found { Some(age) } else { None };
        let joined = found == Found::InFlight;
        self.trace.cache = Some(Box::new(Recalled { hit: true, joined, age, ..Recalled::default() }));
        self.rearm = true;
    }

    /// Whether the answer is a tape's: no request was sent for it, and nobody is billed.
    pub fn is_recalled(&self) -> bool {
        self.trace.cache.as_ref().is_some_and(|cache| cache.hit)
    }

    /// Whether the leg reads a tape.
    pub(super) fn plays(&self, leg: usize) -> bool {
        self.legs.get(leg).is_some_and(|leg| leg.stream.tape.is_some())
    }

    /// What fails there is not tried again: a call in flight has had its retries. A tape that was kept, and
    /// cannot be read, is as good as none while nothing of it was shown.
    pub(super) fn tape_failed(&mut self, leg: usize, error: Box<Error>, shared: &mut Shared, now: Now) {
        let kept = self.trace.cache.as_ref().is_some_and(|cache| cache.age.is_some());
        match self.legs.get_mut(leg) {
            Some(own) if kept && !own.stream.answer.has_output() && self.leader.is_none() => {
                own.stream.restart();
                own.batch.clear();
                own.phase = Phase::Plan;
                self.trace.recalled("corrupt");
                shared.budget.deposit(now.monotonic);
            }
            _ => self.fail(error, shared, now),
        }
    }

    /// Notes something on the tape, behind what has come of the answer.
    pub(super) fn note(&mut self, name: &str, fill: &dyn Fn(&mut ObjectWriter<'_>)) {
        self.tape_answer();
        self.note_before(name, fill);
    }

    /// Notes something on the tape, before what has come of the answer.
    pub(super) fn note_before(&mut self, name: &str, fill: &dyn Fn(&mut ObjectWriter<'_>)) {
        if self.settings.tapes {
            let mut data = Vec::new();
            let mut object = ObjectWriter::new(&mut data);
            fill(&mut object);
            object.end();
            tape::write(&mut self.tape, name, &data);
        }
    }

    /// Puts what has come of the answer on the tape.
    pub(super) fn tape_answer(&mut self) {
        if !self.settings.tapes {
            return;
        }
        let leader = self.leader.and_then(|leader| self.legs.get_mut(leader));
        for event in leader.map(|leg| leg.stream.take_held()).unwrap_or_default() {
            let name = if event.is_empty() { "resume" } else { "" };
            tape::write(&mut self.tape, name, &event);
        }
    }

    /// What the tape has gained. Its end is there once, when the call is complete, and says whether the answer
    /// may be given again.
    pub fn take_tape(&mut self) -> Vec<u8> {
        self.tape_answer();
        if self.is_complete() && !std::mem::replace(&mut self.tape_ended, true) {
            let document = self.stream().map_or(&[][..], |stream| stream.document()).to_vec();
            if let Some(usd) = self.spending.usd() {
                self.note_before("cost", &|event| money::write(event, "usd", Some(usd)));
            }
            let (name, data) =
                if document.is_empty() { ("", &b"[DONE]"[..]) } else { ("document", &document[..]) };
            tape::write(&mut self.tape, name, data);
            if self.is_keepable() {
                self.tape.extend_from_slice(tape::KEEPABLE);
            }
        }
        json::well_formed(std::mem::take(&mut self.tape))
    }

    fn is_complete(&self) -> bool {
        self.settled && self.error.is_none() && !self.aborted
    }

    /// Whether the answer may be given again: it is complete, in one piece, and ended because the model or
    /// the request said so. One that the service cut at a length of its own choice may be longer next time.
    pub fn is_keepable(&self) -> bool {
        if !self.is_complete() || self.continued.is_some() {
            return false;
        }
        let bounded = ["max_tokens", "max_completion_tokens", "max_new_tokens"]
            .iter()
            .any(|name| self.asked(name).is_some());
        let fits = |reason: &[u8]| match chat::normalised(reason) {
            "stop" | "tool_calls" => true,
            "length" => bounded,
            // TGI's short form does not tell.
            _ => bounded && reason.is_empty() && self.task == Task::Generation,
        };
        match self.stream().map(|stream| &stream.answer) {
            Some(Answer::Chat(chat)) => {
                chat.is_all_finished() && chat.choices().iter().all(|choice| fits(&choice.finish_reason))
            }
            Some(Answer::Generation(generation)) => fits(generation.finish_reason()),
            None => false,
        }
    }

    /// A parameter of the request, wherever it may stand.
    fn asked(&self, name: &str) -> Option<&[u8]> {
        let parameters = || json::member(json::member(&self.request, "parameters")?, name);
        json::member(&self.request, name).or_else(parameters)
    }
}
