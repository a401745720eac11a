//! Services that mean harm, or have gone mad: whatever they send, a call ends in an error that says so, in bounded
//! memory, and the next call of the same client works.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Instant;

use hf_inference_wasm::core::engine::attempt::{Head, Reading as BodyReading};
use hf_inference_wasm::core::engine::plan::Task;
use hf_inference_wasm::core::engine::settings::Settings;
use hf_inference_wasm::core::engine::{Call, Progress, Shared, Step};
use hf_inference_wasm::core::ports::Now;
use hf_inference_wasm::core::resilience::retry::Policy;
use hf_inference_wasm::core::resilience::watchdog::Limits;
use hf_inference_wasm::core::secret::Secret;
use hf_inference_wasm::core::wire::batch::Want;
use hf_inference_wasm::core::wire::json::MAX_DEPTH;
use hf_inference_wasm::core::wire::sse;
use serde_json::{Value, json};

use crate::value;

const MIB: usize = 1024 * 1024;
/// What the network delivers at a time.
const PIECE: usize = 64 * 1024;
const LEVELS: usize = 100_000;
const FINISH: &[u8] = b"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// Counts what the current thread holds. Every test has a thread of its own.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    let _ = HELD.try_with(|held| {
        held.set(held.get() + change);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

// SAFETY: every request is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // While it is copied, both are held.
        count(size as isize);
        // SAFETY: as above.
        let moved = unsafe { System.realloc(pointer, layout, size) };
        count(-(layout.size() as isize));
        moved
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn held() -> isize {
    HELD.with(Cell::get)
}

/// The most that `work` holds at once beyond what was held before, in MiB.
fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = held();
    PEAK.with(|peak| peak.set(before));
    let result = work();
    (result, (PEAK.with(Cell::get) - before) as usize / MIB)
}

fn now(monotonic: f64) -> Now {
    Now { monotonic, unix: 1_800_000_000_000.0 + monotonic }
}

fn limits(first_token: f64, stall: f64, total: f64) -> Limits {
    Limits { first_token, stall, total, ..Limits::default() }
}

/// A call of a client and how it went.
struct Victim {
    call: Call,
    shared: Shared,
    /// Bytes that were accepted.
    taken: usize,
    /// The largest batch that one piece gave.
    largest_batch: usize,
}

impl Victim {
    fn new(task: Task, streamed: bool, timeouts: Limits) -> Victim {
        let settings = Settings {
            endpoint_url: "https://h/v1".to_owned(),
            timeouts,
            retry: Policy { limit: 0, ..Policy::default() },
            ..Settings::default()
        };
        let request = json!({ "model": "a/b", "messages": [], "inputs": "i" }).to_string().into_bytes();
        let (token, mut shared) = (Secret::new("hf_x"), Shared::default());
        let call = Call::new(task, streamed, settings, request, token, false, &mut shared, now(0.0));
        let mut victim = Victim { call: call.expect("a good request"), shared, taken: 0, largest_batch: 0 };
        let step = victim.step();
        assert!(matches!(step, Step::Send(_)), "{step:?}");
        victim
    }

    /// A call whose body is about to be read.
    fn reading(task: Task, streamed: bool, want: Want) -> Victim {
        let mut victim = Victim::new(task, streamed, Limits::default());
        let head = Head { status: 200, ..Head::default() };
        assert_eq!(victim.on_head(head), BodyReading::Stream);
        victim.call.want(want);
        victim
    }

    fn chat(want: Want) -> Victim {
        Victim::reading(Task::Chat, true, want)
    }

    fn step(&mut self) -> Step {
        self.call.step(0, &mut self.shared, now(0.0))
    }

    fn on_head(&mut self, head: Head) -> BodyReading {
        self.call.on_head(0, head, &mut self.shared, now(0.0))
    }

    fn look(&mut self, time: f64) -> Option<f64> {
        self.call.look(&mut self.shared, now(time))
    }

    /// Feeds a piece, whose batch stays to be looked at.
    fn feed_at(&mut self, bytes: &[u8], time: f64) -> Progress {
        match self.call.feed(0, bytes, &mut self.shared, now(time)) {
            // Until the consumer reads, the driver asks for the next step and looks at nothing else.
            Progress::Again => Progress::More,
            progress => progress,
        }
    }

    fn feed(&mut self, bytes: &[u8]) -> Progress {
        let progress = self.feed_at(bytes, 0.0);
        self.taken += bytes.len();
        self.largest_batch = self.largest_batch.max(self.call.batch().text().len());
        self.call.clear_batch();
        progress
    }

