//! Calls of one client on a virtual clock, driven as `src/web/call.rs` drives them; the test plays the services.

use hf_inference_wasm::core::engine::attempt::{Head, HttpRequest, Reading};
use hf_inference_wasm::core::engine::plan::Task;
use hf_inference_wasm::core::engine::settings::{Fallback, Settings};
use hf_inference_wasm::core::engine::{Call, Found, Progress, Shared, Step};
use hf_inference_wasm::core::ports::Now;
use hf_inference_wasm::core::secret::Secret;
use hf_inference_wasm::core::wire::batch::{Mark, Want};
use serde_json::{Value, json};

use crate::value;

pub const TOKEN: &str = "hf_topSecretToken";
pub const PROMPT: &str = "the caller's prompt";
/// The wall clock at the virtual clock's zero.
pub const EPOCH: f64 = 1_800_000_000_000.0;
pub const ENDPOINT: &str = "https://x.endpoints.huggingface.cloud";
pub const DONE: &str = "data: [DONE]\n\n";
pub const BUSY: &str = r#"{"error":{"message":"busy","code":"c"}}"#;

/// Something that befalls the first call.
pub type Event = fn(&mut Stage);

/// What a leg waits for.
#[derive(Clone, Debug, PartialEq)]
pub enum At {
    Token(usize),
    Recall(String, bool),
    /// Which target is to answer (`null`), or whether this answer is accepted.
    Question(Value),
    Answer,
    Opinion(Value),
    Sleep(f64),
    Body,
    Nothing,
}

/// A call and what its caller sees.
pub struct Run {
    pub call: Call,
    pub legs: Vec<At>,
    /// When each request was sent, by which leg.
    pub sent: Vec<(f64, usize, HttpRequest)>,
    /// The events that the consumer was told: the mark and its text.
    pub events: Vec<(u32, String)>,
    pub notices: Vec<Value>,
    /// Legs whose request or body the driver was told to give up.
    pub dropped: Vec<usize>,
    pub settled_at: Option<f64>,
    next: f64,
}

impl Run {
    pub fn error(&self) -> Value {
        value(&self.call.error())
    }

    pub fn result(&self) -> Value {
        value(&self.call.result())
    }

    pub fn trace(&self) -> Value {
        value(&self.call.trace())
    }

    pub fn attempt(&self, number: usize) -> Value {
        self.trace()["attempts"][number].clone()
    }

    /// A member of each attempt of the trace.
    pub fn attempts(&self, member: &str) -> Vec<Value> {
        let trace = self.trace();
        trace["attempts"]
            .as_array()
            .expect("attempts")
            .iter()
            .map(|attempt| attempt[member].clone())
            .collect()
    }

    /// How it ended: the trace's state, and of a failure the kind and the reason.
    pub fn word(&self) -> String {
        let (error, state) = (self.error(), self.trace()["state"].as_str().expect("a state").to_owned());
        match (error["kind"].as_str(), error["reason"].as_str()) {
            (Some(kind), Some(reason)) => format!("{state}: {kind} {reason}"),
            _ => state,
        }
    }

    /// The text that a reader has before its eyes who clears it when told to.
    pub fn shown(&self) -> String {
        let from = self.events.iter().rposition(|(mark, _)| *mark == Mark::Restart as u32);
        let events = self.events.iter().skip(from.unwrap_or(0));
        events.filter(|(mark, _)| *mark == Mark::Text as u32).map(|(_, text)| text.as_str()).collect()
    }

    /// The members of the events of a kind.
    pub fn told(&self, mark: Mark) -> Vec<Value> {
        let events = self.events.iter().filter(|(kind, _)| *kind == mark as u32);
        events.map(|(_, text)| value(text.as_bytes())).collect()
    }

    pub fn noticed(&self, kind: &str) -> Vec<&Value> {
        self.notices.iter().filter(|notice| notice["type"] == kind).collect()
    }

    pub fn times(&self) -> Vec<f64> {
        self.sent.iter().map(|(time, ..)| *time).collect()
    }

    pub fn urls(&self) -> Vec<&str> {
        self.sent.iter().map(|(.., request)| request.url.as_str()).collect()
    }

    pub fn last(&self) -> &HttpRequest {
        &self.sent.last().expect("a request").2
    }

    pub fn body(&self) -> Value {
        value(self.last().body.as_deref().expect("a body"))
    }
}

/// A client, its clock and its calls.
pub struct Stage {
    pub shared: Shared,
    pub time: f64,
    pub runs: Vec<Run>,
}

pub fn head(status: u16) -> Head {
    Head { status, ..Head::default() }
}

pub fn delta(text: &str) -> String {
    let text = json!(text);
    format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{text}}}}}]}}\n\n")
}

