//! A pull reader and a small writer for JSON text (RFC 8259).
//!
//! Streams of chat chunks are JSON all the way, and a client wants two or three of their fields.
//! The reader walks the bytes once, validates everything it passes over, copies nothing, allocates
//! nothing and is not recursive: numbers and unknown members stay what they are, as spans of the
//! input. `serde_json` would cost 22 KB gzip; it is the oracle of the differential tests instead.
//!
//! Text is not required to be valid UTF-8 between the quotes: the sources are byte streams that a
//! `TextDecoder` would read with replacement characters, and so do [`Text::append_to`] and friends.

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

/// A string value as it stands in the input, between its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'a> {
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> Text<'a> {
    /// Whether the string has no characters.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Whether the string is `name`. A name that the sender wrote with escapes still matches.
    pub fn is(&self, name: &str) -> bool {
        if self.escaped { self.to_bytes() == name.as_bytes() } else { self.raw == name.as_bytes() }
    }

    /// The characters as UTF-8, ill-formed parts replaced by U+FFFD.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.raw.len());
        let mut carry = Surrogate::default();
        self.append_to(&mut out, &mut carry);
        carry.flush(&mut out);
        out
    }

    /// Like [`Text::to_bytes`], as a `String`.
    pub fn to_text(&self) -> String {
        String::from_utf8(self.to_bytes()).unwrap_or_default()
    }

    /// Which of `names` this is, if one. A table costs half the code of a `match` over strings.
    pub fn which(&self, names: &[&str]) -> Option<usize> {
        names.iter().position(|name| name.as_bytes() == self.raw)
    }

    /// The bytes between the quotes, escapes and all. Good for writing the same string again.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Appends the characters to `out` as valid UTF-8.
    ///
    /// `carry` holds the first half of a surrogate pair between strings that continue each other:
    /// some servers cut an escaped emoji (`"\ud83d"`, then `"\ude00"`) across two deltas.
    pub fn append_to(&self, out: &mut Vec<u8>, carry: &mut Surrogate) {
        if !self.escaped {
            if !self.raw.is_empty() {
                carry.flush(out);
                append_utf8(out, self.raw);
            }
            return;
        }
        let mut rest = self.raw;
        while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
            let (plain, escape) = rest.split_at(at);
            if !plain.is_empty() {
                carry.flush(out);
                append_utf8(out, plain);
            }
            let byte = match escape.get(1) {
                Some(b'u') => {
                    carry.push(out, hex4(escape.get(2..6).unwrap_or(b"fffd")).unwrap_or(0xfffd));
                    rest = escape.get(6..).unwrap_or_default();
                    continue;
                }
                Some(b'b') => 0x08,
                Some(b'f') => 0x0c,
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(&other) => other,
                None => return,
            };
            carry.flush(out);
            out.push(byte);
            rest = escape.get(2..).unwrap_or_default();
        }
        if !rest.is_empty() {
            carry.flush(out);
            append_utf8(out, rest);
        }
    }
}

/// The first half of a UTF-16 surrogate pair that waits for its second half.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Surrogate(u16);

impl Surrogate {
    fn push(&mut self, out: &mut Vec<u8>, unit: u16) {
        if self.0 != 0 && (0xdc00..0xe000).contains(&unit) {
            let high = u32::from(self.0) - 0xd800;
            self.0 = 0;
            append_char(out, 0x10000 + (high << 10) + (u32::from(unit) - 0xdc00));
            return;
        }
        self.flush(out);
        if (0xd800..0xdc00).contains(&unit) {
            self.0 = unit;
        } else {
            append_char(out, u32::from(unit));
        }
    }

    /// Nothing that could complete the pair will come: what waits becomes U+FFFD.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        if self.0 != 0 {
            self.0 = 0;
            append_char(out, 0xfffd);
        }
    }
}

fn append_char(out: &mut Vec<u8>, code: u32) {
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

/// JSON text as UTF-8, whatever the service sent inside its strings.
pub fn well_formed(text: Vec<u8>) -> Vec<u8> {
    if std::str::from_utf8(&text).is_ok() {
        return text;
    }
    let mut clean = Vec::with_capacity(text.len());
    append_utf8(&mut clean, &text);
    clean
}

/// Appends `bytes`, with every ill-formed UTF-8 sequence replaced by U+FFFD as a `TextDecoder` does.
pub fn append_utf8(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.is_ascii() {
        out.extend_from_slice(bytes);
        return;
    }
    for part in bytes.utf8_chunks() {
        out.extend_from_slice(part.valid().as_bytes());
        if !part.invalid().is_empty() {
            append_char(out, 0xfffd);
        }
    }
}

fn hex4(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0u16, |value, &digit| Some(value << 4 | (digit as char).to_digit(16)? as u16))
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
                    return Ok(Text { raw, escaped });
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

/// How many bytes at the front of `bytes` are ordinary characters of a string: neither a quote, nor
/// a backslash, nor a control character. Eight bytes at a time.
#[inline]
fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let zero_byte = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let mut run = 0;
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let word = u64::from_le_bytes(<[u8; 8]>::try_from(word).unwrap_or_default());
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let stop = control | zero_byte(word ^ (ONES * 0x22)) | zero_byte(word ^ (ONES * 0x5c));
        if stop != 0 {
            // A borrow can only make a false mark above a true one, so the lowest mark is exact.
            return run + (stop.trailing_zeros() / 8) as usize;
        }
        run += 8;
    }
    run + words
        .remainder()
        .iter()
        .position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20)
        .unwrap_or(words.remainder().len())
}

