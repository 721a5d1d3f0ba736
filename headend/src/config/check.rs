//! The extremes of every value.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use dlms::Unit;
use models::Decimal;

use super::{Config, CreditLevel, Error, Faults};
use crate::api::LOOPBACK;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

const MAX_PRINCIPALS: usize = 10_000;

/// Names in the audit of whoever calls without a certificate, and of the program itself.
const RESERVED: [&str; 2] = [LOOPBACK, "headend"];

impl Config {
    /// Refuses the first value outside its extremes, and roles that do not fit together.
    pub(super) fn check(&self) -> Result<(), Error> {
        within("database.max_connections", self.database.max_connections, 4..=500)?;
        self.check_url()?;
        self.check_api()?;
        self.check_collector()?;
        self.check_listener()?;
        within("ingest.max_rows", self.ingest.max_rows, 1..=100_000)?;
        lasts("ingest.max_wait", self.ingest.max_wait, 0, 10_000)?;
        within("ingest.writers", self.ingest.writers, 1..=16)?;
        within("ingest.queue", self.ingest.queue, 1..=1_000_000)?;
        lasts("results.every", self.results.every, 1_000, HOUR * 1_000)?;
        lasts("results.settle", self.results.settle, 1_000, DAY * 1_000)?;
        lasts("results.keep", self.results.keep, DAY * 1_000, 3650 * DAY * 1_000)?;
        lasts("plan.interval", self.plan.interval, 1_000, HOUR * 1_000)?;
        lasts("plan.horizon", self.plan.horizon, HOUR * 1_000, 3650 * DAY * 1_000)?;
        lasts("plan.identify_every", self.plan.identify_every, MINUTE * 1_000, 365 * DAY * 1_000)?;
        lasts("plan.hole_pause", self.plan.hole_pause, 1_000, 30 * DAY * 1_000)?;
        lasts("plan.second_look", self.plan.second_look, 0, 30 * DAY * 1_000)?;
        within("plan.max_attempts", self.plan.max_attempts, 1..=100)?;
        lasts("plan.keep_jobs", self.plan.keep_jobs, HOUR * 1_000, 3650 * DAY * 1_000)?;
        lasts("clock.tolerance", self.clock.tolerance, 2_000, HOUR * 1_000)?;
        lasts("clock.trust", self.clock.trust, 100, MINUTE * 1_000)?;
        lasts("clock.keep", self.clock.keep, DAY * 1_000, 3650 * DAY * 1_000)?;
        self.check_credit()?;
        self.check_retention()?;
        within("firmware.max_image_size", self.firmware.max_image_size, 1 << 10..=256 << 20)?;
        within("firmware.max_images", self.firmware.max_images, 1..=10_000)?;
        if self.log.level.trim().is_empty() {
            return Err(out_of_range("log.level", "empty", "a level, for example info"));
        }
        self.check_telemetry()?;
        if self.roles.collector && !self.roles.ingest {
            return Err(out_of_range("roles.ingest", "false", "true where roles.collector is true"));
        }
        Ok(())
    }

    fn check_api(&self) -> Result<(), Error> {
        let api = &self.api;
        if api.plaintext_role.is_some() && !api.listen.ip().is_loopback() {
            let expected =
                "a loopback address where api.plaintext_role is set: passwords and keys of meters pass here";
            return Err(out_of_range("api.listen", api.listen, expected));
        }
        let files = [
            ("api.tls_certificate", &api.tls_certificate),
            ("api.tls_key", &api.tls_key),
            ("api.client_ca", &api.client_ca),
        ];
        let tls = files.iter().any(|(_, file)| file.is_some());
        if let Some((key, _)) = files.iter().find(|(_, file)| tls && file.is_none()) {
            let expected = "a file: api.tls_certificate, api.tls_key and api.client_ca belong together";
            return Err(out_of_range(key, "absent", expected));
        }
        if tls && api.plaintext_role.is_some() {
            return Err(out_of_range("api.plaintext_role", "set", "absent where the API is served with TLS"));
        }
        if api.plaintext_role.is_some() && !api.two_persons.is_empty() {
            let expected = "absent where api.plaintext_role is set, as everybody is one person there";
            return Err(out_of_range("api.two_persons", "given", expected));
        }
        if tls == api.principals.is_empty() {
            let got = if tls { "empty" } else { "given" };
            return Err(out_of_range(
                "api.principals",
                got,
                "given where the API is served with TLS, as nobody could call otherwise, and only there",
            ));
        }
        within("the number of api.principals", api.principals.len(), 0..=MAX_PRINCIPALS)?;
        let odd = api
            .principals
            .keys()
            .find(|name| !(1..=256).contains(&name.len()) || RESERVED.contains(&name.as_str()));
        match odd {
            Some(name) => Err(out_of_range(
                "api.principals",
                name,
                "names of 1 to 256 octets, and neither loopback nor headend",
            )),
            None => Ok(()),
        }
    }

