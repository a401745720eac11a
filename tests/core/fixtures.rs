//! The bodies in `tests/fixtures/`, each read as the file beside it says, however the network cuts it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use hf_inference_wasm::core::engine::attempt::{Head, refusal};
use hf_inference_wasm::core::engine::plan::Task;
use hf_inference_wasm::core::engine::settle::{self, Answerer};
use hf_inference_wasm::core::engine::stream::{Answer, Outcome, Stream};
use hf_inference_wasm::core::ports::Now;
use hf_inference_wasm::core::wire::batch::{Mark, Want};
use hf_inference_wasm::core::wire::json::ObjectWriter;
use serde_json::{Value, json};

use crate::common::json::oracle;
use crate::common::sse::reference;
use crate::{Random, Reading, splits, value};

/// A body and what is to be read from it; `tests/fixtures/README.md` explains the members.
pub struct Fixture {
    pub name: String,
    pub body: Vec<u8>,
    pub expected: Value,
}

/// All fixtures. Fails when a body has no expectation, or an expectation no body.
pub fn all() -> Vec<Fixture> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut bodies = BTreeMap::new();
    let mut expectations = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).expect("the folder of the fixtures") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        if matches!(name.as_str(), "README.md" | ".gitattributes") {
            continue;
        }
        let bytes = std::fs::read(&path).expect("a file");
        match name.strip_suffix(".expected.json") {
            Some(stem) => assert!(expectations.insert(stem.to_owned(), value(&bytes)).is_none()),
            None => {
                let (stem, _) = name.rsplit_once('.').expect("an extension");
                assert!(bodies.insert(stem.to_owned(), bytes).is_none(), "two bodies are called {stem}");
            }
        }
    }
    let named = |names: Vec<&String>| names.into_iter().cloned().collect::<BTreeSet<_>>();
    let (with_body, expected) = (named(bodies.keys().collect()), named(expectations.keys().collect()));
    assert_eq!(with_body, expected, "each body has an expectation and each expectation a body");
    let pairs = bodies.into_iter().zip(expectations.into_values());
    pairs.map(|((name, body), expected)| Fixture { name, body, expected }).collect()
}

impl Fixture {
    pub fn is_refusal(&self) -> bool {
        self.expected["refusal"].is_object()
    }

    pub fn task(&self) -> Task {
        match self.expected["task"].as_str() {
            Some("chat") => Task::Chat,
            Some("text-generation") => Task::Generation,
            other => panic!("{}: no such task: {other:?}", self.name),
        }
    }

    /// Whether a stream was asked for.
    pub fn is_streamed(&self) -> bool {
        self.expected["stream"] != json!(false)
    }

    /// The name of the error's kind; `None` when the answer is complete.
    pub fn failure(&self) -> Option<&str> {
        self.expected["error"]["name"].as_str().map(|name| name.strip_suffix("Error").expect("an error"))
    }

    /// Whether it is read as its request and the client's options are by default.
    pub fn is_plain(&self) -> bool {
        self.expected["request"].is_null() && self.expected["options"].is_null()
    }

    fn stream(&self) -> Stream {
        let request = &self.expected["request"];
        let quiet_usage = request["stream_options"]["include_usage"] == json!(false);
        let choices = request["n"].as_u64().unwrap_or(1) as usize;
        let mut stream = Stream::new(self.task(), self.is_streamed(), quiet_usage, choices);
        if let Answer::Chat(chat) = &mut stream.answer {
            chat.think_tags = self.expected["options"]["reasoningTags"] != json!(false);
        }
        stream
    }

    fn read(&self, want: Want, pieces: &[&[u8]]) -> Reading {
        Reading::of(self.stream(), want, pieces)
    }

    /// What the consumer of text is shown.
    fn shown(&self) -> &str {
        let places = ["/final/shown", "/final/text", "/final/generated_text", "/partial/text"];
        places.iter().find_map(|place| self.expected.pointer(place)?.as_str()).unwrap_or_default()
    }

