//! Corrections: all meters of a file, or none and the reasons.

use std::collections::BTreeMap;

use ami_proto::v1::CorrectMetersResponse;
use models::{Language, MBUS_DEVICE, Model};
use tracing::info;

use super::super::Models;
use super::super::check::{self, Draft, DraftPath, DraftSecrets};
use super::super::orders::Asker;
use super::super::status::Refusal;
use super::csv::{self, Fields};
use super::import::{MAX_AUDITED, Problems};
use crate::store::Store;
use crate::store::meters::{Added, Correction, NewMeter, Secret, Standing};

const NOBODY: &str = "there is no meter with this serial number: import it";
const RETIRED: &str = "it is out of service: in a row with state active it comes back into service";
const KEPT: &str = "it is a device on an M-Bus channel: the head-end keeps what there is of it by itself";
const TAKEN: &str = "another meter has this system title, equipment id or place on its parent";
const NO_PARENT: &str =
    "a meter in service that is no sub-unit itself is expected, of a meter that has none of its own";

/// Corrects the meters of a file, all of them or none.
pub(super) async fn run(
    store: &Store,
    models: &Models,
    file: &[u8],
    asker: &Asker,
) -> Result<CorrectMetersResponse, Refusal> {
    let (lines, columns, mut problems) = csv::corrected(file);
    if !problems.none() {
        return refuse(store, problems, asker).await;
    }
    let serials: Vec<String> = lines.keys().cloned().collect();
    let (correcting, standing) = store.correct_meters(&serials).await?;
    let standing = standing.into_iter().map(|meter| (meter.serial.clone(), meter)).collect();
    let mut corrections = corrections(file, &standing, models, &mut problems);
    let corrected = u32::try_from(corrections.len()).map_err(|_| Refusal::Internal)?;
    let unchanged = u32::try_from(lines.len()).map_err(|_| Refusal::Internal)?.saturating_sub(corrected);
    follow(&mut corrections, &standing, (models, &lines), &mut problems);
    drop(standing);
    if !problems.none() {
        drop(correcting);
        return refuse(store, problems, asker).await;
    }
    let named: Vec<&str> =
        corrections.iter().take(MAX_AUDITED).map(|correction| correction.meter.serial.as_str()).collect();
    let detail = format!("{corrected} of {} meters: {}", lines.len(), columns.join(", "));
    let entry = asker.entry(named.join(" "), "accepted", Some(detail));
    let (serials, column, problem) = match correcting.write(&corrections, &entry).await? {
        Added::All => {
            info!(corrected, unchanged, "meters corrected");
            return Ok(CorrectMetersResponse { corrected, unchanged, ..Default::default() });
        }
        Added::Taken(serials) => (serials, "serial", TAKEN),
        Added::Orphaned(serials) => (serials, "parent", NO_PARENT),
    };
    for serial in serials {
        problems.add(lines.get(&serial).copied().unwrap_or_default(), column, problem);
    }
    refuse(store, problems, asker).await
}

/// What the rows of the file change, in the order of the file.
fn corrections(
    file: &[u8],
    standing: &BTreeMap<String, Standing>,
    models: &Models,
    problems: &mut Problems,
) -> Vec<Correction> {
    let mut corrections = Vec::new();
    csv::corrections(file, problems, |fields, problems| {
        corrections.extend(correction(fields, standing, models, problems));
    });
    corrections
}

/// What a row changes; `None` when that is nothing, or something is wrong with it.
fn correction(
    fields: &Fields<'_>,
    standing: &BTreeMap<String, Standing>,
    models: &Models,
    problems: &mut Problems,
) -> Option<Correction> {
    let mut wrong = |column, problem| {
        problems.add(fields.line(), column, problem);
        None
    };
    let Some(stands) = standing.get(fields.serial()) else { return wrong("serial", NOBODY) };
    if stands.model == MBUS_DEVICE {
        return wrong("serial", KEPT);
    }
    if !stands.is_active && !fields.is_active() {
        return wrong("state", RETIRED);
    }
    let before = check::meter(draft(stands, models), models).ok();
    let meter = fields.correct(draft(stands, models), models, problems)?;
    let raises =
        meter.secrets.keys.is_some() && stands.next_counter.unwrap_or(1) < i64::from(meter.first_counter);
    let is_same = before
        .as_ref()
        .is_some_and(|before| NewMeter { first_counter: meter.first_counter, ..before.clone() } == meter);
    if is_same && !raises && stands.is_active {
        return None;
    }
    Some(Correction {
        id: stands.id,
        is_moved: before.is_none_or(|before| way(&before) != way(&meter)),
        is_remodelled: stands.model != meter.model,
        was_retired: !stands.is_active,
        meter,
    })
}

