//! The list of meters as the head-end imports it.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use models::Language;

use heartbeat::Dialect;

use crate::caller::caller_id;
use crate::config::{Framing, SecretKind, SecurityLevel};
use crate::{BusConfig, Buses, Concentrators, Fleet, Meter, languages};

const HEADER: &str = "serial,model,address,server_sap,client_sap,zone,security,password,client_title,encryption_key,authentication_key,system_title,parent,subunit,device_address";

/// The inventory of a fleet as CSV with a header. Keys and titles are hexadecimal; what a meter's security does not need
/// is empty.
pub fn inventory(fleet: &Fleet) -> String {
    let line = |(meter, address): (&Arc<Meter>, &SocketAddr)| match meter.fleet().config.framing {
        Framing::Wrapper => line(meter, &address.to_string(), None),
        Framing::Datagrams => line(meter, &format!("udp://{address}"), None),
        Framing::Hdlc { .. } => {
            line(meter, &format!("hdlc://{address}"), meter.device_address().map(u64::from))
        }
        Framing::Plain { .. } => line(meter, &format!("serial://{address}"), meter.line_address()),
    };
    list(fleet.meters().iter().zip(fleet.addresses()).map(line))
}

/// The inventory of meters whose modems call, in the same form.
pub fn inventory_of_callers(fleet: &Fleet, dialect: Option<Dialect>) -> String {
    let mut line_of = (None, String::new());
    let line = |(meter, address): (&Arc<Meter>, &SocketAddr)| {
        if line_of.0.replace(*address) != Some(*address) {
            line_of.1 = caller_id(&meter.serial(), dialect);
        }
        let address = format!("inbound://{}", line_of.1);
        match meter.fleet().config.framing {
            Framing::Wrapper | Framing::Datagrams => line(meter, &address, None),
            Framing::Hdlc { .. } => {
                line(meter, &format!("{address}?framing=hdlc"), meter.device_address().map(u64::from))
            }
            Framing::Plain { .. } => line(meter, &address, meter.line_address()),
        }
    };
    list(fleet.meters().iter().zip(fleet.addresses()).map(line))
}

/// The inventory of meters on buses, in the same form.
pub fn inventory_of_buses(buses: &Buses) -> String {
    let BusConfig { speed, echo, .. } = buses.config();
    let echo = if echo { "&echo=yes" } else { "" };
    let line = |(meter, device): (&Arc<Meter>, &String)| {
        line(meter, &format!("serial://{device}?baud={speed}{echo}"), meter.line_address())
    };
    list(buses.meters().iter().zip(buses.devices()).map(line))
}

/// The inventory of concentrators and the meters behind them, in the same form.
pub fn inventory_of_concentrators(concentrators: &Concentrators) -> String {
    let model = &concentrators.config().model;
    // The concentrator itself: server 1, client 16, no security.
    let zone = concentrators.meters().first().map_or("UTC", |meter| zone(meter));
    let own = |(serial, address): (String, &SocketAddr)| {
        format!("{serial},{model},{address},1,16,{zone},none,,,,,,,,")
    };
    let own = concentrators.serials().into_iter().zip(concentrators.addresses()).map(own);
    let node = |meter: &Arc<Meter>| {
        let (address, device) = concentrators.place(meter);
        line(meter, &address, device)
    };
    list(own.chain(concentrators.meters().iter().map(node)))
}

fn list(lines: impl Iterator<Item = String>) -> String {
    let mut csv = format!("{HEADER}\n");
    lines.for_each(|line| {
        csv.push_str(&line);
        csv.push('\n');
    });
    csv
}

fn line(meter: &Meter, address: &str, device_address: Option<u64>) -> String {
    let config = &meter.fleet().config;
    let association = &config.model.association;
    let secrets = meter.secrets();
    let none = String::new;
    let (client_sap, password, title, encryption_key, authentication_key) = match meter.security() {
        SecurityLevel::None => (association.client_sap_none, none(), none(), none(), none()),
        SecurityLevel::Lls if config.model.language != Language::Dlms => (
            association.client_sap_lls,
            languages::password(meter).unwrap_or_default(),
            none(),
            none(),
            none(),
        ),
        SecurityLevel::Lls => (association.client_sap_lls, secrets.password, none(), none(), none()),
        SecurityLevel::Secret(kind) => {
            let title = if kind == SecretKind::Sha256 { hex(&config.client_title) } else { none() };
            (association.client_sap_hls, secrets.password, title, none(), none())
        }
        SecurityLevel::Gmac => (
            association.client_sap_hls,
            none(),
            hex(&config.client_title),
            hex(&secrets.encryption_key),
            hex(&secrets.authentication_key),
        ),
    };
    // A sub-unit is where its meter is.
    let address = if meter.subunit().is_some() { "" } else { address };
    let device_address = device_address.map(|device| device.to_string()).unwrap_or_default();
    [
        meter.serial().as_str(),
        config.model.name.as_str(),
        address,
        association.server_sap.to_string().as_str(),
        client_sap.to_string().as_str(),
        zone(meter),
        meter.security().as_str(),
        password.as_str(),
        title.as_str(),
        encryption_key.as_str(),
        authentication_key.as_str(),
        hex(&meter.system_title()).as_str(),
        meter.parent().unwrap_or_default().as_str(),
        meter.subunit().map(|subunit| subunit.to_string()).unwrap_or_default().as_str(),
        device_address.as_str(),
    ]
    .join(",")
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{octet:02X}");
        text
    })
}

/// The zone of a meter by its name.
fn zone(meter: &Meter) -> &str {
    meter.fleet().config.zone.iana_name().unwrap_or("UTC")
}
