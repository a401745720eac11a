//! Budgets: reserved before, settled once, never overspent beyond what requests take over their reservations.

use hf_inference_wasm::core::usage::Tags;
use hf_inference_wasm::core::usage::budget::{Amount, Budgets, Exceeded, Leave, Spender};
use serde_json::{Value, json};

use super::in_numbers;
use crate::{Random, value};

const DAY: f64 = 86_400_000.0;
/// The start of 2027-01-15.
const EPOCH: f64 = 1_799_971_200_000.0;

fn budgets(list: Value) -> Budgets {
    let mut budgets = Budgets::default();
    let list = in_numbers(list);
    let texts: Vec<String> = list.as_array().expect("a list").iter().map(Value::to_string).collect();
    budgets.set(&texts.iter().map(String::as_bytes).collect::<Vec<_>>());
    budgets
}

fn usd(dollars: f64) -> Amount {
    Amount { usd: Some((dollars * 1e12) as u64), tokens: 0 }
}

fn by<'a>(call: u64, tags: &'a Tags, unix: f64) -> Spender<'a> {
    Spender { call, tags, unix }
}

fn spent(budgets: &mut Budgets, unix: f64) -> Value {
    let mut out = Vec::new();
    budgets.write_all(unix, &mut out);
    value(&out)
}

#[test]
fn what_does_not_fit_beside_what_is_spent_is_refused() {
    for (word, exceeded) in [("throw", Exceeded::Throw), ("fallback", Exceeded::Fallback)] {
        let mut budgets = budgets(json!([{ "usd": 1, "onExceeded": word }]));
        let me = by(1, &[], EPOCH);
        assert_eq!(budgets.ask(1, &usd(1.5), &me, 0.0), Leave::Refused(exceeded, 0));
        assert_eq!(budgets.ask(1, &usd(1.0), &me, 0.0), Leave::Go);
        budgets.reserve(1, usd(1.0), &me, 1e9);
        budgets.settle(1, &usd(0.7), &me);
        assert_eq!(budgets.ask(2, &usd(0.4), &me, 0.0), Leave::Refused(exceeded, 0));
        assert_eq!(budgets.ask(2, &usd(0.3), &me, 0.0), Leave::Go);
        // A request whose price nobody knows may go while anything is left.
        let unknown = Amount { usd: None, tokens: 1_000 };
        assert_eq!(budgets.ask(3, &unknown, &me, 0.0), Leave::Go);
        budgets.settle(2, &usd(0.3), &me);
        assert_eq!(budgets.ask(3, &unknown, &me, 0.0), Leave::Refused(exceeded, 0));
    }
    let mut warns = budgets(json!([{ "usd": 1, "onExceeded": "warn" }]));
    assert_eq!(warns.ask(1, &usd(50.0), &by(1, &[], EPOCH), 0.0), Leave::Go);
}

#[test]
fn what_does_not_fit_beside_reservations_waits_until_they_are_over() {
    let mut budgets = budgets(json!([{ "usd": 1 }]));
    let me = by(1, &[], EPOCH);
    budgets.reserve(1, usd(0.9), &me, 1e9);
    assert_eq!(budgets.ask(2, &usd(0.2), &me, 0.0), Leave::Wait);
    assert_eq!(budgets.ask(3, &usd(0.2), &me, 0.0), Leave::Wait);
    assert_eq!(budgets.ask(2, &usd(0.2), &me, 0.0), Leave::Wait);
    assert_eq!(budgets.next(), Some(2), "who has waited longest is first");
    budgets.settle(1, &usd(0.1), &me);
    assert_eq!(budgets.ask(2, &usd(0.2), &me, 0.0), Leave::Go);
    assert_eq!(budgets.next(), Some(3));
    budgets.leave(3);
    assert_eq!((budgets.next(), budgets.open()), (None, 0));
    assert_eq!(
        spent(&mut budgets, EPOCH),
        json!([{ "index": 0, "start": 0, "unit": "usd", "spent": 0.1, "limit": 1 }])
    );
}

