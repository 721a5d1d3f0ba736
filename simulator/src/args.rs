//! What the command line says of a fleet.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, ValueEnum};
use heartbeat::Dialect;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use models::{Language, Model, SecondInitiate};
use simulator::{
    Backend, BusConfig, CallConfig, Clock, ConcentratorConfig, FaultRule, FirmwareConfig, FleetConfig,
    Framing, SecretKind, Security, SwitchConfig, Transport,
};

/// What a fleet is made of; the same arguments give the same meters.
#[derive(Debug, Args)]
pub(crate) struct FleetArgs {
    /// Name of the model
    #[arg(long, default_value = "sed302")]
    model: String,
    /// Folder with further models
    #[arg(long)]
    models: Option<PathBuf>,
    /// Number of meters
    #[arg(long, default_value_t = 1)]
    count: u32,
    /// Everything that looks random comes from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Serial number of the first meter, the others follow
    #[arg(long, default_value_t = 30_000_000)]
    serial_base: u64,
    /// What the meters demand of readers: gmac when it is left out, or none where the model does not speak DLMS
    #[arg(long, value_enum)]
    security: Option<SecurityArg>,
    /// Age of the oldest capture, in days
    #[arg(long, default_value_t = 30)]
    days: u32,
    /// Zone of the meters' clocks
    #[arg(long, default_value = "UTC")]
    zone: String,
    /// The meters' time at the start; it runs on from there. Without it, the clock of this computer
    #[arg(long)]
    now: Option<Timestamp>,
    #[command(flatten)]
    line: LineArgs,
    #[command(flatten)]
    switch: SwitchArgs,
    #[command(flatten)]
    firmware: FirmwareArgs,
    /// What is wrong with whom: silent:0.01, slow=250ms:0.1, cut=4:#3, tag=1:0.05, serial:#2, layout=<instant>:#1,
    /// welded:#4, tampered:#5, stuck-block=7:#6, wrong-image:#7, verify-fails:#8, activation-fails:#9,
    /// tariff-not-kept:#10; and how often: unexecuted=3x:1, unanswered=0.2:1, drop=0.1:1, lost-block=0.05:1,
    /// verify-busy=2x:1, activate-busy=2x:1
    #[arg(long)]
    fault: Vec<FaultRule>,
}

/// How the meters are spoken to.
#[derive(Debug, Args)]
struct LineArgs {
    /// Speak HDLC: each port is a gateway to a line with so many meters, at the device addresses from 17 on
    #[arg(long, value_name = "METERS")]
    hdlc: Option<u32>,
    /// With HDLC, most octets of information in a frame
    #[arg(long, default_value_t = 128, requires = "hdlc")]
    hdlc_max_info: u16,
    /// With HDLC, most frames in a row
    #[arg(long, default_value_t = 1, requires = "hdlc")]
    hdlc_window: u8,
    /// Speak the wrapper over UDP instead of TCP
    #[arg(long, conflicts_with = "hdlc")]
    udp: bool,
    /// Of a model that does not speak DLMS: each port is a gateway to a line with so many devices, each with its sub-units
    #[arg(long, default_value_t = 1)]
    devices: u32,
}

impl LineArgs {
    /// The framing for meters of a model.
    fn framing(&self, model: &Model) -> Framing {
        let Self { hdlc, hdlc_max_info: max_info, hdlc_window: window, udp, devices: devices_per_line } =
            *self;
        match (hdlc, &model.language) {
            (Some(meters_per_line), _) => Framing::Hdlc { meters_per_line, max_info, window },
            (None, Language::Dlms) if udp => Framing::Datagrams,
            (None, Language::Dlms) => Framing::Wrapper,
            (None, _) => Framing::Plain { devices_per_line },
        }
    }
}

/// RS485 buses instead of ports.
#[derive(Debug, Args)]
pub(crate) struct BusArgs {
    /// Let each line be a serial device of this machine, and link the devices as bus0, bus1, … into this folder; meters that speak DLMS need --hdlc for it
    #[arg(long, value_name = "FOLDER")]
    pub(crate) pty: Option<PathBuf>,
    /// Bits per second on a bus
    #[arg(long, default_value_t = 9600, requires = "pty")]
    bus_speed: u32,
    /// Milliseconds until a station of a bus begins to answer
    #[arg(long, default_value_t = 20, requires = "pty")]
    turnaround_ms: u64,
    /// Let the adapter of a bus hear what it sends
    #[arg(long, requires = "pty")]
    echo: bool,
    /// Octets in a million that a bus damages
    #[arg(long, default_value_t = 0, requires = "pty")]
    noise_ppm: u32,
    /// Numbers of meters whose next one on the bus has the same device address
    #[arg(long, value_delimiter = ',', requires = "pty")]
    pub(crate) twins: Vec<u32>,
}

