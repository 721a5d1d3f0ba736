//! Any octets of a DLMS/COSEM link as a tree of names, places and values, for people who look for a fault.
//!
//! [`decode`] recognises by itself what came: HDLC frames, wrapper PDUs, M-Bus frames, the opening of an optical port, APDUs, bare values. It opens what is
//! ciphered where [`Secrets`] has the keys, puts together what came in pieces, and keeps what it understood when it comes to a [`Stop`].
//!
//! The codecs of this crate refuse a message as a whole; this reads as far as it can, and knows the place of everything. `walk` reads and keeps nodes,
//! `link`, `hdlc` and `mbus` take frames apart, `messages` turns what they carried into APDUs and pieces into values, `apdu` and the files named after
//! services read these, `protection` opens, `data` reads values and `notes` says what they mean.

mod access;
mod acse;
mod apdu;
mod ciase;
mod context;
mod data;
mod hdlc;
mod initiate;
mod link;
mod mbus;
mod messages;
mod node;
mod notes;
mod parts;
mod protection;
mod services;
mod short_name;
mod unasked;
mod walk;

use serde::{Serialize, Serializer};

pub use context::Secrets;
pub use node::{Node, Value};
pub use walk::Stop;

use crate::Error;
use context::Context;
use walk::Walk;

/// Most octets that are looked at. A tree takes many times the room of what it describes.
pub const OCTETS_MAX: usize = 256 * 1024;

/// What was understood. Serialized, it is an object with the names of the nodes as keys, and `stopped` when something was not.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// What stands in the octets, in their order.
    pub nodes: Vec<Node>,
    /// Where the octets stop making sense; `None` when all of them do.
    pub stop: Option<Stop>,
}

/// Looks at octets.
pub fn decode(octets: &[u8], secrets: &Secrets) -> Decoded {
    if octets.len() > OCTETS_MAX {
        let error = Error::TooLong { what: "what is to be decoded", limit: OCTETS_MAX };
        let stop = Some(Stop { offset: OCTETS_MAX, within: "", field: "octets", error });
        return Decoded { nodes: Vec::new(), stop };
    }
    let mut context = Context::new(secrets);
    let (nodes, stop) = link::read(octets, 0, &mut context);
    Decoded { nodes, stop }
}

/// Where one plain APDU, at most [`OCTETS_MAX`] long, stops making sense, and the name of the element there; `None` when it makes sense as a whole.
pub(crate) fn place(message: &[u8]) -> Option<(usize, &'static str)> {
    let secrets = Secrets::default();
    let mut walk = Walk::new(message.get(..OCTETS_MAX).unwrap_or(message), 0);
    match apdu::apdu(&mut walk, &mut Context::new(&secrets)) {
        Err(stop) => Some((stop.offset, stop.field)),
        Ok(()) if walk.rest().is_empty() => None,
        Ok(()) => Some((walk.at(), "end of the message")),
    }
}

impl Serialize for Decoded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut nodes = self.nodes.clone();
        if let Some(stop) = &self.stop {
            let part = |name, value| Node { name, place: None, value, note: String::new() };
            let offset = Value::Number(stop.offset as i128);
            let fields = vec![
                part("offset", offset),
                part("field", stop.field.into()),
                part("message", stop.to_string().into()),
            ];
            nodes.push(part("stopped", Value::Fields(fields)));
        }
        node::fields(&nodes, serializer)
    }
}
