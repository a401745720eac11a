//! The parser of server-sent events against a plain reading of the WHATWG algorithm.
#![no_main]

use std::ops::ControlFlow;

use hf_inference_wasm::core::engine::plan::Task;
use hf_inference_wasm::core::wire::sse::{Event, Parser};
use hf_inference_wasm_fuzz::common::sse::{Events, owned, parse, reference};
use hf_inference_wasm_fuzz::input::Input;
use hf_inference_wasm_fuzz::wire;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(input) = Input::read(data) else { return };
    let grown;
    let stream = if input.is_grown() {
        grown = wire::body(input.bytes, Task::Chat);
        grown.as_slice()
    } else {
        input.bytes
    };
    let expected = reference(stream);
    let pieces = input.cut(stream);
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    for pieces in [&[stream][..], &pieces, &bytes] {
        assert_eq!(parse(pieces), expected);
        check_break(pieces, &expected, usize::from(input.number));
        check_limit(pieces, &expected, usize::from(input.number), stream.len());
        check_recognition(pieces, stream);
    }
});

/// After the receiver has broken off at an event, it gets none.
fn check_break(pieces: &[&[u8]], expected: &Events, last: usize) {
    let mut parser = Parser::default();
    let mut events = Events::new();
    let mut sink = |event: Event<'_>| {
        events.push(owned(event));
        if events.len() > last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let broken = pieces.iter().any(|piece| parser.feed(piece, &mut sink).expect("small").is_some());
    if !broken {
        let _ = parser.finish(&mut sink);
    }
    assert_eq!(events, expected[..expected.len().min(last + 1)]);
}

/// A limit refuses no stream within it, keeps no event beyond it, and changes nothing before.
fn check_limit(pieces: &[&[u8]], expected: &Events, limit: usize, length: usize) {
    let mut parser = Parser::with_limit(limit);
    let mut events = Events::new();
    let mut sink = |event: Event<'_>| {
        // A line `error: …` is told in place and never kept.
        assert!(event.name == b"error" || event.name.len() + event.data.len() <= limit);
        events.push(owned(event));
        ControlFlow::Continue(())
    };
    let refused = pieces.iter().any(|piece| parser.feed(piece, &mut sink).is_err());
    if refused {
        assert!(length > limit, "{length} bytes and a limit of {limit}");
        assert!(expected.starts_with(&events));
    } else {
        let _ = parser.finish(&mut |event| {
            events.push(owned(event));
            ControlFlow::Continue(())
        });
        assert_eq!(events, *expected);
    }
}

/// What has a line of the format is an event stream.
fn check_recognition(pieces: &[&[u8]], stream: &[u8]) {
    let text = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    let mut lines = text.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_empty());
    let is_known = lines.any(|line| {
        let field = line.split(|byte| *byte == b':').next().unwrap_or_default();
        [&b""[..], b"data", b"event", b"error", b"id", b"retry"].contains(&field)
    });
    let mut parser = Parser::default();
    let mut sink = |_: Event<'_>| ControlFlow::Continue(());
    for piece in pieces {
        let _ = parser.feed(piece, &mut sink);
    }
    let _ = parser.finish(&mut sink);
    assert_eq!(parser.is_recognised(), is_known);
}
