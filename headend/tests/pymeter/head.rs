//! The program `headend` as a process of its own, with a private database, and a client of its API.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ami_proto::v1::commands_service_client::CommandsServiceClient;
use ami_proto::v1::inventory_service_client::InventoryServiceClient;
use ami_proto::v1::jobs_service_client::JobsServiceClient;
use ami_proto::v1::read_now_request::Target;
use ami_proto::v1::readings_service_client::ReadingsServiceClient;
use ami_proto::v1::switch_service_client::SwitchServiceClient;
use ami_proto::v1::{
    Command, CreateMeterRequest, Credentials, DisconnectRequest, ErrorDetail, FailureReason,
    GetCommandRequest, GetJobRequest, Job, ListJobsRequest, OrderTerms, ProfileTarget, ReadNowRequest,
    ReadNowResponse, ReconnectRequest, SecurityLevel, WatchCommandsRequest,
};
use collectors::SwitchTo;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::meter::Meter;
use crate::template;

static COUNT: AtomicU32 = AtomicU32::new(0);
const START_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// A running head-end; dropping it kills it, and its database with it.
pub(crate) struct Head {
    folder: PathBuf,
    child: Child,
    pub(crate) channel: Channel,
}

impl Head {
    /// Starts the program with nothing but ordered work.
    pub(crate) async fn start() -> Self {
        Self::with_patience("2s").await
    }

    /// The same, waiting so long for each answer of a meter.
    pub(crate) async fn with_patience(patience: &str) -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("pymeter-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self::configure(&folder, patience);
        Self::run(folder).await
    }

