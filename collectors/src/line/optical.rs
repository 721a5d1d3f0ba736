use std::time::Duration;

use iec62056_21::{
    Speed,
    mode_e::{Opening, Progress},
    opening,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{sleep, timeout},
};
use tokio_serial::{DataBits, SerialStream};

use super::{
    LineError,
    serial::{self, Format},
    tap::{Direction, Tap},
};
use crate::{Limits, ProtocolLog, address::Parity};

/// How often a meter is knocked at. One that hears it identifies itself within 1500 ms (IEC 62056-21, 6.3.14).
const TRIES: u32 = 2;
/// Time for the meter to change its speed: 200 to 300 ms (IEC 62056-21, annex E).
const CHANGE_PAUSE: Duration = Duration::from_millis(250);

/// Opens a device and wakes the meter up by mode E of IEC 62056-21, beginning at `speed`; returns the device ready for HDLC, and the speed that the meter
/// chose.
pub(super) async fn open(
    device: &str,
    speed: u32,
    limits: &Limits,
    (tap, log): (&mut Tap, &ProtocolLog),
) -> Result<(SerialStream, u32), LineError> {
    let seven = Format { speed, data_bits: DataBits::Seven, parity: Parity::Even };
    let mut port = serial::open(device, seven)?;
    let mut agreed = Err(LineError::Silent);
    for _ in 0..TRIES {
        match timeout(limits.response_timeout / TRIES, knock(&mut port, tap, log)).await {
            Ok(answered) => agreed = answered,
            Err(_) => continue,
        }
        break;
    }
    let agreed = agreed?.baud();
    sleep(CHANGE_PAUSE).await;
    let eight = Format { speed: agreed, data_bits: DataBits::Eight, parity: Parity::None };
    serial::change(&mut port, eight)?;
    tracing::debug!(speed = agreed, "the meter goes on with HDLC");
    Ok((port, agreed))
}

/// One opening; the speed to go on with.
async fn knock(port: &mut SerialStream, tap: &mut Tap, log: &ProtocolLog) -> Result<Speed, LineError> {
    let mut progress = Opening::new();
    let mut out = Vec::new();
    opening("", &mut out).map_err(LineError::Opening)?;
    let mut chunk = [0; 64];
    loop {
        if !out.is_empty() {
            port.write_all(&out).await.map_err(|_| LineError::Cut)?;
            tap.text(log, Direction::Sent, &out);
            out.clear();
        }
        let got = port.read(&mut chunk).await.map_err(|_| LineError::Cut)?;
        tap.text(log, Direction::Received, &chunk[..got]);
        match progress.push(&chunk[..got]).map_err(LineError::Opening)? {
            Progress::Wait if got == 0 => return Err(LineError::Cut),
            Progress::Wait => {}
            Progress::Send(meter, selection) => {
                tracing::debug!(maker = %String::from_utf8_lossy(&meter.manufacturer), name = meter.name, "identified");
                out.extend_from_slice(&selection);
            }
            Progress::Done(speed) => return Ok(speed),
        }
    }
}
