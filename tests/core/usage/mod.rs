//! Tokens, money, and what calls may spend.

mod budget;
mod calls;
mod cost;
mod ledger;
mod money;
mod spike;
