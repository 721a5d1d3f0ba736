//! A fleet of DLMS meters on RS485 buses, each of which is a serial device of this machine.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use models::Language;
use tokio::task::JoinSet;

use super::{Bus, BusConfig, DlmsStation, Terminal};
use crate::meter::Shared;
use crate::{Counts, Error, FleetConfig, Meter, languages};

/// Running buses. Their tasks run on the runtime of whoever started them and end with [`Buses::shutdown`] or when they are dropped.
#[derive(Debug)]
pub struct Buses {
    config: BusConfig,
    meters: Vec<Arc<Meter>>,
    /// Where each meter is.
    devices: Vec<String>,
    tasks: JoinSet<()>,
}

impl Buses {
    /// Opens a serial device for each line of a fleet with HDLC. `twins` are numbers of meters whose next one on the bus has by mistake
    /// the same device address.
    ///
    /// # Errors
    /// A limit that is exceeded, [`Error::Ledger`], or [`Error::Terminal`].
    pub fn start(fleet: FleetConfig, config: BusConfig, twins: &BTreeSet<u32>) -> Result<Self, Error> {
        let shared = Arc::new(Shared::new(fleet)?);
        let mut buses = Self { config, meters: Vec::new(), devices: Vec::new(), tasks: JoinSet::new() };
        for line in 0..shared.config.lines() {
            let seed = config.seed.wrapping_add(line.into());
            let (bus, meters) = bus(&shared, line, BusConfig { seed, ..config }, twins);
            let terminal = Terminal::open()?;
            buses.devices.extend(meters.iter().map(|_| terminal.device().to_owned()));
            buses.meters.extend(meters);
            buses.tasks.spawn(live(bus, terminal));
        }
        Ok(buses)
    }

    /// What the buses are like.
    pub fn config(&self) -> BusConfig {
        self.config
    }

    /// The meters, by their number.
    pub fn meters(&self) -> &[Arc<Meter>] {
        &self.meters
    }

    /// The device of each meter's bus, such as `/dev/pts/3`, by the number of the meter.
    pub fn devices(&self) -> &[String] {
        &self.devices
    }

    /// Names the devices `bus0`, `bus1`, … in a folder, which is made when it is not there.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn link(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let mut devices = self.devices.clone();
        devices.dedup();
        for (number, device) in devices.iter().enumerate() {
            let link = folder.join(format!("bus{number}"));
            match fs::remove_file(&link) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => symlink(device, link)?,
            }
        }
        Ok(())
    }

    /// What happened to all meters together.
    pub fn counts(&self) -> Counts {
        self.meters.iter().map(|meter| meter.counts()).sum()
    }

    /// Closes all devices and waits until every task has ended.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
    }
}

impl Bus {
    /// The bus of the first line of a fleet with HDLC, to be put on any line, and its meters; `twins` as in [`Buses::start`].
    ///
    /// # Errors
    /// A limit that is exceeded, or [`Error::Ledger`].
    pub fn of_fleet(
        fleet: FleetConfig,
        config: BusConfig,
        twins: &BTreeSet<u32>,
    ) -> Result<(Self, Vec<Arc<Meter>>), Error> {
        Ok(bus(&Arc::new(Shared::new(fleet)?), 0, config, twins))
    }
}

/// The meters of a line on their bus.
fn bus(shared: &Arc<Shared>, line: u32, config: BusConfig, twins: &BTreeSet<u32>) -> (Bus, Vec<Arc<Meter>>) {
    let each = shared.config.meters_per_line();
    let numbers = line * each..shared.config.count.min((line + 1) * each);
    let meters: Vec<_> = numbers.map(|number| Arc::new(Meter::new(Arc::clone(shared), number))).collect();
    let mut bus = Bus::new(config);
    languages::stations(&meters, config.speed).into_iter().for_each(|station| bus.add(station));
    if shared.plan.model.language != Language::Dlms {
        return (bus, meters);
    }
    for meter in &meters {
        let is_twin = meter.number() % each > 0 && twins.contains(&(meter.number() - 1));
        let device = meter.device_address().map(|device| device - u16::from(is_twin));
        let station = DlmsStation::new(meter, device, config.speed);
        station.into_iter().for_each(|station| bus.add(Box::new(station)));
    }
    (bus, meters)
}

async fn live(bus: Bus, mut terminal: Terminal) {
    if let Err(error) = bus.run(&mut terminal).await {
        tracing::warn!(device = terminal.device(), %error, "a bus broke");
    }
}
