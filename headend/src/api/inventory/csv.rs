//! The rows of a file of meters.

mod fields;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use csv::{ByteRecord, ReaderBuilder};

use self::fields::COLUMNS;
pub(super) use self::fields::Fields;
use super::super::{Models, check};
use super::import::Problems;
use crate::store::meters::NewMeter;

/// How many of the columns a file of new meters has to have.
const REQUIRED: usize = 5;
/// The same of a file of corrections.
const REQUIRED_TO_CORRECT: usize = 1;

/// A row that may be imported.
pub(super) struct Row {
    /// Its line in the file, the header being line 1.
    pub(super) line: u32,
    /// Its meter.
    pub(super) meter: NewMeter,
}

/// All rows, and everything that is wrong with any of them.
pub(super) fn parse(file: &[u8], models: &Models) -> (Vec<Row>, Problems) {
    let mut problems = Problems::default();
    let mut rows = Vec::new();
    let mut first_line = BTreeMap::new();
    each(file, REQUIRED, &mut problems, |fields, problems| {
        let Some(meter) = fields.meter(models, problems) else { return };
        if is_first(&mut first_line, meter.serial.clone(), fields.line, problems) {
            rows.push(Row { line: fields.line, meter });
        }
    });
    if rows.is_empty() && problems.none() {
        problems.add(1, "", NOBODY);
    }
    (rows, problems)
}

/// The serial numbers of the meters that are corrected, each with its line, the columns that are, and everything that is wrong with the form of the file.
pub(super) fn corrected(file: &[u8]) -> (BTreeMap<String, u32>, Vec<&'static str>, Problems) {
    let mut problems = Problems::default();
    let (mut lines, mut columns) = (BTreeMap::new(), Vec::new());
    each(file, REQUIRED_TO_CORRECT, &mut problems, |fields, problems| {
        columns = COLUMNS[1..].iter().copied().filter(|column| fields.names(column)).collect();
        match str::from_utf8(fields.bytes("serial")) {
            Ok(serial) if check::serial("serial", serial).is_ok() => {
                is_first(&mut lines, serial.to_owned(), fields.line, problems);
            }
            _ => problems.add(fields.line, "serial", "1 to 64 visible ASCII characters are expected"),
        }
    });
    if lines.is_empty() && problems.none() {
        problems.add(1, "", NOBODY);
    }
    (lines, columns, problems)
}

/// The same file again, row by row; nothing is wrong with its form.
pub(super) fn corrections(
    file: &[u8],
    problems: &mut Problems,
    correct: impl FnMut(&Fields<'_>, &mut Problems),
) {
    each(file, REQUIRED_TO_CORRECT, problems, correct);
}

const NOBODY: &str = "there is no meter behind the header";

/// Whether it is the first line with a serial number, which is a problem when it is not.
fn is_first(lines: &mut BTreeMap<String, u32>, serial: String, line: u32, problems: &mut Problems) -> bool {
    match lines.entry(serial) {
        Entry::Occupied(first) => {
            problems.add(line, "serial", format!("line {} has the same serial number", first.get()));
            false
        }
        Entry::Vacant(free) => {
            free.insert(line);
            true
        }
    }
}

/// Goes through the lines behind the header; what has another form than that is a problem.
fn each(
    file: &[u8],
    required: usize,
    problems: &mut Problems,
    mut take: impl FnMut(&Fields<'_>, &mut Problems),
) {
    let file = file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(file);
    let mut reader = ReaderBuilder::new().has_headers(true).flexible(true).from_reader(file);
    let places = match reader.byte_headers() {
        Ok(header) => places(header, required, problems),
        Err(error) => {
            problems.add(1, "", format!("the header can not be read: {}", kind(&error)));
            None
        }
    };
    let Some(places) = places else { return };
    let width = reader.byte_headers().map(ByteRecord::len).unwrap_or_default();
    let mut record = ByteRecord::new();
    let mut lines = Lines { file, place: 0, line: 1 };
    loop {
        let line = lines.at(reader.position().byte());
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                return problems.add(line, "", format!("the line can not be read: {}", kind(&error)));
            }
        }
        if record.len() == width {
            take(&Fields { record: &record, places: &places, line }, problems);
        } else {
            problems.add(line, "", format!("it has {} columns, the header has {width}", record.len()));
        }
    }
}

/// Counts lines. The reader's own count stands still on the second half of a CR LF and on empty lines before a record.
struct Lines<'a> {
    file: &'a [u8],
    place: usize,
    line: u32,
}

