//! The enumerations that meters answer with. Values that the standard does not define are kept.

use std::fmt;

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $value:literal, $text:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)+
            /// A value that the standard does not define.
            Other(u8),
        }

        impl $name {
            /// The value on the wire.
            pub const fn code(self) -> u8 {
                match self {
                    $(Self::$variant => $value,)+
                    Self::Other(code) => code,
                }
            }

            /// The name in the standard; empty for a value that it does not define.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(_) => "",
                }
            }
        }

        impl From<u8> for $name {
            fn from(code: u8) -> Self {
                match code {
                    $($value => Self::$variant,)+
                    code => Self::Other(code),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    Self::Other(code) => write!(f, "code {code}"),
                    known => f.write_str(known.name()),
                }
            }
        }
    };
}

pub(crate) use codes;

codes! {
    /// Data-Access-Result (Green Book, 9.5): why an attribute was not given or taken.
    DataAccessResult {
        /// It was.
        Success = 0, "success";
        /// Hardware fault.
        HardwareFault = 1, "hardware-fault";
        /// Temporary failure: try again.
        TemporaryFailure = 2, "temporary-failure";
        /// Reading or writing is denied.
        ReadWriteDenied = 3, "read-write-denied";
        /// There is no such object.
        ObjectUndefined = 4, "object-undefined";
        /// The object has another class.
        ObjectClassInconsistent = 9, "object-class-inconsistent";
        /// The object is not available.
        ObjectUnavailable = 11, "object-unavailable";
        /// The data type does not fit.
        TypeUnmatched = 12, "type-unmatched";
        /// The access is out of scope.
        ScopeOfAccessViolated = 13, "scope-of-access-violated";
        /// The block is not available.
        DataBlockUnavailable = 14, "data-block-unavailable";
        /// The long GET was aborted.
        LongGetAborted = 15, "long-get-aborted";
        /// No long GET is under way.
        NoLongGetInProgress = 16, "no-long-get-in-progress";
        /// The long SET was aborted.
        LongSetAborted = 17, "long-set-aborted";
        /// No long SET is under way.
        NoLongSetInProgress = 18, "no-long-set-in-progress";
        /// The block number is wrong.
        DataBlockNumberInvalid = 19, "data-block-number-invalid";
        /// Another reason.
        OtherReason = 250, "other-reason";
    }
}

codes! {
    /// Action-Result (Green Book, 9.5): what came of a method.
    ActionResult {
        /// It was invoked.
        Success = 0, "success";
        /// Hardware fault.
        HardwareFault = 1, "hardware-fault";
        /// Temporary failure: try again.
        TemporaryFailure = 2, "temporary-failure";
        /// Invoking is denied.
        ReadWriteDenied = 3, "read-write-denied";
        /// There is no such object.
        ObjectUndefined = 4, "object-undefined";
        /// The object has another class.
        ObjectClassInconsistent = 9, "object-class-inconsistent";
        /// The object is not available.
        ObjectUnavailable = 11, "object-unavailable";
        /// The data type does not fit.
        TypeUnmatched = 12, "type-unmatched";
        /// The access is out of scope.
        ScopeOfAccessViolated = 13, "scope-of-access-violated";
        /// The block is not available.
        DataBlockUnavailable = 14, "data-block-unavailable";
        /// The long ACTION was aborted.
        LongActionAborted = 15, "long-action-aborted";
        /// No long ACTION is under way.
        NoLongActionInProgress = 16, "no-long-action-in-progress";
        /// Another reason.
        OtherReason = 250, "other-reason";
    }
}

codes! {
    /// Association-result of an AARE (Green Book, 9.4.2).
    AssociationResult {
        /// Accepted.
        Accepted = 0, "accepted";
        /// Rejected for good.
        RejectedPermanent = 1, "rejected-permanent";
        /// Rejected for now.
        RejectedTransient = 2, "rejected-transient";
    }
}

codes! {
    /// State-error of an exception-response (Green Book, 9.5).
    StateError {
        /// The service is not allowed in this state.
        ServiceNotAllowed = 1, "service-not-allowed";
        /// The service is unknown.
        ServiceUnknown = 2, "service-unknown";
    }
}

codes! {
    /// Service-error of an exception-response (Green Book, 9.5).
    ServiceError {
        /// The operation is not possible.
        OperationNotPossible = 1, "operation-not-possible";
        /// The service is not supported.
        ServiceNotSupported = 2, "service-not-supported";
        /// Another reason.
        OtherReason = 3, "other-reason";
        /// The request was too long.
        PduTooLong = 4, "pdu-too-long";
        /// The request could not be deciphered.
        DecipheringError = 5, "deciphering-error";
        /// The invocation counter was not accepted.
        InvocationCounterError = 6, "invocation-counter-error";
    }
}

/// Result-source-diagnostic of an AARE (Green Book, 9.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diagnostic {
    /// From the acse-service-user.
    User(u8),
    /// From the acse-service-provider.
    Provider(u8),
}

