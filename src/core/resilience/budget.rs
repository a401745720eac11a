//! A budget for retries.
//!
//! # Why not just a limit for each call?
//!
//! When a service is down, every call retries to its limit, and the service that tries to get up sees
//! three times its load. A budget is shared by all calls: a failing few may retry as much as they
//! like, but when everybody fails, retries stay a fifth of the calls.

use crate::core::ports::Milliseconds;

/// Retries granted in any window whatever the number of calls.
const RESERVE: f64 = 10.0;
/// Retries granted for each call in the window.
const SHARE: f64 = 0.2;
/// The window, in slots of a second: one more than ten, because the first and the last are not whole.
const SLOTS: usize = 11;

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    second: u64,
    calls: u32,
    retries: u32,
}

/// Counts the calls and the retries of the last ten seconds.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    slots: [Slot; SLOTS],
}

impl Budget {
    /// A call begins.
    pub fn deposit(&mut self, now: Milliseconds) {
        self.count(now, |slot| slot.calls += 1);
    }

    /// Asks for one retry.
    pub fn withdraw(&mut self, now: Milliseconds) -> bool {
        let second = second(now);
        let recent = self.slots.iter().filter(|slot| second.saturating_sub(slot.second) < SLOTS as u64);
        let (calls, retries) =
            recent.fold((0, 0), |(calls, retries), slot| (calls + slot.calls, retries + slot.retries));
        let granted = f64::from(retries + 1) <= RESERVE + SHARE * f64::from(calls);
        if granted {
            self.count(now, |slot| slot.retries += 1);
        }
        granted
    }

    fn count(&mut self, now: Milliseconds, change: impl FnOnce(&mut Slot)) {
        let second = second(now);
        if let Some(slot) = self.slots.get_mut((second % SLOTS as u64) as usize) {
            if slot.second != second {
                *slot = Slot { second, ..Slot::default() };
            }
            change(slot);
        }
    }
}

fn second(now: Milliseconds) -> u64 {
    (now / 1000.0) as u64
}
