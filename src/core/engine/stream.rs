//! Reading one answer's body: what format it is, when it is complete, and what it brings.

use std::ops::ControlFlow;

use super::plan::Task;
use super::tape::{self, Tape};
use crate::core::error::{Error, Kind};
use crate::core::wire::batch::Batch;
use crate::core::wire::chat::{self, Fault};
use crate::core::wire::generation::Generation;
use crate::core::wire::json::{self, Text};
use crate::core::wire::pattern::Pattern;
use crate::core::wire::problem::{self, Problem};
use crate::core::wire::sse;

/// How much white space is kept before anything is said, in bytes.
const MAX_WHITE_SPACE: usize = 4_096;

/// What a piece of the body led to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Read on.
    More,
    /// The service has said that the answer is complete; nothing more is to be read.
    Complete,
    /// The answer failed.
    Failed(Box<Error>),
}

/// The body's format. Services mislabel it, so its first significant byte decides, not the header.
#[derive(Debug)]
enum Format {
    /// White space and the start of a byte-order mark, which could still be anything.
    Unknown(Vec<u8>),
    Events(Box<sse::Parser>),
    Document(Vec<u8>),
}

/// The answer as far as it has been read.
#[derive(Debug)]
pub enum Answer {
    /// Of a chat completion.
    Chat(chat::Answer),
    /// Of a text generation.
    Generation(Box<Generation>),
}

impl Answer {
    fn new(task: Task) -> Answer {
        match task {
            Task::Chat => Answer::Chat(chat::Answer::default()),
            Task::Generation => Answer::Generation(Box::default()),
        }
    }

    /// The body broke off, and what comes next continues it.
    pub fn resume(&mut self) {
        match self {
            Answer::Chat(answer) => answer.resume(),
            Answer::Generation(generation) => generation.resume(),
        }
    }

    /// An empty one that reads in the same way.
    pub fn anew(&self) -> Answer {
        match self {
            Answer::Chat(chat) => Answer::Chat(chat.anew()),
            Answer::Generation(_) => Answer::Generation(Box::default()),
        }
    }

    /// Takes an event's data. Gives the string that was all that it brought, if it was one.
    fn take<'a>(&mut self, message: &'a [u8], batch: &mut Batch) -> Result<Option<Text<'a>>, Fault> {
        match self {
            Answer::Chat(answer) => answer.take(message, batch),
            Answer::Generation(generation) => generation.take(message, batch).map(|()| None),
        }
    }

    fn is_finished(&self) -> bool {
        match self {
            Answer::Chat(answer) => answer.is_finished(),
            Answer::Generation(generation) => generation.is_finished(),
        }
    }

    /// It failed: what was held back because more could have come to it is told, and is part of what had come.
    pub fn release(&mut self, batch: &mut Batch) {
        match self {
            Answer::Chat(answer) => answer.release(batch),
            Answer::Generation(generation) => generation.release(batch),
        }
    }

    /// Whether all that has come is text, so that a model can be asked to go on behind it.
    pub fn can_continue(&self) -> bool {
        match self {
            Answer::Chat(answer) => answer.can_continue(),
            Answer::Generation(generation) => generation.can_continue(),
        }
    }

    /// What has come of the first choice's text.
    pub fn text(&self) -> &[u8] {
        match self {
            Answer::Chat(answer) => answer.first().map_or(&[], |choice| &choice.text),
            Answer::Generation(generation) => generation.text(),
        }
    }

    /// The `usage` object as the service wrote it; empty when it has not come.
    pub fn usage(&self) -> &[u8] {
        match self {
            Answer::Chat(answer) => &answer.usage,
            Answer::Generation(generation) => generation.usage(),
        }
    }

    /// The tokens of the answer, where TGI's own protocol tells them.
    pub fn generated_tokens(&self) -> Option<f64> {
        match self {
            Answer::Chat(_) => None,
            Answer::Generation(generation) => generation.generated_tokens(),
        }
    }

    /// Whether the consumer has been shown anything of it.
    pub fn has_output(&self) -> bool {
        match self {
            Answer::Chat(answer) => answer.has_output(),
            Answer::Generation(generation) => generation.has_output(),
        }
    }
}

