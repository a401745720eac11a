//! The look at the clock: what is late ends here.

use super::leg::Phase;
use super::shared::Shared;
use super::stream::Outcome;
use super::{Call, PULSE};
use crate::core::error::{Error, Kind};
use crate::core::ports::{Milliseconds, Now};
use crate::core::resilience::watchdog::{self, Look};

impl Call {
    /// How long the consumer has been busy with what it had instead of waiting for the service, in all.
    /// To be told before [`Call::feed`] and [`Call::look`].
    pub fn set_busy(&mut self, busy: Milliseconds) {
        self.busy = busy;
        for leg in &mut self.legs {
            leg.watchdog.set_busy(busy);
        }
    }

    /// Whether [`Call::look`] is to be called now, because another deadline counts since the last one.
    pub fn takes_look(&mut self) -> bool {
        std::mem::take(&mut self.rearm) && !self.settled
    }

    /// Looks whether a deadline has passed, and ends what is late. Returns when to look again.
    pub fn look(&mut self, shared: &mut Shared, now: Now) -> Option<Milliseconds> {
        let mut next = f64::INFINITY;
        for leg in 0..self.legs.len() {
            let Some(own) = self.legs.get_mut(leg).filter(|leg| leg.is_alive() && !self.settled) else {
                continue;
            };
            match own.watchdog.check(now.monotonic) {
                Look::Again(at) => next = next.min(at),
                Look::TrailerMissing if matches!(own.phase, Phase::Reading) => {
                    self.advance(leg, Outcome::Complete, shared, now);
                    self.dropped.push(leg);
                }
                // A refusal whose words do not end is what its head says.
                Look::TrailerMissing => {
                    let told = own.then(now);
                    self.dropped.push(leg);
                    self.read_whole(leg, b"", told, shared, now);
                    next = now.monotonic;
                }
                Look::Expired(phase) => {
                    self.expire(leg, phase, shared, now);
                    next = now.monotonic;
                }
            }
        }
        if self.settled {
            return None;
        }
        next = next.min(self.hedge(shared, now));
        if shared.mortal {
            next = next.min(now.monotonic + PULSE);
            for own in &self.legs {
                if let Some(lane) = own.lane {
                    shared.lane(lane, now.monotonic).heard_of(own.ticket, now.monotonic + PULSE);
                    shared.accounts.budgets.heard_of(own.ticket, now.monotonic + 2.0 * PULSE);
                }
            }
        }
        Some(next)
    }

    fn expire(&mut self, leg: usize, phase: watchdog::Phase, shared: &mut Shared, now: Now) {
        let reason = match phase {
            watchdog::Phase::Queue => "queue",
            watchdog::Phase::FirstToken => "first_token",
            watchdog::Phase::Stall => "stall",
            watchdog::Phase::Total => "total",
        };
        let error = Error::boxed(Kind::Timeout, reason);
        let own = self.legs.get(leg);
        match own.map(|own| &own.phase) {
            // These end what the leg waits for; the others end the call.
            Some(Phase::Lookup(_) | Phase::Out | Phase::Reading)
                if matches!(phase, watchdog::Phase::FirstToken | watchdog::Phase::Stall) =>
            {
                self.dropped.push(leg);
                self.attempt_failed(leg, error, shared, now);
            }
            Some(Phase::Catalogue(_)) if matches!(phase, watchdog::Phase::FirstToken) => {
                self.dropped.push(leg);
                self.router_answered(leg, Vec::new(), shared, now);
            }
            _ => self.fail(error, shared, now),
        }
    }
}
