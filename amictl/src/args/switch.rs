//! `disconnect`, `reconnect`, `release-tamper-lock`, `set-times`, `snapshot`, `buy-credit` and `clear` on the command line.

use ami_proto::v1::SwitchTime;
use clap::Args;

use crate::order::OrderArgs;

/// `disconnect`.
#[derive(Debug, Args)]
pub(crate) struct SwitchArgs {
    /// Serial numbers of the meters, at most 100.
    #[arg(required = true, value_name = "SERIAL")]
    pub(crate) serials: Vec<String>,
    /// The terms.
    #[command(flatten)]
    pub(crate) order: OrderArgs,
}

/// `snapshot`.
#[derive(Debug, Args)]
pub(crate) struct SnapshotArgs {
    /// Everybody on the line of each meter takes one at the same instant; whether it was taken is looked at in the meter.
    #[arg(long)]
    pub(crate) everybody: bool,
    /// The meters, and the terms.
    #[command(flatten)]
    pub(crate) meters: SwitchArgs,
}

/// `reconnect`.
#[derive(Debug, Args)]
pub(crate) struct ReconnectArgs {
    /// Also where the meter locked the switch because its load was too high too often; needs a reason.
    #[arg(long, requires = "reason")]
    pub(crate) force: bool,
    /// The meters, and the terms.
    #[command(flatten)]
    pub(crate) meters: SwitchArgs,
}

/// `set-times`.
#[derive(Debug, Args)]
pub(crate) struct SetTimesArgs {
    /// From a time of the day on, by the meter's clock, on or off: 06:30=on; in their order.
    #[arg(long = "at", value_name = "HH:MM=on|off", value_parser = time, required_unless_present = "none")]
    pub(crate) times: Vec<SwitchTime>,
    /// At no time.
    #[arg(long, conflicts_with = "times")]
    pub(crate) none: bool,
    /// The meters, and the terms.
    #[command(flatten)]
    pub(crate) meters: SwitchArgs,
}

/// `buy-credit`.
#[derive(Debug, Args)]
pub(crate) struct BuyCreditArgs {
    /// Serial number of the meter.
    pub(crate) serial: String,
    /// Number of the purchase, higher than that of the last one for this meter.
    #[arg(value_name = "N")]
    pub(crate) number: u32,
    /// How much, in Wh.
    #[arg(value_name = "AMOUNT")]
    pub(crate) amount: String,
    /// The terms.
    #[command(flatten)]
    pub(crate) order: OrderArgs,
}

/// `clear`: nobody does that without a reason.
#[derive(Debug, Args)]
#[command(mut_arg("reason", |reason| reason.required(true)))]
pub(crate) struct ClearArgs {
    /// Serial number of the meter, which is cleared with all its households, or of the household.
    pub(crate) serial: String,
    /// The terms.
    #[command(flatten)]
    pub(crate) order: OrderArgs,
}

/// `release-tamper-lock`: nobody does that without a reason.
#[derive(Debug, Args)]
#[command(mut_arg("reason", |reason| reason.required(true)))]
pub(crate) struct ReleaseArgs {
    /// What is released, and the terms.
    #[command(flatten)]
    pub(crate) switch: SwitchArgs,
}

fn time(text: &str) -> Result<SwitchTime, String> {
    let expected = || format!("`{text}` is no time with `=on` or `=off`, such as 06:30=on");
    let (time, state) = text.split_once('=').ok_or_else(expected)?;
    let on = match state {
        "on" => true,
        "off" => false,
        _ => return Err(expected()),
    };
    let (hour, minute) = time
        .split_once(':')
        .filter(|(hour, minute)| hour.len() == 2 && minute.len() == 2)
        .ok_or_else(expected)?;
    let part = |text: &str, most: u8| {
        text.parse::<u8>().ok().filter(|value| *value <= most && !text.starts_with('+')).ok_or_else(expected)
    };
    Ok(SwitchTime { minute: u32::from(part(hour, 23)?) * 60 + u32::from(part(minute, 59)?), on })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hb_12_a_time_is_on_the_clock() {
        assert_eq!(time("06:30=on"), Ok(SwitchTime { minute: 390, on: true }));
        assert_eq!(time("23:59=off"), Ok(SwitchTime { minute: 1439, on: false }));
        for wrong in
            ["24:00=on", "06:60=on", "6:30=on", "06:30", "06:30=maybe", "0630=on", "-1:00=on", "+1:00=on"]
        {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
