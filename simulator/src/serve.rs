//! One connection: requests in, answers out, and the faults of the meters in between.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use dlms::client::{Authentication, Counters, GlobalKeys, Hls, Key, Password, SystemTitle};
use dlms::server::{Policy, Security, Session};
use dlms::{Conformance, ExceptionResponse, ServiceError};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::config::{Framing as Kind, SecretKind, SecurityLevel};
use crate::fault::{Faults, Trouble};
use crate::framing::{Asked, Framing};
use crate::objects::{Access, ClientView};
use crate::{Event, Meter};

/// A connection on which nothing comes for so long is closed.
const IDLE_LIMIT: Duration = Duration::from_secs(900);
/// Octets taken from the socket at once.
const READ_SIZE: usize = 2048;
/// Invocation counters that the meter sets aside for its answers in one association; they are never used twice.
const COUNTERS_PER_SESSION: u32 = 1 << 16;
/// Tags of ciphered answers: glo-get, glo-set and glo-action response, general-glo-ciphering.
const CIPHERED: [u8; 4] = [0xCC, 0xCD, 0xCF, 0xDB];

/// Serves one connection to the meters of a line until the client closes it, breaks the rules of the wrapper, or a fault ends it.
pub(crate) async fn serve(mut stream: TcpStream, meters: Arc<[Arc<Meter>]>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let is_heard = meters.iter().any(|meter| !meter.faults().silent);
    let mut framing = Framing::of(&meters);
    let mut talks: Vec<_> = meters.iter().map(|meter| Talk::new(meter)).collect();
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
                    talks[who.meter].session = None;
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

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// There is none.
    None,
    /// It stands in the output.
    Send,
    /// It gets lost on the way.
    Drop,
    /// The connection ends instead.
    Cut,
}

/// What is spoken with one meter on a connection. Its buffers grow only while a request is answered.
struct Talk<'a> {
    meter: &'a Meter,
    faults: Faults,
    /// The client address that spoke last, and its association.
    session: Option<(u16, Session)>,
    apdu: Vec<u8>,
    answers: u32,
    ciphered: u32,
}

impl<'a> Talk<'a> {
    fn new(meter: &'a Meter) -> Self {
        Self { meter, faults: meter.faults(), session: None, apdu: Vec::new(), answers: 0, ciphered: 0 }
    }

    /// Puts the answer to a request into `apdu`, and says what becomes of it.
    fn hear(&mut self, client_sap: u16, request: &mut [u8]) -> Answer {
        if self.session.as_ref().is_none_or(|(client, _)| *client != client_sap) {
            self.session = open(self.meter, client_sap).map(|session| (client_sap, session));
        }
        let Some((_, session)) = &mut self.session else { return Answer::None };
        if self.meter.act(|state, _| state.image.restarting()) {
            return Answer::Cut;
        }
        let mut view = ClientView { meter: self.meter, access: access(self.meter, client_sap), cut: false };
        self.apdu.clear();
        let before = session.last_client_counter();
        session.handle(request, &mut view, &mut self.apdu);
        let cut = view.cut;
        watch_counter(self.meter, before, session.last_client_counter(), &self.apdu);
        match (cut, self.apdu.is_empty()) {
            (true, _) => Answer::Cut,
            (false, true) => Answer::None,
            (false, false) => self.fate(),
        }
    }

    /// Puts what follows the answer without a request in between into `apdu`; false when nothing does.
    fn goes_on(&mut self) -> bool {
        self.apdu.clear();
        self.session.as_mut().is_some_and(|(_, session)| session.stream(&mut self.apdu))
    }

    /// What the faults of the meter make of its answer.
    fn fate(&mut self) -> Answer {
        if self.faults.cut_after.is_some_and(|after| self.answers >= after) {
            return Answer::Cut;
        }
        if self.meter.strikes(Trouble::Dropped) {
            return Answer::Drop;
        }
        self.answers += 1;
        if self.apdu.first().is_some_and(|tag| CIPHERED.contains(tag)) {
            if self.faults.wrong_tag_after.is_some_and(|after| self.ciphered >= after) {
                // The authentication tag is the end of a ciphered APDU.
                self.apdu.last_mut().into_iter().for_each(|octet| *octet ^= 0xFF);
            }
            self.ciphered += 1;
        }
        Answer::Send
    }
}

/// Notes the invocation counter that a session has seen last, and whether a client used one that is not above the highest.
fn watch_counter(meter: &Meter, before: Option<u32>, after: Option<u32>, answer: &[u8]) {
    let refused = ExceptionResponse::decode(answer)
        .is_ok_and(|exception| exception.service == ServiceError::InvocationCounterError);
    let taken = after.filter(|_| after != before);
    meter.act(|state, now| {
        // Another connection of the same client may have gone further.
        if refused || taken.is_some_and(|taken| Some(taken) <= state.client_counter) {
            state.book.note(now, Event::CounterRepeated);
        }
        state.client_counter = state.client_counter.max(taken);
    });
}

/// What a client address may do; the association itself is checked by the session.
fn access(meter: &Meter, client_sap: u16) -> Access {
    let public = meter.fleet().plan.model.association.client_sap_none;
    if client_sap == public && meter.security() != SecurityLevel::None {
        Access::Public
    } else {
        Access::Full
    }
}

/// Counters of the meter's own for one association, from the first up to the end, and the client's last one. No two associations
/// have the same.
fn counters(meter: &Meter) -> (u32, u32, Option<u32>) {
    meter.act(|state, _| {
        let first = state.own_counter;
        state.own_counter = first.saturating_add(COUNTERS_PER_SESSION);
        (first, state.own_counter, state.client_counter)
    })
}

/// A session for a client address: the public client, or the one that the meter's security belongs to.
fn open(meter: &Meter, client_sap: u16) -> Option<Session> {
    let association = &meter.fleet().plan.model.association;
    let secrets = meter.secrets();
    let security = match meter.security() {
        _ if client_sap == association.client_sap_none => Security::none(),
        SecurityLevel::Lls if client_sap == association.client_sap_lls => {
            Security::lls(Password::new(secrets.password))
        }
        SecurityLevel::Secret(kind) if client_sap == association.client_sap_hls => {
            let secret = Password::new(secrets.password);
            let hls = match kind {
                SecretKind::Md5 => Hls::Md5 { secret },
                SecretKind::Sha1 => Hls::Sha1 { secret },
                SecretKind::Sha256 => Hls::Sha256 { secret },
            };
            let (first, ..) = counters(meter);
            Security {
                authentication: Authentication::Hls { hls, challenge: meter.challenge(first).into() },
                title: Some(SystemTitle::new(meter.system_title())),
                ciphering: None,
            }
        }
        SecurityLevel::Gmac if client_sap == association.client_sap_hls => {
            let (first, end, last_client_counter) = counters(meter);
            Security::gmac(
                SystemTitle::new(meter.system_title()),
                GlobalKeys::of_suite_0(
                    Key::new(secrets.encryption_key),
                    Key::new(secrets.authentication_key),
                ),
                meter.challenge(first),
                Counters::new(first, end),
                last_client_counter,
            )
        }
        _ => return None,
    };
    // Over HDLC there is one answer to a request.
    let streams = association.general_block_window > 0 && meter.fleet().config.framing == Kind::Wrapper;
    let general = if streams { Conformance::GENERAL_BLOCK_TRANSFER } else { Conformance::new([0; 3]) };
    let conformance = Conformance::CLIENT.union(general);
    Some(Session::new(Policy { security, max_pdu: association.max_pdu, conformance }))
}