impl Lines<'_> {
    /// The line of the record that begins at or behind octet `place`; places only ascend.
    fn at(&mut self, place: u64) -> u32 {
        let place = usize::try_from(place).unwrap_or(usize::MAX).min(self.file.len());
        let ends = self.file[place..].iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
        let passed = self.file[self.place..place + ends].iter().filter(|octet| **octet == b'\n').count();
        self.place = place + ends;
        self.line = self.line.saturating_add(u32::try_from(passed).unwrap_or(u32::MAX));
        self.line
    }
}

/// Where each of [`COLUMNS`] stands; `None` when the header can not be used.
fn places(
    header: &ByteRecord,
    required: usize,
    problems: &mut Problems,
) -> Option<[Option<usize>; COLUMNS.len()]> {
    let mut places = [None; COLUMNS.len()];
    for (place, name) in header.iter().enumerate() {
        let name = name.trim_ascii();
        match COLUMNS.iter().position(|column| column.as_bytes() == name) {
            Some(column) if places[column].is_none() => places[column] = Some(place),
            Some(column) => problems.add(1, COLUMNS[column], "the header names this column twice"),
            None => {
                let known = COLUMNS.join(", ");
                problems.add(
                    1,
                    "",
                    format!("column {} of the header is unknown; known are {known}", place + 1),
                );
            }
        }
    }
    for (name, place) in COLUMNS.iter().zip(places).take(required) {
        if place.is_none() {
            problems.add(1, name, "the header has to name this column");
        }
    }
    problems.none().then_some(places)
}

