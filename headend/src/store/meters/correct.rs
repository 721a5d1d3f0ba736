//! Corrections: what the inventory says of meters is replaced, in one transaction with the look at what it says until then.

use std::collections::BTreeMap;

use collectors::MeterId;
use models::MBUS_DEVICE;
use sqlx::{FromRow, PgConnection, PgTransaction};
use zeroize::Zeroize as _;

use super::super::{Error, JOB_CHANNEL, Policy, Security, Store, audit, failed};
use super::insert::{CHUNK, column, insert_paths, new_rows, orphans, with_rows, write_secrets};
use super::{Added, Entry, NewMeter, PartOf};
use crate::plan::SCHEDULED;

/// What the inventory says of a meter, its secrets included, which are wiped when it is dropped.
#[derive(FromRow)]
pub struct Standing {
    /// Key.
    pub id: MeterId,
    /// Serial number.
    pub serial: String,
    /// Whether it is in service.
    pub is_active: bool,
    /// Name of its model.
    pub model: String,
    /// Where its line ends.
    pub address: String,
    /// The meter on its line.
    pub device_address: Option<i64>,
    /// Addresses of the further ways to it.
    pub paths: Vec<String>,
    /// The meter on each of them.
    pub path_device_addresses: Vec<Option<i64>>,
    /// Serial number of the meter that it is a sub-unit of.
    pub parent: Option<String>,
    /// Which sub-unit it is.
    pub subunit: Option<i16>,
    /// Which circuit of it, from 1.
    pub circuit: i16,
    /// Address and further ways are those of its parent.
    pub has_way_of_parent: bool,
    /// Its device address is that of its parent.
    pub has_device_address_of_parent: bool,
    /// Its throttle group is that of its parent.
    pub has_group_of_parent: bool,
    /// What carries it together with others.
    pub throttle_group: Option<String>,
    /// Pulses for a kilowatt-hour, as on its plate.
    pub pulses_per_kwh: Option<i32>,
    /// Ratio of the transformers in front of it.
    pub ratio: Option<String>,
    /// Address of the logical device in the meter.
    pub server_sap: i32,
    /// Address of the client.
    pub client_sap: i32,
    /// IANA time zone.
    pub zone: String,
    /// Its system title.
    pub system_title: Option<Vec<u8>>,
    /// What it calls itself in pushes.
    pub equipment_id: Option<String>,
    /// How the head-end shows who it is.
    pub security: Security,
    /// Security suite.
    pub suite: i16,
    /// How messages are protected.
    pub policy: Policy,
    /// System title of the client.
    pub client_title: Option<Vec<u8>>,
    /// The meter's public key for signatures.
    pub meter_public_key: Option<Vec<u8>>,
    /// Password or secret.
    pub password: Option<Vec<u8>>,
    /// Encryption key.
    pub encryption_key: Option<Vec<u8>>,
    /// Authentication key.
    pub authentication_key: Option<Vec<u8>>,
    /// Private key for signatures.
    pub signing_key: Option<Vec<u8>>,
    /// The lowest invocation counter that was never reserved.
    pub next_counter: Option<i64>,
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.password.zeroize();
        self.encryption_key.zeroize();
        self.authentication_key.zeroize();
        self.signing_key.zeroize();
    }
}

/// What a meter is from now on. Everything was checked before.
#[derive(Debug)]
pub struct Correction {
    /// Key of the meter.
    pub id: MeterId,
    /// What it is.
    pub meter: NewMeter,
    /// There are other ways to it than before.
    pub is_moved: bool,
    /// It has another model than before.
    pub is_remodelled: bool,
    /// It was out of service.
    pub was_retired: bool,
}

/// Corrections that are being made: the meters are locked until they are written, or nothing is when this is dropped.
#[derive(Debug)]
pub struct Correcting {
    transaction: PgTransaction<'static>,
}

