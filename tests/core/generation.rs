//! Text generation: TGI's own protocol and OpenAI completions come to one shape.

use hf_inference_wasm::core::engine::plan::Task;
use hf_inference_wasm::core::engine::stream::{Outcome, Stream};
use hf_inference_wasm::core::error::Kind;
use hf_inference_wasm::core::wire::batch::Want;
use serde_json::{Value, json};

use crate::{Reading, all_cuts, value};

const TGI: &str = include_str!("../fixtures/generation-token-events.sse");

const COMPLETIONS: &str = include_str!("../fixtures/completions-text-choices.sse");

fn read(want: Want, pieces: &[&[u8]]) -> Reading {
    Reading::new(Task::Generation, want, pieces)
}

fn whole(body: &str) -> Reading {
    Reading::of(Stream::new(Task::Generation, false, true, 1), Want::Nothing, &[body.as_bytes()])
}

fn output(reading: &Reading) -> Value {
    let mut out = Vec::new();
    reading.generation().write_output(&mut out);
    value(&out)
}

#[test]
fn a_tgi_stream_is_read_the_same_however_it_is_cut() {
    for line_end in ["\n", "\r\n"] {
        let stream = TGI.replace('\n', line_end);
        for pieces in all_cuts(stream.as_bytes()) {
            let reading = read(Want::Text, &pieces);
            assert_eq!(reading.outcome, Outcome::Complete, "no [DONE] is needed");
            assert_eq!(reading.shown(), " How 😀", "without the special token: {pieces:?}");
            let details = json!({ "finish_reason": "eos_token", "generated_tokens": 3, "seed": null });
            assert_eq!(output(&reading), json!({ "generated_text": " How 😀", "details": details }));
        }
    }
}

#[test]
fn tgi_events_pass_untouched() {
    let events: Vec<&str> = TGI.lines().filter_map(|line| line.strip_prefix("data:")).collect();
    for pieces in all_cuts(TGI.as_bytes()) {
        assert_eq!(read(Want::Chunks, &pieces).chunk_text(), events.join(","));
    }
}

#[test]
fn the_closing_event_of_tgi_ends_the_stream() {
    let late = format!("{TGI}data:{{\"error\":\"late\"}}\n\n");
    assert_eq!(read(Want::Text, &[late.as_bytes()]).outcome, Outcome::Complete);
}

#[test]
fn a_completions_stream_becomes_tgi_events_with_a_closing_one() {
    let token =
        |text: &str, special| json!({ "id": null, "text": text, "logprob": null, "special": special });
    let details = json!({ "finish_reason": "length", "generated_tokens": 2, "seed": null });
    let expected = [
        json!({ "index": 1, "token": token("a", false), "generated_text": null, "details": null }),
        json!({ "index": 2, "token": token(" 😀", false), "generated_text": null, "details": null }),
        json!({ "index": 3, "token": token("", true), "generated_text": "a 😀", "details": details }),
    ];
    for pieces in all_cuts(COMPLETIONS.as_bytes()) {
        let reading = read(Want::Chunks, &pieces);
        assert_eq!(reading.outcome, Outcome::Complete);
        assert_eq!(reading.chunks(), expected, "{pieces:?}");
    }
}

#[test]
fn a_completions_stream_is_read_the_same_however_it_is_cut() {
    for pieces in all_cuts(COMPLETIONS.as_bytes()) {
        let reading = read(Want::Text, &pieces);
        assert_eq!((&reading.outcome, reading.shown().as_str()), (&Outcome::Complete, "a 😀"), "{pieces:?}");
        let details = json!({ "finish_reason": "length", "generated_tokens": 2, "seed": null });
        assert_eq!(output(&reading), json!({ "generated_text": "a 😀", "details": details }));
        assert_eq!(value(reading.generation().usage())["total_tokens"], 3);
        assert_eq!(reading.generation().model(), b"m");
    }
}

#[test]
fn a_whole_tgi_answer_keeps_every_member() {
    let object = r#"{"generated_text":"a","details":{"seed":9313781139405380000,"tokens":[]},"extra":1.0}"#;
    for body in [object.to_owned(), format!("[{object}]"), format!(" [ {object} ] \n")] {
        let reading = whole(&body);
        assert_eq!(reading.outcome, Outcome::Complete);
        let mut out = Vec::new();
        reading.generation().write_output(&mut out);
        assert_eq!(String::from_utf8_lossy(&out), object, "to the letter");
        assert_eq!(reading.generation().text(), b"a");
    }
}

