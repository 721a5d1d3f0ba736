//! An open way for octets: what goes over it is counted, and shown to whoever looks on.

use std::{io, sync::Arc, time::Duration};

use dlms::hdlc::BadFrames;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::{
    Guest, LineError,
    echo::{Echo, Heard},
    fault::Faulty,
    framing::Arrival,
    serial::Format,
    socket::Socket,
    tap::Tap,
};
use crate::{
    Reason, Station,
    address::{Characters, Way},
    driver::Rejected,
    exchange::Subject,
    instruments::{Held, Instruments},
};

/// Most octets taken from a line at once.
const READ_MAX: usize = 4096;
/// Octets of the longest datagram.
pub(super) const DATAGRAM_MAX: usize = 65_535;
/// How long nothing may be on a serial line before something is sent: the time of so many half characters, and this at least, so that
/// whoever sent last has let go of a two-wire bus.
const SILENCE_HALVES: u32 = 7;
const SILENCE_MIN: Duration = Duration::from_millis(3);
/// How often something is sent again after a collision.
const COLLISIONS_MAX: u32 = 4;
/// The longest random gap after the first collision, in characters; it doubles with each further one.
const GAP_CHARACTERS: u32 = 32;
/// How much later than it was sent an echo may be heard: over a network it takes a round trip.
const ECHO_TIME: Duration = Duration::from_secs(2);

/// An open way for octets, to one station at a time.
#[derive(Debug)]
pub(crate) struct Port {
    socket: Socket,
    /// What it does wrong on purpose.
    faulty: Option<Box<Faulty>>,
    /// Time of a character, where the speed is known.
    character: Option<Duration>,
    /// Octets to be sent, and how many of them were. They outlive a wait that is dropped.
    pub(super) out: Vec<u8>,
    written: usize,
    /// When octets that were sent last have gone out, and when some were sent or came.
    pub(super) last_sent: Instant,
    pub(super) last_octets: Instant,
    /// What comes back of what is sent, where the adapter hears itself.
    echo: Option<Echo>,
    /// Octets that came behind an echo and were not asked for yet.
    ahead: Vec<u8>,
    collisions: u32,
    /// What random gaps are made of.
    chance: u64,
    is_shared: bool,
    is_broken: bool,
    bytes: u64,
    /// Octets that came since something was said.
    heard: usize,
    held: Held,
    pub(super) tap: Tap,
}

impl Port {
    /// A port on an open socket, on which characters are sent so where it leads to a serial line.
    pub(super) fn new(
        socket: Socket,
        characters: Option<Characters>,
        (station, tap): (&Station, Tap),
        instruments: &Arc<Instruments>,
    ) -> Self {
        let mut tap = tap;
        tap.opened(instruments.protocol_log());
        Self {
            socket,
            faulty: None,
            character: characters.map(|characters| characters.time()),
            out: Vec::new(),
            written: 0,
            last_sent: Instant::now(),
            last_octets: Instant::now(),
            echo: characters.filter(|characters| characters.echo).map(|_| Echo::default()),
            ahead: Vec::new(),
            collisions: 0,
            chance: 1,
            is_shared: station.address.is_shared(),
            is_broken: false,
            bytes: 0,
            heard: 0,
            held: Held::line(instruments),
            tap,
        }
    }

    /// The same port, which fails on purpose.
    pub(super) fn failing(mut self, make: impl FnOnce(&Socket) -> Faulty) -> Self {
        self.faulty = Some(Box::new(make(&self.socket)));
        self
    }

    /// Makes random gaps from this number, which nobody else has.
    pub(crate) const fn draw_from(&mut self, chance: u64) {
        self.chance = chance | 1;
    }

    /// Octets sent and received so far.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Time of a character on the line, where the speed is known.
    pub(crate) const fn character(&self) -> Option<Duration> {
        self.character
    }

    /// Whether another station may be spoken with over it.
    pub(crate) const fn is_reusable(&self) -> bool {
        self.is_shared && !self.is_broken
    }

    /// Whether it was closed by the other side, or failed.
    pub(crate) const fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Nobody else is to speak over it.
    pub(crate) const fn give_up(&mut self) {
        self.is_broken = true;
    }

    /// Where it is counted.
    pub(crate) const fn instruments(&self) -> &Arc<Instruments> {
        self.held.instruments()
    }

