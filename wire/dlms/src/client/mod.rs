//! The client of a meter, without I/O: it writes requests into a buffer and is handed the answers.
//!
//! Order of use: [`Opening::start`] writes the first request; each answer goes to
//! [`Opening::handle`], which either writes the next request or returns the [`Association`]. From
//! then on one request at a time ([`Association::get`], [`set`](Association::set),
//! [`action`](Association::action), [`release`](Association::release)), and its answer to
//! [`Association::handle`]; after a [`Reply::Block`] or a [`Reply::BlockTaken`],
//! [`Association::next_block`].
//!
//! `opening` holds the steps up to the association, `association` the services, `upload` a long
//! value on its way to the meter, `answer` takes answers apart. Randomness (the challenge) and invocation counters are handed in, never made up.

mod answer;
mod association;
mod opening;
mod upload;

pub use association::{Association, Negotiated, Reply};
pub use opening::{Opened, Opening, Parameters, Security};

pub use crate::security::{Counters, Key, Password, SystemTitle};
