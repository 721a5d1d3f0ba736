//! Firmware images as rows.

use ami_proto::v1::FirmwareImage;
use serde::Serialize;

use crate::{hex, output::Row, time};

/// A firmware image.
#[derive(Debug, Serialize)]
pub(crate) struct ImageRow {
    name: String,
    model: String,
    version: String,
    identifier: String,
    size: u32,
    sha256: String,
    signature: String,
    uploaded_by: String,
    uploaded_at: String,
}

impl From<FirmwareImage> for ImageRow {
    fn from(image: FirmwareImage) -> Self {
        let header = image.header.unwrap_or_default();
        Self {
            identifier: text(&header.identifier),
            sha256: hex::encode(&header.sha256),
            signature: hex::encode(&header.signature),
            name: header.name,
            model: header.model,
            version: header.version,
            size: header.size,
            uploaded_by: image.uploaded_by,
            uploaded_at: time::text(image.uploaded_at.as_ref()),
        }
    }
}

impl Row for ImageRow {
    const COLUMNS: &'static [&'static str] = &[
        "name",
        "model",
        "version",
        "identifier",
        "size",
        "sha256",
        "signature",
        "uploaded_by",
        "uploaded_at",
    ];
    const NUMBERS: &'static [&'static str] = &["size"];
    const IN_TABLE: &'static [&'static str] =
        &["name", "model", "version", "identifier", "size", "uploaded_by", "uploaded_at"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.model.clone(),
            self.version.clone(),
            self.identifier.clone(),
            self.size.to_string(),
            self.sha256.clone(),
            self.signature.clone(),
            self.uploaded_by.clone(),
            self.uploaded_at.clone(),
        ]
    }
}

/// Octets as text when they are visible ASCII, else in hexadecimal digits.
fn text(octets: &[u8]) -> String {
    match str::from_utf8(octets) {
        Ok(text) if text.bytes().all(|octet| octet.is_ascii_graphic()) => text.to_owned(),
        _ => hex::encode(octets),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_read_as_people_gave_them() {
        assert_eq!(text(b"SED302-2.1"), "SED302-2.1");
        assert_eq!(text(&[0x00, 0xAB]), "00ab");
        assert_eq!(ImageRow::from(FirmwareImage::default()).cells().len(), ImageRow::COLUMNS.len());
    }
}
