//! A tape: an answer as it came, to be read again by calls that send no request of their own.
//!
//! It is a stream of server-sent events like the services' own, so that it is read by the same reader. An
//! event without a name is one of the service's, to the letter; the others are what the consumer was told
//! besides: `start`, `retry`, `fallback`, `restart`, `resume` (another body continues the answer),
//! `document` (the whole answer, sent in one piece), `cost` (what the call has cost that made the tape) and `failed`.

use super::settle::Answerer;
use super::stream::{Answer, Held, Outcome};
use crate::core::error::{Error, Kind};
use crate::core::usage::money::{self, Pico};
use crate::core::wire::batch::{Batch, Mark, Want};
use crate::core::wire::chat::MAX_ANSWER_BYTES;
use crate::core::wire::json;
use crate::core::wire::sse;

/// Changes when tapes are written in another way: what was kept in the old way is not found any more.
pub const VERSION: &[u8] = b"1";

/// The largest event: an answer in one piece, which bounds what is read otherwise.
pub const MAX_EVENT_BYTES: usize = MAX_ANSWER_BYTES + 65_536;

/// The end of a tape whose answer may be given again. A comment: readers pass over it.
pub const KEEPABLE: &[u8] = b": keepable\n\n";

/// Why a call fails whose answer is that of another, which failed: the driver knows the other's error.
pub const SHARED: &str = "shared";

/// Appends an event to a tape.
pub fn write(tape: &mut Vec<u8>, name: &str, data: &[u8]) {
    if !name.is_empty() {
        tape.extend_from_slice(b"event: ");
        tape.extend_from_slice(name.as_bytes());
        tape.push(b'\n');
    }
    // Within JSON a line's end is white space, whichever it is.
    for line in data.split(|byte| matches!(byte, b'\n' | b'\r')) {
        tape.extend_from_slice(b"data: ");
        tape.extend_from_slice(line);
        tape.push(b'\n');
    }
    tape.push(b'\n');
}

/// What a tape that is read has told besides the answer.
#[derive(Debug, Default)]
pub struct Tape {
    /// Who gave the answer.
    pub origin: Option<Answerer>,
    /// The answer, when it was sent in one piece.
    pub document: Option<Vec<u8>>,
    /// What the call cost that made the tape, where it is known.
    pub usd: Option<Pico>,
}

impl Tape {
    /// Takes a named event.
    pub fn take(
        &mut self,
        event: sse::Event<'_>,
        answer: &mut Answer,
        held: &mut Option<Held>,
        batch: &mut Batch,
    ) -> Outcome {
        const NAMES: &[&str] =
            &["start", "retry", "fallback", "restart", "resume", "document", "failed", "cost"];
        let data = event.data;
        let want = batch.want();
        match NAMES.iter().position(|name| name.as_bytes() == event.name) {
            Some(0) => {
                self.origin = Some(Answerer {
                    provider: text_of(data, "provider"),
                    model: text_of(data, "model"),
                    request_id: text_of(data, "requestId"),
                });
                batch.written_event(Mark::Start, data);
            }
            Some(1) => batch.written_event(Mark::Retry, data),
            Some(2) => batch.written_event(Mark::Fallback, data),
            Some(3) if matches!(want, Want::Nothing | Want::Events) => {
                *answer = answer.anew();
                if let Some(held) = held {
                    *held = Held::default();
                }
                batch.written_event(Mark::Restart, data);
            }
            Some(4) if want != Want::Chunks => {
                if let Some(held) = held {
                    held.events.push(Vec::new());
                }
                answer.resume();
            }
            Some(5) => self.document = Some(data.to_vec()),
            Some(6) => return Outcome::Failed(Error::boxed(Kind::StreamInterrupted, SHARED)),
            // One that was cut off would tell less.
            Some(7) if json::is_valid(data) => self.usd = money::member(data, "usd"),
            Some(7) => {}
            // It goes on in a way that this consumer cannot be told of.
            _ => return Outcome::Failed(Error::boxed(Kind::StreamInterrupted, "connection_lost")),
        }
        Outcome::More
    }
}

fn text_of(object: &[u8], name: &str) -> String {
    json::member(object, name).and_then(json::as_text).map(|text| text.to_text()).unwrap_or_default()
}
