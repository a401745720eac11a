//! The door to JavaScript. Everything with `#[wasm_bindgen]` is here; nothing here decides.
//!
//! The work is split with `pkg-js/src` like this: Rust sends requests, reads heads, keeps time and
//! reads bytes; TypeScript owns the loop that reads a body (`reader.read()`, then [`call::Call::feed`]),
//! because a promise that Rust waits for costs more than the chunk, and shapes what comes out.

mod call;
mod client;
mod fetch;
mod global;
mod options;
#[cfg(feature = "forced-trap")]
mod trap;

/// dlmalloc, the default, is 7 KB larger and slower.
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();
