//! Who may send now, who waits how long, and that nobody waits for one who is gone.

use hf_inference_wasm::core::resilience::lane::{Admission, Applicant, Lane, Limits};
use hf_inference_wasm::core::wire::rate_limit::Quota;

use crate::Random;

const MINUTE: f64 = 60_000.0;

fn none() -> Limits {
    Limits::default()
}

fn who(ticket: u64) -> Applicant {
    Applicant { ticket, priority: 0.0, tokens: 100.0, deadline: 1e12 }
}

fn quota(limit: f64, remaining: f64, reset: f64) -> Quota {
    Quota { limit: Some(limit), remaining: Some(remaining), reset: Some(reset) }
}

/// Until when one has to wait.
fn wait(admission: Admission) -> f64 {
    match admission {
        Admission::Wait(until) => until,
        other => panic!("no wait but {other:?}"),
    }
}

/// How many of a thousand pass at a moment.
fn passing(lane: &mut Lane, limits: &Limits, now: f64) -> usize {
    let from = now as u64 * 10_000;
    let refused = (1..=1_000).find(|number| lane.admit(&who(from + number), limits, now) != Admission::Go);
    refused.map_or(1_000, |number| {
        lane.leave(from + number, None);
        number as usize - 1
    })
}

#[test]
fn without_limits_everybody_passes() {
    assert_eq!(passing(&mut Lane::default(), &none(), 0.0), 1_000);
}

#[test]
fn so_many_are_in_flight_as_allowed() {
    for concurrency in 1..5u32 {
        let limits = Limits { concurrency: f64::from(concurrency), ..none() };
        let mut lane = Lane::default();
        assert_eq!(passing(&mut lane, &limits, 0.0), concurrency as usize);
        let waiting = u64::from(concurrency) + 1;
        assert!(wait(lane.admit(&who(waiting), &limits, 10.0)) > 10.0);
        lane.leave(1, None);
        assert_eq!(lane.next(), Some(waiting));
        assert_eq!(lane.admit(&who(waiting), &limits, 11.0), Admission::Go);
        assert_eq!(lane.queued(), 0);
    }
}

#[test]
fn so_many_are_sent_in_any_minute_as_allowed() {
    let limits = Limits { requests_per_minute: 3.0, ..none() };
    let mut lane = Lane::default();
    for (ticket, now) in [(1, 0.0), (2, 10_000.0), (3, 20_000.0)] {
        assert_eq!(lane.admit(&who(ticket), &limits, now), Admission::Go);
        lane.leave(ticket, None);
    }
    assert_eq!(wait(lane.admit(&who(4), &limits, 30_000.0)), MINUTE, "the oldest's minute");
    assert!(wait(lane.admit(&who(4), &limits, 59_999.0)) >= MINUTE);
    assert_eq!(lane.admit(&who(4), &limits, MINUTE), Admission::Go);
    assert_eq!(wait(lane.admit(&who(5), &limits, MINUTE)), 70_000.0, "then the next one's");
    // A limit that shrinks waits for as many minutes to pass as are too many.
    let one = Limits { requests_per_minute: 1.0, ..none() };
    assert_eq!(wait(lane.admit(&who(5), &one, 61_000.0)), 120_000.0);
}

#[test]
fn so_many_tokens_are_sent_in_any_minute_as_allowed() {
    let limits = Limits { tokens_per_minute: 250.0, ..none() };
    let mut lane = Lane::default();
    assert_eq!(lane.admit(&who(1), &limits, 0.0), Admission::Go);
    assert_eq!(lane.admit(&who(2), &limits, 10_000.0), Admission::Go);
    assert_eq!(wait(lane.admit(&who(3), &limits, 20_000.0)), MINUTE);
    // What was really used counts, once it is known.
    lane.leave(1, Some(20.0));
    assert_eq!(lane.admit(&who(3), &limits, 20_000.0), Admission::Go);
    lane.leave(2, None);
    assert_eq!(wait(lane.admit(&who(4), &limits, 30_000.0)), 70_000.0, "the first one's few are not enough");
    lane.leave(3, Some(1e6));
    assert_eq!(wait(lane.admit(&who(4), &limits, 31_000.0)), 80_000.0);
}

