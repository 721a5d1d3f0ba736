//! The physical way to meters: one file per kind of line and per framing, one kind of error for all.
//!
//! A [`Dialer`] opens ports and lines; a `Line` sends and receives whole APDUs to and from one station. From the outside in: `Line` here,
//! `framing` between APDUs and octets (the wrapper, or in `link` the HDLC link), `port` for the octets, which it counts, over a `socket` (`tcp`,
//! `serial`, `gateway` with the orders of `rfc2217`, `memory`), `udp`, past the `echo` of a two-wire bus; `optical` wakes a meter up by mode E. Languages without
//! APDUs use a port. `node` says how what is meant for a node behind a concentrator gets there, `forward` carries octets through a terminal. The set
//! of lines is closed, hence enums and no trait. `tap` writes the protocol log of any of them, `capture` a file of what
//! went over it, `secret` knows what must not be in them; `fault` lets any of
//! them fail on purpose.

mod capture;
mod datagram;
mod echo;
mod fault;
mod forward;
mod framing;
mod gateway;
mod inbound;
mod link;
mod memory;
mod node;
mod optical;
mod port;
mod proxy;
mod rfc2217;
mod secret;
mod serial;
mod socket;
mod stop;
mod tap;
mod tcp;
mod udp;

use std::{borrow::Cow, sync::Arc, time::Duration};

use dlms::hdlc::BadFrames;
use models::{Language, Reach};
use tokio::time::{Instant, timeout, timeout_at};

use self::{
    forward::Forward,
    framing::{Framing, Step},
    gateway::Gateway,
    link::Expected,
    node::Gate,
    socket::Socket,
    tap::Tap,
};
use crate::{
    Limits, MeterId, Reason, Station,
    address::{Characters, Way},
    bus::{SharedBus, Wait},
    exchange::Subject,
    instruments::Instruments,
    lobby::Lobby,
    station::Kept,
    unasked::is_unasked,
};

pub use capture::Captured;
pub(crate) use capture::Sink;
pub(crate) use fault::Fault;
pub use fault::{FailingDialer, Faults};
pub(crate) use framing::Origin;
pub(crate) use inbound::Guest;
pub use memory::MemoryDialer;
pub(crate) use port::Port;
pub(crate) use stop::Stop;

/// Opens lines.
#[derive(Debug, Clone)]
pub enum Dialer {
    /// Over the network and the serial devices of this machine, as the address says, or by those who called.
    System(Lobby),
    /// Inside the process; of an address only the framing counts.
    Memory(MemoryDialer),
    /// Another one, on lines that fail on purpose.
    Failing(FailingDialer),
}

impl Dialer {
    /// Opens the way to a station for octets.
    pub(crate) async fn open(
        &self,
        station: &Station,
        limits: &Limits,
        instruments: &Arc<Instruments>,
    ) -> Result<Port, LineError> {
        let limit = limits.connect_timeout;
        let mut tap = Tap::of(station);
        let characters = station.terminus().characters();
        let (socket, characters) = match self {
            Self::Failing(dialer) => return dialer.open(station, limits, instruments).await,
            Self::Memory(dialer) => (Socket::Memory(dialer.connect(limit).await?), characters),
            Self::System(lobby) => match station.terminus().way() {
                Way::Tcp { host, .. } | Way::Gateway { host, orders: false, .. } => {
                    (Socket::Tcp(tcp::connect(host, limit).await?), characters)
                }
                Way::Gateway { host, characters: set, orders: true } => {
                    let gateway = Gateway::connect(host, serial::Format::eight(*set), limit).await?;
                    (Socket::Gateway(Box::new(gateway)), characters)
                }
                Way::Device { device, characters: set } => {
                    (Socket::Serial(serial::open(device, serial::Format::eight(*set))?), characters)
                }
                Way::Optical { device, speed } if station.model.language != Language::Dlms => {
                    let set = Characters::plain(*speed);
                    (Socket::Serial(serial::open(device, serial::Format::eight(set))?), Some(set))
                }
                Way::Optical { device, speed } => {
                    let (port, speed) =
                        optical::open(device, *speed, limits, (&mut tap, instruments.protocol_log())).await?;
                    (Socket::Serial(port), Some(Characters::plain(speed)))
                }
                Way::Udp(host) => (Socket::Udp(udp::open(host, limit).await?), None),
                Way::Inbound { id, .. } => {
                    let absent = || LineError::NoRoute("the meter has no connection open to us".to_owned());
                    (Socket::Inbound(lobby.borrow(id, limit).await.ok_or_else(absent)?), None)
                }
                Way::Concentrator { .. } => {
                    let detail = "this collector does not serve such lines";
                    return Err(LineError::NoRoute(detail.to_owned()));
                }
            },
        };
        let socket = match (&station.via, station.reach()) {
            (Some(via), Some(Reach::Forward { .. })) => {
                Socket::Forward(Box::new(Forward::new(socket, station, via)?))
            }
            _ => socket,
        };
        Ok(Port::new(socket, characters, (station, tap), instruments))
    }
}

