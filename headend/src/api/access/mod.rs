//! Who may call what. A connection has a caller, a caller known to the configuration is a principal with a role, `role` says what
//! each role may do and `rules` what each rpc needs; `layer` holds every call against both before a service sees it,
//! and `refusals` writes down what it refused. `two_persons` says which orders need somebody else's approval.

mod layer;
mod principal;
mod refusals;
mod role;
mod rules;
mod two_persons;

pub(super) use layer::AccessLayer;
pub use principal::Principal;
pub(super) use principal::{Caller, Identity};
pub use role::{Permission, Role};
pub use rules::needed;
pub(super) use two_persons::TwoPersons;
