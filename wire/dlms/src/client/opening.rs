//! From the AARQ to the open association.

use zeroize::Zeroizing;

use super::association::{Association, Negotiated, Protection};
use super::security::{Ciphering, ProofCounter, Security};
use super::{Reply, SystemTitle};
use crate::acse::{Aare, Aarq, ApplicationContext, Mechanism};
use crate::apdu::tag::{CONFIRMED_SERVICE_ERROR, EXCEPTION_RESPONSE};
use crate::axdr::Data;
use crate::initiate::{
    Conformance, DLMS_VERSION, InitiateRequest, InitiateResponse, VAA_NAME_LN, VAA_NAME_SN,
};
use crate::security::{
    Authentication, Challenge, Dialogue, Envelope, Hls, Manner, Shield, Wrapping, seal_first,
};
use crate::{AssociationResult, Diagnostic, Downgrade, Error, ExceptionResponse, MethodDescriptor, Obis};

/// `reply_to_HLS_authentication` of the current association (Blue Book, 4.4.4).
const REPLY_TO_HLS: MethodDescriptor =
    MethodDescriptor { class_id: 15, instance: Obis::new([0, 0, 40, 0, 0, 255]), method: 1 };
/// Most answers that bring a proof, or take ours: a signature in blocks of the shortest APDUs has less.
const PROOF_ANSWERS: usize = 32;
/// Longest proof of a meter, encoded.
const PROOF_MAX: usize = 256;

/// What the client proposes.
#[derive(Debug)]
pub struct Parameters {
    /// What it shows, sends and demands.
    pub security: Security,
    /// Services that it proposes: [`Conformance::CLIENT`], or [`Conformance::CLIENT_SN`] to a meter with short names.
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
    Answer { initiate: InitiateRequest, security: Box<Security> },
    /// The meter's answer to our challenge, or to a block of ours to its own.
    Proof { association: Association, owed: Box<Owed> },
}

/// What the meter has to prove, and on what.
#[derive(Debug)]
struct Owed {
    hls: Hls,
    /// Ours and the meter's.
    titles: [Option<SystemTitle>; 2],
    /// Ours and the meter's.
    challenges: [Challenge; 2],
    /// What came of the meter's proof, and in how many answers.
    proof: Vec<u8>,
    answers: usize,
}

impl Opening {
    /// Appends the AARQ to `out`.
    ///
    /// # Errors
    /// [`Error::CountersSpent`] when the range handed in is empty; [`Error::Misuse`] when the parameters lack what the security needs.
    pub fn start(parameters: Parameters, out: &mut Vec<u8>) -> Result<Self, Error> {
        let Parameters { security, conformance, max_receive_pdu } = parameters;
        let mut security = Box::new(security);
        if conformance.has_short_names() && matches!(security.authentication, Authentication::Hls { .. }) {
            return Err(Error::Misuse("to a meter with short names nobody shows more than a password"));
        }
        let dedicated_key = security.dedicated_key()?;
        let initiate = InitiateRequest {
            dedicated_key,
            response_allowed: true,
            quality_of_service: None,
            dlms_version: DLMS_VERSION,
            conformance,
            max_receive_pdu,
        };
        let information = security.information(&initiate)?;
        let mut aarq = Aarq::new(security.context(conformance), &information);
        aarq.calling_title = security.title.as_ref().map(|title| &title.octets()[..]);
        let mechanism = security.authentication.mechanism();
        if mechanism != Mechanism::Lowest {
            (aarq.requirements, aarq.mechanism) = (true, Some(mechanism));
        }
        aarq.authentication = match &security.authentication {
            Authentication::None => None,
            Authentication::Lls { password } => Some(password.octets()),
            Authentication::Hls { challenge, .. } => Some(challenge.octets()),
        };
        aarq.encode(out);
        Ok(Self(Step::Answer { initiate, security }))
    }

    /// Takes an answer, which is deciphered in place, and appends the next request to `out` when
    /// there is one.
    ///
    /// # Errors
    /// [`Error::Rejected`] with the meter's diagnostic; [`Error::Confirmed`] when it refused the
    /// proposal without one; [`Error::Exception`] when it could not decipher the AARQ or did not
    /// accept its counter; [`Error::Downgrade`] when it accepts less security than was asked for;
    /// [`Error::TagMismatch`] when its answer does not fit our keys;
    /// [`Error::ServerProof`] when it cannot prove its own; [`Error::CountersSpent`]; [`Error::Malformed`] and those of the codec.
    pub fn handle(self, apdu: &mut [u8], out: &mut Vec<u8>) -> Result<Opened, Error> {
        match self.0 {
            Step::Answer { initiate, security } => {
                answered(initiate, *security, apdu, out).map_err(|error| error.placed(apdu))
            }
            Step::Proof { association, owed } => proved(association, owed, apdu, out),
        }
    }
}

