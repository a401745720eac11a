//! JSON that is still being written.
//!
//! A model writes an object token by token, and its reader wants to show what is there. Parsing the
//! text again at each delta takes quadratic time: seconds for 64 KiB. [`Partial`] reads each byte
//! once, whatever the pieces, and says what the value gains as a list of [`Patch`]es; JavaScript
//! applies them to one value that grows.
//!
//! After any piece the value is what the text would mean if it were completed there: an open string
//! ends, open containers close, and what is unfinished otherwise (a number, a word, an escape, a key,
//! a key without its value) is left out.

use super::reader::MAX_DEPTH;
use super::text::{Surrogate, hex_digit};
use crate::core::wire::scan::plain_run;

/// What the value gains. Text is UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patch<'a> {
    /// An object begins, as the value itself, the value of the last key, or the array's next element.
    Object,
    /// An array begins.
    Array,
    /// The innermost container is complete.
    Close,
    /// The key whose value comes next.
    Key(&'a [u8]),
    /// A string begins with these characters.
    Text(&'a [u8]),
    /// The string that began last goes on.
    More(&'a [u8]),
    /// A number, `true`, `false` or `null`, as JSON text.
    Scalar(&'a [u8]),
}

impl Patch<'_> {
    /// The number that stands for the kind of patch on the boundary; `pkg-js/src/growing.ts` has the same.
    pub fn number(&self) -> u32 {
        match self {
            Patch::Object => 0,
            Patch::Array => 1,
            Patch::Close => 2,
            Patch::Key(_) => 3,
            Patch::Text(_) => 4,
            Patch::More(_) => 5,
            Patch::Scalar(_) => 6,
        }
    }

    /// The characters that it brings.
    pub fn text(&self) -> &[u8] {
        match self {
            Patch::Key(text) | Patch::Text(text) | Patch::More(text) | Patch::Scalar(text) => text,
            _ => &[],
        }
    }
}

/// What may come next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// The value, or a code fence around it.
    #[default]
    Start,
    /// In the opening line of a code fence.
    Fence,
    /// A value.
    Value,
    /// The first element of an array, or its end.
    FirstElement,
    /// The first key of an object, or its end.
    FirstKey,
    /// A key.
    Key,
    /// The colon behind a key.
    Colon,
    /// Behind a value: a comma, or the end of the container.
    Behind,
    /// Characters of a string.
    Text,
    /// Behind a backslash.
    Escape,
    /// This many digits of `\uXXXX` are missing.
    Unicode(u8),
    /// In `true`, `false` or `null`.
    Word(&'static [u8]),
    /// In a number.
    Number(Digits),
    /// What came cannot be JSON.
    Invalid,
}

/// Where in a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Digits {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    Exponent,
    Sign,
    Power,
}

impl Digits {
    fn next(self, byte: u8) -> Option<Digits> {
        use Digits::*;
        Some(match (self, byte) {
            (Minus, b'0') => Zero,
            (Minus | Whole, b'0'..=b'9') => Whole,
            (Zero | Whole, b'.') => Point,
            (Point | Fraction, b'0'..=b'9') => Fraction,
            (Zero | Whole | Fraction, b'e' | b'E') => Exponent,
            (Exponent, b'+' | b'-') => Sign,
            (Exponent | Sign | Power, b'0'..=b'9') => Power,
            _ => return None,
        })
    }

    fn may_end(self) -> bool {
        matches!(self, Digits::Zero | Digits::Whole | Digits::Fraction | Digits::Power)
    }
}

/// Reads one JSON value, piece by piece.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partial {
    place: Place,
    /// One bit for each open container: set for an object.
    open: [u64; MAX_DEPTH / 64],
    depth: usize,
    /// The string being read is a key.
    is_key: bool,
    /// The consumer has been told that the string being read began.
    begun: bool,
    /// What was read of the string, number or word and not told yet.
    pending: Vec<u8>,
    /// Of the `\uXXXX` being read.
    unit: u16,
    carry: Surrogate,
    /// A code fence around the value is passed over.
    may_be_fenced: bool,
    fenced: bool,
}

impl Partial {
    /// A reader of an answer's text: models that are not held to JSON put it between lines of three
    /// backticks.
    pub fn of_answer() -> Partial {
        Partial { may_be_fenced: true, ..Partial::default() }
    }

