//! A plain reading of streams in their common shape: what the deltas of the first choice, or the tokens,
//! come to. `None` where a body has shapes beyond it; the native tests know those one by one.

use crate::common::sse::reference;
use crate::members::{Members, elements};

/// What the deltas come to, in units of UTF-16: halves of characters may meet over two deltas.
#[derive(Debug, Default)]
pub struct Texts {
    /// There is such a choice, or a token.
    pub begun: bool,
    pub text: Vec<u16>,
    pub reasoning: Vec<u16>,
    /// TGI's own final text.
    pub whole: Option<Vec<u16>>,
}

impl Texts {
    pub fn text(&self) -> String {
        String::from_utf16_lossy(&self.text)
    }

    pub fn reasoning(&self) -> String {
        String::from_utf16_lossy(&self.reasoning)
    }

    /// Empty when there is none.
    pub fn whole(&self) -> String {
        String::from_utf16_lossy(self.whole.as_deref().unwrap_or_default())
    }
}

/// The data of the events up to the first that ends the stream. `None` when the body is no stream, or has
/// keys written with escapes.
fn messages(body: &[u8]) -> Option<Vec<String>> {
    let start = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    if matches!(start.first(), None | Some(b'<' | b'{' | b'[' | b'"')) {
        return None;
    }
    let mut messages = Vec::new();
    for (name, data) in reference(body) {
        let data = data.trim_ascii();
        if name == "error" || data == "[DONE]" {
            break;
        }
        if has_escaped_letters(data) {
            return None;
        }
        if !data.is_empty() {
            messages.push(data.to_owned());
        }
    }
    Some(messages)
}

/// Whether a key may be written with escapes: some of the core's readers see through them, some do not.
fn has_escaped_letters(json: &str) -> bool {
    ["\\u005", "\\u006", "\\u007"].iter().any(|start| json.contains(start))
}

/// The members of an object, unless a key is there twice.
fn object(json: &str) -> Option<Members<'_>> {
    let members = Members::read(json)?;
    let is_repeated = |at: usize| members.0[..at].iter().any(|(key, _)| *key == members.0[at].0);
    (!(0..members.0.len()).any(is_repeated)).then_some(members)
}

/// The characters of a string, lone halves and all.
fn units(json: &str) -> Option<Vec<u16>> {
    let inside = json.strip_prefix('"')?.strip_suffix('"')?;
    let mut units = Vec::new();
    let mut characters = inside.chars();
    while let Some(character) = characters.next() {
        let character = match character {
            '\\' => match characters.next()? {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let digits: String = characters.by_ref().take(4).collect();
                    units.push(u16::from_str_radix(&digits, 16).ok()?);
                    continue;
                }
                other => other,
            },
            other => other,
        };
        units.extend_from_slice(character.encode_utf16(&mut [0; 2]));
    }
    Some(units)
}

/// The text and reasoning of the choice with number 0 of a chat.
pub fn chat(body: &[u8]) -> Option<Texts> {
    let mut texts = Texts::default();
    for message in messages(body)? {
        let chunk = object(&message)?;
        if ["error", "message", "detail"].iter().any(|key| chunk.get(key).is_some()) {
            return None;
        }
        if chunk.get("object").is_some_and(|object| object.contains("error")) {
            return None;
        }
        let Some(choices) = chunk.get("choices") else { continue };
        for (position, choice) in elements(choices)?.into_iter().enumerate() {
            if choice.starts_with('{') && read_index(&object(choice)?, position) == 0 {
                read_choice(&object(choice)?, &mut texts)?;
            }
        }
    }
    Some(texts)
}

fn read_index(choice: &Members<'_>, position: usize) -> u64 {
    let index = choice.get("index").and_then(|index| index.parse::<f64>().ok());
    index.map_or(position as u64, |index| index as u64)
}

fn read_choice(choice: &Members<'_>, texts: &mut Texts) -> Option<()> {
    texts.begun = true;
    let delta = match (choice.get("delta"), choice.get("message")) {
        (Some(delta), None) | (None, Some(delta)) if delta.starts_with('{') => object(delta)?,
        _ => return None,
    };
    let names = ["reasoning", "reasoning_content", "reasoning_text"];
    let mut reasoning =
        delta.0.iter().filter(|(key, _)| names.contains(key)).filter_map(|(_, text)| units(text));
    match (reasoning.find(|units| !units.is_empty()), delta.get("reasoning_details")) {
        (Some(reasoning), _) => texts.reasoning.extend(reasoning),
        (None, Some(details)) if details.starts_with('[') => read_parts(details, true, texts)?,
        _ => {}
    }
    match delta.get("content") {
        Some(parts) if parts.starts_with('[') => read_parts(parts, false, texts),
        content => {
            texts.text.extend(content.and_then(units).unwrap_or_default());
            Some(())
        }
    }
}

fn read_parts(parts: &str, is_reasoning: bool, texts: &mut Texts) -> Option<()> {
    for part in elements(parts)? {
        let members = if part.starts_with('{') { object(part)? } else { Members(Vec::new()) };
        let text = units(part).or(members.get("text").and_then(units));
        let thinking = members.get("thinking");
        match (text, thinking.and_then(units).or(members.get("summary").and_then(units)), thinking) {
            (Some(text), ..) if !is_reasoning => texts.text.extend(text),
            (Some(text), ..) | (None, Some(text), _) => texts.reasoning.extend(text),
            (None, None, Some(list)) if list.starts_with('[') && !is_reasoning => {
                read_parts(list, true, texts)?
            }
            _ => {}
        }
    }
    Some(())
}

/// The text of TGI's tokens.
pub fn generation(body: &[u8]) -> Option<Texts> {
    let mut texts = Texts::default();
    for message in messages(body)? {
        let event = object(&message)?;
        let token = object(event.get("token")?)?;
        if event.get("choices").is_some() || event.get("error").is_some() || event.get("object").is_some() {
            return None;
        }
        texts.begun = true;
        if token.get("special") != Some("true") {
            texts.text.extend(token.get("text").and_then(units).unwrap_or_default());
        }
        texts.whole = event.get("generated_text").and_then(units);
        if texts.whole.is_some() {
            break;
        }
    }
    Some(texts)
}

/// The text of the token events that are handed on, separated by commas, in units of UTF-16.
pub fn tokens(events: &str) -> Option<Vec<u16>> {
    if has_escaped_letters(events) {
        return None;
    }
    let mut text = Vec::new();
    for event in elements(&format!("[{events}]"))? {
        let token = object(object(event)?.get("token")?)?;
        if token.get("special") != Some("true") {
            text.extend(token.get("text").and_then(units).unwrap_or_default());
        }
    }
    Some(text)
}
