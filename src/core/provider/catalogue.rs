//! Who serves a model behind the router, on what terms: `GET /v1/models/{id}` of one, `GET /v1/models` of all.

use crate::core::wire::json::{self, Reader};

/// How many models of the whole catalogue are kept read.
const MAX_READ: usize = 64;

/// What one provider offers. What the router does not tell is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// The provider's name.
    pub provider: String,
    /// `live`, `staging` or `error`.
    pub status: String,
    /// Tokens that prompt and answer may have together.
    pub context_length: Option<f64>,
    /// Pico-dollars (10^-12 USD) for a million tokens of the prompt.
    pub input: Option<u64>,
    /// The same for the answer.
    pub output: Option<u64>,
    /// The same for what of the prompt is in the provider's cache.
    pub cached: Option<u64>,
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
    /// What a million tokens in and a million out cost together.
    pub fn price(&self) -> Option<f64> {
        Some(self.input? as f64 + self.output? as f64)
    }

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
        let number = |name| json::number_member(entry, name);
        let flag = |name| json::member(entry, name).map(|value| value == b"true");
        let pricing = json::member(entry, "pricing").unwrap_or_default();
        let price = |name| json::fixed_member(pricing, name);
        terms.push(Terms {
            provider: json::text_member(entry, "provider"),
            status: json::text_member(entry, "status"),
            context_length: number("context_length"),
            input: price("input"),
            output: price("output"),
            cached: price("cached_input"),
            throughput: number("throughput"),
            latency: number("first_token_latency_ms"),
            tools: flag("supports_tools"),
            structured_output: flag("supports_structured_output"),
        });
    }
    Some(terms)
}

/// The whole catalogue, as the router told it or the caller gives it. Models are read from it as they are
/// asked for.
#[derive(Debug, Default)]
pub struct Catalogue {
    list: Vec<u8>,
    read: Vec<(String, Vec<Terms>)>,
}

impl Catalogue {
    /// Takes the answer of `GET /v1/models`; `false` when it is something else.
    pub fn set(&mut self, list: &[u8]) -> bool {
        let is_list =
            json::member(list, "data").is_some_and(|data| data.starts_with(b"[")) && json::is_valid(list);
        if is_list {
            self.list = list.to_vec();
            self.read.clear();
        }
        is_list
    }

    /// Who serves a model (its id without a suffix); nobody that is known of when there is no catalogue.
    pub fn terms(&mut self, model: &str) -> &[Terms] {
        if self.list.is_empty() {
            return &[];
        }
        let at = self.read.iter().position(|(known, _)| known == model).unwrap_or_else(|| {
            if self.read.len() >= MAX_READ {
                self.read.remove(0);
            }
            let terms = self.find(model).and_then(read).unwrap_or_default();
            self.read.push((model.to_owned(), terms));
            self.read.len() - 1
        });
        self.read.get(at).map_or(&[], |(_, terms)| terms)
    }

    fn find(&self, model: &str) -> Option<&[u8]> {
        let mut models = json::elements(json::member(&self.list, "data")?).into_iter();
        models.find(|entry| json::member(entry, "id").and_then(json::as_text).is_some_and(|id| id.is(model)))
    }
}
