//! A circuit breaker: a target that fails more often than not is left alone for a while.
//!
//! ```text
//!            half of the last 20, and 5 at least, failed
//!   closed ───────────────────────────────────────────────▶ open
//!     ▲                                                     │  │ ▲
//!     │ the probe succeeded          15 s, doubling to 5 min│  │ │ the probe failed
//!     └──────────────────────── half-open ◀─────────────────┘  │ │
//!                                   └──────────────────────────┼─┘
//! ```
//!
//! Outcomes are those of whole streams: a target that begins every answer and finishes none is broken.
//! What the caller did (aborts, refused requests) says nothing about the target.

use crate::core::ports::Milliseconds;

/// How many outcomes are remembered.
const WINDOW: u32 = 20;
/// How many must be known before the breaker may open.
const MINIMUM: u32 = 5;
/// How long it stays open at first, and at most.
const COOLDOWN: (Milliseconds, Milliseconds) = (15_000.0, 300_000.0);
/// A probe that says nothing for so long is taken for dead: its caller may be gone.
const PROBE: Milliseconds = 600_000.0;

/// Where a breaker is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum State {
    /// Calls go through.
    #[default]
    Closed,
    /// None goes through until then.
    Open {
        /// The moment.
        until: Milliseconds,
    },
    /// One call tries the target, and is given up for dead then.
    HalfOpen {
        /// The moment; the past when no probe is out.
        probe: Milliseconds,
    },
}

impl State {
    /// The name of the state, as in traces and snapshots.
    pub fn name(self) -> &'static str {
        match self {
            State::Closed => "closed",
            State::Open { .. } => "open",
            State::HalfOpen { .. } => "half-open",
        }
    }
}

/// What a call may do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Permission {
    /// Go on.
    Go,
    /// Go on, as the one that finds out.
    Probe,
    /// Not before this moment.
    Refused(Milliseconds),
}

/// How an attempt ended, as far as its target is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The answer was complete.
    Success,
    /// The target's fault.
    Failure,
    /// Nothing that speaks for or against the target.
    Neutral,
}

/// The state of one target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Breaker {
    state: State,
    /// The last outcomes, one bit each, the newest lowest: set for a failure.
    failures: u32,
    known: u32,
    cooldown: Milliseconds,
}

impl Breaker {
    /// A breaker as it was saved: open for so long still, of a cooldown of so long. A clock that was wrong,
    /// then or now, does not close a target off for longer than that.
    pub fn restored(left: Milliseconds, cooldown: Milliseconds, now: Milliseconds) -> Breaker {
        let cooldown = cooldown.clamp(COOLDOWN.0, COOLDOWN.1);
        let until = now + left.min(cooldown).max(0.0);
        Breaker { state: State::Open { until }, cooldown, ..Breaker::default() }
    }

    /// Where it is.
    pub fn state(&self) -> State {
        self.state
    }

    /// How long it stays open this time, or stayed the last time.
    pub fn cooldown(&self) -> Milliseconds {
        self.cooldown
    }

    /// Asks for leave to call the target.
    pub fn admit(&mut self, now: Milliseconds) -> Permission {
        match self.state {
            State::Closed => Permission::Go,
            State::Open { until } if now < until => Permission::Refused(until),
            State::HalfOpen { probe } if now < probe => Permission::Refused(probe.min(now + 1_000.0)),
            _ => {
                self.state = State::HalfOpen { probe: now + PROBE };
                Permission::Probe
            }
        }
    }

    /// An attempt has ended. `probe` is whether it was let through as one. Returns whether the state
    /// changed.
    pub fn record(&mut self, outcome: Outcome, probe: bool, now: Milliseconds) -> bool {
        let before = self.state.name();
        match (self.state, outcome) {
            // Another may find out.
            (State::HalfOpen { .. }, Outcome::Neutral) if probe => {
                self.state = State::HalfOpen { probe: now }
            }
            (State::HalfOpen { .. }, Outcome::Success) if probe => *self = Breaker::default(),
            (State::HalfOpen { .. }, Outcome::Failure) if probe => self.open(now),
            (State::Closed, Outcome::Success | Outcome::Failure) => {
                self.failures =
                    (self.failures << 1 | u32::from(outcome == Outcome::Failure)) & ((1 << WINDOW) - 1);
                self.known = (self.known + 1).min(WINDOW);
                if self.known >= MINIMUM && self.failures.count_ones() * 2 >= self.known {
                    self.open(now);
                }
            }
            // What began before the breaker opened comes too late to tell anything new.
            _ => {}
        }
        before != self.state.name()
    }

    fn open(&mut self, now: Milliseconds) {
        self.cooldown = (self.cooldown * 2.0).clamp(COOLDOWN.0, COOLDOWN.1);
        self.state = State::Open { until: now + self.cooldown };
        self.failures = 0;
        self.known = 0;
    }
}