impl From<&BusArgs> for BusConfig {
    fn from(args: &BusArgs) -> Self {
        let turnaround = Duration::from_millis(args.turnaround_ms);
        Self { speed: args.bus_speed, turnaround, echo: args.echo, noise_ppm: args.noise_ppm, seed: 1 }
    }
}

/// Concentrators in front of the meters.
#[derive(Debug, Args)]
pub(crate) struct ConcentratorArgs {
    /// Put so many meters each behind concentrators, which have a port each
    #[arg(long, value_name = "METERS", conflicts_with = "hdlc")]
    concentrator: Option<u32>,
    /// How a concentrator lets others reach its nodes
    #[arg(long, value_enum, default_value = "wrapper", requires = "concentrator")]
    backend: BackendArg,
    /// Name of the concentrators' model in the inventory; otherwise a usual one
    #[arg(long, requires = "concentrator")]
    concentrator_model: Option<String>,
    /// Bits per second on the power line
    #[arg(long, default_value_t = 1200, requires = "concentrator")]
    plc_speed: u32,
    /// Repeaters between a concentrator and its farthest nodes
    #[arg(long, default_value_t = 3, requires = "concentrator")]
    repeaters: u8,
    /// Of a million nodes, how many are out of reach at any time
    #[arg(long, default_value_t = 0, requires = "concentrator")]
    lost_ppm: u32,
    /// Seconds for which a node stays out of reach
    #[arg(long, default_value_t = 7200, requires = "concentrator")]
    outage_s: u64,
    /// Seconds within which nodes are discovered
    #[arg(long, default_value_t = 0, requires = "concentrator")]
    joining_s: u64,
    /// Seconds between two rounds in which a P2LPC reads its meters
    #[arg(long, default_value_t = 3600, requires = "concentrator")]
    pre_read_s: u64,
    /// Messages of a P2LPC in a million that are torn off
    #[arg(long, default_value_t = 0, requires = "concentrator")]
    torn_ppm: u32,
    /// Folder for the result files of P2LPCs
    #[arg(long, requires = "concentrator")]
    results: Option<PathBuf>,
    /// How much faster than a real one the power line is
    #[arg(long, default_value_t = 1, requires = "concentrator")]
    accelerate: u32,
}

/// Modems that call.
#[derive(Debug, Args)]
pub(crate) struct CallArgs {
    /// Let each line call the head-end that listens there, besides being reached at its port
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["concentrator", "pty"])]
    call: Option<SocketAddr>,
    /// How the modems say who they are
    #[arg(long, value_enum, default_value = "login", requires = "call")]
    dialect: DialectArg,
    /// Seconds between two heartbeats
    #[arg(long, default_value_t = 60, requires = "call")]
    heartbeat_s: u64,
}

/// How a modem says who it is.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum DialectArg {
    /// A login, and then heartbeats, with a check sequence
    Login,
    /// Heartbeats without a login
    Plain,
    /// Tests of the link of Q/GDW 376.1
    Gdw376,
    /// It does not
    Silent,
}

impl CallArgs {
    /// How the modems call, when they do.
    pub(crate) fn config(&self) -> Option<CallConfig> {
        let dialect = match self.dialect {
            DialectArg::Login => Some(Dialect::Login),
            DialectArg::Plain => Some(Dialect::Plain),
            DialectArg::Gdw376 => Some(Dialect::Terminal),
            DialectArg::Silent => None,
        };
        let heartbeat = Duration::from_secs(self.heartbeat_s.max(1));
        Some(CallConfig { to: self.call?, dialect, heartbeat, from: None })
    }
}

/// How a concentrator lets others reach its nodes.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum BackendArg {
    /// Each node has a wrapper port, 16 and its number
    Wrapper,
    /// The DLMS gateway protocol
    Gateway,
    /// Q/GDW 376.1, AFN 10H
    Gdw376,
    /// The web service of a P2LPC
    P2lpc,
}

impl ConcentratorArgs {
    /// What the concentrators are like, when there are any.
    pub(crate) fn config(&self) -> Option<ConcentratorConfig> {
        let (backend, model) = match self.backend {
            BackendArg::Wrapper => (Backend::Wrapper { base: 16 }, "dlms-concentrator"),
            BackendArg::Gateway => (Backend::Gateway { network: 0 }, "dlms-gateway"),
            BackendArg::Gdw376 => (Backend::Forward, "gdw376-terminal"),
            BackendArg::P2lpc => (Backend::P2lpc, "p2lpc"),
        };
        Some(ConcentratorConfig {
            backend,
            nodes: self.concentrator?,
            model: self.concentrator_model.clone().unwrap_or_else(|| model.to_owned()),
            speed: self.plc_speed,
            repeaters: self.repeaters,
            lost_ppm: self.lost_ppm,
            outage: Duration::from_secs(self.outage_s),
            joining: Duration::from_secs(self.joining_s),
            pre_read: Duration::from_secs(self.pre_read_s),
            torn_ppm: self.torn_ppm,
            results: self.results.clone(),
            keeps_alive: true,
            accelerate: self.accelerate,
            ..ConcentratorConfig::default()
        })
    }
}

