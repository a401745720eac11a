//! One call: drives `core::engine` with `fetch`, timers and the bodies of answers.
//!
//! Each leg of a call runs by itself until it has something to show: it waits for one promise after another, and
//! [`Call::settled`] is told what each came to. Then it hands its reader to the loop in TypeScript (`exchange.ts`),
//! which moves bytes at a fraction of that cost. When an answer breaks off and another attempt is made, the leg runs again.

use std::cell::{Cell, RefCell, RefMut};
use std::rc::{Rc, Weak};

use js_sys::{Function, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::AbortController;

use super::{fetch, global};
use crate::core::engine::attempt::{HttpRequest, Reading};
use crate::core::engine::{self, Found, Progress, Shared, Step};
use crate::core::ports::Now;
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

    /// What aborts a request. The hooks keep it, and give the request up when the core has trapped.
    #[wasm_bindgen(method, js_name = newController)]
    fn new_controller(this: &Hooks) -> AbortController;

    /// Gives a request up, or what is left of its answer.
    #[wasm_bindgen(method)]
    fn close(this: &Hooks, controller: &AbortController);

    /// Closes a body. That it cannot be closed is nobody's surprise.
    #[wasm_bindgen(method)]
    fn cancel(this: &Hooks, reader: &ChunkReader);

    /// Tells [`Call::settled`] what `promise` comes to, for which a leg waits: `turn` says which promise it is.
    #[wasm_bindgen(method)]
    fn wait(this: &Hooks, promise: &Promise, leg: usize, turn: u32);

    /// A reader over the body of a `Response`, whatever kind of body it is.
    #[wasm_bindgen(method, catch, js_name = readerOf)]
    fn reader_of(this: &Hooks, response: &JsValue) -> Result<ChunkReader, JsValue>;

    /// The rest of the body is the loop's to read.
    #[wasm_bindgen(method)]
    fn lead(this: &Hooks, reader: &ChunkReader);

    /// There is a batch to be taken, or the call is over.
    #[wasm_bindgen(method)]
    fn changed(this: &Hooks, settled: bool);

    /// Looks for an answer under a key that costs no request: resolves to a reader of its tape, whose `age`
    /// is a number if the tape was kept, or to `undefined`.
    #[wasm_bindgen(method)]
    fn recall(this: &Hooks, key: &str, deterministic: bool) -> Promise;

    /// Asks which target is to answer, whether an answer is accepted, or whether to try again after a failure:
    /// resolves to a string, in words of the core's `on_told`.
    #[wasm_bindgen(method)]
    fn ask(this: &Hooks, question: &str) -> Promise;

    /// JSON objects, comma-separated, for the caller's listeners.
    #[wasm_bindgen(method)]
    fn notify(this: &Hooks, notices: &str);

    /// Reads a body chunk by chunk.
    #[derive(Clone)]
    pub type ChunkReader;

    /// Gives `{ done, value }`.
    #[wasm_bindgen(method)]
    fn read(this: &ChunkReader) -> Promise;
}

/// The calls that wait in queues, and how to wake each.
pub struct Sleepers {
    /// In Cloudflare's workers a promise of one request must not be settled by another: there each waits
    /// for its own timer.
    pub alone: bool,
    sleeping: RefCell<Vec<(u64, Function)>>,
}

impl Sleepers {
    /// For a runtime in which calls may wake each other, or not.
    pub fn new(alone: bool) -> Rc<Sleepers> {
        Rc::new(Sleepers { alone, sleeping: RefCell::default() })
    }
}

/// What a client's calls use from the outside.
pub struct Callbacks {
    /// The functions that give access tokens: the call's own, then its fallbacks'.
    pub tokens: Vec<Option<Function>>,
    /// The caller's own `fetch`.
    pub fetch: Option<Function>,
}

/// The running part of a leg.
#[derive(Default)]
struct Running {
    controller: Option<AbortController>,
    reader: Option<ChunkReader>,
    /// What it waits for.
    awaited: Option<Awaited>,
    /// Counts what it waits for, and what was given up: what comes of that is for nobody.
    turn: u32,
}

/// What a leg waits for, if for anything.
type Waiting = Option<(Promise, Awaited)>;

/// What a promise is for that a leg waits for.
enum Awaited {
    /// Its turn to run.
    Start,
    /// A token of the caller's function.
    Token,
    /// An answer that costs no request.
    Found,
    /// What the caller says to a question.
    Told,
    /// A moment, or to be woken: the leg's ticket, and the timer.
    Turn(u64, JsValue),
    /// A response.
    Response,
    /// A chunk of a body that is read at once.
    Rest(Rest),
    /// A chunk of a body that is fed as it comes.
    Chunk,
}

