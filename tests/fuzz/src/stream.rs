//! What must hold of every answer, whatever its bytes and wherever the network cuts them.

use std::collections::BTreeMap;

use hf_inference_wasm::core::engine::plan::Task;
use hf_inference_wasm::core::engine::settle::{self, Answerer};
use hf_inference_wasm::core::engine::stream::{Answer, Outcome, Stream};
use hf_inference_wasm::core::wire::batch::{Batch, Mark, Want};
use hf_inference_wasm::core::wire::json::{ObjectWriter, is_valid, well_formed};
use hf_inference_wasm::core::wire::think::ThinkTags;
use serde_json::Value;

use crate::common::completion::Completion;
use crate::common::growing::{Growing, patch};
use crate::common::json::{lossy, oracle};
use crate::common::reading::Reading;
use crate::input::Input;
use crate::reference;
use crate::wire;

/// White space before an answer is only waited through up to this many bytes, counted where the network
/// cuts.
const MAX_WHITE_SPACE: usize = 4_096;

const WANTS: [Want; 5] = [Want::Nothing, Want::Text, Want::Events, Want::Chunks, Want::Object];

/// Stands before the number of what grew, among the marks of events.
const PATCHES: u32 = 1_000;

/// How a body is read.
struct Setup {
    task: Task,
    streamed: bool,
    quiet_usage: bool,
    think_tags: bool,
    expected_choices: usize,
    broken_off: bool,
}

impl Setup {
    fn stream(&self) -> Stream {
        let mut stream = Stream::new(self.task, self.streamed, self.quiet_usage, self.expected_choices);
        if let Answer::Chat(chat) = &mut stream.answer {
            chat.think_tags = self.think_tags;
        }
        stream
    }

    fn end(&self) -> fn(&mut Stream, &mut Batch) -> Outcome {
        if self.broken_off { Stream::break_off } else { Stream::end }
    }

    fn read(&self, want: Want, pieces: &[&[u8]]) -> Reading {
        Reading::ended_by(self.end(), self.stream(), want, pieces)
    }

    /// The same for a consumer who says only behind the first piece what it wants.
    fn read_late(&self, want: Want, pieces: &[&[u8]]) -> Reading {
        let mut stream = self.stream();
        let mut batch = Batch::default();
        let (first, rest) = pieces.split_first().expect("a piece");
        let outcome = stream.feed(first, &mut batch);
        if outcome == Outcome::Complete {
            settle::close(&mut stream.answer, &mut batch);
        }
        assert!(batch.is_empty(), "nobody wants anything");
        batch.set_want(want);
        stream.replay(&mut batch);
        match &outcome {
            Outcome::More => {}
            Outcome::Complete => settle::close(&mut stream.answer, &mut batch),
            Outcome::Failed(_) => stream.answer.release(&mut batch),
        }
        let told = (lossy(batch.text()), batch.marks().to_vec());
        if outcome != Outcome::More {
            return Reading { outcome, stream, batches: vec![told] };
        }
        let mut reading = Reading::ended_by(self.end(), stream, want, rest);
        reading.batches.insert(0, told);
        reading
    }
}

/// Reads the input as an answer to `task`, whole and in pieces, for every kind of consumer.
pub fn check(task: Task, input: &Input<'_>) {
    let grown;
    let body = if input.is_grown() {
        grown = wire::body(input.bytes, task);
        grown.as_slice()
    } else {
        input.bytes
    };
    if body.len() - body.trim_ascii_start().len() >= MAX_WHITE_SPACE {
        return;
    }
    let setup = Setup {
        task,
        streamed: !input.flag(1),
        quiet_usage: input.flag(2),
        think_tags: input.flag(3),
        expected_choices: 1 + usize::from(input.number % 3),
        broken_off: input.flag(4),
    };
    let cut = input.cut(body);
    // Byte by byte is dear; long bodies have their turn in pieces.
    let bytes: Vec<&[u8]> = body.chunks(1 + body.len() / 1_024).collect();
    let text = setup.read(Want::Text, &[body]);
    if setup.streamed && text.outcome == Outcome::Complete {
        check_texts(&setup, &text, body);
    }
    for want in WANTS {
        let whole = setup.read(want, &[body]);
        match &whole.stream.answer {
            Answer::Chat(_) => check_chat(want, &whole),
            Answer::Generation(_) => check_generation(want, &whole, &text, body),
        }
        let facts = Facts::of(want, &whole);
        assert_json(&facts.result);
        assert_eq!(facts, Facts::of(want, &setup.read(want, &cut)), "{want:?} as {}", shown(&cut));
        if want == Want::Events || want == Want::Object {
            assert_eq!(facts, Facts::of(want, &setup.read(want, &bytes)), "{want:?} byte by byte");
        }
        if setup.streamed && want != Want::Nothing {
            assert_eq!(
                facts,
                Facts::of(want, &setup.read_late(want, &cut)),
                "{want:?}, late, as {}",
                shown(&cut)
            );
        }
        assert_eq!(facts.outcome, text.outcome, "the consumer does not change the answer");
    }
}

