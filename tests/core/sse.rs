//! The parser of server-sent events against a plain reading of the WHATWG algorithm.

use std::ops::ControlFlow;

use hf_inference_wasm::core::wire::sse::{Event, Parser, TooLarge};

use crate::{Random, all_cuts, splits};

type Events = Vec<(String, String)>;

fn owned(event: Event<'_>) -> (String, String) {
    (String::from_utf8_lossy(event.name).into_owned(), String::from_utf8_lossy(event.data).into_owned())
}

/// <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>, with
/// the parser's two departures: the end of the stream dispatches what is pending, and a field named
/// `error` is an event by itself.
fn reference(stream: &[u8]) -> Events {
    let text = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    let text = String::from_utf8_lossy(text).replace("\r\n", "\n").replace('\r', "\n");
    let mut events = Events::new();
    let mut data = String::new();
    let mut name = String::new();
    let dispatch = |events: &mut Events, data: &mut String, name: &mut String| {
        if let Some(data) = data.strip_suffix('\n') {
            events.push((name.clone(), data.to_owned()));
        }
        data.clear();
        name.clear();
    };
    for line in text.split('\n') {
        if line.is_empty() {
            dispatch(&mut events, &mut data, &mut name);
            continue;
        }
        let (field, value) = match line.find(':') {
            Some(0) => continue,
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, ""),
        };
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut name),
            "data" => {
                data.push_str(value);
                data.push('\n');
            }
            "error" => events.push(("error".to_owned(), value.to_owned())),
            _ => {}
        }
    }
    dispatch(&mut events, &mut data, &mut name);
    events
}

fn parse(pieces: &[&[u8]]) -> Events {
    let mut parser = Parser::default();
    let mut events = Events::new();
    let mut sink = |event: Event<'_>| {
        events.push(owned(event));
        ControlFlow::Continue(())
    };
    for piece in pieces {
        assert_eq!(parser.feed(piece, &mut sink), Ok(ControlFlow::Continue(())));
    }
    assert!(parser.finish(&mut sink).is_continue());
    events
}

const SAMPLES: &[&str] = &[
    "",
    "\n",
    "data: one\n\ndata: two\n\n",
    "data: one\r\n\r\ndata: two\r\n\r\n",
    "data: one\r\rdata: two\r\r",
    "data: one\r\n\ndata: two\n\r\ndata: three\r\r\ndata: four\n\rdata: five\r\n\rdata: six\n\n",
    "\u{feff}data: one\n\ndata: \u{feff}two\n\n",
    "\u{feff}\u{feff}data: not a field\n\ndata: two\n\n",
    "\u{feff}\ndata: one\n\n",
    ": comment\n\n:\n\n: keep-alive\r\n\r\ndata: one\n:\ndata: two\n: x\n\n",
    "data: YHOO\ndata: +2\ndata: 10\n\n",
    "data:one\n\ndata:  two\n\ndata:\tthree\n\ndata: \n\n",
    "event: message-start\ndata: {\"a\":1}\n\nevent:content-delta\ndata:x\n\ndata: y\n\n",
    "event: first\nevent: second\ndata: x\n\nevent: lost\n\ndata: y\n\n",
    "data: x\nevent: after\n\n",
    "id: 1\nretry: 3000\ndata: one\n\nid\nretry\n\ndata: two\nid: 2\n\n",
    "data\n\ndata\ndata\n\ndata:\n\ndata:\ndata:\n\n",
    "foo: bar\nDATA: no\n data: no\ndata : no\ndatabase: no\ndata: yes\n\n",
    "error: {\"code\":500}\n\ndata: [DONE]\n\n",
    "data: half\nerror: now\ndata: whole\n\n",
    "event: error\ndata: {\"error\":\"x\"}\n\n",
    "data: one\n\ndata: last without blank line\n",
    "data: one\n\ndata: last without line end",
    "data: one\n\nevent: done\ndata: x\r",
    "data: é€😀\n\ndata: \u{2028}\u{85}\u{b}\n\n",
    "data: a:b: c\n\ndata::x\n\n",
    "data: {\"a\":\"b\"}\n\n\n\n\n\ndata: x\n\n",
    "data: 1\n\ndata: 22\n\ndata: 333\n\ndata: 4444\n\ndata: 55555\n\ndata: 666666\n\ndata: 7777777\n\n",
];

#[test]
fn the_reference_reads_the_examples_of_the_standard() {
    let event = |name: &str, data: &str| (name.to_owned(), data.to_owned());
    assert_eq!(reference(b"data: YHOO\ndata: +2\ndata: 10\n\n"), [event("", "YHOO\n+2\n10")]);
    let four = ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n";
    assert_eq!(
        reference(four.as_bytes()),
        [event("", "first event"), event("", "second event"), event("", " third event")]
    );
    assert_eq!(reference(b"data\n\ndata\ndata\n\n"), [event("", ""), event("", "\n")]);
    assert_eq!(reference(b"data:test\n\ndata: test\n\n"), [event("", "test"), event("", "test")]);
}

#[test]
fn every_sample_gives_the_events_of_the_standard_however_it_is_cut() {
    for sample in SAMPLES {
        let expected = reference(sample.as_bytes());
        for pieces in all_cuts(sample.as_bytes()) {
            assert_eq!(parse(&pieces), expected, "{sample:?} as {pieces:?}");
        }
    }
}