/// A body that is read at once: of at most `limit` bytes, what is beyond is cut off.
struct Rest {
    reader: ChunkReader,
    bytes: Vec<u8>,
    limit: usize,
}

/// What there is of a call beside what JavaScript holds.
pub struct Inner {
    call: RefCell<engine::Call>,
    shared: Rc<RefCell<Shared>>,
    sleepers: Rc<Sleepers>,
    callbacks: Callbacks,
    hooks: Hooks,
    legs: RefCell<Vec<Running>>,
    /// JavaScript has been told of the batch: the next piece starts a new one.
    reported: Cell<bool>,
    /// The loop's own call is under way, and takes what there is.
    reads: Cell<bool>,
    /// The leg whose body was handed to the loop: it does not run until that is done with.
    handed: Cell<Option<usize>>,
    over: Cell<bool>,
    /// Wall time less monotonic time, when the call began.
    offset: f64,
    timer: RefCell<JsValue>,
    /// When it goes off, on the monotonic clock; infinity while none is set.
    timer_at: Cell<f64>,
    tick: RefCell<Option<Closure<dyn FnMut()>>>,
}

impl Inner {
    /// A call that has not begun.
    pub fn new(
        call: engine::Call,
        shared: Rc<RefCell<Shared>>,
        sleepers: Rc<Sleepers>,
        callbacks: Callbacks,
        hooks: Hooks,
    ) -> Rc<Inner> {
        Rc::new(Inner {
            call: RefCell::new(call),
            shared,
            sleepers,
            callbacks,
            hooks,
            legs: RefCell::default(),
            reported: Cell::new(false),
            reads: Cell::new(false),
            handed: Cell::new(None),
            over: Cell::new(false),
            offset: global::now().unix - global::now().monotonic,
            timer: RefCell::default(),
            timer_at: Cell::new(f64::INFINITY),
            tick: RefCell::default(),
        })
    }

    /// The call, with its batch cleared if it has been taken, what it shares with others, and the time.
    fn enter(&self) -> (RefMut<'_, engine::Call>, RefMut<'_, Shared>, Now) {
        let (call, shared) = self.borrow();
        (call, shared, global::now())
    }

    fn borrow(&self) -> (RefMut<'_, engine::Call>, RefMut<'_, Shared>) {
        let mut call = self.call.borrow_mut();
        if self.reported.replace(false) {
            call.clear_batch();
        }
        (call, self.shared.borrow_mut())
    }

    /// Sees to what follows from the last thing that was done with the call.
    fn follow_up(self: &Rc<Inner>) {
        let (dropped, begun, notices, woken, settled, waits) = {
            let mut call = self.call.borrow_mut();
            let woken = self.shared.borrow_mut().take_woken();
            let waits = call.takes_look();
            (call.take_dropped(), call.take_begun(), call.take_notices(), woken, call.is_settled(), waits)
        };
        for leg in dropped {
            self.interrupt(leg);
        }
        if !notices.is_empty() {
            self.hooks.notify(&text(notices));
        }
        if !self.sleepers.alone {
            for ticket in woken {
                let sleeper = self.sleepers.sleeping.borrow().iter().find(|(own, _)| *own == ticket).cloned();
                if let Some((_, wake)) = sleeper {
                    let _ = wake.call0(&JsValue::UNDEFINED);
                }
            }
        }
        if settled {
            self.close();
            return;
        }
        for leg in begun {
            self.run(leg);
        }
        if waits {
            self.look();
        }
        if !self.reads.get() && !self.reported.get() && !self.call.borrow().batch().is_empty() {
            self.hooks.changed(false);
        }
    }

    /// The call is over: lets go of everything, once.
    fn close(&self) {
        self.release();
        if self.over.replace(true) {
            return;
        }
        let legs = self.legs.borrow().len();
        for leg in 0..legs {
            self.give_up(leg);
        }
        self.hooks.changed(true);
    }

    /// Runs a leg until it hands over to the loop, or ends; in a turn of its own, because whoever asks for it may be in
    /// the middle of something.
    fn run(self: &Rc<Inner>, leg: usize) {
        self.wait(leg, &Promise::resolve(&JsValue::UNDEFINED), Awaited::Start);
    }

