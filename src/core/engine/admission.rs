//! What a leg needs before its request may go out: a credential, a plan, and leave of the breaker, the budgets and
//! the lane.

use super::attempt::Head;
use super::leg::Phase;
use super::plan::{self, Plan, Protocol};
use super::report::notice;
use super::shared::Shared;
use super::{Call, PULSE};
use crate::core::error::{Error, Kind};
use crate::core::ports::{Milliseconds, Now};
use crate::core::provider::body::Members;
use crate::core::provider::mapping;
use crate::core::resilience::breaker::{Breaker, Permission};
use crate::core::resilience::lane::{Admission, Applicant};
use crate::core::secret::Secret;

/// The tokens of an answer whose length nobody knows, for the caller's limit on tokens.
const USUAL_ANSWER: f64 = 512.0;
/// After the deadline a call that is still counted has been forgotten by its caller.
const FORGOTTEN: Milliseconds = 10_000.0;
/// The longest that a call is counted which has no deadline: its caller may be gone.
const LONGEST: Milliseconds = 3_600_000.0;

impl Call {
    /// The caller's function has given the token, or none.
    pub fn on_token(&mut self, leg: usize, token: Option<Secret>) {
        let Some(own) = self.legs.get_mut(leg) else { return };
        if matches!(own.phase, Phase::Token) {
            if own.candidate == 0 {
                self.token.clone_from(&token);
            }
            own.token = token;
            own.phase = Phase::Plan;
        }
    }

    /// The caller's function has failed: this target cannot be asked.
    pub fn on_token_failure(&mut self, leg: usize, shared: &mut Shared, now: Now) {
        if self.legs.get(leg).is_some_and(|own| matches!(own.phase, Phase::Token)) {
            let error = Error::boxed(Kind::Authentication, "token_function");
            self.attempt_failed(leg, error, shared, now);
        }
    }

    #[inline(never)] // A step of every call: ARCHITECTURE.md, "The boundary".
    pub(super) fn plan(&mut self, leg: usize, shared: &mut Shared, now: Now) {
        if std::mem::take(&mut self.prefers) {
            self.prefer(leg, shared, now);
            // It may have a credential of its own that has to be asked for.
            return;
        }
        let Some(own) = self.legs.get_mut(leg) else { return };
        let Some(members) = Members::read(&self.request) else { return };
        if own.offers.is_none() {
            let (model, _) = plan::split_suffix(&own.settings.model);
            let known = shared.mappings.get(model, credential(own.token.as_ref()), now.monotonic);
            own.offers = known.map(<[mapping::Offer]>::to_vec);
        }
        let planned = plan::plan(
            self.task,
            self.streamed,
            &own.settings,
            &members,
            own.token.as_ref(),
            own.offers.as_deref(),
        );
        match planned {
            Ok(Plan::Lookup { model }) => own.phase = Phase::Lookup(model),
            Ok(Plan::Go(mut targets)) => {
                // What continues a completion is read as one.
                if self.continued.is_some() {
                    targets
                        .retain(|target| matches!(target.protocol, Protocol::Chat | Protocol::Completions));
                }
                own.at = targets.first().map_or(0, |first| shared.route(&first.url));
                own.at = own.at.min(targets.len().saturating_sub(1));
                own.targets = targets;
                own.phase = Phase::Admit;
            }
            Err(error) => self.attempt_failed(leg, error, shared, now),
        }
    }

    /// Asks for leave to send the leg's next request.
    #[inline(never)] // A step of every call: ARCHITECTURE.md, "The boundary".
    pub(super) fn admit(&mut self, leg: usize, shared: &mut Shared, now: Now) {
        let Some(own) = self.legs.get_mut(leg) else { return };
        let Some(target) = own.targets.get(own.at) else {
            return self.attempt_failed(leg, Error::boxed(Kind::InvalidResponse, "no_target"), shared, now);
        };
        let number = match own.attempt {
            Some(number) => number,
            None => {
                let number = self.trace.begins(target, own.hedge, now.monotonic);
                own.attempt = Some(number);
                number
            }
        };
        let name = target.name();
        let settings = own.settings.clone();
        // A call that does not ask the breaker must not take the probe from those that do.
        let ask = |breaker: &mut Breaker| match settings.breaker {
            true => breaker.admit(now.monotonic),
            false => Permission::Go,
        };
        // Who would be refused need not queue. Asking for good comes last, because it may make a probe.
        if let Permission::Refused(until) = ask(&mut shared.breaker(&name).clone()) {
            return self.circuit_open(leg, until, shared, now);
        }
        if !self.affords(leg, shared, now) {
            return;
        }
        let Some(own) = self.legs.get_mut(leg) else { return };
        let Some(target) = own.targets.get(own.at) else { return };
        let key = target.lane(own.token.as_ref());
        let applicant = Applicant {
            ticket: own.ticket,
            priority: settings.priority,
            tokens: self.estimated_prompt + USUAL_ANSWER,
            deadline: match shared.mortal {
                true => now.monotonic + PULSE,
                false => own.watchdog.deadline().min(now.monotonic + LONGEST) + FORGOTTEN,
            },
        };
        own.lane = Some(key);
        let lane = shared.lane(key, now.monotonic);
        let admission = lane.admit(&applicant, &settings.limits, now.monotonic);
        let gate = lane.gate();
        match admission {
            Admission::Full => {
                self.attempt_failed(leg, Error::boxed(Kind::QueueFull, "queue_full"), shared, now)
            }
            Admission::Wait(until) => {
                let patience = (now.monotonic + settings.retry.max_retry_after).min(own.watchdog.deadline());
                if gate > patience {
                    let mut error = Error::boxed(Kind::RateLimit, "gate");
                    error.retry_at = Some(now.unix + gate - now.monotonic);
                    return self.attempt_failed(leg, error, shared, now);
                }
                own.phase = Phase::Wait(until);
                self.rearm = true;
            }
            Admission::Go => {
                let permission = ask(shared.breaker(&name));
                shared.wake_next(key);
                if let Permission::Refused(until) = permission {
                    return self.circuit_open(leg, until, shared, now);
                }
                let Some(own) = self.legs.get_mut(leg) else { return };
                own.probe = permission == Permission::Probe;
                own.head = Head::default();
                self.reserve(leg, applicant.deadline + PULSE, shared, now);
                let Some(own) = self.legs.get_mut(leg) else { return };
                own.phase = Phase::Out;
                own.sent = Some(now.monotonic);
                own.watchdog.sent(now.monotonic);
                self.trace.sent(number, now.monotonic);
                self.rearm = true;
                if settings.notices {
                    let (provider, model) = own.target().map_or(("", ""), |target| target.who());
                    notice(&mut self.notices, "attempt", &|event| {
                        event.integer("attempt", number as u64 + 1);
                        event.text("provider", provider.as_bytes()).text("model", model.as_bytes());
                    });
                }
            }
        }
    }

    fn circuit_open(&mut self, leg: usize, until: Milliseconds, shared: &mut Shared, now: Now) {
        let mut error = Error::boxed(Kind::CircuitOpen, "circuit_open");
        error.retry_at = Some(now.unix + until - now.monotonic);
        self.attempt_failed(leg, error, shared, now);
    }
}

/// The part of a cache's key that stands for a credential: what the Hub tells depends on it.
pub(super) fn credential(token: Option<&Secret>) -> u64 {
    token.filter(|token| token.is_hugging_face()).map_or(0, Secret::fingerprint)
}
