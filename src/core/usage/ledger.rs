//! The ledger: what was used, by model, provider, tag, hour and day. Its memory is bounded, its sums are not:
//! what has no row of its own any more counts in one without a name.

use super::Tags;
use super::cost::Cost;
use super::money;
use super::tokens::Tokens;
use crate::core::ports::Milliseconds;
use crate::core::wire::json::{self, ObjectWriter};

/// The rows that are kept of each kind.
const MAX_ROWS: usize = 256;
/// The hours and the days that are kept.
const MAX_PERIODS: usize = 62;

/// What rows are of.
const KINDS: [&str; 6] = ["total", "model", "provider", "tag", "hour", "day"];
const TAG: usize = 3;
const HOUR: usize = 4;
const DAY: usize = 5;

/// One sum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests that were answered at least in part, or given up when an answer could have come.
    pub requests: u64,
    /// Of these, those whose cost is not known.
    pub unpriced: u64,
    /// Of these, those whose tokens were not told but reckoned.
    pub estimated: u64,
    /// Tokens of prompts, of answers, of prompts from a cache, of reasoning.
    pub tokens: [u64; 4],
    /// What they cost, in pico-dollars, as far as it is known.
    pub usd: u64,
}

impl Totals {
    fn add(&mut self, tokens: &Tokens, cost: Option<&Cost>) {
        let usd = cost.and_then(|cost| cost.usd);
        self.requests += 1;
        self.unpriced += u64::from(usd.is_none());
        self.estimated += u64::from(tokens.estimated);
        let counts = [tokens.prompt, tokens.completion, tokens.cached, tokens.reasoning];
        for (sum, count) in self.tokens.iter_mut().zip(counts) {
            *sum = sum.saturating_add(count.unwrap_or(0));
        }
        self.usd = self.usd.saturating_add(usd.unwrap_or(0));
    }
}

#[derive(Debug)]
struct Row {
    kind: usize,
    /// Of a tag: its name.
    name: String,
    /// What the row is of; of an hour or a day its start, in milliseconds since 1970.
    key: String,
    totals: Totals,
}

/// Sums of what was used.
#[derive(Debug, Default)]
pub struct Ledger {
    rows: Vec<Row>,
}

impl Ledger {
    /// Enters one answer.
    pub fn enter(
        &mut self,
        provider: &str,
        model: &str,
        tags: &Tags,
        unix: Milliseconds,
        tokens: &Tokens,
        cost: Option<&Cost>,
    ) {
        let start = |length: u64| {
            let unix = unix.max(0.0) as u64;
            let mut start = Vec::new();
            json::write_integer(&mut start, unix - unix % length);
            String::from_utf8(start).unwrap_or_default()
        };
        let (hour, day) = (start(3_600_000), start(86_400_000));
        let own = [(0, "", ""), (1, "", model), (2, "", provider), (HOUR, "", &hour), (DAY, "", &day)];
        let tags = tags.iter().map(|(name, value)| (TAG, name.as_str(), value.as_str()));
        for (kind, name, key) in own.into_iter().chain(tags) {
            if let Some(row) = self.row(kind, name, key) {
                row.add(tokens, cost);
            }
        }
    }

    fn row(&mut self, kind: usize, name: &str, key: &str) -> Option<&mut Totals> {
        let (mut name, mut key) = (name, key);
        loop {
            let is = |row: &Row| row.kind == kind && row.name == name && row.key == key;
            if let Some(at) = self.rows.iter().position(is) {
                return self.rows.get_mut(at).map(|row| &mut row.totals);
            }
            let count = self.rows.iter().filter(|row| row.kind == kind).count();
            if kind >= HOUR && count >= MAX_PERIODS {
                // The first of its kind is the oldest.
                let at = self.rows.iter().position(|row| row.kind == kind);
                self.rows.remove(at.unwrap_or(0));
            } else if kind < HOUR && count >= MAX_ROWS && !(name.is_empty() && key.is_empty()) {
                (name, key) = ("", "");
                continue;
            }
            let (name, key) = (name.to_owned(), key.to_owned());
            self.rows.push(Row { kind, name, key, totals: Totals::default() });
            return self.rows.last_mut().map(|row| &mut row.totals);
        }
    }

    /// The sum of all.
    pub fn total(&self) -> Totals {
        self.rows.first().map(|row| row.totals.clone()).unwrap_or_default()
    }

    /// Writes the rows as a list of `{ "by", "name"?, "key", "requests", "unpriced", "estimated",
    /// "promptTokens", "completionTokens", "cachedTokens", "reasoningTokens", "usd" }`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        for (at, row) in self.rows.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            let totals = &row.totals;
            let mut entry = ObjectWriter::new(out);
            entry
                .text("by", KINDS.get(row.kind).copied().unwrap_or_default().as_bytes())
                .text_if("name", row.name.as_bytes())
                .text("key", row.key.as_bytes())
                .integer("requests", totals.requests)
                .integer("unpriced", totals.unpriced)
                .integer("estimated", totals.estimated);
            let names = ["promptTokens", "completionTokens", "cachedTokens", "reasoningTokens"];
            for (name, count) in names.iter().zip(&totals.tokens) {
                entry.integer(name, *count);
            }
            money::write(&mut entry, "usd", Some(totals.usd));
            entry.end();
        }
        out.push(b']');
    }
}
