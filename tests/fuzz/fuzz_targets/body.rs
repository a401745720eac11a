//! Requests of any shape, as the bodies that are sent.
#![no_main]

use arbitrary::Unstructured;
use hf_inference_wasm::core::provider::body::{self, Members as Request};
use hf_inference_wasm::core::provider::table::PROVIDERS;
use hf_inference_wasm_fuzz::document;
use hf_inference_wasm_fuzz::input::Input;
use hf_inference_wasm_fuzz::members::Members;
use libfuzzer_sys::fuzz_target;

const KEYS: &[&str] = &[
    "model",
    "messages",
    "stream",
    "stream_options",
    "include_usage",
    "response_format",
    "type",
    "json_schema",
    "schema",
    "store",
    "inputs",
    "parameters",
    "max_new_tokens",
    "max_tokens",
    "return_full_text",
    "echo",
    "details",
    "do_sample",
    "temperature",
    "grammar",
    "truncate",
    "watermark",
    "seed",
    "n",
];

const SCHEMA: &str = r#"{"type":"json_schema","json_schema":{"name":"n","schema":{"type" : "object"}}}"#;

fuzz_target!(|data: &[u8]| {
    let Some(input) = Input::read(data) else { return };
    let text = if input.is_grown() {
        grow(input.bytes)
    } else {
        let Ok(text) = std::str::from_utf8(input.bytes) else { return };
        text.to_owned()
    };
    let Some(request) = Request::read(text.as_bytes()) else {
        assert!(Members::read(&text).is_none(), "{text}");
        return;
    };
    // Deeper than serde_json goes, or keys with half a surrogate pair.
    let Some(given) = Members::read(&text) else { return };
    let model = text.get(..usize::from(input.number) % 16).unwrap_or("m");
    let entry = PROVIDERS.get(usize::from(input.number) % (PROVIDERS.len() + 1));
    let (streamed, usage) = (input.flag(1), input.flag(2));
    let dropped = entry.map_or(&[][..], |entry| entry.dropped);

    let written = body::chat(&request, model, streamed, usage, entry);
    let read = model_first(&written, model);
    let is_rewritten = read.0.iter().filter(|(key, _)| *key == "response_format").count() == 1
        && given.get("response_format").is_some_and(|format| read.get("response_format") != Some(format));
    let format: &[&str] = if is_rewritten { &["response_format"] } else { &[] };
    assert!(!is_rewritten || entry.is_some_and(|entry| entry.schema.is_some()));
    let kept = given.without(&[&["model", "stream", "stream_options"], dropped, format]);
    ends_with(&read, &kept, &["model", "stream", "stream_options", "response_format"]);
    check_stream(&read, &given, streamed, usage);

    check_completion(&body::completion(&request, model, streamed, dropped), model, &given, streamed, dropped);

    let written = body::tgi(&request, streamed.then_some(usage));
    let read = Members::read(std::str::from_utf8(&written).expect("UTF-8")).expect("an object");
    let mut kept = given.without(&[&["model", "stream", "stream_options"]]);
    if streamed {
        kept.push(("stream", if usage { "true" } else { "false" }));
    }
    assert_eq!(read.0, kept);
    // Only to see that nothing breaks.
    let _ = (body::asks_for_usage(&request), body::tgi_only_parameter(&request));
});

/// A generation as a text completion: what we add under OpenAI's names, TGI's parameters, and the rest.
fn check_completion(written: &[u8], model: &str, given: &Members<'_>, streamed: bool, dropped: &[&str]) {
    const ONLY_TGI: &[&str] = &[
        "adapter_id",
        "decoder_input_details",
        "grammar",
        "top_n_tokens",
        "truncate",
        "typical_p",
        "watermark",
    ];
    const HANDLED: &[&str] = &["max_new_tokens", "return_full_text", "do_sample", "details"];
    let body = model_first(written, model);
    let parameters = given.get("parameters").and_then(Members::read).unwrap_or(Members(Vec::new()));
    let parameter = |key| parameters.get(key).filter(|value| *value != "false");
    let has = |key| parameters.get(key).or(given.get(key)).is_some();
    let mut ours = vec!["model", "stream", "stream_options"];
    let mut values = Vec::new();
    if let Some(inputs) = given.get("inputs") {
        values.push(("prompt", inputs));
    }
    for (tgi, openai) in [("max_new_tokens", "max_tokens"), ("return_full_text", "echo")] {
        if let (Some(value), false) = (parameter(tgi), has(openai)) {
            values.push((openai, value));
        }
    }
    if parameters.get("do_sample") == Some("false") && !has("temperature") {
        values.push(("temperature", "0"));
    }
    ours.extend(values.iter().map(|(key, _)| *key));
    let kept = [
        parameters.without(&[ONLY_TGI, HANDLED, dropped, &ours]),
        given.without(&[&["inputs", "parameters"], dropped, &ours]),
    ];
    let kept = kept.concat();
    ends_with(&body, &kept, &ours);
    assert!(
        body.0[..body.0.len() - kept.len()].ends_with(&values),
        "{values:?} are not ours in {:?}",
        body.0
    );
    check_stream(&body, given, streamed, true);
}

/// A request of plausible members.
fn grow(bytes: &[u8]) -> String {
    let mut from = Unstructured::new(bytes);
    let mut text = String::new();
    let _ = document::object(&mut from, 4, KEYS, &mut text);
    if from.ratio(1, 4).unwrap_or(false) {
        text = text.replacen('{', &format!(r#"{{"response_format":{SCHEMA},"#), 1).replacen(",}", "}", 1);
    }
    let mut document = text.into_bytes();
    let _ = document::damage(&mut from, &mut document);
    String::from_utf8_lossy(&document).into_owned()
}

/// The members of a written body, of which the model must be the first.
fn model_first<'a>(written: &'a [u8], model: &str) -> Members<'a> {
    let text = std::str::from_utf8(written).expect("UTF-8");
    let members = Members::read(text).unwrap_or_else(|| panic!("not an object: {text}"));
    let (key, value) = members.0.first().expect("a member");
    assert_eq!(*key, "model");
    assert_eq!(serde_json::from_str::<String>(value).expect("a string"), model);
    members
}

/// The caller's members stand at the end as they were given; before them come ours, each key only once:
/// of equal keys services take the last, or refuse them.
fn ends_with(body: &Members<'_>, kept: &[(&str, &str)], ours: &[&str]) {
    assert!(body.0.ends_with(kept), "{:?} ends not with {kept:?}", body.0);
    let added = &body.0[..body.0.len() - kept.len()];
    for (position, (key, _)) in added.iter().enumerate() {
        assert!(ours.contains(key), "{key} is not ours to add");
        let others = [&added[..position], kept].concat();
        assert!(!others.iter().any(|(other, _)| other == key), "{key} is there twice");
    }
}

fn check_stream(body: &Members<'_>, given: &Members<'_>, streamed: bool, usage: bool) {
    let options = given.get("stream_options").or(usage.then_some(r#"{"include_usage":true}"#));
    let value = |key| body.0.iter().take(3).find(|(name, _)| *name == key).map(|(_, value)| *value);
    assert_eq!(value("stream"), streamed.then_some("true"));
    assert_eq!(value("stream_options"), options.filter(|_| streamed));
}
