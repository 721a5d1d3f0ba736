//! What errors that meters answer with mean to an operator.

use dlms::{
    ActionResult, AssociationResult, DataAccessResult, Diagnostic, Error, ExceptionResponse, Fault,
    ServiceError, StateError,
};

use crate::{Credentials, Failure, Level, Reason, Station, counters::LEAP_MAX};

/// Errors inside an association.
pub(super) fn answer(error: &Error) -> Failure {
    match error {
        Error::Action(result) => {
            let help = order_help(*result);
            Failure::new(Reason::MeterRefused, format!("The meter refused the order ({result}); {help}."))
        }
        Error::Access(result) => {
            let help = access_help(*result);
            Failure::new(Reason::MeterRefused, format!("The meter refused access ({result}); {help}."))
        }
        Error::Exception(exception) => self::exception(exception),
        Error::CountersSpent => spent(),
        Error::RequestTooLong { .. } => Failure::new(
            Reason::Unsupported,
            format!(
                "Nothing was sent: {error}; raise the longest PDU that the meter takes where that can be set, or let requests go in general \
                 block transfer (`general_block_window` in its model) where it knows that."
            ),
        ),
        Error::TagMismatch => Failure::new(
            Reason::WrongKey,
            "The meter proved its keys when it associated, but its answers do not authenticate; check whether its keys are \
             being changed, then suspect its firmware or something on the way.",
        ),
        other => common(other),
    }
}

/// What to do about an attribute that was not given or taken.
const fn access_help(result: DataAccessResult) -> &'static str {
    use DataAccessResult as Result;
    match result {
        Result::HardwareFault => BROKEN,
        Result::OtherReason => UNSAID,
        Result::TemporaryFailure => BUSY,
        Result::ReadWriteDenied | Result::ScopeOfAccessViolated => "check the rights of the client address",
        Result::ObjectUndefined
        | Result::ObjectClassInconsistent
        | Result::ObjectUnavailable
        | Result::TypeUnmatched => "check the meter's model",
        _ => "check the rights of the client address and the meter's model",
    }
}

/// What to do about a method that was not invoked.
const fn order_help(result: ActionResult) -> &'static str {
    use ActionResult as Result;
    match result {
        Result::HardwareFault => BROKEN,
        Result::OtherReason => UNSAID,
        Result::TemporaryFailure => BUSY,
        Result::ObjectUndefined
        | Result::ObjectClassInconsistent
        | Result::ObjectUnavailable
        | Result::TypeUnmatched => "check the meter's model",
        _ => "check the rights of the client address and the state of the meter",
    }
}

const BROKEN: &str = "the meter says that a part of it is defective: have it examined or exchanged";
const UNSAID: &str =
    "the meter does not say why: check its state, then note firmware and model, and ask its maker";
const BUSY: &str = "the meter cannot do it now: try it later";

/// Errors while the association is opened.
pub(super) fn opening(error: &Error, station: &Station) -> Failure {
    let sap = station.client_sap;
    let credentials = &station.credentials;
    match error {
        Error::Exception(exception) if exception.service == ServiceError::DecipheringError => {
            wrong_key(error, credentials)
        }
        Error::Exception(exception) => self::exception(exception),
        Error::CountersSpent => spent(),
        Error::TagMismatch => wrong_key(error, credentials),
        Error::ServerProof
        | Error::Action(_)
        | Error::Rejected { diagnostic: Diagnostic::AUTHENTICATION_FAILURE, .. }
            if credentials.proves_by_key() =>
        {
            wrong_key(error, credentials)
        }
        Error::ServerProof
        | Error::Action(_)
        | Error::Rejected { diagnostic: Diagnostic::AUTHENTICATION_FAILURE, .. }
            if matches!(credentials.level, Level::Hls(_)) =>
        {
            let detail = format!(
                "The secret of the meter for client address {sap} is another one, or its mechanism is ({error}); correct the password before \
                 the meter locks up, or the security of the inventory ({}).",
                credentials.shown()
            );
            Failure::new(Reason::WrongPassword, detail)
        }
        Error::Rejected {
            diagnostic: Diagnostic::AUTHENTICATION_FAILURE | Diagnostic::AUTHENTICATION_REQUIRED,
            ..
        } if matches!(credentials.level, Level::Lls { .. }) => Failure::new(
            Reason::WrongPassword,
            format!(
                "The meter refused the password for client address {sap}; correct it before the meter locks up."
            ),
        ),
        Error::Rejected { result: AssociationResult::RejectedTransient, diagnostic } => Failure::new(
            Reason::Refused,
            format!(
                "The meter does not associate for now ({diagnostic}); check whether another client holds it."
            ),
        ),
        Error::Rejected { diagnostic: Diagnostic::TITLE_NOT_RECOGNISED, .. } => Failure::new(
            Reason::AssociationRefused,
            "The meter does not know the head-end's system title; register the title in the meter or correct it.",
        ),
        Error::Rejected { result, diagnostic } => {
            let secrets = if credentials.takes_counters() {
                "keys, and the invocation counter that the meter has seen last"
            } else {
                "password"
            };
            Failure::new(
                Reason::AssociationRefused,
                format!(
                    "The meter refused the association ({result}, {diagnostic}); check client address {sap}, the security of the inventory \
                     ({}), and {secrets}.",
                    credentials.shown()
                ),
            )
        }
        other => common(other),
    }
}

