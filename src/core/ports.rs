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

/// A source of chance (xorshift64*), seeded by whoever embeds the core: a seed replays a run.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A source that begins with `seed`.
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number in [0, 1).
    pub fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        bits as f64 / 4_294_967_296.0
    }
}

impl Default for Random {
    fn default() -> Random {
        Random::new(1)
    }
}
