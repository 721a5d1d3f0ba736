//! The one place where a refusal becomes a gRPC status. What is wrong inside stays in the log.

use ami_proto::v1::{ErrorDetail, ErrorReason, FailureReason, FieldViolation, JobFailure};
use jiff::Timestamp;
use tonic::{Code, Status};
use tracing::{error, warn};

use super::access::Role;
use crate::store;

/// Why a request is refused; the text goes to the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// A field breaks its rule.
    #[error("{field}: {problem}")]
    InvalidField { field: String, problem: String },
    /// Several fields break their rules.
    #[error("{}", told(violations))]
    InvalidFields { violations: Vec<FieldViolation> },
    /// A list or a range is over its limit.
    #[error("{field}: {problem}")]
    OverLimit { field: &'static str, problem: String },
    /// No meter has this serial number.
    #[error("there is no meter {serial}: check the serial number")]
    MeterNotFound { serial: String },
    /// A meter with this serial number, or with something else of which each meter has its own, exists.
    #[error(
        "there is a meter {serial} already, in service or out of it, or another one with its system title, its equipment id or its place on its parent: correct that one"
    )]
    MeterExists { serial: String },
    /// The meter is out of service.
    #[error("meter {serial} is retired: it is not read any more")]
    MeterRetired { serial: String },
    /// No job has this number.
    #[error("there is no job {id}; ended jobs are kept for a limited time")]
    JobNotFound { id: i64 },
    /// No command has this number.
    #[error("there is no command {id}")]
    CommandNotFound { id: i64 },
    /// A command that was begun.
    #[error("command {id} was begun or has ended: it can not be taken back")]
    CommandBegun { id: i64 },
    /// Somebody approves an order of their own.
    #[error("command {id} needs a second person: whoever ordered it can not approve it")]
    SecondPersonNeeded { id: i64 },
    /// A command that waits for nobody.
    #[error("command {id} does not wait for approval")]
    NotAwaitingApproval { id: i64 },
    /// An order that always needs two persons, and nobody else could approve it.
    #[error(
        "this order needs a second person, and there is none: serve the API with TLS and name at least two engineers in [api.principals]"
    )]
    NoSecondPerson,
    /// An idempotency key with two orders.
    #[error("terms.idempotency_key: it was used for another order: give every order a key of its own")]
    KeyReused,
    /// A model that can not do what is asked for.
    #[error("meter {serial}: {problem}")]
    NotCapable { field: String, serial: String, problem: String },
    /// No alarm has this number.
    #[error("there is no alarm {id}; none was acknowledged")]
    AlarmNotFound { id: i64 },
    /// A page token that is not ours, or of another question.
    #[error("page_token: damaged, or of another question: begin again without it")]
    PageToken,
    /// A resume token that is not ours.
    #[error("resume_token: damaged: query what was missed, then watch without it")]
    ResumeToken,
    /// A resume token older than the log.
    #[error("resume_token: too old: query what was missed, then watch without it")]
    ResumeTokenExpired,
    /// The import file is too large.
    #[error("the file is over {octets} octets: cut it in parts, each with the header")]
    ImportTooLarge { octets: usize },
    /// Too many imports at once.
    #[error("{limit} imports run already: try again when one has ended")]
    TooManyImports { limit: usize },
    /// Too many watches at once.
    #[error("{limit} watches are open already: end one, or let one watch serve several meters")]
    TooManyWatches { limit: usize },
    /// Too many on-demand reads wait.
    #[error("{limit} on-demand reads wait already: try again later")]
    TooManyWaiting { limit: usize },
    /// Too many conversations are logged at once.
    #[error("{limit} conversations are logged already: end one, or wait until one has ended")]
    TooManyProtocolLogs { limit: i64 },
    /// Too many captures are kept.
    #[error("{limit} line captures are kept already: forget one that ended")]
    TooManyLineCaptures { limit: i64 },
    /// No capture has this number.
    #[error("there is no line capture {id}; they are kept for a week")]
    LineCaptureNotFound { id: i64 },
    /// Too many billing runs at once.
    #[error("{limit} billing runs are under way already: try again when one has ended")]
    TooManyBillingRuns { limit: usize },
    /// What is being stored may still change the answer.
    #[error(
        "what is being stored may still change what was known then: ask again, or as of an earlier instant"
    )]
    NotSettled,
    /// An on-demand read failed.
    #[error("meter {serial} could not be read: {}", failure.detail)]
    ReadFailed { serial: String, failure: JobFailure },
    /// An on-demand read did not end in time.
    #[error("meter {serial} was not read in time; job {} goes on: look at it later", failure.job_id)]
    ReadPending { serial: String, failure: JobFailure },
    /// The role does not have the permission.
    #[error(
        "{principal} is {role}, but only {allowed} may call {call}: ask one of them, or have the role changed"
    )]
    NotPermitted { principal: String, role: Role, call: String, allowed: String },
    /// An rpc that the rules do not list.
    #[error("there is no call {call} that anybody may make: use a client of the server's version")]
    NoRule { call: String },
    /// A certificate of our CA that names nobody.
    #[error(
        "the client certificate names {name:?}, whom the server does not know: have the name entered in [api.principals] \
         (SHA-256 of the certificate: {fingerprint})"
    )]
    UnknownCaller { name: String, fingerprint: String },
    /// The certificate has expired since the connection was opened.
    #[error("the client certificate has expired at {until}: connect again with a new one")]
    CertificateExpired { until: Timestamp },
    /// A call that came past the listener that names its caller.
    #[error("nobody stands behind this call: connect to the address that the server listens on")]
    Nameless,
    /// No image has this name.
    #[error("there is no firmware image {name}: list the images, or upload it")]
    ImageNotFound { name: String },
    /// Another image has this name.
    #[error("another firmware image is called {name}: give this one a name of its own")]
    ImageExists { name: String },
    /// An installation that has not ended is about the image.
    #[error("firmware image {name} is being installed: wait for the installations, or cancel them")]
    ImageInUse { name: String },
    /// As many images as there may be.
    #[error("{limit} firmware images are kept already: delete one, or raise firmware.max_images")]
    TooManyImages { limit: u32 },
    /// Too many uploads at once.
    #[error("{limit} uploads run already: try again when one has ended")]
    TooManyUploads { limit: usize },
    /// The database does not answer.
    #[error("the database does not answer: try again later")]
    StoreUnavailable,
    /// The server stops.
    #[error("the server stops: try again, another one may answer")]
    ShuttingDown,
    /// A fault of ours.
    #[error("the server is at fault; its log tells more under the request id")]
    Internal,
}

