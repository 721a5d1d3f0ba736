//! What can go wrong, in one sentence that says what to do, and with which exit code.

use std::io;

use ami_proto::{
    v1::{ErrorDetail, ErrorReason, FieldViolation},
    words::Word as _,
};
use tonic::{Code, Status};

use crate::trust;

/// The exit codes, for `--help`.
pub(crate) const EXIT_CODES: &str = "Exit codes:
  0  done
  1  the head-end refused, or what was asked for failed
  2  the command line, a file or a value on it is wrong
  3  the head-end cannot be reached
  4  there is no such meter, job, command, alarm or image
  5  the time given was not enough
  6  not allowed: by the role, or because a certificate is missing or not trusted
  7  it is not known what came of an order";

/// Why a command ended without success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// The head-end refused, or what was asked for failed. Exit code 1.
    #[error("{0}")]
    Failed(String),
    /// Something on the command line, or a file it names, is wrong. Exit code 2.
    #[error("{0}")]
    Usage(String),
    /// This machine is at fault (a file, the output). Exit code 2.
    #[error("{0}")]
    Local(String),
    /// No answer from the head-end. Exit code 3.
    #[error("{0}")]
    Unreachable(String),
    /// No such meter, job, command, alarm or image. Exit code 4.
    #[error("{0}")]
    NotFound(String),
    /// The time given was not enough. Exit code 5.
    #[error("{0}")]
    TooSlow(String),
    /// The two sides do not trust each other, or the role does not allow it. Exit code 6.
    #[error("{0}")]
    NotAllowed(String),
    /// Something was ordered, and it could not be read what came of it. Exit code 7.
    #[error("{0}")]
    InDoubt(String),
    /// The reader of our output went away: not an error, there is just nobody left to write for.
    #[error("the output was closed")]
    OutputClosed,
}

impl Error {
    /// The exit code of the program.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::Failed(_) => 1,
            Self::Usage(_) | Self::Local(_) => 2,
            Self::Unreachable(_) => 3,
            Self::NotFound(_) => 4,
            Self::TooSlow(_) => 5,
            Self::NotAllowed(_) => 6,
            Self::InDoubt(_) => 7,
        }
    }

    /// The same error with `more` to do at the end of its sentence.
    pub(crate) fn and(self, more: &str) -> Self {
        let join = |text: String| format!("{text}; {more}");
        match self {
            Self::Failed(text) => Self::Failed(join(text)),
            Self::Usage(text) => Self::Usage(join(text)),
            Self::Local(text) => Self::Local(join(text)),
            Self::Unreachable(text) => Self::Unreachable(join(text)),
            Self::NotFound(text) => Self::NotFound(join(text)),
            Self::TooSlow(text) => Self::TooSlow(join(text)),
            Self::NotAllowed(text) => Self::NotAllowed(join(text)),
            Self::InDoubt(text) => Self::InDoubt(join(text)),
            Self::OutputClosed => Self::OutputClosed,
        }
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        if let Some(sentence) = trust::explain(&status) {
            return Self::NotAllowed(sentence);
        }
        let detail = ErrorDetail::of(&status);
        let text = sentence(&status, detail.as_ref());
        match detail.map(|detail| detail.reason()) {
            Some(ErrorReason::InvalidField | ErrorReason::OverLimit) => Self::Usage(text),
            Some(ErrorReason::PageTokenInvalid | ErrorReason::ResumeTokenInvalid) => Self::Usage(text),
            Some(
                ErrorReason::MeterNotFound
                | ErrorReason::JobNotFound
                | ErrorReason::CommandNotFound
                | ErrorReason::AlarmNotFound
                | ErrorReason::ImageNotFound,
            ) => Self::NotFound(text),
            Some(ErrorReason::ReadPending) => Self::TooSlow(text),
            Some(ErrorReason::PermissionDenied | ErrorReason::Unauthenticated) => Self::NotAllowed(text),
            Some(_) => Self::Failed(text),
            None => match status.code() {
                _ if broke(&status) => Self::Unreachable(text),
                Code::DeadlineExceeded | Code::Cancelled => Self::TooSlow(text),
                Code::Unimplemented => Self::Failed(format!(
                    "{text}: the server does not know this call; use an amictl of its version"
                )),
                _ => Self::Failed(text),
            },
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Local(format!("the output cannot be written: {error}")),
        }
    }
}

