//! A pull reader and a small writer for JSON text (RFC 8259).
//!
//! Streams of chat chunks are JSON all the way, and a client wants two or three of their fields.
//! The reader walks the bytes once, validates everything it passes over, copies nothing, allocates
//! nothing and is not recursive: numbers and unknown members stay what they are, as spans of the
//! input. `serde_json` would cost 22 KB gzip; it is the oracle of the differential tests instead.
//!
//! Text is not required to be valid UTF-8 between the quotes: the sources are byte streams that a
//! `TextDecoder` would read with replacement characters, and so do [`Text::append_to`] and friends.

mod number;
mod partial;
mod reader;
mod text;
mod writer;

pub use self::number::{decimal, fixed, write_fixed};
pub use self::partial::{Partial, Patch};
pub use self::reader::{Invalid, Kind, MAX_DEPTH, Reader};
pub use self::text::{Surrogate, Text, append_utf8, well_formed};
pub use self::writer::{ObjectWriter, write_integer, write_text};

/// Whether `bytes` is one JSON value and nothing else.
pub fn is_valid(bytes: &[u8]) -> bool {
    let mut json = Reader::new(bytes);
    json.skip().is_ok() && json.end().is_ok()
}

/// The value of the member `name` of the object `bytes`, as text. `None` when it is not there, is
/// `null`, or `bytes` is not an object.
#[inline(never)]
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

/// The first element of the array `bytes`, as text.
pub fn first(bytes: &[u8]) -> Option<&[u8]> {
    let mut json = Reader::new(bytes);
    json.array().ok()?;
    json.element().ok()?.then(|| json.skip().ok())?
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

/// The member `name` of an object as a number, when it is one.
#[inline(never)]
pub fn number_member(object: &[u8], name: &str) -> Option<f64> {
    member(object, name).and_then(as_number)
}

/// The member `name` of an object as text; empty when it is none.
#[inline(never)]
pub fn text_member(object: &[u8], name: &str) -> String {
    member(object, name).and_then(as_text).map(|text| text.to_text()).unwrap_or_default()
}

/// The values of the array `bytes`; none when it is something else.
#[inline(never)]
pub fn elements(bytes: &[u8]) -> Vec<&[u8]> {
    let mut json = Reader::new(bytes);
    let mut values = Vec::new();
    if json.array().is_ok() {
        while let (Ok(true), Ok(value)) = (json.element(), json.skip()) {
            values.push(value);
        }
    }
    values
}

/// The member `name` of an object in units of 10^-12, when it is a number that is not negative.
#[inline(never)]
pub fn fixed_member(object: &[u8], name: &str) -> Option<u64> {
    member(object, name).and_then(fixed)
}
