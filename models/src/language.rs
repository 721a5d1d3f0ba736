//! What is spoken with a type of meter, and where its registers and its switch are in a language that has no names for them.

use serde::Deserialize;

use crate::{
    DlmsSwitch, Dlt645, Dlt645Place, Dlt645Profile, Dlt645Switch, Gdw376, Iec62056_21, Iec62056_21Place,
    Modbus, ModbusPlace, ModbusSwitch,
};

/// The language that is spoken with a type of meter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub enum Language {
    /// DLMS/COSEM.
    #[default]
    #[serde(rename = "dlms")]
    Dlms,
    /// DL/T 645.
    #[serde(rename = "dlt645")]
    Dlt645(Dlt645),
    /// IEC 62056-21, mode C.
    #[serde(rename = "iec62056-21")]
    Iec62056_21(Iec62056_21),
    /// Modbus RTU.
    #[serde(rename = "modbus")]
    Modbus(Modbus),
    /// Q/GDW 376.1, of a terminal itself.
    #[serde(rename = "gdw376")]
    Gdw376(Gdw376),
}

impl Language {
    /// Its name, as in a file of a model.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Dlms => "dlms",
            Self::Dlt645(_) => "dlt645",
            Self::Iec62056_21(_) => "iec62056-21",
            Self::Modbus(_) => "modbus",
            Self::Gdw376(_) => "gdw376",
        }
    }
}

/// Where a register is in a language other than DLMS.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub enum Place {
    /// In an item of DL/T 645.
    #[serde(rename = "dlt645")]
    Dlt645(Dlt645Place),
    /// In a data set of IEC 62056-21.
    #[serde(rename = "iec62056-21")]
    Iec62056_21(Iec62056_21Place),
    /// In registers of Modbus.
    #[serde(rename = "modbus")]
    Modbus(ModbusPlace),
}

impl Place {
    /// Name of the language.
    pub(crate) const fn language(&self) -> &'static str {
        match self {
            Self::Dlt645(_) => "dlt645",
            Self::Iec62056_21(_) => "iec62056-21",
            Self::Modbus(_) => "modbus",
        }
    }
}

/// How a meter that speaks a language other than DLMS keeps the captures of a profile.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub enum ProfilePlace {
    /// As load records or snapshots of DL/T 645.
    #[serde(rename = "dlt645")]
    Dlt645(Dlt645Profile),
}

/// How the load switch is moved and looked at where it is no disconnect control of DLMS.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub enum SwitchPlace {
    /// By a data object of DLMS.
    #[serde(rename = "dlms")]
    Dlms(DlmsSwitch),
    /// By orders of DL/T 645.
    #[serde(rename = "dlt645")]
    Dlt645(Dlt645Switch),
    /// By a coil or register of Modbus.
    #[serde(rename = "modbus")]
    Modbus(ModbusSwitch),
}

impl SwitchPlace {
    /// Name of the language.
    pub(crate) const fn language(&self) -> &'static str {
        match self {
            Self::Dlms(_) => "dlms",
            Self::Dlt645(_) => "dlt645",
            Self::Modbus(_) => "modbus",
        }
    }
}