    /// Feeds `start` and then `piece` for ever; stops when the call does, and fails when that is not before `limit`
    /// bytes have come.
    fn flood(mut self, start: &[u8], piece: &[u8], limit: usize) -> Victim {
        let mut progress = self.feed(start);
        let piece = piece.repeat(PIECE.div_ceil(piece.len()));
        while progress == Progress::More {
            assert!(self.taken <= limit, "{} bytes were taken", self.taken);
            progress = self.feed(&piece);
        }
        self
    }

    /// Feeds `piece` again and again until the call ends or this many bytes have come.
    fn flood_until(mut self, piece: &[u8], limit: usize) -> Victim {
        while self.taken < limit && self.feed(piece) == Progress::More {}
        self
    }

    /// Feeds a whole body in pieces as the network would, and ends it.
    fn read(mut self, body: &[u8]) -> Victim {
        for piece in body.chunks(PIECE) {
            if self.feed(piece) != Progress::More {
                return self;
            }
        }
        self.call.end(0, &mut self.shared, now(0.0));
        self.call.clear_batch();
        self
    }

    /// How it ended, and that a call after it works.
    fn ending(&mut self) -> String {
        assert!(self.call.is_settled(), "it goes on after {} bytes", self.taken);
        let mut next = Victim { shared: std::mem::take(&mut self.shared), ..Victim::chat(Want::Events) };
        next.feed(b"data: {\"choices\":[{\"delta\":{\"content\":\"fine\"}}]}\n\n");
        assert_eq!(next.feed(FINISH), Progress::Complete);
        assert_eq!(value(&next.call.result())["choices"][0]["text"], "fine");
        let error = value(&self.call.error());
        match (error["kind"].as_str(), error["reason"].as_str()) {
            (Some(kind), Some(reason)) => format!("{kind} {reason}"),
            _ => "complete".to_owned(),
        }
    }

    fn choice(&self) -> Value {
        value(&self.call.result())["choices"][0].clone()
    }
}

const WANTS: [Want; 4] = [Want::Nothing, Want::Text, Want::Events, Want::Chunks];

/// A chunk whose delta has these members.
fn delta(members: &str) -> String {
    format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{{members}}}}}]}}\n\n")
}

fn nested(open: &str, close: &str) -> String {
    [open.repeat(LEVELS), "1".to_owned(), close.repeat(LEVELS)].concat()
}

