//! The one statement of [`Store::lease`] and what is made of its rows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use collectors::{Credentials, Layout, Level, Protection};
use dlms::client::{GlobalKeys, Hls, Password, SecurityPolicy, Suite};
use jiff_sqlx::Timestamp as SqlTimestamp;
use sqlx::FromRow;
use uuid::Uuid;

use super::jobs::{Leased, LeasedCommand, LeasedJob, LeasedVia, URGENT, Wanted, interval};
use super::layouts::{obis, small};
use super::{CommandKind, Error, JobKind, Policy, Security, Store, failed};

/// Most jobs of one meter that one statement takes.
const JOBS_PER_METER: i64 = 32;

/// Queued jobs that are looked at for each meter that is wanted, so that one group or another collector does not hide what stands behind it.
const CANDIDATES: i64 = 2;

/// For so many days at least, and less than twice as many, the columns of a profile are taken to be those that they were: not all meters are asked on one day.
const LAYOUT_DAYS: i32 = 7;

/// `picked` locks the meters with their lines and skips those that another owner is just taking. Everything after it sees only those.
/// A line that is ours already has its session, and so none of its group's room is needed. The room of a group is counted by jobs, which
/// are more than sessions: what is left out is taken by the next statement.
/// Of lines that nobody has to open `caller_is_here` says yes; it is not asked, because a call costs more than all else that a look at a job does.
/// A meter that was corrected while it is ours may be on another line now: it is first given back.
/// A job is checked again where it is updated, because a person may have called it off in between. A command is armed: from here on something
/// may be on the wire, and one that was armed before and did not end is in doubt. Orders to one switch are carried out in the order in which
/// they were accepted. The counter row is made with the first reservation.
/// What follows `picked` is looked up by keys that are known, so that the server reads no more for it when it believes its indexes empty.
const LEASE: &str = "/* store::jobs::lease */
WITH candidates AS MATERIALIZED (
    SELECT j.meter_id, j.priority, j.wanted_by, j.due_at,
        CASE WHEN j.priority < $9 AND l.lease_owner IS DISTINCT FROM $1 THEN m.throttle_group END AS throttle_group
    FROM job j JOIN meter m ON m.id = j.meter_id JOIN line l ON l.name = m.line
    WHERE j.state = 'due' AND NOT j.waits AND j.behind IS NULL AND j.due_at <= now() AND j.priority BETWEEN $7 AND $15
        AND m.state = 'active' AND (m.lease_owner IS NULL OR m.lease_owner = $1 AND NOT m.corrected)
        AND (l.lease_owner IS NULL OR l.lease_owner = $1 OR l.lease_until < now())
        AND (j.priority >= $9 OR m.line <> ALL ($8)
            AND (l.lease_owner = $1 OR m.throttle_group IS NULL OR m.throttle_group <> ALL ($12)))
        AND (m.line NOT LIKE 'inbound://%' AND m.line NOT LIKE 'concentrator://%' OR caller_is_here(m.line, $1, j.priority >= $9))
    ORDER BY j.priority DESC, j.wanted_by, j.due_at LIMIT $2 * $13),
placed AS (
    SELECT c.*, row_number() OVER (PARTITION BY throttle_group ORDER BY priority DESC, wanted_by, due_at) AS place FROM candidates c),
picked AS (
    SELECT m.id FROM placed c JOIN meter m ON m.id = c.meter_id JOIN line l ON l.name = m.line
    LEFT JOIN unnest($10::text[], $11::int4[]) AS r (name, room) ON r.name = c.throttle_group
    WHERE (c.throttle_group IS NULL OR c.place <= coalesce(r.room, $14))
        AND m.state = 'active' AND (m.lease_owner IS NULL OR m.lease_owner = $1 AND NOT m.corrected)
        AND (l.lease_owner IS NULL OR l.lease_owner = $1 OR l.lease_until < now())
    ORDER BY c.priority DESC, c.wanted_by, c.due_at LIMIT $2 FOR NO KEY UPDATE OF m, l SKIP LOCKED),
waiting AS MATERIALIZED (
    SELECT j.id, row_number() OVER (PARTITION BY j.meter_id ORDER BY j.priority DESC, j.wanted_by, j.due_at, j.id) AS place
    FROM job j WHERE j.meter_id = ANY (ARRAY(SELECT id FROM picked)) AND j.finished_at IS NULL AND j.state = 'due'
        AND j.due_at <= now() AND j.priority >= $7
        AND (j.kind <> 'command' OR NOT command_waits(j.id))),
