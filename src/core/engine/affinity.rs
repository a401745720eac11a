//! Conversations stay with whoever answered them last: that provider has their beginning in its prompt cache,
//! which makes the next answer cheaper and sooner.
//!
//! It is a wish. The call goes there first, by the rules that hold for every target (breaker, lane, budgets,
//! retries), and on from there to where it would have gone without it. Nothing is kept of a conversation's name
//! but a number, and nothing of it goes into a snapshot.

use std::rc::Rc;

use super::plan::{POLICIES, split_suffix};
use super::settings::Settings;
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
pub struct Affinities(Vec<Answered>);

/// A conversation and a target, both by number, and the provider behind the router, if it is known.
#[derive(Debug)]
struct Answered {
    conversation: u64,
    target: u64,
    provider: String,
    at: Milliseconds,
}

/// A target by number, its model, and the provider behind the router that the model names: nothing when the router
/// is to choose one, `None` when it has no choice.
fn target(settings: &Settings) -> (u64, &str, Option<&str>) {
    let (base, suffix) = split_suffix(&settings.model);
    let is_routed = settings.provider == table::AUTO && settings.endpoint_url.is_empty();
    let (model, provider) = match suffix {
        Some(policy) if POLICIES.contains(&policy) => (base, ""),
        Some(provider) if table::find(provider).is_some() => (base, provider),
        _ => (settings.model.as_str(), ""),
    };
    let model = if is_routed { model } else { &settings.model };
    let place = fingerprint(&settings.provider) ^ fingerprint(&settings.endpoint_url).rotate_left(1);
    (place ^ fingerprint(model).rotate_left(2), model, is_routed.then_some(provider))
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
        let conversation = self.conversation();
        let known = shared.affinities.0.iter().find(|known| known.conversation == conversation);
        self.trace.affinity = match known {
            None => "new",
            Some(known) if now.monotonic - known.at > LIFETIME => "expired",
            Some(known) => self.go_to(leg, known),
        };
    }

    fn go_to(&mut self, leg: usize, known: &Answered) -> &'static str {
        // Which of a route's targets answers has been chosen with what it costs in view.
        let last = if self.first > 0 { self.first } else { self.fallbacks.len() };
        for candidate in self.first..=last {
            let over = candidate.checked_sub(1).and_then(|at| self.fallbacks.get(at));
            let settings =
                over.map_or_else(|| self.settings.clone(), |over| Rc::new(over.over(&self.settings)));
            let (number, model, provider) = target(&settings);
            if number != known.target || provider.is_some_and(|own| !own.is_empty() && own != known.provider)
            {
                continue;
            }
            let pins = provider == Some("") && !known.provider.is_empty();
            if !pins && candidate == self.first {
                return "unchanged";
            }
            let mut pinned = String::from(model);
            pinned.push(':');
            pinned.push_str(&known.provider);
            self.preferred = candidate;
            self.enter(leg, candidate);
            if let Some(own) = self.legs.get_mut(leg) {
                own.affine = true;
                if pins {
                    own.settings = Rc::new(Settings { model: pinned, ..Settings::clone(&own.settings) });
                }
            }
            return "kept";
        }
        "elsewhere"
    }

    /// The leg has answered: the conversation's next call goes there first.
    pub(super) fn remember(&mut self, leg: usize, shared: &mut Shared, now: Now) {
        if self.settings.session.is_empty() || self.is_recalled() {
            return;
        }
        let conversation = self.conversation();
        let Some(own) = self.legs.get(leg) else { return };
        let (target, _, provider) = target(&own.settings);
        // Where a page may not read who answered behind the router, it stays the router's choice.
        let provider = match provider {
            Some("") => own.head.provider.clone(),
            named => named.unwrap_or_default().to_owned(),
        };
        let known = &mut shared.affinities.0;
        let before = known.iter().position(|known| known.conversation == conversation);
        if let Some(oldest) = before.or((known.len() >= MOST).then_some(0)) {
            known.remove(oldest);
        }
        known.push(Answered { conversation, target, provider, at: now.monotonic });
    }
}
