//! The page of a model, and the list of all of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use dlms::Obis;
use toml::{Table, Value};

use super::Described;
use models::Model;

/// Keys that stand in the head of a page.
const HEAD: [&str; 5] = ["name", "manufacturer", "description", "base", "without"];
/// Sections in the order of a page; others follow.
const ORDER: [&str; 16] = [
    "profiles",
    "registers",
    "logs",
    "switch",
    "credit",
    "load",
    "times",
    "tariff",
    "firmware",
    "concentrator",
    "association",
    "identity",
    "transformers",
    "mbus",
    "language",
    "quirks",
];
/// Keys of entries of lists in the order of a table; others follow.
const COLUMNS: [&str; 11] =
    ["name", "log", "register", "object", "code", "bit", "key", "severity", "obis", "class_id", "attribute"];
/// How what the datasheet does not state is marked.
const ASSUMED: &str = "**assumed**";
/// A remark that ends so is like the one above it.
const AS_ABOVE: &str = "the same";
/// Words in a remark that tell what the datasheet does not.
const UNSTATED: [&str; 3] = ["assum", "not stated", "not in the datasheet"];

/// The page of one model.
pub(super) fn write(name: &str, described: &Described) -> String {
    let Described { table, base, remarks, model } = described;
    let mut out = format!("# {name}\n\n{}.\n\n", model.description.trim_end_matches('.'));
    let base = base.as_ref().map_or_else(String::new, |base| {
        format!(" It is like [{base}]({base}.md) but for what its file says.")
    });
    line(
        &mut out,
        &format!(
            "Maker: {}. Written by `cargo xtask models` from `models/{name}.toml`; change that.{base}\n",
            model.manufacturer
        ),
    );
    if let Some(source) = remarks.of("") {
        line(&mut out, &format!("## Where this comes from\n\n{}\n", wrapped(source)));
    }
    line(&mut out, &format!("## What it can do\n\n{}", capabilities(model)));
    let own = table
        .iter()
        .filter(|(key, value)| !HEAD.contains(&key.as_str()) && !value.is_table() && !is_rows(value));
    let own: Vec<_> = own.collect();
    if !own.is_empty() {
        line(&mut out, "## Objects\n");
        pairs(&mut out, described, "", own.into_iter());
    }
    let place = |key: &str| ORDER.iter().position(|known| *known == key).unwrap_or(ORDER.len());
    let mut sections: Vec<_> = table.iter().filter(|(_, value)| value.is_table() || is_rows(value)).collect();
    sections.sort_by_key(|(key, _)| place(key));
    for (key, value) in sections {
        section(&mut out, described, (key, value), 2);
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// The list of all pages.
pub(super) fn index(all: &BTreeMap<String, Described>) -> String {
    let mut out = String::from(
        "# Models\n\nWhat each type of meter can do, as the head-end knows it. A page is written by `cargo xtask models` from the model's file; what the \
         maker's datasheet does not state is marked as **assumed**.\n\nWhat the datasheets ask of a head-end, and where that is: \
         [requirements](../requirements.md).\n\n| model | maker | what it is | language | profiles | switch | tariff | firmware |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for (name, Described { model, .. }) in all {
        let yes = |has: bool| if has { "yes" } else { "–" };
        let profiles: Vec<&str> = model.profiles.iter().map(|profile| profile.name.as_str()).collect();
        let _ = writeln!(
            out,
            "| [{name}]({name}.md) | {} | {} | {} | {} | {} | {} | {} |",
            model.manufacturer,
            model.description,
            model.language.as_str(),
            or_none(&profiles.join(", ")),
            yes(model.switch.is_some()),
            yes(model.tariff.is_some()),
            yes(model.firmware.is_some()),
        );
    }
    out
}

/// What can be asked and ordered of such a meter.
fn capabilities(model: &Model) -> String {
    let names = |names: Vec<&str>| or_none(&names.join("; ")).to_owned();
    let switch = model
        .switch
        .as_ref()
        .map(|switch| format!("`{}`, moves within {}", switch.obis, time(switch.settle)));
    let tariff = model.tariff.as_ref().map(|tariff| {
        format!(
            "{} rates, {} seasons, {} weeks, {} types of day, {} switches a day, {} special days",
            tariff.rates,
            tariff.seasons,
            tariff.weeks,
            tariff.day_types,
            tariff.switches_per_day,
            tariff.special_days
        )
    });
    let firmware = model
        .firmware
        .as_ref()
        .map(|firmware| format!("blocks of {} octets at most", firmware.max_block_size));
    let subunits = (model.subunits > 0).then(|| format!("up to {}", model.subunits));
    let rows = [
        ("Language", model.language.as_str().to_owned()),
        ("Profiles", names(model.profiles.iter().map(|profile| profile.name.as_str()).collect())),
        ("Registers", names(model.registers.iter().map(|register| register.name.as_str()).collect())),
        (
            "Parameters that can be set",
            names(model.parameters().map(|(register, _)| register.name.as_str()).collect()),
        ),
        ("Logs", names(model.logs.iter().map(|log| log.name.as_str()).collect())),
        ("Events and alarms that are known", known(model)),
        ("Load switch", switch.unwrap_or_else(none)),
        ("Tariff", tariff.unwrap_or_else(none)),
        ("Firmware", firmware.unwrap_or_else(none)),
        ("Sub-units with accounts of their own", subunits.unwrap_or_else(none)),
    ];
    let mut out = String::from("| | |\n|---|---|\n");
    rows.iter().for_each(|(what, how)| line(&mut out, &format!("| {what} | {how} |")));
    out
}

fn known(model: &Model) -> String {
    let alarms = &model.alarms;
    let count = alarms.events.len() + alarms.bits.len() + alarms.objects.len();
    if count == 0 { none() } else { count.to_string() }
}

/// A section, and those inside of it.
fn section(out: &mut String, described: &Described, (key, value): (&str, &Value), depth: usize) {
    let name = key.rsplit('.').next().unwrap_or(key);
    match value {
        Value::Array(rows) if key == "profiles" => {
            heading(out, described, key, name, depth);
            for (index, row) in rows.iter().enumerate() {
                profile(out, described, &format!("{key}.{index}"), row);
            }
        }
        Value::Array(rows) => {
            heading(out, described, key, name, depth);
            list(out, described, key, rows);
        }
        Value::Table(table) => {
            heading(out, described, key, name, depth);
            let (parts, plain): (Vec<_>, Vec<_>) = table.iter().partition(|(_, value)| is_rows(value));
            pairs(out, described, &format!("{key}."), plain.into_iter());
            for (part, value) in parts {
                section(out, described, (&format!("{key}.{part}"), value), depth + 1);
            }
        }
        _ => {}
    }
}

fn profile(out: &mut String, described: &Described, key: &str, value: &Value) {
    let Value::Table(table) = value else { return };
    let name = table.get("name").and_then(Value::as_str).unwrap_or(key);
    heading(out, described, key, name, 3);
    let plain = table.iter().filter(|(part, _)| !matches!(part.as_str(), "name" | "columns"));
    pairs(out, described, &format!("{key}."), plain);
    if let Some(Value::Array(columns)) = table.get("columns") {
        list(out, described, &format!("{key}.columns"), columns);
    }
}

fn heading(out: &mut String, described: &Described, key: &str, name: &str, depth: usize) {
    let mut title = name.replace('_', " ");
    if depth == 2
        && let Some(first) = title.get(..1).map(str::to_uppercase)
    {
        title.replace_range(..1, &first);
    }
    line(out, &format!("{} {title}\n", "#".repeat(depth)));
    if let Some(remark) = described.remarks.of(key) {
        line(out, &format!("{}\n", marked(&wrapped(remark))));
    }
}

/// Keys and what they are.
fn pairs<'a>(
    out: &mut String,
    described: &Described,
    prefix: &str,
    pairs: impl Iterator<Item = (&'a String, &'a Value)>,
) {
    let mut flat = Vec::new();
    pairs.for_each(|(key, value)| flatten(key.clone(), value, &mut flat));
    if flat.is_empty() {
        return;
    }
    line(out, "| key | value | remark |\n|---|---|---|");
    for (key, value) in flat {
        let remark = described.remarks.of(&format!("{prefix}{key}")).map(marked).unwrap_or_default();
        line(out, &format!("| `{key}` | {} | {remark} |", shown(value)));
    }
    out.push('\n');
}

/// Tables inside of tables as keys with dots.
fn flatten<'a>(key: String, value: &'a Value, out: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Table(table) if !table.is_empty() => {
            table.iter().for_each(|(part, value)| flatten(format!("{key}.{part}"), value, out));
        }
        value => out.push((key, value)),
    }
}