    fn wants(&self) -> &'static [Want] {
        match self.task() {
            Task::Chat => &[Want::Text, Want::Events, Want::Chunks, Want::Nothing],
            Task::Generation => &[Want::Text, Want::Chunks, Want::Nothing],
        }
    }
}

/// Cuts a body behind each of its blank lines.
fn by_event(body: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let (mut from, mut line, mut at) = (0, 0, 0);
    while let Some(&byte) = body.get(at) {
        let end = match byte {
            b'\r' if body.get(at + 1) == Some(&b'\n') => 2,
            b'\r' | b'\n' => 1,
            _ => 0,
        };
        let is_blank = end > 0 && line == at;
        at += end.max(1);
        if end > 0 {
            line = at;
        }
        if is_blank {
            pieces.push(&body[from..at]);
            from = at;
        }
    }
    pieces.push(&body[from..]);
    pieces
}

/// Whole, by event, by byte, and at random places.
fn cuts(body: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut random = Random::new(body.len() as u64);
    let mut cuts = vec![vec![body], by_event(body), body.chunks(1).collect()];
    cuts.extend((0..16).map(|_| random.cut(body)));
    cuts
}

/// The end result as the core writes it.
fn result_text(fixture: &Fixture, reading: &Reading) -> String {
    let mut out = Vec::new();
    let mut object = ObjectWriter::new(&mut out);
    let model = fixture.expected["request"]["model"].as_str().unwrap_or_default().to_owned();
    settle::write_result(&reading.stream.answer, &Answerer { model, ..Answerer::default() }, &mut object);
    object.end();
    String::from_utf8(out).expect("UTF-8")
}

/// The members of `found` that `expected` has, where a missing one is `null`.
fn same_members(expected: &Value, found: &Value) -> Value {
    let members = expected.as_object().expect("an object");
    members.keys().map(|key| (key.clone(), found[key].clone())).collect()
}

/// What the reading came to, with the members that the expectation has.
fn result(fixture: &Fixture, reading: &Reading) -> Value {
    let expected = &fixture.expected;
    match &reading.outcome {
        Outcome::Complete => {
            let result = value(result_text(fixture, reading).as_bytes());
            let mut found = match fixture.task() {
                Task::Generation => result["output"].clone(),
                Task::Chat => {
                    let mut choices = result["choices"].as_array().expect("choices").clone();
                    choices.sort_by_key(|choice| choice["index"].as_u64());
                    let mut found = choices[0].clone();
                    found["choices"] = Value::Array(choices);
                    found["model"] = result["model"].clone();
                    found
                }
            };
            found["usage"] = result["usage"].clone();
            if let Some(shown) = expected.pointer("/final/shown") {
                found["shown"] = shown.clone();
            }
            match expected.get("final") {
                Some(expected) => json!({ "final": same_members(expected, &found) }),
                None => json!({ "final": found }),
            }
        }
        Outcome::Failed(error) => {
            let mut partial = Value::Null;
            if reading.stream.answer.has_output() {
                let mut out = Vec::new();
                let mut object = ObjectWriter::new(&mut out);
                settle::write_partial(&reading.stream.answer, &mut object);
                object.end();
                partial = value(&out);
            }
            let name = format!("{}Error", error.kind.name());
            let error = json!({ "name": name, "message": error.message, "serviceCode": error.service_code });
            let error = expected.get("error").map_or(error.clone(), |known| same_members(known, &error));
            json!({ "error": error, "partial": partial })
        }
        Outcome::More => panic!("{}: a reading ends", fixture.name),
    }
}

/// The result that a fixture wants.
fn wanted(fixture: &Fixture) -> Value {
    match fixture.expected.get("final") {
        Some(result) => json!({ "final": result }),
        None => json!({ "error": fixture.expected["error"], "partial": fixture.expected["partial"] }),
    }
}

