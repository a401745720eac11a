//! Simulation: many calls on a virtual clock, with every option, against services with every fault. What must
//! hold of each is in `invariants.rs`.
//!
//! Everything follows from one number. `cargo test --profile simulation --test simulation` runs many;
//! `SEED=7 cargo test --profile simulation --test simulation -- replay` runs one alone and tells what
//! happens. `CALLS=` is how many calls are made at least, `FIRST_SEED=` where the seeds begin.

#[path = "../common/chunks.rs"]
mod chunks;
#[path = "../common/random.rs"]
#[allow(dead_code)]
mod random;

mod conversations;
mod invariants;
mod kept;
mod money;
mod routed;
mod scenario;
mod service;
mod shown;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use world::World;

impl random::Random {
    /// A number in [0, 1).
    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// What every long run must have come across; what was never met was never tested.
const FEATURES: &[&str] = &[
    "429",
    "4xx",
    "5xx",
    "abort",
    "accepted",
    "alert",
    "breaker closes",
    "breaker opens",
    "breaker opens again",
    "budget nearly spent",
    "caller vanishes",
    "choice",
    "choice for show",
    "continuation read",
    "continue",
    "conversation begins",
    "conversation kept",
    "conversation moves",
    "conversation stays anyway",
    "conversation was elsewhere",
    "conversation was long ago",
    "cut mid-stream",
    "end: aborted",
    "end: budget",
    "end: circuit open",
    "end: complete",
    "end: interrupted",
    "end: invalid response",
    "end: queue full",
    "end: rate limit",
    "end: stalled",
    "end: timeout",
    "end: timeout of the queue",
    "end: truncated",
    "endless refusal of a look-up",
    "endpoint asleep",
    "fallback",
    "frozen clock",
    "gate beyond patience",
    "hedge",
    "hint obeyed",
    "kept",
    "known cost",
    "large one answers",
    "late reader",
    "learned quota",
    "limit on concurrency",
    "limit on requests",
    "limit on tokens",
    "look-up",
    "never judged",
    "nothing kept",
    "notices",
    "overtaken",
    "paid for nothing",
    "partial",
    "probe",
    "queue",
    "race decided",
    "reader of an object",
    "reader of chunks",
    "reader of events",
    "reader of text",
    "reset before headers",
    "recorded",
    "rejected by a rule",
    "rejected by the caller",
    "replay",
    "restart",
    "retry",
    "saved",
    "sent after a gate",
    "sent within a budget",
    "settled once",
    "shouldRetry",
    "small one answers",
    "snapshot of an open breaker",
    "spike",
    "tape cut",
    "token function",
    "token function fails",
    "unknown route",
    "unknown route, endlessly",
    "usage told",
    "waits for money",
    "wake",
    "wall clock set",
    "window",
    "woken",
];
const CALLS: u64 = 1_000_000;
const THREADS: u64 = 2;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Plays one seed. Returns what it came across, or why it failed.
fn play(seed: u64, logs: bool) -> (Result<(), String>, Vec<String>, BTreeMap<&'static str, u64>) {
    let mut world = World::new(seed, logs);
    let outcome = catch_unwind(AssertUnwindSafe(|| world.run()));
    let outcome = outcome.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
    });
    (outcome, world.log.take().unwrap_or_default(), world.stats.into_iter().collect())
}

fn report(seed: u64, reason: &str, log: &[String]) -> String {
    let long = log.len().saturating_sub(400);
    let shown = log[long..].join("\n");
    format!(
        "{shown}\n\nseed {seed}: {reason}\nSEED={seed} cargo test --profile simulation --test simulation -- replay\n"
    )
}

#[test]
fn every_run_keeps_its_promises() {
    if number("SEED").is_some() {
        return;
    }
    let wanted = number("CALLS").unwrap_or(CALLS);
    let next = AtomicU64::new(number("FIRST_SEED").unwrap_or(1));
    let calls = AtomicU64::new(0);
    let failed = AtomicBool::new(false);
    let began = Instant::now();
    // A failure is told with its run; the panic's own words would come twice.
    std::panic::set_hook(Box::new(|_| {}));
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let mut total: BTreeMap<&'static str, u64> = BTreeMap::new();
                    let mut failure = None;
                    while calls.load(Ordering::Relaxed) < wanted && !failed.load(Ordering::Relaxed) {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        let (outcome, _, stats) = play(seed, false);
                        calls.fetch_add(stats.get("calls").copied().unwrap_or(0), Ordering::Relaxed);
                        for (feature, count) in stats {
                            *total.entry(feature).or_default() += count;
                        }
                        if let Err(reason) = outcome {
                            failed.store(true, Ordering::Relaxed);
                            failure = Some((seed, reason));
                        }
                    }
                    (total, failure)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread")).collect()
    });
    let seconds = began.elapsed().as_secs_f64();
    let _ = std::panic::take_hook();
    let mut total: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut failures = Vec::new();
    for (stats, failure) in results {
        for (feature, count) in stats {
            *total.entry(feature).or_default() += count;
        }
        failures.extend(failure);
    }
    if let Some((seed, reason)) = failures.first() {
        std::panic::set_hook(Box::new(|_| {}));
        let (_, log, _) = play(*seed, true);
        let _ = std::panic::take_hook();
        panic!("{}", report(*seed, reason, &log));
    }
    println!("{} calls in {seconds:.1} s", calls.load(Ordering::Relaxed));
    for (feature, count) in &total {
        println!("{count:>10}  {feature}");
    }
    let missing: Vec<_> =
        FEATURES.iter().filter(|feature| total.get(*feature).is_none_or(|count| *count == 0)).collect();
    assert!(missing.is_empty() || wanted < CALLS, "never met: {missing:?}");
}

/// A seed replays its run to the letter; `SEED=` tells the run.
#[test]
fn replay() {
    let given = number("SEED");
    let seed = given.unwrap_or(1);
    std::panic::set_hook(Box::new(|_| {}));
    let (outcome, log, stats) = play(seed, true);
    let (_, again, _) = play(seed, true);
    let _ = std::panic::take_hook();
    if given.is_some() {
        println!("{}\n{stats:?}", log.join("\n"));
    }
    if let Err(reason) = outcome {
        panic!("seed {seed}: {reason}");
    }
    assert!(!log.is_empty() && log == again, "seed {seed} goes differently the second time");
}

/// `RUNS=1000 … -- --ignored --nocapture`: which promises are broken, and how often, in so many runs.
#[test]
#[ignore = "for whoever looks for what is broken, not whether"]
fn survey() {
    let runs = number("RUNS").unwrap_or(1_000);
    let first = number("FIRST_SEED").unwrap_or(1);
    std::panic::set_hook(Box::new(|_| {}));
    let mut reasons: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for seed in first..first + runs {
        if let (Err(reason), _, _) = play(seed, false) {
            let words =
                reason.split(' ').filter(|word| !word.contains(|letter: char| letter.is_ascii_digit()));
            let reason = words.take(14).collect::<Vec<_>>().join(" ");
            reasons.entry(reason).or_insert((0, seed)).0 += 1;
        }
    }
    let _ = std::panic::take_hook();
    for (reason, (count, seed)) in reasons {
        println!("{count:>6}  {reason}  (seed {seed})");
    }
}
