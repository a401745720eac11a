//! What follows from the failure of an attempt: another one, the next target, or the end of the leg.

use super::leg::{Leg, Phase, Verdict};
use super::report::write_error;
use super::settings::MidStream;
use super::shared::Shared;
use super::{Call, judge};
use crate::core::error::{Error, Kind};
use crate::core::ports::Now;
use crate::core::provider::body::{self, Members};
use crate::core::resilience::breaker;
use crate::core::wire::batch::{Mark, Want};

impl Call {
    /// The leg's attempt has failed, or could not be made.
    pub(super) fn attempt_failed(&mut self, leg: usize, error: Box<Error>, shared: &mut Shared, now: Now) {
        if self.plays(leg) {
            return self.tape_failed(leg, error, shared, now);
        }
        self.tape_answer();
        let Some(own) = self.legs.get_mut(leg).filter(|_| !self.settled) else { return };
        if error.kind == Kind::RateLimit
            && error.reason != "gate"
            && let Some(lane) = own.lane
        {
            let until = error.retry_at.map(|at| now.monotonic + at - now.unix);
            let lane = shared.lane(lane, now.monotonic);
            match (error.reason, until) {
                // The head has closed the gate; its words may want it closed for longer.
                ("refused", Some(until)) => lane.close(until),
                ("refused", None) => {}
                _ => lane.refused(until, now.monotonic),
            }
        }
        let deadline = own.watchdog.deadline();
        let mid_stream = self.leader == Some(leg);
        let mode = if mid_stream { self.mid_stream(leg) } else { MidStream::Fail };
        let Some(own) = self.legs.get(leg) else { return };
        let verdict = match mode {
            MidStream::Fail if mid_stream => Verdict::Fail,
            _ => match judge::verdict(own, &error, deadline, shared, now) {
                // It would not have been asked if it had not answered before.
                Verdict::Fail if own.affine => Verdict::Next,
                verdict => verdict,
            },
        };
        let counts = match verdict {
            // It is not failing, it is getting up.
            Verdict::Wake(_) => breaker::Outcome::Neutral,
            _ => judge::outcome(&error),
        };
        let number = own.attempt;
        if mid_stream {
            self.waste(leg);
            if let Some(own) = self.legs.get_mut(leg) {
                own.stream.answer.release(&mut self.batch);
            }
        }
        self.leave(leg, error.reason, counts, shared, now);
        if mid_stream && !matches!(verdict, Verdict::Fail) {
            self.leader = None;
            if let Some(own) = self.legs.get_mut(leg) {
                own.broken = Some(mode);
            }
        }
        match (self.legs.get_mut(leg), number) {
            // What was half shown is sent again only where `midStream` says so.
            (Some(own), Some(number))
                if own.settings.asks_before_retry
                    && !own.hedge
                    && (!mid_stream || !matches!(verdict, Verdict::Fail)) =>
            {
                own.phase = Phase::Consult(error, verdict, number);
            }
            _ => {
                self.judged(leg, number, verdict);
                self.execute(leg, verdict, error, shared, now);
            }
        }
    }

    /// The caller has been asked whether to try again: yes, no, or as it would be anyway.
    pub fn on_consulted(&mut self, leg: usize, answer: Option<bool>, shared: &mut Shared, now: Now) {
        let Some(own) = self.legs.get_mut(leg) else { return };
        if !matches!(own.phase, Phase::Consult(..)) {
            return;
        }
        let Phase::Consult(error, planned, number) = std::mem::replace(&mut own.phase, Phase::Over) else {
            return;
        };
        let verdict = match (answer, planned) {
            (Some(false), Verdict::Retry(_) | Verdict::Wake(_)) => Verdict::Next,
            (Some(true), Verdict::Next | Verdict::Fail)
                if own.retries < own.settings.retry.limit && shared.budget.withdraw(now.monotonic) =>
            {
                // Also the caller's yes sends nothing earlier than the service asks.
                let hint = error.retry_at.map(|at| (at - now.unix).max(0.0));
                let policy = &own.settings.retry;
                Verdict::Retry(hint.unwrap_or_else(|| policy.backoff(own.retries, &mut shared.random)))
            }
            _ => planned,
        };
        self.judged(leg, Some(number), verdict);
        self.execute(leg, verdict, error, shared, now);
    }