impl Security {
    fn is_ciphered(&self) -> bool {
        self.ciphering.as_ref().is_some_and(|ciphering| ciphering.send.is_ciphered())
    }

    fn context(&self, services: Conformance) -> ApplicationContext {
        match (services.has_short_names(), self.is_ciphered()) {
            (false, false) => ApplicationContext::LogicalNames,
            (false, true) => ApplicationContext::LogicalNamesCiphered,
            (true, false) => ApplicationContext::ShortNames,
            (true, true) => ApplicationContext::ShortNamesCiphered,
        }
    }

    /// Whether anything depends on the system titles.
    fn takes_titles(&self) -> bool {
        let proves = matches!(&self.authentication, Authentication::Hls { hls, .. } if hls.takes_titles());
        self.ciphering.is_some() || proves
    }

    /// The dedicated key for the initiate request, when everything that the security needs is there.
    fn dedicated_key(&self) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        let hls = match &self.authentication {
            Authentication::Hls { hls, .. } => Some(hls),
            _ => None,
        };
        if self.title.is_none() && self.takes_titles() {
            return Err(Error::Misuse("this security needs a system title of the client"));
        }
        let Some(ciphering) = &self.ciphering else {
            return match hls {
                Some(Hls::Gmac) => Err(Error::Misuse("GMAC needs keys")),
                _ => Ok(None),
            };
        };
        if !ciphering.send.is_ciphered()
            && (ciphering.demand.is_ciphered() || ciphering.dedicated_key.is_some())
        {
            return Err(Error::Misuse("without ciphering nothing can be demanded of answers"));
        }
        Ok(ciphering.dedicated_key.as_ref().map(|key| key.octets().to_vec().into()))
    }

    /// The initiate request, protected as the policy says. A dedicated key in it is always encrypted and authenticated.
    fn information(&mut self, initiate: &InitiateRequest) -> Result<Vec<u8>, Error> {
        let (mut plain, mut sealed) = (Zeroizing::new(Vec::new()), Vec::new());
        initiate.encode(&mut plain);
        match (&mut self.ciphering, &self.title) {
            (Some(ciphering), Some(title)) if ciphering.send.is_ciphered() => {
                let policy = ciphering.send.for_initiate(initiate);
                let counter = ciphering.counters.take()?;
                seal_first(&ciphering.keys, policy, (title, ciphering.wrap), counter, &plain, &mut sealed)?;
                Ok(sealed)
            }
            _ => Ok(plain.to_vec()),
        }
    }

    /// The protection of the association with a meter that has answered.
    fn protection(
        ciphering: Option<Ciphering>,
        titles: [Option<SystemTitle>; 2],
    ) -> Result<Option<Protection>, Error> {
        let Some(ciphering) = ciphering else { return Ok(None) };
        let [Some(own), Some(peer)] = titles else {
            return Err(Error::Length { what: "system title", expected: 8, got: 0 });
        };
        let Ciphering { keys, counters, send, demand, wrap, .. } = ciphering;
        let shield = Box::new(Shield::new(keys, (own, peer), (send, demand), None));
        Ok(Some(Protection { shield, counters, manner: Manner::global(wrap) }))
    }

    /// The meter's title: from the AARE, from the envelope inside, or as it is known.
    fn title_of(&self, aare: &Aare<'_>, information: &mut [u8]) -> Result<Option<SystemTitle>, Error> {
        let mut inside = || match Envelope::read(information).ok()?.0.wrapping {
            Wrapping::GeneralGlobal(title) => title,
            _ => None,
        };
        let title = match aare.responding_title {
            // An empty one is as good as none.
            None | Some([]) => inside().or(self.server_title),
            Some(title) if self.takes_titles() => Some(SystemTitle::try_from(title)?),
            Some(title) => SystemTitle::try_from(title).ok(),
        };
        if title.is_some() && title == self.title {
            // Whoever talks under our own title could send us back what we sent.
            return Err(Error::ServerProof);
        }
        Ok(title)
    }
}