/// What can go wrong on any line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LineError {
    /// There is no way to the address.
    #[error("no way to the address: {0}")]
    NoRoute(String),
    /// Somebody is there and refuses.
    #[error("connection refused")]
    Refused,
    /// Connected, and nothing (or not all of it) came within the time.
    #[error("no complete answer in time")]
    Silent,
    /// Connected, and what came within the time was damaged.
    #[error("no answer in time, but {frames} damaged frames and {octets} octets of noise")]
    Noisy {
        /// Damaged frames since the line was opened.
        frames: u64,
        /// Octets outside of frames since then.
        octets: u64,
    },
    /// What was sent came back as something else, again and again: somebody else sends on the bus.
    #[error("somebody else sends on the line at the same time")]
    Collision,
    /// What was sent did not come back, though the address says that it does.
    #[error("what is sent does not come back")]
    NoEcho,
    /// A concentrator understood what it was asked for, and does not do it.
    #[error("the concentrator says: {0}")]
    Declined(String),
    /// Something more urgent had to be sent before the answer was whole.
    #[error("something more urgent went first")]
    Interrupted,
    /// Closed or broken by the other side.
    #[error("connection closed by the other side")]
    Cut,
    /// What came is no frame, or one against the rules of the link.
    #[error("no frame: {0}")]
    Damaged(dlms::Error),
    /// The meter behind an optical head does not let itself be opened for HDLC.
    #[error("no opening: {0}")]
    Opening(iec62056_21::Error),
    /// What came is no message of the web service, or not a whole one.
    #[error("no message: {0}")]
    Message(p2lpc::Error),
}

/// An open line to one station.
#[derive(Debug)]
pub(crate) struct Line {
    port: Port,
    framing: Framing,
    /// What names the node in front of each APDU.
    gate: Option<Gate>,
    /// Longest time without a frame while an answer comes in several.
    answer_time: Duration,
    /// The name of the line.
    name: String,
    /// What is known of the line and of the station on it.
    bus: SharedBus,
    meter: MeterId,
    limits: Limits,
    is_network: bool,
    /// How long a concentrator may be busy with what was asked of the station: it is not asked again before.
    busy: Duration,
    /// When the station was asked for what has not come yet, and when something came.
    asked: Option<Instant>,
    heard: Option<Instant>,
    /// It was waited for in vain last, or is not to be asked any more.
    is_silent: bool,
    /// It gave its turn back.
    is_given_back: bool,
    stop: Stop,
}

impl Line {
    /// A line over an open port, without a link yet.
    pub(crate) fn over(
        port: Port,
        station: &Station,
        limits: &Limits,
        (bus, is_pressed, stop): (&SharedBus, bool, &Stop),
    ) -> Result<Self, LineError> {
        let (is_network, busy) = (!station.terminus().is_device(), station.answer_within());
        let known = bus.known();
        let expected = Expected {
            patience: known.patience(station.meter, is_network, limits).at_least(busy),
            frames: known.frames(station.meter),
            character: port.character(),
            is_pressed,
        };
        drop(known);
        Ok(Self {
            port,
            framing: Framing::of(station, expected, limits)?,
            gate: Gate::of(station),
            answer_time: limits.response_timeout,
            name: station.address.line(),
            bus: bus.clone(),
            meter: station.meter,
            limits: limits.clone(),
            is_network,
            busy,
            asked: None,
            heard: None,
            is_silent: false,
            is_given_back: false,
            stop: stop.clone(),
        })
    }

    /// Sets the link up, when the framing has one.
    pub(crate) async fn set_up(&mut self) -> Result<(), LineError> {
        let Framing::Hdlc(link) = &mut self.framing else { return Ok(()) };
        link.connect(&mut self.port.out)?;
        let patience =
            self.bus.known().patience(self.meter, self.is_network, &self.limits).at_least(self.busy);
        let deadline = Instant::now() + patience.opening;
        let mut stray = Vec::new();
        while self.advance(&mut stray, deadline).await? != Step::Connected {}
        Ok(())
    }

