use super::Reply;
use super::association::{Association, Negotiated, Protection};
use super::{Counters, Key, Password, SystemTitle};
use crate::acse::{Aare, Aarq, ApplicationContext, Mechanism};
use crate::apdu::tag::EXCEPTION_RESPONSE;
use crate::axdr::Data;
use crate::initiate::{Conformance, DLMS_VERSION, InitiateRequest, InitiateResponse, VAA_NAME_LN};
use crate::security::{self, CHALLENGE_MAX, CHALLENGE_MIN, Cipher, Envelope, Shield, Wrapping};
use crate::{AssociationResult, Diagnostic, Error, ExceptionResponse, MethodDescriptor, Obis};

/// `reply_to_HLS_authentication` of the current association (Blue Book, 4.4.4).
const REPLY_TO_HLS: MethodDescriptor =
    MethodDescriptor { class_id: 15, instance: Obis::new([0, 0, 40, 0, 0, 255]), method: 1 };
const INITIATE_REQUEST: u8 = 0x01;

/// How the client shows who it is.
#[derive(Debug)]
pub enum Security {
    /// Not at all (lowest level).
    None,
    /// By a password in the clear (low level).
    Lls {
        /// The password.
        password: Password,
    },
    /// By HLS mechanism 5 (GMAC) with suite 0; everything is authenticated and encrypted.
    Gmac {
        /// Our system title.
        client_title: SystemTitle,
        /// Global unicast encryption key.
        encryption_key: Key,
        /// Authentication key.
        authentication_key: Key,
        /// What the meter has to prove its key on; random, never used before.
        challenge: [u8; 16],
        /// Reserved invocation counters; opening takes three.
        counters: Counters,
    },
}

/// What the client proposes.
#[derive(Debug)]
pub struct Parameters {
    /// How it shows who it is.
    pub security: Security,
    /// Services that it proposes.
    pub conformance: Conformance,
    /// Longest APDU that it accepts, in octets; 0 for no limit.
    pub max_receive_pdu: u16,
}

/// An association on its way; each step consumes it.
#[derive(Debug)]
pub struct Opening(Step);

/// What comes next.
#[derive(Debug)]
pub enum Opened {
    /// The buffer holds the next request; hand its answer to this.
    Send(Opening),
    /// The association is open, and with HLS both sides have proved who they are.
    Established(Association),
}

/// What the next answer must be.
#[derive(Debug)]
enum Step {
    /// The AARE.
    Answer { initiate: InitiateRequest, proposal: Option<Proposal> },
    /// The meter's answer to our challenge.
    Proof { association: Association, challenge: [u8; 16] },
}

/// Our half of a ciphered association.
#[derive(Debug)]
struct Proposal {
    cipher: Cipher,
    title: SystemTitle,
    challenge: [u8; 16],
    counters: Counters,
}

impl Opening {
    /// Appends the AARQ to `out`.
    ///
    /// # Errors
    /// [`Error::CountersSpent`] when the range handed in is empty.
    pub fn start(parameters: Parameters, out: &mut Vec<u8>) -> Result<Self, Error> {
        let initiate = InitiateRequest {
            dedicated_key: None,
            response_allowed: true,
            quality_of_service: None,
            dlms_version: DLMS_VERSION,
            conformance: parameters.conformance,
            max_receive_pdu: parameters.max_receive_pdu,
        };
        let mut information = Vec::new();
        initiate.encode(&mut information);
        let mut aarq = Aarq {
            context: ApplicationContext::LogicalNames,
            calling_title: None,
            requirements: false,
            mechanism: None,
            authentication: None,
            user_information: &information,
        };
        let proposal = match parameters.security {
            Security::None => {
                aarq.encode(out);
                None
            }
            Security::Lls { password } => {
                aarq.requirements = true;
                aarq.mechanism = Some(Mechanism::Low);
                aarq.authentication = Some(password.octets());
                aarq.encode(out);
                None
            }
            Security::Gmac { client_title, encryption_key, authentication_key, challenge, counters } => {
                let cipher = Cipher::new(&encryption_key, &authentication_key);
                let mut proposal = Proposal { cipher, title: client_title, challenge, counters };
                proposal.encode(&information, out)?;
                Some(proposal)
            }
        };
        Ok(Self(Step::Answer { initiate, proposal }))
    }

    /// Takes an answer, which is deciphered in place, and appends the next request to `out` when
    /// there is one.
    ///
    /// # Errors
    /// [`Error::Rejected`] with the meter's diagnostic; [`Error::Confirmed`] when it refused the
    /// proposal without one; [`Error::Exception`] when it could not decipher the AARQ or did not
    /// accept its counter; [`Error::TagMismatch`] when its answer does not fit our keys;
    /// [`Error::ServerProof`] when it cannot prove its own; [`Error::CountersSpent`]; those of the codec.
    pub fn handle(self, apdu: &mut [u8], out: &mut Vec<u8>) -> Result<Opened, Error> {
        match self.0 {
            Step::Answer { initiate, proposal } => answered(initiate, proposal, apdu, out),
            Step::Proof { association, challenge } => proved(association, &challenge, apdu),
        }
    }
}

impl Proposal {
    fn encode(&mut self, initiate: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let (mut information, wrapping) = (Vec::new(), Wrapping::Global(INITIATE_REQUEST));
        let counter = self.counters.take()?;
        security::seal(&self.cipher, &self.title, wrapping, counter, initiate, &mut information)?;
        let aarq = Aarq {
            context: ApplicationContext::LogicalNamesCiphered,
            calling_title: Some(self.title.octets()),
            requirements: true,
            mechanism: Some(Mechanism::Gmac),
            authentication: Some(&self.challenge),
            user_information: &information,
        };
        aarq.encode(out);
        Ok(())
    }

