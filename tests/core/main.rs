//! The rules of the core, run natively: no network, no clock, no sleep.

mod body;
mod call;
mod chat;
mod generation;
mod json;
mod plan;
mod problem;
mod rate_limit;
mod samples;
mod sse;
mod think;
mod url;

use hf_inference_wasm::core::engine::plan::Task;
use hf_inference_wasm::core::engine::settle;
use hf_inference_wasm::core::engine::stream::{Answer, Outcome, Stream};
use hf_inference_wasm::core::error::Error;
use hf_inference_wasm::core::wire::batch::{Batch, Mark, Want};
use hf_inference_wasm::core::wire::chat::Answer as ChatAnswer;
use hf_inference_wasm::core::wire::generation::Generation;

/// A small seeded generator (xorshift64*), so that a failing run is replayed by its seed.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number from 0 up to, but without, `end`.
    fn below(&mut self, end: usize) -> usize {
        ((self.next() >> 32) as usize) % end
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Cuts `bytes` at random places; pieces may be empty.
    fn cut<'a>(&mut self, bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let mut ends: Vec<usize> = (0..self.below(8)).map(|_| self.below(bytes.len() + 1)).collect();
        ends.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for end in ends {
            pieces.push(&bytes[from..end]);
            from = end;
        }
        pieces.push(&bytes[from..]);
        pieces
    }
}

/// Every way to cut `bytes` in two, both ends included.
fn splits(bytes: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    (0..=bytes.len()).map(|at| vec![&bytes[..at], &bytes[at..]])
}

/// Whole, in two at every place, byte by byte, and at random places.
fn all_cuts(bytes: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let mut random = Random::new(bytes.len() as u64);
    splits(bytes)
        .chain(std::iter::once(bytes.chunks(1).collect()))
        .chain((0..32).map(move |_| random.cut(bytes)))
}

/// JSON text that the core wrote, read by the oracle.
fn value(json: &[u8]) -> serde_json::Value {
    serde_json::from_slice(json).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(json)))
}

/// One body read to its end, as `engine::Call` reads it.
struct Reading {
    outcome: Outcome,
    stream: Stream,
    /// The text of each batch, and its marks.
    batches: Vec<(String, Vec<u32>)>,
}

impl Reading {
    /// Reads a body of the stream protocol that comes in `pieces`.
    fn new(task: Task, want: Want, pieces: &[&[u8]]) -> Reading {
        Reading::of(Stream::new(task, true, false, 1), want, pieces)
    }

    fn of(mut stream: Stream, want: Want, pieces: &[&[u8]]) -> Reading {
        let mut batch = Batch::default();
        batch.set_want(want);
        let mut batches = Vec::new();
        let mut outcome = Outcome::More;
        let mut pieces = pieces.iter();
        while outcome == Outcome::More {
            outcome = match pieces.next() {
                Some(piece) => stream.feed(piece, &mut batch),
                None => stream.end(&mut batch),
            };
            if outcome == Outcome::Complete {
                settle::close(&mut stream.answer, &mut batch);
            }
            let text = String::from_utf8(batch.text().to_vec()).expect("UTF-8");
            batches.push((text, batch.marks().to_vec()));
            batch.clear();
        }
        Reading { outcome, stream, batches }
    }

    fn chat(&self) -> &ChatAnswer {
        match &self.stream.answer {
            Answer::Chat(answer) => answer,
            Answer::Generation(_) => panic!("not a chat"),
        }
    }

    fn generation(&self) -> &Generation {
        match &self.stream.answer {
            Answer::Generation(generation) => generation,
            Answer::Chat(_) => panic!("not a generation"),
        }
    }

    fn error(&self) -> &Error {
        match &self.outcome {
            Outcome::Failed(error) => error,
            other => panic!("no error but {other:?}"),
        }
    }

    /// What the consumer of text sees.
    fn shown(&self) -> String {
        self.batches.iter().map(|(text, _)| text.as_str()).collect()
    }

    /// What the consumer of chunks gets, to the letter.
    fn chunk_text(&self) -> String {
        let texts = self.batches.iter().map(|(text, _)| text.as_str());
        texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(",")
    }

    /// What the consumer of events sees, cut as JavaScript cuts it: by UTF-16 units.
    fn events(&self) -> Vec<(u32, String)> {
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
    fn joined_events(&self) -> Vec<(u32, String)> {
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
    fn chunks(&self) -> Vec<serde_json::Value> {
        match value(format!("[{}]", self.chunk_text()).as_bytes()) {
            serde_json::Value::Array(chunks) => chunks,
            _ => unreachable!("an array was written"),
        }
    }
}