/// Entries of a list, a row each.
fn list(out: &mut String, described: &Described, key: &str, rows: &[Value]) {
    let rows: Vec<&Table> = rows.iter().filter_map(Value::as_table).collect();
    let mut names: Vec<&str> = Vec::new();
    for part in rows.iter().flat_map(|row| row.keys()) {
        if !names.contains(&part.as_str()) {
            names.push(part);
        }
    }
    names.sort_by_key(|name| COLUMNS.iter().position(|known| known == name).unwrap_or(COLUMNS.len()));
    let titles: Vec<String> = names.iter().map(|name| name.replace('_', " ")).collect();
    let remarks = remarks_of(described, key, &names, rows.len());
    let has_remarks = remarks.iter().any(|remark| !remark.is_empty());
    let beside = if has_remarks { " remark |" } else { "" };
    line(out, &format!("| {} |{beside}", titles.join(" | ")));
    line(out, &format!("|{}", "---|".repeat(names.len() + usize::from(has_remarks))));
    for (row, remark) in rows.iter().zip(&remarks) {
        let cells: Vec<String> =
            names.iter().map(|name| row.get(*name).map(shown).unwrap_or_default()).collect();
        let beside = if has_remarks { format!(" {remark} |") } else { String::new() };
        line(out, &format!("| {} |{beside}", cells.join(" | ")));
    }
    out.push('\n');
}

