//! A trap on demand, in builds for tests only: tests show with it what becomes of the calls when the core traps.

use std::cell::Cell;

thread_local! {
    static AT_THE_TIMER: Cell<bool> = const { Cell::new(false) };
}

/// Traps if the piece says so, or remembers to trap when a timer next goes off.
pub fn piece(bytes: &[u8]) {
    let says = |marker: &[u8]| bytes.windows(marker.len()).any(|part| part == marker);
    if says(b"forced-trap-now") {
        core::arch::wasm32::unreachable();
    }
    AT_THE_TIMER.set(AT_THE_TIMER.get() || says(b"forced-trap-at-the-timer"));
}

/// A timer has gone off.
pub fn timer() {
    if AT_THE_TIMER.get() {
        core::arch::wasm32::unreachable();
    }
}
