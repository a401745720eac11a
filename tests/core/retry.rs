//! How soon the same request is sent again.

use hf_inference_wasm::core::error::is_retryable_status;
use hf_inference_wasm::core::ports::Random;
use hf_inference_wasm::core::resilience::retry::Policy;

#[test]
fn the_bound_doubles_from_half_a_second_to_its_limit() {
    let policy = Policy { jitter: false, ..Policy::default() };
    let waits = [0, 1, 2, 3, 4, 5, 20, 31, 32, 1_000, u32::MAX]
        .map(|retry| policy.backoff(retry, &mut Random::new(1)));
    assert_eq!(waits[..5], [500.0, 1_000.0, 2_000.0, 4_000.0, 8_000.0]);
    assert!(waits[5..].iter().all(|wait| *wait == 8_000.0), "{waits:?}");
}

#[test]
fn the_callers_limit_bounds_every_wait() {
    for (limit, expected) in [(0.0, [0.0, 0.0]), (700.0, [500.0, 700.0]), (f64::INFINITY, [500.0, 16_000.0])]
    {
        let policy = Policy { jitter: false, backoff_limit: limit, ..Policy::default() };
        let random = &mut Random::new(1);
        assert_eq!(
            [policy.backoff(0, random), policy.backoff(if limit < 1e9 { 1 } else { 5 }, random)],
            expected
        );
    }
}

#[test]
fn jitter_draws_from_zero_to_the_bound_evenly() {
    let policy = Policy::default();
    let mut random = Random::new(3);
    let waits: Vec<f64> = (0..10_000).map(|_| policy.backoff(3, &mut random)).collect();
    assert!(waits.iter().all(|wait| (0.0..4_000.0).contains(wait)));
    for quarter in 0..4 {
        let from = f64::from(quarter) * 1_000.0;
        let share = waits.iter().filter(|wait| (from..from + 1_000.0).contains(wait)).count();
        assert!((2_300..2_700).contains(&share), "{share} of 10,000 in quarter {quarter}");
    }
}

#[test]
fn chance_is_replayed_by_its_seed_and_no_seed_is_dead() {
    let draw = |seed: u64| -> Vec<f64> {
        let mut random = Random::new(seed);
        (0..100).map(|_| random.unit()).collect()
    };
    for seed in [0, 1, 2, u64::MAX, 1 << 63] {
        let drawn = draw(seed);
        assert_eq!(drawn, draw(seed));
        assert!(drawn.iter().all(|unit| (0.0..1.0).contains(unit)));
        assert!(drawn.windows(2).any(|two| two[0] != two[1]), "seed {seed}");
    }
    assert_ne!(draw(1), draw(2));
}

#[test]
fn the_statuses_are_the_tables_or_the_callers() {
    let table = Policy::default();
    let own = Policy { status_codes: Some(vec![418, 500]), ..Policy::default() };
    let none = Policy { status_codes: Some(Vec::new()), ..Policy::default() };
    for status in 0..=999 {
        assert_eq!(table.retries(status), is_retryable_status(status));
        assert_eq!(own.retries(status), matches!(status, 418 | 500));
        assert!(!none.retries(status));
    }
}

#[test]
fn the_defaults_are_those_of_the_design() {
    let Policy { limit, status_codes, max_retry_after, backoff_limit, jitter } = Policy::default();
    assert_eq!(
        (limit, status_codes, max_retry_after, backoff_limit, jitter),
        (2, None, 60_000.0, 8_000.0, true)
    );
}