/// Sub-units with the way of a parent that is another now have the new one, too, whether the file names them or not.
fn follow(
    corrections: &mut Vec<Correction>,
    standing: &BTreeMap<String, Standing>,
    (models, lines): (&Models, &BTreeMap<String, u32>),
    problems: &mut Problems,
) {
    let places =
        corrections.iter().enumerate().map(|(place, correction)| (correction.meter.serial.clone(), place));
    let places: BTreeMap<String, usize> = places.collect();
    for stands in standing.values().filter(|stands| stands.has_way_of_parent && stands.is_active) {
        let Some(parent) = stands.parent.as_ref().and_then(|parent| corrections.get(*places.get(parent)?))
        else {
            continue;
        };
        let (is_moved, parent) = (parent.is_moved, &parent.meter);
        let group = standing.get(&parent.serial).and_then(|stands| stands.throttle_group.as_ref());
        if !is_moved && group == parent.throttle_group.as_ref() {
            continue;
        }
        if let Some(own) = places.get(&stands.serial) {
            let own = &mut corrections[*own];
            own.is_moved |= is_moved && own.meter.address.is_none();
            continue;
        }
        match check::meter(draft(stands, models), models) {
            Ok(meter) => corrections.push(Correction {
                id: stands.id,
                meter,
                is_moved,
                is_remodelled: false,
                was_retired: false,
            }),
            Err(found) => {
                let line = lines.get(&parent.serial).copied().unwrap_or_default();
                for problem in found {
                    problems.add(
                        line,
                        problem.field,
                        format!("its sub-unit {}: {}", stands.serial, problem.problem),
                    );
                }
            }
        }
    }
}

/// What the way to a meter depends on.
fn way(meter: &NewMeter) -> impl PartialEq + '_ {
    let parent = meter.part_of.as_ref().filter(|_| meter.address.is_none()).map(|part| &part.parent);
    (&meter.address, meter.device_address, &meter.paths, &meter.line, parent)
}

/// What is stored of a meter, as if a client described it. What is its parent's or its model's own stays theirs.
fn draft(stands: &Standing, models: &Models) -> Draft {
    let model = models.get(&stands.model);
    let own = model.map(|model| check::own_saps(model, stands.security));
    let sap = |sap: i32, own: Option<u16>| match u32::try_from(sap) {
        Ok(sap) if own.map(u32::from) == Some(sap) => 0,
        other => other.unwrap_or_default(),
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (is_heir, device) = (stands.has_way_of_parent, |device: Option<i64>| {
        device.and_then(|device| u64::try_from(device).ok())
    });
    let has_device_of_parent =
        is_heir && stands.has_device_address_of_parent && model.is_none_or(may_inherit_device);
    let paths = stands.paths.iter().zip(&stands.path_device_addresses);
    let paths = paths
        .filter(|_| !is_heir)
        .map(|(address, on_it)| DraftPath { address: address.clone(), device_address: device(*on_it) });
    Draft {
        serial: stands.serial.clone(),
        model: stands.model.clone(),
        address: if is_heir { String::new() } else { stands.address.clone() },
        server_sap: sap(stands.server_sap, own.map(|(server, _)| server)),
        client_sap: sap(stands.client_sap, own.map(|(_, client)| client)),
        zone: stands.zone.clone(),
        secrets: secrets(stands),
        system_title: stands.system_title.clone().unwrap_or_default(),
        equipment_id: text(&stands.equipment_id),
        device_address: device(stands.device_address).filter(|_| !has_device_of_parent),
        paths: paths.collect(),
        parent: text(&stands.parent),
        subunit: stands.subunit.and_then(|subunit| u32::try_from(subunit).ok()).unwrap_or_default(),
        circuit: if stands.parent.is_some() { u32::try_from(stands.circuit).unwrap_or_default() } else { 0 },
        throttle_group: text(
            &stands.throttle_group.clone().filter(|_| !is_heir || !stands.has_group_of_parent),
        ),
        pulses_per_kwh: stands
            .pulses_per_kwh
            .and_then(|pulses| u32::try_from(pulses).ok())
            .unwrap_or_default(),
        ratio: text(&stands.ratio),
        invocation_counter: 0,
    }
}

/// Whether a sub-unit need not have a device address of its own.
fn may_inherit_device(model: &std::sync::Arc<Model>) -> bool {
    matches!(model.language, Language::Dlms) || model.names_subunits()
}

/// Stored credentials, as if a client gave them.
fn secrets(stands: &Standing) -> DraftSecrets {
    let secret = |octets: &Option<Vec<u8>>| -> Secret { check::secret(octets.clone().unwrap_or_default()) };
    DraftSecrets {
        security: Some(stands.security),
        policy: Some(stands.policy),
        password: secret(&stands.password),
        client_title: stands.client_title.clone().unwrap_or_default(),
        encryption_key: secret(&stands.encryption_key),
        authentication_key: secret(&stands.authentication_key),
        suite: u32::try_from(stands.suite).unwrap_or_default(),
        signing_key: secret(&stands.signing_key),
        meter_public_key: stands.meter_public_key.clone().unwrap_or_default(),
    }
}

/// None was corrected, which the audit tells, too.
async fn refuse(store: &Store, problems: Problems, asker: &Asker) -> Result<CorrectMetersResponse, Refusal> {
    let problem_count = problems.count();
    let detail = format!("nothing was corrected: {problem_count} problems in the file");
    store.audit(&asker.entry(String::new(), "correction_problems", Some(detail))).await?;
    Ok(CorrectMetersResponse { problems: problems.into_list(), problem_count, ..Default::default() })
}
