//! What a station does with the frames of a link that it did not begin.

use super::control::Function;
use super::frame::Frame;
use super::link::{Accepted, Link};
use super::settings::Settings;
use crate::Error;

/// What a frame led to, besides what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Nothing,
    Opened,
    Closed,
    Apdu,
}

/// Takes a frame; `limits` is what the station can do.
pub(super) fn take(
    link: &mut Link,
    limits: Settings,
    frame: &Frame<'_>,
    out: &mut Vec<u8>,
) -> Result<Outcome, Error> {
    match frame.control.function {
        Function::SetNormalResponseMode => {
            let agreed = limits.agreed(Settings::decode(frame.information).unwrap_or_default());
            link.restart(agreed);
            let mut information = Vec::new();
            agreed.encode(&mut information);
            link.write(Function::UnnumberedAcknowledge, &information, out)?;
            Ok(Outcome::Opened)
        }
        Function::Disconnect => {
            link.write(Function::UnnumberedAcknowledge, &[], out)?;
            Ok(Outcome::Closed)
        }
        Function::Information { send, receive } => {
            if link.acknowledge(receive).is_err() {
                return reject(link, out);
            }
            match link.accept(send, frame) {
                Ok(Accepted::Apdu) => Ok(Outcome::Apdu),
                Ok(Accepted::Segment | Accepted::OutOfTurn) => speak(link, frame, out),
                Err(_) => reject(link, out),
            }
        }
        Function::ReceiveReady { receive } | Function::Reject { receive } => {
            if link.acknowledge(receive).is_err() {
                return reject(link, out);
            }
            speak(link, frame, out)
        }
        Function::ReceiveNotReady { receive } => {
            if link.acknowledge(receive).is_err() {
                return reject(link, out);
            }
            if frame.control.poll {
                link.ready(out)?;
            }
            Ok(Outcome::Nothing)
        }
        Function::Other(_) => reject(link, out),
        // What only a station like this one sends, perhaps its own echo.
        _ => Ok(Outcome::Nothing),
    }
}

/// Says what is left to say, or that there is nothing, when it is this station's turn.
fn speak(link: &mut Link, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<Outcome, Error> {
    if frame.control.poll {
        if link.is_done() { link.ready(out)? } else { link.transmit(out)? }
    }
    Ok(Outcome::Nothing)
}

/// Ends a link on which things are said that make no sense.
fn reject(link: &Link, out: &mut Vec<u8>) -> Result<Outcome, Error> {
    link.write(Function::FrameReject, &[], out)?;
    Ok(Outcome::Closed)
}
