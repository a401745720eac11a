//! The providers that serve chat or text generation. One provider is one entry; adding one touches
//! this file only.
//!
//! Sources: the provider helpers of `@huggingface/inference` 4.13 and the providers' own API pages.

/// The automatic router, and the providers behind it, for Hugging Face tokens.
pub const ROUTER: &str = "https://router.huggingface.co";
/// The Hub, which knows each provider's own name for a model.
pub const HUB: &str = "https://huggingface.co";
/// The name of the choice that leaves the provider to the router.
pub const AUTO: &str = "auto";

/// What is particular to one provider.
#[derive(Debug)]
pub struct Provider {
    /// The name, as the Hub and the router spell it.
    pub name: &'static str,
    /// Its own host, for its own keys.
    pub base: &'static str,
    /// Its route for chat completions; one that ends in `models/` goes on with the model's id.
    pub chat: &'static str,
    /// Its route for OpenAI text completions; empty when it has none.
    pub completions: &'static str,
    /// Whether the router has a path for it. If not, only its own key will do.
    pub routed: bool,
    /// Headers that it wants besides the common ones.
    pub headers: &'static [(&'static str, &'static str)],
    /// Members of the body that it refuses and that mean nothing to it.
    pub dropped: &'static [&'static str],
    /// How it wants a JSON schema: the `type` of `response_format` and the member that holds the schema;
    /// `None` for OpenAI's own form.
    pub schema: Option<(&'static str, &'static str)>,
}

const PLAIN: Provider = Provider {
    name: "",
    base: "",
    chat: "v1/chat/completions",
    completions: "",
    routed: true,
    headers: &[],
    dropped: &[],
    schema: None,
};

/// Every provider, by name.
pub const PROVIDERS: &[Provider] = &[
    Provider { name: "baseten", base: "https://inference.baseten.co", ..PLAIN },
    Provider { name: "cerebras", base: "https://api.cerebras.ai", dropped: &["store"], ..PLAIN },
    Provider {
        name: "cohere",
        base: "https://api.cohere.com",
        chat: "compatibility/v1/chat/completions",
        schema: Some(("json_object", "schema")),
        ..PLAIN
    },
    Provider {
        name: "deepinfra",
        base: "https://api.deepinfra.com",
        chat: "v1/openai/chat/completions",
        completions: "v1/openai/completions",
        ..PLAIN
    },
    Provider {
        name: "featherless-ai",
        base: "https://api.featherless.ai",
        completions: "v1/completions",
        ..PLAIN
    },
    Provider {
        name: "fireworks-ai",
        base: "https://api.fireworks.ai",
        chat: "inference/v1/chat/completions",
        schema: Some(("json_object", "schema")),
        ..PLAIN
    },
    Provider { name: "groq", base: "https://api.groq.com", chat: "openai/v1/chat/completions", ..PLAIN },
    Provider {
        name: "hf-inference",
        base: "https://router.huggingface.co/hf-inference",
        chat: "models/",
        schema: Some(("json_object", "value")),
        completions: "models/",
        ..PLAIN
    },
    Provider {
        name: "novita",
        base: "https://api.novita.ai",
        chat: "v3/openai/chat/completions",
        completions: "v3/openai/completions",
        ..PLAIN
    },
    Provider { name: "nscale", base: "https://inference.api.nscale.com", ..PLAIN },
    Provider {
        name: "openai",
        base: "https://api.openai.com",
        completions: "v1/completions",
        routed: false,
        ..PLAIN
    },
    Provider {
        name: "ovhcloud",
        base: "https://oai.endpoints.kepler.ai.cloud.ovh.net",
        completions: "v1/completions",
        ..PLAIN
    },
    Provider { name: "publicai", base: "https://api.publicai.co", ..PLAIN },
    Provider { name: "scaleway", base: "https://api.scaleway.ai", completions: "v1/completions", ..PLAIN },
    Provider {
        name: "together",
        base: "https://api.together.xyz",
        completions: "v1/completions",
        schema: Some(("json_schema", "schema")),
        ..PLAIN
    },
    Provider {
        name: "zai-org",
        base: "https://api.z.ai",
        chat: "api/paas/v4/chat/completions",
        headers: &[("x-source-channel", "hugging_face"), ("accept-language", "en-US,en")],
        ..PLAIN
    },
];

/// The entry of a provider.
pub fn find(name: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|provider| provider.name == name)
}
