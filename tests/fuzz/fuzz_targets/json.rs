//! The pull reader against serde_json.
#![no_main]

use arbitrary::Unstructured;
use hf_inference_wasm::core::wire::json::{Reader, as_text, is_valid, member, well_formed, write_text};
use hf_inference_wasm_fuzz::common::completion::Completion;
use hf_inference_wasm_fuzz::common::json::{compare, lossy};
use hf_inference_wasm_fuzz::document;
use hf_inference_wasm_fuzz::input::Input;
use hf_inference_wasm_fuzz::members::Members;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(input) = Input::read(data) else { return };
    if !input.is_grown() {
        return check(input.bytes);
    }
    let mut from = Unstructured::new(input.bytes);
    let mut text = String::new();
    let _ = document::value(&mut from, 5, &[], &mut text);
    let mut document = text.into_bytes();
    let _ = document::damage(&mut from, &mut document);
    check(&document);
});

fn check(document: &[u8]) {
    compare(document);
    let text = lossy(document);
    // The completion knows no limit of serde_json's: it judges what that cannot.
    let completion = Completion::of(&text, false, true);
    assert_eq!(is_valid(document), completion.is_whole(), "{text:?}");
    check_offset(document);
    check_members(document);
    check_writing(document, &text);
}

/// An error is told no later than at the first byte that cannot be.
fn check_offset(document: &[u8]) {
    let mut json = Reader::new(document);
    if let Err(invalid) = json.skip().and_then(|_| json.end()) {
        assert!(invalid.at <= document.len());
        if let Ok(before) = std::str::from_utf8(&document[..invalid.at]) {
            assert!(Completion::of(before, false, false).suffix.is_some(), "{:?}", lossy(document));
        }
    }
}

/// Each member is found under its key: the first of equal ones, and `null` counts as none.
fn check_members(document: &[u8]) {
    let Some(members) = std::str::from_utf8(document).ok().and_then(Members::read) else { return };
    let decoded = |key: &str| as_text(format!("\"{key}\"").as_bytes()).expect("a string").to_text();
    for (key, _) in &members.0 {
        let name = decoded(key);
        let first = members.0.iter().find(|(other, _)| decoded(other) == name);
        let expected = first.map(|(_, value)| value.as_bytes()).filter(|value| *value != b"null");
        assert_eq!(member(document, &name), expected, "{name:?}");
    }
    assert_eq!(member(document, "\u{0}no such member"), None);
}

/// Any text is written as the string that serde_json reads.
fn check_writing(bytes: &[u8], text: &str) {
    let mut written = Vec::new();
    write_text(&mut written, text.as_bytes());
    assert_eq!(serde_json::from_slice::<String>(&written).expect("a string"), text);
    assert_eq!(as_text(&written).expect("a string").to_text(), text);
    assert_eq!(well_formed(bytes.to_vec()), text.as_bytes());
}
