//! Chat completions: a whole answer, or a stream of chunks, read into one growing answer.
//!
//! The shapes are OpenAI's; the deviations of the services that Hugging Face routes to are many, and
//! the reader takes them all without asking who sent them.

mod choice;
mod delta;
mod tool_call;

pub use self::choice::{Choice, normalised};
pub use self::delta::as_chunk;
pub use self::tool_call::{MAX_ARGUMENTS_BYTES, MAX_TOOL_CALLS, ToolCall};

use self::delta::{Delta, read_choice};
use super::batch::Batch;
use super::json::{self, Invalid, Kind, Reader, Text};
use super::pattern::{Known, Pattern};
use super::problem::Problem;
use super::think::ThinkTags;

/// Values of a chunk's `error` that mean none.
const NO_ERROR: &[&str] = &["null", "\"\"", "{}", "false"];
/// The members of a chunk that are read.
const MEMBERS: &[&str] =
    &["choices", "usage", "x_groq", "error", "object", "message", "detail", "id", "model"];
/// The longest answer, in bytes: text, reasoning and arguments of all choices together.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// The most choices (`n`) of one answer.
const MAX_CHOICES: usize = 128;

/// Why a chunk could not be taken.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// It is not JSON, or not an object.
    Invalid,
    /// It is an error of the service, sent with HTTP status 200.
    Service(Box<Problem>),
    /// It grew beyond a limit; the words say which.
    TooLarge(&'static str),
    /// The closing event's text is not that of the tokens before it.
    Mismatch,
}

impl From<Invalid> for Fault {
    fn from(_: Invalid) -> Fault {
        Fault::Invalid
    }
}

/// The growing answer.
#[derive(Debug, Default)]
pub struct Answer {
    /// The service's name for the answer.
    pub id: Vec<u8>,
    /// The model that the service says answered.
    pub model: Vec<u8>,
    /// The `usage` object as the service wrote it; empty when it has not come.
    pub usage: Vec<u8>,
    /// Keep from the consumer the chunk that has no choices but the usage: it was asked for on the
    /// caller's behalf, and code that reads `choices[0]` does not expect it.
    pub quiet_usage: bool,
    /// Take `<think>…</think>` at the start of an answer's text for reasoning.
    pub think_tags: bool,
    /// How many choices were asked for (`n`).
    pub expected_choices: usize,
    choices: Vec<Choice>,
    /// What the last chunk brought, when that was words of one choice and nothing else.
    words: Option<Words>,
    /// The bytes of text, reasoning and arguments.
    size: usize,
}

/// Words of one choice.
#[derive(Clone, Copy, Debug)]
struct Words {
    /// Where the choice stands.
    at: usize,
    is_reasoning: bool,
}

impl Answer {
    /// An empty one that reads in the same way.
    pub fn anew(&self) -> Answer {
        Answer {
            quiet_usage: self.quiet_usage,
            think_tags: self.think_tags,
            expected_choices: self.expected_choices,
            ..Answer::default()
        }
    }

