//! What an answer leads to: its head, the body that is read whole (a refusal's, the Hub's, the router's), and the
//! body that is fed piece by piece until the leg has something to show.

use super::admission::credential;
use super::attempt::{self, Head, Reading};
use super::leg::{Leg, Phase};
use super::settings::MidStream;
use super::shared::Shared;
use super::stream::{Outcome, Stream};
use super::{Call, Progress, settle};
use crate::core::error::{Error, Kind};
use crate::core::ports::Now;
use crate::core::provider::{catalogue, mapping};
use crate::core::resilience::breaker;
use crate::core::wire::batch::{Batch, Mark, Want};
use crate::core::wire::chat::MAX_ANSWER_BYTES;

impl Call {
    /// The head of the answer to the request of the last [`Step::Send`] is here.
    pub fn on_head(&mut self, leg: usize, head: Head, shared: &mut Shared, now: Now) -> Reading {
        let Some(own) = self.legs.get_mut(leg).filter(|_| !self.settled) else { return Reading::Discard };
        if !matches!(own.phase, Phase::Lookup(_) | Phase::Catalogue(_) | Phase::Out) {
            // The leg ended while the answer was on its way.
            return Reading::Discard;
        }
        own.heard = now.monotonic;
        let refused = Kind::from_status(head.status).is_some();
        if refused {
            self.rearm |= own.watchdog.progressed(now.monotonic, false, true);
        }
        if !matches!(own.phase, Phase::Out) {
            // Who failed is still to be known when the router has told who else there is.
            own.head = Head { provider: std::mem::take(&mut own.head.provider), ..head };
            return Reading::Whole(attempt::MAX_MAPPING_BYTES);
        }
        if let Some(lane) = own.lane {
            let lane = shared.lane(lane, now.monotonic);
            lane.answered(own.ticket, &head.quota, now.monotonic);
            if !refused {
                lane.succeeded();
            }
        }
        if let Some(number) = own.attempt {
            self.trace.headers(number, head.status, &head.provider, now.monotonic);
        }
        if refused {
            // Who asks meanwhile is not to wait for the words of the refusal.
            let error = attempt::refusal(&head, b"", now);
            own.head = head;
            if let (Kind::RateLimit, Some(lane)) = (error.kind, own.lane) {
                let until = error.retry_at.map(|at| now.monotonic + at - now.unix);
                shared.lane(lane, now.monotonic).refused(until, now.monotonic);
            }
            return Reading::Whole(attempt::MAX_ERROR_BYTES);
        }
        if head.content_type.starts_with("text/html") {
            let mut error = Error::boxed(Kind::InvalidResponse, "markup");
            error.status = Some(head.status);
            own.head = head;
            self.attempt_failed(leg, error, shared, now);
            return Reading::Discard;
        }
        own.head = head;
        own.phase = Phase::Reading;
        if own.unknown_route.is_some()
            && let Some(first) = own.targets.first()
        {
            shared.remember_route(&first.url, own.at);
        }
        let answerer = own.answerer();
        own.batch.set_want(self.batch.want());
        if self.batch.want() != Want::Nothing {
            own.stream.hold_nothing();
        }
        own.batch.event(Mark::Start, &|event| answerer.write(event));
        // What continues an answer has been shown to begin.
        if self.continued.is_some() {
            self.lead(leg, shared, now);
        }
        Reading::Stream
    }

    /// The body that was to be read whole is here.
    pub fn on_body(&mut self, leg: usize, body: &[u8], shared: &mut Shared, now: Now) {
        self.read_whole(leg, body, now, shared, now);
    }