/// What the events tell, put together again.
fn told(reading: &Reading) -> Value {
    let mut told = json!({ "text": "", "reasoning": "", "toolCalls": [], "usage": null, "finish": null });
    let mut begun: Vec<(Value, String)> = Vec::new();
    let events = reading.joined_events();
    for (at, (kind, text)) in events.iter().enumerate() {
        let append = |place: &mut Value| *place = json!(place.as_str().unwrap_or_default().to_owned() + text);
        let event = || value(text.as_bytes());
        match *kind {
            kind if kind == Mark::Text as u32 => append(&mut told["text"]),
            kind if kind == Mark::Reasoning as u32 => append(&mut told["reasoning"]),
            kind if kind == Mark::ToolCallStart as u32 => {
                let event = event();
                assert_eq!(event["index"], begun.len(), "calls begin in order");
                begun.push((event, String::new()));
            }
            kind if kind == Mark::ToolCallDelta as u32 => {
                let event = event();
                let (_, arguments) = &mut begun[event["index"].as_u64().expect("an index") as usize];
                arguments.push_str(event["arguments"].as_str().expect("arguments"));
            }
            kind if kind == Mark::ToolCall as u32 => {
                let event = event();
                let (start, arguments) = &begun[event["index"].as_u64().expect("an index") as usize];
                let function = &event["toolCall"]["function"];
                assert_eq!((&event["toolCall"]["id"], &function["name"]), (&start["id"], &start["name"]));
                assert_eq!(function["arguments"], *arguments, "the deltas add up to the call");
                told["toolCalls"].as_array_mut().expect("calls").push(event["toolCall"].clone());
            }
            kind if kind == Mark::Usage as u32 => {
                assert!(told["usage"].is_null(), "the usage is told once");
                told["usage"] = event()["usage"].clone();
            }
            kind if kind == Mark::Finish as u32 => {
                assert_eq!(at, events.len() - 1, "nothing follows the finish");
                told["finish"] = event();
            }
            other => panic!("an event of kind {other}"),
        }
    }
    told
}

/// The chunks that a chat's stream is made of, by a plain reading of it: the JSON text of each.
fn plain_chunks(fixture: &Fixture) -> Vec<String> {
    let events = reference(&fixture.body).into_iter();
    let data = events.map(|(_, data)| data.trim().to_owned()).take_while(|data| data != "[DONE]");
    let chunks = data.filter(|data| value_of(data).is_some_and(|chunk| chunk != json!({})));
    chunks.take(fixture.expected["chunks"].as_u64().expect("a count") as usize).collect()
}

fn value_of(text: &str) -> Option<Value> {
    oracle(text.as_bytes())?.ok().filter(Value::is_object)
}

