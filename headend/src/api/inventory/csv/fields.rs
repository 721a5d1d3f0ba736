//! The fields of one line, and what they say of a meter.

use std::str::FromStr;

use ami_proto::words::Word;
use csv::ByteRecord;

use super::super::super::check::{self, Draft, DraftPath, DraftSecrets};
use super::super::super::{Models, convert};
use super::super::import::Problems;
use crate::store::meters::{NewMeter, Secret};

/// Every column, the required ones first.
pub(super) const COLUMNS: [&str; 28] = [
    "serial",
    "model",
    "address",
    "zone",
    "security",
    "server_sap",
    "client_sap",
    "password",
    "password_hex",
    "client_title",
    "encryption_key",
    "authentication_key",
    "suite",
    "policy",
    "signing_key",
    "meter_public_key",
    "system_title",
    "equipment_id",
    "device_address",
    "paths",
    "parent",
    "subunit",
    "throttle_group",
    "pulses_per_kwh",
    "ratio",
    "circuit",
    "state",
    "invocation_counter",
];

/// The one word of the column `state`.
const ACTIVE: &[u8] = b"active";

/// Columns with what is wrong with them.
type Found = Vec<(&'static str, String)>;

/// The fields of one line by the names of their columns.
pub(in super::super) struct Fields<'a> {
    /// The line.
    pub(super) record: &'a ByteRecord,
    /// Where each of [`COLUMNS`] stands in it.
    pub(super) places: &'a [Option<usize>; COLUMNS.len()],
    /// Its number in the file, the header being line 1.
    pub(super) line: u32,
}

