//! Request bodies: the caller's JSON with each target's own fields spliced in.
//!
//! The caller's text is never parsed into values and written again, so numbers, key order and unknown
//! members reach the service as they were given. `model` comes first on purpose: the router reads
//! only a short prefix of the body to choose a provider.

use super::super::wire::json::{self, ObjectWriter, Reader};
use super::table::Provider;

/// TGI's parameters that OpenAI's completion route has no word for. Dropping one silently would
/// change the answer, so a target of that kind refuses them.
const TGI_ONLY: &[&str] =
    &["adapter_id", "decoder_input_details", "grammar", "top_n_tokens", "truncate", "typical_p", "watermark"];

/// The members of a request's JSON object: keys as they stand between the quotes, values as text.
#[derive(Clone, Debug)]
pub struct Members<'a>(Vec<(&'a [u8], &'a [u8])>);

impl<'a> Members<'a> {
    /// Reads an object. `None` when `json` is not one.
    pub fn read(json: &'a [u8]) -> Option<Members<'a>> {
        let mut reader = Reader::new(json);
        reader.object().ok()?;
        let mut members = Vec::new();
        while let Some(key) = reader.key().ok()? {
            members.push((key.raw(), reader.skip().ok()?));
        }
        reader.end().ok()?;
        Some(Members(members))
    }

    /// The value of a member; `None` when it is missing or `null`.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        let (_, value) = self.0.iter().rev().find(|(key, _)| *key == name.as_bytes())?;
        (*value != b"null").then_some(value)
    }

    /// Gives a member a value that has none.
    pub fn set_default(&mut self, name: &'static str, value: &'static [u8]) {
        if self.get(name).is_none() {
            self.0.push((name.as_bytes(), value));
        }
    }

    fn copy_except(&self, object: &mut ObjectWriter<'_>, dropped: &[&[&str]]) {
        for (key, value) in &self.0 {
            let is_dropped = dropped.iter().any(|names| names.iter().any(|name| name.as_bytes() == *key));
            if let (false, Ok(key)) = (is_dropped, std::str::from_utf8(key)) {
                object.raw_key(key, value);
            }
        }
    }
}

/// The body of a chat completion. `usage` asks for the token counts of a stream, unless the caller
/// has an opinion.
pub fn chat(
    request: &Members<'_>,
    model: &str,
    stream: bool,
    usage: bool,
    entry: Option<&Provider>,
) -> Vec<u8> {
    let mut body = Vec::new();
    let mut object = ObjectWriter::new(&mut body);
    object.text("model", model.as_bytes());
    write_stream(&mut object, request, stream, usage);
    let rewritten = entry.and_then(|entry| entry.schema).is_some_and(|form| {
        let schema = request.get("response_format").and_then(json_schema);
        schema.is_some_and(|schema| {
            let mut format = ObjectWriter::new(object.key("response_format"));
            format.text("type", form.0.as_bytes()).raw(form.1, schema);
            format.end();
            true
        })
    });
    let format: &[&str] = if rewritten { &["response_format"] } else { &[] };
    let dropped = entry.map_or(&[][..], |entry| entry.dropped);
    request.copy_except(&mut object, &[&["model", "stream", "stream_options"], dropped, format]);
    object.end();
    body
}

/// The schema in OpenAI's `{ type: "json_schema", json_schema: { name, schema, strict? } }`.
fn json_schema(format: &[u8]) -> Option<&[u8]> {
    json::member(format, "type").and_then(json::as_text).filter(|kind| kind.is("json_schema"))?;
    json::member(json::member(format, "json_schema")?, "schema")
}