fn common(error: &Error) -> Failure {
    if let Error::Downgrade(weaker) = error {
        let detail = format!(
            "The meter offers less security than the inventory demands ({weaker}); look whether something is between it and the head-end, or \
             whether it was set up anew."
        );
        return Failure::new(Reason::Downgrade, detail);
    }
    match error.fault() {
        Fault::PeerBroke => Failure::new(
            Reason::MeterBrokeRules,
            format!("The meter's answer is wrong ({error}); note firmware and model, and ask its maker."),
        ),
        Fault::PeerRefused => Failure::new(
            Reason::MeterRefused,
            format!("{error}; check client address and the meter's model."),
        ),
        Fault::Line => Failure::new(
            Reason::LineCut,
            format!("The link broke: {error}; check the line and what else is on it."),
        ),
        Fault::Misuse | Fault::Limit => Failure::new(
            Reason::Unsupported,
            format!("The head-end cannot handle the meter's answer: {error}."),
        ),
    }
}

fn exception(exception: &ExceptionResponse) -> Failure {
    match exception.service {
        ServiceError::InvocationCounterError => {
            let expected = exception.expected_counter;
            let named = expected.map_or_else(String::new, |counter| format!(" and expects {counter}"));
            counter_rejected(expected, &format!("The meter refused the invocation counter{named}"))
        }
        ServiceError::DecipheringError => Failure::new(
            Reason::WrongKey,
            "The meter cannot decipher what it is asked any more; check whether its keys are being changed.",
        ),
        ServiceError::ServiceNotSupported | ServiceError::PduTooLong => Failure::new(
            Reason::Unsupported,
            format!("The meter cannot process the request ({exception}); check the meter's model."),
        ),
        _ if exception.state == StateError::ServiceUnknown => Failure::new(
            Reason::Unsupported,
            format!("The meter does not know the service ({exception}); check the meter's model."),
        ),
        _ => Failure::new(
            Reason::MeterRefused,
            format!("The meter refused the request ({exception}); check the rights of the client address."),
        ),
    }
}

/// The meter wants a higher invocation counter, `expected` if it says so; `what` happened opens the sentence.
pub(crate) fn counter_rejected(expected: Option<u32>, what: &str) -> Failure {
    let detail = format!(
        "{what}; the next attempt uses a higher one. If this repeats, another client uses the same keys."
    );
    Failure { expected_counter: expected, ..Failure::new(Reason::CounterRejected, detail) }
}

/// The meter wants an invocation counter that is farther ahead of `next`, the one that is next here, than the head-end follows by itself.
pub(crate) fn counter_unusable(expected: u32, next: u32) -> Failure {
    let detail = format!(
        "The meter expects invocation counter {expected}; here {next} comes next, and the head-end does not follow by more than {LEAP_MAX} what \
         is not proven. When the meter was read with these keys before, correct the meter in the inventory and give {expected} as its next \
         counter; else look who else holds its keys or is on the way to it, or give it new keys."
    );
    Failure::new(Reason::CounterUnusable, detail)
}

/// The ciphered request with the counter `used` was refused, although the meter has accepted none but lower ones, up to `last`.
pub(crate) fn refused_keys(used: u32, last: u32, credentials: &Credentials) -> Failure {
    Failure::new(
        Reason::WrongKey,
        format!(
            "The meter refused the ciphered request although its counter ({used}) is above the last one ({last}); correct the keys, or the \
             security of the inventory ({}), or look whether this is another meter.",
            credentials.shown()
        ),
    )
}

/// The meter answers in the clear, and says nothing when it is shown this secret.
pub(crate) fn unanswered_secret(reason: Reason, station: &Station) -> Failure {
    let (sap, shown) = (station.client_sap, station.credentials.shown());
    let (what, secrets) = match reason {
        Reason::WrongKey => ("what the keys protect", "keys"),
        _ => ("what proves the password", "password"),
    };
    Failure::new(
        reason,
        format!(
            "The meter answers in the clear, and twice said nothing to {what}; most likely the {secrets} for client address {sap}, or the security \
             of the inventory ({shown}), are others than the meter's: correct them before it locks up, and look whether another client holds it."
        ),
    )
}

fn wrong_key(error: &Error, credentials: &Credentials) -> Failure {
    Failure::new(
        Reason::WrongKey,
        format!(
            "The meter holds other keys than the head-end, demands other security than the inventory says ({}), or is another meter \
             ({error}); correct the keys or the security.",
            credentials.shown()
        ),
    )
}

pub(super) fn spent() -> Failure {
    Failure::new(
        Reason::CountersSpent,
        "The invocation counters reserved for this work are used up; the next attempt reserves new ones.",
    )
}