    /// Whether APDUs can go one behind the other, without an answer in between, and arrive in that order.
    pub(crate) const fn takes_streams(&self) -> bool {
        self.framing.takes_streams()
    }

    /// The association that was left open on the line by the one who had it before.
    pub(crate) fn kept(&mut self) -> Option<Box<Kept>> {
        self.port.guest().and_then(Guest::kept)
    }

    /// Whether an association can stay open on the line while nobody has it.
    pub(crate) const fn keeps(&self) -> bool {
        self.takes_streams() && self.is_borrowed()
    }

    /// Gives the line back with an association open on it, where it [keeps](Self::keeps) one.
    pub(crate) fn give_back(mut self, kept: Kept) {
        if let Some(guest) = self.port.guest() {
            guest.keep(Box::new(kept));
        }
    }

    /// Whether the line was somebody else's before, so that what comes first may be late.
    pub(crate) const fn is_borrowed(&self) -> bool {
        self.port.is_borrowed()
    }

    /// Tells what was found out about who is at the other end, where that decides whose line it is.
    pub(crate) fn judge(&mut self, is_meter: bool) {
        match self.port.guest() {
            Some(guest) if is_meter => guest.prove(),
            Some(guest) => guest.disprove(),
            None => {}
        }
    }

    /// Octets sent and received so far.
    pub(crate) const fn bytes(&self) -> u64 {
        self.port.bytes()
    }

    /// Where it is counted.
    pub(crate) const fn instruments(&self) -> &Arc<Instruments> {
        self.port.instruments()
    }

    /// Notes an exchange that is over: what it was about, the octets of its APDUs, and why it failed.
    pub(crate) fn note(&mut self, subject: &Subject, octets: (usize, usize), failed: Option<Reason>) {
        let payload = u32::try_from(octets.0 + octets.1).unwrap_or(u32::MAX);
        self.bus.known().note_payload(self.port.character().unwrap_or_default() * payload);
        self.port.note(subject, octets, failed);
    }

    /// Sends one APDU, or as much of it as the station takes before it says something; [`receive`](Self::receive) sends the rest.
    pub(crate) async fn send(&mut self, apdu: &[u8], limit: Duration) -> Result<(), LineError> {
        let ports = self.framing.ports();
        let apdu = match &mut self.gate {
            Some(gate) => gate.wrap(apdu).map_err(LineError::Damaged)?,
            None => apdu,
        };
        self.framing.send(apdu, &mut self.port.out)?;
        self.port.sending(ports, apdu);
        timeout(limit, self.port.flush()).await.map_err(|_| LineError::Silent)?
    }

    /// Waits until the deadline for a whole APDU, puts it into `apdu` and says whose it is; what is sent unasked is passed on. While the station sends frame after frame
    /// of an answer, the deadline moves. May be dropped at any await: no octet is lost.
    pub(crate) async fn receive(
        &mut self,
        apdu: &mut Vec<u8>,
        deadline: Instant,
    ) -> Result<Origin, LineError> {
        loop {
            if let Step::Apdu(arrival) = self.advance(apdu, deadline).await? {
                self.port.received(arrival, apdu);
                let is_ours = self.gate.as_ref().is_none_or(|gate| gate.unwrap(apdu));
                let origin = if is_ours { arrival.origin } else { Origin::Stranger };
                if is_unasked(apdu, origin == Origin::Stranger) {
                    let behind = self.gate.as_ref().filter(|_| is_ours);
                    let whole = behind.map_or(Cow::Borrowed(&apdu[..]), |gate| gate.whole(apdu).into());
                    self.instruments().ears().hear(&self.name, &whole);
                    continue;
                }
                return Ok(origin);
            }
        }
    }

    /// Asks the concentrator for something that it has itself.
    pub(crate) async fn ask(&mut self, request: p2lpc::Request) -> Result<p2lpc::Response, LineError> {
        let Framing::Proxy(proxy) = &mut self.framing else {
            return Err(LineError::NoRoute("the concentrator has no web service".to_owned()));
        };
        proxy.ask(request, &mut self.port.out);
        let deadline = Instant::now() + self.answer_time;
        let mut stray = Vec::new();
        while self.advance(&mut stray, deadline).await? != Step::Answered {}
        match &mut self.framing {
            Framing::Proxy(proxy) => proxy.take().ok_or(LineError::Silent),
            Framing::Wrapper(_) | Framing::Hdlc(_) => Err(LineError::Silent),
        }
    }