#[test]
fn an_event_that_never_ends_is_too_large() {
    let cases: &[(&str, &str, &str)] = &[
        ("a line", "data: {\"choices\":[{\"delta\":{\"content\":\"", "aaaaaaaaaaaaaaaa"),
        ("lines", "data: {\"choices\":[\n", "data:                                                   \n"),
        ("a name", "event: ", "aaaaaaaaaaaaaaaa"),
        ("a comment", ": ", "aaaaaaaaaaaaaaaa"),
        ("an unknown field", "", "aaaaaaaaaaaaaaaa"),
        ("NULs", "", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        ("NULs in an event", "data: ", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
    ];
    for (name, start, piece) in cases {
        let (mut victim, peak) =
            peak_of(|| Victim::chat(Want::Events).flood(start.as_bytes(), piece.as_bytes(), 24 * MIB));
        assert_eq!(victim.ending(), "ResponseTooLarge event", "{name}");
        assert!(victim.taken > 15 * MIB, "{name}: refused after {} bytes", victim.taken);
        assert!(peak <= 64, "{name}: {peak} MiB");
    }
}

#[test]
fn data_lines_without_anything_in_them_count_too() {
    let mut parser = sse::Parser::with_limit(10_000);
    let mut refused = None;
    for line in 0..20_000 {
        if parser.feed(b"data:\n", &mut |_| panic!("no event ended")).is_err() {
            refused = Some(line);
            break;
        }
    }
    assert_eq!(refused, Some(10_001));
}

#[test]
fn an_endless_whole_answer_is_too_large() {
    for (task, streamed, start) in [
        (Task::Chat, false, r#"{"choices":[{"message":{"content":""#),
        (Task::Chat, true, r#"{"choices":[{"message":{"content":""#),
        (Task::Generation, false, r#"[{"generated_text":""#),
        (Task::Chat, false, "\0"),
        (Task::Chat, false, "a"),
    ] {
        let victim = || Victim::reading(task, streamed, Want::Text);
        let (mut victim, peak) =
            peak_of(|| victim().flood(start.as_bytes(), b"0123456789abcdef0123456789abcdef", 66 * MIB));
        assert_eq!(victim.ending(), "ResponseTooLarge answer", "{start}");
        assert!(victim.taken > 60 * MIB, "refused after {} bytes", victim.taken);
        // The buffer grows by doubling, and while it does both are held.
        assert!(peak <= 3 * 64, "{peak} MiB");
    }
}

#[test]
fn more_tool_calls_than_anybody_makes_are_refused() {
    let call = |index: usize| {
        format!(r#"{{"index":{index},"id":"c{index}","function":{{"name":"f","arguments":"{{}}"}}}}"#)
    };
    for want in [Want::Nothing, Want::Events] {
        let list: Vec<String> = (0..100_000).map(call).collect();
        let body = delta(&format!(r#""tool_calls":[{}]"#, list.join(",")));
        assert!(body.len() < 16 * MIB);
        let (mut victim, peak) = peak_of(|| Victim::chat(want).read(body.as_bytes()));
        assert_eq!(victim.ending(), "ResponseTooLarge tool calls", "{want:?}");
        assert!(peak <= 100, "{want:?}: {peak} MiB");

        let mut victim = Victim::chat(want);
        let refused = (0..1_000_000).find(|index| {
            victim.feed(delta(&format!(r#""tool_calls":[{}]"#, call(*index))).as_bytes()) != Progress::More
        });
        assert_eq!(refused, Some(1_024));
        assert_eq!(victim.ending(), "ResponseTooLarge tool calls", "{want:?}");
    }
    // In a whole answer, without index and id.
    let calls = vec![r#"{"function":{"name":"f"}}"#; 300_000].join(",");
    let body = format!(r#"{{"choices":[{{"message":{{"tool_calls":[{calls}]}}}}]}}"#);
    assert_eq!(Victim::chat(Want::Events).read(body.as_bytes()).ending(), "ResponseTooLarge tool calls");
}

#[test]
fn arguments_that_never_end_are_refused() {
    let piece = delta(&format!(
        r#""tool_calls":[{{"index":0,"function":{{"arguments":"{}"}}}}]"#,
        "x".repeat(60_000)
    ));
    let start =
        delta(r#""tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{\"a\":\""}}]"#);
    let (mut victim, peak) =
        peak_of(|| Victim::chat(Want::Events).flood(start.as_bytes(), piece.as_bytes(), 18 * MIB));
    assert_eq!(victim.ending(), "ResponseTooLarge tool-call arguments");
    // The arguments are kept once; the buffer grows by doubling.
    assert!(peak <= 64, "{peak} MiB");
    let object = format!(
        r#""tool_calls":[{{"function":{{"name":"f","arguments":{{"a":"{}"}}}}}}]"#,
        "x".repeat(17 * MIB)
    );
    let mut event = Victim::chat(Want::Events).read(delta(&object).as_bytes());
    assert_eq!(event.ending(), "ResponseTooLarge event");
    let document = format!(r#"{{"choices":[{{"message":{{{object}}}}}]}}"#);
    let mut whole = Victim::chat(Want::Events).read(document.as_bytes());
    assert_eq!(whole.ending(), "ResponseTooLarge tool-call arguments");
}

#[test]
fn more_choices_than_anybody_asks_for_are_refused_in_bounded_memory() {
    for element in ["{}", r#"{"delta":{}}"#, r#"{"index":0}"#] {
        let count = 15 * MIB / (element.len() + 1);
        let list = vec![element; count].join(",");
        let event = format!("data: {{\"choices\":[{list}]}}\n\n");
        let (mut victim, peak) = peak_of(|| Victim::chat(Want::Events).read(event.as_bytes()));
        let ending = victim.ending();
        // A million words for the one choice is odd, but no more than one choice.
        let one = element.contains("index");
        assert!(
            ending == "ResponseTooLarge choices" || one && ending.starts_with("Truncated"),
            "{element}: {ending}"
        );
        assert!(peak <= 100, "{element}: {peak} MiB for an event of 15 MiB");
    }
    let mut victim = Victim::chat(Want::Events);
    let refused = (0..1_000_000).find(|index| {
        let chunk =
            format!("data: {{\"choices\":[{{\"index\":{index},\"delta\":{{\"content\":\"a\"}}}}]}}\n\n");
        victim.feed(chunk.as_bytes()) != Progress::More
    });
    assert_eq!(refused, Some(128));
    assert_eq!(victim.ending(), "ResponseTooLarge choices");
}

#[test]
fn a_long_name_is_not_repeated_into_a_flood() {
    // An event of each delta repeats the id and the name of its call.
    for (id, name) in [(MIB, 1), (1, MIB)] {
        let start = delta(&format!(
            r#""tool_calls":[{{"index":0,"id":"{}","function":{{"name":"{}","arguments":""}}}}]"#,
            "i".repeat(id),
            "n".repeat(name)
        ));
        let piece = delta(r#""tool_calls":[{"index":0,"function":{"arguments":"x"}}]"#).repeat(200);
        let mut victim = Victim::chat(Want::Events);
        if victim.feed(start.as_bytes()) == Progress::More {
            victim.feed(piece.as_bytes());
        }
        let largest = victim.largest_batch / MIB;
        assert!(largest <= 8, "a piece of {} KiB gave {largest} MiB", piece.len() / 1024);
    }
}

#[test]
fn nesting_without_end_is_no_json() {
    let arrays = nested("[", "]");
    let objects = nested("{\"a\":", "}");
    for deep in [&arrays, &objects] {
        let chunks = [
            format!("data: {deep}\n\n"),
            format!("data: {{\"choices\":{deep}}}\n\n"),
            format!("data: {{\"choices\":[{deep}]}}\n\n"),
            format!("data: {{\"choices\":[],\"usage\":{deep}}}\n\n"),
            format!("data: {{\"choices\":[],\"unknown\":{deep}}}\n\n"),
            format!("data: {{\"error\":{deep}}}\n\n"),
            delta(&format!(r#""content":{deep}"#)),
            delta(&format!(r#""reasoning_details":{deep}"#)),
            delta(&format!(r#""tool_calls":{deep}"#)),
            delta(&format!(r#""tool_calls":[{{"function":{{"name":"f","arguments":{deep}}}}}]"#)),
            delta(&format!(r#""function_call":{{"name":"f","arguments":{deep}}}"#)),
        ];
        for chunk in &chunks {
            let mut victim = Victim::chat(Want::Chunks).read(chunk.as_bytes());
            let start: String = chunk.chars().take(60).collect();
            assert_eq!(victim.ending(), "InvalidResponse not_json", "{start}");
        }
        for document in [
            format!("{{\"choices\":[{{\"message\":{{\"content\":{deep}}}}}]}}"),
            format!("{{\"choices\":[{{\"message\":{{\"content\":\"a\"}}}}],\"unknown\":{deep}}}"),
            deep.clone(),
        ] {
            for streamed in [false, true] {
                let mut victim =
                    Victim::reading(Task::Chat, streamed, Want::Chunks).read(document.as_bytes());
                assert_eq!(victim.ending(), "InvalidResponse not_json", "{streamed}");
            }
        }
        for message in [
            format!("data: {{\"token\":{deep}}}\n\n"),
            format!("data: {{\"token\":{{\"text\":\"a\"}},\"details\":{deep}}}\n\n"),
            deep.clone(),
        ] {
            let mut victim = Victim::reading(Task::Generation, true, Want::Chunks).read(message.as_bytes());
            assert_eq!(victim.ending(), "InvalidResponse not_json");
        }
    }
}

#[test]
fn nesting_that_is_never_closed_is_no_json() {
    for open in ["[", "{\"a\":"] {
        let document = open.repeat(LEVELS);
        for task in [Task::Chat, Task::Generation] {
            let mut victim = Victim::reading(task, false, Want::Text).read(document.as_bytes());
            assert_eq!(victim.ending(), "InvalidResponse not_json");
        }
    }
}

#[test]
fn nesting_in_a_string_is_text() {
    let arguments = "[".repeat(LEVELS);
    let chunk = delta(&format!(r#""tool_calls":[{{"function":{{"name":"f","arguments":"{arguments}"}}}}]"#));
    let mut victim = Victim::chat(Want::Events);
    assert_eq!(victim.feed(chunk.as_bytes()), Progress::More);
    assert_eq!(victim.feed(FINISH), Progress::Complete);
    assert_eq!(victim.choice()["toolCalls"][0]["function"]["arguments"], arguments.as_str());
}

#[test]
fn as_deep_as_can_be_read_passes_untouched() {
    let depth = MAX_DEPTH - 1;
    let chunk = format!("{{\"choices\":[],\"x\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
    let mut victim = Victim::chat(Want::Chunks);
    // The consumer reads from the first word on.
    victim.feed(delta(r#""content":"a""#).as_bytes());
    assert_eq!(victim.feed_at(format!("data: {chunk}\n\n").as_bytes(), 0.0), Progress::More);
    assert!(victim.call.batch().text() == chunk.as_bytes());
}

#[test]
fn a_refusal_of_any_depth_and_shape_is_told_in_few_words() {
    let deep = [
        nested("[", "]"),
        nested("{\"error\":", "}"),
        format!("{{\"error\":{}}}", nested("[", "]")),
        format!("{{\"detail\":[{{\"loc\":{},\"msg\":\"m\"}}]}}", nested("[", "]")),
        format!("{{\"detail\":[{}]}}", vec![r#"{"loc":["a"],"msg":"b"}"#; 3_000].join(",")),
        "[".repeat(64 * 1024),
        "\0".repeat(64 * 1024),
        "\u{feff}".repeat(20_000),
        format!("{{\"error\":\"{}\"}}", "\\ud800".repeat(10_000)),
        format!("{{\"error\":\"{}\"}}", "\\\\".repeat(30_000)),
        format!("{{\"error\":{{\"message\":\"m\",\"code\":{}}}}}", "9".repeat(60_000)),
        format!("{{\"error\":\"m\",\"estimated_time\":{}}}", "9".repeat(60_000)),
        format!("{{\"error\":\"m\",\"estimated_time\":1e{}}}", "9".repeat(60_000)),
    ];
    for body in &deep {
        for status in [400, 503] {
            let mut victim = Victim::new(Task::Chat, true, Limits::default());
            let head = Head { status, ..Head::default() };
            let reading = victim.on_head(head);
            let BodyReading::Whole(limit) = reading else { panic!("{reading:?}") };
            victim.call.on_body(0, &body.as_bytes()[..body.len().min(limit)], &mut victim.shared, now(0.0));
            assert!(matches!(victim.step(), Step::Over));
            let expected = if status == 400 { "Input refused" } else { "Server refused" };
            assert_eq!(victim.ending(), expected);
            let facts = victim.call.error();
            assert!(facts.len() < 16 * 1024, "{} bytes of facts", facts.len());
            // Within the days that JavaScript's dates can count, or not told.
            let retry_at = value(&facts)["retryAt"].as_u64().unwrap_or(0);
            assert!(retry_at <= 8_640_000_000_000_000, "{retry_at}");
        }
    }
}

#[test]
fn comments_and_blank_lines_without_end_take_no_memory_and_are_no_answer() {
    for piece in [
        ": keep-alive\n\n",
        "\n",
        "\r\n\r\n",
        "data\n\n",
        "id: 1\n",
        "data: \n\n",
        "data: {}\n\n",
        "unknown: x\n",
    ] {
        let mut victim = Victim::new(Task::Chat, true, limits(500.0, 500.0, 900.0));
        let head = Head { status: 200, ..Head::default() };
        victim.on_head(head);
        victim.call.want(Want::Events);
        let piece = piece.repeat(PIECE / piece.len());
        assert_eq!(victim.feed(piece.as_bytes()), Progress::More);
        let ((), peak) = peak_of(|| {
            let before = held();
            for time in 1..50 {
                assert_eq!(victim.feed_at(piece.as_bytes(), f64::from(time) * 10.0), Progress::More);
                victim.call.clear_batch();
            }
            assert!(held() - before < 4_096, "{} bytes are kept", held() - before);
        });
        assert_eq!(peak, 0);
        victim.look(500.0);
        assert_eq!(victim.ending(), "Timeout first_token", "{:?}", &piece[..12]);
    }
}

#[test]
fn chunks_without_a_word_do_not_pile_up_before_the_first() {
    // Until a leg of the call leads, its consumer takes nothing.
    let piece = format!("data: {{\"choices\":[],\"x\":\"{}\"}}\n\n", "a".repeat(60_000));
    for want in WANTS {
        let (mut victim, peak) = peak_of(|| Victim::chat(want).flood_until(piece.as_bytes(), 200 * MIB));
        assert!(peak < 200, "{want:?} holds {peak} MiB");
        if want == Want::Chunks {
            assert_eq!(victim.ending(), "ResponseTooLarge answer");
        }
    }
}

#[test]
fn blanks_before_a_whole_answer_are_only_blanks() {
    // DeepSeek sends blank lines while a request waits for its turn.
    for blanks in [1, 4_095, 4_096, 100_000] {
        for blank in ["\n", " ", "\r\n"] {
            let body = [&blank.repeat(blanks), r#"{"choices":[{"message":{"content":"a"}}]}"#].concat();
            let mut victim = Victim::reading(Task::Chat, false, Want::Text).read(body.as_bytes());
            assert_eq!(victim.ending(), "complete", "{blanks} times {blank:?}");
            assert_eq!(value(&victim.call.result())["choices"][0]["message"]["content"], "a");
        }
    }
}

#[test]
fn a_body_that_trickles_ends_by_a_deadline() {
    let limits = limits(60_000.0, 120_000.0, 600_000.0);
    let text = delta(r#""content":"a""#);
    let cases: &[(&str, bool, &str, &str, &str)] = &[
        (
            "an event that never ends",
            true,
            "data: {\"choices\":[{\"delta\":{\"content\":\"",
            "a",
            "Timeout first_token",
        ),
        ("words for ever", true, "", &text, "Timeout total"),
        ("comments after a word", true, &text, ": keep-alive\n\n", "Timeout stall"),
        ("an event that never ends after a word", true, &text, "data: aaaa", "Timeout stall"),
        ("a whole answer", false, "{\"choices\":[{\"message\":{\"content\":\"", "a", "Timeout total"),
        (
            "a whole answer for a stream",
            true,
            "{\"choices\":[{\"message\":{\"content\":\"",
            "a",
            "Timeout first_token",
        ),
        ("blanks", false, "", " ", "Timeout total"),
    ];
    for (name, streamed, start, piece, expected) in cases {
        let mut victim = Victim::new(Task::Chat, *streamed, limits);
        victim.look(0.0);
        victim.on_head(Head { status: 200, ..Head::default() });
        victim.call.want(Want::Text);
        victim.feed(start.as_bytes());
        let bytes = piece.as_bytes();
        let mut at = 0;
        for second in 0..1_000 {
            // One byte each second; the timer looks each second too.
            let time = f64::from(second) * 1_000.0;
            if victim.look(time).is_none() {
                break;
            }
            victim.feed_at(&bytes[at..=at], time);
            victim.call.clear_batch();
            at = (at + 1) % bytes.len();
        }
        assert_eq!(victim.ending(), *expected, "{name}");
    }
}

#[test]
fn a_deadline_that_has_passed_is_noticed_although_the_timer_never_gets_its_turn() {
    // A body whose bytes are there before anybody asks keeps JavaScript busy: no timer runs.
    let limits = limits(60_000.0, 120_000.0, 600_000.0);
    let text = delta(r#""content":"a""#);
    for (piece, expected) in [
        (text.as_str(), "Timeout total"),
        (": keep-alive\n\n", "Timeout first_token"),
        ("data: {}\n\n", "Timeout first_token"),
        ("", "Timeout first_token"),
    ] {
        let mut victim = Victim::new(Task::Chat, true, limits);
        victim.look(0.0);
        victim.on_head(Head { status: 200, ..Head::default() });
        victim.call.want(Want::Text);
        for second in 0..700 {
            let time = f64::from(second) * 1_000.0;
            let progress = victim.feed_at(piece.as_bytes(), time);
            victim.call.clear_batch();
            if progress == Progress::More && victim.call.takes_look() {
                victim.look(time);
            }
            if victim.call.is_settled() {
                break;
            }
        }
        assert_eq!(victim.ending(), expected, "{piece:?}");
    }
}

#[test]
fn blanks_without_end_before_the_answer_are_looked_at_once() {
    // They could stand before a tag of reasoning, so they are held back.
    let mut victim = Victim::chat(Want::Events);
    let piece = delta(r#""content":" ""#).repeat(1_000);
    let mut fastest = |pieces: usize| {
        let times = (0..pieces).map(|_| {
            let start = Instant::now();
            assert_eq!(victim.feed(piece.as_bytes()), Progress::More);
            start.elapsed()
        });
        times.min().expect("a time")
    };
    let first = fastest(10);
    fastest(50);
    let last = fastest(10);
    assert!(last < first * 5, "a thousand blanks took {first:?}, and {last:?} after sixty thousand others");
    victim.feed(delta(r#""content":"a""#).as_bytes());
    assert_eq!(victim.feed(FINISH), Progress::Complete);
    assert_eq!(victim.choice()["text"].as_str().expect("text").trim_start(), "a");
}

#[test]
fn a_valid_stream_ends_before_javascript_cannot_hold_it() {
    // The longest string of JavaScript has 512 MiB, and the core's memory 4 GiB, which a buffer that doubles and its
    // copies fill sooner.
    let word = "0123456789abcdef".repeat(2_048);
    for member in ["content", "reasoning"] {
        let piece = delta(&format!(r#""{member}":"{word}""#));
        let mut victim = Victim::chat(Want::Nothing).flood(b"", piece.as_bytes(), 130 * MIB);
        assert_eq!(victim.ending(), "ResponseTooLarge answer", "{member}");
        assert!(victim.taken > 60 * MIB, "refused after {} bytes", victim.taken);
    }
}

#[test]
fn a_valid_stream_costs_its_text_and_nothing_else() {
    let word = "0123456789abcdef".repeat(64);
    let chunk = delta(&format!(r#""content":"{word}""#)).repeat(16);
    for want in WANTS {
        let mut victim = Victim::chat(want);
        victim.feed(delta(r#""content":"a""#).as_bytes());
        let ((), peak) = peak_of(|| {
            for _ in 0..512 {
                assert_eq!(victim.feed(chunk.as_bytes()), Progress::More);
            }
        });
        // Eight MiB of text in a buffer that doubles; while it does, both are held.
        assert!(peak <= 16 + 8 + 1, "{want:?}: {peak} MiB");
        victim.feed(FINISH);
        assert_eq!(victim.ending(), "complete");
    }
}

#[test]
fn numbers_of_any_size_break_nothing() {
    let digits = "9".repeat(100_000);
    let numbers = [
        digits.as_str(),
        "-1",
        "-0",
        "0.5",
        "1e400",
        "-1e400",
        "1e-400",
        "1e99999999999999999999",
        "1e-99999999999999999999",
        "18446744073709551615",
        "18446744073709551616",
        "1.7976931348623157e308",
    ];
    for number in numbers {
        let chunk = format!(
            "{{\"id\":{number},\"created\":{number},\"x\":{number},\"choices\":[{{\"index\":0,\"seed\":{number},\"delta\":{{\"content\":\"a\",\"tool_calls\":[{{\"index\":{number},\"function\":{{\"name\":\"f\",\"arguments\":{{\"n\":{number}}}}}}}]}}}}],\"usage\":{{\"total_tokens\":{number}}}}}"
        );
        let mut victim = Victim::chat(Want::Chunks);
        assert_eq!(victim.feed_at(format!("data: {chunk}\n\n").as_bytes(), 0.0), Progress::More);
        assert_eq!(victim.call.batch().text(), chunk.as_bytes(), "to the letter");
        assert_eq!(victim.feed(FINISH), Progress::Complete);
        let result = String::from_utf8(victim.call.result()).expect("UTF-8");
        assert!(result.contains(&format!("\"usage\":{{\"total_tokens\":{number}}}")));
        let arguments = format!("{{\\\"n\\\":{number}}}");
        assert!(result.contains(&arguments), "the arguments are the service's own text");

        // As a choice's number it tells choices apart, no more.
        let chunk = format!(
            "data: {{\"choices\":[{{\"index\":{number},\"delta\":{{\"content\":\"a\"}},\"finish_reason\":\"stop\"}}]}}\n\n"
        );
        let mut victim = Victim::chat(Want::Events);
        victim.feed(chunk.as_bytes());
        assert_eq!(victim.feed(b"data: [DONE]\n\n"), Progress::Complete);
        assert_eq!(victim.choice()["text"], "a", "{}", &number[..number.len().min(30)]);
    }
    for number in ["01", "+1", "1.", ".5", "1e", "0x10", "Infinity", "NaN", "--1", "1e+-1"] {
        let mut victim = Victim::chat(Want::Chunks);
        victim.feed(format!("data: {{\"choices\":[],\"x\":{number}}}\n\n").as_bytes());
        assert_eq!(victim.ending(), "InvalidResponse not_json", "{number}");
    }
    // The request's own numbers.
    for n in ["0", "-1", "1e400", digits.as_str(), "null", "\"2\"", "[]"] {
        let request = format!(r#"{{"model":"m","messages":[],"n":{n}}}"#).into_bytes();
        let settings = Settings { endpoint_url: "https://h".to_owned(), ..Settings::default() };
        let shared = &mut Shared::default();
        let call = Call::new(Task::Chat, true, settings, request, None, false, shared, now(0.0));
        let step = call.expect("a call").step(0, shared, now(0.0));
        let Step::Send(request) = step else { panic!("nothing sent") };
        let sent = String::from_utf8(request.body.expect("a body")).expect("UTF-8");
        assert!(sent.contains(&format!("\"n\":{n}")), "to the letter");
    }
}

#[test]
fn escapes_upon_escapes_are_undone_once() {
    // JSON in a string in JSON, fourteen times over: thousands of backslashes.
    let mut text = "\"".to_owned();
    for _ in 0..14 {
        text = serde_json::to_string(&text).expect("a string");
    }
    let quoted = serde_json::to_string(&text).expect("a string");
    let units: String = text.chars().map(|character| format!("\\u{:04x}", character as u32)).collect();
    for content in [quoted, format!("\"{units}\"")] {
        for member in ["content", "reasoning"] {
            let mut victim = Victim::chat(Want::Events);
            victim.feed(delta(&format!("\"{member}\":{content}")).as_bytes());
            assert_eq!(victim.feed(FINISH), Progress::Complete);
            let place = if member == "content" { "text" } else { "reasoning" };
            assert!(victim.choice()[place] == text.as_str(), "{member} differs");
        }
        let mut victim = Victim::chat(Want::Events);
        let call = format!(
            r#""tool_calls":[{{"id":{content},"function":{{"name":{content},"arguments":{content}}}}}]"#
        );
        if victim.feed(delta(&call).as_bytes()) == Progress::More {
            assert_eq!(victim.feed(FINISH), Progress::Complete);
            assert!(victim.choice()["toolCalls"][0]["function"]["arguments"] == text.as_str());
        } else {
            assert!(victim.ending().starts_with("ResponseTooLarge"), "{}", victim.ending());
        }
    }
}

#[test]
fn halves_of_characters_in_every_place_become_replacement_characters() {
    for (escaped, shown) in [
        ("\\ud800", "\u{fffd}"),
        ("\\udfff", "\u{fffd}"),
        ("\\udc00\\ud800", "\u{fffd}\u{fffd}"),
        ("\\ud800\\ud800\\udc00", "\u{fffd}\u{10000}"),
        ("\\ud800a\\udc00", "\u{fffd}a\u{fffd}"),
        ("\\ud800\\n", "\u{fffd}\n"),
    ] {
        let chunk = format!(
            "{{\"id\":\"{escaped}\",\"model\":\"{escaped}\",\"{escaped}\":\"{escaped}\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{escaped}\",\"reasoning\":\"{escaped}\",\"tool_calls\":[{{\"index\":0,\"id\":\"{escaped}\",\"function\":{{\"name\":\"{escaped}\",\"arguments\":\"{escaped}\"}}}}]}},\"finish_reason\":\"{escaped}\"}}]}}"
        );
        for want in WANTS {
            let mut victim = Victim::chat(want);
            assert_eq!(victim.feed_at(format!("data: {chunk}\n\n").as_bytes(), 0.0), Progress::More);
            if want == Want::Chunks {
                assert_eq!(victim.call.batch().text(), chunk.as_bytes(), "JavaScript can hold halves");
            }
            victim.call.clear_batch();
            victim.feed_at(b"data: [DONE]\n\n", 0.0);
            let batch = victim.call.batch();
            assert!(std::str::from_utf8(batch.text()).is_ok());
            let choice = victim.choice();
            assert_eq!((&choice["text"], &choice["reasoning"]), (&json!(shown), &json!(shown)));
            assert_eq!(choice["rawFinishReason"], shown);
            let call = &choice["toolCalls"][0];
            assert_eq!((&call["id"], &call["function"]["name"]), (&json!(shown), &json!(shown)));
            assert_eq!(call["function"]["arguments"], shown);
        }
        let mut victim = Victim::chat(Want::Events);
        victim.feed(
            format!("data: {{\"error\":{{\"message\":\"{escaped}\",\"code\":\"{escaped}\"}}}}\n\n")
                .as_bytes(),
        );
        assert_eq!(victim.ending(), "Server error_in_stream");
    }
}

#[test]
fn a_piece_of_any_size_is_taken() {
    // A `fetch` of the caller's own may hand over everything at once.
    let chunk = delta(r#""content":"a""#);
    let body = chunk.repeat(12 * MIB / chunk.len());
    let mut victim = Victim::chat(Want::Text);
    assert_eq!(victim.feed(body.as_bytes()), Progress::More);
    assert_eq!(victim.largest_batch, body.len() / chunk.len());
    // Nothing at all is no end.
    assert_eq!(victim.feed(b""), Progress::More);
    assert_eq!(victim.feed(FINISH), Progress::Complete);
    assert_eq!(victim.ending(), "complete");
}
