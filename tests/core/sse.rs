//! The parser of server-sent events against a plain reading of the WHATWG algorithm.

use std::ops::ControlFlow;

use hf_inference_wasm::core::wire::sse::{Event, Parser, TooLarge};

use crate::common::sse::{SAMPLES, owned, parse, reference};
use crate::{Random, all_cuts, splits};

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
                if fed.is_ok_and(|rest| rest.is_some()) {
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
