//! Chat answers: the services' streams, their deviations, and what a batch brings of them.

use hf_inference_wasm::core::engine::plan::Task;
use hf_inference_wasm::core::engine::stream::{Outcome, Stream};
use hf_inference_wasm::core::error::Kind;
use hf_inference_wasm::core::wire::batch::{Batch, Mark, Want};
use hf_inference_wasm::core::wire::chat::{Answer, Choice, Fault, MAX_ARGUMENTS_BYTES, MAX_TOOL_CALLS};
use serde_json::json;

use crate::{Reading, all_cuts, value};

const USAGE_APART: &str = include_str!("../fixtures/sample-a-openai-usage-chunk.sse");
const DEEPSEEK: &str = include_str!("../fixtures/sample-g-deepseek.sse");

fn lossless(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

fn calls(choice: &Choice) -> Vec<(&str, &str, &str)> {
    let calls = choice.tool_calls.iter();
    calls.map(|call| (lossless(&call.id), lossless(&call.name), lossless(&call.arguments))).collect()
}

/// An answer after these chunks.
fn taken(chunks: &[&str]) -> Answer {
    let mut answer = Answer::default();
    let mut batch = Batch::default();
    for chunk in chunks {
        assert!(answer.take(chunk.as_bytes(), &mut batch).is_ok(), "{chunk}");
    }
    answer
}

fn deltas(deltas: &[&str]) -> Answer {
    let chunks: Vec<String> =
        deltas.iter().map(|delta| format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#)).collect();
    taken(&chunks.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn content_and_reasoning_are_taken_in_every_shape() {
    let cases: &[(&str, &str, &str)] = &[
        (r#"{"content":"a"}"#, "a", ""),
        (r#"{"content":null}"#, "", ""),
        (r#"{}"#, "", ""),
        ("null", "", ""),
        (r#"{"content":""}"#, "", ""),
        (r#"{"role":"","content":"a"}"#, "a", ""),
        (r#"{"role":null,"content":"a","refusal":null,"tool_calls":null}"#, "a", ""),
        (r#"{"content":7}"#, "", ""),
        (r#"{"content":[]}"#, "", ""),
        (r#"{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}"#, "ab", ""),
        (r#"{"content":["a",{"type":"text","text":"b"},null,1,{}]}"#, "ab", ""),
        (
            r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"r"}]},{"type":"text","text":"a"}]}"#,
            "a",
            "r",
        ),
        (r#"{"content":[{"type":"thinking","thinking":"r"}]}"#, "", "r"),
        (r#"{"reasoning":"r"}"#, "", "r"),
        (r#"{"reasoning_content":"r"}"#, "", "r"),
        (r#"{"reasoning_text":"r"}"#, "", "r"),
        (r#"{"reasoning":"r","reasoning_content":"r"}"#, "", "r"),
        (r#"{"reasoning":"","reasoning_content":"r"}"#, "", "r"),
        (r#"{"reasoning":null,"reasoning_content":"r"}"#, "", "r"),
        (r#"{"reasoning":"r","reasoning_content":null}"#, "", "r"),
        (r#"{"content":"a","reasoning":"r"}"#, "a", "r"),
        (r#"{"reasoning":{"x":1},"content":"a"}"#, "a", ""),
        (r#"{"reasoning_details":[{"type":"reasoning.text","text":"r","index":0}],"content":"a"}"#, "a", "r"),
        (r#"{"reasoning_details":[{"type":"reasoning.summary","summary":"r"}]}"#, "", "r"),
        (r#"{"reasoning":"r","reasoning_details":[{"type":"reasoning.text","text":"r"}]}"#, "", "r"),
        (r#"{"reasoning_details":[{"type":"reasoning.encrypted","data":"x"}],"content":"a"}"#, "a", ""),
        (r#"{"reasoning_details":null,"content":"a"}"#, "a", ""),
        (r#"{"content":"\u00e9\n\"\ud83d\ude00"}"#, "é\n\"😀", ""),
        (r#"{"content":"<think>t</think>a"}"#, "<think>t</think>a", ""),
    ];
    for (delta, text, reasoning) in cases {
        let answer = deltas(&[delta]);
        let choice = answer.first().expect("a choice");
        assert_eq!((lossless(&choice.text), lossless(&choice.reasoning)), (*text, *reasoning), "{delta}");
    }
}

#[test]
fn odd_chunks_bring_nothing_and_break_nothing() {
    let odd = [
        "{}",
        r#"{"choices":[]}"#,
        r#"{"choices":null}"#,
        r#"{"choices":{}}"#,
        r#"{"choices":[null,1,"x"]}"#,
        r#"{"error":null,"choices":[]}"#,
        r#"{"error":"","choices":[]}"#,
        r#"{"error":{},"choices":[]}"#,
        r#"{"usage":null}"#,
        r#"{"x_groq":{"id":"r"}}"#,
        r#"{"time_info":{"a":0.1}}"#,
        r#"{"object":null,"id":7,"model":[]}"#,
        r#"{"x-router-metadata":{"route":"a","model":"b"}}"#,
    ];
    for chunk in odd {
        assert!(taken(&[chunk]).choices().is_empty(), "{chunk}");
    }
    let mut chunks = odd.to_vec();
    chunks.insert(5, r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}"#);
    let answer = taken(&chunks);
    assert_eq!(lossless(&answer.first().expect("a choice").text), "a");
    // A choice without a delta has begun, and brings nothing.
    let answer = taken(&[r#"{"choices":[{}]}"#, r#"{"choices":[{"delta":null}]}"#]);
    assert_eq!(answer.choices(), [Choice::default()]);
    assert!(!answer.has_output() && !answer.is_finished());
}

#[test]
fn what_is_not_a_json_object_is_invalid() {
    for chunk in [
        "",
        "1",
        "[]",
        "\"x\"",
        "null",
        "{",
        "{]",
        "{}x",
        "{\"choices\":[{\"delta\":{\"content\":\"a}]}",
        "NaN",
    ] {
        let mut answer = Answer::default();
        assert_eq!(answer.take(chunk.as_bytes(), &mut Batch::default()), Err(Fault::Invalid), "{chunk}");
    }
}

#[test]
fn a_text_completions_text_counts_only_where_there_is_no_delta() {
    let answer = taken(&[r#"{"choices":[{"index":0,"text":"a","finish_reason":""}]}"#]);
    assert_eq!(lossless(&answer.first().expect("a choice").text), "a");
    let answer = taken(&[r#"{"choices":[{"index":0,"text":"a","delta":{"content":"a"}}]}"#]);
    assert_eq!(lossless(&answer.first().expect("a choice").text), "a");
}

#[test]
fn finish_reasons_come_to_the_common_words() {
    let cases = [
        ("stop", "stop"),
        ("eos", "stop"),
        ("eos_token", "stop"),
        ("stop_sequence", "stop"),
        ("end_turn", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("model_length", "length"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("tool_use", "tool_calls"),
        ("content_filter", "content_filter"),
        ("something new", "other"),
    ];
    for (raw, word) in cases {
        let answer = taken(&[&format!(r#"{{"choices":[{{"delta":{{}},"finish_reason":"{raw}"}}]}}"#)]);
        let choice = answer.first().expect("a choice");
        assert_eq!((lossless(&choice.finish_reason), choice.normalised_finish_reason()), (raw, word));
        assert!(answer.is_finished());
    }
    for unfinished in
        [r#""finish_reason":null"#, r#""finish_reason":"""#, r#""index":0"#, r#""finish_reason":0"#]
    {
        assert!(!taken(&[&format!(r#"{{"choices":[{{"delta":{{}},{unfinished}}}]}}"#)]).is_finished());
    }
    let stop_with_call = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}}]},"finish_reason":"stop"}]}"#;
    let answer = taken(&[stop_with_call]);
    assert_eq!(answer.first().expect("a choice").normalised_finish_reason(), "tool_calls", "TGI says stop");
}

#[test]
fn a_finish_is_not_taken_back_by_a_later_null() {
    let answer = taken(&[
        r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"length"}]}"#,
        r#"{"choices":[{"delta":{"content":"b"},"finish_reason":null}]}"#,
    ]);
    let choice = answer.first().expect("a choice");
    assert_eq!((lossless(&choice.text), lossless(&choice.finish_reason)), ("ab", "length"));
}

#[test]
fn tool_calls_are_put_together_from_every_shape() {
    type Case<'a> = (&'a str, &'a [&'a str], &'a [(&'a str, &'a str, &'a str)]);
    let cases: &[Case<'_>] = &[
        (
            "fragments",
            &[
                r#"{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}"#,
                r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\""}}]}"#,
                r#"{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}"#,
            ],
            &[("a", "f", "{\"x\":1}")],
        ),
        (
            "whole",
            &[r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}"#],
            &[("a", "f", "{}")],
        ),
        (
            "OpenAI's older form",
            &[
                r#"{"function_call":{"name":"f","arguments":""}}"#,
                r#"{"function_call":{"arguments":"{\"x\""}}"#,
                r#"{"function_call":{"arguments":":1}"}}"#,
                r#"{"function_call":null}"#,
            ],
            &[("", "f", "{\"x\":1}")],
        ),
        (
            "both forms at once",
            &[
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}],"function_call":{"name":"f","arguments":"{}"}}"#,
            ],
            &[("a", "f", "{}")],
        ),
        (
            "two in one delta",
            &[
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}},{"index":1,"id":"b","function":{"name":"g","arguments":"[]"}}]}"#,
            ],
            &[("a", "f", "{}"), ("b", "g", "[]")],
        ),
        (
            "interleaved",
            &[
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}}]}"#,
                r#"{"tool_calls":[{"index":1,"id":"b","function":{"name":"g"}}]}"#,
                r#"{"tool_calls":[{"index":0,"function":{"arguments":"1"}},{"index":1,"function":{"arguments":"2"}}]}"#,
                r#"{"tool_calls":[{"index":1,"function":{"arguments":"3"}}]}"#,
            ],
            &[("a", "f", "1"), ("b", "g", "23")],
        ),
        (
            "empty or null repeats",
            &[
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}"#,
                r#"{"tool_calls":[{"index":0,"id":"","function":{"name":"","arguments":"{"}}]}"#,
                r#"{"tool_calls":[{"index":0,"id":null,"type":"function","function":{"name":null,"arguments":"}"}}]}"#,
            ],
            &[("a", "f", "{}")],
        ),
        (
            "full repeats",
            &[
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}"#,
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"}"}}]}"#,
            ],
            &[("a", "f", "{}")],
        ),
        (
            "no index, by id",
            &[
                r#"{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"1"}}]}"#,
                r#"{"tool_calls":[{"id":"b","function":{"name":"g","arguments":"2"}}]}"#,
                r#"{"tool_calls":[{"id":"a","function":{"arguments":"3"}}]}"#,
            ],
            &[("a", "f", "13"), ("b", "g", "2")],
        ),
        (
            "no index and no id: goes on with the last",
            &[
                r#"{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"1"}}]}"#,
                r#"{"tool_calls":[{"function":{"arguments":"2"}}]}"#,
            ],
            &[("a", "f", "12")],
        ),
        (
            "always index 0, told apart by new ids",
            &[
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"1"}}]}"#,
                r#"{"tool_calls":[{"index":0,"id":"b","function":{"name":"g","arguments":""}}]}"#,
                r#"{"tool_calls":[{"index":0,"function":{"arguments":"2"}}]}"#,
            ],
            &[("a", "f", "1"), ("b", "g", "2")],
        ),
        (
            "sparse index",
            &[
                r#"{"tool_calls":[{"index":3,"id":"a","function":{"name":"f","arguments":"1"}}]}"#,
                r#"{"tool_calls":[{"index":7,"id":"b","function":{"name":"g","arguments":"2"}}]}"#,
                r#"{"tool_calls":[{"index":3,"function":{"arguments":"3"}}]}"#,
            ],
            &[("a", "f", "13"), ("b", "g", "2")],
        ),
        (
            "id after the arguments",
            &[
                r#"{"tool_calls":[{"index":0,"function":{"arguments":"1"}}]}"#,
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"2"}}]}"#,
            ],
            &[("a", "f", "12")],
        ),
        (
            "null and odd lists",
            &[
                r#"{"tool_calls":null}"#,
                r#"{"tool_calls":[]}"#,
                r#"{"tool_calls":[null,1,"x"]}"#,
                r#"{"tool_calls":"x"}"#,
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":null}}]}"#,
            ],
            &[("a", "f", "")],
        ),
        (
            "one object where the list should be",
            &[
                r#"{"tool_calls":{"index":0,"id":"","type":"function","function":{"name":"f","arguments":"{"}}}"#,
                r#"{"tool_calls":{"index":0,"id":"","type":"function","function":{"name":"","arguments":"}"}}}"#,
            ],
            &[("", "f", "{}")],
        ),
        (
            "arguments as an object",
            &[
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":{"x": [1, 9007199254740993]}}}]}"#,
            ],
            &[("a", "f", r#"{"x": [1, 9007199254740993]}"#)],
        ),
        (
            "an emoji cut over two fragments",
            &[
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"\"\ud83d"}}]}"#,
                r#"{"tool_calls":[{"index":0,"function":{"arguments":"\ude00\""}}]}"#,
            ],
            &[("a", "f", "\"😀\"")],
        ),
    ];
    for (name, shapes, expected) in cases {
        let answer = deltas(shapes);
        assert_eq!(calls(answer.first().expect("a choice")), *expected, "{name}");
    }
}