    /// The leg runs on when the promise is settled, or given up.
    fn wait(self: &Rc<Inner>, leg: usize, promise: &Promise, awaited: Awaited) {
        let turn = self.change(leg, |running| {
            running.awaited = Some(awaited);
            running.turn += 1;
            running.turn
        });
        self.hooks.wait(promise, leg, turn);
    }

    /// What the leg waits for is here; or nobody's any more: then the result is `false`. What the leg does is told in
    /// functions that do not wait, between which it waits in this one place.
    fn settled(self: &Rc<Inner>, leg: usize, turn: u32, answer: Result<JsValue, JsValue>) -> bool {
        let awaited =
            self.change(leg, |running| if running.turn == turn { running.awaited.take() } else { None });
        let Some(awaited) = awaited else { return false };
        let mut waiting = self.heard(leg, awaited, answer);
        while waiting.is_none() {
            self.follow_up();
            let step = self.step(leg);
            self.follow_up();
            let Some(next) = self.begin(leg, step) else { return true };
            waiting = next;
        }
        if let Some((promise, awaited)) = waiting {
            self.wait(leg, &promise, awaited);
        }
        true
    }

    /// Begins what a leg wants done. `None`: the leg does not run on.
    #[inline(never)] // A step of every call: ARCHITECTURE.md, "The boundary".
    fn begin(&self, leg: usize, step: Step) -> Option<Waiting> {
        match step {
            Step::Lead => {
                let reader = self.reader(leg)?;
                self.handed.set(Some(leg));
                self.hooks.lead(&reader);
                return None;
            }
            Step::Over => {
                self.give_up(leg);
                return None;
            }
            Step::Read => {}
            _ => self.rearm(leg),
        }
        Some(match step {
            Step::Token(candidate) => self.ask_for_token(leg, candidate),
            Step::Recall(key, deterministic) => {
                Some((self.hooks.recall(&key, deterministic), Awaited::Found))
            }
            Step::Send(request) => self.send(leg, &request),
            Step::Ask(question) | Step::Consult(question) => self.ask(question),
            Step::Wait(until) => self.sleep(leg, until),
            _ => self.reader(leg).map(|reader| (reader.read(), Awaited::Chunk)),
        })
    }

    /// What the leg waited for is here. Returns what is to be waited for next.
    fn heard(self: &Rc<Inner>, leg: usize, awaited: Awaited, answer: Result<JsValue, JsValue>) -> Waiting {
        match awaited {
            Awaited::Start => {}
            Awaited::Turn(ticket, timer) => self.awake(ticket, &timer),
            Awaited::Token => self.on_token(leg, answer),
            Awaited::Found => self.on_found(leg, answer),
            Awaited::Told => self.on_told(leg, answer.ok()),
            Awaited::Response => return self.on_response(leg, answer),
            Awaited::Rest(rest) => return self.on_rest(leg, rest, answer),
            Awaited::Chunk => self.on_chunk(leg, answer),
        }
        None
    }

    fn reader(&self, leg: usize) -> Option<ChunkReader> {
        self.legs.borrow().get(leg)?.reader.clone()
    }

    fn step(&self, leg: usize) -> Step {
        let (mut call, mut shared, now) = self.enter();
        call.step(leg, &mut shared, now)
    }

    /// Gives up what the leg does, and lets it run on.
    fn interrupt(self: &Rc<Inner>, leg: usize) {
        if self.give_up(leg) {
            self.run(leg);
        }
    }

    /// Closes what the leg has open. Returns whether it waited for something: it does no more.
    fn give_up(&self, leg: usize) -> bool {
        let (controller, reader, awaited) = self.change(leg, |running| {
            running.turn += 1;
            (running.controller.clone(), running.reader.clone(), running.awaited.take())
        });
        // What is aborted may call back.
        if let Some(controller) = controller {
            self.hooks.close(&controller);
        }
        if let Some(reader) = reader {
            // Cancelling the body alone leaves the connection open in Firefox, aborting alone in others.
            self.hooks.cancel(&reader);
        }
        let waited = awaited.is_some();
        match awaited {
            Some(Awaited::Turn(ticket, timer)) => self.awake(ticket, &timer),
            Some(Awaited::Rest(rest)) => self.hooks.cancel(&rest.reader),
            _ => {}
        }
        waited
    }

