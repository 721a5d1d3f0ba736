//! Who gets in with which certificate.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../template/mod.rs"]
mod template;

mod approval;
mod authority;
mod program;

use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ami_proto::v1::inventory_service_client::InventoryServiceClient;
use ami_proto::v1::jobs_service_client::JobsServiceClient;
use ami_proto::v1::{ErrorDetail, RetireMeterRequest, SummaryRequest};
use authority::{Authority, client, for_servers, in_years, self_signed, with_dns, with_uri};
use common::Database;
use headend::api::access::Role;
use headend::api::{self, Entrance, Limits, Parts, Tls, TlsError, TlsFiles};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};
use tonic::{Code, Status};

/// How long the program may take until it has noticed new files.
const NOTICED: Duration = Duration::from_secs(30);

fn files(folder: &Path) -> TlsFiles {
    TlsFiles {
        certificate: folder.join("certificate.pem"),
        key: folder.join("key.pem"),
        client_ca: folder.join("ca.pem"),
    }
}

/// The API, served with TLS from the files of a folder of its own.
struct Secured {
    address: SocketAddr,
    folder: PathBuf,
    server: Authority,
    clients: Authority,
    stop: CancellationToken,
    database: Database,
}

impl Secured {
    async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> Self {
        let (server, clients) = (Authority::new("servers"), Authority::new("clients"));
        let folder = common::folder().with_extension("tls");
        server.serve(&folder, &clients);
        let principals = [
            ("vera", Role::Viewer),
            ("otto", Role::Operator),
            ("erika", Role::Engineer),
            ("emil", Role::Engineer),
            ("urn:example:billing", Role::Engineer),
            ("scada.example.com", Role::Engineer),
        ];
        let principals: BTreeMap<_, _> =
            principals.into_iter().map(|(name, role)| (name.to_owned(), role)).collect();
        let entrance = Entrance::Tls(Tls::open(files(&folder), principals).unwrap());
        let database = Database::new().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let models = Arc::new(models::builtin().unwrap());
        let parts = Parts { store: database.store.clone(), models, limits, entrance };
        let stop = CancellationToken::new();
        tokio::spawn(api::serve(listener, parts, stop.clone()));
        Self { address, folder, server, clients, stop, database }
    }

    async fn connect(&self, identity: Option<Identity>) -> Result<Channel, tonic::transport::Error> {
        let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(self.server.pem()));
        if let Some(identity) = identity {
            tls = tls.identity(identity);
        }
        let endpoint = Channel::from_shared(format!("https://{}", self.address)).unwrap();
        endpoint.tls_config(tls).unwrap().connect().await
    }

    /// What becomes of a client: which calls it may make, or why it gets none through.
    async fn outcome(&self, identity: Option<Identity>) -> String {
        let channel = match self.connect(identity).await {
            Ok(channel) => channel,
            Err(error) => return alert(&error),
        };
        let viewed = JobsServiceClient::new(channel.clone()).summary(SummaryRequest::default()).await;
        if let Err(status) = viewed {
            return told(&status);
        }
        let kept = InventoryServiceClient::new(channel)
            .retire_meter(RetireMeterRequest { serial: "nobody".into() })
            .await;
        format!("may view; retire: {}", told(&kept.unwrap_err()))
    }
}

impl Drop for Secured {
    fn drop(&mut self) {
        self.stop.cancel();
        let _already_gone = std::fs::remove_dir_all(&self.folder);
    }
}

/// The reason in a refusal of the server, or else what broke the connection.
fn told(status: &Status) -> String {
    match ErrorDetail::of(status) {
        Some(detail) => detail.reason().as_str_name().trim_start_matches("ERROR_REASON_").to_owned(),
        None => alert(status),
    }
}