/// How the load switches behave.
#[derive(Debug, Args)]
struct SwitchArgs {
    /// Control mode of the load switches, 0 to 6
    #[arg(long, default_value_t = 4)]
    control_mode: u8,
    /// Milliseconds from a command until the relay has moved
    #[arg(long, default_value_t = 0)]
    relay_delay_ms: u64,
    /// Let a remote reconnect release a tamper lock, too
    #[arg(long)]
    reconnect_releases_tamper_lock: bool,
}

/// How the meters take new firmware.
#[derive(Debug, Args)]
struct FirmwareArgs {
    /// Octets of an image block
    #[arg(long, default_value_t = 512)]
    block_size: u32,
    /// Milliseconds that verifying an image takes
    #[arg(long, default_value_t = 0)]
    verify_ms: u64,
    /// Milliseconds that activating an image takes
    #[arg(long, default_value_t = 0)]
    activate_ms: u64,
    /// Let the meters restart to activate: meanwhile they close every connection on which something comes
    #[arg(long)]
    restarts: bool,
    /// Whether initiating the same image again keeps its blocks; otherwise what the model says
    #[arg(long)]
    keeps_blocks: Option<bool>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SecurityArg {
    None,
    Lls,
    Gmac,
    Md5,
    Sha1,
    Sha256,
    Mixed,
}

/// How a push is sent.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum TransportArg {
    Tcp,
    Udp,
}

impl FleetArgs {
    /// The configuration of a fleet that listens from a port on.
    pub(crate) fn config(self, port: u16) -> anyhow::Result<FleetConfig> {
        let mut models = models::builtin()?;
        if let Some(folder) = &self.models {
            models.extend(models::load_dir(folder)?);
        }
        let mut config = FleetConfig::new(model(&models, &self.model)?);
        config.count = self.count;
        config.base_port = port;
        config.seed = self.seed;
        config.serial_base = self.serial_base;
        config.security = self.security.map_or(config.security, Security::from);
        config.clock = self.now.map_or_else(Clock::wall, Clock::starting_at);
        config.zone = TimeZone::get(&self.zone)?;
        config.history_days = self.days;
        config.framing = self.line.framing(&config.model);
        config.switch = self.switch.into();
        config.firmware = self.firmware.into();
        config.faults = self.fault;
        Ok(config)
    }
}

fn model(models: &BTreeMap<String, Arc<Model>>, name: &str) -> anyhow::Result<Arc<Model>> {
    let Some(model) = models.get(name) else {
        let known: Vec<&str> = models.keys().map(String::as_str).collect();
        bail!("there is no model `{name}`; known are {}", known.join(", "));
    };
    Ok(Arc::clone(model))
}

impl From<SecurityArg> for Security {
    fn from(security: SecurityArg) -> Self {
        match security {
            SecurityArg::None => Self::None,
            SecurityArg::Lls => Self::Lls,
            SecurityArg::Gmac => Self::Gmac,
            SecurityArg::Md5 => Self::Secret(SecretKind::Md5),
            SecurityArg::Sha1 => Self::Secret(SecretKind::Sha1),
            SecurityArg::Sha256 => Self::Secret(SecretKind::Sha256),
            SecurityArg::Mixed => Self::Mixed,
        }
    }
}

impl From<TransportArg> for Transport {
    fn from(transport: TransportArg) -> Self {
        match transport {
            TransportArg::Tcp => Self::Tcp,
            TransportArg::Udp => Self::Udp,
        }
    }
}

impl From<SwitchArgs> for SwitchConfig {
    fn from(args: SwitchArgs) -> Self {
        Self {
            control_mode: args.control_mode,
            delay: Duration::from_millis(args.relay_delay_ms),
            reconnect_releases_tamper_lock: args.reconnect_releases_tamper_lock,
        }
    }
}

impl From<FirmwareArgs> for FirmwareConfig {
    fn from(args: FirmwareArgs) -> Self {
        let second = |keeps| if keeps { SecondInitiate::KeepsBlocks } else { SecondInitiate::DiscardsBlocks };
        Self {
            block_size: args.block_size,
            verify_takes: Duration::from_millis(args.verify_ms),
            activate_takes: Duration::from_millis(args.activate_ms),
            restarts: args.restarts,
            second_initiate: args.keeps_blocks.map(second),
        }
    }
}
