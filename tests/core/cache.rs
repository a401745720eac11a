//! Keys of a cache: equal for equal requests, different for all others.

use std::collections::HashMap;

use hf_inference_wasm::core::cache::{self, Key, write_canonical};
use serde_json::{Map, Value, json};

use crate::Random;

fn sha256(message: &[u8]) -> String {
    cache::sha256(message.to_vec()).iter().map(|word| format!("{word:08x}")).collect()
}

fn canonical(json: &str) -> String {
    let mut out = Vec::new();
    write_canonical(json.as_bytes(), &mut out);
    String::from_utf8(out).expect("UTF-8")
}

fn key(json: &str) -> String {
    Key::new(b"test").of_request(json.as_bytes())
}

/// A value of random kind, with strings that need escapes and keys that begin alike.
fn random_value(random: &mut Random, depth: usize) -> Value {
    let texts = ["", "a", "ab", "A", "\"", "\\", "\n", "\u{1}", "é", "😀", "\u{fffd}", "model", "1", "null"];
    match random.below(if depth == 0 { 5 } else { 7 }) {
        0 => Value::Null,
        1 => json!(random.one_in(2)),
        2 => json!(random.below(5) as i64 - 2),
        3 => json!(random.pick(&[0.5, 1e21, -0.25, 1e-7])),
        4 => json!(random.pick(&texts)),
        5 => (0..random.below(4)).map(|_| random_value(random, depth - 1)).collect(),
        _ => {
            let members = (0..random.below(5)).map(|_| {
                let key = random.pick(&texts).to_owned();
                (key, random_value(random, depth - 1))
            });
            Value::Object(members.collect())
        }
    }
}

