//! `decode`: what captured octets mean.

use std::path::PathBuf;

use clap::Args;

/// `decode`: octets of a DLMS/COSEM link as a tree.
///
/// HDLC frames, wrapper PDUs, M-Bus frames, APDUs and bare values are recognised by themselves. Nothing is sent to any server. A key on the command line is seen by
/// everybody on this machine who lists its programs: better name a file that holds its digits.
#[derive(Debug, Args)]
pub(crate) struct DecodeArgs {
    /// The octets in hexadecimal digits; spaces, colons, dashes, commas and 0x may stand between them. Without any, they come from --file, else from standard input.
    #[arg(value_name = "HEX", conflicts_with_all = ["file", "capture"])]
    pub(crate) octets: Vec<String>,
    /// A file with the digits, or with the octets themselves.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// A line capture: what went over each line is decoded one frame after the other.
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    pub(crate) capture: Option<PathBuf>,
    /// The key of encryption, in digits or in a file that holds them.
    #[arg(long, value_name = "HEX|FILE")]
    pub(crate) key: Option<PathBuf>,
    /// The key of authentication. Without it, what is encrypted is deciphered and its tag is not checked.
    #[arg(long, value_name = "HEX|FILE")]
    pub(crate) auth_key: Option<PathBuf>,
    /// The master key, by which a general-ciphering is opened that brings its key.
    #[arg(long, value_name = "HEX|FILE")]
    pub(crate) kek: Option<PathBuf>,
    /// The dedicated key, for an association whose opening is not among the octets.
    #[arg(long, value_name = "HEX|FILE")]
    pub(crate) dedicated_key: Option<PathBuf>,
    /// The key of the signer, by which signatures are checked: 64 or 96 octets.
    #[arg(long, value_name = "HEX|FILE")]
    pub(crate) public_key: Option<PathBuf>,
    /// The system title of the sender, where the octets do not tell it.
    #[arg(long, value_name = "HEX")]
    pub(crate) system_title: Option<String>,
}
