//! Text generation: TGI's own protocol and OpenAI completions, read into one shape.
//!
//! Whatever the server speaks, a reader of the stream gets TGI token events
//! (`{ index, token: { id, text, logprob, special }, generated_text, details }`), and a whole answer
//! is `{ generated_text, details? }`. Which of the two a message is, its members say.

use super::batch::{Batch, Mark, Want};
use super::chat::{self, Fault};
use super::json::{self, Kind, ObjectWriter, Reader, Surrogate};
use super::problem::Problem;

/// The growing text.
#[derive(Debug, Default)]
pub struct Generation {
    /// What the OpenAI shape brought.
    completion: chat::Answer,
    scratch: Batch,
    /// The completion's seed as the server wrote it (Together's); empty when it tells none.
    seed: Vec<u8>,
    /// The text of TGI's ordinary tokens.
    text: Vec<u8>,
    carry: Surrogate,
    /// TGI's own final text, which ends its stream.
    generated_text: Option<Vec<u8>>,
    details: Vec<u8>,
    /// Token events passed on.
    events: u64,
    /// A whole TGI answer as the server wrote it, unwrapped from its array.
    whole: Vec<u8>,
}

/// The members of a message that matter, in place.
#[derive(Default)]
struct Message<'a> {
    token: Option<&'a [u8]>,
    generated_text: Option<&'a [u8]>,
    details: Option<&'a [u8]>,
    choices: bool,
    failed: bool,
}

impl Generation {
    /// Takes one event of a stream, or a whole answer, and puts what it brings into `batch`.
    pub fn take(&mut self, message: &[u8], batch: &mut Batch) -> Result<(), Fault> {
        let mut json = Reader::new(message);
        if json.kind()? == Kind::Array {
            // `POST /` of TGI and the Hub's toolkit answer with an array of one.
            json.array()?;
            let first = if json.element()? { json.skip()? } else { return Err(Fault::Invalid) };
            while json.element()? {
                json.skip()?;
            }
            json.end()?;
            return self.take(first, batch);
        }
        let parts = read(message)?;
        if parts.choices {
            return self.take_completion(message, batch);
        }
        if parts.failed {
            return Err(Fault::Service(Box::new(Problem::read(message))));
        }
        if let Some(token) = parts.token {
            self.take_token(token, batch)?;
            self.events += 1;
            batch.chunk(message);
        } else if parts.generated_text.is_some() {
            self.whole.clear();
            self.whole.extend_from_slice(message);
        } else {
            // A keep-alive `{}`, or something that is neither protocol: nothing to show.
            return Ok(());
        }
        if let Some(text) = parts.generated_text.and_then(json::as_text) {
            let text = text.to_bytes();
            if parts.token.is_none() {
                // The whole answer where a stream was asked for: one event, nothing lost.
                self.text.extend_from_slice(&text);
                batch.delta(Mark::Text, &text);
                self.show(batch, &text, Some(&text), parts.details.unwrap_or(b"null"));
            } else {
                self.check(&text, batch)?;
            }
            self.generated_text = Some(text);
        }
        if let Some(details) = parts.details {
            self.details.clear();
            self.details.extend_from_slice(details);
        }
        Ok(())
    }

    /// Holds the closing event's text against that of the tokens. What the tokens left out at the end is
    /// told now; anything else that is missing was lost on the way.
    fn check(&mut self, whole: &[u8], batch: &mut Batch) -> Result<(), Fault> {
        let from = self.text.len();
        self.carry.flush(&mut self.text);
        batch.delta(Mark::Text, self.text.get(from..).unwrap_or_default());
        let told = self.text.as_slice();
        // With `return_full_text` the prompt precedes; a stop sequence may be in the tokens alone.
        if whole.ends_with(told) || told.starts_with(whole) {
            return Ok(());
        }
        if let Some(rest) = whole.strip_prefix(told) {
            batch.delta(Mark::Text, rest);
            self.text.extend_from_slice(rest);
            return Ok(());
        }
        // Decoding tokens one by one may differ from decoding all of them in blanks and in characters
        // that were cut.
        let (whole, told) = (significant(whole), significant(told));
        if whole.ends_with(&told) || told.starts_with(&whole) { Ok(()) } else { Err(Fault::Mismatch) }
    }

