//! Exact money.

use hf_inference_wasm::core::usage::money::{self, Pico};
use hf_inference_wasm::core::wire::json;

use crate::Random;

fn written(amount: Pico) -> String {
    let mut out = Vec::new();
    json::write_fixed(&mut out, amount);
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn decimals_are_read_to_the_pico() {
    let cases = [
        ("0", Some(0)),
        ("1", Some(1_000_000_000_000)),
        ("0.15", Some(150_000_000_000)),
        ("0.000000000001", Some(1)),
        ("0.0000000000005", Some(1)),
        ("0.00000000000049", Some(0)),
        ("0.0000000000014999999", Some(1)),
        ("1e-12", Some(1)),
        ("1.5e-7", Some(150_000)),
        ("15E-1", Some(1_500_000_000_000)),
        ("1.5e+2", Some(150_000_000_000_000)),
        ("0.1234567890123456789", Some(123_456_789_012)),
        ("9.99999999999949", Some(9_999_999_999_999)),
        ("1e-999999999999", Some(0)),
        ("0e999999999999", Some(0)),
        ("-1", None),
        ("", None),
        ("free", None),
        ("null", None),
    ];
    for (text, expected) in cases {
        assert_eq!(money::read(text.as_bytes()), expected, "{text}");
    }
    for large in ["1e300", "99999999999999999999", "18446745"] {
        assert_eq!(money::read(large.as_bytes()), Some(u64::MAX), "{large}");
    }
}

#[test]
fn what_is_written_is_read_again() {
    for (amount, text) in
        [(0, "0"), (1, "0.000000000001"), (1_500_000_000_000, "1.5"), (20_000_000_000_000, "20")]
    {
        assert_eq!(written(amount), text);
    }
    let mut random = Random::new(3);
    for _ in 0..10_000 {
        // Seventeen digits are exact; nobody has more than a hundred thousand dollars.
        let amount = random.bits() % 10u64.pow(1 + (random.bits() % 16) as u32);
        let text = written(amount);
        assert_eq!(money::read(text.as_bytes()), Some(amount), "{text}");
        assert!(json::is_valid(text.as_bytes()));
    }
}

#[test]
fn products_are_exact_and_rounded_to_the_nearest() {
    let mut random = Random::new(5);
    for _ in 0..100_000 {
        let count = random.bits() % 10u64.pow(1 + (random.bits() % 7) as u32);
        let price = random.bits() % 10u64.pow(1 + (random.bits() % 15) as u32);
        let expected = (u128::from(count) * u128::from(price) + 500_000) / 1_000_000;
        assert_eq!(u128::from(money::of(count, price)), expected, "{count} at {price}");
    }
    assert_eq!(money::of(u64::MAX, u64::MAX), u64::MAX, "no sum turns over");
}

#[test]
fn a_million_calls_do_not_drift() {
    // 0.1 + 0.2 in doubles is off at the first sum; here nothing is.
    let price = money::read(b"0.1").expect("a price");
    let mut sum = 0u64;
    let mut float = 0f64;
    for count in 0..1_000_000u64 {
        let cost = money::of(count % 977, price);
        sum += cost;
        float += (count % 977) as f64 * 0.1 / 1e6;
    }
    let tokens: u64 = (0..1_000_000u64).map(|count| count % 977).sum();
    assert_eq!(sum, tokens * 100_000);
    assert_ne!(float, tokens as f64 * 0.1 / 1e6, "doubles would do");
}