#[test]
fn whole_calls_without_index_and_id_in_one_list_are_several() {
    let list = r#"{"tool_calls":[{"function":{"name":"f","arguments":{"x":1}}},{"function":{"name":"g","arguments":{"y":2}}}]}"#;
    let answer = deltas(&[list]);
    let expected = [("", "f", "{\"x\":1}"), ("", "g", "{\"y\":2}")];
    assert_eq!(calls(answer.first().expect("a choice")), expected);
}

#[test]
fn several_choices_are_kept_apart() {
    let answer = taken(&[
        r#"{"choices":[{"index":1,"delta":{"content":"b"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"a"}},{"index":2,"delta":{"reasoning":"r"}}]}"#,
        r#"{"choices":[{"index":1,"delta":{"content":"B"},"finish_reason":"length"}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"A"},"finish_reason":"stop"}]}"#,
    ]);
    let seen: Vec<_> = answer
        .choices()
        .iter()
        .map(|choice| (choice.index, lossless(&choice.text), lossless(&choice.finish_reason)))
        .collect();
    assert_eq!(seen, [(1, "bB", "length"), (0, "aA", "stop"), (2, "", "")]);
    assert_eq!(answer.first().expect("a choice").index, 0);
    assert!(!answer.is_finished(), "the third has not ended");
    // Without an index the place in the list is the number.
    let answer =
        taken(&[r#"{"choices":[{"delta":{"content":"a"}},{"index":null,"delta":{"content":"b"}}]}"#]);
    assert_eq!(answer.choices().iter().map(|choice| choice.index).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn text_of_the_first_choice_only_is_shown() {
    let stream = "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"}},{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\n";
    assert_eq!(Reading::new(Task::Chat, Want::Text, &[stream.as_bytes()]).shown(), "a");
}

#[test]
fn a_stream_of_two_choices_is_finished_when_both_are() {
    let chunk = |index, reason: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":{index},\"delta\":{{\"content\":\"x\"}},\"finish_reason\":{reason}}}]}}\n\n"
        )
    };
    let mut stream = Stream::new(Task::Chat, true, false, 2);
    let mut batch = Batch::default();
    stream.feed(chunk(1, "\"stop\"").as_bytes(), &mut batch);
    assert!(!stream.is_finished(), "llama.cpp ends the second choice before the first begins");
    stream.feed(chunk(0, "null").as_bytes(), &mut batch);
    assert!(!stream.is_finished());
    stream.feed(chunk(0, "\"stop\"").as_bytes(), &mut batch);
    assert!(stream.is_finished());
}

#[test]
fn usage_is_kept_to_the_letter_and_the_last_one_counts() {
    let usage = r#"{ "total_tokens": 9313781139405380000, "cost": 0.10, "x":[1.0] }"#;
    let answer = taken(&[
        r#"{"usage":{"total_tokens":1}}"#,
        &format!(r#"{{"usage":{usage},"choices":[]}}"#),
        r#"{"usage":null}"#,
    ]);
    assert_eq!(lossless(&answer.usage), usage);
    let answer = taken(&[r#"{"x_groq":{"usage":{"total_tokens":3}}}"#]);
    assert_eq!(lossless(&answer.usage), r#"{"total_tokens":3}"#, "Groq's own place");
    let answer = taken(&[r#"{"x_groq":{"usage":{"total_tokens":3}},"usage":{"total_tokens":4}}"#]);
    assert_eq!(lossless(&answer.usage), r#"{"total_tokens":4}"#);
}

#[test]
fn the_chunk_with_nothing_but_usage_is_kept_back_where_nobody_asked_for_it() {
    let stream = USAGE_APART.as_bytes();
    let shown =
        |quiet| Reading::of(Stream::new(Task::Chat, true, quiet, 1), Want::Chunks, &[stream]).chunks();
    let (quiet, all) = (shown(true), shown(false));
    assert_eq!((quiet.len(), all.len()), (3, 4));
    assert_eq!(quiet[..], all[..3]);
    assert!(quiet.iter().all(|chunk| chunk["choices"][0].is_object()), "safe to read choices[0]");
    let reading = Reading::of(Stream::new(Task::Chat, true, true, 1), Want::Chunks, &[stream]);
    assert_eq!(value(&reading.chat().usage)["total_tokens"], 15, "but its usage is not lost");
}

#[test]
fn a_chunk_without_choices_gets_an_empty_list_and_nothing_else() {
    for (chunk, rest) in [
        (r#"{"x_groq":{"id":"r"}}"#, json!({ "x_groq": { "id": "r" } })),
        (r#"{"usage":{"total_tokens":1} }"#, json!({ "usage": { "total_tokens": 1 } })),
        (r#"{"id":"x","choices":null}"#, json!({ "id": "x" })),
    ] {
        let stream = format!("data: {chunk}\n\ndata: [DONE]\n\n");
        let chunks = Reading::new(Task::Chat, Want::Chunks, &[stream.as_bytes()]).chunks();
        let mut expected = rest;
        expected["choices"] = json!([]);
        assert_eq!(chunks, [expected], "safe to read choices[0]: {chunk}");
    }
    let keep_alives = b"data: {}\n\ndata: { }\n\ndata: [DONE]\n\n";
    assert!(Reading::new(Task::Chat, Want::Chunks, &[keep_alives]).chunks().is_empty());
}

#[test]
fn a_chunk_that_is_not_valid_to_its_end_brings_nothing() {
    let chunk = r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}],"usage":{"x":1}}"#;
    for end in 0..chunk.len() {
        let mut answer = Answer::default();
        let mut batch = Batch::default();
        batch.set_want(Want::Text);
        assert_eq!(answer.take(&chunk.as_bytes()[..end], &mut batch), Err(Fault::Invalid));
        assert!(batch.is_empty() && !answer.has_output() && answer.usage.is_empty());
    }
}

#[test]
fn numbers_too_large_for_javascript_pass_as_they_are_written() {
    let chunk = r#"{"id":"x","seed":9313781139405380000,"created":1.7e9,"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}"#;
    let stream = format!("data: {chunk}\n\ndata: [DONE]\n\n");
    assert_eq!(Reading::new(Task::Chat, Want::Chunks, &[stream.as_bytes()]).shown(), chunk);
}

#[test]
fn done_ends_the_stream_in_each_of_its_forms() {
    let chunk = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    for done in [
        "data: [DONE]\n\n",
        "data:[DONE]\n\n",
        "data:  [DONE] \n\n",
        "data: [DONE]\r\n\r\n",
        "data: [DONE]",
        "data:[DONE]\n",
        ": x\ndata: [DONE]\n\n",
        "event: done\ndata: [DONE]\n\n",
        "data: [DONE]\r",
    ] {
        let stream = format!("{chunk}{done}");
        for pieces in all_cuts(stream.as_bytes()) {
            let reading = Reading::new(Task::Chat, Want::Text, &pieces);
            assert_eq!((&reading.outcome, reading.shown().as_str()), (&Outcome::Complete, "a"), "{pieces:?}");
        }
    }
    for not_done in ["", "data: \n\n", ": [DONE]\n\n", "[DONE]\n\n", "data\n\n"] {
        let stream = format!("{chunk}{not_done}");
        let reading = Reading::new(Task::Chat, Want::Text, &[stream.as_bytes()]);
        assert_eq!(
            (reading.error().kind, reading.error().reason),
            (Kind::Truncated, "no_end"),
            "{not_done:?}"
        );
    }
}

#[test]
fn nothing_after_done_is_read() {
    let stream = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n\ndata: {\"error\":\"late\"}\n\n";
    let reading = Reading::new(Task::Chat, Want::Text, &[stream.as_bytes()]);
    assert_eq!((&reading.outcome, reading.shown().as_str()), (&Outcome::Complete, "a"));
}

#[test]
fn an_escaped_emoji_cut_over_two_deltas_is_shown_whole() {
    let delta = |member: &str, text: &str| {
        format!("data: {{\"choices\":[{{\"delta\":{{\"{member}\":\"{text}\"}}}}]}}\n\n")
    };
    for member in ["content", "reasoning"] {
        let stream = [
            delta(member, "a\\ud83d"),
            delta(member, ""),
            delta(member, "\\ude00b"),
            delta(member, "\\ud83d"),
            "data: [DONE]\n\n".to_owned(),
        ]
        .concat();
        for pieces in all_cuts(stream.as_bytes()) {
            let reading = Reading::new(Task::Chat, Want::Events, &pieces);
            let kind = if member == "content" { Mark::Text } else { Mark::Reasoning } as u32;
            assert_eq!(reading.joined_events()[0], (kind, "a😀b\u{fffd}".to_owned()), "{pieces:?}");
        }
    }
}

#[test]
fn characters_cut_by_the_network_at_every_byte_arrive_whole() {
    let text = "é€😀👩‍👩‍👧ñ漢字\u{10ffff}";
    let stream = format!(
        "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":\"stop\"}}]}}\n\n"
    );
    for pieces in all_cuts(stream.as_bytes()) {
        for want in [Want::Text, Want::Chunks] {
            let reading = Reading::new(Task::Chat, want, &pieces);
            assert_eq!(lossless(&reading.chat().first().expect("a choice").text), text);
            assert!(reading.shown().contains(text));
        }
    }
}

#[test]
fn marks_are_ends_in_utf16_units() {
    let stream = concat!(
        "data: {\"choices\":[{\"delta\":{\"reasoning\":\"é😀\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"漢😀\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"!\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}\n\n",
    );
    let reading = Reading::new(Task::Chat, Want::Events, &[stream.as_bytes()]);
    let (text, marks) = &reading.batches[0];
    assert!(text.starts_with("é😀漢😀!{"));
    assert_eq!(marks[..5], [Mark::Reasoning as u32, 3, Mark::Text as u32, 7, Mark::ToolCallStart as u32]);
    assert_eq!(*marks.last().expect("marks") as usize, text.encode_utf16().count());
}

#[test]
fn events_come_in_order_and_with_their_members() {
    let reading = Reading::new(Task::Chat, Want::Events, &[DEEPSEEK.as_bytes()]);
    let events = reading.events();
    let kinds: Vec<u32> = events.iter().map(|(kind, _)| *kind).collect();
    let expected = [
        Mark::Reasoning,
        Mark::ToolCallStart,
        Mark::ToolCallDelta,
        Mark::ToolCall,
        Mark::Usage,
        Mark::Finish,
    ];
    assert_eq!(kinds, expected.map(|mark| mark as u32));
    let parsed: Vec<_> = events[1..].iter().map(|(_, json)| value(json.as_bytes())).collect();
    assert_eq!(parsed[0], json!({ "index": 0, "id": "call_00", "name": "weather" }));
    assert_eq!(parsed[1], json!({ "index": 0, "arguments": "{\"city\"" }));
    let call = json!({ "id": "call_00", "type": "function", "function": { "name": "weather", "arguments": "{\"city\"" } });
    assert_eq!(parsed[2], json!({ "index": 0, "toolCall": call }));
    assert_eq!(parsed[3]["usage"]["prompt_cache_hit_tokens"], 320, "the service's own members survive");
    assert_eq!(parsed[4], json!({ "finishReason": "tool_calls", "rawFinishReason": "tool_calls" }));
}

#[test]
fn an_error_in_the_stream_has_the_services_words_and_kind() {
    let cases: &[(&str, Kind, &str, &str)] = &[
        (
            r#"data: {"error":{"message":"Input validation error: x","http_status_code":422}}"#,
            Kind::Input,
            "Input validation error: x",
            "",
        ),
        (r#"data: {"error":"x","error_type":"validation"}"#, Kind::Input, "x", "validation"),
        (r#"data: {"error":"x","error_type":"overloaded"}"#, Kind::Server, "x", "overloaded"),
        (
            r#"data: {"error":{"message":"x","type":"BadRequestError","param":null,"code":400}}"#,
            Kind::Input,
            "x",
            "400",
        ),
        (r#"data: {"error":{"message":"x","code":"429"}}"#, Kind::RateLimit, "x", "429"),
        (
            r#"data: {"error":{"message":"x","code":"rate_limit_exceeded"}}"#,
            Kind::RateLimit,
            "x",
            "rate_limit_exceeded",
        ),
        (r#"data: {"error":{"message":"x","code":503}}"#, Kind::Server, "x", "503"),
        (r#"data: {"error":{"message":"x","code":40301}}"#, Kind::Server, "x", "40301"),
        (
            r#"data: {"object":"error","message":"x","type":"y","param":null,"code":400}"#,
            Kind::Input,
            "x",
            "400",
        ),
        (
            r#"data: {"error":{"object":"error","message":"x","type":"y","param":null,"code":404}}"#,
            Kind::NotFound,
            "x",
            "404",
        ),
        (r#"error: {"code":500,"message":"x","type":"server_error"}"#, Kind::Server, "x", "500"),
        (r#"error: plain words"#, Kind::Server, "plain words", ""),
        ("event: error\ndata: {\"message\":\"x\"}", Kind::Server, "x", ""),
        (r#"data: {"error":"x"}"#, Kind::Server, "x", ""),
        (r#"data: {"error":true,"message":"x"}"#, Kind::Server, "x", ""),
        (r#"data: {"error":{"message":"<html><body>502</body></html>"}}"#, Kind::Server, "", ""),
    ];
    for (event, kind, message, code) in cases {
        let stream = format!("{event}\n\ndata: [DONE]\n\n");
        for pieces in all_cuts(stream.as_bytes()) {
            let reading = Reading::new(Task::Chat, Want::Text, &pieces);
            let error = reading.error();
            let seen = (error.kind, error.message.as_str(), error.service_code.as_str(), error.reason);
            assert_eq!(seen, (*kind, *message, *code, "error_in_stream"), "{event}");
        }
        let begun = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"a\"}}}}]}}\n\n{stream}");
        let reading = Reading::new(Task::Chat, Want::Text, &[begun.as_bytes()]);
        assert_eq!(
            (reading.error().kind, reading.shown().as_str()),
            (Kind::StreamInterrupted, "a"),
            "{event}"
        );
    }
}

#[test]
fn an_error_without_the_word_error_is_not_taken_for_a_keep_alive() {
    for event in [
        r#"{"message":"overloaded","type":"server_error","param":"","code":"x"}"#,
        r#"{"detail":"overloaded"}"#,
    ] {
        let stream = format!("data: {event}\n\ndata: [DONE]\n\n");
        let reading = Reading::new(Task::Chat, Want::Text, &[stream.as_bytes()]);
        assert_ne!(reading.outcome, Outcome::Complete, "{event}");
        assert_eq!(reading.error().message, "overloaded");
    }
}

#[test]
fn words_beside_an_answer_are_no_error() {
    let chunks = [
        r#"{"message":"cached","choices":[{"delta":{"content":"a"}}]}"#,
        r#"{"choices":[],"detail":"x","usage":null}"#,
        r#"{"message":{"role":"assistant"}}"#,
        r#"{"message":null,"detail":null}"#,
        r#"{"message":""}"#,
    ];
    assert_eq!(lossless(&taken(&chunks).first().expect("a choice").text), "a");
}

#[test]
fn what_ends_the_body_too_early_is_a_truncation() {
    let chunk = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    for end in 0..chunk.len() {
        let stream = format!("{chunk}{}", &chunk[..end]);
        let reading = Reading::new(Task::Chat, Want::Text, &[stream.as_bytes()]);
        assert_eq!(reading.error().kind, Kind::Truncated, "{stream:?}");
        assert!(reading.shown().starts_with('a'));
    }
    let mut with_comment = chunk.to_owned();
    with_comment.push_str(": keep-alive\n\n");
    assert_eq!(
        Reading::new(Task::Chat, Want::Text, &[with_comment.as_bytes()]).error().kind,
        Kind::Truncated
    );
}

#[test]
fn trailing_words_cut_short_do_not_undo_a_finished_answer() {
    let finished = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n";
    let trailer = "data: {\"choices\":[],\"usage\":{\"total_tokens\":1}}\n\ndata: [DONE]\n\n";
    for end in 0..=trailer.len() {
        let stream = format!("{finished}{}", &trailer[..end]);
        let reading = Reading::new(Task::Chat, Want::Text, &[stream.as_bytes()]);
        assert_eq!(
            (&reading.outcome, reading.shown().as_str()),
            (&Outcome::Complete, "a"),
            "{:?}",
            &trailer[..end]
        );
    }
}

#[test]
fn what_is_no_answer_is_an_invalid_response_and_says_why() {
    let cases: &[(&str, &str)] = &[
        ("", "empty"),
        ("  \r\n ", "empty"),
        ("<!doctype html><html></html>", "markup"),
        ("\n <html>", "markup"),
        ("data: not json\n\ndata: x\n\n", "not_json"),
        ("data: <html><body></body></html>\n\ndata: x\n\n", "markup"),
        ("data: [1]\n\ndata: x\n\n", "unknown_shape"),
        ("data: 1\n\ndata: x\n\n", "unknown_shape"),
        ("{\"choices\":[", "not_json"),
        ("{\"choices\":[]}", "no_choices"),
        ("{}", "no_choices"),
        ("[]", "unknown_shape"),
        ("\"x\"", "unknown_shape"),
    ];
    for (body, reason) in cases {
        for pieces in all_cuts(body.as_bytes()) {
            let reading = Reading::new(Task::Chat, Want::Text, &pieces);
            let seen = (reading.error().kind, reading.error().reason);
            assert_eq!(seen, (Kind::InvalidResponse, *reason), "{body:?} as {pieces:?}");
        }
    }
}

#[test]
fn an_event_cut_short_before_every_choice_has_ended_is_a_truncation() {
    let finished =
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n";
    let stream = format!("{finished}data: {{\"choices\":[{{\"index\":1,\"delta\":{{\"cont");
    let reading = Reading::of(Stream::new(Task::Chat, true, false, 2), Want::Text, &[stream.as_bytes()]);
    assert_eq!(reading.error().kind, Kind::Truncated);
}

#[test]
fn a_byte_order_mark_and_blanks_change_nothing() {
    let stream = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n";
    let document = r#"{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}"#;
    for lead in ["", "\u{feff}", "\n", "\r\n\r\n", "\u{feff}\n"] {
        for body in [stream, document] {
            let body = format!("{lead}{body}");
            for pieces in all_cuts(body.as_bytes()) {
                let reading = Reading::new(Task::Chat, Want::Text, &pieces);
                assert_eq!(
                    (&reading.outcome, reading.shown().as_str()),
                    (&Outcome::Complete, "a"),
                    "{pieces:?}"
                );
            }
        }
        let body = format!("{lead}{document}");
        for pieces in all_cuts(body.as_bytes()) {
            let reading = Reading::of(Stream::new(Task::Chat, false, false, 1), Want::Nothing, &pieces);
            assert_eq!(reading.outcome, Outcome::Complete, "{pieces:?}");
        }
    }
    // A blank before a field's name makes it another field, wherever the network cuts.
    let blank = format!(" {stream}data: [DONE]\n\n");
    for pieces in all_cuts(blank.as_bytes()) {
        assert_eq!(Reading::new(Task::Chat, Want::Text, &pieces).shown(), "", "{pieces:?}");
    }
}

#[test]
fn a_document_with_nothing_but_words_is_the_services_error() {
    for body in [r#"{"message":"quota exceeded","code":429}"#, r#"{"detail":"quota exceeded"}"#] {
        for streamed in [true, false] {
            let stream = Stream::new(Task::Chat, streamed, false, 1);
            let reading = Reading::of(stream, Want::Text, &[body.as_bytes()]);
            assert_eq!(reading.error().message, "quota exceeded", "{body}, streamed: {streamed}");
        }
    }
}

const DOCUMENT: &str = include_str!("../fixtures/document-in-place-of-stream.json");

#[test]
fn a_document_in_place_of_a_stream_becomes_one_chunk() {
    for pieces in all_cuts(DOCUMENT.as_bytes()) {
        let reading = Reading::new(Task::Chat, Want::Chunks, &pieces);
        assert_eq!(reading.outcome, Outcome::Complete);
        let expected =
            DOCUMENT.replace("\"message\"", "\"delta\"").replace("chat.completion", "chat.completion.chunk");
        assert_eq!(reading.shown(), expected, "nothing else is changed");
    }
    let reading = Reading::new(Task::Chat, Want::Events, &[DOCUMENT.as_bytes()]);
    let events = reading.joined_events();
    let kinds: Vec<u32> = events.iter().map(|(kind, _)| *kind).collect();
    let expected = [
        Mark::Reasoning,
        Mark::Text,
        Mark::ToolCallStart,
        Mark::ToolCallDelta,
        Mark::ToolCall,
        Mark::Usage,
        Mark::Finish,
    ];
    assert_eq!(kinds, expected.map(|mark| mark as u32));
    assert_eq!(Reading::new(Task::Chat, Want::Text, &[DOCUMENT.as_bytes()]).shown(), "Hi 😀");
}

#[test]
fn a_document_where_one_was_asked_for_is_kept_to_the_letter() {
    for pieces in all_cuts(DOCUMENT.as_bytes()) {
        let reading = Reading::of(Stream::new(Task::Chat, false, false, 1), Want::Nothing, &pieces);
        assert_eq!(reading.outcome, Outcome::Complete);
        assert_eq!(reading.stream.document(), DOCUMENT.as_bytes());
        let choice = reading.chat().first().expect("a choice");
        assert_eq!((lossless(&choice.text), lossless(&choice.reasoning)), ("Hi 😀", "r"));
        assert_eq!(calls(choice), [("a", "f", "{}")]);
    }
}

#[test]
fn more_than_one_document_is_not_taken_for_one() {
    let lines = "{\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n{\"choices\":[{\"delta\":{\"content\":\"lo\"},\"finish_reason\":\"stop\"}]}\n";
    for body in [lines, "{\"choices\":[{\"message\":{\"content\":\"a\"}}]} trailing"] {
        for streamed in [true, false] {
            let reading =
                Reading::of(Stream::new(Task::Chat, streamed, false, 1), Want::Text, &[body.as_bytes()]);
            assert_ne!(reading.outcome, Outcome::Complete, "{body:?}, streamed: {streamed}");
        }
    }
}

#[test]
fn an_error_document_with_status_200_is_the_services_error() {
    for streamed in [true, false] {
        let body = br#"{"error":{"message":"x","code":503}}"#;
        let reading = Reading::of(Stream::new(Task::Chat, streamed, false, 1), Want::Text, &[body]);
        let error = reading.error();
        assert_eq!((error.kind, error.message.as_str(), error.status), (Kind::Server, "x", Some(503)));
    }
}

#[test]
fn answers_beyond_the_limits_are_refused() {
    let call = |index: usize| {
        format!(
            r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":{index},"id":"c{index}","function":{{"name":"f"}}}}]}}}}]}}"#
        )
    };
    let mut answer = Answer::default();
    let mut batch = Batch::default();
    for index in 0..MAX_TOOL_CALLS {
        assert_eq!(answer.take(call(index).as_bytes(), &mut batch), Ok(None));
    }
    assert_eq!(answer.take(call(MAX_TOOL_CALLS).as_bytes(), &mut batch), Err(Fault::TooLarge("tool calls")));

    let arguments = |size| {
        format!(
            r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":0,"function":{{"arguments":"{}"}}}}]}}}}]}}"#,
            "x".repeat(size)
        )
    };
    let mut answer = Answer::default();
    assert_eq!(answer.take(arguments(MAX_ARGUMENTS_BYTES).as_bytes(), &mut batch), Ok(None));
    assert_eq!(answer.take(arguments(1).as_bytes(), &mut batch), Err(Fault::TooLarge("tool-call arguments")));

    let mut answer = Answer::default();
    let choice = |index| format!(r#"{{"choices":[{{"index":{index},"delta":{{}}}}]}}"#);
    let refused = (0..1_000).find(|index| answer.take(choice(*index).as_bytes(), &mut batch).is_err());
    assert!(refused.is_some_and(|index| (128..1_000).contains(&index)), "{refused:?}");
}
