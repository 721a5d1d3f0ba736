//! Firmware images by way of the API.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

use ami_proto::v1::firmware_service_client::FirmwareServiceClient;
use ami_proto::v1::upload_image_request::Part;
use ami_proto::v1::{ImageHeader, InstallFirmwareRequest, OrderTerms, UploadImageRequest};
use sha2::{Digest as _, Sha256};
use tonic::transport::Channel;

/// Octets that repeat late: a block in the wrong place is found.
pub(crate) fn octets(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n * 31 + n / 251 * 7) as u8).collect()
}

/// Uploads an image for the meters of these tests, which show the identifier of an image as their version once it runs.
pub(crate) async fn upload(channel: &Channel, model: &str, version: &str, octets: &[u8]) {
    let header = ImageHeader {
        name: "image".into(),
        model: model.into(),
        identifier: version.into(),
        version: version.into(),
        size: u32::try_from(octets.len()).unwrap(),
        sha256: Sha256::digest(octets).to_vec(),
        signature: Vec::new(),
    };
    let parts = [Part::Header(header), Part::Chunk(octets.to_vec())];
    let messages = tokio_stream::iter(parts.map(|part| UploadImageRequest { part: Some(part) }));
    FirmwareServiceClient::new(channel.clone()).upload_image(messages).await.unwrap();
}

/// Orders the image for a meter; the number of the command.
pub(crate) async fn install(channel: &Channel, serial: &str, key: &str) -> i64 {
    let terms = OrderTerms { idempotency_key: key.into(), ..OrderTerms::default() };
    let request = InstallFirmwareRequest {
        meter_serials: vec![serial.into()],
        image: "image".into(),
        activate_at: None,
        terms: Some(terms),
    };
    let mut client = FirmwareServiceClient::new(channel.clone());
    client.install_firmware(request).await.unwrap().into_inner().commands[0].id
}
