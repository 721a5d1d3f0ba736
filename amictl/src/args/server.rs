//! Where the head-end is, and who asks.

use std::path::PathBuf;

use clap::Args;

/// The way to the server.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Server {
    /// Where the head-end answers; plain http:// only on this machine.
    #[arg(
        long,
        global = true,
        env = "AMICTL_SERVER",
        value_name = "URL",
        default_value = "https://127.0.0.1:50051"
    )]
    pub(crate) server: String,
    /// A folder with ca.pem, certificate.pem and key.pem, in place of the three options below.
    #[arg(long, global = true, env = "AMICTL_IDENTITY", value_name = "FOLDER")]
    pub(crate) identity: Option<PathBuf>,
    /// The authority that vouches for the head-end, in PEM; without one, those that this machine trusts.
    #[arg(long, global = true, env = "AMICTL_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The certificate that says who asks, in PEM.
    #[arg(long, global = true, env = "AMICTL_CERTIFICATE", value_name = "FILE")]
    pub(crate) certificate: Option<PathBuf>,
    /// The private key of that certificate, in PEM.
    #[arg(long, global = true, env = "AMICTL_KEY", value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}

impl Server {
    /// The file of one kind: that of its option, else that of the folder.
    pub(crate) fn file(&self, given: Option<&PathBuf>, name: &str) -> Option<PathBuf> {
        given.cloned().or_else(|| self.identity.as_ref().map(|folder| folder.join(name)))
    }
}