/// What is said of each entry of a list, and of its keys.
fn remarks_of(described: &Described, key: &str, names: &[&str], rows: usize) -> Vec<String> {
    let mut all: Vec<String> = Vec::with_capacity(rows);
    for index in 0..rows {
        let beside = described.remarks.of(&format!("{key}.{index}")).map(|remark| {
            let is_as_above = remark.ends_with(AS_ABOVE);
            let above = all.last().filter(|above| is_as_above && above.starts_with(ASSUMED));
            above.map_or_else(|| marked(remark), |_| format!("{ASSUMED}: {remark}"))
        });
        let parts = names.iter().filter_map(|name| {
            Some(format!("{name}: {}", marked(described.remarks.of(&format!("{key}.{index}.{name}"))?)))
        });
        all.push(beside.into_iter().chain(parts).collect::<Vec<_>>().join("; "));
    }
    all
}

/// A value as people read it: a logical name with what it is called.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => match text.parse::<Obis>() {
            Ok(obis) => obis.name().map_or_else(|| format!("`{text}`"), |name| format!("`{text}` {name}")),
            Err(_) => text.clone(),
        },
        Value::Table(table) if table.is_empty() => none(),
        Value::Table(table) => {
            let mut flat = Vec::new();
            table.iter().for_each(|(key, value)| flatten(key.clone(), value, &mut flat));
            flat.iter().map(|(key, value)| format!("{key} {}", shown(value))).collect::<Vec<_>>().join(", ")
        }
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// A remark, with what says that something is not stated brought out.
fn marked(remark: &str) -> String {
    let lower = remark.to_lowercase();
    if !UNSTATED.iter().any(|word| lower.contains(word)) {
        return remark.to_owned();
    }
    let rest = if lower.starts_with("assumed") { &remark["assumed".len()..] } else { remark };
    match rest.trim_start_matches([':', '.', ',', ';']).trim() {
        "" => ASSUMED.to_owned(),
        rest => format!("{ASSUMED}: {rest}"),
    }
}

fn wrapped(remark: &str) -> String {
    remark.split("\n\n").map(str::trim).collect::<Vec<_>>().join("\n\n")
}

fn is_rows(value: &Value) -> bool {
    matches!(value, Value::Array(rows) if rows.iter().any(Value::is_table))
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "–" } else { text }
}

fn none() -> String {
    "–".to_owned()
}

fn time(duration: std::time::Duration) -> String {
    match duration.as_secs() {
        seconds if seconds > 0 && seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}