impl Store {
    /// Begins to correct the meters with these serial numbers: what the inventory says of them, and of the sub-units in service that they have.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn correct_meters(&self, serials: &[String]) -> Result<(Correcting, Vec<Standing>), Error> {
        let failed = failed("store::meters::correct");
        let mut transaction = self.pool().begin().await.map_err(&failed)?;
        let standing = sqlx::query_as(
            "/* store::meters::correct */
             SELECT m.id, m.serial, m.state = 'active' AS is_active, m.model, m.address, m.device_address, p.serial AS parent, m.subunit, m.circuit,
                 m.throttle_group, m.pulses_per_kwh, m.ratio, m.server_sap, m.client_sap, m.zone, m.system_title, m.equipment_id, m.security, m.suite,
                 m.policy, m.client_title, m.meter_public_key, w.addresses AS paths, w.device_addresses AS path_device_addresses,
                 p.id IS NOT NULL AND m.address = p.address AND w.addresses = ARRAY(
                     SELECT o.address FROM meter_path o WHERE o.meter_id = p.id ORDER BY o.place) AS has_way_of_parent,
                 p.id IS NOT NULL AND m.device_address IS NOT DISTINCT FROM p.device_address AS has_device_address_of_parent,
                 p.id IS NOT NULL AND m.throttle_group IS NOT DISTINCT FROM p.throttle_group AS has_group_of_parent,
                 s.password, s.encryption_key, s.authentication_key, s.signing_key, c.next AS next_counter
             FROM meter m LEFT JOIN meter p ON p.id = m.parent_id
             LEFT JOIN meter_secret s ON s.meter_id = m.id LEFT JOIN meter_counter c ON c.meter_id = m.id
             CROSS JOIN LATERAL (
                 SELECT coalesce(array_agg(o.address ORDER BY o.place), '{}') AS addresses,
                     coalesce(array_agg(o.device_address ORDER BY o.place), '{}') AS device_addresses
                 FROM meter_path o WHERE o.meter_id = m.id) w
             WHERE m.id = ANY (ARRAY(
                 SELECT id FROM meter WHERE serial = ANY ($1) UNION
                 SELECT u.id FROM meter u JOIN meter o ON o.id = u.parent_id
                 WHERE o.serial = ANY ($1) AND u.state = 'active' AND u.model <> $2))
             ORDER BY m.id FOR NO KEY UPDATE OF m",
        );
        let standing = standing.bind(serials).bind(MBUS_DEVICE);
        let standing = standing.fetch_all(&mut *transaction).await.map_err(&failed)?;
        Ok((Correcting { transaction }, standing))
    }
}

impl Correcting {
    /// Writes all corrections or none, and `entry` into the audit. What failed of the meters before is forgotten, and tried again at once. What runs on
    /// one of them goes by what it was, and the lease that comes after it by what it is.
    ///
    /// # Errors
    /// Every [`Error`] of the server; nothing was corrected then, unless the answer to the commit was lost.
    pub async fn write(mut self, corrections: &[Correction], entry: &Entry) -> Result<Added, Error> {
        let failed = failed("store::meters::correct");
        let taken = taken(&mut self.transaction, corrections).await?;
        if !taken.is_empty() {
            return Ok(Added::Taken(taken));
        }
        let (subunits, devices): (Vec<&Correction>, Vec<&Correction>) =
            corrections.iter().partition(|correction| correction.meter.part_of.is_some());
        self.update(&devices).await?;
        let parts: Vec<&NewMeter> = subunits.iter().map(|correction| &correction.meter).collect();
        let mut orphans = orphans(&mut self.transaction, &parts).await?;
        if orphans.is_empty() {
            self.update(&subunits).await?;
            orphans = entangled(&mut self.transaction, corrections).await?;
        }
        if !orphans.is_empty() {
            return Ok(Added::Orphaned(orphans));
        }
        follow(&mut self.transaction, corrections).await?;
        call_off(&mut self.transaction, corrections).await?;
        let ids: Vec<MeterId> = corrections.iter().map(|correction| correction.id).collect();
        begin_anew(&mut self.transaction, &ids).await?;
        audit::insert(&mut self.transaction, entry).await?;
        self.transaction.commit().await.map_err(&failed)?;
        Ok(Added::All)
    }

    /// Writes corrections of meters whose parents are right already.
    async fn update(&mut self, corrections: &[&Correction]) -> Result<(), Error> {
        for chunk in corrections.chunks(CHUNK) {
            let all: Vec<&NewMeter> = chunk.iter().map(|correction| &correction.meter).collect();
            let moved: Vec<&NewMeter> =
                chunk.iter().filter(|correction| correction.is_moved).map(|moved| &moved.meter).collect();
            let ids = chunk.iter().map(|correction| (correction.meter.serial.clone(), correction.id));
            let ids: BTreeMap<String, MeterId> = ids.collect();
            update_meters(&mut self.transaction, &all, &moved).await?;
            forget_ways(&mut self.transaction, chunk).await?;
            insert_paths(&mut self.transaction, &moved, &ids).await?;
            write_secrets(&mut self.transaction, &all, &ids).await?;
        }
        Ok(())
    }
}

