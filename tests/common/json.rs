//! serde_json as the oracle of the pull reader.
//!
//! Where the two differ on purpose:
//!
//! * Lone surrogates in escapes become U+FFFD here; serde_json refuses them. [`without_lone_surrogates`]
//!   rewrites a document before the oracle sees it.
//! * Ill-formed UTF-8 becomes U+FFFD here, as a `TextDecoder` would have it; serde_json refuses it.
//!   The oracle sees the document after `from_utf8_lossy`.
//! * Numbers stay text here, so `1e999` is one; serde_json wants a double and says "out of range".
//! * serde_json stops at a nesting of 128, this reader at [`MAX_DEPTH`].
//! * Of duplicate keys serde_json's map keeps the last; this reader shows both.

use hf_inference_wasm::core::wire::json::{Invalid, Kind, Reader, is_valid};
use serde_json::Value;

/// JSON text that the core wrote, read by the oracle.
pub fn value(json: &[u8]) -> serde_json::Value {
    serde_json::from_slice(json).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(json)))
}

fn without_lone_surrogates(document: &str) -> String {
    let unit = |text: &str| {
        let digits = text.strip_prefix("\\u")?.get(..4)?;
        digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut out = String::with_capacity(document.len());
    let mut rest = document;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = match unit(rest) {
            Some(0xd800..=0xdbff) if matches!(unit(&rest[6..]), Some(0xdc00..=0xdfff)) => 12,
            Some(0xd800..=0xdfff) => {
                out.push_str("\\ufffd");
                rest = &rest[6..];
                continue;
            }
            Some(_) => 6,
            None => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
        };
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    out.push_str(rest);
    out
}

/// What the oracle makes of a document; `None` when it is out of the oracle's reach.
pub fn oracle(document: &[u8]) -> Option<Result<Value, ()>> {
    let text = without_lone_surrogates(&String::from_utf8_lossy(document));
    match serde_json::from_str(&text) {
        Ok(value) => Some(Ok(value)),
        Err(error) => {
            let words = error.to_string();
            let beyond = words.contains("out of range") || words.contains("recursion limit");
            (!beyond).then_some(Err(()))
        }
    }
}

/// Reads a value with the typed methods, and looks at the span that `skip` gives for each part.
fn walk(json: &mut Reader<'_>) -> Result<Value, Invalid> {
    let kind = json.kind()?;
    let span = json.clone().skip();
    let value = match kind {
        Kind::Null | Kind::Bool | Kind::Number => {
            let span = json.skip()?;
            serde_json::from_slice(span).unwrap_or_else(|error| panic!("{error}: {}", lossy(span)))
        }
        Kind::String => Value::String(json.text()?.to_text()),
        Kind::Array => {
            let mut values = Vec::new();
            json.array()?;
            while json.element()? {
                values.push(walk(json)?);
            }
            Value::Array(values)
        }
        Kind::Object => {
            let mut members = serde_json::Map::new();
            json.object()?;
            while let Some(key) = json.key()? {
                members.insert(key.to_text(), walk(json)?);
            }
            Value::Object(members)
        }
    };
    // The walk got through, so `skip` must have, and over the same bytes.
    let span = span.unwrap_or_else(|invalid| panic!("skip stopped at {} where the walk did not", invalid.at));
    let ends = match kind {
        Kind::String => b"\"\"",
        Kind::Array => b"[]",
        Kind::Object => b"{}",
        _ => return Ok(value),
    };
    assert_eq!((span.first(), span.last()), (Some(&ends[0]), Some(&ends[1])), "{}", lossy(span));
    Ok(value)
}

pub fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Compares the reader with the oracle. Returns whether the document is JSON, if the oracle knows.
pub fn compare(document: &[u8]) -> Option<bool> {
    let expected = oracle(document)?;
    let mut json = Reader::new(document);
    let walked = walk(&mut json).and_then(|value| json.end().map(|()| value));
    let shown = || lossy(document);
    assert_eq!(is_valid(document), expected.is_ok(), "skip: {:?}", shown());
    assert_eq!(walked.clone().map_err(|_| ()), expected, "walk: {:?}", shown());
    if let Ok(value) = &expected {
        // The span is the value's text to the byte: the oracle reads the same from it.
        let span = Reader::new(document).skip().expect("it is valid");
        assert_eq!(span, document.trim_ascii(), "{:?}", shown());
        assert_eq!(oracle(span), Some(Ok(value.clone())), "{:?}", shown());
    }
    Some(expected.is_ok())
}

/// Documents at the edges of the grammar.
pub const GOOD: &[&str] = &[
    "0",
    "-0",
    "1",
    "-1",
    "10",
    "0.5",
    "-0.5",
    "1.25e3",
    "1E3",
    "1e+3",
    "1e-3",
    "0e0",
    "0E+0",
    "1e00",
    "9313781139405380000",
    "123456789012345678901234567890",
    "9007199254740993",
    "0.000093189",
    "null",
    "true",
    "false",
    "\"\"",
    "\"a\"",
    "[]",
    "{}",
    "[[]]",
    "[{}]",
    "{\"a\":{}}",
    "[1,2]",
    " [ 1 , 2 ] ",
    "\t\n\r 1 \r\n\t",
    "{ \"a\" : 1 , \"b\" : [ ] }",
    "{\"\":0}",
    "{\"a\":1,\"a\":2}",
    r#""\"\\\/\b\f\n\r\t""#,
    r#""\u0000\u001f\u007f\u00e9\u20ac""#,
    r#""\ud83d\ude00""#,
    r#""\uD83D\uDE00""#,
    r#""\ud800\udc00\udbff\udfff\ud7ff\ue000""#,
    r#""\ud83d""#,
    r#""\ude00""#,
    r#""\ud83d\ud83d\ude00""#,
    r#""\ude00\ud83d""#,
    r#""\ud83dx\ude00""#,
    r#""\ud83d\n\ude00""#,
    r#""\ud83d\u0041""#,
    r#""\ufffd\uFFFE\uffff""#,
    r#"{"\u0061":1}"#,
    "\"\u{7f}\"",
    "\"é€😀\"",
    "\"\u{2028}\u{2029}\"",
    "\"\u{feff}\"",
    "\"12345678\"",
    "\"1234567é\"",
    "\"{[,:]}\"",
    "[\"a\",1,null,true,false,{},[]]",
    "\"//\"",
    "[0.1,-0,1e5]",
];

/// What comes close to a document.
pub const BAD: &[&str] = &[
    "",
    " ",
    "-",
    "+1",
    "01",
    "-01",
    "00",
    "1.",
    ".5",
    "-.5",
    "1e",
    "1e+",
    "1.e3",
    "1.5.5",
    "0x10",
    "1_000",
    "1 2",
    "NaN",
    "Infinity",
    "-Infinity",
    "nul",
    "nulll",
    "Null",
    "TRUE",
    "tru",
    "falsee",
    "undefined",
    "\"",
    "\"a",
    "'a'",
    "a",
    "\"a\"b",
    "\"\\\"",
    "\"\\x41\"",
    "\"\\u\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "\"\\u+123\"",
    "\"\\U0041\"",
    "\"\\ \"",
    "\"\\",
    "\"\\u",
    "\"\\ud83d\\u12\"",
    "\"a\nb\"",
    "\"a\tb\"",
    "\"\u{0}\"",
    "\"\u{1f}\"",
    "\"12345678\n\"",
    "[",
    "]",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[,]",
    "[1,,2]",
    "[1 2]",
    "[1:2]",
    "[}",
    "{]",
    "[1}",
    "{\"a\":1]",
    "[[1},2]",
    "[1]`",
    "1```",
    "{",
    "}",
    "{\"a\"",
    "{\"a\":",
    "{\"a\":1",
    "{\"a\":1,",
    "{\"a\":1,}",
    "{,}",
    "{\"a\"}",
    "{\"a\",1}",
    "{\"a\":}",
    "{a:1}",
    "{1:1}",
    "{null:1}",
    "{\"a\" 1}",
    "{\"a\"::1}",
    "{\"a\":1 \"b\":2}",
    "[] []",
    "{}{}",
    "1,",
    ",1",
    "[1]]",
    "{}}",
    "\u{feff}{}",
    "\u{a0}1",
    "\u{b}1",
    "\u{c}1",
    "1\u{0}",
    "\u{0}",
    "[\u{0}]",
    "/**/1",
    "1//",
    "[1,/**/2]",
    "[\"a\":1]",
    "\\n",
];
