//! The rules of the client, without input or output.
//!
//! Data moves one way: [`engine`] tells one call's life in order (*plan, attempt, stream, settle*)
//! and knows the rooms; the rooms know neither the engine nor each other, except [`wire`].
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented
)]

pub mod cache;
pub mod engine;
pub mod error;
pub mod ports;
pub mod provider;
pub mod resilience;
pub mod secret;
pub mod usage;
pub mod wire;
