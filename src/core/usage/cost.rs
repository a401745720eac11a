//! What an answer cost.

use super::money::{self, Pico};
use super::price::Price;
use super::tokens::Tokens;
use crate::core::ports::Milliseconds;
use crate::core::wire::json::ObjectWriter;

/// What an answer cost, or a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// All of it.
    pub usd: Option<Pico>,
    /// For the prompt, without what was in a cache.
    pub input: Option<Pico>,
    /// For the answer.
    pub output: Option<Pico>,
    /// For what of the prompt was in a cache.
    pub cached: Option<Pico>,
    /// For the part of the answer that was reasoning.
    pub reasoning: Option<Pico>,
    /// Reckoned from estimated tokens, or from time.
    pub estimated: bool,
    /// `billed` by the service, the caller's `prices`, the router's `catalog`; `mixed` of several.
    pub source: &'static str,
}

impl Cost {
    /// What the service says that it bills.
    pub fn billed(usd: Pico) -> Cost {
        Cost { usd: Some(usd), source: "billed", ..Cost::default() }
    }

    /// What these tokens cost, or this time.
    pub fn reckoned(tokens: &Tokens, price: &Price, source: &'static str, time: Milliseconds) -> Cost {
        let part = |count: Option<u64>, price: Option<Pico>| Some(money::of(count?, price?));
        let cached = tokens.cached.unwrap_or(0);
        let cost = Cost {
            input: part(tokens.prompt.map(|prompt| prompt.saturating_sub(cached)), price.input),
            output: part(tokens.completion, price.output),
            cached: part(tokens.cached, price.cached.or(price.input)),
            reasoning: part(tokens.reasoning, price.output),
            estimated: tokens.estimated,
            source,
            usd: None,
        };
        let usd = money::sum(money::sum(cost.input, cost.output), Some(cost.cached.unwrap_or(0)));
        // An hour is 3.6 million milliseconds, and a price is for a million.
        let rent = price.hour.map(|hour| money::of(time.max(0.0) as u64, hour / 18 * 5));
        match rent {
            None => Cost { usd, ..cost },
            // An endpoint costs time, and tokens only where it has a price for them.
            Some(rent) => Cost { usd: Some(rent.saturating_add(usd.unwrap_or(0))), estimated: true, ..cost },
        }
    }

    /// What both cost.
    pub fn plus(&self, other: &Cost) -> Cost {
        Cost {
            usd: money::sum(self.usd, other.usd),
            input: money::sum(self.input, other.input),
            output: money::sum(self.output, other.output),
            cached: money::sum(self.cached, other.cached),
            reasoning: money::sum(self.reasoning, other.reasoning),
            estimated: self.estimated || other.estimated,
            source: if self.source == other.source { self.source } else { "mixed" },
        }
    }

    /// Writes it as the member `cost`, in USD; nothing when it is not known.
    pub fn write(&self, object: &mut ObjectWriter<'_>) {
        if self.usd.is_none() {
            return;
        }
        let mut cost = ObjectWriter::new(object.key("cost"));
        money::write(&mut cost, "usd", self.usd);
        money::write(&mut cost, "input", self.input);
        money::write(&mut cost, "output", self.output);
        money::write(&mut cost, "cached", self.cached);
        money::write(&mut cost, "reasoning", self.reasoning);
        cost.bool("estimated", self.estimated).text("source", self.source.as_bytes());
        cost.end();
    }
}
