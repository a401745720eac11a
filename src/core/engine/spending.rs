//! Money in a call's life: what a request may cost before it is sent, and what it did when it is over.

use super::leg::{Leg, Phase};
use super::plan;
use super::settings::Settings;
use super::shared::Shared;
use super::{Call, attempt, settle};
use crate::core::error::{Error, Kind};
use crate::core::ports::{Milliseconds, Now};
use crate::core::provider::body::Members;
use crate::core::provider::table;
use crate::core::usage::accounts::Spent;
use crate::core::usage::budget::{Amount, Exceeded, Leave, Spender};
use crate::core::usage::cost::Cost;
use crate::core::usage::money::Pico;
use crate::core::usage::price::Price;
use crate::core::usage::tokens::{self, Tokens};
use crate::core::wire::json::{self, ObjectWriter};

/// The tokens of an answer that are reserved when the request names no limit.
const USUAL_RESERVE: f64 = 1_024.0;
/// The most that are reserved: a high limit that is never reached must not lock others out.
const MOST_RESERVED: f64 = 4_096.0;
/// How soon to ask again for a place in a budget when nobody says that there is one, and where nobody can.
const PAUSE: Milliseconds = 1_000.0;
const PAUSE_ALONE: Milliseconds = 250.0;

/// What a call has taken so far.
#[derive(Debug)]
pub struct Spending {
    /// The tokens and the cost of all its answers, used or not; `None` while there is none.
    pub(super) taken: Option<(Tokens, Option<Cost>)>,
    /// The tokens of an answer that are reserved.
    answer: u64,
}

/// What a target takes: as it is known, and at most.
#[derive(Default)]
pub(super) struct Tariff {
    pub(super) exact: Option<(Price, &'static str)>,
    pub(super) most: Price,
    /// Not everybody who may answer has a price.
    pub(super) partial: bool,
}

impl Call {
    /// Whether the leg's request may be sent, as far as budgets go. Otherwise the leg has been told what to do.
    #[inline(never)] // A step of every call: ARCHITECTURE.md, "The boundary".
    pub(super) fn affords(&mut self, leg: usize, shared: &mut Shared, now: Now) -> bool {
        if shared.accounts.budgets.is_empty() {
            return true;
        }
        let Some((ticket, amount)) = self.demand(leg, shared) else { return true };
        let settings = self.settings.clone();
        let spender = Spender { call: self.number, tags: &settings.tags, unix: now.unix };
        let leave = shared.accounts.budgets.ask(ticket, &amount, &spender, now.monotonic);
        match leave {
            Leave::Go => return true,
            Leave::Wait => {
                let Some(own) = self.legs.get_mut(leg) else { return false };
                let pause = if shared.mortal { PAUSE_ALONE } else { PAUSE };
                own.phase = Phase::Wait(now.monotonic + pause);
                self.rearm = true;
                // It must not stand in the way of those who are not short of money.
                if let Some(lane) = own.lane.take() {
                    shared.lane(lane, now.monotonic).leave(ticket, None);
                    shared.wake_next(lane);
                }
            }
            Leave::Refused(exceeded, budget) => {
                let reason = if exceeded == Exceeded::Fallback { "too_dear" } else { "budget" };
                let mut error = Error::boxed(Kind::BudgetExceeded, reason);
                let again = shared.accounts.budgets.write(budget, &spender, &mut error.budget);
                error.retry_at = again.map(|at| at as f64);
                shared.wake_spender();
                self.attempt_failed(leg, error, shared, now);
            }
        }
        false
    }

    /// The leg's request is about to be sent: what it may take is put aside.
    #[inline(never)] // A step of every call: ARCHITECTURE.md, "The boundary".
    pub(super) fn reserve(&mut self, leg: usize, until: Milliseconds, shared: &mut Shared, now: Now) {
        if let Some(own) = self.legs.get_mut(leg) {
            own.before = settle::estimated_tokens(&own.stream.answer);
        }
        if shared.accounts.budgets.is_empty() {
            return;
        }
        if let Some((ticket, amount)) = self.demand(leg, shared) {
            let spender = Spender { call: self.number, tags: &self.settings.tags, unix: now.unix };
            shared.accounts.budgets.reserve(ticket, amount, &spender, until);
            shared.wake_spender();
        }
    }