    fn take_token(&mut self, token: &[u8], batch: &mut Batch) -> Result<(), Fault> {
        let special = json::member(token, "special") == Some(b"true");
        let text = json::member(token, "text").and_then(json::as_text);
        if let Some(text) = text.filter(|_| !special) {
            let from = self.text.len();
            text.append_to(&mut self.text, &mut self.carry);
            batch.delta(Mark::Text, self.text.get(from..).unwrap_or_default());
        }
        if self.text.len() > chat::MAX_ANSWER_BYTES { Err(Fault::TooLarge("answer")) } else { Ok(()) }
    }

    fn take_completion(&mut self, chunk: &[u8], batch: &mut Batch) -> Result<(), Fault> {
        self.scratch.set_want(Want::Text);
        let taken = self.completion.take(chunk, &mut self.scratch);
        if let Some(seed) = json::member(chunk, "choices")
            .and_then(json::first)
            .and_then(|choice| json::member(choice, "seed"))
        {
            self.seed = seed.to_vec();
        }
        self.tell_completion(batch);
        taken.map(|_| ())
    }

    /// Shows what the completion's choice has gained.
    fn tell_completion(&mut self, batch: &mut Batch) {
        let delta = self.scratch.text().to_vec();
        self.scratch.clear();
        if !delta.is_empty() {
            batch.delta(Mark::Text, &delta);
            self.show(batch, &delta, None, b"null");
        }
    }

    fn completion_text(&self) -> &[u8] {
        self.completion.first().map_or(&[], |choice| &choice.text)
    }

    /// Whether all that has come is a completion's text, so that a model can be asked to go on behind it.
    pub fn can_continue(&self) -> bool {
        self.text.is_empty() && self.completion.can_continue()
    }

    /// The answer broke off, and what comes next continues it.
    pub fn resume(&mut self) {
        self.completion.resume();
    }

    /// Whether the answer has said that it is over.
    pub fn is_finished(&self) -> bool {
        self.generated_text.is_some() || self.completion.is_finished()
    }

    /// Why it ended, in the server's word; empty when it does not tell.
    pub fn finish_reason(&self) -> &[u8] {
        let told = json::member(&self.details, "finish_reason").and_then(json::as_text);
        match self.completion.first() {
            Some(choice) => &choice.finish_reason,
            None => told.map_or(&[], |reason| reason.raw()),
        }
    }

    /// Whether TGI's closing event has come: nothing follows it.
    pub fn text_is_final(&self) -> bool {
        self.generated_text.is_some()
    }

    /// Whether the reader of the answer has been shown anything.
    pub fn has_output(&self) -> bool {
        self.events > 0 || self.completion.has_output()
    }

    /// Nothing more will come: half a character that nothing completed is shown as what it became.
    pub fn release(&mut self, batch: &mut Batch) {
        self.completion.release(&mut self.scratch);
        self.tell_completion(batch);
        let from = self.text.len();
        self.carry.flush(&mut self.text);
        batch.delta(Mark::Text, self.text.get(from..).unwrap_or_default());
    }

    /// The answer is complete. An OpenAI stream gets the closing event that TGI's has.
    pub fn settle(&mut self, batch: &mut Batch) {
        self.release(batch);
        self.completion.settle(&mut self.scratch);
        if self.generated_text.is_none() && self.completion.is_finished() {
            let text = self.completion_text().to_vec();
            let mut details = Vec::new();
            self.write_completion_details(&mut details);
            self.show(batch, &[], Some(&text), &details);
        }
    }