    /// Makes the port that of another station of its line, which may have another speed and parity. False: it has to be opened anew.
    pub(crate) async fn turn_to(&mut self, station: &Station, limit: Duration) -> Result<bool, LineError> {
        if self.is_broken || !self.out.is_empty() {
            return Ok(false);
        }
        let characters = station.terminus().characters();
        match (station.terminus().way(), &mut self.socket) {
            (Way::Tcp { .. } | Way::Gateway { orders: false, .. }, Socket::Tcp(_))
            | (_, Socket::Memory(_) | Socket::Forward(_)) => {}
            (Way::Device { characters, .. }, Socket::Serial(device)) => {
                super::serial::change(device, Format::eight(*characters))?;
            }
            (Way::Gateway { characters, orders: true, .. }, Socket::Gateway(gateway)) => {
                gateway.set(Format::eight(*characters), limit).await?;
            }
            _ => return Ok(false),
        }
        self.character = characters.map(|characters| characters.time());
        self.echo = characters.filter(|characters| characters.echo).map(|_| Echo::default());
        self.ahead.clear();
        self.tap = Tap::of(station);
        Ok(true)
    }

    /// Sends octets of a language without APDUs. Of what is secret, and of what comes back until something else is sent, the protocol log shows nothing.
    pub(crate) async fn say(
        &mut self,
        octets: &[u8],
        is_secret: bool,
        limit: Duration,
    ) -> Result<(), LineError> {
        self.tap.hide(is_secret);
        self.heard = 0;
        self.out.extend_from_slice(octets);
        timeout(limit, self.flush()).await.map_err(|_| LineError::Silent)?
    }

    /// Octets that came since something was said.
    pub(crate) const fn last_heard(&self) -> usize {
        self.heard
    }

    /// When what was said last has gone out.
    pub(crate) const fn last_sent(&self) -> Instant {
        self.last_sent
    }

    /// Counts what came beside an answer.
    pub(crate) fn rejected(&self, rejected: Rejected) {
        let bad = BadFrames { frame: rejected.frames, noise_octets: rejected.octets, ..BadFrames::default() };
        self.held.instruments().damaged(BadFrames::default(), bad);
    }

    /// Notes an exchange that is over: what it was about, its octets, and why it failed.
    pub(crate) fn note(&mut self, subject: &Subject, octets: (usize, usize), failed: Option<Reason>) {
        let instruments = self.held.instruments();
        instruments.count(subject.service, failed);
        self.tap.exchanged(instruments.protocol_log(), subject, octets, failed);
    }

    /// Shows an APDU that is about to be sent, or as much of it as fits, to whoever looks on.
    pub(super) fn sending(&mut self, ports: (u16, u16), apdu: &[u8]) {
        self.tap.sending(self.held.instruments().protocol_log(), ports, apdu);
    }

    /// Shows a whole APDU that arrived to whoever looks on.
    pub(super) fn received(&mut self, arrival: Arrival, apdu: &[u8]) {
        self.tap.received(self.held.instruments().protocol_log(), arrival, apdu);
    }

    /// Changes the speed of a device; other lines have one speed.
    pub(crate) fn change_speed(&mut self, speed: u32) -> Result<(), LineError> {
        let characters = Characters::plain(speed);
        if let Socket::Serial(device) = &mut self.socket {
            super::serial::change(device, Format::eight(characters))?;
        }
        self.character = Some(characters.time());
        Ok(())
    }

    /// Waits until the deadline for octets and appends them. May be dropped: nothing is lost then.
    pub(crate) async fn receive(&mut self, octets: &mut Vec<u8>, deadline: Instant) -> Result<(), LineError> {
        let filled = timeout_at(deadline, self.fill(|some| octets.extend_from_slice(some))).await;
        filled.map_err(|_| LineError::Silent)?
    }

    /// Writes what is to be sent, and waits for its echo where there is one. May be dropped: the rest stays to be sent.
    pub(super) async fn flush(&mut self) -> Result<(), LineError> {
        while !self.out.is_empty() {
            self.write().await?;
            if self.hear().await? {
                self.collisions = 0;
                self.out.clear();
                self.written = 0;
                return Ok(());
            }
            self.collisions += 1;
            self.held.instruments().collided();
            if self.collisions > COLLISIONS_MAX {
                (self.collisions, self.written) = (0, 0);
                self.out.clear();
                return Err(LineError::Collision);
            }
            self.gap().await;
            self.written = 0;
        }
        Ok(())
    }

    /// Waits for octets and hands them on. May be dropped: nothing is lost then.
    pub(super) async fn fill(&mut self, take: impl FnOnce(&[u8])) -> Result<(), LineError> {
        if self.ahead.is_empty() {
            let (mut small, mut whole) = ([0; READ_MAX], Vec::new());
            let chunk: &mut [u8] = if self.socket.has_datagrams() {
                whole.resize(DATAGRAM_MAX, 0);
                &mut whole
            } else {
                &mut small
            };
            let got = self.read(chunk).await?;
            take(&chunk[..got]);
        } else {
            take(&self.ahead);
            self.ahead.clear();
        }
        Ok(())
    }