    /// Makes what the leg will do next something that can be given up.
    fn rearm(&self, leg: usize) {
        // An attempt that failed before its body ended would leave it open.
        self.give_up(leg);
        self.change(leg, |running| {
            running.controller = None;
            running.reader = None;
        });
    }

    fn awake(&self, ticket: u64, timer: &JsValue) {
        self.sleepers.sleeping.borrow_mut().retain(|(own, _)| *own != ticket);
        global::clear_timeout(timer);
    }

    fn change<Given>(&self, leg: usize, change: impl FnOnce(&mut Running) -> Given) -> Given {
        let mut legs = self.legs.borrow_mut();
        while legs.len() <= leg {
            legs.push(Running::default());
        }
        match legs.get_mut(leg) {
            Some(running) => change(running),
            None => change(&mut Running::default()),
        }
    }

    fn ask_for_token(&self, leg: usize, candidate: usize) -> Waiting {
        let Some(Some(function)) = self.callbacks.tokens.get(candidate) else {
            let (mut call, _, _) = self.enter();
            call.on_token(leg, None);
            return None;
        };
        match function.call0(&JsValue::UNDEFINED) {
            Ok(answer) => Some((Promise::resolve(&answer), Awaited::Token)),
            Err(thrown) => {
                self.on_token(leg, Err(thrown));
                None
            }
        }
    }

    fn on_token(&self, leg: usize, answer: Result<JsValue, JsValue>) {
        let thrown = match answer {
            Ok(token) => {
                let text = token.as_string();
                if text.is_some() || token.is_null_or_undefined() {
                    let token = text.as_deref().and_then(Secret::new);
                    let (mut call, _, _) = self.enter();
                    return call.on_token(leg, token);
                }
                js_sys::TypeError::new("accessToken gave something other than a string").into()
            }
            Err(thrown) => thrown,
        };
        self.hooks.set_cause(&thrown);
        let (mut call, mut shared, now) = self.enter();
        call.on_token_failure(leg, &mut shared, now);
    }

    /// An answer that costs no request, or none. What failed there is as good as nothing found.
    fn on_found(&self, leg: usize, answer: Result<JsValue, JsValue>) {
        let found = match answer {
            Ok(reader) if reader.is_object() => {
                let age = Reflect::get(&reader, &JsValue::from_str("age")).ok();
                self.change(leg, |running| running.reader = Some(reader.unchecked_into()));
                age.and_then(|age| age.as_f64()).map_or(Found::InFlight, Found::Kept)
            }
            _ => Found::Nothing,
        };
        let (mut call, mut shared, now) = self.enter();
        call.on_recalled(leg, found, &mut shared, now);
    }

    /// Asks the caller something.
    fn ask(&self, question: Vec<u8>) -> Waiting {
        Some((self.hooks.ask(&text(question)), Awaited::Told))
    }

    /// What the caller says to it. What fails there is no answer.
    fn on_told(&self, leg: usize, told: Option<JsValue>) {
        let told = told.and_then(|told| told.as_string()).unwrap_or_default();
        let (mut call, mut shared, now) = self.enter();
        call.on_told(leg, &told, &mut shared, now);
    }

    /// Waits until a moment, or until it is woken because there is room for it.
    fn sleep(&self, leg: usize, until: f64) -> Waiting {
        let mut wake = None;
        let promise = Promise::new(&mut |resolve, _| wake = Some(resolve));
        let wake = wake?;
        let timer = global::set_timeout(&wake, bounded(until - global::now().monotonic));
        let ticket = self.call.borrow().ticket(leg);
        // There a caller that was cut off would never be taken out again.
        if !self.sleepers.alone {
            self.sleepers.sleeping.borrow_mut().push((ticket, wake));
        }
        Some((promise, Awaited::Turn(ticket, timer)))
    }

    /// Sends one request.
    fn send(&self, leg: usize, request: &HttpRequest) -> Waiting {
        let controller = self.hooks.new_controller();
        let signal = controller.signal();
        self.change(leg, |running| running.controller = Some(controller));
        match fetch::send(request, &signal, self.callbacks.fetch.as_ref()) {
            Ok(sent) => Some((sent, Awaited::Response)),
            Err(thrown) => {
                self.no_answer(leg, thrown);
                None
            }
        }
    }

