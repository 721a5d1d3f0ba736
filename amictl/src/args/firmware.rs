//! `firmware`: images, and meters that get them.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use prost_types::Timestamp;

use crate::{hex, order::OrderArgs, time};

/// The subcommands of `firmware`.
#[derive(Debug, Subcommand)]
pub(crate) enum Firmware {
    /// Upload an image; one that is there already is left as it is.
    Upload(UploadArgs),
    /// List the images.
    List,
    /// Delete an image that is not being installed.
    Delete {
        /// Name of the image.
        image: String,
    },
    /// Install an image on meters.
    Install(InstallArgs),
    /// Show what became of installations, the newest first.
    Status(StatusArgs),
}

/// `firmware upload`.
#[derive(Debug, Args)]
pub(crate) struct UploadArgs {
    /// The file with the image.
    pub(crate) file: PathBuf,
    /// The only meter model that it is for.
    #[arg(long)]
    pub(crate) model: String,
    /// What the meter shows as its firmware version once the image runs.
    #[arg(long)]
    pub(crate) version: String,
    /// What the meter calls the image: from the maker. Hexadecimal digits behind 0x are octets.
    #[arg(long, value_name = "TEXT", value_parser = octets)]
    pub(crate) identifier: Octets,
    /// Signature that the meter has to show before the image is activated. Hexadecimal digits behind 0x.
    #[arg(long, value_name = "HEX", value_parser = octets)]
    pub(crate) signature: Option<Octets>,
    /// Name by which the image is ordered. Without it: model and version.
    #[arg(long)]
    pub(crate) name: Option<String>,
}

/// `firmware install`.
#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// Name of the image.
    pub(crate) image: String,
    /// Serial numbers of the meters, at most 100.
    #[arg(required = true, value_name = "SERIAL")]
    pub(crate) meters: Vec<String>,
    /// When the meters are to activate the image by themselves. Without it: as soon as they have verified it.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    pub(crate) activate_at: Option<Timestamp>,
    /// The terms.
    #[command(flatten)]
    pub(crate) order: OrderArgs,
}

/// `firmware status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Only of this meter.
    #[arg(long, value_name = "SERIAL", default_value = "")]
    pub(crate) meter: String,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: u32,
}

/// Octets given as text or in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Octets(pub(crate) Vec<u8>);

fn octets(text: &str) -> Result<Octets, String> {
    let Some(digits) = text.strip_prefix("0x") else { return Ok(Octets(text.as_bytes().to_vec())) };
    let wrong = || "an even number of hexadecimal digits is expected behind 0x".to_owned();
    hex::decode(digits).map(Octets).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_text_or_digits() {
        assert_eq!(octets("SED302-2.1"), Ok(Octets(b"SED302-2.1".to_vec())));
        assert_eq!(octets("0x00aB"), Ok(Octets(vec![0x00, 0xAB])));
        for wrong in ["0x0", "0xGG", "0x+1"] {
            assert!(octets(wrong).is_err(), "{wrong}");
        }
    }
}
