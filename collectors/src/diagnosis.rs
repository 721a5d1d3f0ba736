//! From what went wrong to what an operator is told, and whether asking again can help. The only place that knows both.

mod answers;

use dlms::{
    AssociationResult, DataAccessResult, Error, ExceptionResponse, Fault, Obis, ServiceError, StateError,
};
use models::Language;

use self::answers::{answer, opening, spent};
pub(crate) use self::answers::{counter_rejected, counter_unusable, refused_keys, unanswered_secret};
use crate::{Failure, Limits, Reason, Station, line::LineError, time::TimeError};

/// How far the conversation had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// No way to the line yet.
    Connecting,
    /// The way is open, the link to the station is not.
    Linking,
    /// The line stands, the association does not.
    Opening,
    /// The meter has accepted the association.
    Open,
}

/// Why a task could not go on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Setback {
    /// The line failed.
    Line(Stage, LineError),
    /// The meter's answer is an error, or is wrong.
    Protocol(Stage, Error),
    /// Rows do not fit the layout.
    Shape(Error),
    /// Answers to other requests, or blocks, without end.
    Flooded,
    /// No invocation counters are left for the association.
    NoCounters,
    /// The meter understood what was asked for in another language than DLMS, and said no.
    Refused {
        /// What is told of it.
        failure: Failure,
        /// It just does not have or show that.
        is_absence: bool,
        /// It may grant it a moment later.
        may_pass: bool,
    },
    /// What the task itself found out; asking again does not change it.
    Final(Failure),
    /// Something was ordered of the meter, and it could not be read what came of it.
    InDoubt(Failure),
    /// The receiver of the reports is gone.
    NobodyListens,
}

impl Setback {
    /// An answer inside the association that is an error or is wrong.
    pub(crate) const fn answer(error: Error) -> Self {
        Self::Protocol(Stage::Open, error)
    }

    /// A message of a concentrator that is none, or not a whole one.
    pub(crate) const fn message(error: p2lpc::Error) -> Self {
        Self::Line(Stage::Open, LineError::Message(error))
    }

    /// A row that could not be decoded: cut octets come from the line or the meter, everything else from other columns.
    pub(crate) const fn row(error: Error) -> Self {
        match error {
            Error::Truncated | Error::Trailing { .. } | Error::RowCount { .. } => Self::answer(error),
            other => Self::Shape(other),
        }
    }

    /// A time that is none, or that cannot be known.
    pub(crate) fn time(obis: Obis, error: &TimeError) -> Self {
        let reason = match error {
            TimeError::OrderUnknown | TimeError::SortedByValue => Reason::Unsupported,
            TimeError::Invalid(_) | TimeError::FirstImplied | TimeError::NoPeriod => Reason::MeterBrokeRules,
        };
        Self::Final(Failure::new(reason, format!("{obis}: {error}.")))
    }

    /// Whether the reserved invocation counters are used up.
    pub(crate) const fn is_spent(&self) -> bool {
        matches!(self, Self::Protocol(_, Error::CountersSpent))
    }

    /// Whether the meter says that there is no such object.
    pub(crate) const fn is_undefined(&self) -> bool {
        use DataAccessResult as Result;
        let Self::Protocol(Stage::Open, Error::Access(result)) = self else { return false };
        matches!(
            result,
            Result::ObjectUndefined | Result::ObjectClassInconsistent | Result::ObjectUnavailable
        )
    }

    /// Whether the meter just does not have or show the object.
    pub(crate) const fn is_absence(&self) -> bool {
        use DataAccessResult as Result;
        if let Self::Refused { is_absence, .. } = self {
            return *is_absence;
        }
        let Self::Protocol(Stage::Open, Error::Access(result)) = self else { return false };
        matches!(
            result,
            Result::ReadWriteDenied
                | Result::ObjectUndefined
                | Result::ObjectClassInconsistent
                | Result::ObjectUnavailable
                | Result::ScopeOfAccessViolated
        )
    }

    /// Whether it is about nothing but the one thing that was asked for: the meter gave a whole answer, and may give others.
    pub(crate) const fn is_of_one(&self) -> bool {
        match self {
            Self::Refused { failure, may_pass, .. } => {
                !*may_pass && matches!(failure.reason, Reason::MeterRefused)
            }
            Self::Protocol(Stage::Open, Error::Access(_)) => true,
            _ => false,
        }
    }

    /// Whether it was ended for something more urgent.
    pub(crate) const fn is_interruption(&self) -> bool {
        matches!(self, Self::Line(_, LineError::Interrupted))
    }

