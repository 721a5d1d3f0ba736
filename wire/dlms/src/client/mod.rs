//! The client of a meter, without I/O: it writes requests into a buffer and is handed the answers.
//!
//! Order of use: [`Opening::start`] writes the first request; each answer goes to
//! [`Opening::handle`], which either writes the next request or returns the [`Association`]. From
//! then on one request at a time ([`Association::get`], [`set`](Association::set),
//! [`action`](Association::action), [`release`](Association::release)), and its answer to
//! [`Association::handle`]; after a [`Reply::Block`] or a [`Reply::BlockTaken`],
//! [`Association::next_block`].
//!
//! With [`Association::use_general_blocks`] a request may be more than one APDU: after each, [`Association::stream`] writes the next
//! until it returns false, and [`Association::unanswered`] what is sent again when no answer comes.
//!
//! `security` is what the client shows, sends and demands, `opening` holds the steps up to the association, `association` what client and meter agreed on and how a request gets on its way,
//! `dialogue` what the next answer must be, `requests` the services with logical names and `short_names` those without, `upload` a
//! long value on its way to the meter, `general` the blocks of a general block transfer, `answer` takes answers apart. Randomness (the
//! challenge) and invocation counters are handed in, never made up.

mod answer;
mod association;
mod dialogue;
mod general;
mod opening;
mod requests;
mod security;
mod short_names;
mod upload;

pub use association::{Association, Negotiated};
pub use dialogue::Reply;
pub use opening::{Opened, Opening, Parameters};
pub use security::{Ciphering, ProofCounter, Security};

pub use crate::security::{
    Authentication, Challenge, Counters, GlobalKeys, Hls, Key, Password, SealAs, SecurityPolicy, Suite,
    SystemTitle,
};
