//! The incremental reader: after every piece, the value that the text completed there would have.

use hf_inference_wasm::core::engine::plan::Task;
use hf_inference_wasm::core::engine::stream::Stream;
use hf_inference_wasm::core::wire::batch::{Batch, Want};
use hf_inference_wasm::core::wire::json::{MAX_DEPTH, Partial};
use serde_json::Value;

use crate::common::completion::{Completion, completed};
use crate::common::growing::{Growing, check_every_prefix, patch};
use crate::common::json::{BAD, GOOD, lossy, oracle};
use crate::json::{grow, mutate};
use crate::{Random, Reading, all_cuts};

fn read(pieces: &[&[u8]]) -> (Option<Value>, bool) {
    let mut partial = Partial::default();
    let mut growing = Growing::default();
    for piece in pieces {
        partial.feed(piece, &mut |patch| growing.apply(patch));
    }
    let complete = partial.finish(&mut |patch| growing.apply(patch));
    (growing.value().cloned(), complete)
}

const DOCUMENT: &str = r#" { "name" : "a\nb\u00e9\ud83d\ude00c" , "list":[1, -2.5e+3,[],{},"",true ,false,null],
    "deep":{"a":{"b":[{"c":"d"}]}},"":0, "again":"x","again":{"y":1} } "#;

#[test]
fn after_every_character_the_value_is_that_of_the_completed_text() {
    let mut partial = Partial::default();
    let mut growing = Growing::default();
    for (at, character) in DOCUMENT.char_indices() {
        let end = at + character.len_utf8();
        partial.feed(&DOCUMENT.as_bytes()[at..end], &mut |patch| growing.apply(patch));
        assert_eq!(growing.value().cloned(), completed(&DOCUMENT[..end]), "{}", &DOCUMENT[..end]);
    }
    assert!(partial.finish(&mut |patch| growing.apply(patch)));
    assert_eq!(growing.value().cloned(), serde_json::from_str(DOCUMENT).ok());
}

#[test]
fn the_cuts_make_no_difference() {
    let expected: Value = serde_json::from_str(DOCUMENT).expect("JSON");
    for pieces in all_cuts(DOCUMENT.as_bytes()) {
        if pieces.iter().all(|piece| std::str::from_utf8(piece).is_ok()) {
            assert_eq!(read(&pieces), (Some(expected.clone()), true));
        }
    }
}

