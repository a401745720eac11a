//! The life of calls that do not go well at first: retries, other targets, broken answers, hedges, waking endpoints.

mod affinity;
mod fallbacks;
mod hedging;
mod mid_stream;
mod queueing;
mod recalling;
mod retries;
mod routing;
pub mod stage;
mod telling;
mod waking;
