//! One choice of an answer, grown from its deltas.

use super::tool_call::ToolCall;
use super::{Delta, Fault};
use crate::core::wire::batch::{Batch, Mark, Want};
use crate::core::wire::json::{self, Partial, Reader, Surrogate, Text};
use crate::core::wire::seam::Seam;
use crate::core::wire::think::ThinkTags;

/// One choice of an answer (`n` > 1 asks for several).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Its number.
    pub index: u64,
    /// The answer, UTF-8.
    pub text: Vec<u8>,
    /// The reasoning before it, UTF-8.
    pub reasoning: Vec<u8>,
    /// Why the model would not answer, in its words; UTF-8.
    pub refusal: Vec<u8>,
    /// The calls it makes.
    pub tool_calls: Vec<ToolCall>,
    /// Why it ended, in the service's word; empty while it has not.
    pub finish_reason: Vec<u8>,
    /// The bytes of its text, reasoning and arguments.
    pub(super) size: usize,
    text_carry: Surrogate,
    reasoning_carry: Surrogate,
    think: ThinkTags,
    /// Joins what comes to what came before the answer broke off.
    seam: Seam,
    /// It was told at the end, although its number is not 0.
    told_late: bool,
    /// Reads the text as JSON while it grows, and how much of it that has read.
    partial: Option<Box<Partial>>,
    read: usize,
}

impl Choice {
    /// A choice that has just begun.
    pub(super) fn new(index: u64, think: ThinkTags) -> Choice {
        Choice { index, think, ..Choice::default() }
    }

    /// Whether the consumer is shown its deltas. Only one choice can be told as a story.
    pub(super) fn shown(&self) -> bool {
        self.index == 0
    }

    /// Takes what a chunk brings for it.
    pub(super) fn apply(&mut self, delta: &Delta<'_>, batch: &mut Batch) -> Result<(), Fault> {
        match (delta.reasoning, delta.reasoning_details) {
            (Some(reasoning), _) => self.add_reasoning(reasoning, batch),
            // A service that sends both says the same twice.
            (None, Some(details)) => self.add_parts(details, true, batch)?,
            (None, None) => {}
        }
        if let Some(content) = delta.content {
            self.add_text(content, batch);
        }
        if let Some(parts) = delta.parts {
            self.add_parts(parts, false, batch)?;
        }
        if let Some(refusal) = delta.refusal {
            self.size += refusal.raw().len();
            self.refusal.extend_from_slice(&refusal.to_bytes());
        }
        if let Some(tool_calls) = delta.tool_calls {
            self.add_tool_calls(tool_calls, batch)?;
        }
        // A service that sends both forms says the same twice.
        if let (None, Some(function)) = (delta.tool_calls, delta.function_call) {
            self.add_call(None, Vec::new(), Some(function), batch)?;
        }
        if let Some(reason) = delta.finish_reason.filter(|reason| !reason.is_empty()) {
            self.finish_reason = reason.to_bytes();
        }
        Ok(())
    }

    /// The answer broke off, and what comes next continues it.
    pub(super) fn resume(&mut self) {
        self.seam = Seam::behind(&self.text);
        self.finish_reason.clear();
        self.text_carry = Surrogate::default();
        self.think = ThinkTags::default();
    }

    /// Nothing more will come: tells what was held back because more could have come to it.
    /// `told` is whether the consumer hears of it, if only now.
    pub(super) fn release(&mut self, told: bool, batch: &mut Batch) {
        let is_late = told && !self.shown() && !std::mem::replace(&mut self.told_late, true);
        let (text, reasoning) = if is_late { (0, 0) } else { (self.text.len(), self.reasoning.len()) };
        // Half a character belongs where the text before it does.
        let mut rest = Vec::new();
        self.text_carry.flush(&mut rest);
        if self.seam.is_active() {
            rest = self.seam.take(&rest);
            // What says why it ended did not break off.
            let ended = !self.finish_reason.is_empty();
            rest.extend_from_slice(&if ended { self.seam.finish() } else { self.seam.break_off() });
        }
        if !rest.is_empty() {
            self.think.take(&rest, &mut self.reasoning, &mut self.text);
        }
        self.think.finish(&mut self.reasoning, &mut self.text);
        self.reasoning_carry.flush(&mut self.reasoning);
        if told {
            batch.delta(Mark::Reasoning, self.reasoning.get(reasoning..).unwrap_or_default());
            self.tell_text(text, batch);
        }
    }

