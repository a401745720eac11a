//! An event that is the last one but for its words is not read again. Whether or not it is, the same must
//! come of it: fed byte by byte, no event is ever whole in a chunk, and each is read.

use hf_inference_wasm::core::engine::plan::Task;
use hf_inference_wasm::core::engine::settle;
use hf_inference_wasm::core::engine::stream::{Answer, Outcome, Stream};
use hf_inference_wasm::core::wire::batch::{Batch, Want};
use hf_inference_wasm::core::wire::json::ObjectWriter;
use hf_inference_wasm::core::wire::pattern::Pattern;
use hf_inference_wasm::core::wire::sse;

use crate::{Random, Reading};

/// A pattern of the event, in which `string` is the last of its kind.
fn learned(event: &str, string: &str) -> Pattern {
    let data = event.trim_end().strip_prefix("data:").expect("a data line").trim_ascii_start();
    let at = data.rfind(string).expect("the string");
    let mut pattern = Pattern::default();
    pattern.learn(event.as_bytes(), data.as_bytes(), &data.as_bytes()[at..at + string.len()]);
    pattern
}

/// The string, the data and the rest of what the pattern knows in `bytes`.
fn known<'a>(pattern: &Pattern, bytes: &'a str) -> Option<(&'a str, &'a str, &'a str)> {
    let known = pattern.read(bytes.as_bytes())?;
    let text = |bytes| std::str::from_utf8(bytes).expect("UTF-8");
    Some((text(known.text.raw()), text(known.data), text(known.rest)))
}

#[test]
fn an_event_with_the_same_bytes_around_another_string_is_known() {
    let pattern = learned("data: {\"a\":\"x\",\"b\":\"y\"} \r\n\r\n", "y");
    assert_eq!(
        known(&pattern, "data: {\"a\":\"x\",\"b\":\"\\\"z\\u00e9\"} \r\n\r\nrest"),
        Some(("\\\"z\\u00e9", "{\"a\":\"x\",\"b\":\"\\\"z\\u00e9\"}", "rest"))
    );
    for other in [
        "data: {\"a\":\"u\",\"b\":\"y\"} \r\n\r\n",
        "data: {\"a\":\"x\",\"b\":\"y\"}\r\n\r\n",
        "data: {\"a\":\"x\",\"b\":\"y\"} \n\n",
        "data: {\"a\":\"x\",\"b\":\"y\"} \r\n\r",
        "data: {\"a\":\"x\",\"b\":\"y\",\"c\":1} \r\n\r\n",
        "data: {\"a\":\"x\",\"b\":\"\"} \r\n\r\n",
        "data: {\"a\":\"x\",\"b\":\"\\x\"} \r\n\r\n",
        "data: {\"a\":\"x\",\"b\":\"\n\"} \r\n\r\n",
        "data: {\"a\":\"x\",\"b\":1} \r\n\r\n",
        "data: {\"a\":\"x\",\"b\":\"y",
        "",
    ] {
        assert_eq!(known(&pattern, other), None, "{other:?}");
    }
    assert!(Pattern::default().read(b"").is_none() && Pattern::default().read(b"data: 1\n\n").is_none());
}

#[test]
fn an_event_that_is_long_without_its_string_is_not_kept() {
    let event = |filler: usize| format!("data: {{\"f\":\"{}\",\"c\":\"x\"}}\n\n", "f".repeat(filler));
    for (filler, kept) in [(8_000, true), (8_192, false)] {
        let event = event(filler);
        let pattern = learned(&event, "x");
        assert_eq!(known(&pattern, &event).is_some(), kept, "{filler}");
    }
}

