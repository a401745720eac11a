//! The accounts of a client: prices, ledger, budgets, and what is usual.

use super::budget::{Alert, Amount, Budgets, Spender};
use super::cost::Cost;
use super::ledger::Ledger;
use super::price::{self, Price};
use super::spike::{Spike, Spikes};
use super::tokens::Tokens;
use crate::core::ports::Now;
use crate::core::wire::json;

/// What the calls of a client have used, and may.
#[derive(Debug, Default)]
pub struct Accounts {
    prices: Vec<price::Entry>,
    /// The budgets.
    pub budgets: Budgets,
    /// The ledger.
    pub ledger: Ledger,
    spikes: Option<Box<Spikes>>,
}

/// An answer that is over.
#[derive(Debug)]
pub struct Spent<'a> {
    /// The number of the leg that it was for.
    pub ticket: u64,
    /// Who answered, with which model.
    pub provider: &'a str,
    /// The model.
    pub model: &'a str,
    /// The tokens that it took.
    pub tokens: &'a Tokens,
    /// What it cost.
    pub cost: Option<&'a Cost>,
    /// What it cost at most, when that is all that is known.
    pub at_most: Option<u64>,
}

impl Accounts {
    /// Sets what the caller wants: `{ "prices"?, "budgets"?, "spikes"? }`, which TypeScript has checked. `None`
    /// when it is something else.
    pub fn set(&mut self, options: &[u8]) -> Option<()> {
        json::is_valid(options).then_some(())?;
        let list = |name| json::elements(json::member(options, name).unwrap_or_default());
        self.prices = list("prices").into_iter().map(price::Entry::read).collect();
        self.budgets.set(&list("budgets"));
        self.spikes = json::member(options, "spikes").map(|spikes| Box::new(Spikes::read(spikes)));
        Some(())
    }

    /// The caller's own price of a target.
    pub fn price(&self, provider: &str, models: [&str; 2], url: &str) -> Option<Price> {
        price::find(&self.prices, provider, models, url)
    }

    /// Enters an answer that is over, and settles what was reserved for it.
    pub fn settle(
        &mut self,
        spent: &Spent<'_>,
        spender: &Spender<'_>,
        now: Now,
    ) -> (Vec<Alert>, Option<Spike>) {
        let usd = spent.cost.and_then(|cost| cost.usd);
        self.ledger.enter(spent.provider, spent.model, spender.tags, now.unix, spent.tokens, spent.cost);
        let amount = Amount { usd: usd.or(spent.at_most), tokens: spent.tokens.total() };
        let alerts = self.budgets.settle(spent.ticket, &amount, spender);
        let spikes = self.spikes.as_mut();
        let spike = spikes.and_then(|spikes| spikes.spend(usd.unwrap_or(0), amount.tokens, now.monotonic));
        (alerts, spike)
    }

    /// A call is over that cost so much in all, if that is known.
    pub fn ended(&mut self, call: u64, usd: Option<u64>, now: Now) -> Option<Spike> {
        self.budgets.forget(call);
        self.spikes.as_mut()?.call(usd?, now.monotonic)
    }

    /// `{ "rows": […], "budgets": […] }`.
    pub fn write(&mut self, now: Now, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"rows":"#);
        self.ledger.write(out);
        out.extend_from_slice(br#","budgets":"#);
        self.budgets.write_all(now.unix, out);
        out.push(b'}');
    }
}
