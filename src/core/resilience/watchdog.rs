//! Deadlines of one call: for its turn, for the first token, for a stall, and for the whole.
//!
//! A timer that wraps every read would cost more than the read. The watchdog keeps stamps instead;
//! one timer of the call looks at them now and then ([`Watchdog::check`]), and sets itself for the
//! next moment that could matter.
//!
//! Time that nobody lived through does not count: when the timer is late by more than
//! [`JUMP`], the tab was frozen or the machine asleep since the last sign of life, and every stamp moves
//! on by as much.

use crate::core::ports::Milliseconds;

/// How late the timer may be before the clock is taken to have jumped.
const JUMP: Milliseconds = 5_000.0;

/// How long after the service has said why it ended its trailing words (usage, `[DONE]`) are awaited, and after
/// the status of a refusal its body.
const TRAILER: Milliseconds = 5_000.0;

/// The limits of a call, in milliseconds. Infinity switches one off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// From the call to the sending of its first request, while others have their turn.
    pub queue: Milliseconds,
    /// From sending to the first visible delta.
    pub first_token: Milliseconds,
    /// Between two pieces of the answer; comments (keep-alives) do not count as pieces.
    pub stall: Milliseconds,
    /// From the call to its end, everything included.
    pub total: Milliseconds,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { queue: 300_000.0, first_token: 60_000.0, stall: 120_000.0, total: 600_000.0 }
    }
}

/// Which limit was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The call waited too long for its turn.
    Queue,
    /// No visible delta in time.
    FirstToken,
    /// The answer stood still.
    Stall,
    /// The whole call took too long.
    Total,
}

/// What a look at the stamps found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Look {
    /// Nothing is late; look again at this moment.
    Again(Milliseconds),
    /// A limit was passed.
    Expired(Phase),
    /// The answer had said how it ends; only its trailing words never came.
    TrailerMissing,
}

/// The stamps.
#[derive(Clone, Debug)]
pub struct Watchdog {
    limits: Limits,
    started: Milliseconds,
    /// How long the consumer has been busy with what it had, in all.
    busy: Milliseconds,
    /// The last piece, on a clock that stands still while the consumer is busy.
    progress: Milliseconds,
    /// A request is out.
    out: bool,
    /// Some request has been out.
    began: bool,
    shown: bool,
    finished: bool,
    /// When the next look was due.
    planned: Milliseconds,
    /// The last sign of life: a look or a piece of the answer.
    seen: Milliseconds,
}

impl Watchdog {
    /// Starts the whole call's time.
    pub fn new(limits: Limits, now: Milliseconds) -> Watchdog {
        Watchdog {
            limits,
            started: now,
            busy: 0.0,
            progress: now,
            out: false,
            began: false,
            shown: false,
            finished: false,
            planned: now,
            seen: now,
        }
    }

    /// A request is sent: its first token is awaited from here.
    pub fn sent(&mut self, now: Milliseconds) {
        self.asks(now);
        self.began = true;
    }

    /// Something is asked before the request can be sent, and may take as long as a first token.
    pub fn asks(&mut self, now: Milliseconds) {
        self.progress = now - self.busy;
        self.out = true;
        self.shown = false;
        self.finished = false;
    }

    /// No request is out: between two attempts only the total runs.
    pub fn waits(&mut self) {
        self.out = false;
        self.finished = false;
    }

    /// Nothing is asked of a service: only the total runs.
    pub fn rests(&mut self) {
        self.began = true;
        self.waits();
    }

    /// When the call has to be over.
    pub fn deadline(&self) -> Milliseconds {
        self.started + self.limits.total
    }

    /// The consumer has been busy for so long in all.
    #[inline]
    pub fn set_busy(&mut self, busy: Milliseconds) {
        self.busy = busy;
    }

    /// A piece of the answer came. Returns whether another limit counts from here, so that the timer
    /// must be set anew.
    #[inline]
    pub fn progressed(&mut self, now: Milliseconds, shown: bool, finished: bool) -> bool {
        self.lives(now);
        // Until something is visible, the time since sending counts.
        if shown || finished {
            self.progress = now - self.busy;
        }
        let changed = shown && !self.shown || finished && !self.finished;
        self.shown |= shown;
        self.finished |= finished;
        changed
    }

    /// Whether a look is due. A body whose pieces are always ready leaves the timer no turn.
    #[inline]
    pub fn is_due(&self, now: Milliseconds) -> bool {
        now >= self.planned
    }

    /// A sign of life. What comes first after a jump of the clock may be the timer or a piece.
    #[inline]
    fn lives(&mut self, now: Milliseconds) {
        if now - self.planned > JUMP {
            let lost = now - self.seen;
            self.started += lost;
            self.progress += lost;
        }
        self.seen = now;
    }

    /// Looks at the stamps. While the consumer is busy only the total runs.
    pub fn check(&mut self, now: Milliseconds) -> Look {
        self.lives(now);
        let since = self.progress + self.busy;
        let (piece, phase) = match (self.finished, self.shown) {
            _ if !self.out && self.began => (f64::INFINITY, None),
            _ if !self.out => (self.started + self.limits.queue, Some(Phase::Queue)),
            (true, _) => (since + TRAILER.min(self.limits.stall), None),
            (false, false) => (since + self.limits.first_token, Some(Phase::FirstToken)),
            (false, true) => (since + self.limits.stall, Some(Phase::Stall)),
        };
        let total = self.deadline();
        if now >= total {
            return if self.finished { Look::TrailerMissing } else { Look::Expired(Phase::Total) };
        }
        if now >= piece {
            return phase.map_or(Look::TrailerMissing, Look::Expired);
        }
        let next = piece.min(total);
        self.planned = next;
        Look::Again(next)
    }
}
