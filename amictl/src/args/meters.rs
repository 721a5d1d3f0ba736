//! `meters`: the inventory on the command line.

use std::{path::PathBuf, time::Duration};

use ami_proto::v1::{CallState, MeterPath, MeterState, SecurityLevel, SecurityPolicy};
use clap::{Args, Subcommand};

use super::word;

/// The subcommands of `meters`.
#[derive(Debug, Subcommand)]
pub(crate) enum Meters {
    /// Add one meter.
    Add(Box<AddArgs>),
    /// Add the meters of a CSV file, all or none.
    ///
    /// Columns: serial, model, address, device_address, server_sap, client_sap, zone, security (none, lls, manufacturer, md5, sha1, gmac,
    /// sha256, ecdsa), password, password_hex, client_title, encryption_key, authentication_key, suite, policy (none, authenticated,
    /// encrypted, authenticated_encrypted), signing_key, meter_public_key, system_title, equipment_id, paths (further ways, parted by spaces),
    /// parent, subunit, throttle_group, pulses_per_kwh, ratio, circuit, state (active), invocation_counter (the lowest that may be used with the
    /// keys). Keys and titles are hexadecimal digits.
    Import {
        /// The file; - is standard input.
        file: PathBuf,
    },
    /// Correct the meters of a CSV file, all or none, and have what failed of them tried again at once.
    ///
    /// The columns are those of import; serial says whose row it is, and what the header does not name stays as it is. Credentials, system title and
    /// invocation counter that are left empty stay, too; anything else that is left empty is none, or the model's or parent's own. A meter that was
    /// retired comes back into service where state is active. An invocation counter is never lowered.
    Correct {
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
    /// Where its line ends: HOST:PORT (TCP wrapper), udp://HOST:PORT, hdlc://HOST:PORT (HDLC over TCP), serial:///dev/ttyS0,
    /// serial://HOST:PORT or rfc2217://HOST:PORT (options ?baud=9600&parity=none&echo=no), optical:///dev/ttyUSB0 (option ?baud=300),
    /// inbound://ID (option ?framing=wrapper), concentrator://SERIAL/NODE. A sub-unit without one has the way of its parent.
    #[arg(long, required_unless_present = "parent", default_value = "", hide_default_value = true)]
    pub(crate) address: String,
    /// The meter on its line: with HDLC the lower address, 1 to 16381.
    #[arg(long, value_name = "N")]
    pub(crate) device_address: Option<u64>,
    /// A further way to it, for when those before do not reach it, up to four times; #N behind it is the device address there.
    #[arg(long = "path", value_name = "ADDRESS[#N]", value_parser = path)]
    pub(crate) paths: Vec<MeterPath>,
    /// Serial number of the meter that it is a sub-unit of.
    #[arg(long, value_name = "SERIAL", requires = "subunit")]
    pub(crate) parent: Option<String>,
    /// Which sub-unit of its parent it is, 1 to 255: household or M-Bus channel.
    #[arg(long, value_name = "N", requires = "parent")]
    pub(crate) subunit: Option<u32>,
    /// Which circuit of its sub-unit it is; those from the second on can only be switched. Default: the first.
    #[arg(long, value_name = "N", requires = "subunit")]
    pub(crate) circuit: Option<u32>,
    /// What carries it together with others and must not be asked for too much: a cell, an APN, a concentrator, a bus.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(crate) throttle_group: String,
    /// Pulses for a kilowatt-hour, as on the meter's plate.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) pulses_per_kwh: u32,
    /// Ratio of the transformers in front of it, as on their plates, for example 600/5; readings stay those that the meter shows.
    #[arg(long, value_name = "N[/N]", default_value = "", hide_default_value = true)]
    pub(crate) ratio: String,
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
    /// The lowest invocation counter that may be used with the keys, of a meter that another system read before; 0 = 1.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) invocation_counter: u32,
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
    /// Only of those that open the connection themselves: with one (connected), or without one though in service (missing).
    #[arg(long, value_name = "WORD", value_parser = word::<CallState>)]
    pub(crate) call: Option<CallState>,
    /// At most so many meters.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u32>,
}

/// A further way to a meter: an address, or an address, # and a device address.
fn path(text: &str) -> Result<MeterPath, String> {
    let (address, device) =
        text.split_once('#').map_or((text, None), |(address, device)| (address, Some(device)));
    let device = device.map(str::parse).transpose();
    let device_address = device.map_err(|_| "a number is expected behind #".to_owned())?;
    Ok(MeterPath { address: address.to_owned(), device_address })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_may_name_the_meter_on_it() {
        let way = |address: &str, device_address| Ok(MeterPath { address: address.into(), device_address });
        assert_eq!(path("h:1"), way("h:1", None));
        assert_eq!(path("hdlc://h:1#17"), way("hdlc://h:1", Some(17)));
        assert!(path("h:1#x").is_err() && path("h:1#").is_err());
    }
}