/// The TLS alert that ended a connection, at the bottom of an error.
fn alert(error: &(dyn Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |&error| error.source());
    let texts: Vec<_> = chain.map(ToString::to_string).collect();
    let alert = texts.iter().find_map(|text| text.rsplit_once("fatal alert: ")).map(|(_, rest)| {
        rest.split(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or_default()
    });
    alert.map_or_else(|| texts.join(": "), |alert| format!("alert {alert}"))
}

#[tokio::test]
async fn only_a_valid_certificate_of_our_authority_gets_a_connection() {
    let served = Secured::new().await;
    let ours = &served.clients;
    let cases = [
        (None, "alert CertificateRequired"),
        (Some(self_signed(client("erika"))), "alert UnknownCA"),
        (Some(Authority::new("clients").client("erika")), "alert DecryptError"),
        (Some(Authority::new("others").client("erika")), "alert UnknownCA"),
        (Some(served.server.client("erika")), "alert UnknownCA"),
        (Some(ours.sign(in_years(client("erika"), 2001, 2002))), "alert CertificateExpired"),
        (Some(ours.sign(in_years(client("erika"), 2901, 2902))), "alert CertificateExpired"),
        (Some(ours.sign(for_servers(client("erika")))), "alert UnsupportedCertificate"),
    ];
    for (at, (identity, expected)) in cases.into_iter().enumerate() {
        assert_eq!(served.outcome(identity).await, expected, "case {at}");
    }
}

#[tokio::test]
async fn the_name_in_the_certificate_decides_what_its_holder_may() {
    let served = Secured::new().await;
    let ours = &served.clients;
    let cases = [
        (client("vera"), "may view; retire: PERMISSION_DENIED"),
        (client("otto"), "may view; retire: PERMISSION_DENIED"),
        (client("erika"), "may view; retire: METER_NOT_FOUND"),
        (with_uri(client("vera"), "urn:example:billing"), "may view; retire: METER_NOT_FOUND"),
        (with_dns(client("vera"), "scada.example.com"), "may view; retire: METER_NOT_FOUND"),
        (with_uri(client("erika"), "urn:example:nobody"), "UNAUTHENTICATED"),
        (client("eve"), "UNAUTHENTICATED"),
        (client(""), "UNAUTHENTICATED"),
    ];
    for (at, (params, expected)) in cases.into_iter().enumerate() {
        assert_eq!(served.outcome(Some(ours.sign(params))).await, expected, "case {at}");
    }
    let channel = served.connect(Some(ours.client("eve"))).await.unwrap();
    let status = JobsServiceClient::new(channel).summary(SummaryRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(status.message().contains("\"eve\"") && status.message().contains("SHA-256"), "{status}");
    let rows =
        "SELECT DISTINCT principal FROM audit WHERE detail LIKE '%names \"eve\"%SHA-256%from 127.0.0.1:%'";
    let written = async {
        while served.database.sql(rows).is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(NOTICED, written).await.expect("a row of the audit");
    assert!(served.database.sql(rows).starts_with("certificate "), "nobody is mistaken for a principal");
}

#[tokio::test]
async fn nobody_gets_in_without_encryption_or_trusts_a_server_of_others() {
    let served = Secured::new().await;
    let plain = Channel::from_shared(format!("http://{}", served.address)).unwrap();
    let answer = match plain.connect().await {
        Ok(channel) => JobsServiceClient::new(channel).summary(SummaryRequest::default()).await.map(drop),
        Err(error) => Err(Status::from_error(Box::new(error))),
    };
    let status = answer.unwrap_err();
    assert_eq!(ErrorDetail::of(&status), None, "{status}");
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(served.clients.pem()))
        .identity(served.clients.client("erika"));
    let endpoint = Channel::from_shared(format!("https://{}", served.address)).unwrap();
    let error = endpoint.tls_config(tls).unwrap().connect().await.unwrap_err();
    assert!(alert(&error).contains("UnknownIssuer"), "{}", alert(&error));
}

#[tokio::test]
async fn changed_files_hold_for_new_connections() {
    let served = Secured::new().await;
    let old = served.connect(Some(served.clients.client("erika"))).await.unwrap();
    let successor = Authority::new("successor");
    served.server.serve(&served.folder, &successor);
    let noticed = async {
        while served.outcome(Some(successor.client("erika"))).await != "may view; retire: METER_NOT_FOUND" {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(NOTICED, noticed).await.expect("the new authority counts");
    assert_eq!(served.outcome(Some(served.clients.client("erika"))).await, "alert UnknownCA");
    // Half a change is not one: the server goes on with what it had.
    std::fs::write(served.folder.join("key.pem"), "nonsense").unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(served.outcome(Some(successor.client("erika"))).await, "may view; retire: METER_NOT_FOUND");
    let answer = JobsServiceClient::new(old).summary(SummaryRequest::default()).await;
    assert!(answer.is_ok(), "open connections stay: {answer:?}");
}

#[test]
fn files_that_cannot_be_used_are_named_and_not_shown() {
    let folder = common::folder().with_extension("tls");
    let authority = Authority::new("both");
    let open = || Tls::open(files(&folder), BTreeMap::new());
    assert!(matches!(open().unwrap_err(), TlsError::Unreadable { .. }));
    authority.serve(&folder, &authority);
    let shown = format!("{:?}", open().unwrap());
    let key = std::fs::read_to_string(folder.join("key.pem")).unwrap();
    assert!(!key.lines().any(|line| shown.contains(line)), "{shown}");
    let other = Authority::new("other");
    std::fs::rename(folder.join("certificate.pem"), folder.join("first.pem")).unwrap();
    other.serve(&folder, &authority);
    std::fs::rename(folder.join("first.pem"), folder.join("certificate.pem")).unwrap();
    assert!(matches!(open().unwrap_err(), TlsError::Pair { .. }));
    std::fs::write(folder.join("key.pem"), "hunter2").unwrap();
    let error = open().unwrap_err();
    assert!(matches!(error, TlsError::NotPem { .. }) && !error.to_string().contains("hunter2"), "{error}");
    std::fs::remove_dir_all(&folder).unwrap();
}