/// Forgets what failed of meters, and has what is due of them planned and tried at once: who was corrected is somebody else.
pub(in crate::store) async fn begin_anew(
    connection: &mut PgConnection,
    meters: &[MeterId],
) -> Result<(), Error> {
    if meters.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "/* store::meters::begin_anew */
         WITH healed AS (DELETE FROM meter_trouble WHERE meter_id = ANY ($1) RETURNING meter_id),
         meters AS (
             UPDATE meter SET identify_tried_at = NULL, registers_tried_at = NULL, nodes_tried_at = NULL
             WHERE id IN (SELECT meter_id FROM healed)),
         profiles AS (
             UPDATE meter_profile SET tried_at = NULL, hole_tried_at = NULL WHERE meter_id IN (SELECT meter_id FROM healed)),
         looked AS (
             UPDATE meter_plan SET look_at = now() WHERE meter_id = ANY ($1) AND look_at > now() AND look_at < 'infinity')
         UPDATE job SET due_at = now() WHERE meter_id = ANY ($1) AND finished_at IS NULL AND state = 'due' AND due_at > now()
             AND reason IN ('no_route', 'refused', 'timeout', 'line_cut', 'counter_rejected', 'counters_spent')",
    )
    .bind(meters)
    .execute(connection)
    .await
    .map_err(failed("store::meters::begin_anew"))
    .map(drop)
}

