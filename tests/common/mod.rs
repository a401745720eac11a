//! What the native tests and the fuzz targets in `tests/fuzz` share: oracles, examples, and the ways to cut
//! a body.

pub mod chunks;
pub mod completion;
pub mod growing;
pub mod json;
pub mod random;
pub mod reading;
pub mod sse;
