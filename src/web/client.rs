//! One client: its options, and what its calls share.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Array, Function, Math};
use wasm_bindgen::prelude::*;

use super::call::{self, Call, Callbacks, Hooks, Sleepers};
use super::{global, options};
use crate::core::cache::Key;
use crate::core::engine::plan::Task;
use crate::core::engine::settings::Settings;
use crate::core::engine::{self, Shared};
use crate::core::error::Error;
use crate::core::secret::Secret;
use crate::core::wire::json::{self, ObjectWriter};

/// One client.
#[wasm_bindgen]
pub struct Client {
    settings: Settings,
    shared: Rc<RefCell<Shared>>,
    sleepers: Rc<Sleepers>,
}

#[wasm_bindgen]
impl Client {
    /// A client with these options, of which `snapshot` is text. `alone` is whether the calls of this
    /// runtime must not wake each other. Throws a string: the error's facts as JSON.
    #[wasm_bindgen(constructor)]
    pub fn new(options: JsValue, snapshot: Option<String>, alone: bool) -> Result<Client, JsValue> {
        let mut settings = Settings::default();
        options::apply(&mut settings, &options).map_err(|error| facts(&error))?;
        let mut shared = Shared::new((Math::random() * 9_007_199_254_740_992.0) as u64);
        shared.mortal = alone;
        if let Some(snapshot) = snapshot {
            let restored = shared.restore(snapshot.as_bytes(), global::now());
            restored.ok_or_else(|| facts(&Error::option("snapshot", "what snapshot() of a client gave")))?;
        }
        Ok(Client { settings, shared: Rc::new(RefCell::new(shared)), sleepers: Sleepers::new(alone) })
    }

    /// What is worth keeping beyond the life of the client, as JSON.
    pub fn snapshot(&self) -> String {
        call::text(self.shared.borrow().snapshot(global::now()))
    }

    /// Sets prices, budgets and what is unusual, as JSON that `accounts.ts` has checked; and the catalogue, as
    /// the router tells it. Either may be empty.
    #[wasm_bindgen(js_name = setAccounts)]
    pub fn set_accounts(&self, options: &str, catalogue: &str) {
        let mut shared = self.shared.borrow_mut();
        let _ = shared.accounts.set(options.as_bytes());
        shared.catalogue.set(catalogue.as_bytes());
    }

    /// What was used, as JSON.
    pub fn ledger(&self) -> String {
        let mut out = Vec::new();
        self.shared.borrow_mut().accounts.write(global::now(), &mut out);
        call::text(json::well_formed(out))
    }

    /// Begins a call; `Call::start` sends it. `request` is the caller's JSON. `access_tokens` are the
    /// call's own token and those of its fallbacks: each a string, a function that gives one or a promise
    /// of one, or `undefined`. `fetch` is the caller's own or `undefined`, `asks` whether the hooks have an opinion on
    /// retries. Throws a string: the error's facts as JSON.
    #[allow(clippy::too_many_arguments)]
    pub fn call(
        &self,
        generation: bool,
        streamed: bool,
        request: &str,
        options: JsValue,
        access_tokens: Array,
        fetch: JsValue,
        asks: bool,
        hooks: Hooks,
    ) -> Result<Call, JsValue> {
        let mut settings = self.settings.clone();
        if !options.is_null_or_undefined() {
            options::apply(&mut settings, &options).map_err(|error| facts(&error))?;
        }
        settings.asks_before_retry = asks;
        let mut tokens = Vec::new();
        let mut own = None;
        for (position, given) in access_tokens.into_iter().enumerate() {
            let function = given.dyn_ref::<Function>().cloned();
            let token = given.as_string();
            if token.is_none() && function.is_none() && !given.is_null_or_undefined() {
                return Err(facts(&Error::option("accessToken", "a string, or a function that gives one")));
            }
            let token = token.as_deref().and_then(Secret::new);
            match position.checked_sub(1).and_then(|position| settings.fallbacks.get_mut(position)) {
                Some(fallback) => {
                    fallback.token = token;
                    fallback.has_token_function = function.is_some();
                }
                None => own = token,
            }
            tokens.push(function);
        }
        let own_fetch = fetch.dyn_ref::<Function>().cloned();
        if own_fetch.is_none() && !fetch.is_null_or_undefined() {
            return Err(facts(&Error::option("fetch", "a function")));
        }
        let task = if generation { Task::Generation } else { Task::Chat };
        let call = engine::Call::new(
            task,
            streamed,
            settings,
            request.as_bytes().to_vec(),
            own,
            tokens.first().is_some_and(Option::is_some),
            &mut self.shared.borrow_mut(),
            global::now(),
        )
        .map_err(|error| facts(&error))?;
        let callbacks = Callbacks { tokens, fetch: own_fetch };
        Ok(Call::new(call::Inner::new(call, self.shared.clone(), self.sleepers.clone(), callbacks, hooks)))
    }
}

/// What a request (JSON) is known by beside `form`: 64 hexadecimal digits that do not tell it.
#[wasm_bindgen(js_name = keyOf)]
pub fn key_of(form: &str, request: &str) -> String {
    Key::new(form.as_bytes()).of_request(request.as_bytes())
}

fn facts(error: &Error) -> JsValue {
    let mut out = Vec::new();
    let mut object = ObjectWriter::new(&mut out);
    error.write(&mut object);
    object.end();
    JsValue::from_str(&call::text(out))
}