/// The serial numbers of those whose system title, equipment id or place on the parent another meter has, or two of them.
async fn taken(
    transaction: &mut PgTransaction<'_>,
    corrections: &[Correction],
) -> Result<Vec<String>, Error> {
    let meters: Vec<&NewMeter> = corrections.iter().map(|correction| &correction.meter).collect();
    let part = |cell: fn(&PartOf) -> u8| {
        column(&meters, |meter| meter.part_of.as_ref().map(|part| i16::from(cell(part))))
    };
    let connection: &mut PgConnection = transaction;
    sqlx::query_scalar(
        "/* store::meters::taken */
         SELECT n.serial FROM (
             SELECT *, count(*) OVER (PARTITION BY title) AS titles, count(*) OVER (PARTITION BY equipment_id) AS equipment_ids,
                 count(*) OVER (PARTITION BY parent, subunit, circuit) AS places
             FROM unnest($1::int4[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::int2[], $7::int2[])
                 AS n (id, serial, title, equipment_id, parent, subunit, circuit)) AS n
         LEFT JOIN meter p ON p.serial = n.parent
         WHERE n.title IS NOT NULL AND n.titles > 1 OR n.equipment_id IS NOT NULL AND n.equipment_ids > 1 OR n.parent IS NOT NULL AND n.places > 1
             OR EXISTS (SELECT FROM meter o WHERE o.system_title = n.title AND o.id <> n.id)
             OR EXISTS (SELECT FROM meter o WHERE o.equipment_id = n.equipment_id AND o.id <> n.id)
             OR EXISTS (SELECT FROM meter o WHERE o.parent_id = p.id AND o.subunit = n.subunit AND o.circuit = n.circuit
                 AND o.state = 'active' AND o.id <> n.id)
         ORDER BY n.serial",
    )
    .bind(corrections.iter().map(|correction| correction.id).collect::<Vec<_>>())
    .bind(column(&meters, |meter| meter.serial.as_str()))
    .bind(column(&meters, |meter| meter.system_title.as_ref().map(|title| &title[..])))
    .bind(column(&meters, |meter| meter.equipment_id.as_deref()))
    .bind(column(&meters, |meter| meter.part_of.as_ref().map(|part| part.parent.as_str())))
    .bind(part(|part| part.subunit))
    .bind(part(|part| part.circuit))
    .fetch_all(connection)
    .await
    .map_err(failed("store::meters::taken"))
}

/// The ways of those that moved begin with the first.
async fn update_meters(
    transaction: &mut PgTransaction<'_>,
    meters: &[&NewMeter],
    moved: &[&NewMeter],
) -> Result<(), Error> {
    let connection: &mut PgConnection = transaction;
    let statement = concat!(
        "/* store::meters::update_meters */ UPDATE meter m SET
             model = new.model, address = new.address, device_address = new.device_address, server_sap = new.server_sap, client_sap = new.client_sap,
             zone = new.zone, security = new.security, client_title = new.client_title, system_title = new.system_title,
             equipment_id = new.equipment_id, suite = new.suite, policy = new.policy, meter_public_key = new.meter_public_key,
             parent_id = new.parent_id, subunit = new.subunit, circuit = new.circuit, throttle_group = new.throttle_group,
             pulses_per_kwh = new.pulses_per_kwh, ratio = new.ratio, state = 'active', retired_at = NULL,
             line = CASE WHEN m.serial = ANY ($22) THEN coalesce(new.line, address_line(new.address)) ELSE m.line END,
             path = CASE WHEN m.serial = ANY ($22) THEN 0 ELSE m.path END,
             path_since = CASE WHEN m.serial = ANY ($22) THEN NULL ELSE m.path_since END,
             identify_tried_at = CASE WHEN m.model = new.model AND m.zone = new.zone THEN m.identify_tried_at END,
             corrected = m.lease_owner IS NOT NULL
         FROM ",
        new_rows!(),
        " WHERE m.serial = new.serial RETURNING m.serial, m.id"
    );
    let query = with_rows(statement, meters).bind(column(moved, |meter| meter.serial.as_str()));
    query.fetch_all(connection).await.map_err(failed("store::meters::update_meters")).map(drop)
}

/// Takes away the further ways of those that moved, and the secrets of those that need none any more.
async fn forget_ways(transaction: &mut PgTransaction<'_>, corrections: &[&Correction]) -> Result<(), Error> {
    let connection: &mut PgConnection = transaction;
    let ids = |wanted: fn(&Correction) -> bool| -> Vec<MeterId> {
        corrections.iter().filter(|correction| wanted(correction)).map(|correction| correction.id).collect()
    };
    sqlx::query(
        "/* store::meters::forget_ways */
         WITH open AS (
             UPDATE meter_secret SET password = NULL, encryption_key = NULL, authentication_key = NULL, signing_key = NULL WHERE meter_id = ANY ($2))
         DELETE FROM meter_path WHERE meter_id = ANY ($1)",
    )
    .bind(ids(|correction| correction.is_moved))
    .bind(ids(|correction| correction.meter.secrets.is_empty()))
    .execute(connection)
    .await
    .map_err(failed("store::meters::forget_ways"))
    .map(drop)
}

/// The serial numbers of those that are sub-units of sub-units now, or have some.
async fn entangled(
    transaction: &mut PgTransaction<'_>,
    corrections: &[Correction],
) -> Result<Vec<String>, Error> {
    let connection: &mut PgConnection = transaction;
    sqlx::query_scalar(
        "/* store::meters::entangled */
         SELECT m.serial FROM meter m JOIN meter p ON p.id = m.parent_id
         WHERE m.id = ANY ($1) AND (p.parent_id IS NOT NULL OR EXISTS (SELECT FROM meter u WHERE u.parent_id = m.id AND u.state = 'active'))
         ORDER BY m.serial",
    )
    .bind(corrections.iter().map(|correction| correction.id).collect::<Vec<_>>())
    .fetch_all(connection)
    .await
    .map_err(failed("store::meters::entangled"))
}

/// Devices on M-Bus channels are in the zone of their meter, and come back into service with it when they were on it until then.
async fn follow(transaction: &mut PgTransaction<'_>, corrections: &[Correction]) -> Result<(), Error> {
    let connection: &mut PgConnection = transaction;
    let revived = corrections.iter().filter(|correction| correction.was_retired);
    sqlx::query(
        "/* store::meters::follow */
         WITH part AS (
             SELECT u.id, m.zone, u.state = 'active' OR m.id = ANY ($3) AND EXISTS (
                 SELECT FROM mbus_device d WHERE d.part_id = u.id AND d.meter_id = m.id AND d.since = (
                     SELECT max(l.since) FROM mbus_device l WHERE l.meter_id = d.meter_id AND l.channel = d.channel)) AS is_there
             FROM meter m JOIN meter u ON u.parent_id = m.id WHERE m.id = ANY ($1) AND u.model = $2)
         UPDATE meter u SET zone = p.zone, state = CASE WHEN p.is_there THEN 'active' ELSE u.state END,
             retired_at = CASE WHEN NOT p.is_there THEN u.retired_at END
         FROM part p WHERE u.id = p.id AND (u.zone <> p.zone OR p.is_there <> (u.state = 'active'))",
    )
    .bind(corrections.iter().map(|correction| correction.id).collect::<Vec<_>>())
    .bind(MBUS_DEVICE)
    .bind(revived.map(|correction| correction.id).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map_err(failed("store::meters::follow"))
    .map(drop)
}

/// Calls off what was planned by another model: what is due by the one that it has is planned at once.
async fn call_off(transaction: &mut PgTransaction<'_>, corrections: &[Correction]) -> Result<(), Error> {
    let other = corrections.iter().filter(|correction| correction.is_remodelled);
    let other: Vec<MeterId> = other.map(|correction| correction.id).collect();
    if other.is_empty() {
        return Ok(());
    }
    let connection: &mut PgConnection = transaction;
    sqlx::query(
        "/* store::meters::call_off */ WITH ended AS (
             UPDATE job SET state = 'cancelled', reason = 'cancelled', finished_at = now(),
                 detail = 'The model of the meter was corrected before this was done.'
             WHERE meter_id = ANY ($1) AND finished_at IS NULL AND state = 'due' AND priority <= $2 AND kind <> 'command' RETURNING id)
         SELECT pg_notify($3, id::text) FROM ended",
    )
    .bind(other)
    .bind(SCHEDULED)
    .bind(JOB_CHANNEL)
    .execute(connection)
    .await
    .map_err(failed("store::meters::call_off"))
    .map(drop)
}
