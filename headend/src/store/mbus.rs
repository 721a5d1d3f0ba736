//! The devices on the M-Bus channels of meters. Written by [`super::batch`], inside of its transaction: that one is exchanged is written down, and told by a
//! flag. Each device is a part of its meter, which `parts.rs` keeps, and what a channel captures goes to the device that was seen there then.

mod parts;

use std::collections::BTreeMap;

use collectors::{JobId, MBusChannel, MBusDevice, MeterId};
use jiff_sqlx::{Timestamp, ToSqlx as _};
use sqlx::PgConnection;

use super::flags::NewFlag;
use super::{Error, FlagRule, Store, failed};
use crate::validate::Numbers;

pub(super) use parts::Parts;

/// Devices of one meter that are told at most, the latest.
const DEVICES: i64 = 200;
/// Attribute of the client (class 72) with the number of the device.
const IDENTIFICATION: i16 = 6;
/// Unit code of a number without unit.
const NO_UNIT: i16 = 255;

/// A device with the time for which it was on a channel.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct DeviceEpoch {
    /// The channel, counted from 1.
    pub channel: i16,
    /// When it was first seen.
    pub since: Timestamp,
    /// When what was there before was last seen; `None` for the first.
    pub before: Option<Timestamp>,
    /// When it was last seen.
    pub read_at: Timestamp,
    /// Its number; `None`, as the others, when no device is there.
    pub identification: Option<String>,
    /// The letters of its maker.
    pub manufacturer: Option<String>,
    /// The maker's version of it.
    pub version: Option<i16>,
    /// What it measures.
    pub device_type: Option<i16>,
    /// The job that saw it first.
    pub job_id: i64,
    /// Serial number of the meter with what was captured while it was there.
    pub part: Option<String>,
}

/// A device that was not there before, or that there is none any more.
#[derive(sqlx::FromRow)]
struct Begun {
    meter_id: MeterId,
    channel: i16,
    since: Timestamp,
    job_id: JobId,
    identification: Option<String>,
    was: Option<String>,
}

impl Store {
    /// The devices on the M-Bus channels of a meter, by channel, the latest first.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn mbus_devices(&self, meter: MeterId) -> Result<Vec<DeviceEpoch>, Error> {
        sqlx::query_as(
            "/* store::mbus_devices */
             SELECT channel, since, before, read_at, identification, manufacturer, version, device_type, job_id,
                 (SELECT p.serial FROM meter p WHERE p.id = d.part_id) AS part
             FROM (SELECT * FROM mbus_device WHERE meter_id = $1 ORDER BY since DESC LIMIT $2) AS d
             ORDER BY channel, since DESC",
        )
        .bind(meter)
        .bind(DEVICES)
        .fetch_all(self.pool())
        .await
        .map_err(failed("store::mbus_devices"))
    }

    /// The part of a meter that is on one of its channels now.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn mbus_part(&self, meter: MeterId, channel: u8) -> Result<Option<MeterId>, Error> {
        let part = sqlx::query_scalar::<_, Option<MeterId>>(
            "/* store::mbus_part */
             SELECT part_id FROM mbus_device WHERE meter_id = $1 AND channel = $2 ORDER BY since DESC LIMIT 1",
        );
        let part = part.bind(meter).bind(i16::from(channel)).fetch_optional(self.pool()).await;
        Ok(part.map_err(failed("store::mbus_part"))?.flatten())
    }
}

