//! One text for all the ways to write a JSON value: no white space, the members of an object in the order
//! of their keys, strings with no escapes but those that are needed.
//!
//! Numbers stay as they are written: `1` and `1.0` are two texts, which costs a miss and never an answer
//! to something else. JavaScript writes equal numbers alike.

use crate::core::wire::json::{Kind, Reader, Text, write_text};

/// Appends the canonical text of `json`, which must be valid.
pub fn write_canonical(json: &[u8], out: &mut Vec<u8>) {
    write_value(&mut Reader::new(json), out);
}

fn write_value(json: &mut Reader<'_>, out: &mut Vec<u8>) {
    match json.kind() {
        Ok(Kind::Object) => write_object(json, &[], out),
        Ok(Kind::Array) => {
            let _ = json.array();
            out.push(b'[');
            while json.element() == Ok(true) {
                // After each value, where it can be told apart from none: `[]` has none.
                write_value(json, out);
                out.push(b',');
            }
            out.push(b']');
        }
        Ok(Kind::String) => {
            if let Ok(text) = json.text() {
                write_string(text, out);
            }
        }
        _ => out.extend_from_slice(json.skip().unwrap_or_default()),
    }
}

/// Appends an object without the members in `dropped`. Of members with one key the last counts, as for
/// `JSON.parse`.
pub fn write_object(json: &mut Reader<'_>, dropped: &[&str], out: &mut Vec<u8>) {
    let mut members: Vec<(Vec<u8>, &[u8])> = Vec::new();
    let _ = json.object();
    while let Ok(Some(key)) = json.key() {
        let Ok(value) = json.skip() else { return };
        if dropped.iter().any(|name| key.is(name)) {
            continue;
        }
        let mut name = Vec::new();
        write_string(key, &mut name);
        let at = members.iter().position(|(known, _)| *known >= name).unwrap_or(members.len());
        match members.get_mut(at) {
            Some((known, last)) if *known == name => *last = value,
            _ => members.insert(at, (name, value)),
        }
    }
    out.push(b'{');
    for (name, value) in &members {
        out.extend_from_slice(name);
        out.push(b':');
        write_value(&mut Reader::new(value), out);
        out.push(b',');
    }
    out.push(b'}');
}

fn write_string(text: Text<'_>, out: &mut Vec<u8>) {
    let bytes = text.to_bytes();
    // Half a surrogate pair has no UTF-8: all of them read as U+FFFD, and must not be taken for each other.
    if bytes.windows(3).any(|part| part == "\u{fffd}".as_bytes()) {
        out.push(b'"');
        out.extend_from_slice(text.raw());
        out.push(b'"');
    } else {
        write_text(out, &bytes);
    }
}