/// Whether nobody answered: a status with a source is made on this side, of an error of the transport.
fn broke(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable => true,
        Code::Unknown | Code::Internal => std::error::Error::source(status).is_some(),
        _ => false,
    }
}

fn sentence(status: &Status, detail: Option<&ErrorDetail>) -> String {
    let Some(detail) = detail else {
        return match status.code() {
            _ if broke(status) => format!(
                "the connection to the head-end broke ({}): it has stopped, or it wants https://",
                status.message()
            ),
            Code::DeadlineExceeded | Code::Cancelled => "the head-end did not answer in time".into(),
            code => format!("the head-end answered {code:?}: {}", status.message()),
        };
    };
    match &detail.failure {
        Some(failure) if failure.reason().word().is_empty() => status.message().into(),
        Some(failure) => format!("{} ({})", status.message().trim_end_matches('.'), failure.reason().word()),
        None if detail.violations.is_empty() => status.message().into(),
        None => violations(&detail.violations),
    }
}

/// Everything that is wrong, one a line.
fn violations(all: &[FieldViolation]) -> String {
    let lines = all.iter().map(|violation| match violation.field.as_str() {
        // Something is wrong with a file as a whole.
        "" => format!("\n  {}", violation.problem),
        field => format!("\n  {field}: {}", violation.problem),
    });
    format!("the head-end refused, nothing was done:{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use ami_proto::v1::{FailureReason, JobFailure};

    use super::*;

    fn refusal(code: Code, reason: ErrorReason, failure: Option<JobFailure>) -> Error {
        ErrorDetail { reason: reason.into(), failure, ..ErrorDetail::default() }
            .into_status(code, "no meter 17")
            .into()
    }

    #[test]
    fn exit_codes_follow_the_reason() {
        assert_eq!(refusal(Code::NotFound, ErrorReason::MeterNotFound, None).exit_code(), 4);
        assert_eq!(refusal(Code::InvalidArgument, ErrorReason::InvalidField, None).exit_code(), 2);
        assert_eq!(refusal(Code::DeadlineExceeded, ErrorReason::ReadPending, None).exit_code(), 5);
        assert_eq!(refusal(Code::Unavailable, ErrorReason::StoreUnavailable, None).exit_code(), 1);
        assert_eq!(refusal(Code::PermissionDenied, ErrorReason::PermissionDenied, None).exit_code(), 6);
        assert_eq!(Error::from(Status::unavailable("reset")).exit_code(), 3);
        assert_eq!(Error::from(io::Error::from(io::ErrorKind::BrokenPipe)).exit_code(), 0);
    }

    #[test]
    fn a_failed_read_names_its_reason() {
        let failure = JobFailure { job_id: 3, reason: FailureReason::WrongKey.into(), detail: String::new() };
        let error = refusal(Code::FailedPrecondition, ErrorReason::ReadFailed, Some(failure));
        assert_eq!(error, Error::Failed("no meter 17 (wrong_key)".into()));
    }

    #[test]
    fn everything_that_is_wrong_stands_on_a_line_of_its_own() {
        let violation =
            |field: &str, problem: &str| FieldViolation { field: field.into(), problem: problem.into() };
        let violations =
            vec![violation("terms.reason", "too long"), violation("terms.deadline", "it has passed")];
        let detail =
            ErrorDetail { reason: ErrorReason::InvalidField.into(), violations, ..ErrorDetail::default() };
        let error = Error::from(detail.into_status(Code::InvalidArgument, "terms.reason: too long"));
        let expected = "the head-end refused, nothing was done:\n  terms.reason: too long\n  terms.deadline: it has passed";
        assert_eq!((error.to_string().as_str(), error.exit_code()), (expected, 2));
    }

    #[test]
    fn more_is_added_to_the_sentence() {
        let error = Error::Unreachable("gone".into()).and("try again");
        assert_eq!((error.to_string().as_str(), error.exit_code()), ("gone; try again", 3));
    }
}
