//! Who serves a model behind the router, on what terms: `GET /v1/models/{id}`.

use crate::core::wire::json::{self, Reader};

/// What one provider offers. What the router does not tell is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// The provider's name.
    pub provider: String,
    /// `live`, `staging` or `error`.
    pub status: String,
    /// Tokens that prompt and answer may have together.
    pub context_length: Option<f64>,
    /// USD for a million tokens in and a million out, together.
    pub price: Option<f64>,
    /// Tokens a second.
    pub throughput: Option<f64>,
    /// Milliseconds to the first token.
    pub latency: Option<f64>,
    /// Whether it takes tools.
    pub tools: Option<bool>,
    /// Whether it takes JSON schemas.
    pub structured_output: Option<bool>,
}

/// What a request needs of a provider.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Needs {
    /// Tokens that prompt and answer may have together, about.
    pub context_length: f64,
    /// It has tools.
    pub tools: bool,
    /// It has a JSON schema.
    pub structured_output: bool,
}

impl Terms {
    /// Whether the provider is up and can serve such a request. What is not told is taken for a yes.
    pub fn serve(&self, needs: &Needs) -> bool {
        self.status == "live"
            && self.context_length.is_none_or(|length| length >= needs.context_length)
            && (!needs.tools || self.tools != Some(false))
            && (!needs.structured_output || self.structured_output != Some(false))
    }
}

/// Reads the router's answer for one model. `None` when it is something else.
pub fn read(body: &[u8]) -> Option<Vec<Terms>> {
    let providers = json::member(body, "providers")
        // Some stand-ins wrap the one model as the list of all has it.
        .or_else(|| json::member(json::member(body, "data")?, "providers"))?;
    let mut json = Reader::new(providers);
    json.array().ok()?;
    let mut terms = Vec::new();
    while json.element().ok()? {
        let entry = json.skip().ok()?;
        let text = |name| json::member(entry, name).and_then(json::as_text);
        let number = |name| json::member(entry, name).and_then(json::as_number);
        let flag = |name| json::member(entry, name).map(|value| value == b"true");
        let price = json::member(entry, "pricing").and_then(|pricing| {
            let of = |name| json::member(pricing, name).and_then(json::as_number);
            Some(of("input")? + of("output")?)
        });
        terms.push(Terms {
            provider: text("provider").map(|text| text.to_text()).unwrap_or_default(),
            status: text("status").map(|text| text.to_text()).unwrap_or_default(),
            context_length: number("context_length"),
            price,
            throughput: number("throughput"),
            latency: number("first_token_latency_ms"),
            tools: flag("supports_tools"),
            structured_output: flag("supports_structured_output"),
        });
    }
    Some(terms)
}
