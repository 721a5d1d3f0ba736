//! TLS from files, and again when the files change.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tracing::{info, warn};

use crate::api::access::Role;

/// HTTP/2, as ALPN names it (RFC 9113, 3.2).
const HTTP_2: &[u8] = b"h2";

/// Why the files cannot be used. Their content is never repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path} cannot be read: {detail}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        detail: String,
    },
    /// A file holds something else.
    #[error("{path} has to hold {expected} in PEM")]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What it has to hold.
        expected: &'static str,
    },
    /// Certificate and key do not fit, or are of a kind that is not supported.
    #[error("{certificate} and {key} cannot be used together: {detail}")]
    Pair {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The authorities that sign client certificates cannot be used.
    #[error("{path} cannot tell whom to trust: {detail}")]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
}

/// Where the certificates are, all in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate of the server, and behind it those between it and the root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities whose client certificates are accepted.
    pub client_ca: PathBuf,
}

/// Mutual TLS: the certificates, and who the client certificates name.
#[derive(Clone)]
pub struct Tls {
    files: TlsFiles,
    seen: Stamps,
    pub(super) config: Arc<ServerConfig>,
    pub(super) principals: Arc<BTreeMap<String, Role>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("files", &self.files)
            .field("principals", &self.principals)
            .finish_non_exhaustive()
    }
}

/// When each file was changed.
type Stamps = [Option<SystemTime>; 3];

impl Tls {
    /// Reads the files; `principals` are the roles by the name in the client certificate.
    ///
    /// # Errors
    /// Every [`TlsError`].
    pub fn open(files: TlsFiles, principals: BTreeMap<String, Role>) -> Result<Self, TlsError> {
        let seen = stamps(&files);
        let config = load(&files)?;
        Ok(Self { files, seen, config, principals: Arc::new(principals) })
    }

    /// Reads the files again when one has changed; what cannot be used changes nothing, and is looked at again once it changes.
    pub(super) fn refresh(&mut self) {
        let seen = stamps(&self.files);
        if seen == self.seen {
            return;
        }
        self.seen = seen;
        match load(&self.files) {
            Ok(config) => {
                self.config = config;
                info!("the certificates of the API were read anew; they hold for new connections");
            }
            Err(error) => {
                warn!(%error, "the certificates of the API have changed, but the old ones stay in use")
            }
        }
    }
}

fn stamps(files: &TlsFiles) -> Stamps {
    [&files.certificate, &files.key, &files.client_ca]
        .map(|path| std::fs::metadata(path).and_then(|file| file.modified()).ok())
}

fn load(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let authority = |detail: String| TlsError::Authority { path: files.client_ca.clone(), detail };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&files.client_ca)? {
        roots.add(certificate).map_err(|error| authority(error.to_string()))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| authority(error.to_string()))?;
    let pair = |error: rustls::Error| TlsError::Pair {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        detail: error.to_string(),
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates(&files.certificate)?, key(&files.key)?)
        .map_err(pair)?;
    config.alpn_protocols = vec![HTTP_2.to_vec()];
    // A resumed session would bring back a client whose certificate has expired, or whose authority is no longer trusted.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let broken = |error| pem_error(path, "certificates", error);
    let list = CertificateDer::pem_file_iter(path).map_err(broken)?;
    let list = list.collect::<Result<Vec<_>, _>>().map_err(broken)?;
    if list.is_empty() { Err(pem_error(path, "certificates", pem::Error::NoItemsFound)) } else { Ok(list) }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|error| pem_error(path, "a private key without a password", error))
}

fn pem_error(path: &Path, expected: &'static str, error: pem::Error) -> TlsError {
    match error {
        pem::Error::Io(error) => TlsError::Unreadable { path: path.to_path_buf(), detail: error.to_string() },
        _ => TlsError::NotPem { path: path.to_path_buf(), expected },
    }
}
