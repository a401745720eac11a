//! What the router tells of a model's providers.

use hf_inference_wasm::core::provider::catalogue::{Needs, Terms, read};

const ENTRY: &str = r#"{"provider":"groq","status":"live","context_length":131072,"pricing":{"input":0.15,"output":0.75},"is_free":false,"throughput":480.5,"first_token_latency_ms":210,"supports_tools":true,"supports_structured_output":false}"#;

fn one(entry: &str) -> Terms {
    let body = format!(r#"{{"id":"a/b","providers":[{entry}]}}"#);
    read(body.as_bytes()).expect("terms").remove(0)
}

#[test]
fn every_member_is_read() {
    let expected = Terms {
        provider: "groq".to_owned(),
        status: "live".to_owned(),
        context_length: Some(131_072.0),
        price: Some(0.9),
        throughput: Some(480.5),
        latency: Some(210.0),
        tools: Some(true),
        structured_output: Some(false),
    };
    assert_eq!(one(ENTRY), expected);
    for body in [
        format!(r#"{{"providers":[{ENTRY}]}}"#),
        format!(r#"{{"object":"model","id":"a/b","providers":[{ENTRY}],"x":1}}"#),
        format!(r#"{{"data":{{"id":"a/b","providers":[{ENTRY}]}}}}"#),
    ] {
        assert_eq!(read(body.as_bytes()), Some(vec![expected.clone()]), "{body}");
    }
}

#[test]
fn what_is_not_told_is_not_known() {
    assert_eq!(one("{}"), Terms::default());
    let nothing = r#"{"provider":null,"status":null,"context_length":null,"pricing":null,"throughput":null,"first_token_latency_ms":null,"supports_tools":null,"supports_structured_output":null}"#;
    assert_eq!(one(nothing), Terms::default());
    let odd = r#"{"provider":1,"status":{},"context_length":"many","pricing":{"input":1},"throughput":[],"first_token_latency_ms":true,"supports_tools":"yes","supports_structured_output":1}"#;
    let odd = one(odd);
    assert_eq!(
        (odd.provider.as_str(), odd.price, odd.context_length),
        ("", None, None),
        "half a price is none"
    );
    assert_ne!(odd.tools, Some(true));
}

#[test]
fn anything_else_is_no_answer() {
    for body in [
        "",
        "null",
        "[]",
        "{}",
        "<html></html>",
        r#"{"error":"not found"}"#,
        r#"{"providers":{}}"#,
        r#"{"providers":"x"}"#,
        r#"{"providers":[{"provider":"a"}"#,
        r#"{"providers":[{"provider":"a"},"#,
        r#"{"data":[]}"#,
    ] {
        assert_eq!(read(body.as_bytes()), None, "{body}");
    }
    assert_eq!(read(br#"{"providers":[]}"#), Some(Vec::new()));
    let deep = format!(r#"{{"providers":{}"#, "[".repeat(100_000));
    assert_eq!(read(deep.as_bytes()), None);
}

#[test]
fn a_provider_serves_what_it_can_and_what_nobody_said_it_cannot() {
    let needs = |context_length, tools, structured_output| Needs { context_length, tools, structured_output };
    let live = |change: fn(&mut Terms)| {
        let mut terms = Terms { status: "live".to_owned(), ..Terms::default() };
        change(&mut terms);
        terms
    };
    let everything = needs(1e9, true, true);
    assert!(live(|_| ()).serve(&everything), "nothing is told against it");
    for status in ["error", "staging", "", "LIVE"] {
        assert!(
            !Terms { status: status.to_owned(), ..Terms::default() }.serve(&Needs::default()),
            "{status}"
        );
    }
    let short = live(|terms| terms.context_length = Some(4_096.0));
    assert!(short.serve(&needs(4_096.0, false, false)) && !short.serve(&needs(4_097.0, false, false)));
    let bare = live(|terms| (terms.tools, terms.structured_output) = (Some(false), Some(false)));
    assert!(bare.serve(&Needs::default()));
    assert!(!bare.serve(&needs(0.0, true, false)) && !bare.serve(&needs(0.0, false, true)));
    let able = live(|terms| (terms.tools, terms.structured_output) = (Some(true), Some(true)));
    assert!(able.serve(&needs(0.0, true, true)));
}

#[test]
fn hostile_numbers_break_nothing() {
    for number in ["1e999", "-1e999", "-1", "0", "1e-999", &"9".repeat(5_000)] {
        let entry = format!(
            r#"{{"provider":"x","status":"live","context_length":{number},"pricing":{{"input":{number},"output":{number}}},"throughput":{number},"first_token_latency_ms":{number}}}"#
        );
        let terms = one(&entry);
        assert!(!terms.context_length.expect("a number").is_nan() && !terms.price.expect("a price").is_nan());
    }
    let mixed = one(r#"{"pricing":{"input":1e999,"output":-1e999}}"#);
    assert!(mixed.price.is_none_or(|price| price.is_nan() || price.is_finite()));
}
