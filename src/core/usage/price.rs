//! Prices that the caller gives: of providers' own keys, of endpoints, or other than the catalogue's.

use super::money::{self, Pico};
use crate::core::wire::json;

/// What a target takes. What is not known is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// For a million tokens of the prompt.
    pub input: Option<Pico>,
    /// For a million tokens of the answer.
    pub output: Option<Pico>,
    /// For a million tokens of the prompt that the service has in its cache; without it they cost as much as
    /// others.
    pub cached: Option<Pico>,
    /// For an hour.
    pub hour: Option<Pico>,
}

impl Price {
    /// Of each price the higher: what a target takes at most that is one of the two.
    pub fn at_most(self, other: Price) -> Price {
        Price {
            input: self.input.max(other.input),
            output: self.output.max(other.output),
            cached: None,
            hour: self.hour.max(other.hour),
        }
    }
}

/// A price, and for whom it holds. Empty text is anyone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    provider: String,
    model: String,
    endpoint_url: String,
    price: Price,
}

impl Entry {
    /// Reads `{ provider?, model?, endpointUrl?, input?, output?, cached?, perHour? }`, in USD for a million
    /// tokens or an hour.
    pub fn read(entry: &[u8]) -> Entry {
        let text = |name| json::text_member(entry, name);
        Entry {
            provider: text("provider"),
            model: text("model"),
            endpoint_url: text("endpointUrl"),
            price: Price {
                input: money::member(entry, "input"),
                output: money::member(entry, "output"),
                cached: money::member(entry, "cached"),
                hour: money::member(entry, "perHour"),
            },
        }
    }
}

/// The first price that holds for a provider, a model under one of its names, and a URL.
pub fn find(entries: &[Entry], provider: &str, models: [&str; 2], url: &str) -> Option<Price> {
    let entry = entries.iter().find(|entry| {
        (entry.provider.is_empty() || entry.provider == provider)
            && (entry.model.is_empty() || models.contains(&entry.model.as_str()))
            && url.starts_with(entry.endpoint_url.as_str())
    });
    entry.map(|entry| entry.price)
}