fn answered(
    initiate: InitiateRequest,
    security: Security,
    apdu: &[u8],
    out: &mut Vec<u8>,
) -> Result<Opened, Error> {
    match apdu.first() {
        Some(&EXCEPTION_RESPONSE) => return Err(Error::Exception(ExceptionResponse::decode(apdu)?)),
        // Some meters refuse so without an AARE around it.
        Some(&tag @ CONFIRMED_SERVICE_ERROR) => {
            return InitiateResponse::decode(apdu).and(Err(Error::Unexpected { tag }));
        }
        _ => {}
    }
    let aare = Aare::decode(apdu)?;
    let mut information = aare.user_information.unwrap_or_default().to_vec();
    if aare.result != AssociationResult::Accepted {
        return Err(rejected(&aare, security, &mut information));
    }
    let theirs = not_weaker(&aare, &security, initiate.conformance)?;
    let titles = [security.title, security.title_of(&aare, &mut information)?];
    let Security { authentication, ciphering, .. } = security;
    let dedicated = ciphering.as_ref().and_then(|ciphering| ciphering.dedicated_key.clone());
    let order = ciphering.as_ref().map_or(ProofCounter::Lower, Ciphering::order);
    let mut protection = Security::protection(ciphering, titles)?;
    let plain = match &mut protection {
        Some(protection) => protection.shield.open(&mut information)?.0,
        None => &information,
    };
    let negotiated = negotiated(&initiate, InitiateResponse::decode(plain)?, titles[1])?;
    if let (Some(protection), Some(key)) = (&mut protection, &dedicated) {
        protection.shield.dedicate(key);
    }
    let (Authentication::Hls { hls, challenge }, Some(theirs)) = (authentication, theirs) else {
        let mut association = Association::new(protection, negotiated, initiate);
        association.use_dedicated_key();
        return Ok(Opened::Established(association));
    };
    let challenges = [challenge, theirs];
    let owed = Box::new(Owed { hls, titles, challenges, proof: Vec::new(), answers: 0 });
    let mut association = Association::new(protection, negotiated, initiate);
    let proof = owed.ours(association.protection.as_mut(), order)?;
    association.action(&REPLY_TO_HLS, Some(&Data::OctetString(proof)), out)?;
    if let (Hls::Gmac, ProofCounter::Higher, Some(protection)) =
        (&owed.hls, order, &mut association.protection)
    {
        protection.counters.take()?;
    }
    Ok(Opened::Send(Opening(Step::Proof { association, owed })))
}

impl Ciphering {
    /// Only a protected APDU takes a counter of its own.
    fn order(&self) -> ProofCounter {
        if self.send.is_ciphered() { self.proof_counter } else { ProofCounter::Lower }
    }
}

impl Owed {
    /// Our own proof. Of the two counters left for it and the APDU around it, it takes the one that `order` says.
    fn ours(&self, protection: Option<&mut Protection>, order: ProofCounter) -> Result<Vec<u8>, Error> {
        let [own, peer] = self.titles.each_ref().map(Option::as_ref);
        let [ours, theirs] = self.challenges.each_ref().map(Challenge::octets);
        let dialogue = Dialogue { prover: own, verifier: peer, challenge: theirs, countered: ours };
        let gmac = match (&self.hls, protection) {
            (Hls::Gmac, Some(Protection { shield, counters, .. })) => {
                let counter = match order {
                    ProofCounter::Lower => counters.take()?,
                    // A protected APDU goes first.
                    ProofCounter::Higher if counters.left() < 2 => return Err(Error::CountersSpent),
                    ProofCounter::Higher => counters.next() + 1,
                };
                let (cipher, suite) = shield.global();
                Some((cipher, suite, counter))
            }
            _ => None,
        };
        self.hls.prove(&dialogue, gmac)
    }

    /// Takes in a piece of the meter's proof, or nothing of it.
    fn take(&mut self, piece: &[u8]) -> Result<(), Error> {
        self.proof.extend_from_slice(piece);
        self.answers += 1;
        match self.answers > PROOF_ANSWERS || self.proof.len() > PROOF_MAX {
            true => Err(Error::TooLong { what: "proof", limit: PROOF_MAX }),
            false => Ok(()),
        }
    }

    /// Whether `proof` is the meter's.
    fn is_paid_by(&self, proof: &[u8], protection: Option<&Protection>) -> bool {
        let [own, peer] = self.titles.each_ref().map(Option::as_ref);
        let [ours, theirs] = self.challenges.each_ref().map(Challenge::octets);
        let dialogue = Dialogue { prover: peer, verifier: own, challenge: ours, countered: theirs };
        self.hls.verify(&dialogue, proof, protection.map(|protection| protection.shield.global().0))
    }
}

