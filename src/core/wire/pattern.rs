//! What the events of a stream have in common.
//!
//! From one event to the next hardly anything changes but the words. An event that has the very bytes of
//! the last one, but for one string, is as valid as that one was and says the same, but for the string. So
//! it need not be read again: comparing bytes is ten times faster, and proves as much.

use super::json::{Reader, Text};
use super::scan::strip_same;

/// The longest event that is kept as a pattern, in bytes without its string.
const MAX_BYTES: usize = 8_192;

/// The last event, without its string.
#[derive(Debug, Default)]
pub struct Pattern {
    /// From the first byte of the event (framing and all) to the string's opening quote; empty when no
    /// event has been learned.
    before: Vec<u8>,
    /// From the closing quote to the end of the event's blank line.
    after: Vec<u8>,
    /// How much framing stands before and behind the event's data.
    framing: (usize, usize),
    /// The reader of chunks has been told of it.
    told: bool,
}

/// An event that fits the pattern.
#[derive(Debug)]
pub struct Known<'a> {
    /// Its string.
    pub text: Text<'a>,
    /// The same with its quotes.
    pub quoted: &'a [u8],
    /// Its data.
    pub data: &'a [u8],
    /// What follows the event.
    pub rest: &'a [u8],
}

impl Pattern {
    /// Another event has come, which is none to compare with.
    pub fn forget(&mut self) {
        self.before.clear();
    }

    /// Learns an event: `whole` is its bytes with the framing, in which `data` lies, in which `string` lies
    /// between its quotes.
    pub fn learn(&mut self, whole: &[u8], data: &[u8], string: &[u8]) {
        self.forget();
        let from = |part: &[u8]| (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
        let (data_at, string_at) = (from(data), from(string));
        let (Some(before), Some(after)) = (whole.get(..string_at), whole.get(string_at + string.len()..))
        else {
            return;
        };
        let behind = whole.len().checked_sub(data_at + data.len());
        if let Some(behind) = behind.filter(|_| before.len() + after.len() <= MAX_BYTES) {
            self.before.extend_from_slice(before);
            self.after.clear();
            self.after.extend_from_slice(after);
            self.framing = (data_at, behind);
            self.told = false;
        }
    }

    /// What an event's data is around its string, quotes and all; `None` from the second time on.
    pub fn tell(&mut self) -> Option<(&[u8], &[u8])> {
        if std::mem::replace(&mut self.told, true) {
            return None;
        }
        let (front, behind) = self.framing;
        let before = self.before.get(front..self.before.len().checked_sub(1)?)?;
        Some((before, self.after.get(1..self.after.len().checked_sub(behind)?)?))
    }

    /// The event at the start of `bytes`, if it is whole and has the last one's bytes around a string that is
    /// valid and not empty.
    #[inline]
    pub fn read<'a>(&self, bytes: &'a [u8]) -> Option<Known<'a>> {
        let quote = self.before.len().checked_sub(1)?;
        strip_same(bytes, &self.before)?;
        let text = Reader::new(bytes.get(quote..)?).text().ok().filter(|text| !text.is_empty())?;
        let end = self.before.len() + text.raw().len();
        let quoted = bytes.get(quote..end + 1)?;
        let rest = strip_same(bytes.get(end..)?, &self.after)?;
        let (front, behind) = self.framing;
        let data = bytes.get(front..(end + self.after.len()).checked_sub(behind)?)?;
        Some(Known { text, quoted, data, rest })
    }
}
