//! A body of any bytes, read as the stream of a chat completion.
#![no_main]

use hf_inference_wasm::core::engine::plan::Task;
use hf_inference_wasm_fuzz::input::Input;
use hf_inference_wasm_fuzz::stream::check;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(input) = Input::read(data) {
        check(Task::Chat, &input);
    }
});