/// A complete answer has the texts that a plain reading finds.
fn check_texts(setup: &Setup, reading: &Reading, body: &[u8]) {
    match &reading.stream.answer {
        Answer::Chat(answer) => {
            let Some(texts) = reference::chat(body).filter(|texts| texts.begun) else { return };
            let choice = answer.choices().iter().find(|choice| choice.index == 0).expect("it has begun");
            let (text, reasoning) = (texts.text(), texts.reasoning());
            if !setup.think_tags {
                assert_eq!((utf8(&choice.text), utf8(&choice.reasoning)), (&*text, &*reasoning));
            } else if reasoning.is_empty() {
                // The content at once: the deltas make no difference to the tags in it.
                let mut tags = ThinkTags::at_start();
                let (mut thought, mut said) = (Vec::new(), Vec::new());
                tags.take(text.as_bytes(), &mut thought, &mut said);
                tags.finish(&mut thought, &mut said);
                assert_eq!((utf8(&choice.text), utf8(&choice.reasoning)), (utf8(&said), utf8(&thought)));
            }
        }
        Answer::Generation(_) => {
            let Some(texts) = reference::generation(body).filter(|texts| texts.begun) else { return };
            let (told, whole) = (texts.text(), texts.whole());
            // The closing event's text counts where the tokens are its beginning.
            let goes_on = whole.starts_with(&told) && !whole.ends_with(&told);
            assert_eq!(reading.shown(), if goes_on { whole } else { told });
        }
    }
}

fn shown(pieces: &[&[u8]]) -> String {
    pieces.iter().map(|piece| format!("{:?} ", lossy(piece))).collect()
}

/// What must not depend on the cuts.
#[derive(Debug, PartialEq)]
struct Facts {
    outcome: Outcome,
    result: String,
    has_output: bool,
    is_finished: bool,
    document: Vec<u8>,
    output: Vec<(u32, String)>,
}

impl Facts {
    fn of(want: Want, reading: &Reading) -> Facts {
        let answer = &reading.stream.answer;
        let mut result = Vec::new();
        let mut object = ObjectWriter::new(&mut result);
        match &reading.outcome {
            Outcome::Complete => settle::write_result(answer, &Answerer::default(), &mut object),
            _ => settle::write_partial(answer, &mut object),
        }
        object.end();
        let result = String::from_utf8(well_formed(result)).expect("UTF-8");
        let output = match want {
            Want::Nothing => {
                assert_eq!(reading.shown(), "");
                Vec::new()
            }
            Want::Text => vec![(0, reading.shown())],
            Want::Chunks => vec![(0, reading.chunk_text())],
            Want::Events | Want::Object => {
                let grown = grown(reading).into_iter();
                let grown = grown.map(|(grows, value)| (PATCHES + grows, value.to_string()));
                reading.joined_events().into_iter().chain(grown).collect()
            }
        };
        Facts {
            outcome: reading.outcome.clone(),
            result,
            has_output: answer.has_output(),
            is_finished: reading.stream.is_finished(),
            document: reading.stream.document().to_vec(),
            output,
        }
    }
}

/// The values that the patches make.
fn grown(reading: &Reading) -> BTreeMap<u32, Value> {
    let mut growing: BTreeMap<u32, Growing> = BTreeMap::new();
    for (grows, number, text) in reading.patches() {
        growing.entry(grows).or_default().apply(patch(number, text.as_bytes()));
    }
    let values = growing.into_iter();
    values.filter_map(|(grows, growing)| growing.value().cloned().map(|value| (grows, value))).collect()
}

/// `text` is one JSON value. Where serde_json gives up, the reader's own word counts.
fn assert_json(text: &str) {
    let depth = text.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count();
    match oracle(text.as_bytes()) {
        Some(Ok(_)) => {}
        Some(Err(())) => panic!("not JSON: {text}"),
        None => assert!(depth > 500 || is_valid(text.as_bytes()), "not JSON: {text}"),
    }
}