#[test]
fn a_reservation_whose_caller_has_gone_goes_too() {
    let mut budgets = budgets(json!([{ "usd": 1 }]));
    let me = by(1, &[], EPOCH);
    budgets.reserve(1, usd(1.0), &me, 5_000.0);
    assert_eq!(budgets.ask(2, &usd(0.5), &me, 4_999.0), Leave::Wait);
    assert_eq!(budgets.ask(2, &usd(0.5), &me, 5_000.0), Leave::Go);
}

#[test]
fn windows_begin_with_the_hour_the_day_and_the_month() {
    let months = [
        // The start of a month and the last millisecond of it: common, leap, of a century, December.
        (1_769_904_000_000.0, 1_772_323_199_999.0),
        (1_832_976_000_000.0, 1_835_481_599_999.0),
        (951_782_400_000.0 - 28.0 * DAY, 951_868_799_999.0),
        (4_107_542_400_000.0 - 28.0 * DAY, 4_107_542_399_999.0),
        (1_796_083_200_000.0, 1_798_761_599_999.0),
    ];
    let mut cases: Vec<(&str, f64, f64)> = months.iter().map(|(from, to)| ("month", *from, *to)).collect();
    cases.push(("hour", EPOCH, EPOCH + DAY / 24.0 - 1.0));
    cases.push(("day", EPOCH, EPOCH + DAY - 1.0));
    for (per, from, to) in cases {
        let mut budgets = budgets(json!([{ "usd": 1, "per": per }]));
        budgets.settle(1, &usd(9.0), &by(1, &[], from - 1.0));
        assert_eq!(budgets.ask(1, &usd(0.5), &by(1, &[], from), 0.0), Leave::Go, "{per} {from}");
        budgets.settle(1, &usd(0.6), &by(1, &[], from));
        for now in [from, (from + to) / 2.0, to] {
            assert_ne!(budgets.ask(1, &usd(0.5), &by(1, &[], now), 0.0), Leave::Go, "{per} {now}");
            let mut out = Vec::new();
            assert_eq!(budgets.write(0, &by(1, &[], now), &mut out), Some(to as u64 + 1), "{per} {now}");
            assert_eq!(value(&out), json!({ "index": 0, "unit": "usd", "spent": 0.6, "limit": 1 }));
        }
        assert_eq!(budgets.ask(1, &usd(0.5), &by(1, &[], to + 1.0), 0.0), Leave::Go, "{per} {to}");
        // A clock that is set back begins no window anew.
        budgets.settle(1, &usd(1.0), &by(1, &[], to + 1.0));
        assert_ne!(budgets.ask(1, &usd(0.5), &by(1, &[], from), 0.0), Leave::Go, "{per} set back");
    }
}

#[test]
fn each_call_and_each_value_of_a_tag_has_its_own() {
    let mut budgets = budgets(
        json!([{ "usd": 1, "per": "call" }, { "tokens": 1_000, "tag": "user" }, { "usd": 2, "tag": "none" }]),
    );
    let tags =
        |user: &str| vec![("feature".to_owned(), "x".to_owned()), ("user".to_owned(), user.to_owned())];
    let (ann, bob) = (tags("ann"), tags("bob"));
    let amount = Amount { usd: Some(600_000_000_000), tokens: 600 };
    budgets.settle(1, &amount, &by(1, &ann, EPOCH));
    assert_eq!(
        budgets.ask(2, &amount, &by(1, &bob, EPOCH), 0.0),
        Leave::Refused(Exceeded::Throw, 0),
        "the call's"
    );
    assert_eq!(
        budgets.ask(2, &amount, &by(2, &ann, EPOCH), 0.0),
        Leave::Refused(Exceeded::Throw, 1),
        "Ann's"
    );
    assert_eq!(budgets.ask(2, &amount, &by(2, &bob, EPOCH), 0.0), Leave::Go);
    assert_eq!(budgets.ask(2, &amount, &by(2, &[], EPOCH), 0.0), Leave::Go, "who has no such tag");
    budgets.reserve(2, amount, &by(2, &bob, EPOCH), 1e9);
    assert_eq!(budgets.ask(3, &amount, &by(3, &bob, EPOCH), 0.0), Leave::Wait);
    assert_eq!(budgets.ask(3, &amount, &by(3, &tags("cy"), EPOCH), 0.0), Leave::Go);
    budgets.forget(1);
    assert_eq!(budgets.ask(4, &amount, &by(1, &tags("dan"), EPOCH), 0.0), Leave::Go, "it is over");
}

