//! Firmware into a foreign meter, which verifies that every block has come, and begins anew whenever a transfer is initiated.

use ami_proto::v1::{Command, CommandOutcome, CommandState};

use crate::head::Head;
use crate::image;
use crate::meter::Meter;

/// 97 blocks of 128 octets, the last one short.
const SIZE: usize = 96 * 128 + 5;

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn an_image_is_transferred_verified_and_activated() {
    let (meter, head, command) = installed(&[], "2s").await;
    let found = head.findings(command.id).await;
    let expected = [
        "image transfer before: transfer not initiated",
        "initiate: 12293 octets in 97 blocks of 128",
        "order: accepted",
        "verify: the meter finds the image good",
        "image to activate: KFM-2.1 of 12293 octets",
        "version after: KFM-2.1",
    ];
    for finding in expected {
        assert!(found.iter().any(|found| found == finding), "{finding} in {found:?}");
    }
    assert_eq!(head.sql("SELECT firmware FROM meter"), "KFM-2.1", "the inventory knows it");

    let again = head.end_of(image::install(&head.channel, &meter.text("serial"), "again").await).await;
    assert_eq!((again.outcome(), again.progress_total), (CommandOutcome::FirmwareActive, 0));
    assert_eq!(head.findings(again.id).await, ["version before: KFM-2.1"], "nothing was sent");
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn every_fifth_answer_is_lost() {
    installed(&["--drop", "0.2", "--seed", "11"], "250ms").await;
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn the_line_is_cut_all_the_time() {
    installed(&["--close-after", "9"], "2s").await;
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn answers_come_octet_by_octet() {
    installed(&["--chunk", "1"], "2s").await;
}

/// Installs an image on a meter with these faults, whatever they cost.
async fn installed(faults: &[&str], patience: &str) -> (Meter, Head, Command) {
    let meter = Meter::start(&[&["--image-block-size", "128"], faults].concat());
    let head = Head::with_patience(patience).await;
    head.register(&meter, "gmac", "UTC").await;
    image::upload(&head.channel, "generic-dlms", "KFM-2.1", &image::octets(SIZE)).await;
    let id = image::install(&head.channel, &meter.text("serial"), "first").await;
    let command = head.end_of(id).await;
    let shown = (command.state(), command.outcome(), command.progress_done, command.progress_total);
    let expected = (CommandState::Confirmed, CommandOutcome::FirmwareActive, 97, 97);
    assert_eq!(shown, expected, "{command:?}\n{}", head.log());
    (meter, head, command)
}