pub fn chat() -> Value {
    json!({ "model": "a/b", "messages": [{ "role": "user", "content": PROMPT }] })
}

/// A fallback to another endpoint, without a token of its own.
pub fn elsewhere(url: &str) -> Fallback {
    Fallback { endpoint_url: url.to_owned(), ..Fallback::default() }
}

impl Stage {
    pub fn new() -> Stage {
        Stage { shared: Shared::new(7), time: 0.0, runs: Vec::new() }
    }

    /// A client with one chat that has sent its first request, with these changes to the default options.
    pub fn with(change: impl FnOnce(&mut Settings)) -> Stage {
        let mut stage = Stage::new();
        stage.chat(change);
        stage
    }

    pub fn now(&self) -> Now {
        Now { monotonic: self.time, unix: EPOCH + self.time }
    }

    /// Begins a chat that is read as events. Returns its number.
    pub fn chat(&mut self, change: impl FnOnce(&mut Settings)) -> usize {
        self.begin(Task::Chat, chat(), change)
    }

    pub fn begin(&mut self, task: Task, request: Value, change: impl FnOnce(&mut Settings)) -> usize {
        self.ask(task, request, Some(TOKEN), Want::Events, change)
    }

    /// Begins a call; without a token the function for it is asked.
    pub fn ask(
        &mut self,
        task: Task,
        request: Value,
        token: Option<&str>,
        want: Want,
        change: impl FnOnce(&mut Settings),
    ) -> usize {
        let mut settings = Settings { notices: true, ..Settings::default() };
        change(&mut settings);
        self.start(task, request.to_string().into_bytes(), token, want, settings)
    }

    /// Begins a call whose request is this text to the letter.
    pub fn ask_text(&mut self, task: Task, request: &str, settings: Settings) -> usize {
        self.start(task, request.as_bytes().to_vec(), Some(TOKEN), Want::Events, settings)
    }

    /// Begins a chat whose answer comes whole.
    pub fn whole(&mut self, request: Value, change: impl FnOnce(&mut Settings)) -> usize {
        let mut settings = Settings { notices: true, ..Settings::default() };
        change(&mut settings);
        let number = self.enter(Task::Chat, false, request.to_string().into_bytes(), Some(TOKEN), settings);
        self.look(number);
        self.follow_up(number);
        number
    }

    fn start(
        &mut self,
        task: Task,
        request: Vec<u8>,
        token: Option<&str>,
        want: Want,
        settings: Settings,
    ) -> usize {
        let number = self.enter(task, true, request, token, settings);
        self.runs[number].call.want(want);
        self.look(number);
        self.follow_up(number);
        number
    }

    fn enter(
        &mut self,
        task: Task,
        streamed: bool,
        request: Vec<u8>,
        token: Option<&str>,
        settings: Settings,
    ) -> usize {
        let now = self.now();
        let secret = token.and_then(Secret::new);
        let asks = token.is_none();
        let call = Call::new(task, streamed, settings, request, secret, asks, &mut self.shared, now);
        let call = call.expect("a good request");
        self.runs.push(Run {
            call,
            legs: Vec::new(),
            sent: Vec::new(),
            events: Vec::new(),
            notices: Vec::new(),
            dropped: Vec::new(),
            settled_at: None,
            next: f64::INFINITY,
        });
        self.runs.len() - 1
    }

    /// Does something with a call and sees to what follows.
    pub fn with_call<T>(&mut self, run: usize, work: impl FnOnce(&mut Call, &mut Shared, Now) -> T) -> T {
        let now = self.now();
        let result = work(&mut self.runs[run].call, &mut self.shared, now);
        self.follow_up(run);
        result
    }

    /// Lets a leg go on until it waits for something.
    fn go(&mut self, run: usize, leg: usize) {
        let (now, time) = (self.now(), self.time);
        let own = &mut self.runs[run];
        let at = match own.call.step(leg, &mut self.shared, now) {
            Step::Token(candidate) => At::Token(candidate),
            Step::Recall(key, deterministic) => At::Recall(key, deterministic),
            Step::Ask(question) if question.is_empty() => At::Question(Value::Null),
            Step::Ask(question) => At::Question(value(&question)),
            Step::Send(request) => {
                own.sent.push((time, leg, *request));
                At::Answer
            }
            Step::Consult(facts) => At::Opinion(value(&facts)),
            Step::Wait(until) => {
                assert!(until > time, "a wait that has passed");
                At::Sleep(until)
            }
            Step::Read | Step::Lead => At::Body,
            Step::Over => At::Nothing,
        };
        own.legs[leg] = at;
    }