    fn check_collector(&self) -> Result<(), Error> {
        let collector = &self.collector;
        within("collector.max_sessions", collector.max_sessions, 1..=100_000)?;
        within("collector.urgent_sessions", collector.urgent_sessions, 1..=10_000)?;
        within("collector.group_ceiling", collector.group_ceiling, 1..=100_000)?;
        within("collector.group_floor", collector.group_floor, 1..=collector.group_ceiling)?;
        within(
            "collector.group_start",
            collector.group_start,
            collector.group_floor..=collector.group_ceiling,
        )?;
        lasts("collector.connect_timeout", collector.connect_timeout, 100, 5 * MINUTE * 1_000)?;
        lasts("collector.response_timeout", collector.response_timeout, 100, 5 * MINUTE * 1_000)?;
        lasts("collector.linger", collector.linger, 0, 10 * MINUTE * 1_000)?;
        within("collector.line_retries", collector.line_retries, 0..=20)?;
        lasts("collector.lease", collector.lease, 5_000, HOUR * 1_000)?;
        within("collector.counters_per_lease", collector.counters_per_lease, 10..=100_000)?;
        collector.faults.map_or(Ok(()), |faults| self::faults(&faults))
    }

    fn check_listener(&self) -> Result<(), Error> {
        let listener = &self.listener;
        within("listener.max_connections", listener.max_connections, 1..=100_000)?;
        within("listener.connections_per_address", listener.connections_per_address, 1..=100_000)?;
        within("listener.connections_per_second", listener.connections_per_second, 1..=1_000_000)?;
        let each = listener.connections_per_second_and_address;
        within("listener.connections_per_second_and_address", each, 1..=1_000_000)?;
        lasts("listener.heartbeat", listener.heartbeat, 5_000, 60 * MINUTE * 1_000)?;
        within("listener.first_reads_per_second", listener.first_reads_per_second, 1..=100_000)?;
        within("listener.strangers", listener.strangers, 0..=100_000)?;
        within("listener.pending_per_address", listener.pending_per_address, 1..=1_000_000)?;
        lasts("listener.frame_timeout", listener.frame_timeout, 100, 5 * MINUTE * 1_000)?;
        lasts("listener.idle_timeout", listener.idle_timeout, 1_000, 7 * DAY * 1_000)?;
        within("listener.max_frame", listener.max_frame, 64..=u16::MAX)?;
        within("listener.queue", listener.queue, 1..=1_000_000)?;
        within("listener.alarms_per_meter", listener.alarms_per_meter, 1..=100_000)?;
        within("listener.quarantine_entries", listener.quarantine_entries, 1..=1_000_000)?;
        within("listener.quarantine_octets", listener.quarantine_octets, 1 << 16..=1 << 30)
    }

    fn check_credit(&self) -> Result<(), Error> {
        for (unit, CreditLevel { low, margin }) in &self.credit {
            if unit.is_empty() || !(0..=u8::MAX).any(|number| Unit(number).symbol() == unit) {
                return Err(out_of_range("credit", unit, "a unit of the standard, such as Wh or currency"));
            }
            if *margin < Decimal::new(0, 0) || low.plus(*margin).is_none() {
                let expected = "0 or more, and so that the sum with `low` has 18 digits at most";
                return Err(out_of_range("credit.margin", margin, expected));
            }
        }
        Ok(())
    }

    fn check_retention(&self) -> Result<(), Error> {
        let (longest, horizon) = (36_500 * DAY * 1_000, self.plan.horizon);
        if let Some(readings) = self.retention.readings {
            lasts("retention.readings", readings, DAY * 1_000, longest)?;
            if readings <= horizon {
                return Err(out_of_range(
                    "retention.readings",
                    format!("{readings:?}"),
                    "more than plan.horizon",
                ));
            }
        }
        self.retention.events.map_or(Ok(()), |events| lasts("retention.events", events, DAY * 1_000, longest))
    }

