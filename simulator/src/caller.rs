//! Modems that call the head-end: each says who it is, stays, and carries octets between the head-end and a line of a fleet.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use heartbeat::{Beat, Dialect, Kind, Splitter, Unit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::debug;

use crate::{Concentrators, Fleet};

/// How long a modem waits before it calls again.
const REDIAL: Duration = Duration::from_millis(500);
/// Octets that are taken from a socket at once.
const CHUNK: usize = 2048;

/// How modems call.
#[derive(Debug, Clone)]
pub struct CallConfig {
    /// Where the head-end listens.
    pub to: SocketAddr,
    /// How they say who they are; `None` for modems that say nothing.
    pub dialect: Option<Dialect>,
    /// Time between two heartbeats.
    pub heartbeat: Duration,
    /// Address of this machine that they call from; otherwise any.
    pub from: Option<IpAddr>,
}

/// The modems of a fleet, one for each line, or of concentrators. They call until they are dropped.
#[derive(Debug)]
pub struct Modems {
    _tasks: JoinSet<()>,
}

impl Modems {
    /// Lets the lines of a fleet call.
    pub fn start(fleet: &Fleet, config: &CallConfig) -> Self {
        let mut tasks = JoinSet::new();
        let mut last = None;
        for (meter, address) in fleet.meters().iter().zip(fleet.addresses()) {
            if last.replace(*address) != Some(*address) {
                tasks.spawn(keep_calling(
                    *address,
                    caller_id(&meter.serial(), config.dialect),
                    config.clone(),
                ));
            }
        }
        Self { _tasks: tasks }
    }

    /// Lets concentrators call.
    pub fn of_concentrators(concentrators: &Concentrators, config: &CallConfig) -> Self {
        let mut tasks = JoinSet::new();
        for (serial, address) in concentrators.serials().iter().zip(concentrators.addresses()) {
            tasks.spawn(keep_calling(*address, caller_id(serial, config.dialect), config.clone()));
        }
        Self { _tasks: tasks }
    }
}

/// What the modem of a meter calls itself: its serial number, and where the dialect has a fixed length, filled up with zeros.
pub fn caller_id(serial: &str, dialect: Option<Dialect>) -> String {
    match dialect {
        Some(Dialect::Plain) => format!("{serial:0>12}"),
        Some(Dialect::Terminal) => format!("{serial:0>8}"),
        Some(Dialect::Login) | None => serial.to_owned(),
    }
}

async fn keep_calling(meter: SocketAddr, id: String, config: CallConfig) {
    loop {
        if let Err(error) = call(meter, &id, &config).await {
            debug!(id, %error, "a call ended");
        }
        sleep(REDIAL).await;
    }
}

/// One call, until either side ends it.
///
/// # Errors
/// What the operating system says of either connection, or that something else than frames came.
pub async fn call(meter: SocketAddr, id: &str, config: &CallConfig) -> io::Result<()> {
    let mut head = dial(config).await?;
    let mut meter = TcpStream::connect(meter).await?;
    head.set_nodelay(true)?;
    meter.set_nodelay(true)?;
    let (mut down, mut up) = (Splitter::new(u16::MAX), Splitter::new(u16::MAX));
    let (mut from_head, mut from_meter) = ([0; CHUNK], [0; CHUNK]);
    let mut beats = interval(config.heartbeat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut kind, mut expected) = (Kind::Login, Vec::new());
    loop {
        tokio::select! {
            _ = beats.tick() => {
                let Some(dialect) = config.dialect else { continue };
                let (frame, answer) = beat(dialect, kind, id)?;
                head.write_all(&frame).await?;
                (kind, expected) = (Kind::Heartbeat, answer);
            }
            read = head.read(&mut from_head) => match read? {
                0 => return Ok(()),
                length => {
                    down.push(&from_head[..length]);
                    while let Some(unit) = down.next_unit().map_err(io::Error::other)? {
                        // The meter does not hear what the modem is told.
                        let octets = unit.octets();
                        if octets != expected {
                            meter.write_all(&octets).await?;
                        }
                    }
                }
            },
            // Whole frames only: a heartbeat may come in between.
            read = meter.read(&mut from_meter) => match read? {
                0 => return Ok(()),
                length => {
                    up.push(&from_meter[..length]);
                    while let Some(unit) = up.next_unit().map_err(io::Error::other)? {
                        head.write_all(&unit.octets()).await?;
                    }
                }
            },
        }
    }
}

async fn dial(config: &CallConfig) -> io::Result<TcpStream> {
    let socket = if config.to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(from) = config.from {
        socket.bind((from, 0).into())?;
    }
    socket.connect(config.to).await
}

/// A login or heartbeat, and how it is to be answered.
fn beat(dialect: Dialect, kind: Kind, id: &str) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut frame = Vec::new();
    heartbeat::write(dialect, kind, id, &mut frame).map_err(io::Error::other)?;
    let mut splitter = Splitter::new(u16::MAX);
    splitter.push(&frame);
    let beat = match splitter.next_unit().map_err(io::Error::other)? {
        Some(Unit::Wrapper { header, apdu, flagged }) => Beat::read(header, apdu, flagged),
        Some(Unit::Gdw376(frame)) => Beat::read_terminal(frame),
        _ => Ok(None),
    };
    let answer = beat.map_err(io::Error::other)?.map(|beat| beat.answer().to_vec());
    Ok((frame, answer.unwrap_or_default()))
}