/// What is wrong with a reading; nothing when all is as expected.
fn faults(fixture: &Fixture, want: Want, reading: &Reading) -> Vec<String> {
    let mut faults = Vec::new();
    let mut compare = |what: &str, found: &Value, expected: &Value| {
        if found != expected {
            faults.push(format!("{what}, {want:?}:\n     found {found}\n  expected {expected}"));
        }
    };
    compare("result", &result(fixture, reading), &wanted(fixture));
    match want {
        Want::Text if fixture.is_streamed() => {
            compare("text", &json!(reading.shown()), &json!(fixture.shown()))
        }
        Want::Events if fixture.is_streamed() => {
            let told = told(reading);
            match fixture.expected.get("final") {
                Some(result) => {
                    let mut expected = same_members(&told, result);
                    expected["finish"] =
                        same_members(&json!({ "finishReason": 0, "rawFinishReason": 0 }), result);
                    compare("events", &told, &expected);
                }
                None => {
                    compare("text", &told["text"], &json!(fixture.shown()));
                    compare("finish", &told["finish"], &Value::Null);
                }
            }
        }
        Want::Chunks if fixture.is_streamed() => {
            let chunks = oracle(format!("[{}]", reading.chunk_text()).as_bytes());
            let chunks = chunks.and_then(Result::ok).expect("JSON");
            let count = chunks.as_array().map(Vec::len);
            compare("number of chunks", &json!(count), &fixture.expected["chunks"]);
            if fixture.task() == Task::Chat && fixture.body.first() != Some(&b'{') {
                let plain = plain_chunks(fixture);
                if plain.iter().all(|chunk| value_of(chunk).is_some_and(|chunk| chunk["choices"].is_array()))
                {
                    compare("chunks, to the letter", &json!(reading.chunk_text()), &json!(plain.join(",")));
                }
                let mut expected: Vec<Value> = plain.iter().filter_map(|chunk| value_of(chunk)).collect();
                for chunk in expected.iter_mut().filter(|chunk| !chunk["choices"].is_array()) {
                    chunk["choices"] = json!([]);
                }
                compare("chunks", &chunks, &Value::Array(expected));
            }
            let mut text = reading.chunk_text();
            if reading.outcome == Outcome::Complete {
                text.push_str(&result_text(fixture, reading));
            }
            check_exact(fixture, &text, &mut compare);
        }
        Want::Nothing => {
            let silent = reading.batches.iter().all(|(text, marks)| text.is_empty() && marks.is_empty());
            compare("nothing is put into a batch that nobody wants", &json!(silent), &json!(true));
            if !fixture.is_streamed() {
                let mut text = String::from_utf8_lossy(reading.stream.document()).into_owned();
                if fixture.task() == Task::Generation && reading.outcome == Outcome::Complete {
                    text = result_text(fixture, reading);
                }
                check_exact(fixture, &text, &mut compare);
            }
        }
        _ => {}
    }
    faults
}

/// What is to be kept to the letter stands in what is handed to JavaScript.
fn check_exact(fixture: &Fixture, text: &str, compare: &mut dyn FnMut(&str, &Value, &Value)) {
    for exact in fixture.expected["exact"].as_array().into_iter().flatten() {
        let found = text.contains(exact.as_str().expect("a text"));
        compare(&format!("kept to the letter: {exact}"), &json!(found), &json!(true));
    }
}

/// Fails with all that failed.
pub fn report(failures: &BTreeMap<String, String>) {
    let shown: Vec<String> = failures.iter().map(|(name, fault)| format!("{name}: {fault}")).collect();
    assert!(failures.is_empty(), "{} fixtures:\n{}", failures.len(), shown.join("\n"));
}

#[test]
fn every_body_is_read_as_expected_however_it_is_cut() {
    let mut failures = BTreeMap::new();
    for fixture in all().iter().filter(|fixture| !fixture.is_refusal()) {
        for want in fixture.wants() {
            for pieces in cuts(&fixture.body) {
                if let Some(fault) = faults(fixture, *want, &fixture.read(*want, &pieces)).first() {
                    failures.entry(fixture.name.clone()).or_insert_with(|| {
                        format!(
                            "{fault}\n  in pieces of {:?} bytes",
                            pieces.iter().map(|piece| piece.len()).collect::<Vec<_>>()
                        )
                    });
                }
            }
        }
    }
    report(&failures);
}

#[test]
fn a_cut_anywhere_changes_nothing() {
    // Where what the network cuts may be more than a chunk: line ends, marks, tags, the end of the body.
    const KINDS: &[&str] = &["sample-", "framing-", "end-", "reasoning-think-", "generation-token-"];
    let mut seen = BTreeSet::new();
    for fixture in all() {
        let Some(kind) = KINDS.iter().find(|kind| fixture.name.starts_with(**kind)) else { continue };
        seen.insert(kind);
        let whole = result(&fixture, &fixture.read(Want::Text, &[&fixture.body]));
        for pieces in splits(&fixture.body) {
            let reading = fixture.read(Want::Text, &pieces);
            assert_eq!(result(&fixture, &reading), whole, "{}, cut at {}", fixture.name, pieces[0].len());
        }
    }
    assert_eq!(seen.len(), KINDS.len());
}

