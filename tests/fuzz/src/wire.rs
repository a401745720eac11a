//! Bodies as services send them, with their deviations, grown from arbitrary bytes.

use arbitrary::{Result, Unstructured};
use hf_inference_wasm::core::engine::plan::Task;

use crate::document;

/// Keys of chunks, for members in unexpected places.
const KEYS: &[&str] = &[
    "choices",
    "delta",
    "message",
    "content",
    "role",
    "index",
    "id",
    "name",
    "function",
    "arguments",
    "tool_calls",
    "finish_reason",
    "usage",
    "error",
    "object",
    "model",
    "text",
    "type",
    "token",
    "special",
    "generated_text",
    "details",
    "thinking",
    "summary",
    "x_groq",
    "code",
    "detail",
    "refusal",
];

const LINE_ENDS: &[&str] = &["\n", "\n", "\n", "\r\n", "\r"];

/// The body of an answer to `task`.
pub fn body(bytes: &[u8], task: Task) -> Vec<u8> {
    let mut from = Unstructured::new(bytes);
    let mut out = Vec::new();
    // Where the bytes run out, so does the body.
    let _ = fill(&mut from, task, &mut out);
    out
}

fn fill(from: &mut Unstructured<'_>, task: Task, out: &mut Vec<u8>) -> Result<()> {
    match from.int_in_range(0..=15)? {
        0 => {
            let mut text = String::new();
            whole_answer(from, task, &mut text)?;
            out.extend_from_slice(text.as_bytes());
            return document::damage(from, out);
        }
        1 => out.extend_from_slice("\u{feff}".as_bytes()),
        2 => out.extend_from_slice(b"\r\n"),
        _ => {}
    }
    let line_end = *from.choose(LINE_ENDS)?;
    while !from.is_empty() && out.len() < 2_048 {
        let mut event = Vec::new();
        match from.int_in_range(0..=23)? {
            0 => line(&mut event, ": keep-alive", line_end),
            1 => line(&mut event, "data: [DONE]", line_end),
            2 => line(
                &mut event,
                from.choose(&["id: 1", "retry: 5", "data", "data:", "event:", "x: y"])?,
                line_end,
            ),
            3 => line(&mut event, "event: error", line_end),
            4 => line(&mut event, "error: {\"message\":\"x\",\"code\":500}", line_end),
            5 => {
                let mut text = String::from("data: ");
                document::value(from, 3, KEYS, &mut text)?;
                line(&mut event, &text.replace(['\n', '\r'], " "), line_end);
            }
            kind => {
                let mut text = String::from(*from.choose(&["data: ", "data:"])?);
                match (kind, task) {
                    (6, _) => text.push_str(from.choose(FAILURES)?),
                    (7, Task::Chat) => text.push_str(from.choose(TRAILERS)?),
                    (7..=16, Task::Generation) => token(from, &mut text)?,
                    (_, Task::Generation) => completion(from, &mut text)?,
                    (_, Task::Chat) => chunk(from, &mut text)?,
                }
                if from.ratio(1, 12)? {
                    // Pretty-printed: the data goes on in the next line.
                    text = text.replacen(',', &format!(",{line_end}data: "), 1);
                }
                line(&mut event, &text, line_end);
            }
        }
        if !from.ratio(1, 20)? {
            event.extend_from_slice(line_end.as_bytes());
        }
        // Most bodies should be read to their end.
        if from.ratio(1, 4)? {
            document::damage(from, &mut event)?;
        }
        out.extend_from_slice(&event);
    }
    Ok(())
}

fn line(out: &mut Vec<u8>, text: &str, line_end: &str) {
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(line_end.as_bytes());
}

const FAILURES: &[&str] = &[
    r#"{"error":{"message":"x","code":429}}"#,
    r#"{"error":"x","error_type":"overloaded"}"#,
    r#"{"object":"error","message":"x","code":400}"#,
    r#"{"message":"overloaded"}"#,
    r#"{"error":null,"choices":[]}"#,
    r#"{"detail":[{"loc":["body",0],"msg":"x"}]}"#,
    "<html><body>502</body></html>",
];

const TRAILERS: &[&str] = &[
    r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#,
    r#"{"usage":{"total_tokens":9313781139405380000}}"#,
    r#"{"choices":[],"usage":null}"#,
    r#"{"x_groq":{"usage":{"total_tokens":1}}}"#,
    "{}",
];

const FINISH: &[&str] = &["null", "\"\"", "\"stop\"", "\"length\"", "\"tool_calls\"", "\"eos_token\"", "0"];
const INDEX: &[&str] = &["0", "0", "0", "0", "1", "2", "null", "7", "-1", "1e3"];

