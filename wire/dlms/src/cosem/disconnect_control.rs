//! Disconnect control, class 70 (Blue Book, 4.5.8): the load switch of a meter.

use super::unexpected;
use crate::axdr::Data;
use crate::{AttributeDescriptor, Error, MethodDescriptor, Obis};

/// The class.
pub const CLASS: u16 = 70;

/// A disconnect control object, normally 0.0.96.3.10.255.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DisconnectControl(pub Obis);

impl DisconnectControl {
    /// Attribute 2 `output_state`, see [`decode_output_state`].
    pub const fn output_state(self) -> AttributeDescriptor {
        self.attribute(2)
    }

    /// Attribute 3 `control_state`, see [`ControlState`].
    pub const fn control_state(self) -> AttributeDescriptor {
        self.attribute(3)
    }

    /// Attribute 4 `control_mode`, see [`ControlMode`].
    pub const fn control_mode(self) -> AttributeDescriptor {
        self.attribute(4)
    }

    /// Method 1 `remote_disconnect` with [`PARAMETER`].
    pub const fn remote_disconnect(self) -> MethodDescriptor {
        self.method(1)
    }

    /// Method 2 `remote_reconnect` with [`PARAMETER`].
    pub const fn remote_reconnect(self) -> MethodDescriptor {
        self.method(2)
    }

    const fn attribute(self, attribute: i8) -> AttributeDescriptor {
        AttributeDescriptor { class_id: CLASS, instance: self.0, attribute }
    }

    const fn method(self, method: i8) -> MethodDescriptor {
        MethodDescriptor { class_id: CLASS, instance: self.0, method }
    }
}

/// The parameter of both methods: integer (0).
pub const PARAMETER: Data = Data::Integer(0);

/// The internal state of the control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ControlState {
    /// Open.
    Disconnected,
    /// Closed.
    Connected,
    /// Open, and somebody at the meter may close it.
    ReadyForReconnection,
}

impl ControlState {
    /// Decodes attribute 3.
    ///
    /// # Errors
    /// [`Error::DataType`] for another type than enum, [`Error::Value`] for a state that the class does not have.
    pub fn decode(data: &Data) -> Result<Self, Error> {
        match enumeration(data, "control state")? {
            0 => Ok(Self::Disconnected),
            1 => Ok(Self::Connected),
            2 => Ok(Self::ReadyForReconnection),
            got => Err(Error::Value { what: "control state", got: u32::from(got) }),
        }
    }

    /// The state in words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Connected => "connected",
            Self::ReadyForReconnection => "ready for reconnection",
        }
    }
}

/// Who may move the switch, 0 to 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ControlMode(u8);

impl ControlMode {
    /// Decodes attribute 4.
    ///
    /// # Errors
    /// [`Error::DataType`] for another type than enum, [`Error::Value`] for a mode that the class does not have.
    pub fn decode(data: &Data) -> Result<Self, Error> {
        match enumeration(data, "control mode")? {
            mode @ 0..=6 => Ok(Self(mode)),
            got => Err(Error::Value { what: "control mode", got: u32::from(got) }),
        }
    }

    /// The number of the mode.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// What the remote methods do in this mode.
    pub const fn remote(self) -> Remote {
        match self.0 {
            0 => Remote::Nothing,
            2 | 4 => Remote::Closes,
            _ => Remote::MakesReady,
        }
    }
}

/// What can be done from afar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    /// Nothing: the switch is always closed (mode 0).
    Nothing,
    /// The switch can be opened and closed (modes 2 and 4, transitions a to c).
    Closes,
    /// The switch can be opened and made ready to be closed at the meter (modes 1, 3, 5 and 6, transition d in place of a).
    MakesReady,
}

/// Decodes attribute 2.
///
/// # Errors
/// [`Error::DataType`] for another type than boolean.
pub fn decode_output_state(data: &Data) -> Result<bool, Error> {
    match data {
        Data::Boolean(connected) => Ok(*connected),
        other => Err(unexpected(other, "output state, a boolean")),
    }
}

/// Some meters send the enumeration as unsigned.
fn enumeration(data: &Data, expected: &'static str) -> Result<u8, Error> {
    match data {
        Data::Enum(value) | Data::Unsigned(value) => Ok(*value),
        other => Err(unexpected(other, expected)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_modes_2_and_4_close_from_afar() {
        let remote = (0..=6).map(|mode| ControlMode::decode(&Data::Enum(mode)).unwrap().remote());
        let (no, closes, ready) = (Remote::Nothing, Remote::Closes, Remote::MakesReady);
        assert_eq!(remote.collect::<Vec<_>>(), [no, ready, closes, ready, closes, ready, ready]);
        assert_eq!(ControlMode::decode(&Data::Enum(7)), Err(Error::Value { what: "control mode", got: 7 }));
    }

    #[test]
    fn states_are_those_of_the_class() {
        let states = (0..=2).map(|state| ControlState::decode(&Data::Enum(state)).unwrap().as_str());
        assert_eq!(states.collect::<Vec<_>>(), ["disconnected", "connected", "ready for reconnection"]);
        assert!(ControlState::decode(&Data::Enum(3)).is_err());
        assert!(ControlState::decode(&Data::Boolean(true)).is_err());
        assert_eq!(decode_output_state(&Data::Boolean(true)), Ok(true));
        assert!(decode_output_state(&Data::Enum(1)).is_err());
    }
}
