//! Exact money: whole pico-dollars. A `u64` holds 18 million dollars; sums beyond stay there.

use crate::core::wire::json::{self, ObjectWriter};

/// 10^-12 USD. Of a price: for a million tokens.
pub type Pico = u64;

/// A million: what prices are for.
const MILLION: u64 = 1_000_000;

/// An amount of dollars as JSON has it (`0.15`, `1.5e-7`).
pub fn read(value: &[u8]) -> Option<Pico> {
    json::fixed(value)
}

/// The member `name` of an object, as an amount.
pub fn member(object: &[u8], name: &str) -> Option<Pico> {
    json::fixed_member(object, name)
}

/// Writes a member in dollars, unless it is unknown.
#[inline(never)]
pub fn write(object: &mut ObjectWriter<'_>, name: &str, amount: Option<Pico>) {
    if let Some(amount) = amount {
        json::write_fixed(object.key(name), amount);
    }
}

/// What so many tokens cost (or milliseconds, at a price for a million of them), rounded to the nearest.
#[inline(never)]
pub fn of(count: u64, price: Pico) -> Pico {
    // The price taken apart, so that nothing overflows that could be paid.
    let whole = count.saturating_mul(price / MILLION);
    let rest = count.saturating_mul(price % MILLION).saturating_add(MILLION / 2) / MILLION;
    whole.saturating_add(rest)
}

/// A sum of which every part must be known.
#[inline(never)]
pub fn sum(one: Option<Pico>, other: Option<Pico>) -> Option<Pico> {
    Some(one?.saturating_add(other?))
}
