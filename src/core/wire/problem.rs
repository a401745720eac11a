//! The error bodies of the services: a dozen shapes, one message.

use super::json::{self, Kind, Reader};

/// The longest message that is passed on, in bytes.
const MAX_MESSAGE: usize = 2_000;

/// The longest `estimated_time` that can be meant, in seconds: a day.
const MAX_WAIT: f64 = 86_400.0;

/// What a service said went wrong.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Problem {
    /// Its words, without markup. Empty when it said nothing that a person could read.
    pub message: String,
    /// Its own code (`model_not_supported`, `overloaded`, `40301`), as text. Empty when there is none.
    pub code: String,
    /// How long it asked to wait, in milliseconds: the `estimated_time` of a loading model.
    pub wait: Option<f64>,
}

impl Problem {
    /// Reads the body of an HTTP error, or an error object found in a stream.
    pub fn read(body: &[u8]) -> Problem {
        let body = body.trim_ascii();
        if json::is_valid(body) {
            match Reader::new(body).kind() {
                Ok(Kind::Object) => return Problem::from_object(body),
                Ok(Kind::String) => return Problem { message: plain(body), ..Problem::default() },
                // FastAPI and a few gateways answer with a list of problems.
                Ok(Kind::Array) => return Problem { message: bounded(list(body)), ..Problem::default() },
                _ => {}
            }
        }
        // Plain text (axum, `404: Not Found`), unless it is a page.
        Problem { message: presentable(body), ..Problem::default() }
    }

    /// Whether an object without any of the members of an answer speaks of a failure: some services send
    /// one without the word `error`.
    pub fn is_told_by(message: Option<&[u8]>, detail: Option<&[u8]>) -> bool {
        detail.is_some_and(|detail| detail != b"null")
            || message.and_then(json::as_text).is_some_and(|message| !message.is_empty())
    }

    fn from_object(body: &[u8]) -> Problem {
        // Where the words are, most telling place first.
        const WORDS: &[&[&str]] = &[
            &["error", "message"],
            &["error", "error"],
            &["error"],
            &["message"],
            &["detail"],
            &["error_description"],
            &["errors"],
            &["title"],
        ];
        const CODES: &[&[&str]] =
            &[&["error", "code"], &["code"], &["error_type"], &["error", "type"], &["type"]];
        let first = |places: &[&[&str]], read: fn(&[u8]) -> String| {
            places
                .iter()
                .filter_map(|path| path.iter().try_fold(body, |value, name| json::member(value, name)))
                .map(read)
                .find(|text| !text.is_empty())
                .unwrap_or_default()
        };
        let mut message = first(WORDS, words);
        // OAuth's `error` is only a code; its description has the words.
        let description = json::member(body, "error_description").map(plain).unwrap_or_default();
        if !description.is_empty() && description != message {
            message.push_str(": ");
            message.push_str(&description);
        }
        let wait = json::number_member(body, "estimated_time");
        Problem {
            message: bounded(message),
            code: first(CODES, scalar),
            wait: wait.filter(|wait| (0.0..=MAX_WAIT).contains(wait)).map(|seconds| seconds * 1000.0),
        }
    }
}

/// The words in a value of unknown shape: a string, an object that holds one, or a list of these.
fn words(value: &[u8]) -> String {
    match value.first() {
        Some(b'"') => plain(value),
        Some(b'[') => list(value),
        Some(b'{') => entry(value),
        _ => String::new(),
    }
}

fn list(value: &[u8]) -> String {
    let mut json = Reader::new(value);
    let mut message = String::new();
    if json.array().is_ok() {
        while let Ok(true) = json.element() {
            let Ok(item) = json.skip() else { break };
            let item = match item.first() {
                Some(b'"') => plain(item),
                Some(b'{') => entry(item),
                _ => continue,
            };
            if !message.is_empty() && !item.is_empty() {
                message.push_str("; ");
            }
            message.push_str(&item);
        }
    }
    message
}

/// `{ "msg", "loc": ["body", "messages", 0] }` of FastAPI, `{ "message" }`, `{ "error" }`.
fn entry(object: &[u8]) -> String {
    let text = ["msg", "message", "error", "detail"]
        .iter()
        .filter_map(|name| json::member(object, name))
        .map(plain)
        .find(|text| !text.is_empty())
        .unwrap_or_default();
    let mut place = String::new();
    if let Some(location) = json::member(object, "loc") {
        let mut json = Reader::new(location);
        if json.array().is_ok() {
            while let Ok(true) = json.element() {
                let Ok(step) = json.skip() else { break };
                if !place.is_empty() {
                    place.push('.');
                }
                place.push_str(&scalar(step));
            }
        }
    }
    if place.is_empty() || text.is_empty() {
        return text;
    }
    place.push_str(": ");
    place.push_str(&text);
    place
}

/// A string's characters, or a number as it is written.
fn scalar(value: &[u8]) -> String {
    match value.first() {
        Some(b'"') => plain(value),
        Some(b'-' | b'0'..=b'9') => presentable(value),
        _ => String::new(),
    }
}

fn plain(value: &[u8]) -> String {
    json::as_text(value).map(|text| presentable(&text.to_bytes())).unwrap_or_default()
}

/// Text fit for an error message: no markup, no control characters, bounded. A page gives nothing.
pub fn presentable(text: &[u8]) -> String {
    let text = text.trim_ascii();
    if looks_like_markup(text) {
        return String::new();
    }
    // One byte more than is kept tells that something was cut.
    let start = text.get(..MAX_MESSAGE + 1).unwrap_or(text);
    let mut clean = Vec::with_capacity(start.len());
    json::append_utf8(&mut clean, start);
    let mut message = bounded(String::from_utf8(clean).unwrap_or_default());
    message.retain(|character| character == '\n' || !character.is_control());
    message
}

/// A message of at most [`MAX_MESSAGE`] bytes, cut between characters and marked where it was.
fn bounded(mut message: String) -> String {
    if message.len() > MAX_MESSAGE {
        let end = (0..=MAX_MESSAGE).rev().find(|&at| message.is_char_boundary(at));
        message.truncate(end.unwrap_or(0));
        message.push('…');
    }
    message
}

/// Whether bytes are a page (HTML or XML) rather than words or JSON.
pub fn looks_like_markup(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let begins =
        |prefix: &[u8]| text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    let holds =
        |word: &[u8]| text.windows(word.len()).take(4_096).any(|part| part.eq_ignore_ascii_case(word));
    let tagged = text.starts_with(b"<") && holds(b"</");
    tagged || begins(b"<!") || begins(b"<?xml") || holds(b"<html")
}