/// Reads one body.
#[derive(Debug)]
pub struct Stream {
    /// Whether a stream was asked for; if not, one JSON document is expected.
    streamed: bool,
    format: Format,
    /// What has been read.
    pub answer: Answer,
    /// Pieces of the answer that came: events with data, or stretches of a document. Comments are
    /// none.
    pieces: u64,
    /// The events so far, while nobody has said how the answer is to be read.
    held: Option<Held>,
    /// What is read is a tape.
    pub tape: Option<Box<Tape>>,
    /// What the events have in common.
    pattern: Pattern,
    /// The sum of the log-probabilities of the first choice's tokens, and how many there were, if that is of interest.
    pub logprobs: Option<(f64, f64)>,
}

/// Events that are kept for a consumer who has yet to come.
#[derive(Debug, Default)]
pub struct Held {
    /// In order; an empty one where a body broke off and another continued the answer.
    pub events: Vec<Vec<u8>>,
    size: usize,
}

impl Stream {
    /// A reader for the answer to `task`. `quiet_usage` keeps from the consumer of chunks the extra
    /// chunk with the token counts that it did not ask for; `expected_choices` is the request's `n`.
    pub fn new(task: Task, streamed: bool, quiet_usage: bool, expected_choices: usize) -> Stream {
        let mut answer = Answer::new(task);
        if let Answer::Chat(chat) = &mut answer {
            chat.quiet_usage = quiet_usage;
            chat.expected_choices = expected_choices;
        }
        let held = streamed.then(Held::default);
        let (format, pattern) = (Format::Unknown(Vec::new()), Pattern::default());
        Stream { streamed, format, answer, pieces: 0, held, pattern, tape: None, logprobs: None }
    }

    /// A reader for another answer to the same request.
    pub fn anew(&self) -> Stream {
        let format = Format::Unknown(Vec::new());
        let held = self.held.is_some().then(Held::default);
        let (answer, pattern) = (self.answer.anew(), Pattern::default());
        let logprobs = self.logprobs.map(|_| Default::default());
        Stream { streamed: self.streamed, format, answer, pieces: 0, held, pattern, tape: None, logprobs }
    }

    /// A consumer has come: what came before is put into its batch, and nothing is kept any more.
    pub fn replay(&mut self, batch: &mut Batch) {
        let Some(held) = self.held.take() else { return };
        if let Format::Document(document) = &mut self.format {
            let document = std::mem::take(document);
            // Nothing of a document is told before its end.
            if self.answer.has_output() || self.answer.is_finished() {
                self.answer = self.answer.anew();
                let _ = self.take_document(&document, batch);
            }
            self.format = Format::Document(document);
            return;
        }
        self.answer = self.answer.anew();
        for event in &held.events {
            // Here the body broke off, and another continued it.
            if event.is_empty() {
                self.answer.release(batch);
                self.answer.resume();
            }
            let _ = self.answer.take(event, batch);
        }
    }

    /// The consumer is there from the start.
    pub fn hold_nothing(&mut self) {
        self.held = None;
    }

    /// Takes the events that are kept.
    pub fn take_held(&mut self) -> Vec<Vec<u8>> {
        self.held.as_mut().map(std::mem::take).unwrap_or_default().events
    }

    /// Forgets the answer: another attempt will bring it.
    pub fn restart(&mut self) {
        *self = self.anew();
    }

    /// The body broke off; another continues the answer.
    pub fn resume(&mut self) {
        self.format = Format::Unknown(Vec::new());
        self.pattern = Pattern::default();
        if let Some(held) = &mut self.held {
            held.events.push(Vec::new());
        }
        self.answer.resume();
    }

    /// Whether the service has said why it ended, so that only trailing words are missing.
    pub fn is_finished(&self) -> bool {
        match &self.answer {
            Answer::Chat(answer) => answer.is_all_finished(),
            Answer::Generation(generation) => generation.is_finished(),
        }
    }

    /// How many pieces of the answer have come. Keep-alives do not count.
    pub fn pieces(&self) -> u64 {
        self.pieces
    }