    /// Whether somebody else has opened it.
    pub(super) const fn is_borrowed(&self) -> bool {
        matches!(self.socket, Socket::Inbound(_))
    }

    /// The connection, when somebody else has opened it.
    pub(super) const fn guest(&mut self) -> Option<&mut Guest> {
        self.socket.guest()
    }

    /// Closes it; what the other side thinks of that does not matter any more.
    pub(crate) async fn close(mut self, limit: Duration) {
        if let Some(faulty) = &mut self.faulty {
            // What is late and what the end cuts off is one and the same to the other side.
            let _ = timeout(limit, faulty.flush(&mut self.socket)).await;
        }
        if !matches!(timeout(limit, self.socket.shutdown()).await, Ok(Ok(()))) {
            tracing::trace!("line was already broken when it was closed");
        }
    }

    async fn write(&mut self) -> Result<(), LineError> {
        if self.written == self.out.len() {
            return Ok(());
        }
        if self.written == 0
            && let Some(character) = self.character
        {
            sleep_until(self.last_octets + silence(character)).await;
        }
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            let written = match &mut self.faulty {
                Some(faulty) => faulty.write(&mut self.socket, rest, self.held.instruments()).await,
                None => self.socket.write(rest).await,
            };
            self.written += self.moved(written)?;
        }
        self.bytes += self.out.len() as u64;
        self.held.instruments().sent(self.out.len());
        self.tap.sent(self.held.instruments().protocol_log(), &self.out);
        // What was written is still on its way on a slow line.
        self.last_sent = Instant::now() + self.time_of(self.out.len());
        self.last_octets = self.last_sent;
        if let Some(echo) = &mut self.echo {
            echo.sent(&self.out);
        }
        Ok(())
    }

    /// Waits until what was sent has come back, where it does; false when it came back as something else.
    async fn hear(&mut self) -> Result<bool, LineError> {
        while self.echo.as_ref().is_some_and(Echo::is_due) {
            let mut chunk = [0; READ_MAX];
            let deadline = self.last_sent + ECHO_TIME;
            let Ok(got) = timeout_at(deadline, self.read(&mut chunk)).await else {
                self.echo.iter_mut().for_each(Echo::forget);
                self.out.clear();
                self.written = 0;
                return Err(LineError::NoEcho);
            };
            let got = got?;
            match self.echo.as_mut().map_or(Heard::Own(0), |echo| echo.arrived(&chunk[..got])) {
                Heard::Own(own) => self.ahead.extend_from_slice(&chunk[own..got]),
                Heard::Collision => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Waits until the line is quiet, and then for as long as chance will have it.
    async fn gap(&mut self) {
        let character = self.character.unwrap_or(SILENCE_MIN / SILENCE_HALVES * 2);
        let mut chunk = [0; READ_MAX];
        while timeout(silence(character) * 2, self.read(&mut chunk)).await.is_ok_and(|read| read.is_ok()) {}
        // Numbers that look like chance (xorshift).
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        let most = GAP_CHARACTERS << self.collisions;
        sleep(character * (1 + u32::try_from(self.chance >> 32).unwrap_or_default() % most)).await;
    }

    async fn read(&mut self, chunk: &mut [u8]) -> Result<usize, LineError> {
        let got = match &mut self.faulty {
            Some(faulty) => faulty.read(&mut self.socket, chunk, self.held.instruments()).await,
            None => self.socket.read(chunk).await,
        };
        let got = self.moved(got)?;
        self.bytes += got as u64;
        self.heard += got;
        self.held.instruments().received(got);
        self.tap.arrived(self.held.instruments().protocol_log(), &chunk[..got]);
        self.last_octets = Instant::now();
        Ok(got)
    }

    /// How many octets went over the socket: at least one, or it is broken.
    fn moved(&mut self, octets: io::Result<usize>) -> Result<usize, LineError> {
        let error = match octets {
            Ok(octets @ 1..) => return Ok(octets),
            // Only datagrams are refused behind the opening: nobody listens there.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => LineError::Refused,
            Ok(_) | Err(_) => LineError::Cut,
        };
        self.is_broken = true;
        Err(error)
    }

    /// How long so many octets take on the line.
    fn time_of(&self, octets: usize) -> Duration {
        self.character
            .map_or(Duration::ZERO, |character| character * u32::try_from(octets).unwrap_or(u32::MAX))
    }
}

/// How long nothing may be on the line before something is sent.
fn silence(character: Duration) -> Duration {
    (character * SILENCE_HALVES / 2).max(SILENCE_MIN)
}
