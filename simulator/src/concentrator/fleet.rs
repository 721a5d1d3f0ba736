//! Concentrators that listen, and the meters behind them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::site::Site;
use super::{Backend, ConcentratorConfig, NodeEvent, NodeState, Stream, forward, p2lpc, wrapper};
use crate::meter::Shared;
use crate::{Counts, Error, FleetConfig, Meter};

/// How long a concentrator waits before it accepts again when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections that one concentrator serves at a time; a further one is closed at once.
const CONNECTIONS: usize = 4;

/// Running concentrators. Their tasks run on the runtime of whoever started them and end with [`Concentrators::shutdown`] or when they are
/// dropped.
#[derive(Debug)]
pub struct Concentrators {
    config: ConcentratorConfig,
    meters: Vec<Arc<Meter>>,
    sites: Vec<Arc<Site>>,
    addresses: Vec<SocketAddr>,
    up: Vec<watch::Sender<bool>>,
    tasks: JoinSet<()>,
}

impl Concentrators {
    /// Puts the meters of a fleet behind concentrators, and opens a port on 127.0.0.1 for each of those, from the fleet's first port on.
    ///
    /// # Errors
    /// A limit that is exceeded, [`Error::Port`] or [`Error::Ledger`].
    pub async fn start(fleet: FleetConfig, config: ConcentratorConfig) -> Result<Self, Error> {
        let base_port = fleet.base_port;
        let mut concentrators = Self::offline(fleet, config)?;
        for number in 0..concentrators.sites.len() {
            concentrators.open(number, base_port).await?;
        }
        let results =
            concentrators.config.results.clone().filter(|_| concentrators.config.backend == Backend::P2lpc);
        for site in results.iter().flat_map(|_| &concentrators.sites) {
            let folder = results.clone().unwrap_or_default().join(&site.serial);
            concentrators.tasks.spawn(keep_results(Arc::clone(site), folder));
        }
        Ok(concentrators)
    }

    /// Concentrators without ports, which live on the connections that they are [given](Self::serve).
    ///
    /// # Errors
    /// A limit that is exceeded, or [`Error::Ledger`].
    pub fn offline(fleet: FleetConfig, config: ConcentratorConfig) -> Result<Self, Error> {
        config.check()?;
        let shared = Arc::new(Shared::new(fleet)?);
        let count = shared.config.count;
        let meters: Vec<_> =
            (0..count).map(|number| Arc::new(Meter::new(Arc::clone(&shared), number))).collect();
        let each = usize::try_from(config.nodes).unwrap_or(usize::MAX);
        let sites = meters.chunks(each).map(|meters| Arc::new(Site::new(&shared, &config, meters))).collect();
        let (addresses, up, tasks) = (Vec::new(), Vec::new(), JoinSet::new());
        Ok(Self { config, meters, sites, addresses, up, tasks })
    }

    /// Serves one connection to a concentrator until the other side closes it; none has that number: nothing is served.
    pub fn serve(
        &self,
        concentrator: usize,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let site = self.sites.get(concentrator).cloned();
        async move {
            if let Some(site) = site {
                serve(stream, site).await;
            }
        }
    }

    /// What they are like.
    pub fn config(&self) -> &ConcentratorConfig {
        &self.config
    }

    /// The meters behind them, by their number.
    pub fn meters(&self) -> &[Arc<Meter>] {
        &self.meters
    }

    /// Where each concentrator listens, by its number, counted from 0.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The serial number of each concentrator, by its number: a letter and seven digits, which are eight hexadecimal ones.
    pub fn serials(&self) -> Vec<String> {
        self.sites.iter().map(|site| site.serial.clone()).collect()
    }

    /// What happened to the nodes of a concentrator between two instants, both included.
    pub fn log(&self, concentrator: usize, from: Timestamp, to: Timestamp) -> Vec<NodeEvent> {
        self.sites.get(concentrator).map(|site| site.log(from, to)).unwrap_or_default()
    }

    /// The address by which a meter is reached in an inventory, and its device address where it needs one.
    pub(crate) fn place(&self, meter: &Meter) -> (String, Option<u64>) {
        let (site, node) = (meter.number() / self.config.nodes, meter.number() % self.config.nodes);
        let site = self.sites.get(usize::try_from(site).unwrap_or(usize::MAX));
        let serial = site.map_or("", |site| &site.serial);
        let named = format!("concentrator://{serial}/{}", meter.serial());
        match self.config.backend {
            Backend::Wrapper { .. } => (format!("concentrator://{serial}/{node}"), None),
            Backend::Gateway { .. } | Backend::P2lpc => (named, None),
            Backend::Forward => (named, forward::address(node, meter)),
        }
    }

