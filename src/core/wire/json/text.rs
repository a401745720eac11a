//! Strings: their characters, and what becomes of ill-formed ones.

/// A string value as it stands in the input, between its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'a> {
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> Text<'a> {
    /// What stands between two quotes of valid JSON; `escaped` is whether it has escapes.
    pub(super) fn new(raw: &'a [u8], escaped: bool) -> Text<'a> {
        Text { raw, escaped }
    }

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
    /// Takes the next unit of UTF-16.
    pub(super) fn push(&mut self, out: &mut Vec<u8>, unit: u16) {
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

/// The value of a hexadecimal digit.
pub(super) fn hex_digit(digit: u8) -> Option<u16> {
    (digit as char).to_digit(16).map(|value| value as u16)
}

fn hex4(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0u16, |value, &digit| Some(value << 4 | hex_digit(digit)?))
}
