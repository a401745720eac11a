//! The caller's options, from JavaScript values to `Settings`.
//!
//! Every scalar is taken as it comes and checked by name afterwards, so that an error can say which
//! option is wrong and what it should have been. (A derived type would only say "invalid type".)


use wasm_bindgen::JsValue;

use crate::core::engine::settings::Settings;
use crate::core::error::Error;
use crate::core::ports::Milliseconds;


#[derive(Default)]
enum Scalar { #[default] Missing, Bool(bool), Number(f64), Text(String), Other }
enum Section<T> { Missing, Given(T), Wrong }
struct Options { provider: Scalar, model: Scalar, endpoint_url: Scalar, base_url: Scalar, hub_url: Scalar, bill_to: Scalar, dangerously_allow_browser: Scalar, in_page: Scalar, headers: Vec<String>, timeout: Section<Timeout> }
struct Timeout { first_token: Scalar, stall: Scalar, total: Scalar }
fn get(o: &JsValue, n: &str) -> JsValue { js_sys::Reflect::get(o, &JsValue::from_str(n)).unwrap_or_default() }
fn sc(o: &JsValue, n: &str) -> Scalar { let v = get(o, n); if v.is_undefined() || v.is_null() { Scalar::Missing } else if let Some(b) = v.as_bool() { Scalar::Bool(b) } else if let Some(b) = v.as_f64() { Scalar::Number(b) } else if let Some(b) = v.as_string() { Scalar::Text(b) } else { Scalar::Other } }
fn read(o: &JsValue) -> Options { let t = get(o, "timeout"); Options { provider: sc(o, "provider"), model: sc(o,"model"), endpoint_url: sc(o,"endpointUrl"), base_url: sc(o,"baseUrl"), hub_url: sc(o,"hubUrl"), bill_to: sc(o,"billTo"), dangerously_allow_browser: sc(o,"dangerouslyAllowBrowser"), in_page: sc(o,"inPage"), headers: js_sys::Array::from(&get(o,"headers")).iter().filter_map(|v| v.as_string()).collect(), timeout: if t.is_undefined() { Section::Missing } else if t.is_object() { Section::Given(Timeout { first_token: sc(&t,"firstToken"), stall: sc(&t,"stall"), total: sc(&t,"total") }) } else { Section::Wrong } } }
/// Puts `options` over `settings`.
pub fn apply(settings: &mut Settings, options: JsValue) -> Result<(), Error> {
    let options: Options = read(&options);
    text(&mut settings.provider, "provider", options.provider)?;
    text(&mut settings.model, "model", options.model)?;
    text(&mut settings.endpoint_url, "endpointUrl", options.endpoint_url)?;
    text(&mut settings.base_url, "baseUrl", options.base_url)?;
    text(&mut settings.hub_url, "hubUrl", options.hub_url)?;
    text(&mut settings.bill_to, "billTo", options.bill_to)?;
    boolean(&mut settings.allow_browser, "dangerouslyAllowBrowser", options.dangerously_allow_browser)?;
    boolean(&mut settings.in_page, "inPage", options.in_page)?;
    let mut headers = options.headers.into_iter();
    while let (Some(name), Some(value)) = (headers.next(), headers.next()) {
        settings.headers.retain(|(known, _)| *known != name);
        settings.headers.push((name, value));
    }
    match options.timeout {
        Section::Missing => {}
        Section::Wrong => return Err(Error::option("timeout", "an object { firstToken?, stall?, total? }")),
        Section::Given(timeout) => {
            let limits = &mut settings.limits;
            duration(&mut limits.first_token, "timeout.firstToken", timeout.first_token)?;
            duration(&mut limits.stall, "timeout.stall", timeout.stall)?;
            duration(&mut limits.total, "timeout.total", timeout.total)?;
        }
    }
    Ok(())
}

fn text(place: &mut String, path: &str, value: Scalar) -> Result<(), Error> {
    match value {
        Scalar::Missing => Ok(()),
        Scalar::Text(value) if !value.is_empty() => {
            *place = value;
            Ok(())
        }
        _ => Err(Error::option(path, "a string that is not empty")),
    }
}

fn boolean(place: &mut bool, path: &str, value: Scalar) -> Result<(), Error> {
    match value {
        Scalar::Missing => Ok(()),
        Scalar::Bool(value) => {
            *place = value;
            Ok(())
        }
        _ => Err(Error::option(path, "true or false")),
    }
}

fn duration(place: &mut Milliseconds, path: &str, value: Scalar) -> Result<(), Error> {
    match value {
        Scalar::Missing => Ok(()),
        Scalar::Number(value) if value > 0.0 => {
            *place = value;
            Ok(())
        }
        _ => Err(Error::option(path, "a positive number of milliseconds (Infinity for no limit)")),
    }
}
