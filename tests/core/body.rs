//! Request bodies: the caller's own text, with each target's fields spliced in.

use hf_inference_wasm::core::provider::body::{
    Members, asks_for_usage, chat, completion, continued, estimated_tokens, tgi, tgi_only_parameter,
};
use hf_inference_wasm::core::provider::table;
use serde_json::json;

use crate::value;

fn members(json: &str) -> Members<'_> {
    Members::read(json.as_bytes()).expect("an object")
}

fn text(body: Vec<u8>) -> String {
    String::from_utf8(body).expect("UTF-8")
}

#[test]
fn the_model_comes_first_and_the_rest_as_the_caller_wrote_it() {
    let request = r#"{"z":1.0,"messages":[{"role":"user","content":"é\u00e9 \/ 😀"}],"model":"mine","seed":9313781139405380000,"a":{"b" : [1,  2]},"temperature":1e-1,"n":null}"#;
    assert_eq!(
        text(chat(&members(request), "theirs", false, true, None)),
        r#"{"model":"theirs","z":1.0,"messages":[{"role":"user","content":"é\u00e9 \/ 😀"}],"seed":9313781139405380000,"a":{"b" : [1,  2]},"temperature":1e-1,"n":null}"#
    );
}

#[test]
fn a_model_name_is_written_as_json() {
    assert_eq!(text(chat(&members("{}"), "a\"b\\", false, false, None)), r#"{"model":"a\"b\\"}"#);
}

#[test]
fn a_stream_asks_for_its_token_counts_unless_the_caller_has_an_opinion() {
    let cases = [
        ("{}", r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#),
        (r#"{"stream":false}"#, r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#),
        (
            r#"{"stream_options":null}"#,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
        ),
        (
            r#"{"stream_options":{"include_usage":false}}"#,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":false}}"#,
        ),
        (
            r#"{"x":1,"stream_options":{"x":2.0},"stream":true}"#,
            r#"{"model":"m","stream":true,"stream_options":{"x":2.0},"x":1}"#,
        ),
    ];
    for (request, expected) in cases {
        assert_eq!(text(chat(&members(request), "m", true, true, None)), expected);
    }
    assert_eq!(text(chat(&members("{}"), "m", true, false, None)), r#"{"model":"m","stream":true}"#);
}

#[test]
fn what_is_not_streamed_has_no_word_of_streams() {
    let request = r#"{"stream":true,"stream_options":{"include_usage":true},"x":1}"#;
    assert_eq!(text(chat(&members(request), "m", false, true, None)), r#"{"model":"m","x":1}"#);
    assert_eq!(text(completion(&members(request), "m", false, &[])), r#"{"model":"m","x":1}"#);
}

#[test]
fn members_that_a_provider_refuses_are_left_out() {
    let request = r#"{"store":true,"messages":[],"stored":1}"#;
    assert_eq!(
        text(chat(&members(request), "m", false, true, table::find("cerebras"))),
        r#"{"model":"m","messages":[],"stored":1}"#
    );
    let request = r#"{"inputs":"i","store":true,"parameters":{"store":true,"seed":1}}"#;
    assert_eq!(
        text(completion(&members(request), "m", false, &["store"])),
        r#"{"model":"m","prompt":"i","seed":1}"#
    );
}

#[test]
fn a_schema_is_asked_for_in_each_providers_form() {
    let request = r#"{"a":1,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object", "x":1.0}}},"b":2}"#;
    let cases = [
        ("groq", None),
        ("together", Some(r#"{"type":"json_schema","schema":{"type":"object", "x":1.0}}"#)),
        ("cohere", Some(r#"{"type":"json_object","schema":{"type":"object", "x":1.0}}"#)),
        ("fireworks-ai", Some(r#"{"type":"json_object","schema":{"type":"object", "x":1.0}}"#)),
        ("hf-inference", Some(r#"{"type":"json_object","value":{"type":"object", "x":1.0}}"#)),
    ];
    for (provider, format) in cases {
        let body = text(chat(&members(request), "m", false, true, table::find(provider)));
        match format {
            Some(format) => {
                let expected = [r#"{"model":"m","response_format":"#, format, r#","a":1,"b":2}"#].concat();
                assert_eq!(body, expected, "{provider}");
            }
            None => assert_eq!(body, request.replacen('{', r#"{"model":"m","#, 1), "{provider}"),
        }
    }
    let rewritten = ["together", "cohere", "fireworks-ai", "hf-inference"];
    for provider in table::PROVIDERS.iter().filter(|provider| !rewritten.contains(&provider.name)) {
        let body = text(chat(&members(request), "m", false, true, Some(provider)));
        assert_eq!(body, request.replacen('{', r#"{"model":"m","#, 1), "{}", provider.name);
    }
    // Other formats are everybody's own.
    for format in
        [r#"{"type":"json_object"}"#, r#"{"type":"text"}"#, r#"{"type":"regex","value":"a+"}"#, "null"]
    {
        let request = [r#"{"response_format":"#, format, "}"].concat();
        for provider in table::PROVIDERS {
            let body = text(chat(&members(&request), "m", false, true, Some(provider)));
            assert_eq!(body, request.replacen('{', r#"{"model":"m","#, 1), "{}", provider.name);
        }
    }
}

#[test]
fn a_generation_becomes_a_text_completion() {
    let cases = [
        (r#"{"inputs":"é \"x\""}"#, r#"{"model":"m","prompt":"é \"x\""}"#),
        (
            r#"{"inputs":"i","parameters":{"max_new_tokens":20}}"#,
            r#"{"model":"m","prompt":"i","max_tokens":20}"#,
        ),
        (
            r#"{"inputs":"i","parameters":{"return_full_text":true}}"#,
            r#"{"model":"m","prompt":"i","echo":true}"#,
        ),
        (r#"{"inputs":"i","parameters":{"return_full_text":false}}"#, r#"{"model":"m","prompt":"i"}"#),
        (
            r#"{"inputs":"i","parameters":{"do_sample":false}}"#,
            r#"{"model":"m","prompt":"i","temperature":0}"#,
        ),
        (
            r#"{"inputs":"i","parameters":{"do_sample":false,"temperature":0.5}}"#,
            r#"{"model":"m","prompt":"i","temperature":0.5}"#,
        ),
        (r#"{"inputs":"i","parameters":{"do_sample":true,"details":true}}"#, r#"{"model":"m","prompt":"i"}"#),
        (
            r#"{"inputs":"i","parameters":{"top_k":50,"seed":9313781139405380000,"stop":["a"],"repetition_penalty":1.10}}"#,
            r#"{"model":"m","prompt":"i","top_k":50,"seed":9313781139405380000,"stop":["a"],"repetition_penalty":1.10}"#,
        ),
        (
            r#"{"inputs":"i","parameters":{"max_new_tokens":20,"max_tokens":30}}"#,
            r#"{"model":"m","prompt":"i","max_tokens":30}"#,
        ),
        (
            r#"{"inputs":"i","max_tokens":30,"parameters":{"max_new_tokens":20}}"#,
            r#"{"model":"m","prompt":"i","max_tokens":30}"#,
        ),
        (r#"{"inputs":"i","parameters":{"max_new_tokens":null}}"#, r#"{"model":"m","prompt":"i"}"#),
        (r#"{"inputs":"i","parameters":null,"user":"u"}"#, r#"{"model":"m","prompt":"i","user":"u"}"#),
        (
            r#"{"model":"x","inputs":"i","parameters":{"watermark":false,"truncate":null}}"#,
            r#"{"model":"m","prompt":"i"}"#,
        ),
    ];
    for (request, expected) in cases {
        assert_eq!(text(completion(&members(request), "m", false, &[])), expected, "{request}");
    }
    let streamed = text(completion(&members(r#"{"inputs":"i"}"#), "m", true, &[]));
    assert_eq!(
        streamed,
        r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"prompt":"i"}"#
    );
}

#[test]
fn tgis_own_protocol_has_no_model_and_keeps_its_parameters() {
    let request = r#"{"model":"x","inputs":"i","stream":true,"stream_options":{},"parameters":{"grammar":{"type":"regex","value":"a"},"seed":9313781139405380000}}"#;
    let kept =
        r#""inputs":"i","parameters":{"grammar":{"type":"regex","value":"a"},"seed":9313781139405380000}"#;
    assert_eq!(text(tgi(&members(request), None)), format!("{{{kept}}}"));
    assert_eq!(text(tgi(&members(request), Some(true))), format!("{{{kept},\"stream\":true}}"));
    assert_eq!(text(tgi(&members(request), Some(false))), format!("{{{kept},\"stream\":false}}"));
}

#[test]
fn a_parameter_that_only_tgi_knows_is_found() {
    for name in [
        "adapter_id",
        "decoder_input_details",
        "grammar",
        "top_n_tokens",
        "truncate",
        "typical_p",
        "watermark",
    ] {
        for value in ["1", "0.5", "true", "\"x\"", "{}"] {
            let request = format!(r#"{{"inputs":"i","parameters":{{"seed":1,"{name}":{value}}}}}"#);
            assert_eq!(tgi_only_parameter(&members(&request)), Some(name), "{request}");
        }
        for value in ["null", "false", "0"] {
            let request = format!(r#"{{"inputs":"i","parameters":{{"{name}":{value}}}}}"#);
            assert_eq!(tgi_only_parameter(&members(&request)), None, "{request}");
        }
    }
    for request in
        ["{}", r#"{"parameters":[]}"#, r#"{"parameters":{"max_new_tokens":1}}"#, r#"{"grammar":1}"#]
    {
        assert_eq!(tgi_only_parameter(&members(request)), None, "{request}");
    }
}

#[test]
fn the_last_of_equal_keys_counts_and_null_is_absent() {
    let request = members(r#"{"a":1,"b":null,"a":2}"#);
    assert_eq!(request.get("a"), Some(&b"2"[..]));
    assert_eq!(request.get("b"), None);
    assert_eq!(request.get("c"), None);
}

#[test]
fn only_an_object_has_members() {
    for json in ["", "[]", "1", "null", "\"x\"", "{", "{}x", "{\"a\":1,}"] {
        assert!(Members::read(json.as_bytes()).is_none(), "{json}");
    }
}

#[test]
fn usage_is_asked_for_by_true_alone() {
    for (request, expected) in [
        (r#"{"stream_options":{"include_usage":true}}"#, true),
        (r#"{"stream_options":{"include_usage":false}}"#, false),
        (r#"{"stream_options":{}}"#, false),
        (r#"{"stream_options":null}"#, false),
        ("{}", false),
    ] {
        assert_eq!(asks_for_usage(&members(request)), expected, "{request}");
    }
}

#[test]
fn no_member_of_a_completion_is_written_twice() {
    for (request, expected) in [
        (r#"{"inputs":"i","parameters":{"stream":false}}"#, json!({ "prompt": "i", "stream": true })),
        (r#"{"inputs":"i","parameters":{"model":"x"}}"#, json!({ "prompt": "i", "stream": true })),
        (r#"{"inputs":"i","prompt":"p"}"#, json!({ "prompt": "i", "stream": true })),
        (
            r#"{"inputs":"i","parameters":{"max_new_tokens":20,"max_tokens":null}}"#,
            json!({ "prompt": "i", "stream": true, "max_tokens": 20 }),
        ),
        (
            r#"{"inputs":"i","parameters":{"do_sample":false},"temperature":0.5}"#,
            json!({ "prompt": "i", "stream": true, "temperature": 0.5 }),
        ),
    ] {
        let members = Members::read(request.as_bytes()).expect("an object");
        let body = completion(&members, "m", true, &[]);
        let keys = Members::read(&body).expect("an object");
        let mut copy = value(&body);
        let count = String::from_utf8_lossy(&body).matches("\":").count() - 1;
        assert_eq!(copy.as_object().expect("an object").len(), count, "{request}: a key stands twice");
        assert!(keys.get("model") == Some(b"\"m\""), "{request}");
        copy.as_object_mut().expect("an object").remove("model");
        copy.as_object_mut().expect("an object").remove("stream_options");
        assert_eq!(copy, expected, "{request}");
    }
}

fn with_beginning(request: &str, beginning: &[u8]) -> Option<serde_json::Value> {
    continued(&members(request), beginning).map(|body| serde_json::from_slice(&body).expect("JSON"))
}

#[test]
fn a_chat_is_continued_behind_a_message_of_the_assistant() {
    for (messages, before) in [
        ("[]", 0),
        ("[ ]", 0),
        (r#"[{"role":"user","content":"]"}]"#, 1),
        ("[ {\"role\":\"user\"} ,\n{\"role\":\"assistant\"} \n]", 2),
    ] {
        let request = format!(r#"{{"model":"m","messages":{messages},"seed":9313781139405380000}}"#);
        let body = with_beginning(&request, "sa\"id\n\u{1} é😀".as_bytes()).expect("a body");
        let list = body["messages"].as_array().expect("messages");
        assert_eq!(list.len(), before + 1, "{messages}");
        let message = serde_json::json!({ "role": "assistant", "content": "sa\"id\n\u{1} é😀" });
        assert_eq!(list.last(), Some(&message));
        assert_eq!(body["model"], "m");
    }
    let whole =
        continued(&members(r#"{"messages":[{"a" : 1.0}],"seed":9313781139405380000,"x":null}"#), b"b");
    assert_eq!(
        text(whole.expect("a body")),
        r#"{"messages":[{"a" : 1.0},{"role":"assistant","content":"b"}],"seed":9313781139405380000,"x":null}"#
    );
}

#[test]
fn a_completion_is_continued_by_more_of_its_prompt() {
    for (inputs, whole) in [
        (r#""""#, "b\"\\"),
        (r#""a""#, "ab\"\\"),
        (r#""a\\""#, "a\\b\"\\"),
        (r#""a\"""#, "a\"b\"\\"),
        (r#""\u00e9""#, "éb\"\\"),
    ] {
        let request = format!(r#"{{"inputs":{inputs},"parameters":{{"seed":1}}}}"#);
        let body = with_beginning(&request, b"b\"\\").expect("a body");
        assert_eq!((&body["inputs"], &body["parameters"]["seed"]), (&whole.into(), &1.into()), "{inputs}");
    }
}

#[test]
fn what_has_no_place_for_a_beginning_is_not_continued() {
    for request in
        ["{}", r#"{"messages":"x"}"#, r#"{"messages":null}"#, r#"{"inputs":["a"]}"#, r#"{"inputs":5}"#]
    {
        assert_eq!(with_beginning(request, b"a"), None, "{request}");
    }
}

#[test]
fn ill_formed_text_makes_no_ill_formed_request() {
    for beginning in [&b"\xff"[..], b"a\xc3", b"\xed\xa0\x80"] {
        for request in [r#"{"messages":[]}"#, r#"{"inputs":"a"}"#] {
            let body = continued(&members(request), beginning).expect("a body");
            assert!(Members::read(&body).is_some(), "{beginning:?}");
        }
    }
}

#[test]
fn tokens_are_guessed_at_four_bytes_each() {
    let tokens = |request: &str| estimated_tokens(&members(request));
    assert_eq!(tokens("{}"), 0.0);
    assert_eq!(tokens(r#"{"messages":[]}"#), 1.0);
    assert_eq!(tokens(r#"{"inputs":"123456"}"#), 2.0);
    assert_eq!(tokens(r#"{"inputs":"1234567"}"#), 3.0);
    assert_eq!(tokens(&format!(r#"{{"inputs":"{}","max_tokens":9}}"#, "a".repeat(3_998))), 1_000.0);
    assert_eq!(tokens(r#"{"messages":null,"inputs":"12"}"#), 1.0);
}

#[test]
fn a_file_in_a_message_counts_as_a_thousand_tokens_however_large_it_is() {
    let estimate = |messages: &str| {
        let request = format!(r#"{{"messages":{messages}}}"#);
        estimated_tokens(&Members::read(request.as_bytes()).expect("an object"))
    };
    assert_eq!(estimate(r#"["123456"]"#), 3.0);
    let image = |data: &str| format!(r#"[{{"image_url":{{"url":"data:image/png;base64,{data}"}}}}]"#);
    let empty = estimate(&image(""));
    assert_eq!(estimate(&image("AAAA")), empty + 1_000.0);
    assert_eq!(estimate(&image(&"A".repeat(4_000_000))), empty + 1_000.0);
    let two = format!(r#"[{0},{0},"a;b;base64"]"#, image(&"A".repeat(999)));
    assert!((estimate(&two) - 2_028.0).abs() < 3.0, "{}", estimate(&two));
}