    /// Takes one chunk of a stream, or a whole answer, and puts what it brings into `batch`. A chunk
    /// that is not valid to its end brings nothing. Gives the one string that it brought, if that is all: a
    /// chunk which is the same but for that string brings the same again, but for the string
    /// ([`Answer::take_words`]).
    pub fn take<'a>(&mut self, chunk: &'a [u8], batch: &mut Batch) -> Result<Option<Text<'a>>, Fault> {
        let mut json = Reader::new(chunk);
        if json.kind()? != Kind::Object {
            return Err(Fault::Invalid);
        }
        json.object()?;
        let mut usage = None;
        let mut fallback_usage = None;
        let mut failed = false;
        let (mut message, mut detail) = (None, None);
        // `None` without an array of choices, otherwise whether it has any.
        let mut choices = None;
        // Nearly every chunk speaks of one choice.
        let mut delta = None;
        let mut others = Vec::new();
        while let Some(key) = json.key()? {
            match key.which(MEMBERS) {
                Some(0) if json.kind()? == Kind::Array => {
                    choices = Some(false);
                    json.array()?;
                    let mut position = 0;
                    while json.element()? {
                        choices = Some(true);
                        if position >= MAX_CHOICES as u64 {
                            return Err(Fault::TooLarge("choices"));
                        }
                        if json.kind()? == Kind::Object {
                            let next = read_choice(&mut json, position)?;
                            others.extend(delta.replace(next));
                        } else {
                            json.skip()?;
                        }
                        position += 1;
                    }
                }
                Some(1) => usage = Some(json.skip()?).filter(|usage| usage.starts_with(b"{")),
                Some(2) => fallback_usage = json::member(json.skip()?, "usage"),
                Some(3) => {
                    let error = json.skip()?;
                    failed |= !NO_ERROR.iter().any(|none| none.as_bytes() == error);
                }
                // Old vLLM sends its errors as `{"object":"error","message":…}`.
                Some(4) => failed |= json.text_or_skip()?.is_some_and(|object| object.is("error")),
                Some(5) => message = Some(json.skip()?),
                Some(6) => detail = Some(json.skip()?),
                Some(name @ (7 | 8)) => {
                    let place = if name == 7 { &mut self.id } else { &mut self.model };
                    if let Some(text) = json.text_or_skip()?.filter(|_| place.is_empty()) {
                        *place = text.to_bytes();
                    }
                }
                _ => {
                    json.skip()?;
                }
            }
        }
        json.end()?;
        if failed || choices.is_none() && Problem::is_told_by(message, detail) {
            return Err(Fault::Service(Box::new(Problem::read(chunk))));
        }
        self.words = None;
        let mut words = None;
        for delta in others.iter().chain(&delta) {
            let at = self.apply(delta, batch)?;
            words = delta.words().filter(|_| others.is_empty());
            self.words = words.map(|(_, is_reasoning)| Words { at, is_reasoning });
        }
        if let Some(usage) = usage.or(fallback_usage) {
            self.usage.clear();
            self.usage.extend_from_slice(usage);
        }
        match choices {
            Some(false) if self.quiet_usage && usage.is_some() => {}
            Some(_) => batch.chunk(chunk),
            None => batch.chunk_without_choices(chunk),
        }
        Ok(words.map(|(text, _)| text))
    }

    /// Takes a chunk that fits the `pattern` of the last one: the same but for the words that it brings.
    pub fn take_words(
        &mut self,
        known: &Known<'_>,
        pattern: &mut Pattern,
        batch: &mut Batch,
    ) -> Result<(), Fault> {
        let Some(Words { at, is_reasoning }) = self.words else {
            return self.take(known.data, batch).map(|_| ());
        };
        self.grow(at, batch, &|choice, batch| {
            choice.add_words(known.text, is_reasoning, batch);
            Ok(())
        })?;
        batch.chunk_again(pattern, known);
        Ok(())
    }

    /// The choices so far, in the order in which they appeared.
    pub fn choices(&self) -> &[Choice] {
        &self.choices
    }

    /// The first choice, which the flat results speak of.
    pub fn first(&self) -> Option<&Choice> {
        self.choices.iter().find(|choice| choice.index == 0).or(self.choices.first())
    }

    /// Whether every choice that began has said why it ended.
    pub fn is_finished(&self) -> bool {
        !self.choices.is_empty() && self.choices.iter().all(|choice| !choice.finish_reason.is_empty())
    }

    /// Whether nothing but trailing words can be missing: every choice that was asked for has ended.
    /// (llama.cpp sends the second choice, finish and all, before the first one's last words.)
    pub fn is_all_finished(&self) -> bool {
        self.is_finished() && self.choices.len() >= self.expected_choices
    }

    /// Whether the reader of the answer has been shown anything.
    pub fn has_output(&self) -> bool {
        self.choices.iter().any(|choice| {
            !choice.text.is_empty() || !choice.reasoning.is_empty() || !choice.tool_calls.is_empty()
        })
    }

    /// The answer failed: tells what was held back.
    pub fn release(&mut self, batch: &mut Batch) {
        let told = self.told();
        for (position, choice) in self.choices.iter_mut().enumerate() {
            choice.release(told == Some(position), batch);
        }
    }

    /// Nothing more will come: half characters are given up, tool calls are complete.
    pub fn settle(&mut self, batch: &mut Batch) {
        let told = self.told();
        for (position, choice) in self.choices.iter_mut().enumerate() {
            choice.settle(told == Some(position), batch);
        }
    }

    /// Where the choice stands that the consumer hears of: number 0, or where none has that number, at the
    /// end, the first.
    fn told(&self) -> Option<usize> {
        let zero = self.choices.iter().position(|choice| choice.index == 0);
        zero.or((!self.choices.is_empty()).then_some(0))
    }

    /// Whether all that has come is text of one choice, so that a model can be asked to go on behind it.
    pub fn can_continue(&self) -> bool {
        matches!(self.choices.as_slice(), [choice]
            if !choice.text.is_empty() && choice.reasoning.is_empty() && choice.tool_calls.is_empty())
    }

    /// The answer broke off, and what comes next continues it.
    pub fn resume(&mut self) {
        // What it told of its tokens was for the part that came.
        self.usage.clear();
        self.choices.iter_mut().for_each(Choice::resume);
    }

    /// Gives where the choice stands.
    fn apply(&mut self, delta: &Delta<'_>, batch: &mut Batch) -> Result<usize, Fault> {
        let index = delta.index;
        let at = match self.choices.iter().position(|choice| choice.index == index) {
            Some(at) => at,
            None if self.choices.len() >= MAX_CHOICES => return Err(Fault::TooLarge("choices")),
            None => {
                let think = if self.think_tags { ThinkTags::at_start() } else { ThinkTags::default() };
                self.choices.push(Choice::new(index, think));
                self.choices.len() - 1
            }
        };
        self.grow(at, batch, &|choice, batch| choice.apply(delta, batch))?;
        Ok(at)
    }

    fn grow(
        &mut self,
        at: usize,
        batch: &mut Batch,
        add: &dyn Fn(&mut Choice, &mut Batch) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let Some(choice) = self.choices.get_mut(at) else { return Ok(()) };
        let before = choice.size;
        add(choice, batch)?;
        self.size += choice.size - before;
        if self.size > MAX_ANSWER_BYTES { Err(Fault::TooLarge("answer")) } else { Ok(()) }
    }
}