    /// Takes the link down when there is one, and leaves the port to others.
    pub(crate) async fn leave(mut self, limit: Duration) -> Port {
        // Who does not answer is not asked once more.
        if let Framing::Hdlc(link) = &mut self.framing
            && !self.is_silent
            && !self.port.is_broken()
            && link.disconnect(&mut self.port.out)
        {
            let deadline = Instant::now() + limit;
            let mut stray = Vec::new();
            while !matches!(self.advance(&mut stray, deadline).await, Ok(Step::Disconnected) | Err(_)) {}
        }
        // Where there are no links, an answer that comes late could be taken for one to a later question.
        let is_of_no_use = match &self.framing {
            Framing::Wrapper(_) => self.is_silent,
            Framing::Proxy(proxy) => self.is_silent || proxy.is_over(),
            // A station that had a link and says nothing any more may be at the end of a connection that is dead.
            Framing::Hdlc(link) => {
                self.is_silent && !self.is_given_back && self.is_network && link.is_set_up()
            }
        };
        if is_of_no_use {
            self.port.give_up();
        }
        self.port
    }

    /// Goes on until something has come of it: never with [`Step::Wait`] or [`Step::Reply`].
    async fn advance(&mut self, apdu: &mut Vec<u8>, mut deadline: Instant) -> Result<Step, LineError> {
        loop {
            if !self.port.out.is_empty() {
                let flushed = timeout_at(deadline, self.port.flush()).await;
                flushed.map_err(|_| self.nothing())??;
                // After a repetition it is the first time that counts.
                self.asked = self.asked.or(Some(self.port.last_sent));
                self.heard = None;
            }
            let (frames, bad) = (self.framing.frames(), self.framing.bad_frames());
            let asked = self.framing.asked();
            let step = self.framing.step(apdu, &mut self.port.out)?;
            if self.framing.bad_frames() != bad {
                self.port.instruments().damaged(bad, self.framing.bad_frames());
            }
            if self.framing.frames() > frames {
                self.answered(asked);
                deadline = deadline.max(Instant::now() + self.answer_time);
            }
            match step {
                Step::Reply if self.stop.is_demanded() => {
                    // What was to be said next is left unsaid: the station waits for its turn until it is asked for a link again.
                    self.port.out.clear();
                    (self.is_silent, self.is_given_back) = (true, true);
                    return Err(LineError::Interrupted);
                }
                Step::Reply => continue,
                Step::Wait => {}
                step => return Ok(step),
            }
            let mut until = deadline;
            if let Some(patience) = self.framing.patience() {
                // What was sent may still be on its way.
                deadline = deadline.max(self.port.last_sent + patience);
                until = deadline.min(self.port.last_octets + patience);
            }
            let filled = timeout_at(until, self.port.fill(|octets| self.framing.push(octets))).await;
            match filled {
                Ok(filled) => {
                    self.heard = self.heard.or(Some(Instant::now()));
                    filled?
                }
                Err(_) if until < deadline => {
                    self.heard = None;
                    self.framing.silence(&mut self.port.out).map_err(|error| match error {
                        LineError::Silent => self.nothing(),
                        other => other,
                    })?
                }
                Err(_) => return Err(self.nothing()),
            }
        }
    }

    /// The station began to answer: notes how long that took, and how large its frames may be.
    fn answered(&mut self, asked: Option<Wait>) {
        self.is_silent = false;
        let Framing::Hdlc(link) = &mut self.framing else { return };
        let mut bus = self.bus.known();
        if let (Some(wait), Some(since), Some(heard)) = (asked, self.asked.take(), self.heard.take()) {
            bus.answered(self.meter, wait, heard.saturating_duration_since(since));
            link.expect(bus.patience(self.meter, self.is_network, &self.limits).at_least(self.busy));
        }
        bus.note_frames(self.meter, link.frames_known());
    }

    /// That nothing came in time.
    fn nothing(&mut self) -> LineError {
        self.is_silent = true;
        if let Framing::Hdlc(link) = &self.framing {
            self.bus.known().note_frames(self.meter, link.frames_known());
        }
        self.port.guest().into_iter().for_each(|guest| guest.doubt());
        let BadFrames { header, frame, flag, noise_octets: octets } = self.framing.bad_frames();
        let frames = header + frame + flag;
        if frames + octets == 0 { LineError::Silent } else { LineError::Noisy { frames, octets } }
    }
}
