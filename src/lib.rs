//! Streaming chat and text generation from Hugging Face Inference Providers, dedicated Inference
//! Endpoints and any OpenAI-compatible server.
//!
//! The house has two halves:
//!
//! * [`core`] decides everything: where a request goes, what its body is, how the answer's bytes are
//!   read, what went wrong. It does no input or output, has no clock and no dependency, and runs
//!   under plain `cargo test`.
//! * `web` (built for WebAssembly only) is the door to JavaScript: it calls `fetch`, hands the
//!   body's reader to the TypeScript loop, and passes batches of text back. It decides nothing.
//!
//! `ARCHITECTURE.md` draws the rooms and says where a new thing belongs.

pub mod core;

#[cfg(target_arch = "wasm32")]
mod web;