/// Takes what the meter answers to the proof that goes to it, or to a block of it, and goes on with what is left of either proof.
fn proved(
    mut association: Association,
    mut owed: Box<Owed>,
    apdu: &mut [u8],
    out: &mut Vec<u8>,
) -> Result<Opened, Error> {
    let tag = *apdu.first().ok_or(Error::Truncated)?;
    let is_whole = match association.handle(apdu)? {
        Reply::Action(Some(piece)) => owed.take(piece).map(|()| true),
        Reply::Block(piece) => owed.take(piece).map(|()| false),
        Reply::BlockTaken => owed.take(&[]).map(|()| false),
        Reply::Action(None) => Err(Error::ServerProof),
        _ => Err(Error::Unexpected { tag }),
    };
    if !is_whole? {
        association.next_block(out)?;
        return Ok(Opened::Send(Opening(Step::Proof { association, owed })));
    }
    let Data::OctetString(proof) = Data::decode(&owed.proof)? else { return Err(Error::ServerProof) };
    if !owed.is_paid_by(&proof, association.protection.as_ref()) {
        return Err(Error::ServerProof);
    }
    association.use_dedicated_key();
    Ok(Opened::Established(association))
}

/// Why the meter does not want us: its diagnostic, or the service error when that says more.
fn rejected(aare: &Aare<'_>, security: Security, information: &mut [u8]) -> Error {
    let says_nothing = matches!(aare.diagnostic, Diagnostic::User(0 | 1) | Diagnostic::Provider(0 | 1));
    let service_error = if Envelope::is_tag(information.first().copied().unwrap_or_default()) {
        security.title_of(aare, information).and_then(|peer| {
            let Some(mut protection) = Security::protection(security.ciphering, [security.title, peer])?
            else {
                return Err(Error::Unexpected { tag: information[0] });
            };
            protection.shield.open(information).and_then(|(plain, _)| InitiateResponse::decode(plain))
        })
    } else {
        InitiateResponse::decode(information)
    };
    match service_error {
        Err(Error::Confirmed(error)) if says_nothing => Error::Confirmed(error),
        _ => Error::Rejected { result: aare.result, diagnostic: aare.diagnostic },
    }
}

/// The meter's challenge, when one is due, unless it has accepted a weaker association than the one that was asked for.
fn not_weaker(
    aare: &Aare<'_>,
    security: &Security,
    services: Conformance,
) -> Result<Option<Challenge>, Error> {
    if security.is_ciphered() && aare.context != security.context(services) {
        return Err(Error::Downgrade(Downgrade::Context(aare.context)));
    }
    let asked = security.authentication.mechanism();
    let answered = match (aare.mechanism, aare.authentication) {
        (Some(named), _) => named,
        (None, Some(_)) => asked,
        // Meters name a mechanism below HLS, or none, as they please.
        (None, None) if asked == Mechanism::Low => asked,
        (None, None) => Mechanism::Lowest,
    };
    let Authentication::Hls { challenge, .. } = &security.authentication else {
        return match answered.id() < asked.id() {
            true => Err(Error::Downgrade(Downgrade::Mechanism(answered))),
            false => Ok(None),
        };
    };
    if answered != asked {
        return Err(Error::Downgrade(Downgrade::Mechanism(answered)));
    }
    let theirs = aare.authentication.ok_or(Error::ServerProof)?;
    if theirs == challenge.octets() {
        // The meter wants us to make the very proof that it owes.
        return Err(Error::ServerProof);
    }
    Challenge::try_from(theirs).map(Some)
}

fn negotiated(
    initiate: &InitiateRequest,
    response: InitiateResponse,
    server_title: Option<SystemTitle>,
) -> Result<Negotiated, Error> {
    if response.dlms_version != DLMS_VERSION {
        return Err(Error::Value { what: "DLMS version", got: u32::from(response.dlms_version) });
    }
    let expected = if initiate.conformance.has_short_names() { VAA_NAME_SN } else { VAA_NAME_LN };
    if response.vaa_name != expected {
        return Err(Error::Value { what: "VAA name", got: u32::from(response.vaa_name) });
    }
    let (max_send_pdu, conformance) = (response.max_receive_pdu, response.conformance);
    Ok(Negotiated { max_send_pdu, conformance, server_title })
}
