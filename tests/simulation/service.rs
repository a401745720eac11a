//! The scripted services: what each does with a request, and what it knows of those it has seen.

use std::collections::HashMap;

use hf_inference_wasm::core::engine::attempt::{Head, HttpRequest};
use hf_inference_wasm::core::wire::rate_limit;

use crate::random::Random;

/// The length of a word of a story. Every word is another one, so that nothing can be lost, doubled or
/// swapped without the text showing it.
pub const WORD: usize = 14;

/// The answer of the request with this number, so many words long; as JSON where the reader wants that.
pub fn story(number: usize, words: usize, as_json: bool) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(words * WORD + 10);
    if as_json {
        text.push_str("{\"t\":\"");
    }
    for word in 0..words {
        let _ = write!(text, "s{number:07}w{word:04} ");
    }
    if as_json {
        text.push_str("\"}");
    }
    text
}

/// The number of the request whose answer `text` begins; `None` when it is too short to tell.
pub fn story_of(text: &str) -> Option<usize> {
    let text = text.strip_prefix("{\"t\":\"").unwrap_or(text);
    text.get(1..8)?.parse().ok()
}

/// How a service names its wishes and limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Hint {
    None,
    Seconds,
    Fraction,
    Milliseconds,
    Date,
    HubRateLimit,
    Reset,
    EstimatedTime,
}

pub const HINTS: &[Hint] = &[
    Hint::None,
    Hint::Seconds,
    Hint::Fraction,
    Hint::Milliseconds,
    Hint::Date,
    Hint::HubRateLimit,
    Hint::Reset,
    Hint::EstimatedTime,
];

/// So many requests in a fixed window, for each credential.
#[derive(Clone, Debug)]
pub struct Quota {
    pub requests: usize,
    pub window: f64,
    /// Whether every answer tells what remains.
    pub tells: bool,
    pub hint: Hint,
}

/// An endpoint that sleeps until somebody asks.
#[derive(Clone, Debug)]
pub struct Sleep {
    pub takes: f64,
    pub awake_at: Option<f64>,
}

/// How a service behaves. Weights are chances in a hundred.
#[derive(Clone, Debug)]
pub struct Mood {
    pub refuses: usize,
    pub resets: usize,
    pub silent: usize,
    pub breaks: usize,
    pub odd: usize,
    pub latency: f64,
    /// The time between two pieces of an answer.
    pub pace: f64,
    /// Down for one part of every so long.
    pub flaps: Option<f64>,
    pub quota: Option<Quota>,
    pub concurrency: Option<usize>,
    pub sleep: Option<Sleep>,
    /// Only the second of an endpoint's routes is known.
    pub root_only: bool,
    pub statuses: &'static [u16],
}

/// One service: a host, or a provider behind the router.
#[derive(Debug)]
pub struct Service {
    pub mood: Mood,
    /// Requests counted in the current window, by credential.
    pub counted: HashMap<u64, (f64, usize)>,
    pub open: usize,
}

/// What a piece of a body says, for those who judge what was made of it.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Where its bytes end, with and without the blank line.
    pub end: usize,
    pub data_end: usize,
    /// How far into the story the text goes with it.
    pub text: usize,
    pub reasoning: usize,
    pub finish: bool,
    pub done: bool,
    pub error: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ending {
    Clean,
    Breaks,
    /// Nothing more comes, and nobody says so.
    Silent,
}

#[derive(Clone, Debug, Default)]
pub struct Body {
    pub bytes: Vec<u8>,
    /// When how much of it has come.
    pub arrivals: Vec<(f64, usize)>,
    pub ending: Option<Ending>,
    pub told: Vec<Told>,
}

/// A service's answer to one request.
#[derive(Clone, Debug)]
pub enum Answer {
    Silent,
    Reset(f64),
    Head { at: f64, head: Box<Head>, body: Body },
}

/// What the judges must know of an answer.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    pub story: usize,
    pub words: usize,
    pub as_json: bool,
    /// Where in the story this answer begins (it continues another).
    pub from: usize,
    pub reasoning: bool,
    /// Why it ended, if not because all was said.
    pub ended: &'static str,
    /// How long the service asked to wait; a date counts in whole seconds.
    pub hint: Option<f64>,
    pub hint_is_date: bool,
    pub hint_in_body: bool,
    /// For a learned quota: what was told with the head.
    pub quota_told: bool,
    pub status: u16,
    pub woke: bool,
}

