//! Server-sent events, by the WHATWG rules, from bytes cut anywhere.
//!
//! Departures from the rules, each because a service does it and a token would be lost:
//!
//! * An event that the end of the body leaves without its blank line is delivered by
//!   [`Parser::finish`] (llama.cpp and Cerebras end so); a half-written one is not JSON, and the
//!   reader above reports it.
//! * A line with the unknown field `error` is delivered as an event of that name (llama.cpp before
//!   September 2025 sent its errors so).
//!
//! `id` and `retry` are passed over: a generation cannot be resumed.

use std::ops::ControlFlow;

use super::scan::line_run;

/// The largest event that is kept, in bytes.
pub const MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The `event` field; empty when there was none (that is, `message`).
    pub name: &'a [u8],
    /// The `data` lines, joined by newlines.
    pub data: &'a [u8],
    /// The event with its framing, from its first line to its blank line, when all of it stood in one chunk
    /// and `data` lies in it; otherwise empty.
    pub whole: &'a [u8],
}

/// An event grew beyond the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

/// What the receiver of events returns: go on, or read no further.
pub type Flow = ControlFlow<()>;

/// Cuts a byte stream into events.
#[derive(Debug)]
pub struct Parser {
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    name: Vec<u8>,
    data: Vec<u8>,
    /// A `data` line was seen since the last event: `data` may be empty and still be due.
    has_data: bool,
    /// Bytes of a leading byte-order mark seen, 0 to 3; `None` once the stream has begun.
    mark: Option<usize>,
    /// The last chunk ended in CR, which a LF at the start of the next one belongs to.
    after_carriage_return: bool,
    /// Some line was what the format knows: a field or a comment.
    recognised: bool,
    limit: usize,
}

impl Default for Parser {
    fn default() -> Parser {
        Parser::with_limit(MAX_EVENT_BYTES)
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Parser {
    /// A parser that refuses events of more than `limit` bytes.
    pub fn with_limit(limit: usize) -> Parser {
        Parser {
            line: Vec::new(),
            name: Vec::new(),
            data: Vec::new(),
            has_data: false,
            mark: Some(0),
            after_carriage_return: false,
            recognised: false,
            limit,
        }
    }

    /// Reads a chunk and calls `sink` with each event that it completes. When `sink` breaks, gives what
    /// is left of the chunk, which may be fed later, or dropped.
    pub fn feed<'a>(
        &mut self,
        bytes: &'a [u8],
        sink: &mut dyn FnMut(Event<'_>) -> Flow,
    ) -> Result<Option<&'a [u8]>, TooLarge> {
        let mut rest = self.skip_mark(bytes);
        if self.after_carriage_return && !rest.is_empty() {
            self.after_carriage_return = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while !rest.is_empty() {
            let end = line_run(rest);
            if end == rest.len() {
                self.line.extend_from_slice(rest);
                self.within_limit()?;
                break;
            }
            let (line, terminator) = rest.split_at(end);
            let mut next = terminator.get(1..).unwrap_or_default();
            if terminator.first() == Some(&b'\r') {
                if next.is_empty() {
                    self.after_carriage_return = true;
                }
                next = next.strip_prefix(b"\n").unwrap_or(next);
            }
            if self.line.is_empty() {
                if let Some((data, after)) = self.whole_event(line, next) {
                    self.recognised = true;
                    let whole = rest.get(..rest.len() - after.len()).unwrap_or_default();
                    if sink(Event { name: &[], data, whole }).is_break() {
                        return Ok(Some(after));
                    }
                    rest = after;
                    continue;
                }
                if self.take_line(line, sink).is_break() {
                    return Ok(Some(next));
                }
            } else {
                let mut whole = std::mem::take(&mut self.line);
                whole.extend_from_slice(line);
                let flow = self.take_line(&whole, sink);
                whole.clear();
                self.line = whole;
                if flow.is_break() {
                    return Ok(Some(next));
                }
            }
            self.within_limit()?;
            rest = next;
        }
        Ok(None)
    }

    /// Whether the next byte begins an event.
    pub fn is_between_events(&self) -> bool {
        self.mark.is_none()
            && self.line.is_empty()
            && !self.has_data
            && self.name.is_empty()
            && !self.after_carriage_return
    }

    /// Whether anything that was read belongs to the format. A body of which nothing does is not an
    /// event stream.
    pub fn is_recognised(&self) -> bool {
        self.recognised
    }

    /// The body has ended. Delivers what it left without a line end or a blank line.
    pub fn finish(&mut self, sink: &mut dyn FnMut(Event<'_>) -> Flow) -> Flow {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.take_line(&line, sink)?;
        }
        self.dispatch(sink)
    }

    /// The common case, read in place and without a copy: one `data` line with its blank line
    /// behind it, all in this chunk.
    #[inline]
    fn whole_event<'a>(&self, line: &'a [u8], next: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let after = next.strip_prefix(b"\n").or_else(|| next.strip_prefix(b"\r\n"))?;
        if self.has_data || !self.name.is_empty() || line.len() > self.limit {
            return None;
        }
        let data = line.strip_prefix(b"data:")?;
        Some((data.strip_prefix(b" ").unwrap_or(data), after))
    }

    fn skip_mark<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some(seen) = self.mark else { return bytes };
        let expected = BYTE_ORDER_MARK.get(seen..).unwrap_or_default();
        let same = expected.iter().zip(bytes).take_while(|(mark, byte)| mark == byte).count();
        if same == expected.len() {
            self.mark = None;
            return bytes.get(same..).unwrap_or_default();
        }
        if same == bytes.len() {
            self.mark = Some(seen + same);
            return &[];
        }
        // No mark after all: what an earlier chunk withheld belongs to the first line.
        self.mark = None;
        self.line.extend_from_slice(BYTE_ORDER_MARK.get(..seen).unwrap_or_default());
        bytes
    }

    fn within_limit(&self) -> Result<(), TooLarge> {
        let size = self.line.len() + self.data.len() + self.name.len();
        if size > self.limit { Err(TooLarge) } else { Ok(()) }
    }

    fn take_line(&mut self, line: &[u8], sink: &mut dyn FnMut(Event<'_>) -> Flow) -> Flow {
        if line.is_empty() {
            return self.dispatch(sink);
        }
        let colon = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
        let (field, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        self.recognised |= matches!(field, b"data" | b"event" | b"error" | b"id" | b"retry" | b"");
        match field {
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            b"event" => {
                self.name.clear();
                self.name.extend_from_slice(value);
            }
            b"error" => return sink(Event { name: field, data: value, whole: &[] }),
            // A comment (empty field: keep-alives), `id`, `retry`, or unknown.
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn dispatch(&mut self, sink: &mut dyn FnMut(Event<'_>) -> Flow) -> Flow {
        let flow = if self.has_data {
            sink(Event { name: &self.name, data: &self.data, whole: &[] })
        } else {
            ControlFlow::Continue(())
        };
        self.has_data = false;
        self.data.clear();
        self.name.clear();
        flow
    }
}
