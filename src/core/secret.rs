//! Credentials, in the one type that cannot be printed by accident.

use std::fmt;

/// An access token or API key. Its `Debug` form is `[redacted]`, and it has no other text form: the
/// only way to the characters is [`Secret::expose`], called where the header is written.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a token; surrounding white space (a pasted newline) is dropped. Empty means none.
    pub fn new(token: &str) -> Option<Secret> {
        let token = token.trim();
        (!token.is_empty()).then(|| Secret(token.to_owned()))
    }

    /// The characters, for the `Authorization` header and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether this is a Hugging Face token (`hf_…`), which the router and the Hub take; anything
    /// else is a provider's own key.
    pub fn is_hugging_face(&self) -> bool {
        self.0.starts_with("hf_")
    }

    /// Whether this is a user's long-lived Hugging Face token, which must not lie in a page's code.
    /// OAuth tokens (`hf_oauth_…`) and job tokens (`hf_jwt_…`) expire by themselves.
    pub fn is_long_lived(&self) -> bool {
        self.is_hugging_face() && !self.0.starts_with("hf_oauth_") && !self.0.starts_with("hf_jwt_")
    }

    /// Whether an HTTP header can carry it: visible ASCII only.
    pub fn fits_header(&self) -> bool {
        self.0.bytes().all(|byte| (0x21..=0x7e).contains(&byte))
    }

    /// A short number that stands for this token in the key of a cache, so that answers are never
    /// shared between credentials. FNV-1a: not reversible in practice, not a security boundary.
    pub fn fingerprint(&self) -> u64 {
        fingerprint(&self.0)
    }
}

/// A short number that stands for a text (FNV-1a).
pub fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}
