//! The rules of the core, run natively: no network, no clock, no sleep.

mod body;
mod breaker;
mod budget;
mod cache;
mod call;
mod catalogue;
mod chat;
#[path = "../common/mod.rs"]
mod common;
mod fixtures;
mod generation;
mod hostile;
mod json;
mod lane;
mod partial;
mod pattern;
mod plan;
mod problem;
mod rate_limit;
mod resilience;
mod retry;
mod seam;
mod snapshot;
mod sse;
mod think;
mod url;
mod usage;

use common::json::value;
use common::random::{Random, all_cuts, splits};
use common::reading::Reading;
