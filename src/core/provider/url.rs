//! URLs of requests.
//!
//! An endpoint may be named by its host, by `…/v1`, by a sub-path or by a full route, with or
//! without a trailing slash and a query string; each comes to the same place, and the query survives.

/// A URL cut where a route goes in: everything before the query, and the query.
struct Parts<'a> {
    base: &'a str,
    query: &'a str,
}

fn split(url: &str) -> Parts<'_> {
    let url = url.split('#').next().unwrap_or_default();
    let at = url.find('?').unwrap_or(url.len());
    let (base, query) = url.split_at(at);
    Parts { base: base.trim_end_matches('/'), query }
}

fn join(base: &str, route: &str, query: &str) -> String {
    let mut url = String::with_capacity(base.len() + route.len() + query.len() + 1);
    url.push_str(base);
    url.push('/');
    url.push_str(route);
    url.push_str(query);
    url
}

/// Whether a URL can be fetched: absolute `http(s)`, no blanks, no credentials in it. A path (`/api`)
/// will do where the page's own address completes it.
pub fn is_usable(url: &str, in_page: bool) -> bool {
    if url.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        return false;
    }
    if url.starts_with('/') && !url.starts_with("//") {
        return in_page;
    }
    let scheme = ["https://", "http://"].into_iter().find(|scheme| {
        url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let Some(rest) = scheme.and_then(|scheme| url.get(scheme.len()..)) else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    !host.is_empty() && !host.contains('@') && !host.starts_with(':')
}

/// Whether the last segment of a path is a version (`v1`, `v4`, `v1beta`): routes follow it directly.
fn ends_in_version(base: &str) -> bool {
    let segment = base.rsplit('/').next().unwrap_or_default();
    let mut rest = segment.bytes();
    rest.next() == Some(b'v') && rest.next().is_some_and(|byte| byte.is_ascii_digit())
}

/// The base of an endpoint: its URL without the route of one of the known protocols.
fn without_route(base: &str) -> &str {
    ["/chat/completions", "/completions", "/generate_stream", "/generate"]
        .into_iter()
        .find_map(|route| base.strip_suffix(route))
        .unwrap_or(base)
}

fn openai_route(url: &str, route: &str) -> String {
    let Parts { base, query } = split(url);
    let base = without_route(base);
    if ends_in_version(base) {
        return join(base, route, query);
    }
    // A full route names its base exactly, also one without a version; anything else lacks `v1`.
    let named = split(url).base != base && !is_tgi_route(url);
    if named { join(base, route, query) } else { join(&join(base, "v1", ""), route, query) }
}

/// The chat route of an endpoint, or of any OpenAI-compatible server.
pub fn chat(url: &str) -> String {
    openai_route(url, "chat/completions")
}

/// The text-completion route of an endpoint.
pub fn completions(url: &str) -> String {
    openai_route(url, "completions")
}

/// TGI's own route of an endpoint.
pub fn generate(url: &str, stream: bool) -> String {
    let Parts { base, query } = split(url);
    let base = without_version(without_route(base));
    join(base, if stream { "generate_stream" } else { "generate" }, query)
}

/// The root of an endpoint, where TGI and the Hub's inference toolkit take `{ inputs, parameters }`.
pub fn root(url: &str) -> String {
    let Parts { base, query } = split(url);
    join(without_version(without_route(base)), "", query)
}

fn without_version(base: &str) -> &str {
    if ends_in_version(base) { base.rsplit_once('/').map_or(base, |(front, _)| front) } else { base }
}

/// Whether an endpoint URL names TGI's own route.
pub fn is_tgi_route(url: &str) -> bool {
    let base = split(url).base;
    base.ends_with("/generate") || base.ends_with("/generate_stream")
}

/// Whether an endpoint URL names an OpenAI route or its base, so that nothing else is meant.
pub fn is_openai_route(url: &str) -> bool {
    let base = split(url).base;
    ends_in_version(base) || base.ends_with("/completions")
}

/// A provider's route below its base; `{model}` becomes the model's id.
pub fn provider_route(base: &str, route: &str, model: &str) -> String {
    let Parts { base, query } = split(base);
    match route.split_once("{model}") {
        Some((front, back)) => {
            let mut filled = String::from(front);
            filled.push_str(model);
            filled.push_str(back);
            join(base, &filled, query)
        }
        None => join(base, route, query),
    }
}

/// The path of a provider behind the router, or behind what stands in for it.
pub fn routed(router: &str, provider: &str) -> String {
    let Parts { base, query } = split(router);
    join(without_version(base), provider, query)
}

/// The request for a model's mapping.
pub fn mapping(hub: &str, model: &str) -> String {
    let Parts { base, .. } = split(hub);
    let mut route = String::from("api/models/");
    route.push_str(model);
    join(base, &route, "?expand[]=inferenceProviderMapping")
}

/// A URL as it may be shown and logged: without its query, where a key could be.
pub fn shown(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// Whether a model id can stand in a URL's path: `name` or `namespace/name` of the Hub's characters.
pub fn is_model_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let mut segments = 0;
    let good = id.split('/').all(|segment| {
        segments += 1;
        !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(plain)
    });
    good && segments <= 2
}
