//! A call driven by hand, on a virtual clock, into each of its terminal states.

use std::collections::BTreeMap;

use hf_inference_wasm::core::engine::attempt::{Head, HttpRequest, Reading};
use hf_inference_wasm::core::engine::plan::Task;
use hf_inference_wasm::core::engine::settings::Settings;
use hf_inference_wasm::core::engine::{Call, Progress, Shared, Step};
use hf_inference_wasm::core::error::{Error, Kind, is_retryable_status};
use hf_inference_wasm::core::ports::Now;
use hf_inference_wasm::core::resilience::retry::Policy;
use hf_inference_wasm::core::resilience::watchdog::Limits;
use hf_inference_wasm::core::secret::Secret;
use hf_inference_wasm::core::wire::batch::{Mark, Want};
use serde_json::{Value, json};

use crate::fixtures::{self, Fixture};
use crate::{Random, value};

const TOKEN: &str = "hf_topSecretToken";
const PROMPT: &str = "the caller's prompt";

const DELTA: &[u8] = b"data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
const REASONING: &[u8] = b"data: {\"choices\":[{\"delta\":{\"reasoning\":\"r\"}}]}\n\n";
const ROLE: &[u8] = b"data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
const FINISH: &[u8] = b"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &[u8] = b"data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\n";
const DONE: &[u8] = b"data: [DONE]\n\n";
const COMMENT: &[u8] = b": keep-alive\n\n";
const FAILURE: &[u8] = b"data: {\"error\":{\"message\":\"out of memory\",\"code\":503}}\n\n";

fn now(monotonic: f64) -> Now {
    Now { monotonic, unix: 1_800_000_000_000.0 + monotonic }
}

fn request() -> String {
    json!({ "model": "a/b", "messages": [{ "role": "user", "content": PROMPT }] }).to_string()
}

fn head(status: u16) -> Head {
    Head { status, content_type: "text/event-stream".to_owned(), ..Head::default() }
}

/// One attempt and no more: what becomes of it ends the call.
fn once() -> Settings {
    Settings { retry: Policy { limit: 0, ..Policy::default() }, ..Settings::default() }
}

fn limits(first_token: f64, stall: f64, total: f64) -> Limits {
    Limits { first_token, stall, total, ..Limits::default() }
}

/// A call and what surrounds it: the client's memory, the time, the timer.
struct Play {
    call: Call,
    shared: Shared,
    time: f64,
    /// When the timer will look; none before the first look.
    next: Option<f64>,
    /// For how long the consumer has been busy in all, and since when it is.
    busy: f64,
    busy_since: Option<f64>,
    settled_at: Option<f64>,
}

impl Play {
    fn of(task: Task, streamed: bool, settings: Settings, request: String, token: Option<&str>) -> Play {
        Play::at(0.0, Shared::default(), task, streamed, settings, request, token)
    }

