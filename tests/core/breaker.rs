//! A breaker follows its diagram, whatever happens.

use hf_inference_wasm::core::resilience::breaker::{Breaker, Outcome, Permission, State};

use crate::Random;

/// A breaker that has been told of these outcomes at time 0: `+`, `-` or `0` each.
fn after(outcomes: &str) -> Breaker {
    let mut breaker = Breaker::default();
    for outcome in outcomes.bytes() {
        let outcome = match outcome {
            b'+' => Outcome::Success,
            b'-' => Outcome::Failure,
            _ => Outcome::Neutral,
        };
        breaker.record(outcome, false, 0.0);
    }
    breaker
}

fn open() -> Breaker {
    after("-----")
}

#[test]
fn it_opens_when_half_of_the_last_twenty_and_five_at_least_failed() {
    let opens = |outcomes: &str| matches!(after(outcomes).state(), State::Open { .. });
    assert!(!opens("----"), "too few to tell");
    assert!(opens("-----"));
    assert!(opens("++---"));
    assert!(!opens("+++--"));
    assert!(opens("+++---"), "exactly half");
    assert!(!opens(&"0-0".repeat(4)), "what says nothing does not count");
    assert!(opens(&"0-0".repeat(5)));
    let good = "+".repeat(20);
    assert!(!opens(&(good.clone() + "---------")));
    assert!(opens(&(good.clone() + "----------")), "ten of the last twenty");
    assert!(!opens(&(good + "-+-+-+-+-+-+-+-+-++")), "nine of the last twenty");
}

#[test]
fn it_tells_of_each_change_once() {
    let mut breaker = after("----");
    assert!(breaker.record(Outcome::Failure, false, 0.0));
    assert!(!breaker.record(Outcome::Failure, false, 0.0));
    assert_eq!(breaker.admit(15_000.0), Permission::Probe);
    assert!(breaker.record(Outcome::Success, true, 15_001.0));
    assert!(!breaker.record(Outcome::Success, false, 15_001.0));
}

#[test]
fn it_stays_open_for_fifteen_seconds_and_twice_as_long_each_time_up_to_five_minutes() {
    let mut breaker = open();
    let mut now = 0.0;
    for cooldown in [15_000.0, 30_000.0, 60_000.0, 120_000.0, 240_000.0, 300_000.0, 300_000.0] {
        assert_eq!(breaker.cooldown(), cooldown);
        assert_eq!(breaker.admit(now), Permission::Refused(now + cooldown));
        assert_eq!(breaker.admit(now + cooldown - 0.5), Permission::Refused(now + cooldown));
        now += cooldown;
        assert_eq!(breaker.admit(now), Permission::Probe);
        breaker.record(Outcome::Failure, true, now);
    }
    now += 300_000.0;
    breaker.admit(now);
    breaker.record(Outcome::Success, true, now);
    assert_eq!(breaker, Breaker::default(), "one good answer, and everything is forgotten");
    for _ in 0..5 {
        breaker.record(Outcome::Failure, false, now);
    }
    assert_eq!(breaker.state(), State::Open { until: now + 15_000.0 });
}

#[test]
fn one_probe_goes_and_no_other_until_it_is_known_or_taken_for_dead() {
    let mut breaker = open();
    assert_eq!(breaker.admit(15_000.0), Permission::Probe);
    let Permission::Refused(until) = breaker.admit(15_000.0) else { panic!("a second probe") };
    assert!((15_000.0..=16_000.0).contains(&until), "to be asked again soon");
    assert!(matches!(breaker.admit(614_999.0), Permission::Refused(_)));
    assert_eq!(breaker.admit(615_000.0), Permission::Probe, "its caller is gone");

    let mut breaker = open();
    breaker.admit(15_000.0);
    assert!(!breaker.record(Outcome::Neutral, true, 15_500.0));
    assert_eq!(breaker.admit(15_500.0), Permission::Probe, "it told nothing: another may find out");
}

#[test]
fn what_began_before_it_opened_comes_too_late() {
    let mut breaker = open();
    let before = breaker.clone();
    for outcome in [Outcome::Success, Outcome::Failure, Outcome::Neutral] {
        assert!(!breaker.record(outcome, false, 1_000.0));
        assert_eq!(breaker, before);
    }
    breaker.admit(15_000.0);
    let before = breaker.clone();
    for outcome in [Outcome::Success, Outcome::Failure, Outcome::Neutral] {
        assert!(!breaker.record(outcome, false, 15_001.0));
        assert_eq!(breaker, before, "the probe alone decides");
    }
}

#[test]
fn states_have_names() {
    let mut breaker = Breaker::default();
    assert_eq!(breaker.state().name(), "closed");
    breaker = open();
    assert_eq!(breaker.state().name(), "open");
    breaker.admit(15_000.0);
    assert_eq!(breaker.state().name(), "half-open");
}

#[test]
fn odd_times_lock_nobody_out_for_ever() {
    for (left, cooldown) in
        [(f64::NAN, f64::NAN), (1e300, 1e300), (f64::INFINITY, f64::INFINITY), (-1e300, -1e300), (1e9, 0.0)]
    {
        let mut breaker = Breaker::restored(left, cooldown, 1_000.0);
        assert_eq!(breaker.admit(301_000.0), Permission::Probe, "{left} {cooldown}");
        breaker.record(Outcome::Failure, true, 301_000.0);
        assert_eq!(breaker.admit(601_000.0), Permission::Probe, "{left} {cooldown}");
    }
}

/// The diagram, step by step, beside a plain list of outcomes.
#[test]
fn any_course_of_outcomes_follows_the_diagram() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let mut breaker = Breaker::default();
        let (mut now, mut window, mut probes) = (0.0, Vec::new(), 0u32);
        for _ in 0..500 {
            now += random.below(20_000) as f64;
            let before = breaker.state();
            let permission = breaker.admit(now);
            match (before, permission) {
                (State::Closed, Permission::Go) => {}
                (State::Open { until }, Permission::Refused(at)) => assert!(now < until && at == until),
                (State::Open { until }, Permission::Probe) => {
                    assert!(now >= until);
                    probes = 1;
                }
                (State::HalfOpen { probe }, Permission::Refused(_)) => assert!(now < probe && probes == 1),
                (State::HalfOpen { probe }, Permission::Probe) => {
                    assert!(now >= probe);
                    probes = 1;
                }
                other => panic!("seed {seed}: {other:?}"),
            }
            let outcome =
                random.pick(&[Outcome::Success, Outcome::Failure, Outcome::Failure, Outcome::Neutral]);
            let (probe, ends) = (permission == Permission::Probe, random.one_in(2));
            if matches!(permission, Permission::Refused(_)) || probe && !ends {
                continue;
            }
            breaker.record(outcome, probe, now);
            match (probe, outcome) {
                (true, Outcome::Success) => window.clear(),
                (true, Outcome::Neutral) => probes = 0,
                (false, Outcome::Success | Outcome::Failure) => window.push(outcome == Outcome::Failure),
                _ => {}
            }
            let last = &window[window.len().saturating_sub(20)..];
            let failed = last.iter().filter(|failed| **failed).count();
            let opens = last.len() >= 5 && failed * 2 >= last.len();
            let expected = match (probe, outcome) {
                (true, Outcome::Success) => "closed",
                (true, Outcome::Neutral) => "half-open",
                (true, Outcome::Failure) => "open",
                (false, _) if opens => "open",
                (false, _) => "closed",
            };
            assert_eq!(breaker.state().name(), expected, "seed {seed}");
            if expected == "open" {
                window.clear();
            }
        }
    }
}
