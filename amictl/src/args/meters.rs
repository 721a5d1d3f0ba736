//! `meters`: the inventory on the command line.

use std::{path::PathBuf, time::Duration};

use ami_proto::v1::{MeterState, SecurityLevel, SecurityPolicy};
use clap::{Args, Subcommand};

use super::word;

/// The subcommands of `meters`.
#[derive(Debug, Subcommand)]
pub(crate) enum Meters {
    /// Add one meter.
    Add(AddArgs),
    /// Add the meters of a CSV file, all or none.
    ///
    /// Columns: serial, model, address, device_address, server_sap, client_sap, zone, security (none, lls, manufacturer, md5, sha1, gmac,
    /// sha256, ecdsa), password, password_hex, client_title, encryption_key, authentication_key, suite, policy (none, authenticated,
    /// encrypted, authenticated_encrypted), signing_key, meter_public_key, system_title, equipment_id. Keys and titles are hexadecimal
    /// digits.
    Import {
        /// The file; - is standard input.
        file: PathBuf,
    },
    /// Find out what a meter of an unknown type has, and write it down as a draft of a model.
    ///
    /// The meter may have any model whose way of speaking fits, such as generic-dlms. The draft is accepted as it is in models.dir of the
    /// head-end; what a meter does not tell of itself is to be completed by hand.
    Discover(DiscoverArgs),
    /// List meters in the order of their serial numbers.
    List(ListArgs),
    /// Show one meter and how far its profiles have been read.
    Show {
        /// Serial number.
        serial: String,
    },
    /// Take a meter out of service; its readings stay.
    Retire {
        /// Serial number.
        serial: String,
    },
}

/// `meters discover`.
#[derive(Debug, Args)]
pub(crate) struct DiscoverArgs {
    /// Serial number.
    pub(crate) serial: String,
    /// Name of the new model: lower-case letters, digits and hyphens; without it that of the file, or "draft".
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Write the draft into this new file, NAME.toml; without it to standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Wait at most this long, 1s to 5m: every profile is looked at.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = humantime::parse_duration)]
    pub(crate) wait: Duration,
}

/// `meters add`. Secrets come from files, so that they stay out of the list of processes and the history of the shell.
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// Serial number.
    pub(crate) serial: String,
    /// Name of the meter's model.
    #[arg(long)]
    pub(crate) model: String,
    /// Where its line ends: HOST:PORT (TCP wrapper), hdlc://HOST:PORT (HDLC over TCP), serial:///dev/ttyS0 (HDLC; options
    /// ?baud=9600&parity=none) or optical:///dev/ttyUSB0 (HDLC after IEC 62056-21 mode E; option ?baud=300).
    #[arg(long)]
    pub(crate) address: String,
    /// The meter on its HDLC line (lower HDLC address), 1 to 16381; 0 = it has none.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) device_address: u32,
    /// Time zone of the place, for example Asia/Dhaka.
    #[arg(long, value_name = "IANA")]
    pub(crate) zone: String,
    /// Server service access point; 0 = the model's.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) server_sap: u32,
    /// Client service access point; 0 = the model's.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) client_sap: u32,
    /// How the head-end shows who it is (none, lls, manufacturer, md5, sha1, gmac, sha256, ecdsa); left out, it is lls with a password
    /// file, gmac with an encryption key, none otherwise.
    #[arg(long, value_name = "WORD", value_parser = word::<SecurityLevel>)]
    pub(crate) security: Option<SecurityLevel>,
    /// File with the password (lls) or the secret (manufacturer, md5, sha1, sha256).
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// System title of the client, 16 hexadecimal digits; needed with keys, gmac, sha256 and ecdsa.
    #[arg(long, value_name = "HEX")]
    pub(crate) client_title: Option<String>,
    /// File with the encryption key in hexadecimal digits.
    #[arg(long, value_name = "FILE", requires = "authentication_key_file")]
    pub(crate) encryption_key_file: Option<PathBuf>,
    /// File with the authentication key in hexadecimal digits.
    #[arg(long, value_name = "FILE", requires = "encryption_key_file")]
    pub(crate) authentication_key_file: Option<PathBuf>,
    /// Security suite, 0 to 2.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) suite: u32,
    /// How messages are protected (none, authenticated, encrypted, authenticated_encrypted); left out, it is authenticated_encrypted with
    /// keys, none otherwise.
    #[arg(long, value_name = "WORD", value_parser = word::<SecurityPolicy>)]
    pub(crate) policy: Option<SecurityPolicy>,
    /// File with the private key for signatures (ecdsa) in hexadecimal digits.
    #[arg(long, value_name = "FILE")]
    pub(crate) signing_key_file: Option<PathBuf>,
    /// The meter's public key for signatures (ecdsa), both coordinates in hexadecimal digits.
    #[arg(long, value_name = "HEX")]
    pub(crate) meter_public_key: Option<String>,
}

/// `meters list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only of this model.
    #[arg(long, default_value = "")]
    pub(crate) model: String,
    /// Only in this state (active, retired).
    #[arg(long, value_parser = word::<MeterState>)]
    pub(crate) state: Option<MeterState>,
    /// Only with a serial number that begins so.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) prefix: String,
    /// At most so many meters.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u32>,
}