fn write_stream(object: &mut ObjectWriter<'_>, request: &Members<'_>, stream: bool, usage: bool) {
    if !stream {
        return;
    }
    object.bool("stream", true);
    match request.get("stream_options") {
        Some(options) => {
            object.raw("stream_options", options);
        }
        None if usage => {
            object.raw("stream_options", br#"{"include_usage":true}"#);
        }
        None => {}
    }
}

/// The body of TGI's own protocol: `{ inputs, parameters, stream }`.
pub fn tgi(request: &Members<'_>, stream: Option<bool>) -> Vec<u8> {
    let mut body = Vec::new();
    let mut object = ObjectWriter::new(&mut body);
    request.copy_except(&mut object, &[&["model", "stream", "stream_options"]]);
    if let Some(stream) = stream {
        object.bool("stream", stream);
    }
    object.end();
    body
}

/// The first parameter of a generation request that only TGI's own route can serve.
pub fn tgi_only_parameter(request: &Members<'_>) -> Option<&'static str> {
    let parameters = request.get("parameters").and_then(Members::read)?;
    TGI_ONLY
        .iter()
        .copied()
        .find(|name| parameters.get(name).is_some_and(|value| value != b"false" && value != b"0"))
}

/// A generation request as an OpenAI text completion: `inputs` becomes `prompt`, TGI's parameters
/// move to the top level under OpenAI's names, and what OpenAI lacks passes as it is.
pub fn completion(request: &Members<'_>, model: &str, stream: bool, dropped: &[&str]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut object = ObjectWriter::new(&mut body);
    object.text("model", model.as_bytes());
    write_stream(&mut object, request, stream, true);
    // What is written here replaces the caller's own: of two equal keys a service takes the last.
    let mut ours = vec!["model", "stream", "stream_options"];
    if let Some(inputs) = request.get("inputs") {
        object.raw("prompt", inputs);
        ours.push("prompt");
    }
    let parameters = request.get("parameters").and_then(Members::read);
    if let Some(parameters) = &parameters {
        let has = |name| parameters.get(name).or(request.get(name)).is_some();
        let renamed = [("max_new_tokens", "max_tokens"), ("return_full_text", "echo")];
        for &(tgi, openai) in &renamed {
            // The caller's own OpenAI name, if given too, is the later word and wins.
            let value = parameters.get(tgi).filter(|value| *value != b"false");
            if let (Some(value), false) = (value, has(openai)) {
                object.raw(openai, value);
                ours.push(openai);
            }
        }
        // Greedy decoding has no switch of its own there.
        if parameters.get("do_sample") == Some(b"false") && !has("temperature") {
            object.raw("temperature", b"0");
            ours.push("temperature");
        }
        let handled = ["max_new_tokens", "return_full_text", "do_sample", "details"];
        parameters.copy_except(&mut object, &[&handled, TGI_ONLY, dropped, &ours]);
    }
    request.copy_except(&mut object, &[&["inputs", "parameters"], dropped, &ours]);
    object.end();
    body
}

/// A request with `text` as the beginning of its answer: an assistant's message at the end of a chat, or
/// more of the prompt. `None` when it cannot have one.
pub fn continued(request: &Members<'_>, text: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    let mut object = ObjectWriter::new(&mut body);
    if let Some(messages) = request.get("messages") {
        let front = messages.strip_suffix(b"]")?.trim_ascii_end();
        let out = object.key("messages");
        out.extend_from_slice(front);
        if front != b"[" {
            out.push(b',');
        }
        let mut message = ObjectWriter::new(out);
        message.text("role", b"assistant").text("content", text);
        message.end();
        out.push(b']');
    } else {
        let inputs = request.get("inputs")?.strip_suffix(b"\"")?;
        let mut written = Vec::new();
        json::write_text(&mut written, text);
        let out = object.key("inputs");
        out.extend_from_slice(inputs);
        out.extend_from_slice(written.get(1..)?);
    }
    request.copy_except(&mut object, &[&["messages", "inputs"]]);
    object.end();
    Some(body)
}

/// What a picture or a recording takes, in tokens, however large the file is.
const ATTACHMENT: f64 = 1_000.0;

/// About how many tokens a request's text has: four bytes each, and a thousand for each file in it.
pub fn estimated_tokens(request: &Members<'_>) -> f64 {
    const MARK: &[u8] = b";base64,";
    let text = request.get("messages").or(request.get("inputs")).unwrap_or_default();
    let (mut bytes, mut tokens, mut rest) = (text.len(), 0.0, text);
    // No such string of the caller's has an escape in it, nor ends but with its quote.
    while let Some(quote) = rest.iter().position(|byte| *byte == b';') {
        rest = rest.get(quote..).unwrap_or_default();
        let file = match rest.strip_prefix(MARK) {
            Some(data) => data.iter().position(|byte| *byte == b'"').unwrap_or(data.len()),
            None => 0,
        };
        if file > 0 {
            bytes -= file;
            tokens += ATTACHMENT;
        }
        rest = rest.get(1 + file..).unwrap_or_default();
    }
    (bytes as f64 / 4.0).ceil() + tokens
}

/// Whether the caller asked for the token counts of a stream.
pub fn asks_for_usage(request: &Members<'_>) -> bool {
    request
        .get("stream_options")
        .and_then(|options| json::member(options, "include_usage"))
        .is_some_and(|value| value == b"true")
}
