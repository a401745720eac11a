//! What the calls of one client share: what is known of each target, and who may send now.

use super::affinity::Affinities;
use crate::core::ports::{Milliseconds, Now, Random};
use crate::core::provider::catalogue::Catalogue;
use crate::core::provider::mapping;
use crate::core::resilience::breaker::{Breaker, State};
use crate::core::resilience::budget::Budget;
use crate::core::resilience::lane::Lane;
use crate::core::usage::accounts::Accounts;
use crate::core::wire::json::{self, ObjectWriter, Reader};

/// How many endpoints' routes are remembered.
const MAX_ROUTES: usize = 64;
/// How many lanes, and how many breakers, are kept.
const MAX_KEYS: usize = 256;
/// The version of a snapshot's form.
const VERSION: u64 = 1;

/// What the calls of one client share.
#[derive(Debug, Default)]
pub struct Shared {
    /// What the Hub said of models.
    pub mappings: mapping::Cache,
    /// Caps the retries of all calls.
    pub budget: Budget,
    /// Chance.
    pub random: Random,
    /// Who serves which model on what terms, as far as it was asked for.
    pub catalogue: Catalogue,
    /// What was used, and may be.
    pub accounts: Accounts,
    /// Who answered which conversation last.
    pub affinities: Affinities,
    /// Callers may be cut off without a word, as in Cloudflare's workers. There a call in flight is looked
    /// at every few seconds, and one that is not heard of gives its place up.
    pub mortal: bool,
    /// Endpoint URLs at which the first route was unknown and a later one answered.
    routes: Vec<(String, usize)>,
    lanes: Vec<(u64, Lane)>,
    breakers: Vec<(String, Breaker)>,
    /// Stand in for what was just put in place, as far as the compiler knows.
    spare: (Lane, Breaker),
    tickets: u64,
    /// Who may ask again, now that there is room.
    woken: Vec<u64>,
}

impl Shared {
    /// With a seed for what is left to chance.
    pub fn new(seed: u64) -> Shared {
        Shared { random: Random::new(seed), ..Shared::default() }
    }

    /// The next ticket.
    pub fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// The lane of a provider and credential, named by a number.
    pub fn lane(&mut self, key: u64, now: Milliseconds) -> &mut Lane {
        let known = self.lanes.iter().position(|(known, _)| *known == key);
        if known.is_none() && self.lanes.len() >= MAX_KEYS {
            self.lanes.retain(|(_, lane)| !lane.is_idle(now));
        }
        entry(&mut self.lanes, known, key, &mut self.spare.0)
    }

    /// There may be room in a lane: the first of its queue may ask again.
    pub fn wake_next(&mut self, key: u64) {
        let lane = self.lanes.iter().find(|(known, _)| *known == key);
        self.woken.extend(lane.and_then(|(_, lane)| lane.next()));
    }

    /// A budget may have room: the first that waits for it may ask again.
    pub fn wake_spender(&mut self) {
        self.woken.extend(self.accounts.budgets.next());
    }

    /// The breaker of a target.
    pub fn breaker(&mut self, target: &str) -> &mut Breaker {
        let known = self.breakers.iter().position(|(known, _)| known == target);
        if known.is_none() && self.breakers.len() >= MAX_KEYS {
            // The one that says nothing, or the oldest.
            let idle = self.breakers.iter().position(|(_, breaker)| *breaker == Breaker::default());
            self.breakers.remove(idle.unwrap_or(0));
        }
        entry(&mut self.breakers, known, target.to_owned(), &mut self.spare.1)
    }

    /// Whether [`Shared::take_woken`] has anybody to name.
    pub fn has_woken(&self) -> bool {
        !self.woken.is_empty()
    }

    /// Those in queues who may ask again, because there may be room now. Their own timers would bring
    /// them back a little later.
    pub fn take_woken(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.woken)
    }

    /// At which of an endpoint's routes to begin.
    pub fn route(&self, first: &str) -> usize {
        self.routes.iter().find(|(url, _)| url == first).map_or(0, |(_, at)| *at)
    }

    /// An endpoint's first route was unknown, and the one at `at` answered.
    pub fn remember_route(&mut self, first: &str, at: usize) {
        self.routes.retain(|(url, _)| url != first);
        if self.routes.len() >= MAX_ROUTES {
            self.routes.remove(0);
        }
        self.routes.push((first.to_owned(), at));
    }

    /// What is worth keeping beyond the life of a client, as JSON without secrets: `{ "version",
    /// "breakers": [{ "target", "state", "until", "cooldown" }] }`; `until` is in milliseconds since 1970.
    pub fn snapshot(&self, now: Now) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut snapshot = ObjectWriter::new(&mut bytes);
        snapshot.integer("version", VERSION);
        let out = snapshot.key("breakers");
        out.push(b'[');
        let mut first = true;
        for (target, breaker) in &self.breakers {
            let until = match breaker.state() {
                State::Closed => continue,
                State::Open { until } => until,
                State::HalfOpen { .. } => now.monotonic,
            };
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            let mut entry = ObjectWriter::new(out);
            entry
                .text("target", target.as_bytes())
                .text("state", breaker.state().name().as_bytes())
                .integer("until", (now.unix + until - now.monotonic).max(0.0) as u64)
                .integer("cooldown", breaker.cooldown() as u64);
            entry.end();
        }
        out.push(b']');
        snapshot.end();
        json::well_formed(bytes)
    }

    /// Takes up what a snapshot of this version has kept; `None` when it is none.
    pub fn restore(&mut self, snapshot: &[u8], now: Now) -> Option<()> {
        (json::number_member(snapshot, "version") == Some(VERSION as f64)).then_some(())?;
        let mut json = Reader::new(json::member(snapshot, "breakers")?);
        let mut breakers = Vec::new();
        json.array().ok()?;
        while json.element().ok()? {
            let entry = json.skip().ok()?;
            let target = json::member(entry, "target").and_then(json::as_text)?.to_text();
            let number = |name| json::number_member(entry, name);
            let left = number("until")? - now.unix;
            breakers.push((target, Breaker::restored(left, number("cooldown")?, now.monotonic)));
        }
        // All or nothing.
        for (target, breaker) in breakers {
            *self.breaker(&target) = breaker;
        }
        Some(())
    }
}

/// The value at `known`, or a new one under `key`.
fn entry<'a, Key, Value: Default>(
    entries: &'a mut Vec<(Key, Value)>,
    known: Option<usize>,
    key: Key,
    spare: &'a mut Value,
) -> &'a mut Value {
    let at = known.unwrap_or(entries.len());
    if known.is_none() {
        entries.push((key, Value::default()));
    }
    entries.get_mut(at).map_or(spare, |(_, value)| value)
}
