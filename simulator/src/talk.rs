//! What is spoken with one meter: requests in, answers out, and what the faults of the meter make of them.

use std::sync::Arc;

use dlms::client::{Authentication, Counters, GlobalKeys, Hls, Key, Password, SystemTitle};
use dlms::server::{Policy, Security, Session};
use dlms::{Conformance, ExceptionResponse, ServiceError};

use crate::config::{Framing as Kind, SecretKind, SecurityLevel};
use crate::fault::{Faults, Trouble};
use crate::objects::{Access, ClientView};
use crate::{Event, Meter};

/// Invocation counters that the meter sets aside for its answers in one association; they are never used twice.
const COUNTERS_PER_SESSION: u32 = 1 << 16;
/// Tags of ciphered answers: glo-get, glo-set and glo-action response, general-glo-ciphering.
const CIPHERED: [u8; 4] = [0xCC, 0xCD, 0xCF, 0xDB];

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
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
pub(crate) struct Talk {
    meter: Arc<Meter>,
    pub(crate) faults: Faults,
    /// The client address that spoke last, and its association.
    session: Option<(u16, Session)>,
    /// The answer.
    pub(crate) apdu: Vec<u8>,
    answers: u32,
    ciphered: u32,
}

impl Talk {
    /// Nothing was spoken yet.
    pub(crate) fn new(meter: Arc<Meter>) -> Self {
        let faults = meter.faults();
        Self { meter, faults, session: None, apdu: Vec::new(), answers: 0, ciphered: 0 }
    }

    /// Forgets the association: the link below it began anew or ended.
    pub(crate) fn forget(&mut self) {
        self.session = None;
    }

    /// Puts the answer to a request into `apdu`, and says what becomes of it.
    pub(crate) fn hear(&mut self, client_sap: u16, request: &mut [u8]) -> Answer {
        if self.session.as_ref().is_none_or(|(client, _)| *client != client_sap) {
            self.session = open(&self.meter, client_sap).map(|session| (client_sap, session));
        }
        let Some((_, session)) = &mut self.session else { return Answer::None };
        if self.meter.act(|state, _| state.image.restarting()) {
            return Answer::Cut;
        }
        let mut view = ClientView { meter: &self.meter, access: access(&self.meter, client_sap), cut: false };
        self.apdu.clear();
        let before = session.last_client_counter();
        session.handle(request, &mut view, &mut self.apdu);
        let cut = view.cut;
        watch_counter(&self.meter, before, session.last_client_counter(), &self.apdu);
        match (cut, self.apdu.is_empty()) {
            (true, _) => Answer::Cut,
            (false, true) => Answer::None,
            (false, false) => self.fate(),
        }
    }

    /// Puts what follows the answer without a request in between into `apdu`; false when nothing does.
    pub(crate) fn goes_on(&mut self) -> bool {
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
    // Over HDLC and in datagrams there is one answer to a request.
    let streams = association.general_block_window > 0 && meter.fleet().config.framing == Kind::Wrapper;
    let general = if streams { Conformance::GENERAL_BLOCK_TRANSFER } else { Conformance::new([0; 3]) };
    let conformance = Conformance::CLIENT.union(general);
    Some(Session::new(Policy { security, max_pdu: association.max_pdu, conformance }))
}
