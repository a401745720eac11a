//! Chat completions: a whole answer, or a stream of chunks, read into one growing answer.
//!
//! The shapes are OpenAI's; the deviations of the services that Hugging Face routes to are many, and
//! the reader takes them all without asking who sent them.

use super::batch::{Batch, Mark};
use super::json::{self, Invalid, Kind, ObjectWriter, Reader, Surrogate, Text};
use super::problem::Problem;
use super::think::ThinkTags;

/// The most tool calls that one answer may make.
pub const MAX_TOOL_CALLS: usize = 1_024;
/// The longest arguments of one tool call, in bytes.
pub const MAX_ARGUMENTS_BYTES: usize = 16 * 1024 * 1024;
/// Values of a chunk's `error` that mean none.
const NO_ERROR: &[&str] = &["null", "\"\"", "{}", "false"];
/// The members of a chunk that are read.
const MEMBERS: &[&str] =
    &["choices", "usage", "x_groq", "error", "object", "message", "detail", "id", "model"];
/// The most choices (`n`) of one answer.
const MAX_CHOICES: usize = 128;

/// Why a chunk could not be taken.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// It is not JSON, or not an object.
    Invalid,
    /// It is an error of the service, sent with HTTP status 200.
    Service(Box<Problem>),
    /// It grew beyond a limit; the words say which.
    TooLarge(&'static str),
}

impl From<Invalid> for Fault {
    fn from(_: Invalid) -> Fault {
        Fault::Invalid
    }
}

/// One tool call, grown from its deltas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolCall {
    index: Option<u64>,
    /// The service's id for the call.
    pub id: Vec<u8>,
    /// The function's name.
    pub name: Vec<u8>,
    /// The arguments: JSON text.
    pub arguments: Vec<u8>,
    carry: Surrogate,
    started: bool,
    /// How much of the arguments the consumer has been shown.
    told: usize,
}

/// One choice of an answer (`n` > 1 asks for several).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Its number.
    pub index: u64,
    /// The answer, UTF-8.
    pub text: Vec<u8>,
    /// The reasoning before it, UTF-8.
    pub reasoning: Vec<u8>,
    /// The calls it makes.
    pub tool_calls: Vec<ToolCall>,
    /// Why it ended, in the service's word; empty while it has not.
    pub finish_reason: Vec<u8>,
    text_carry: Surrogate,
    reasoning_carry: Surrogate,
    think: ThinkTags,
}

/// The growing answer.
#[derive(Debug, Default)]
pub struct Answer {
    /// The service's name for the answer.
    pub id: Vec<u8>,
    /// The model that the service says answered.
    pub model: Vec<u8>,
    /// The `usage` object as the service wrote it; empty when it has not come.
    pub usage: Vec<u8>,
    /// Keep from the consumer the chunk that has no choices but the usage: it was asked for on the
    /// caller's behalf, and code that reads `choices[0]` does not expect it.
    pub quiet_usage: bool,
    /// Take `<think>…</think>` at the start of an answer's text for reasoning.
    pub think_tags: bool,
    /// How many choices were asked for (`n`).
    pub expected_choices: usize,
    choices: Vec<Choice>,
}

/// What a chunk brings for one choice: its `delta` (or a whole answer's `message`), still in place.
#[derive(Default)]
struct Delta<'a> {
    index: u64,
    finish_reason: Option<Text<'a>>,
    content: Option<Text<'a>>,
    parts: Option<&'a [u8]>,
    reasoning: Option<Text<'a>>,
    reasoning_details: Option<&'a [u8]>,
    tool_calls: Option<&'a [u8]>,
}