/// What is particular to a request, as the service sees it.
pub struct Asked<'a> {
    pub number: usize,
    pub request: &'a HttpRequest,
    pub credential: u64,
    pub as_json: bool,
    pub streamed: bool,
    /// The stories that the call was told before, the last first.
    pub told_before: Vec<usize>,
}

impl Service {
    pub fn new(mood: Mood) -> Service {
        Service { mood, counted: HashMap::new(), open: 0 }
    }

    /// Decides what becomes of a request that arrives now.
    pub fn answer(&mut self, asked: &Asked<'_>, now: f64, unix: f64, random: &mut Random) -> (Answer, Truth) {
        let mut truth = Truth { status: 200, ..Truth::default() };
        let latency = self.mood.latency * (0.2 + random.unit());
        let at = now + latency;
        let mut headers: Vec<(&'static str, String)> = Vec::new();
        if let Some(sleep) = &mut self.mood.sleep {
            let awake = *sleep.awake_at.get_or_insert(now + sleep.takes);
            if now < awake {
                truth.woke = true;
                let hint = if random.one_in(2) { Hint::None } else { Hint::Seconds };
                return self.refuse(
                    503,
                    hint,
                    random.below(3) as f64 * 1_000.0 + 500.0,
                    at,
                    unix,
                    random,
                    truth,
                    headers,
                );
            }
        }
        if self.mood.root_only
            && !asked.request.url.ends_with(".org/")
            && !asked.request.url.ends_with(".cloud/")
        {
            return self.refuse(404, Hint::None, 0.0, at, unix, random, truth, headers);
        }
        if let Some(concurrency) = self.mood.concurrency
            && self.open > concurrency
        {
            let hint = random.pick(&[Hint::None, Hint::Seconds]);
            return self.refuse(
                429,
                hint,
                1_000.0 * (1 + random.below(3)) as f64,
                at,
                unix,
                random,
                truth,
                headers,
            );
        }
        if let Some(quota) = self.mood.quota.clone() {
            let start = (now / quota.window).floor() * quota.window;
            let counted = self.counted.entry(asked.credential).or_insert((start, 0));
            if counted.0 != start {
                *counted = (start, 0);
            }
            let left = start + quota.window - now;
            if counted.1 >= quota.requests {
                return self.refuse(429, quota.hint, left, at, unix, random, truth, headers);
            }
            counted.1 += 1;
            if quota.tells {
                truth.quota_told = true;
                let remaining = quota.requests - counted.1;
                let reset = match random.below(3) {
                    0 => format!("{}ms", left.ceil()),
                    1 => format!("{:.3}", left / 1_000.0 + 0.001),
                    _ => format!("{}m{:.3}s", (left / 60_000.0).floor(), (left % 60_000.0) / 1_000.0 + 0.001),
                };
                headers.push(("x-ratelimit-limit-requests", quota.requests.to_string()));
                headers.push(("x-ratelimit-remaining-requests", remaining.to_string()));
                headers.push(("x-ratelimit-reset-requests", reset));
            }
        }
        let down = self.mood.flaps.is_some_and(|period| (now / period).floor() as u64 % 2 == 1);
        if down && !random.one_in(8) {
            return match random.below(3) {
                0 => (Answer::Reset(at), Truth { status: 0, ..truth }),
                _ => {
                    let status = random.pick(&[500, 502, 503, 504, 529]);
                    self.refuse(status, Hint::None, 0.0, at, unix, random, truth, headers)
                }
            };
        }
        let fate = random.below(100);
        let mut edge = self.mood.refuses;
        if fate < edge {
            let status = random.pick(self.mood.statuses);
            let hint = if matches!(status, 429 | 503 | 529) { random.pick(HINTS) } else { Hint::None };
            let wait = random.pick(&[100.0, 700.0, 2_000.0, 9_000.0, 70_000.0]);
            return self.refuse(status, hint, wait, at, unix, random, truth, headers);
        }
        edge += self.mood.resets;
        if fate < edge {
            return (Answer::Reset(at), Truth { status: 0, ..truth });
        }
        edge += self.mood.silent;
        if fate < edge {
            return (Answer::Silent, Truth { status: 0, ..truth });
        }
        edge += self.mood.odd;
        if fate < edge {
            return self.odd(at, random, truth);
        }
        let breaks = fate < edge + self.mood.breaks;
        let body = self.body(asked, at, breaks, random, &mut truth);
        let head = head(200, "text/event-stream", &headers, unix);
        (Answer::Head { at, head: Box::new(head), body }, truth)
    }

    /// Answers that are not what the protocol says.
    fn odd(&mut self, at: f64, random: &mut Random, truth: Truth) -> (Answer, Truth) {
        let (status, kind, text) = match random.below(5) {
            0 => (200, "text/html; charset=utf-8", "<!doctype html><html>hello</html>"),
            1 => (200, "text/event-stream", ""),
            2 => (200, "text/event-stream", "data: {not json}\n\n"),
            3 => (302, "text/html", "<html></html>"),
            _ => (200, "application/json", "[]"),
        };
        let body = Body {
            bytes: text.into(),
            arrivals: vec![(at, text.len())],
            ending: Some(Ending::Clean),
            told: Vec::new(),
        };
        let head = Head { status, content_type: kind.to_owned(), ..Head::default() };
        (Answer::Head { at, head: Box::new(head), body }, Truth { status, ..truth })
    }

    #[allow(clippy::too_many_arguments)]
    fn refuse(
        &mut self,
        status: u16,
        hint: Hint,
        wait: f64,
        at: f64,
        unix: f64,
        random: &mut Random,
        mut truth: Truth,
        mut headers: Vec<(&'static str, String)>,
    ) -> (Answer, Truth) {
        let mut text = String::from(r#"{"error":{"message":"refused","code":"c"}}"#);
        let mut told = Some(wait);
        match hint {
            Hint::None => told = None,
            Hint::Seconds => {
                told = Some((wait / 1_000.0).ceil() * 1_000.0);
                headers.push(("retry-after", format!("{}", (wait / 1_000.0).ceil())));
            }
            Hint::Fraction => headers.push(("retry-after", format!("{:.3}", wait / 1_000.0))),
            Hint::Milliseconds => headers.push(("retry-after-ms", format!("{wait}"))),
            Hint::Date => {
                let until = ((unix + wait) / 1_000.0).ceil();
                told = Some(until * 1_000.0);
                truth.hint_is_date = true;
                headers.push(("retry-after", http_date(until as u64)));
            }
            Hint::HubRateLimit => {
                headers.push(("ratelimit", format!("\"api\";r=0;t={}", (wait / 1_000.0).ceil())));
            }
            Hint::Reset => {
                headers.push(("x-ratelimit-remaining-requests", "0".to_owned()));
                headers.push(("x-ratelimit-reset-requests", format!("{}ms", wait.ceil())));
            }
            Hint::EstimatedTime => {
                truth.hint_in_body = true;
                text = format!(r#"{{"error":"loading","estimated_time":{}}}"#, wait / 1_000.0);
            }
        }
        let passes = matches!(status, 408 | 409 | 425 | 429 | 500 | 502..=504 | 520..=524 | 529);
        if random.one_in(12) {
            let says = random.one_in(2);
            headers.push(("x-should-retry", says.to_string()));
            if !says {
                told = None;
            }
        } else if !passes {
            told = None;
        }
        truth.hint = told;
        truth.status = status;
        // A refusal's body may come late, in pieces, or not to its end.
        let bytes = text.into_bytes();
        let half = bytes.len() / 2;
        let (arrivals, ending) = match random.below(24) {
            0 => (vec![(at, half)], Ending::Silent),
            1 => (vec![(at, half)], Ending::Breaks),
            2 | 3 => (vec![(at, half), (at + 300.0, bytes.len())], Ending::Clean),
            _ => (vec![(at, bytes.len())], Ending::Clean),
        };
        if arrivals.len() == 1 && ending != Ending::Clean && hint == Hint::EstimatedTime {
            truth.hint = None;
        }
        let body = Body { bytes, arrivals, ending: Some(ending), told: Vec::new() };
        let head = head(status, "application/json", &headers, unix);
        (Answer::Head { at, head: Box::new(head), body }, truth)
    }

    /// A stream, or a whole answer: the story from where the request leaves off.
    fn body(&self, asked: &Asked<'_>, at: f64, breaks: bool, random: &mut Random, truth: &mut Truth) -> Body {
        let request = asked.request.body.as_deref().unwrap_or_default();
        let request = std::str::from_utf8(request).unwrap_or_default();
        let told = prefix_of(request);
        truth.as_json = asked.as_json;
        truth.words = 2 + random.below(9);
        truth.story = asked.number;
        if !told.is_empty() {
            truth.story = story_of(&told).unwrap_or_else(|| {
                let fits = |number: &&usize| story(**number, 1, asked.as_json).starts_with(told.as_str());
                asked.told_before.iter().find(fits).copied().unwrap_or(0)
            });
            truth.words += told.len() / WORD;
            if told.get(6..).is_some_and(|rest| rest.contains('"')) {
                truth.words = told.len() / WORD;
            }
            truth.from = told.len();
        }
        let text = story(truth.story, truth.words, truth.as_json);
        truth.from = truth.from.min(text.len());
        truth.reasoning = truth.from == 0 && !asked.as_json && random.one_in(8);
        // Some servers repeat what they were given, whole or its end.
        // TGI's own protocol continues a prompt, and never repeats it.
        let is_tgi = request.starts_with("{\"inputs\"");
        let overlap = match random.below(3) {
            _ if is_tgi => 0,
            0 if truth.from >= 12 => 12 + random.below(truth.from - 11),
            1 if truth.from >= 12 => truth.from,
            _ => 0,
        };
        let mut body = Body::default();
        let is_completion = request.contains("\"prompt\"");
        if random.one_in(10) && !is_tgi {
            truth.ended = random.pick(&["length", "content_filter"]);
        }
        let reason = if truth.ended.is_empty() { "stop" } else { truth.ended };
        if !asked.streamed {
            let content = text.replace('"', "\\\"");
            let document = if is_tgi {
                format!(r#"{{"generated_text":"{content}"}}"#)
            } else if is_completion {
                format!(r#"{{"choices":[{{"index":0,"text":"{content}","finish_reason":"{reason}"}}]}}"#)
            } else {
                format!(
                    r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":"{content}"}},"finish_reason":"{reason}"}}],"usage":{{"total_tokens":700}}}}"#
                )
            };
            body.bytes = document.into_bytes();
            let end = body.bytes.len();
            let whole =
                Told { end, data_end: end, text: text.len(), finish: true, done: true, ..Told::default() };
            body.told.push(whole);
            let cut = random.below(end);
            if breaks {
                body.arrivals.push((at, cut));
                body.ending = Some(random.pick(&[Ending::Clean, Ending::Breaks, Ending::Silent]));
            } else {
                body.arrivals.push((at, cut));
                body.arrivals.push((at + self.mood.pace, end));
                body.ending = Some(Ending::Clean);
            }
            return body;
        }
        let mut add = |data: &str, told: Told| {
            let bytes = &mut body.bytes;
            bytes.extend_from_slice(data.as_bytes());
            let data_end = bytes.len();
            bytes.extend_from_slice(b"\n\n");
            body.told.push(Told { data_end, end: bytes.len(), ..told });
        };
        let mut now = Told { text: truth.from, ..Told::default() };
        let chat = !is_tgi && !is_completion;
        if chat && random.one_in(2) {
            add(r#"data: {"choices":[{"delta":{"role":"assistant","content":""}}]}"#, now.clone());
        }
        if truth.reasoning && chat {
            for word in 0..3 {
                now.reasoning += WORD;
                add(
                    &format!(
                        r#"data: {{"choices":[{{"delta":{{"reasoning":"r{:07}w{word:04} "}}}}]}}"#,
                        truth.story
                    ),
                    now.clone(),
                );
            }
        }
        let mut from = truth.from - overlap;
        while from < text.len() {
            if random.one_in(9) {
                add(": keep-alive", now.clone());
            }
            // A repetition that is cut off short cannot be told from words of the answer.
            let least = if from < truth.from { 12 } else { 1 };
            let to = (from + least + random.below(2 * WORD)).min(text.len());
            let piece = text[from..to].replace('"', "\\\"");
            from = to;
            now.text = now.text.max(to);
            let data = if is_tgi {
                format!(
                    r#"data: {{"token":{{"id":1,"text":"{piece}","logprob":0,"special":false}},"generated_text":null}}"#
                )
            } else if is_completion {
                format!(r#"data: {{"choices":[{{"index":0,"text":"{piece}"}}]}}"#)
            } else {
                format!(r#"data: {{"choices":[{{"index":0,"delta":{{"content":"{piece}"}}}}]}}"#)
            };
            add(&data, now.clone());
        }
        if breaks && random.one_in(3) {
            now.error = true;
            add(r#"data: {"error":{"message":"out of memory","code":503}}"#, now.clone());
            now.error = false;
        }
        let form = random.below(4);
        if is_tgi {
            now.finish = true;
            now.done = true;
            let data = format!(
                r#"data: {{"token":{{"id":2,"text":"","logprob":0,"special":true}},"generated_text":"{}"}}"#,
                &text[truth.from..]
            );
            add(&data, now.clone());
        } else {
            if form != 0 || !chat {
                now.finish = true;
                let data = if is_completion {
                    format!(r#"data: {{"choices":[{{"index":0,"text":"","finish_reason":"{reason}"}}]}}"#)
                } else {
                    format!(r#"data: {{"choices":[{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}]}}"#)
                };
                add(&data, now.clone());
            } else {
                truth.ended = "";
            }
            if form > 1 {
                add(
                    r#"data: {"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":30,"total_tokens":50}}"#,
                    now.clone(),
                );
            }
            if form != 1 {
                now.done = true;
                add(random.pick(&["data: [DONE]", "data:[DONE]", "data:  [DONE]"]), now.clone());
            }
        }
        // The last event may lack its blank line.
        if random.one_in(10) {
            let length = body.bytes.len() - 1;
            body.bytes.truncate(length);
        }
        let total = body.bytes.len();
        let end = if breaks { random.below(total) } else { total };
        let pieces = 1 + random.below(6);
        let mut cuts: Vec<usize> = (0..pieces).map(|_| random.below(end + 1)).collect();
        cuts.push(end);
        cuts.sort_unstable();
        let mut time = at;
        for cut in cuts {
            time += self.mood.pace * random.pick(&[0.0, 0.3, 1.0, 2.0]);
            body.arrivals.push((time, cut));
        }
        body.ending = Some(match random.below(3) {
            _ if !breaks => random.pick(&[Ending::Clean, Ending::Clean, Ending::Silent]),
            0 => Ending::Clean,
            1 => Ending::Breaks,
            _ => Ending::Silent,
        });
        body
    }
}

fn head(status: u16, kind: &str, headers: &[(&'static str, String)], unix: f64) -> Head {
    let get =
        |name: &str| headers.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    Head {
        status,
        content_type: kind.to_owned(),
        retry_after: get("retry-after").unwrap_or_default(),
        retry_after_ms: get("retry-after-ms").unwrap_or_default(),
        should_retry: get("x-should-retry").map(|value| value == "true"),
        quota: rate_limit::quota(&get, unix),
        ..Head::default()
    }
}

/// The beginning of the answer that a request carries, if it continues one.
fn prefix_of(request: &str) -> String {
    let given = if let Some((_, rest)) = request.split_once(r#""role":"assistant","content":""#) {
        rest.split_once("\"}]").map(|(given, _)| given)
    } else {
        request
            .split_once(crate::scenario::PROMPT)
            .and_then(|(_, rest)| rest.split_once("\","))
            .map(|(given, _)| given)
    };
    given.filter(|given| given.starts_with(['s', '{'])).unwrap_or_default().replace("\\\"", "\"")
}

/// A moment as HTTP writes it.
fn http_date(seconds: u64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    // Civil from days, counting years from March.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 2 } else { month - 10 };
    let year = era * 400 + year + u64::from(month < 2);
    format!(
        "Thu, {day:02} {} {year} {:02}:{:02}:{:02} GMT",
        MONTHS[month as usize],
        time / 3_600,
        time % 3_600 / 60,
        time % 60
    )
}
