//! Against a server whose certificates are made here: what a person is told when the two sides do not trust each other.

use std::path::Path;

use ami_proto::v1::{SummaryRequest, jobs_service_client::JobsServiceClient};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    service::Routes,
    transport::{Server as GrpcServer, ServerTlsConfig},
};

use super::*;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Certificate and key, for a client or for a server at 127.0.0.1, valid until a year.
fn issue(authority: &Authority, usage: ExtendedKeyUsagePurpose, until: i32) -> (String, String) {
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.extended_key_usages = vec![usage];
    (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(until, 1, 1));
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, authority).unwrap().pem(), key.serialize_pem())
}

/// A server that knows no call; who gets so far is trusted. Ends with the test.
async fn serve(servers: &Authority, clients: Option<&Authority>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut server = GrpcServer::builder();
    if let Some(clients) = clients {
        let (certificate, key) = issue(servers, ExtendedKeyUsagePurpose::ServerAuth, 2900);
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(certificate, key))
            .client_ca_root(Certificate::from_pem(clients.pem()));
        server = server.tls_config(tls).unwrap();
    }
    let server = server.add_routes(Routes::default());
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    port
}

fn folder(name: &str, ca: &str, certificate: &str, key: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("amictl-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    for (file, text) in [("ca.pem", ca), ("certificate.pem", certificate), ("key.pem", key)] {
        fs::write(folder.join(file), text).unwrap();
    }
    folder
}

fn to(url: impl Into<String>) -> Server {
    Server { server: url.into(), identity: None, ca: None, certificate: None, key: None }
}

fn known_as(folder: &Path, port: u16) -> Server {
    Server { identity: Some(folder.to_path_buf()), ..to(format!("https://127.0.0.1:{port}")) }
}

/// What a call comes to.
async fn call(server: &Server) -> Error {
    let channel = match open(server).await {
        Ok(channel) => channel,
        Err(error) => return error,
    };
    JobsServiceClient::new(channel).summary(SummaryRequest::default()).await.unwrap_err().into()
}

#[tokio::test]
async fn certificates_that_fit_open_the_way_and_others_are_explained() {
    let (servers, clients) = (authority(), authority());
    let port = serve(&servers, Some(&clients)).await;
    let client = |signer, until| issue(signer, ExtendedKeyUsagePurpose::ClientAuth, until);
    let cases = [
        ("good", &servers, client(&clients, 2900), 1, "does not know this call"),
        ("expired", &servers, client(&clients, 2002), 6, "not valid at this time"),
        ("stranger", &servers, client(&authority(), 2900), 6, "no authority that it trusts"),
        ("wrong-ca", &authority(), client(&clients, 2900), 6, "no authority we trust has signed"),
    ];
    for (name, ca, (certificate, key), code, expected) in cases {
        let folder = folder(name, &ca.pem(), &certificate, &key);
        let error = call(&known_as(&folder, port)).await;
        assert!(error.exit_code() == code && error.to_string().contains(expected), "{name}: {error}");
        let nobody = Server { ca: Some(folder.join("ca.pem")), identity: None, ..known_as(&folder, port) };
        if name == "good" {
            let error = call(&nobody).await;
            assert!(
                error.exit_code() == 6 && error.to_string().contains("name a client certificate"),
                "{error}"
            );
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}

#[tokio::test]
async fn encryption_where_the_other_side_has_none_is_explained_and_so_is_the_contrary() {
    let (servers, clients) = (authority(), authority());
    let plain = serve(&servers, None).await;
    let (certificate, key) = issue(&clients, ExtendedKeyUsagePurpose::ClientAuth, 2900);
    let folder = folder("plain", &servers.pem(), &certificate, &key);
    let error = call(&known_as(&folder, plain)).await;
    assert!(error.exit_code() == 6 && error.to_string().contains("does not encrypt"), "{error}");
    let encrypted = serve(&servers, Some(&clients)).await;
    let error = call(&to(format!("http://127.0.0.1:{encrypted}"))).await;
    assert!(error.exit_code() == 3 && error.to_string().contains("https://"), "{error}");
    let error = call(&to(format!("http://127.0.0.1:{plain}"))).await;
    assert!(error.to_string().contains("does not know this call"), "{error}");
    fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_wrong_command_line_and_a_silent_address_are_told_apart() {
    let usage =
        ["127.0.0.1:50051", "http://", "ftp://localhost", "http://192.0.2.1:50051", "http://example.com"];
    for url in usage {
        let error = open(&to(url)).await.unwrap_err();
        assert_eq!(error.exit_code(), 2, "{url}: {error}");
    }
    // Port 1 (tcpmux) has no listener on any machine that runs tests.
    for url in ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"] {
        assert_eq!(open(&to(url)).await.unwrap_err().exit_code(), 3, "{url}");
    }
    let folder = folder("bad", "no PEM", "", "");
    for server in [
        known_as(Path::new("no-such-folder"), 1),
        known_as(&folder, 1),
        Server { certificate: Some("certificate.pem".into()), ..to("https://127.0.0.1:1") },
    ] {
        let error = open(&server).await.unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
    }
    fs::remove_dir_all(&folder).unwrap();
}