    #[inline(never)] // A step of every call: ARCHITECTURE.md, "The boundary".
    fn on_response(self: &Rc<Inner>, leg: usize, answer: Result<JsValue, JsValue>) -> Waiting {
        let opened = answer.and_then(fetch::as_response).and_then(|response| {
            let reader = self.hooks.reader_of(&response)?;
            Ok((response, reader))
        });
        let (response, reader) = match opened {
            Ok(opened) => opened,
            Err(thrown) => {
                self.no_answer(leg, thrown);
                return None;
            }
        };
        let head = fetch::head(&response);
        let reading = {
            let (mut call, mut shared, now) = self.enter();
            call.on_head(leg, head, &mut shared, now)
        };
        match reading {
            Reading::Stream => self.change(leg, |running| running.reader = Some(reader)),
            Reading::Discard => self.hooks.cancel(&reader),
            Reading::Whole(limit) => {
                // The head may have set the limit that counts from here.
                self.follow_up();
                return Some((reader.read(), Awaited::Rest(Rest { reader, bytes: Vec::new(), limit })));
            }
        }
        None
    }

    /// A chunk of a body that is read at once, or its end. One that breaks is as long as it came.
    fn on_rest(&self, leg: usize, mut rest: Rest, answer: Result<JsValue, JsValue>) -> Waiting {
        if let Some(chunk) = answer.ok().and_then(|chunk| chunk_of(&chunk)) {
            rest.bytes.extend_from_slice(&chunk.to_vec());
            if rest.bytes.len() < rest.limit {
                return Some((rest.reader.read(), Awaited::Rest(rest)));
            }
            rest.bytes.truncate(rest.limit);
            self.hooks.cancel(&rest.reader);
        }
        let (mut call, mut shared, now) = self.enter();
        call.on_body(leg, &rest.bytes, &mut shared, now);
        None
    }

    /// A chunk of the leg's body, or its end.
    fn on_chunk(&self, leg: usize, answer: Result<JsValue, JsValue>) {
        let chunk = match answer {
            Ok(chunk) => chunk_of(&chunk).map(|chunk| chunk.to_vec()),
            Err(thrown) => {
                self.hooks.set_cause(&thrown);
                let (mut call, mut shared, now) = self.enter();
                call.break_off(leg, &mut shared, now);
                return;
            }
        };
        #[cfg(feature = "forced-trap")]
        super::trap::piece(chunk.as_deref().unwrap_or_default());
        let (mut call, mut shared, now) = self.enter();
        match chunk {
            Some(bytes) => call.feed(leg, &bytes, &mut shared, now),
            None => call.end(leg, &mut shared, now),
        };
    }

    fn no_answer(&self, leg: usize, thrown: JsValue) {
        self.hooks.set_cause(&thrown);
        let (mut call, mut shared, now) = self.enter();
        call.on_no_answer(leg, &mut shared, now);
    }

    /// Looks at the deadlines and sets the timer for the next look.
    fn look(self: &Rc<Inner>) {
        let now = global::now();
        let busy = self.hooks.busy_until(now.monotonic);
        let next = {
            let (mut call, mut shared, now) = self.enter();
            call.set_busy(busy);
            call.look(&mut shared, now)
        };
        // One that goes off too early only looks again; setting another costs more than most calls' looks.
        if let Some(at) = next.filter(|at| *at < self.timer_at.get()) {
            self.set_timer(at, now.monotonic);
        }
        self.follow_up();
    }

    fn set_timer(self: &Rc<Inner>, at: f64, now: f64) {
        let mut tick = self.tick.borrow_mut();
        let callback = tick.get_or_insert_with(|| {
            let weak: Weak<Inner> = Rc::downgrade(self);
            Closure::new(move || {
                #[cfg(feature = "forced-trap")]
                super::trap::timer();
                if let Some(inner) = weak.upgrade() {
                    inner.timer_at.set(f64::INFINITY);
                    inner.look();
                }
            })
        });
        self.release();
        let callback: &Function = callback.as_ref().unchecked_ref();
        let delay = bounded(at - now);
        self.timer_at.set(now + delay);
        self.timer.replace(global::set_timeout(callback, delay));
    }