    /// Takes a stretch of the body.
    pub fn feed(&mut self, bytes: &[u8], batch: &mut Batch) -> Outcome {
        let outcome = self.read(bytes, batch);
        self.told(outcome, batch)
    }

    fn told(&mut self, outcome: Outcome, batch: &mut Batch) -> Outcome {
        if matches!(outcome, Outcome::Failed(_)) {
            self.answer.release(batch);
        }
        outcome
    }

    fn read(&mut self, bytes: &[u8], batch: &mut Batch) -> Outcome {
        if let Format::Unknown(start) = &mut self.format {
            start.extend_from_slice(bytes);
            let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
            let is_mark = !text.is_empty() && b"\xef\xbb\xbf".starts_with(text);
            let format = match text.first() {
                None => {
                    if start.len() > MAX_WHITE_SPACE {
                        start.clear();
                    }
                    return Outcome::More;
                }
                Some(_) if is_mark => return Outcome::More,
                Some(_) if self.tape.is_some() => {
                    Format::Events(Box::new(sse::Parser::with_limit(tape::MAX_EVENT_BYTES)))
                }
                Some(b'<') => return failed(Kind::InvalidResponse, "markup"),
                Some(b'{' | b'[' | b'"') => Format::Document(Vec::new()),
                Some(_) if self.streamed => Format::Events(Box::default()),
                Some(_) => Format::Document(Vec::new()),
            };
            let start = match format {
                Format::Document(_) => text.to_vec(),
                _ => std::mem::take(start),
            };
            self.format = format;
            return self.read(&start, batch);
        }
        match &mut self.format {
            Format::Unknown(_) => Outcome::More,
            Format::Document(document) => {
                let length = document.len() + bytes.len();
                if length > document.capacity() {
                    // Doubled, but not beyond what may come.
                    let room = (length * 2).min(length.max(chat::MAX_ANSWER_BYTES + 65_536));
                    document.reserve_exact(room - document.len());
                }
                document.extend_from_slice(bytes);
                self.pieces += 1;
                if document.len() > chat::MAX_ANSWER_BYTES {
                    return failed(Kind::ResponseTooLarge, "answer");
                }
                Outcome::More
            }
            Format::Events(parser) => {
                let (answer, pieces, held) = (&mut self.answer, &mut self.pieces, &mut self.held);
                let (pattern, tape, logprobs) = (&mut self.pattern, &mut self.tape, &mut self.logprobs);
                let mut rest = bytes;
                loop {
                    if let (true, None, Answer::Chat(chat)) =
                        (parser.is_between_events(), &held, &mut *answer)
                    {
                        while let Some(known) = pattern.read(rest) {
                            *pieces += 1;
                            if let Err(fault) = chat.take_words(&known, pattern, batch) {
                                return Outcome::Failed(explain(fault, true, known.data));
                            }
                            rest = known.rest;
                        }
                    }
                    let mut outcome = Outcome::More;
                    let fed = parser.feed(rest, &mut |event| {
                        *pieces += 1;
                        let words;
                        (outcome, words) = take_event(answer, event, held, tape, batch);
                        pattern.forget();
                        add_logprobs(logprobs, event.data);
                        match words
                            .filter(|_| held.is_none() && logprobs.is_none() && !event.whole.is_empty())
                        {
                            Some(words) => {
                                pattern.learn(event.whole, event.data.trim_ascii(), words.raw());
                                ControlFlow::Break(())
                            }
                            None => flow(&outcome),
                        }
                    });
                    match fed {
                        Ok(Some(left)) if outcome == Outcome::More => rest = left,
                        Ok(_) if tape.as_ref().is_some_and(|tape| tape.document.is_some()) => {
                            return self.take_taped_document(batch);
                        }
                        Ok(_) => return outcome,
                        Err(sse::TooLarge) => return failed(Kind::ResponseTooLarge, "event"),
                    }
                }
            }
        }
    }