    /// All of a body that is to be had is here. From `told` on counts how long a refusal asks to wait.
    pub(super) fn read_whole(&mut self, leg: usize, body: &[u8], told: Now, shared: &mut Shared, now: Now) {
        let Some(own) = self.legs.get_mut(leg).filter(|_| !self.settled) else { return };
        match &own.phase {
            Phase::Lookup(model) => {
                let offers = if own.head.status == 200 { mapping::read(body) } else { None };
                // The Hub does not know the model: nobody serves it there.
                let unknown = own.head.status == 404;
                match offers {
                    Some(offers) => {
                        let key = credential(own.token.as_ref());
                        shared.mappings.put(model, key, now.monotonic, offers.clone());
                        own.offers = Some(offers);
                    }
                    None if unknown => own.offers = Some(Vec::new()),
                    None => {
                        let mut error = attempt::refusal(&own.head, body, told);
                        error.reason = "mapping";
                        return self.attempt_failed(leg, error, shared, now);
                    }
                }
                own.watchdog.waits();
                own.phase = Phase::Plan;
            }
            Phase::Catalogue(_) => {
                let terms = if own.head.status == 200 { catalogue::read(body) } else { None };
                self.router_answered(leg, terms.unwrap_or_default(), shared, now);
            }
            Phase::Out => {
                let error = attempt::refusal(&own.head, body, told);
                // Only an endpoint whose protocol is not known has several routes.
                if matches!(own.head.status, 404 | 405) && own.at + 1 < own.targets.len() {
                    own.unknown_route.get_or_insert(error);
                    self.leave(leg, "unknown_route", breaker::Outcome::Neutral, shared, now);
                    if let Some(own) = self.legs.get_mut(leg) {
                        own.at += 1;
                        own.phase = Phase::Admit;
                    }
                    return;
                }
                // When no route is known, the first one's words are the telling ones: the unknown thing
                // may have been the model.
                let error = match own.unknown_route.take() {
                    Some(first) if matches!(own.head.status, 404 | 405) => first,
                    _ => error,
                };
                self.attempt_failed(leg, error, shared, now);
            }
            _ => {}
        }
    }

    /// No answer came: the network failed, or the browser does not let the page have it.
    pub fn on_no_answer(&mut self, leg: usize, shared: &mut Shared, now: Now) {
        let Some(own) = self.legs.get(leg).filter(|_| !self.settled) else { return };
        match own.phase {
            Phase::Catalogue(_) => self.router_answered(leg, Vec::new(), shared, now),
            Phase::Lookup(_) => {
                self.attempt_failed(leg, Error::boxed(Kind::Network, "mapping"), shared, now);
            }
            Phase::Out => {
                self.attempt_failed(leg, Error::boxed(Kind::Network, "no_answer"), shared, now);
            }
            _ => {}
        }
    }

    /// Takes a piece of the body of the leg's answer. The batch of the call then has what it brought, as
    /// soon as the leg has the lead.
    pub fn feed(&mut self, leg: usize, bytes: &[u8], shared: &mut Shared, now: Now) -> Progress {
        let leads = self.leader == Some(leg);
        let Some(own) = self.reading(leg) else { return self.progress() };
        let pieces = own.0.pieces();
        let mut outcome = own.0.feed(bytes, own.1);
        // Nobody takes it before the leg has the lead.
        if !leads && outcome == Outcome::More && own.1.text().len() > MAX_ANSWER_BYTES {
            outcome = Outcome::Failed(Error::boxed(Kind::ResponseTooLarge, "answer"));
        }
        let nothing = outcome == Outcome::More && pieces == own.0.pieces();
        // A body whose pieces are always ready leaves the timer no turn.
        self.rearm |= self.legs.get(leg).is_some_and(|own| own.watchdog.is_due(now.monotonic));
        if nothing {
            return if leads { Progress::More } else { self.progress() };
        }
        self.advance(leg, outcome, shared, now)
    }

    /// The body of the leg's answer has ended.
    pub fn end(&mut self, leg: usize, shared: &mut Shared, now: Now) -> Progress {
        let Some(own) = self.reading(leg) else { return self.progress() };
        let outcome = own.0.end(own.1);
        self.advance(leg, outcome, shared, now)
    }

    /// The body of the leg's answer broke off: the connection was lost.
    pub fn break_off(&mut self, leg: usize, shared: &mut Shared, now: Now) -> Progress {
        let Some(own) = self.reading(leg) else { return self.progress() };
        let outcome = own.0.break_off(own.1);
        self.advance(leg, outcome, shared, now)
    }

