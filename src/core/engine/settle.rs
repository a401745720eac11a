//! The last word of a call: its result, or its error, as JSON.

use super::stream::Answer;
use crate::core::wire::batch::{Batch, Mark};
use crate::core::wire::chat::{self, Choice};
use crate::core::wire::json::ObjectWriter;

/// Who answered.
#[derive(Clone, Debug, Default)]
pub struct Answerer {
    /// The provider, as the router named it, or as the plan did.
    pub provider: String,
    /// The model that was asked for.
    pub model: String,
    /// The service's name for the request.
    pub request_id: String,
}

impl Answerer {
    /// Writes the known members.
    pub fn write(&self, object: &mut ObjectWriter<'_>) {
        object
            .text_if("provider", self.provider.as_bytes())
            .text_if("model", self.model.as_bytes())
            .text_if("requestId", self.request_id.as_bytes());
    }
}

/// About how many tokens an answer has, as far as it came: four bytes each.
pub fn estimated_tokens(answer: &Answer) -> f64 {
    let bytes: usize = match answer {
        Answer::Chat(chat) => chat
            .choices()
            .iter()
            .map(|choice| {
                let calls: usize = choice.tool_calls.iter().map(|call| call.arguments.len()).sum();
                choice.text.len() + choice.reasoning.len() + calls
            })
            .sum(),
        Answer::Generation(generation) => generation.text().len(),
    };
    (bytes as f64 / 4.0).ceil()
}

/// The closing events of a complete answer: what waited, the token counts, and the finish.
pub fn close(answer: &mut Answer, batch: &mut Batch) {
    match answer {
        Answer::Chat(chat) => {
            chat.settle(batch);
            if !chat.usage.is_empty() {
                batch.event(Mark::Usage, &|event| {
                    event.raw("usage", &chat.usage);
                });
            }
            let choice = chat.first();
            batch.event(Mark::Finish, &|event| {
                finish_reason(event, choice);
            });
        }
        Answer::Generation(generation) => generation.settle(batch),
    }
}

fn finish_reason(object: &mut ObjectWriter<'_>, choice: Option<&Choice>) {
    // A stream may end by `[DONE]` alone: then nothing is known about the reason.
    let known = choice.filter(|choice| !choice.finish_reason.is_empty());
    object.text("finishReason", known.map_or("other", Choice::normalised_finish_reason).as_bytes());
    match known {
        Some(choice) => object.text("rawFinishReason", &choice.finish_reason),
        None => object.raw("rawFinishReason", b"null"),
    };
}

/// Writes the members of `final()`'s result which come from the answer.
pub fn write_result(answer: &Answer, answerer: &Answerer, object: &mut ObjectWriter<'_>) {
    match answer {
        Answer::Chat(chat) => write_chat(chat, object),
        Answer::Generation(generation) => {
            generation.write_output(object.key("output"));
            if !generation.usage().is_empty() {
                object.raw("usage", generation.usage());
            }
        }
    }
    let mut answerer = answerer.clone();
    let model = match answer {
        Answer::Chat(chat) => &chat.model,
        Answer::Generation(generation) => generation.model(),
    };
    if answerer.model.is_empty() {
        answerer.model = String::from_utf8(model.to_vec()).unwrap_or_default();
    }
    answerer.write(object);
}

fn write_chat(chat: &chat::Answer, object: &mut ObjectWriter<'_>) {
    let out = object.key("choices");
    out.push(b'[');
    let mut write = |choice: &Choice, first: bool| {
        if !first {
            out.push(b',');
        }
        let mut entry = ObjectWriter::new(out);
        entry.integer("index", choice.index);
        write_output(choice, &mut entry);
        finish_reason(&mut entry, Some(choice));
        entry.end();
    };
    // A stream may end without having begun a choice; its result still speaks of one.
    if chat.choices().is_empty() {
        write(&Choice::default(), true);
    }
    for (position, choice) in chat.choices().iter().enumerate() {
        write(choice, position == 0);
    }
    out.push(b']');
    if !chat.usage.is_empty() {
        object.raw("usage", &chat.usage);
    }
}

/// `text`, `reasoning` and `toolCalls` of a choice.
fn write_output(choice: &Choice, object: &mut ObjectWriter<'_>) {
    object
        .text("text", &choice.text)
        .text("reasoning", &choice.reasoning)
        .text_if("refusal", &choice.refusal);
    choice.write_tool_calls(object.key("toolCalls"));
}

/// What had come of an answer that broke off.
pub fn write_partial(answer: &Answer, object: &mut ObjectWriter<'_>) {
    match answer {
        Answer::Chat(chat) => write_output(chat.first().unwrap_or(&Choice::default()), object),
        Answer::Generation(generation) => {
            object.text("text", generation.text()).raw("reasoning", br#""""#).raw("toolCalls", b"[]");
        }
    }
}