#[test]
fn a_request_larger_than_the_limit_goes_alone() {
    let limits = Limits { tokens_per_minute: 50.0, ..none() };
    let mut lane = Lane::default();
    assert_eq!(lane.admit(&who(1), &limits, 0.0), Admission::Go);
    assert_eq!(wait(lane.admit(&who(2), &limits, 0.0)), MINUTE);
    assert_eq!(lane.admit(&who(2), &limits, MINUTE), Admission::Go);
}

#[test]
fn a_refusal_closes_the_gate_until_the_moment_it_names() {
    let mut lane = Lane::default();
    assert_eq!(lane.admit(&who(1), &none(), 0.0), Admission::Go);
    lane.refused(Some(7_000.0), 1_000.0);
    lane.leave(1, None);
    assert_eq!(lane.gate(), 7_000.0);
    assert_eq!(wait(lane.admit(&who(2), &none(), 2_000.0)), 7_000.0);
    // A shorter wish of another does not open it sooner, a longer one keeps it closed.
    lane.refused(Some(3_000.0), 2_000.0);
    assert_eq!(lane.gate(), 7_000.0);
    lane.refused(Some(9_000.0), 2_000.0);
    assert_eq!(lane.gate(), 9_000.0);
    assert_eq!(lane.admit(&who(2), &none(), 9_000.0), Admission::Go);
}

#[test]
fn a_gate_without_a_word_doubles_to_half_a_minute_and_forgets_with_the_first_success() {
    let mut lane = Lane::default();
    let mut now = 0.0;
    for closed in [500.0, 1_000.0, 2_000.0, 4_000.0, 8_000.0, 16_000.0, 30_000.0, 30_000.0] {
        lane.refused(None, now);
        assert_eq!(lane.gate(), now + closed);
        // Those that were out together count once.
        lane.refused(None, now + 1.0);
        assert!(lane.gate() <= now + 1.0 + closed);
        now = lane.gate();
    }
    for _ in 0..1_000 {
        lane.refused(None, now);
        now = lane.gate();
    }
    lane.succeeded();
    lane.refused(None, now);
    assert_eq!(lane.gate(), now + 500.0);
}

#[test]
fn a_refusal_halves_what_may_be_in_flight_and_each_success_widens_it() {
    let mut lane = Lane::default();
    for ticket in 1..=40 {
        lane.admit(&who(ticket), &none(), 0.0);
    }
    for ticket in 1..=40 {
        lane.refused(Some(1_000.0), 10.0);
        lane.leave(ticket, None);
    }
    assert_eq!(
        passing(&mut lane, &none(), 1_000.0),
        20,
        "half of those that were out, however many were refused"
    );
    let mut lane = Lane::default();
    lane.admit(&who(1), &none(), 0.0);
    lane.refused(Some(0.0), 0.0);
    lane.leave(1, None);
    let mut width = 0;
    let mut successes = 0;
    let mut now = 1.0;
    while width < 300 && successes < 100_000 {
        now += 1.0;
        let next = passing(&mut lane.clone(), &none(), now);
        assert!(next >= width.max(1), "it only grows");
        width = next;
        (0..100).for_each(|_| lane.succeeded());
        successes += 100;
        if width >= 255 {
            break;
        }
    }
    // Each success adds one part of the width: about w²/2 of them for a width of w.
    assert!((25_000..40_000).contains(&successes), "{successes} for {width}");
    for _ in 0..600 {
        lane.succeeded();
    }
    assert_eq!(passing(&mut lane, &none(), 1e6), 1_000, "a window so wide holds nobody back");
}