    /// Takes the next piece of the text, which must be valid UTF-8 by itself, and tells `sink` what the
    /// value gains. After a byte that cannot be JSON nothing more is told.
    pub fn feed(&mut self, text: &[u8], sink: &mut dyn FnMut(Patch<'_>)) {
        let mut rest = text;
        while !rest.is_empty() {
            if self.place == Place::Text {
                let run = plain_run(rest);
                self.pending_text(rest.get(..run).unwrap_or_default());
                rest = rest.get(run..).unwrap_or_default();
            }
            let Some(&byte) = rest.first() else { break };
            // Without a next place the byte only ended a number, and is the next thing's.
            let Some(place) = self.take(byte, sink) else { continue };
            if place == Place::Invalid {
                self.tell_text(sink);
            }
            self.place = place;
            rest = rest.get(1..).unwrap_or_default();
        }
        self.tell_text(sink);
    }

    /// The text has ended: a number that nothing followed is complete. Whether the value is.
    pub fn finish(&mut self, sink: &mut dyn FnMut(Patch<'_>)) -> bool {
        if matches!(self.place, Place::Number(digits) if digits.may_end()) {
            self.place = self.end_scalar(sink);
        }
        self.place == Place::Behind && self.depth == 0
    }

    /// Takes a byte that is no plain character of a string, and says what may come next. `None` when it
    /// only ended what came before.
    fn take(&mut self, byte: u8, sink: &mut dyn FnMut(Patch<'_>)) -> Option<Place> {
        let place = self.place;
        Some(match place {
            Place::Text if byte == b'"' => self.end_text(sink),
            Place::Text if byte == b'\\' => Place::Escape,
            Place::Text | Place::Invalid => Place::Invalid,
            Place::Fence if byte == b'\n' => Place::Value,
            Place::Fence => place,
            Place::Escape => self.escape(byte),
            Place::Unicode(missing) => self.unicode(byte, missing),
            Place::Word(word) => {
                self.pending.push(byte);
                if self.pending == word {
                    self.end_scalar(sink)
                } else if word.starts_with(&self.pending) {
                    place
                } else {
                    Place::Invalid
                }
            }
            Place::Number(digits) => match digits.next(byte) {
                Some(next) => {
                    self.pending.push(byte);
                    Place::Number(next)
                }
                None if digits.may_end() => {
                    self.place = self.end_scalar(sink);
                    return None;
                }
                None => Place::Invalid,
            },
            _ if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') => place,
            Place::Start if byte == b'`' && self.may_be_fenced => {
                self.fenced = true;
                Place::Fence
            }
            Place::FirstElement if byte == b']' => self.close(false, sink),
            Place::Start | Place::Value | Place::FirstElement => self.value(byte, sink),
            Place::FirstKey if byte == b'}' => self.close(true, sink),
            Place::FirstKey | Place::Key if byte == b'"' => {
                self.is_key = true;
                Place::Text
            }
            Place::FirstKey | Place::Key => Place::Invalid,
            Place::Colon if byte == b':' => Place::Value,
            Place::Colon => Place::Invalid,
            Place::Behind => match byte {
                b',' if self.depth > 0 => {
                    if self.in_object() {
                        Place::Key
                    } else {
                        Place::Value
                    }
                }
                b'}' | b']' => self.close(byte == b'}', sink),
                b'`' if self.fenced && self.depth == 0 => Place::Behind,
                _ => Place::Invalid,
            },
        })
    }

    fn value(&mut self, byte: u8, sink: &mut dyn FnMut(Patch<'_>)) -> Place {
        let word: &[u8] = match byte {
            b'{' => return self.enter(true, sink),
            b'[' => return self.enter(false, sink),
            b'"' => {
                self.begun = false;
                self.is_key = false;
                return Place::Text;
            }
            b't' => b"true",
            b'f' => b"false",
            b'n' => b"null",
            _ => {
                self.pending.push(byte);
                return match byte {
                    b'-' => Place::Number(Digits::Minus),
                    b'0' => Place::Number(Digits::Zero),
                    b'1'..=b'9' => Place::Number(Digits::Whole),
                    _ => Place::Invalid,
                };
            }
        };
        self.pending.push(byte);
        Place::Word(word)
    }

    fn enter(&mut self, object: bool, sink: &mut dyn FnMut(Patch<'_>)) -> Place {
        let bit = 1u64 << (self.depth % 64);
        let Some(bits) = self.open.get_mut(self.depth / 64) else { return Place::Invalid };
        *bits = if object { *bits | bit } else { *bits & !bit };
        self.depth += 1;
        sink(if object { Patch::Object } else { Patch::Array });
        if object { Place::FirstKey } else { Place::FirstElement }
    }

    fn in_object(&self) -> bool {
        let level = self.depth.wrapping_sub(1);
        self.open.get(level / 64).is_some_and(|bits| bits & 1 << (level % 64) != 0)
    }

    fn close(&mut self, object: bool, sink: &mut dyn FnMut(Patch<'_>)) -> Place {
        if self.depth == 0 || self.in_object() != object {
            return Place::Invalid;
        }
        self.depth -= 1;
        sink(Patch::Close);
        Place::Behind
    }

    fn escape(&mut self, byte: u8) -> Place {
        let character = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                self.unit = 0;
                return Place::Unicode(4);
            }
            _ => return Place::Invalid,
        };
        self.pending_text(&[character]);
        Place::Text
    }

    fn unicode(&mut self, byte: u8, missing: u8) -> Place {
        let Some(digit) = hex_digit(byte) else { return Place::Invalid };
        self.unit = self.unit << 4 | digit;
        if missing > 1 {
            return Place::Unicode(missing - 1);
        }
        self.carry.push(&mut self.pending, self.unit);
        Place::Text
    }

    fn pending_text(&mut self, text: &[u8]) {
        if !text.is_empty() {
            self.carry.flush(&mut self.pending);
            self.pending.extend_from_slice(text);
        }
    }

    fn end_text(&mut self, sink: &mut dyn FnMut(Patch<'_>)) -> Place {
        self.carry.flush(&mut self.pending);
        if self.is_key {
            self.is_key = false;
            sink(Patch::Key(&self.pending));
            self.pending.clear();
            return Place::Colon;
        }
        self.tell_text(sink);
        Place::Behind
    }

    /// Tells what is pending of a string value, if one is being read or has just ended.
    fn tell_text(&mut self, sink: &mut dyn FnMut(Patch<'_>)) {
        let in_text = matches!(self.place, Place::Text | Place::Escape | Place::Unicode(_));
        if !in_text || self.is_key {
            return;
        }
        if !self.begun {
            self.begun = true;
            sink(Patch::Text(&self.pending));
        } else if !self.pending.is_empty() {
            sink(Patch::More(&self.pending));
        }
        self.pending.clear();
    }

    fn end_scalar(&mut self, sink: &mut dyn FnMut(Patch<'_>)) -> Place {
        sink(Patch::Scalar(&self.pending));
        self.pending.clear();
        Place::Behind
    }
}
