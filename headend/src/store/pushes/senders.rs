//! Who sent a push: by system title, by what it calls itself, by what its gateway calls it or where it came from, whatever comes first and fits one meter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dlms::security::{Cipher, Key, ReplayWindow, SystemTitle};
use sqlx::PgConnection;
use zeroize::Zeroize;

use super::super::{Error, failed};
use super::Recording;

/// What a push says of its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim<'a> {
    /// System title; whoever gives one is looked for by nothing else.
    pub title: Option<SystemTitle>,
    /// What it calls itself: serial number, logical device name or equipment id, the likelier first.
    pub names: &'a [String],
    /// What the gateway calls it that it came through, and that is what is known by line or host.
    pub device: Option<&'a str>,
    /// The line of the connection, when it said who it is before.
    pub line: Option<&'a str>,
    /// Host that it came from, as it stands in the address of a meter.
    pub host: &'a str,
}

/// Who a push is from.
#[derive(Debug, Clone)]
pub enum Found {
    /// One meter.
    One(Arc<Sender>),
    /// None that is in service.
    Nobody,
    /// More than one meter fits.
    Several,
}

/// A meter that pushes.
#[derive(Debug)]
pub struct Sender {
    /// The meter.
    pub meter: i32,
    /// Name of its model.
    pub model: String,
    /// Zone of its clock.
    pub zone: String,
    /// Its system title, when it is known.
    pub title: Option<SystemTitle>,
    /// Its keys, when it has any.
    pub cipher: Option<Cipher>,
    /// The counters that it has used, when it has used one.
    pub used: Option<ReplayWindow>,
    /// Alarms of it in the last ten minutes, counted up to the limit that was asked with.
    pub recent: Recent,
}

/// A number of alarms. What is authenticated is counted apart, so that nobody else can use up its share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recent {
    /// Those from authenticated pushes.
    pub authenticated: u32,
    /// Those that may come from anybody.
    pub plain: u32,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i32,
    model: String,
    zone: String,
    system_title: Option<Vec<u8>>,
    encryption_key: Option<Vec<u8>>,
    authentication_key: Option<Vec<u8>>,
    last: Option<i64>,
    seen: Option<i64>,
    authenticated: i64,
    plain: i64,
}

/// A meter, and the title, name, host or line that leads to it, or the line and what it is called there.
type Place = (Option<Vec<u8>>, Option<String>, Option<String>, Option<String>, Option<String>, i32);

/// Meters by title, name and host.
#[derive(Default)]
struct Directory {
    titles: BTreeMap<Vec<u8>, BTreeSet<i32>>,
    names: BTreeMap<String, BTreeSet<i32>>,
    lines: BTreeMap<String, BTreeSet<i32>>,
    hosts: BTreeMap<String, BTreeSet<i32>>,
    /// Devices behind gateways, by line or host of the gateway and what it calls them.
    devices: BTreeMap<(String, String), BTreeSet<i32>>,
}

impl Recording {
    /// The sender of each push. Recent alarms are counted up to `recent_limit`.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn senders(&mut self, claims: &[Claim<'_>], recent_limit: u32) -> Result<Vec<Found>, Error> {
        let directory = directory(&mut self.transaction, claims).await?;
        let found: Vec<_> = claims.iter().map(|claim| directory.find(claim)).collect();
        let wanted: BTreeSet<i32> = found.iter().flatten().filter_map(|meters| one(meters)).collect();
        let senders = meters(&mut self.transaction, &wanted, recent_limit).await?;
        let sender = |meters: &BTreeSet<i32>| match one(meters).and_then(|meter| senders.get(&meter)) {
            Some(sender) => Found::One(Arc::clone(sender)),
            None => Found::Several,
        };
        Ok(found.into_iter().map(|meters| meters.map_or(Found::Nobody, sender)).collect())
    }
}

impl Directory {
    /// The meters that fit the first part of the claim that any meter fits.
    fn find(&self, claim: &Claim<'_>) -> Option<&BTreeSet<i32>> {
        if let Some(title) = claim.title {
            return self.titles.get(&title.octets()[..]);
        }
        let named = claim.names.iter().find_map(|name| self.names.get(name));
        // Behind one gateway are many who call.
        named.or_else(|| match (claim.device, claim.line) {
            (Some(device), line) => {
                let place = line.unwrap_or(claim.host);
                let behind = self.devices.get(&(place.to_owned(), device.to_owned()));
                behind.or_else(|| self.names.get(device))
            }
            (None, Some(line)) => self.lines.get(line),
            (None, None) => self.hosts.get(claim.host),
        })
    }
}

fn one(meters: &BTreeSet<i32>) -> Option<i32> {
    meters.first().copied().filter(|_| meters.len() == 1)
}