impl Answer {
    /// Takes one chunk of a stream, or a whole answer, and puts what it brings into `batch`. A chunk
    /// that is not valid to its end brings nothing.
    pub fn take(&mut self, chunk: &[u8], batch: &mut Batch) -> Result<(), Fault> {
        let mut json = Reader::new(chunk);
        if json.kind()? != Kind::Object {
            return Err(Fault::Invalid);
        }
        json.object()?;
        let mut usage = None;
        let mut fallback_usage = None;
        let mut failed = false;
        let (mut message, mut detail) = (None, None);
        // `None` without an array of choices, otherwise whether it has any.
        let mut choices = None;
        // Nearly every chunk speaks of one choice.
        let mut delta = None;
        let mut others = Vec::new();
        while let Some(key) = json.key()? {
            match key.which(MEMBERS) {
                Some(0) if json.kind()? == Kind::Array => {
                    choices = Some(false);
                    json.array()?;
                    let mut position = 0;
                    while json.element()? {
                        choices = Some(true);
                        if json.kind()? == Kind::Object {
                            let next = read_choice(&mut json, position)?;
                            others.extend(delta.replace(next));
                        } else {
                            json.skip()?;
                        }
                        position += 1;
                    }
                }
                Some(1) => usage = Some(json.skip()?).filter(|usage| usage.starts_with(b"{")),
                Some(2) => fallback_usage = json::member(json.skip()?, "usage"),
                Some(3) => {
                    let error = json.skip()?;
                    failed |= !NO_ERROR.iter().any(|none| none.as_bytes() == error);
                }
                // Old vLLM sends its errors as `{"object":"error","message":…}`.
                Some(4) => failed |= json.text_or_skip()?.is_some_and(|object| object.is("error")),
                Some(5) => message = Some(json.skip()?),
                Some(6) => detail = Some(json.skip()?),
                Some(name @ (7 | 8)) => {
                    let place = if name == 7 { &mut self.id } else { &mut self.model };
                    if let Some(text) = json.text_or_skip()?.filter(|_| place.is_empty()) {
                        *place = text.to_bytes();
                    }
                }
                _ => {
                    json.skip()?;
                }
            }
        }
        json.end()?;
        if failed || choices.is_none() && Problem::is_told_by(message, detail) {
            return Err(Fault::Service(Box::new(Problem::read(chunk))));
        }
        for delta in others.iter().chain(&delta) {
            self.apply(delta, batch)?;
        }
        if let Some(usage) = usage.or(fallback_usage) {
            self.usage.clear();
            self.usage.extend_from_slice(usage);
        }
        match choices {
            Some(false) if self.quiet_usage && usage.is_some() => {}
            Some(_) => batch.chunk(chunk),
            None => batch.chunk_without_choices(chunk),
        }
        Ok(())
    }

    /// The choices so far, in the order in which they appeared.
    pub fn choices(&self) -> &[Choice] {
        &self.choices
    }

    /// The first choice, which the flat results speak of.
    pub fn first(&self) -> Option<&Choice> {
        self.choices.iter().find(|choice| choice.index == 0).or(self.choices.first())
    }

    /// Whether every choice that began has said why it ended.
    pub fn is_finished(&self) -> bool {
        !self.choices.is_empty() && self.choices.iter().all(|choice| !choice.finish_reason.is_empty())
    }

    /// Whether nothing but trailing words can be missing: every choice that was asked for has ended.
    /// (llama.cpp sends the second choice, finish and all, before the first one's last words.)
    pub fn is_all_finished(&self) -> bool {
        self.is_finished() && self.choices.len() >= self.expected_choices
    }

    /// Whether the reader of the answer has been shown anything.
    pub fn has_output(&self) -> bool {
        self.choices.iter().any(|choice| {
            !choice.text.is_empty() || !choice.reasoning.is_empty() || !choice.tool_calls.is_empty()
        })
    }

    /// Nothing more will come: half characters are given up, tool calls are complete.
    pub fn settle(&mut self, batch: &mut Batch) {
        for choice in &mut self.choices {
            let shown = choice.index == 0;
            let (text, reasoning) = (choice.text.len(), choice.reasoning.len());
            choice.think.finish(&mut choice.reasoning, &mut choice.text);
            choice.text_carry.flush(&mut choice.text);
            choice.reasoning_carry.flush(&mut choice.reasoning);
            if shown {
                batch.delta(Mark::Reasoning, choice.reasoning.get(reasoning..).unwrap_or_default());
                batch.delta(Mark::Text, choice.text.get(text..).unwrap_or_default());
            }
            for (position, call) in choice.tool_calls.iter_mut().enumerate() {
                call.carry.flush(&mut call.arguments);
                if shown {
                    call.tell(position as u64, batch);
                    batch.event(Mark::ToolCall, &|event| {
                        event.integer("index", position as u64);
                        call.write(event.key("toolCall"));
                    });
                }
            }
        }
    }

