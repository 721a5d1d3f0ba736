//! The program `headend` as a process of its own, with a private database, and a client of its API.

#![allow(dead_code, reason = "every test binary uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ami_proto::v1;
use ami_proto::v1::commands_service_client::CommandsServiceClient;
use ami_proto::v1::inventory_service_client::InventoryServiceClient;
use ami_proto::v1::{CreateMeterRequest, Credentials, ImportMetersRequest, WatchCommandsRequest};
use simulator::{Fleet, SecurityLevel};
use tonic::transport::{Channel, Endpoint};

use crate::template;

static COUNT: AtomicU32 = AtomicU32::new(0);
const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// How long what was ordered may take, attempts that failed on the way included.
const ORDER_LIMIT: Duration = Duration::from_secs(90);

/// A running head-end that does nothing but what is ordered; dropping it kills it, and its database with it.
pub(crate) struct Program {
    child: Child,
    folder: PathBuf,
    pub(crate) channel: Channel,
}

impl Program {
    /// Starts the program with these further sections in its configuration, without a planner unless they say something of roles.
    pub(crate) async fn start(sections: &str) -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("program-{}-{number}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        template::copy_to(&folder.join("data"), Path::new(env!("CARGO_BIN_EXE_headend")));
        let port = free_port();
        let config = folder.join("headend.toml");
        let roles = if sections.contains("[roles]") { "" } else { "[roles]\nplanner = false\n" };
        let text = format!(
            "{}[api]\nlisten = \"127.0.0.1:{port}\"\nplaintext_role = \"engineer\"\n{roles}{sections}",
            template::section(&folder.join("data")),
        );
        std::fs::write(&config, text).unwrap();
        Self::run(folder).await
    }

    /// Kills the program, without a warning and its database with it, and starts it again on the same data.
    pub(crate) async fn kill_and_restart(mut self) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let folder = std::mem::take(&mut self.folder);
        Self::run(folder).await
    }

    async fn run(folder: PathBuf) -> Self {
        let config = folder.join("headend.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        let listen = text.lines().find_map(|line| line.strip_prefix("listen = ")).unwrap().trim_matches('"');
        let endpoint = Endpoint::from_shared(format!("http://{listen}")).unwrap();
        let path = folder.join("headend.log");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_headend"))
            .args(["serve", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let begun = Instant::now();
        let channel = loop {
            match endpoint.connect().await {
                Ok(channel) => break channel,
                Err(error) => assert!(begun.elapsed() < LIMIT, "{error}"),
            }
            tokio::time::sleep(POLL).await;
        };
        Self { child, folder, channel }
    }

    /// Registers meter `number` of a fleet with its true secrets and returns its serial number.
    pub(crate) async fn register(&self, fleet: &Fleet, number: usize) -> String {
        self.register_at(fleet, number, fleet.addresses()[number].to_string()).await
    }

    /// The same, at this address.
    pub(crate) async fn register_at(&self, fleet: &Fleet, number: usize, address: String) -> String {
        let meter = &fleet.meters()[number];
        let secrets = meter.secrets();
        let level = match meter.security() {
            // Those with a secret are read by a foreign client.
            SecurityLevel::None | SecurityLevel::Secret(_) => None,
            SecurityLevel::Lls => Some(Credentials {
                security: ami_proto::v1::SecurityLevel::Lls.into(),
                password: secrets.password.clone().into_bytes(),
                ..Credentials::default()
            }),
            SecurityLevel::Gmac => Some(Credentials {
                security: ami_proto::v1::SecurityLevel::Gmac.into(),
                client_title: b"HEADEND1".to_vec(),
                encryption_key: secrets.encryption_key.to_vec(),
                authentication_key: secrets.authentication_key.to_vec(),
                ..Credentials::default()
            }),
        };
        let request = CreateMeterRequest {
            serial: meter.serial(),
            model: "sed302".into(),
            address,
            zone: "UTC".into(),
            credentials: level,
            ..Default::default()
        };
        InventoryServiceClient::new(self.channel.clone()).create_meter(request).await.unwrap();
        meter.serial()
    }

    /// Registers all meters of a fleet from its file of the inventory.
    pub(crate) async fn import(&self, fleet: &Fleet) {
        let chunk = simulator::inventory(fleet).into_bytes();
        let mut client = InventoryServiceClient::new(self.channel.clone());
        let file = tokio_stream::iter([ImportMetersRequest { chunk }]);
        let answer = client.import_meters(file).await.unwrap().into_inner();
        assert_eq!((answer.imported as usize, answer.problems), (fleet.meters().len(), Vec::new()));
    }

    /// Waits for the end of a command.
    pub(crate) async fn end_of(&self, id: i64) -> v1::Command {
        let request = WatchCommandsRequest { ids: vec![id], ..WatchCommandsRequest::default() };
        let mut client = CommandsServiceClient::new(self.channel.clone());
        let mut lives = client.watch_commands(request).await.unwrap().into_inner();
        let end = async {
            loop {
                let message = lives.message().await.unwrap().expect("the watch goes on");
                if let Some(command) = message.commands.into_iter().find(|one| one.finished_at.is_some()) {
                    return command;
                }
            }
        };
        let end = tokio::time::timeout(ORDER_LIMIT, end).await;
        end.unwrap_or_else(|_| panic!("command {id} did not end\n{}", self.log()))
    }

    /// What `psql` finds in its database.
    pub(crate) fn sql(&self, text: &str) -> String {
        let output = self.psql(text).output().expect("psql");
        assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// `psql` with a statement, not yet started.
    pub(crate) fn psql(&self, text: &str) -> Command {
        let pid = std::fs::read_to_string(self.folder.join("data/postgres/postmaster.pid")).unwrap();
        let socket = pid.lines().nth(4).expect("the folder of the socket");
        let mut command = Command::new("psql");
        command.args(["-X", "-q", "-A", "-t", "-U", "headend", "-d", "headend", "-h", socket, "-c", text]);
        command
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("headend.log")).unwrap()
    }

    /// Asks the program to stop, waits until it has, and returns its log. Meanwhile the client hears that the program takes its leave, and hangs up.
    pub(crate) async fn stop(mut self) -> String {
        let asked = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(asked.success());
        let begun = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < LIMIT, "{}", self.log());
            tokio::time::sleep(POLL).await;
        }
        self.log()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _ = self.child.wait();
        // After a restart another one owns the folder; after a failure it is kept to be looked at.
        if !self.folder.as_os_str().is_empty() && !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// Waits for something of which nobody tells.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < ORDER_LIMIT, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A port of the loopback interface that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
