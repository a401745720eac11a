//! One request to one target: what is sent, and what the head of the answer means.

use std::fmt;

use super::plan::{Protocol, Target};
use super::settings::{self, Settings};
use crate::core::error::{Error, Kind, is_retryable_status};
use crate::core::ports::Now;
use crate::core::provider::body::{self, Members};
use crate::core::provider::{table, url};
use crate::core::secret::Secret;
use crate::core::wire::json;
use crate::core::wire::problem::Problem;
use crate::core::wire::rate_limit::{self, Quota};

/// A request, ready for `fetch`.
#[derive(Clone)]
pub struct HttpRequest {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The full URL.
    pub url: String,
    /// Names in lower case, and values. The credential is apart.
    pub headers: Vec<(String, String)>,
    /// Sent as `Authorization: Bearer …`.
    pub credential: Option<Secret>,
    /// JSON text; none for `GET`.
    pub body: Option<Vec<u8>>,
}

impl fmt::Debug for HttpRequest {
    /// Without the headers, where the caller may have put a key of its own, and without the prompt.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HttpRequest").field("method", &self.method).field("url", &self.url).finish()
    }
}

/// What the head of an answer says, as far as scripts may read it (CORS hides most of it in pages).
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// The HTTP status.
    pub status: u16,
    /// `content-type`, in lower case.
    pub content_type: String,
    /// `x-request-id`, or whatever the service calls it.
    pub request_id: String,
    /// `x-inference-provider`: who answered behind the router.
    pub provider: String,
    /// `retry-after`.
    pub retry_after: String,
    /// `retry-after-ms`.
    pub retry_after_ms: String,
    /// `x-should-retry`.
    pub should_retry: Option<bool>,
    /// What the service says of its own limit.
    pub quota: Quota,
}

/// How the body is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// By the consumer's loop, chunk by chunk.
    Stream,
    /// At once, up to so many bytes, and handed to `Call::on_body`.
    Whole(usize),
    /// Not at all: close it.
    Discard,
}

/// The most that is read of an error's body, in bytes.
pub const MAX_ERROR_BYTES: usize = 64 * 1024;
/// The most that is read of the Hub's mapping, in bytes.
pub const MAX_MAPPING_BYTES: usize = 1024 * 1024;

/// The request that asks the Hub for a model's mapping. Only Hugging Face tokens go to the Hub.
pub fn lookup(settings: &Settings, model: &str, token: Option<&Secret>) -> HttpRequest {
    HttpRequest {
        method: "GET",
        url: url::mapping(&settings.hub_url, model),
        headers: Vec::new(),
        credential: token.filter(|token| token.is_hugging_face()).cloned(),
        body: None,
    }
}

/// The router, or what stands in for it.
pub fn router(settings: &Settings) -> &str {
    if settings.base_url.is_empty() { table::ROUTER } else { &settings.base_url }
}

/// The request that asks the router who serves a model, at what price and how fast.
pub fn catalogue(settings: &Settings, model: &str) -> HttpRequest {
    let router = router(settings);
    HttpRequest {
        method: "GET",
        url: url::catalogue(router, model),
        headers: Vec::new(),
        credential: None,
        body: None,
    }
}

/// The request to a target; `retries` is how often it was sent before.
#[inline(never)] // A step of every call: ARCHITECTURE.md, "The boundary".
pub fn request(
    settings: &Settings,
    target: &Target,
    members: &Members<'_>,
    stream: bool,
    token: Option<&Secret>,
    retries: u32,
) -> HttpRequest {
    let dropped = target.entry.map_or(&[][..], |entry| entry.dropped);
    let body = match target.protocol {
        Protocol::Chat => body::chat(members, &target.model, stream, true, target.entry),
        Protocol::Completions => body::completion(members, &target.model, stream, dropped),
        Protocol::Generate => body::tgi(members, None),
        Protocol::Root => body::tgi(members, Some(stream)),
    };
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    // In a page the name would have to be allowed by CORS, and the request would fail where it is not.
    if retries > 0 && !settings.in_page {
        let mut count = Vec::new();
        json::write_integer(&mut count, u64::from(retries));
        headers.push(("x-retry-count".to_owned(), String::from_utf8(count).unwrap_or_default()));
    }
    if !settings.bill_to.is_empty() {
        headers.push(("x-hf-bill-to".to_owned(), settings.bill_to.clone()));
    }
    let provider = target.entry.map_or(&[][..], |entry| entry.headers);
    headers.extend(provider.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    // The caller's own headers have the last word, also over Authorization (a gateway's own scheme).
    for (name, value) in &settings.headers {
        settings::put(&mut headers, name.clone(), value.clone());
    }
    let own_authorization = settings.headers.iter().any(|(name, _)| name == "authorization");
    HttpRequest {
        method: "POST",
        url: target.url.clone(),
        headers,
        credential: token.filter(|_| !own_authorization).cloned(),
        body: Some(body),
    }
}

/// The error that a refusal is, from its status and body.
pub fn refusal(head: &Head, body: &[u8], now: Now) -> Box<Error> {
    let problem = Problem::read(body);
    let mut error = Error::boxed(Kind::from_status(head.status).unwrap_or(Kind::InvalidResponse), "refused");
    error.message = problem.message;
    error.service_code = problem.code;
    error.status = Some(head.status);
    error.retryable = head.should_retry.unwrap_or(is_retryable_status(head.status));
    // Together sends the header with every answer: it means something only with a refusal that passes.
    if error.retryable {
        error.retry_at = rate_limit::retry_at(&head.retry_after, &head.retry_after_ms, now.unix)
            .or(problem.wait.map(|wait| now.unix + wait))
            .or(head.quota.reset.filter(|_| head.quota.remaining == Some(0.0)).map(|reset| now.unix + reset));
    }
    error
}