    fn apply(&mut self, delta: &Delta<'_>, batch: &mut Batch) -> Result<(), Fault> {
        let index = delta.index;
        let at = match self.choices.iter().position(|choice| choice.index == index) {
            Some(at) => at,
            None if self.choices.len() >= MAX_CHOICES => return Err(Fault::TooLarge("choices")),
            None => {
                let think = if self.think_tags { ThinkTags::at_start() } else { ThinkTags::default() };
                self.choices.push(Choice { index, think, ..Choice::default() });
                self.choices.len() - 1
            }
        };
        let Some(choice) = self.choices.get_mut(at) else { return Ok(()) };
        match (delta.reasoning, delta.reasoning_details) {
            (Some(reasoning), _) => choice.add_reasoning(reasoning, batch),
            // A service that sends both says the same twice.
            (None, Some(details)) => choice.add_parts(details, true, batch)?,
            (None, None) => {}
        }
        if let Some(content) = delta.content {
            choice.add_text(content, batch);
        }
        if let Some(parts) = delta.parts {
            choice.add_parts(parts, false, batch)?;
        }
        if let Some(tool_calls) = delta.tool_calls {
            choice.add_tool_calls(tool_calls, batch)?;
        }
        if let Some(reason) = delta.finish_reason.filter(|reason| !reason.is_empty()) {
            choice.finish_reason = reason.to_bytes();
        }
        Ok(())
    }
}

/// A whole answer as the one chunk that a stream would have brought: each choice's `message` is its
/// `delta`. `None` when it is not such an answer.
pub fn as_chunk(document: &[u8]) -> Option<Vec<u8>> {
    let mut chunk = Vec::with_capacity(document.len() + 16);
    let mut object = ObjectWriter::new(&mut chunk);
    let mut json = Reader::new(document);
    json.object().ok()?;
    while let Some(key) = json.key().ok()? {
        let value = json.skip().ok()?;
        if key.is("object") {
            object.text("object", b"chat.completion.chunk");
        } else if key.is("choices") && value.starts_with(b"[") {
            let out = object.key("choices");
            out.push(b'[');
            let mut choices = Reader::new(value);
            choices.array().ok()?;
            let mut first = true;
            while choices.element().ok()? {
                let choice = choices.skip().ok()?;
                if !std::mem::take(&mut first) {
                    out.push(b',');
                }
                if !choice.starts_with(b"{") {
                    out.extend_from_slice(choice);
                    continue;
                }
                let mut members = Reader::new(choice);
                members.object().ok()?;
                let mut copy = ObjectWriter::new(out);
                while let Some(key) = members.key().ok()? {
                    let name =
                        if key.is("message") { "delta" } else { std::str::from_utf8(key.raw()).ok()? };
                    copy.raw_key(name, members.skip().ok()?);
                }
                copy.end();
            }
            out.push(b']');
        } else {
            object.raw_key(std::str::from_utf8(key.raw()).ok()?, value);
        }
    }
    json.end().ok()?;
    object.end();
    Some(chunk)
}

fn read_choice<'a>(json: &mut Reader<'a>, position: u64) -> Result<Delta<'a>, Fault> {
    let mut delta = Delta { index: position, ..Delta::default() };
    let mut has_delta = false;
    let mut text = None;
    json.object()?;
    while let Some(key) = json.key()? {
        match key.which(&["index", "finish_reason", "text", "delta", "message"]) {
            Some(0) => {
                let index = json::as_number(json.skip()?);
                delta.index = index.map_or(position, |index| index as u64);
            }
            Some(1) => delta.finish_reason = json.text_or_skip()?,
            Some(2) => text = json.text_or_skip()?,
            Some(_) if json.kind()? == Kind::Object => {
                has_delta = true;
                read_delta(json, &mut delta)?;
            }
            _ => {
                json.skip()?;
            }
        }
    }
    // Together repeats the delta's content in `text`; alone it is a text completion's.
    if !has_delta {
        delta.content = text;
    }
    Ok(delta)
}

/// The members of a delta that are read: content, tool calls, and the three names of reasoning.
const DELTA_MEMBERS: &[&str] =
    &["content", "tool_calls", "reasoning_details", "reasoning", "reasoning_content", "reasoning_text"];

