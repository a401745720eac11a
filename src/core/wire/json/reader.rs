//! Reading JSON from front to back.

use super::text::Text;
use crate::core::wire::scan::plain_run;

/// The deepest nesting of arrays and objects that is read. Real chunks stay below ten.
pub const MAX_DEPTH: usize = 512;

/// The input is not JSON; `at` is the offset of the first byte that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Offset in bytes.
    pub at: usize,
}

/// What a value is, judged by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number, kept as text: counts and seeds may not fit a double.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// Reads JSON from front to back. The caller says what it expects next; anything else is
/// [`Invalid`].
///
/// ```
/// use hf_inference_wasm::core::wire::json::Reader;
/// let mut json = Reader::new(br#"{"model":"m","seed":9313781139405380000}"#);
/// json.object()?;
/// while let Some(key) = json.key()? {
///     if key.is("seed") {
///         assert_eq!(json.skip()?, b"9313781139405380000");
///     } else {
///         json.skip()?;
///     }
/// }
/// json.end()?;
/// # Ok::<(), hf_inference_wasm::core::wire::json::Invalid>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// An array or object was entered and nothing of it read: no comma is due.
    fresh: bool,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0, fresh: false }
    }

    fn invalid<T>(&self) -> Result<T, Invalid> {
        Err(Invalid { at: self.at })
    }

    #[inline]
    fn byte(&self) -> u8 {
        // A NUL is never valid outside a string, so it can stand for the end of the input.
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    #[inline]
    fn white_space(&mut self) {
        while matches!(self.byte(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
    }

    /// What the next value is.
    pub fn kind(&mut self) -> Result<Kind, Invalid> {
        self.white_space();
        match self.byte() {
            b'"' => Ok(Kind::String),
            b'{' => Ok(Kind::Object),
            b'[' => Ok(Kind::Array),
            b'n' => Ok(Kind::Null),
            b't' | b'f' => Ok(Kind::Bool),
            b'-' | b'0'..=b'9' => Ok(Kind::Number),
            _ => self.invalid(),
        }
    }

    /// Enters an object; [`Reader::key`] walks its members.
    pub fn object(&mut self) -> Result<(), Invalid> {
        self.enter(b'{')
    }

    /// Enters an array; [`Reader::element`] walks its values.
    pub fn array(&mut self) -> Result<(), Invalid> {
        self.enter(b'[')
    }

    fn enter(&mut self, open: u8) -> Result<(), Invalid> {
        self.white_space();
        if self.byte() != open {
            return self.invalid();
        }
        self.at += 1;
        self.fresh = true;
        Ok(())
    }

    /// Moves to the next member or value, over the comma; `false` when `close` ends the container.
    fn advance(&mut self, close: u8) -> Result<bool, Invalid> {
        self.white_space();
        let byte = self.byte();
        if byte == close {
            self.at += 1;
            self.fresh = false;
            return Ok(false);
        }
        if !self.fresh {
            if byte != b',' {
                return self.invalid();
            }
            self.at += 1;
            self.white_space();
        }
        self.fresh = false;
        Ok(true)
    }

    /// The key of the object's next member, with the reader before its value; `None` at the end of
    /// the object. The value must be read or skipped before the next call.
    pub fn key(&mut self) -> Result<Option<Text<'a>>, Invalid> {
        if !self.advance(b'}')? {
            return Ok(None);
        }
        let key = self.text()?;
        self.white_space();
        if self.byte() != b':' {
            return self.invalid();
        }
        self.at += 1;
        Ok(Some(key))
    }

    /// Whether the array has a next value, with the reader before it.
    pub fn element(&mut self) -> Result<bool, Invalid> {
        self.advance(b']')
    }

    /// A string value.
    pub fn text(&mut self) -> Result<Text<'a>, Invalid> {
        self.white_space();
        if self.byte() != b'"' {
            return self.invalid();
        }
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += plain_run(self.bytes.get(self.at..).unwrap_or_default());
            match self.byte() {
                b'"' => {
                    let raw = self.bytes.get(start..self.at).unwrap_or_default();
                    self.at += 1;
                    self.fresh = false;
                    return Ok(Text::new(raw, escaped));
                }
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return self.invalid(),
            }
        }
    }

    /// A string value; `None` for `null` and for a value of another kind, which is skipped.
    pub fn text_or_skip(&mut self) -> Result<Option<Text<'a>>, Invalid> {
        if self.kind()? == Kind::String {
            return self.text().map(Some);
        }
        self.skip()?;
        Ok(None)
    }

    fn escape(&mut self) -> Result<(), Invalid> {
        self.at += 1;
        match self.byte() {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
            b'u' => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.byte().is_ascii_hexdigit() {
                        return self.invalid();
                    }
                    self.at += 1;
                }
            }
            _ => return self.invalid(),
        }
        Ok(())
    }

    /// Passes over one value, whatever it is, and returns its text. The value is validated.
    pub fn skip(&mut self) -> Result<&'a [u8], Invalid> {
        self.white_space();
        let start = self.at;
        // One bit for each open container: set for an object.
        let mut open = [0u64; MAX_DEPTH / 64];
        let mut depth = 0usize;
        loop {
            match self.kind()? {
                Kind::String => {
                    self.text()?;
                }
                Kind::Number => self.number()?,
                Kind::Null => self.word(b"null")?,
                Kind::Bool if self.byte() == b't' => self.word(b"true")?,
                Kind::Bool => self.word(b"false")?,
                kind @ (Kind::Object | Kind::Array) => {
                    let Some(bits) = open.get_mut(depth / 64) else { return self.invalid() };
                    let bit = 1u64 << (depth % 64);
                    if kind == Kind::Object {
                        *bits |= bit
                    } else {
                        *bits &= !bit
                    }
                    depth += 1;
                    self.at += 1;
                    self.fresh = true;
                }
            }
            // Close what ends here, then stand before the next value.
            loop {
                if depth == 0 {
                    self.fresh = false;
                    return Ok(self.bytes.get(start..self.at).unwrap_or_default());
                }
                let level = depth - 1;
                let object = open.get(level / 64).is_some_and(|bits| bits & 1 << (level % 64) != 0);
                let more = if object { self.key()?.is_some() } else { self.element()? };
                if more {
                    break;
                }
                depth -= 1;
            }
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Invalid> {
        if !self.bytes.get(self.at..).unwrap_or_default().starts_with(word) {
            return self.invalid();
        }
        self.at += word.len();
        self.fresh = false;
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Invalid> {
        if !self.byte().is_ascii_digit() {
            return self.invalid();
        }
        while self.byte().is_ascii_digit() {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Invalid> {
        if self.byte() == b'-' {
            self.at += 1;
        }
        if self.byte() == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.byte() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.byte(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        self.fresh = false;
        Ok(())
    }

    /// Nothing but white space may follow.
    pub fn end(&mut self) -> Result<(), Invalid> {
        self.white_space();
        if self.at < self.bytes.len() { self.invalid() } else { Ok(()) }
    }
}
