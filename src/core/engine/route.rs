//! Which of a small and a large target answers: the caller is asked, or the small one's answer is tried.
//!
//! The first two of such a call's fallbacks ([`Settings::route`](super::settings::Settings::route)) are the small and
//! the large target, and the caller says at which of them it begins. An answer *on trial* (`Route::tries`) stays in
//! its leg, as that of a hedge does, until it is complete and accepted; what is rejected goes to the next target as
//! after a failure, is paid for and never shown.

use super::leg::{Leg, Phase};
use super::shared::Shared;
use super::stream::Answer;
use super::{Call, attempt, settle};
use crate::core::error::{Error, Kind};
use crate::core::ports::Now;
use crate::core::resilience::breaker;
use crate::core::usage::cost::Cost;
use crate::core::usage::money;
use crate::core::wire::chat;
use crate::core::wire::json::{self, ObjectWriter};

/// Which of a call's targets is the small one.
pub const SMALL: usize = 1;
/// And which the large one.
pub const LARGE: usize = 2;

/// What was chosen for a call, for its trace.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    large: bool,
    shadow: bool,
    /// What the caller said: `{ "large", "reason", "estimate"? }`.
    told: Vec<u8>,
    /// Why the large target was asked although the small one was chosen.
    pub escalated: String,
    /// What the choice would have cost less, or, if it is negative, more.
    saved: Option<(bool, money::Pico)>,
}

impl Choice {
    /// `{ "chosen", "reason", "estimate"?, "escalated"?, "shadow"?, "savedUsd"? }`
    pub fn write(&self, object: &mut ObjectWriter<'_>) {
        object.text("chosen", if self.large { b"large" } else { b"small" });
        for name in &["reason", "estimate"] {
            if let Some(value) = json::member(&self.told, name) {
                object.raw(name, value);
            }
        }
        object.text_if("escalated", self.escalated.as_bytes());
        if self.shadow {
            object.bool("shadow", true);
        }
        if let Some((negative, amount)) = self.saved {
            let out = object.key("savedUsd");
            if negative {
                out.push(b'-');
            }
            json::write_fixed(out, amount);
        }
    }
}

impl Leg {
    /// Whether its answer must not be shown before it is accepted.
    pub fn is_on_trial(&self) -> bool {
        let tries = self.settings.route.as_ref().is_some_and(|route| route.tries && route.shadow.is_empty());
        tries && self.candidate == SMALL && self.stream.tape.is_none()
    }
}

impl Call {
    /// The caller has answered: which target it chose (JSON; the large one unless it says otherwise), or what it
    /// objects to in the answer on trial (`true` is no objection), or whether it would try again (`true` or `false`;
    /// anything else is no opinion).
    pub fn on_told(&mut self, leg: usize, told: &str, shared: &mut Shared, now: Now) {
        let Some(own) = self.legs.get_mut(leg).filter(|_| !self.settled) else { return };
        match own.phase {
            Phase::Route => {
                own.phase = Phase::Plan;
                let large = json::member(told.as_bytes(), "large") != Some(b"false");
                let shadow = self.settings.route.as_ref().is_some_and(|route| !route.shadow.is_empty());
                let choice = Choice { large, shadow, told: told.into(), ..Choice::default() };
                self.trace.route = Some(Box::new(choice));
                if !shadow {
                    self.first = if large { LARGE } else { SMALL };
                    self.enter(leg, self.first);
                }
            }
            Phase::Judge(number) if told == "true" => self.accept(leg, number, shared, now),
            Phase::Judge(number) => self.reject(leg, number, told, shared, now),
            Phase::Consult(..) => {
                let answer = match told {
                    "true" => Some(true),
                    "false" => Some(false),
                    _ => None,
                };
                self.on_consulted(leg, answer, shared, now);
            }
            _ => {}
        }
    }