    /// The answer is complete, and so are its tool calls.
    pub(super) fn settle(&mut self, told: bool, batch: &mut Batch) {
        self.release(told, batch);
        if let Some(partial) = &mut self.partial {
            partial.finish(&mut |patch| batch.patch(None, patch));
        }
        for (position, call) in self.tool_calls.iter_mut().enumerate() {
            call.settle(position as u64, told, batch);
        }
    }

    /// A piece of the answer, or of the reasoning before it.
    pub(super) fn add_words(&mut self, words: Text<'_>, is_reasoning: bool, batch: &mut Batch) {
        if is_reasoning { self.add_reasoning(words, batch) } else { self.add_text(words, batch) }
    }

    fn add_text(&mut self, text: Text<'_>, batch: &mut Batch) {
        self.size += text.raw().len();
        let from = self.text.len();
        if self.seam.is_active() {
            let mut piece = Vec::new();
            text.append_to(&mut piece, &mut self.text_carry);
            self.text.extend_from_slice(&self.seam.take(&piece));
        } else if self.think.is_past() {
            text.append_to(&mut self.text, &mut self.text_carry);
        } else {
            let mut piece = Vec::new();
            text.append_to(&mut piece, &mut self.text_carry);
            let reasoned = self.reasoning.len();
            self.think.take(&piece, &mut self.reasoning, &mut self.text);
            if self.shown() {
                batch.delta(Mark::Reasoning, self.reasoning.get(reasoned..).unwrap_or_default());
            }
        }
        if self.shown() {
            self.tell_text(from, batch);
        }
    }

    /// Tells the consumer the text that was added behind `from`.
    fn tell_text(&mut self, from: usize, batch: &mut Batch) {
        batch.delta(Mark::Text, self.text.get(from..).unwrap_or_default());
        if batch.want() == Want::Object {
            let unread = self.text.get(self.read..).unwrap_or_default();
            let partial = self.partial.get_or_insert_with(|| Box::new(Partial::of_answer()));
            partial.feed(unread, &mut |patch| batch.patch(None, patch));
            self.read = self.text.len();
        }
    }

    fn add_reasoning(&mut self, text: Text<'_>, batch: &mut Batch) {
        self.size += text.raw().len();
        let from = self.reasoning.len();
        text.append_to(&mut self.reasoning, &mut self.reasoning_carry);
        if self.shown() {
            batch.delta(Mark::Reasoning, self.reasoning.get(from..).unwrap_or_default());
        }
    }

    /// A list of parts: `{"type":"text","text":…}`, Mistral's `{"type":"thinking","thinking":[…]}` inside
    /// the content, and `{"type":"reasoning.text","text":…}` or `"summary"` in `reasoning_details`.
    fn add_parts(&mut self, parts: &[u8], is_reasoning: bool, batch: &mut Batch) -> Result<(), Fault> {
        let mut json = Reader::new(parts);
        json.array()?;
        while json.element()? {
            let part = json.skip()?;
            let member = |name| json::member(part, name);
            let thinking = member("thinking");
            let text = json::as_text(part).or(member("text").and_then(json::as_text));
            let reasoning = thinking.and_then(json::as_text).or(member("summary").and_then(json::as_text));
            match (text, reasoning) {
                (Some(text), _) if !is_reasoning => self.add_text(text, batch),
                (Some(text), _) | (None, Some(text)) => self.add_reasoning(text, batch),
                (None, None) => {
                    if let Some(list) = thinking.filter(|list| list.starts_with(b"[") && !is_reasoning) {
                        self.add_parts(list, true, batch)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The reason in the words that every service's reason is brought to.
    pub fn normalised_finish_reason(&self) -> &'static str {
        const WORDS: &[(&str, &str)] = &[
            ("stop", "stop"),
            ("eos", "stop"),
            ("eos_token", "stop"),
            ("stop_sequence", "stop"),
            ("end_turn", "stop"),
            ("length", "length"),
            ("max_tokens", "length"),
            ("model_length", "length"),
            ("tool_calls", "tool_calls"),
            ("function_call", "tool_calls"),
            ("tool_use", "tool_calls"),
            ("content_filter", "content_filter"),
            ("safety", "content_filter"),
        ];
        let known = WORDS.iter().find(|(raw, _)| raw.as_bytes() == self.finish_reason);
        match known.map_or("other", |(_, word)| word) {
            // TGI says `stop` although it made calls.
            "stop" if !self.tool_calls.is_empty() => "tool_calls",
            word => word,
        }
    }
}
