//! How attempts end, and the call: places in lanes are given back, breakers and budgets told.

use super::report::notice;
use super::shared::Shared;
use super::{Call, judge, settle};
use crate::core::error::Error;
use crate::core::ports::Now;
use crate::core::resilience::breaker;
use crate::core::wire::json;

impl Call {
    pub(super) fn complete(&mut self, leg: usize, shared: &mut Shared, now: Now) {
        if let Some(own) = self.legs.get_mut(leg) {
            settle::close(&mut own.stream.answer, &mut self.batch);
            if let (Some(cache), Some(tape)) = (&mut self.trace.cache, &own.stream.tape) {
                cache.saved = tape.usd;
            }
        }
        self.leave(leg, "complete", breaker::Outcome::Success, shared, now);
        self.trace.settled("complete");
        self.settle(shared, now);
    }

    pub(super) fn fail(&mut self, error: Box<Error>, shared: &mut Shared, now: Now) {
        if self.settled {
            return;
        }
        self.trace.settled(judge::state(&error));
        for leg in 0..self.legs.len() {
            self.leave(leg, error.reason, judge::outcome(&error), shared, now);
        }
        self.error = Some(error);
        self.settle(shared, now);
    }

    /// The caller wants no more of it.
    pub fn abort(&mut self, shared: &mut Shared, now: Now) {
        if self.settled {
            return;
        }
        for leg in 0..self.legs.len() {
            self.leave(leg, "aborted", breaker::Outcome::Neutral, shared, now);
        }
        self.trace.settled("aborted");
        self.aborted = true;
        self.settle(shared, now);
    }

    pub(super) fn settle(&mut self, shared: &mut Shared, now: Now) {
        self.settled = true;
        // What nobody has accepted is shown to nobody.
        for own in self.legs.iter_mut().filter(|own| self.leader.is_none() && own.is_on_trial()) {
            own.stream.restart();
            own.batch.clear();
        }
        // The one that has most to tell speaks for the call.
        let told = self.leader.or_else(|| self.legs.iter().position(|leg| leg.stream.answer.has_output()));
        if let Some(leader) = self.leader.filter(|_| self.error.is_none()) {
            self.remember(leader, shared, now);
        }
        if self.leader.is_none()
            && let Some(own) = self.legs.get_mut(told.unwrap_or(0))
        {
            // What the last attempt brought, although there was nothing in it to show.
            self.batch.append(&own.batch);
            own.batch.clear();
        }
        self.leader = Some(told.unwrap_or(0));
        if let Some(own) = told.and_then(|told| self.legs.get_mut(told)) {
            own.stream.answer.release(&mut self.batch);
        }
        for leg in 0..self.legs.len() {
            self.leave(leg, "over", breaker::Outcome::Neutral, shared, now);
        }
        let mut legs =
            told.into_iter().chain((0..self.legs.len()).rev()).filter_map(|leg| self.legs.get(leg));
        let last = legs.find_map(|leg| leg.target().map(|target| (leg, target)));
        if let Some((leg, target)) = last {
            self.place = Some((target.provider.clone(), target.url.clone()));
            if self.answerer.provider.is_empty() {
                self.answerer = leg.answerer();
            }
        }
        // Who used another call's answer, or one that was kept, used nothing.
        if !self.is_recalled() {
            self.save(shared);
            self.account(shared, now);
        }
    }

    /// The leg's attempt is over: frees its place in the lane, and tells the breaker.
    pub(super) fn leave(
        &mut self,
        leg: usize,
        outcome: &'static str,
        counts: breaker::Outcome,
        shared: &mut Shared,
        now: Now,
    ) {
        self.charge(leg, outcome, shared, now);
        let Some(own) = self.legs.get_mut(leg) else { return };
        own.watchdog.waits();
        if let Some(number) = own.attempt.take() {
            self.trace.ended(number, outcome, now.monotonic);
        }
        if let Some(lane) = own.lane.take() {
            let total = json::number_member(own.stream.answer.usage(), "total_tokens");
            shared.lane(lane, now.monotonic).leave(own.ticket, total);
            shared.wake_next(lane);
        }
        shared.accounts.budgets.leave(own.ticket);
        let probe = std::mem::take(&mut own.probe);
        if let (Some(_), true, Some(target)) =
            (own.sent.take(), own.settings.breaker, own.targets.get(own.at))
        {
            let name = target.name();
            let breaker = shared.breaker(&name);
            let changed = breaker.record(counts, probe, now.monotonic);
            let state = breaker.state().name();
            if changed && own.settings.notices {
                notice(&mut self.notices, "state", &|event| {
                    event.text("target", name.as_bytes()).text("state", state.as_bytes());
                });
            }
        }
    }

    /// Notes the tokens of an attempt whose answer is of no use.
    pub(super) fn waste(&mut self, leg: usize) {
        if let Some(own) = self.legs.get(leg)
            && let Some(number) = own.attempt
        {
            let (prompt, completion) = self.tokens(&own.stream);
            self.trace.wasted(number, prompt, completion);
        }
    }
}
