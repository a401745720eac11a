//! What the router tells of a model's providers.

use hf_inference_wasm::core::provider::catalogue::{Catalogue, Needs, Terms, read};

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
        input: Some(150_000_000_000),
        output: Some(750_000_000_000),
        cached: None,
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
        (odd.provider.as_str(), odd.price(), odd.context_length),
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
        assert!(!terms.context_length.expect("a number").is_nan());
        assert_eq!(
            terms.price().is_some(),
            !number.starts_with('-'),
            "a price below nothing is none: {number}"
        );
    }
    assert_eq!(one(r#"{"pricing":{"input":1e999,"output":-1e999}}"#).price(), None);
}

#[test]
fn a_model_is_found_in_the_whole_catalogue() {
    let list = format!(
        r#"{{"object":"list","data":[{{"id":"x/y","providers":[]}},{{"id":"a/b","providers":[{ENTRY}]}},{{"nothing":1}}]}}"#
    );
    let mut catalogue = Catalogue::default();
    assert!(catalogue.terms("a/b").is_empty(), "there is none yet");
    for other in ["", "null", "{}", r#"{"data":{}}"#, r#"{"data":[}"#, "<html>"] {
        assert!(!catalogue.set(other.as_bytes()), "{other}");
    }
    assert!(catalogue.set(list.as_bytes()));
    for _ in 0..2 {
        assert_eq!(catalogue.terms("a/b"), [one(ENTRY)]);
        assert!(catalogue.terms("x/y").is_empty() && catalogue.terms("who/knows").is_empty());
    }
    // What was read is read anew from another one, and many models do not stay.
    (0..500).for_each(|number| assert!(catalogue.terms(&format!("m/{number}")).is_empty()));
    assert_eq!(catalogue.terms("a/b"), [one(ENTRY)]);
    assert!(catalogue.set(br#"{"data":[]}"#));
    assert!(catalogue.terms("a/b").is_empty());
}
