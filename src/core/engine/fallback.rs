//! From one target to the next: whom the caller named, then who else serves the model.

use std::rc::Rc;

use super::leg::Phase;
use super::report::write_error;
use super::settings::{Fallback, Order};
use super::shared::Shared;
use super::{Call, plan, route};
use crate::core::error::Error;
use crate::core::ports::Now;
use crate::core::provider::body::Members;
use crate::core::provider::catalogue::{Needs, Terms};
use crate::core::provider::{table, url};
use crate::core::secret::Secret;
use crate::core::wire::batch::Mark;
use crate::core::wire::json::{self, ObjectWriter};

impl Call {
    /// Sends the leg to the next target, if there is one.
    pub(super) fn next(&mut self, leg: usize, error: Box<Error>, shared: &mut Shared, now: Now) {
        let Some(own) = self.legs.get_mut(leg) else { return };
        if own.hedge {
            return self.give_up(leg, error, shared, now);
        }
        let first = self.first;
        // What was rejected was the small target's own answer.
        let again = own.affine && error.reason != "rejected";
        let mut candidate = if again { first } else { own.candidate + 1 };
        if candidate > first && candidate == self.preferred {
            candidate += 1;
        }
        if candidate > self.fallbacks.len() {
            let settings = own.settings.clone();
            let (model, _) = plan::split_suffix(&settings.model);
            let asks = settings.endpoint_url.is_empty() && std::mem::take(&mut self.may_ask_router);
            if asks && url::is_model_id(model) {
                let known = shared.catalogue.terms(model).to_vec();
                own.phase = Phase::Catalogue(error);
                // Who has the catalogue need not ask for it.
                if !known.is_empty() {
                    self.router_answered(leg, known, shared, now);
                }
                return;
            }
            return self.give_up(leg, error, shared, now);
        }
        let from = own.target().map(|target| (target.provider.clone(), target.model.clone()));
        if let Some(choice) = self.trace.route.as_mut().filter(|_| candidate == route::LARGE)
            && choice.escalated.is_empty()
        {
            error.reason.clone_into(&mut choice.escalated);
        }
        self.resume(leg);
        if let Some(own) = self.legs.get_mut(leg) {
            own.affine = false;
            own.retries = 0;
            own.waking_since = None;
            own.batch.clear();
            if self.continued.is_none() {
                own.stream.restart();
            }
        }
        self.enter(leg, candidate);
        let (provider, model) = from.unwrap_or_default();
        let settings = self.legs.get(leg).map(|own| own.settings.clone());
        self.tell(Mark::Fallback, "fallback", &|event| {
            let mut place = ObjectWriter::new(event.key("from"));
            place.text("provider", provider.as_bytes()).text("model", model.as_bytes());
            place.end();
            if let Some(settings) = &settings {
                let mut place = ObjectWriter::new(event.key("to"));
                place
                    .text_if("provider", settings.provider.as_bytes())
                    .text_if("model", settings.model.as_bytes())
                    .text_if("endpointUrl", url::shown(&settings.endpoint_url).as_bytes());
                place.end();
            }
            write_error(&error, event.key("error"));
        });
    }

    /// Brings a leg to a target, with its options and its credential.
    pub(super) fn enter(&mut self, leg: usize, candidate: usize) {
        let base = &self.settings;
        let (settings, token, asks) = match candidate.checked_sub(1).and_then(|at| self.fallbacks.get(at)) {
            None => (base.clone(), self.token.clone(), self.has_token_function && self.token.is_none()),
            Some(fallback) => {
                let mut settings = fallback.over(base);
                // Behind what stands in for the router, every provider has the same host.
                let stays = settings.endpoint_url == base.endpoint_url
                    && (settings.provider == base.provider || !settings.base_url.is_empty());
                if !stays {
                    // A gateway's own key stays with the gateway.
                    settings.headers.retain(|(name, _)| !plan::is_confidential(name));
                }
                let token = fallback.token.clone().or_else(|| {
                    // A token goes to whom it was meant for, and Hugging Face's to Hugging Face.
                    let own =
                        settings.endpoint_url.is_empty() || url::is_hugging_face(&settings.endpoint_url);
                    let fits = |token: &&Secret| stays || own && token.is_hugging_face();
                    self.token.as_ref().filter(fits).cloned()
                });
                (Rc::new(settings), token, fallback.has_token_function)
            }
        };
        if let Some(own) = self.legs.get_mut(leg) {
            own.candidate = candidate;
            own.settings = settings;
            own.token = token;
            own.offers = None;
            own.targets.clear();
            own.at = 0;
            own.unknown_route = None;
            own.phase = if asks { Phase::Token } else { Phase::Plan };
        }
    }

    /// The router has told who else serves the model, or nothing.
    pub(super) fn router_answered(&mut self, leg: usize, terms: Vec<Terms>, shared: &mut Shared, now: Now) {
        let Some(own) = self.legs.get_mut(leg) else { return };
        let Phase::Catalogue(error) = std::mem::replace(&mut own.phase, Phase::Over) else { return };
        own.watchdog.waits();
        let members = Members::read(&self.request);
        let number = |name: &str| members.as_ref()?.get(name).and_then(json::as_number);
        let answer = number("max_tokens").or(number("max_completion_tokens")).unwrap_or(0.0);
        let needs = Needs {
            context_length: self.estimated_prompt + answer,
            tools: members.as_ref().is_some_and(|members| members.get("tools").is_some()),
            structured_output: members.as_ref().is_some_and(|members| {
                members.get("response_format").is_some_and(|format| format != br#"{"type":"text"}"#)
            }),
        };
        let settings = own.settings.clone();
        let (model, suffix) = plan::split_suffix(&settings.model);
        let tried = [&own.head.provider, own.settings.provider.as_str(), suffix.unwrap_or_default()];
        let mut terms: Vec<Terms> = terms
            .into_iter()
            .filter(|terms| terms.serve(&needs) && !tried.contains(&terms.provider.as_str()))
            .collect();
        let worth = |terms: &Terms| match self.settings.automatic {
            Some(Order::Price) => terms.price().unwrap_or(f64::INFINITY),
            Some(Order::Latency) => terms.latency.unwrap_or(f64::INFINITY),
            _ => -terms.throughput.unwrap_or(0.0),
        };
        // One after the other the best of the rest: the standard library's sort would be 2 KB for a dozen.
        while let Some(best) = (0..terms.len()).reduce(|best, next| {
            let worth = |at: usize| terms.get(at).map_or(f64::INFINITY, worth);
            if worth(next) < worth(best) { next } else { best }
        }) {
            let mut name = String::from(model);
            name.push(':');
            name.push_str(&terms.remove(best).provider);
            let fallback = Fallback { model: name, provider: table::AUTO.to_owned(), ..Fallback::default() };
            self.fallbacks.push(fallback);
        }
        self.next(leg, error, shared, now);
    }
}
