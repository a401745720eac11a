//! What happened to a call, for a person who asks why: no prompt, no answer, no secret.

use super::plan::Target;
use super::recall::Recalled;
use super::route::Choice;
use crate::core::ports::{Milliseconds, Now};
use crate::core::provider::url;
use crate::core::usage::money;
use crate::core::wire::json::ObjectWriter;

/// One request to one target. Times are milliseconds since the call began.
#[derive(Clone, Debug, Default)]
struct Attempt {
    provider: String,
    model: String,
    url: String,
    status: Option<u16>,
    queued: Milliseconds,
    sent: Option<Milliseconds>,
    headers: Option<Milliseconds>,
    first_token: Option<Milliseconds>,
    last_token: Option<Milliseconds>,
    ended: Option<Milliseconds>,
    outcome: &'static str,
    verdict: &'static str,
    delay: Option<Milliseconds>,
    hedge: bool,
    /// Tokens in and out that an attempt took whose answer was not used, about.
    wasted: Option<(f64, f64)>,
    /// What it cost, in pico-dollars.
    usd: Option<u64>,
}

/// The attempts of a call, in order.
#[derive(Clone, Debug)]
pub struct Trace {
    started: Now,
    state: &'static str,
    attempts: Vec<Attempt>,
    /// What the cache did, if it was asked.
    pub cache: Option<Box<Recalled>>,
    /// Why it went first where it did, if it belongs to a conversation: `kept` (to who answered that last),
    /// `unchanged` (which is where it goes anyway), `new`, `expired`, or `elsewhere` (which is none of its
    /// targets).
    pub affinity: &'static str,
    /// Which target was chosen, where there was a choice.
    pub route: Option<Box<Choice>>,
}

impl Trace {
    /// The call begins.
    pub fn new(now: Now) -> Trace {
        Trace { started: now, state: "open", attempts: Vec::new(), cache: None, affinity: "", route: None }
    }

    /// An attempt wants to send its request. Returns its number, by which the rest is told.
    pub fn begins(&mut self, target: &Target, hedge: bool, now: Milliseconds) -> usize {
        self.attempts.push(Attempt {
            provider: target.provider.clone(),
            model: target.model.clone(),
            url: url::shown(&target.url).to_owned(),
            queued: now - self.started.monotonic,
            outcome: "open",
            hedge,
            ..Attempt::default()
        });
        self.attempts.len() - 1
    }

    /// How many attempts there have been.
    pub fn count(&self) -> usize {
        self.attempts.len()
    }

    fn at(&mut self, number: usize) -> Option<&mut Attempt> {
        self.attempts.get_mut(number)
    }

    /// The request goes out.
    pub fn sent(&mut self, number: usize, now: Milliseconds) {
        let since = now - self.started.monotonic;
        if let Some(attempt) = self.at(number) {
            attempt.sent = Some(since);
        }
    }

    /// The answer has begun.
    pub fn headers(&mut self, number: usize, status: u16, provider: &str, now: Milliseconds) {
        let since = now - self.started.monotonic;
        if let Some(attempt) = self.at(number) {
            attempt.status = Some(status);
            attempt.headers = Some(since);
            if !provider.is_empty() {
                provider.clone_into(&mut attempt.provider);
            }
        }
    }

    /// A piece of the answer came that can be shown.
    pub fn token(&mut self, number: usize, now: Milliseconds) {
        let since = now - self.started.monotonic;
        if let Some(attempt) = self.at(number) {
            attempt.first_token.get_or_insert(since);
            attempt.last_token = Some(since);
        }
    }

    /// The attempt is over: `complete`, `aborted`, `outpaced`, `unjudged` (complete, and not accepted yet), or the
    /// reason of its error.
    pub fn ended(&mut self, number: usize, outcome: &'static str, now: Milliseconds) {
        let since = now - self.started.monotonic;
        if let Some(attempt) = self.at(number).filter(|attempt| attempt.ended.is_none()) {
            attempt.ended = Some(since);
            attempt.outcome = outcome;
        }
    }