    /// The text, complete or as far as it came.
    pub fn text(&self) -> &[u8] {
        match &self.generated_text {
            Some(text) => text,
            None if self.completion.choices().is_empty() => &self.text,
            None => self.completion_text(),
        }
    }

    /// The model that the service says answered; empty when it does not say.
    pub fn model(&self) -> &[u8] {
        &self.completion.model
    }

    /// The `usage` object as the service wrote it; empty when it has not come.
    pub fn usage(&self) -> &[u8] {
        &self.completion.usage
    }

    /// The tokens of the answer, as TGI's own protocol tells them.
    pub fn generated_tokens(&self) -> Option<f64> {
        json::number_member(&self.details, "generated_tokens")
    }

    /// `{ "generated_text", "details"? }`. A whole TGI answer keeps every member that it came with.
    pub fn write_output(&self, out: &mut Vec<u8>) {
        if !self.whole.is_empty() {
            out.extend_from_slice(&self.whole);
            return;
        }
        let mut output = ObjectWriter::new(out);
        output.text("generated_text", self.text());
        if self.completion.is_finished() {
            self.write_completion_details(output.key("details"));
        } else if !self.details.is_empty() {
            output.raw("details", &self.details);
        }
        output.end();
    }

    fn write_completion_details(&self, out: &mut Vec<u8>) {
        let reason = self.completion.first().map_or(&[][..], |choice| &choice.finish_reason);
        let tokens = json::member(&self.completion.usage, "completion_tokens");
        let mut details = ObjectWriter::new(out);
        details
            .text("finish_reason", reason)
            .raw("generated_tokens", tokens.unwrap_or(b"null"))
            .raw("seed", if self.seed.is_empty() { b"null" } else { &self.seed });
        details.end();
    }

    /// A token event in TGI's shape, from a server that has none: the id and probability are not
    /// known, and `null` says so. The closing event brings no text; its token counts as special.
    fn show(&mut self, batch: &mut Batch, text: &[u8], whole: Option<&[u8]>, details: &[u8]) {
        self.events += 1;
        if batch.want() != Want::Chunks {
            return;
        }
        let mut json = Vec::new();
        let mut event = ObjectWriter::new(&mut json);
        event.integer("index", self.events);
        let mut token = ObjectWriter::new(event.key("token"));
        token.raw("id", b"null").text("text", text).raw("logprob", b"null");
        token.bool("special", text.is_empty());
        token.end();
        match whole {
            Some(whole) => event.text("generated_text", whole),
            None => event.raw("generated_text", b"null"),
        };
        event.raw("details", details);
        event.end();
        batch.chunk(&json);
    }
}

/// Text without white space and replacement characters.
fn significant(text: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        let after = rest.strip_prefix("\u{fffd}".as_bytes());
        if after.is_none() && !byte.is_ascii_whitespace() {
            kept.push(byte);
        }
        rest = after.unwrap_or(tail);
    }
    kept
}

/// The members of a message that are read.
const MEMBERS: &[&str] =
    &["token", "generated_text", "details", "choices", "error", "object", "message", "detail"];

fn read(message: &[u8]) -> Result<Message<'_>, Fault> {
    let mut json = Reader::new(message);
    json.object()?;
    let mut parts = Message::default();
    let (mut message_text, mut detail) = (None, None);
    while let Some(key) = json.key()? {
        let value = json.skip()?;
        let present = (value != b"null").then_some(value);
        match key.which(MEMBERS) {
            Some(0) => parts.token = present,
            Some(1) => parts.generated_text = present,
            Some(2) => parts.details = present,
            Some(3) => parts.choices = value.starts_with(b"["),
            Some(4) => parts.failed |= present.is_some(),
            Some(5) => parts.failed |= value == b"\"error\"",
            Some(6) => message_text = present,
            Some(7) => detail = present,
            _ => {}
        }
    }
    json.end()?;
    let answers = parts.choices || parts.token.is_some() || parts.generated_text.is_some();
    parts.failed |= !answers && Problem::is_told_by(message_text, detail);
    Ok(parts)
}
