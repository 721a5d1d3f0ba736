//! AARQ, the HLS proof and RLRQ.

use super::session::{Agreed, MALFORMED, NOT_POSSIBLE, Session, Stage};
use super::{Policy, Security};
use crate::acse::{Aare, Aarq, ApplicationContext, Mechanism, Release, ReleaseKind};
use crate::apdu::{ActionRequest, ActionResponse, ActionReturn};
use crate::axdr::Data;
use crate::initiate::{DLMS_VERSION, InitiateRequest, InitiateResponse, VAA_NAME_LN};
use crate::security::{CHALLENGE_MAX, CHALLENGE_MIN, Cipher, Envelope, SealAs, Shield, SystemTitle};
use crate::{
    ActionResult, AssociationResult, ConfirmedServiceError, Conformance, Diagnostic, ExceptionResponse, Obis,
};

/// Association of the current client (Blue Book, 4.4.4), and its method `reply_to_HLS_authentication`.
const ASSOCIATION: (u16, Obis, i8) = (15, Obis::new([0, 0, 40, 0, 0, 255]), 1);
/// Octets of a GET response with a block in front of the block's own.
pub(super) const BLOCK_HEADER: usize = 12;
const NORMAL: u8 = 0;
const NOT_FINISHED: u8 = 1;

/// Errors of ConfirmedServiceError, service initiate, class initiate.
const VERSION_TOO_LOW: u8 = 1;
const INCOMPATIBLE_CONFORMANCE: u8 = 2;
const PDU_TOO_SHORT: u8 = 3;

/// Why a client is not let in.
enum Refusal {
    /// It is not allowed in.
    Diagnostic(Diagnostic),
    /// What it proposes does not work: error of the class initiate.
    Initiate(u8),
    /// It cannot be understood.
    Exception(ExceptionResponse),
}

impl From<ExceptionResponse> for Refusal {
    fn from(exception: ExceptionResponse) -> Self {
        Self::Exception(exception)
    }
}

impl Session {
    /// Answers an AARQ. An association that there was is gone.
    pub(super) fn open(&mut self, apdu: &[u8], out: &mut Vec<u8>) -> Result<(), ExceptionResponse> {
        self.close();
        let aarq = Aarq::decode(apdu).map_err(|_| MALFORMED)?;
        let judged = self.authenticate(&aarq).and_then(|()| self.negotiate(&aarq));
        if judged.is_err() {
            self.stage = Stage::Closed;
        }
        let (result, diagnostic, information) = match judged {
            Ok(()) => {
                let hls = matches!(self.stage, Stage::Proving { .. });
                let diagnostic = if hls { Diagnostic::AUTHENTICATION_REQUIRED } else { Diagnostic::NONE };
                (AssociationResult::Accepted, diagnostic, Some(self.initiate_response()?))
            }
            Err(Refusal::Diagnostic(diagnostic)) => (AssociationResult::RejectedPermanent, diagnostic, None),
            Err(Refusal::Initiate(error)) => {
                let mut plain = Vec::new();
                ConfirmedServiceError { service: 1, class: 6, error }.encode(&mut plain);
                let information = self.inform(plain)?;
                (AssociationResult::RejectedPermanent, Diagnostic::NO_REASON, Some(information))
            }
            Err(Refusal::Exception(exception)) => return Err(exception),
        };
        let mut aare = self.policy.aare(result, diagnostic);
        aare.user_information = information.as_deref();
        if let Stage::Proving { challenge, .. } = &self.stage {
            aare.authentication = Some(challenge);
        }
        aare.encode(out);
        Ok(())
    }

    /// Answers an RLRQ. In a ciphered association it must prove that the client itself sent it.
    pub(super) fn release(&mut self, apdu: &[u8], out: &mut Vec<u8>) -> Result<(), ExceptionResponse> {
        let request = Release::decode(ReleaseKind::Request, apdu).map_err(|_| MALFORMED)?;
        let mut response = Release { reason: Some(NORMAL), user_information: None };
        let mut information = None;
        if self.shield.is_some() {
            let Some(proof) = request.user_information else {
                response.reason = Some(NOT_FINISHED);
                response.encode(ReleaseKind::Response, out);
                return Ok(());
            };
            let mut proof = proof.to_vec();
            InitiateRequest::decode(self.unprotect(&mut proof)?).map_err(|_| MALFORMED)?;
            information = Some(self.initiate_response()?);
        }
        self.close();
        response.user_information = information.as_deref();
        response.encode(ReleaseKind::Response, out);
        Ok(())
    }

    /// Answers the only request that HLS allows before the proof.
    pub(super) fn prove(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), ExceptionResponse> {
        let Ok(ActionRequest::Normal { invoke, method, parameters: Some(parameters) }) =
            ActionRequest::decode(plain)
        else {
            return Err(NOT_POSSIBLE);
        };
        let (Some(shield), Security::Gmac { counters, .. }) = (&self.shield, &mut self.policy.security)
        else {
            return Err(NOT_POSSIBLE);
        };
        if (method.class_id, method.instance, method.method) != ASSOCIATION {
            return Err(NOT_POSSIBLE);
        }
        // The shield stays for the answer, whatever it says.
        let Stage::Proving { client_challenge, challenge } =
            std::mem::replace(&mut self.stage, Stage::Closed)
        else {
            return Err(NOT_POSSIBLE);
        };
        let proven = match Data::decode(parameters) {
            Ok(Data::OctetString(proof)) => shield.verify(&proof, &challenge),
            _ => false,
        };
        let mut encoded = Vec::new();
        if proven {
            let counter = counters.take().map_err(|_| NOT_POSSIBLE)?;
            let proof = shield.prove(counter, &client_challenge).map_err(|_| NOT_POSSIBLE)?;
            Data::OctetString(proof.to_vec()).encode(&mut encoded);
            self.stage = Stage::Open;
        }
        let returned = match proven {
            true => ActionReturn { result: ActionResult::Success, returned: Some(Ok(&encoded)) },
            false => ActionReturn { result: ActionResult::OtherReason, returned: None },
        };
        ActionResponse::Normal { invoke, returned }.encode(out);
        Ok(())
    }