    /// What the leg's next request may take.
    fn demand(&self, leg: usize, shared: &mut Shared) -> Option<(u64, Amount)> {
        let own = self.legs.get(leg)?;
        let prompt = (self.estimated_prompt + settle::estimated_tokens(&own.stream.answer)) as u64;
        let tokens =
            Tokens { prompt: Some(prompt), completion: Some(self.spending.answer), ..Tokens::default() };
        let tariff = self.tariff(own, shared);
        let usd = Cost::reckoned(&tokens, &tariff.most, "", 0.0).usd;
        Some((own.ticket, Amount { usd, tokens: tokens.total() }))
    }

    /// What the leg's target takes.
    #[inline(never)]
    fn tariff(&self, own: &Leg, shared: &mut Shared) -> Tariff {
        let Some(target) = own.target() else { return Tariff::default() };
        let provider = if own.head.provider.is_empty() { &target.provider } else { &own.head.provider };
        Call::tariff_of(&own.settings, provider, &target.model, &target.url, shared)
    }

    /// What a provider takes (`auto` is not known) for a model under the provider's own name, at a URL.
    pub(super) fn tariff_of(
        settings: &Settings,
        provider: &str,
        name: &str,
        url: &str,
        shared: &mut Shared,
    ) -> Tariff {
        let (model, suffix) = plan::split_suffix(&settings.model);
        if let Some(price) = shared.accounts.price(provider, [model, name], url) {
            return Tariff { exact: Some((price, "prices")), most: price, partial: false };
        }
        // The catalogue is the router's: a provider's own key has other terms.
        if !settings.endpoint_url.is_empty() || !url.starts_with(attempt::router(settings)) {
            return Tariff::default();
        }
        let mut tariff = Tariff::default();
        for terms in shared.catalogue.terms(model) {
            let price = Price { input: terms.input, output: terms.output, cached: terms.cached, hour: None };
            if terms.provider == *provider || provider == table::AUTO && suffix == Some(&terms.provider) {
                return Tariff { exact: Some((price, "catalog")), most: price, partial: false };
            }
            tariff.partial |= price.input.is_none() || price.output.is_none();
            tariff.most = tariff.most.at_most(price);
        }
        tariff
    }