    /// The body has ended.
    pub fn end(&mut self, batch: &mut Batch) -> Outcome {
        let outcome = match self.finish(batch) {
            // Some services ignore `n`: at a clean end, what has begun and ended is all there is.
            Outcome::More if self.answer.is_finished() => Outcome::Complete,
            Outcome::More => failed(Kind::Truncated, "no_end"),
            outcome => outcome,
        };
        self.told(outcome, batch)
    }

    /// The body broke off. What had come by then may be complete all the same.
    pub fn break_off(&mut self, batch: &mut Batch) -> Outcome {
        let outcome = match self.finish(batch) {
            Outcome::Complete => Outcome::Complete,
            Outcome::More if self.is_finished() => Outcome::Complete,
            _ if self.answer.has_output() => failed(Kind::StreamInterrupted, "connection_lost"),
            _ => failed(Kind::Network, "connection_lost"),
        };
        self.told(outcome, batch)
    }

    /// Takes what the end of the body left unended. `More` when the service has not said that it was all.
    fn finish(&mut self, batch: &mut Batch) -> Outcome {
        match &mut self.format {
            Format::Unknown(_) => {
                let mut error = Error::boxed(Kind::InvalidResponse, "empty");
                // The answer broke off before it began.
                error.retryable = self.streamed;
                Outcome::Failed(error)
            }
            Format::Document(document) => {
                let document = std::mem::take(document);
                let outcome = self.take_document(&document, batch);
                self.format = Format::Document(document);
                outcome
            }
            Format::Events(parser) => {
                let mut outcome = Outcome::More;
                let answer = &mut self.answer;
                let is_stream = parser.is_recognised();
                let held = &mut self.held;
                let tape = &mut self.tape;
                let logprobs = &mut self.logprobs;
                let _ = parser.finish(&mut |event| {
                    add_logprobs(logprobs, event.data);
                    (outcome, _) = take_event(answer, event, held, tape, batch);
                    flow(&outcome)
                });
                match outcome {
                    _ if tape.as_ref().is_some_and(|tape| tape.document.is_some()) => {
                        self.take_taped_document(batch)
                    }
                    // Half an event at the end is not wrong JSON of the service but a cut. What it cut off
                    // may have been trailing words only.
                    Outcome::Failed(error) if error.reason == "not_json" && self.is_finished() => {
                        Outcome::Complete
                    }
                    Outcome::Failed(error) if error.reason == "not_json" && is_stream => {
                        failed(Kind::Truncated, "cut_event")
                    }
                    Outcome::More if !is_stream => failed(Kind::InvalidResponse, "unknown_shape"),
                    other => other,
                }
            }
        }
    }

    /// The whole answer was on the tape, in one piece.
    fn take_taped_document(&mut self, batch: &mut Batch) -> Outcome {
        let document = self.tape.as_mut().and_then(|tape| tape.document.take()).unwrap_or_default();
        let outcome = self.take_document(&document, batch);
        self.format = Format::Document(document);
        outcome
    }

    fn take_document(&mut self, document: &[u8], batch: &mut Batch) -> Outcome {
        let chunk = match &self.answer {
            Answer::Chat(_) if self.streamed => chat::as_chunk(document),
            _ => None,
        };
        add_logprobs(&mut self.logprobs, document);
        if let Err(fault) = self.answer.take(chunk.as_deref().unwrap_or(document), batch) {
            return Outcome::Failed(explain(fault, false, document));
        }
        let has_answer = match &self.answer {
            Answer::Chat(answer) => !answer.choices().is_empty(),
            Answer::Generation(generation) => generation.is_finished() || generation.has_output(),
        };
        if has_answer { Outcome::Complete } else { failed(Kind::InvalidResponse, "no_choices") }
    }

    /// The whole answer as the service wrote it; empty unless it was one JSON document.
    pub fn document(&self) -> &[u8] {
        match &self.format {
            Format::Document(document) => document,
            _ => &[],
        }
    }
}

/// Adds what a message tells of the tokens of a chat's first choice.
fn add_logprobs(logprobs: &mut Option<(f64, f64)>, message: &[u8]) {
    let Some((sum, count)) = logprobs else { return };
    let choice = json::member(message, "choices").and_then(json::first).unwrap_or_default();
    let told = json::member(choice, "logprobs").unwrap_or_default();
    for token in json::elements(json::member(told, "content").unwrap_or_default()) {
        if let Some(logprob) = json::number_member(token, "logprob") {
            *sum += logprob;
            *count += 1.0;
        }
    }
}

