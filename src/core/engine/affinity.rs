//! Conversations stay with whoever answered them last: that provider has their beginning in its prompt cache,
//! which makes the next answer cheaper and sooner.
//!
//! It is a wish. The call goes there first, by the rules that hold for every target (breaker, lane, budgets,
//! retries), and on from there to where it would have gone without it. Nothing is kept of a conversation's name
//! but a number, and nothing of it goes into a snapshot.

use std::rc::Rc;

use super::plan::{POLICIES, split_suffix};
use super::settings::{Fallback, Settings};
use super::{Call, Shared};
use crate::core::ports::{Milliseconds, Now};
use crate::core::provider::table;
use crate::core::secret::{Secret, fingerprint};

/// How many conversations are remembered: those that were answered last.
const MOST: usize = 1_000;
/// For how long after an answer. Most providers forget a prompt after five to ten minutes.
const LIFETIME: Milliseconds = 600_000.0;

/// Who answered which conversation last, and when; the newest is the last.
#[derive(Debug, Default)]
pub struct Affinities(Vec<(u64, Milliseconds, Fallback)>);

impl Affinities {
    fn put(&mut self, key: u64, place: Fallback, now: Milliseconds) {
        self.0.retain(|(known, ..)| *known != key);
        if self.0.len() >= MOST {
            self.0.remove(0);
        }
        self.0.push((key, now, place));
    }
}

impl Call {
    /// What the conversation is known by. With another credential or another model it is another one.
    fn conversation(&self) -> u64 {
        let (model, _) = split_suffix(&self.settings.model);
        let model = fingerprint(model).rotate_left(1);
        fingerprint(&self.settings.session) ^ model ^ self.token.as_ref().map_or(0, Secret::fingerprint)
    }

    /// Sends the leg first to where the conversation's last answer came from, if the call itself names that
    /// place. The trace has what became of it.
    pub(super) fn prefer(&mut self, leg: usize, shared: &Shared, now: Now) {
        let key = self.conversation();
        let found = shared.affinities.0.iter().find(|(known, ..)| *known == key);
        let Some((_, at, place)) = found else {
            self.trace.affinity = "new";
            return;
        };
        if now.monotonic - at > LIFETIME {
            self.trace.affinity = "expired";
            return;
        }
        let base = &self.settings;
        let mut targets = self.fallbacks.iter().map(|fallback| fallback.over(base));
        let fallback = || targets.position(|target| names(&target, place)).map(|at| at + 1);
        let Some(candidate) = names(base, place).then_some(0).or_else(fallback) else {
            self.trace.affinity = "elsewhere";
            return;
        };
        if candidate == 0 && place.model == base.model {
            self.trace.affinity = "unchanged";
            return;
        }
        self.trace.affinity = "kept";
        let place = place.clone();
        self.preferred = candidate;
        self.enter(leg, candidate);
        if let Some(own) = self.legs.get_mut(leg) {
            own.candidate = candidate;
            own.affine = true;
            if own.settings.model != place.model {
                own.settings = Rc::new(Settings { model: place.model, ..Settings::clone(&own.settings) });
            }
        }
    }

    /// The leg has answered: the conversation's next call goes there first.
    pub(super) fn remember(&mut self, leg: usize, shared: &mut Shared, now: Now) {
        if self.settings.session.is_empty() || self.is_recalled() {
            return;
        }
        let key = self.conversation();
        let Some(own) = self.legs.get(leg) else { return };
        let settings = &own.settings;
        let mut place = Fallback {
            model: settings.model.clone(),
            provider: settings.provider.clone(),
            endpoint_url: settings.endpoint_url.clone(),
            ..Fallback::default()
        };
        let (model, suffix) = split_suffix(&settings.model);
        // Where a page may not read who answered behind the router, it stays the router's choice.
        let is_routed = settings.provider == table::AUTO && settings.endpoint_url.is_empty();
        if is_routed && is_open(suffix) && !own.head.provider.is_empty() {
            place.model = String::from(model);
            place.model.push(':');
            place.model.push_str(&own.head.provider);
        }
        shared.affinities.put(key, place, now.monotonic);
    }
}

/// Whether the suffix of a model leaves the choice of its provider to the router.
fn is_open(suffix: Option<&str>) -> bool {
    suffix.is_none_or(|suffix| POLICIES.contains(&suffix))
}

/// Whether a target may be this place.
fn names(target: &Settings, place: &Fallback) -> bool {
    let (model, suffix) = split_suffix(&target.model);
    target.provider == place.provider
        && target.endpoint_url == place.endpoint_url
        && (target.model == place.model || is_open(suffix) && split_suffix(&place.model).0 == model)
}
