//! The caller's options, from JavaScript values to `Settings`.
//!
//! Each is read by name, so that an error can say which option is wrong and what it should have been.
//! (serde-wasm-bindgen would bring 18 KB gzip for this one use, most of it the printing of numbers in
//! messages that nobody could act on: "invalid type: floating point `5.5`, expected a string".)

use js_sys::{Array, Reflect};
use wasm_bindgen::JsValue;

use crate::core::engine::settings::Settings;
use crate::core::error::Error;

/// Puts `options` over `settings`. `headers` is a flat list of names and values, and `inPage` is what
/// TypeScript found out about the surroundings.
pub fn apply(settings: &mut Settings, options: &JsValue) -> Result<(), Box<Error>> {
    let texts = [
        (&mut settings.provider, "provider"),
        (&mut settings.model, "model"),
        (&mut settings.endpoint_url, "endpointUrl"),
        (&mut settings.base_url, "baseUrl"),
        (&mut settings.hub_url, "hubUrl"),
        (&mut settings.bill_to, "billTo"),
    ];
    for (place, name) in texts {
        let Some(value) = get(options, name) else { continue };
        match value.as_string().filter(|text| !text.is_empty()) {
            Some(text) => *place = text,
            None => return Err(Error::option(name, "a string that is not empty")),
        }
    }
    let switches = [
        (&mut settings.allow_browser, "dangerouslyAllowBrowser"),
        (&mut settings.in_page, "inPage"),
        (&mut settings.reasoning_tags, "reasoningTags"),
    ];
    for (place, name) in switches {
        let Some(value) = get(options, name) else { continue };
        *place = value.as_bool().ok_or_else(|| Error::option(name, "true or false"))?;
    }
    if let Some(timeout) = get(options, "timeout") {
        if !timeout.is_object() {
            return Err(Error::option("timeout", "an object { firstToken?, stall?, total? }"));
        }
        let limits = &mut settings.limits;
        let durations = [
            (&mut limits.first_token, "timeout.firstToken"),
            (&mut limits.stall, "timeout.stall"),
            (&mut limits.total, "timeout.total"),
        ];
        for (place, path) in durations {
            let Some(value) = get(&timeout, path.get("timeout.".len()..).unwrap_or_default()) else {
                continue;
            };
            *place = value.as_f64().filter(|value| *value > 0.0).ok_or_else(|| {
                Error::option(path, "a positive number of milliseconds (Infinity for no limit)")
            })?;
        }
    }
    if let Some(headers) = get(options, "headers") {
        let mut texts = Array::from(&headers).into_iter().filter_map(|text| text.as_string());
        while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
            settings.headers.retain(|(known, _)| *known != name);
            settings.headers.push((name, value));
        }
    }
    Ok(())
}

/// An option that is there: `null` means as little as `undefined`.
fn get(object: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(object, &JsValue::from_str(name))
        .ok()
        .filter(|value| !value.is_undefined() && !value.is_null())
}
