//! The options of a call, checked and complete.

use std::fmt;

use crate::core::provider::table;
use crate::core::resilience::watchdog::Limits;

/// What the client's options and the call's options come to.
#[derive(Clone)]
pub struct Settings {
    /// `auto` or a provider's name.
    pub provider: String,
    /// The model; empty when none was named.
    pub model: String,
    /// A dedicated endpoint or any OpenAI-compatible server; empty when there is none.
    pub endpoint_url: String,
    /// What stands in for the router; empty when nothing does.
    pub base_url: String,
    /// The Hub, or what stands in for it.
    pub hub_url: String,
    /// The organisation that pays; empty for the token's owner.
    pub bill_to: String,
    /// Headers of the caller's own.
    pub headers: Vec<(String, String)>,
    /// Whether the code runs where a visitor could read the token: a page or its workers.
    pub in_page: bool,
    /// Whether the caller accepts that.
    pub allow_browser: bool,
    /// Take `<think>…</think>` at the start of an answer for reasoning.
    pub reasoning_tags: bool,
    /// Deadlines.
    pub limits: Limits,
}

impl fmt::Debug for Settings {
    /// Without the headers, where the caller may have put a key of its own.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("provider", &self.provider)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            provider: table::AUTO.to_owned(),
            model: String::new(),
            endpoint_url: String::new(),
            base_url: String::new(),
            hub_url: table::HUB.to_owned(),
            bill_to: String::new(),
            headers: Vec::new(),
            in_page: false,
            allow_browser: false,
            reasoning_tags: true,
            limits: Limits::default(),
        }
    }
}