impl Refusal {
    /// A field that breaks its rule.
    pub(crate) fn field(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::InvalidField { field: field.into(), problem: problem.into() }
    }

    /// The name of the refusal in a word, as in the audit: `meter_not_found`.
    pub(crate) fn word(&self) -> String {
        let name = self.code().1.as_str_name();
        name.strip_prefix("ERROR_REASON_").unwrap_or(name).to_ascii_lowercase()
    }

    fn code(&self) -> (Code, ErrorReason) {
        match self {
            Self::InvalidField { .. } | Self::InvalidFields { .. } => {
                (Code::InvalidArgument, ErrorReason::InvalidField)
            }
            Self::OverLimit { .. } => (Code::InvalidArgument, ErrorReason::OverLimit),
            Self::MeterNotFound { .. } => (Code::NotFound, ErrorReason::MeterNotFound),
            Self::MeterExists { .. } => (Code::AlreadyExists, ErrorReason::MeterExists),
            Self::MeterRetired { .. } => (Code::FailedPrecondition, ErrorReason::MeterRetired),
            Self::JobNotFound { .. } => (Code::NotFound, ErrorReason::JobNotFound),
            Self::CommandNotFound { .. } => (Code::NotFound, ErrorReason::CommandNotFound),
            Self::CommandBegun { .. } => (Code::FailedPrecondition, ErrorReason::CommandBegun),
            Self::SecondPersonNeeded { .. } => (Code::FailedPrecondition, ErrorReason::SecondPersonNeeded),
            Self::NotAwaitingApproval { .. } => (Code::FailedPrecondition, ErrorReason::NotAwaitingApproval),
            Self::NoSecondPerson => (Code::FailedPrecondition, ErrorReason::NoSecondPerson),
            Self::KeyReused => (Code::AlreadyExists, ErrorReason::IdempotencyKeyReused),
            Self::NotCapable { .. } => (Code::FailedPrecondition, ErrorReason::NotCapable),
            Self::AlarmNotFound { .. } => (Code::NotFound, ErrorReason::AlarmNotFound),
            Self::PageToken => (Code::InvalidArgument, ErrorReason::PageTokenInvalid),
            Self::ResumeToken => (Code::InvalidArgument, ErrorReason::ResumeTokenInvalid),
            Self::ResumeTokenExpired => (Code::OutOfRange, ErrorReason::ResumeTokenExpired),
            Self::ImportTooLarge { .. } => (Code::ResourceExhausted, ErrorReason::ImportTooLarge),
            Self::TooManyImports { .. } => (Code::ResourceExhausted, ErrorReason::TooManyImports),
            Self::TooManyWatches { .. } => (Code::ResourceExhausted, ErrorReason::TooManyWatches),
            Self::TooManyWaiting { .. } => (Code::ResourceExhausted, ErrorReason::TooManyWaiting),
            Self::TooManyProtocolLogs { .. } => (Code::ResourceExhausted, ErrorReason::TooManyProtocolLogs),
            Self::TooManyLineCaptures { .. } => (Code::ResourceExhausted, ErrorReason::TooManyLineCaptures),
            Self::LineCaptureNotFound { .. } => (Code::NotFound, ErrorReason::LineCaptureNotFound),
            Self::TooManyBillingRuns { .. } => (Code::ResourceExhausted, ErrorReason::TooManyBillingRuns),
            Self::NotSettled => (Code::Unavailable, ErrorReason::NotSettled),
            Self::ReadFailed { failure, .. } => (read_failed(failure.reason()), ErrorReason::ReadFailed),
            Self::ReadPending { .. } => (Code::DeadlineExceeded, ErrorReason::ReadPending),
            Self::NotPermitted { .. } | Self::NoRule { .. } => {
                (Code::PermissionDenied, ErrorReason::PermissionDenied)
            }
            Self::UnknownCaller { .. } | Self::CertificateExpired { .. } | Self::Nameless => {
                (Code::Unauthenticated, ErrorReason::Unauthenticated)
            }
            Self::ImageNotFound { .. } => (Code::NotFound, ErrorReason::ImageNotFound),
            Self::ImageExists { .. } => (Code::AlreadyExists, ErrorReason::ImageExists),
            Self::ImageInUse { .. } => (Code::FailedPrecondition, ErrorReason::ImageInUse),
            Self::TooManyImages { .. } => (Code::ResourceExhausted, ErrorReason::TooManyImages),
            Self::TooManyUploads { .. } => (Code::ResourceExhausted, ErrorReason::TooManyUploads),
            Self::StoreUnavailable => (Code::Unavailable, ErrorReason::StoreUnavailable),
            Self::ShuttingDown => (Code::Unavailable, ErrorReason::ShuttingDown),
            Self::Internal => (Code::Internal, ErrorReason::Internal),
        }
    }
}