    /// The same, knowing one more model from this file.
    pub(crate) async fn knowing(name: &str, model: &str) -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("pymeter-{}-{number}", std::process::id()));
        let models = folder.join("models");
        std::fs::create_dir_all(&models).unwrap();
        std::fs::write(models.join(format!("{name}.toml")), model).unwrap();
        Self::configure(&folder, "2s");
        let file = folder.join("headend.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{text}[models]\ndir = {models:?}\n")).unwrap();
        Self::run(folder).await
    }

    fn configure(folder: &Path, patience: &str) {
        template::copy_to(&folder.join("data"), Path::new(env!("CARGO_BIN_EXE_headend")));
        let text = format!(
            "{}[api]\nlisten = \"127.0.0.1:0\"\nplaintext_role = \"engineer\"\n[roles]\nplanner = false\n\
             [collector]\nresponse_timeout = \"{patience}\"\nconnect_timeout = \"2s\"\nline_retries = 12\nlease = \"5s\"\n\
             [plan]\nsecond_look = \"0s\"\n[log]\nlevel = \"info,headend=debug,collectors=debug\"\n",
            template::section(&folder.join("data")),
        );
        std::fs::write(folder.join("headend.toml"), text).unwrap();
    }

    /// Starts the program with a listener, too, at this address.
    pub(crate) async fn listening(address: SocketAddr) -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("pymeter-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self::configure(&folder, "2s");
        let file = folder.join("headend.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.replace("planner = false", "planner = false\nlistener = true");
        let text = format!("{text}[listener]\ntcp = \"{address}\"\nudp = \"{address}\"\n");
        std::fs::write(&file, text).unwrap();
        Self::run(folder).await
    }

    /// Kills the program and starts it again on the same data, with a planner.
    pub(crate) async fn planning(self) -> Self {
        let file = self.folder.join("headend.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("planner = false", "planner = true")).unwrap();
        self.kill_and_restart().await
    }

    /// Kills the program, without a warning, and starts it again on the same data.
    pub(crate) async fn kill_and_restart(mut self) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let folder = std::mem::take(&mut self.folder);
        drop(self);
        Self::run(folder).await
    }

    async fn run(folder: PathBuf) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = folder.join("headend.toml");
        // Each start listens on a port of its own.
        let text = std::fs::read_to_string(&config).unwrap();
        let listen = text.lines().find(|line| line.starts_with("listen")).unwrap().to_owned();
        std::fs::write(&config, text.replace(&listen, &format!("listen = \"127.0.0.1:{port}\""))).unwrap();
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(folder.join("headend.log")).unwrap();
        let child = std::process::Command::new(env!("CARGO_BIN_EXE_headend"))
            .args(["serve", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap();
        let channel = tokio::time::timeout(START_LIMIT, async {
            loop {
                match endpoint.connect().await {
                    Ok(channel) => return channel,
                    Err(_) => tokio::time::sleep(POLL).await,
                }
            }
        });
        let channel = channel.await.expect("the head-end serves");
        Self { folder, child, channel }
    }

    /// Orders to disconnect or reconnect a meter, and waits for the end of the command.
    pub(crate) async fn switch(&self, serial: &str, to: SwitchTo, key: &str) -> Command {
        let (meter_serials, terms) = (vec![serial.to_owned()], Some(terms(key)));
        let mut client = SwitchServiceClient::new(self.channel.clone());
        let commands = match to {
            SwitchTo::Disconnected => {
                let request = DisconnectRequest { meter_serials, terms };
                client.disconnect(request).await.map(|answer| answer.into_inner().commands)
            }
            SwitchTo::Connected => {
                let request = ReconnectRequest { meter_serials, terms, force: false };
                client.reconnect(request).await.map(|answer| answer.into_inner().commands)
            }
        };
        self.end_of(commands.unwrap()[0].id).await
    }

    /// A command when nothing more is done for it by itself, as its followers are told.
    pub(crate) async fn end_of(&self, id: i64) -> Command {
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
        let end = tokio::time::timeout(Duration::from_secs(240), end).await;
        end.unwrap_or_else(|_| panic!("command {id} did not end\n{}", self.log()))
    }

    /// What the attempts of a command found out, as `what: value`.
    pub(crate) async fn findings(&self, id: i64) -> Vec<String> {
        let mut client = CommandsServiceClient::new(self.channel.clone());
        let life = client.get_command(GetCommandRequest { id }).await.unwrap().into_inner().changes;
        let found = life.into_iter().filter(|change| !change.what.is_empty());
        found.map(|change| format!("{}: {}", change.what, change.value)).collect()
    }

    /// Registers a meter with its true secrets.
    pub(crate) async fn register(&self, meter: &Meter, security: &str, zone: &str) {
        let level = match security {
            "none" => None,
            "lls" => Some(lls(meter.text("password"))),
            _ => Some(gmac(&meter.text("encryption_key"), &meter.text("authentication_key"))),
        };
        self.create(&meter.text("serial"), &meter.address().to_string(), zone, level).await;
    }

    pub(crate) async fn create(&self, serial: &str, address: &str, zone: &str, level: Option<Credentials>) {
        self.create_on_bus(serial, (address, None), zone, level).await;
    }

    /// Registers a meter at this address of a line, and this device address on it.
    pub(crate) async fn create_on_bus(
        &self,
        serial: &str,
        (address, device_address): (&str, Option<u64>),
        zone: &str,
        level: Option<Credentials>,
    ) {
        let request = CreateMeterRequest {
            serial: serial.to_owned(),
            model: "generic-dlms".into(),
            address: address.to_owned(),
            device_address,
            zone: zone.to_owned(),
            credentials: level,
            ..Default::default()
        };
        InventoryServiceClient::new(self.channel.clone()).create_meter(request).await.unwrap();
    }

    /// Orders a read and waits for what comes of it.
    pub(crate) async fn read(&self, serial: &str, target: Target) -> Result<ReadNowResponse, Status> {
        let request = ReadNowRequest {
            meter_serial: serial.to_owned(),
            target: Some(target),
            wait: Some(prost_types::Duration { seconds: 240, nanos: 0 }),
        };
        let mut client = ReadingsServiceClient::new(self.channel.clone()).max_decoding_message_size(64 << 20);
        Ok(client.read_now(request).await?.into_inner())
    }

    pub(crate) async fn read_profile(&self, serial: &str, from: &str, to: &str) -> Result<Job, Status> {
        let at = |text: &str| {
            let instant: jiff::Timestamp = text.parse().unwrap();
            Some(prost_types::Timestamp { seconds: instant.as_second(), nanos: 0 })
        };
        let profile = ProfileTarget { profile: "1.0.99.1.0.255".into(), from: at(from), to: at(to) };
        Ok(self.read(serial, Target::Profile(profile)).await?.job.unwrap())
    }

    pub(crate) async fn job(&self, id: i64) -> Job {
        JobsServiceClient::new(self.channel.clone())
            .get_job(GetJobRequest { id })
            .await
            .unwrap()
            .into_inner()
            .job
            .unwrap()
    }

    pub(crate) async fn jobs(&self) -> Vec<Job> {
        JobsServiceClient::new(self.channel.clone())
            .list_jobs(ListJobsRequest::default())
            .await
            .unwrap()
            .into_inner()
            .jobs
    }

    /// The rows of the load profile in the table as `psql` shows them: unix time, status and the first `width` raw values.
    pub(crate) fn stored(&self, width: usize) -> Vec<String> {
        self.stored_of("", width)
    }

    /// The same of the meters whose serial number begins so.
    pub(crate) fn stored_of(&self, serial: &str, width: usize) -> Vec<String> {
        let slots: String = (0..width).map(|slot| format!(", v{slot}")).collect();
        let text = self.sql(&format!(
            "SELECT extract(epoch FROM ts)::bigint, status{slots} FROM profile_row r JOIN profile_layout l ON l.id = r.layout_id \
             JOIN meter m ON m.id = r.meter_id \
             WHERE obis_text(l.obis) = '1.0.99.1.0.255' AND starts_with(m.serial, '{serial}') ORDER BY ts"
        ));
        text.lines().map(str::to_owned).collect()
    }

    pub(crate) fn sql(&self, text: &str) -> String {
        let pid = std::fs::read_to_string(self.folder.join("data/postgres/postmaster.pid")).unwrap();
        let socket = pid.lines().nth(4).expect("the folder of the socket");
        let output = std::process::Command::new("psql")
            .args(["-X", "-q", "-A", "-t", "-U", "headend", "-d", "headend", "-h", socket, "-c", text])
            .output()
            .expect("psql");
        assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("headend.log")).unwrap()
    }
}

