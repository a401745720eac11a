//! One line of attempts: a target, then its retries, then the next target. A call has one, and more
//! while hedges run.

use std::rc::Rc;

use super::attempt::Head;
use super::plan::Target;
use super::settings::{MidStream, Settings};
use super::settle::Answerer;
use super::stream::Stream;
use crate::core::error::Error;
use crate::core::ports::{Milliseconds, Now};
use crate::core::provider::mapping::Offer;
use crate::core::resilience::watchdog::Watchdog;
use crate::core::secret::Secret;
use crate::core::wire::batch::Batch;

/// What a leg does, or waits for.
#[derive(Debug)]
pub enum Phase {
    /// The access token is awaited.
    Token,
    /// Everything is known that a plan needs.
    Plan,
    /// An answer is looked for that costs no request. The request says itself, or not, that its answer is
    /// always the same.
    Recall(bool),
    /// The caller is asked which target is to answer.
    Route,
    /// The caller is asked whether it accepts the answer of the attempt of this number.
    Judge(usize),
    /// The Hub is asked for this model's mapping.
    Lookup(String),
    /// The router is asked who else serves the model, because of this failure.
    Catalogue(Box<Error>),
    /// Its turn has come or not.
    Admit,
    /// It waits: for its turn, or before a retry.
    Wait(Milliseconds),
    /// The caller is asked whether to try again after this failure of the attempt of this number, and
    /// otherwise this happens.
    Consult(Box<Error>, Verdict, usize),
    /// A request is out.
    Out,
    /// The answer's body is read.
    Reading,
    /// It failed, was outpaced, or the call is over.
    Over,
}

/// What follows from a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Send it again after so long.
    Retry(Milliseconds),
    /// The same, because the endpoint wakes.
    Wake(Milliseconds),
    /// Go to the next target.
    Next,
    /// Give up.
    Fail,
}

/// Its state.
#[derive(Debug)]
pub struct Leg {
    /// Which of the call's targets it is at: 0 is the one that was asked for, others are fallbacks.
    pub candidate: usize,
    /// The options as they are for this target.
    pub settings: Rc<Settings>,
    /// Its credential.
    pub token: Option<Secret>,
    /// What it does.
    pub phase: Phase,
    /// What the Hub said of the model.
    pub offers: Option<Vec<Offer>>,
    /// The routes of the target, of which an endpoint may have several.
    pub targets: Vec<Target>,
    /// Which of the routes is tried.
    pub at: usize,
    /// What the first route said when it was not known.
    pub unknown_route: Option<Box<Error>>,
    /// The head of the answer that is being read.
    pub head: Head,
    /// When it came: from here a service's wish counts.
    pub heard: Milliseconds,
    /// Reads the body.
    pub stream: Stream,
    /// What came before the leg took the lead.
    pub batch: Batch,
    /// Its deadlines.
    pub watchdog: Watchdog,
    /// Retries of this target.
    pub retries: u32,
    /// Since when the endpoint is waited for to wake.
    pub waking_since: Option<Milliseconds>,
    /// Its number in queues.
    pub ticket: u64,
    /// The lane of the attempt, if it is in one.
    pub lane: Option<u64>,
    /// The attempt is a breaker's probe.
    pub probe: bool,
    /// The attempt's number in the trace, while it lasts.
    pub attempt: Option<usize>,
    /// When the last request was sent.
    pub sent: Option<Milliseconds>,
    /// About how many tokens of its answer came with earlier requests, which this one continues.
    pub before: f64,
    /// It races the first leg.
    pub hedge: bool,
    /// It is where the conversation's last answer came from, before the call's own targets.
    pub affine: bool,
    /// Its answer broke off after some of it was shown, and this is to be done once another attempt is sure
    /// to come.
    pub broken: Option<MidStream>,
}

impl Leg {
    /// The route that is tried.
    pub fn target(&self) -> Option<&Target> {
        self.targets.get(self.at)
    }

    /// When the head came whose body is read, on the wall clock as it is set now.
    pub fn then(&self, now: Now) -> Now {
        Now { monotonic: self.heard, unix: now.unix - (now.monotonic - self.heard) }
    }

    /// Whether it may still bring an answer.
    pub fn is_alive(&self) -> bool {
        !matches!(self.phase, Phase::Over)
    }

    /// Who answers, as far as it is known.
    pub(super) fn answerer(&self) -> Answerer {
        if let Some(tape) = &self.stream.tape {
            return tape.origin.clone().unwrap_or_default();
        }
        let planned = self.target().map_or("", |target| target.provider.as_str());
        let provider = if self.head.provider.is_empty() { planned } else { &self.head.provider };
        Answerer {
            provider: provider.to_owned(),
            model: self.settings.model.clone(),
            request_id: self.head.request_id.clone(),
        }
    }
}
