//! Lines that fail on purpose: a wrapper for every kind of line, in tests and in a head-end that runs.
//!
//! What goes over a line is taken in pieces: a datagram, or what one read or one write took. `fate` decides what becomes of a piece, which is
//! pure; here it waits until it is due.

mod fate;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use models::Language;
use tokio::time::{Instant, timeout_at};

use self::fate::{Chance, Way};
use super::{Dialer, LineError, Port, port::DATAGRAM_MAX, socket::Socket};
use crate::{Limits, Station, instruments::Instruments};

pub(crate) use fate::Fault;

/// What lines do wrong, each in a million pieces on average. Pieces are datagrams, or what was sent or arrived at once.
///
/// Both directions fail alike. Over the wrapper without ciphering nothing is changed, and on a stream nothing lost or doubled, because nothing could tell;
/// what is spoken on serial lines has check sums of its own.
/// Chance begins at `seed`: the same octets meet the same faults, as far as time is the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// Where chance begins.
    pub seed: u64,
    /// Pieces that vanish.
    pub loss_ppm: u32,
    /// Pieces that arrive twice.
    pub duplication_ppm: u32,
    /// Pieces with one wrong bit.
    pub corruption_ppm: u32,
    /// Pieces that are late; datagrams are overtaken meanwhile, on other lines everything behind waits, too.
    pub delay_ppm: u32,
    /// How late at most.
    pub delay_max: Duration,
    /// Pieces with which the line falls silent for ever, in both directions, without being closed.
    pub half_open_ppm: u32,
    /// Pieces that arrive in parts; not datagrams.
    pub split_ppm: u32,
    /// Pieces that arrive together with the next one; not datagrams.
    pub merge_ppm: u32,
}

impl Faults {
    /// Those that what is spoken with a station can tell, as HDLC and the languages of serial lines can. Over the wrapper nothing but a cipher tells a wrong octet from a right one, which on the
    /// networks below it the check sums of TCP and UDP do, and TCP delivers everything once: without a cipher all that may happen is what happens on them.
    fn told_by(self, station: &Station, datagrams: bool) -> Self {
        let is_checked = station.speaks_hdlc() || station.model.language != Language::Dlms;
        if is_checked || station.credentials.is_ciphered() {
            return self;
        }
        let all = Self { corruption_ppm: 0, ..self };
        if datagrams { all } else { Self { loss_ppm: 0, duplication_ppm: 0, ..all } }
    }
}

/// Opens lines that fail, each in its own way.
#[derive(Debug, Clone)]
pub struct FailingDialer {
    dialer: Box<Dialer>,
    faults: Faults,
    /// Lines that were opened.
    lines: Arc<AtomicU64>,
}

impl Dialer {
    /// Opens the same lines, but lets them fail on purpose.
    #[must_use]
    pub fn failing(self, faults: Faults) -> Self {
        Self::Failing(FailingDialer { dialer: Box::new(self), faults, lines: Arc::default() })
    }
}

impl FailingDialer {
    pub(super) async fn open(
        &self,
        station: &Station,
        limits: &Limits,
        instruments: &Arc<Instruments>,
    ) -> Result<Port, LineError> {
        let port = Box::pin(self.dialer.open(station, limits, instruments)).await?;
        let number = self.lines.fetch_add(1, Ordering::Relaxed);
        Ok(port.failing(|socket| {
            let datagrams = socket.has_datagrams();
            Faulty::new(self.faults.told_by(station, datagrams), number, datagrams)
        }))
    }
}

/// A line that fails: what is on its way in both directions.
#[derive(Debug)]
pub(super) struct Faulty {
    faults: Faults,
    chance: Chance,
    /// It fell silent.
    is_silent: bool,
    leaving: Way,
    arriving: Way,
    /// The other side has closed.
    is_ended: bool,
}

impl Faulty {
    /// A line with that number, over datagrams or not.
    fn new(faults: Faults, number: u64, datagrams: bool) -> Self {
        Self {
            faults,
            chance: Chance::of(faults.seed, number),
            is_silent: false,
            leaving: Way::new(datagrams),
            arriving: Way::new(datagrams),
            is_ended: false,
        }
    }

    /// Like [`Socket::read`]. Sends meanwhile what was late.
    pub(super) async fn read(
        &mut self,
        socket: &mut Socket,
        octets: &mut [u8],
        instruments: &Instruments,
    ) -> io::Result<usize> {
        let mut piece = vec![0; DATAGRAM_MAX];
        loop {
            self.flush(socket).await?;
            if let Some(taken) = self.arriving.deliver(octets, Instant::now()) {
                return Ok(taken);
            }
            if self.is_ended && self.arriving.next_due().is_none() {
                return Ok(0);
            }
            let due = [self.leaving.next_due(), self.arriving.next_due()].into_iter().flatten().min();
            let read = async {
                match self.is_ended {
                    true => std::future::pending().await,
                    false => socket.read(&mut piece).await,
                }
            };
            let got = match due {
                Some(due) => match timeout_at(due, read).await {
                    Ok(got) => got?,
                    Err(_) => continue,
                },
                None => read.await?,
            };
            match got {
                0 => self.is_ended = true,
                got => self.meet(Side::Arriving, &piece[..got], instruments),
            }
        }
    }

    /// Like [`Socket::write`], but takes all octets, as one piece.
    pub(super) async fn write(
        &mut self,
        socket: &mut Socket,
        octets: &[u8],
        instruments: &Instruments,
    ) -> io::Result<usize> {
        // What is due goes first; once it is gone nothing waits any more, so that a dropped write has taken nothing.
        self.flush(socket).await?;
        self.meet(Side::Leaving, octets, instruments);
        Ok(octets.len())
    }

    /// Sends what is due. May be dropped: the rest stays to be sent.
    pub(super) async fn flush(&mut self, socket: &mut Socket) -> io::Result<()> {
        while let Some(rest) = self.leaving.due(Instant::now()) {
            match socket.write(rest).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => self.leaving.took(written),
            }
        }
        Ok(())
    }

    /// Lets a piece meet its fate.
    fn meet(&mut self, side: Side, octets: &[u8], instruments: &Instruments) {
        if self.is_silent {
            return;
        }
        let way = match side {
            Side::Leaving => &mut self.leaving,
            Side::Arriving => &mut self.arriving,
        };
        let mut count = |fault| instruments.failed_on_purpose(fault);
        self.is_silent = way.meet(octets, &self.faults, &mut self.chance, Instant::now(), &mut count);
    }
}

/// A direction.
#[derive(Debug, Clone, Copy)]
enum Side {
    Leaving,
    Arriving,
}
