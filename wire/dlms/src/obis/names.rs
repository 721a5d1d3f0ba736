//! Names of logical names, for people. `names.txt` is the table of all that is no quantity of electricity.

use super::Obis;

const TABLE: &str = include_str!("names.txt");
/// Value group A of electricity.
const ELECTRICITY: u8 = 1;
/// Value group F of a value that is no snapshot.
const PRESENT: u8 = 255;

impl Obis {
    /// What people call the object, such as `active energy import (+A), rate 1` or `disconnect control`; `None` when the standard
    /// gives it no name.
    pub fn name(self) -> Option<String> {
        let [a, b, _, _, _, f] = self.0;
        let listed = rows().find(|(pattern, _)| fits(pattern, self)).map(|(_, name)| fill(name, self));
        let mut name = listed.or_else(|| (a == ELECTRICITY).then(|| quantity(self)).flatten())?;
        if a == ELECTRICITY && b != 0 {
            name.push_str(&format!(", channel {b}"));
        }
        if f < 100 {
            name.push_str(&format!(", billing period {f}"));
        } else if a == ELECTRICITY && (101..PRESENT).contains(&f) {
            name.push_str(&format!(", {} recent billing periods", f - 100));
        }
        Some(name)
    }
}

/// Patterns and names.
fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t'))
}

/// Whether each group is the number, within the range, or anything.
fn fits(pattern: &str, obis: Obis) -> bool {
    pattern.split('.').zip(obis.0).all(|(allowed, group)| match allowed.split_once('-') {
        _ if allowed == "*" => true,
        None => allowed.parse() == Ok(group),
        Some((first, last)) => {
            first.parse().is_ok_and(|first: u8| first <= group)
                && last.parse().is_ok_and(|last: u8| group <= last)
        }
    })
}

fn fill(name: &str, obis: Obis) -> String {
    let [_, b, _, d, e, _] = obis.0;
    let places = [("{b}", b), ("{d}", d), ("{e}", e)];
    places.iter().fold(name.to_owned(), |name, (place, group)| name.replace(place, &group.to_string()))
}

/// A quantity of electricity (Blue Book, 7.5): what is measured (group C), how (group D), for which rate or harmonic (group E).
fn quantity(obis: Obis) -> Option<String> {
    let [_, _, c, d, e, _] = obis.0;
    // Groups 21 to 80 repeat the first twenty for each phase.
    let (group, phase) = match c {
        1..=80 => ((c - 1) % 20 + 1, (c - 1) / 20),
        other => (other, 0),
    };
    let (_, power, energy) = QUANTITIES.iter().find(|(listed, ..)| *listed == group)?;
    let (_, kind, processing) = PROCESSING.iter().find(|(listed, ..)| *listed == d)?;
    let integral = *kind == Kind::Integral;
    let mut name = if integral { *energy } else { *power }.to_owned();
    if phase > 0 {
        name.push_str(&format!(" L{phase}"));
    }
    if !processing.is_empty() {
        name.push_str(&format!(", {processing}"));
    }
    let harmonics = matches!(group, 11 | 12 | 90..=92) && *kind == Kind::Value;
    match e {
        0 if integral && group <= 20 => name.push_str(", total"),
        0 => {}
        e if harmonics => name.push_str(&format!(", harmonic {e}")),
        e if *kind == Kind::Value => name.push_str(&format!(", {e}")),
        e => name.push_str(&format!(", rate {e}")),
    }
    Some(name)
}

/// What group D makes of a quantity.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A sum over time: of a power, an energy.
    Integral,
    /// A demand, or something of a tariff.
    Demand,
    /// A value at a time.
    Value,
}

/// Group C: its number in the first twenty or beyond eighty, the quantity, and what its sum over time is called.
const QUANTITIES: [(u8, &str, &str); 29] = [
    (1, "active power import (+P)", "active energy import (+A)"),
    (2, "active power export (-P)", "active energy export (-A)"),
    (3, "reactive power import (+Q)", "reactive energy import (+R)"),
    (4, "reactive power export (-Q)", "reactive energy export (-R)"),
    (5, "reactive power QI", "reactive energy QI (+Ri)"),
    (6, "reactive power QII", "reactive energy QII (+Rc)"),
    (7, "reactive power QIII", "reactive energy QIII (-Ri)"),
    (8, "reactive power QIV", "reactive energy QIV (-Rc)"),
    (9, "apparent power import (+S)", "apparent energy import (+VA)"),
    (10, "apparent power export (-S)", "apparent energy export (-VA)"),
    (11, "current", "current, time integral"),
    (12, "voltage", "voltage, time integral"),
    (13, "power factor", "power factor, time integral"),
    (14, "supply frequency", "supply frequency, time integral"),
    (15, "active power import and export (|+P|+|-P|)", "active energy import and export (|+A|+|-A|)"),
    (16, "active power, net (|+P|-|-P|)", "active energy, net (|+A|-|-A|)"),
    (17, "active power QI", "active energy QI"),
    (18, "active power QII", "active energy QII"),
    (19, "active power QIII", "active energy QIII"),
    (20, "active power QIV", "active energy QIV"),
    (81, "phase angle", "phase angle, time integral"),
    (82, "unitless quantity", "unitless quantity, time integral"),
    (83, "transformer and line losses", "transformer and line losses, energy"),
    (84, "power factor, export", "power factor, export, time integral"),
    (88, "current squared", "ampere-squared hours"),
    (89, "voltage squared", "volt-squared hours"),
    (90, "current, sum of all phases", "current, sum of all phases, time integral"),
    (91, "current in the neutral", "current in the neutral, time integral"),
    (92, "voltage of the neutral", "voltage of the neutral, time integral"),
];

