//! What can go wrong between a client and a meter, sorted by who is at fault.

mod certificate;
mod codes;
mod downgrade;

pub use certificate::CertificateFault;
pub(crate) use codes::codes;
pub use codes::{
    ActionResult, AssociationResult, ConfirmedServiceError, DataAccessResult, Diagnostic, ExceptionResponse,
    ServiceError, StateError,
};
pub use downgrade::Downgrade;

use crate::decode;
use crate::hdlc::LinkError;
use crate::security::SystemTitle;

/// Who has to change something before a repetition can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The peer sent what the standard does not allow; or the octets were damaged on the way.
    PeerBroke,
    /// The peer understood and cannot or may not do it.
    PeerRefused,
    /// This side asked for something impossible.
    Misuse,
    /// A limit was reached.
    Limit,
    /// The line lost or damaged what was sent.
    Line,
}

/// Every error of this crate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The octets end in the middle of an element.
    #[error("the message ends too early")]
    Truncated,
    /// A whole message is not built as the standard says, at a place that is known.
    #[error("{cause} (octet {offset}, {field})")]
    Malformed {
        /// Octet of the message, deciphered, at which the element starts that makes no sense; the first one is 0.
        offset: usize,
        /// The element.
        field: &'static str,
        /// What is wrong.
        cause: Box<Error>,
    },
    /// Octets are left behind the last element.
    #[error("{left} octets are left behind the end of the message")]
    Trailing {
        /// Octets that nobody expected.
        left: usize,
    },
    /// A message with another tag than any that may come here.
    #[error("a message with tag {tag:#04x} may not come here")]
    Unexpected {
        /// First octet of the message, or of the field inside it.
        tag: u8,
    },
    /// An element has another type than the place demands.
    #[error("{expected} was expected, but the data type is {got}")]
    DataType {
        /// What was expected.
        expected: &'static str,
        /// Tag of the data type that came (Blue Book, 4.1.5).
        got: u8,
    },
    /// An element of fixed length has another one.
    #[error("{what} has length {got}, but needs {expected}")]
    Length {
        /// The element.
        what: &'static str,
        /// Length that it must have, in its own elements.
        expected: usize,
        /// Length that came.
        got: usize,
    },
    /// A field has a value that the standard does not define.
    #[error("{what} cannot be {got:#x}")]
    Value {
        /// The field.
        what: &'static str,
        /// What came.
        got: u32,
    },
    /// A row has another number of elements than the layout has columns.
    #[error("a row has {got} elements, but the layout has {expected} columns")]
    RowShape {
        /// Columns of the layout.
        expected: usize,
        /// Elements of the row.
        got: usize,
    },
    /// A buffer has fewer rows than it announced.
    #[error("the buffer announced {expected} rows and brought {got}")]
    RowCount {
        /// Rows announced.
        expected: u64,
        /// Rows that came.
        got: u64,
    },
    /// A cell has a data type that its column cannot hold exactly, for example a float.
    #[error("column {column} cannot hold data type {tag}")]
    Cell {
        /// Index of the column, from 0.
        column: usize,
        /// Tag of the data type that came.
        tag: u8,
    },
    /// A number does not fit into 64 bits with sign, or into its column.
    #[error("the number in column {column} does not fit")]
    ValueRange {
        /// Index of the column, from 0.
        column: usize,
    },
    /// A block has another number than the one that is due.
    #[error("block {expected} was due, but block {got} came")]
    BlockNumber {
        /// Number that was due.
        expected: u32,
        /// Number that came.
        got: u32,
    },
    /// The authentication tag is wrong: another key, or damage on the way.
    #[error(
        "the authentication tag is wrong: check the encryption key and the authentication key of the meter"
    )]
    TagMismatch,
    /// The meter did not prove that it knows the keys (HLS, fourth step).
    #[error("the meter's proof is wrong: check the keys, or whether this is the right meter")]
    ServerProof,
    /// The peer used an invocation counter that is not higher than its last one: a repetition.
    #[error("the meter repeated an invocation counter: {got} after {last}")]
    CounterReplayed {
        /// The last one that was accepted.
        last: u32,
        /// The one that came.
        got: u32,
    },
    /// A message has another protection than agreed.
    #[error("the message has protection {got:#04x}, but {expected:#04x} was agreed")]
    Protection {
        /// Security control octet that was agreed.
        expected: u8,
        /// Security control octet that came.
        got: u8,
    },
    /// A signature is wrong: another key, or damage on the way.
    #[error("the signature is wrong: check the certificate of the meter")]
    SignatureMismatch,
    /// r or s of a signature is zero, or not below the order of the curve: no key makes such a signature.
    #[error("r or s of the signature is out of range")]
    SignatureValue,
    /// A certificate proves nothing.
    #[error("the certificate is refused: {0}")]
    Certificate(#[from] CertificateFault),
    /// A key that was wrapped under another key encryption key, or altered on the way.
    #[error("the wrapped key does not fit: check the master key of the meter")]
    KeyWrap,
    /// A push that is protected with a key that nothing is known of.
    #[error("it is protected with {0}, and not with the global key of the meter")]
    OtherKey(&'static str),
    /// Octets that are no point of the curve.
    #[error("the public key is no point of the curve")]
    PublicKey,
    /// The peer offers less security than this side asked for. Nothing it says can be trusted.
    #[error("less security than agreed: {0}")]
    Downgrade(Downgrade),
    /// A protected message names another sender than the association's.
    #[error("the message names {got} as its sender, but the meter is {expected}")]
    WrongTitle {
        /// System title of the peer.
        expected: SystemTitle,
        /// System title in the message.
        got: SystemTitle,
    },
    /// The meter did not accept the association.
    #[error("the meter refused the association: {result}, {diagnostic}")]
    Rejected {
        /// Permanent or transient.
        result: AssociationResult,
        /// Why.
        diagnostic: Diagnostic,
    },
    /// The meter refused an attribute.
    #[error("the meter refused access: {0}")]
    Access(DataAccessResult),
    /// The meter refused a method.
    #[error("the meter refused the method: {0}")]
    Action(ActionResult),
    /// The meter could not process the request at all.
    #[error("the meter answered with an exception: {0}")]
    Exception(ExceptionResponse),
    /// The peer gave up a general block transfer.
    #[error("the meter aborted the block transfer")]
    TransferAborted,
    /// The meter refused the initiation of the application context.
    #[error("the meter refused the request: {0}")]
    Confirmed(ConfirmedServiceError),
    /// The message is compressed (ITU-T V.44), which this side does not undo.
    #[error("the message is compressed, which is not supported: switch compression off in the meter")]
    Compressed,
    /// A security suite that the standard does not define.
    #[error("security suite {got} is not known")]
    Suite {
        /// Its number.
        got: u8,
    },
    /// A security suite that has keys of another length than ours.
    #[error(
        "security suite {suite} has keys of {expected} octets, ours have {got}: check the meter's suite and keys"
    )]
    KeyLength {
        /// Number of the suite.
        suite: u8,
        /// Octets of its keys.
        expected: usize,
        /// Octets of ours.
        got: usize,
    },
    /// A private key that is zero or not below the order of the curve.
    #[error("the private key is out of range")]
    PrivateKey,
    /// All reserved invocation counters are used.
    #[error("all reserved invocation counters are used")]
    CountersSpent,
    /// Something is longer than this side accepts.
    #[error("{what} is longer than {limit}")]
    TooLong {
        /// What is too long.
        what: &'static str,
        /// Most that is accepted.
        limit: usize,
    },
    /// The meter does not accept APDUs as long as the request, and takes it in no blocks. Nothing was sent.
    #[error("the request does not fit into the {limit} octets that the meter takes at once")]
    RequestTooLong {
        /// Most octets of an APDU that the meter accepts.
        limit: usize,
    },
    /// Data are nested deeper than this side accepts.
    #[error("data are nested deeper than {limit} levels")]
    TooDeep {
        /// Most levels that are accepted.
        limit: usize,
    },
    /// Rows of another width are in the buffer that was handed in.
    #[error("rows of width {got} were handed in, but the layout has width {expected}")]
    RowsWidth {
        /// Width of the decoder.
        expected: usize,
        /// Width of the rows handed in.
        got: usize,
    },
    /// There is no HDLC link any more, or none yet.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A call that makes no sense in this state or with these arguments.
    #[error("{0}")]
    Misuse(&'static str),
}

