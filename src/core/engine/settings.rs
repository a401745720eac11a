//! The options of a call, checked and complete.

use std::fmt;
use std::rc::Rc;

use crate::core::ports::Milliseconds;
use crate::core::provider::table;
use crate::core::resilience::{lane, retry, watchdog};
use crate::core::secret::Secret;
use crate::core::wire::json;

/// What the client's options and the call's options come to.
#[derive(Clone)]
pub struct Settings {
    /// `auto` or a provider's name.
    pub provider: String,
    /// The model; empty when none was named.
    pub model: String,
    /// A dedicated endpoint or any OpenAI-compatible server; empty when there is none.
    pub endpoint_url: String,
    /// What stands in for the router; empty when nothing does.
    pub base_url: String,
    /// The Hub, or what stands in for it.
    pub hub_url: String,
    /// The organisation that pays; empty for the token's owner.
    pub bill_to: String,
    /// Headers of the caller's own.
    pub headers: Vec<(String, String)>,
    /// Whether the code runs where a visitor could read the token: a page or its workers.
    pub in_page: bool,
    /// Whether the caller accepts that.
    pub allow_browser: bool,
    /// Take `<think>…</think>` at the start of an answer for reasoning.
    pub reasoning_tags: bool,
    /// Deadlines.
    pub timeouts: watchdog::Limits,
    /// How often and how soon the same request is sent again.
    pub retry: retry::Policy,
    /// Ask the caller's function before a retry.
    pub asks_before_retry: bool,
    /// Where a call goes that its first target cannot serve, in order.
    pub fallbacks: Vec<Fallback>,
    /// Further targets are the other providers of the model, in this order.
    pub automatic: Option<Order>,
    /// The first two of the fallbacks are a small and a large target (but for show, where these are apart), and the
    /// caller says which is to answer.
    pub route: Option<Rc<Route>>,
    /// What becomes of an answer that breaks off after some of it was shown.
    pub mid_stream: MidStream,
    /// Send the request once more when it has not answered for so long, and so often at most.
    pub hedge: Option<(Milliseconds, u32)>,
    /// Leave targets alone that fail more often than not.
    pub breaker: bool,
    /// The caller's limits for each provider and credential.
    pub limits: lane::Limits,
    /// Higher goes first when calls wait.
    pub priority: f64,
    /// How long an endpoint that is scaled to zero may take to wake; `None` for the default, which is
    /// [`WAKE`] for Hugging Face's own endpoints and nothing for others.
    pub wake_timeout: Option<Milliseconds>,
    /// Tell of attempts and changes of state as they happen.
    pub notices: bool,
    /// An answer may be there that costs no request: look for it first.
    pub recalls: bool,
    /// It may have been given to another credential.
    pub shares_answers: bool,
    /// Write a tape of the answer. Nobody reads the call otherwise.
    pub tapes: bool,
    /// Why such a call was made although its answer was looked for, where there is something to tell.
    pub cache_note: String,
    /// Names and values by which the caller tells its calls apart in the ledger and in budgets.
    pub tags: Vec<(String, String)>,
    /// The conversation that the call belongs to, which stays with who answered it last; empty for none.
    pub session: String,
}

/// How long a dedicated endpoint of Hugging Face may take to wake.
pub const WAKE: Milliseconds = 300_000.0;

/// Another place for a call. What is empty is as in the call itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fallback {
    /// The model.
    pub model: String,
    /// `auto` or a provider's name.
    pub provider: String,
    /// An endpoint.
    pub endpoint_url: String,
    /// Its own credential.
    pub token: Option<Secret>,
    /// The credential is to be asked for.
    pub has_token_function: bool,
}

impl Fallback {
    /// The options of a call that comes here.
    pub fn over(&self, base: &Settings) -> Settings {
        let mut settings = base.clone();
        if !self.model.is_empty() {
            settings.model.clone_from(&self.model);
        }
        if !self.endpoint_url.is_empty() {
            settings.endpoint_url.clone_from(&self.endpoint_url);
            settings.provider = table::AUTO.to_owned();
            settings.base_url.clear();
        } else if !self.provider.is_empty() {
            settings.provider.clone_from(&self.provider);
            settings.endpoint_url.clear();
        }
        settings
    }
}

/// How a call comes to its small or its large target.
#[derive(Debug, Default, PartialEq)]
pub struct Route {
    /// The small target's answer is tried: it is shown when it is complete and accepted.
    pub tries: bool,
    /// The caller is asked whether it is.
    pub asks: bool,
    /// The least mean log-probability of its tokens.
    pub least_logprob: Option<f64>,
    /// The small and the large target of a choice that is told, and changes nothing.
    pub shadow: Vec<Fallback>,
    /// All of it as it was given, for a cache's key: also the caller's validator, as far as it can be told from
    /// others.
    pub text: Vec<u8>,
}

impl Route {
    /// Reads `{ "is", "minLogprob"? }`, where `is` is the sum of 1 for `tries`, 2 for `asks`, 4 for a choice that is
    /// only for show, and 8, 16 or 24 for further targets in order of price, throughput or latency.
    pub fn read(text: &[u8], settings: &mut Settings) {
        let is = json::number_member(text, "is").unwrap_or_default() as u8;
        settings.automatic = match is >> 3 {
            1 => Some(Order::Price),
            2 => Some(Order::Throughput),
            3 => Some(Order::Latency),
            _ => None,
        };
        let targets = settings.fallbacks.len().min(2);
        let mut shadow = Vec::new();
        if is & 4 != 0 {
            shadow = settings.fallbacks.split_off(targets);
            std::mem::swap(&mut shadow, &mut settings.fallbacks);
        }
        settings.route = Some(Rc::new(Route {
            tries: is & 1 != 0,
            asks: is & 2 != 0,
            least_logprob: json::number_member(text, "minLogprob"),
            shadow,
            text: text.to_vec(),
        }));
    }
}

/// Gives `name` this value among others, behind all of them.
pub fn put(pairs: &mut Vec<(String, String)>, name: String, value: String) {
    pairs.retain(|(known, _)| *known != name);
    pairs.push((name, value));
}

/// In which order other providers of a model are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The cheapest first.
    Price,
    /// The most tokens a second first.
    Throughput,
    /// The soonest first token first.
    Latency,
}

/// What becomes of an answer that breaks off after some of it was shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MidStream {
    /// The call fails; its error has the part.
    #[default]
    Fail,
    /// Ask for the rest, with the part as the beginning of the answer. Only text can be continued.
    Continue,
    /// Ask anew; whoever reads is told to clear what was shown.
    Restart,
}

impl fmt::Debug for Settings {
    /// Without the headers, where the caller may have put a key of its own.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("provider", &self.provider)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            provider: table::AUTO.to_owned(),
            model: String::new(),
            endpoint_url: String::new(),
            base_url: String::new(),
            hub_url: table::HUB.to_owned(),
            bill_to: String::new(),
            headers: Vec::new(),
            in_page: false,
            allow_browser: false,
            reasoning_tags: true,
            timeouts: watchdog::Limits::default(),
            retry: retry::Policy::default(),
            asks_before_retry: false,
            fallbacks: Vec::new(),
            automatic: None,
            route: None,
            mid_stream: MidStream::Fail,
            hedge: None,
            breaker: true,
            limits: lane::Limits::default(),
            priority: 0.0,
            wake_timeout: None,
            notices: false,
            recalls: false,
            shares_answers: false,
            tapes: false,
            cache_note: String::new(),
            tags: Vec::new(),
            session: String::new(),
        }
    }
}
