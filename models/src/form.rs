//! How dates are written, by its name in a file.

use dlms::cosem::Form;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The names of a [`Form`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Name {
    Octets,
    Typed,
}

/// Writes the name.
pub(crate) fn serialize<S: Serializer>(form: &Form, serializer: S) -> Result<S::Ok, S::Error> {
    let name = match form {
        Form::Octets => Name::Octets,
        Form::Typed => Name::Typed,
    };
    name.serialize(serializer)
}

/// Reads the name.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Form, D::Error> {
    Name::deserialize(deserializer).map(|name| match name {
        Name::Octets => Form::Octets,
        Name::Typed => Form::Typed,
    })
}
