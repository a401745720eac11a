//! Retries of all calls together: a fifth of the calls, and ten besides, in any ten seconds.

use hf_inference_wasm::core::resilience::budget::Budget;

use crate::Random;

/// How many retries are granted at a moment.
fn granted(budget: &mut Budget, now: f64) -> usize {
    (0..10_000).take_while(|_| budget.withdraw(now)).count()
}

#[test]
fn ten_are_granted_whatever_happens_and_one_more_for_each_five_calls() {
    for (calls, expected) in [(0, 10), (4, 10), (5, 11), (9, 11), (10, 12), (1_000, 210)] {
        let mut budget = Budget::default();
        (0..calls).for_each(|_| budget.deposit(500.0));
        assert_eq!(granted(&mut budget, 600.0), expected, "{calls} calls");
        assert!(!budget.withdraw(9_999.0));
    }
}

#[test]
fn what_is_ten_seconds_ago_counts_no_more() {
    let mut budget = Budget::default();
    (0..100).for_each(|_| budget.deposit(0.0));
    assert_eq!(granted(&mut budget, 0.0), 30);
    // Counted in whole seconds, the first of which may have been anywhere in its own.
    assert_eq!(granted(&mut budget, 10_999.0), 0);
    assert_eq!(granted(&mut budget, 11_000.0), 10, "neither the calls nor their retries");
    assert_eq!(granted(&mut budget, 1e9), 10);
}

#[test]
fn the_bound_holds_in_any_ten_seconds() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let mut budget = Budget::default();
        let (mut now, mut calls, mut retries) = (0.0, Vec::new(), Vec::new());
        for _ in 0..2_000 {
            now += random.below(200) as f64;
            if random.one_in(3) {
                budget.deposit(now);
                calls.push(now);
            } else if budget.withdraw(now) {
                retries.push(now);
            }
        }
        for end in &retries {
            let within = |times: &[f64], length: f64| {
                times.iter().filter(|time| **time <= *end && **time > end - length).count() as f64
            };
            assert!(within(&retries, 10_000.0) <= 10.0 + 0.2 * within(&calls, 11_000.0), "seed {seed}");
        }
    }
}

#[test]
fn no_time_is_so_odd_that_it_breaks_the_count() {
    for time in [f64::NAN, -1.0, -1e300, 1e300, f64::INFINITY, f64::NEG_INFINITY] {
        let mut budget = Budget::default();
        budget.deposit(time);
        assert_eq!(granted(&mut budget, time), 10, "{time}");
        // A clock that runs backwards all the same.
        budget.deposit(0.0);
        assert!(granted(&mut budget, 5_000.0) <= 10);
    }
}
