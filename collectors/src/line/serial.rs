use std::io;

use tokio_serial::{
    ClearBuffer, DataBits, ErrorKind, FlowControl, SerialPort, SerialPortBuilderExt, SerialStream,
};

use super::LineError;
use crate::address::{Characters, Parity};

/// How characters are sent on a serial line; one stop bit always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Format {
    /// Bits per second.
    pub(super) speed: u32,
    pub(super) data_bits: DataBits,
    pub(super) parity: Parity,
}

impl Format {
    /// Eight data bits, as all languages but those of text need them.
    pub(super) const fn eight(characters: Characters) -> Self {
        let Characters { speed, parity, .. } = characters;
        Self { speed, data_bits: DataBits::Eight, parity }
    }
}

/// Opens a device, for us alone. What came in there before is for nobody.
pub(super) fn open(device: &str, format: Format) -> Result<SerialStream, LineError> {
    let builder = tokio_serial::new(device, format.speed)
        .data_bits(format.data_bits)
        .parity(parity(format.parity))
        .flow_control(FlowControl::None);
    let opened = builder.open_native_async().and_then(|port| port.clear(ClearBuffer::Input).map(|()| port));
    opened.map_err(|error| match error.kind() {
        ErrorKind::NoDevice
        | ErrorKind::Io(io::ErrorKind::ResourceBusy | io::ErrorKind::PermissionDenied) => LineError::NoRoute(
            format!("{error}; look whether another program has it open and who may use it"),
        ),
        _ => LineError::NoRoute(error.to_string()),
    })
}

/// Changes how characters are sent from now on.
pub(super) fn change(port: &mut SerialStream, format: Format) -> Result<(), LineError> {
    let changed = port
        .set_baud_rate(format.speed)
        .and_then(|()| port.set_data_bits(format.data_bits))
        .and_then(|()| port.set_parity(parity(format.parity)));
    changed.map_err(|error| LineError::NoRoute(error.to_string()))
}

const fn parity(parity: Parity) -> tokio_serial::Parity {
    match parity {
        Parity::None => tokio_serial::Parity::None,
        Parity::Even => tokio_serial::Parity::Even,
        Parity::Odd => tokio_serial::Parity::Odd,
    }
}
