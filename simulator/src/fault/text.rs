//! Faults as people write them on a command line.

use std::str::FromStr;
use std::time::Duration;

use super::{Affected, Fault, FaultRule, Often, WHOLE_PPM};
use crate::Error;

const KINDS: &str = "one of silent, slow=250ms, cut=4, tag=1, serial, layout=2026-03-01T00:00:00Z, unexecuted=3x, \
                     unanswered=0.2, drop=0.2, welded, tampered, lost-block=0.1, stuck-block=7, wrong-image, \
                     verify-busy=3x, activate-busy=3x, verify-fails, \
                     activation-fails, tariff-not-kept, clock=-90";

/// `kind[=parameter]:whom`, where whom is a share such as `0.1` or meters such as `#3,#17`; for example `slow=250ms:0.1`,
/// `cut=5:#0`, `tag=1:0.05`, `silent:0.01`, `serial:#2`, `layout=2026-03-01T00:00:00Z:#1`, `welded:#4`, `tampered:#5`,
/// `stuck-block=7:#6`, `wrong-image:#7`, `verify-fails:#8`, `activation-fails:#9`, `tariff-not-kept:#10`,
/// `clock=-90:#11` (seconds).
///
/// `unexecuted`, `unanswered`, `drop`, `lost-block`, `verify-busy` and `activate-busy` take how often they strike: a share of the occasions such as `unanswered=0.2:1`,
/// or the first few such as `drop=3x:#1`; without it, the first time.
impl FromStr for FaultRule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |expected: &str| Error::Fault { text: text.to_owned(), expected: expected.to_owned() };
        let (what, whom) = text.rsplit_once(':').ok_or_else(|| wrong("kind[=parameter]:share"))?;
        let (kind, parameter) = match what.split_once('=') {
            Some((kind, parameter)) => (kind, Some(parameter)),
            None => (what, None),
        };
        let number = |default: u32| parameter.map_or(Some(default), |text| text.parse().ok());
        let often = || parameter.map_or(Some(Often::First(1)), often);
        let fault = match kind {
            "silent" => Some(Fault::Silent),
            "slow" => milliseconds(parameter.unwrap_or("1000ms")).map(Fault::Slow),
            "cut" => number(4).map(|after| Fault::Cut { after }),
            "tag" => number(1).map(|after| Fault::WrongTag { after }),
            "serial" => Some(Fault::WrongSerial),
            "layout" => parameter.and_then(|at| at.parse().ok()).map(|from| Fault::OtherLayout { from }),
            "unexecuted" => often().map(Fault::Unexecuted),
            "unanswered" => often().map(Fault::Unanswered),
            "drop" => often().map(Fault::Dropped),
            "welded" => Some(Fault::Welded),
            "lost-block" => often().map(Fault::LostBlocks),
            "stuck-block" => number(0).map(Fault::StuckBlock),
            "wrong-image" => Some(Fault::WrongImage),
            "verify-busy" => often().map(Fault::VerifyBusy),
            "activate-busy" => often().map(Fault::ActivateBusy),
            "verify-fails" => Some(Fault::VerifyFails),
            "activation-fails" => Some(Fault::ActivationFails),
            "tariff-not-kept" => Some(Fault::TariffNotKept),
            "clock" => parameter.and_then(|seconds| seconds.parse().ok()).map(Fault::ClockOff),
            "tampered" => Some(Fault::Tampered),
            _ => return Err(wrong(KINDS)),
        };
        let fault = fault.ok_or_else(|| wrong(KINDS))?;
        let meters = affected(whom)
            .ok_or_else(|| wrong("a share from 0 to 1 such as 0.1, or meters such as #3,#17"))?;
        Ok(Self { fault, meters })
    }
}

fn milliseconds(text: &str) -> Option<Duration> {
    text.strip_suffix("ms")?.parse().ok().map(Duration::from_millis)
}

fn often(text: &str) -> Option<Often> {
    match text.strip_suffix('x') {
        Some(count) => count.parse().ok().map(Often::First),
        None => share_ppm(text).map(Often::SharePpm),
    }
}

fn affected(text: &str) -> Option<Affected> {
    if text.starts_with('#') {
        let numbers: Option<Vec<u32>> =
            text.split(',').map(|one| one.strip_prefix('#')?.parse().ok()).collect();
        return numbers.map(Affected::Numbers);
    }
    share_ppm(text).map(Affected::SharePpm)
}

/// A share from 0 to 1 with at most six decimals.
fn share_ppm(text: &str) -> Option<u32> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 6 || !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let whole: u32 = whole.parse().ok()?;
    let parts: u32 = format!("{decimals:0<6}").parse().ok()?;
    let share = whole.checked_mul(WHOLE_PPM)?.checked_add(parts)?;
    (share <= WHOLE_PPM).then_some(share)
}
