//! The only doors out of the core.
//!
//! The core is *sans-IO*: what it wants done comes out as a value (`engine::Step`), what happened
//! goes in as a method call, and the time goes in as an argument. A test drives it with a virtual
//! clock and a scripted network, without traits to implement and without an executor.

/// A moment on a clock that never runs backwards, in milliseconds since an arbitrary start.
///
/// In JavaScript this is `performance.now()`.
pub type Milliseconds = f64;

/// The two clocks a call needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Now {
    /// Monotonic time: deadlines and durations.
    pub monotonic: Milliseconds,
    /// Wall time in milliseconds since 1970: what a server's date is compared with.
    pub unix: Milliseconds,
}
