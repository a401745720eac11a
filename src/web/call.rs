//! One call: drives `core::engine` with `fetch`, a timer and the consumer's chunks.

use std::cell::{Cell, RefCell, RefMut};
use std::rc::{Rc, Weak};

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AbortController, Response};

use super::{fetch, global};
use crate::core::engine::attempt::{HttpRequest, Reading};
use crate::core::engine::{self, Progress, Shared, Step};
use crate::core::secret::Secret;
use crate::core::wire::batch::Want;

#[wasm_bindgen]
extern "C" {
    /// What a call asks of, and tells, the loop in TypeScript that reads its body.
    pub type Hooks;

    /// For how many milliseconds in all the consumer has been busy instead of waiting for a chunk.
    #[wasm_bindgen(method, js_name = busyUntil)]
    fn busy_until(this: &Hooks, now: f64) -> f64;

    /// What JavaScript threw, for the error's `cause`.
    #[wasm_bindgen(method, js_name = setCause)]
    fn set_cause(this: &Hooks, cause: &JsValue);

    /// The call has ended without the consumer's doing: by a deadline or an abort.
    #[wasm_bindgen(method)]
    fn interrupted(this: &Hooks);
}

/// The part of a call that its pending work keeps alive.
pub struct Inner {
    call: RefCell<engine::Call>,
    shared: Rc<RefCell<Shared>>,
    token_function: Option<Function>,
    fetch: Option<Function>,
    hooks: Hooks,
    controller: RefCell<Option<AbortController>>,
    /// Resolves (to `undefined`) when the call ends while something is awaited.
    interrupted: Promise,
    interrupt: Option<Function>,
    /// JavaScript has been told of the batch: the next piece starts a new one.
    reported: Cell<bool>,
    timer: RefCell<JsValue>,
    tick: RefCell<Option<Closure<dyn FnMut()>>>,
}

impl Inner {
    /// A call that has not begun.
    pub fn new(
        call: engine::Call,
        shared: Rc<RefCell<Shared>>,
        token_function: Option<Function>,
        fetch: Option<Function>,
        hooks: Hooks,
    ) -> Rc<Inner> {
        let mut interrupt = None;
        let interrupted = Promise::new(&mut |resolve, _| interrupt = Some(resolve));
        Rc::new(Inner {
            call: RefCell::new(call),
            shared,
            token_function,
            fetch,
            hooks,
            controller: RefCell::default(),
            interrupted,
            interrupt,
            reported: Cell::new(false),
            timer: RefCell::default(),
            tick: RefCell::default(),
        })
    }

    /// Steps the call until its body can be read (the `Response`), or it is over (`undefined`).
    async fn open(self: Rc<Inner>) -> JsValue {
        let mut response: Option<Response> = None;
        loop {
            let step = self.call.borrow_mut().step(&mut self.shared.borrow_mut(), global::now());
            if self.call.borrow_mut().takes_look() {
                self.look();
            }
            match step {
                Step::Token => self.ask_for_token().await,
                Step::Send(request) => response = self.send(*request).await,
                Step::Read => return response.map_or(JsValue::UNDEFINED, JsValue::from),
                Step::Settled => {
                    self.release();
                    return JsValue::UNDEFINED;
                }
            }
        }
    }

    async fn ask_for_token(&self) {
        let Some(function) = &self.token_function else {
            self.call.borrow_mut().on_token(None);
            return;
        };
        let answer = match function.call0(&JsValue::UNDEFINED) {
            Ok(answer) => {
                // Wrapped, because `undefined` (no token) must differ from the interruption.
                let promise = Promise::resolve(&answer);
                let wrapped = global_then(&promise);
                JsFuture::from(fetch::race(wrapped, &self.interrupted)).await
            }
            Err(thrown) => Err(thrown),
        };
        match answer {
            Ok(answer) if answer.is_undefined() => {}
            Ok(answer) => {
                let token = js_sys::Array::from(&answer).get(0);
                let text = token.as_string();
                let is_token = text.is_some() || token.is_undefined() || token.is_null();
                if is_token {
                    self.call.borrow_mut().on_token(text.as_deref().and_then(Secret::new));
                } else {
                    self.fail_token(
                        js_sys::TypeError::new("accessToken gave something other than a string").into(),
                    );
                }
            }
            Err(thrown) => self.fail_token(thrown),
        }
    }