    /// What a concentrator knows of its nodes.
    pub fn states(&self, concentrator: usize) -> Vec<NodeState> {
        let site = self.sites.get(concentrator);
        site.into_iter().flat_map(|site| site.nodes.iter().filter_map(|node| site.state(node))).collect()
    }

    /// The firmware that runs in a concentrator.
    pub fn firmware(&self, concentrator: usize) -> String {
        let firmware = self.sites.get(concentrator).map(|site| site.firmware()).unwrap_or_default();
        String::from_utf8_lossy(&firmware).into_owned()
    }

    /// How often a concentrator took new firmware itself, and octets of files that it took from others.
    pub fn upgrades(&self, concentrator: usize) -> (u64, u64) {
        self.sites.get(concentrator).map(|site| site.upgrades.counts()).unwrap_or_default()
    }

    /// What the clock of a concentrator shows, in seconds since 1970.
    pub fn shown(&self, concentrator: usize) -> Option<i64> {
        self.sites.get(concentrator).map(|site| site.shown())
    }

    /// Sets the clock of a concentrator, as somebody does who stands in front of it.
    pub fn set_clock(&self, concentrator: usize, seconds: i64) {
        self.sites.iter().skip(concentrator).take(1).for_each(|site| site.set_clock(seconds));
    }

    /// How long the power line of a concentrator was in use so far.
    pub fn busy(&self, concentrator: usize) -> Duration {
        self.sites.get(concentrator).map(|site| site.busy()).unwrap_or_default()
    }

    /// Cuts a concentrator off: its connections end, and new ones are closed at once; or lets it come back.
    pub fn set_up(&self, concentrator: usize, up: bool) {
        if let Some(switch) = self.up.get(concentrator) {
            switch.send_replace(up);
        }
    }

    /// What happened to all meters together.
    pub fn counts(&self) -> Counts {
        self.meters.iter().map(|meter| meter.counts()).sum()
    }

    /// Closes all ports and connections and waits until every task has ended.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
    }

    async fn open(&mut self, number: usize, base_port: u16) -> Result<(), Error> {
        let offset = u16::try_from(number).unwrap_or(u16::MAX);
        let port = if base_port == 0 { 0 } else { base_port.saturating_add(offset) };
        let refused = |error: io::Error| Error::Port { port, kind: error.kind() };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(refused)?;
        self.addresses.push(listener.local_addr().map_err(refused)?);
        let (switch, up) = watch::channel(true);
        self.up.push(switch);
        self.tasks.spawn(listen(listener, Arc::clone(&self.sites[number]), up));
        Ok(())
    }
}

async fn keep_results(site: Arc<Site>, folder: PathBuf) {
    if let Err(error) = p2lpc::write_results(site, &folder).await {
        tracing::error!(folder = %folder.display(), %error, "result files are not written");
    }
}

/// Accepts the connections of one concentrator. They end with this task, because the set that holds them does.
async fn listen(listener: TcpListener, site: Arc<Site>, mut up: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            Ok(()) = up.changed() => {
                if !*up.borrow_and_update() {
                    connections.shutdown().await;
                }
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if *up.borrow() && connections.len() < CONNECTIONS => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(serial = site.serial, %error, "answers may wait for one another");
                    }
                    connections.spawn(serve(stream, Arc::clone(&site)));
                }
                Ok(_) => tracing::debug!(serial = site.serial, "connection refused"),
                Err(error) => {
                    tracing::warn!(serial = site.serial, %error, "connection lost before it was accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

async fn serve(stream: impl Stream + 'static, site: Arc<Site>) {
    let ended = match site.backend {
        Backend::Wrapper { .. } | Backend::Gateway { .. } => wrapper::serve(stream, &site).await,
        Backend::Forward => forward::serve(stream, &site).await,
        Backend::P2lpc => p2lpc::serve(stream, &site).await,
    };
    if let Err(error) = ended {
        tracing::debug!(serial = site.serial, %error, "connection broke");
    }
}
