//! Devices as parts of their meter, and what was captured as theirs.
//!
//! A capture is that of the device which is on the channel, when it was made after the device was first seen there and before it was last seen. What was
//! captured before is of nobody: between the last sight of one device and the first of the next nobody knows whose it is, and scaler and unit are those of the
//! device that is there now.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use collectors::{Layout, MeterId};
use dlms::Obis;
use jiff::Timestamp;
use jiff_sqlx::Timestamp as SqlTimestamp;
use models::{MBUS_DEVICE, MBus};
use sqlx::{FromRow, PgConnection};

use super::super::digest::{Digest, intervals};
use super::super::ledger::Absence;
use super::super::profiles::ProfileKey;
use super::super::{Error, failed};

/// The devices that are on channels.
#[derive(Debug, Default)]
pub(in crate::store) struct Parts(BTreeMap<(MeterId, u8), Part>);

#[derive(Debug, Clone, Copy)]
struct Part {
    id: MeterId,
    /// When it was first seen.
    since: Timestamp,
    /// When it was last seen.
    until: Timestamp,
}

#[derive(FromRow)]
struct Row {
    meter_id: MeterId,
    channel: i16,
    part_id: MeterId,
    since: SqlTimestamp,
    read_at: SqlTimestamp,
}

/// Has the parts on channels replaced by these, with the serial number of each, or by none. What is exchanged or taken away is retired; a device that was known
/// before goes on where it is now. All of it goes into the audit.
pub(super) async fn replace(
    connection: &mut PgConnection,
    others: Vec<(MeterId, i16, Option<String>)>,
) -> Result<(), Error> {
    if others.is_empty() {
        return Ok(());
    }
    let failed = failed("store::mbus::replace");
    let meters: Vec<MeterId> = others.iter().map(|(meter, ..)| *meter).collect();
    let channels: Vec<i16> = others.iter().map(|(_, channel, _)| *channel).collect();
    let serials: Vec<Option<String>> = others.into_iter().map(|(.., serial)| serial).collect();
    let retired = sqlx::query(
        "/* store::mbus::replace */
         WITH gone AS (
             UPDATE meter m SET state = 'retired', retired_at = now() FROM unnest($1::int4[], $2::int2[]) AS b (parent, channel)
             WHERE m.parent_id = b.parent AND m.subunit = b.channel AND m.model = $3 AND m.state = 'active'
             RETURNING m.serial, b.parent, b.channel)
         INSERT INTO audit (principal, action, target, outcome, detail)
         SELECT 'headend', 'part.retired', g.serial, 'accepted', format('It is not on M-Bus channel %s of meter %s any more.', g.channel, p.serial)
         FROM gone g JOIN meter p ON p.id = g.parent",
    );
    let retired = retired.bind(&meters).bind(&channels).bind(MBUS_DEVICE);
    retired.execute(&mut *connection).await.map_err(&failed)?;
    // Its address leads nowhere: nothing is ever asked of it, and nobody else is there.
    let added = sqlx::query(
        "/* store::mbus::replace */
         WITH added AS (
             INSERT INTO meter AS m (serial, model, address, server_sap, client_sap, zone, security, parent_id, subunit)
             SELECT DISTINCT ON (b.serial) b.serial, $4, format('mbus://%s/%s', p.serial, b.channel), p.server_sap, p.client_sap, p.zone, 'none', p.id, b.channel
             FROM unnest($1::int4[], $2::int2[], $3::text[]) AS b (parent, channel, serial) JOIN meter p ON p.id = b.parent
             WHERE b.serial IS NOT NULL ORDER BY b.serial, b.channel
             ON CONFLICT (serial) DO UPDATE SET address = EXCLUDED.address, zone = EXCLUDED.zone, parent_id = EXCLUDED.parent_id,
                 subunit = EXCLUDED.subunit, state = 'active', retired_at = NULL
             WHERE m.model = $4
             RETURNING m.id, m.serial, m.parent_id, m.subunit),
         placed AS (
             UPDATE mbus_device d SET part_id = a.id FROM added a
             WHERE d.meter_id = a.parent_id AND d.channel = a.subunit AND d.since = (
                 SELECT max(l.since) FROM mbus_device l WHERE l.meter_id = a.parent_id AND l.channel = a.subunit))
         INSERT INTO audit (principal, action, target, outcome, detail)
         SELECT 'headend', 'part.added', a.serial, 'accepted', format('It was seen on M-Bus channel %s of meter %s.', a.subunit, p.serial)
         FROM added a JOIN meter p ON p.id = a.parent_id",
    );
    let added = added.bind(&meters).bind(&channels).bind(&serials).bind(MBUS_DEVICE);
    added.execute(connection).await.map_err(&failed).map(drop)
}