    fn fail_token(&self, thrown: JsValue) {
        self.hooks.set_cause(&thrown);
        self.call.borrow_mut().on_token_failure(global::now().monotonic);
    }

    /// Sends one request. Returns the response when its body is the consumer's to read.
    async fn send(&self, request: HttpRequest) -> Option<Response> {
        let controller = AbortController::new().ok()?;
        let signal = controller.signal();
        self.controller.replace(Some(controller));
        let sent = match fetch::send(&request, &signal, self.fetch.as_ref()) {
            Ok(promise) => promise,
            Err(thrown) => return self.no_answer(thrown),
        };
        let response = match JsFuture::from(fetch::race(sent.clone(), &self.interrupted)).await {
            // Over while nobody had answered. A `fetch` that ignores its signal may still answer.
            Ok(answer) if answer.is_undefined() && self.call.borrow().is_settled() => {
                spawn_local(async move {
                    if let Ok(Ok(late)) = JsFuture::from(sent).await.map(fetch::as_response) {
                        discard(&late);
                    }
                });
                return None;
            }
            Ok(answer) => match fetch::as_response(answer) {
                Ok(response) => response,
                Err(thrown) => return self.no_answer(thrown),
            },
            Err(thrown) => return self.no_answer(thrown),
        };
        let head = fetch::head(&response);
        let reading = self.call.borrow_mut().on_head(head, &mut self.shared.borrow_mut(), global::now());
        match reading {
            Reading::Stream => return Some(response),
            Reading::Discard => discard(&response),
            Reading::Whole(limit) => {
                if let Some(body) = fetch::read_whole(&response, limit, &self.interrupted).await {
                    let mut shared = self.shared.borrow_mut();
                    self.call.borrow_mut().on_body(&body, &mut shared, global::now());
                }
            }
        }
        None
    }

    fn no_answer(&self, thrown: JsValue) -> Option<Response> {
        self.hooks.set_cause(&thrown);
        self.call.borrow_mut().on_no_answer(global::now().monotonic);
        None
    }

    /// Looks at the deadlines and sets the timer for the next look.
    fn look(self: &Rc<Inner>) {
        let now = global::now().monotonic;
        let busy = self.hooks.busy_until(now);
        let next = {
            let mut call = self.call.borrow_mut();
            call.set_busy(busy);
            call.look(now)
        };
        match next {
            Some(at) => self.set_timer(at - now),
            None => self.interrupt(),
        }
    }

    fn set_timer(self: &Rc<Inner>, delay: f64) {
        let mut tick = self.tick.borrow_mut();
        let callback = tick.get_or_insert_with(|| {
            let weak: Weak<Inner> = Rc::downgrade(self);
            Closure::new(move || {
                if let Some(inner) = weak.upgrade() {
                    inner.look();
                }
            })
        });
        let callback: &Function = callback.as_ref().unchecked_ref();
        // The longest delay that timers know; the look then sets the next.
        let delay = delay.clamp(0.0, 2_147_483_647.0);
        let last = self.timer.replace(global::set_timeout(callback, delay));
        if !last.is_undefined() {
            global::clear_timeout(&last);
        }
    }

    /// The call, with the batch cleared if it has been taken.
    fn next_batch(&self) -> RefMut<'_, engine::Call> {
        let mut call = self.call.borrow_mut();
        if self.reported.replace(false) {
            call.clear_batch();
        }
        call
    }

    /// The call is over while something may be pending: lets go of it.
    fn interrupt(&self) {
        self.release();
        self.close();
        if let Some(interrupt) = &self.interrupt {
            let _ = interrupt.call0(&JsValue::UNDEFINED);
        }
        self.hooks.interrupted();
    }

    /// Closes the connection of the last request, if it is still open.
    fn close(&self) {
        let controller = self.controller.take();
        if let Some(controller) = controller {
            controller.abort();
        }
    }

    fn release(&self) {
        let timer = self.timer.take();
        if !timer.is_undefined() {
            global::clear_timeout(&timer);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The timer's callback goes with this.
        self.release();
    }
}

/// A promise of `[value]`.
fn global_then(promise: &Promise) -> Promise {
    Promise::all(&js_sys::Array::of1(promise))
}

fn discard(response: &Response) {
    if let Some(body) = response.body() {
        global::forget(body.cancel());
    }
}

