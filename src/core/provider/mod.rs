//! Where a request goes: the table of providers, the rules for URLs, credentials and bodies, and the
//! lookup of a provider's own name for a model.

pub mod body;
pub mod catalogue;
pub mod mapping;
pub mod table;
pub mod url;
