//! Many who send next to nothing, and many who come at once.

use std::time::Duration;

use heartbeat::Kind;
use rustix::process::{Resource, Rlimit};
use tokio::io::AsyncWriteExt as _;

use crate::hall::{Hall, is_closed, say};

#[tokio::test]
async fn c_11_who_sends_an_octet_now_and_then_is_closed_and_those_who_called_are_answered() {
    let hall = Hall::with("frame_timeout = \"2s\"\nconnections_per_second_and_address = 100000\n").await;
    let mut good = hall.login([127, 0, 0, 2], "A1").await;
    let mut slow = Vec::new();
    for number in 0..1000_u32 {
        let mut stream = hall.connect([127, 0, 1, (number % 200) as u8 + 1]).await;
        stream.write_all(&[0]).await.unwrap();
        slow.push(stream);
    }
    say(&mut good, Kind::Heartbeat, "A1").await;
    for stream in &mut slow {
        // Another octet does not help.
        let _closed_already = stream.write_all(&[1]).await;
        assert!(is_closed(stream).await);
    }
    say(&mut good, Kind::Heartbeat, "A1").await;
    hall.program.stop().await;
}

#[tokio::test]
async fn c_12_one_address_that_floods_is_held_to_its_share_and_others_get_in() {
    let hall = Hall::with("connections_per_second_and_address = 2\n").await;
    let mut closed = 0;
    for _ in 0..60 {
        let mut stream = hall.connect([127, 0, 0, 9]).await;
        let mut frame = Vec::new();
        heartbeat::write(heartbeat::Dialect::Login, Kind::Login, "F1", &mut frame).unwrap();
        let _refused = stream.write_all(&frame).await;
        let mut octet = [0; 1];
        let answered = tokio::io::AsyncReadExt::read(&mut stream, &mut octet).await;
        closed += usize::from(!matches!(answered, Ok(1)));
    }
    // Ten seconds' worth, and what came meanwhile.
    assert!((20..=40).contains(&closed), "{closed} of 60 were turned away");
    let mut other = hall.login([127, 0, 0, 10], "A1").await;
    say(&mut other, Kind::Heartbeat, "A1").await;
    hall.program.stop().await;
}

#[tokio::test]
async fn c_12_a_process_without_file_descriptors_goes_on_and_takes_more_when_it_has_some() {
    let hall = Hall::with("connections_per_second_and_address = 100000\nframe_timeout = \"30s\"\n").await;
    let mut good = hall.login([127, 0, 0, 2], "A1").await;
    let id = rustix::process::Pid::from_raw(i32::try_from(hall.program.pid()).unwrap());
    let open = std::fs::read_dir(format!("/proc/{}/fd", hall.program.pid())).unwrap().count() as u64;
    let limit = |descriptors| Rlimit { current: Some(descriptors), maximum: Some(20_000) };
    rustix::process::prlimit(id, Resource::Nofile, limit(open + 20)).unwrap();
    let mut many = Vec::new();
    for _ in 0..60 {
        many.push(hall.connect([127, 0, 0, 3]).await);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    say(&mut good, Kind::Heartbeat, "A1").await;
    assert!(hall.program.log().contains("connections can not be accepted"));
    drop(many);
    // Those that wait in the system's queue are closed already; the next one is heard.
    let mut next = hall.login([127, 0, 0, 4], "B2").await;
    say(&mut next, Kind::Heartbeat, "B2").await;
    hall.program.stop().await;
}