#[test]
fn a_whole_completion_is_mapped() {
    let body = r#"{"id":"c","model":"m","choices":[{"index":0,"text":"a","finish_reason":"stop"}],"usage":{"completion_tokens":1}}"#;
    let reading = whole(body);
    assert_eq!(reading.outcome, Outcome::Complete);
    let details = json!({ "finish_reason": "stop", "generated_tokens": 1, "seed": null });
    assert_eq!(output(&reading), json!({ "generated_text": "a", "details": details }));
    let without_reason = whole(r#"{"choices":[{"text":"a"}]}"#);
    assert_eq!(without_reason.outcome, Outcome::Complete);
    assert_eq!(output(&without_reason), json!({ "generated_text": "a" }));
}

#[test]
fn a_whole_answer_in_place_of_a_stream_is_shown_at_once() {
    for body in [r#"{"generated_text":"a 😀"}"#, r#"[{"generated_text":"a 😀"}]"#] {
        for pieces in all_cuts(body.as_bytes()) {
            let reading = read(Want::Text, &pieces);
            assert_eq!((&reading.outcome, reading.shown().as_str()), (&Outcome::Complete, "a 😀"));
        }
        let chunks = read(Want::Chunks, &[body.as_bytes()]).chunks();
        assert_eq!(chunks.len(), 1);
        assert_eq!(
            (&chunks[0]["generated_text"], &chunks[0]["token"]["text"]),
            (&json!("a 😀"), &json!("a 😀"))
        );
    }
    let completion = r#"{"choices":[{"text":"a","finish_reason":"stop"}]}"#;
    assert_eq!(read(Want::Text, &[completion.as_bytes()]).shown(), "a");
    let chunks = read(Want::Chunks, &[completion.as_bytes()]).chunks();
    assert_eq!(chunks.last().expect("a closing event")["generated_text"], "a");
}

#[test]
fn an_escaped_emoji_cut_over_two_tokens_is_shown_whole() {
    let token = |text: &str| {
        format!(
            "data:{{\"token\":{{\"id\":1,\"text\":\"{text}\",\"special\":false}},\"generated_text\":null}}\n\n"
        )
    };
    let stream = [
        token("a\\ud83d"),
        token("\\ude00"),
        "data:{\"token\":{\"text\":\"b\"},\"generated_text\":\"a😀b\"}\n\n".to_owned(),
    ]
    .concat();
    assert_eq!(read(Want::Text, &[stream.as_bytes()]).shown(), "a😀b");
}

#[test]
fn half_a_character_at_the_end_is_shown_as_what_it_became() {
    let body = "data: {\"choices\":[{\"text\":\"a\\ud83d\",\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    for want in [Want::Text, Want::Events] {
        let reading = read(want, &[body.as_bytes()]);
        assert_eq!(reading.outcome, Outcome::Complete);
        assert_eq!(reading.shown(), "a\u{fffd}", "{want:?}");
        assert_eq!(output(&reading)["generated_text"], "a\u{fffd}");
    }
}

#[test]
fn an_error_in_the_stream_is_the_services() {
    let cases = [
        (
            "data: {\"error\":\"Input validation error: x\",\"error_type\":\"validation\"}\n\n",
            Kind::Input,
            "Input validation error: x",
            "validation",
        ),
        ("data: {\"error\":\"x\",\"error_type\":\"overloaded\"}\n\n", Kind::Server, "x", "overloaded"),
        ("data: {\"error\":{\"message\":\"x\",\"code\":429}}\n\n", Kind::RateLimit, "x", "429"),
        ("data: {\"object\":\"error\",\"message\":\"x\",\"code\":400}\n\n", Kind::Input, "x", "400"),
        ("error: {\"message\":\"x\",\"code\":500}\n\n", Kind::Server, "x", "500"),
    ];
    for (stream, kind, message, code) in cases {
        for pieces in all_cuts(stream.as_bytes()) {
            let reading = read(Want::Text, &pieces);
            let error = reading.error();
            assert_eq!(
                (error.kind, error.message.as_str(), error.service_code.as_str()),
                (kind, message, code)
            );
        }
        for begun in [
            TGI.split_inclusive("\n\n").next().expect("an event"),
            COMPLETIONS.split_inclusive("\n\n").next().expect("an event"),
        ] {
            let reading = read(Want::Text, &[begun.as_bytes(), stream.as_bytes()]);
            assert_eq!(reading.error().kind, Kind::StreamInterrupted, "{stream}");
            assert!(!reading.shown().is_empty());
        }
    }
    let whole_error = whole(r#"{"error":"Model is overloaded","error_type":"overloaded"}"#);
    assert_eq!(whole_error.error().message, "Model is overloaded");
}

#[test]
fn a_stream_without_its_closing_word_is_truncated() {
    let first = |stream: &'static str| stream.split_inclusive("\n\n").next().expect("an event");
    for begun in [first(TGI), first(COMPLETIONS)] {
        for (end, _) in begun.char_indices() {
            let stream = format!("{begun}{}", &begun[..end]);
            assert_eq!(read(Want::Text, &[stream.as_bytes()]).error().kind, Kind::Truncated, "{stream:?}");
        }
    }
}

#[test]
fn keep_alives_and_unknown_members_bring_nothing() {
    let stream = format!(
        "data: {{}}\n\n: x\n\ndata: {{\"x\":1}}\n\ndata: {{\"token\":null,\"error\":null,\"choices\":null}}\n\n{TGI}"
    );
    let reading = read(Want::Chunks, &[stream.as_bytes()]);
    assert_eq!((&reading.outcome, reading.chunks().len()), (&Outcome::Complete, 3));
}

#[test]
fn what_is_neither_protocol_is_an_invalid_response() {
    for (body, reason) in [
        ("{}", "no_choices"),
        ("[]", "unknown_shape"),
        ("[1]", "unknown_shape"),
        ("\"x\"", "unknown_shape"),
        ("{\"generated_text\":", "not_json"),
        ("[{\"generated_text\":\"a\"}]x", "not_json"),
    ] {
        let reading = whole(body);
        assert_eq!((reading.error().kind, reading.error().reason), (Kind::InvalidResponse, reason), "{body}");
    }
}

#[test]
fn a_second_choice_that_comes_first_takes_nothing_of_the_first() {
    let chunk = |index: u8, text: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":{index},\"text\":\"{text}\",\"finish_reason\":\"stop\"}}]}}\n\n"
        )
    };
    let body = chunk(1, "Good day") + &chunk(0, "Hello") + "data: [DONE]\n\n";
    let reading = Reading::new(Task::Generation, Want::Text, &[body.as_bytes()]);
    assert_eq!(reading.shown(), "Hello");
    let only = chunk(1, "Good day") + "data: [DONE]\n\n";
    let reading = Reading::new(Task::Generation, Want::Text, &[only.as_bytes()]);
    assert_eq!(reading.shown(), "Good day", "where there is no other");
}
