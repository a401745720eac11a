//! The caller's options, from JavaScript values to `Settings`.
//!
//! Each is read by name, so that an error can say which option is wrong and what it should have been.
//! (serde-wasm-bindgen would bring 18 KB gzip for this one use, most of it the printing of numbers in
//! messages that nobody could act on: "invalid type: floating point `5.5`, expected a string".)

use js_sys::{Array, Reflect};
use wasm_bindgen::JsValue;

use crate::core::engine::settings::{Fallback, MidStream, Order, Route, Settings};
use crate::core::error::Error;

type Checked<Value> = Result<Value, Box<Error>>;

/// Puts `options` over `settings`. TypeScript has given some of them one form: `headers` and `tags` are flat
/// lists of names and values, `recalls` and the like come from `cache`, `retry`, `limits` and `hedge` are objects, `fallbacks` is a list or the name of an
/// order; `route` is JSON, whose
/// targets are the first of `fallbacks`. `inPage` is what it found out about the surroundings, `notices` whether anybody listens.
pub fn apply(settings: &mut Settings, options: &JsValue) -> Checked<()> {
    let texts = [
        (&mut settings.provider, "provider"),
        (&mut settings.model, "model"),
        (&mut settings.endpoint_url, "endpointUrl"),
        (&mut settings.base_url, "baseUrl"),
        (&mut settings.hub_url, "hubUrl"),
        (&mut settings.bill_to, "billTo"),
        (&mut settings.cache_note, "cacheNote"),
        (&mut settings.session, "sessionAffinity"),
    ];
    for (place, name) in texts {
        text(options, name, name, place)?;
    }
    let retry = get(options, "retry").unwrap_or_default();
    let switches = [
        (&mut settings.allow_browser, options, "dangerouslyAllowBrowser"),
        (&mut settings.in_page, options, "inPage"),
        (&mut settings.reasoning_tags, options, "reasoningTags"),
        (&mut settings.breaker, options, "breaker"),
        (&mut settings.notices, options, "notices"),
        (&mut settings.recalls, options, "recalls"),
        (&mut settings.shares_answers, options, "sharesAnswers"),
        (&mut settings.tapes, options, "tapes"),
        (&mut settings.retry.jitter, &retry, "retry.jitter"),
    ];
    for (place, object, path) in switches {
        let Some(value) = get(object, last(path)) else { continue };
        *place = value.as_bool().ok_or_else(|| Error::option(path, "true or false"))?;
    }

    let timeout = get(options, "timeout").unwrap_or_default();
    if !timeout.is_undefined() && !timeout.is_object() {
        return Err(Error::option("timeout", "an object { queue?, firstToken?, stall?, total? }"));
    }
    let limits = get(options, "limits").unwrap_or_default();
    let hedge = get(options, "hedge").unwrap_or_default();
    let positive = "a positive number of milliseconds (Infinity for no limit)";
    let duration = "a number of milliseconds, 0 or more";
    let rate = "a positive number";
    let count = "a whole number, 0 or more";
    let mut retries = f64::from(settings.retry.limit);
    let mut queue = settings.limits.queue as f64;
    let mut wake = settings.wake_timeout.unwrap_or(-1.0);
    let (mut after, mut most) = settings.hedge.map_or((-1.0, 1.0), |(after, most)| (after, f64::from(most)));
    let numbers = [
        (&mut settings.timeouts.queue, &timeout, "timeout.queue", positive),
        (&mut settings.timeouts.first_token, &timeout, "timeout.firstToken", positive),
        (&mut settings.timeouts.stall, &timeout, "timeout.stall", positive),
        (&mut settings.timeouts.total, &timeout, "timeout.total", positive),
        (&mut retries, &retry, "retry.limit", count),
        (&mut settings.retry.max_retry_after, &retry, "retry.maxRetryAfter", duration),
        (&mut settings.retry.backoff_limit, &retry, "retry.backoffLimit", duration),
        (&mut settings.limits.concurrency, &limits, "limits.concurrency", rate),
        (&mut settings.limits.requests_per_minute, &limits, "limits.requestsPerMinute", rate),
        (&mut settings.limits.tokens_per_minute, &limits, "limits.tokensPerMinute", rate),
        (&mut queue, &limits, "limits.queue", count),
        (&mut after, &hedge, "hedge.after", duration),
        (&mut most, &hedge, "hedge.max", count),
        (&mut wake, options, "wakeTimeout", duration),
        (&mut settings.priority, options, "priority", "a number"),
    ];
    for (place, object, path, expected) in numbers {
        let Some(value) = get(object, last(path)) else { continue };
        let fits = |value: &f64| match expected {
            "a number" => value.is_finite(),
            _ if expected == count => value.fract() == 0.0 && *value >= 0.0 || *value == f64::INFINITY,
            _ if expected == duration => *value >= 0.0,
            _ => *value > 0.0,
        };
        *place = value.as_f64().filter(fits).ok_or_else(|| Error::option(path, expected))?;
    }
    settings.retry.limit = retries as u32;
    settings.limits.queue = queue as usize;
    settings.wake_timeout = (wake >= 0.0).then_some(wake);
    settings.hedge = (after >= 0.0).then_some((after, most as u32));

    if let Some(codes) = get(&retry, "statusCodes") {
        let codes: Option<Vec<u16>> = Array::is_array(&codes).then(|| {
            Array::from(&codes).into_iter().filter_map(|code| code.as_f64()).map(|code| code as u16).collect()
        });
        settings.retry.status_codes =
            Some(codes.ok_or_else(|| Error::option("retry.statusCodes", "a list of HTTP statuses"))?);
    }
    if let Some(mode) = get(options, "midStream") {
        settings.mid_stream = match mode.as_string().as_deref() {
            Some("error") => MidStream::Fail,
            Some("continue") => MidStream::Continue,
            Some("restart") => MidStream::Restart,
            _ => return Err(Error::option("midStream", "\"error\", \"continue\" or \"restart\"")),
        };
    }
    if let Some(fallbacks) = get(options, "fallbacks") {
        read_fallbacks(settings, &fallbacks)?;
    }
    if let Some(route) = get(options, "route").and_then(|route| route.as_string()) {
        Route::read(route.as_bytes(), settings);
    }
    if let Some(headers) = get(options, "headers") {
        let mut texts = Array::from(&headers).into_iter().filter_map(|text| text.as_string());
        while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
            settings.headers.retain(|(known, _)| *known != name);
            settings.headers.push((name, value));
        }
    }
    if let Some(tags) = get(options, "tags") {
        let mut texts = Array::from(&tags).into_iter().filter_map(|text| text.as_string());
        settings.tags.clear();
        while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
            settings.tags.push((name, value));
        }
    }
    Ok(())
}