    fn check_telemetry(&self) -> Result<(), Error> {
        let telemetry = &self.telemetry;
        if let Some(endpoint) = &telemetry.otlp_endpoint
            && !endpoint.starts_with("http://")
        {
            return Err(out_of_range("telemetry.otlp_endpoint", endpoint, "http://host:port"));
        }
        if telemetry.service_name.trim().is_empty() {
            return Err(out_of_range("telemetry.service_name", "empty", "a name, for example headend"));
        }
        within("telemetry.sample_per_mille", telemetry.sample_per_mille, 0..=1000)?;
        lasts("telemetry.metrics_interval", telemetry.metrics_interval, 1_000, HOUR * 1_000)
    }

    /// The value itself is not repeated: it may hold a password.
    fn check_url(&self) -> Result<(), Error> {
        let Some(url) = &self.database.url else {
            return Ok(());
        };
        let known = ["postgres://", "postgresql://"].iter().any(|scheme| url.expose().starts_with(scheme));
        if known && url.expose().parse::<sqlx::postgres::PgConnectOptions>().is_ok() {
            return Ok(());
        }
        Err(out_of_range("database.url", "something else", "postgres://user:password@host:port/name"))
    }
}

fn faults(faults: &Faults) -> Result<(), Error> {
    let parts = [
        ("collector.faults.loss_ppm", faults.loss_ppm),
        ("collector.faults.duplication_ppm", faults.duplication_ppm),
        ("collector.faults.corruption_ppm", faults.corruption_ppm),
        ("collector.faults.delay_ppm", faults.delay_ppm),
        ("collector.faults.half_open_ppm", faults.half_open_ppm),
        ("collector.faults.split_ppm", faults.split_ppm),
        ("collector.faults.merge_ppm", faults.merge_ppm),
    ];
    parts.into_iter().try_for_each(|(key, ppm)| within(key, ppm, 0..=1_000_000))?;
    lasts("collector.faults.delay_max", faults.delay_max, 0, 10 * MINUTE * 1_000)
}

/// A message of the TOML reader without the line it quotes when that line may hold a password.
pub(super) fn without_input(error: &toml::de::Error, text: &str) -> String {
    let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
    let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
    format!("{place}{}", error.message())
}

fn within<T: PartialOrd + Display>(
    key: &'static str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), Error> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(out_of_range(key, value, format!("from {} to {}", range.start(), range.end())))
}

fn lasts(key: &'static str, value: Duration, least_ms: u64, most_ms: u64) -> Result<(), Error> {
    let (least, most) = (Duration::from_millis(least_ms), Duration::from_millis(most_ms));
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let show = |duration| humantime::format_duration(duration).to_string();
    Err(out_of_range(key, show(value), format!("from {} to {}", show(least), show(most))))
}