impl Error {
    /// The same error with its place in `message`, where that is what is wrong.
    pub(crate) fn placed(self, message: &[u8]) -> Self {
        if !matches!(self.fault(), Fault::PeerBroke | Fault::Limit) {
            return self;
        }
        match decode::place(message) {
            Some((offset, field)) => Self::Malformed { offset, field, cause: Box::new(self) },
            None => self,
        }
    }

    /// Who is at fault.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Malformed { cause, .. } => cause.fault(),
            Self::Truncated
            | Self::Trailing { .. }
            | Self::Unexpected { .. }
            | Self::DataType { .. }
            | Self::Length { .. }
            | Self::Value { .. }
            | Self::RowShape { .. }
            | Self::RowCount { .. }
            | Self::BlockNumber { .. }
            | Self::TagMismatch
            | Self::ServerProof
            | Self::CounterReplayed { .. }
            | Self::Protection { .. }
            | Self::SignatureMismatch
            | Self::SignatureValue
            | Self::Certificate(_)
            | Self::KeyWrap
            | Self::PublicKey
            | Self::Downgrade(_)
            | Self::WrongTitle { .. } => Fault::PeerBroke,
            Self::Rejected { .. }
            | Self::Access(_)
            | Self::Action(_)
            | Self::Exception(_)
            | Self::TransferAborted
            | Self::Confirmed(_) => Fault::PeerRefused,
            Self::RowsWidth { .. } | Self::KeyLength { .. } | Self::PrivateKey | Self::Misuse(_) => {
                Fault::Misuse
            }
            Self::CountersSpent
            | Self::Compressed
            | Self::Suite { .. }
            | Self::OtherKey(_)
            | Self::TooLong { .. }
            | Self::RequestTooLong { .. }
            | Self::TooDeep { .. }
            | Self::Cell { .. }
            | Self::ValueRange { .. } => Fault::Limit,
            Self::Link(error) => error.fault(),
        }
    }
}
