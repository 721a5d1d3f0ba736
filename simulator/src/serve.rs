//! One connection: frames in, frames out, and the faults of the meter in between.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use dlms::client::{Counters, Key, Password, SystemTitle};
use dlms::server::{Policy, Security, Session};
use dlms::wrapper::{self, Splitter};
use dlms::{Conformance, ExceptionResponse, ServiceError};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::config::SecurityLevel;
use crate::fault::{Faults, Trouble};
use crate::objects::{Access, ClientView};
use crate::{Event, Meter};

/// A connection on which nothing comes for so long is closed.
const IDLE_LIMIT: Duration = Duration::from_secs(900);
/// Longest APDU that a client may send.
const REQUEST_LIMIT: u16 = 4096;
/// Octets taken from the socket at once.
const READ_SIZE: usize = 2048;
/// Invocation counters that the meter sets aside for its answers in one association; they are never used twice.
const COUNTERS_PER_SESSION: u32 = 1 << 16;
/// Tags of ciphered answers: glo-get, glo-set and glo-action response, general-glo-ciphering.
const CIPHERED: [u8; 4] = [0xCC, 0xCD, 0xCF, 0xDB];

/// Serves one connection until the client closes it, breaks the rules of the wrapper, or a fault ends it.
pub(crate) async fn serve(mut stream: TcpStream, meter: Arc<Meter>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let faults = meter.faults();
    let mut talk = Talk::new(&meter, faults);
    while let Ok(ready) = timeout(IDLE_LIMIT, stream.readable()).await {
        ready?;
        if !talk.take(&stream)? {
            break;
        }
        while let Some(answer) = talk.answer()? {
            if faults.delay > Duration::ZERO {
                sleep(faults.delay).await;
            }
            match answer {
                Answer::Send => stream.write_all(&talk.out).await?,
                Answer::Drop => {}
                Answer::Cut => return Ok(()),
            }
        }
    }
    Ok(())
}

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// It stands in the output.
    Send,
    /// It is forgotten.
    Drop,
    /// The connection ends instead.
    Cut,
}

/// The state of a connection. Its buffers are empty between requests and grow only while one is answered.
struct Talk<'a> {
    meter: &'a Meter,
    faults: Faults,
    splitter: Splitter,
    /// The client address that spoke last, and its association.
    session: Option<(u16, Session)>,
    apdu: Vec<u8>,
    /// The frame to send.
    out: Vec<u8>,
    answers: u32,
    ciphered: u32,
}

impl<'a> Talk<'a> {
    fn new(meter: &'a Meter, faults: Faults) -> Self {
        let splitter = Splitter::new(REQUEST_LIMIT);
        let (apdu, out) = (Vec::new(), Vec::new());
        Self { meter, faults, splitter, session: None, apdu, out, answers: 0, ciphered: 0 }
    }

    /// Takes what has arrived; false when the client has closed the connection.
    fn take(&mut self, stream: &TcpStream) -> io::Result<bool> {
        let mut octets = [0; READ_SIZE];
        match stream.try_read(&mut octets) {
            Ok(0) => Ok(false),
            Ok(count) => {
                if !self.faults.silent {
                    self.splitter.push(&octets[..count]);
                }
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Answers the next request that has arrived whole; `None` when there is none.
    fn answer(&mut self) -> io::Result<Option<Answer>> {
        loop {
            let frame = self.splitter.next_frame().map_err(io::Error::other)?;
            let Some((header, request)) = frame else { return Ok(None) };
            let server_sap = self.meter.fleet().plan.model.association.server_sap;
            if header.destination != server_sap {
                continue;
            }
            if self.session.as_ref().is_none_or(|(client, _)| *client != header.source) {
                self.session = open(self.meter, header.source).map(|session| (header.source, session));
            }
            // IEC 62056-47: what is addressed to nobody is not answered.
            let Some((client_sap, session)) = &mut self.session else { continue };
            if self.meter.act(|state, _| state.image.restarting()) {
                return Ok(Some(Answer::Cut));
            }
            let access = access(self.meter, *client_sap);
            let mut view = ClientView { meter: self.meter, access, cut: false };
            self.apdu.clear();
            let before = session.last_client_counter();
            session.handle(request, &mut view, &mut self.apdu);
            let cut = view.cut;
            watch_counter(self.meter, before, session.last_client_counter(), &self.apdu);
            if cut {
                return Ok(Some(Answer::Cut));
            }
            if !self.apdu.is_empty() {
                let client_sap = *client_sap;
                return self.frame(server_sap, client_sap).map(Some);
            }
        }
    }

    /// Puts the answer into its frame, unless a fault stands in the way.
    fn frame(&mut self, server_sap: u16, client_sap: u16) -> io::Result<Answer> {
        if self.faults.cut_after.is_some_and(|after| self.answers >= after) {
            return Ok(Answer::Cut);
        }
        if self.meter.strikes(Trouble::Dropped) {
            return Ok(Answer::Drop);
        }
        self.answers += 1;
        if self.apdu.first().is_some_and(|tag| CIPHERED.contains(tag)) {
            if self.faults.wrong_tag_after.is_some_and(|after| self.ciphered >= after) {
                // The authentication tag is the end of a ciphered APDU.
                self.apdu.last_mut().into_iter().for_each(|octet| *octet ^= 0xFF);
            }
            self.ciphered += 1;
        }
        self.out.clear();
        wrapper::frame(server_sap, client_sap, &self.apdu, &mut self.out).map_err(io::Error::other)?;
        Ok(Answer::Send)
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

/// A session for a client address: the public client, or the one that the meter's security belongs to.
fn open(meter: &Meter, client_sap: u16) -> Option<Session> {
    let association = &meter.fleet().plan.model.association;
    let secrets = meter.secrets();
    let security = match meter.security() {
        _ if client_sap == association.client_sap_none => Security::None,
        SecurityLevel::Lls if client_sap == association.client_sap_lls => {
            Security::Lls { password: Password::new(secrets.password) }
        }
        SecurityLevel::Gmac if client_sap == association.client_sap_gmac => {
            let (first, end, last_client_counter) = meter.act(|state, _| {
                let first = state.own_counter;
                state.own_counter = first.saturating_add(COUNTERS_PER_SESSION);
                (first, state.own_counter, state.client_counter)
            });
            Security::Gmac {
                server_title: SystemTitle::new(meter.system_title()),
                encryption_key: Key::new(secrets.encryption_key),
                authentication_key: Key::new(secrets.authentication_key),
                challenge: meter.challenge(first),
                counters: Counters::new(first, end),
                last_client_counter,
            }
        }
        _ => return None,
    };
    Some(Session::new(Policy { security, max_pdu: association.max_pdu, conformance: Conformance::CLIENT }))
}
