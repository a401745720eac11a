//! Another leg beside one that is slow. The first with something to show takes the lead.

use super::Call;
use super::attempt::Head;
use super::leg::{Leg, Phase};
use super::shared::Shared;
use crate::core::ports::{Milliseconds, Now};
use crate::core::wire::batch::Batch;

impl Call {
    /// Begins another leg if it is time for one. Returns when it will be.
    pub(super) fn hedge(&mut self, shared: &mut Shared, now: Now) -> Milliseconds {
        let Some((after, most)) = self.settings.hedge else { return f64::INFINITY };
        // Only the leg that was read knows what the continuation of an answer is behind.
        if self.leader.is_some()
            || self.continued.is_some()
            || !self.streamed
            || self.legs.len() > most as usize
        {
            return f64::INFINITY;
        }
        // An answer that is shown late in any case is not raced for.
        let last = self.legs.last().filter(|last| last.is_alive() && !last.is_on_trial());
        let Some(last) = last else { return f64::INFINITY };
        let Some(due) = last.sent.map(|sent| sent + after) else { return f64::INFINITY };
        if now.monotonic < due {
            return due;
        }
        if !shared.budget.withdraw(now.monotonic) {
            return now.monotonic + after;
        }
        let stream = last.stream.anew();
        let candidate = last.candidate;
        let next = if last.affine { self.first } else { candidate + 1 };
        let leg = Leg {
            candidate,
            settings: last.settings.clone(),
            token: last.token.clone(),
            phase: Phase::Admit,
            offers: last.offers.clone(),
            targets: last.targets.clone(),
            at: last.at,
            unknown_route: None,
            head: Head::default(),
            heard: now.monotonic,
            stream,
            batch: Batch::default(),
            watchdog: last.watchdog.clone(),
            retries: 0,
            waking_since: None,
            ticket: shared.ticket(),
            lane: None,
            probe: false,
            attempt: None,
            sent: None,
            before: 0.0,
            hedge: true,
            affine: false,
            broken: None,
        };
        self.legs.push(leg);
        let number = self.legs.len() - 1;
        if let Some(own) = self.legs.get_mut(number) {
            own.batch.set_want(self.batch.want());
            own.watchdog.waits();
        }
        // Another target, where there is one: the same may be slow for both.
        if next <= self.fallbacks.len() {
            self.enter(number, next);
        }
        self.begun.push(number);
        f64::INFINITY
    }
}