impl Diagnostic {
    /// Client and server know no common version of ACSE.
    pub const NO_COMMON_VERSION: Self = Self::Provider(2);
    /// No diagnostic.
    pub const NONE: Self = Self::User(0);
    /// Rejected without a reason.
    pub const NO_REASON: Self = Self::User(1);
    /// The application context is not supported.
    pub const CONTEXT_NOT_SUPPORTED: Self = Self::User(2);
    /// The calling AP title is not recognised.
    pub const TITLE_NOT_RECOGNISED: Self = Self::User(3);
    /// The authentication mechanism is not recognised.
    pub const MECHANISM_NOT_RECOGNISED: Self = Self::User(11);
    /// An authentication mechanism is required.
    pub const MECHANISM_REQUIRED: Self = Self::User(12);
    /// The authentication failed.
    pub const AUTHENTICATION_FAILURE: Self = Self::User(13);
    /// The authentication goes on (HLS).
    pub const AUTHENTICATION_REQUIRED: Self = Self::User(14);
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::User(0) | Self::Provider(0) => "no diagnostic",
            Self::User(1) | Self::Provider(1) => "no reason given",
            Self::User(2) => "application context not supported",
            Self::User(3) => "calling AP title not recognised",
            Self::User(4) => "calling AP invocation identifier not recognised",
            Self::User(5) => "calling AE qualifier not recognised",
            Self::User(6) => "calling AE invocation identifier not recognised",
            Self::User(7) => "called AP title not recognised",
            Self::User(8) => "called AP invocation identifier not recognised",
            Self::User(9) => "called AE qualifier not recognised",
            Self::User(10) => "called AE invocation identifier not recognised",
            Self::User(11) => "authentication mechanism not recognised",
            Self::User(12) => "authentication mechanism required",
            Self::User(13) => "authentication failure",
            Self::User(14) => "authentication required",
            Self::Provider(2) => "no common ACSE version",
            Self::User(code) => return write!(f, "user diagnostic {code}"),
            Self::Provider(code) => return write!(f, "provider diagnostic {code}"),
        };
        f.write_str(text)
    }
}

/// Exception-response (Green Book, 9.5): the request was not processed at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExceptionResponse {
    /// What the state forbids.
    pub state: StateError,
    /// Why.
    pub service: ServiceError,
    /// With invocation-counter-error: the lowest counter that the peer accepts.
    pub expected_counter: Option<u32>,
}

impl fmt::Display for ExceptionResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.state, self.service)?;
        match self.expected_counter {
            Some(counter) => write!(f, ", expected {counter}"),
            None => Ok(()),
        }
    }
}

/// ConfirmedServiceError (Green Book, 9.5): the initiation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfirmedServiceError {
    /// The service: 1 initiate, 5 read, 6 write.
    pub service: u8,
    /// The class of the error, for example 6 initiate.
    pub class: u8,
    /// The error in its class, for example 1 dlms-version-too-low of class 6.
    pub error: u8,
}

impl fmt::Display for ConfirmedServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match (self.class, self.error) {
            (6, 1) => "DLMS version too low",
            (6, 2) => "incompatible conformance",
            (6, 3) => "PDU size too short",
            (6, 4) => "refused by the VDE handler",
            (class, error) => {
                return write!(f, "service {}, error class {class}, error {error}", self.service);
            }
        };
        f.write_str(text)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::{ActionResult, AssociationResult, DataAccessResult, ServiceError, StateError};

    /// Checks all 256 codes; returns those that have a name.
    fn named<T: From<u8> + Debug>(code: impl Fn(&T) -> u8, name: impl Fn(&T) -> &'static str) -> Vec<u8> {
        let mut named = Vec::new();
        for octet in 0..=u8::MAX {
            let value = T::from(octet);
            assert_eq!(code(&value), octet);
            let variant = format!("{value:?}");
            match name(&value) {
                "" => assert_eq!(variant, format!("Other({octet})")),
                name => {
                    assert_eq!(name.replace('-', ""), variant.to_lowercase());
                    named.push(octet);
                }
            }
        }
        named
    }

    #[test]
    fn every_code_has_the_name_of_its_variant_and_comes_back() {
        let access = named(|v: &DataAccessResult| v.code(), |v| v.name());
        assert_eq!(access, [0, 1, 2, 3, 4, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 250]);
        let action = named(|v: &ActionResult| v.code(), |v| v.name());
        assert_eq!(action, [0, 1, 2, 3, 4, 9, 11, 12, 13, 14, 15, 16, 250]);
        assert_eq!(named(|v: &AssociationResult| v.code(), |v| v.name()), [0, 1, 2]);
        assert_eq!(named(|v: &StateError| v.code(), |v| v.name()), [1, 2]);
        assert_eq!(named(|v: &ServiceError| v.code(), |v| v.name()), [1, 2, 3, 4, 5, 6]);
    }
}
