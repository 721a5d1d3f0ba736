//! How an [`ErrorDetail`] travels: as the one `Any` of a google.rpc.Status in `grpc-status-details-bin`.

use prost::Message;
use prost_types::Any;
use tonic::{Code, Status};

use crate::v1::ErrorDetail;

const TYPE_URL: &str = "type.googleapis.com/ami.v1.ErrorDetail";

/// google.rpc.Status (googleapis `google/rpc/status.proto`), the three fields that the wire needs.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

impl ErrorDetail {
    /// A gRPC status with `code`, a `message` for people and this detail for programs.
    pub fn into_status(self, code: Code, message: impl Into<String>) -> Status {
        let message = message.into();
        let any = Any { type_url: TYPE_URL.into(), value: self.encode_to_vec() };
        let rpc = RpcStatus { code: code as i32, message: message.clone(), details: vec![any] };
        Status::with_details(code, message, rpc.encode_to_vec().into())
    }

    /// The detail that `status` carries; `None` when the answer did not come from the head-end itself.
    pub fn of(status: &Status) -> Option<Self> {
        let rpc = RpcStatus::decode(status.details()).ok()?;
        let any = rpc.details.into_iter().find(|any| any.type_url == TYPE_URL)?;
        Self::decode(any.value.as_slice()).ok()
    }
}

#[cfg(test)]
mod tests {
    use tonic::{Code, Status};

    use crate::v1::{ErrorDetail, ErrorReason, FailureReason, FieldViolation, JobFailure};

    #[test]
    fn detail_survives_the_status() {
        let failure =
            JobFailure { job_id: 7, reason: FailureReason::Timeout.into(), detail: "no answer".into() };
        let detail = ErrorDetail {
            reason: ErrorReason::ReadFailed.into(),
            field: "meter_serial".into(),
            failure: Some(failure),
            violations: vec![FieldViolation { field: "meter_serial".into(), problem: "silent".into() }],
        };
        let status = detail.clone().into_status(Code::Unavailable, "the meter does not answer");
        assert_eq!(status.message(), "the meter does not answer");
        assert_eq!(ErrorDetail::of(&status), Some(detail));
        assert_eq!(ErrorDetail::of(&Status::unavailable("proxy")), None);
    }
}