    /// A call of a client that has made calls before; without a token its function is to be asked.
    fn at(
        time: f64,
        mut shared: Shared,
        task: Task,
        streamed: bool,
        settings: Settings,
        request: String,
        token: Option<&str>,
    ) -> Play {
        let asks = token.is_none();
        let token = token.and_then(Secret::new);
        let request = request.into_bytes();
        let call = Call::new(task, streamed, settings, request, token, asks, &mut shared, now(time));
        Play {
            call: call.expect("a good request"),
            shared,
            time,
            next: None,
            busy: 0.0,
            busy_since: None,
            settled_at: None,
        }
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Play {
        let mut settings = once();
        change(&mut settings);
        Play::of(Task::Chat, true, settings, request(), Some(TOKEN))
    }

    fn new() -> Play {
        Play::with(|_| ())
    }

    /// A chat stream whose body is about to be read.
    fn reading() -> Play {
        let mut play = Play::new();
        play.open();
        play
    }

    fn limited(first_token: f64, stall: f64, total: f64) -> Play {
        let mut play = Play::with(|settings| settings.timeouts = limits(first_token, stall, total));
        play.look();
        play.open();
        play
    }

    fn generation(endpoint: &str, streamed: bool) -> Play {
        let settings = Settings { endpoint_url: endpoint.to_owned(), ..once() };
        Play::of(Task::Generation, streamed, settings, json!({ "inputs": PROMPT }).to_string(), Some(""))
    }

    fn step(&mut self) -> Step {
        let step = self.call.step(0, &mut self.shared, now(self.time));
        self.after();
        step
    }

    fn send(&mut self) -> HttpRequest {
        match self.step() {
            Step::Send(request) => *request,
            other => panic!("not sent but {other:?}"),
        }
    }

    fn on_head(&mut self, head: Head) -> Reading {
        let reading = self.call.on_head(0, head, &mut self.shared, now(self.time));
        self.after();
        reading
    }

    fn on_body(&mut self, body: &[u8]) {
        self.call.on_body(0, body, &mut self.shared, now(self.time));
        self.after();
    }

    fn on_no_answer(&mut self) {
        self.call.on_no_answer(0, &mut self.shared, now(self.time));
        self.after();
    }

    fn refuse(&mut self, status: u16, body: &str) {
        assert!(matches!(self.on_head(head(status)), Reading::Whole(_)));
        self.on_body(body.as_bytes());
    }

    fn open(&mut self) {
        self.send();
        assert_eq!(self.on_head(head(200)), Reading::Stream);
        assert!(matches!(self.step(), Step::Read));
    }

    fn feed(&mut self, bytes: &[u8]) -> Progress {
        self.tell_busy();
        self.read(|call, shared, now| call.feed(0, bytes, shared, now))
    }

    fn end(&mut self) -> Progress {
        self.read(|call, shared, now| call.end(0, shared, now))
    }

    fn break_off(&mut self) -> Progress {
        self.read(|call, shared, now| call.break_off(0, shared, now))
    }

    fn read(&mut self, work: impl FnOnce(&mut Call, &mut Shared, Now) -> Progress) -> Progress {
        let progress = work(&mut self.call, &mut self.shared, now(self.time));
        self.after();
        // Until the consumer reads, the driver asks for the next step and looks at nothing else.
        if progress == Progress::Again { Progress::More } else { progress }
    }

    fn abort(&mut self) {
        self.call.abort(&mut self.shared, now(self.time));
        self.after();
    }

    fn on_token_failure(&mut self) {
        self.call.on_token_failure(0, &mut self.shared, now(self.time));
        self.after();
    }

    fn after(&mut self) {
        if self.next.is_some() && self.call.takes_look() {
            self.look();
        }
        if self.call.is_settled() {
            self.settled_at.get_or_insert(self.time);
        }
    }

    fn tell_busy(&mut self) {
        self.call.set_busy(self.busy + self.busy_since.map_or(0.0, |since| self.time - since));
    }

    /// The consumer waits for the service again.
    fn read_again(&mut self) {
        self.busy += self.busy_since.take().map_or(0.0, |since| self.time - since);
    }

    fn look(&mut self) {
        self.tell_busy();
        let next = self.call.look(&mut self.shared, now(self.time));
        self.next = Some(next.unwrap_or(f64::INFINITY));
        if self.call.is_settled() {
            self.settled_at.get_or_insert(self.time);
        }
    }

    /// Lets time pass; the timer looks whenever it is due.
    fn wait_until(&mut self, time: f64) {
        for looks in 0.. {
            assert!(looks < 10_000, "the timer spins");
            match self.next {
                Some(next) if next <= time => {
                    self.time = next;
                    self.look();
                }
                _ => break,
            }
        }
        self.time = time;
    }

    /// Time passes while nothing runs: a frozen tab, a sleeping machine. The timer is late.
    fn freeze_until(&mut self, time: f64) {
        self.time = time;
        if self.next.is_some_and(|next| next <= time) {
            self.look();
        }
    }

    fn error(&self) -> Value {
        value(&self.call.error())
    }

    fn result(&self) -> Value {
        value(&self.call.result())
    }

    /// Nothing that comes late changes the one terminal state; then says how it ended.
    fn last_word(&mut self) -> String {
        assert!(self.call.is_settled());
        assert!(matches!(self.step(), Step::Over));
        let words = |call: &Call| (call.error(), call.result(), call.is_aborted());
        let before = words(&self.call);
        let progress = self.feed(DELTA);
        assert_ne!(progress, Progress::More);
        self.time += 1e9;
        self.call.on_token(0, Secret::new("hf_late"));
        self.on_token_failure();
        assert_eq!(self.on_head(head(200)), Reading::Discard);
        self.on_body(b"{\"error\":\"late\"}");
        self.on_no_answer();
        self.call.on_consulted(0, Some(true), &mut self.shared, now(self.time));
        assert_eq!(self.end(), progress);
        assert_eq!(self.break_off(), progress);
        assert_eq!(self.call.look(&mut self.shared, now(self.time)), None);
        self.abort();
        assert!(matches!(self.step(), Step::Over));
        assert_eq!(self.feed(FAILURE), progress);
        assert_eq!(words(&self.call), before);

        let error = self.error();
        let attempts = error["trace"]["attempts"].as_array().expect("attempts").clone();
        assert!(attempts.iter().all(|attempt| attempt["outcome"] != "open"), "{attempts:?}");
        let everything = format!("{}{}", self.error(), String::from_utf8_lossy(&self.call.result()));
        for secret in [TOKEN, "topSecret", PROMPT] {
            assert!(!everything.contains(secret), "{everything}");
        }
        match (self.call.is_aborted(), progress, error["kind"].as_str()) {
            (true, Progress::Failed, None) => "aborted".to_owned(),
            (false, Progress::Complete, None) => "complete".to_owned(),
            (false, Progress::Failed, Some(kind)) => {
                format!("{kind} {}", error["reason"].as_str().expect("a reason"))
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_stream_is_complete_by_its_done() {
    let mut play = Play::reading();
    play.time = 5.0;
    assert_eq!(play.feed(DELTA), Progress::More);
    play.time = 9.0;
    assert_eq!(play.feed(FINISH), Progress::More);
    assert_eq!(play.feed(USAGE), Progress::More);
    assert_eq!(play.feed(DONE), Progress::Complete);
    assert_eq!(play.last_word(), "complete");
    let result = play.result();
    let choice = json!({ "index": 0, "text": "a", "reasoning": "", "toolCalls": [], "finishReason": "stop", "rawFinishReason": "stop" });
    assert_eq!(result["choices"], json!([choice]));
    assert_eq!(result["usage"], json!({ "total_tokens": 3 }));
    assert_eq!((&result["provider"], &result["model"]), (&json!("auto"), &json!("a/b")));
    let attempt = json!({
        "provider": "auto", "model": "a/b", "url": "https://router.huggingface.co/v1/chat/completions",
        "status": 200, "queued": 0, "sent": 0, "headers": 0, "firstToken": 5, "lastToken": 9, "ended": 9,
        "outcome": "complete",
    });
    assert_eq!(
        result["trace"],
        json!({ "startedAt": 1_800_000_000_000u64, "state": "complete", "attempts": [attempt] })
    );
}

#[test]
fn a_stream_is_complete_by_its_finish_reason_at_the_end_of_the_body() {
    let mut play = Play::reading();
    play.feed(DELTA);
    play.feed(FINISH);
    assert_eq!(play.end(), Progress::Complete);
    assert_eq!(play.last_word(), "complete");
}

#[test]
fn a_bare_end_of_the_body_is_a_truncation_with_what_had_come() {
    let mut play = Play::reading();
    play.feed(REASONING);
    play.feed(DELTA);
    assert_eq!(play.end(), Progress::Failed);
    assert_eq!(play.last_word(), "Truncated no_end");
    assert_eq!(play.error()["partial"], json!({ "text": "a", "reasoning": "r", "toolCalls": [] }));
    assert_eq!(play.error()["retryable"], true);
}

#[test]
fn every_fixture_ends_in_its_one_terminal_state() {
    let fixtures = fixtures::all().into_iter();
    let plain = |fixture: &Fixture| !fixture.is_refusal() && fixture.is_plain() && fixture.is_streamed();
    let mut failures = BTreeMap::new();
    for fixture in fixtures.filter(plain) {
        let mut play = match fixture.task() {
            Task::Chat => Play::new(),
            Task::Generation => Play::generation("https://e.endpoints.huggingface.cloud", true),
        };
        play.open();
        let mut random = Random::new(11);
        for piece in random.cut(&fixture.body) {
            play.feed(piece);
        }
        play.end();
        let word = play.last_word();
        let expected = fixture.failure().unwrap_or("complete");
        if word.split(' ').next() != Some(expected) {
            failures.insert(fixture.name.clone(), format!("{word}, expected {expected}"));
        } else if fixture.failure().is_some() && play.error()["partial"] != fixture.expected["partial"] {
            failures.insert(fixture.name.clone(), format!("partial {}", play.error()["partial"]));
        }
    }
    fixtures::report(&failures);
}

#[test]
fn a_refusal_has_the_services_words_and_the_kind_of_its_status() {
    let cases = [
        (400, "Input", false),
        (401, "Authentication", false),
        (402, "PaymentRequired", false),
        (403, "Permission", false),
        (404, "NotFound", false),
        (408, "Server", true),
        (409, "Server", true),
        (410, "NotFound", false),
        (413, "Input", false),
        (422, "Input", false),
        (425, "Server", true),
        (429, "RateLimit", true),
        (500, "Server", true),
        (501, "Server", false),
        (502, "Server", true),
        (503, "Server", true),
        (504, "Server", true),
        (520, "Server", true),
        (529, "Server", true),
        (302, "InvalidResponse", false),
        (304, "InvalidResponse", false),
    ];
    for (status, kind, retryable) in cases {
        let mut play = Play::new();
        play.send();
        play.refuse(status, r#"{"error":{"message":"the words","code":"c"}}"#);
        assert_eq!(play.last_word(), format!("{kind} refused"));
        let error = play.error();
        assert_eq!(
            (&error["message"], &error["serviceCode"], &error["status"], &error["retryable"]),
            (&json!("the words"), &json!("c"), &json!(status), &json!(retryable)),
            "{status}"
        );
        assert_eq!(error["url"], "https://router.huggingface.co/v1/chat/completions");
        assert_eq!(error["trace"]["attempts"][0]["status"], status);
        assert_eq!(is_retryable_status(status), retryable);
    }
}

#[test]
fn a_refusal_says_when_to_come_back() {
    let retry_at = |status, retry_after: &str, body: &str| {
        let mut play = Play::new();
        play.send();
        play.time = 1_000.0;
        let head = Head { retry_after: retry_after.to_owned(), ..head(status) };
        assert!(matches!(play.on_head(head), Reading::Whole(_)));
        play.on_body(body.as_bytes());
        play.error()["retryAt"].as_u64()
    };
    assert_eq!(retry_at(429, "2", ""), Some(1_800_000_003_000));
    assert_eq!(retry_at(503, "", r#"{"error":"loading","estimated_time":20}"#), Some(1_800_000_021_000));
    assert_eq!(retry_at(503, "2", r#"{"error":"loading","estimated_time":20}"#), Some(1_800_000_003_000));
    assert_eq!(retry_at(429, "", ""), None);
    assert_eq!(retry_at(401, "2", ""), None, "no use coming back");
}

#[test]
fn no_answer_is_a_network_error() {
    let mut play = Play::new();
    play.send();
    play.on_no_answer();
    assert_eq!(play.last_word(), "Network no_answer");
    assert_eq!(play.error()["retryable"], true);
    assert_eq!(play.error()["provider"], "auto");
}

#[test]
fn a_lost_connection_is_told_by_what_had_been_shown() {
    for (before, expected) in [
        (&[][..], "Network connection_lost"),
        (&[COMMENT, ROLE], "Network connection_lost"),
        (&[DELTA], "StreamInterrupted connection_lost"),
        (&[REASONING], "StreamInterrupted connection_lost"),
        (&[DELTA, FINISH], "complete"),
        (&[DELTA, FINISH, USAGE], "complete"),
    ] {
        let mut play = Play::reading();
        for piece in before {
            assert_eq!(play.feed(piece), Progress::More);
        }
        play.break_off();
        assert_eq!(play.last_word(), expected);
    }
}

#[test]
fn an_error_in_the_stream_is_told_by_what_had_been_shown() {
    let mut play = Play::reading();
    assert_eq!(play.feed(FAILURE), Progress::Failed);
    assert_eq!(play.last_word(), "Server error_in_stream");
    assert_eq!((&play.error()["message"], &play.error()["status"]), (&json!("out of memory"), &json!(503)));
    assert!(play.error()["partial"].is_null());

    let mut play = Play::reading();
    play.feed(DELTA);
    assert_eq!(play.feed(FAILURE), Progress::Failed);
    assert_eq!(play.last_word(), "StreamInterrupted error_in_stream");
    assert_eq!(play.error()["partial"]["text"], "a");
}

#[test]
fn what_is_not_an_answer_is_an_invalid_response() {
    for (body, expected) in [
        ("", "InvalidResponse empty"),
        ("<html><body>Sign in to the Wi-Fi</body></html>", "InvalidResponse markup"),
        ("{}", "InvalidResponse no_choices"),
        ("{\"choices\":[", "InvalidResponse not_json"),
        ("data: {oops}\n\n", "InvalidResponse not_json"),
        ("data: <html>\n\n", "InvalidResponse markup"),
        ("upstream connect error", "InvalidResponse unknown_shape"),
        ("{\"error\":\"busy\"}", "Server error_in_stream"),
    ] {
        let mut play = Play::reading();
        if play.feed(body.as_bytes()) == Progress::More {
            play.end();
        }
        assert_eq!(play.last_word(), expected, "{body:?}");
        assert!(!play.error().to_string().contains("Wi-Fi"));
    }
}

#[test]
fn a_page_with_status_200_is_not_read() {
    let mut play = Play::new();
    play.send();
    let head = Head { status: 200, content_type: "text/html; charset=utf-8".to_owned(), ..Head::default() };
    assert_eq!(play.on_head(head), Reading::Discard);
    assert_eq!(play.last_word(), "InvalidResponse markup");
    assert_eq!(play.error()["status"], 200);
}

#[test]
fn a_whole_answer_is_given_as_the_service_wrote_it() {
    let body =
        r#"{ "choices":[{"message":{"content":"a"},"finish_reason":"stop"}], "seed":9313781139405380000 }"#;
    let mut play = Play::of(Task::Chat, false, once(), request(), Some(TOKEN));
    let sent = play.send();
    assert!(!String::from_utf8_lossy(&sent.body.expect("a body")).contains("\"stream\""));
    assert_eq!(play.on_head(Head { status: 200, ..Head::default() }), Reading::Stream);
    for piece in body.as_bytes().chunks(7) {
        assert_eq!(play.feed(piece), Progress::More);
    }
    assert_eq!(play.end(), Progress::Complete);
    assert_eq!(String::from_utf8_lossy(&play.call.result()), body);
    assert_eq!(play.last_word(), "complete");
}

#[test]
fn the_result_is_utf8_whatever_the_service_sends() {
    let body = b"{\"choices\":[{\"message\":{\"content\":\"a\xff\"},\"finish_reason\":\"stop\"}],\"usage\":{\"x\":\"\xc3\"}}";
    for streamed in [true, false] {
        let mut play = Play::of(Task::Chat, streamed, once(), request(), Some(TOKEN));
        play.open();
        play.feed(body);
        assert_eq!(play.end(), Progress::Complete);
        let result = play.call.result();
        assert!(std::str::from_utf8(&result).is_ok(), "streamed: {streamed}");
        assert!(String::from_utf8_lossy(&result).contains("a\u{fffd}"));
    }
}

#[test]
fn a_malformed_request_is_refused_at_once() {
    let refused = |task, body: &str| -> Box<Error> {
        let (body, shared) = (body.as_bytes().to_vec(), &mut Shared::default());
        Call::new(task, true, once(), body, None, false, shared, now(0.0)).expect_err("a refusal")
    };
    for (task, body, option) in [
        (Task::Chat, "", "request"),
        (Task::Chat, "[]", "request"),
        (Task::Chat, "{", "request"),
        (Task::Chat, "{}", "messages"),
        (Task::Chat, r#"{"messages":"hi"}"#, "messages"),
        (Task::Chat, r#"{"messages":null}"#, "messages"),
        (Task::Generation, "{}", "inputs"),
        (Task::Generation, r#"{"inputs":["a"]}"#, "inputs"),
    ] {
        let error = refused(task, body);
        assert_eq!(
            (error.kind, error.reason, error.option.as_str()),
            (Kind::Input, "option", option),
            "{body}"
        );
    }
}

#[test]
fn a_plan_that_fails_sends_nothing() {
    let mut play = Play::with(|settings| settings.provider = "no-such".to_owned());
    assert!(matches!(play.step(), Step::Over));
    assert_eq!(play.last_word(), "Input option");
    assert_eq!(
        (&play.error()["option"], &play.error()["trace"]["attempts"]),
        (&json!("provider"), &json!([]))
    );
}

#[test]
fn the_token_function_is_asked_first() {
    let ask = || {
        let mut play = Play::of(Task::Chat, true, once(), request(), None);
        assert!(matches!(play.step(), Step::Token(0)));
        play
    };
    let mut play = ask();
    play.call.on_token(0, Secret::new(TOKEN));
    assert_eq!(play.send().credential.expect("a token").expose(), TOKEN);

    let mut play = ask();
    play.call.on_token(0, None);
    assert!(matches!(play.step(), Step::Over));
    assert_eq!(play.last_word(), "Authentication no_token");
    assert!(play.error()["status"].is_null());

    let mut play = ask();
    play.on_token_failure();
    assert_eq!(play.last_word(), "Authentication token_function");

    let mut play = ask();
    play.look();
    play.wait_until(1e9);
    assert_eq!(play.last_word(), "Timeout queue", "a function that never answers");
}

const MAPPING: &str = r#"{"inferenceProviderMapping":{"groq":{"status":"live","providerId":"theirs","task":"conversational"}}}"#;

fn through_groq(token: &str, shared: Shared, time: f64) -> Play {
    let settings = Settings { provider: "groq".to_owned(), ..once() };
    Play::at(time, shared, Task::Chat, true, settings, request(), Some(token))
}

#[test]
fn a_mapping_is_looked_up_once_for_each_token() {
    let mut play = through_groq(TOKEN, Shared::default(), 0.0);
    let lookup = play.send();
    assert_eq!(lookup.url, "https://huggingface.co/api/models/a/b?expand[]=inferenceProviderMapping");
    assert_eq!((lookup.method, lookup.credential.expect("a token").expose()), ("GET", TOKEN));
    assert!(matches!(play.on_head(head(200)), Reading::Whole(_)));
    play.on_body(MAPPING.as_bytes());
    let request = play.send();
    assert_eq!(request.url, "https://router.huggingface.co/groq/openai/v1/chat/completions");
    assert!(request.body.expect("a body").starts_with(br#"{"model":"theirs","#));

    let mut second = through_groq(TOKEN, play.shared, 1_000.0);
    assert!(second.send().url.ends_with("/groq/openai/v1/chat/completions"), "no second lookup");
    let mut other = through_groq("hf_other", second.shared, 2_000.0);
    assert!(other.send().url.contains("/api/models/"), "what another token may see is its own");
    let mut later = through_groq(TOKEN, other.shared, 1e6);
    assert!(later.send().url.contains("/api/models/"), "offers change");
}

#[test]
fn a_lookup_that_fails_says_so() {
    for (status, body, expected) in [
        (404, r#"{"error":"Repository not found"}"#, "Input model_not_served"),
        (200, "{}", "Input model_not_served"),
        (200, r#"{"inferenceProviderMapping":{}}"#, "Input model_not_served"),
        (401, r#"{"error":"Invalid credentials"}"#, "Authentication mapping"),
        (403, "", "Permission mapping"),
        (429, "", "RateLimit mapping"),
        (503, "<html></html>", "Server mapping"),
    ] {
        let mut play = through_groq(TOKEN, Shared::default(), 0.0);
        play.send();
        play.refuse(status, body);
        assert!(matches!(play.step(), Step::Over), "{status}");
        assert_eq!(play.last_word(), expected);
        assert_eq!((&play.error()["provider"], &play.error()["model"]), (&json!("groq"), &json!("a/b")));
    }
    let mut play = through_groq(TOKEN, Shared::default(), 0.0);
    play.send();
    play.on_no_answer();
    assert_eq!(play.last_word(), "Network mapping");
}

#[test]
fn a_failed_lookup_is_not_remembered() {
    let mut play = through_groq(TOKEN, Shared::default(), 0.0);
    play.send();
    play.refuse(503, "");
    let mut second = through_groq(TOKEN, play.shared, 0.0);
    assert!(second.send().url.contains("/api/models/"));
}

#[test]
fn an_unknown_route_leads_to_the_next_which_is_remembered_once_it_answers() {
    for status in [404, 405] {
        let mut play = Play::generation("https://h?key=1", false);
        assert_eq!(play.send().url, "https://h/v1/completions?key=1");
        play.refuse(status, "Not Found");
        assert_eq!(play.send().url, "https://h/?key=1");
        assert_eq!(play.on_head(Head { status: 200, ..Head::default() }), Reading::Stream);
        play.feed(br#"[{"generated_text":"a"}]"#);
        assert_eq!(play.end(), Progress::Complete);
        assert_eq!(play.result(), json!({ "generated_text": "a" }));
        let trace = play.error()["trace"].clone();
        let outcomes: Vec<_> =
            trace["attempts"].as_array().expect("attempts").iter().map(|a| &a["outcome"]).collect();
        assert_eq!(outcomes, ["unknown_route", "complete"]);

        let mut second = Play::generation("https://h?key=1", true);
        second.shared = play.shared;
        assert_eq!(second.send().url, "https://h/?key=1", "the first is not tried again");
        let mut elsewhere = Play::generation("https://other", true);
        elsewhere.shared = second.shared;
        assert_eq!(elsewhere.send().url, "https://other/v1/completions");
    }
}

#[test]
fn an_unknown_model_does_not_make_a_route_unknown() {
    let mut play = Play::generation("https://h", true);
    play.send();
    play.refuse(404, r#"{"error":{"message":"The model `x` does not exist.","code":404}}"#);
    play.send();
    play.refuse(404, r#"{"detail":"Not Found"}"#);
    assert_eq!(play.last_word(), "NotFound refused");
    assert_eq!(play.error()["message"], "The model `x` does not exist.", "the telling words");
    let mut second = Play::generation("https://h", true);
    second.shared = play.shared;
    assert_eq!(second.send().url, "https://h/v1/completions", "the next call begins at the beginning");
}

#[test]
fn another_refusal_of_the_next_route_is_the_last_word() {
    let mut play = Play::generation("https://h", true);
    play.send();
    play.refuse(404, "Not Found");
    play.send();
    play.refuse(503, r#"{"error":"Model is overloaded"}"#);
    assert_eq!(play.last_word(), "Server refused");
    assert_eq!(play.error()["message"], "Model is overloaded");
}

#[test]
fn an_unknown_chat_route_has_no_next() {
    let mut play = Play::with(|settings| settings.endpoint_url = "https://h?key=topSecret".to_owned());
    play.send();
    play.refuse(404, "Not Found");
    assert_eq!(play.last_word(), "NotFound refused");
    assert_eq!(play.error()["url"], "https://h/v1/chat/completions", "without the query");
}

#[test]
fn an_abort_ends_the_call_in_every_state() {
    let states: [fn() -> Play; 7] = [
        Play::new,
        || {
            let mut play = Play::of(Task::Chat, true, once(), request(), None);
            play.step();
            play
        },
        || {
            let mut play = through_groq(TOKEN, Shared::default(), 0.0);
            play.send();
            play
        },
        || {
            let mut play = Play::new();
            play.send();
            play
        },
        || {
            let mut play = Play::new();
            play.send();
            play.on_head(head(503));
            play
        },
        Play::reading,
        || {
            let mut play = Play::reading();
            play.feed(DELTA);
            play
        },
    ];
    for (position, state) in states.into_iter().enumerate() {
        let mut play = state();
        play.time = 7.0;
        play.abort();
        assert_eq!(play.last_word(), "aborted", "state {position}");
        let error = play.error();
        assert!(error["kind"].is_null(), "the caller's own reason is the error");
        assert_eq!(error["partial"].is_object(), position == 6);
        if let Some(attempt) = error["trace"]["attempts"].get(0) {
            assert_eq!((&attempt["outcome"], &attempt["ended"]), (&json!("aborted"), &json!(7)));
        }
    }
}

#[test]
fn an_abort_after_the_end_changes_nothing() {
    let mut play = Play::reading();
    play.feed(DONE);
    play.abort();
    assert!(!play.call.is_aborted());
    assert_eq!(play.last_word(), "complete");
}

#[test]
fn the_first_token_has_its_deadline_whatever_else_comes() {
    for noise in [&[][..], COMMENT, ROLE, b"data: {}\n\n"] {
        let mut play = Play::limited(1_000.0, 200.0, 9_000.0);
        for time in 1..20 {
            play.wait_until(f64::from(time) * 100.0);
            if !play.call.is_settled() {
                play.feed(noise);
            }
        }
        assert_eq!(play.settled_at, Some(1_000.0), "{:?}", String::from_utf8_lossy(noise));
        assert_eq!(play.last_word(), "Timeout first_token");
    }
}

#[test]
fn the_head_of_the_answer_is_awaited_no_longer_than_the_first_token() {
    let mut play = Play::with(|settings| settings.timeouts.first_token = 1_000.0);
    play.look();
    play.send();
    play.wait_until(5_000.0);
    assert_eq!((play.settled_at, play.last_word().as_str()), (Some(1_000.0), "Timeout first_token"));
}

#[test]
fn the_first_token_is_awaited_from_the_sending() {
    let mut play = through_groq(TOKEN, Shared::default(), 0.0);
    play.look();
    play.send();
    play.wait_until(50_000.0);
    assert!(matches!(play.on_head(head(200)), Reading::Whole(_)));
    play.on_body(MAPPING.as_bytes());
    play.send();
    play.wait_until(109_999.0);
    assert!(!play.call.is_settled());
    play.wait_until(200_000.0);
    assert_eq!((play.settled_at, play.last_word().as_str()), (Some(110_000.0), "Timeout first_token"));
}

#[test]
fn comments_do_not_feed_the_stall_deadline_but_answers_do() {
    let mut play = Play::limited(1_000.0, 300.0, 90_000.0);
    for time in 1..10 {
        play.wait_until(f64::from(time) * 250.0);
        assert_eq!(play.feed(if time % 2 == 0 { DELTA } else { REASONING }), Progress::More, "{time}");
    }
    for time in 0..10 {
        play.wait_until(2_300.0 + f64::from(time) * 50.0);
        if !play.call.is_settled() {
            play.feed(COMMENT);
        }
    }
    assert_eq!((play.settled_at, play.last_word().as_str()), (Some(2_550.0), "Timeout stall"));
    assert_eq!(play.error()["partial"]["text"], "aaaa");
    assert_eq!(play.error()["retryable"], true);
}

#[test]
fn half_an_event_is_no_progress() {
    let mut play = Play::limited(1_000.0, 300.0, 90_000.0);
    play.feed(DELTA);
    play.feed(&DELTA[..20]);
    for time in 1..10 {
        play.wait_until(f64::from(time) * 100.0);
        if !play.call.is_settled() {
            play.feed(b" ");
        }
    }
    assert_eq!((play.settled_at, play.last_word().as_str()), (Some(300.0), "Timeout stall"));
}

#[test]
fn the_total_counts_whatever_comes() {
    let mut play = Play::limited(1_000.0, 300.0, 2_000.0);
    for time in 1..30 {
        play.wait_until(f64::from(time) * 100.0);
        if !play.call.is_settled() {
            play.feed(DELTA);
        }
    }
    assert_eq!((play.settled_at, play.last_word().as_str()), (Some(2_000.0), "Timeout total"));
}

#[test]
fn a_busy_consumer_is_no_stall_but_the_total_runs() {
    let mut play = Play::limited(1_000.0, 300.0, 10_000.0);
    play.feed(DELTA);
    play.busy_since = Some(play.time);
    play.wait_until(5_000.0);
    assert!(!play.call.is_settled());
    play.read_again();
    assert_eq!(play.feed(DELTA), Progress::More);
    play.busy_since = Some(play.time);
    play.wait_until(20_000.0);
    assert_eq!((play.settled_at, play.last_word().as_str()), (Some(10_000.0), "Timeout total"));
}

#[test]
fn a_consumer_that_has_just_come_back_has_not_waited() {
    let mut play = Play::limited(1_000.0, 300.0, 10_000.0);
    play.busy_since = Some(play.time);
    play.feed(DELTA);
    play.wait_until(290.0);
    // It was busy at the last look, and reads since a moment ago: the service has kept nobody waiting.
    play.read_again();
    play.wait_until(350.0);
    assert!(!play.call.is_settled(), "{}", play.last_word());
    assert_eq!(play.feed(DELTA), Progress::More);
}

#[test]
fn a_consumer_is_kept_waiting_only_since_it_reads_again() {
    let mut play = Play::limited(1_000.0, 300.0, 10_000.0);
    play.wait_until(20.0);
    play.feed(DELTA);
    // Busy from then on, and back between two looks: only the time since then counts.
    play.busy_since = Some(play.time);
    play.wait_until(315.0);
    play.read_again();
    play.wait_until(600.0);
    assert!(!play.call.is_settled(), "{}", play.last_word());
    play.wait_until(700.0);
    assert_eq!((play.settled_at, play.last_word().as_str()), (Some(615.0), "Timeout stall"));
}

#[test]
fn comments_that_a_consumer_reads_at_once_are_no_pieces() {
    let mut play = Play::limited(1_000.0, 300.0, 10_000.0);
    play.feed(DELTA);
    for time in [100.0, 200.0, 290.0] {
        play.wait_until(time);
        play.busy_since = Some(play.time);
        play.read_again();
        assert_eq!(play.feed(b": keep-alive\n\n"), Progress::More);
    }
    play.wait_until(1_000.0);
    assert_eq!((play.settled_at, play.last_word().as_str()), (Some(300.0), "Timeout stall"));
}

#[test]
fn time_that_nobody_lived_through_does_not_count() {
    let mut play = Play::limited(10_000.0, 10_000.0, 20_000.0);
    play.feed(DELTA);
    play.wait_until(5_000.0);
    play.freeze_until(3_600_000.0);
    assert!(!play.call.is_settled(), "an hour of a frozen tab");
    play.wait_until(3_605_000.0);
    assert_eq!(play.feed(DELTA), Progress::More);
    play.wait_until(3_700_000.0);
    // Both limits go on from the last sign of life before the tab froze.
    assert_eq!((play.settled_at, play.last_word().as_str()), (Some(3_615_000.0), "Timeout stall"));
}

#[test]
fn the_time_before_the_freeze_counts_to_its_last_sign_of_life() {
    let mut play = Play::limited(100_000.0, 100_000.0, 20_000.0);
    play.feed(DELTA);
    play.wait_until(15_000.0);
    play.feed(DELTA);
    play.freeze_until(1_000_000.0);
    play.wait_until(2_000_000.0);
    assert_eq!(play.last_word(), "Timeout total");
    assert_eq!(play.settled_at, Some(1_005_000.0), "fifteen seconds before, five after");
}

#[test]
fn nor_does_it_when_a_piece_comes_before_the_timer() {
    let mut play = Play::limited(100_000.0, 100_000.0, 20_000.0);
    play.feed(DELTA);
    play.wait_until(15_000.0);
    play.feed(DELTA);
    play.time = 1_000_000.0;
    assert_eq!(play.feed(DELTA), Progress::More, "it had come while nobody was awake");
    play.freeze_until(1_000_000.0);
    play.wait_until(2_000_000.0);
    assert_eq!((play.settled_at, play.last_word().as_str()), (Some(1_005_000.0), "Timeout total"));
}

#[test]
fn a_trailer_that_never_comes_does_not_hold_up_a_finished_answer() {
    let mut play = Play::limited(60_000.0, 120_000.0, 600_000.0);
    play.wait_until(100.0);
    play.feed(DELTA);
    play.wait_until(200.0);
    assert_eq!(play.feed(FINISH), Progress::More, "the usage may follow");
    play.wait_until(1e6);
    assert_eq!((play.settled_at, play.last_word().as_str()), (Some(5_200.0), "complete"));
    assert_eq!(play.result()["choices"][0]["text"], "a");
}

#[test]
fn a_trailer_that_comes_in_time_is_taken() {
    let mut play = Play::limited(60_000.0, 120_000.0, 600_000.0);
    // The first sign of life is the finish of an empty answer, late.
    play.wait_until(50_000.0);
    play.feed(FINISH);
    play.wait_until(54_000.0);
    assert_eq!(play.feed(USAGE), Progress::More);
    play.wait_until(54_500.0);
    assert_eq!(play.feed(DONE), Progress::Complete);
    assert_eq!(play.result()["usage"]["total_tokens"], 3);
}

#[test]
fn the_total_does_not_undo_a_finished_answer() {
    let mut play = Play::limited(1_000.0, 1_000.0, 1_000.0);
    play.wait_until(900.0);
    play.feed(DELTA);
    play.feed(FINISH);
    play.wait_until(5_000.0);
    assert_eq!((play.settled_at, play.last_word().as_str()), (Some(1_000.0), "complete"));
}

#[test]
fn limits_that_are_switched_off_never_end_a_call() {
    let mut play = Play::limited(f64::INFINITY, f64::INFINITY, f64::INFINITY);
    play.wait_until(1e12);
    play.feed(DELTA);
    play.wait_until(2e12);
    assert_eq!(play.feed(DONE), Progress::Complete);
}

#[test]
fn the_start_event_names_who_answers() {
    for early in [true, false] {
        let mut play = Play::new();
        if early {
            play.call.want(Want::Events);
        }
        play.send();
        let head = Head { provider: "groq".to_owned(), request_id: "r-1".to_owned(), ..head(200) };
        assert_eq!(play.on_head(head), Reading::Stream);
        assert!(play.call.batch().is_empty(), "another may still answer in its place");
        play.feed(DELTA);
        if !early {
            play.call.want(Want::Events);
        }
        let batch = play.call.batch();
        assert_eq!(batch.marks()[0], Mark::Start as u32);
        assert_eq!(batch.marks()[2], Mark::Text as u32);
        let start = batch.text().strip_suffix(b"a").expect("the first word behind it");
        assert_eq!(value(start), json!({ "provider": "groq", "model": "a/b", "requestId": "r-1" }));
        play.call.clear_batch();
        assert!(play.call.batch().is_empty());
        play.call.want(Want::Events);
        assert!(play.call.batch().is_empty(), "once");
        play.feed(DONE);
        assert_eq!(play.result()["provider"], "groq");
        assert_eq!(play.result()["requestId"], "r-1");
    }
}

#[test]
fn two_choices_are_awaited_where_two_were_asked_for() {
    let request = json!({ "model": "a/b", "messages": [], "n": 2 }).to_string();
    let mut play = Play::of(Task::Chat, true, once(), request, Some(TOKEN));
    play.look();
    play.open();
    play.feed(
        b"data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"},\"finish_reason\":\"stop\"}]}\n\n",
    );
    play.wait_until(20_000.0);
    assert!(!play.call.is_settled(), "the first choice has not begun");
    play.feed(
        b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n",
    );
    play.feed(DONE);
    let texts: Vec<_> =
        play.result()["choices"].as_array().expect("choices").iter().map(|c| c["text"].clone()).collect();
    assert_eq!(texts, ["b", "a"]);
}

#[test]
fn a_break_before_every_choice_has_ended_is_no_completion() {
    let request = json!({ "model": "a/b", "messages": [], "n": 2 }).to_string();
    let mut play = Play::of(Task::Chat, true, once(), request, Some(TOKEN));
    play.open();
    play.feed(
        b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n",
    );
    play.break_off();
    assert_eq!(play.last_word(), "StreamInterrupted connection_lost");
}

#[test]
fn a_break_right_after_the_last_event_loses_nothing_of_it() {
    let whole = DELTA.strip_suffix(b"\n\n").expect("a blank line");
    let mut play = Play::reading();
    play.feed(DELTA);
    play.feed(whole);
    play.break_off();
    assert_eq!(play.last_word(), "StreamInterrupted connection_lost");
    assert_eq!(play.error()["partial"]["text"], "aa");

    let mut play = Play::reading();
    play.feed(DELTA);
    play.feed(FINISH.strip_suffix(b"\n\n").expect("a blank line"));
    play.break_off();
    assert_eq!(play.last_word(), "complete");
}

#[test]
fn a_whole_answer_has_no_first_token_to_wait_for() {
    let whole = || {
        let settings = Settings { timeouts: limits(1_000.0, 1_000.0, 90_000.0), ..once() };
        let mut play = Play::of(Task::Chat, false, settings, request(), Some(TOKEN));
        play.look();
        play.open();
        play
    };
    let mut play = whole();
    play.wait_until(80_000.0);
    play.feed(br#"{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}"#);
    assert_eq!(play.end(), Progress::Complete);
    let mut play = whole();
    play.wait_until(1e6);
    assert_eq!(play.settled_at, Some(90_000.0), "the total bounds it all the same");
    assert!(play.last_word().starts_with("Timeout"));
}

#[test]
fn nothing_secret_is_told_by_any_ending() {
    let endings: [fn(&mut Play); 6] = [
        |play| {
            let _ = play.feed(FAILURE);
        },
        |play| {
            let _ = play.feed(b"<html>");
        },
        |play| {
            let _ = play.end();
        },
        |play| {
            let _ = play.break_off();
        },
        Play::abort,
        |play| {
            play.wait_until(1e9);
        },
    ];
    for end in endings {
        let mut play = Play::with(|settings| {
            settings.endpoint_url = "https://h/v1?key=topSecret".to_owned();
            settings.headers = vec![
                ("x-key".to_owned(), "topSecret".to_owned()),
                ("authorization".to_owned(), "topSecret".to_owned()),
            ];
        });
        play.look();
        play.open();
        play.feed(DELTA);
        end(&mut play);
        if play.call.is_settled() {
            play.last_word();
        }
    }
}

/// What a driver may do next.
#[derive(Clone, Copy, PartialEq)]
enum Due {
    Step,
    Answer,
    Body,
}

/// One thing that a network, a clock or a caller may do, of those that are possible now.
fn happen(play: &mut Play, due: &mut Due, random: &mut Random) {
    match (random.below(40), *due) {
        (0, _) => play.abort(),
        (1 | 2, _) => play.freeze_until(play.time + 10_000.0),
        (3..=7, _) => play.wait_until(play.time + random.below(250) as f64),
        (8..=10, _) if random.one_in(2) => play.read_again(),
        (8..=10, _) => play.busy_since = play.busy_since.or(Some(play.time)),
        (_, Due::Step) => {
            *due = match play.step() {
                Step::Send(_) => Due::Answer,
                Step::Read => Due::Body,
                _ => return,
            }
        }
        (11, Due::Answer) => play.on_no_answer(),
        (kind, Due::Answer) => {
            let status = if kind < 16 { random.pick(&[401, 404, 429, 500, 503]) } else { 200 };
            if let Reading::Whole(_) = play.on_head(head(status)) {
                play.on_body(if status == 200 { MAPPING.as_bytes() } else { b"{\"error\":\"x\"}" });
            }
            *due = Due::Step;
        }
        (11, Due::Body) => {
            play.end();
        }
        (12, Due::Body) => {
            play.break_off();
        }
        (13, Due::Body) => {
            play.feed(DONE);
        }
        (14 | 15, Due::Body) => {
            let last: &[&[u8]] = &[FAILURE, FINISH, USAGE, b"data: {"];
            play.feed(random.pick(last));
        }
        (20, Due::Body) => {
            let (front, back) = DELTA.split_at(random.below(DELTA.len()));
            play.feed(front);
            play.wait_until(play.time + 50.0);
            play.feed(back);
        }
        (16..=19, Due::Body) => {
            play.feed(COMMENT);
        }
        (_, Due::Body) => {
            let pieces: &[&[u8]] = &[DELTA, REASONING, ROLE];
            play.feed(random.pick(pieces));
        }
    }
}

/// Whatever happens in whatever order: no panic, one terminal state, and the result has the very text
/// that was shown.
#[test]
fn any_course_of_events_ends_in_one_state_with_the_text_that_was_shown() {
    let mut endings = std::collections::BTreeMap::new();
    for seed in 0..10_000 {
        let mut random = Random::new(seed);
        let limits = limits(500.0, 300.0, 900.0);
        let mut play = match random.below(3) {
            0 => Play::with(|settings| settings.timeouts = limits),
            1 => Play::with(|settings| {
                settings.timeouts = limits;
                settings.provider = "groq".to_owned();
            }),
            _ => Play::generation("https://h", true),
        };
        play.look();
        play.call.want(Want::Text);
        let mut shown = String::new();
        let mut due = Due::Step;
        for round in 0..80 {
            if play.call.is_settled() {
                break;
            }
            if round < 79 {
                happen(&mut play, &mut due, &mut random);
            } else {
                // Left alone, a call ends by itself.
                play.wait_until(1e9);
            }
            shown.push_str(std::str::from_utf8(play.call.batch().text()).expect("UTF-8"));
            play.call.clear_batch();
        }
        let word = play.last_word();
        let told = if word == "complete" { play.result() } else { play.error()["partial"].clone() };
        let places = [&told["choices"][0]["text"], &told["text"], &told["output"]["generated_text"]];
        let text = places.into_iter().find_map(Value::as_str).unwrap_or_default();
        assert_eq!(text, shown, "seed {seed}: {word}");
        *endings.entry(word).or_insert(0u32) += 1;
    }
    for ending in [
        "complete",
        "aborted",
        "Truncated no_end",
        "Truncated cut_event",
        "Network no_answer",
        "Network mapping",
        "Network connection_lost",
        "Timeout first_token",
        "Timeout stall",
        "Timeout total",
        "StreamInterrupted connection_lost",
        "StreamInterrupted error_in_stream",
        "Server refused",
        "Server mapping",
        "Server error_in_stream",
        "NotFound refused",
        "RateLimit refused",
        "Authentication refused",
    ] {
        assert!(endings.contains_key(ending), "{ending} was never met: {endings:?}");
    }
}
