//! A value that grows by patches.

use hf_inference_wasm::core::wire::json::{Partial, Patch};
use serde_json::{Map, Value};

use super::completion::Completion;

/// Applies patches as JavaScript does.
#[derive(Clone, Debug, Default)]
pub struct Growing {
    value: Option<Value>,
    /// Where the innermost open container is: keys and positions from the value down.
    path: Vec<String>,
    key: String,
}

impl Growing {
    pub fn apply(&mut self, patch: Patch<'_>) {
        let text = String::from_utf8(patch.text().to_vec()).expect("UTF-8");
        match patch {
            Patch::Object => self.enter(Value::Object(Map::new())),
            Patch::Array => self.enter(Value::Array(Vec::new())),
            Patch::Close => {
                self.path.pop().expect("an open container");
            }
            Patch::Key(_) => self.key = text,
            Patch::Text(_) => {
                self.put(Value::String(text));
            }
            Patch::More(_) => match self.last() {
                Value::String(string) => string.push_str(&text),
                other => panic!("{other} does not go on"),
            },
            Patch::Scalar(_) => {
                self.put(scalar(&text));
            }
        }
    }

    pub fn value(&self) -> Option<&Value> {
        self.value.as_ref()
    }

    fn enter(&mut self, container: Value) {
        let segment = self.put(container);
        self.path.push(segment);
    }

    fn put(&mut self, value: Value) -> String {
        let key = self.key.clone();
        match self.innermost() {
            None => {
                assert!(self.value.is_none(), "a second value");
                self.value = Some(value);
                String::new()
            }
            Some(Value::Array(elements)) => {
                elements.push(value);
                (elements.len() - 1).to_string()
            }
            Some(Value::Object(members)) => {
                members.insert(key.clone(), value);
                key
            }
            Some(other) => panic!("{other} is no container"),
        }
    }

    fn innermost(&mut self) -> Option<&mut Value> {
        if self.path.is_empty() {
            return None;
        }
        let mut at = self.value.as_mut()?;
        for segment in self.path.iter().skip(1) {
            at = match at {
                Value::Array(elements) => &mut elements[segment.parse::<usize>().expect("a position")],
                Value::Object(members) => members.get_mut(segment).expect("the key"),
                other => panic!("{other} is no container"),
            };
        }
        Some(at)
    }

    fn last(&mut self) -> &mut Value {
        let key = self.key.clone();
        if self.path.is_empty() {
            return self.value.as_mut().expect("a value");
        }
        match self.innermost() {
            Some(Value::Array(elements)) => elements.last_mut().expect("an element"),
            Some(Value::Object(members)) => members.get_mut(&key).expect("the key"),
            _ => panic!("no container"),
        }
    }
}

/// The patch that crosses the boundary as `number` and `text`.
pub fn patch(number: u32, text: &[u8]) -> Patch<'_> {
    let patches = [
        Patch::Object,
        Patch::Array,
        Patch::Close,
        Patch::Key(text),
        Patch::Text(text),
        Patch::More(text),
        Patch::Scalar(text),
    ];
    patches[number as usize]
}

/// A number or word. serde_json has no number beyond a double; JavaScript makes it infinite.
pub fn scalar(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| {
        let number: f64 = text.parse().unwrap_or_else(|_| panic!("{error}: {text}"));
        assert!(number.is_infinite(), "{error}: {text}");
        Value::String(number.to_string())
    })
}

/// Feeds `text` in pieces of these lengths. After each the value must be what the completed prefix means,
/// and a prefix must be given up exactly when nothing can make it a document. Returns whether the whole
/// text is one.
pub fn check_every_prefix(text: &str, fenced: bool, pieces: &[usize]) -> bool {
    let mut partial = if fenced { Partial::of_answer() } else { Partial::default() };
    let mut growing = Growing::default();
    let mut end = 0;
    let mut can_go_on = true;
    for length in pieces {
        let piece = &text[end..end + length];
        end += length;
        let prefix = &text[..end];
        let mut patches = 0;
        partial.feed(piece.as_bytes(), &mut |patch| {
            patches += 1;
            growing.apply(patch);
        });
        assert!(can_go_on || patches == 0, "nothing follows what cannot be: {prefix:?}");
        let completion = Completion::of(prefix, fenced, false);
        can_go_on = completion.suffix.is_some();
        if !completion.is_within_the_oracles_reach() {
            continue;
        }
        assert_eq!(growing.value(), completion.value().as_ref(), "{prefix:?}");
        // What can still become a document does, and nothing else.
        let Some(suffix) = &completion.suffix else {
            for suffix in ["", "]", "}", "\"", "\"]", "\"}", "0"] {
                let mut rest = partial.clone();
                rest.feed(suffix.as_bytes(), &mut |patch| panic!("{patch:?} after {prefix:?}"));
                assert!(
                    !rest.finish(&mut |patch| panic!("{patch:?} after {prefix:?}")),
                    "{prefix:?}, {suffix:?}"
                );
            }
            continue;
        };
        let (mut rest, mut whole) = (partial.clone(), growing.clone());
        rest.feed(suffix.as_bytes(), &mut |patch| whole.apply(patch));
        assert!(rest.finish(&mut |patch| whole.apply(patch)), "{prefix:?} and {suffix:?}");
        let ended = Completion::of(&(prefix.to_owned() + suffix), fenced, true);
        assert_eq!(whole.value(), ended.value().as_ref(), "{prefix:?} and {suffix:?}");
    }
    assert_eq!(end, text.len());
    let is_complete = partial.finish(&mut |patch| growing.apply(patch));
    let completion = Completion::of(text, fenced, true);
    assert_eq!(is_complete, completion.is_whole(), "{text:?}");
    if completion.is_within_the_oracles_reach() {
        assert_eq!(growing.value(), completion.value().as_ref(), "{text:?}");
    }
    is_complete
}
