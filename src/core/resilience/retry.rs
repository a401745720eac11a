//! How often and how soon the same request is sent again.

use crate::core::error::is_retryable_status;
use crate::core::ports::{Milliseconds, Random};

/// The longest wait before the first retry; it doubles with each.
const FIRST_BACKOFF: Milliseconds = 500.0;

/// The caller's policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Retries of one target, beside the first attempt.
    pub limit: u32,
    /// The statuses that are retried; `None` for those that pass by themselves.
    pub status_codes: Option<Vec<u16>>,
    /// The longest wait that a service may ask for; a longer one means that the call goes elsewhere.
    pub max_retry_after: Milliseconds,
    /// The longest wait that is chosen here.
    pub backoff_limit: Milliseconds,
    /// Draw the wait from zero up to its bound, so that clients that failed together do not come back
    /// together.
    pub jitter: bool,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            limit: 2,
            status_codes: None,
            max_retry_after: 60_000.0,
            backoff_limit: 8_000.0,
            jitter: true,
        }
    }
}

impl Policy {
    /// How long to wait before the retry of this number, counted from 0, when the service has no wish:
    /// exponential, with full jitter.
    pub fn backoff(&self, retry: u32, random: &mut Random) -> Milliseconds {
        let doubled = FIRST_BACKOFF * f64::from(1u32 << retry.min(20));
        let bound = doubled.min(self.backoff_limit);
        if self.jitter { bound * random.unit() } else { bound }
    }

    /// Whether an answer of this status is worth another try.
    pub fn retries(&self, status: u16) -> bool {
        self.status_codes
            .as_ref()
            .map_or_else(|| is_retryable_status(status), |codes| codes.contains(&status))
    }
}
