//! `firmware`: images, and meters that get them.

use std::{io::Write, path::Path, time::Duration};

use ami_proto::v1::{
    CommandKind, DeleteImageRequest, ImageHeader, InstallFirmwareRequest, ListImagesRequest,
    UploadImageRequest, firmware_service_client::FirmwareServiceClient, upload_image_request::Part,
};
use sha2::{Digest as _, Sha256};
use tonic::transport::Channel;

use super::commands;
use crate::{
    args::{CommandsArgs, Firmware, InstallArgs, StatusArgs, UploadArgs},
    connection::{request, request_within},
    error::Error,
    output::{Format, Output},
    progress,
    view::ImageRow,
};

/// The server takes no larger image, whatever it is configured to.
const MAX_OCTETS: u64 = 256 << 20;
const CHUNK: usize = 256 << 10;
const TIMEOUT: Duration = Duration::from_secs(600);

/// Does what `firmware` was asked for.
pub(crate) async fn run<W: Write>(
    channel: Channel,
    command: Firmware,
    output: &mut Output<W>,
) -> Result<(), Error> {
    match command {
        Firmware::Upload(args) => upload(channel, args, output).await,
        Firmware::List => list(channel, output).await,
        Firmware::Delete { image } => delete(channel, image, output).await,
        Firmware::Install(args) => install(channel, args, output).await,
        Firmware::Status(args) => status(channel, args, output).await,
    }
}

async fn upload<W: Write>(channel: Channel, args: UploadArgs, output: &mut Output<W>) -> Result<(), Error> {
    let octets = read(&args.file)?;
    let header = header(args, &octets);
    let bar = progress::octets(octets.len() as u64);
    let sent = bar.clone();
    let chunks: Vec<Vec<u8>> = octets.chunks(CHUNK).map(<[u8]>::to_vec).collect();
    drop(octets);
    let chunks = chunks.into_iter().map(move |chunk| {
        sent.inc(chunk.len() as u64);
        Part::Chunk(chunk)
    });
    let parts = std::iter::once(Part::Header(header)).chain(chunks);
    let messages = tokio_stream::iter(parts.map(|part| UploadImageRequest { part: Some(part) }));
    let answer = FirmwareServiceClient::new(channel).upload_image(request_within(messages, TIMEOUT)).await;
    bar.finish_and_clear();
    let answer = answer?.into_inner();
    let Some(image) = answer.image else { return Ok(()) };
    if output.format() == Format::Json {
        return output.json(&ImageRow::from(image));
    }
    let name = image.header.unwrap_or_default().name;
    let how = if answer.is_new { "is uploaded" } else { "was uploaded before" };
    output.line(&format!("{name} {how}"))
}

fn header(args: UploadArgs, octets: &[u8]) -> ImageHeader {
    ImageHeader {
        name: args.name.unwrap_or_else(|| format!("{}-{}", args.model, args.version)),
        model: args.model,
        identifier: args.identifier.0,
        version: args.version,
        // A file that is too large for the field is too large for the server, too, and was refused.
        size: u32::try_from(octets.len()).unwrap_or(u32::MAX),
        sha256: Sha256::digest(octets).to_vec(),
        signature: args.signature.map(|signature| signature.0).unwrap_or_default(),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Error> {
    let wrong = |error| Error::Local(format!("{} cannot be read: {error}", file.display()));
    if std::fs::metadata(file).map_err(wrong)?.len() > MAX_OCTETS {
        return Err(Error::Usage(format!("{} is over 256 MiB: that is no firmware", file.display())));
    }
    std::fs::read(file).map_err(wrong)
}

async fn list<W: Write>(channel: Channel, output: &mut Output<W>) -> Result<(), Error> {
    let answer = FirmwareServiceClient::new(channel).list_images(request(ListImagesRequest {})).await?;
    let rows: Vec<_> = answer.into_inner().images.into_iter().map(ImageRow::from).collect();
    output.page(&rows)
}

async fn delete<W: Write>(channel: Channel, name: String, output: &mut Output<W>) -> Result<(), Error> {
    #[derive(serde::Serialize)]
    struct Deleted<'a> {
        deleted: &'a str,
    }
    let question = DeleteImageRequest { name: name.clone() };
    FirmwareServiceClient::new(channel).delete_image(request(question)).await?;
    match output.format() {
        Format::Json => output.json(&Deleted { deleted: &name }),
        Format::Table | Format::Csv => output.line(&format!("{name} is deleted")),
    }
}

async fn install<W: Write>(channel: Channel, args: InstallArgs, output: &mut Output<W>) -> Result<(), Error> {
    let terms = args.order.confirmed(&format!("install {} on", args.image), &args.meters)?;
    let question = InstallFirmwareRequest {
        meter_serials: args.meters,
        image: args.image,
        activate_at: args.activate_at,
        terms: Some(terms),
    };
    let answer = FirmwareServiceClient::new(channel.clone()).install_firmware(request(question)).await?;
    args.order.finish(channel, answer.into_inner().commands, output).await
}

async fn status<W: Write>(channel: Channel, args: StatusArgs, output: &mut Output<W>) -> Result<(), Error> {
    let installations = CommandsArgs {
        state: Vec::new(),
        kind: vec![CommandKind::InstallFirmware],
        meter: args.meter,
        order: String::new(),
        limit: args.limit,
        format: output.format(),
    };
    commands::list(channel, installations, output).await
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    fn described(line: &str) -> ImageHeader {
        let line = format!("amictl firmware upload image.bin --model sed302 --version 2.1 {line}");
        match Cli::parse_from(line.split_whitespace()).command {
            Command::Firmware(Firmware::Upload(args)) => header(args, b"abc"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_image_is_described_by_what_was_given_and_what_it_is() {
        let header = described("--identifier SED302-2.1");
        assert_eq!((header.name.as_str(), header.size), ("sed302-2.1", 3));
        assert_eq!((header.identifier.as_slice(), header.signature), (&b"SED302-2.1"[..], vec![]));
        // FIPS 180-2, appendix B.1: SHA-256 of "abc" begins so.
        assert_eq!(header.sha256[..4], [0xBA, 0x78, 0x16, 0xBF]);
        let header = described("--identifier 0x00ab --signature 0x0102 --name pilot");
        assert_eq!((header.name.as_str(), header.identifier), ("pilot", vec![0x00, 0xAB]));
        assert_eq!(header.signature, [1, 2]);
    }
}