#[test]
fn what_the_service_says_remains_is_all_that_is_sent() {
    let mut lane = Lane::default();
    for ticket in 1..=3 {
        lane.admit(&who(ticket), &none(), 0.0);
    }
    // Two others are on their way, and not in its count yet.
    lane.answered(1, &quota(10.0, 6.0, 30_000.0), 100.0);
    assert_eq!(passing(&mut lane, &none(), 200.0), 4);
    assert!(wait(lane.admit(&who(9_000_000), &none(), 300.0)) >= 30_100.0);
    assert!((30_100.0..30_200.0).contains(&lane.gate()), "the count closes it like a 429");
    let mut later = lane.clone();
    later.leave(9_000_000, None);
    assert_eq!(passing(&mut later.clone(), &none(), 30_100.0), 4, "six that are out may be counted in it");
    for ticket in [2, 3, 2_000_001, 2_000_002, 2_000_003, 2_000_004] {
        later.answered(ticket, &Quota::default(), 400.0);
    }
    assert_eq!(passing(&mut later, &none(), 30_100.0), 10, "a new window, as wide as the last");
}

#[test]
fn an_answer_that_comes_late_does_not_undo_a_newer_count() {
    let mut lane = Lane::default();
    for ticket in 1..=3 {
        lane.admit(&who(ticket), &none(), 0.0);
    }
    lane.answered(3, &quota(10.0, 2.0, 30_000.0), 100.0);
    lane.answered(1, &quota(10.0, 9.0, 30_000.0), 200.0);
    lane.answered(2, &quota(10.0, 8.0, 30_000.0), 200.0);
    assert!(passing(&mut lane, &none(), 300.0) <= 2);
}

#[test]
fn a_count_without_an_end_or_a_limit_is_taken_as_far_as_it_goes() {
    let mut lane = Lane::default();
    lane.admit(&who(7), &none(), 0.0);
    lane.answered(7, &Quota { limit: None, remaining: Some(0.0), reset: None }, 0.0);
    assert_eq!(lane.admit(&who(1), &none(), 0.0), Admission::Go, "nobody knows until when");
    lane.answered(1, &Quota { limit: None, remaining: Some(0.0), reset: Some(5_000.0) }, 0.0);
    lane.leave(1, None);
    assert_eq!(wait(lane.admit(&who(2), &none(), 0.0)), 5_000.0);
    assert_eq!(lane.admit(&who(2), &none(), 5_000.0), Admission::Go);
    assert_eq!(passing(&mut lane, &none(), 5_001.0), 1_000, "nothing is known of the next window");
}

#[test]
fn the_queue_goes_by_priority_and_then_by_arrival() {
    let limits = Limits { concurrency: 1.0, ..none() };
    let mut lane = Lane::default();
    lane.admit(&who(1), &limits, 0.0);
    for (ticket, priority) in [(2, 0.0), (3, 5.0), (4, 0.0), (5, -1.0), (6, 5.0)] {
        lane.admit(&Applicant { priority, ..who(ticket) }, &limits, 0.0);
    }
    let mut order = Vec::new();
    lane.leave(1, None);
    while let Some(next) = lane.next() {
        for ticket in 2..=6 {
            if ticket != next && !order.contains(&ticket) {
                wait(lane.admit(&who(ticket), &limits, 1.0));
            }
        }
        assert_eq!(lane.admit(&who(next), &limits, 1.0), Admission::Go);
        lane.leave(next, None);
        order.push(next);
    }
    assert_eq!(order, [3, 6, 2, 4, 5]);
}

#[test]
fn one_that_comes_back_with_an_old_ticket_stands_before_younger_ones() {
    let limits = Limits { concurrency: 1.0, ..none() };
    let mut lane = Lane::default();
    for ticket in [1, 7, 8] {
        lane.admit(&who(ticket), &limits, 0.0);
    }
    lane.admit(&who(3), &limits, 0.0);
    assert_eq!(lane.next(), Some(3));
}

