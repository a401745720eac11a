//! Tool calls, put together from every shape in which services send them.

use super::{Choice, Fault};
use crate::core::wire::batch::{Batch, Mark, Want};
use crate::core::wire::json::{self, ObjectWriter, Partial, Reader, Surrogate};

/// The most tool calls that one answer may make.
pub const MAX_TOOL_CALLS: usize = 1_024;
/// The longest arguments of one tool call, in bytes.
pub const MAX_ARGUMENTS_BYTES: usize = 16 * 1024 * 1024;

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
    /// Reads the arguments as they grow, and how much of them it has read.
    partial: Option<Box<Partial>>,
    read: usize,
}

impl Choice {
    /// Takes the `tool_calls` of a delta.
    pub(super) fn add_tool_calls(&mut self, calls: &[u8], batch: &mut Batch) -> Result<(), Fault> {
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
        let index = json::number_member(call, "index").map(|index| index as u64);
        self.add_call(index.or(place), text(call, "id"), json::member(call, "function"), batch)
    }

    /// Takes what a delta says of one call: its `index` and `id`, if they are told, and the object with
    /// its name and arguments.
    pub(super) fn add_call(
        &mut self,
        index: Option<u64>,
        id: Vec<u8>,
        function: Option<&[u8]>,
        batch: &mut Batch,
    ) -> Result<(), Fault> {
        let name = function.map(|function| text(function, "name")).unwrap_or_default();
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
        self.size += arguments.map_or(0, <[u8]>::len);
        match arguments.map(|arguments| (json::as_text(arguments), arguments)) {
            Some((Some(text), _)) => text.append_to(&mut call.arguments, &mut call.carry),
            // Arguments as an object, whole: old TGI, Ollama-like servers.
            Some((None, object)) if call.arguments.is_empty() => {
                json::append_utf8(&mut call.arguments, object);
            }
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
        if batch.want() == Want::Events {
            let unread = self.arguments.get(self.read..).unwrap_or_default();
            let partial = self.partial.get_or_insert_with(Box::default);
            partial.feed(unread, &mut |patch| batch.patch(Some(position), patch));
            self.read = self.arguments.len();
        }
        let delta = self.arguments.get(self.told..).unwrap_or_default();
        if !delta.is_empty() {
            batch.event(Mark::ToolCallDelta, &|event| {
                event.integer("index", position).text("arguments", delta);
            });
        }
        self.told = self.arguments.len();
    }

    /// It is complete.
    pub(super) fn settle(&mut self, position: u64, shown: bool, batch: &mut Batch) {
        self.carry.flush(&mut self.arguments);
        if shown {
            self.tell(position, batch);
            if let Some(partial) = &mut self.partial {
                partial.finish(&mut |patch| batch.patch(Some(position), patch));
            }
            batch.event(Mark::ToolCall, &|event| {
                event.integer("index", position);
                self.write(event.key("toolCall"));
            });
        }
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

/// The characters of a string member; none when it is missing, `null` or something else.
fn text(object: &[u8], name: &str) -> Vec<u8> {
    json::member(object, name).and_then(json::as_text).map(|text| text.to_bytes()).unwrap_or_default()
}
