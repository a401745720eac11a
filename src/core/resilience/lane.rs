//! One lane for each provider and credential: who may send a request now, and who waits how long.
//!
//! Four things hold a lane back, and a call passes when none of them does:
//!
//! * the **gate**: after a 429 nobody sends until the service takes requests again, not just the one
//!   who was unlucky;
//! * the caller's **limits**: requests in flight, requests and tokens in a minute;
//! * the service's **own count**, where its headers can be read: what remains until its window resets;
//! * a **window** of requests in flight that a 429 halves and that grows again with each success, for
//!   services whose limits nobody tells. It is what keeps a thousand waiting calls from storming
//!   through an opening gate.
//!
//! Who waits, waits in one queue: by priority, then by arrival. A call that went away without a word (a
//! worker's request that was cut off) is found by its not coming back in time, and holds nobody up.

use std::collections::VecDeque;

use crate::core::ports::Milliseconds;
use crate::core::wire::rate_limit::Quota;

/// The caller's limits; zero for none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Requests in flight.
    pub concurrency: f64,
    /// Requests sent within any minute.
    pub requests_per_minute: f64,
    /// Tokens, sent and received, of the requests sent within any minute.
    pub tokens_per_minute: f64,
    /// How many calls may wait.
    pub queue: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { concurrency: 0.0, requests_per_minute: 0.0, tokens_per_minute: 0.0, queue: 1_000 }
    }
}

/// A call that asks.
#[derive(Clone, Copy, Debug)]
pub struct Applicant {
    /// Its number, the same for each of its attempts: later ones have higher numbers.
    pub ticket: u64,
    /// Higher goes first.
    pub priority: f64,
    /// The tokens that it is expected to take.
    pub tokens: f64,
    /// When it will be over at the latest, or will have been [heard of](Lane::heard_of) again, whatever
    /// happens to its caller.
    pub deadline: Milliseconds,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Admission {
    /// Send now.
    Go,
    /// Ask again then.
    Wait(Milliseconds),
    /// Too many wait already.
    Full,
}

const MINUTE: Milliseconds = 60_000.0;
/// How soon to ask again when nobody knows when there will be room. (Whoever makes room also calls the
/// next, where the runtime allows it.)
const POLL: Milliseconds = 50.0;
/// How late one may come back to ask again before being taken for gone.
const GRACE: Milliseconds = 5_000.0;
/// The shortest and the longest closing of the gate that is chosen here.
const CLOSED: (Milliseconds, Milliseconds) = (500.0, 30_000.0);
/// A window this wide holds nobody back any more.
const WIDE: f64 = 256.0;

#[derive(Clone, Debug)]
struct Waiting {
    ticket: u64,
    priority: f64,
    due: Milliseconds,
}

#[derive(Clone, Debug)]
struct InFlight {
    ticket: u64,
    /// How many had been sent with it.
    number: u64,
    deadline: Milliseconds,
    answered: bool,
}

#[derive(Clone, Debug)]
struct Sent {
    ticket: u64,
    at: Milliseconds,
    tokens: f64,
}

/// The state of a lane.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    gate: Milliseconds,
    /// 429s in a row without a word on how long to wait.
    refusals: i32,
    window: Option<f64>,
    waiting: Vec<Waiting>,
    in_flight: Vec<InFlight>,
    /// How many were sent in all, and with which the service's count was told last.
    count: u64,
    told: u64,
    /// Those of the last minute, since a call first had a limit for a minute.
    sent: VecDeque<Sent>,
    counts: bool,
    /// When the last was sent.
    last: Option<Milliseconds>,
    remaining: Option<f64>,
    limit: Option<f64>,
    reset: Milliseconds,
}

impl Lane {
    /// Asks for leave to send. Who is told to wait must ask again, or [`Lane::leave`].
    pub fn admit(&mut self, who: &Applicant, limits: &Limits, now: Milliseconds) -> Admission {
        self.sweep(who.ticket, now);
        let position = self.waiting.iter().position(|other| other.ticket == who.ticket);
        let ahead = position.unwrap_or_else(|| self.place(who));
        let free = self.free_at(who.tokens, limits, now);
        if ahead == 0 && free <= now {
            if position.is_some() {
                self.waiting.remove(0);
            }
            self.remaining = self.remaining.map(|remaining| remaining - 1.0);
            self.count += 1;
            let (ticket, number, deadline) = (who.ticket, self.count, who.deadline);
            self.in_flight.push(InFlight { ticket, number, deadline, answered: false });
            self.last = Some(now);
            // A client of very many calls and no such limit would keep a minute of them for nothing.
            self.counts |= limits.requests_per_minute > 0.0 || limits.tokens_per_minute > 0.0;
            if self.counts {
                self.sent.push_back(Sent { ticket: who.ticket, at: now, tokens: who.tokens });
            }
            return Admission::Go;
        }
        // Those behind ask a little later each, so that the first is there before them.
        let due = free.max(now + POLL) + ahead as f64;
        if position.is_none() {
            if self.waiting.len() >= limits.queue {
                return Admission::Full;
            }
            self.waiting.insert(ahead, Waiting { ticket: who.ticket, priority: who.priority, due });
        } else if let Some(waiting) = self.waiting.get_mut(ahead) {
            waiting.due = due;
        }
        Admission::Wait(due)
    }

    /// Who is to ask next, now that there may be room.
    pub fn next(&self) -> Option<u64> {
        self.waiting.first().map(|waiting| waiting.ticket)
    }

    /// How many wait.
    pub fn queued(&self) -> usize {
        self.waiting.len()
    }

    /// Until when the service takes nothing, as it said or as its count tells; the past when it does.
    pub fn gate(&self) -> Milliseconds {
        let used_up = self.remaining.is_some_and(|remaining| remaining < 1.0);
        self.gate.max(if used_up { self.reset } else { 0.0 })
    }

