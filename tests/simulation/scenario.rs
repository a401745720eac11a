//! What a run is made of: services with moods, clients with limits, calls with every option.

use hf_inference_wasm::core::engine::plan::Task;
use hf_inference_wasm::core::engine::settings::{Fallback, MidStream, Order, Settings};
use hf_inference_wasm::core::resilience::{lane, retry, watchdog};
use hf_inference_wasm::core::secret::Secret;
use hf_inference_wasm::core::wire::batch::Want;

use crate::money::Purse;
use crate::random::Random;
use crate::routed;
use crate::service::{HINTS, Mood, Quota, Sleep};

pub const PROMPT: &str = "the caller's prompt";
pub const MODEL: &str = "lab/model";
/// Every credential has these words in it, and nothing else has.
pub const SECRET: &str = "topSecret";
pub const HF_TOKENS: [&str; 2] = ["hf_topSecretOne", "hf_topSecretTwo"];
pub const KEY: &str = "gsk-topSecretKey";
pub const FALLBACK_KEY: &str = "sk-topSecretFallback";

/// The services, by what their URLs begin with. The first that fits is meant.
pub const PLACES: &[&str] = &[
    "https://one.example.org",
    "https://two.example.org",
    "https://three.example.org",
    "https://sleepy.endpoints.huggingface.cloud",
    "https://router.huggingface.co/v1/models/",
    "https://router.huggingface.co/v1/",
    "https://router.huggingface.co/groq/",
    "https://router.huggingface.co/together/",
    "https://api.groq.com/",
    "https://huggingface.co/api/models/",
];
/// What calls to the router that chooses by itself have for a home.
const TALK: usize = 4;
/// The places of the catalogue, of the router that chooses by itself, and of the Hub's mapping.
pub const CATALOGUE: usize = 4;
pub const ROUTER: usize = 5;
pub const HUB: usize = 9;

/// How a caller reads.
#[derive(Clone, Debug)]
pub struct Reader {
    pub want: Want,
    /// When it says what it wants, after the call; 0 for from the start.
    pub want_after: f64,
    /// How long it is busy with each batch at most.
    pub pace: f64,
}

/// One call, before it is made.
#[derive(Clone, Debug)]
pub struct CallPlan {
    pub client: usize,
    pub starts: f64,
    pub task: Task,
    pub streamed: bool,
    pub settings: Settings,
    pub request: String,
    pub token: Option<&'static str>,
    /// The token comes from a function.
    pub token_function: bool,
    pub reader: Reader,
    pub aborts_after: Option<f64>,
    /// The caller's surroundings vanish: nothing of the call runs any more.
    pub vanishes_after: Option<f64>,
}

#[derive(Clone, Debug)]
pub struct ClientPlan {
    /// Calls cannot wake each other.
    pub alone: bool,
    pub limits: lane::Limits,
    pub purse: Option<Purse>,
}

#[derive(Debug)]
pub struct Scenario {
    pub moods: Vec<Mood>,
    pub clients: Vec<ClientPlan>,
    pub calls: Vec<CallPlan>,
    /// Moments at which all stands still, and for how long.
    pub freezes: Vec<(f64, f64)>,
    /// Moments at which the wall clock is set, and by how much.
    pub clock_changes: Vec<(f64, f64)>,
    /// Timers are up to so late.
    pub lateness: f64,
}

impl Scenario {
    pub fn new(random: &mut Random) -> Scenario {
        // Most runs have one theme, so that what it needs comes together.
        let crowded = random.one_in(3);
        let broken = random.one_in(4);
        let moods = PLACES.iter().enumerate().map(|(at, _)| mood(at, broken, crowded, random)).collect();
        let clients: Vec<ClientPlan> = (0..1 + random.below(2))
            .map(|_| ClientPlan {
                alone: random.one_in(3),
                limits: limits(crowded, random),
                purse: Purse::some(random),
            })
            .collect();
        let count = if crowded { 20 + random.below(60) } else { 1 + random.below(25) };
        let spread = random.pick(&[0.0, 100.0, 5_000.0, 60_000.0, 200_000.0]);
        // Conversations are held with the router, where there is something to choose.
        let talks = random.one_in(4);
        let home = if talks { TALK } else { random.below(4) };
        let calls = (0..count)
            .map(|_| {
                let client = random.below(clients.len());
                let starts = spread * random.unit();
                call(client, starts, clients[client].limits, (crowded || talks).then_some(home), random)
            })
            .collect();
        let mut moments = |chances: usize, sizes: &[f64]| -> Vec<(f64, f64)> {
            let some = random.one_in(chances);
            (0..if some { 1 + random.below(3) } else { 0 })
                .map(|_| (random.unit() * 60_000.0, random.pick(sizes)))
                .collect()
        };
        let freezes = moments(10, &[1_000.0, 20_000.0, 400_000.0, 4_000_000.0]);
        let clock_changes = moments(12, &[-3_600_000.0, -1_000.0, 1_000.0, 86_400_000.0]);
        let lateness = random.pick(&[0.0, 1.0, 20.0, 1_500.0]);
        Scenario { moods, clients, calls, freezes, clock_changes, lateness }
    }
}