/// The value as somebody else might write it: members in any order, white space, escapes.
fn written(value: &Value, random: &mut Random, out: &mut String) {
    let blank = |random: &mut Random, out: &mut String| {
        let blanks = ["", " ", "\n", "\t\r\n "];
        out.push_str(random.pick(&blanks));
    };
    let text = |text: &str, random: &mut Random, out: &mut String| {
        out.push('"');
        for character in text.chars() {
            let must = matches!(character, '"' | '\\') || character < ' ';
            // Not where it could stand for half a pair, which is kept as it is written.
            if must || character != '\u{fffd}' && random.one_in(4) {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04X}"));
                }
            } else {
                out.push(character);
            }
        }
        out.push('"');
    };
    blank(random, out);
    match value {
        Value::String(string) => text(string, random, out),
        Value::Array(values) => {
            out.push('[');
            for (position, value) in values.iter().enumerate() {
                out.push_str(if position > 0 { "," } else { "" });
                written(value, random, out);
            }
            blank(random, out);
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            for at in 0..members.len() {
                let other = random.below(members.len());
                members.swap(at, other);
            }
            out.push('{');
            for (position, (name, value)) in members.iter().enumerate() {
                out.push_str(if position > 0 { "," } else { "" });
                blank(random, out);
                // A member that comes again replaces what came before.
                if random.one_in(6) {
                    text(name, random, out);
                    out.push_str(":[\"earlier\"],");
                }
                text(name, random, out);
                blank(random, out);
                out.push(':');
                written(value, random, out);
            }
            blank(random, out);
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
    blank(random, out);
}

#[test]
fn sha_256_gives_the_standards_hashes() {
    let known = [
        (&b""[..], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
    ];
    for (message, hash) in known {
        assert_eq!(sha256(message), hash);
    }
    let million = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
    assert_eq!(sha256(&vec![b'a'; 1_000_000]), million);
    // Around the block's end, where the length no longer fits.
    let lengths = [
        (55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"),
        (56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"),
        (63, "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34"),
        (64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"),
        (119, "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb"),
    ];
    for (length, hash) in lengths {
        assert_eq!(sha256(&vec![b'a'; length]), hash, "{length}");
    }
}

#[test]
fn equal_values_have_one_text_and_others_have_another() {
    let mut random = Random::new(6);
    let mut texts: HashMap<String, Value> = HashMap::new();
    for round in 0..20_000 {
        let value = random_value(&mut random, 3);
        let (mut one, mut two) = (String::new(), String::new());
        written(&value, &mut random, &mut one);
        written(&value, &mut random, &mut two);
        let read: Value = serde_json::from_str(&one).expect("JSON");
        assert_eq!(read, value, "the test's own writing of round {round}: {one}");
        let text = canonical(&one);
        assert_eq!(text, canonical(&two), "round {round}: {one} and {two}");
        let known = texts.entry(text.clone()).or_insert_with(|| value.clone());
        assert_eq!(*known, value, "round {round}: two values are both written {text}");
    }
    assert!(texts.len() > 3_000, "{} different values", texts.len());
}

#[test]
fn what_is_not_the_same_has_not_the_same_text() {
    let pairs = [
        (r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#),
        (r#"{"a":[]}"#, r#"{"a":[[]]}"#),
        (r#"{"a":{}}"#, r#"{"a":[]}"#),
        (r#"["a","b"]"#, r#"["a,b"]"#),
        (r#"{"a":"1"}"#, r#"{"a":1}"#),
        (r#"{"a":null}"#, r#"{}"#),
        (r#"["\ud800"]"#, r#"["\udfff"]"#),
        (r#"["\ud800"]"#, r#"["�"]"#),
        (r#"{"\ud800":1}"#, r#"{"\ud801":1}"#),
        (r#"[1]"#, r#"[10]"#),
        (r#"[1,0]"#, r#"[10]"#),
        (r#"{"seed":9007199254740993}"#, r#"{"seed":9007199254740992}"#),
    ];
    for (one, two) in pairs {
        assert_ne!(canonical(one), canonical(two), "{one} and {two}");
    }
    assert_eq!(
        canonical(r#"{"b":1,"a":{"d":2,"c":3}}"#),
        canonical(" {\"a\" : {\"c\":3, \"d\":2}, \"b\":1 } ")
    );
    assert_eq!(canonical(r#"{"a":1,"a":2}"#), canonical(r#"{"a":2}"#));
    assert_eq!(canonical(r#"["\u0061\/\n"]"#), canonical("[\"a/\\u000a\"]"));
}

#[test]
fn members_that_do_not_change_the_answer_are_left_out_and_only_at_the_top() {
    let plain = json!({ "messages": [{ "role": "user", "content": "Hi" }], "temperature": 0 });
    let with = |name: &str, value: Value| {
        let mut request: Map<String, Value> = plain.as_object().expect("an object").clone();
        request.insert(name.to_owned(), value);
        key(&Value::Object(request).to_string())
    };
    let own = key(&plain.to_string());
    for name in ["stream", "stream_options", "user", "safety_identifier", "prompt_cache_key"] {
        assert_eq!(with(name, json!("x")), own, "{name}");
    }
    for name in ["tools", "seed", "max_tokens", "store", "metadata", "temperature", "response_format"] {
        assert_ne!(with(name, json!(1)), own, "{name}");
    }
    assert_ne!(
        key(r#"{"messages":[{"user":"a"}]}"#),
        key(r#"{"messages":[{"user":"b"}]}"#),
        "a member of a message"
    );
}

#[test]
fn parts_do_not_run_into_each_other() {
    let name = |parts: &[&str]| {
        let mut key = Key::new(b"test");
        parts.iter().for_each(|part| key.part(part.as_bytes()));
        key.of_request(b"{}")
    };
    assert_ne!(name(&["ab", "c"]), name(&["a", "bc"]));
    assert_ne!(name(&["", "a"]), name(&["a", ""]));
    assert_ne!(name(&["a"]), name(&["a", ""]));
    assert_eq!(name(&["a", "b"]).len(), 64);
}

#[test]
fn deep_and_wide_requests_are_read_to_their_end() {
    let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    assert!(canonical(&deep).contains('1'));
    let wide: Vec<String> = (0..5_000).map(|number| format!("\"k{number}\":{number}")).collect();
    let back: Vec<String> = wide.iter().rev().cloned().collect();
    assert_eq!(canonical(&format!("{{{}}}", wide.join(","))), canonical(&format!("{{{}}}", back.join(","))));
}
