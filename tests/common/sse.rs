//! A plain reading of the WHATWG algorithm, the oracle of the parser of server-sent events.

use std::ops::ControlFlow;

use hf_inference_wasm::core::wire::sse::{Event, Parser};

/// Names and data.
pub type Events = Vec<(String, String)>;

pub fn owned(event: Event<'_>) -> (String, String) {
    (String::from_utf8_lossy(event.name).into_owned(), String::from_utf8_lossy(event.data).into_owned())
}

/// <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>, with
/// the parser's two departures: the end of the stream dispatches what is pending, and a field named
/// `error` is an event by itself.
pub fn reference(stream: &[u8]) -> Events {
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

pub fn parse(pieces: &[&[u8]]) -> Events {
    let mut parser = Parser::default();
    let mut events = Events::new();
    let mut sink = |event: Event<'_>| {
        events.push(owned(event));
        ControlFlow::Continue(())
    };
    for piece in pieces {
        assert_eq!(parser.feed(piece, &mut sink), Ok(None));
    }
    assert!(parser.finish(&mut sink).is_continue());
    events
}

/// Streams at the edges of the format.
pub const SAMPLES: &[&str] = &[
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