thread_local! {
    /// Where JavaScript writes a chunk. One for all calls: `feed` keeps what it needs.
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// What `feed` leaves for JavaScript to read: the batch's places in memory.
    static OUTPUT: Cell<[u32; 4]> = const { Cell::new([0; 4]) };
}

/// Gives the module's memory to `take`. (No export returns a reference: Node 20 and 22 inline calls of
/// WebAssembly, and die when such a call outlives its caller's optimised code.)
#[wasm_bindgen(js_name = withMemory)]
pub fn with_memory(take: &Function) {
    let _ = take.call1(&JsValue::UNDEFINED, &wasm_bindgen::memory());
}

/// Makes room for a chunk of `length` bytes and says where to write it.
#[wasm_bindgen]
pub fn input(length: usize) -> *const u8 {
    INPUT.with_borrow_mut(|input| {
        input.resize(length.max(input.len()), 0);
        input.as_ptr()
    })
}

/// Where `feed` leaves four `u32`: the batch's text (address, bytes) and marks (address, count).
#[wasm_bindgen]
pub fn output() -> *const u32 {
    OUTPUT.with(|output| output.as_ptr().cast_const().cast())
}

/// One call.
#[wasm_bindgen]
pub struct Call {
    inner: Rc<Inner>,
}

impl Call {
    /// Wraps a call for JavaScript.
    pub fn new(inner: Rc<Inner>) -> Call {
        Call { inner }
    }

    fn report(&self, progress: Progress) -> u32 {
        let call = self.inner.call.borrow();
        let batch = call.batch();
        let (text, marks) = (batch.text(), batch.marks());
        self.inner.reported.set(true);
        OUTPUT.set([text.as_ptr() as u32, text.len() as u32, marks.as_ptr() as u32, marks.len() as u32]);
        drop(call);
        if progress != Progress::More {
            self.inner.release();
        } else if self.inner.call.borrow_mut().takes_look() {
            self.inner.look();
        }
        progress as u32
    }
}

#[wasm_bindgen]
impl Call {
    /// Sends the request and does all that is needed until there is a body to read. Calls `done` with
    /// the `Response`, or with `undefined` when the call is over: then `error` says why.
    pub fn open(&self, done: Function) {
        let inner = self.inner.clone();
        if inner.timer.borrow().is_undefined() {
            inner.look();
        }
        spawn_local(async move {
            let response = inner.open().await;
            let _ = done.call1(&JsValue::UNDEFINED, &response);
        });
    }

    /// Chooses what the batches hold: 1 text, 2 events, 3 chunks, 4 the growing value.
    pub fn want(&self, want: u32) {
        self.inner.call.borrow_mut().want(match want {
            1 => Want::Text,
            2 => Want::Events,
            3 => Want::Chunks,
            4 => Want::Object,
            _ => Want::Nothing,
        });
    }

    /// Takes the chunk of `length` bytes that was written to `input`. Returns 0 to read on, 1 when
    /// the answer is complete, 2 when it failed; in each case the batch is to be taken first. `busy` is
    /// for how long in all the consumer has been busy.
    pub fn feed(&self, length: usize, now: f64, busy: f64) -> u32 {
        let progress = INPUT.with_borrow(|input| {
            let mut call = self.inner.next_batch();
            call.set_busy(busy);
            call.feed(input.get(..length).unwrap_or_default(), now)
        });
        if progress != Progress::More {
            // Cancelling the body alone leaves the connection open in Firefox.
            self.inner.close();
        }
        self.report(progress)
    }

    /// The body has ended (returns as `feed`).
    pub fn end(&self) -> u32 {
        let progress = {
            let mut call = self.inner.next_batch();
            call.end(global::now().monotonic)
        };
        self.report(progress)
    }

    /// The body broke off (returns as `feed`).
    #[wasm_bindgen(js_name = breakOff)]
    pub fn break_off(&self) -> u32 {
        let progress = {
            let mut call = self.inner.next_batch();
            call.break_off(global::now().monotonic)
        };
        self.report(progress)
    }

    /// Ends the call at once and closes its connection.
    pub fn abort(&self) {
        self.inner.call.borrow_mut().abort(global::now().monotonic);
        self.inner.interrupt();
    }

    /// The result, as JSON.
    pub fn result(&self) -> String {
        text(self.inner.call.borrow().result())
    }

    /// The error's facts, as JSON.
    pub fn error(&self) -> String {
        text(self.inner.call.borrow().error())
    }
}

/// The core writes nothing but UTF-8.
pub fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_default()
}