taken AS (
    UPDATE job j SET state = 'running', lease_owner = $1, started_at = now(), attempts = j.attempts + 1
    FROM waiting w WHERE w.id = j.id AND w.place <= $3 AND j.state = 'due' RETURNING j.*),
armed AS (
    UPDATE command c SET state = 'sending', in_doubt = c.state <> 'accepted', sent_at = coalesce(c.sent_at, now())
    FROM taken t WHERE c.job_id = t.id AND c.finished_at IS NULL RETURNING c.*),
leased AS (
    UPDATE meter m SET lease_owner = $1, lease_until = now() + $4, corrected = false
    WHERE m.id IN (SELECT meter_id FROM taken) RETURNING m.*),
lines AS (
    UPDATE line l SET lease_owner = $1, lease_until = now() + $4 WHERE l.name IN (SELECT line FROM leased)),
wanted AS (
    SELECT l.id, count(*) * $5 AS size FROM leased l JOIN taken t ON t.meter_id = l.id
    WHERE EXISTS (SELECT FROM meter_secret s WHERE s.meter_id = l.id AND s.encryption_key IS NOT NULL) GROUP BY l.id),
reserved AS (
    INSERT INTO meter_counter AS c (meter_id, next) SELECT id, 1 + size FROM wanted
    ON CONFLICT (meter_id) DO UPDATE SET next = c.next + EXCLUDED.next - 1
        WHERE c.next + EXCLUDED.next - 1 <= 4294967295
    RETURNING c.meter_id, c.next)
SELECT l.id AS meter, l.serial, l.model, l.line, coalesce(w.address, l.address) AS address,
    CASE WHEN w.place IS NULL THEN l.device_address ELSE w.device_address END AS device_address, l.subunit, l.throttle_group,
    l.server_sap, l.client_sap, l.zone, l.security, l.client_title,
    l.suite, l.policy, l.meter_public_key, l.system_title, s.password, s.encryption_key, s.authentication_key, s.signing_key, r.next AS counters_end,
    t.id AS job, t.kind, t.obis, t.from_ts, t.to_ts, t.priority, t.attempts, t.request_id, t.trace_parent,
    t.started_at, l.registers_read_at, p.last_ts, y.layout_id,
    d.id AS via, d.address AS via_address, d.model AS via_model,
    a.id AS command, a.kind AS command_kind, a.deadline, a.in_doubt, a.progress_total, o.arguments,
    CASE WHEN y.layout_id <> ALL ($6) THEN layout_json(y.layout_id) END AS layout
FROM leased l JOIN taken t ON t.meter_id = l.id
LEFT JOIN meter_path w ON w.meter_id = l.id AND w.place = l.path
LEFT JOIN reserved r ON r.meter_id = l.id
LEFT JOIN meter_secret s ON s.meter_id = l.id
LEFT JOIN meter d ON d.serial = concentrator_of(coalesce(w.address, l.address))
LEFT JOIN armed a ON a.job_id = t.id
LEFT JOIN command_order o ON o.id = a.order_id
LEFT JOIN meter_profile p ON t.kind = 'read_profile' AND p.meter_id = l.id AND p.obis = t.obis
LEFT JOIN LATERAL (SELECT p.layout_id WHERE p.layout_read_at > now() - make_interval(days => $16 + l.id % $16)) y ON true
ORDER BY l.id, t.priority DESC, t.wanted_by, t.due_at, t.id";

/// A row of that statement: a job, with its meter repeated.
#[derive(FromRow)]
struct Row {
    meter: i32,
    serial: String,
    model: String,
    line: String,
    address: String,
    device_address: Option<i64>,
    subunit: Option<i16>,
    throttle_group: Option<String>,
    server_sap: i32,
    client_sap: i32,
    zone: String,
    security: Security,
    client_title: Option<Vec<u8>>,
    suite: i16,
    policy: Policy,
    meter_public_key: Option<Vec<u8>>,
    system_title: Option<Vec<u8>>,
    password: Option<Vec<u8>>,
    encryption_key: Option<Vec<u8>>,
    authentication_key: Option<Vec<u8>>,
    signing_key: Option<Vec<u8>>,
    counters_end: Option<i64>,
    job: i64,
    kind: JobKind,
    obis: Option<Vec<u8>>,
    from_ts: Option<SqlTimestamp>,
    to_ts: Option<SqlTimestamp>,
    priority: i16,
    attempts: i16,
    request_id: Option<Uuid>,
    trace_parent: Option<String>,
    started_at: SqlTimestamp,
    registers_read_at: Option<SqlTimestamp>,
    last_ts: Option<SqlTimestamp>,
    layout_id: Option<i32>,
    layout: Option<String>,
    via: Option<i32>,
    via_address: Option<String>,
    via_model: Option<String>,
    command: Option<i64>,
    command_kind: Option<CommandKind>,
    deadline: Option<SqlTimestamp>,
    in_doubt: Option<bool>,
    progress_total: Option<i32>,
    arguments: Option<Vec<u8>>,
}