fn read_fallbacks(settings: &mut Settings, given: &JsValue) -> Checked<()> {
    let expected = "a list of { model?, provider?, endpointUrl?, accessToken? }, \"auto\", or { auto: \"price\" | \"throughput\" | \"latency\" }";
    settings.fallbacks.clear();
    settings.automatic = match given.as_string().as_deref() {
        Some("throughput") => Some(Order::Throughput),
        Some("price") => Some(Order::Price),
        Some("latency") => Some(Order::Latency),
        None if Array::is_array(given) => None,
        _ => return Err(Error::option("fallbacks", expected)),
    };
    if settings.automatic.is_some() {
        return Ok(());
    }
    for entry in Array::from(given) {
        if !entry.is_object() {
            return Err(Error::option("fallbacks", expected));
        }
        let mut fallback = Fallback::default();
        text(&entry, "model", "fallbacks.model", &mut fallback.model)?;
        text(&entry, "provider", "fallbacks.provider", &mut fallback.provider)?;
        text(&entry, "endpointUrl", "fallbacks.endpointUrl", &mut fallback.endpoint_url)?;
        settings.fallbacks.push(fallback);
    }
    Ok(())
}

fn text(object: &JsValue, name: &str, path: &str, place: &mut String) -> Checked<()> {
    let Some(value) = get(object, name) else { return Ok(()) };
    *place = value
        .as_string()
        .filter(|text| !text.is_empty())
        .ok_or_else(|| Error::option(path, "a string that is not empty"))?;
    Ok(())
}

/// The last step of a dotted path.
fn last(path: &str) -> &str {
    let dot = path.bytes().rposition(|byte| byte == b'.');
    dot.and_then(|dot| path.get(dot + 1..)).unwrap_or(path)
}

/// An option that is there: `null` means as little as `undefined`.
fn get(object: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(object, &JsValue::from_str(name))
        .ok()
        .filter(|value| !value.is_undefined() && !value.is_null())
}
