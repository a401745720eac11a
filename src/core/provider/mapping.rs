//! Which providers serve a model, and under what name: the Hub's `inferenceProviderMapping`.

use crate::core::ports::Milliseconds;
use crate::core::wire::json::{self, Reader};

/// How long an answer of the Hub is trusted. The Hub checks offers hourly to six-hourly.
const LIFETIME: Milliseconds = 10.0 * 60.0 * 1000.0;
/// How many models are remembered.
const CAPACITY: usize = 128;

/// What one provider offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The provider's name.
    pub provider: String,
    /// Its own name for the model.
    pub provider_id: String,
    /// `live`, `staging` or `error`.
    pub status: String,
    /// `conversational` or `text-generation` (or a task that is none of ours).
    pub task: String,
}

/// Reads the Hub's answer, in its object form or its array form. A model without a mapping is served by
/// nobody; `None` when the answer is something else.
pub fn read(body: &[u8]) -> Option<Vec<Offer>> {
    if !json::is_valid(body) || !body.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let mut offers = Vec::new();
    let Some(mapping) = json::member(body, "inferenceProviderMapping") else { return Some(offers) };
    let mut json = Reader::new(mapping);
    if mapping.starts_with(b"{") {
        json.object().ok()?;
        while let Some(provider) = json.key().ok()? {
            offers.push(offer(provider.to_text(), json.skip().ok()?));
        }
    } else {
        json.array().ok()?;
        while json.element().ok()? {
            let entry = json.skip().ok()?;
            offers.push(offer(json::text_member(entry, "provider"), entry));
        }
    }
    Some(offers)
}

fn offer(provider: String, entry: &[u8]) -> Offer {
    Offer {
        provider,
        provider_id: json::text_member(entry, "providerId"),
        status: json::text_member(entry, "status"),
        task: json::text_member(entry, "task"),
    }
}

/// Answers of the Hub, by model and credential (what a token may see is its own), until they expire.
#[derive(Debug, Default)]
pub struct Cache {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    model: String,
    credential: u64,
    expires: Milliseconds,
    offers: Vec<Offer>,
}

impl Cache {
    /// The offers for `model` as this credential sees them, if they are known and fresh.
    pub fn get(&self, model: &str, credential: u64, now: Milliseconds) -> Option<&[Offer]> {
        self.entries
            .iter()
            .find(|entry| entry.model == model && entry.credential == credential && entry.expires > now)
            .map(|entry| entry.offers.as_slice())
    }

    /// Remembers an answer; the oldest goes when there is no room.
    pub fn put(&mut self, model: &str, credential: u64, now: Milliseconds, offers: Vec<Offer>) {
        self.entries
            .retain(|entry| entry.expires > now && (entry.model != model || entry.credential != credential));
        if self.entries.len() >= CAPACITY {
            self.entries.remove(0);
        }
        self.entries.push(Entry { model: model.to_owned(), credential, expires: now + LIFETIME, offers });
    }
}