impl Fields<'_> {
    /// Whose line it is, when it is UTF-8.
    pub(in super::super) fn serial(&self) -> &str {
        str::from_utf8(self.bytes("serial")).unwrap_or_default()
    }

    /// The line in the file, the header being line 1.
    pub(in super::super) const fn line(&self) -> u32 {
        self.line
    }

    /// Whether the line says that its meter is in service from now on.
    pub(in super::super) fn is_active(&self) -> bool {
        self.bytes("state") == ACTIVE
    }

    /// The meter of a draft after what the line says of it; `None` when something is wrong with it.
    pub(in super::super) fn correct(
        &self,
        draft: Draft,
        models: &Models,
        problems: &mut Problems,
    ) -> Option<NewMeter> {
        let mut found = Vec::new();
        let draft = self.onto(draft, &mut found);
        let state = self.bytes("state");
        if !state.is_empty() && state != ACTIVE {
            found.push(("state", "active is expected, or nothing".into()));
        }
        let meter = check::meter(draft, models);
        if let Err(more) = &meter {
            let new = more.iter().filter(|problem| !found.iter().any(|(field, _)| *field == problem.field));
            let new: Vec<_> = new.map(|problem| (problem.field, problem.problem.clone())).collect();
            found.extend(new);
        }
        let clean = found.is_empty();
        for (column, problem) in found {
            problems.add(self.line, column, problem);
        }
        meter.ok().filter(|_| clean)
    }

    /// The meter of the line.
    pub(super) fn meter(&self, models: &Models, problems: &mut Problems) -> Option<NewMeter> {
        self.correct(Draft::default(), models, problems)
    }

    /// What the line says of a meter, in the place of what stands there. What its header does not name stays.
    fn onto(&self, stands: Draft, found: &mut Found) -> Draft {
        let secrets = self.secrets(stands.secrets, found);
        let is_device = self.names("parent") && self.bytes("parent").is_empty();
        let place = |number: u32| if is_device { 0 } else { number };
        let title = self.hex("system_title", found);
        let paths = self.text("paths", String::new(), found);
        Draft {
            serial: self.text("serial", stands.serial, found),
            model: self.text("model", stands.model, found),
            address: self.text("address", stands.address, found),
            server_sap: self.number("server_sap", stands.server_sap, found),
            client_sap: self.number("client_sap", stands.client_sap, found),
            zone: self.text("zone", stands.zone, found),
            secrets,
            system_title: if title.is_empty() { stands.system_title } else { title.to_vec() },
            equipment_id: self.text("equipment_id", stands.equipment_id, found),
            device_address: self.given("device_address", stands.device_address, found),
            paths: if self.names("paths") {
                paths.split_whitespace().map(DraftPath::parse).collect()
            } else {
                stands.paths
            },
            parent: self.text("parent", stands.parent, found),
            subunit: self.number("subunit", place(stands.subunit), found),
            throttle_group: self.text("throttle_group", stands.throttle_group, found),
            pulses_per_kwh: self.number("pulses_per_kwh", stands.pulses_per_kwh, found),
            ratio: self.text("ratio", stands.ratio, found),
            circuit: self.number("circuit", place(stands.circuit), found),
            invocation_counter: self.number("invocation_counter", stands.invocation_counter, found),
        }
    }

    /// The same of credentials, of which those that are left empty stay as far as the level of security has a use for them.
    fn secrets(&self, stands: DraftSecrets, found: &mut Found) -> DraftSecrets {
        let policy = self.word("policy").and_then(convert::stored_policy);
        if policy.is_none() && !self.bytes("policy").is_empty() {
            let known = "none, authenticated, encrypted, authenticated_encrypted or nothing is expected";
            found.push(("policy", known.into()));
        }
        let (text, hex) = (self.bytes("password"), self.hex("password_hex", found));
        if !text.is_empty() && !hex.is_empty() {
            found.push(("password_hex", "it has to be empty when there is a password".into()));
        }
        let password = if text.is_empty() { hex } else { check::secret(text.to_vec()) };
        let security = if self.names("security") {
            self.word("security").and_then(convert::stored_security)
        } else {
            stands.security
        };
        let stays = stands.kept(security, policy);
        let secret = |given: Secret, stays: Secret| if given.is_empty() { stays } else { given };
        let open = |given: Secret, stays: Vec<u8>| if given.is_empty() { stays } else { given.to_vec() };
        DraftSecrets {
            security,
            password: secret(password, stays.password),
            client_title: open(self.hex("client_title", found), stays.client_title),
            encryption_key: secret(self.hex("encryption_key", found), stays.encryption_key),
            authentication_key: secret(self.hex("authentication_key", found), stays.authentication_key),
            suite: self.number("suite", stays.suite, found),
            policy: if self.names("policy") { policy } else { stays.policy },
            signing_key: secret(self.hex("signing_key", found), stays.signing_key),
            meter_public_key: open(self.hex("meter_public_key", found), stays.meter_public_key),
        }
    }

    /// The value whose short word the column holds.
    fn word<W: Word>(&self, column: &str) -> Option<W> {
        str::from_utf8(self.bytes(column)).ok().and_then(W::from_word)
    }

    /// Where the header has a column.
    fn place(&self, column: &str) -> Option<usize> {
        COLUMNS.iter().position(|name| *name == column).and_then(|at| self.places[at])
    }

    /// Whether the header has a column.
    pub(super) fn names(&self, column: &str) -> bool {
        self.place(column).is_some()
    }

    /// What stands in a column; nothing where the header does not have it.
    pub(super) fn bytes(&self, column: &str) -> &[u8] {
        let place = self.place(column);
        place.and_then(|place| self.record.get(place)).map(<[u8]>::trim_ascii).unwrap_or_default()
    }

    fn text(&self, column: &'static str, stands: String, found: &mut Found) -> String {
        if !self.names(column) {
            return stands;
        }
        match str::from_utf8(self.bytes(column)) {
            Ok(text) => text.to_owned(),
            Err(_) => {
                found.push((column, "UTF-8 is expected".into()));
                String::new()
            }
        }
    }

    /// A number; empty is 0.
    fn number(&self, column: &'static str, stands: u32, found: &mut Found) -> u32 {
        self.given(column, Some(stands), found).unwrap_or_default()
    }

    /// A number, when one is given.
    fn given<N: FromStr>(&self, column: &'static str, stands: Option<N>, found: &mut Found) -> Option<N> {
        if !self.names(column) {
            return stands;
        }
        let text = self.bytes(column);
        if text.is_empty() {
            return None;
        }
        let number = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        if number.is_none() {
            found.push((column, "a number is expected, or nothing".into()));
        }
        number
    }

    /// Hexadecimal digits as octets.
    fn hex(&self, column: &'static str, found: &mut Found) -> Secret {
        let digit = |octet: &u8| char::from(*octet).to_digit(16).and_then(|value| u8::try_from(value).ok());
        let digits: Option<Vec<u8>> = self.bytes(column).iter().map(digit).collect();
        match digits.map(check::secret).filter(|digits| digits.len().is_multiple_of(2)) {
            Some(digits) => {
                check::secret(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
            }
            None => {
                found.push((column, "an even number of hexadecimal digits is expected".into()));
                check::secret(Vec::new())
            }
        }
    }
}