    /// The answer on trial is complete.
    pub(super) fn judge(&mut self, leg: usize, shared: &mut Shared, now: Now) {
        let Some(own) = self.legs.get_mut(leg) else { return };
        settle::close(&mut own.stream.answer, &mut own.batch);
        let number = own.attempt.unwrap_or_default();
        let objection = own.objection();
        let asks = self.settings.route.as_ref().is_some_and(|route| route.asks);
        self.waste(leg);
        // It answered, and well: what is made of the answer is no matter of its breaker's.
        self.leave(leg, "unjudged", breaker::Outcome::Success, shared, now);
        self.rearm = true;
        match (objection, self.legs.get_mut(leg)) {
            (Some(objection), _) => self.reject(leg, number, objection, shared, now),
            (None, Some(own)) if asks => own.phase = Phase::Judge(number),
            _ => self.accept(leg, number, shared, now),
        }
    }

    /// The answer on trial as the caller is shown it, as JSON.
    pub(super) fn on_trial(&self, leg: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let Some(own) = self.legs.get(leg) else { return out };
        let mut object = ObjectWriter::new(&mut out);
        settle::write_result(&own.stream.answer, &own.answerer(), &mut object);
        object.end();
        json::well_formed(out)
    }

    fn accept(&mut self, leg: usize, number: usize, shared: &mut Shared, now: Now) {
        self.trace.accepted(number, true);
        self.lead(leg, shared, now);
        self.trace.settled("complete");
        self.settle(shared, now);
    }

    fn reject(&mut self, leg: usize, number: usize, objection: &str, shared: &mut Shared, now: Now) {
        let mut error = Error::boxed(Kind::InvalidResponse, "rejected");
        self.trace.accepted(number, false);
        if let Some(choice) = &mut self.trace.route {
            objection.clone_into(&mut choice.escalated);
        }
        objection.clone_into(&mut error.message);
        self.next(leg, error, shared, now);
    }

    /// The call is over: reckons what a choice would have saved that was only made for show. Unless all is known
    /// that it takes, nothing.
    pub(super) fn save(&mut self, shared: &mut Shared) {
        let (Some(choice), Some(route)) = (&mut self.trace.route, &self.settings.route) else { return };
        let Some(target) = route.shadow.get(usize::from(choice.large)) else { return };
        let Some((tokens, Some(Cost { usd: Some(actual), .. }))) = &self.spending.taken else { return };
        let settings = target.over(&self.settings);
        let (provider, url) = match settings.endpoint_url.as_str() {
            "" => (settings.provider.as_str(), attempt::router(&settings)),
            endpoint => ("endpoint", endpoint),
        };
        let tariff = Call::tariff_of(&settings, provider, &settings.model, url, shared);
        // Where the router picks, the dearest counts; nobody knows for how long an endpoint would have worked.
        if !tariff.partial && tariff.most.hour.is_none() {
            let would = Cost::reckoned(tokens, &tariff.most, "", 0.0).usd;
            choice.saved = would.map(|would| (would > *actual, would.abs_diff(*actual)));
        }
    }
}

impl Leg {
    /// What can be said against an answer without asking anybody.
    fn objection(&self) -> Option<&'static str> {
        let ended = |reason: &[u8]| {
            Some(chat::normalised(reason)).filter(|reason| matches!(*reason, "length" | "content_filter"))
        };
        let objection = match &self.stream.answer {
            Answer::Chat(chat) => chat.choices().iter().find_map(|choice| {
                let refused = (!choice.refusal.is_empty()).then_some("refusal");
                refused.or_else(|| ended(&choice.finish_reason))
            }),
            Answer::Generation(generation) => ended(generation.finish_reason()),
        };
        let least = self.settings.route.as_ref().and_then(|route| route.least_logprob);
        let low = || match (self.stream.logprobs, least) {
            (Some((sum, count)), Some(least)) if count > 0.0 && sum / count < least => Some("logprob"),
            _ => None,
        };
        objection.or_else(low)
    }
}