#[test]
fn nobody_overtakes_those_who_wait() {
    let limits = Limits { concurrency: 1.0, ..none() };
    let mut lane = Lane::default();
    lane.admit(&who(1), &limits, 0.0);
    wait(lane.admit(&who(2), &limits, 0.0));
    lane.leave(1, None);
    wait(lane.admit(&who(3), &limits, 0.0));
    assert_eq!(lane.admit(&who(2), &limits, 0.0), Admission::Go);
    // Unless it matters more.
    wait(lane.admit(&who(3), &limits, 0.0));
    lane.leave(2, None);
    assert_eq!(lane.admit(&Applicant { priority: 1.0, ..who(4) }, &limits, 0.0), Admission::Go);
}

#[test]
fn the_queue_is_as_long_as_allowed() {
    for queue in [0, 1, 3] {
        let limits = Limits { concurrency: 1.0, queue, ..none() };
        let mut lane = Lane::default();
        lane.admit(&who(1), &limits, 0.0);
        for ticket in 2..2 + queue as u64 {
            wait(lane.admit(&who(ticket), &limits, 0.0));
        }
        assert_eq!(lane.admit(&who(99), &limits, 0.0), Admission::Full);
        assert_eq!(lane.queued(), queue);
        if queue > 0 {
            wait(lane.admit(&who(2), &limits, 1.0));
            lane.leave(2, None);
            wait(lane.admit(&who(99), &limits, 1.0));
        }
    }
    assert_eq!(none().queue, 1_000);
}

#[test]
fn one_who_vanished_from_the_queue_is_passed_over() {
    let limits = Limits { concurrency: 1.0, ..none() };
    let mut lane = Lane::default();
    lane.admit(&who(1), &limits, 0.0);
    let due = wait(lane.admit(&who(2), &limits, 0.0));
    wait(lane.admit(&who(3), &limits, 0.0));
    lane.leave(1, None);
    let mut now = 0.0;
    while lane.admit(&who(3), &limits, now) != Admission::Go {
        now += 50.0;
        assert!(now < 10_000.0, "it waits for ever");
    }
    assert!((due..due + 5_100.0).contains(&now), "{now}");
    // Whoever comes back later all the same is not lost.
    assert!(wait(lane.admit(&who(2), &limits, now)) > now);
}

#[test]
fn a_request_that_vanished_is_not_in_flight_for_ever() {
    let limits = Limits { concurrency: 1.0, ..none() };
    let mut lane = Lane::default();
    lane.admit(&Applicant { deadline: 20_000.0, ..who(1) }, &limits, 0.0);
    wait(lane.admit(&who(2), &limits, 24_000.0));
    assert_eq!(lane.admit(&who(2), &limits, 25_000.0), Admission::Go);
}

#[test]
fn a_minute_is_counted_from_the_first_call_that_limits_it() {
    let mut lane = Lane::default();
    for ticket in 0..1_000 {
        assert_eq!(lane.admit(&who(ticket), &none(), 0.0), Admission::Go);
        lane.leave(ticket, None);
    }
    let limits = Limits { requests_per_minute: 2.0, ..none() };
    // A call without such a limit counts from then on, too.
    for (ticket, limits) in [(1_000, &limits), (1_001, &none())] {
        assert_eq!(lane.admit(&who(ticket), limits, 1.0), Admission::Go);
        lane.leave(ticket, None);
    }
    assert_eq!(wait(lane.admit(&who(1_002), &limits, 2.0)), 1.0 + MINUTE);
}

