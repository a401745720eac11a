//! Spikes: spending that is out of the ordinary, without a budget having been set.
//!
//! # Why windows of five minutes and the mean of a day?
//!
//! Use comes in bursts, and has a night and a noon. Against the mean of the last hours every morning is a
//! spike. Against the mean of a day, weighted exponentially, a burst at noon is fifteen times as much and a
//! loop that has run wild a hundred times; and a burst has been seen before, so three times the highest window
//! of late must be passed as well. While less than two days are known, more is asked for; the first hour alerts
//! nobody, nor does a sum that nobody would miss.

use crate::core::ports::Milliseconds;
use crate::core::wire::json::{self, ObjectWriter};

const WINDOW: Milliseconds = 300_000.0;
/// The windows of a day: how far the mean looks back.
const MEMORY: f64 = 288.0;
/// The windows before the first alert.
const WARM_UP: f64 = 12.0;
/// The costs of single calls that are kept.
const CALLS: usize = 256;
/// How many must be known before one can be out of the ordinary.
const FEWEST_CALLS: usize = 50;
/// The share of calls that may cost more than what counts as ordinary.
const TAIL: f64 = 0.05;

/// A rate and its mean.
#[derive(Clone, Debug, Default)]
struct Rate {
    /// Since when this window is counted.
    start: Option<Milliseconds>,
    sum: f64,
    mean: f64,
    /// The highest window, forgotten in a week.
    peak: f64,
    windows: f64,
}

/// Something out of the ordinary.
#[derive(Clone, Debug, PartialEq)]
pub struct Spike {
    /// `usd` or `tokens` of five minutes, or `call`, the USD of one.
    pub what: &'static str,
    /// What was seen.
    pub observed: f64,
    /// What is usual: the mean, or what all but a twentieth of the calls cost at most.
    pub usual: f64,
}

/// What is usual, and when to tell. Money is in pico-dollars.
#[derive(Clone, Debug)]
pub struct Spikes {
    factor: f64,
    cooldown: Milliseconds,
    /// What is worth telling: USD and tokens of a window, USD of a call.
    least: [f64; 3],
    rates: [Rate; 2],
    calls: Vec<u64>,
    at: usize,
    /// Until when nothing more is told of rates, and of calls.
    quiet_until: [Milliseconds; 2],
}

impl Spikes {
    /// Reads `{ "factor", "cooldown", "usd", "tokens", "call" }`, of which TypeScript has put in what was
    /// missing.
    pub fn read(options: &[u8]) -> Spikes {
        let number = |name| json::number_member(options, name).unwrap_or(0.0);
        Spikes {
            factor: number("factor"),
            cooldown: number("cooldown"),
            least: [number("usd") * 1e12, number("tokens"), number("call") * 1e12],
            rates: Default::default(),
            calls: Vec::new(),
            at: 0,
            quiet_until: [0.0; 2],
        }
    }

    /// An answer took so much. Tells what is out of the ordinary.
    pub fn spend(&mut self, usd: u64, tokens: u64, now: Milliseconds) -> Option<Spike> {
        let mut spike = None;
        let amounts = [("usd", usd as f64), ("tokens", tokens as f64)];
        for ((rate, (what, amount)), least) in self.rates.iter_mut().zip(amounts).zip(self.least) {
            rate.add(amount, now);
            let doubt = (2.0 * MEMORY / rate.windows).max(1.0);
            let beyond = (self.factor * doubt * rate.mean).max(3.0 * rate.peak);
            let is_spike = rate.windows >= WARM_UP && rate.sum > beyond && rate.sum >= least;
            // Whoever is told of the money need not be told of its tokens.
            if is_spike && now >= self.quiet_until[0] {
                self.quiet_until[0] = now + self.cooldown;
                spike = Some(Spike { what, observed: rate.sum, usual: rate.mean });
            }
        }
        spike
    }

    /// A whole call cost so much.
    pub fn call(&mut self, usd: u64, now: Milliseconds) -> Option<Spike> {
        let mut spike = None;
        let cost = usd as f64;
        if self.calls.len() >= FEWEST_CALLS && cost >= self.least[2] && now >= self.quiet_until[1] {
            // The cost that a twentieth of the calls reach: no need to sort them for it.
            let beyond =
                |limit: f64| self.calls.iter().filter(|other| **other as f64 >= limit).count() as f64;
            let few = TAIL * self.calls.len() as f64;
            if beyond(cost / self.factor) < few {
                let usual = self.calls.iter().copied().filter(|other| beyond(*other as f64) >= few).max();
                self.quiet_until[1] = now + self.cooldown;
                spike = Some(Spike { what: "call", observed: cost, usual: usual.unwrap_or(0) as f64 });
            }
        }
        if self.calls.len() < CALLS {
            self.calls.push(usd);
        } else if let Some(oldest) = self.calls.get_mut(self.at % CALLS) {
            *oldest = usd;
        }
        self.at += 1;
        spike
    }
}

impl Rate {
    fn add(&mut self, amount: f64, now: Milliseconds) {
        let start = self.start.get_or_insert(now);
        let passed = ((now - *start) / WINDOW) as u64;
        if passed > 0 {
            *start += passed as f64 * WINDOW;
            // Beyond some days of nothing it is all the same.
            for _ in 0..passed.min(2_000) {
                self.windows += 1.0;
                self.mean += (self.sum - self.mean) / self.windows.min(MEMORY);
                self.peak = self.sum.max(self.peak * (1.0 - 1.0 / (7.0 * MEMORY)));
                self.sum = 0.0;
            }
        }
        self.sum += amount;
    }
}

impl Spike {
    /// Writes its members: money in USD.
    pub fn write(&self, object: &mut ObjectWriter<'_>) {
        object.text("what", self.what.as_bytes());
        for &(name, amount) in &[("observed", self.observed), ("usual", self.usual)] {
            if self.what == "tokens" {
                object.integer(name, amount as u64);
            } else {
                json::write_fixed(object.key(name), amount as u64);
            }
        }
    }
}