#[test]
fn each_threshold_is_told_once_in_each_window() {
    let mut budgets = budgets(json!([{ "usd": 10, "per": "day", "alertAt": [0.5, 0.8, 1] }]));
    let mut told = |amount: f64, unix: f64| -> Vec<usize> {
        budgets.settle(1, &usd(amount), &by(1, &[], unix)).iter().map(|alert| alert.threshold).collect()
    };
    assert_eq!(told(4.9, EPOCH), [0; 0]);
    assert_eq!(told(0.1, EPOCH), [0]);
    assert_eq!(told(0.1, EPOCH), [0; 0]);
    assert_eq!(told(6.0, EPOCH), [1, 2], "both at once");
    assert_eq!(told(6.0, EPOCH), [0; 0]);
    assert_eq!(told(20.0, EPOCH + DAY), [0, 1, 2], "a new day");
}

/// No interleaving of a thousand calls overspends beyond what they took over their reservations, refuses what
/// would have fitted, or locks up.
#[test]
fn a_thousand_calls_share_one_budget() {
    for seed in 0..50 {
        let mut random = Random::new(seed);
        let mut budgets = budgets(json!([{ "usd": 1 }]));
        let me = by(0, &[], EPOCH);
        let (mut running, mut waiting): (Vec<(u64, u64)>, Vec<u64>) = (Vec::new(), (1..=1_000).collect());
        let (mut spent, mut beyond, mut refused, mut most) = (0u64, 0u64, 0, 0);
        let limit = 1_000_000_000_000u64;
        while !waiting.is_empty() || !running.is_empty() {
            if waiting.is_empty() || (!running.is_empty() && random.below(3) == 0) {
                let (ticket, reserved) = running.swap_remove(random.below(running.len()));
                // Most take less than was reserved, some more.
                let taken =
                    if random.below(20) == 0 { reserved * 3 / 2 } else { reserved / (1 + random.bits() % 8) };
                beyond += taken.saturating_sub(reserved);
                spent += taken;
                budgets.settle(ticket, &Amount { usd: Some(taken), tokens: 0 }, &me);
                continue;
            }
            let at = random.below(waiting.len());
            let ticket = waiting[at];
            let amount = Amount { usd: Some(1_000_000_000 + random.bits() % 9_000_000_000), tokens: 0 };
            match budgets.ask(ticket, &amount, &me, 0.0) {
                Leave::Go => {
                    budgets.reserve(ticket, amount, &me, 1e9);
                    running.push((ticket, amount.usd.expect("a price")));
                    waiting.swap_remove(at);
                    let reserved: u64 = running.iter().map(|(_, reserved)| reserved).sum();
                    assert!(spent + reserved <= limit, "seed {seed}");
                }
                Leave::Wait => assert!(!running.is_empty(), "seed {seed}: locked up"),
                Leave::Refused(..) => {
                    assert!(spent + 10_000_000_000 > limit, "seed {seed}: refused with {spent} spent");
                    refused += 1;
                    waiting.swap_remove(at);
                }
            }
            most = most.max(running.len());
        }
        assert!(spent <= limit + beyond, "seed {seed}: {spent} spent, {beyond} beyond reservations");
        assert!(refused > 0 && most > 50, "seed {seed}: {refused} refused, {most} at once");
        assert_eq!((budgets.open(), budgets.next()), (0, None), "seed {seed}");
    }
}

#[test]
fn a_tag_with_ever_new_values_is_bounded() {
    let mut budgets = budgets(json!([{ "usd": 1, "tag": "user" }]));
    for number in 0..10_000 {
        let tags = vec![("user".to_owned(), number.to_string())];
        budgets.settle(1, &usd(0.5), &by(1, &tags, EPOCH));
    }
    assert_eq!(spent(&mut budgets, EPOCH).as_array().map(Vec::len), Some(4_096));
}
