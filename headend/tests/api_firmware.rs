//! Firmware images through the public interface: kept as a whole, or refused with the field at fault and nothing kept.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod common;
mod served;
mod template;

use ami_proto::v1::commands_service_client::CommandsServiceClient;
use ami_proto::v1::upload_image_request::Part;
use ami_proto::v1::{
    CancelCommandRequest, Command, CommandKind, CommandState, DeleteImageRequest, ErrorReason, FirmwareImage,
    GetImageRequest, ImageHeader, InstallFirmwareRequest, ListImagesRequest, OrderTerms, UploadImageRequest,
    UploadImageResponse,
};
use headend::api::Limits;
use prost_types::Timestamp;
use served::{Served, new_meter, reason};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

/// Octets that repeat late: a piece in the wrong place is found.
fn firmware(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n * 31 + n / 251 * 7) as u8).collect()
}

fn header(name: &str, octets: &[u8]) -> ImageHeader {
    ImageHeader {
        name: name.into(),
        model: "generic-dlms".into(),
        identifier: b"GEN-2.1".to_vec(),
        version: "2.1".into(),
        size: u32::try_from(octets.len()).unwrap(),
        sha256: Sha256::digest(octets).to_vec(),
        signature: Vec::new(),
    }
}

/// Uploads in messages of 100,000 octets, which is no divisor of anything.
async fn upload(served: &Served, header: ImageHeader, octets: &[u8]) -> Result<UploadImageResponse, Status> {
    let chunks = octets.chunks(100_000).map(|chunk| Part::Chunk(chunk.to_vec()));
    send(served, std::iter::once(Part::Header(header)).chain(chunks).collect()).await
}

async fn send(served: &Served, parts: Vec<Part>) -> Result<UploadImageResponse, Status> {
    let messages = parts.into_iter().map(|part| UploadImageRequest { part: Some(part) });
    let messages = tokio_stream::iter(messages.collect::<Vec<_>>());
    served.firmware().upload_image(messages).await.map(tonic::Response::into_inner)
}

async fn list(served: &Served) -> Vec<FirmwareImage> {
    served.firmware().list_images(ListImagesRequest {}).await.unwrap().into_inner().images
}

fn names(images: &[FirmwareImage]) -> Vec<&str> {
    images.iter().map(|image| image.header.as_ref().unwrap().name.as_str()).collect()
}

#[tokio::test]
async fn an_image_is_kept_octet_by_octet_and_only_once() {
    let served = Served::new().await;
    let octets = firmware(600_001);
    let answer = upload(&served, header("gen-2.1", &octets), &octets).await.unwrap();
    let image = answer.image.unwrap();
    assert_eq!((answer.is_new, image.header.clone()), (true, Some(header("gen-2.1", &octets))));
    assert_eq!(image.uploaded_by, "loopback");
    // PostgreSQL computes the hash of what it holds.
    let held = served.database.sql(
        "SELECT count(*), encode(sha256(string_agg(octets, ''::bytea ORDER BY number)), 'hex') FROM firmware_chunk",
    );
    let hash: String = Sha256::digest(&octets).iter().map(|octet| format!("{octet:02x}")).collect();
    assert_eq!(held, format!("3|{hash}"));

    let again = upload(&served, header("gen-2.1", &octets), &octets).await.unwrap();
    assert_eq!((again.is_new, again.image.as_ref()), (false, Some(&image)));
    assert_eq!(list(&served).await, std::slice::from_ref(&image));
    let request = GetImageRequest { name: "gen-2.1".into() };
    let shown = served.firmware().get_image(request).await.unwrap().into_inner();
    assert_eq!(shown.image, Some(image));
}