fn mood(at: usize, broken: bool, crowded: bool, random: &mut Random) -> Mood {
    const PASSING: &[u16] = &[429, 500, 502, 503, 504, 529, 408, 425];
    const ANY: &[u16] = &[429, 503, 400, 401, 402, 403, 404, 413, 422, 501, 500];
    let level = if broken { 60 } else { random.pick(&[0, 4, 12, 30]) };
    let window = random.pick(&[1_000.0, 10_000.0, 60_000.0]);
    let tells = random.one_in(2);
    let quota = (at < CATALOGUE && random.one_in(if crowded { 2 } else { 6 })).then(|| Quota {
        requests: 3 + random.below(12),
        window,
        tells,
        hint: random.pick(HINTS),
    });
    let sleep = (at < CATALOGUE && random.one_in(if at == 3 { 2 } else { 12 }))
        .then(|| Sleep { takes: random.pick(&[3_000.0, 40_000.0, 500_000.0]), awake_at: None });
    let quiet = quota.is_some() && random.one_in(2);
    let level = if quiet { 0 } else { level };
    let below = |random: &mut Random| random.below(level + 1);
    Mood {
        refuses: below(random),
        resets: below(random) / 2,
        silent: below(random) / 4,
        breaks: below(random),
        odd: below(random) / 8,
        latency: random.pick(&[1.0, 30.0, 400.0, 3_000.0]),
        pace: random.pick(&[0.0, 5.0, 100.0, 2_000.0]),
        flaps: (!quiet && random.one_in(8)).then(|| random.pick(&[3_000.0, 20_000.0])),
        quota,
        concurrency: (at < CATALOGUE && random.one_in(8)).then(|| 1 + random.below(6)),
        sleep,
        root_only: at < CATALOGUE && random.one_in(10),
        statuses: if random.one_in(3) { ANY } else { PASSING },
    }
}

fn limits(crowded: bool, random: &mut Random) -> lane::Limits {
    let mut limits = lane::Limits::default();
    let chances = if crowded { 3 } else { 8 };
    if random.one_in(chances) {
        limits.concurrency = 1.0 + random.below(6) as f64;
    }
    if random.one_in(chances) {
        limits.requests_per_minute = 2.0 + random.below(30) as f64;
    }
    if random.one_in(2 * chances) {
        limits.tokens_per_minute = 600.0 + random.below(10_000) as f64;
    }
    if random.one_in(4) {
        limits.queue = random.below(12);
    }
    limits
}

