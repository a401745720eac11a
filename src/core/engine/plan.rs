//! The first word of a call: where it may go, with whose key, under which name of the model.

use super::settings::Settings;
use crate::core::error::{Error, Kind};
use crate::core::provider::body::{self, Members};
use crate::core::provider::mapping::Offer;
use crate::core::provider::{table, url};
use crate::core::secret::{Secret, fingerprint};

/// What the caller wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Chat completion.
    Chat,
    /// Text generation.
    Generation,
}

impl Task {
    /// The task's name on the Hub.
    pub fn name(self) -> &'static str {
        match self {
            Task::Chat => "conversational",
            Task::Generation => "text-generation",
        }
    }
}

/// The protocol that a target speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OpenAI chat completions.
    Chat,
    /// OpenAI text completions.
    Completions,
    /// TGI's `/generate` and `/generate_stream`.
    Generate,
    /// `{ inputs, parameters, stream }` at the root of an endpoint.
    Root,
}

/// One place to send the request to.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name in results and errors: a provider's, `auto`, or `endpoint`.
    pub provider: String,
    /// The full URL.
    pub url: String,
    /// The model under the target's own name.
    pub model: String,
    /// What it speaks.
    pub protocol: Protocol,
    /// The entry of the table, when it is a provider of the table.
    pub entry: Option<&'static table::Provider>,
}

impl Target {
    /// What a breaker knows it by: no query, where a key could be.
    pub fn name(&self) -> String {
        let mut name = String::from(url::shown(&self.url));
        name.push(' ');
        name.push_str(&self.model);
        name
    }

    /// The number of its lane: services count requests by host and credential.
    pub fn lane(&self, token: Option<&Secret>) -> u64 {
        let host = if self.provider == "endpoint" { url::origin(&self.url) } else { &self.provider };
        fingerprint(host) ^ token.map_or(0, Secret::fingerprint)
    }

    /// Its provider and model, as shown.
    pub fn who(&self) -> (&str, &str) {
        (&self.provider, &self.model)
    }
}

/// Whether a header of the caller's is likely to carry a secret, meant for one host only.
pub fn is_confidential(name: &str) -> bool {
    let name = name.as_bytes();
    ["auth", "key", "token", "secret", "cookie"]
        .iter()
        .any(|word| name.windows(word.len()).any(|part| part == word.as_bytes()))
}

/// What to do first.
#[derive(Clone, Debug)]
pub enum Plan {
    /// Ask the Hub under what name the providers serve this model.
    Lookup {
        /// The Hub's id of the model.
        model: String,
    },
    /// Send the request to the first of these; to the next when the first does not know the route.
    Go(Vec<Target>),
}

/// The model that the Hub's mapping is asked for is not needed: the endpoint serves what it serves.
/// TGI wants this name, and takes any other for an adapter.
const NAMELESS_MODEL: &str = "tgi";

/// Suffixes of a model by which the automatic router chooses a provider.
pub const POLICIES: &[&str] = &["fastest", "cheapest", "preferred"];

/// Decides where the call goes. `offers` is the Hub's answer, once it is there.
#[inline(never)] // A step of every call: ARCHITECTURE.md, "The boundary".
pub fn plan(
    task: Task,
    stream: bool,
    settings: &Settings,
    request: &Members<'_>,
    token: Option<&Secret>,
    offers: Option<&[Offer]>,
) -> Result<Plan, Box<Error>> {
    check(settings, token)?;
    let tgi_only = body::tgi_only_parameter(request);
    if !settings.endpoint_url.is_empty() {
        return Ok(Plan::Go(endpoint(task, stream, settings, tgi_only.is_some())));
    }
    if settings.model.is_empty() {
        return Err(Error::option("model", "the id of a model, such as \"openai/gpt-oss-120b\""));
    }
    if let Some(parameter) = tgi_only {
        let mut path = String::from("parameters.");
        path.push_str(parameter);
        return Err(Error::option(
            &path,
            "absent, or used with the endpointUrl of a TGI server: no provider takes it",
        ));
    }
    if settings.provider == table::AUTO {
        return automatic(task, settings, token, offers);
    }
    named(task, settings, token, offers)
}

/// A model's id on the Hub, and the suffix that the automatic router reads: a provider's name or a
/// policy.
pub fn split_suffix(model: &str) -> (&str, Option<&str>) {
    let colon = model.bytes().rposition(|byte| byte == b':').unwrap_or(model.len());
    (model.get(..colon).unwrap_or(model), model.get(colon + 1..))
}

