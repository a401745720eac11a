//! The bytes of the services: server-sent events, JSON, chat and generation answers, error bodies.
//!
//! Each reader is incremental and owns what it has not understood yet, so the bytes may be cut
//! anywhere.

pub mod batch;
pub mod chat;
pub mod generation;
pub mod json;
pub mod pattern;
pub mod problem;
pub mod rate_limit;
mod scan;
pub mod seam;
pub mod sse;
pub mod think;