    /// Whether the same request on a new association may bring the answer.
    pub(crate) fn may_heal(&self) -> bool {
        match self {
            Self::Line(..) | Self::Flooded => true,
            Self::Refused { may_pass, .. } => *may_pass,
            Self::Protocol(Stage::Open, error) => match error {
                Error::Access(result) => is_passing(*result),
                other => self.may_be_forgotten() || other.fault() == Fault::PeerBroke,
            },
            Self::Protocol(_, Error::Rejected { result, .. }) => {
                *result == AssociationResult::RejectedTransient
            }
            Self::Protocol(_, Error::TagMismatch | Error::ServerProof | Error::Downgrade(_)) => false,
            Self::Protocol(_, other) => other.fault() == Fault::PeerBroke,
            Self::Shape(_) | Self::NoCounters | Self::Final(_) | Self::InDoubt(_) | Self::NobodyListens => {
                false
            }
        }
    }

    /// Whether a meter that has closed the association on its own, and knows nothing of it any more, says so in this way.
    pub(crate) fn may_be_forgotten(&self) -> bool {
        match self {
            Self::Protocol(Stage::Open, Error::Exception(exception)) => {
                exception.state == StateError::ServiceNotAllowed && !is_security(exception)
            }
            Self::Protocol(Stage::Open, Error::Confirmed(_)) => true,
            _ => false,
        }
    }

    /// Whether the meter understood what was asked for and said no.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            // A meter that has closed the association on its own may do what it is asked for on a new one.
            Self::Protocol(Stage::Open, error) => error.fault() == Fault::PeerRefused && !self.may_heal(),
            Self::Refused { may_pass, .. } => !may_pass,
            _ => false,
        }
    }

    /// Whether what was ordered may have been done although nobody said so.
    pub(crate) fn leaves_doubt(&self) -> bool {
        match self {
            Self::Line(Stage::Open, _) | Self::Flooded => true,
            Self::Protocol(Stage::Open, error) => error.fault() == Fault::PeerBroke,
            _ => false,
        }
    }

    /// Whether the association is as good as before: the meter gave a whole, valid answer, or nothing was sent.
    pub(crate) const fn keeps_association(&self) -> bool {
        matches!(
            self,
            Self::Final(_)
                | Self::Refused { .. }
                | Self::Protocol(Stage::Open, Error::Access(_) | Error::RequestTooLong { .. })
        )
    }

    /// What is reported.
    pub(crate) fn failure(&self, station: &Station, limits: &Limits) -> Failure {
        match self {
            Self::Line(stage, error) => line(*stage, error, station, limits),
            Self::Protocol(Stage::Open, error) => answer(error),
            Self::Protocol(_, error) => opening(error, station),
            Self::Shape(error) => Failure::new(Reason::MeterBrokeRules, format!("A row is wrong: {error}.")),
            Self::Flooded => Failure::new(
                Reason::MeterBrokeRules,
                "The meter keeps sending what was not asked for; check whether another client is connected to it.",
            ),
            Self::NoCounters => spent(),
            Self::Final(failure) | Self::Refused { failure, .. } => failure.clone(),
            Self::InDoubt(failure) => Failure { in_doubt: true, ..failure.clone() },
            Self::NobodyListens => {
                Failure::new(Reason::Cancelled, "The head-end is stopping; the work will be redone.")
            }
        }
    }
}

/// Results that say "not now" or "start the transfer again".
const fn is_passing(result: DataAccessResult) -> bool {
    use DataAccessResult as Result;
    matches!(
        result,
        Result::TemporaryFailure
            | Result::DataBlockUnavailable
            | Result::LongGetAborted
            | Result::NoLongGetInProgress
            | Result::DataBlockNumberInvalid
    )
}

fn is_security(exception: &ExceptionResponse) -> bool {
    matches!(exception.service, ServiceError::DecipheringError | ServiceError::InvocationCounterError)
}