    /// Notes what follows from the failure of an attempt.
    fn judged(&mut self, leg: usize, number: Option<usize>, verdict: Verdict) {
        let broken = self.legs.get(leg).and_then(|leg| leg.broken);
        let (word, delay) = match (verdict, broken) {
            (Verdict::Fail, _) => ("fail", None),
            (Verdict::Next, _) => ("fallback", None),
            (Verdict::Wake(delay), _) => ("wake", Some(delay)),
            (Verdict::Retry(delay), Some(MidStream::Continue)) => ("continue", Some(delay)),
            (Verdict::Retry(delay), Some(MidStream::Restart)) => ("restart", Some(delay)),
            (Verdict::Retry(delay), _) => ("retry", Some(delay)),
        };
        if let Some(number) = number {
            self.trace.judged(number, word, delay);
        }
    }

    fn execute(&mut self, leg: usize, verdict: Verdict, error: Box<Error>, shared: &mut Shared, now: Now) {
        match verdict {
            Verdict::Retry(delay) | Verdict::Wake(delay) => {
                self.resume(leg);
                let Some(own) = self.legs.get_mut(leg) else { return };
                let wakes = matches!(verdict, Verdict::Wake(_));
                if wakes {
                    own.waking_since.get_or_insert(now.monotonic);
                } else {
                    own.retries += 1;
                }
                if self.continued.is_none() {
                    own.stream.restart();
                }
                own.batch.clear();
                own.phase = Phase::Wait(now.monotonic + delay);
                self.rearm = true;
                let attempt = self.trace.count() as u64 + 1;
                self.tell(Mark::Retry, "retry", &|event| {
                    event.integer("attempt", attempt).integer("delay", delay as u64);
                    if wakes {
                        event.bool("waking", true);
                    }
                    write_error(&error, event.key("error"));
                });
            }
            Verdict::Next => self.next(leg, error, shared, now),
            Verdict::Fail => self.give_up(leg, error, shared, now),
        }
    }

    /// What may become of an answer of which something was shown.
    fn mid_stream(&self, leg: usize) -> MidStream {
        let Some(own) = self.legs.get(leg) else { return MidStream::Fail };
        let simple = || {
            let members = Members::read(&self.request);
            members.is_some_and(|members| {
                let n = members.get("n").is_none_or(|n| n == b"1");
                n && members.get("tools").is_none() && members.get("response_format").is_none()
            })
        };
        match self.settings.mid_stream {
            // Readers of chunks get them as the service sent them, repetitions and all.
            MidStream::Continue
                if self.batch.want() != Want::Chunks && own.stream.answer.can_continue() && simple() =>
            {
                MidStream::Continue
            }
            // Whoever reads text or chunks cannot be told to clear what was shown.
            MidStream::Restart if matches!(self.batch.want(), Want::Nothing | Want::Events) => {
                MidStream::Restart
            }
            _ => MidStream::Fail,
        }
    }

    /// Makes the leg ready for another attempt, now that it is sure to come, if a part was shown.
    pub(super) fn resume(&mut self, leg: usize) {
        let Some(own) = self.legs.get_mut(leg) else { return };
        let Some(mode) = own.broken.take() else { return };
        if mode == MidStream::Continue {
            let text = own.stream.answer.text().to_vec();
            self.continued =
                Members::read(&self.request).and_then(|request| body::continued(&request, &text));
            own.targets.truncate(own.at + 1);
            own.stream.resume();
        } else {
            own.stream.restart();
            self.batch.event(Mark::Restart, &|_| {});
            self.note("restart", &|_| {});
        }
    }

    /// The leg ends; the call fails with it, unless another leg may still answer.
    pub(super) fn give_up(&mut self, leg: usize, error: Box<Error>, shared: &mut Shared, now: Now) {
        if let Some(own) = self.legs.get_mut(leg) {
            own.phase = Phase::Over;
        }
        if self.legs.iter().any(Leg::is_alive) {
            return;
        }
        self.fail(error, shared, now);
    }
}
