use std::io;

use tokio_serial::{DataBits, ErrorKind, FlowControl, SerialPort, SerialPortBuilderExt, SerialStream};

use super::LineError;
use crate::address::Parity;

/// How characters are sent on a serial line; one stop bit always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Characters {
    /// Bits per second.
    pub(super) speed: u32,
    pub(super) data_bits: DataBits,
    pub(super) parity: Parity,
}

impl Characters {
    /// Eight data bits, as HDLC needs them.
    pub(super) const fn eight(speed: u32, parity: Parity) -> Self {
        Self { speed, data_bits: DataBits::Eight, parity }
    }
}

/// Opens a device, for us alone.
pub(super) fn open(device: &str, characters: Characters) -> Result<SerialStream, LineError> {
    let builder = tokio_serial::new(device, characters.speed)
        .data_bits(characters.data_bits)
        .parity(parity(characters.parity))
        .flow_control(FlowControl::None);
    builder.open_native_async().map_err(|error| match error.kind() {
        ErrorKind::NoDevice
        | ErrorKind::Io(io::ErrorKind::ResourceBusy | io::ErrorKind::PermissionDenied) => LineError::NoRoute(
            format!("{error}; look whether another program has it open and who may use it"),
        ),
        _ => LineError::NoRoute(error.to_string()),
    })
}

/// Changes how characters are sent from now on.
pub(super) fn change(port: &mut SerialStream, characters: Characters) -> Result<(), LineError> {
    let changed = port
        .set_baud_rate(characters.speed)
        .and_then(|()| port.set_data_bits(characters.data_bits))
        .and_then(|()| port.set_parity(parity(characters.parity)));
    changed.map_err(|error| LineError::NoRoute(error.to_string()))
}

const fn parity(parity: Parity) -> tokio_serial::Parity {
    match parity {
        Parity::None => tokio_serial::Parity::None,
        Parity::Even => tokio_serial::Parity::Even,
        Parity::Odd => tokio_serial::Parity::Odd,
    }
}