/// Group D: its number, its kind, what it does.
const PROCESSING: [(u8, Kind, &str); 47] = [
    (0, Kind::Demand, "average of the billing period"),
    (1, Kind::Demand, "cumulative minimum"),
    (2, Kind::Demand, "cumulative maximum"),
    (3, Kind::Demand, "minimum"),
    (4, Kind::Demand, "average of the running period"),
    (5, Kind::Demand, "average of the last period"),
    (6, Kind::Demand, "maximum"),
    (7, Kind::Value, "instantaneous"),
    (8, Kind::Integral, ""),
    (9, Kind::Integral, "in the billing period"),
    (10, Kind::Integral, "beyond the threshold"),
    (11, Kind::Demand, "cumulative minimum 2"),
    (12, Kind::Demand, "cumulative maximum 2"),
    (13, Kind::Demand, "minimum 2"),
    (14, Kind::Demand, "average of the running period 2"),
    (15, Kind::Demand, "average of the last period 2"),
    (16, Kind::Demand, "maximum 2"),
    (21, Kind::Demand, "cumulative minimum 3"),
    (22, Kind::Demand, "cumulative maximum 3"),
    (23, Kind::Demand, "minimum 3"),
    (24, Kind::Demand, "average of the running period 3"),
    (25, Kind::Demand, "average of the last period 3"),
    (26, Kind::Demand, "maximum 3"),
    (27, Kind::Demand, "average of the running recording interval 1"),
    (28, Kind::Demand, "average of the running recording interval 2"),
    (29, Kind::Integral, "in recording interval 1"),
    (30, Kind::Integral, "in recording interval 2"),
    (31, Kind::Value, "threshold of the lower limit"),
    (32, Kind::Value, "number of times below the limit"),
    (33, Kind::Value, "time below the limit"),
    (34, Kind::Value, "magnitude below the limit"),
    (35, Kind::Value, "threshold of the upper limit"),
    (36, Kind::Value, "number of times above the limit"),
    (37, Kind::Value, "time above the limit"),
    (38, Kind::Value, "magnitude above the limit"),
    (39, Kind::Value, "threshold of absence"),
    (40, Kind::Value, "number of absences"),
    (41, Kind::Value, "time of absence"),
    (42, Kind::Value, "magnitude of absence"),
    (43, Kind::Value, "time threshold of the lower limit"),
    (44, Kind::Value, "time threshold of the upper limit"),
    (45, Kind::Value, "time threshold of absence"),
    (46, Kind::Value, "contracted value"),
    (51, Kind::Demand, "minimum of the last recording interval 1"),
    (52, Kind::Demand, "minimum of the last recording interval 2"),
    (55, Kind::Demand, "average in test"),
    (58, Kind::Integral, "in test"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Option<String> {
        text.parse::<Obis>().unwrap().name()
    }

    #[test]
    fn objects_are_called_what_people_call_them() {
        for (obis, expected) in [
            ("1.0.1.8.0.255", "active energy import (+A), total"),
            ("1.0.2.8.3.255", "active energy export (-A), rate 3"),
            ("1.0.1.29.0.255", "active energy import (+A), in recording interval 1, total"),
            ("1.0.1.8.1.12", "active energy import (+A), rate 1, billing period 12"),
            ("1.0.21.7.0.255", "active power import (+P) L1, instantaneous"),
            ("1.0.1.6.0.255", "active power import (+P), maximum"),
            ("1.0.72.7.0.255", "voltage L3, instantaneous"),
            ("1.0.31.7.5.255", "current L1, instantaneous, harmonic 5"),
            ("1.0.91.7.0.255", "current in the neutral, instantaneous"),
            ("1.0.14.7.0.255", "supply frequency, instantaneous"),
            ("1.2.3.8.0.255", "reactive energy import (+R), total, channel 2"),
            ("1.0.15.8.0.255", "active energy import and export (|+A|+|-A|), total"),
            ("1.0.99.1.0.255", "load profile 1"),
            ("1.0.0.2.0.255", "active firmware identifier"),
            ("0.0.1.0.0.255", "clock"),
            ("0.0.96.3.10.255", "disconnect control"),
            ("0.0.99.98.4.255", "event log 4"),
            ("0.0.97.98.2.255", "alarm register 2"),
            ("0.0.97.98.21.255", "alarm descriptor 21"),
            ("0.3.24.2.1.255", "M-Bus value 1, channel 3"),
            ("0.0.42.0.0.255", "COSEM logical device name"),
            ("0.0.43.1.0.255", "invocation counter 0"),
            ("0.0.40.0.0.255", "current association"),
            ("0.0.40.0.2.255", "association 2"),
            ("0.0.94.91.9.255", "national object"),
            ("7.1.3.0.0.255", "gas, object of channel 1"),
        ] {
            assert_eq!(name(obis).as_deref(), Some(expected), "{obis}");
        }
        for nameless in ["1.0.200.8.0.255", "1.0.1.200.0.255", "0.0.55.0.0.255", "200.0.1.8.0.255"] {
            assert!(name(nameless).is_none_or(|name| name == "manufacturer's object"), "{nameless}");
        }
        assert_eq!(name("0.0.55.0.0.255"), None);
    }

    #[test]
    fn every_line_of_the_table_is_understood() {
        for line in TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (pattern, name) = line.split_once('\t').unwrap();
            let groups: Vec<&str> = pattern.split('.').collect();
            assert_eq!(groups.len(), 6, "{line}");
            for group in groups {
                let ends: Vec<u8> =
                    group.split('-').filter(|end| *end != "*").map(|end| end.parse().unwrap()).collect();
                assert!(ends.is_sorted() && (group == "*" || !ends.is_empty()), "{line}");
            }
            assert!(!name.is_empty() && name.trim() == name, "{line}");
        }
    }
}