    /// The leg's attempt is over, whose request was sent: what it took is entered and settled.
    #[inline(never)] // A step of every call: ARCHITECTURE.md, "The boundary".
    pub(super) fn charge(&mut self, leg: usize, outcome: &str, shared: &mut Shared, now: Now) {
        let Some(own) = self.legs.get(leg) else { return };
        let Some(sent) = own.sent else { return };
        let usage = own.stream.answer.usage();
        let answered = settle::estimated_tokens(&own.stream.answer) - own.before;
        // Who was refused, never heard, or sent something that is no answer, has used nothing.
        let nothing = match own.head.status {
            0 => outcome == "no_answer",
            200..=299 => {
                const NO_ANSWER: &[&str] =
                    &["markup", "empty", "not_json", "unknown_shape", "no_choices", "error_in_stream"];
                answered <= 0.0 && usage.is_empty() && NO_ANSWER.contains(&outcome)
            }
            _ => true,
        };
        let settings = self.settings.clone();
        let spender = Spender { call: self.number, tags: &settings.tags, unix: now.unix };
        if nothing {
            shared.accounts.budgets.settle(own.ticket, &Amount::default(), &spender);
            return shared.wake_spender();
        }
        let mut tokens = tokens::read(usage);
        let counted = || own.stream.answer.generated_tokens().map(|count| count as u64);
        tokens.completion = tokens.completion.or_else(counted);
        tokens.estimated = tokens.prompt.is_none() || tokens.completion.is_none();
        tokens.prompt.get_or_insert((self.estimated_prompt + own.before) as u64);
        tokens.completion.get_or_insert(answered.max(0.0) as u64);
        let tariff = self.tariff(own, shared);
        let time = now.monotonic - sent;
        let cost = match (tokens::billed(usage), tariff.exact) {
            (Some(usd), _) => Some(Cost::billed(usd)),
            (None, Some((price, source))) => Some(Cost::reckoned(&tokens, &price, source, time)),
            (None, None) => None,
        };
        let answerer = own.answerer();
        let (model, _) = plan::split_suffix(&answerer.model);
        let spent = Spent {
            ticket: own.ticket,
            provider: &answerer.provider,
            model,
            tokens: &tokens,
            cost: cost.as_ref(),
            at_most: Cost::reckoned(&tokens, &tariff.most, "", time).usd,
        };
        let (alerts, spike) = shared.accounts.settle(&spent, &spender, now);
        shared.wake_spender();
        if let Some(number) = own.attempt {
            self.trace.cost(number, cost.and_then(|cost| cost.usd));
        }
        self.spending.taken = Some(match &self.spending.taken {
            None => (tokens, cost),
            Some((before, so_far)) => {
                let both = so_far.zip(cost).map(|(one, other)| one.plus(&other));
                (before.plus(&tokens), both)
            }
        });
        if settings.notices {
            for alert in &alerts {
                super::notice(&mut self.notices, "budget", &|event| {
                    shared.accounts.budgets.write_alert(alert, event);
                });
            }
            if let Some(spike) = spike {
                super::notice(&mut self.notices, "spike", &|event| spike.write(event));
            }
        }
    }

    /// The call is over: tells what it took.
    pub(super) fn account(&mut self, shared: &mut Shared, now: Now) {
        let usd = self.spending.usd();
        let spike = shared.accounts.ended(self.number, usd, now);
        if !self.settings.notices {
            return;
        }
        if let Some(spike) = spike {
            super::notice(&mut self.notices, "spike", &|event| spike.write(event));
        }
        let Call { notices, settings, answerer, spending, trace, task, .. } = self;
        if let Some(route) = &trace.route {
            super::notice(notices, "route", &|event| route.write(event));
        }
        super::notice(notices, "usage", &|event| {
            let started = trace.started();
            answerer.write(event);
            event
                .text("task", task.name().as_bytes())
                .text("state", trace.state().as_bytes())
                .integer("startedAt", started.unix.max(0.0) as u64)
                .integer("duration", (now.monotonic - started.monotonic).max(0.0) as u64);
            let mut tags = ObjectWriter::new(event.key("tags"));
            for (name, value) in &settings.tags {
                tags.text(name, value.as_bytes());
            }
            tags.end();
            spending.write(event, true);
        });
    }
}

impl Spending {
    /// Of a call with this request.
    pub(super) fn new(request: &Members<'_>) -> Spending {
        let parameters = request.get("parameters").unwrap_or_default();
        let number = |name| request.get(name).and_then(json::as_number);
        let asked = number("max_tokens")
            .or(number("max_completion_tokens"))
            .or(json::number_member(parameters, "max_new_tokens"));
        let answer = asked.unwrap_or(USUAL_RESERVE) * number("n").unwrap_or(1.0);
        Spending { taken: None, answer: answer.min(MOST_RESERVED) as u64 }
    }

    /// What all its answers cost, if that is known.
    pub(super) fn usd(&self) -> Option<Pico> {
        self.taken.as_ref().and_then(|(_, cost)| cost.as_ref()?.usd)
    }

    /// Writes `usage` (if wanted) and `cost`, as far as they are known.
    pub(super) fn write(&self, object: &mut ObjectWriter<'_>, usage: bool) {
        let Some((tokens, cost)) = &self.taken else { return };
        if usage {
            tokens.write(object.key("usage"));
        }
        if let Some(cost) = cost {
            cost.write(object);
        }
    }
}