#[tokio::test]
async fn whatever_does_not_fit_is_named_and_nothing_is_kept() {
    let served = Served::with(Limits { image_octets: 5_000, ..Limits::default() }).await;
    let octets = firmware(4_000);
    let good = || header("gen", &octets);
    let cases = [
        ("header.name", ImageHeader { name: "two words".into(), ..good() }),
        ("header.name", ImageHeader { name: String::new(), ..good() }),
        ("header.model", ImageHeader { model: "no-such-model".into(), ..good() }),
        ("header.identifier", ImageHeader { identifier: Vec::new(), ..good() }),
        ("header.identifier", ImageHeader { identifier: vec![1; 65], ..good() }),
        ("header.version", ImageHeader { version: " 2.1".into(), ..good() }),
        ("header.version", ImageHeader { version: "2\n1".into(), ..good() }),
        ("header.sha256", ImageHeader { sha256: vec![0; 31], ..good() }),
        ("header.sha256", ImageHeader { sha256: vec![0; 32], ..good() }),
        ("header.signature", ImageHeader { signature: vec![0; 1025], ..good() }),
        ("header.size", ImageHeader { size: 0, ..good() }),
        ("header.size", ImageHeader { size: 3_999, ..good() }),
        ("header.size", ImageHeader { size: 4_001, ..good() }),
        ("header.size", ImageHeader { size: 5_001, ..good() }),
    ];
    for (field, header) in cases {
        let status = upload(&served, header, &octets).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).1.as_str()), (Code::InvalidArgument, field), "{status}");
    }
    let headless = send(&served, vec![Part::Chunk(octets.clone())]).await.unwrap_err();
    assert_eq!(reason(&headless), (ErrorReason::InvalidField, "header".into()));
    let twice = send(&served, vec![Part::Header(good()), Part::Header(good())]).await.unwrap_err();
    assert_eq!(reason(&twice), (ErrorReason::InvalidField, "chunk".into()));
    assert_eq!(served.database.sql("SELECT count(*) FROM firmware_image"), "0");
    assert_eq!(served.database.sql("SELECT count(*) FROM firmware_chunk"), "0");
}

#[tokio::test]
async fn a_name_belongs_to_one_image_and_images_are_counted() {
    let served = Served::with(Limits { images: 2, ..Limits::default() }).await;
    let (one, other) = (firmware(300), firmware(301));
    upload(&served, header("b", &one), &one).await.unwrap();
    let status = upload(&served, header("b", &other), &other).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).0), (Code::AlreadyExists, ErrorReason::ImageExists));
    let version = ImageHeader { version: "2.2".into(), ..header("b", &one) };
    let status = upload(&served, version, &one).await.unwrap_err();
    assert_eq!(reason(&status).0, ErrorReason::ImageExists);
    upload(&served, header("a", &other), &other).await.unwrap();
    let status = upload(&served, header("c", &one), &one).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).0), (Code::ResourceExhausted, ErrorReason::TooManyImages));
    assert_eq!(names(&list(&served).await), ["a", "b"]);
    let request = GetImageRequest { name: "c".into() };
    let status = served.firmware().get_image(request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).0), (Code::NotFound, ErrorReason::ImageNotFound));
}

#[tokio::test]
async fn uploads_at_once_are_limited() {
    let served = Served::with(Limits { uploads: 1, ..Limits::default() }).await;
    let octets = firmware(1_000);
    let part = |part| UploadImageRequest { part: Some(part) };
    let mut senders = Vec::new();
    let mut uploads = JoinSet::new();
    for _ in 0..2 {
        let (sender, messages) = mpsc::channel(4);
        sender.send(part(Part::Header(header("one", &octets)))).await.unwrap();
        senders.push(sender);
        let mut client = served.firmware();
        uploads.spawn(async move { client.upload_image(ReceiverStream::new(messages)).await });
    }
    // Both wait for their octets, so whichever ends now is the one too many.
    let status = uploads.join_next().await.unwrap().unwrap().unwrap_err();
    assert_eq!((status.code(), reason(&status).0), (Code::ResourceExhausted, ErrorReason::TooManyUploads));
    for sender in senders {
        // The refused one takes no more.
        let _refused = sender.send(part(Part::Chunk(octets.clone()))).await;
    }
    assert!(uploads.join_next().await.unwrap().unwrap().unwrap().into_inner().is_new);
}

/// Orders an image for meters; their refusal.
async fn install(
    served: &Served,
    meters: &[&str],
    image: &str,
    at: Option<i64>,
    key: &str,
) -> Result<Vec<Command>, Status> {
    let request = InstallFirmwareRequest {
        meter_serials: meters.iter().map(|serial| (*serial).to_owned()).collect(),
        image: image.into(),
        activate_at: at.map(|seconds| Timestamp { seconds, nanos: 0 }),
        terms: Some(OrderTerms { idempotency_key: key.into(), ..OrderTerms::default() }),
    };
    served.firmware().install_firmware(request).await.map(|answer| answer.into_inner().commands)
}

/// A year that no test will see.
const FAR: i64 = 7_000_000_000;