fn utf8(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

fn check_chat(want: Want, reading: &Reading) {
    let answer = reading.chat();
    let is_complete = reading.outcome == Outcome::Complete;
    let first = answer.first();
    for choice in answer.choices() {
        for part in [&choice.text, &choice.reasoning, &choice.refusal, &choice.finish_reason] {
            utf8(part);
        }
        for call in &choice.tool_calls {
            for part in [&call.id, &call.name, &call.arguments] {
                utf8(part);
            }
        }
    }
    let text = first.map_or("", |choice| utf8(&choice.text));
    match want {
        Want::Text => assert_eq!(reading.shown(), text, "the deltas make the text"),
        Want::Chunks => {
            for (batch, _) in &reading.batches {
                assert_json(&format!("[{batch}]"));
            }
        }
        Want::Object if is_complete => {
            let completion = Completion::of(text, true, true);
            if completion.is_within_the_oracles_reach() {
                assert_eq!(grown(reading).get(&0), completion.value().as_ref(), "{text}");
            }
        }
        Want::Events => {
            let events = reading.events();
            let all = |mark: Mark| {
                let parts = events.iter().filter(move |(kind, _)| *kind == mark as u32);
                parts.map(|(_, text)| text.as_str()).collect::<String>()
            };
            let reasoning = first.map_or("", |choice| utf8(&choice.reasoning));
            assert_eq!((all(Mark::Text).as_str(), all(Mark::Reasoning).as_str()), (text, reasoning));
            check_events(&events, is_complete);
            let calls = first.map_or(&[][..], |choice| &choice.tool_calls);
            let told = told_calls(&events);
            for (position, call) in calls.iter().enumerate() {
                let (id, name, arguments) = (utf8(&call.id), utf8(&call.name), utf8(&call.arguments));
                let told = told.get(&(position as u64));
                if is_complete {
                    let told = told.expect("each call is told");
                    assert_eq!(told.arguments, arguments);
                    assert_eq!(told.call["id"], id);
                    assert_eq!(told.call["function"]["name"], name);
                    assert_eq!(told.call["function"]["arguments"], arguments);
                    let completion = Completion::of(arguments, false, true);
                    if completion.is_within_the_oracles_reach() {
                        let grown = grown(reading).remove(&(position as u32 + 1));
                        assert_eq!(grown, completion.value(), "{arguments}");
                    }
                } else if let Some(told) = told {
                    assert!(arguments.starts_with(&told.arguments));
                }
            }
            assert!(told.keys().all(|position| *position < calls.len() as u64));
        }
        _ => {}
    }
}

/// One tool call as its events tell it.
#[derive(Default)]
struct Told {
    started: bool,
    arguments: String,
    call: Value,
}

fn told_calls(events: &[(u32, String)]) -> BTreeMap<u64, Told> {
    let mut calls: BTreeMap<u64, Told> = BTreeMap::new();
    for (kind, text) in events {
        let is = |mark: Mark| *kind == mark as u32;
        if !is(Mark::ToolCallStart) && !is(Mark::ToolCallDelta) && !is(Mark::ToolCall) {
            continue;
        }
        let event: Value = serde_json::from_str(text).expect("JSON");
        let told = calls.entry(event["index"].as_u64().expect("a position")).or_default();
        assert!(told.call.is_null(), "nothing comes after a complete call");
        if is(Mark::ToolCallStart) {
            assert!(!told.started, "a call starts once");
            told.started = true;
        } else if is(Mark::ToolCallDelta) {
            assert!(told.started, "a call starts before its arguments");
            told.arguments.push_str(event["arguments"].as_str().expect("text"));
        } else {
            assert!(told.started, "a call starts before it is complete");
            told.call = event["toolCall"].clone();
        }
    }
    calls
}

/// Events other than deltas are JSON; the counts and then the finish come last, once, and only when the
/// answer is complete.
fn check_events(events: &[(u32, String)], is_complete: bool) {
    for (kind, text) in events {
        if *kind > Mark::Reasoning as u32 {
            assert_json(text);
        } else {
            assert!(!text.is_empty());
        }
    }
    let at = |mark: Mark| events.iter().position(|(kind, _)| *kind == mark as u32);
    let count = |mark: Mark| events.iter().filter(|(kind, _)| *kind == mark as u32).count();
    assert_eq!(count(Mark::Finish), usize::from(is_complete));
    assert!(count(Mark::Usage) <= usize::from(is_complete));
    if let Some(finish) = at(Mark::Finish) {
        assert_eq!(finish, events.len() - 1);
    }
    if let Some(usage) = at(Mark::Usage) {
        assert_eq!(usage, events.len() - 2);
    }
}

fn check_generation(want: Want, reading: &Reading, text: &Reading, body: &[u8]) {
    utf8(reading.generation().text());
    match want {
        Want::Chunks => {
            for (batch, _) in &reading.batches {
                assert_json(&format!("[{batch}]"));
            }
            if let Some(told) = reference::tokens(&reading.chunk_text()).filter(|_| !is_mixed(body)) {
                let told = String::from_utf16_lossy(&told);
                // Half a character waits for the other half, unless it is known that none will come.
                let (mut told, mut shown) = (told.as_str(), text.shown());
                if reading.outcome != Outcome::Complete {
                    told = told.trim_end_matches('\u{fffd}');
                    shown.truncate(shown.trim_end_matches('\u{fffd}').len());
                }
                // The closing event's text may go on where the tokens ended.
                let goes_on = reading.generation().text_is_final() && shown.starts_with(told);
                assert!(goes_on || told == shown, "{told:?} in tokens, {shown:?} shown");
            }
        }
        Want::Events => {
            let parts = reading.events();
            let told: String = parts.iter().map(|(_, text)| text.as_str()).collect();
            assert_eq!(told, text.shown(), "a generation has events of text only");
        }
        _ => {}
    }
    if !reading.generation().text_is_final() && want == Want::Text {
        let completion = reading.shown();
        let told = utf8(reading.generation().text());
        assert!(completion == told || is_mixed(body), "{completion:?} is shown, {told:?} is the text");
    }
}

/// Both protocols in one body: which of the texts is the answer is anybody's guess.
fn is_mixed(body: &[u8]) -> bool {
    let holds = |word: &[u8]| body.windows(word.len()).any(|part| part == word);
    holds(b"\"token\"") && holds(b"\"choices\"")
}