fn read_delta<'a>(json: &mut Reader<'a>, delta: &mut Delta<'a>) -> Result<(), Fault> {
    json.object()?;
    while let Some(key) = json.key()? {
        match key.which(DELTA_MEMBERS) {
            Some(0) => match json.kind()? {
                Kind::String => delta.content = Some(json.text()?),
                Kind::Array => delta.parts = Some(json.skip()?),
                _ => {
                    json.skip()?;
                }
            },
            Some(1) => {
                let calls = json.skip()?;
                delta.tool_calls = (calls != b"null").then_some(calls);
            }
            Some(2) => {
                let details = json.skip()?;
                delta.reasoning_details = details.starts_with(b"[").then_some(details);
            }
            // The same words under several names are sent once: the first that has any counts.
            Some(_) => {
                let text = json.text_or_skip()?.filter(|text| !text.is_empty());
                delta.reasoning = delta.reasoning.or(text);
            }
            None => {
                json.skip()?;
            }
        }
    }
    Ok(())
}

impl Choice {
    fn shown(&self) -> bool {
        self.index == 0
    }

    fn add_text(&mut self, text: Text<'_>, batch: &mut Batch) {
        let from = self.text.len();
        if self.think.is_past() {
            text.append_to(&mut self.text, &mut self.text_carry);
        } else {
            let mut piece = Vec::new();
            text.append_to(&mut piece, &mut self.text_carry);
            let reasoned = self.reasoning.len();
            self.think.take(&piece, &mut self.reasoning, &mut self.text);
            if self.shown() {
                batch.delta(Mark::Reasoning, self.reasoning.get(reasoned..).unwrap_or_default());
            }
        }
        if self.shown() {
            batch.delta(Mark::Text, self.text.get(from..).unwrap_or_default());
        }
    }

    fn add_reasoning(&mut self, text: Text<'_>, batch: &mut Batch) {
        let from = self.reasoning.len();
        text.append_to(&mut self.reasoning, &mut self.reasoning_carry);
        if self.shown() {
            batch.delta(Mark::Reasoning, self.reasoning.get(from..).unwrap_or_default());
        }
    }