pub(super) async fn lease(
    store: &Store,
    owner: Uuid,
    wanted: Wanted,
    time: Duration,
    counters: u32,
) -> Result<Vec<Leased>, Error> {
    // The cache may drop a layout while the statement runs; what is known is held on to until the rows are read.
    let known: BTreeMap<i32, Arc<Layout>> = store.layouts.known();
    let ids: Vec<i32> = known.keys().copied().collect();
    let full = wanted.rooms.iter().filter(|(_, room)| **room == 0).map(|(name, _)| name.clone());
    let full: Vec<String> = full.collect();
    let rooms = wanted.rooms.values().map(|room| i32::try_from(*room).unwrap_or(i32::MAX));
    let rooms: Vec<i32> = rooms.collect();
    let names: Vec<String> = wanted.rooms.into_keys().collect();
    let rows: Vec<Row> = sqlx::query_as(LEASE)
        .bind(owner)
        .bind(i64::from(wanted.meters))
        .bind(JOBS_PER_METER)
        .bind(interval(time))
        .bind(i64::from(counters))
        .bind(ids)
        .bind(wanted.least_priority)
        .bind(wanted.busy)
        .bind(URGENT)
        .bind(names)
        .bind(rooms)
        .bind(full)
        .bind(CANDIDATES)
        .bind(i64::from(wanted.room))
        .bind(wanted.most_priority)
        .bind(LAYOUT_DAYS)
        .fetch_all(&store.pool)
        .await
        .map_err(failed("store::jobs::lease"))?;
    fold(store, rows, &known, counters)
}

/// Rows of one meter become one [`Leased`], whose block of counters is dealt out among its jobs.
fn fold(
    store: &Store,
    rows: Vec<Row>,
    known: &BTreeMap<i32, Arc<Layout>>,
    counters: u32,
) -> Result<Vec<Leased>, Error> {
    let mut leased: Vec<Leased> = Vec::new();
    let mut rest: Option<i64> = None;
    let total = rows.iter().fold(BTreeMap::<i32, i64>::new(), |mut total, row| {
        *total.entry(row.meter).or_default() += 1;
        total
    });
    for row in rows {
        if leased.last().is_none_or(|meter| meter.meter != row.meter) {
            let size = total.get(&row.meter).copied().unwrap_or(0) * i64::from(counters);
            rest = row.counters_end.map(|end| end - size);
            leased.push(meter(&row)?);
        }
        let layout = match (row.layout_id, &row.layout) {
            (Some(id), Some(json)) => Some(store.layouts.learn(id, json)?),
            (Some(id), None) => known.get(&id).cloned(),
            (None, _) => None,
        };
        let job = job(&row, layout, take(&mut rest, counters)?)?;
        if let Some(meter) = leased.last_mut() {
            meter.jobs.push(job);
        }
    }
    Ok(leased)
}

/// Cuts the next piece off a block of counters.
fn take(rest: &mut Option<i64>, size: u32) -> Result<Option<(u32, u32)>, Error> {
    let Some(first) = *rest else { return Ok(None) };
    let end = first + i64::from(size);
    *rest = Some(end);
    Ok(Some((small("invocation counter", first)?, small("invocation counter", end)?)))
}

fn meter(row: &Row) -> Result<Leased, Error> {
    Ok(Leased {
        meter: row.meter,
        serial: row.serial.clone(),
        model: row.model.clone(),
        line: row.line.clone(),
        address: row.address.clone(),
        throttle_group: row.throttle_group.clone(),
        device_address: row.device_address.map(|address| small("device address", address)).transpose()?,
        subunit: row.subunit.map(|subunit| small("sub-unit", subunit)).transpose()?,
        via: via(row),
        server_sap: small("server address", row.server_sap)?,
        client_sap: small("client address", row.client_sap)?,
        zone: row.zone.clone(),
        credentials: credentials(row)?,
        jobs: Vec::new(),
    })
}