/// Whether `bytes` is one JSON value and nothing else.
pub fn is_valid(bytes: &[u8]) -> bool {
    let mut json = Reader::new(bytes);
    json.skip().is_ok() && json.end().is_ok()
}

/// The value of the member `name` of the object `bytes`, as text. `None` when it is not there, is
/// `null`, or `bytes` is not an object.
pub fn member<'a>(bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut json = Reader::new(bytes);
    json.object().ok()?;
    while let Some(key) = json.key().ok()? {
        let value = json.skip().ok()?;
        if key.is(name) {
            return (value != b"null").then_some(value);
        }
    }
    None
}

/// The string `value`, when it is one.
pub fn as_text(value: &[u8]) -> Option<Text<'_>> {
    Reader::new(value).text().ok()
}

/// The number `value` as a double, when it is one. Good for durations and counts; not for money.
pub fn as_number(value: &[u8]) -> Option<f64> {
    let mut json = Reader::new(value);
    (json.kind() == Ok(Kind::Number)).then_some(())?;
    decimal(json.skip().ok()?)
}

/// Reads `digits[.digits][e±digits]`. The standard library's exact conversion costs 10 KB of code;
/// this one is exact up to 2^53 and within one part in 10^15 beyond.
pub fn decimal(text: &[u8]) -> Option<f64> {
    let (negative, text) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    let mut value = 0f64;
    let mut scale = 0i32;
    let mut seen = false;
    let mut fraction = false;
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        match byte {
            b'0'..=b'9' => {
                seen = true;
                // Digits beyond a double's precision only move the point.
                if value < 1e17 {
                    value = value * 10.0 + f64::from(byte - b'0');
                    scale -= i32::from(fraction);
                } else {
                    scale += i32::from(!fraction);
                }
            }
            b'.' if !fraction => fraction = true,
            b'e' | b'E' => {
                let (sign, digits) = match tail.split_first()? {
                    (b'-', digits) => (-1, digits),
                    (b'+', digits) => (1, digits),
                    _ => (1, tail),
                };
                (!digits.is_empty()).then_some(())?;
                let exponent = digits.iter().try_fold(0i32, |exponent, &digit| {
                    let digit = (digit as char).to_digit(10)? as i32;
                    Some(exponent.saturating_mul(10).saturating_add(digit))
                })?;
                scale = scale.saturating_add(exponent.saturating_mul(sign));
                break;
            }
            _ => return None,
        }
        rest = tail;
    }
    if !seen {
        return None;
    }
    // In steps that are powers of ten a double can hold.
    let mut power = if value == 0.0 { 0 } else { scale.unsigned_abs().min(700) };
    while power > 0 {
        let step = power.min(300);
        let factor = (0..step).fold(1f64, |factor, _| factor * 10.0);
        value = if scale < 0 { value / factor } else { value * factor };
        power -= step;
    }
    Some(if negative { -value } else { value })
}

/// Appends `text` (UTF-8) as a JSON string, quotes included.
pub fn write_text(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    let mut rest = text;
    loop {
        let (plain, tail) = rest.split_at(plain_run(rest).min(rest.len()));
        out.extend_from_slice(plain);
        let Some((&byte, tail)) = tail.split_first() else { break };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            _ => {
                let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' + value - 10 };
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
            }
        }
        rest = tail;
    }
    out.push(b'"');
}

/// Appends a whole number.
pub fn write_integer(out: &mut Vec<u8>, value: u64) {
    let mut digits = [0u8; 20];
    let mut rest = value;
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + (rest % 10) as u8;
        rest /= 10;
        used += 1;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

/// Writes an object member by member, commas and all.
#[derive(Debug)]
pub struct ObjectWriter<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> ObjectWriter<'a> {
    /// Opens an object at the end of `out`.
    pub fn new(out: &'a mut Vec<u8>) -> ObjectWriter<'a> {
        out.push(b'{');
        ObjectWriter { out, first: true }
    }

    /// Writes a key and returns the place for its value, which must be one JSON value.
    pub fn key(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        write_text(self.out, name.as_bytes());
        self.out.push(b':');
        self.out
    }

    /// A member whose value is JSON text already.
    pub fn raw(&mut self, name: &str, value: &[u8]) -> &mut Self {
        self.key(name).extend_from_slice(value);
        self
    }

    /// A member whose key is JSON text between its quotes already.
    pub fn raw_key(&mut self, key: &str, value: &[u8]) -> &mut Self {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out.extend_from_slice(value);
        self
    }

    /// A string member.
    pub fn text(&mut self, name: &str, value: &[u8]) -> &mut Self {
        write_text(self.key(name), value);
        self
    }

    /// A string member, left out when there is nothing to say.
    pub fn text_if(&mut self, name: &str, value: &[u8]) -> &mut Self {
        if value.is_empty() { self } else { self.text(name, value) }
    }

    /// A whole number.
    pub fn integer(&mut self, name: &str, value: u64) -> &mut Self {
        write_integer(self.key(name), value);
        self
    }

    /// `true` or `false`.
    pub fn bool(&mut self, name: &str, value: bool) -> &mut Self {
        self.raw(name, if value { b"true" } else { b"false" })
    }

    /// Closes the object.
    pub fn end(self) {
        self.out.push(b'}');
    }
}