fn failed(kind: Kind, reason: &'static str) -> Outcome {
    Outcome::Failed(Error::boxed(kind, reason))
}

fn flow(outcome: &Outcome) -> sse::Flow {
    if *outcome == Outcome::More { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

/// Gives also the string that was all that the event brought, if it was one.
fn take_event<'a>(
    answer: &mut Answer,
    event: sse::Event<'a>,
    held: &mut Option<Held>,
    tape: &mut Option<Box<Tape>>,
    batch: &mut Batch,
) -> (Outcome, Option<Text<'a>>) {
    if let Some(tape) = tape.as_mut().filter(|_| !event.name.is_empty()) {
        return (tape.take(event, answer, held, batch), None);
    }
    let data = event.data.trim_ascii();
    if data == b"[DONE]" {
        return (Outcome::Complete, None);
    }
    if event.name == b"error" {
        let error = from_service(Problem::read(data), answer.has_output());
        return (Outcome::Failed(error), None);
    }
    if data.is_empty() {
        return (Outcome::More, None);
    }
    // Before it is taken: one that fails may have brought something first.
    if let Some(held) = held {
        held.size += data.len();
        if held.size > chat::MAX_ANSWER_BYTES {
            return (failed(Kind::ResponseTooLarge, "answer"), None);
        }
        held.events.push(data.to_vec());
    }
    match answer.take(data, batch) {
        // TGI's own stream has no `[DONE]`: its last event says so itself. A tape always has.
        Ok(words) => match answer {
            Answer::Generation(generation) if generation.text_is_final() && tape.is_none() => {
                (Outcome::Complete, None)
            }
            _ => (Outcome::More, words),
        },
        Err(fault) => (Outcome::Failed(explain(fault, answer.has_output(), data)), None),
    }
}

fn explain(fault: Fault, shown: bool, bytes: &[u8]) -> Box<Error> {
    match fault {
        Fault::Invalid => {
            let reason = if problem::looks_like_markup(bytes) {
                "markup"
            } else if json::is_valid(bytes) {
                "unknown_shape"
            } else {
                "not_json"
            };
            Error::boxed(Kind::InvalidResponse, reason)
        }
        Fault::Mismatch => Error::boxed(Kind::InvalidResponse, "text_mismatch"),
        Fault::TooLarge(what) => Error::boxed(Kind::ResponseTooLarge, what),
        Fault::Service(problem) => from_service(*problem, shown),
    }
}

/// Whether TGI says that the request is wrong: by its error types, or on its OpenAI routes, where every
/// error has the same status, by how its words begin.
fn is_of_the_request(problem: &Problem) -> bool {
    const TYPES: &[&str] = &["validation", "template_error", "tool_error", "missing_template_variable"];
    const WORDS: &[&str] = &["Input validation error:", "Template error:", "Tool error:"];
    TYPES.contains(&problem.code.as_str()) || WORDS.iter().any(|words| problem.message.starts_with(words))
}

/// An error object sent with status 200. Its code, where it is a status, says what kind it is; TGI's
/// `http_status_code` is always 422 whatever the cause, and is not looked at.
fn from_service(problem: Problem, shown: bool) -> Box<Error> {
    let status = json::decimal(problem.code.as_bytes()).map(|code| code as u16);
    let status = status.filter(|code| (400..600).contains(code));
    let kind = match (shown, status.and_then(Kind::from_status)) {
        (true, _) => Kind::StreamInterrupted,
        (false, Some(kind)) => kind,
        (false, None) if problem.code.starts_with("rate_limit") => Kind::RateLimit,
        (false, None) if is_of_the_request(&problem) => Kind::Input,
        (false, None) => Kind::Server,
    };
    let mut error = Error::boxed(kind, "error_in_stream");
    error.message = problem.message;
    error.service_code = problem.code;
    error.status = status;
    error
}