    /// Goes on with a meter that has told its title.
    fn with(self, aare: &Aare<'_>, information: &mut [u8]) -> Result<Protection, Error> {
        let peer = match aare.responding_title {
            Some(title) => SystemTitle::try_from(title)?,
            None => title_inside(information)?,
        };
        if peer == self.title {
            // Whoever talks under our own title could send us back what we sent.
            return Err(Error::ServerProof);
        }
        let shield = Shield::new(self.cipher, self.title, peer, None);
        Ok(Protection { shield, counters: self.counters })
    }
}

fn answered(
    initiate: InitiateRequest,
    proposal: Option<Proposal>,
    apdu: &[u8],
    out: &mut Vec<u8>,
) -> Result<Opened, Error> {
    if apdu.first() == Some(&EXCEPTION_RESPONSE) {
        return Err(Error::Exception(ExceptionResponse::decode(apdu)?));
    }
    let aare = Aare::decode(apdu)?;
    let mut information = aare.user_information.unwrap_or_default().to_vec();
    if aare.result != AssociationResult::Accepted {
        return Err(rejected(&aare, proposal, &mut information));
    }
    let Some(proposal) = proposal else {
        let negotiated = negotiated(InitiateResponse::decode(&information)?, title_of(&aare))?;
        return Ok(Opened::Established(Association::new(None, negotiated, initiate)));
    };
    let challenge = proposal.challenge;
    let mut protection = proposal.with(&aare, &mut information)?;
    let response = InitiateResponse::decode(protection.shield.open(&mut information)?)?;
    let negotiated = negotiated(response, Some(*protection.shield.peer()))?;
    let theirs = checked(aare.authentication.ok_or(Error::ServerProof)?, &challenge)?;
    let proof = protection.shield.prove(protection.counters.take()?, theirs)?;
    let mut association = Association::new(Some(protection), negotiated, initiate);
    association.action(&REPLY_TO_HLS, Some(&Data::OctetString(proof.to_vec())), out)?;
    Ok(Opened::Send(Opening(Step::Proof { association, challenge })))
}

fn proved(mut association: Association, challenge: &[u8], apdu: &mut [u8]) -> Result<Opened, Error> {
    let tag = *apdu.first().ok_or(Error::Truncated)?;
    let proof = match association.handle(apdu)? {
        Reply::Action(Some(data)) => Data::decode(data)?,
        Reply::Action(None) => return Err(Error::ServerProof),
        _ => return Err(Error::Unexpected { tag }),
    };
    let Data::OctetString(proof) = proof else { return Err(Error::ServerProof) };
    let protection = association.protection.as_ref();
    if !protection.is_some_and(|protection| protection.shield.verify(&proof, challenge)) {
        return Err(Error::ServerProof);
    }
    Ok(Opened::Established(association))
}

/// Why the meter does not want us: its diagnostic, or the service error when that says more.
fn rejected(aare: &Aare<'_>, proposal: Option<Proposal>, information: &mut [u8]) -> Error {
    let says_nothing = matches!(aare.diagnostic, Diagnostic::User(0 | 1) | Diagnostic::Provider(0 | 1));
    let service_error = match (proposal, Envelope::is_tag(information.first().copied().unwrap_or_default())) {
        (Some(proposal), true) => proposal.with(aare, information).and_then(|mut protection| {
            protection.shield.open(information).and_then(InitiateResponse::decode)
        }),
        _ => InitiateResponse::decode(information),
    };
    match service_error {
        Err(Error::Confirmed(error)) if says_nothing => Error::Confirmed(error),
        _ => Error::Rejected { result: aare.result, diagnostic: aare.diagnostic },
    }
}

/// The meter's challenge, when it is one.
fn checked<'a>(theirs: &'a [u8], ours: &[u8]) -> Result<&'a [u8], Error> {
    if !(CHALLENGE_MIN..=CHALLENGE_MAX).contains(&theirs.len()) {
        return Err(Error::Length { what: "challenge", expected: CHALLENGE_MIN, got: theirs.len() });
    }
    if theirs == ours {
        // The meter wants us to make the very proof that it owes.
        return Err(Error::ServerProof);
    }
    Ok(theirs)
}

fn negotiated(response: InitiateResponse, server_title: Option<SystemTitle>) -> Result<Negotiated, Error> {
    if response.dlms_version != DLMS_VERSION {
        return Err(Error::Value { what: "DLMS version", got: u32::from(response.dlms_version) });
    }
    if response.vaa_name != VAA_NAME_LN {
        return Err(Error::Value { what: "VAA name", got: u32::from(response.vaa_name) });
    }
    let (max_send_pdu, conformance) = (response.max_receive_pdu, response.conformance);
    Ok(Negotiated { max_send_pdu, conformance, server_title })
}

fn title_of(aare: &Aare<'_>) -> Option<SystemTitle> {
    aare.responding_title.and_then(|title| SystemTitle::try_from(title).ok())
}

/// The title in a general envelope, of a meter whose AARE has none.
fn title_inside(information: &mut [u8]) -> Result<SystemTitle, Error> {
    match Envelope::read(information)?.0.wrapping {
        Wrapping::GeneralGlobal(Some(title)) => Ok(title),
        _ => Err(Error::Length { what: "system title", expected: 8, got: 0 }),
    }
}
