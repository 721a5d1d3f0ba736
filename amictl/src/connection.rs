//! The way to the server.

use std::{fs, path::PathBuf, time::Duration};

use tonic::{
    Request,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use crate::{args::Server, error::Error, trust};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Opens the connection to the server.
pub(crate) async fn open(server: &Server) -> Result<Channel, Error> {
    let url = &server.server;
    let endpoint = match url.split_once("://") {
        Some(("https", _)) => endpoint(url)?.tls_config(tls(server)?).map_err(|error| {
            Error::Usage(trust::explain(&error).unwrap_or_else(|| {
                format!(
                    "the certificates are not understood: check --ca, --certificate and --key ({error:?})"
                )
            }))
        })?,
        Some(("http", _)) => {
            let endpoint = endpoint(url)?;
            if !is_here(endpoint.uri().host().unwrap_or_default()) {
                return Err(wrong(url, "http:// is not encrypted and only spoken on this machine"));
            }
            endpoint
        }
        _ => return Err(wrong(url, "it begins with neither https:// nor http://")),
    };
    endpoint.connect().await.map_err(|error| match trust::explain(&error) {
        Some(sentence) => Error::NotAllowed(sentence),
        None => Error::Unreachable(format!(
            "no head-end answers at {url}: start it with 'headend serve', or name another one with --server"
        )),
    })
}

fn wrong(url: &str, why: &str) -> Error {
    Error::Usage(format!("--server {url}: {why}; write it like https://127.0.0.1:50051"))
}

fn endpoint(url: &str) -> Result<Endpoint, Error> {
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| wrong(url, "that is not an address"))?;
    Ok(endpoint.connect_timeout(CONNECT_TIMEOUT).http2_keep_alive_interval(Duration::from_secs(20)))
}

/// Whether what is sent to a host stays on this machine.
fn is_here(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whom we trust, and who we are.
fn tls(server: &Server) -> Result<ClientTlsConfig, Error> {
    let tls = ClientTlsConfig::new();
    let tls = match server.file(server.ca.as_ref(), "ca.pem") {
        Some(path) => tls.ca_certificate(Certificate::from_pem(read("--ca", path)?)),
        None => tls.with_native_roots(),
    };
    let certificate = server.file(server.certificate.as_ref(), "certificate.pem");
    match (certificate, server.file(server.key.as_ref(), "key.pem")) {
        (Some(certificate), Some(key)) => {
            Ok(tls.identity(Identity::from_pem(read("--certificate", certificate)?, read("--key", key)?)))
        }
        (None, None) => Ok(tls),
        _ => Err(Error::Usage("--certificate and --key belong together: name both, or neither".into())),
    }
}

fn read(option: &str, path: PathBuf) -> Result<Vec<u8>, Error> {
    let text = fs::read(&path)
        .map_err(|error| Error::Usage(format!("{option} {} cannot be read: {error}", path.display())))?;
    if String::from_utf8_lossy(&text).contains("-----BEGIN ") {
        return Ok(text);
    }
    Err(Error::Usage(format!("{option} {} is not a PEM file", path.display())))
}

/// A request that waits for its answer one minute at most.
pub(crate) fn request<T>(message: T) -> Request<T> {
    request_within(message, CALL_TIMEOUT)
}

/// A request that waits for its answer as long as said.
pub(crate) fn request_within<T>(message: T, timeout: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(timeout);
    request
}

#[cfg(test)]
mod tests;
