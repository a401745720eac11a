//! What the fuzz targets share. The oracles are those of the native tests, in `tests/common`.
//!
//! The input of every target begins with a [`input::HEADER`] of choices; the rest is the text itself, or,
//! where the choices say so, bytes that [`wire`] and [`document`] grow a plausible one from.

#[path = "../../common/mod.rs"]
pub mod common;
pub mod document;
pub mod input;
pub mod members;
pub mod reference;
pub mod stream;
pub mod wire;
