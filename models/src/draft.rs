//! A model as a file: what somebody found out about a meter, for a person who completes it.

use dlms::Obis;
use serde::Serialize;
use toml::Value;

use crate::check::check;
use crate::{Error, Log, Model, Profile, Register};

/// What a draft is called as long as nobody has named it.
const NAME: &str = "draft";
const FILE: &str = "draft.toml";

/// The text of a model's file without its first line, which is the model's name. Logical names have beside them what the objects are
/// called; `notes` stand on top, each as a comment.
///
/// # Errors
/// [`Error::Invalid`] when the model is one that [`parse`](crate::parse) would refuse.
pub fn draft(model: &Model, notes: &[String]) -> Result<String, Error> {
    let named = Model { name: NAME.into(), ..model.clone() };
    check(FILE, &named)?;
    let mut text = String::new();
    for note in notes {
        for row in note.lines() {
            text.push_str(&format!("# {row}\n"));
        }
    }
    line(&mut text, "manufacturer", &Value::from(model.manufacturer.as_str()), None);
    line(&mut text, "description", &Value::from(model.description.as_str()), None);
    obis(&mut text, "clock", model.clock);
    obis(&mut text, "invocation_counter", model.invocation_counter);
    section(&mut text, "association", Some(&model.association));
    section(&mut text, "identity", Some(&model.identity));
    section(&mut text, "transformers", model.transformers.as_ref());
    section(&mut text, "mbus", model.mbus.as_ref());
    section(&mut text, "switch", model.switch.as_ref());
    section(&mut text, "firmware", model.firmware.as_ref());
    section(&mut text, "tariff", model.tariff.as_ref());
    section(&mut text, "clock_sync", model.clock_sync.as_ref());
    section(&mut text, "billing", model.billing.as_ref());
    section(&mut text, "validation", Some(&model.validation));
    section(&mut text, "quirks", Some(&model.quirks));
    model.profiles.iter().for_each(|profile| write_profile(&mut text, profile));
    model.logs.iter().for_each(|log| write_log(&mut text, log));
    model.registers.iter().for_each(|register| write_register(&mut text, register));
    crate::parse(FILE, &with_name(NAME, &text))?;
    Ok(text)
}

/// A draft as a whole file.
pub fn with_name(name: &str, draft: &str) -> String {
    format!("name = {}\n{draft}", Value::from(name))
}

fn line(text: &mut String, key: &str, value: &Value, remark: Option<&str>) {
    text.push_str(&format!("{key} = {value}"));
    text.push_str(&remark.map(|remark| format!(" # {remark}")).unwrap_or_default());
    text.push('\n');
}

/// A logical name, and what the object is called.
fn obis(text: &mut String, key: &str, name: Obis) {
    line(text, key, &Value::from(name.to_string()), name.name().as_deref());
}

/// A section of plain values.
fn section(text: &mut String, name: &str, content: Option<&impl Serialize>) {
    let Some(Ok(Value::Table(table))) = content.map(Value::try_from) else { return };
    text.push_str(&format!("\n[{name}]\n"));
    for (key, value) in &table {
        let obis = value.as_str().and_then(|value| value.parse::<Obis>().ok());
        line(text, key, value, obis.and_then(Obis::name).as_deref());
    }
}

fn write_profile(text: &mut String, profile: &Profile) {
    text.push_str("\n[[profiles]]\n");
    line(text, "name", &Value::from(profile.name.as_str()), None);
    obis(text, "obis", profile.obis);
    line(text, "period_s", &Value::from(profile.period_s), None);
    line(text, "depth", &Value::from(profile.depth), None);
    duration(text, profile.read_every);
    text.push_str("columns = [\n");
    for column in &profile.columns {
        text.push_str(&format!("  {{ obis = \"{}\", class_id = {}", column.obis, column.class_id));
        if column.attribute != 2 {
            text.push_str(&format!(", attribute = {}", column.attribute));
        }
        if !column.unit.symbol().is_empty() {
            let unit = Value::from(column.unit.symbol());
            text.push_str(&format!(", scaler = {}, unit = {unit}", column.scaler));
        } else if column.scaler != 0 {
            text.push_str(&format!(", scaler = {}", column.scaler));
        }
        text.push_str(" },");
        text.push_str(&column.obis.name().map(|name| format!(" # {name}")).unwrap_or_default());
        text.push('\n');
    }
    text.push_str("]\n");
}

fn write_log(text: &mut String, log: &Log) {
    text.push_str("\n[[logs]]\n");
    line(text, "name", &Value::from(log.name.as_str()), None);
    obis(text, "obis", log.obis);
    line(text, "depth", &Value::from(log.depth), None);
    duration(text, log.read_every);
    if let Some(code) = log.code {
        obis(text, "code", code);
    }
    if let Some(node) = log.node {
        obis(text, "node", node);
    }
    if let Some(word) = log.status_word {
        text.push_str(&format!("status_word = {{ number = {:#06x} }}\n", word.number));
    }
    if let Some(outages) = log.outages {
        let long = humantime::format_duration(outages.long);
        text.push_str(&format!("outages = {{ long = \"{long}\" }}\n"));
    }
}

fn write_register(text: &mut String, register: &Register) {
    text.push_str("\n[[registers]]\n");
    line(text, "name", &Value::from(register.name.as_str()), None);
    line(text, "obis", &Value::from(register.obis.to_string()), None);
    line(text, "class_id", &Value::from(i64::from(register.class_id)), None);
    duration(text, register.read_every);
}

fn duration(text: &mut String, read_every: std::time::Duration) {
    let text_of = humantime::format_duration(read_every).to_string();
    line(text, "read_every", &Value::from(text_of), None);
}