/// What is wrong with a line, without quoting it.
fn kind(error: &csv::Error) -> &'static str {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8",
        csv::ErrorKind::UnequalLengths { .. } => "it has another number of columns than the header",
        _ => "it is not CSV",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Security;
    use crate::store::meters::PartOf;

    const HEADER: &str = "serial,model,address,server_sap,client_sap,zone,security,password,client_title,encryption_key,authentication_key";
    const KEY: &str = "000102030405060708090A0B0C0D0E0F";

    fn parsed(lines: &[&str]) -> (Vec<Row>, Vec<(u32, String, String)>) {
        let (rows, problems) = parse(lines.join("\n").as_bytes(), &models::builtin().unwrap());
        let listed = problems.into_list();
        (rows, listed.into_iter().map(|problem| (problem.line, problem.column, problem.problem)).collect())
    }

    #[test]
    fn good_rows_of_every_security_level() {
        let gmac = format!("C,generic-dlms,[::1]:4059,2,3,UTC,gmac,,4D4D4D0000BC614E,{KEY},{KEY}");
        let lines = [
            HEADER,
            "A,generic-dlms,10.0.0.1:4059,,,Asia/Dhaka,none,,,,",
            "B,generic-dlms,10.0.0.2:4059,,,Asia/Dhaka,lls,12345678,,,",
            &gmac,
        ];
        let (rows, problems) = parsed(&lines);
        assert_eq!(problems, []);
        let levels: Vec<_> = rows.iter().map(|row| (row.line, row.meter.secrets.security)).collect();
        assert_eq!(levels, [(2, Security::None), (3, Security::Lls), (4, Security::Gmac)]);
        assert_eq!((rows[2].meter.server_sap, rows[2].meter.client_sap), (2, 3));
    }

    #[test]
    fn every_bad_row_is_named_with_line_and_column() {
        let gmac = format!("E,generic-dlms,h:1,,,UTC,gmac,pw,4D4D,{KEY}00,{KEY}");
        let lines = [
            HEADER,
            "A,nothing,10.0.0.1:4059,,,Asia/Dhaka,none,,,,",
            "B,generic-dlms,10.0.0.2,70000,x,Mars/Olympus,lls,,,,",
            "C,generic-dlms,h:1",
            "D,generic-dlms,h:1,,,UTC,open,,,,",
            &gmac,
            "F,generic-dlms,h:1,,,UTC,none,,,,",
            "F,generic-dlms,h:1,,,UTC,none,,,,",
        ];
        let (_, problems) = parsed(&lines);
        let places: Vec<_> = problems.iter().map(|(line, column, _)| (*line, column.as_str())).collect();
        let expected = [
            (2, "model"),
            (3, "client_sap"),
            (3, "address"),
            (3, "zone"),
            (3, "server_sap"),
            (3, "password"),
            (4, ""),
            (5, "security"),
            (6, "password"),
            (6, "encryption_key"),
            (6, "client_title"),
            (8, "serial"),
        ];
        assert_eq!(places, expected);
        assert!(
            problems.iter().all(|(_, _, problem)| !problem.contains(KEY) && !problem.contains("4D4D")),
            "{problems:?}"
        );
    }

    #[test]
    fn a_header_is_checked_before_any_row() {
        let (rows, problems) = parsed(&["serial,model,address,zone,secret", "A,b,c,d,e"]);
        assert!(rows.is_empty());
        let places: Vec<_> = problems.iter().map(|(line, column, _)| (*line, column.as_str())).collect();
        assert_eq!(places, [(1, ""), (1, "security")]);
        assert_eq!(parsed(&[HEADER]).1.len(), 1, "a file without meters");
        assert!(!parsed(&[""]).1.is_empty(), "an empty file");
    }

    #[test]
    fn lines_are_counted_whatever_ends_them() {
        let good = |serial: &str| format!("{serial},generic-dlms,h:1,,,UTC,none,,,,");
        for end in ["\n", "\r\n"] {
            // An empty line, then one with a line end within quotes.
            let quoted = format!("\"B{end}\",generic-dlms,h:1,,,UTC,none,,,,");
            let file = [HEADER, &good("A"), "", &quoted, &good("C"), "D"].join(end);
            let (_, problems) = parsed(&[&file]);
            let places: Vec<_> = problems.iter().map(|(line, column, _)| (*line, column.as_str())).collect();
            assert_eq!(places, [(7, "")], "{end:?}: a line end around a serial number is not part of it");
        }
    }

    #[test]
    fn who_sends_pushes_may_be_given() {
        let header = "serial,model,address,zone,security,system_title,equipment_id";
        let (rows, problems) = parsed(&[
            header,
            "A,generic-dlms,h:1,UTC,none,4D4D4D0000BC614E,KA6P005039021110",
            "B,generic-dlms,h:1,UTC,none,,",
            "C,generic-dlms,h:1,UTC,none,4D4D,a b",
        ]);
        let given: Vec<_> =
            rows.iter().map(|row| (row.meter.system_title, row.meter.equipment_id.as_deref())).collect();
        assert_eq!(given, [(Some(*b"MMM\0\0\xBC\x61\x4E"), Some("KA6P005039021110")), (None, None)]);
        let places: Vec<_> = problems.iter().map(|(line, column, _)| (*line, column.as_str())).collect();
        assert_eq!(places, [(4, "system_title"), (4, "equipment_id")]);
    }

    #[test]
    fn meters_of_one_bus_have_one_address_and_device_addresses() {
        let (rows, problems) = parsed(&[
            "serial,model,address,zone,security,device_address",
            "A,generic-dlms,serial:///dev/ttyS0,UTC,none,17",
            "B,generic-dlms,serial:///dev/ttyS0?baud=9600,UTC,none,18",
            "C,generic-dlms,h:1,UTC,none,18",
            "D,generic-dlms,hdlc://h:1,UTC,none,x",
            "E,generic-dlms,serial:///etc/passwd,UTC,none,1",
        ]);
        let given: Vec<_> =
            rows.iter().map(|row| (row.meter.address.clone(), row.meter.device_address)).collect();
        let bus = "serial:///dev/ttyS0?baud=9600&parity=none".parse().ok();
        assert_eq!(given, [(bus.clone(), Some(17)), (bus, Some(18))]);
        let places: Vec<_> = problems.iter().map(|(line, column, _)| (*line, column.as_str())).collect();
        assert_eq!(places, [(4, "device_address"), (5, "device_address"), (6, "address")]);
    }

    #[test]
    fn ways_parts_and_groups_may_be_given() {
        let (rows, problems) = parsed(&[
            "serial,model,address,zone,security,device_address,paths,parent,subunit,throttle_group",
            "A,generic-dlms,h:1,UTC,none,,hdlc://h:2#17 udp://h:3,,,cell-7",
            "B,multi-user-dlt645,,UTC,none,000012345678,,A,3,",
            "C,generic-dlms,h:1,UTC,none,,h,,,",
            "D,generic-dlms,,UTC,none,,,,,",
        ]);
        let [device, household] = rows.as_slice() else { panic!("{}", rows.len()) };
        let ways: Vec<_> = device.meter.paths.iter().map(|path| path.address.to_string()).collect();
        assert_eq!(ways, ["hdlc://h:2", "udp://h:3"]);
        assert_eq!(device.meter.throttle_group.as_deref(), Some("cell-7"));
        assert_eq!(household.meter.device_address, Some(12_345_678));
        assert_eq!(household.meter.part_of, Some(PartOf { parent: "A".into(), subunit: 3, circuit: 1 }));
        let places: Vec<_> = problems.iter().map(|(line, column, _)| (*line, column.as_str())).collect();
        assert_eq!(places, [(4, "paths"), (5, "address")]);
    }

    #[test]
    fn columns_stand_in_any_order_behind_a_byte_order_mark() {
        let (rows, problems) =
            parsed(&["\u{feff}zone,serial,security,address,model", "UTC,A,none,h:1,generic-dlms\r"]);
        assert_eq!(problems, []);
        assert_eq!(rows[0].meter.serial, "A");
    }
}