/// Violations as one text.
fn told(violations: &[FieldViolation]) -> String {
    let told = violations.iter().map(|FieldViolation { field, problem }| format!("{field}: {problem}"));
    told.collect::<Vec<_>>().join("; ")
}

/// Another try may succeed where the line was at fault, or where the failed attempt itself put things right.
fn read_failed(reason: FailureReason) -> Code {
    match reason {
        FailureReason::NoRoute
        | FailureReason::Refused
        | FailureReason::Timeout
        | FailureReason::LineCut
        | FailureReason::CounterRejected
        | FailureReason::CountersSpent
        | FailureReason::LayoutChanged
        | FailureReason::BoundaryNear
        | FailureReason::ClockUntrusted => Code::Unavailable,
        FailureReason::Unspecified
        | FailureReason::WrongPassword
        | FailureReason::WrongKey
        | FailureReason::Downgrade
        | FailureReason::WrongMeter
        | FailureReason::MeterRefused
        | FailureReason::MeterBrokeRules
        | FailureReason::Unsupported
        | FailureReason::Cancelled
        | FailureReason::NotEffective
        | FailureReason::DeadlinePassed
        | FailureReason::ImageMismatch
        | FailureReason::BoundaryCrossed
        | FailureReason::AssociationRefused
        | FailureReason::CounterUnusable => Code::FailedPrecondition,
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let (code, reason) = refusal.code();
        let message = refusal.to_string();
        let mut detail = ErrorDetail { reason: reason.into(), ..ErrorDetail::default() };
        match refusal {
            Refusal::InvalidField { field, problem } => {
                detail.violations = vec![FieldViolation { field: field.clone(), problem }];
                detail.field = field;
            }
            Refusal::InvalidFields { violations } => {
                detail.field = violations.first().map(|first| first.field.clone()).unwrap_or_default();
                detail.violations = violations;
            }
            Refusal::OverLimit { field, problem } => {
                detail.violations = vec![FieldViolation { field: field.to_owned(), problem }];
                field.clone_into(&mut detail.field);
            }
            Refusal::NotCapable { field, .. } => detail.field = field,
            Refusal::KeyReused => "terms.idempotency_key".clone_into(&mut detail.field),
            Refusal::ReadFailed { failure, .. } | Refusal::ReadPending { failure, .. } => {
                detail.failure = Some(failure);
            }
            _ => {}
        }
        detail.into_status(code, message)
    }
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Self {
        if error.is_transient() {
            warn!(%error, "a request failed: the database does not answer");
            Self::StoreUnavailable
        } else {
            error!(%error, "a request failed");
            Self::Internal
        }
    }
}

#[cfg(test)]
mod tests {
    use ami_proto::words::Word as _;
    use collectors::Reason;

    use super::*;

    #[test]
    fn what_may_pass_is_told_like_the_collectors_tell_it() {
        for (reason, word) in Reason::ALL {
            let code = read_failed(FailureReason::from_word(word).unwrap());
            assert_eq!(code == Code::Unavailable, reason.is_transient(), "{word}");
        }
    }

    #[test]
    fn inner_detail_does_not_leave() {
        let inner = store::Error::Refused {
            statement: "store::x",
            code: "42P01".into(),
            detail: "relation missing".into(),
        };
        let status = Status::from(Refusal::from(inner));
        assert_eq!(status.code(), Code::Internal);
        assert!(!status.message().contains("relation"), "{}", status.message());
    }

    #[test]
    fn a_field_is_named_twice() {
        let status = Status::from(Refusal::field("zone", "unknown"));
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "zone: unknown"));
        assert_eq!(ErrorDetail::of(&status).unwrap().field, "zone");
    }
}
