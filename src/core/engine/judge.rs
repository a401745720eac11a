//! What a failure means: for the call, for the target, and for those who wait.

use super::leg::{Leg, Verdict};
use super::settings::WAKE;
use crate::core::error::{Error, Kind};
use crate::core::ports::{Milliseconds, Now};
use crate::core::provider::url;
use crate::core::resilience::breaker::Outcome;

use super::shared::Shared;

/// How an attempt that failed so counts for its target. What the caller did says nothing about it, and a
/// 429 says that it is well and busy.
pub fn outcome(error: &Error) -> Outcome {
    match error.kind {
        Kind::Server | Kind::Network | Kind::StreamInterrupted | Kind::Truncated | Kind::InvalidResponse => {
            Outcome::Failure
        }
        Kind::Timeout if matches!(error.reason, "first_token" | "stall") => Outcome::Failure,
        _ => Outcome::Neutral,
    }
}

/// The state in which a call ends with this error.
pub fn state(error: &Error) -> &'static str {
    match (error.kind, error.reason) {
        (Kind::Truncated, _) => "truncated",
        (Kind::Timeout, "first_token" | "stall") => "stalled",
        _ => "failed",
    }
}

/// Whether the failure is the target's own, so that another may do better.
fn moves_on(error: &Error, candidate: usize) -> bool {
    match error.kind {
        Kind::PaymentRequired
        | Kind::NotFound
        | Kind::CircuitOpen
        | Kind::QueueFull
        | Kind::InvalidResponse => true,
        // A fallback may be configured wrongly; the one behind it is still worth a try.
        Kind::Authentication | Kind::Permission => candidate > 0,
        Kind::BudgetExceeded => error.reason == "too_dear",
        Kind::Input => {
            error.reason == "model_not_served"
                || matches!(error.service_code.as_str(), "model_not_supported" | "model_not_found")
                || is_too_long(error)
        }
        _ => false,
    }
}

/// Whether the request did not fit into the model's context: another target may have a larger one.
fn is_too_long(error: &Error) -> bool {
    let says = |words: &str| {
        let message = error.message.as_bytes();
        message.windows(words.len()).any(|part| part.eq_ignore_ascii_case(words.as_bytes()))
    };
    error.service_code == "context_length_exceeded"
        || says("context length")
        || says("context window")
        || says("context size")
        || says("`inputs` tokens")
}

/// How long an endpoint may take to wake from zero.
fn wake_timeout(leg: &Leg) -> Milliseconds {
    let given = &leg.settings.endpoint_url;
    let own = !given.is_empty() && url::is_hugging_face(given);
    leg.settings.wake_timeout.unwrap_or(if own { WAKE } else { 0.0 })
}

/// What to do after `error`, apart from whether there is a next target.
pub fn verdict(leg: &Leg, error: &Error, deadline: Milliseconds, shared: &mut Shared, now: Now) -> Verdict {
    let policy = &leg.settings.retry;
    let again = match error.status.filter(|_| error.reason == "refused" && leg.head.should_retry.is_none()) {
        Some(status) => policy.retries(status),
        None => error.retryable && !matches!(error.kind, Kind::CircuitOpen | Kind::QueueFull),
    };
    // What a small model cannot do, or will not take, a large one may.
    let tried = leg.is_on_trial()
        && (matches!(error.reason, "refused" | "error_in_stream") || error.kind == Kind::ResponseTooLarge);
    let otherwise =
        if again || tried || moves_on(error, leg.candidate) { Verdict::Next } else { Verdict::Fail };
    if leg.hedge || !again {
        return otherwise;
    }
    let hint = error.retry_at.map(|at| (at - now.unix).max(0.0));
    let late = |delay: Milliseconds| now.monotonic + delay >= deadline;
    let patience = wake_timeout(leg);
    if matches!(error.status, Some(502 | 503)) && error.reason == "refused" && patience > 0.0 {
        let since = leg.waking_since.unwrap_or(now.monotonic);
        // Nothing caps how often it is asked whether it is up, so never without a pause.
        let pause = 1_000.0 + 4_000.0 * shared.random.unit();
        let delay = hint.unwrap_or(0.0).max(pause);
        if now.monotonic + delay <= since + patience && !late(delay) {
            return Verdict::Wake(delay);
        }
    }
    if leg.retries >= policy.limit {
        return otherwise;
    }
    let delay = match hint {
        // Never earlier than the service asks: a longer wait than allowed is somebody else's call.
        Some(hint) if hint > policy.max_retry_after => return otherwise,
        Some(hint) => hint,
        None => policy.backoff(leg.retries, &mut shared.random),
    };
    // Whoever was refused comes back through the lane, which lets no more through than the service takes.
    let paced = error.kind == Kind::RateLimit;
    if late(delay) || !paced && !shared.budget.withdraw(now.monotonic) {
        return otherwise;
    }
    Verdict::Retry(delay)
}