    /// Judges who the client is and, with HLS, sets up the ciphering.
    fn authenticate(&mut self, aarq: &Aarq<'_>) -> Result<(), Refusal> {
        if aarq.context != self.policy.context() {
            return Err(Refusal::Diagnostic(Diagnostic::CONTEXT_NOT_SUPPORTED));
        }
        let asked = aarq.mechanism.unwrap_or(Mechanism::Lowest);
        let offered = aarq.authentication.unwrap_or_default();
        match (&mut self.policy.security, asked) {
            (Security::None, Mechanism::Lowest) => self.stage = Stage::Open,
            (Security::Lls { password }, Mechanism::Low) => {
                if !password.matches(offered) {
                    return Err(Refusal::Diagnostic(Diagnostic::AUTHENTICATION_FAILURE));
                }
                self.stage = Stage::Open;
            }
            (
                Security::Gmac {
                    server_title,
                    encryption_key,
                    authentication_key,
                    challenge,
                    last_client_counter,
                    ..
                },
                Mechanism::Gmac,
            ) => {
                let title = aarq.calling_title.and_then(|title| SystemTitle::try_from(title).ok());
                let title = title.filter(|title| title != server_title);
                let title = title.ok_or(Refusal::Diagnostic(Diagnostic::TITLE_NOT_RECOGNISED))?;
                let fits = (CHALLENGE_MIN..=CHALLENGE_MAX).contains(&offered.len());
                if !fits || offered == challenge {
                    return Err(Refusal::Diagnostic(Diagnostic::AUTHENTICATION_FAILURE));
                }
                let cipher = Cipher::new(encryption_key, authentication_key);
                self.shield = Some(Shield::new(cipher, *server_title, title, *last_client_counter));
                self.stage = Stage::Proving { client_challenge: offered.to_vec(), challenge: *challenge };
                *challenge = u128::from_be_bytes(*challenge).wrapping_add(1).to_be_bytes();
            }
            (_, Mechanism::Lowest) => {
                return Err(Refusal::Diagnostic(Diagnostic::AUTHENTICATION_REQUIRED));
            }
            _ => return Err(Refusal::Diagnostic(Diagnostic::MECHANISM_NOT_RECOGNISED)),
        }
        Ok(())
    }

    /// Judges what the client proposes.
    fn negotiate(&mut self, aarq: &Aarq<'_>) -> Result<(), Refusal> {
        let mut information = aarq.user_information.to_vec();
        let plain = match self.shield {
            Some(_) => self.unprotect(&mut information)?,
            None => &information,
        };
        let request = InitiateRequest::decode(plain).map_err(|_| MALFORMED)?;
        if request.dlms_version < DLMS_VERSION {
            return Err(Refusal::Initiate(VERSION_TOO_LOW));
        }
        let conformance = self.policy.conformance.intersection(request.conformance);
        if conformance == Conformance::new([0; 3]) {
            return Err(Refusal::Initiate(INCOMPATIBLE_CONFORMANCE));
        }
        let overhead = if self.shield.is_some() { Envelope::OVERHEAD } else { 0 };
        let max_pdu = request.max_receive_pdu;
        if max_pdu != 0 && usize::from(max_pdu) <= overhead + BLOCK_HEADER {
            return Err(Refusal::Initiate(PDU_TOO_SHORT));
        }
        self.agreed = Agreed { conformance, max_pdu };
        Ok(())
    }

    /// The initiate response, protected when the association is.
    fn initiate_response(&mut self) -> Result<Vec<u8>, ExceptionResponse> {
        let mut plain = Vec::new();
        let response = InitiateResponse {
            quality_of_service: None,
            dlms_version: DLMS_VERSION,
            conformance: self.agreed.conformance,
            max_receive_pdu: self.policy.max_pdu,
            vaa_name: VAA_NAME_LN,
        };
        response.encode(&mut plain);
        self.inform(plain)
    }

    fn inform(&mut self, plain: Vec<u8>) -> Result<Vec<u8>, ExceptionResponse> {
        if self.shield.is_none() {
            return Ok(plain);
        }
        let mut information = Vec::new();
        self.protect(SealAs::Service, &plain, &mut information)?;
        Ok(information)
    }
}

impl Policy {
    const fn context(&self) -> ApplicationContext {
        match self.security {
            Security::Gmac { .. } => ApplicationContext::LogicalNamesCiphered,
            Security::None | Security::Lls { .. } => ApplicationContext::LogicalNames,
        }
    }

    /// An AARE without challenge and user information.
    fn aare(&self, result: AssociationResult, diagnostic: Diagnostic) -> Aare<'_> {
        let (mechanism, responding_title) = match &self.security {
            Security::None => (None, None),
            Security::Lls { .. } => (Some(Mechanism::Low), None),
            Security::Gmac { server_title, .. } => (Some(Mechanism::Gmac), Some(&server_title.octets()[..])),
        };
        Aare {
            context: self.context(),
            result,
            diagnostic,
            responding_title,
            requirements: mechanism.is_some(),
            mechanism,
            authentication: None,
            user_information: None,
        }
    }
}
