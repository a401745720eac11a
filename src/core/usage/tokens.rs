//! Tokens: what a service's `usage` says.

use super::money::{self, Pico};
use crate::core::wire::json::{self, Invalid, ObjectWriter, Reader};

/// The tokens of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Of the prompt, with those of `cached`.
    pub prompt: Option<u64>,
    /// Of the answer, with those of `reasoning`.
    pub completion: Option<u64>,
    /// Of the prompt, as far as the service had it in a cache.
    pub cached: Option<u64>,
    /// Of the answer, as far as the model thought.
    pub reasoning: Option<u64>,
    /// Prompt or completion was reckoned, not told.
    pub estimated: bool,
}

/// The members of a `usage` object that are read; the last two are objects with some of them inside.
const MEMBERS: &[&str] = &[
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "total_tokens",
    "input_tokens",
    "output_tokens",
    "prompt_cache_hit_tokens",
    "prompt_tokens_details",
    "completion_tokens_details",
];
const COUNTS: usize = 8;

/// Reads a `usage` object. Which of a stream's objects is the real one, the reader of the answer has decided.
pub fn read(usage: &[u8]) -> Tokens {
    let mut counts = [None; COUNTS];
    let _ = gather(usage, false, &mut counts);
    let [prompt, completion, cached, reasoning, total, input, output, hit] = counts;
    let (prompt, mut completion) = (prompt.or(input), completion.or(output));
    if let (Some(prompt), Some(answer), Some(thought)) = (prompt, completion, reasoning) {
        // Some services count the reasoning beside the answer: where it is more than all of it, or the total
        // says so. What is paid for is both.
        let both = answer.saturating_add(thought);
        if thought > 0 && (thought > answer || total == Some(prompt.saturating_add(both))) {
            completion = Some(both);
        }
    }
    let at_most = |part: Option<u64>, whole: Option<u64>| part.map(|part| part.min(whole.unwrap_or(part)));
    let (cached, reasoning) = (at_most(cached.or(hit), prompt), at_most(reasoning, completion));
    Tokens { prompt, completion, cached, reasoning, estimated: false }
}

/// Takes the counts of an object. What the inner objects say is believed before what stands beside them.
fn gather(usage: &[u8], inner: bool, counts: &mut [Option<u64>; COUNTS]) -> Result<(), Invalid> {
    let mut json = Reader::new(usage);
    json.object()?;
    while let Some(key) = json.key()? {
        let value = json.skip()?;
        match key.which(MEMBERS).map(|at| counts.get_mut(at)) {
            Some(Some(place)) if inner || place.is_none() => *place = count(value).or(*place),
            Some(None) if !inner => {
                let _ = gather(value, true, counts);
            }
            _ => {}
        }
    }
    Ok(())
}

/// What the service itself says that it bills.
pub fn billed(usage: &[u8]) -> Option<Pico> {
    money::member(usage, "cost").or(money::member(usage, "estimated_cost"))
}

/// A count, which some services write as a float.
fn count(value: &[u8]) -> Option<u64> {
    json::as_number(value).filter(|count| *count >= 0.0).map(|count| (count + 0.5) as u64)
}

impl Tokens {
    /// Prompt and completion together, as far as they are known.
    pub fn total(&self) -> u64 {
        self.prompt.unwrap_or(0).saturating_add(self.completion.unwrap_or(0))
    }

    /// The tokens of both.
    pub fn plus(&self, other: &Tokens) -> Tokens {
        Tokens {
            prompt: money::sum(self.prompt, other.prompt),
            completion: money::sum(self.completion, other.completion),
            // A part that one of them does not tell is not known of both.
            cached: money::sum(self.cached, other.cached),
            reasoning: money::sum(self.reasoning, other.reasoning),
            estimated: self.estimated || other.estimated,
        }
    }

    /// Writes them as a `usage` object, in the wire's words.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut usage = ObjectWriter::new(out);
        let total = money::sum(self.prompt, self.completion);
        let counts =
            [("prompt_tokens", self.prompt), ("completion_tokens", self.completion), ("total_tokens", total)];
        for &(name, count) in &counts {
            if let Some(count) = count {
                usage.integer(name, count);
            }
        }
        let parts = [
            ("prompt_tokens_details", "cached_tokens", self.cached),
            ("completion_tokens_details", "reasoning_tokens", self.reasoning),
        ];
        for &(object, name, count) in &parts {
            if let Some(count) = count {
                let mut details = ObjectWriter::new(usage.key(object));
                details.integer(name, count);
                details.end();
            }
        }
        if self.estimated {
            usage.bool("estimated", true);
        }
        usage.end();
    }
}