fn check(settings: &Settings, token: Option<&Secret>) -> Result<(), Box<Error>> {
    let urls = [
        ("endpointUrl", &settings.endpoint_url),
        ("baseUrl", &settings.base_url),
        ("hubUrl", &settings.hub_url),
    ];
    for (option, value) in &urls {
        if !value.is_empty() && !url::is_usable(value, settings.in_page) {
            return Err(Error::option(option, "an absolute http(s) URL without credentials in it"));
        }
    }
    if !settings.endpoint_url.is_empty() && settings.provider != table::AUTO {
        return Err(Error::option(
            "provider",
            "absent when endpointUrl is given: the endpoint is the provider",
        ));
    }
    if settings.model.starts_with("http://") || settings.model.starts_with("https://") {
        return Err(Error::option("model", "the id of a model; give a URL as endpointUrl"));
    }
    let Some(token) = token else { return Ok(()) };
    if !token.fits_header() {
        return Err(Error::option("accessToken", "a token of visible ASCII characters"));
    }
    if settings.in_page && !settings.allow_browser && token.is_long_lived() {
        return Err(Error::option(
            "accessToken",
            "an OAuth token (hf_oauth_…) in a page, where every visitor can read it; set dangerouslyAllowBrowser: true to use a user token (hf_…) all the same",
        ));
    }
    Ok(())
}

fn endpoint(task: Task, stream: bool, settings: &Settings, tgi_only: bool) -> Vec<Target> {
    let given = settings.endpoint_url.as_str();
    let model = if settings.model.is_empty() { NAMELESS_MODEL } else { &settings.model };
    let target = |url: String, protocol| Target {
        provider: "endpoint".to_owned(),
        url,
        model: model.to_owned(),
        protocol,
        entry: None,
    };
    let completions = || target(url::completions(given), Protocol::Completions);
    let generate = || target(url::generate(given, stream), Protocol::Generate);
    let root = || target(url::root(given), Protocol::Root);
    match task {
        Task::Chat => vec![target(url::chat(given), Protocol::Chat)],
        Task::Generation if tgi_only && url::is_tgi_route(given) => vec![generate()],
        // What only TGI can do goes to TGI's own route, even when `…/v1` was named.
        Task::Generation if tgi_only => vec![generate(), root()],
        Task::Generation if url::is_tgi_route(given) => vec![generate()],
        Task::Generation if url::is_openai_route(given) => vec![completions()],
        Task::Generation => vec![completions(), root()],
    }
}

fn automatic(
    task: Task,
    settings: &Settings,
    token: Option<&Secret>,
    offers: Option<&[Offer]>,
) -> Result<Plan, Box<Error>> {
    let stand_in = !settings.base_url.is_empty();
    if !stand_in {
        match token {
            None => return Err(Error::boxed(Kind::Authentication, "no_token")),
            Some(token) if !token.is_hugging_face() => {
                return Err(Error::boxed(Kind::Authentication, "provider_key_without_provider"));
            }
            Some(_) => {}
        }
    }
    let base = if stand_in { &settings.base_url } else { table::ROUTER };
    let (url, protocol) = match task {
        Task::Chat => (url::chat(base), Protocol::Chat),
        Task::Generation if stand_in => (url::completions(base), Protocol::Completions),
        // The automatic router serves chat only; for text the first able provider is named here.
        Task::Generation => return first_able(settings, token, offers),
    };
    Ok(Plan::Go(vec![Target {
        provider: table::AUTO.to_owned(),
        url,
        model: settings.model.clone(),
        protocol,
        entry: None,
    }]))
}

fn first_able(
    settings: &Settings,
    token: Option<&Secret>,
    offers: Option<&[Offer]>,
) -> Result<Plan, Box<Error>> {
    // What the automatic router reads, it reads for chats only.
    let (model, suffix) = split_suffix(&settings.model);
    if let Some(provider) = suffix {
        if POLICIES.contains(&provider) {
            return Err(Error::option(
                "model",
                "an id without a policy: the router applies them to chats only",
            ));
        }
        let pinned = Settings { provider: provider.to_owned(), model: model.to_owned(), ..settings.clone() };
        return named(Task::Generation, &pinned, token, offers);
    }
    let Some(offers) = offers else { return lookup(settings) };
    let able = offers.iter().filter(|offer| {
        offer.task == Task::Generation.name()
            && table::find(&offer.provider).is_some_and(|entry| !entry.completions.is_empty())
    });
    // The Hub's order is the account's own choice. Its health checks are hours apart: what failed one
    // may answer, and is better than nothing.
    let rank = |offer: &&Offer| match offer.status.as_str() {
        "live" => 0,
        "staging" => 1,
        _ => 2,
    };
    match able.min_by_key(rank) {
        Some(offer) => {
            let settings = Settings { provider: offer.provider.clone(), ..settings.clone() };
            named(Task::Generation, &settings, token, Some(offers))
        }
        None => Err(unserved(Task::Generation, settings, offers)),
    }
}

