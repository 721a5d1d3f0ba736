//! Q/GDW 376.1, the language of terminals.

use serde::Deserialize;

/// How a terminal of Q/GDW 376.1 is spoken to as a device of its own: its version, its clock, and its records of events, of which the first log of the model is the important ones and the
/// second the others. It is named by its serial number, or by what it calls itself when it calls.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gdw376 {}
