//! One connection over TCP: a stream of frames, cut anywhere, of pushes, of logins and heartbeats, and of answers to whoever borrows it.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use collectors::Leave;
use dlms::hdlc::{Assembly, Frame, Function};
use dlms::push::Pieces;
use heartbeat::{Beat, Kind, Splitter, Unit};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, trace};

use super::arrival::{Back, Form, frame};
use super::asking::{Asked, Asking};
use super::caller::{Caller, Summons};
use super::intake::{Intake, QueueFull, Stranger};
use super::judge::Answer;
use super::sources::Connected;

/// Pushes of one connection that are on the way at once; more are not read.
const PIPELINE: usize = 16;
/// How long a peer may take to receive what is sent.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// Octets that are read at once.
const CHUNK: usize = 4096;

/// Why a connection was closed.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the peer closed it")]
    Closed,
    #[error("the line broke: {0}")]
    Broken(#[from] io::Error),
    #[error("no whole frame came in time")]
    TooSlow,
    #[error("it is not understood: {0}")]
    OutOfStep(#[from] heartbeat::Error),
    #[error(transparent)]
    Full(#[from] QueueFull),
    #[error("it was given up: {0:?}")]
    Left(Leave),
    #[error("it took its leave")]
    Logout,
    #[error("it says another name than before")]
    Renamed,
    #[error("its serial number can be no name")]
    Nameless,
}

/// One connection.
pub(super) struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    connected: Connected,
    intake: Arc<Intake>,
    splitter: Splitter,
    /// What comes in segments of HDLC, and in general block transfer.
    segments: Assembly,
    pieces: Pieces,
    /// Pushes that are on the way, in their order.
    waiting: VecDeque<(Back, oneshot::Receiver<Answer>)>,
    /// Who it said to be.
    caller: Option<Box<Caller>>,
    /// The question who it is, while it is put.
    asking: Option<Box<Asking>>,
    /// Whether nothing has come yet.
    is_mute: bool,
    /// Its share of the places for those who are no meter's.
    stranger: Option<Stranger>,
    /// When the frame that is expected has to be there.
    due: Instant,
}

/// What is to be done about a piece of the stream.
enum Piece {
    Beat(Beat, Vec<u8>),
    Push(Back, Vec<u8>),
    Segment(Vec<u8>),
    Answer(Vec<u8>),
    Obscure(Vec<u8>, String),
    Late,
    Asked(Asked),
    Nothing,
}

impl Connection {
    pub(super) fn new(
        stream: TcpStream,
        peer: SocketAddr,
        connected: Connected,
        intake: Arc<Intake>,
    ) -> Self {
        let splitter = Splitter::new(intake.config.max_frame);
        let pieces = Pieces::new(intake.config.max_frame.into());
        let due = Instant::now() + intake.config.frame_timeout;
        Self {
            stream,
            peer,
            connected,
            intake,
            splitter,
            segments: Assembly::new(),
            pieces,
            waiting: VecDeque::new(),
            caller: None,
            asking: None,
            is_mute: true,
            stranger: None,
            due,
        }
    }

    /// Takes in frames until the end, and answers those that were taken.
    pub(super) async fn serve(mut self, stop: CancellationToken) {
        let end = tokio::select! {
            end = self.run() => end,
            () = stop.cancelled() => Ok(()),
        };
        if let Err(end) = &end {
            trace!(peer = %self.peer, %end, "connection ended");
            Box::pin(self.hand_in_rest(end)).await;
        }
        if let Some(caller) = self.caller.take() {
            let ended = end.err().map(|end| end.to_string());
            debug!(peer = %self.peer, id = caller.id, ended, "a caller is gone");
        }
        while let Some((back, answer)) = self.waiting.pop_front() {
            if let Ok(answer) = answer.await
                && Box::pin(self.answer(back, answer)).await.is_err()
            {
                return;
            }
        }
    }

    /// Only ever ends with a reason. What is done now and then is boxed, so that a connection that is silent, as most are most of the time,
    /// holds no memory for it.
    async fn run(&mut self) -> Result<(), End> {
        loop {
            Box::pin(self.take_pieces()).await?;
            let has_room = self.caller.as_ref().is_none_or(|caller| caller.has_room());
            let may_read = has_room && self.waiting.len() < PIPELINE;
            tokio::select! {
                (back, answer) = oldest(&mut self.waiting) => {
                    // A push that the store could not take is not answered.
                    if let Some(answer) = answer {
                        Box::pin(self.answer(back, answer)).await?;
                    }
                    // While as many as may be were on the way, nothing was read.
                    self.due = self.due.max(Instant::now() + self.intake.config.frame_timeout);
                }
                ready = self.stream.readable(), if may_read => {
                    ready?;
                    self.receive()?;
                }
                summons = summons(&mut self.caller) => Box::pin(self.heed(summons)).await?,
                () = sleep_until(self.due), if may_read => Box::pin(self.time_is_up()).await?,
            }
        }
    }

    /// Does what whoever borrows the connection, or the lobby, asks for.
    async fn heed(&mut self, summons: Summons) -> Result<(), End> {
        match summons {
            Summons::Again => {}
            Summons::Send(octets) => {
                if octets.first() != Some(&0) {
                    // Behind the modem is a bus.
                    self.splitter.tolerate_noise();
                }
                self.write(&octets).await?;
            }
            Summons::Leave(Leave::Unknown) => {
                let Some(caller) = &self.caller else { return Ok(()) };
                let detail = format!(
                    "somebody calls himself {}, and no meter in service has the address {}",
                    caller.id, caller.present.line
                );
                let octets = caller.id.as_bytes().to_vec();
                self.take(Form::Stranger(detail), octets).await?;
                self.stranger = Some(self.intake.strangers.admit().ok_or(End::Left(Leave::Unknown))?);
            }
            Summons::Leave(leave) => return Err(End::Left(leave)),
        }
        self.due = self.due.min(self.next_due());
        Ok(())
    }

    /// Nothing came for as long as may be.
    async fn time_is_up(&mut self) -> Result<(), End> {
        match &mut self.caller {
            Some(caller) if caller.is_over() => Err(End::Left(Leave::Superseded)),
            Some(caller) if self.splitter.pending() == 0 && Instant::now() < caller.due() => {
                self.due = caller.due();
                Ok(())
            }
            None if self.splitter.pending() == 0 => match &mut self.asking {
                Some(asking) => {
                    let asked = asking.unanswered();
                    self.ask(asked).await
                }
                None if self.is_mute => {
                    let (asking, asked) = Asking::begin();
                    self.asking = Some(Box::new(asking));
                    self.ask(asked).await
                }
                None => Err(End::TooSlow),
            },
            _ => Err(End::TooSlow),
        }
    }

    /// Goes on with the question who it is.
    async fn ask(&mut self, asked: Asked) -> Result<(), End> {
        match asked {
            Asked::Send(octets) => {
                if self.asking.as_ref().is_some_and(|asking| asking.is_hdlc()) {
                    self.splitter.tolerate_noise();
                }
                self.write(&octets).await?;
            }
            Asked::Wait => {}
            Asked::Named(serial) if heartbeat::is_id(&serial) => self.let_in(&serial, "serial"),
            Asked::Named(serial) => {
                let detail = format!("the serial number {serial:?} of a caller can be no name of one");
                drop(self.take(Form::Obscure(detail), serial.into_bytes()).await?);
                return Err(End::Nameless);
            }
            Asked::Nobody => return Err(End::TooSlow),
        }
        self.due = self.next_due();
        Ok(())
    }

    /// Somebody has said who he is.
    fn let_in(&mut self, id: &str, dialect: &'static str) {
        let presence = &self.intake.presence;
        let call = presence.lobby.enter(id, self.peer.ip());
        let present = presence.came(id, format!("tcp {}", self.peer), dialect);
        self.caller = Some(Box::new(Caller::new(id.to_owned(), call, present, self.intake.config.heartbeat)));
        self.asking = None;
        debug!(peer = %self.peer, id, dialect, "a caller is there");
    }

    /// Takes the whole pieces that were received, as many as may be on the way.
    async fn take_pieces(&mut self) -> Result<(), End> {
        while self.waiting.len() < PIPELINE && self.caller.as_ref().is_none_or(|caller| caller.has_room()) {
            let Some(unit) = self.splitter.next_unit()? else { break };
            let asking = self.asking.as_mut().filter(|_| !is_unasked(&unit));
            let asked = asking.and_then(|asking| asking.take(&unit));
            match asked.map_or_else(|| piece(&unit, self.caller.as_deref()), Piece::Asked) {
                Piece::Beat(beat, octets) => self.beat(&beat, octets).await?,
                Piece::Push(back, apdu) => self.push(back, &apdu).await?,
                Piece::Segment(frame) => self.segment(&frame).await?,
                Piece::Obscure(octets, detail) => drop(self.take(Form::Obscure(detail), octets).await?),
                Piece::Answer(octets) => {
                    if let Some(caller) = &self.caller {
                        caller.hand_on(octets);
                    }
                }
                // The meter may say so that it knows of no association.
                Piece::Late => self.caller.iter().for_each(|caller| caller.call.forget()),
                Piece::Asked(asked) => self.ask(asked).await?,
                Piece::Nothing => {}
            }
            self.caller.iter_mut().for_each(|caller| caller.hear());
            self.due = match self.splitter.pending() {
                0 => self.next_due(),
                _ => Instant::now() + self.intake.config.frame_timeout,
            };
        }
        Ok(())
    }

    /// When the next whole frame has to be there.
    fn next_due(&self) -> Instant {
        match &self.caller {
            Some(caller) => caller.due(),
            None if self.asking.is_some() => Instant::now() + self.intake.config.frame_timeout,
            None => Instant::now() + self.intake.config.idle_timeout,
        }
    }

    /// Answers a login or heartbeat, and lets the caller in.
    async fn beat(&mut self, beat: &Beat, octets: Vec<u8>) -> Result<(), End> {
        match &mut self.caller {
            Some(caller) if caller.id != beat.id => return Err(End::Renamed),
            Some(caller) => {
                caller.beat();
                if let Some(other) = caller.call.is_alive() {
                    let detail = format!("{other} and {} both say to be {}", self.peer.ip(), caller.id);
                    self.take(Form::Contested(detail), octets).await?;
                }
            }
            None if beat.kind != Kind::Logout => self.let_in(&beat.id, beat.dialect.as_str()),
            None => {}
        }
        self.write(beat.answer()).await?;
        if beat.kind == Kind::Logout { Err(End::Logout) } else { Ok(()) }
    }

    /// Takes in a UI frame of HDLC, with which a push may be whole.
    async fn segment(&mut self, octets: &[u8]) -> Result<(), End> {
        let Ok(frame) = Frame::decode(octets) else { return Ok(()) };
        let back = Back::Hdlc { destination: frame.destination, source: frame.source };
        let added = self.segments.add(&frame);
        let limit = usize::from(self.intake.config.max_frame);
        let is_too_long = self.segments.apdu().len() > limit;
        if added.is_err() || is_too_long {
            self.segments = Assembly::new();
            let detail = format!("its segments have more than {limit} octets");
            drop(self.take(Form::Obscure(detail), octets.to_vec()).await?);
            return Ok(());
        }
        if added == Ok(true) {
            let mut whole = std::mem::take(&mut self.segments);
            self.push(back, whole.apdu()).await?;
        }
        Ok(())
    }

    /// Takes in an APDU that was sent unasked.
    async fn push(&mut self, back: Back, apdu: &[u8]) -> Result<(), End> {
        let mut word = Vec::new();
        let push = match self.pieces.take(apdu, &mut word) {
            Ok(None) => None,
            Ok(Some(push)) => Some((Form::of(push), push.to_vec())),
            Err(error) => Some((Form::Obscure(error.to_string()), apdu.to_vec())),
        };
        if let Some(frame) = Some(word).filter(|word| !word.is_empty()).and_then(|word| back.frame(&word)) {
            self.write(&frame).await?;
        }
        if let Some((form, octets)) = push {
            let answer = self.take(form, octets).await?;
            self.waiting.push_back((back, answer));
        }
        Ok(())
    }

    /// Hands something in.
    async fn take(&self, form: Form, octets: Vec<u8>) -> Result<oneshot::Receiver<Answer>, QueueFull> {
        let line = self.caller.as_ref().map(|caller| caller.present.line.clone());
        self.intake.take(self.connected.source(), (self.peer, line), form, octets).await
    }

    /// Receives what is there. The memory for it is needed only now: most connections are silent most of the time.
    fn receive(&mut self) -> Result<(), End> {
        let mut chunk = [0; CHUNK];
        match self.stream.try_read(&mut chunk) {
            Ok(0) => Err(End::Closed),
            Ok(length) => {
                self.is_mute = false;
                if self.splitter.pending() == 0 {
                    self.due = self.due.min(Instant::now() + self.intake.config.frame_timeout);
                }
                self.splitter.push(&chunk[..length]);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn answer(&mut self, back: Back, answer: Answer) -> io::Result<()> {
        match frame(&answer, back) {
            Some(frame) => self.write(&frame).await,
            None => Ok(()),
        }
    }

    /// Sends whole frames.
    async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        timeout(WRITE_LIMIT, self.stream.write_all(octets)).await?
    }

    /// Hands in what is left of a stream that ended within a frame or out of step.
    async fn hand_in_rest(&mut self, end: &End) {
        if matches!(end, End::Full(_)) || self.splitter.pending() == 0 {
            return;
        }
        let rest = self.splitter.rest();
        let octets = rest[..rest.len().min(self.intake.config.max_frame.into())].to_vec();
        let form = Form::Obscure(format!("a frame was not whole when the connection ended: {end}"));
        // Nobody waits for what becomes of it, and a full queue has counted it.
        drop(self.take(form, octets).await);
    }
}

/// What is to be done about a piece of the stream of this caller.
fn piece(unit: &Unit<'_>, caller: Option<&Caller>) -> Piece {
    let foreign = |octets: Vec<u8>, language: &str| match caller {
        Some(caller) if caller.takes_octets() => Piece::Answer(octets),
        Some(_) => Piece::Nothing,
        None => Piece::Obscure(octets, format!("{language} of somebody who has not said who he is")),
    };
    match unit {
        Unit::Wrapper { header, apdu, flagged } => match Beat::read(*header, apdu, *flagged) {
            Ok(Some(beat)) => Piece::Beat(beat, apdu.to_vec()),
            Ok(None) if caller.is_some_and(|caller| caller.is_answer(*header, apdu)) => {
                Piece::Answer(unit.octets())
            }
            Ok(None) if caller.is_some() && Caller::is_late(apdu) => Piece::Late,
            Ok(None) => Piece::Push(Back::Wrapper(*header), apdu.to_vec()),
            Err(error) => Piece::Obscure(apdu.to_vec(), error.to_string()),
        },
        Unit::Gdw376(frame) => match Beat::read_terminal(frame) {
            Ok(Some(beat)) => Piece::Beat(beat, frame.to_vec()),
            Ok(None) => foreign(unit.octets(), "Q/GDW 376.1"),
            Err(error) => Piece::Obscure(frame.to_vec(), error.to_string()),
        },
        Unit::Hdlc(frame) if is_unasked(unit) => Piece::Segment(frame.to_vec()),
        Unit::Hdlc(_) => foreign(unit.octets(), "HDLC"),
        Unit::Dlt645(_) => foreign(unit.octets(), "DL/T 645"),
        Unit::Noise(_) => foreign(unit.octets(), "noise"),
    }
}

/// Whether a frame was sent beside any link: whole, and in UI.
fn is_unasked(unit: &Unit<'_>) -> bool {
    let Unit::Hdlc(frame) = unit else { return false };
    Frame::decode(frame).is_ok_and(|frame| frame.control.function == Function::UnnumberedInformation)
}

/// What is asked of whoever said who he is; never when nobody did.
async fn summons(caller: &mut Option<Box<Caller>>) -> Summons {
    match caller {
        Some(caller) => caller.summons().await,
        None => std::future::pending().await,
    }
}

/// What became of the oldest push that is on the way; never when there is none.
async fn oldest(waiting: &mut VecDeque<(Back, oneshot::Receiver<Answer>)>) -> (Back, Option<Answer>) {
    let Some((back, answer)) = waiting.front_mut() else { return std::future::pending().await };
    let (back, answer) = (*back, answer.await.ok());
    waiting.pop_front();
    (back, answer)
}