    fn follow_up(&mut self, run: usize) {
        loop {
            let own = &mut self.runs[run];
            let notices = own.call.take_notices();
            if !notices.is_empty() {
                let list = [b"[", notices.as_slice(), b"]"].concat();
                own.notices.extend(value(&list).as_array().expect("a list").clone());
            }
            take_batch(own);
            if own.call.is_settled() {
                own.settled_at.get_or_insert(self.time);
                own.legs.fill(At::Nothing);
                own.next = f64::INFINITY;
            }
            let begun = own.call.take_begun();
            let dropped = own.call.take_dropped();
            own.dropped.extend(&dropped);
            let woken = self.shared.take_woken();
            let looks = self.runs[run].call.takes_look();
            if begun.is_empty() && dropped.is_empty() && woken.is_empty() && !looks {
                return;
            }
            for leg in begun {
                assert_eq!(leg, self.runs[run].legs.len());
                self.runs[run].legs.push(At::Nothing);
                self.go(run, leg);
            }
            for leg in dropped {
                self.go(run, leg);
            }
            if looks {
                self.look(run);
            }
            for ticket in woken {
                self.wake(ticket);
            }
        }
    }

    fn wake(&mut self, ticket: u64) {
        for run in 0..self.runs.len() {
            for leg in 0..self.runs[run].legs.len() {
                let own = &self.runs[run];
                if own.call.ticket(leg) == ticket && matches!(own.legs[leg], At::Sleep(_)) {
                    self.go(run, leg);
                    self.follow_up(run);
                }
            }
        }
    }

    fn look(&mut self, run: usize) {
        let now = self.now();
        let next = self.runs[run].call.look(&mut self.shared, now);
        self.runs[run].next = next.unwrap_or(f64::INFINITY);
    }

    /// Lets time pass; whoever's moment has come has its turn.
    pub fn until(&mut self, time: f64) {
        for turns in 0.. {
            assert!(turns < 100_000, "the clock spins at {}", self.time);
            let mut next = (f64::INFINITY, 0, None);
            for (number, run) in self.runs.iter().enumerate() {
                if run.next < next.0 {
                    next = (run.next, number, None);
                }
                for (leg, at) in run.legs.iter().enumerate() {
                    match at {
                        At::Sleep(until) if *until < next.0 => next = (*until, number, Some(leg)),
                        _ => {}
                    }
                }
            }
            let (at, run, leg) = next;
            if at > time {
                break;
            }
            self.time = self.time.max(at);
            match leg {
                Some(leg) => self.go(run, leg),
                None => self.look(run),
            }
            self.follow_up(run);
        }
        self.time = time;
    }

    /// Lets time pass until the call has sent this many requests in all, or is over.
    pub fn until_sent(&mut self, run: usize, count: usize) {
        let from = self.time;
        while self.runs[run].sent.len() < count && self.runs[run].settled_at.is_none() {
            assert!(self.time < from + 1e6, "it neither sends nor ends: {:?}", self.runs[run].legs);
            self.until(self.time + 1.0);
        }
    }

    /// The leg of a call that waits for an answer, or else reads one.
    fn busy(&self, run: usize) -> usize {
        let legs = &self.runs[run].legs;
        let found = legs.iter().position(|at| *at == At::Answer);
        found.or(legs.iter().position(|at| *at == At::Body)).unwrap_or_else(|| panic!("{legs:?}"))
    }

    /// The service answers with this head, and with this body if it is read at once.
    pub fn answer(&mut self, run: usize, head: Head, body: &str) -> Reading {
        let leg = self.busy(run);
        self.answer_leg(run, leg, head, body)
    }

    pub fn answer_leg(&mut self, run: usize, leg: usize, head: Head, body: &str) -> Reading {
        assert_eq!(self.runs[run].legs[leg], At::Answer, "leg {leg}");
        self.over(run, leg);
        let reading = self.with_call(run, |call, shared, now| call.on_head(leg, head, shared, now));
        if let Reading::Whole(_) = reading {
            self.with_call(run, |call, shared, now| call.on_body(leg, body.as_bytes(), shared, now));
        }
        self.resume(run, leg);
        reading
    }

    pub fn refuse(&mut self, run: usize, status: u16) {
        self.answer(run, head(status), BUSY);
    }

    pub fn no_answer(&mut self, run: usize) {
        let leg = self.busy(run);
        self.over(run, leg);
        self.with_call(run, |call, shared, now| call.on_no_answer(leg, shared, now));
        self.resume(run, leg);
    }

    /// A 200 and then this body, which goes on.
    pub fn open(&mut self, run: usize, body: &str) {
        assert_eq!(self.answer(run, head(200), ""), Reading::Stream);
        self.feed(run, body);
    }

    pub fn feed(&mut self, run: usize, body: &str) -> Progress {
        let leg = self.busy(run);
        self.feed_leg(run, leg, body)
    }

