//! One connection: requests in, answers out, and the faults of the meters in between.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use models::Language;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::framing::{Asked, Framing};
use crate::talk::{Answer, Talk};
use crate::{Bus, BusConfig, Meter, languages};

/// A connection on which nothing comes for so long is closed.
const IDLE_LIMIT: Duration = Duration::from_secs(900);
/// Octets taken from the socket at once.
const READ_SIZE: usize = 2048;

/// Serves one connection to the meters of a line until the client closes it, breaks the rules of the wrapper, or a fault ends it.
pub(crate) async fn serve(mut stream: TcpStream, meters: Arc<[Arc<Meter>]>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if meters.first().is_some_and(|meter| meter.fleet().plan.model.language != Language::Dlms) {
        return serve_bus(stream, &meters).await;
    }
    let is_heard = meters.iter().any(|meter| !meter.faults().silent);
    let mut framing = Framing::of(&meters);
    let mut talks: Vec<_> = meters.iter().map(|meter| Talk::new(Arc::clone(meter))).collect();
    let (mut request, mut out) = (Vec::new(), Vec::new());
    while let Ok(ready) = timeout(IDLE_LIMIT, stream.readable()).await {
        ready?;
        let mut octets = [0; READ_SIZE];
        match stream.try_read(&mut octets) {
            Ok(0) => break,
            Ok(count) if is_heard => framing.push(&octets[..count]),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        loop {
            out.clear();
            let asked = framing.next(&mut request, &mut out)?;
            stream.write_all(&out).await?;
            let (who, talk) = match asked {
                Asked::Nothing => break,
                Asked::Link(who) => {
                    talks[who.meter].forget();
                    continue;
                }
                Asked::Request(who) => (who, &mut talks[who.meter]),
            };
            out.clear();
            let answer = talk.hear(who.client_sap, &mut request);
            if answer != Answer::None && talk.faults.delay > Duration::ZERO {
                sleep(talk.faults.delay).await;
            }
            match answer {
                Answer::None => framing.answer(who, None, &mut out)?,
                Answer::Send => {
                    framing.answer(who, Some(&talk.apdu), &mut out)?;
                    while talk.goes_on() {
                        framing.answer(who, Some(&talk.apdu), &mut out)?;
                    }
                }
                Answer::Drop => {
                    framing.answer(who, Some(&talk.apdu), &mut out)?;
                    out.clear();
                }
                Answer::Cut => return Ok(()),
            }
            stream.write_all(&out).await?;
        }
    }
    Ok(())
}

/// Serves one connection to a gateway to meters that do not speak DLMS. What they say takes no time on their line.
async fn serve_bus(mut stream: TcpStream, meters: &[Arc<Meter>]) -> io::Result<()> {
    let mut bus = Bus::new(BusConfig { speed: u32::MAX, turnaround: Duration::ZERO, ..BusConfig::default() });
    languages::stations(meters, u32::MAX).into_iter().for_each(|station| bus.add(station));
    bus.run(&mut stream).await
}
