//! What calls use and cost: tokens, prices, costs, the ledger, budgets, and alerts.
//!
//! Money is whole pico-dollars (10^-12 USD), so that sums of any length are exact: a price of one
//! micro-dollar for a million tokens is one pico-dollar a token. What is not known is `None`, never 0.

pub mod accounts;
pub mod budget;
pub mod cost;
pub mod ledger;
pub mod money;
pub mod price;
pub mod spike;
pub mod tokens;

/// Names and values by which the caller tells its calls apart.
pub type Tags = [(String, String)];