    pub fn feed_leg(&mut self, run: usize, leg: usize, body: &str) -> Progress {
        let bytes = body.as_bytes();
        self.over(run, leg);
        let progress = self.with_call(run, |call, shared, now| call.feed(leg, bytes, shared, now));
        self.resume(run, leg);
        progress
    }

    /// Feeds the first leg of the first call, whatever its consumer wants, and takes its batch.
    pub fn shared_feed(&mut self, body: &str) -> Progress {
        let now = self.now();
        let call = &mut self.runs[0].call;
        let progress = call.feed(0, body.as_bytes(), &mut self.shared, now);
        call.clear_batch();
        progress
    }

    pub fn end(&mut self, run: usize) -> Progress {
        let leg = self.busy(run);
        self.over(run, leg);
        let progress = self.with_call(run, |call, shared, now| call.end(leg, shared, now));
        self.resume(run, leg);
        progress
    }

    pub fn break_off(&mut self, run: usize) -> Progress {
        let leg = self.busy(run);
        self.over(run, leg);
        let progress = self.with_call(run, |call, shared, now| call.break_off(leg, shared, now));
        self.resume(run, leg);
        progress
    }

    /// What was found under the key that the call is looked up by.
    pub fn recalled(&mut self, run: usize, found: Found) {
        let leg = self.runs[run].legs.iter().position(|at| matches!(at, At::Recall(..))).expect("a look-up");
        self.over(run, leg);
        self.with_call(run, |call, shared, now| call.on_recalled(leg, found, shared, now));
        self.resume(run, leg);
    }

    /// The caller says which target is to answer, or what it has against an answer.
    pub fn tell(&mut self, run: usize, told: &str) {
        let legs = &self.runs[run].legs;
        let leg = legs.iter().position(|at| matches!(at, At::Question(_))).expect("a question");
        self.over(run, leg);
        self.with_call(run, |call, shared, now| call.on_told(leg, told, shared, now));
        self.resume(run, leg);
    }

    /// The caller's function says whether to try again.
    pub fn opine(&mut self, run: usize, answer: Option<bool>) {
        let legs = &self.runs[run].legs;
        let leg = legs.iter().position(|at| matches!(at, At::Opinion(_))).expect("a question");
        self.over(run, leg);
        self.with_call(run, |call, shared, now| call.on_consulted(leg, answer, shared, now));
        self.resume(run, leg);
    }

    /// The caller's function gives the token.
    pub fn over_token(&mut self, run: usize, token: Option<&str>) {
        let legs = &self.runs[run].legs;
        let leg = legs.iter().position(|at| matches!(at, At::Token(_))).expect("a question");
        self.over(run, leg);
        self.with_call(run, |call, _, _| call.on_token(leg, token.and_then(Secret::new)));
        self.resume(run, leg);
    }

    /// The caller's function that is to give the token throws.
    pub fn fail_token(&mut self, run: usize) {
        let legs = &self.runs[run].legs;
        let leg = legs.iter().position(|at| matches!(at, At::Token(_))).expect("a question");
        self.over(run, leg);
        self.with_call(run, |call, shared, now| call.on_token_failure(leg, shared, now));
        self.resume(run, leg);
    }

    /// The call's caller is cut off: nobody drives it any more, nobody says goodbye.
    pub fn cut_off(&mut self, run: usize) {
        self.runs[run].next = f64::INFINITY;
        self.runs[run].legs.fill(At::Nothing);
    }

    pub fn abort(&mut self, run: usize) {
        self.with_call(run, |call, shared, now| call.abort(shared, now));
    }

    fn resume(&mut self, run: usize, leg: usize) {
        // Unless it has gone on already, because it was given up meanwhile.
        if self.runs[run].settled_at.is_none() && self.runs[run].legs[leg] == At::Nothing {
            self.go(run, leg);
            self.follow_up(run);
        }
    }

    /// What a leg waited for is here.
    fn over(&mut self, run: usize, leg: usize) {
        self.runs[run].legs[leg] = At::Nothing;
    }

    /// A whole good answer.
    pub fn complete(&mut self, run: usize, text: &str) {
        self.open(run, &(delta(text) + DONE));
        assert_eq!(self.runs[run].word(), "complete");
    }
}

fn take_batch(run: &mut Run) {
    let batch = run.call.batch();
    let units: Vec<u16> = String::from_utf8(batch.text().to_vec()).expect("UTF-8").encode_utf16().collect();
    let mut from = 0;
    for mark in batch.marks().chunks_exact(2) {
        let end = mark[1] as usize;
        run.events.push((mark[0], String::from_utf16(&units[from..end]).expect("whole characters")));
        from = end;
    }
    run.call.clear_batch();
}
