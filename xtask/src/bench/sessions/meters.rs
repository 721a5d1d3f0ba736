//! Meters that call: as little of a meter as is read.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use dlms::axdr::Data;
use dlms::selection::Selection;
use dlms::server::{Objects, Policy, Security, Session};
use dlms::{ActionResult, AttributeDescriptor, Conformance, DataAccessResult, MethodDescriptor, wrapper};
use heartbeat::{Dialect, Kind, Splitter, Unit};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

/// Time between two heartbeats of a meter.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// Calls that are begun at once, and the pause after them.
const AT_ONCE: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);
const MAX_PDU: u16 = 512;

/// Which meters call whom.
#[derive(Debug, Args)]
pub(crate) struct MetersArguments {
    /// Where a head-end listens
    #[arg(long)]
    to: SocketAddr,
    /// Serial number of the first meter
    #[arg(long)]
    first: u32,
    /// How many there are
    #[arg(long)]
    count: u32,
}

/// Plays meters until it is killed, or one of them is hung up on.
pub(crate) fn play(arguments: &MetersArguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut meters = JoinSet::new();
        for number in 0..arguments.count {
            meters.spawn(meter(arguments.to, (arguments.first + number).to_string()));
            if number % AT_ONCE == AT_ONCE - 1 {
                sleep(PAUSE).await;
            }
        }
        meters.join_next().await.context("there are no meters")??
    })
}

async fn meter(to: SocketAddr, serial: String) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let security = Security::none();
    let mut session = Session::new(Policy { security, max_pdu: MAX_PDU, conformance: Conformance::CLIENT });
    let (mut splitter, mut kind) = (Splitter::new(u16::MAX), Kind::Login);
    loop {
        let mut out = Vec::new();
        heartbeat::write(Dialect::Login, kind, &serial, &mut out)?;
        stream.write_all(&out).await?;
        kind = Kind::Heartbeat;
        let next = Instant::now() + HEARTBEAT;
        while let Ok(ready) = timeout_at(next, stream.readable()).await {
            ready?;
            receive(&stream, &mut splitter)?;
            let mut answers = Vec::new();
            while let Some(unit) = splitter.next_unit()? {
                let Unit::Wrapper { header, apdu, .. } = unit else { continue };
                // A word to the modem.
                if matches!(apdu.first(), Some(0xAA | 0xCC)) {
                    continue;
                }
                let (mut request, mut answer) = (apdu.to_vec(), Vec::new());
                session.handle(&mut request, &mut Identity(&serial), &mut answer);
                wrapper::frame(header.destination, header.source, &answer, &mut answers)?;
            }
            stream.write_all(&answers).await?;
        }
    }
}

fn receive(stream: &TcpStream, splitter: &mut Splitter) -> anyhow::Result<()> {
    let mut octets = [0; 1024];
    match stream.try_read(&mut octets) {
        Ok(0) => anyhow::bail!("the head-end hung up"),
        Ok(length) => splitter.push(&octets[..length]),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// A meter that only knows who it is.
struct Identity<'a>(&'a str);

impl Objects for Identity<'_> {
    fn get(
        &mut self,
        _: &AttributeDescriptor,
        _: Option<&Selection>,
        out: &mut Vec<u8>,
    ) -> Result<(), DataAccessResult> {
        Data::OctetString(self.0.as_bytes().to_vec()).encode(out);
        Ok(())
    }

    fn set(&mut self, _: &AttributeDescriptor, _: &Data) -> Result<(), DataAccessResult> {
        Err(DataAccessResult::ReadWriteDenied)
    }

    fn action(&mut self, _: &MethodDescriptor, _: Option<&Data>) -> Result<Option<Data>, ActionResult> {
        Err(ActionResult::ReadWriteDenied)
    }
}