impl Parts {
    /// The devices that are on the channels of these profiles.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub(in crate::store) async fn of(
        connection: &mut PgConnection,
        profiles: &BTreeSet<ProfileKey>,
    ) -> Result<Self, Error> {
        let channels: BTreeSet<(MeterId, u8)> = profiles.iter().filter_map(|key| channel(*key)).collect();
        if channels.is_empty() {
            return Ok(Self::default());
        }
        let rows: Vec<Row> = sqlx::query_as(
            "/* store::mbus::parts */
             SELECT d.meter_id, d.channel, d.part_id, d.since, d.read_at
             FROM unnest($1::int4[], $2::int2[]) AS w (meter_id, channel) CROSS JOIN LATERAL (
                 SELECT * FROM mbus_device l WHERE l.meter_id = w.meter_id AND l.channel = w.channel ORDER BY since DESC LIMIT 1) AS d
             WHERE d.part_id IS NOT NULL",
        )
        .bind(channels.iter().map(|(meter, _)| *meter).collect::<Vec<_>>())
        .bind(channels.iter().map(|(_, channel)| i16::from(*channel)).collect::<Vec<_>>())
        .fetch_all(connection)
        .await
        .map_err(failed("store::mbus::parts"))?;
        let part = |row: Row| {
            let part = Part { id: row.part_id, since: row.since.to_jiff(), until: row.read_at.to_jiff() };
            Some(((row.meter_id, u8::try_from(row.channel).ok()?), part))
        };
        Ok(Self(rows.into_iter().filter_map(part).collect()))
    }

    /// The batch with the captures of channels as those of the devices; the others are left out. How far a channel was read stays with its meter.
    pub(in crate::store) fn deal<'d, 'a>(&self, digest: &'d Digest<'a>) -> Cow<'d, Digest<'a>> {
        if !digest.layouts.values().any(|layout| MBus::channel(layout.obis).is_some()) {
            return Cow::Borrowed(digest);
        }
        let mut dealt = digest.clone();
        let of_channel = |meter: MeterId, layout: i32| {
            let layout: &Layout = digest.layouts.get(&layout)?;
            Some((layout, channel((meter, layout.obis))?))
        };
        let mut gained: BTreeMap<(MeterId, Obis), (i32, u32, Vec<Timestamp>)> = BTreeMap::new();
        dealt.rows.retain_mut(|row| {
            let Some((layout, channel)) = of_channel(row.meter, row.layout) else { return true };
            let at = Timestamp::from_microsecond(row.ts).unwrap_or(Timestamp::MIN);
            let Some(part) = self.0.get(&channel).filter(|part| part.since < at && at <= part.until) else {
                return false;
            };
            row.meter = part.id;
            let gain =
                gained.entry((part.id, layout.obis)).or_insert((row.layout, layout.period_s, Vec::new()));
            gain.0 = row.layout;
            gain.2.push(at);
            true
        });
        for (key, (layout, period_s, at)) in gained {
            let advance = dealt.advances.entry(key).or_default();
            advance.layout = Some(layout);
            advance.last_ts = at.iter().max().copied();
            advance.covered = intervals(&at, period_s);
        }
        for (meter, _, _, layout) in &mut dealt.odd {
            let of_channel = layout.and_then(|layout| of_channel(*meter, layout));
            *meter = of_channel.and_then(|(_, channel)| self.0.get(&channel)).map_or(*meter, |part| part.id);
        }
        Cow::Owned(dealt)
    }

    /// What of the captures that meters did not give is lost of devices; what a channel does not have of the time before its device is no loss.
    pub(in crate::store) fn lose(&self, absent: Vec<Absence>) -> Vec<Absence> {
        let lost = absent.into_iter().filter_map(|absence| {
            let Some(channel) = channel(absence.key) else { return Some(absence) };
            let part = self.0.get(&channel)?;
            let range = (absence.range.0.max(part.since), absence.range.1.min(part.until));
            (range.0 < range.1).then_some(Absence { key: (part.id, absence.key.1), range, ..absence })
        });
        lost.collect()
    }
}

/// The channel of a meter whose profile this is.
fn channel((meter, profile): ProfileKey) -> Option<(MeterId, u8)> {
    Some((meter, MBus::channel(profile)?))
}