fn out_of_range(key: &'static str, got: impl Display, expected: impl Into<String>) -> Error {
    Error::OutOfRange { key, got: got.to_string(), expected: expected.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../../../deploy/headend.toml");

    #[test]
    fn the_sample_is_read_and_shows_every_default() {
        assert_eq!(Config::parse(SAMPLE), Ok(Config::default()), "the sample states the defaults");
        let stated: toml::Table = SAMPLE.parse().unwrap();
        let known: toml::Table = Config::default().render().unwrap().parse().unwrap();
        for (section, keys) in &known {
            for key in keys.as_table().unwrap().keys() {
                let place = stated.get(section).and_then(|section| section.get(key));
                assert!(place.is_some(), "{section}.{key} is missing in the sample");
            }
        }
        for optional in [
            "# url = ",
            "# bin_dir = ",
            "# dir = ",
            "# plaintext_role = ",
            "# tls_certificate = ",
            "# tls_key = ",
            "# client_ca = ",
            "# [api.principals]",
            "# otlp_endpoint = ",
            "# prometheus_listen = ",
            "# [collector.faults]",
            "# [credit]",
        ] {
            assert!(SAMPLE.contains(optional), "{optional} is missing in the sample");
        }
    }

    #[test]
    fn an_empty_file_means_all_defaults_and_render_reads_back() {
        let config = Config::parse("").unwrap();
        assert_eq!(config, Config::default());
        assert_eq!(Config::parse(&config.render().unwrap()), Ok(config));
    }

    #[test]
    fn a_level_of_credit_is_an_exact_number_that_reads_back() {
        let config = Config::parse("[credit]\ncurrency = { low = '20', margin = '0.50' }").unwrap();
        let level = config.credit["currency"];
        assert_eq!(level.low.plus(level.margin), "20.5".parse().ok());
        assert_eq!(Config::parse(&config.render().unwrap()), Ok(config));
        assert!(
            Config::parse("[credit]\ncurrency = { low = 20, margin = 0.5 }").is_err(),
            "no float comes near"
        );
    }

    #[test]
    fn unknown_keys_are_refused_with_their_line() {
        let error = Config::parse("[ingest]\nmax_rows = 5\nmax_row = 6\n").unwrap_err();
        let Error::Syntax { detail } = error else { panic!("{error}") };
        assert!(detail.contains("line 3") && detail.contains("max_row"), "{detail}");
    }

    #[test]
    fn values_outside_their_extremes_are_refused_by_name() {
        let cases = [
            ("[database]\nmax_connections = 1", "database.max_connections"),
            ("[database]\nurl = 'mysql://x'", "database.url"),
            ("[api]\nlisten = '0.0.0.0:50051'\nplaintext_role = 'viewer'", "api.listen"),
            ("[api]\ntls_key = 'key.pem'", "api.tls_certificate"),
            ("[api]\nplaintext_role = 'engineer'\ntwo_persons = ['push_tariff']", "api.two_persons"),
            ("[api]\nprincipals = { anna = 'viewer' }", "api.principals"),
            ("[api]\ntls_certificate = 'c'\ntls_key = 'k'\nclient_ca = 'a'", "api.principals"),
            (
                "[api]\ntls_certificate = 'c'\ntls_key = 'k'\nclient_ca = 'a'\nprincipals = { loopback = 'viewer' }",
                "api.principals",
            ),
            (
                "[api]\ntls_certificate = 'c'\ntls_key = 'k'\nclient_ca = 'a'\nplaintext_role = 'viewer'",
                "api.plaintext_role",
            ),
            ("[collector]\nmax_sessions = 0", "collector.max_sessions"),
            ("[collector]\ngroup_floor = 0", "collector.group_floor"),
            ("[collector]\ngroup_start = 513", "collector.group_start"),
            ("[collector]\nlease = '1s'", "collector.lease"),
            ("[collector]\ncounters_per_lease = 1", "collector.counters_per_lease"),
            ("[collector.faults]\nloss_ppm = 1000001", "collector.faults.loss_ppm"),
            ("[collector.faults]\ndelay_max = '11m'", "collector.faults.delay_max"),
            ("[ingest]\nmax_rows = 0", "ingest.max_rows"),
            ("[ingest]\nmax_wait = '11s'", "ingest.max_wait"),
            ("[plan]\nhorizon = '1m'", "plan.horizon"),
            ("[plan]\nmax_attempts = 0", "plan.max_attempts"),
            ("[credit]\nkilowatts = { low = '1', margin = '0' }", "credit"),
            ("[credit]\nWh = { low = '1', margin = '-0.1' }", "credit.margin"),
            ("[credit]\nWh = { low = '100000000000000000', margin = '0.01' }", "credit.margin"),
            ("[log]\nlevel = ' '", "log.level"),
            ("[roles]\ningest = false", "roles.ingest"),
            ("[telemetry]\notlp_endpoint = 'https://x:4317'", "telemetry.otlp_endpoint"),
            ("[telemetry]\nservice_name = ''", "telemetry.service_name"),
            ("[telemetry]\nsample_per_mille = 1001", "telemetry.sample_per_mille"),
            ("[telemetry]\nmetrics_interval = '1ms'", "telemetry.metrics_interval"),
        ];
        for (text, expected) in cases {
            match Config::parse(text) {
                Err(Error::OutOfRange { key, .. }) => assert_eq!(key, expected),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_password_appears_nowhere() {
        let text =
            "[database]\nurl = 'postgres://ami:hunter2@db:5432/ami?sslpassword=hunter2&sslmode=require'\n";
        let config = Config::parse(text).unwrap();
        let shown = format!("{config:?}\n{}", config.render().unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("postgres://ami:***@db:5432/ami?sslpassword=***&sslmode=require"), "{shown}");
        for broken in ["[database]\nurl = 'hunter2://'", "[database]\nurl = 'postgres://a:hunter2@h/d' oops"]
        {
            let error = Config::parse(broken).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
