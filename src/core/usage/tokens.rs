//! Tokens: what a service's `usage` says.

use super::money::{self, Pico};
use crate::core::wire::json::{self, ObjectWriter};

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

/// Reads a `usage` object. Which of a stream's objects is the real one, the reader of the answer has decided.
pub fn read(usage: &[u8]) -> Tokens {
    let within = |object| json::member(usage, object).unwrap_or_default();
    let (details, thoughts) = (within("prompt_tokens_details"), within("completion_tokens_details"));
    // In the order in which they are believed.
    let places: [(usize, &[u8], &str); 9] = [
        (0, usage, "prompt_tokens"),
        (0, usage, "input_tokens"),
        (1, usage, "completion_tokens"),
        (1, usage, "output_tokens"),
        (2, details, "cached_tokens"),
        (2, usage, "prompt_cache_hit_tokens"),
        (2, usage, "cached_tokens"),
        (3, thoughts, "reasoning_tokens"),
        (3, usage, "reasoning_tokens"),
    ];
    let mut counts = [None; 4];
    for (what, object, name) in places {
        if let Some(place @ None) = counts.get_mut(what) {
            *place = count(object, name);
        }
    }
    let [prompt, completion, cached, reasoning] = counts;
    let mut tokens = Tokens { prompt, completion, cached, reasoning, estimated: false };
    if let (Some(prompt), Some(completion), Some(reasoning)) =
        (tokens.prompt, tokens.completion, tokens.reasoning)
    {
        // Some services count the reasoning beside the answer: where it is more than all of it, or the total
        // says so. What is paid for is both.
        let apart = prompt.saturating_add(completion).saturating_add(reasoning);
        if reasoning > 0 && (reasoning > completion || count(usage, "total_tokens") == Some(apart)) {
            tokens.completion = Some(completion.saturating_add(reasoning));
        }
    }
    let at_most = |part: Option<u64>, whole: Option<u64>| part.map(|part| part.min(whole.unwrap_or(part)));
    tokens.cached = at_most(tokens.cached, tokens.prompt);
    tokens.reasoning = at_most(tokens.reasoning, tokens.completion);
    tokens
}

/// What the service itself says that it bills.
pub fn billed(usage: &[u8]) -> Option<Pico> {
    money::member(usage, "cost").or(money::member(usage, "estimated_cost"))
}

/// A count, which some services write as a float.
fn count(object: &[u8], name: &str) -> Option<u64> {
    json::number_member(object, name).filter(|count| *count >= 0.0).map(|count| (count + 0.5) as u64)
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
        for (name, count) in counts {
            if let Some(count) = count {
                usage.integer(name, count);
            }
        }
        let parts = [
            ("prompt_tokens_details", "cached_tokens", self.cached),
            ("completion_tokens_details", "reasoning_tokens", self.reasoning),
        ];
        for (object, name, count) in parts {
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