fn line(stage: Stage, error: &LineError, station: &Station, limits: &Limits) -> Failure {
    let place = match station.device_address {
        Some(device) => format!("Device {device} at {}", station.address),
        None => station.address.to_string(),
    };
    let is_hdlc = station.speaks_hdlc();
    // A meter with other keys may keep silent or hang up instead of saying so; that much can be suspected, not known.
    let hint = match (stage, station.credentials.is_ciphered()) {
        (Stage::Opening, true) => {
            " after the ciphered request to associate; check that nobody else is connected, then client address and keys"
        }
        (Stage::Opening, _) => {
            " after the request to associate; check that nobody else is connected, then client and server address"
        }
        (Stage::Linking, _) if station.model.language != Language::Dlms => {
            "; check device address, speed, parity and wiring of the line, and power of the meter"
        }
        (Stage::Linking, _) => {
            " to the request for a link; check device address, speed and wiring of the line, and power of the meter"
        }
        _ => "; check signal and power of the meter",
    };
    let way = if station.address.is_device() {
        "check that the device is there, that the head-end may open it and that no other program has it open"
    } else {
        "check address, SIM, signal and power of the meter"
    };
    match error {
        LineError::NoRoute(why) => {
            Failure::new(Reason::NoRoute, format!("No way to {} ({why}); {way}.", station.address))
        }
        LineError::Refused => Failure::new(
            Reason::Refused,
            if is_hdlc {
                format!(
                    "{place} refuses a link; check port and client address, and whether another client holds the meter."
                )
            } else {
                format!(
                    "{place} refuses connections; check the port and whether another client holds the meter."
                )
            },
        ),
        LineError::Silent => Failure::new(
            Reason::Timeout,
            format!("{place} sent no complete answer within {:?}{hint}.", limits.response_timeout),
        ),
        LineError::Noisy { frames, octets } => Failure::new(
            Reason::Timeout,
            format!(
                "{place} sent no complete answer within {:?}, but {frames} damaged frames and {octets} octets of noise came; check \
                 speed, parity, wiring and termination of the line, and whether two meters on it have one address.",
                limits.response_timeout
            ),
        ),
        LineError::Declined(why) => declined(why),
        LineError::Collision | LineError::NoEcho => unheard(error, &place, station),
        LineError::Interrupted => Failure::new(Reason::Cancelled, "Something more urgent went first."),
        LineError::Cut => Failure::new(Reason::LineCut, format!("{place} closed the connection{hint}.")),
        LineError::Message(error) => message(error, &place),
        LineError::Opening(error) => unopened(error, &place),
        LineError::Damaged(error) => damaged(error, &place, is_hdlc),
    }
}

/// What a concentrator said was no message of its web service, or not a whole one.
fn message(error: &p2lpc::Error, place: &str) -> Failure {
    if matches!(error, p2lpc::Error::Truncated { .. }) {
        let detail =
            format!("What the concentrator of {place} said was cut off each time; check the line to it.");
        return Failure::new(Reason::LineCut, detail);
    }
    Failure::new(
        Reason::MeterBrokeRules,
        format!(
            "What the concentrator of {place} said is no message of its web service ({error}); check that the address is that of the service, \
             then note its firmware and ask its maker."
        ),
    )
}

/// The meter behind an optical head cannot be opened for HDLC.
fn unopened(error: &iec62056_21::Error, place: &str) -> Failure {
    let (reason, help) = match error {
        iec62056_21::Error::NoHdlc => (Reason::Unsupported, "choose a model that speaks IEC 62056-21"),
        _ => (
            Reason::MeterBrokeRules,
            "check how the optical head sits, then note the model and ask the maker",
        ),
    };
    Failure::new(reason, format!("{place} cannot be opened by mode E ({error}); {help}."))
}

/// A concentrator does not do what it was asked for itself.
pub(crate) fn declined(why: &str) -> Failure {
    let detail =
        format!("The concentrator refused ({why}); check its model, its state and what was ordered.");
    Failure::new(Reason::MeterRefused, detail)
}

/// What came was no frame.
fn damaged(error: &Error, place: &str, is_hdlc: bool) -> Failure {
    let detail = if is_hdlc {
        format!(
            "{place} does not keep to HDLC ({error}); check the line, then note firmware and model, and ask the maker."
        )
    } else {
        format!("{place} does not send DLMS frames ({error}); check that the address is a meter's DLMS port.")
    };
    Failure::new(Reason::MeterBrokeRules, detail)
}

/// What was sent did not come back as it was sent, on a line that brings it back.
fn unheard(error: &LineError, place: &str, station: &Station) -> Failure {
    let (what, help) = match error {
        LineError::Collision => (
            "came back as something else each time",
            "look for another program or device that asks on the same bus, and whether the adapter brings it back at all (echo=yes)",
        ),
        _ => ("did not come back", "correct echo=yes in the address, or check the adapter"),
    };
    let address = &station.address;
    Failure::new(
        Reason::Timeout,
        format!("{place} could not be asked: what was sent on {address} {what}; {help}."),
    )
}