    /// The answer of an attempt that is over was accepted, or not.
    pub fn accepted(&mut self, number: usize, accepted: bool) {
        if let Some(attempt) = self.at(number) {
            if accepted {
                attempt.outcome = "complete";
                attempt.wasted = None;
            } else {
                attempt.outcome = "rejected";
                attempt.verdict = "fallback";
            }
        }
    }

    /// What follows from the attempt's failure: `retry`, `wake`, `fallback`, `continue`, `restart` or
    /// `fail`, and after which wait.
    pub fn judged(&mut self, number: usize, verdict: &'static str, delay: Option<Milliseconds>) {
        if let Some(attempt) = self.at(number) {
            attempt.verdict = verdict;
            attempt.delay = delay;
        }
    }

    /// The tokens of an attempt whose answer is not used, if its request was sent.
    pub fn wasted(&mut self, number: usize, prompt: f64, completion: f64) {
        if let Some(attempt) = self.at(number).filter(|attempt| attempt.sent.is_some()) {
            attempt.wasted = Some((prompt, completion));
        }
    }

    /// What an attempt cost.
    pub fn cost(&mut self, number: usize, usd: Option<u64>) {
        if let Some(attempt) = self.at(number) {
            attempt.usd = usd;
        }
    }

    /// How the call stands, or ended.
    pub fn state(&self) -> &'static str {
        self.state
    }

    /// When the call began.
    pub fn started(&self) -> Now {
        self.started
    }

    /// The call is over.
    pub fn settled(&mut self, state: &'static str) {
        self.state = state;
    }

    /// `{ "startedAt", "state", "attempts": [{ "provider", "model", "url", "status"?, "queued", "sent"?,
    /// "headers"?, "firstToken"?, "lastToken"?, "ended"?, "outcome", "verdict"?, "delay"?, "hedge"?,
    /// "wasted"?: { "prompt_tokens", "completion_tokens" }, "usd"? }], "cache"?, "affinity"?, "route"? }`; `startedAt` is in milliseconds since 1970.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut trace = ObjectWriter::new(out);
        trace.integer("startedAt", whole(self.started.unix)).text("state", self.state.as_bytes());
        let out = trace.key("attempts");
        out.push(b'[');
        for (position, attempt) in self.attempts.iter().enumerate() {
            if position > 0 {
                out.push(b',');
            }
            attempt.write(out);
        }
        out.push(b']');
        if let Some(cache) = &self.cache {
            cache.write(trace.key("cache"));
        }
        trace.text_if("affinity", self.affinity.as_bytes());
        if let Some(route) = &self.route {
            let mut object = ObjectWriter::new(trace.key("route"));
            route.write(&mut object);
            object.end();
        }
        trace.end();
    }

    /// The cache had no answer, because of this.
    pub fn recalled(&mut self, why: &str) {
        self.cache = Some(Box::new(Recalled { why: why.to_owned(), ..Recalled::default() }));
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
        let times = [
            ("queued", Some(self.queued)),
            ("sent", self.sent),
            ("headers", self.headers),
            ("firstToken", self.first_token),
            ("lastToken", self.last_token),
            ("ended", self.ended),
            ("delay", self.delay),
        ];
        for &(name, time) in &times {
            if let Some(time) = time {
                attempt.integer(name, whole(time));
            }
        }
        attempt.text("outcome", self.outcome.as_bytes()).text_if("verdict", self.verdict.as_bytes());
        if self.hedge {
            attempt.bool("hedge", true);
        }
        if let Some((prompt, completion)) = self.wasted {
            write_tokens(attempt.key("wasted"), prompt, completion, false);
        }
        money::write(&mut attempt, "usd", self.usd);
        attempt.end();
    }
}

/// `{ "prompt_tokens", "completion_tokens", … }`; estimated ones of a whole call have their sum and say
/// so.
pub fn write_tokens(out: &mut Vec<u8>, prompt: f64, completion: f64, estimated: bool) {
    let mut usage = ObjectWriter::new(out);
    usage.integer("prompt_tokens", prompt as u64).integer("completion_tokens", completion as u64);
    if estimated {
        usage.integer("total_tokens", (prompt + completion) as u64).bool("estimated", true);
    }
    usage.end();
}

fn whole(time: Milliseconds) -> u64 {
    (time + 0.5).max(0.0) as u64
}
