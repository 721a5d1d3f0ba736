use dlms::{
    Conformance,
    client::{Association, Counters, Opened, Opening, Parameters, Security},
};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::{
    Credentials, Limits, Station,
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

/// Opens an association on a fresh line: one exchange, with GMAC two. Counts the exchanges in `exchanges`.
pub(crate) async fn open(
    line: &mut Line,
    station: &Station,
    security: Security,
    limits: &Limits,
    (scratch, exchanges): (&mut Scratch, &mut u32),
) -> Result<Association, Setback> {
    let refused = |error| Setback::Protocol(Stage::Opening, error);
    let max_receive_pdu = station.model.association.max_pdu;
    let parameters = Parameters { security, conformance: Conformance::CLIENT, max_receive_pdu };
    scratch.request.clear();
    let mut opening = Opening::start(parameters, &mut scratch.request).map_err(refused)?;
    let mut subject = Subject::ASSOCIATE;
    loop {
        let span = subject.span();
        let request = scratch.request.len();
        let step = async {
            ask(line, limits, scratch).await?;
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
            Opened::Established(association) => return Ok(association),
        }
        subject = Subject::PROVE;
    }
}

/// Sends the request and waits for an answer to us.
async fn ask(line: &mut Line, limits: &Limits, scratch: &mut Scratch) -> Result<(), Setback> {
    let broken = |error| Setback::Line(Stage::Opening, error);
    let limit = limits.response_timeout;
    scratch.apdu.clear();
    line.send(&scratch.request, limit).await.map_err(broken)?;
    let deadline = Instant::now() + limit;
    let mut strangers = 0;
    while line.receive(&mut scratch.apdu, deadline).await.map_err(broken)? == Origin::Stranger {
        strangers += 1;
        if strangers > limits.stale_answers {
            return Err(Setback::Flooded);
        }
    }
    Ok(())
}

/// The protection of the next association. `challenge` is the work's; no two associations get the same.
pub(crate) fn security(
    credentials: &Credentials,
    challenge: &[u8; 16],
    counters: Option<Counters>,
) -> Result<Security, Setback> {
    match credentials {
        Credentials::None => Ok(Security::None),
        Credentials::Lls { password } => Ok(Security::Lls { password: password.clone() }),
        Credentials::Gmac { client_title, encryption_key, authentication_key } => {
            let counters = counters.ok_or(Setback::NoCounters)?;
            Ok(Security::Gmac {
                client_title: *client_title,
                encryption_key: encryption_key.clone(),
                authentication_key: authentication_key.clone(),
                challenge: fresh(challenge, counters.next()),
                counters,
            })
        }
    }
}

/// An unpredictable challenge that was never used: the work's octets, changed by a counter that is never used again.
fn fresh(challenge: &[u8; 16], counter: u32) -> [u8; 16] {
    let mut fresh = *challenge;
    for (octet, changed) in fresh[12..].iter_mut().zip(counter.to_be_bytes()) {
        *octet ^= changed;
    }
    fresh
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_of_one_work_differ_and_stay_unpredictable() {
        let work = *b"unpredictable...";
        assert_eq!(fresh(&work, 1)[..12], work[..12]);
        assert_ne!(fresh(&work, 1), fresh(&work, 2));
    }

    #[test]
    fn gmac_without_counters_is_refused_by_name() {
        use dlms::client::{Key, SystemTitle};
        let credentials = Credentials::Gmac {
            client_title: SystemTitle::new(*b"HES\0\0\0\0\x01"),
            encryption_key: Key::new([1; 16]),
            authentication_key: Key::new([2; 16]),
        };
        assert!(matches!(security(&credentials, &[0; 16], None), Err(Setback::NoCounters)));
    }
}
