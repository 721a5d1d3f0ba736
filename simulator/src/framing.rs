//! What stands between the octets of a connection and the APDUs on it: the wrapper to one meter, or HDLC to all meters of a line.

use std::io;
use std::sync::Arc;

use dlms::hdlc::{Address, Arrival, LinkId, Server, Settings};
use dlms::wrapper::{self, Splitter};

use crate::Meter;
use crate::config::Framing as Kind;

/// Longest APDU that a client may send.
const REQUEST_LIMIT: u16 = 4096;

/// The framing of a connection.
pub(crate) enum Framing {
    /// The wrapper, to a meter with this server address.
    Wrapper { splitter: Splitter, server_sap: u16 },
    /// HDLC, to stations at these addresses.
    Hdlc { server: Box<Server>, stations: Vec<Address> },
}

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Nothing that is whole.
    Nothing,
    /// A link began or ended, and whatever was spoken on it is over.
    Link(Who),
    /// A request.
    Request(Who),
}

/// Which meter of the line, by its place, and which client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) meter: usize,
    pub(crate) client_sap: u16,
}

impl Framing {
    /// The framing to the meters of a line. Those that are silent do not take part in it.
    pub(crate) fn of(meters: &[Arc<Meter>]) -> Self {
        let fleet = meters.first().map(|meter| meter.fleet());
        let server_sap = fleet.map_or(0, |fleet| fleet.plan.model.association.server_sap);
        match fleet.map_or(Kind::Wrapper, |fleet| fleet.config.framing) {
            Kind::Wrapper | Kind::Datagrams | Kind::Plain { .. } => {
                Self::Wrapper { splitter: Splitter::new(REQUEST_LIMIT), server_sap }
            }
            Kind::Hdlc { max_info, window, .. } => {
                let address = |meter: &Arc<Meter>| Address::server(server_sap, meter.device_address()).ok();
                let stations: Vec<_> = meters.iter().filter_map(address).collect();
                let audible = meters.iter().zip(&stations).filter(|(meter, _)| !meter.faults().silent);
                let audible = audible.map(|(_, station)| *station).collect();
                let limits = Settings {
                    max_info_transmit: max_info,
                    max_info_receive: max_info,
                    window_transmit: window,
                    window_receive: window,
                };
                Self::Hdlc { server: Box::new(Server::new(audible, limits)), stations }
            }
        }
    }

    /// Takes octets as they arrived.
    pub(crate) fn push(&mut self, octets: &[u8]) {
        match self {
            Self::Wrapper { splitter, .. } => splitter.push(octets),
            Self::Hdlc { server, .. } => server.push(octets),
        }
    }

    /// What came of them; a request goes to `request`, and what is to be sent at once behind `out`.
    pub(crate) fn next(&mut self, request: &mut Vec<u8>, out: &mut Vec<u8>) -> io::Result<Asked> {
        match self {
            Self::Wrapper { splitter, server_sap } => loop {
                let frame = splitter.next_frame().map_err(io::Error::other)?;
                let Some((header, apdu)) = frame else { return Ok(Asked::Nothing) };
                if header.destination == *server_sap {
                    request.clear();
                    request.extend_from_slice(apdu);
                    return Ok(Asked::Request(Who { meter: 0, client_sap: header.source }));
                }
            },
            Self::Hdlc { server, stations } => {
                let who = |id: LinkId| Who {
                    meter: stations.iter().position(|station| *station == id.station).unwrap_or_default(),
                    client_sap: id.client,
                };
                loop {
                    return Ok(match server.poll(out).map_err(io::Error::other)? {
                        Arrival::Nothing => Asked::Nothing,
                        Arrival::Opened(id) | Arrival::Closed(id) => Asked::Link(who(id)),
                        Arrival::Unasked { .. } => continue,
                        Arrival::Apdu(id, apdu) => {
                            request.clear();
                            request.extend_from_slice(apdu);
                            Asked::Request(who(id))
                        }
                    });
                }
            }
        }
    }

    /// Appends an answer, or what says that there is none.
    pub(crate) fn answer(&mut self, who: Who, apdu: Option<&[u8]>, out: &mut Vec<u8>) -> io::Result<()> {
        match (self, apdu) {
            (Self::Wrapper { server_sap, .. }, Some(apdu)) => {
                wrapper::frame(*server_sap, who.client_sap, apdu, out).map_err(io::Error::other)
            }
            // IEC 62056-47: what is addressed to nobody is not answered.
            (Self::Wrapper { .. }, None) => Ok(()),
            (Self::Hdlc { server, stations }, apdu) => {
                let Some(station) = stations.get(who.meter).copied() else { return Ok(()) };
                server.answer(LinkId { station, client: who.client_sap }, apdu, out).map_err(io::Error::other)
            }
        }
    }
}