#[test]
fn a_byte_order_mark_cut_in_pieces_is_one() {
    let stream = "\u{feff}data: x\n\n".as_bytes();
    let pieces = [&stream[..1], &stream[1..1], &stream[1..2], &stream[2..3], &stream[3..]];
    assert_eq!(parse(&pieces), [(String::new(), "x".to_owned())]);
    // The beginning of a mark is a field like any other.
    let not_a_mark = b"\xef\xbbdata: x\ndata: y\n\n";
    for pieces in all_cuts(not_a_mark) {
        assert_eq!(parse(&pieces), [(String::new(), "y".to_owned())], "{pieces:?}");
    }
}

#[test]
fn random_streams_give_the_events_of_the_standard_at_random_cuts() {
    const PIECES: &[&str] = &[
        "data",
        "data:",
        "data: ",
        "event:",
        "event: e",
        "error: x",
        "error",
        "id: 7",
        "retry: 1",
        ":",
        ": ping",
        " ",
        "\n",
        "\n",
        "\n\n",
        "\r",
        "\r\n",
        "\r\n\r\n",
        "\r\r",
        "x",
        "{\"a\":1}",
        "é",
        "😀",
        "\u{feff}",
        "[DONE]",
        "data: {\"choices\":[]}\n\n",
        "data: 1\r\n\r\n",
        "abcdefgh",
    ];
    let mut random = Random::new(6);
    let mut with_events = 0;
    for _ in 0..60_000 {
        let mut stream = Vec::new();
        for _ in 0..random.below(24) {
            stream.extend_from_slice(random.pick(PIECES).as_bytes());
        }
        if random.one_in(8) && !stream.is_empty() {
            let at = random.below(stream.len());
            stream[at] = random.pick(b"\xff\x00\n\r:");
        }
        let expected = reference(&stream);
        let pieces = random.cut(&stream);
        assert_eq!(parse(&pieces), expected, "{:?} as {pieces:?}", String::from_utf8_lossy(&stream));
        with_events += u32::from(!expected.is_empty());
    }
    assert!(with_events > 20_000, "{with_events}");
}

/// The result of the first piece that did not go well, and the events before it.
fn parse_limited(limit: usize, pieces: &[&[u8]]) -> (Result<(), TooLarge>, usize) {
    let mut parser = Parser::with_limit(limit);
    let mut events = 0;
    for piece in pieces {
        let fed = parser.feed(piece, &mut |_| {
            events += 1;
            ControlFlow::Continue(())
        });
        if fed.is_err() {
            return (Err(TooLarge), events);
        }
    }
    (Ok(()), events)
}

#[test]
fn an_event_within_the_limit_passes_however_it_is_cut() {
    let stream = format!("data: {}\n\n", "x".repeat(64 - "data: ".len()));
    let stream = stream.repeat(3);
    for pieces in all_cuts(stream.as_bytes()) {
        assert_eq!(parse_limited(64, &pieces), (Ok(()), 3), "{pieces:?}");
    }
}

#[test]
fn an_event_beyond_the_limit_is_refused_however_it_is_cut() {
    let long_line = format!("data: x\n\ndata: {}\n\ndata: y\n\n", "x".repeat(80));
    let many_lines = format!("data: x\n\n{}\n\ndata: y\n\n", "data: 12345678\n".repeat(10));
    let long_name = format!("data: x\n\nevent: {}\ndata: y\n\n", "x".repeat(80));
    for stream in [long_line, many_lines, long_name] {
        for pieces in all_cuts(stream.as_bytes()) {
            assert_eq!(parse_limited(64, &pieces), (Err(TooLarge), 1), "{stream:?} as {pieces:?}");
        }
    }
}

#[test]
fn a_line_that_never_ends_is_refused_and_not_kept() {
    let mut parser = Parser::with_limit(1_000);
    let mut fed = 0;
    while parser.feed(b"0123456789", &mut |_| ControlFlow::Continue(())).is_ok() {
        fed += 10;
        assert!(fed <= 1_000);
    }
    assert_eq!(fed, 1_000);
}

#[test]
fn nothing_is_delivered_after_the_receiver_has_broken_off() {
    let streams = [
        "data: stop\n\ndata: later\n\n",
        "data: stop\r\n\r\ndata: later\r\n\r\n",
        "event: a\ndata: stop\n\ndata: later\n\n",
        "error: stop\nerror: later\n\ndata: later\n\n",
    ];
    for stream in streams {
        for pieces in splits(stream.as_bytes()).chain([stream.as_bytes().chunks(1).collect()]) {
            let mut parser = Parser::default();
            let mut events = Vec::new();
            for piece in &pieces {
                let fed = parser.feed(piece, &mut |event| {
                    events.push(owned(event).1);
                    ControlFlow::Break(())
                });
                if fed == Ok(ControlFlow::Break(())) {
                    break;
                }
            }
            assert_eq!(events, ["stop"], "{pieces:?}");
        }
    }
}

#[test]
fn the_end_of_the_body_delivers_what_is_pending_once() {
    let mut parser = Parser::default();
    let mut events = Vec::new();
    let mut sink = |event: Event<'_>| {
        events.push(owned(event));
        ControlFlow::Continue(())
    };
    let _ = parser.feed(b"event: e\ndata: a\ndata: b", &mut sink);
    let _ = parser.finish(&mut sink);
    let _ = parser.finish(&mut sink);
    assert_eq!(events, [("e".to_owned(), "a\nb".to_owned())]);
}
