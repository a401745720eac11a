//! What callers and their listeners are told, as JSON.

use super::stream::{self, Stream};
use super::{Call, settle, trace};
use crate::core::error::Error;
use crate::core::provider::url;
use crate::core::wire::batch::Mark;
use crate::core::wire::json::{self, ObjectWriter};

impl Call {
    /// The result, as JSON: of a stream, `final()`'s; of a whole chat answer, the service's own
    /// document; of a whole generation, `{ generated_text, details? }`.
    pub fn result(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let Some(stream) = self.stream() else { return out };
        if !self.streamed {
            match &stream.answer {
                stream::Answer::Chat(_) => out.extend_from_slice(stream.document()),
                stream::Answer::Generation(generation) => generation.write_output(&mut out),
            }
            return json::well_formed(out);
        }
        let mut object = ObjectWriter::new(&mut out);
        settle::write_result(&stream.answer, &self.answerer, &mut object);
        if stream.answer.usage().is_empty() {
            let (prompt, completion) = self.tokens(stream);
            trace::write_tokens(object.key("usage"), prompt, completion, true);
        }
        self.spending.write(&mut object, false);
        self.trace.write(object.key("trace"));
        object.end();
        json::well_formed(out)
    }

    /// The error's facts, as JSON; of an abort, only what had come and the trace.
    pub fn error(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut object = ObjectWriter::new(&mut out);
        if let Some(error) = &self.error {
            error.write(&mut object);
            let mut answerer = self.answerer.clone();
            if answerer.provider.is_empty() {
                answerer.provider.clone_from(&self.settings.provider);
            }
            if answerer.model.is_empty() {
                answerer.model.clone_from(&self.settings.model);
            }
            answerer.write(&mut object);
            if let Some((_, place)) = &self.place {
                object.text("url", url::shown(place).as_bytes());
            }
        }
        if let Some(stream) = self.stream().filter(|stream| stream.answer.has_output()) {
            let mut partial = ObjectWriter::new(object.key("partial"));
            settle::write_partial(&stream.answer, &mut partial);
            partial.end();
            if stream.answer.usage().is_empty() {
                let (prompt, completion) = self.tokens(stream);
                trace::write_tokens(object.key("usage"), prompt, completion, true);
            } else {
                object.raw("usage", stream.answer.usage());
            }
        }
        self.spending.write(&mut object, false);
        self.trace.write(object.key("trace"));
        object.end();
        json::well_formed(out)
    }

    /// The trace so far, as JSON.
    pub fn trace(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.trace.write(&mut out);
        json::well_formed(out)
    }

    pub(super) fn tell(&mut self, mark: Mark, kind: &str, fill: &dyn Fn(&mut ObjectWriter<'_>)) {
        self.batch.event(mark, fill);
        self.note(kind, fill);
        if self.settings.notices {
            notice(&mut self.notices, kind, fill);
        }
    }

    pub(super) fn stream(&self) -> Option<&Stream> {
        self.legs.get(self.leader.unwrap_or(0)).map(|leg| &leg.stream)
    }

    /// The tokens that an answer took, as told or else about.
    pub(super) fn tokens(&self, stream: &Stream) -> (f64, f64) {
        let told = |name| json::number_member(stream.answer.usage(), name);
        let completion = told("completion_tokens")
            .or(stream.answer.generated_tokens())
            .unwrap_or_else(|| settle::estimated_tokens(&stream.answer));
        (told("prompt_tokens").unwrap_or(self.estimated_prompt), completion)
    }
}

pub(super) fn write_error(error: &Error, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::new(out);
    error.write(&mut object);
    object.end();
}

pub(super) fn notice(notices: &mut Vec<u8>, kind: &str, fill: &dyn Fn(&mut ObjectWriter<'_>)) {
    if !notices.is_empty() {
        notices.push(b',');
    }
    let mut object = ObjectWriter::new(notices);
    object.text("type", kind.as_bytes());
    fill(&mut object);
    object.end();
}