    /// A list of parts: `{"type":"text","text":…}`, Mistral's `{"type":"thinking","thinking":[…]}` inside
    /// the content, and `{"type":"reasoning.text","text":…}` or `"summary"` in `reasoning_details`.
    fn add_parts(&mut self, parts: &[u8], is_reasoning: bool, batch: &mut Batch) -> Result<(), Fault> {
        let mut json = Reader::new(parts);
        json.array()?;
        while json.element()? {
            let part = json.skip()?;
            let member = |name| json::member(part, name);
            let thinking = member("thinking");
            let text = json::as_text(part).or(member("text").and_then(json::as_text));
            let reasoning = thinking.and_then(json::as_text).or(member("summary").and_then(json::as_text));
            match (text, reasoning) {
                (Some(text), _) if !is_reasoning => self.add_text(text, batch),
                (Some(text), _) | (None, Some(text)) => self.add_reasoning(text, batch),
                (None, None) => {
                    if let Some(list) = thinking.filter(|list| list.starts_with(b"[") && !is_reasoning) {
                        self.add_parts(list, true, batch)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn add_tool_calls(&mut self, calls: &[u8], batch: &mut Batch) -> Result<(), Fault> {
        // Old TGI sends one object where the list should be.
        if calls.starts_with(b"{") {
            return self.add_tool_call(calls, None, batch);
        }
        let mut json = Reader::new(calls);
        if json.array().is_err() {
            return Ok(());
        }
        let mut place = 0;
        let mut first = None;
        while json.element()? {
            let call = json.skip()?;
            // One call alone may continue the last one; of several in one list none continues another.
            match first.take() {
                None if place == 0 => first = Some(call),
                earlier => {
                    if let Some(earlier) = earlier {
                        self.add_tool_call(earlier, Some(0), batch)?;
                    }
                    self.add_tool_call(call, Some(place), batch)?;
                }
            }
            place += 1;
        }
        first.map_or(Ok(()), |call| self.add_tool_call(call, None, batch))
    }

    /// `place` is the call's place in a list of several: its index, where it has none.
    fn add_tool_call(&mut self, call: &[u8], place: Option<u64>, batch: &mut Batch) -> Result<(), Fault> {
        if !call.starts_with(b"{") {
            return Ok(());
        }
        let index = json::member(call, "index").and_then(json::as_number).map(|index| index as u64);
        let index = index.or(place);
        let text = |object: Option<&[u8]>, name| {
            object
                .and_then(|object| json::member(object, name))
                .and_then(json::as_text)
                .map(|text| text.to_bytes())
                .unwrap_or_default()
        };
        let function = json::member(call, "function");
        let id = text(Some(call), "id");
        let name = text(function, "name");
        let position = self.find_tool_call(index, &id)?;
        let shown = self.shown();
        let Some(call) = self.tool_calls.get_mut(position) else { return Ok(()) };
        // A continuation may repeat the id and name, or send them empty: what is set stays.
        if call.id.is_empty() {
            call.id = id;
        }
        if call.name.is_empty() {
            call.name = name;
        }
        let arguments = function.and_then(|function| json::member(function, "arguments"));
        match arguments.map(|arguments| (json::as_text(arguments), arguments)) {
            Some((Some(text), _)) => text.append_to(&mut call.arguments, &mut call.carry),
            // Arguments as an object, whole: old TGI, Ollama-like servers.
            Some((None, object)) if call.arguments.is_empty() => call.arguments.extend_from_slice(object),
            _ => {}
        }
        if call.arguments.len() > MAX_ARGUMENTS_BYTES {
            return Err(Fault::TooLarge("tool-call arguments"));
        }
        // Arguments may come before the name; the consumer hears of them when the call has one.
        if shown && (call.started || !call.name.is_empty()) {
            call.tell(position as u64, batch);
        }
        Ok(())
    }

    /// Which call a delta continues. The index decides, unless a new id says that the server counts
    /// every parallel call as 0; without an index, the id, and without both, the last call.
    fn find_tool_call(&mut self, index: Option<u64>, id: &[u8]) -> Result<usize, Fault> {
        let by_id =
            || (!id.is_empty()).then(|| self.tool_calls.iter().rposition(|call| call.id == id)).flatten();
        let found = match index {
            Some(_) => self.tool_calls.iter().rposition(|call| call.index == index).filter(|&position| {
                let known = self.tool_calls.get(position).map_or(&[][..], |call| &call.id);
                id.is_empty() || known.is_empty() || known == id
            }),
            None if id.is_empty() => self.tool_calls.len().checked_sub(1),
            None => None,
        };
        if let Some(position) = found.or_else(by_id) {
            return Ok(position);
        }
        if self.tool_calls.len() >= MAX_TOOL_CALLS {
            return Err(Fault::TooLarge("tool calls"));
        }
        self.tool_calls.push(ToolCall { index, ..ToolCall::default() });
        Ok(self.tool_calls.len() - 1)
    }

    /// The reason in the words that every service's reason is brought to.
    pub fn normalised_finish_reason(&self) -> &'static str {
        const WORDS: &[(&str, &str)] = &[
            ("stop", "stop"),
            ("eos", "stop"),
            ("eos_token", "stop"),
            ("stop_sequence", "stop"),
            ("end_turn", "stop"),
            ("length", "length"),
            ("max_tokens", "length"),
            ("model_length", "length"),
            ("tool_calls", "tool_calls"),
            ("function_call", "tool_calls"),
            ("tool_use", "tool_calls"),
            ("content_filter", "content_filter"),
            ("safety", "content_filter"),
        ];
        let known = WORDS.iter().find(|(raw, _)| raw.as_bytes() == self.finish_reason);
        match known.map_or("other", |(_, word)| word) {
            // TGI says `stop` although it made calls.
            "stop" if !self.tool_calls.is_empty() => "tool_calls",
            word => word,
        }
    }

    /// The choice's tool calls as a JSON array in the shape of the wire.
    pub fn write_tool_calls(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        for (position, call) in self.tool_calls.iter().enumerate() {
            if position > 0 {
                out.push(b',');
            }
            call.write(out);
        }
        out.push(b']');
    }
}

impl ToolCall {
    /// Tells the consumer what it has not been told: that the call began, and more of its arguments.
    fn tell(&mut self, position: u64, batch: &mut Batch) {
        if !std::mem::replace(&mut self.started, true) {
            batch.event(Mark::ToolCallStart, &|event| {
                event.integer("index", position).text("id", &self.id).text("name", &self.name);
            });
        }
        let delta = self.arguments.get(self.told..).unwrap_or_default();
        if !delta.is_empty() {
            batch.event(Mark::ToolCallDelta, &|event| {
                event
                    .integer("index", position)
                    .text("id", &self.id)
                    .text("name", &self.name)
                    .text("arguments", delta);
            });
        }
        self.told = self.arguments.len();
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut call = ObjectWriter::new(out);
        call.text("id", &self.id).text("type", b"function");
        let mut function = ObjectWriter::new(call.key("function"));
        function.text("name", &self.name).text("arguments", &self.arguments);
        function.end();
        call.end();
    }
}
