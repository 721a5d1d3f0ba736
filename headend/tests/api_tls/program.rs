//! The program itself: it makes certificates, serves with them, tells no key, and does not start open to everybody.

use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use ami_proto::v1::SummaryRequest;
use ami_proto::v1::jobs_service_client::JobsServiceClient;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::{common, template};

const ROLES: [&str; 3] = ["viewer", "operator", "engineer"];
const START_LIMIT: Duration = Duration::from_secs(60);

fn headend(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_headend")).args(arguments).current_dir(folder).output().unwrap()
}

/// A running program; dropping it kills it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _already_gone = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn connect(folder: &Path, role: &str, port: u16) -> Option<Channel> {
    let text =
        |file: &str| std::fs::read_to_string(folder.join("certificates").join(role).join(file)).unwrap();
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(text("ca.pem")))
        .identity(Identity::from_pem(text("certificate.pem"), text("key.pem")));
    let endpoint = Channel::from_shared(format!("https://localhost:{port}")).unwrap();
    let attempts = async {
        loop {
            match endpoint.clone().tls_config(tls.clone()).unwrap().connect().await {
                Ok(channel) => return channel,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    tokio::time::timeout(START_LIMIT, attempts).await.ok()
}

/// The base64 lines of every private key below a folder.
fn key_lines(folder: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for owner in ROLES.into_iter().chain(["server"]) {
        let path = folder.join("certificates").join(owner).join("key.pem");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{owner}");
        let text = std::fs::read_to_string(path).unwrap();
        lines.extend(text.lines().filter(|line| !line.contains("-----")).map(str::to_owned));
    }
    assert!(lines.len() > ROLES.len());
    lines
}

#[tokio::test]
async fn demonstration_certificates_open_the_program_to_each_role_and_no_key_is_told() {
    let folder = common::folder().with_extension("program");
    std::fs::create_dir_all(&folder).unwrap();
    template::copy_to(&folder.join("data"), Path::new(env!("CARGO_BIN_EXE_headend")));
    assert!(headend(&["demo-certificates", "certificates"], &folder).status.success());
    let again = headend(&["demo-certificates", "certificates"], &folder);
    assert!(
        !again.status.success() && String::from_utf8_lossy(&again.stderr).contains("certificates exists")
    );
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "[api]\nlisten = '127.0.0.1:{port}'\ntls_certificate = 'certificates/server/certificate.pem'\n\
         tls_key = 'certificates/server/key.pem'\nclient_ca = 'certificates/ca.pem'\n[api.principals]\n\
         demo-viewer = 'viewer'\ndemo-operator = 'operator'\ndemo-engineer = 'engineer'\n\
         [roles]\nplanner = false\ncollector = false\n[log]\nlevel = 'trace,sqlx=info'\n{}",
        template::section(&folder.join("data"))
    );
    std::fs::write(folder.join("headend.toml"), config).unwrap();
    let log = std::fs::File::create(folder.join("headend.log")).unwrap();
    let running = Running(
        Command::new(env!("CARGO_BIN_EXE_headend"))
            .args(["serve", "--config", "headend.toml"])
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap(),
    );
    for role in ROLES {
        let channel = connect(&folder, role, port).await.expect(role);
        JobsServiceClient::new(channel.clone()).summary(SummaryRequest::default()).await.unwrap();
        assert!(lists_services(channel).await.contains(&"ami.v1.InventoryService".to_owned()), "{role}");
    }
    drop(running);
    let printed = headend(&["print-config", "--config", "headend.toml"], &folder);
    let mut told = String::from_utf8(printed.stdout).unwrap();
    std::fs::File::open(folder.join("headend.log")).unwrap().read_to_string(&mut told).unwrap();
    assert!(told.contains("demo-operator") && told.contains("the head-end runs"));
    for line in key_lines(&folder) {
        assert!(!told.contains(&line), "a line of a private key was told");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// What the reflection service lists, which is what `grpcurl … list` asks for.
async fn lists_services(channel: Channel) -> Vec<String> {
    let question = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(channel);
    let answers = client.server_reflection_info(tokio_stream::iter([question])).await.unwrap();
    match answers.into_inner().message().await.unwrap().unwrap().message_response {
        Some(MessageResponse::ListServicesResponse(list)) => {
            list.service.into_iter().map(|service| service.name).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_program_does_not_start_open_to_everybody_or_to_nobody() {
    let folder = common::folder().with_extension("program");
    std::fs::create_dir_all(&folder).unwrap();
    let cases = [
        ("", "nobody could call the API"),
        ("[api]\nlisten = '0.0.0.0:1'\nplaintext_role = 'viewer'", "api.listen"),
        (
            "[api]\ntls_certificate = 'c'\ntls_key = 'k'\nclient_ca = 'a'\nprincipals = { a = 'viewer' }",
            "a cannot be read",
        ),
    ];
    for (text, expected) in cases {
        std::fs::write(folder.join("headend.toml"), text).unwrap();
        for command in ["check-config", "serve"] {
            let output = headend(&[command, "--config", "headend.toml"], &folder);
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success() && told.contains(expected), "{command}, {text}: {told}");
        }
    }
    assert!(!folder.join("data").exists(), "nothing was begun");
    std::fs::remove_dir_all(&folder).unwrap();
}
