//! What outlives a client: which targets are left alone, and until when. No secret, and nothing that locks up.

use hf_inference_wasm::core::engine::Shared;
use hf_inference_wasm::core::ports::Now;
use hf_inference_wasm::core::resilience::breaker::{Outcome, Permission, State};
use serde_json::{Value, json};

use crate::value;

const TARGET: &str = "https://h/v1/chat/completions a/b";
const EPOCH: f64 = 1_800_000_000_000.0;

/// A moment on the clock of a process that began at the epoch.
fn now(monotonic: f64) -> Now {
    Now { monotonic, unix: EPOCH + monotonic }
}

/// The same moment in a process that began so much later.
fn later(began: f64, monotonic: f64) -> Now {
    Now { monotonic, unix: EPOCH + began + monotonic }
}

fn failed() -> Shared {
    let mut shared = Shared::new(1);
    for _ in 0..5 {
        shared.breaker(TARGET).record(Outcome::Failure, false, 0.0);
    }
    shared
}

fn restored(snapshot: &[u8], at: Now) -> Shared {
    let mut shared = Shared::new(2);
    shared.restore(snapshot, at).expect("a snapshot");
    shared
}

#[test]
fn it_has_the_targets_that_are_left_alone() {
    let mut shared = failed();
    shared.breaker("https://well x").record(Outcome::Success, false, 0.0);
    shared.breaker("https://once x").record(Outcome::Failure, false, 0.0);
    let expected = json!({ "version": 1, "breakers": [
        { "target": TARGET, "state": "open", "until": EPOCH as u64 + 15_000, "cooldown": 15_000 },
    ]});
    assert_eq!(
        value(&shared.snapshot(now(3_000.0))),
        expected,
        "the wall clock's time, whenever it is taken"
    );
    assert_eq!(value(&Shared::new(1).snapshot(now(0.0))), json!({ "version": 1, "breakers": [] }));
}

#[test]
fn a_restored_breaker_opens_and_goes_on_as_before() {
    let snapshot = failed().snapshot(now(5_000.0));
    // Another process, whose clock began seven seconds later: eight are left.
    let mut shared = restored(&snapshot, later(7_000.0, 0.0));
    let breaker = shared.breaker(TARGET);
    assert_eq!(breaker.admit(7_999.0), Permission::Refused(8_000.0));
    assert_eq!(breaker.admit(8_000.0), Permission::Probe);
    breaker.record(Outcome::Failure, true, 8_000.0);
    assert_eq!(breaker.state(), State::Open { until: 38_000.0 }, "twice as long");
    assert_eq!(shared.breaker("https://other x").admit(0.0), Permission::Go);
}

#[test]
fn one_that_is_over_is_tried_by_one_probe() {
    let snapshot = failed().snapshot(now(5_000.0));
    let mut shared = restored(&snapshot, later(3_600_000.0, 0.0));
    assert_eq!(shared.breaker(TARGET).admit(0.0), Permission::Probe);
    assert!(matches!(shared.breaker(TARGET).admit(0.0), Permission::Refused(_)));
    // So is one whose probe was out when the snapshot was taken: whoever sent it is gone.
    let mut half = failed();
    half.breaker(TARGET).admit(15_000.0);
    let snapshot = half.snapshot(now(16_000.0));
    assert_eq!(value(&snapshot)["breakers"][0]["state"], "half-open");
    let mut shared = restored(&snapshot, later(20_000.0, 0.0));
    assert_eq!(shared.breaker(TARGET).admit(0.0), Permission::Probe);
}

#[test]
fn what_is_restored_can_be_saved_again() {
    let first = failed().snapshot(now(5_000.0));
    let again = restored(&first, later(7_000.0, 100.0)).snapshot(later(7_000.0, 200.0));
    assert_eq!(value(&first), value(&again));
}

fn with(entry: Value) -> Vec<u8> {
    json!({ "version": 1, "breakers": [entry] }).to_string().into_bytes()
}

