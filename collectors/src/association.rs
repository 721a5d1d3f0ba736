use dlms::{
    Conformance,
    client::{Association, Opened, Opening, Parameters, Security},
};
use models::Wrapping;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::{
    Limits, Station,
    diagnosis::{Setback, Stage},
    exchange::{self, Subject},
    line::{Line, Origin},
};

/// Scratch memory of a session, kept between exchanges.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// The APDU to send.
    pub(crate) request: Vec<u8>,
    /// The APDU received.
    pub(crate) apdu: Vec<u8>,
}

/// Opens an association on a fresh line: one exchange, with high level security two. Counts the exchanges in `exchanges`.
pub(crate) async fn open(
    line: &mut Line,
    station: &Station,
    security: Security,
    limits: &Limits,
    (scratch, exchanges): (&mut Scratch, &mut u32),
) -> Result<Association, Setback> {
    let refused = |error| Setback::Protocol(Stage::Opening, error);
    let max_receive_pdu = station.model.association.max_pdu;
    let window = station.model.association.general_block_window;
    let streams = window > 0 && line.takes_streams();
    let services = if streams { Conformance::GENERAL_BLOCK_TRANSFER } else { Conformance::new([0; 3]) };
    let services = match station.model.association.ciphering {
        Wrapping::General | Wrapping::GeneralUntitled if station.credentials.is_ciphered() => {
            services.union(Conformance::GENERAL_PROTECTION)
        }
        _ => services,
    };
    let conformance = Conformance::CLIENT.union(services);
    let parameters = Parameters { security, conformance, max_receive_pdu };
    scratch.request.clear();
    let mut opening = Opening::start(parameters, &mut scratch.request).map_err(refused)?;
    let (mut subject, mut is_first) = (Subject::ASSOCIATE, true);
    loop {
        let span = subject.span();
        let request = scratch.request.len();
        let step = async {
            ask(line, limits, scratch, is_first).await?;
            *exchanges = exchanges.saturating_add(1);
            scratch.request.clear();
            opening.handle(&mut scratch.apdu, &mut scratch.request).map_err(refused)
        };
        let outcome = step.instrument(span.clone()).await;
        let failed = outcome.as_ref().err().map(|setback| setback.failure(station, limits).reason);
        let octets = (request, scratch.apdu.len());
        exchange::record((&subject, &span), line, octets, failed);
        match outcome? {
            Opened::Send(next) => opening = next,
            Opened::Established(mut association) => {
                if streams {
                    association.use_general_blocks(window);
                }
                return Ok(association);
            }
        }
        (subject, is_first) = (Subject::PROVE, false);
    }
}

/// Sends the request and waits for an answer to us. The first one on a line that somebody had before may be overtaken by answers to him.
async fn ask(line: &mut Line, limits: &Limits, scratch: &mut Scratch, is_first: bool) -> Result<(), Setback> {
    let broken = |error| Setback::Line(Stage::Opening, error);
    let limit = limits.response_timeout;
    scratch.apdu.clear();
    line.send(&scratch.request, limit).await.map_err(broken)?;
    let deadline = Instant::now() + limit;
    let mut strangers = 0;
    let may_be_late = is_first && line.is_borrowed();
    while line.receive(&mut scratch.apdu, deadline).await.map_err(broken)? == Origin::Stranger
        || (may_be_late && is_late(&scratch.apdu))
    {
        strangers += 1;
        if strangers > limits.stale_answers {
            return Err(Setback::Flooded);
        }
    }
    Ok(())
}

/// Whether an APDU answers something that was asked on an association, and so none that is being opened: a response to GET, SET or ACTION, in the
/// clear or with the global or the dedicated key, or to a release.
fn is_late(apdu: &[u8]) -> bool {
    matches!(apdu.first(), Some(0xC4 | 0xC5 | 0xC7 | 0xCC | 0xCD | 0xCF | 0xD4 | 0xD5 | 0xD7 | 0x63))
}
