//! Writing JSON.

use crate::core::wire::scan::plain_run;

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
