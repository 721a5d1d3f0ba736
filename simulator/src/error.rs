//! Why a fleet does not start.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What is wrong with a fleet, its configuration or a question about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A fleet needs at least one meter.
    #[error("a fleet needs at least one meter")]
    Empty,
    /// Meters that speak DLMS have the wrapper or HDLC, others neither, and no security but a password.
    #[error(
        "the model `{model}` is not spoken to in this way: wrapper, HDLC and any security but a password are of DLMS, and of nothing else"
    )]
    Language {
        /// Name of the model.
        model: String,
    },
    /// Image blocks have at least one octet.
    #[error("image blocks have at least one octet")]
    NoBlocks,
    /// A limit is exceeded; ask for less.
    #[error("{what}: {got} is more than the limit of {limit}")]
    Limit {
        /// What is limited.
        what: &'static str,
        /// What was asked for.
        got: u64,
        /// The limit.
        limit: u64,
    },
    /// A fault is not written as it must be.
    #[error("`{text}` is no fault: expected {expected}")]
    Fault {
        /// What was written.
        text: String,
        /// What was expected there.
        expected: String,
    },
    /// A port cannot be opened: another program has it, or too many files are open (`ulimit -n`).
    #[error("127.0.0.1:{port} cannot be opened ({kind}); choose another base port or fewer meters")]
    Port {
        /// The port; 0 for any.
        port: u16,
        /// What the operating system answered.
        kind: ErrorKind,
    },
    /// There is no serial device for a bus.
    #[error(
        "a pseudo terminal cannot be opened ({kind}); ask for fewer buses or look at /proc/sys/kernel/pty/max"
    )]
    Terminal {
        /// What the operating system answered.
        kind: ErrorKind,
    },
    /// The file for the ledger cannot be opened.
    #[error("the ledger {path} cannot be written ({kind})", path = path.display())]
    Ledger {
        /// The file.
        path: PathBuf,
        /// What the operating system answered.
        kind: ErrorKind,
    },
    /// The fleet has no meter of that number.
    #[error("there is no meter {number}: the fleet has {count}, numbered from 0")]
    NoMeter {
        /// The number asked for.
        number: u32,
        /// Meters in the fleet.
        count: u32,
    },
    /// The tables of the model do not say how a meter tells of this.
    #[error("a meter of the model `{model}` does not push `{key}`: its tables do not have it")]
    NoEvent {
        /// Name of the model.
        model: String,
        /// The canonical key.
        key: String,
    },
    /// Nobody takes a push in.
    #[error("a push does not reach {address} ({kind})")]
    Unheard {
        /// Where it was sent.
        address: SocketAddr,
        /// What the operating system answered.
        kind: ErrorKind,
    },
    /// The model has no profile of that name.
    #[error("the model `{model}` has no profile `{profile}`")]
    NoProfile {
        /// Name of the model.
        model: String,
        /// The name asked for.
        profile: String,
    },
}