#[test]
fn each_byte_is_told_once() {
    let mut random = Random::new(7);
    let long = format!("[{}]", vec![r#""words and words""#; 500].join(","));
    let mut told = 0;
    let mut partial = Partial::default();
    let mut rest = long.as_str();
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at((random.below(5) + 1).min(rest.len()));
        partial.feed(piece.as_bytes(), &mut |patch| told += patch.text().len());
        rest = tail;
    }
    assert_eq!(told, 500 * "words and words".len());
}

#[test]
fn a_scalar_alone_is_complete_at_the_end() {
    assert_eq!(read(&[b"12", b"3"]), (Some(Value::from(123)), true));
    assert_eq!(read(&[b"nul", b"l"]), (Some(Value::Null), true));
    assert_eq!(read(&[b"\"a", b"b\""]), (Some(Value::from("ab")), true));
    assert_eq!(read(&[b"-"]), (None, false));
    assert_eq!(read(&[b"tru"]), (None, false));
    assert_eq!(read(&[b""]), (None, false));
}

#[test]
fn what_cannot_be_json_ends_it_and_keeps_what_was() {
    for (text, kept) in [
        (r#"{"a":1,}"#, Some(r#"{"a":1}"#)),
        (r#"{"a":1 "b":2}"#, Some(r#"{"a":1}"#)),
        (r#"["ab	c"]"#, Some(r#"["ab"]"#)),
        (r#"["ab\x"]"#, Some(r#"["ab"]"#)),
        (r#"["ab\u00g0"]"#, Some(r#"["ab"]"#)),
        (r#"{"a":[1}"#, Some(r#"{"a":[1]}"#)),
        (r#"[01]"#, Some("[0]")),
        (r#"[1.]"#, Some("[]")),
        (r#"[truth]"#, Some("[]")),
        (r#"{a:1}"#, Some("{}")),
        (r#"[1] 2"#, Some("[1]")),
        (r#"Sure! {"a":1}"#, None),
        ("```json\n[1]\n```", None),
        ("]", None),
    ] {
        for pieces in all_cuts(text.as_bytes()) {
            let (value, complete) = read(&pieces);
            assert_eq!(value, kept.map(|kept| serde_json::from_str(kept).expect("JSON")), "{text}");
            assert!(!complete, "{text}");
        }
    }
}

#[test]
fn a_code_fence_around_an_answer_is_passed_over() {
    for text in ["```json\n{\"a\":[1]}\n```\n", "\n```\n{\"a\":[1]}```", "{\"a\":[1]}"] {
        for pieces in all_cuts(text.as_bytes()) {
            let mut partial = Partial::of_answer();
            let mut growing = Growing::default();
            pieces.iter().for_each(|piece| partial.feed(piece, &mut |patch| growing.apply(patch)));
            assert!(partial.finish(&mut |patch| growing.apply(patch)), "{text}");
            assert_eq!(growing.value().cloned(), serde_json::from_str(r#"{"a":[1]}"#).ok(), "{text}");
        }
    }
}

#[test]
fn a_lone_half_of_a_surrogate_pair_becomes_a_replacement_character() {
    assert_eq!(read(&[br#""\ud83d""#]), (Some(Value::from("\u{fffd}")), true));
    assert_eq!(read(&[br#""\ud83d"#, br#"x\ude00""#]), (Some(Value::from("\u{fffd}x\u{fffd}")), true));
}

#[test]
fn nesting_ends_at_the_limit() {
    let open = "[".repeat(100_000);
    let mut partial = Partial::default();
    let mut opened = 0;
    partial.feed(open.as_bytes(), &mut |_| opened += 1);
    assert_eq!(opened, MAX_DEPTH);
    assert!(!partial.finish(&mut |_| {}));
}

fn chunk(delta: &str) -> String {
    format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{delta}}}]}}\n\n")
}

#[test]
fn the_answers_text_grows_as_a_value_for_who_wants_it() {
    let deltas = [r#"{"content":"{\"a\":\"x"}"#, r#"{"content":"yé\",\"b\":[1"}"#, r#"{"content":"2]}"}"#];
    let stream: String = deltas.map(chunk).concat() + "data: [DONE]\n\n";
    let reading = Reading::new(Task::Chat, Want::Object, &[stream.as_bytes()]);
    let patches = reading.patches();
    let patches: Vec<_> =
        patches.iter().map(|(grows, patch, text)| (*grows, *patch, text.as_str())).collect();
    let expected = [
        (0, 0, ""),
        (0, 3, "a"),
        (0, 4, "x"),
        (0, 5, "yé"),
        (0, 3, "b"),
        (0, 1, ""),
        (0, 6, "12"),
        (0, 2, ""),
        (0, 2, ""),
    ];
    assert_eq!(patches, expected);
    assert!(reading.events().is_empty(), "nothing else crosses");
    let reading = Reading::new(Task::Chat, Want::Events, &[stream.as_bytes()]);
    assert!(reading.patches().is_empty(), "only for who wants it");
}

#[test]
fn arguments_of_tool_calls_grow_each_on_its_own() {
    let call = |index: u8, name: &str, arguments: &str| {
        let id = if name.is_empty() { String::new() } else { format!("call_{index}") };
        chunk(
            &serde_json::json!({ "tool_calls": [
                { "index": index, "id": id, "function": { "name": name, "arguments": arguments } },
            ] })
            .to_string(),
        )
    };
    let stream = [
        call(0, "f", r#"{"a""#),
        call(1, "g", r#"{"b":"#),
        call(0, "", r#":1}"#),
        call(1, "", r#"true}"#),
        "data: [DONE]\n\n".to_owned(),
    ];
    let reading = Reading::new(Task::Chat, Want::Events, &[stream.concat().as_bytes()]);
    let mut growing = [Growing::default(), Growing::default()];
    for (grows, number, text) in reading.patches() {
        growing[grows as usize - 1].apply(patch(number, text.as_bytes()));
    }
    assert_eq!(growing[0].value(), Some(&serde_json::json!({ "a": 1 })));
    assert_eq!(growing[1].value(), Some(&serde_json::json!({ "b": true })));
    // A call's patches precede the event that tells of the same text.
    let marks: Vec<u32> = reading.marked().iter().map(|(mark, _)| *mark & 0xff).collect();
    assert_eq!(marks.get(..4), Some(&[3, 16, 19, 4][..]));
}

#[test]
fn a_value_wanted_late_begins_with_what_was_there() {
    let mut batch = Batch::default();
    let mut stream = Stream::new(Task::Chat, true, false, 1);
    stream.feed(chunk(r#"{"content":"[1,"}"#).as_bytes(), &mut batch);
    batch.set_want(Want::Object);
    stream.feed(chunk(r#"{"content":"2]"}"#).as_bytes(), &mut batch);
    assert_eq!(batch.text(), b"12");
    assert_eq!(batch.marks(), [17, 0, 22, 1, 22, 2, 18, 2]);
}

/// Each character by itself.
fn characters(text: &str) -> Vec<usize> {
    text.chars().map(char::len_utf8).collect()
}

#[test]
fn the_completion_agrees_with_serde_json_on_what_is_whole() {
    for (documents, is_whole) in [(GOOD, true), (BAD, false)] {
        for document in documents {
            let completion = Completion::of(document, false, true);
            assert_eq!(completion.is_whole(), is_whole, "{document:?}");
            if let (true, Some(Ok(value))) = (is_whole, oracle(document.as_bytes())) {
                assert_eq!(completion.value(), Some(value), "{document:?}");
            }
        }
    }
}

#[test]
fn what_completes_a_prefix_makes_it_json_and_an_impossible_one_stays_so() {
    let mut random = Random::new(21);
    let (mut possible, mut impossible) = (0, 0);
    let mut text = String::new();
    for _ in 0..4_000 {
        text.clear();
        grow(&mut random, 3, &mut text);
        let mut document = text.clone().into_bytes();
        mutate(&mut random, &mut document);
        let document = lossy(&document);
        let end = (0..=random.below(document.len() + 1)).rev().find(|end| document.is_char_boundary(*end));
        let prefix = &document[..end.unwrap_or(0)];
        match Completion::of(prefix, false, false).suffix {
            Some(suffix) => {
                let whole = prefix.to_owned() + &suffix;
                assert!(!matches!(oracle(whole.as_bytes()), Some(Err(()))), "{prefix:?} and {suffix:?}");
                possible += 1;
            }
            None => {
                for suffix in ["", "0", "\"", "}", "]", "\":0}", "e0", "rue"] {
                    let whole = prefix.to_owned() + suffix;
                    assert!(!matches!(oracle(whole.as_bytes()), Some(Ok(_))), "{prefix:?} and {suffix:?}");
                }
                impossible += 1;
            }
        }
    }
    assert!(possible > 1_000 && impossible > 500, "{possible} possible, {impossible} impossible");
}

#[test]
fn edge_cases_are_completed_at_every_character() {
    for (documents, is_whole) in [(GOOD, true), (BAD, false)] {
        for document in documents {
            for fenced in [false, true] {
                assert_eq!(
                    check_every_prefix(document, fenced, &characters(document)),
                    is_whole,
                    "{document:?}"
                );
            }
        }
    }
}

#[test]
fn random_documents_and_their_mutations_grow_as_their_completed_prefixes_mean() {
    let mut random = Random::new(22);
    let (mut whole, mut broken) = (0, 0);
    let mut text = String::new();
    for round in 0..1_000 {
        text.clear();
        grow(&mut random, 3, &mut text);
        let mut document = text.clone().into_bytes();
        if round % 2 == 1 {
            mutate(&mut random, &mut document);
        }
        let mut document: String = lossy(&document).chars().take(256).collect();
        let fenced = random.one_in(3);
        if fenced {
            document = format!("```json\n{document}\n```");
        }
        let at_once = check_every_prefix(&document, fenced, &characters(&document));
        let longest = random.below(16) + 2;
        let in_pieces = check_every_prefix(&document, fenced, &random.pieces(&document, longest));
        assert_eq!(at_once, in_pieces, "{document:?}");
        if at_once { whole += 1 } else { broken += 1 }
    }
    assert!(whole > 500 && broken > 200, "{whole} whole, {broken} broken");
}

#[test]
fn arguments_that_are_a_number_are_complete_at_the_end() {
    let stream = chunk(r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"12"}}]}"#)
        + "data: [DONE]\n\n";
    let reading = Reading::new(Task::Chat, Want::Events, &[stream.as_bytes()]);
    assert_eq!(reading.patches(), [(1, 6, "12".to_owned())]);
}
