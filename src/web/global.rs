//! The few globals that the client needs. They are looked up at each call, so that a page, a worker
//! and a test with a fake clock all work.

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

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

/// Lets a promise go whose outcome does not matter, so that its rejection is nobody's surprise.
pub fn forget(promise: Promise) {
    spawn_local(async move {
        let _ = JsFuture::from(promise).await;
    });
}
