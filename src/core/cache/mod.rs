//! What a cache of answers knows a request by.
//!
//! Two requests have the same [`Key`] when the same is asked, of the same service, with the same
//! credential. The key is a SHA-256: who could find two requests of one key could be sold the wrong answer,
//! and a store shows its keys to whoever may list them, while the credential is among what is hashed.

mod canonical;
mod sha256;

pub use self::canonical::write_canonical;
pub use self::sha256::sha256;

use super::wire::json::Reader;

/// Members of a request that change how its answer is sent, or who is told to have asked, but not what it
/// is. Of a streamed and a whole answer the forms differ, and the caller of [`Key::new`] tells them apart.
const IMMATERIAL: &[&str] =
    &["model", "stream", "stream_options", "user", "safety_identifier", "prompt_cache_key"];

/// Gathers what a key is made of.
pub struct Key(Vec<u8>);

impl Key {
    /// A key for the form of an answer, which includes the version of how answers are kept.
    pub fn new(form: &[u8]) -> Key {
        let mut key = Key(Vec::new());
        key.part(form);
        key
    }

    /// One more part. Its length goes before it, so that parts cannot run into each other.
    pub fn part(&mut self, part: &[u8]) {
        self.0.extend_from_slice(&(part.len() as u64).to_be_bytes());
        self.0.extend_from_slice(part);
    }

    /// The key as 64 hexadecimal digits. The request comes last, without what does not change its answer.
    pub fn of_request(mut self, json: &[u8]) -> String {
        canonical::write_object(&mut Reader::new(json), IMMATERIAL, &mut self.0);
        let mut name = String::with_capacity(64);
        for word in &sha256(self.0) {
            for at in 0..8 {
                let digit = (word >> (28 - 4 * at)) as u8 & 15;
                name.push(char::from(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }));
            }
        }
        name
    }
}
