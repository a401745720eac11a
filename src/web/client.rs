//! One client: its options, and what its calls share.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::Function;
use wasm_bindgen::prelude::*;

use super::call::{self, Call, Hooks};
use super::{global, options};
use crate::core::engine::plan::Task;
use crate::core::engine::settings::Settings;
use crate::core::engine::{self, Shared};
use crate::core::error::Error;
use crate::core::secret::Secret;
use crate::core::wire::json::ObjectWriter;

/// One client.
#[wasm_bindgen]
pub struct Client {
    settings: Settings,
    shared: Rc<RefCell<Shared>>,
}

#[wasm_bindgen]
impl Client {
    /// A client with these options. Throws a string: the error's facts as JSON.
    #[wasm_bindgen(constructor)]
    pub fn new(options: JsValue) -> Result<Client, JsValue> {
        let mut settings = Settings::default();
        options::apply(&mut settings, &options).map_err(|error| facts(&error))?;
        Ok(Client { settings, shared: Rc::default() })
    }

    /// Begins a call; `Call::open` sends it. `request` is the caller's JSON. `access_token` is a
    /// string, a function that gives one or a promise of one, or `undefined`; `fetch` is the caller's
    /// own or `undefined`. Throws a string: the error's facts as JSON.
    #[allow(clippy::too_many_arguments)]
    pub fn call(
        &self,
        generation: bool,
        streamed: bool,
        request: &str,
        options: JsValue,
        access_token: JsValue,
        fetch: JsValue,
        hooks: Hooks,
    ) -> Result<Call, JsValue> {
        let mut settings = self.settings.clone();
        if !options.is_undefined() {
            options::apply(&mut settings, &options).map_err(|error| facts(&error))?;
        }
        let function = access_token.dyn_ref::<Function>().cloned();
        let token = match access_token.as_string() {
            Some(token) => Secret::new(&token),
            None if function.is_some() || access_token.is_undefined() || access_token.is_null() => None,
            None => {
                return Err(facts(&Error::option("accessToken", "a string, or a function that gives one")));
            }
        };
        let own_fetch = fetch.dyn_ref::<Function>().cloned();
        if own_fetch.is_none() && !fetch.is_undefined() && !fetch.is_null() {
            return Err(facts(&Error::option("fetch", "a function")));
        }
        let task = if generation { Task::Generation } else { Task::Chat };
        let call = engine::Call::new(
            task,
            streamed,
            settings,
            request.as_bytes().to_vec(),
            token,
            function.is_some(),
            global::now(),
        )
        .map_err(|error| facts(&error))?;
        Ok(Call::new(call::Inner::new(call, self.shared.clone(), function, own_fetch, hooks)))
    }
}

fn facts(error: &Error) -> JsValue {
    let mut out = Vec::new();
    let mut object = ObjectWriter::new(&mut out);
    error.write(&mut object);
    object.end();
    JsValue::from_str(&call::text(out))
}