    /// The stream of a leg that reads, and the batch for what it brings.
    fn reading(&mut self, leg: usize) -> Option<(&mut Stream, &mut Batch)> {
        let leads = self.leader == Some(leg);
        let own = self.legs.get_mut(leg).filter(|_| !self.settled)?;
        if !matches!(own.phase, Phase::Reading) {
            return None;
        }
        Some((&mut own.stream, if leads { &mut self.batch } else { &mut own.batch }))
    }

    pub(super) fn advance(
        &mut self,
        leg: usize,
        outcome: Outcome,
        shared: &mut Shared,
        now: Now,
    ) -> Progress {
        let Some(own) = self.legs.get_mut(leg) else { return self.progress() };
        let shown = own.stream.answer.has_output();
        let tried = own.is_on_trial();
        self.rearm |= own.watchdog.progressed(now.monotonic, shown, own.stream.is_finished());
        if let (true, Some(number)) = (shown, own.attempt) {
            self.trace.token(number, now.monotonic);
        }
        match outcome {
            Outcome::More if !shown || tried => {}
            Outcome::More => self.lead(leg, shared, now),
            Outcome::Complete if tried => self.judge(leg, shared, now),
            Outcome::Complete => {
                self.lead(leg, shared, now);
                self.complete(leg, shared, now);
            }
            Outcome::Failed(error) => {
                // What can be shown of it is the consumer's, also when it is the last.
                if shown && self.streamed && !tried {
                    self.lead(leg, shared, now);
                }
                self.attempt_failed(leg, error, shared, now);
            }
        }
        self.progress()
    }

    /// The leg is the first with something to show: the others end.
    pub(super) fn lead(&mut self, leg: usize, shared: &mut Shared, now: Now) {
        if self.leader.is_some() {
            return;
        }
        self.leader = Some(leg);
        for other in 0..self.legs.len() {
            if other != leg && self.legs.get(other).is_some_and(Leg::is_alive) {
                self.waste(other);
                self.leave(other, "outpaced", breaker::Outcome::Neutral, shared, now);
                self.dropped.push(other);
                if let Some(own) = self.legs.get_mut(other) {
                    own.phase = Phase::Over;
                }
            }
        }
        if let Some(own) = self.legs.get_mut(leg) {
            self.answerer = own.answerer();
            self.batch.append(&own.batch);
            own.batch.clear();
        }
        if self.settings.tapes {
            let answerer = self.answerer.clone();
            self.note_before("start", &|event| answerer.write(event));
        }
    }

    /// Chooses what later pieces put into the batch.
    pub fn want(&mut self, want: Want) {
        let first = self.batch.want() == Want::Nothing && want != Want::Nothing;
        self.batch.set_want(want);
        for (number, leg) in self.legs.iter_mut().enumerate() {
            leg.batch.set_want(want);
            if !first {
                continue;
            }
            // What broke off after it was shown stays shown, unless it is to begin anew.
            let stays = match leg.broken {
                Some(MidStream::Restart) => want == Want::Events,
                Some(_) => true,
                None => self.continued.is_some() && leg.is_alive(),
            };
            let leads = self.leader == Some(number) || self.leader.is_none() && stays;
            let answerer = leg.answerer();
            let batch = if leads { &mut self.batch } else { &mut leg.batch };
            if leg.head.status == 200 || !answerer.provider.is_empty() && leg.stream.tape.is_some() {
                batch.event(Mark::Start, &|event| answerer.write(event));
            }
            leg.stream.replay(batch);
            if matches!(leg.phase, Phase::Judge(_)) {
                settle::close(&mut leg.stream.answer, batch);
            }
            if leads && self.settled {
                if self.error.is_none() && !self.aborted {
                    settle::close(&mut leg.stream.answer, batch);
                } else {
                    leg.stream.answer.release(batch);
                }
            }
        }
    }
}
