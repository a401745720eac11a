//! The services' error bodies: one message and one code out of every shape.

use hf_inference_wasm::core::wire::problem::{Problem, looks_like_markup, presentable};

use crate::Random;

/// Those that services are known to send are in `tests/fixtures/`.
#[test]
fn bodies_near_the_known_shapes_give_their_words_and_code() {
    let cases: &[(&str, &str, &str)] = &[
        ("", "", ""),
        (r#"{"error":{"message":"m","type":"t","param":null,"code":null}}"#, "m", "t"),
        (r#"{"detail":[{"loc":["body"],"msg":"a"},{"msg":"b"}]}"#, "body: a; b", ""),
        (r#"{"error_description":"only this"}"#, "only this", ""),
        (r#"{"error":{"code":500,"message":"","type":"server_error"},"message":"outer"}"#, "outer", "500"),
        (r#"{"error":{"error":"inner"}}"#, "inner", ""),
        (r#""only a string""#, "only a string", ""),
        (r#"["a","b"]"#, "a; b", ""),
        ("{}", "", ""),
        ("[]", "", ""),
        (r#"{"error":null}"#, "", ""),
        (r#"{"error":{}}"#, "", ""),
        (r#"{"error":true}"#, "", ""),
        (r#"{"error":"caf\u00e9 \ud83d\ude00"}"#, "café 😀", ""),
        ("  \n plain words \r\n", "plain words", ""),
    ];
    for (body, message, code) in cases {
        let problem = Problem::read(body.as_bytes());
        assert_eq!((problem.message.as_str(), problem.code.as_str()), (*message, *code), "{body}");
    }
}

#[test]
fn a_loading_model_says_how_long_to_wait() {
    let wait = |body: &str| Problem::read(body.as_bytes()).wait;
    assert_eq!(wait(r#"{"error":"Model X is currently loading","estimated_time":20.5}"#), Some(20_500.0));
    assert_eq!(wait(r#"{"error":"x","estimated_time":0}"#), Some(0.0));
    for body in [
        r#"{"error":"x"}"#,
        r#"{"estimated_time":-1}"#,
        r#"{"estimated_time":"20"}"#,
        r#"{"estimated_time":null}"#,
        "plain",
    ] {
        assert_eq!(wait(body), None, "{body}");
    }
}

const PAGES: &[&str] = &[
    "<!doctype html><html><head><title>502</title></head><body>Bad Gateway</body></html>",
    "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><body>x</body></html>",
    "\n\n  <HTML>\n<head><title>502 Bad Gateway</title></head>\n<body></body></HTML>",
    "\u{feff}<!DOCTYPE html><html lang=\"en\">x</html>",
    "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>",
    "<head><title>x</title></head>",
    "<body>x</body>",
    "<!-- x --><html></html>",
    "Error: <html><body>x</body></html>",
    "<h1>Server Error (500)</h1>",
    "<h1>Not Found</h1><p>The requested resource was not found on this server.</p>",
    "<center><h1>502 Bad Gateway</h1></center>",
    "<title>504 Gateway Time-out</title>",
];

#[test]
fn a_page_never_becomes_a_message() {
    for page in PAGES {
        assert!(looks_like_markup(page.as_bytes()), "{page}");
        let quoted = serde_json::to_string(page).expect("a string");
        let bodies = [
            (*page).to_owned(),
            quoted.clone(),
            format!("{{\"error\":{quoted}}}"),
            format!("{{\"error\":{{\"message\":{quoted}}}}}"),
            format!("{{\"message\":{quoted}}}"),
            format!("{{\"detail\":[{{\"msg\":{quoted},\"loc\":[\"a\"]}}]}}"),
            format!("{{\"error\":[{quoted}]}}"),
        ];
        for body in bodies {
            let problem = Problem::read(body.as_bytes());
            assert_eq!((problem.message.as_str(), problem.code.as_str()), ("", ""), "{body}");
        }
    }
}

#[test]
fn words_with_angle_brackets_are_no_page() {
    for words in [
        "value must be < 5 and > 2",
        "expected <|im_end|>",
        "1 <2",
        "Vec<u8> is too long",
        "use <think> tags",
    ] {
        assert_eq!(presentable(words.as_bytes()), words);
    }
}

#[test]
fn the_words_are_taken_where_a_page_stands_in_the_first_place() {
    let problem = Problem::read(br#"{"error":{"message":"<html></html>"},"detail":"the words"}"#);
    assert_eq!(problem.message, "the words");
}

#[test]
fn a_long_text_is_cut_at_a_character() {
    for character in ["x", "é", "€", "😀"] {
        for lead in 0..4 {
            let text = "x".repeat(lead) + &character.repeat(3_000);
            let message = presentable(text.as_bytes());
            let (kept, ellipsis) = message.split_at(message.len() - "…".len());
            assert_eq!(ellipsis, "…");
            assert!(text.starts_with(kept), "no half character is left");
            assert!((1_996..=2_000).contains(&kept.len()), "{}", kept.len());
        }
    }
    assert_eq!(presentable("é".repeat(1_000).as_bytes()), "é".repeat(1_000), "what fits is not touched");
}

#[test]
fn a_message_is_bounded_whatever_its_shape() {
    let many = format!("[{}\"x\"]", "\"12345678\",".repeat(5_000));
    let long = "y".repeat(5_000);
    let bodies = [
        format!("{{\"error\":{many}}}"),
        format!("{{\"detail\":{many}}}"),
        many,
        format!("{{\"error\":\"{long}\",\"error_description\":\"z{long}\"}}"),
        format!("{{\"error\":{{\"message\":\"{long}\",\"code\":\"{long}\"}}}}"),
        long,
    ];
    for body in bodies {
        let problem = Problem::read(body.as_bytes());
        assert!(problem.message.len() < 4_500, "{} bytes", problem.message.len());
        assert!(problem.code.len() < 4_500);
    }
}

#[test]
fn control_characters_are_removed() {
    assert_eq!(presentable(b"a\x00b\x07c\x1b[31mred\x1b[0m\x7f"), "abc[31mred[0m");
    assert_eq!(presentable("a\u{85}b\u{9b}c".as_bytes()), "abc");
    assert_eq!(presentable(b"one\ntwo\r\nthree"), "one\ntwo\nthree", "lines are kept");
    assert_eq!(Problem::read(br#"{"error":"a\u0000b\u001b[1m"}"#).message, "ab[1m");
}

#[test]
fn ill_formed_bytes_become_replacement_characters() {
    assert_eq!(presentable(b"a\xff\xc3b"), "a\u{fffd}\u{fffd}b");
}

#[test]
fn no_body_whatsoever_brings_markup_or_controls() {
    const PIECES: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        "\"",
        ":",
        ",",
        "\"error\"",
        "\"message\"",
        "\"detail\"",
        "\"code\"",
        "\"x\"",
        "1",
        "null",
        "<html>",
        "<!doctype html>",
        "\u{1b}",
        "\\u0007",
        "é",
        "words",
    ];
    let mut random = Random::new(10);
    for _ in 0..50_000 {
        let body: String = (0..random.below(16)).map(|_| random.pick(PIECES)).collect();
        let problem = Problem::read(body.as_bytes());
        assert!(!problem.message.contains("<html"), "{body}");
        assert!(
            !problem.message.chars().any(|character| character.is_control() && character != '\n'),
            "{body:?}"
        );
    }
}