/// The concentrator; `None` when there is none, or none of that serial number.
fn via(row: &Row) -> Option<LeasedVia> {
    let (address, model) = (row.via_address.clone()?, row.via_model.clone()?);
    Some(LeasedVia { meter: row.via?, address, model })
}

fn job(row: &Row, layout: Option<Arc<Layout>>, counters: Option<(u32, u32)>) -> Result<LeasedJob, Error> {
    Ok(LeasedJob {
        id: row.job,
        kind: row.kind,
        obis: row.obis.as_deref().map(obis).transpose()?,
        range: row.from_ts.zip(row.to_ts).map(|(from, to)| (from.to_jiff(), to.to_jiff())),
        priority: row.priority,
        attempts: row.attempts,
        counters,
        layout,
        last_ts: row.last_ts.map(SqlTimestamp::to_jiff),
        started_at: row.started_at.to_jiff(),
        registers_read_at: row.registers_read_at.map(SqlTimestamp::to_jiff),
        request_id: row.request_id,
        trace_parent: row.trace_parent.clone(),
        command: command(row),
    })
}

/// The command of a job; `None` for a read, and when the command came to its end without the job.
fn command(row: &Row) -> Option<LeasedCommand> {
    Some(LeasedCommand {
        id: row.command?,
        kind: row.command_kind?,
        deadline: row.deadline?.to_jiff(),
        in_doubt: row.in_doubt?,
        steps: row.progress_total?,
        arguments: row.arguments.clone(),
    })
}

fn credentials(row: &Row) -> Result<Credentials, Error> {
    let absent =
        |what: &'static str| Error::Unreadable { what, detail: format!("none for meter {}", row.serial) };
    let password = || row.password.clone().map(Password::new).ok_or_else(|| absent("password"));
    let level = match row.security {
        Security::None => Level::None,
        Security::Lls => Level::Lls { password: password()? },
        Security::Manufacturer => Level::Hls(Hls::Manufacturer { secret: password()? }),
        Security::Md5 => Level::Hls(Hls::Md5 { secret: password()? }),
        Security::Sha1 => Level::Hls(Hls::Sha1 { secret: password()? }),
        Security::Gmac => Level::Hls(Hls::Gmac),
        Security::Sha256 => Level::Hls(Hls::Sha256 { secret: password()? }),
        Security::Ecdsa => Level::Hls(Hls::Ecdsa {
            signing: made(row.signing_key.as_deref()).ok_or_else(|| absent("signing key"))?,
            verifying: made(row.meter_public_key.as_deref()).ok_or_else(|| absent("public key"))?,
        }),
    };
    let protection = match &row.encryption_key {
        None => None,
        Some(encryption) => Some(Protection {
            keys: GlobalKeys {
                suite: u8::try_from(row.suite)
                    .ok()
                    .and_then(|number| Suite::try_from(number).ok())
                    .ok_or_else(|| absent("suite"))?,
                encryption: made(Some(encryption)).ok_or_else(|| absent("encryption key"))?,
                authentication: made(row.authentication_key.as_deref())
                    .ok_or_else(|| absent("authentication key"))?,
            },
            policy: match row.policy {
                Policy::None => SecurityPolicy::None,
                Policy::Authenticated => SecurityPolicy::Authenticated,
                Policy::Encrypted => SecurityPolicy::Encrypted,
                Policy::AuthenticatedEncrypted => SecurityPolicy::AuthenticatedEncrypted,
            },
        }),
    };
    let title = |octets: &Option<Vec<u8>>| made(octets.as_deref());
    let (client_title, server_title) = (title(&row.client_title), title(&row.system_title));
    Ok(Credentials { level, client_title, server_title, protection })
}

/// What is stored, when it can be read.
fn made<'a, T: TryFrom<&'a [u8]>>(stored: Option<&'a [u8]>) -> Option<T> {
    T::try_from(stored?).ok()
}

impl Drop for Row {
    fn drop(&mut self) {
        use zeroize::Zeroize;
        self.password.zeroize();
        self.encryption_key.zeroize();
        self.authentication_key.zeroize();
        self.signing_key.zeroize();
    }
}
