//! A meter and the state of its profiles as rows.

use ami_proto::v1::{
    Call, CallDialect, Meter, MeterPath, MeterState, ProfileState, SecurityLevel, SecurityPolicy,
};
use serde::Serialize;

use super::{cell, given, word};
use crate::{output::Row, time};

/// A meter.
#[derive(Debug, Serialize)]
pub(crate) struct MeterRow {
    serial: String,
    model: String,
    address: String,
    device_address: Option<u64>,
    line: String,
    path: u32,
    paths: Vec<String>,
    parent: Option<String>,
    subunit: Option<u32>,
    circuit: Option<u32>,
    throttle_group: Option<String>,
    pulses_per_kwh: Option<u32>,
    ratio: Option<String>,
    server_sap: u32,
    client_sap: u32,
    zone: String,
    security: String,
    suite: u32,
    policy: String,
    state: String,
    created_at: String,
    retired_at: Option<String>,
    logical_device_name: Option<String>,
    firmware: Option<String>,
    identified_at: Option<String>,
    call: Option<CallRow>,
}

/// The connection that it opened.
#[derive(Debug, Serialize)]
struct CallRow {
    since: String,
    dialect: String,
    peer: String,
    beat_at: String,
}

impl From<Call> for CallRow {
    fn from(call: Call) -> Self {
        Self {
            since: time::text(call.since.as_ref()),
            dialect: word!(CallDialect, call.dialect),
            peer: call.peer,
            beat_at: time::text(call.beat_at.as_ref()),
        }
    }
}

impl MeterRow {
    /// Every field with its name, for one meter in full.
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        let rest = [
            ("device_address", cell(&self.device_address)),
            ("line", self.line.clone()),
            ("path", self.path.to_string()),
            ("paths", self.paths.join(" ")),
            ("parent", cell(&self.parent)),
            ("subunit", cell(&self.subunit)),
            ("circuit", cell(&self.circuit)),
            ("throttle_group", cell(&self.throttle_group)),
            ("pulses_per_kwh", cell(&self.pulses_per_kwh)),
            ("ratio", cell(&self.ratio)),
            ("suite", self.suite.to_string()),
            ("policy", self.policy.clone()),
            ("server_sap", self.server_sap.to_string()),
            ("client_sap", self.client_sap.to_string()),
            ("created_at", self.created_at.clone()),
            ("retired_at", cell(&self.retired_at)),
            ("logical_device_name", cell(&self.logical_device_name)),
            ("identified_at", cell(&self.identified_at)),
            ("call_dialect", self.call(|call| &call.dialect)),
            ("call_peer", self.call(|call| &call.peer)),
            ("call_beat_at", self.call(|call| &call.beat_at)),
        ];
        Self::COLUMNS.iter().copied().zip(self.cells()).chain(rest).collect()
    }

    /// A cell of its connection; empty when it has none.
    fn call(&self, cell: fn(&CallRow) -> &String) -> String {
        self.call.as_ref().map(cell).cloned().unwrap_or_default()
    }
}

impl From<Meter> for MeterRow {
    fn from(meter: Meter) -> Self {
        Self {
            security: word!(SecurityLevel, meter.security),
            suite: meter.suite,
            policy: word!(SecurityPolicy, meter.policy),
            state: word!(MeterState, meter.state),
            created_at: time::text(meter.created_at.as_ref()),
            retired_at: given(time::text(meter.retired_at.as_ref())),
            identified_at: given(time::text(meter.identified_at.as_ref())),
            serial: meter.serial,
            model: meter.model,
            address: meter.address,
            device_address: meter.device_address,
            line: meter.line,
            path: meter.path,
            paths: meter.paths.iter().map(path).collect(),
            parent: given(meter.parent),
            subunit: Some(meter.subunit).filter(|subunit| *subunit > 0),
            circuit: Some(meter.circuit).filter(|circuit| *circuit > 0),
            throttle_group: given(meter.throttle_group),
            pulses_per_kwh: Some(meter.pulses_per_kwh).filter(|pulses| *pulses > 0),
            ratio: given(meter.ratio),
            server_sap: meter.server_sap,
            client_sap: meter.client_sap,
            zone: meter.zone,
            logical_device_name: given(meter.logical_device_name),
            firmware: given(meter.firmware),
            call: meter.call.map(CallRow::from),
        }
    }
}

/// A way as it is given to `meters add --path`.
fn path(path: &MeterPath) -> String {
    path.device_address.map_or_else(|| path.address.clone(), |device| format!("{}#{device}", path.address))
}

impl Row for MeterRow {
    const COLUMNS: &'static [&'static str] =
        &["serial", "model", "address", "zone", "security", "state", "firmware", "call_since"];
    const NUMBERS: &'static [&'static str] = &[];

    fn cells(&self) -> Vec<String> {
        vec![
            self.serial.clone(),
            self.model.clone(),
            self.address.clone(),
            self.zone.clone(),
            self.security.clone(),
            self.state.clone(),
            cell(&self.firmware),
            self.call(|call| &call.since),
        ]
    }
}

/// How far a profile has been read.
#[derive(Debug, Serialize)]
pub(crate) struct ProfileRow {
    profile: String,
    last_at: Option<String>,
    read_at: Option<String>,
}

impl From<ProfileState> for ProfileRow {
    fn from(state: ProfileState) -> Self {
        Self {
            last_at: given(time::text(state.last_at.as_ref())),
            read_at: given(time::text(state.read_at.as_ref())),
            profile: state.obis,
        }
    }
}

impl Row for ProfileRow {
    const COLUMNS: &'static [&'static str] = &["profile", "last_at", "read_at"];
    const NUMBERS: &'static [&'static str] = &[];

    fn cells(&self) -> Vec<String> {
        vec![self.profile.clone(), cell(&self.last_at), cell(&self.read_at)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_in_full_tells_every_field_once() {
        let meter = Meter {
            serial: "17".into(),
            server_sap: 1,
            client_sap: 16,
            security: SecurityLevel::Gmac.into(),
            state: MeterState::Active.into(),
            ..Default::default()
        };
        let fields = MeterRow::from(meter).fields();
        assert_eq!(fields.len(), 29);
        assert!(
            fields.contains(&("security", "gmac".into())) && fields.contains(&("client_sap", "16".into()))
        );
    }
}