/// The bodies of services that say the same again and again, and sometimes something else.
fn body(random: &mut Random) -> Vec<u8> {
    const WORDS: &[&str] = &[
        "a",
        " b",
        "",
        "\\n",
        "\\\"",
        "é",
        "\\ud83d",
        "\\ude00",
        "<think>",
        "</think>",
        "{\\\"k\\\":",
        "1",
        "\u{ff}",
    ];
    let mut out = Vec::new();
    let forms: [&dyn Fn(&str) -> String; 8] = [
        &|words| {
            format!(r#"{{"id":"1","choices":[{{"index":0,"delta":{{"content":"{words}"}}}}],"usage":null}}"#)
        },
        &|words| format!(r#"{{"choices":[{{"delta":{{"content":"","reasoning":"{words}"}}}}]}}"#),
        &|words| {
            format!(r#"{{"choices":[{{"index":1,"delta":{{"content":"{words}"}},"finish_reason":""}}]}}"#)
        },
        &|words| format!(r#"{{"choices":[{{"text":"{words}"}}],"usage":{{"completion_tokens":1}}}}"#),
        &|words| format!(r#"{{"choices":[{{"delta":{{"content":"{words}","refusal":"no"}}}}]}}"#),
        &|words| format!(r#"{{"choices":[{{"delta":{{"content":"{words}","content":"{words}"}}}}]}}"#),
        &|words| {
            format!(
                r#"{{"choices":[{{"delta":{{"content":"{words}"}}}},{{"index":1,"delta":{{"content":"{words}"}}}}]}}"#
            )
        },
        &|words| {
            format!(
                r#"{{"choices":[{{"delta":{{"content":"{words}","tool_calls":[{{"index":0,"id":"1","function":{{"name":"f","arguments":"{words}"}}}}]}}}}]}}"#
            )
        },
    ];
    let mut form = random.pick(&forms[..]);
    let mut end = "\n\n";
    for _ in 0..random.below(24) {
        if random.one_in(5) {
            form = random.pick(&forms[..]);
        }
        if random.one_in(8) {
            end = random.pick(&["\n\n", "\r\n\r\n", "\r\r", " \n\n", "\n: ping\n\n", "\n\n: ping\n\n"][..]);
        }
        let words = random.pick(WORDS);
        out.extend_from_slice(format!("data: {}{end}", form(words)).as_bytes());
        if random.one_in(40) {
            let at = random.below(out.len());
            out[at] = random.pick(&b"\"\\\n}\x01\xffx"[..]);
        }
    }
    if random.one_in(2) {
        out.extend_from_slice(b"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
    }
    out
}

/// All that came of the body, read by one who was there from the start.
fn read(want: Want, think_tags: bool, pieces: &[&[u8]]) -> (Outcome, String, Vec<u8>, u64) {
    let mut stream = Stream::new(Task::Chat, true, true, 1);
    if let Answer::Chat(chat) = &mut stream.answer {
        chat.think_tags = think_tags;
    }
    stream.hold_nothing();
    let reading = Reading::of(stream, want, pieces);
    let told = match want {
        Want::Events => format!("{:?}", reading.joined_events()),
        Want::Chunks => reading.chunk_text(),
        Want::Object => format!("{:?}", reading.patches()),
        _ => reading.shown(),
    };
    let mut result = Vec::new();
    settle::write_partial(&reading.stream.answer, &mut ObjectWriter::new(&mut result));
    // A document comes in as many pieces as the network makes of it.
    let events = if pieces.concat().starts_with(b"d") { reading.stream.pieces() } else { 0 };
    (reading.outcome, told, result, events)
}

/// The stretch of `body` that pieces are which follow each other in it.
fn joined<'a>(body: &'a [u8], pieces: &[&[u8]]) -> &'a [u8] {
    let from = pieces[0].as_ptr() as usize - body.as_ptr() as usize;
    &body[from..from + pieces.iter().map(|piece| piece.len()).sum::<usize>()]
}

#[test]
fn the_same_comes_of_it_whether_or_not_an_event_is_read_again() {
    let mut random = Random::new(31);
    let mut complete = 0;
    for _ in 0..1_500 {
        let body = body(&mut random);
        let think_tags = random.one_in(4);
        let cut = random.cut(&body);
        for want in [Want::Text, Want::Events, Want::Chunks, Want::Object] {
            let bytes: Vec<&[u8]> = body.chunks(1).collect();
            let expected = read(want, think_tags, &bytes);
            complete += usize::from(expected.0 == Outcome::Complete);
            let events: Vec<&[u8]> = body.split_inclusive(|byte| *byte == b'\n').collect();
            let pairs: Vec<&[u8]> = events.chunks(2).map(|pair| joined(&body, pair)).collect();
            for pieces in [&[&body[..]][..], &cut, &events, &pairs] {
                let shown = String::from_utf8_lossy(&body);
                assert_eq!(
                    read(want, think_tags, pieces),
                    expected,
                    "{want:?} of {shown} as {}",
                    pieces.len()
                );
            }
        }
    }
    assert!(complete > 1_000, "{complete}");
}

#[test]
fn a_chunk_that_is_the_last_one_but_for_its_words_is_told_by_them() {
    let data = |words: &str| format!(r#"{{"choices":[{{"delta":{{"content":{words}}}}}],"x":"1"}}"#);
    let event = |words: &str| format!("data: {}\n\n", data(words));
    let other = r#"{"choices":[{"delta":{"reasoning":"r"}}]}"#;
    let mut stream = Stream::new(Task::Chat, true, true, 1);
    stream.hold_nothing();
    let mut batch = Batch::default();
    let mut take = |want: Want, body: String| {
        batch.clear();
        batch.set_want(want);
        assert_eq!(stream.feed(body.as_bytes(), &mut batch), Outcome::More);
        String::from_utf8(batch.text().to_vec()).expect("UTF-8")
    };
    assert_eq!(take(Want::Text, [r#""a""#, r#""b""#, r#""c""#].map(event).concat()), "abc");
    // Whoever has not been told of the pattern is told before the first.
    let pattern = format!("[{},{}]", data("0"), data("1"));
    assert_eq!(take(Want::Chunks, event(r#""d""#)), format!(r#"{pattern},"d""#));
    assert_eq!(take(Want::Chunks, event(r#""\n""#) + &event(r#""f""#)), r#""\n","f""#);
    let (g, h) = (event(r#""g""#), event(r#""h""#));
    assert_eq!(
        take(Want::Chunks, format!("data: {other}\n\n{g}{h}")),
        format!(r#"{other},{},{pattern},"h""#, data(r#""g""#))
    );
}

#[test]
fn an_event_begins_where_none_is_under_way() {
    let mut parser = sse::Parser::default();
    assert!(!parser.is_between_events(), "a byte-order mark may come");
    let between = |parser: &mut sse::Parser, bytes: &[u8]| {
        let fed = parser.feed(bytes, &mut |_| std::ops::ControlFlow::Continue(()));
        assert_eq!(fed, Ok(None));
        parser.is_between_events()
    };
    for (bytes, expected) in [
        (&b"data: 1\n\n"[..], true),
        (b": ping\n", true),
        (b"event: x\n", false),
        (b"\n", true),
        (b"data", false),
        (b": 1\r\n", false),
        (b"\r", false),
        (b"\n", true),
        (b"data: 1\n\n", true),
    ] {
        assert_eq!(between(&mut parser, bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
    }
}
