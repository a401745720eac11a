//! What a consumer made of the batches it took.

use hf_inference_wasm::core::wire::batch::{Batch, Mark, Want};

use crate::chunks::Chunks;

/// The marks of a growing value: its strings' beginnings and continuations.
const STRING: u32 = 16 + 4;
const MORE: u32 = 16 + 5;

#[derive(Debug)]
pub struct Shown {
    want: Want,
    /// The batch as it lies in memory, until it is read.
    reported: Option<(Vec<u8>, Vec<u32>)>,
    chunks: Chunks,
    pub text: String,
    pub reasoning: String,
    /// What the consumer was told to clear.
    pub cleared: Vec<String>,
    pub finished: bool,
    /// Something of an answer was seen, ever.
    pub any: bool,
}

impl Shown {
    pub fn new(want: Want) -> Shown {
        let (text, reasoning) = (String::new(), String::new());
        let (cleared, chunks) = (Vec::new(), Chunks::default());
        Shown { want, reported: None, chunks, text, reasoning, cleared, finished: false, any: false }
    }

    /// The core says where the batch is.
    pub fn report(&mut self, batch: &Batch) {
        self.reported = Some((batch.text().to_vec(), batch.marks().to_vec()));
    }

    /// Reads what was reported.
    pub fn take(&mut self, wants: bool) {
        let Some((text, marks)) = self.reported.take() else { return };
        if !wants {
            assert!(text.is_empty() && marks.is_empty(), "a batch for a consumer that wants none");
            return;
        }
        let text = String::from_utf8(text).unwrap_or_default();
        assert!(!self.finished || text.is_empty(), "something came behind the finish: {text}");
        match self.want {
            Want::Nothing => {}
            Want::Text => self.text.push_str(&text),
            Want::Chunks => {
                let text = self.chunks.take(&text);
                let mut rest = text.as_str();
                while let Some(at) = next_content(rest) {
                    rest = &rest[at..];
                    rest = unescaped(rest, &mut self.text);
                }
            }
            Want::Events | Want::Object => {
                let mut from = 0;
                for mark in marks.chunks_exact(2) {
                    let piece = &text[from..mark[1] as usize];
                    from = mark[1] as usize;
                    self.event(mark[0], piece);
                }
            }
        }
        self.any |= !self.text.is_empty() || !self.reasoning.is_empty();
    }

    fn event(&mut self, mark: u32, piece: &str) {
        assert!(!self.finished, "an event behind the finish: {mark} {piece}");
        match mark {
            _ if self.want == Want::Object => {
                if mark == STRING || mark == MORE {
                    self.text.push_str(piece);
                }
            }
            _ if mark == Mark::Text as u32 => self.text.push_str(piece),
            _ if mark == Mark::Reasoning as u32 => self.reasoning.push_str(piece),
            _ if mark == Mark::Finish as u32 => self.finished = true,
            _ if mark == Mark::Restart as u32 => {
                self.cleared.push(std::mem::take(&mut self.text));
                self.reasoning.clear();
            }
            _ => crate::invariants::no_secret(piece.as_bytes(), "an event"),
        }
    }
}

/// Where the next string begins that is a piece of the answer's text.
fn next_content(text: &str) -> Option<usize> {
    let of = |name: &str| text.find(name).map(|at| at + name.len());
    match (of("\"content\":\""), of("\"text\":\"")) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Appends the JSON string that begins here and returns what is behind it.
fn unescaped<'a>(text: &'a str, out: &mut String) -> &'a str {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            '\\' if !escaped => {
                escaped = true;
                continue;
            }
            '"' if !escaped => return &text[at..],
            other => out.push(other),
        }
        escaped = false;
    }
    ""
}
