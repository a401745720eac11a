//! Reasoning inside the text: `<think>…</think>` at the start of an answer.
//!
//! Some models (DeepSeek R1 behind several providers) write their reasoning into the content itself, and
//! the tags may be cut anywhere. Only tags at the very start count: later ones are the answer's own words.

const OPEN: &[u8] = b"<think>";
const CLOSE: &[u8] = b"</think>";

/// Where in an answer the tags are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Nothing but white space has come.
    Start,
    /// Between the tags.
    Inside,
    /// Behind the closing tag: the white space that follows it is not the answer's.
    Behind,
    /// In the answer.
    #[default]
    Text,
}

/// Sorts the pieces of an answer's content into reasoning and text. By default all of it is text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThinkTags {
    place: Place,
    /// What could still become a tag.
    held: Vec<u8>,
    /// How much of it is the white space before.
    blank: usize,
}

impl ThinkTags {
    /// At the start of a content that may begin with tags.
    pub fn at_start() -> ThinkTags {
        ThinkTags { place: Place::Start, ..ThinkTags::default() }
    }

    /// Whether all that comes is text, so that it need not be sorted.
    pub fn is_past(&self) -> bool {
        self.place == Place::Text
    }

    /// Takes a piece of the content. What is decided goes to `reasoning` and `text`.
    pub fn take(&mut self, piece: &[u8], reasoning: &mut Vec<u8>, text: &mut Vec<u8>) {
        self.held.extend_from_slice(piece);
        loop {
            let held = self.held.as_slice();
            match self.place {
                Place::Start => {
                    let word = held.get(self.blank..).unwrap_or_default().trim_ascii_start();
                    self.blank = held.len() - word.len();
                    if OPEN.starts_with(word) && word.len() < OPEN.len() {
                        return;
                    }
                    match word.strip_prefix(OPEN) {
                        Some(rest) => {
                            self.held = rest.to_vec();
                            self.place = Place::Inside;
                        }
                        None => self.place = Place::Text,
                    }
                }
                Place::Inside => {
                    let Some(at) = held.windows(CLOSE.len()).position(|part| part == CLOSE) else {
                        let kept = (0..CLOSE.len()).rev().find(|&length| {
                            held.len() >= length && held.ends_with(CLOSE.get(..length).unwrap_or_default())
                        });
                        let told = held.len() - kept.unwrap_or(0);
                        reasoning.extend(self.held.drain(..told));
                        return;
                    };
                    reasoning.extend_from_slice(held.get(..at).unwrap_or_default());
                    self.held.drain(..at + CLOSE.len());
                    self.place = Place::Behind;
                }
                Place::Behind => {
                    let white = held.len() - held.trim_ascii_start().len();
                    self.held.drain(..white);
                    if self.held.is_empty() {
                        return;
                    }
                    self.place = Place::Text;
                }
                Place::Text => {
                    text.append(&mut self.held);
                    return;
                }
            }
        }
    }

    /// Nothing more will come: what was held is what it looked like.
    pub fn finish(&mut self, reasoning: &mut Vec<u8>, text: &mut Vec<u8>) {
        match self.place {
            Place::Inside => reasoning.append(&mut self.held),
            _ => text.append(&mut self.held),
        }
    }
}