    /// The head of an answer has come, with what it tells of the service's own limit.
    pub fn answered(&mut self, ticket: u64, quota: &Quota, now: Milliseconds) {
        let Some(own) = self.in_flight.iter_mut().find(|own| own.ticket == ticket) else { return };
        own.answered = true;
        let number = own.number;
        if let (Some(remaining), Some(reset)) = (quota.remaining, quota.reset) {
            // An answer that comes late tells an older count.
            if number < self.told {
                return;
            }
            self.told = number;
            // Those that are on their way are not in the service's count yet, and those that were sent later
            // and went without an answer may not be.
            let before = self.in_flight.iter().filter(|own| !own.answered && own.number < number).count();
            self.remaining = Some(remaining - before as f64 - (self.count - number) as f64);
            // A rate of less than one in its window (some tell it so) would let nobody pass in the next.
            self.limit = quota.limit.filter(|limit| *limit >= 1.0);
            self.reset = now + reset;
        }
    }

    /// The service has refused: the gate closes until `until`, or for as long as seems wise.
    pub fn refused(&mut self, until: Option<Milliseconds>, now: Milliseconds) {
        // Refusals of requests that were out together count once.
        if now >= self.gate {
            let width = self.window.unwrap_or(f64::INFINITY).min(self.in_flight.len() as f64);
            self.window = Some((width / 2.0).floor().max(1.0));
            self.refusals = (self.refusals + 1).min(16);
        }
        let own = (CLOSED.0 * f64::from(1 << (self.refusals - 1).max(0))).min(CLOSED.1);
        self.close(until.unwrap_or(now + own));
    }

    /// The gate is closed until then at least.
    pub fn close(&mut self, until: Milliseconds) {
        self.gate = self.gate.max(until);
    }

    /// The call of a request in flight has been heard of, and will be over by `deadline`.
    pub fn heard_of(&mut self, ticket: u64, deadline: Milliseconds) {
        if let Some(own) = self.in_flight.iter_mut().find(|own| own.ticket == ticket) {
            own.deadline = deadline;
        }
    }

    /// A request has ended well.
    pub fn succeeded(&mut self) {
        self.refusals = 0;
        self.window = self.window.map(|window| window + 1.0 / window).filter(|window| *window < WIDE);
    }

    /// A request has ended, or a call that waited has gone. `tokens` are those that were used, if known.
    pub fn leave(&mut self, ticket: u64, tokens: Option<f64>) {
        self.waiting.retain(|waiting| waiting.ticket != ticket);
        self.in_flight.retain(|own| own.ticket != ticket);
        let sent = self.sent.iter_mut().rev().find(|sent| sent.ticket == ticket);
        if let (Some(sent), Some(tokens)) = (sent, tokens.filter(|tokens| *tokens >= 0.0)) {
            sent.tokens = tokens;
        }
    }

    /// Whether nothing is known that could matter later.
    pub fn is_idle(&self, now: Milliseconds) -> bool {
        self.waiting.is_empty()
            && self.in_flight.is_empty()
            && self.gate <= now
            && (self.remaining.is_none() || self.reset <= now)
            && self.last.is_none_or(|last| last + MINUTE <= now)
    }

    /// The place in the queue of one who is not in it.
    fn place(&self, who: &Applicant) -> usize {
        let behind = |other: &Waiting| {
            other.priority < who.priority || other.priority == who.priority && other.ticket > who.ticket
        };
        self.waiting.iter().position(behind).unwrap_or(self.waiting.len())
    }

    fn sweep(&mut self, asking: u64, now: Milliseconds) {
        self.waiting.retain(|other| other.ticket == asking || other.due + GRACE > now);
        self.in_flight.retain(|own| own.deadline + GRACE > now);
        while self.sent.front().is_some_and(|sent| sent.at + MINUTE <= now) {
            self.sent.pop_front();
        }
        if self.remaining.is_some() && self.reset <= now {
            // Those that are on their way may be counted in either window.
            self.remaining = self.limit.map(|limit| limit - self.unanswered());
            // Until an answer tells of the window that has begun.
            self.reset = now + MINUTE;
        }
    }

    /// How many requests are out of which the service has not said that it has counted them.
    fn unanswered(&self) -> f64 {
        self.in_flight.iter().filter(|own| !own.answered).count() as f64
    }

    /// When there will be room for one more; now or the past when there is.
    fn free_at(&self, tokens: f64, limits: &Limits, now: Milliseconds) -> Milliseconds {
        let mut free = self.gate;
        let width = self.window.unwrap_or(f64::INFINITY);
        let concurrency = if limits.concurrency > 0.0 { limits.concurrency.max(1.0) } else { f64::INFINITY };
        if self.in_flight.len() as f64 + 1.0 > concurrency.min(width.floor().max(1.0)) {
            free = free.max(now + POLL);
        }
        if limits.requests_per_minute > 0.0 && self.sent.len() as f64 + 1.0 > limits.requests_per_minute {
            // The one whose minute must pass first.
            let over = self.sent.len().saturating_sub(limits.requests_per_minute.max(1.0) as usize);
            free = free.max(self.sent.get(over).map_or(now, |sent| sent.at + MINUTE));
        }
        if limits.tokens_per_minute > 0.0 {
            let mut sum: f64 = self.sent.iter().map(|sent| sent.tokens).sum();
            for sent in &self.sent {
                if sum + tokens <= limits.tokens_per_minute {
                    break;
                }
                sum -= sent.tokens;
                free = free.max(sent.at + MINUTE);
            }
        }
        if self.remaining.is_some_and(|remaining| remaining < 1.0) {
            free = free.max(self.reset);
        }
        free
    }
}
