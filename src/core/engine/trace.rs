//! What happened to a call, for a person who asks why: no prompt, no answer, no secret.

use super::plan::Target;
use crate::core::ports::{Milliseconds, Now};
use crate::core::provider::url;
use crate::core::wire::json::{self, ObjectWriter};

/// One request to one target. Times are milliseconds since the call began.
#[derive(Clone, Debug)]
struct Attempt {
    provider: String,
    model: String,
    url: String,
    status: Option<u16>,
    sent: Milliseconds,
    headers: Option<Milliseconds>,
    first_token: Option<Milliseconds>,
    ended: Option<Milliseconds>,
    outcome: &'static str,
}

/// The attempts of a call, in order.
#[derive(Clone, Debug)]
pub struct Trace {
    started: Now,
    attempts: Vec<Attempt>,
}

impl Trace {
    /// The call begins.
    pub fn new(now: Now) -> Trace {
        Trace { started: now, attempts: Vec::new() }
    }

    /// A request goes out.
    pub fn sent(&mut self, target: &Target, now: Now) {
        self.attempts.push(Attempt {
            provider: target.provider.clone(),
            model: target.model.clone(),
            url: url::shown(&target.url).to_owned(),
            status: None,
            sent: now.monotonic - self.started.monotonic,
            headers: None,
            first_token: None,
            ended: None,
            outcome: "open",
        });
    }

    /// Its answer has begun.
    pub fn headers(&mut self, status: u16, provider: &str, now: Now) {
        let since = now.monotonic - self.started.monotonic;
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.status = Some(status);
            attempt.headers = Some(since);
            if !provider.is_empty() {
                provider.clone_into(&mut attempt.provider);
            }
        }
    }

    /// The consumer has been shown the first piece.
    pub fn first_token(&mut self, now: Milliseconds) {
        let since = now - self.started.monotonic;
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.first_token.get_or_insert(since);
        }
    }

    /// The attempt is over: `complete`, `aborted`, or the reason of its error.
    pub fn ended(&mut self, outcome: &'static str, now: Milliseconds) {
        let since = now - self.started.monotonic;
        if let Some(attempt) = self.attempts.last_mut().filter(|attempt| attempt.ended.is_none()) {
            attempt.ended = Some(since);
            attempt.outcome = outcome;
        }
    }

    /// `{ "startedAt", "attempts": [{ "provider", "model", "url", "status"?, "sent", "headers"?,
    /// "firstToken"?, "ended"?, "outcome" }] }`; `startedAt` is in milliseconds since 1970.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut trace = ObjectWriter::new(out);
        trace.integer("startedAt", whole(self.started.unix));
        let out = trace.key("attempts");
        out.push(b'[');
        for (position, attempt) in self.attempts.iter().enumerate() {
            if position > 0 {
                out.push(b',');
            }
            attempt.write(out);
        }
        out.push(b']');
        trace.end();
    }
}

impl Attempt {
    fn write(&self, out: &mut Vec<u8>) {
        let mut attempt = ObjectWriter::new(out);
        attempt
            .text("provider", self.provider.as_bytes())
            .text("model", self.model.as_bytes())
            .text("url", self.url.as_bytes());
        if let Some(status) = self.status {
            attempt.integer("status", u64::from(status));
        }
        json::write_integer(attempt.key("sent"), whole(self.sent));
        let times = [("headers", self.headers), ("firstToken", self.first_token), ("ended", self.ended)];
        for (name, time) in times {
            if let Some(time) = time {
                attempt.integer(name, whole(time));
            }
        }
        attempt.text("outcome", self.outcome.as_bytes());
        attempt.end();
    }
}

fn whole(time: Milliseconds) -> u64 {
    (time + 0.5).max(0.0) as u64
}
