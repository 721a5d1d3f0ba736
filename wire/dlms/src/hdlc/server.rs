use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::address::Address;
use super::assembly::Assembly;
use super::control::{Control, Function};
use super::frame::Frame;
use super::link::Link;
use super::secondary::{self, Outcome};
use super::settings::Settings;
use super::splitter::{BadFrames, Splitter};
use crate::{Error, llc};

/// Most links at a time; who wants another one is told that there is none (DM).
const MAX_LINKS: usize = 64;

/// The meters' end of a line: the stations that are on it, and their links (secondary stations).
///
/// Order of use: what comes goes to [`push`](Self::push), and [`poll`](Self::poll) is asked until it says [`Arrival::Nothing`]; what it appends has to
/// be sent, whatever it says. An [`Arrival::Apdu`] is owed an [`answer`](Self::answer). A station speaks only when it is asked;
/// [`write_unasked`] is the exception.
#[derive(Debug)]
pub struct Server {
    splitter: Splitter,
    stations: Vec<Address>,
    limits: Settings,
    links: BTreeMap<LinkId, Link>,
    unasked: Assembly,
}

/// One link: which station with which client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkId {
    /// The station, as it was given to [`Server::new`].
    pub station: Address,
    /// Number of the client.
    pub client: u16,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrival<'a> {
    /// Nothing: more octets are needed.
    Nothing,
    /// The link begins anew, and with it whatever is spoken on it.
    Opened(LinkId),
    /// The link is down.
    Closed(LinkId),
    /// An APDU, which may be changed in place.
    Apdu(LinkId, &'a mut [u8]),
    /// An APDU beside any link, in UI frames, which nobody answers.
    Unasked {
        /// Whom it is for; perhaps everybody.
        destination: Address,
        /// Number of the client.
        client: u16,
        /// The APDU.
        apdu: &'a mut [u8],
    },
}

impl Server {
    /// The end of a line with these stations, each a logical device; `limits` is what all of them can do.
    pub fn new(stations: Vec<Address>, limits: Settings) -> Self {
        let (splitter, links, unasked) = (Splitter::new(), BTreeMap::new(), Assembly::new());
        Self { splitter, stations, limits: limits.clamped(), links, unasked }
    }

    /// Takes octets as they arrived.
    pub fn push(&mut self, octets: &[u8]) {
        self.splitter.push(octets);
    }

    /// What came of the octets pushed so far.
    ///
    /// # Errors
    /// None but those of the encoding of a frame.
    pub fn poll(&mut self, out: &mut Vec<u8>) -> Result<Arrival<'_>, Error> {
        let (id, outcome) = loop {
            let Some(frame) = self.splitter.next_frame() else { return Ok(Arrival::Nothing) };
            let client = frame.source.logical();
            if frame.control.function == Function::UnnumberedInformation {
                let destination = frame.destination;
                // One that does not end is dropped.
                if self.unasked.add(&frame) == Ok(true) {
                    let apdu = self.unasked.apdu();
                    return Ok(Arrival::Unasked { destination, client, apdu });
                }
                continue;
            }
            let Some(station) = addressed(&self.stations, frame.destination) else { continue };
            let id = LinkId { station, client };
            match hear(&mut self.links, id, self.limits, &frame, out)? {
                Outcome::Nothing => {}
                outcome => break (id, outcome),
            }
        };
        if outcome == Outcome::Closed {
            self.links.remove(&id);
        }
        Ok(match (outcome, self.links.get_mut(&id)) {
            (Outcome::Opened, _) => Arrival::Opened(id),
            (Outcome::Apdu, Some(link)) => Arrival::Apdu(id, link.incoming.apdu()),
            _ => Arrival::Closed(id),
        })
    }

    /// Answers the APDU that came last on a link, or says that there is nothing to say.
    ///
    /// # Errors
    /// [`Error::Misuse`] when there is no such link.
    pub fn answer(&mut self, id: LinkId, apdu: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), Error> {
        let link = self.links.get_mut(&id).ok_or(Error::Misuse("there is no link"))?;
        match apdu {
            Some(apdu) => {
                link.begin(llc::RESPONSE, apdu);
                link.transmit(out)
            }
            None => link.ready(out),
        }
    }

    /// Drops a link, as a station does on which nothing came for its inactivity time-out: who uses it then is told that there is none.
    pub fn forget(&mut self, id: LinkId) {
        self.links.remove(&id);
    }

    /// What was dropped so far because it was damaged.
    pub fn bad_frames(&self) -> BadFrames {
        self.splitter.bad_frames()
    }
}

/// Hands a frame to its link, which SNRM makes.
fn hear(
    links: &mut BTreeMap<LinkId, Link>,
    id: LinkId,
    limits: Settings,
    frame: &Frame<'_>,
    out: &mut Vec<u8>,
) -> Result<Outcome, Error> {
    // A station answers in the size of address in which it is asked.
    let (own, peer) = (answering(id.station, frame.destination), frame.source);
    let is_new = frame.control.function == Function::SetNormalResponseMode && links.len() < MAX_LINKS;
    let link = match links.entry(id) {
        Entry::Occupied(link) => link.into_mut(),
        Entry::Vacant(place) if is_new => place.insert(Link::new(own, peer)),
        Entry::Vacant(_) => {
            if frame.control.poll {
                Link::new(own, peer).write(Function::DisconnectedMode, &[], out)?;
            }
            return Ok(Outcome::Nothing);
        }
    };
    (link.own, link.peer) = (own, peer);
    secondary::take(link, limits, frame, out)
}

/// Which station has to answer. One that is alone on its line needs no physical address, and is the one that is calling.
fn addressed(stations: &[Address], destination: Address) -> Option<Address> {
    if destination.is_broadcast() {
        return None;
    }
    let mut meant = stations.iter().filter(|station| destination.is_answered_by(**station));
    meant.next().copied().filter(|_| meant.next().is_none())
}

/// The address under which a station answers: its own, in the size in which it was asked.
fn answering(station: Address, asked: Address) -> Address {
    if asked.is_calling() {
        Address::sized(station.logical(), station.physical(), asked.size()).unwrap_or(station)
    } else {
        asked
    }
}

/// Appends an APDU in UI frames, which no link needs and nobody answers: how meters push on a line of their own.
///
/// # Errors
/// [`Error::TooLong`] when a frame would have more than 2047 octets.
pub fn write_unasked(
    source: Address,
    destination: Address,
    max_info: u16,
    apdu: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let whole = [&llc::RESPONSE, apdu].concat();
    let mut segments = whole.chunks(usize::from(max_info.max(1))).peekable();
    while let Some(information) = segments.next() {
        let segmented = segments.peek().is_some();
        let control = Control { function: Function::UnnumberedInformation, poll: !segmented };
        Frame { destination, source, control, segmented, information }.encode(out)?;
    }
    Ok(())
}
