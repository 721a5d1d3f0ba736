//! A node behind a concentrator: where its octets go, and how its APDUs are told from those of the other nodes.

use std::time::Duration;

use dlms::{
    Error,
    gateway::{Direction, Prefix},
};
use models::Reach;

use super::LineError;
use crate::{Address, Station, address::Way};

/// Number of the head-end among the master stations of a terminal.
const MASTER_STATION: u8 = 1;

impl Station {
    /// Where the line to it ends: at itself, or at the concentrator before it.
    pub(crate) fn terminus(&self) -> &Address {
        self.via.as_ref().map_or(&self.address, |via| &via.address)
    }

    /// How what is meant for it gets there behind its concentrator; `None` when it is reached itself, or its concentrator has none behind it.
    pub(crate) fn reach(&self) -> Option<&Reach> {
        self.via.as_ref()?.model.concentrator.as_ref().map(|concentrator| &concentrator.reach)
    }

    /// The terminal of Q/GDW 376.1 that it is, or that stands before it, in an exchange that the head-end begins. Its name is what it calls itself when it
    /// calls, otherwise its serial number.
    pub(crate) fn terminal(&self) -> Option<gdw376::Address> {
        let (address, serial) = match &self.via {
            Some(via) => (&via.address, self.address.node().map(|(serial, _)| serial)),
            None => (&self.address, self.serial.as_deref()),
        };
        let name = address.caller().or(serial)?;
        gdw376::Address::parse(name.trim()).map(|address| address.by(MASTER_STATION))
    }

    /// How much longer an answer of it may take than one of a station that nothing stands before.
    pub(crate) fn answer_within(&self) -> Duration {
        let concentrator = self.via.as_ref().and_then(|via| via.model.concentrator.as_ref());
        concentrator.map_or(Duration::ZERO, |concentrator| concentrator.answer_within)
    }

    /// Whether a DLMS meter there speaks HDLC: what a terminal forwards are frames of HDLC, whatever stands around them.
    pub(crate) fn speaks_hdlc(&self) -> bool {
        matches!(self.reach(), Some(Reach::Forward { .. })) || self.terminus().is_hdlc()
    }

    /// Host and port of the web service by which it is reached, or which it is.
    pub(crate) fn web_service(&self) -> Option<String> {
        let own = || self.model.concentrator.as_ref().map(|concentrator| &concentrator.reach);
        match (self.reach().or_else(own), self.terminus().way()) {
            (Some(Reach::P2lpc {}), Way::Tcp { host, .. }) => Some(host.clone()),
            _ => None,
        }
    }

    /// Whether profiles are what its concentrator holds of it.
    pub(crate) fn is_stored(&self) -> bool {
        matches!(self.reach(), Some(Reach::P2lpc {}))
    }

    /// Whether a concentrator installs its firmware, or it is one that installs its own, from a file.
    pub(crate) fn is_upgraded_by_file(&self) -> bool {
        let model = self.via.as_ref().map_or(&self.model, |via| &via.model);
        model.concentrator.as_ref().is_some_and(|concentrator| concentrator.upgrades)
    }

    /// Its wrapper port: the logical device in it, or the node.
    pub(super) fn wrapper_port(&self) -> Result<u16, LineError> {
        let Some(Reach::Wrapper { base }) = self.reach() else { return Ok(self.server_sap) };
        let (_, node) = self.address.node().unwrap_or_default();
        node.parse().ok().and_then(|node: u16| base.checked_add(node)).ok_or_else(|| {
            LineError::NoRoute(format!("the node is no number that is a wrapper port when {base} is added"))
        })
    }
}

/// The prefix of the gateway protocol in front of the APDUs of a node.
#[derive(Debug)]
pub(super) struct Gate {
    network: u8,
    node: String,
    /// The APDU that is sent next, with the prefix.
    prefixed: Vec<u8>,
}

impl Gate {
    /// The gate to a station that is reached so.
    pub(super) fn of(station: &Station) -> Option<Self> {
        let Some(Reach::Gateway { network }) = station.reach() else { return None };
        let (_, node) = station.address.node()?;
        Some(Self { network: *network, node: node.to_owned(), prefixed: Vec::new() })
    }

    /// An APDU with the prefix.
    pub(super) fn wrap(&mut self, apdu: &[u8]) -> Result<&[u8], Error> {
        self.prefixed.clear();
        let (network, address) = (self.network, self.node.as_bytes());
        Prefix { direction: Direction::ToDevice, network, address }.encode(&mut self.prefixed)?;
        self.prefixed.extend_from_slice(apdu);
        Ok(&self.prefixed)
    }

    /// An APDU that came from the station, with the prefix that it came with.
    pub(super) fn whole(&self, apdu: &[u8]) -> Vec<u8> {
        let mut whole = Vec::new();
        // Its name was short enough to be taken off.
        if self.theirs().encode(&mut whole).is_ok() {
            whole.extend_from_slice(apdu);
        }
        whole
    }

    fn theirs(&self) -> Prefix<'_> {
        let (network, address) = (self.network, self.node.as_bytes());
        Prefix { direction: Direction::FromDevice, network, address }
    }

    /// Takes the prefix off an APDU that came; false when it comes from somebody else.
    pub(super) fn unwrap(&self, apdu: &mut Vec<u8>) -> bool {
        let theirs = self.theirs();
        let is_ours = Prefix::read(apdu) == Ok(theirs);
        if is_ours {
            apdu.drain(..theirs.length());
        }
        is_ours
    }
}