#[test]
fn line_ends_change_nothing() {
    let is_stream = |fixture: &&Fixture| !fixture.is_refusal() && fixture.is_streamed();
    for fixture in all().iter().filter(is_stream) {
        let body = String::from_utf8_lossy(&fixture.body);
        if body.contains('\r') || !body.contains("data:") || body.contains('\u{fffd}') {
            continue;
        }
        let whole = result(fixture, &fixture.read(Want::Text, &[&fixture.body]));
        for line_end in ["\r\n", "\r"] {
            let body = body.replace('\n', line_end);
            for pieces in cuts(body.as_bytes()) {
                let reading = fixture.read(Want::Text, &pieces);
                assert_eq!(result(fixture, &reading), whole, "{} with {line_end:?}", fixture.name);
            }
        }
    }
}

#[test]
fn every_refusal_has_its_kind_and_its_words() {
    let mut failures = BTreeMap::new();
    for fixture in all().iter().filter(|fixture| fixture.is_refusal()) {
        let statuses = fixture.expected["refusal"]["statuses"].as_array().expect("statuses");
        assert!(!statuses.is_empty(), "{}", fixture.name);
        for status in statuses {
            let head = Head {
                status: status.as_u64().and_then(|status| status.try_into().ok()).expect("a status"),
                content_type: fixture.expected["refusal"]["contentType"].as_str().expect("a type").to_owned(),
                ..Head::default()
            };
            let error = refusal(&head, &fixture.body, Now { monotonic: 0.0, unix: 0.0 });
            let name = format!("{}Error", error.kind.name());
            let found = json!({ "name": name, "message": error.message, "serviceCode": error.service_code });
            if found != fixture.expected["error"] {
                failures.insert(fixture.name.clone(), format!("{status}: found {found}"));
            }
        }
    }
    report(&failures);
}

/// A member that nobody looks at expects nothing, so a misspelt one must not pass.
#[test]
fn expectations_have_known_members_only() {
    const KNOWN: &[&str] = &[
        "description",
        "task",
        "stream",
        "request",
        "options",
        "final",
        "error",
        "partial",
        "chunks",
        "exact",
    ];
    const FINAL: &[&str] = &[
        "text",
        "reasoning",
        "toolCalls",
        "finishReason",
        "rawFinishReason",
        "usage",
        "choices",
        "model",
        "generated_text",
        "details",
        "shown",
    ];
    for Fixture { name, expected, .. } in all() {
        let within = |place: &str, known: &[&str]| {
            let members = expected.pointer(place).and_then(Value::as_object).into_iter().flatten();
            members.for_each(|(key, _)| assert!(known.contains(&key.as_str()), "{name}: {place}/{key}"));
        };
        assert!(!expected["description"].as_str().expect("a description").is_empty(), "{name}");
        within("/error", &["name", "message", "serviceCode"]);
        if expected["refusal"].is_object() {
            within("", &["description", "refusal", "error"]);
            within("/refusal", &["statuses", "contentType"]);
            assert_eq!(expected["error"].as_object().map(|error| error.len()), Some(3), "{name}");
            continue;
        }
        within("", KNOWN);
        within("/final", FINAL);
        within("/request", &["n", "model", "stream_options"]);
        within("/options", &["reasoningTags"]);
        let (complete, failed) = (expected.get("final").is_some(), expected.get("error").is_some());
        assert!(complete != failed, "{name}: either a result or an error");
        assert_eq!(failed, expected.get("partial").is_some(), "{name}: an error says what had come");
        assert_eq!(
            expected["stream"] != json!(false),
            expected["chunks"].is_u64(),
            "{name}: a stream has chunks"
        );
    }
}