#[test]
fn a_lane_of_which_nothing_matters_any_more_is_idle() {
    let mut lane = Lane::default();
    assert!(lane.is_idle(0.0));
    lane.admit(&who(1), &none(), 0.0);
    assert!(!lane.is_idle(1e9), "in flight");
    lane.leave(1, None);
    assert!(!lane.is_idle(59_999.0), "in the last minute");
    assert!(lane.is_idle(MINUTE));
    lane.refused(Some(90_000.0), MINUTE);
    assert!(!lane.is_idle(89_999.0) && lane.is_idle(90_000.0));
    assert_eq!(lane.admit(&who(9), &none(), 2e5), Admission::Go);
    lane.answered(9, &quota(1.0, 0.0, 2.0 * MINUTE), 2e5);
    lane.leave(9, None);
    assert!(!lane.is_idle(2e5 + 2.0 * MINUTE - 1.0) && lane.is_idle(2e5 + 2.0 * MINUTE));
    let mut lane = Lane::default();
    let limits = Limits { concurrency: 1.0, ..none() };
    lane.admit(&who(2), &limits, 2e5);
    wait(lane.admit(&who(3), &limits, 2e5));
    lane.leave(2, None);
    assert!(!lane.is_idle(2e5 + MINUTE), "one waits");
}

#[test]
fn hostile_numbers_hold_nobody_up_for_long() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, -1e300, 1e300, 0.0, 0.3, 1.5] {
        let limits =
            Limits { concurrency: number, requests_per_minute: number, tokens_per_minute: number, queue: 10 };
        let mut lane = Lane::default();
        // A limit below one has room for one at a time.
        let mut now = 0.0;
        for ticket in 1..=3 {
            let applicant = Applicant { tokens: number, priority: number, ..who(ticket) };
            while lane.admit(&applicant, &limits, now) != Admission::Go {
                now += 1_000.0;
                assert!(now < 4.0 * MINUTE, "{number}: ticket {ticket} waits for ever");
            }
            lane.answered(
                ticket,
                &Quota { limit: Some(number), remaining: Some(5.0), reset: Some(1_000.0) },
                now,
            );
            lane.leave(ticket, Some(number));
        }
    }
    let mut lane = Lane::default();
    lane.refused(Some(f64::NAN), 0.0);
    lane.refused(Some(-1e300), 0.0);
    assert_eq!(lane.admit(&who(1), &none(), 0.0), Admission::Go);
}

/// However calls come and go, no bound is passed, and everybody who waits has a turn.
#[test]
fn the_bounds_hold_for_any_course_of_calls() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let concurrency = 1 + random.below(4);
        let rate = 5 + random.below(20);
        let limits = Limits { concurrency: concurrency as f64, requests_per_minute: rate as f64, ..none() };
        let mut lane = Lane::default();
        let (mut out, mut waiting, mut sent) = (Vec::new(), Vec::new(), Vec::new());
        let (mut now, mut tickets) = (0.0, 0);
        while tickets < 60 || !waiting.is_empty() {
            assert!(now < 60.0 * MINUTE, "seed {seed}: somebody waits for ever");
            now += random.below(500) as f64;
            if tickets < 60 && random.one_in(2) {
                tickets += 1;
                waiting.push((tickets, now));
            }
            waiting.sort_by(|one, other| one.1.total_cmp(&other.1));
            if let Some((ticket, due)) = waiting.first().copied()
                && due <= now
            {
                waiting.remove(0);
                match lane.admit(&who(ticket), &limits, now) {
                    Admission::Go => {
                        out.push(ticket);
                        sent.push(now);
                    }
                    Admission::Wait(until) => waiting.push((ticket, until)),
                    Admission::Full => panic!("seed {seed}: the queue is long"),
                }
            }
            if !out.is_empty() && random.one_in(3) {
                lane.leave(out.remove(random.below(out.len())), None);
            }
            assert!(out.len() <= concurrency, "seed {seed}");
            let last = sent.iter().filter(|time| **time > now - MINUTE).count();
            assert!(last <= rate, "seed {seed}: {last} in a minute");
        }
        assert_eq!(sent.len(), 60);
    }
}
