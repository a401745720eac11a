//! JSON documents grown from arbitrary bytes, so that the fuzzer's changes keep most of them valid.

use arbitrary::{Result, Unstructured};

/// Ends, escapes and characters that make strings interesting.
pub const CHARACTERS: &[&str] = &[
    "a",
    "b ",
    "é",
    "€",
    "😀",
    "\\n",
    "\\\"",
    "\\\\",
    "\\/",
    "\\b\\f\\r\\t",
    "\\u0041",
    "\\u20ac",
    "\\ud83d\\ude00",
    "\\ud83d",
    "\\ude00",
    "\\ufffd",
    "\\u0000",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "<think>",
    "</think>",
    "<thi",
    "nk>",
    "</th",
    "ink>",
    "12345678",
    "\u{2028}",
    "\u{7f}",
    "`",
    "data: ",
    " ",
];

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "1",
    "-1",
    "12",
    "0.5",
    "1e5",
    "-2.5E-7",
    "9313781139405380000",
    "1e+10",
    "0.000093189",
    "1e999",
    "123456789012345678901234567890",
    "3.0",
];

const BLANKS: &[&str] = &["", "", "", "", " ", "\n", "\t\r "];

/// The characters of a string, escaped, without its quotes.
pub fn characters(from: &mut Unstructured<'_>) -> Result<String> {
    let mut out = String::new();
    for _ in 0..from.int_in_range(0..=5)? {
        out.push_str(from.choose(CHARACTERS)?);
    }
    Ok(out)
}

/// A value no deeper than `depth`, whose keys are mostly out of `keys`.
pub fn value(from: &mut Unstructured<'_>, depth: usize, keys: &[&str], out: &mut String) -> Result<()> {
    out.push_str(from.choose(BLANKS)?);
    match from.int_in_range(0..=if depth == 0 { 4 } else { 8 })? {
        0 => out.push_str(from.choose(&["null", "true", "false"])?),
        1 => out.push_str(from.choose(NUMBERS)?),
        2..=4 => {
            out.push('"');
            out.push_str(&characters(from)?);
            out.push('"');
        }
        5 | 6 => {
            out.push('[');
            for position in 0..from.int_in_range(0..=3)? {
                if position > 0 {
                    out.push(',');
                }
                value(from, depth - 1, keys, out)?;
            }
            out.push(']');
        }
        _ => object(from, depth - 1, keys, out)?,
    }
    out.push_str(from.choose(BLANKS)?);
    Ok(())
}

/// An object whose values are no deeper than `depth`.
pub fn object(from: &mut Unstructured<'_>, depth: usize, keys: &[&str], out: &mut String) -> Result<()> {
    out.push('{');
    for position in 0..from.int_in_range(0..=4)? {
        if position > 0 {
            out.push(',');
        }
        out.push_str(from.choose(BLANKS)?);
        out.push('"');
        if keys.is_empty() || from.ratio(1, 8)? {
            out.push_str(&characters(from)?);
        } else {
            out.push_str(from.choose(keys)?);
        }
        out.push_str("\":");
        value(from, depth, keys, out)?;
    }
    out.push('}');
    Ok(())
}

/// Damages `text` at up to two places, now and then.
pub fn damage(from: &mut Unstructured<'_>, text: &mut Vec<u8>) -> Result<()> {
    if !from.ratio(1, 6)? {
        return Ok(());
    }
    for _ in 0..from.int_in_range(1..=2)? {
        let at = from.int_in_range(0..=text.len())?;
        match from.int_in_range(0..=3)? {
            0 => text.insert(at, from.arbitrary()?),
            1 if at < text.len() => drop(text.remove(at)),
            2 if at < text.len() => text[at] = from.arbitrary()?,
            _ => text.truncate(at),
        }
    }
    Ok(())
}