/// Notes which devices meters show on their channels, the latest look at each. Where one is another than before, it begins a row of its own, and there is a flag
/// if a device was there before. Parts follow.
pub(super) async fn write(
    connection: &mut PgConnection,
    channels: &BTreeMap<(MeterId, u8), (JobId, MBusChannel)>,
) -> Result<Vec<NewFlag>, Error> {
    if channels.is_empty() {
        return Ok(Vec::new());
    }
    let device = |of: fn(&MBusDevice) -> i16| {
        channels.values().map(|(_, shown)| shown.device.as_ref().map(of)).collect::<Vec<_>>()
    };
    let text = |of: fn(&MBusDevice) -> String| {
        channels.values().map(|(_, shown)| shown.device.as_ref().map(of)).collect::<Vec<_>>()
    };
    let begun: Vec<Begun> = sqlx::query_as(
        "/* store::mbus::write */
         WITH read AS (
             SELECT n.*, k.since AS known, k.read_at AS before, k.identification AS was,
                 (n.identification, n.manufacturer, n.version, n.device_type)
                     IS NOT DISTINCT FROM (k.identification, k.manufacturer, k.version, k.device_type) AS is_same
             FROM unnest($1::int4[], $2::int2[], $3::int8[], $4::timestamptz[], $5::text[], $6::text[], $7::int2[], $8::int2[])
                 AS n (meter_id, channel, job_id, at, identification, manufacturer, version, device_type)
             JOIN meter m ON m.id = n.meter_id
             LEFT JOIN LATERAL (
                 SELECT * FROM mbus_device d WHERE d.meter_id = n.meter_id AND d.channel = n.channel ORDER BY since DESC LIMIT 1) k ON true
             WHERE k.read_at IS NULL OR k.read_at < n.at),
         same AS (
             UPDATE mbus_device d SET read_at = n.at FROM read n
             WHERE d.meter_id = n.meter_id AND d.channel = n.channel AND d.since = n.known AND n.is_same),
         begun AS (
             INSERT INTO mbus_device (meter_id, channel, since, before, read_at, identification, manufacturer, version, device_type, job_id)
             SELECT meter_id, channel, at, before, at, identification, manufacturer, version, device_type, job_id FROM read
             WHERE known IS NULL OR NOT is_same
             RETURNING meter_id, channel, since)
         SELECT b.meter_id, b.channel, b.since, n.job_id, n.identification, n.was FROM begun b JOIN read n USING (meter_id, channel)",
    )
    .bind(channels.keys().map(|(meter, _)| *meter).collect::<Vec<_>>())
    .bind(channels.keys().map(|(_, channel)| i16::from(*channel)).collect::<Vec<_>>())
    .bind(channels.values().map(|(job, _)| *job).collect::<Vec<_>>())
    .bind(channels.values().map(|(_, shown)| shown.read_at.to_sqlx()).collect::<Vec<_>>())
    .bind(text(MBusDevice::number))
    .bind(text(MBusDevice::maker))
    .bind(device(|device| device.version.into()))
    .bind(device(|device| device.device_type.into()))
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("store::mbus::write"))?;
    let others = begun.iter().filter_map(|begun| {
        let channel = u8::try_from(begun.channel).ok()?;
        let (_, shown) = channels.get(&(begun.meter_id, channel))?;
        Some((begun.meter_id, begun.channel, shown.device.as_ref().map(MBusDevice::serial)))
    });
    parts::replace(connection, others.collect()).await?;
    Ok(begun.iter().filter_map(exchange).collect())
}

/// The flag of a device that is not there any more; `None` when there was none.
fn exchange(begun: &Begun) -> Option<NewFlag> {
    let was = begun.was.as_ref()?;
    // A number that has other digits than BCD is not told as one.
    let number = |text: &String| text.parse::<i64>().ok();
    let (value, reference) = (begun.identification.as_ref().and_then(number), number(was));
    Some(NewFlag {
        meter: begun.meter_id,
        rule: FlagRule::DeviceExchanged,
        ts: begun.since.to_jiff().as_microsecond(),
        layout: None,
        obis: [0, u8::try_from(begun.channel).ok()?, 24, 1, 0, 255],
        attribute: IDENTIFICATION,
        numbers: Numbers { value, reference, ..Numbers::default() },
        unit: NO_UNIT,
        octets: None,
        job: begun.job_id,
    })
}
