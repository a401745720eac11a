//! Spikes: a loop that has run wild is told, a bursty day is not.

use hf_inference_wasm::core::usage::spike::{Spike, Spikes};

use super::README;
use crate::Random;

/// The defaults of `spikes: {}`.
const DEFAULTS: &str = r#"{"factor":25,"cooldown":3600000,"usd":0.1,"tokens":100000,"call":0.01}"#;
const MINUTE: f64 = 60_000.0;
const HOUR: f64 = 3_600_000.0;
const PICO: f64 = 1e12;

/// A service in use: nights of nearly nothing, noons, bursts of several times as much, calls of very
/// different length. Tells each call's moment and USD.
fn trace(seed: u64, days: usize) -> Vec<(f64, f64)> {
    let mut random = Random::new(seed);
    let mut unit = move || (random.bits() >> 11) as f64 / (1u64 << 53) as f64;
    let mut calls = Vec::new();
    let mut burst = 0;
    for minute in 0..days * 1_440 {
        let hour = (minute / 60 % 24) as f64;
        let sun = ((hour - 4.0) / 24.0 * std::f64::consts::TAU - std::f64::consts::FRAC_PI_2).sin();
        if burst > 0 {
            burst -= 1;
        } else if unit() < 0.004 {
            burst = 2 + (unit() * 20.0) as usize;
        }
        let rate = (0.2 + 12.0 * sun.max(0.0)) * if burst > 0 { 5.0 } else { 1.0 };
        let count = (rate * -unit().max(1e-9).ln()) as usize;
        for _ in 0..count {
            // Log-normal: the twentieth call costs five times the median.
            let normal = (-2.0 * unit().max(1e-12).ln()).sqrt() * (std::f64::consts::TAU * unit()).cos();
            calls.push(((minute as f64 + unit()) * MINUTE, 0.002 * normal.exp()));
        }
    }
    calls.sort_by(|one, other| one.0.total_cmp(&other.0));
    calls
}

fn replay(spikes: &mut Spikes, calls: &[(f64, f64)]) -> Vec<(f64, Spike)> {
    let mut told = Vec::new();
    for (at, dollars) in calls {
        let usd = (dollars * PICO) as u64;
        let tokens = (dollars * 2e6) as u64;
        told.extend(spikes.spend(usd, tokens, *at).map(|spike| (*at, spike)));
        told.extend(spikes.call(usd, *at).map(|spike| (*at, spike)));
    }
    told
}

#[test]
fn a_bursty_week_alerts_nobody() {
    let mut alerts = 0;
    for seed in 0..20 {
        let calls = trace(seed, 7);
        assert!(calls.len() > 20_000, "{} calls", calls.len());
        let told = replay(&mut Spikes::read(DEFAULTS.as_bytes()), &calls);
        alerts += told.len();
        assert!(told.len() <= 1, "seed {seed}: {told:?}");
    }
    let said = format!("20 simulated weeks of bursts bring {alerts} alerts");
    println!("{said}");
    assert!(README.contains(&said), "README says something else than {said:?}");
    assert!(alerts <= 4, "{alerts} false alerts in 20 weeks");
}

#[test]
fn a_loop_that_has_run_wild_is_told_within_minutes() {
    for seed in 0..20 {
        let mut calls = trace(seed, 3);
        let begins = 2.5 * 24.0 * HOUR;
        // Twenty calls a second, for two hours.
        calls.extend((0..144_000).map(|number| (begins + f64::from(number) * 50.0, 0.003)));
        calls.sort_by(|one, other| one.0.total_cmp(&other.0));
        let told = replay(&mut Spikes::read(DEFAULTS.as_bytes()), &calls);
        let rates: Vec<_> = told.iter().filter(|(at, spike)| *at >= begins && spike.what != "call").collect();
        assert!(rates[0].0 < begins + 5.0 * MINUTE, "seed {seed}: {}", (rates[0].0 - begins) / MINUTE);
        assert!(rates.len() <= 3, "seed {seed}: told once an hour, not {} times", rates.len());
        let unpriced: Vec<_> = calls.iter().map(|(at, dollars)| (*at, 0.0, dollars * 2e6)).collect();
        let mut spikes = Spikes::read(DEFAULTS.as_bytes());
        let told = unpriced.iter().filter_map(|(at, _, tokens)| spikes.spend(0, *tokens as u64, *at));
        assert!(told.last().is_some_and(|spike| spike.what == "tokens"), "seed {seed}: without prices");
        assert!(rates[0].1.observed > 25.0 * rates[0].1.usual);
    }
}

#[test]
fn a_call_that_costs_far_more_than_others_is_told() {
    let mut spikes = Spikes::read(DEFAULTS.as_bytes());
    let cent = (0.01 * PICO) as u64;
    for number in 0..49 {
        assert_eq!(spikes.call(cent, f64::from(number)), None);
    }
    assert_eq!(spikes.call(50 * cent, 50.0), None, "too little is known");
    for number in 0..300u32 {
        assert_eq!(spikes.call(cent + u64::from(number), 51.0), None);
    }
    assert_eq!(spikes.call(25 * cent, 60.0), None);
    let spike = spikes.call(27 * cent, 61.0).expect("a spike");
    assert_eq!((spike.what, spike.observed), ("call", 27.0 * cent as f64));
    assert!((spike.usual / cent as f64 - 1.0).abs() < 0.001, "{}", spike.usual);
    assert_eq!(spikes.call(40 * cent, 62.0), None, "it has been told");
    assert!(spikes.call(40 * cent, 61.0 + HOUR).is_some());
}

#[test]
fn what_nobody_would_miss_is_not_told() {
    let mut spikes = Spikes::read(DEFAULTS.as_bytes());
    let told = (0..500).filter_map(|number| {
        let burst = if number % 50 == 49 { 1_000 } else { 1 };
        spikes.spend(burst * 10_000_000, burst * 90, f64::from(number as u32) * 5.0 * MINUTE)
    });
    assert_eq!(told.count(), 0, "a cent is a thousand times as much as nothing");
    // A clock that stands still for a year, and one that does not move.
    spikes.spend(1, 1, 3e10);
    spikes.spend(1, 1, 3e10);
}
