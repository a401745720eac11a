//! The members of a JSON object to the letter, as serde_json sees them.

use serde::de::IgnoredAny;
use serde_json::Deserializer;

/// Keys as they stand between their quotes and values as text, in order, repeated keys and all.
#[derive(Debug)]
pub struct Members<'a>(pub Vec<(&'a str, &'a str)>);

impl<'a> Members<'a> {
    /// `None` when `json` is not an object, or serde_json does not take it.
    ///
    /// serde_json's own type for values as text is not used: it makes a key of its own special.
    pub fn read(json: &'a str) -> Option<Members<'a>> {
        let _: IgnoredAny = serde_json::from_str(json).ok()?;
        let mut rest = json.trim_start().strip_prefix('{')?.trim_start();
        let mut members = Vec::new();
        while !rest.starts_with('}') {
            let key = value(&mut rest)?;
            rest = rest.trim_start().strip_prefix(':')?;
            members.push((&key[1..key.len() - 1], value(&mut rest)?));
            rest = rest.trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        }
        Some(Members(members))
    }

    /// The last value of `key`; `None` for `null` too.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        let (_, value) = self.0.iter().rev().find(|(name, _)| *name == key)?;
        (*value != "null").then_some(*value)
    }

    /// The members without those named.
    pub fn without(&self, names: &[&[&str]]) -> Vec<(&'a str, &'a str)> {
        let is_named = |key: &str| names.iter().any(|names| names.contains(&key));
        self.0.iter().copied().filter(|(key, _)| !is_named(key)).collect()
    }
}

/// Takes a value off the front of `rest`.
fn value<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let mut values = Deserializer::from_str(rest).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    let (value, tail) = rest.split_at(values.byte_offset());
    *rest = tail;
    Some(value.trim_start())
}

/// The values of the array `json` as text; `None` when it is not one.
pub fn elements(json: &str) -> Option<Vec<&str>> {
    let _: IgnoredAny = serde_json::from_str(json).ok()?;
    let mut rest = json.trim_start().strip_prefix('[')?.trim_start();
    let mut elements = Vec::new();
    while !rest.starts_with(']') {
        elements.push(value(&mut rest)?);
        rest = rest.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    Some(elements)
}
