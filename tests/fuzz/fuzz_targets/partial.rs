//! The incremental JSON reader against what serde_json makes of every completed prefix.
#![no_main]

use arbitrary::Unstructured;
use hf_inference_wasm_fuzz::common::growing::check_every_prefix;
use hf_inference_wasm_fuzz::common::json::lossy;
use hf_inference_wasm_fuzz::common::random::Random;
use hf_inference_wasm_fuzz::document;
use hf_inference_wasm_fuzz::input::Input;
use libfuzzer_sys::fuzz_target;

const MAX_LENGTH: usize = 128;

fuzz_target!(|data: &[u8]| {
    let Some(input) = Input::read(data) else { return };
    let text = if input.is_grown() {
        let mut from = Unstructured::new(input.bytes);
        let mut text = String::new();
        let _ = document::value(&mut from, 5, &[], &mut text);
        if input.flag(2) {
            text = format!("```json\n{text}\n```");
        }
        let mut document = text.into_bytes();
        let _ = document::damage(&mut from, &mut document);
        lossy(&document)
    } else {
        lossy(input.bytes)
    };
    // Every prefix is completed anew, which takes quadratic time.
    let text: String = text.chars().take(MAX_LENGTH).collect();
    let fenced = input.flag(1);
    check_every_prefix(&text, fenced, &text.chars().map(char::len_utf8).collect::<Vec<_>>());
    let longest = 2 + usize::from(input.number % 64);
    check_every_prefix(&text, fenced, &Random::new(u64::from(input.number)).pieces(&text, longest));
});