#[tokio::test]
async fn an_order_makes_one_command_for_each_meter_and_only_once() {
    let served = Served::new().await;
    let octets = firmware(2_000);
    upload(&served, header("gen", &octets), &octets).await.unwrap();
    for serial in ["F1", "F2"] {
        served.inventory().create_meter(new_meter(serial, None)).await.unwrap();
    }
    let commands = install(&served, &["F2", "F1"], "gen", None, "pilot").await.unwrap();
    let meters: Vec<_> = commands.iter().map(|command| command.meter_serial.as_str()).collect();
    assert_eq!(meters, ["F2", "F1"]);
    let command = &commands[0];
    let shown = (command.kind(), command.state(), command.priority);
    assert_eq!(shown, (CommandKind::InstallFirmware, CommandState::Accepted, -10));
    let week = command.deadline.unwrap().seconds - command.not_before.unwrap().seconds;
    assert_eq!(week, 7 * 24 * 60 * 60);
    assert_eq!(install(&served, &["F2", "F1"], "gen", None, "pilot").await.unwrap(), commands);
    let reused = install(&served, &["F1"], "gen", None, "pilot").await.unwrap_err();
    assert_eq!(reason(&reused).0, ErrorReason::IdempotencyKeyReused);
    let audit = "SELECT principal, action, target, outcome FROM audit WHERE action LIKE 'FirmwareService/%' ORDER BY id";
    let expected = [
        "loopback|FirmwareService/UploadImage|gen|accepted",
        "loopback|FirmwareService/InstallFirmware|F2 F1|accepted",
        "loopback|FirmwareService/InstallFirmware|F1|idempotency_key_reused",
    ];
    assert_eq!(served.database.sql(audit), expected.join("\n"));
}

#[tokio::test]
async fn an_order_that_can_not_be_carried_out_is_refused_by_name_and_orders_nothing() {
    let served = Served::new().await;
    let octets = firmware(2_000);
    upload(&served, header("gen", &octets), &octets).await.unwrap();
    let model = ImageHeader { model: "sed302".into(), ..header("sed", &octets) };
    upload(&served, model, &octets).await.unwrap();
    served.inventory().create_meter(new_meter("F1", None)).await.unwrap();
    let (not_found, not_capable) = (ErrorReason::ImageNotFound, ErrorReason::NotCapable);
    let cases = [
        (&["F1"][..], "none", None, Code::NotFound, not_found, "", "no firmware image none"),
        (&["F9"], "gen", None, Code::NotFound, ErrorReason::MeterNotFound, "", "no meter F9"),
        (
            &["F1"],
            "sed",
            None,
            Code::FailedPrecondition,
            not_capable,
            "meter_serials[0]",
            "is for model sed302",
        ),
        (
            &["F1"],
            "gen",
            Some(FAR),
            Code::FailedPrecondition,
            not_capable,
            "meter_serials[0]",
            "only at once",
        ),
        (&["F1"], "gen", Some(0), Code::InvalidArgument, ErrorReason::InvalidField, "activate_at", "to come"),
        (&[], "gen", None, Code::InvalidArgument, ErrorReason::InvalidField, "meter_serials", "1 to 100"),
    ];
    for (number, (meters, image, at, code, why, field, says)) in cases.into_iter().enumerate() {
        let status = install(&served, meters, image, at, &format!("key-{number}")).await.unwrap_err();
        assert_eq!((status.code(), reason(&status)), (code, (why, field.to_owned())), "{status}");
        assert!(status.message().contains(says), "{}", status.message());
    }
    assert_eq!(served.database.sql("SELECT count(*) FROM command"), "0");
    let refused = "SELECT count(*) FROM audit WHERE action = 'FirmwareService/InstallFirmware' AND outcome <> 'accepted'";
    assert_eq!(served.database.sql(refused), "6");
}

#[tokio::test]
async fn an_image_is_deleted_unless_it_is_being_installed() {
    let served = Served::new().await;
    let octets = firmware(2_000);
    upload(&served, header("gen", &octets), &octets).await.unwrap();
    served.inventory().create_meter(new_meter("F1", None)).await.unwrap();
    let delete = || async {
        let request = DeleteImageRequest { name: "gen".into() };
        served.firmware().delete_image(request).await.map_err(|status| reason(&status).0)
    };
    let command = install(&served, &["F1"], "gen", None, "pilot").await.unwrap()[0].id;
    assert_eq!(delete().await.err(), Some(ErrorReason::ImageInUse));
    let cancel = CancelCommandRequest { id: command, reason: "not yet".into() };
    CommandsServiceClient::new(served.channel.clone()).cancel_command(cancel).await.unwrap();
    delete().await.unwrap();
    assert_eq!(served.database.sql("SELECT count(*) FROM firmware_chunk"), "0");
    assert_eq!(delete().await.err(), Some(ErrorReason::ImageNotFound));
    let audit =
        "SELECT string_agg(outcome, ' ' ORDER BY id) FROM audit WHERE action = 'FirmwareService/DeleteImage'";
    assert_eq!(served.database.sql(audit), "image_in_use accepted image_not_found");
}
