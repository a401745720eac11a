//! What keeps a call from hanging. Each policy is a rule over times and outcomes that the engine
//! consults; none of them waits.

pub mod watchdog;