fn call(
    client: usize,
    starts: f64,
    limits: lane::Limits,
    home: Option<usize>,
    random: &mut Random,
) -> CallPlan {
    let mut settings = Settings { limits, model: MODEL.to_owned(), ..Settings::default() };
    let task = if random.one_in(8) { Task::Generation } else { Task::Chat };
    let streamed = !random.one_in(8);
    let mut token = Some(random.pick(&HF_TOKENS));
    let place = match home {
        Some(home) if !random.one_in(8) => home,
        _ => random.below(7),
    };
    match place {
        0..=3 => {
            settings.endpoint_url = PLACES[place].to_owned();
            if random.one_in(3) {
                token = random.pick(&[None, Some(KEY)]);
            }
        }
        4 => {}
        5 => settings.provider = random.pick(&["groq", "together"]).to_owned(),
        _ => {
            settings.provider = "groq".to_owned();
            settings.model = "served-name".to_owned();
            token = Some(KEY);
        }
    }
    // A whole answer that may take for ever may do so.
    let infinite = streamed && random.one_in(20);
    settings.timeouts = watchdog::Limits {
        queue: random.pick(&[300_000.0, 300_000.0, 2_000.0, 20_000.0]),
        first_token: random.pick(&[60_000.0, 60_000.0, 1_000.0, 5_000.0]),
        stall: random.pick(&[120_000.0, 500.0, 3_000.0, 10_000.0]),
        total: if infinite { f64::INFINITY } else { random.pick(&[600_000.0, 3_000.0, 30_000.0, 120_000.0]) },
    };
    settings.retry = retry::Policy {
        limit: random.pick(&[2, 2, 0, 1, 5]),
        status_codes: random.one_in(10).then(|| vec![429, 500, 404]),
        max_retry_after: random.pick(&[60_000.0, 60_000.0, 0.0, 1_000.0, 5_000.0]),
        backoff_limit: random.pick(&[8_000.0, 100.0]),
        jitter: !random.one_in(4),
    };
    settings.asks_before_retry = random.one_in(8);
    if random.one_in(3) {
        settings.fallbacks = (0..1 + random.below(3)).map(|_| fallback(random)).collect();
    }
    if random.one_in(6) && settings.endpoint_url.is_empty() {
        settings.automatic = Some(random.pick(&[Order::Price, Order::Throughput, Order::Latency]));
    }
    settings.mid_stream =
        random.pick(&[MidStream::Fail, MidStream::Fail, MidStream::Continue, MidStream::Restart]);
    // A completion that is continued in TGI's own protocol is another matter.
    if task == Task::Generation && settings.mid_stream == MidStream::Continue {
        settings.fallbacks.clear();
        settings.automatic = None;
    }
    // Who is continued, in TGI's own protocol, is nobody else.
    if random.one_in(5) && !(task == Task::Generation && settings.mid_stream == MidStream::Continue) {
        let route = routed::some(random);
        if route.shadow.is_empty() {
            settings.fallbacks.splice(0..0, [fallback(random), fallback(random)]);
        }
        settings.route = Some(route.into());
    }
    if random.one_in(6) {
        settings.hedge = Some((random.pick(&[10.0, 200.0, 2_000.0]), 1 + random.below(3) as u32));
    }
    settings.breaker = !random.one_in(10);
    settings.priority = random.pick(&[0.0, 0.0, 0.0, 1.0, 5.0, -1.0]);
    settings.wake_timeout = random.pick(&[None, None, Some(0.0), Some(10_000.0), Some(100_000.0)]);
    settings.notices = random.one_in(3);
    if random.one_in(2) {
        settings.tags = vec![("user".to_owned(), random.pick(&["ann", "bob"]).to_owned())];
    }
    if random.one_in(2) {
        // A conversation is held in one protocol.
        let names =
            if task == Task::Chat { ["one conversation", "another"] } else { ["one text", "another text"] };
        settings.session = random.pick(&names).to_owned();
    }
    if home == Some(TALK) && place == TALK {
        token = Some(HF_TOKENS[0]);
    }
    let request = match task {
        Task::Chat => format!(r#"{{"messages":[{{"role":"user","content":"{PROMPT}"}}]}}"#),
        Task::Generation => format!(r#"{{"inputs":"{PROMPT}","parameters":{{"max_new_tokens":50}}}}"#),
    };
    let wants =
        [Want::Text, Want::Text, Want::Events, Want::Events, Want::Chunks, Want::Object, Want::Nothing];
    let mut want = random.pick(&wants);
    if task == Task::Generation && want == Want::Object {
        want = Want::Events;
    }
    let mut late = random.one_in(6);
    // Who reads chunks gets what the services sent, also where one repeated another.
    if want == Want::Chunks && settings.mid_stream == MidStream::Continue {
        late = false;
    }
    let reader = Reader {
        want,
        want_after: if late { random.pick(&[1.0, 100.0, 2_000.0, 9_000.0]) * random.unit() } else { 0.0 },
        pace: random.pick(&[0.0, 0.0, 3.0, 300.0, 20_000.0]),
    };
    let after = |random: &mut Random| random.pick(&[1.0, 100.0, 3_000.0, 40_000.0]) * random.unit();
    CallPlan {
        client,
        starts,
        task,
        streamed,
        settings,
        request,
        token,
        token_function: token.is_some() && random.one_in(8),
        reader,
        aborts_after: random.one_in(10).then(|| after(random)),
        vanishes_after: random.one_in(40).then(|| after(random)),
    }
}

fn fallback(random: &mut Random) -> Fallback {
    let mut fallback = Fallback::default();
    match random.below(4) {
        0 => fallback.endpoint_url = PLACES[random.below(3)].to_owned(),
        1 => fallback.endpoint_url = PLACES[3].to_owned(),
        2 => fallback.provider = random.pick(&["groq", "together", "auto"]).to_owned(),
        _ => fallback.model = format!("{MODEL}-small"),
    }
    if !fallback.endpoint_url.is_empty() {
        match random.below(4) {
            0 => fallback.token = Secret::new(FALLBACK_KEY),
            1 => fallback.has_token_function = true,
            _ => {}
        }
    }
    fallback
}
