//! New firmware for concentrators, by image transfer or from a file, and for nodes by a concentrator that installs it itself.

use std::time::Duration;

use ami_proto::v1::firmware_service_client::FirmwareServiceClient;
use ami_proto::v1::{CommandOutcome, InstallFirmwareRequest, OrderTerms};
use simulator::{Backend, ConcentratorConfig};
use tonic::Code;

use crate::image;
use crate::program::{self, Program};
use crate::site::{METERS, config, put_model, start};

/// Octets of an image; a piece of it as it is sent.
const SIZE: usize = 1 << 20;
const PIECE: u64 = 8 * 1024;

/// An image that names its version itself.
fn octets(version: &str, size: usize) -> Vec<u8> {
    [format!("version: {version}\n").into_bytes(), image::octets(size)].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_concentrator_takes_new_firmware_as_its_back_end_has_it() {
    for (backend, model) in [
        (Backend::Wrapper { base: 16 }, "new-wrapper"),
        (Backend::P2lpc, "new-p2lpc"),
        (Backend::Forward, "old-terminal"),
    ] {
        let config =
            ConcentratorConfig { upgrade_takes: Duration::from_secs(1), ..config(backend, model, 2) };
        let (concentrators, program) = start(2, config, "").await;
        let serial = concentrators.serials().remove(0);
        if backend == Backend::Forward {
            // An image for meters: a terminal takes none.
            image::upload(&program.channel, METERS, "SIM-2.0", &octets("SIM-2.0", 100)).await;
            assert!(refusal(&program, &serial).await.contains("take no firmware from afar"));
            continue;
        }
        image::upload(&program.channel, model, "SIM-DC 2.0", &octets("SIM-DC 2.0", 20_000)).await;
        let id = image::install(&program.channel, &serial, "once").await;
        let command = program.end_of(id).await;
        assert_eq!(command.outcome(), CommandOutcome::FirmwareActive, "{command:?}\n{}", program.log());
        assert_eq!((concentrators.firmware(0).as_str(), concentrators.upgrades(0).0), ("SIM-DC 2.0", 1));
        let known = format!("SELECT firmware FROM meter WHERE serial = '{serial}'");
        assert_eq!(program.sql(&known), "SIM-DC 2.0");
        // The same again finds it there.
        let id = image::install(&program.channel, &serial, "twice").await;
        assert_eq!(program.end_of(id).await.outcome(), CommandOutcome::FirmwareActive);
        assert_eq!(concentrators.upgrades(0).0, 1);
        program.stop().await;
        concentrators.shutdown().await;
    }
}

/// Why the image is not ordered for a meter.
async fn refusal(program: &Program, serial: &str) -> String {
    let request = InstallFirmwareRequest {
        meter_serials: vec![serial.to_owned()],
        image: "image".into(),
        activate_at: None,
        terms: Some(OrderTerms { idempotency_key: "no".into(), ..OrderTerms::default() }),
    };
    let status =
        FirmwareServiceClient::new(program.channel.clone()).install_firmware(request).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    status.message().to_owned()
}

/// What counts as failure: octets of the file that go over the line twice, beyond the piece that was on its way when the program died; a node that gets
/// its image twice, or not as it was uploaded; a command that does not come to its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_are_upgraded_by_their_concentrator_once_though_the_program_dies() {
    let config = ConcentratorConfig {
        upgrade_takes: Duration::from_secs(3),
        torn_ppm: 5_000,
        ..config(Backend::P2lpc, "dying-p2lpc", 3)
    };
    let (concentrators, mut program) = start(3, config.clone(), "lease = \"5s\"\n").await;
    let meters = concentrators.meters();
    let image = octets("SIM-2.0", SIZE);
    image::upload(&program.channel, METERS, "SIM-2.0", &image).await;
    let mut ids = Vec::new();
    for meter in &meters[..2] {
        ids.push(image::install(&program.channel, &meter.serial(), &meter.serial()).await);
    }
    let uploaded = || usize::try_from(concentrators.upgrades(0).1).unwrap();
    let steps: [(&str, &dyn Fn() -> bool); 3] = [
        ("a part of the file is there", &|| uploaded() > SIZE / 3),
        ("the file is there", &|| uploaded() >= image.len()),
        ("a node runs it", &|| meters.iter().any(|meter| meter.firmware() == "SIM-2.0")),
    ];
    for (step, reached) in steps {
        program::until(step, reached).await;
        let folder = put_model(&config);
        program = program.kill_and_restart().await;
        std::fs::remove_dir_all(folder).unwrap();
    }
    for id in ids {
        let command = program.end_of(id).await;
        assert_eq!(command.outcome(), CommandOutcome::FirmwareActive, "{command:?}\n{}", program.log());
    }
    for (number, meter) in meters.iter().enumerate() {
        let is_ordered = number < 2;
        let activated = meter.counts().images_activated;
        assert_eq!(
            (activated, meter.firmware() == "SIM-2.0"),
            (u64::from(is_ordered), is_ordered),
            "{number}"
        );
        assert_eq!((meter.image() == image, meter.counts().blocks), (is_ordered, 0), "{number}");
    }
    let limit = u64::try_from(image.len()).unwrap() + 3 * PIECE;
    assert!(concentrators.upgrades(0).1 <= limit, "{} octets of {limit}", concentrators.upgrades(0).1);
    program.stop().await;
    concentrators.shutdown().await;
}