impl Drop for Head {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _ = self.child.wait();
        // After a restart another one owns the folder; after a failure it is kept to be looked at.
        if !self.folder.as_os_str().is_empty() && !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

fn terms(key: &str) -> OrderTerms {
    OrderTerms { idempotency_key: key.to_owned(), reason: "test".into(), ..OrderTerms::default() }
}

pub(crate) fn lls(password: impl Into<Vec<u8>>) -> Credentials {
    Credentials { security: SecurityLevel::Lls.into(), password: password.into(), ..Credentials::default() }
}

pub(crate) fn gmac(encryption_key: &str, authentication_key: &str) -> Credentials {
    let octets =
        |hex: &str| (0..16).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
    Credentials {
        security: SecurityLevel::Gmac.into(),
        client_title: b"HEADEND1".to_vec(),
        encryption_key: octets(encryption_key),
        authentication_key: octets(authentication_key),
        ..Credentials::default()
    }
}

/// The named reason of a read that failed, and what an operator is told.
pub(crate) fn failure(status: &Status) -> (FailureReason, String) {
    assert!(matches!(status.code(), Code::FailedPrecondition | Code::Unavailable), "{status:?}");
    let failure = ErrorDetail::of(status).and_then(|detail| detail.failure).expect("a typed detail");
    (failure.reason(), failure.detail)
}
