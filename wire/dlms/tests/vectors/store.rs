//! The byte vectors of `dlms.json`, as they stand in the file.

use serde_json::Value;

/// One vector.
pub(crate) struct Vector {
    /// Its name in failures and tables.
    pub(crate) id: String,
    /// Subject.
    pub(crate) group: String,
    /// What the octets are, for example `apdu`.
    pub(crate) kind: String,
    /// The octets.
    pub(crate) octets: Vec<u8>,
    /// What has to be known besides.
    pub(crate) context: Value,
    /// What the octets say.
    pub(crate) expected: Value,
}

/// All vectors, in the order of the file.
pub(crate) fn all() -> Vec<Vector> {
    let file: Vec<Value> = serde_json::from_str(include_str!("dlms.json")).unwrap();
    file.iter()
        .map(|vector| Vector {
            id: text(&vector["id"]).to_owned(),
            group: text(&vector["group"]).to_owned(),
            kind: text(&vector["kind"]).to_owned(),
            octets: octets(text(&vector["hex"])),
            context: vector["context"].clone(),
            expected: vector["expected"].clone(),
        })
        .collect()
}

/// Octets out of hexadecimal digits.
pub(crate) fn octets(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "half an octet at the end of {hex}");
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// Hexadecimal digits of octets, as the file writes them.
pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