#[test]
fn a_clock_that_was_wrong_closes_nobody_off_for_ever() {
    for (until, cooldown) in [(1e300, 1e300), (8.64e15, 15_000.0), (1e18, -1e18), (EPOCH + 1e12, 300_000.0)] {
        let entry = json!({ "target": TARGET, "state": "open", "until": until, "cooldown": cooldown });
        let mut shared = restored(&with(entry), now(0.0));
        assert_eq!(shared.breaker(TARGET).admit(300_000.0), Permission::Probe, "{until} {cooldown}");
    }
    let entry = json!({ "target": TARGET, "state": "open", "until": -1e300, "cooldown": 0 });
    assert_eq!(restored(&with(entry), now(0.0)).breaker(TARGET).admit(0.0), Permission::Probe);
    for number in ["1e999", "-1e999"] {
        let text = format!(
            r#"{{"version":1,"breakers":[{{"target":"{TARGET}","until":{number},"cooldown":{number}}}]}}"#
        );
        let mut shared = restored(text.as_bytes(), now(0.0));
        assert_eq!(shared.breaker(TARGET).admit(300_000.0), Permission::Probe, "{number}");
    }
}

#[test]
fn what_is_no_snapshot_of_this_version_changes_nothing() {
    let good = json!({ "target": TARGET, "state": "open", "until": EPOCH + 9_000.0, "cooldown": 15_000 });
    let broken = [
        json!(null),
        json!([]),
        json!({}),
        json!({ "version": 1 }),
        json!({ "version": 2, "breakers": [good] }),
        json!({ "version": "1", "breakers": [good] }),
        json!({ "version": 1, "breakers": {} }),
        json!({ "version": 1, "breakers": [good, {}] }),
        json!({ "version": 1, "breakers": [good, 5] }),
        json!({ "version": 1, "breakers": [good, { "target": "x", "until": "soon", "cooldown": 1 }] }),
        json!({ "version": 1, "breakers": [good, { "target": 7, "until": 1, "cooldown": 1 }] }),
    ];
    let mut texts: Vec<Vec<u8>> = broken.iter().map(|value| value.to_string().into_bytes()).collect();
    texts.push(Vec::new());
    let whole = with(good);
    texts.push(whole[..whole.len() - 2].to_vec());
    for text in texts {
        let mut shared = Shared::new(1);
        let shown = String::from_utf8_lossy(&text).into_owned();
        assert_eq!(shared.restore(&text, now(0.0)), None, "{shown}");
        assert_eq!(shared.breaker(TARGET).admit(0.0), Permission::Go, "{shown}");
    }
}

#[test]
fn unknown_members_of_a_later_hand_are_passed_over() {
    let text = format!(
        r#" {{"x":[1],"breakers":[{{"y":null,"cooldown":15000,"until":{},"state":"?","target":"{TARGET}"}}],"version":1.0}} "#,
        EPOCH + 9_000.0
    );
    let mut shared = restored(text.as_bytes(), now(0.0));
    assert_eq!(shared.breaker(TARGET).admit(0.0), Permission::Refused(9_000.0));
}

#[test]
fn it_stays_bounded_however_many_targets_there_are() {
    let mut shared = Shared::new(1);
    for target in 0..1_000 {
        let name = format!("https://h{target} x");
        for _ in 0..5 {
            shared.breaker(&name).record(Outcome::Failure, false, 0.0);
        }
    }
    let snapshot = value(&shared.snapshot(now(0.0)));
    let kept = snapshot["breakers"].as_array().expect("breakers");
    assert_eq!(kept.len(), 256);
    assert_eq!(kept.last().expect("one")["target"], "https://h999 x");
    // Those that say nothing make room first.
    shared.breaker("https://new x").record(Outcome::Failure, false, 0.0);
    let text = json!({ "version": 1, "breakers": (0..1_000).map(|number| json!({ "target": format!("t{number}"), "until": EPOCH + 9e3, "cooldown": 15e3 })).collect::<Vec<_>>() });
    let mut flooded = restored(text.to_string().as_bytes(), now(0.0));
    assert_eq!(flooded.breaker("t999").admit(0.0), Permission::Refused(9_000.0));
}