fn chunk(from: &mut Unstructured<'_>, out: &mut String) -> Result<()> {
    out.push_str(r#"{"id":"c","object":"chat.completion.chunk","model":"m","choices":["#);
    // Nearly every chunk speaks of one choice.
    for position in 0..*from.choose(&[1, 1, 1, 2, 0])? {
        if position > 0 {
            out.push(',');
        }
        choice(from, "delta", out)?;
    }
    out.push(']');
    if from.ratio(1, 8)? {
        out.push_str(r#","usage":"#);
        document::value(from, 2, KEYS, out)?;
    }
    out.push('}');
    Ok(())
}

fn choice(from: &mut Unstructured<'_>, name: &str, out: &mut String) -> Result<()> {
    out.push('{');
    if !from.ratio(1, 6)? {
        out.push_str(&format!(r#""index":{},"#, from.choose(INDEX)?));
    }
    out.push_str(&format!(r#""{name}":{{"role":"assistant""#));
    for _ in 0..from.int_in_range(0..=2)? {
        let member = match from.int_in_range(0..=14)? {
            0..=3 => format!(r#""content":"{}""#, document::characters(from)?),
            4 => r#""content":null"#.to_owned(),
            5 => format!(
                r#""content":[{{"type":"text","text":"{}"}},{{"type":"thinking","thinking":[{{"type":"text","text":"r"}}]}}]"#,
                document::characters(from)?
            ),
            6 => format!(r#""reasoning":"{}""#, document::characters(from)?),
            7 => format!(r#""reasoning_content":"{}""#, document::characters(from)?),
            8 => format!(r#""reasoning_details":[{{"text":"{}"}}]"#, document::characters(from)?),
            9 => format!(r#""function_call":{{"name":"g","arguments":"{}"}}"#, document::characters(from)?),
            11 => format!(
                r#""content":"{}""#,
                from.choose(&["<think>", "<thi", "nk>", "</think>", "</th", "ink>"])?
            ),
            10 => format!(r#""refusal":"{}""#, document::characters(from)?),
            _ => {
                let mut calls = String::from(r#""tool_calls":["#);
                for position in 0..from.int_in_range(1..=2)? {
                    if position > 0 {
                        calls.push(',');
                    }
                    tool_call(from, &mut calls)?;
                }
                calls + "]"
            }
        };
        out.push(',');
        out.push_str(&member);
    }
    out.push('}');
    if from.ratio(1, 3)? {
        out.push_str(&format!(r#","finish_reason":{}"#, from.choose(FINISH)?));
    }
    out.push('}');
    Ok(())
}

fn tool_call(from: &mut Unstructured<'_>, out: &mut String) -> Result<()> {
    out.push_str(r#"{"type":"function""#);
    if !from.ratio(1, 4)? {
        out.push_str(&format!(r#","index":{}"#, from.choose(INDEX)?));
    }
    if from.arbitrary()? {
        out.push_str(&format!(r#","id":{}"#, from.choose(&[r#""a""#, r#""b""#, r#""""#, "null", "7"])?));
    }
    out.push_str(r#","function":{"x":0"#);
    if from.arbitrary()? {
        out.push_str(&format!(r#","name":{}"#, from.choose(&[r#""f""#, r#""g""#, r#""""#, "null"])?));
    }
    if !from.ratio(1, 6)? {
        out.push_str(r#","arguments":"#);
        if from.ratio(1, 8)? {
            document::value(from, 2, &["x"], out)?;
        } else {
            const PARTS: &[&str] = &[
                "{",
                "}",
                "\\\"x\\\":",
                "1",
                "tru",
                "e",
                ",",
                "[",
                "]",
                "\\\"",
                "é",
                "\\ud83d",
                "\\ude00",
                "",
            ];
            out.push('"');
            for _ in 0..from.int_in_range(0..=4)? {
                out.push_str(from.choose(PARTS)?);
            }
            out.push('"');
        }
    }
    out.push_str("}}");
    Ok(())
}

fn token(from: &mut Unstructured<'_>, out: &mut String) -> Result<()> {
    let special = *from.choose(&["false", "false", "false", "true", "null"])?;
    out.push_str(&format!(
        r#"{{"index":1,"token":{{"id":1128,"text":"{}","logprob":-5.67,"special":{special}}},"generated_text":"#,
        document::characters(from)?
    ));
    if from.ratio(1, 6)? {
        out.push_str(&format!(
            r#""{}","details":{{"finish_reason":"eos_token","generated_tokens":3}}}}"#,
            document::characters(from)?
        ));
    } else {
        out.push_str(r#"null,"details":null}"#);
    }
    Ok(())
}

fn completion(from: &mut Unstructured<'_>, out: &mut String) -> Result<()> {
    out.push_str(&format!(
        r#"{{"object":"text_completion","model":"m","choices":[{{"index":{},"text":"{}","finish_reason":{}}}],"usage":{}}}"#,
        from.choose(INDEX)?,
        document::characters(from)?,
        from.choose(FINISH)?,
        from.choose(&["null", r#"{"completion_tokens":2}"#])?,
    ));
    Ok(())
}

/// One document where a stream was asked for, or where it was not.
fn whole_answer(from: &mut Unstructured<'_>, task: Task, out: &mut String) -> Result<()> {
    match (from.int_in_range(0..=3)?, task) {
        (0, _) => document::value(from, 4, KEYS, out)?,
        (1, _) => out.push_str(from.choose(FAILURES)?),
        (2, Task::Generation) => {
            out.push_str(&format!(r#"[{{"generated_text":"{}"}}]"#, document::characters(from)?));
        }
        (3, Task::Generation) => completion(from, out)?,
        (_, _) => {
            out.push_str(r#"{"object":"chat.completion","choices":["#);
            choice(from, "message", out)?;
            out.push_str(r#"],"usage":{"total_tokens":3}}"#);
        }
    }
    Ok(())
}
