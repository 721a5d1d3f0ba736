//! Who may call what. A connection has a caller, a caller known to the configuration is a principal with a role, `role` says what
//! each role may do and `rules` what each rpc needs; `layer` holds every call against both before a service sees it,
//! and `refusals` writes down what it refused.

mod layer;
mod principal;
mod refusals;
mod role;
mod rules;

pub(super) use layer::AccessLayer;
pub use principal::Principal;
pub(super) use principal::{Caller, Identity};
pub use role::{Permission, Role};
pub use rules::needed;