    fn release(&self) {
        let timer = self.timer.take();
        if !timer.is_null_or_undefined() {
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

/// The longest delay that timers know; whoever wakes then looks again.
fn bounded(delay: f64) -> f64 {
    delay.clamp(0.0, 2_147_483_647.0)
}

/// The bytes of what a reader gave; `None` at the end.
fn chunk_of(result: &JsValue) -> Option<Uint8Array> {
    Reflect::get(result, &JsValue::from_str("value")).ok()?.dyn_into().ok()
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

    /// Leaves the batch for JavaScript to read, and runs the leg again whose body is done with.
    fn report(&self) -> u32 {
        let inner = &self.inner;
        let progress = {
            let call = inner.call.borrow();
            let batch = call.batch();
            let (text, marks) = (batch.text(), batch.marks());
            inner.reported.set(true);
            let places = [text.as_ptr() as u32, text.len() as u32, marks.as_ptr() as u32, marks.len() as u32];
            OUTPUT.set(places);
            call.progress()
        };
        if progress == Progress::Again
            && let Some(leg) = inner.handed.take()
        {
            inner.interrupt(leg);
            inner.run(leg);
        }
        progress as u32
    }

    /// Sees to what follows from a piece that was fed to the leading leg, then reports: what follows may
    /// put more into the batch.
    fn follow_up(&self) -> u32 {
        self.inner.reads.set(true);
        self.inner.follow_up();
        self.inner.reads.set(false);
        self.report()
    }
}

#[wasm_bindgen]
impl Call {
    /// Sends the request and does all that is needed until there is a body to read; the hooks are told.
    pub fn start(&self) {
        self.inner.follow_up();
        self.inner.look();
    }

    /// A promise that a leg waits for came to this, or `thrown` says that it was rejected with it. Returns whether the
    /// leg still waited for it: what nobody waits for is to be closed.
    pub fn settled(&self, leg: usize, turn: u32, answer: JsValue, thrown: bool) -> bool {
        let answer = if thrown { Err(answer) } else { Ok(answer) };
        self.inner.settled(leg, turn, answer)
    }

    /// Chooses what the batches hold: 1 text, 2 events, 3 chunks, 4 the growing value.
    pub fn want(&self, want: u32) {
        let (mut call, _, _) = self.inner.enter();
        call.want(match want {
            1 => Want::Text,
            2 => Want::Events,
            3 => Want::Chunks,
            4 => Want::Object,
            _ => Want::Nothing,
        });
    }

    /// Leaves the batch to be taken that came without the loop's doing. Returns as `feed`.
    pub fn take(&self) -> u32 {
        self.report()
    }

    /// How it stands (as `feed`), without the batch.
    pub fn progress(&self) -> u32 {
        self.inner.call.borrow().progress() as u32
    }

    /// Takes the chunk of `length` bytes that was written to `input`. Returns 0 to read on, 1 when
    /// the answer is complete, 2 when it failed, 3 when this body is done with and another comes; in each
    /// case the batch is to be taken first. `busy` is for how long in all the consumer has been busy.
    pub fn feed(&self, length: usize, now: f64, busy: f64) -> u32 {
        #[cfg(feature = "forced-trap")]
        INPUT.with_borrow(|input| super::trap::piece(input.get(..length).unwrap_or_default()));
        let has_news = {
            let (mut call, mut shared) = self.inner.borrow();
            let now = Now { monotonic: now, unix: now + self.inner.offset };
            let leg = call.leader();
            call.set_busy(busy);
            let feed =
                |input: &Vec<u8>| call.feed(leg, input.get(..length).unwrap_or_default(), &mut shared, now);
            INPUT.with_borrow(feed);
            call.has_news() || shared.has_woken()
        };
        if has_news { self.follow_up() } else { self.report() }
    }

    /// The body has ended, or broken off (returns as `feed`).
    pub fn end(&self, broken: bool) -> u32 {
        {
            let (mut call, mut shared, now) = self.inner.enter();
            let leg = call.leader();
            if broken {
                call.break_off(leg, &mut shared, now);
            } else {
                call.end(leg, &mut shared, now);
            }
        }
        self.follow_up()
    }

    /// Ends the call at once and closes its connection.
    pub fn abort(&self) {
        {
            let (mut call, mut shared, now) = self.inner.enter();
            call.abort(&mut shared, now);
        }
        self.inner.follow_up();
    }

    /// The result, as JSON.
    pub fn result(&self) -> String {
        text(self.inner.call.borrow().result())
    }

    /// The error's facts, as JSON.
    pub fn error(&self) -> String {
        text(self.inner.call.borrow().error())
    }

    /// What the tape of a call that makes one has gained since it was last asked.
    pub fn tape(&self) -> String {
        text(self.inner.call.borrow_mut().take_tape())
    }

    /// The trace so far, as JSON.
    pub fn trace(&self) -> String {
        text(self.inner.call.borrow().trace())
    }
}

/// The core writes nothing but UTF-8.
pub fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_default()
}
