//! The ledger: every sum, in bounded memory.

use hf_inference_wasm::core::usage::cost::Cost;
use hf_inference_wasm::core::usage::ledger::Ledger;
use hf_inference_wasm::core::usage::tokens::Tokens;
use serde_json::{Value, json};

use crate::{Random, value};

const HOUR: f64 = 3_600_000.0;
/// The start of a day, 2027-01-15.
const DAY: f64 = 1_799_971_200_000.0;

fn tokens(prompt: u64, completion: u64) -> Tokens {
    Tokens { prompt: Some(prompt), completion: Some(completion), ..Tokens::default() }
}

fn tags(tags: &[(&str, &str)]) -> Vec<(String, String)> {
    tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn rows(ledger: &Ledger) -> Vec<Value> {
    let mut out = Vec::new();
    ledger.write(&mut out);
    value(&out).as_array().expect("rows").clone()
}

fn row(rows: &[Value], by: &str, name: &str, key: &str) -> Value {
    let is =
        |row: &&Value| row["by"] == by && row["key"] == key && row["name"].as_str().unwrap_or("") == name;
    rows.iter().find(is).cloned().unwrap_or(Value::Null)
}

#[test]
fn an_answer_is_entered_in_every_sum() {
    let mut ledger = Ledger::default();
    let mine = tags(&[("user", "ann"), ("feature", "search")]);
    let cost = Cost { usd: Some(2_500_000), ..Cost::default() };
    let told = Tokens { cached: Some(40), reasoning: Some(5), ..tokens(100, 10) };
    ledger.enter("groq", "a/b", &mine, DAY + 1.5 * HOUR, &told, Some(&cost));
    let reckoned = Tokens { estimated: true, ..tokens(7, 3) };
    ledger.enter("together", "a/b", &tags(&[("user", "bob")]), DAY + 2.0 * HOUR, &reckoned, None);
    let rows = rows(&ledger);
    let total = json!({ "by": "total", "key": "", "requests": 2, "unpriced": 1, "estimated": 1, "promptTokens": 107,
        "completionTokens": 13, "cachedTokens": 40, "reasoningTokens": 5, "usd": 0.0000025 });
    assert_eq!(rows[0], total);
    let both = ["1799971200000", "a/b"];
    assert_eq!(row(&rows, "day", "", both[0])["requests"], 2);
    assert_eq!(row(&rows, "model", "", both[1])["promptTokens"], 107);
    assert_eq!(row(&rows, "provider", "", "groq")["usd"], 0.0000025);
    assert_eq!(row(&rows, "provider", "", "together")["unpriced"], 1);
    assert_eq!(row(&rows, "tag", "user", "ann")["cachedTokens"], 40);
    assert_eq!(row(&rows, "tag", "user", "bob")["estimated"], 1);
    assert_eq!(row(&rows, "tag", "feature", "search")["requests"], 1);
    assert_eq!(row(&rows, "hour", "", "1799974800000")["requests"], 1);
    assert_eq!(row(&rows, "hour", "", "1799978400000")["requests"], 1);
    assert_eq!(rows.len(), 10);
}

#[test]
fn its_memory_is_bounded_and_its_sums_are_not() {
    let mut ledger = Ledger::default();
    let mut random = Random::new(11);
    let mut sum = 0;
    for number in 0..20_000u64 {
        let (usd, model) = (random.bits() % 1_000_000, format!("m/{}", random.below(2_000)));
        let user = tags(&[("user", &format!("u{}", random.below(5_000)))]);
        let cost = Cost { usd: Some(usd), ..Cost::default() };
        ledger.enter("groq", &model, &user, DAY + number as f64 * HOUR / 10.0, &tokens(1, 1), Some(&cost));
        sum += usd;
    }
    let rows = rows(&ledger);
    assert!(rows.len() < 700, "{} rows", rows.len());
    assert_eq!(ledger.total().usd, sum);
    let all = |by: &str| -> u64 {
        rows.iter().filter(|row| row["by"] == by).map(|row| row["requests"].as_u64().expect("a count")).sum()
    };
    for by in ["total", "model", "provider", "tag"] {
        assert_eq!(all(by), 20_000, "what has no row of its own counts in one without a name: {by}");
    }
    assert!(row(&rows, "model", "", "")["requests"].as_u64() > Some(1_000));
    // Of hours and days the last are kept.
    let last = format!("{}", DAY as u64 + (20_000 - 10) * 360_000);
    assert_eq!(row(&rows, "hour", "", &last)["requests"], 10);
    assert_eq!(all("hour"), 620);
}

#[test]
fn a_clock_before_1970_breaks_nothing() {
    let mut ledger = Ledger::default();
    for unix in [-1.0, f64::NAN, f64::INFINITY, 0.0] {
        ledger.enter("", "", &[], unix, &Tokens::default(), None);
    }
    assert_eq!(ledger.total().requests, 4);
}
