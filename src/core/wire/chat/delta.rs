//! What a chunk brings, still in place.

use super::Fault;
use crate::core::wire::json::{self, Kind, ObjectWriter, Reader, Text};

/// What a chunk brings for one choice: its `delta` (or a whole answer's `message`), still in place.
#[derive(Default)]
pub(super) struct Delta<'a> {
    pub index: u64,
    pub finish_reason: Option<Text<'a>>,
    pub content: Option<Text<'a>>,
    /// Content as a list of parts.
    pub parts: Option<&'a [u8]>,
    pub reasoning: Option<Text<'a>>,
    pub reasoning_details: Option<&'a [u8]>,
    pub refusal: Option<Text<'a>>,
    pub tool_calls: Option<&'a [u8]>,
    /// The one call of OpenAI's older form.
    pub function_call: Option<&'a [u8]>,
}

impl<'a> Delta<'a> {
    /// The one string that it brings, and whether that is reasoning; `None` when it brings anything else.
    pub fn words(&self) -> Option<(Text<'a>, bool)> {
        let none = |text: Option<Text<'_>>| text.is_none_or(|text| text.is_empty());
        let only = none(self.finish_reason)
            && none(self.refusal)
            && self.parts.or(self.reasoning_details).or(self.tool_calls).or(self.function_call).is_none();
        match (self.content.filter(|text| !text.is_empty()), self.reasoning) {
            (Some(text), None) if only => Some((text, false)),
            (None, Some(text)) if only => Some((text, true)),
            _ => None,
        }
    }
}

/// A whole answer as the one chunk that a stream would have brought: each choice's `message` is its
/// `delta`. `None` when it is not such an answer.
pub fn as_chunk(document: &[u8]) -> Option<Vec<u8>> {
    let mut chunk = Vec::with_capacity(document.len() + 16);
    let mut object = ObjectWriter::new(&mut chunk);
    let mut json = Reader::new(document);
    json.object().ok()?;
    while let Some(key) = json.key().ok()? {
        let value = json.skip().ok()?;
        if key.is("object") {
            object.text("object", b"chat.completion.chunk");
        } else if key.is("choices") && value.starts_with(b"[") {
            let out = object.key("choices");
            out.push(b'[');
            let mut choices = Reader::new(value);
            choices.array().ok()?;
            let mut first = true;
            while choices.element().ok()? {
                let choice = choices.skip().ok()?;
                if !std::mem::take(&mut first) {
                    out.push(b',');
                }
                if !choice.starts_with(b"{") {
                    out.extend_from_slice(choice);
                    continue;
                }
                let mut members = Reader::new(choice);
                members.object().ok()?;
                let mut copy = ObjectWriter::new(out);
                while let Some(key) = members.key().ok()? {
                    let name =
                        if key.is("message") { "delta" } else { std::str::from_utf8(key.raw()).ok()? };
                    copy.raw_key(name, members.skip().ok()?);
                }
                copy.end();
            }
            out.push(b']');
        } else {
            object.raw_key(std::str::from_utf8(key.raw()).ok()?, value);
        }
    }
    json.end().ok()?;
    object.end();
    Some(chunk)
}

/// Reads an element of `choices`, which stands at `position`.
pub(super) fn read_choice<'a>(json: &mut Reader<'a>, position: u64) -> Result<Delta<'a>, Fault> {
    let mut delta = Delta { index: position, ..Delta::default() };
    let mut has_delta = false;
    let mut text = None;
    json.object()?;
    while let Some(key) = json.key()? {
        match key.which(&["index", "finish_reason", "text", "delta", "message"]) {
            Some(0) => {
                let index = json::as_number(json.skip()?);
                delta.index = index.map_or(position, |index| index as u64);
            }
            Some(1) => delta.finish_reason = json.text_or_skip()?,
            Some(2) => text = json.text_or_skip()?,
            Some(_) if json.kind()? == Kind::Object => {
                has_delta = true;
                read_delta(json, &mut delta)?;
            }
            _ => {
                json.skip()?;
            }
        }
    }
    // Together repeats the delta's content in `text`; alone it is a text completion's.
    if !has_delta {
        delta.content = text;
    }
    Ok(delta)
}

/// The members of a delta that are read; the last three are names of reasoning.
const DELTA_MEMBERS: &[&str] = &[
    "content",
    "tool_calls",
    "function_call",
    "reasoning_details",
    "refusal",
    "reasoning",
    "reasoning_content",
    "reasoning_text",
];

fn read_delta<'a>(json: &mut Reader<'a>, delta: &mut Delta<'a>) -> Result<(), Fault> {
    json.object()?;
    while let Some(key) = json.key()? {
        match key.which(DELTA_MEMBERS) {
            Some(0) => match json.kind()? {
                Kind::String => delta.content = Some(json.text()?),
                Kind::Array => delta.parts = Some(json.skip()?),
                _ => {
                    json.skip()?;
                }
            },
            Some(1) => {
                let calls = json.skip()?;
                delta.tool_calls = (calls != b"null").then_some(calls);
            }
            Some(2) => {
                let function = json.skip()?;
                delta.function_call = function.starts_with(b"{").then_some(function);
            }
            Some(3) => {
                let details = json.skip()?;
                delta.reasoning_details = details.starts_with(b"[").then_some(details);
            }
            Some(4) => delta.refusal = json.text_or_skip()?,
            // The same words under several names are sent once: the first that has any counts.
            Some(_) => {
                let text = json.text_or_skip()?.filter(|text| !text.is_empty());
                delta.reasoning = delta.reasoning.or(text);
            }
            None => {
                json.skip()?;
            }
        }
    }
    Ok(())
}
