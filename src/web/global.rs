//! The few globals that the client needs. They are looked up at each call, so that a page, a worker
//! and a test with a fake clock all work.

use js_sys::Function;
use wasm_bindgen::prelude::*;

use crate::core::ports::Now;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn monotonic() -> f64;

    #[wasm_bindgen(js_namespace = Date, js_name = now)]
    fn unix() -> f64;

    #[wasm_bindgen(js_name = setTimeout)]
    pub fn set_timeout(callback: &Function, milliseconds: f64) -> JsValue;

    #[wasm_bindgen(js_name = clearTimeout)]
    pub fn clear_timeout(timer: &JsValue);
}

/// Both clocks, now.
pub fn now() -> Now {
    Now { monotonic: monotonic(), unix: unix() }
}
