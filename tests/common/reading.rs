//! Reading a body as `engine::Call` does, and seeing what its consumer sees.

use hf_inference_wasm::core::engine::plan::Task;
use hf_inference_wasm::core::engine::settle;
use hf_inference_wasm::core::engine::stream::{Answer, Outcome, Stream};
use hf_inference_wasm::core::error::Error;
use hf_inference_wasm::core::wire::batch::{Batch, Mark, Want};
use hf_inference_wasm::core::wire::chat::Answer as ChatAnswer;
use hf_inference_wasm::core::wire::generation::Generation;

use super::chunks::Chunks;
use super::json::{lossy, value};

/// From this number on, marks are patches.
const PATCH: u32 = 16;

/// One body read to its end, as `engine::Call` reads it.
pub struct Reading {
    pub outcome: Outcome,
    pub stream: Stream,
    /// The text of each batch, and its marks.
    pub batches: Vec<(String, Vec<u32>)>,
}

impl Reading {
    /// Reads a body of the stream protocol that comes in `pieces`.
    pub fn new(task: Task, want: Want, pieces: &[&[u8]]) -> Reading {
        Reading::of(Stream::new(task, true, false, 1), want, pieces)
    }

    pub fn of(stream: Stream, want: Want, pieces: &[&[u8]]) -> Reading {
        Reading::ended_by(Stream::end, stream, want, pieces)
    }

    /// Reads the `pieces` and then what `end` (or a break) leaves.
    pub fn ended_by(
        end: fn(&mut Stream, &mut Batch) -> Outcome,
        mut stream: Stream,
        want: Want,
        pieces: &[&[u8]],
    ) -> Reading {
        let mut batch = Batch::default();
        batch.set_want(want);
        let mut batches = Vec::new();
        let mut outcome = Outcome::More;
        let mut pieces = pieces.iter();
        while outcome == Outcome::More {
            outcome = match pieces.next() {
                Some(piece) => stream.feed(piece, &mut batch),
                None => end(&mut stream, &mut batch),
            };
            if outcome == Outcome::Complete {
                settle::close(&mut stream.answer, &mut batch);
            }
            let text = match want {
                // The services' own words, as a `TextDecoder` reads them: no marks count on their length.
                Want::Chunks => lossy(batch.text()),
                _ => String::from_utf8(batch.text().to_vec()).expect("UTF-8"),
            };
            batches.push((text, batch.marks().to_vec()));
            batch.clear();
        }
        Reading { outcome, stream, batches }
    }

    pub fn chat(&self) -> &ChatAnswer {
        match &self.stream.answer {
            Answer::Chat(answer) => answer,
            Answer::Generation(_) => panic!("not a chat"),
        }
    }

    pub fn generation(&self) -> &Generation {
        match &self.stream.answer {
            Answer::Generation(generation) => generation,
            Answer::Chat(_) => panic!("not a generation"),
        }
    }

    pub fn error(&self) -> &Error {
        match &self.outcome {
            Outcome::Failed(error) => error,
            other => panic!("no error but {other:?}"),
        }
    }

    /// What the consumer of text sees.
    pub fn shown(&self) -> String {
        self.batches.iter().map(|(text, _)| text.as_str()).collect()
    }

    /// What the consumer of chunks gets, to the letter.
    pub fn chunk_text(&self) -> String {
        let mut chunks = Chunks::default();
        let texts = self.batches.iter().map(|(text, _)| chunks.take(text));
        texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(",")
    }

    /// What the consumer of events sees.
    pub fn events(&self) -> Vec<(u32, String)> {
        self.marked().into_iter().filter(|(mark, _)| *mark < PATCH).collect()
    }

    /// The patches: what grows (0 for the text, a tool call's position and 1), the patch's number, its text.
    pub fn patches(&self) -> Vec<(u32, u32, String)> {
        let marked = self.marked().into_iter().filter(|(mark, _)| *mark >= PATCH);
        marked.map(|(mark, text)| (mark >> 8, (mark & 0xff) - PATCH, text)).collect()
    }

    /// The parts of the batches with their marks, cut as JavaScript cuts them: by UTF-16 units.
    pub fn marked(&self) -> Vec<(u32, String)> {
        let mut events = Vec::new();
        for (text, marks) in &self.batches {
            let units: Vec<u16> = text.encode_utf16().collect();
            let mut from = 0;
            for mark in marks.chunks_exact(2) {
                let part = &units[from..mark[1] as usize];
                events.push((mark[0], String::from_utf16(part).expect("whole characters")));
                from = mark[1] as usize;
            }
            assert_eq!(from, units.len(), "the marks cover the text");
        }
        events
    }

    /// The events, with deltas that follow each other joined: the same however the body is cut.
    pub fn joined_events(&self) -> Vec<(u32, String)> {
        let mut joined: Vec<(u32, String)> = Vec::new();
        for (kind, text) in self.events() {
            match joined.last_mut() {
                Some((last, whole)) if *last == kind && kind <= Mark::Reasoning as u32 => {
                    whole.push_str(&text)
                }
                _ => joined.push((kind, text)),
            }
        }
        joined
    }

    /// The service's chunks as they are handed on, parsed.
    pub fn chunks(&self) -> Vec<serde_json::Value> {
        match value(format!("[{}]", self.chunk_text()).as_bytes()) {
            serde_json::Value::Array(chunks) => chunks,
            _ => unreachable!("an array was written"),
        }
    }
}
