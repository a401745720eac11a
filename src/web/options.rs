//! The caller's options, from JavaScript values to `Settings`.
//!
//! Each is read by name, so that an error can say which option is wrong and what it should have been.
//! (serde-wasm-bindgen would bring 18 KB gzip for this one use, most of it the printing of numbers in
//! messages that nobody could act on: "invalid type: floating point `5.5`, expected a string".)

use js_sys::{Array, Reflect};
use wasm_bindgen::JsValue;

use crate::core::engine::settings::{self, Fallback, MidStream, Order, Route, Settings};
use crate::core::error::Error;

type Checked<Value> = Result<Value, Box<Error>>;

/// A string, and where it goes.
type Text = (&'static str, fn(&mut Settings) -> &mut String);

/// A switch, and where it goes. Paths have no more than one dot.
type Switch = (&'static str, fn(&mut Settings) -> &mut bool);

/// A number, what it must be, and what it sets.
type Number = (&'static str, &'static Rule, fn(&mut Settings, f64));

/// What a number must be, in words and as a test.
type Rule = (&'static str, fn(f64) -> bool);

const LIMIT: Rule = ("a positive number of milliseconds (Infinity for no limit)", |value| value > 0.0);
const DURATION: Rule = ("a number of milliseconds, 0 or more", |value| value >= 0.0);
const RATE: Rule = ("a positive number", |value| value > 0.0);
const COUNT: Rule =
    ("a whole number, 0 or more", |value| value.fract() == 0.0 && value >= 0.0 || value == f64::INFINITY);
const FINITE: Rule = ("a number", f64::is_finite);

const TEXTS: &[Text] = &[
    ("provider", |settings| &mut settings.provider),
    ("model", |settings| &mut settings.model),
    ("endpointUrl", |settings| &mut settings.endpoint_url),
    ("baseUrl", |settings| &mut settings.base_url),
    ("hubUrl", |settings| &mut settings.hub_url),
    ("billTo", |settings| &mut settings.bill_to),
    ("cacheNote", |settings| &mut settings.cache_note),
    ("sessionAffinity", |settings| &mut settings.session),
];

const SWITCHES: &[Switch] = &[
    ("dangerouslyAllowBrowser", |settings| &mut settings.allow_browser),
    ("inPage", |settings| &mut settings.in_page),
    ("reasoningTags", |settings| &mut settings.reasoning_tags),
    ("breaker", |settings| &mut settings.breaker),
    ("notices", |settings| &mut settings.notices),
    ("recalls", |settings| &mut settings.recalls),
    ("sharesAnswers", |settings| &mut settings.shares_answers),
    ("tapes", |settings| &mut settings.tapes),
    ("retry.jitter", |settings| &mut settings.retry.jitter),
];

const NUMBERS: &[Number] = &[
    ("timeout.queue", &LIMIT, |settings, value| settings.timeouts.queue = value),
    ("timeout.firstToken", &LIMIT, |settings, value| settings.timeouts.first_token = value),
    ("timeout.stall", &LIMIT, |settings, value| settings.timeouts.stall = value),
    ("timeout.total", &LIMIT, |settings, value| settings.timeouts.total = value),
    ("retry.limit", &COUNT, |settings, value| settings.retry.limit = value as u32),
    ("retry.maxRetryAfter", &DURATION, |settings, value| settings.retry.max_retry_after = value),
    ("retry.backoffLimit", &DURATION, |settings, value| settings.retry.backoff_limit = value),
    ("limits.concurrency", &RATE, |settings, value| settings.limits.concurrency = value),
    ("limits.requestsPerMinute", &RATE, |settings, value| settings.limits.requests_per_minute = value),
    ("limits.tokensPerMinute", &RATE, |settings, value| settings.limits.tokens_per_minute = value),
    ("limits.queue", &COUNT, |settings, value| settings.limits.queue = value as usize),
    ("hedge.after", &DURATION, |settings, value| {
        settings.hedge = Some((value, settings.hedge.map_or(1, |(_, most)| most)));
    }),
    ("hedge.max", &COUNT, |settings, value| {
        settings.hedge = settings.hedge.map(|(after, _)| (after, value as u32));
    }),
    ("wakeTimeout", &DURATION, |settings, value| settings.wake_timeout = Some(value)),
    ("priority", &FINITE, |settings, value| settings.priority = value),
];

/// Puts `options` over `settings`. TypeScript has given some of them one form: `headers` and `tags` are flat
/// lists of names and values, `recalls` and the like come from `cache`, `retry`, `limits` and `hedge` are
/// objects, `fallbacks` is a list or the name of an order; `route` is JSON, whose targets are the first of
/// `fallbacks`. `inPage` is what it found out about the surroundings, `notices` whether anybody listens.
pub fn apply(settings: &mut Settings, options: &JsValue) -> Checked<()> {
    for (name, place) in TEXTS {
        text(options, name, name, place(settings))?;
    }
    for (path, place) in SWITCHES {
        let Some(value) = at(options, path) else { continue };
        *place(settings) = value.as_bool().ok_or_else(|| Error::option(path, "true or false"))?;
    }
    if get(options, "timeout").is_some_and(|timeout| !timeout.is_object()) {
        return Err(Error::option("timeout", "an object { queue?, firstToken?, stall?, total? }"));
    }
    for (path, (expected, fits), set) in NUMBERS {
        let Some(value) = at(options, path) else { continue };
        let value = value.as_f64().filter(|value| fits(*value));
        set(settings, value.ok_or_else(|| Error::option(path, expected))?);
    }

    if let Some(codes) = at(options, "retry.statusCodes") {
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
        read_pairs(&mut settings.headers, &headers);
    }
    if let Some(tags) = get(options, "tags") {
        settings.tags.clear();
        read_pairs(&mut settings.tags, &tags);
    }
    Ok(())
}

/// Adds the names and values of a flat list; a name that is there already gets the new value.
fn read_pairs(pairs: &mut Vec<(String, String)>, list: &JsValue) {
    let mut texts = Array::from(list).into_iter().filter_map(|text| text.as_string());
    while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
        settings::put(pairs, name, value);
    }
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

/// An option by its path.
fn at(options: &JsValue, path: &str) -> Option<JsValue> {
    match path.bytes().position(|byte| byte == b'.') {
        Some(dot) => get(&get(options, path.get(..dot)?)?, path.get(dot + 1..)?),
        None => get(options, path),
    }
}

/// An option that is there: `null` means as little as `undefined`.
fn get(object: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(object, &JsValue::from_str(name)).ok().filter(|value| !value.is_null_or_undefined())
}
