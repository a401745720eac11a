//! What keeps a call from hanging, and many calls from becoming a storm.
//!
//! Each room holds one rule and its state; the engine asks them in turn. None knows another.

pub mod breaker;
pub mod budget;
pub mod lane;
pub mod retry;
pub mod watchdog;
