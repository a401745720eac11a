//! `fetch`: a request out, the head of its answer in.

use gloo_net::http::{Headers, Response};
use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::prelude::*;
use web_sys::{AbortSignal, RequestInit};

use super::global;
use crate::core::engine::attempt::{Head, HttpRequest};
use crate::core::wire::rate_limit;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_name = fetch)]
    fn global_fetch(url: &str, init: &RequestInit) -> Result<JsValue, JsValue>;
}

/// Where services put their name for a request, in order of preference.
const REQUEST_ID_HEADERS: [&str; 5] =
    ["x-request-id", "inference-id", "x-amzn-trace-id", "x-amz-cf-id", "cf-ray"];

/// Sends a request with the caller's `fetch`, or the global one. It is called with a URL and an init
/// object, not with a `Request`: that is what functions written to stand in for `fetch` expect.
pub fn send(
    request: &HttpRequest,
    signal: &AbortSignal,
    fetch: Option<&Function>,
) -> Result<Promise, JsValue> {
    let headers = Headers::new();
    for (name, value) in &request.headers {
        headers.set(name, value);
    }
    if let Some(credential) = &request.credential {
        let mut value = String::from("Bearer ");
        value.push_str(credential.expose());
        headers.set("authorization", &value);
    }
    let init = RequestInit::new();
    init.set_method(request.method);
    init.set_headers(&headers.into_raw());
    init.set_signal(Some(signal));
    if let Some(body) = &request.body {
        init.set_body(&JsValue::from_str(std::str::from_utf8(body).unwrap_or_default()));
    }
    let answer = match fetch {
        Some(fetch) => fetch.call2(&JsValue::UNDEFINED, &JsValue::from_str(&request.url), &init)?,
        None => global_fetch(&request.url, &init)?,
    };
    Ok(Promise::resolve(&answer))
}

/// The answer as a `Response`, when it is one or acts like one. What a caller's `fetch` returns may
/// come from another realm or be made by hand, so it is judged by what it has.
pub fn as_response(answer: JsValue) -> Result<web_sys::Response, JsValue> {
    let get = |object: &JsValue, name: &str| Reflect::get(object, &JsValue::from_str(name)).ok();
    let has_status = get(&answer, "status").is_some_and(|status| status.as_f64().is_some());
    let headers = get(&answer, "headers").filter(JsValue::is_object);
    let has_headers =
        headers.and_then(|headers| get(&headers, "get")).is_some_and(|getter| getter.is_function());
    if has_status && has_headers {
        return Ok(answer.unchecked_into());
    }
    Err(js_sys::TypeError::new("fetch did not return a Response").into())
}

/// What the head of an answer says.
pub fn head(response: &web_sys::Response) -> Head {
    let response = Response::from(Clone::clone(response));
    let headers = response.headers();
    let get = |name: &str| headers.get(name).unwrap_or_default();
    Head {
        status: response.status(),
        content_type: get("content-type").to_ascii_lowercase(),
        request_id: REQUEST_ID_HEADERS.iter().find_map(|name| headers.get(name)).unwrap_or_default(),
        provider: get("x-inference-provider"),
        retry_after: get("retry-after"),
        retry_after_ms: get("retry-after-ms"),
        should_retry: match get("x-should-retry").as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        },
        quota: rate_limit::quota(&|name| headers.get(name), global::now().unix),
    }
}
