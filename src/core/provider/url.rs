//! URLs of requests.
//!
//! An endpoint may be named by its host, by `…/v1`, by a sub-path or by a full route, with or
//! without a trailing slash and a query string; each comes to the same place, and the query survives.

/// A URL cut where a route goes in: everything before the query, and the query.
struct Parts<'a> {
    base: &'a str,
    query: &'a str,
}

/// Cuts `text` before the first byte that `stop` picks. All cuts are at ASCII bytes, so the parts stay
/// text; the standard library's patterns would bring their search machinery along (3 KB).
fn cut(text: &str, stop: impl Fn(u8) -> bool) -> (&str, &str) {
    let at = text.bytes().position(stop).unwrap_or(text.len());
    (text.get(..at).unwrap_or_default(), text.get(at..).unwrap_or_default())
}

/// Cuts `base` before its last slash.
fn cut_last_segment(base: &str) -> (&str, &str) {
    let at = base.bytes().rposition(|byte| byte == b'/').unwrap_or(0);
    (base.get(..at).unwrap_or_default(), base.get(at..).unwrap_or_default())
}

fn split(url: &str) -> Parts<'_> {
    let (url, _) = cut(url, |byte| byte == b'#');
    let (mut base, query) = cut(url, |byte| byte == b'?');
    while let Some(shorter) = base.strip_suffix("/") {
        base = shorter;
    }
    Parts { base, query }
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
    // Browsers read a backslash as a slash: what looks like a host before it may be none.
    if url.bytes().any(|byte| byte <= b' ' || matches!(byte, 0x7f | b'\\')) {
        return false;
    }
    if url.starts_with('/') && !url.starts_with("//") {
        return in_page;
    }
    let scheme = ["https://", "http://"]
        .iter()
        .find(|scheme| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    let Some(rest) = scheme.and_then(|scheme| url.get(scheme.len()..)) else { return false };
    let (host, _) = cut(rest, |byte| matches!(byte, b'/' | b'?' | b'#'));
    !host.is_empty() && !host.bytes().any(|byte| byte == b'@') && !host.starts_with(':')
}

/// Whether the last segment of the path is a version (`v1`, `v4`, `v1beta`): routes follow it directly.
fn ends_in_version(base: &str) -> bool {
    let (front, segment) = cut_last_segment(base);
    // After `https:/` it would be the host, whose name may begin like a version.
    !front.ends_with('/') && matches!(segment.as_bytes(), [b'/', b'v', b'0'..=b'9', ..])
}

/// The base of an endpoint: its URL without the route of one of the known protocols.
fn without_route(base: &str) -> &str {
    ["/chat/completions", "/completions", "/generate_stream", "/generate"]
        .iter()
        .find_map(|route| base.strip_suffix(*route))
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
    if ends_in_version(base) { cut_last_segment(base).0 } else { base }
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

/// A provider's route below its base. A route that ends in `models/` has the model's id and then the
/// ordinary OpenAI route after it.
pub fn provider_route(base: &str, route: &str, model: &str, openai: &str) -> String {
    let Parts { base, query } = split(base);
    if !route.ends_with("models/") {
        return join(base, route, query);
    }
    let mut filled = String::from(route);
    filled.push_str(model);
    filled.push_str("/v1/");
    filled.push_str(openai);
    join(base, &filled, query)
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

/// The request for the offers of a model behind the router, or behind what stands in for it.
pub fn catalogue(router: &str, model: &str) -> String {
    let Parts { base, .. } = split(router);
    let mut route = String::from("v1/models/");
    route.push_str(model);
    join(without_version(base), &route, "")
}

/// The scheme, host and port of a URL; empty for a path.
pub fn origin(url: &str) -> &str {
    let (scheme, rest) = cut(url, |byte| byte == b'/');
    let Some(rest) = rest.strip_prefix("//") else { return "" };
    // Where a browser ends the host, too: it takes a backslash for a slash.
    let (host, _) = cut(rest, |byte| matches!(byte, b'/' | b'?' | b'#' | b'\\'));
    url.get(..scheme.len() + 2 + host.len()).unwrap_or(url)
}

/// Whether a URL is one of Hugging Face's own, to which its tokens may go.
pub fn is_hugging_face(url: &str) -> bool {
    let Some(host) = origin(url).strip_prefix("https://") else { return false };
    ["huggingface.co", "huggingface.cloud"]
        .iter()
        .any(|own| host.strip_suffix(own).is_some_and(|front| front.is_empty() || front.ends_with('.')))
}

/// A URL as it may be shown and logged: without its query, where a key could be.
pub fn shown(url: &str) -> &str {
    cut(url, |byte| matches!(byte, b'?' | b'#')).0
}

/// Whether a model id can stand in a URL's path: `name` or `namespace/name` of the Hub's characters.
pub fn is_model_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let good = |segment: &[u8]| {
        !segment.is_empty() && segment != b"." && segment != b".." && segment.iter().all(|&byte| plain(byte))
    };
    let (first, rest) = cut(id, |byte| byte == b'/');
    good(first.as_bytes()) && (rest.is_empty() || good(rest.as_bytes().get(1..).unwrap_or_default()))
}
