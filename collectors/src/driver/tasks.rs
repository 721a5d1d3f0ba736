//! The reads, in whatever language.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use models::Register;

use super::{Driver, Number, unsupported, wrong};
use crate::{
    ClockReading, Event, Failure, ProfileRange, Reason, RegisterValue,
    diagnosis::Setback,
    task::{Done, read_registers},
    time,
    turn::Turn,
};

/// Attribute that holds the value of a register (Blue Book, 4.3.2).
const VALUE: i8 = 2;
/// Clock status that was not given.
const NO_STATUS: u8 = 0xFF;
/// The step in which clocks of these languages show their time.
const SECOND: Duration = Duration::from_secs(1);

/// Reads the serial number. A meter that shows none is still identified when it answers: by its address.
pub(super) async fn identify(turn: &mut Turn<'_>, driver: &mut Driver<'_>) -> Result<(), Setback> {
    turn.memory().forget();
    let serial = match shown(turn, driver).await? {
        Some(serial) => serial,
        None => {
            let model = turn.station().model.clone();
            let first: Vec<_> = model.registers.iter().take(1).collect();
            // Whatever it says of it, it is there.
            driver.registers(turn, &first).await?;
            let address = turn.station().device_address.map(|address| address.to_string());
            turn.station().serial.clone().or(address).ok_or_else(|| unsupported(turn, "identify"))?
        }
    };
    let firmware = driver.firmware();
    turn.report(Event::Identity { serial, logical_device_name: None, firmware, system_title: None }).await
}

/// Reads the clock once.
pub(super) async fn read_clock(turn: &mut Turn<'_>, driver: &mut Driver<'_>) -> Result<(), Setback> {
    verify(turn, driver).await?;
    let reading = clock(turn, driver).await?;
    turn.clock_is_known();
    turn.report(Event::Clock(reading)).await
}

/// Looks at the clock beside what was read. Nothing depends on it: what goes wrong is not told.
pub(super) async fn look_at_clock(turn: &mut Turn<'_>, driver: &mut Driver<'_>) -> Result<(), Setback> {
    match clock(turn, driver).await {
        Ok(reading) => turn.report(Event::Clock(reading)).await,
        Err(setback) => {
            let failure = turn.fail(&setback).await;
            tracing::debug!(reason = %failure.reason, detail = failure.detail, "the clock was not read");
            Ok(())
        }
    }
}

pub(super) async fn clock(turn: &mut Turn<'_>, driver: &mut Driver<'_>) -> Result<ClockReading, Setback> {
    let local = driver.clock(turn).await?;
    reading(turn, local)
}

/// The reading of a clock that showed this local time a moment ago.
pub(super) fn reading(turn: &Turn<'_>, local: DateTime) -> Result<ClockReading, Setback> {
    let (read_at, delay) = (turn.now(), turn.last_delay());
    let station = turn.station();
    let shown = time::placed(local, &station.zone, &station.model.quirks).ok_or_else(|| wrong("no time"))?;
    Ok(ClockReading { shown, resolution: SECOND, offset_min: None, status: NO_STATUS, read_at, delay })
}

/// Reads registers. What one of them holds or refuses hides no other.
pub(super) async fn read_registers(
    turn: &mut Turn<'_>,
    driver: &mut Driver<'_>,
    registers: &[&Register],
) -> Result<Done, Setback> {
    verify(turn, driver).await?;
    let found = driver.registers(turn, registers).await?;
    let at = turn.now();
    let each = registers.iter().zip(found);
    let found = each
        .map(|(register, found)| (register.obis, found.map(|number| register_value(register, number, at))));
    read_registers::report(turn, found.collect()).await
}

/// What a register held, at the latest `at`.
pub(super) fn register_value(register: &Register, number: Number, at: Timestamp) -> RegisterValue {
    RegisterValue {
        obis: register.obis,
        attribute: VALUE,
        class_id: register.class_id,
        value: number.value,
        scaler: number.scaler,
        unit: register.unit,
        at: number.at.unwrap_or(at),
    }
}

/// Reads the captures of a range and returns the range covered.
pub(super) async fn read_profile(
    turn: &mut Turn<'_>,
    driver: &mut Driver<'_>,
    range: &ProfileRange,
) -> Result<(Timestamp, Timestamp), Setback> {
    verify(turn, driver).await?;
    driver.profile(turn, range).await
}

/// Compares the serial number with the inventory, once for each time that the channel lives.
pub(super) async fn verify(turn: &mut Turn<'_>, driver: &mut Driver<'_>) -> Result<(), Setback> {
    let meter = turn.station().meter;
    if turn.memory().is_verified(meter) {
        return Ok(());
    }
    shown(turn, driver).await.map(drop)
}

/// The serial number that the meter shows, which has to be the one of the inventory.
async fn shown(turn: &mut Turn<'_>, driver: &mut Driver<'_>) -> Result<Option<String>, Setback> {
    let station = turn.station();
    // Who is named inside of requests only has the serial number of its device, which is another meter of the inventory.
    let is_named_inside = station.subunit.is_some() && station.model.names_subunits();
    let Some(expected) = station.serial.as_deref().map(str::trim).filter(|_| !is_named_inside) else {
        return if is_named_inside { Ok(None) } else { driver.serial(turn).await };
    };
    let found = driver.serial(turn).await?;
    if let Some(found) = &found
        && !is_same(found, expected)
    {
        let address = &station.address;
        return Err(Setback::Final(Failure::new(
            Reason::WrongMeter,
            format!(
                "The meter at {address} has serial number {found}, not {expected}; correct address or inventory."
            ),
        )));
    }
    turn.memory().verified(station.meter);
    // As the inventory writes it.
    Ok(found.map(|_| expected.to_owned()))
}

/// Whether two serial numbers are one: meters show digits with zeros in front.
fn is_same(found: &str, expected: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
    found == expected
        || (digits(found)
            && digits(expected)
            && found.trim_start_matches('0') == expected.trim_start_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn zeros_in_front_are_no_difference_between_digits() {
        assert!(is_same("000030000001", "30000001") && is_same("30000001", "030000001"));
        assert!(is_same("A07", "A07") && !is_same("0A7", "A7"));
        assert!(!is_same("30000001", "30000010"));
    }
}
