//! Tokens, money, and what calls may spend.

mod budget;
mod calls;
mod cost;
mod ledger;
mod money;
mod spike;

use serde_json::{Value, json};

/// What is said of estimates and of alerts must be what is measured.
const README: &str = include_str!("../../../README.md");

/// Options of budgets in the words of TypeScript's API, as the core reads them.
pub fn in_numbers(mut budgets: Value) -> Value {
    for budget in budgets.as_array_mut().expect("a list") {
        for (name, place, words) in [
            ("per", "per", &["call", "hour", "day", "month"][..]),
            ("onExceeded", "exceeded", &["throw", "fallback", "warn"]),
        ] {
            if let Some(word) = budget.get(name).and_then(Value::as_str) {
                budget[place] = json!(words.iter().position(|known| *known == word).expect("a word"));
            }
        }
    }
    budgets
}