fn lookup(settings: &Settings) -> Result<Plan, Box<Error>> {
    if !url::is_model_id(&settings.model) {
        return Err(Error::option(
            "model",
            "an id of the Hub (name or namespace/name) when a provider is named",
        ));
    }
    Ok(Plan::Lookup { model: settings.model.clone() })
}

fn named(
    task: Task,
    settings: &Settings,
    token: Option<&Secret>,
    offers: Option<&[Offer]>,
) -> Result<Plan, Box<Error>> {
    let Some(entry) = table::find(&settings.provider) else {
        return Err(unknown_provider());
    };
    let stand_in = !settings.base_url.is_empty();
    let own_key = token.is_some_and(|token| !token.is_hugging_face()) && !stand_in;
    if token.is_none() && !stand_in {
        return Err(Error::boxed(Kind::Authentication, "no_token"));
    }
    if !entry.routed && !own_key && !stand_in {
        return Err(Error::boxed(Kind::Authentication, "provider_key_needed"));
    }
    let (route, openai) = match task {
        Task::Chat => (entry.chat, "chat/completions"),
        Task::Generation => (entry.completions, "completions"),
    };
    if route.is_empty() {
        return Err(unserved(task, settings, offers.unwrap_or_default()));
    }
    // A provider outside the router, or its own key with a name that is not the Hub's: as it is.
    let own_name = !entry.routed || own_key && !settings.model.bytes().any(|byte| byte == b'/');
    let model = if own_name {
        let prefix = settings.model.strip_prefix(entry.name).and_then(|rest| rest.strip_prefix('/'));
        prefix.filter(|_| !entry.routed).unwrap_or(&settings.model).to_owned()
    } else {
        let Some(offers) = offers else { return lookup(settings) };
        match offers.iter().find(|offer| offer.provider == entry.name) {
            Some(offer) if offer.task == task.name() => offer.provider_id.clone(),
            // The account behind a provider's own key may serve what the Hub does not list.
            _ if own_key => settings.model.clone(),
            _ => return Err(unserved(task, settings, offers)),
        }
    };
    if route.ends_with("models/") && !url::is_model_id(&model) {
        return Err(Error::option("model", "an id that can stand in a URL's path"));
    }
    let base = if own_key {
        entry.base.to_owned()
    } else {
        let router = if stand_in { &settings.base_url } else { table::ROUTER };
        url::routed(router, entry.name)
    };
    Ok(Plan::Go(vec![Target {
        provider: entry.name.to_owned(),
        url: url::provider_route(&base, route, &model, openai),
        model,
        protocol: if task == Task::Chat { Protocol::Chat } else { Protocol::Completions },
        entry: Some(entry),
    }]))
}

fn unknown_provider() -> Box<Error> {
    let mut names = String::new();
    for provider in table::PROVIDERS {
        names.push_str(if names.is_empty() { "known providers: " } else { ", " });
        names.push_str(provider.name);
    }
    let mut error = Error::option("provider", "\"auto\" or the name of a provider");
    error.message = names;
    error
}

/// The provider does not serve the model for this task: says who does, and what it does serve.
fn unserved(task: Task, settings: &Settings, offers: &[Offer]) -> Box<Error> {
    let mut message = String::new();
    let mut say = |words: &[&str]| words.iter().for_each(|word| message.push_str(word));
    if settings.provider == table::AUTO {
        say(&["no provider that this client can use serves ", &settings.model, " for ", task.name()]);
    } else {
        say(&[&settings.provider, " does not serve ", &settings.model, " for ", task.name()]);
    }
    let mut able = offers.iter().filter(|offer| offer.task == task.name() && offer.status != "error");
    if let Some(first) = able.next() {
        say(&["; these do: ", &first.provider]);
        able.for_each(|offer| say(&[", ", &offer.provider]));
    }
    let other =
        offers.iter().find(|offer| offer.provider == settings.provider || settings.provider == table::AUTO);
    if let Some(other) = other.filter(|offer| offer.task != task.name()) {
        say(&["; ", &other.provider, " serves it for ", &other.task]);
    }
    let mut error = Error::boxed(Kind::Input, "model_not_served");
    error.message = message;
    error
}
