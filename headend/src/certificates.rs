//! Certificates to try the program with: an authority, a server on this machine, and a client for each role.
//!
//! Not for a real installation: there, an authority that is kept signs certificates that are renewed. The key of this authority
//! is thrown away, so that it never signs another one.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use zeroize::Zeroizing;

use crate::api::access::Role;

/// How long the certificates are valid.
const VALID: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How far clocks of two machines may be apart.
const SKEW: SignedDuration = SignedDuration::from_hours(24);

/// What the server is called.
const SERVER: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Why there are no certificates now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing is overwritten.
    #[error("{0} exists: name a folder that does not, or delete it first")]
    Exists(PathBuf),
    /// The file system refuses.
    #[error("{path} cannot be written: {detail}")]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        detail: String,
    },
    /// No certificate could be made.
    #[error("no certificate could be made: {0}")]
    Signing(String),
}

impl From<rcgen::Error> for Error {
    fn from(error: rcgen::Error) -> Self {
        Self::Signing(error.to_string())
    }
}

/// Makes the folder: `ca.pem`, `server/` and one folder for each role, with `certificate.pem`, `key.pem` and, for clients, another
/// `ca.pem`. Valid from a day before `now` to thirty days after it. The clients are called `demo-viewer` and so on.
///
/// # Errors
/// Every [`Error`].
pub fn make(folder: &Path, now: Timestamp) -> Result<(), Error> {
    make_folder(folder)?;
    let mut params = params("demonstration authority", now);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    write(&folder.join("ca.pem"), 0o644, &authority.pem())?;
    let mut server = self::params("headend", now);
    server.subject_alt_names = CertificateParams::new(SERVER.map(String::from))?.subject_alt_names;
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    issue(&folder.join("server"), server, &authority)?;
    for role in Role::ALL {
        let mut client = self::params(&format!("demo-{role}"), now);
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let folder = folder.join(role.word());
        issue(&folder, client, &authority)?;
        write(&folder.join("ca.pem"), 0o644, &authority.pem())?;
    }
    Ok(())
}

fn params(name: &str, now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let (year, month, day) = date(now - SKEW);
    params.not_before = rcgen::date_time_ymd(year, month, day);
    let (year, month, day) = date(now + VALID);
    params.not_after = rcgen::date_time_ymd(year, month, day);
    params
}

/// Year, month and day in UTC.
fn date(at: Timestamp) -> (i32, u8, u8) {
    let date = at.to_zoned(TimeZone::UTC).date();
    (i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs())
}

fn issue(folder: &Path, mut params: CertificateParams, authority: &Issuer<'_, KeyPair>) -> Result<(), Error> {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    make_folder(folder)?;
    write(&folder.join("certificate.pem"), 0o644, &certificate.pem())?;
    write(&folder.join("key.pem"), 0o600, &Zeroizing::new(key.serialize_pem()))
}

fn make_folder(folder: &Path) -> Result<(), Error> {
    DirBuilder::new().mode(0o700).create(folder).map_err(|error| unwritable(folder, &error))
}

fn write(path: &Path, mode: u32, text: &str) -> Result<(), Error> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::AlreadyExists => Error::Exists(path.to_path_buf()),
        _ => Error::Unwritable { path: path.to_path_buf(), detail: error.to_string() },
    }
}
