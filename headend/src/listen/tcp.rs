//! Pushes over TCP: a stream of frames, cut anywhere, many or part of one in a segment.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dlms::push::Pieces;
use dlms::wrapper::{self, Header, Splitter};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, trace, warn};

use super::arrival::{Form, frame};
use super::intake::{Intake, QueueFull};
use super::judge::Answer;
use super::sources::Connected;

/// How long nothing is accepted when the system has no more to give, file descriptors for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Pushes of one connection that are on the way at once; more are not read.
const PIPELINE: usize = 16;
/// How long a peer may take to receive a confirmation.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// Octets that are read at once.
const CHUNK: usize = 4096;

/// Accepts connections until `stop`, and then waits until all have ended.
pub(crate) async fn listen(listener: TcpListener, intake: Arc<Intake>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => match admit(&intake, peer, connections.len()) {
                    Some(connected) => {
                        let connection = Connection::new(stream, peer, connected, Arc::clone(&intake));
                        connections.spawn(connection.serve(stop.clone()));
                    }
                    None => debug!(%peer, "connection refused: there are too many"),
                },
                Err(error) => {
                    warn!(%error, "a connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

fn admit(intake: &Intake, peer: SocketAddr, open: usize) -> Option<Connected> {
    if open >= intake.config.max_connections {
        return None;
    }
    intake.sources.of(peer.ip()).connect()
}

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
    OutOfStep(#[from] dlms::Error),
    #[error(transparent)]
    Full(#[from] QueueFull),
}

struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    connected: Connected,
    intake: Arc<Intake>,
    splitter: Splitter,
    /// What comes in general block transfer.
    pieces: Pieces,
    /// Pushes that are on the way, in their order.
    waiting: VecDeque<(Header, oneshot::Receiver<Answer>)>,
    /// When the frame that is expected has to be there.
    due: Instant,
}

impl Connection {
    fn new(stream: TcpStream, peer: SocketAddr, connected: Connected, intake: Arc<Intake>) -> Self {
        let splitter = Splitter::new(intake.config.max_frame);
        let pieces = Pieces::new(intake.config.max_frame.into());
        let due = Instant::now() + intake.config.frame_timeout;
        Self { stream, peer, connected, intake, splitter, pieces, waiting: VecDeque::new(), due }
    }

    /// Takes in frames until the end, and answers those that were taken.
    async fn serve(mut self, stop: CancellationToken) {
        let end = tokio::select! {
            end = self.run() => end,
            () = stop.cancelled() => Ok(()),
        };
        if let Err(end) = &end {
            trace!(peer = %self.peer, %end, "connection ended");
            self.hand_in_rest(end).await;
        }
        while let Some((header, answer)) = self.waiting.pop_front() {
            if let Ok(answer) = answer.await
                && self.answer(header, answer).await.is_err()
            {
                return;
            }
        }
    }

    /// Only ever ends with a reason.
    async fn run(&mut self) -> Result<(), End> {
        loop {
            self.take_frames().await?;
            let may_read = self.waiting.len() < PIPELINE;
            tokio::select! {
                (header, answer) = oldest(&mut self.waiting) => {
                    // A push that the store could not take is not answered.
                    if let Some(answer) = answer {
                        self.answer(header, answer).await?;
                    }
                    // While as many as may be were on the way, nothing was read.
                    self.due = self.due.max(Instant::now() + self.intake.config.frame_timeout);
                }
                ready = self.stream.readable(), if may_read => {
                    ready?;
                    self.receive()?;
                }
                () = sleep_until(self.due), if may_read => return Err(End::TooSlow),
            }
        }
    }

    /// Hands in the whole frames that were received, as many as may be on the way.
    async fn take_frames(&mut self) -> Result<(), End> {
        while self.waiting.len() < PIPELINE {
            let Some((header, apdu)) = self.splitter.next_frame()? else { break };
            let mut word = Vec::new();
            let push = match self.pieces.take(apdu, &mut word) {
                Ok(None) => None,
                Ok(Some(push)) => Some((Form::of(push), push.to_vec())),
                Err(error) => Some((Form::Obscure(error.to_string()), apdu.to_vec())),
            };
            if !word.is_empty() {
                self.write(header, &word).await?;
            }
            if let Some((form, octets)) = push {
                let source = self.connected.source();
                let answer = self.intake.take(source, self.peer, form, octets).await?;
                self.waiting.push_back((header, answer));
            }
            let limit = match self.splitter.pending() {
                0 => self.intake.config.idle_timeout,
                _ => self.intake.config.frame_timeout,
            };
            self.due = Instant::now() + limit;
        }
        Ok(())
    }

    /// Receives what is there. The memory for it is needed only now: most connections are silent most of the time.
    fn receive(&mut self) -> Result<(), End> {
        let mut chunk = [0; CHUNK];
        match self.stream.try_read(&mut chunk) {
            Ok(0) => Err(End::Closed),
            Ok(length) => {
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

    async fn answer(&mut self, to: Header, answer: Answer) -> io::Result<()> {
        let Some(frame) = frame(answer, to) else { return Ok(()) };
        timeout(WRITE_LIMIT, self.stream.write_all(&frame)).await?
    }

    /// Sends an APDU in answer to a frame with this header.
    async fn write(&mut self, to: Header, apdu: &[u8]) -> Result<(), End> {
        let mut frame = Vec::new();
        wrapper::frame(to.destination, to.source, apdu, &mut frame)?;
        timeout(WRITE_LIMIT, self.stream.write_all(&frame)).await.map_err(io::Error::from)??;
        Ok(())
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
        drop(self.intake.take(self.connected.source(), self.peer, form, octets).await);
    }
}

/// What became of the oldest push that is on the way; never when there is none.
async fn oldest(waiting: &mut VecDeque<(Header, oneshot::Receiver<Answer>)>) -> (Header, Option<Answer>) {
    let Some((header, answer)) = waiting.front_mut() else { return std::future::pending().await };
    let (header, answer) = (*header, answer.await.ok());
    waiting.pop_front();
    (header, answer)
}