async fn directory(connection: &mut PgConnection, claims: &[Claim<'_>]) -> Result<Directory, Error> {
    let titles: BTreeSet<&[u8]> =
        claims.iter().filter_map(|claim| claim.title.as_ref()).map(|title| &title.octets()[..]).collect();
    let untitled = || claims.iter().filter(|claim| claim.title.is_none());
    let names = untitled().flat_map(|claim| claim.names).map(String::as_str);
    let names: BTreeSet<&str> = names.chain(untitled().filter_map(|claim| claim.device)).collect();
    let itself = || untitled().filter(|claim| claim.device.is_none());
    let lines: BTreeSet<&str> = itself().filter_map(|claim| claim.line).collect();
    let hosts: BTreeSet<&str> =
        itself().filter(|claim| claim.line.is_none()).map(|claim| claim.host).collect();
    let devices = untitled().filter_map(|claim| Some((claim.line.unwrap_or(claim.host), claim.device?)));
    let (places, devices): (Vec<&str>, Vec<&str>) = devices.collect::<BTreeSet<_>>().into_iter().unzip();
    // Thousands of meters may share a host, and hundreds a line; two of them tell that it names none.
    let query = sqlx::query_as::<_, Place>(
        "/* store::pushes::directory */
         SELECT c.title, NULL::text, NULL::text, NULL::text, NULL::text, m.id
         FROM unnest($1::bytea[]) AS c (title) JOIN meter m ON m.system_title = c.title AND m.state = 'active'
         UNION ALL
         SELECT NULL, c.name, NULL, NULL, NULL, m.id
         FROM unnest($2::text[]) AS c (name) JOIN meter m ON m.serial = c.name AND m.state = 'active'
         UNION ALL
         SELECT NULL, c.name, NULL, NULL, NULL, m.id
         FROM unnest($2::text[]) AS c (name) JOIN meter m ON m.logical_device_name = c.name AND m.state = 'active'
         UNION ALL
         SELECT NULL, c.name, NULL, NULL, NULL, m.id
         FROM unnest($2::text[]) AS c (name) JOIN meter m ON m.equipment_id = c.name AND m.state = 'active'
         UNION ALL
         SELECT NULL, NULL, c.host, NULL, NULL, m.id
         FROM unnest($3::text[]) AS c (host) CROSS JOIN LATERAL (
             SELECT id FROM meter WHERE address_host(address) = c.host AND state = 'active' LIMIT 2) m
         UNION ALL
         SELECT NULL, NULL, NULL, c.line, NULL, m.id
         FROM unnest($4::text[]) AS c (line) CROSS JOIN LATERAL (
             SELECT id FROM meter WHERE line = c.line AND state = 'active' LIMIT 2) m
         UNION ALL
         SELECT NULL, NULL, NULL, c.place, c.device, m.id
         FROM unnest($5::text[], $6::text[]) AS c (place, device) CROSS JOIN LATERAL (
             SELECT line FROM meter WHERE address_host(address) = c.place AND line = 'concentrator://' || serial AND state = 'active'
             UNION SELECT line FROM meter WHERE address_line(address) = c.place AND line = 'concentrator://' || serial AND state = 'active'
             UNION SELECT c.place) g
         JOIN meter m ON m.line = g.line AND split_part(m.address, '?', 1) = g.line || '/' || c.device AND m.state = 'active'",
    );
    let query = query.bind(titles.into_iter().collect::<Vec<_>>());
    let query = query.bind(names.into_iter().collect::<Vec<_>>()).bind(hosts.into_iter().collect::<Vec<_>>());
    let query = query.bind(lines.into_iter().collect::<Vec<_>>()).bind(places).bind(devices);
    let rows = query.fetch_all(connection).await.map_err(failed("store::pushes::directory"))?;
    let mut directory = Directory::default();
    for (title, name, host, line, device, meter) in rows {
        if let Some((place, device)) = line.clone().zip(device) {
            directory.devices.entry((place, device)).or_default().insert(meter);
        } else if let Some(title) = title {
            directory.titles.entry(title).or_default().insert(meter);
        } else if let Some(name) = name {
            directory.names.entry(name).or_default().insert(meter);
        } else if let Some(host) = host {
            directory.hosts.entry(host).or_default().insert(meter);
        } else if let Some(line) = line {
            directory.lines.entry(line).or_default().insert(meter);
        }
    }
    Ok(directory)
}

async fn meters(
    connection: &mut PgConnection,
    wanted: &BTreeSet<i32>,
    recent_limit: u32,
) -> Result<BTreeMap<i32, Arc<Sender>>, Error> {
    let query = sqlx::query_as::<_, Row>(
        "/* store::pushes::senders */
         SELECT m.id, m.model, m.zone, m.system_title, s.encryption_key, s.authentication_key, c.last, c.seen,
             (SELECT count(*) FROM (SELECT FROM alarm a WHERE a.meter_id = m.id AND a.authenticated
                 AND a.received_at > now() - interval '10 minutes' LIMIT $2) r) AS authenticated,
             (SELECT count(*) FROM (SELECT FROM alarm a WHERE a.meter_id = m.id AND NOT a.authenticated
                 AND a.received_at > now() - interval '10 minutes' LIMIT $2) r) AS plain
         FROM unnest($1::int4[]) AS w (id) JOIN meter m ON m.id = w.id
         LEFT JOIN meter_secret s ON s.meter_id = m.id LEFT JOIN meter_push_counter c ON c.meter_id = m.id",
    );
    let query = query.bind(wanted.iter().copied().collect::<Vec<_>>()).bind(i64::from(recent_limit));
    let rows = query.fetch_all(connection).await.map_err(failed("store::pushes::senders"))?;
    rows.into_iter().map(|row| Ok((row.id, Arc::new(sender(&row)?)))).collect()
}

fn sender(row: &Row) -> Result<Sender, Error> {
    let wrong =
        |detail: dlms::Error| Error::Unreadable { what: "secret of a meter", detail: detail.to_string() };
    let key = |octets: &[u8]| Key::try_from(octets).map_err(wrong);
    let cipher = match (&row.encryption_key, &row.authentication_key) {
        (Some(encryption), Some(authentication)) => {
            Some(Cipher::new(&key(encryption)?, &key(authentication)?))
        }
        _ => None,
    };
    let count = |alarms: i64| u32::try_from(alarms).unwrap_or(u32::MAX);
    let used = row.last.zip(row.seen).map(|(last, seen)| {
        let last = u32::try_from(last).unwrap_or(u32::MAX);
        ReplayWindow { last, seen: seen.cast_unsigned() }
    });
    Ok(Sender {
        meter: row.id,
        model: row.model.clone(),
        zone: row.zone.clone(),
        title: row.system_title.as_deref().map(SystemTitle::try_from).transpose().map_err(wrong)?,
        cipher,
        used,
        recent: Recent { authenticated: count(row.authenticated), plain: count(row.plain) },
    })
}

impl Drop for Row {
    fn drop(&mut self) {
        self.encryption_key.zeroize();
        self.authentication_key.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_goes_before_names_and_these_before_the_line_and_the_host() {
        let mut directory = Directory::default();
        directory.titles.insert(b"MMM\0\0\0\0\x01".to_vec(), [1].into());
        directory.names.insert("A".into(), [2].into());
        directory.names.insert("B".into(), [3, 4].into());
        directory.lines.insert("inbound://C".into(), [6].into());
        directory.hosts.insert("10.0.0.1".into(), [5].into());
        let find_on = |line, title: Option<&[u8; 8]>, names: &[&str], host| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let claim = Claim {
                title: title.map(|title| SystemTitle::new(*title)),
                names: &names,
                device: None,
                line,
                host,
            };
            directory.find(&claim).map(|meters| meters.iter().copied().collect::<Vec<_>>())
        };
        let find = |title, names: &[&str], host| find_on(None, title, names, host);
        assert_eq!(find(Some(b"MMM\0\0\0\0\x01"), &["A"], "10.0.0.1"), Some(vec![1]));
        assert_eq!(find(Some(b"MMM\0\0\0\0\x02"), &["A"], "10.0.0.1"), None);
        assert_eq!(find(None, &["X", "A"], "10.0.0.1"), Some(vec![2]));
        assert_eq!(find(None, &["B", "A"], "10.0.0.1"), Some(vec![3, 4]));
        assert_eq!(find(None, &["X"], "10.0.0.1"), Some(vec![5]));
        assert_eq!(find(None, &[], "10.0.0.2"), None);
        assert_eq!(find_on(Some("inbound://C"), None, &["A"], "10.0.0.1"), Some(vec![2]));
        assert_eq!(find_on(Some("inbound://C"), None, &[], "10.0.0.1"), Some(vec![6]));
        assert_eq!(find_on(Some("inbound://D"), None, &[], "10.0.0.1"), None);

        directory.devices.insert(("10.0.0.1".into(), "7".into()), [8].into());
        directory.devices.insert(("inbound://C".into(), "7".into()), [9].into());
        let behind = |device, line, names: &[String]| {
            let claim = Claim { title: None, names, device: Some(device), line, host: "10.0.0.1" };
            directory.find(&claim).map(|meters| meters.iter().copied().collect::<Vec<_>>())
        };
        assert_eq!(behind("7", None, &[]), Some(vec![8]));
        assert_eq!(behind("7", Some("inbound://C"), &[]), Some(vec![9]));
        assert_eq!(behind("7", None, &["A".into()]), Some(vec![2]));
        assert_eq!(behind("A", None, &[]), Some(vec![2]), "called as it calls itself");
        assert_eq!(behind("8", None, &[]), None, "never the gateway itself");
    }
}
