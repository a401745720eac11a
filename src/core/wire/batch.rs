//! What one network chunk gives to the reader on the JavaScript side, in one piece.
//!
//! A call per token across the boundary costs ten times what the token costs. So a chunk's worth of
//! output is one stretch of text and a list of marks that cut it.

use super::json::{self, ObjectWriter, Patch};
use super::pattern::{Known, Pattern};

/// What the consumer of a stream asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Want {
    /// Only the end result.
    #[default]
    Nothing = 0,
    /// The answer's text, deltas of one chunk joined.
    Text = 1,
    /// Typed events.
    Events = 2,
    /// The service's own chunk objects: per batch the elements of a JSON array, which are the chunks, or stand for them
    /// ([`Batch::chunk_again`]).
    Chunks = 3,
    /// The JSON value that the answer's text is, as it grows.
    Object = 4,
}

/// Kinds of [`Batch`] marks. The numbers are part of the boundary: `pkg-js/src/stream.ts` has the
/// same table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Mark {
    /// Text of the answer.
    Text = 0,
    /// Text of the model's reasoning.
    Reasoning = 1,
    /// JSON of a `start` event.
    Start = 2,
    /// JSON of a `tool-call-start` event.
    ToolCallStart = 3,
    /// JSON of a `tool-call-delta` event.
    ToolCallDelta = 4,
    /// JSON of a `tool-call` event.
    ToolCall = 5,
    /// JSON of a `usage` event.
    Usage = 6,
    /// JSON of a `finish` event.
    Finish = 7,
    /// JSON of a `retry` event.
    Retry = 8,
    /// JSON of a `fallback` event.
    Fallback = 9,
    /// JSON of a `restart` event.
    Restart = 10,
}

/// The mark of a [`Patch`] is this and its number, with what grows in the higher bits: 0 for the answer's
/// text, one more than its position for the arguments of a tool call.
const PATCH: u32 = 16;

/// A stretch of UTF-8 and the marks that cut it. Reused from chunk to chunk.
#[derive(Debug, Default)]
pub struct Batch {
    want: Want,
    text: Vec<u8>,
    /// Pairs: the kind, and the end in UTF-16 units (what JavaScript slices by).
    marks: Vec<u32>,
    units: u32,
}

impl Batch {
    /// Chooses what later chunks put in.
    pub fn set_want(&mut self, want: Want) {
        self.want = want;
    }

    /// What the consumer asked for.
    pub fn want(&self) -> Want {
        self.want
    }

    /// Forgets what was taken.
    pub fn clear(&mut self) {
        self.text.clear();
        self.marks.clear();
        self.units = 0;
    }

    /// Puts what another batch holds, of the same kind, behind what is there.
    pub fn append(&mut self, other: &Batch) {
        if self.want == Want::Chunks && !self.text.is_empty() && !other.text.is_empty() {
            self.text.push(b',');
        }
        self.text.extend_from_slice(&other.text);
        let units = self.units;
        self.marks.extend(other.marks.chunks_exact(2).flat_map(|mark| match mark {
            [kind, end] => [*kind, units + *end],
            _ => [0, 0],
        }));
        self.units += other.units;
    }

    /// The text, as UTF-8. With [`Want::Chunks`]: the elements of a JSON array, comma-separated.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The marks; empty unless events are wanted.
    pub fn marks(&self) -> &[u32] {
        &self.marks
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.marks.is_empty()
    }

    /// A piece of the answer or of the reasoning.
    pub fn delta(&mut self, mark: Mark, text: &[u8]) {
        match self.want {
            Want::Text if mark == Mark::Text => self.text.extend_from_slice(text),
            Want::Events if !text.is_empty() => self.mark(mark, text),
            _ => {}
        }
    }

    /// One of the service's chunks, which must be one JSON value.
    pub fn chunk(&mut self, json: &[u8]) {
        if self.want == Want::Chunks {
            if !self.text.is_empty() {
                self.text.push(b',');
            }
            self.text.extend_from_slice(json);
        }
    }

    /// A chunk that fits the pattern, which costs its reader a copy instead of reading JSON: a string in the
    /// array is the last pattern's chunk with that string in its place. The pattern itself comes before the first of
    /// them as an array of two chunks, which differ only in that place: there one has 0, the other 1.
    pub fn chunk_again(&mut self, pattern: &mut Pattern, known: &Known<'_>) {
        if self.want != Want::Chunks {
            return;
        }
        if let Some((before, after)) = pattern.tell() {
            self.chunk(&[b"[", before, b"0", after, b",", before, b"1", after, b"]"].concat());
        }
        self.chunk(known.quoted);
    }

    /// A chunk that lacks the array `choices`, which readers of chunks rely on: it gets an empty one. A
    /// bare `{}` (a keep-alive) is none.
    pub fn chunk_without_choices(&mut self, json: &[u8]) {
        let members = json.trim_ascii_end().strip_suffix(b"}").unwrap_or_default().trim_ascii_end();
        if self.want == Want::Chunks && members.trim_ascii_start() != b"{" {
            self.chunk(members);
            self.text.extend_from_slice(br#","choices":[]}"#);
        }
    }

    /// An event other than a delta. `fill` writes its members, and is called only if wanted.
    pub fn event(&mut self, mark: Mark, fill: &dyn Fn(&mut ObjectWriter<'_>)) {
        if self.want == Want::Events {
            let mut json = Vec::new();
            let mut object = ObjectWriter::new(&mut json);
            fill(&mut object);
            object.end();
            // Ill-formed text of a service's would be replaced by the reader, and move the marks behind it.
            self.mark(mark, &json::well_formed(json));
        }
    }

    /// An event whose JSON is written already.
    pub fn written_event(&mut self, mark: Mark, json: &[u8]) {
        if self.want == Want::Events {
            self.mark(mark, json);
        }
    }

    /// What a JSON value gains that grows with the answer: the text's own (`None`), or the arguments of
    /// the tool call at a position.
    pub fn patch(&mut self, tool_call: Option<u64>, patch: Patch<'_>) {
        let grows = tool_call.map_or(0, |position| position as u32 + 1);
        self.push((PATCH + patch.number()) | (grows << 8), patch.text());
    }

    fn mark(&mut self, mark: Mark, text: &[u8]) {
        // Deltas of the same kind that came in one chunk are one event.
        let joins = matches!(mark, Mark::Text | Mark::Reasoning);
        if joins && self.marks.len() >= 2 && self.marks.get(self.marks.len() - 2) == Some(&(mark as u32)) {
            self.marks.truncate(self.marks.len() - 2);
        }
        self.push(mark as u32, text);
    }

    fn push(&mut self, mark: u32, text: &[u8]) {
        self.text.extend_from_slice(text);
        self.units += utf16_units(text);
        self.marks.extend_from_slice(&[mark, self.units]);
    }
}

/// The length that UTF-8 text has as a JavaScript string.
fn utf16_units(text: &[u8]) -> u32 {
    text.iter().map(|&byte| u32::from(byte & 0xc0 != 0x80) + u32::from(byte >= 0xf0)).sum()
}
