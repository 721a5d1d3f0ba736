use super::fields::Fields;
use crate::Error;
use crate::xml::field;

/// Where new firmware from a file of a concentrator stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upgrade {
    /// Octets of the file that the concentrator holds, from its beginning on; 0 for a file that it does not know.
    pub held: u64,
    /// The devices that it was told to bring it into.
    pub devices: Vec<Upgraded>,
}

/// How far a device has come with its new firmware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgraded {
    /// Its name: that of a meter, or the serial number of the concentrator.
    pub device: String,
    /// How far.
    pub state: UpgradeState,
}

/// How far new firmware has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradeState {
    /// Nothing was sent to the device yet.
    Waiting,
    /// It is on its way.
    Sending {
        /// Parts in a hundred that the device has.
        percent: u8,
    },
    /// The device was told to run it.
    Activated,
    /// The concentrator has given it up.
    Failed,
}

/// Everything, in parts of a hundred.
const WHOLE: u8 = 100;

impl Upgrade {
    pub(super) fn write(&self, out: &mut String) {
        field(out, "held", &self.held.to_string());
        for Upgraded { device, state } in &self.devices {
            let (word, percent) = match state {
                UpgradeState::Waiting => ("waiting", 0),
                UpgradeState::Sending { percent } => ("sending", *percent),
                UpgradeState::Activated => ("activated", WHOLE),
                UpgradeState::Failed => ("failed", 0),
            };
            out.push_str("<device>");
            field(out, "deviceID", device);
            field(out, "state", word);
            field(out, "percent", &percent.to_string());
            out.push_str("</device>");
        }
    }

    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, Error> {
        let devices = fields.all().iter().filter(|element| element.name == "device");
        let devices = devices.map(|device| upgraded(&Fields::of(device.content)?));
        Ok(Self { held: fields.number("held")?, devices: devices.collect::<Result<_, _>>()? })
    }
}

fn upgraded(fields: &Fields<'_>) -> Result<Upgraded, Error> {
    let percent = fields.number("percent")?;
    let state = match fields.text("state")?.as_str() {
        "waiting" => UpgradeState::Waiting,
        "sending" if percent <= WHOLE => UpgradeState::Sending { percent },
        "activated" => UpgradeState::Activated,
        "failed" => UpgradeState::Failed,
        _ => return Err(Error::Value { what: "state" }),
    };
    Ok(Upgraded { device: fields.text("deviceID")?, state })
}
