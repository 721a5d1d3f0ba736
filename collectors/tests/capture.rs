//! Line captures: what went over a line can be kept, holds no secret, and can be played back to a client.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod common;

use std::sync::Arc;

use collectors::{Captured, Channel, Dialer, Instruments, Knobs, MemoryDialer, Report, Station, Task};
use common::*;
use pcapng::{Carrier, File, What, Writer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::mpsc,
};

const CAPTURE: i64 = 11;

/// Lets a channel do a task, captured by meter, and makes a file of it.
async fn capture(dialer: Dialer, station: &Arc<Station>, task: Task) -> (Vec<Report>, File) {
    let (works, receiver) = mpsc::channel(1);
    works.try_send(work(1, station, task)).unwrap();
    drop(works);
    let (sender, mut outcome) = mpsc::channel(4);
    let (to, mut captured) = mpsc::channel::<Captured>(4096);
    let instruments = Arc::new(Instruments::default());
    instruments.protocol_log().capture_to(to);
    let captured_meters = [(station.meter, CAPTURE)].into();
    instruments.protocol_log().turn(Knobs { captured_meters, ..Knobs::default() });
    let channel = Channel::with(limits(), sender, dialer, Arc::new(FixedClock));
    let mut reports = Vec::new();
    let gather = async {
        while let Some(report) = outcome.recv().await {
            reports.push(report);
        }
    };
    tokio::join!(channel.seen_through(Arc::clone(&instruments)).run(receiver), gather);
    let mut out = Vec::new();
    let mut writer = Writer::begin("test", &mut out);
    let mut line = None;
    while let Ok(captured) = captured.try_recv() {
        assert_eq!(captured.capture, CAPTURE);
        let line = *line.get_or_insert_with(|| writer.line(&captured.line, &mut out));
        writer.packet(line, 0, captured.what, &captured.octets, &mut out);
    }
    assert_eq!(instruments.protocol_log().captures_lost(), 0);
    (reports, pcapng::read(&out).unwrap())
}

/// Plays the meter's side of a capture: what it sent follows as soon as as much came as was sent before it.
async fn replay(file: File, mut lines: mpsc::Receiver<DuplexStream>) {
    let mut line = None;
    for packet in file.packets {
        match (packet.what, &mut line) {
            (What::Opened, _) => line = lines.recv().await,
            (What::Sent, Some(line)) => {
                let mut came = vec![0; packet.octets.len()];
                line.read_exact(&mut came).await.unwrap();
                let differs = |(came, was): (&u8, &u8)| came != was && *was != b'*';
                let hdlc = packet.octets[0] == 0x7E;
                // The check sum of a frame with hidden octets is another one.
                assert!(
                    hdlc || !came.iter().zip(&packet.octets).any(differs),
                    "{came:02X?} {:02X?}",
                    packet.octets
                );
            }
            (What::Received, Some(line)) => line.write_all(&packet.octets).await.unwrap(),
            (_, None) => panic!("nothing was opened"),
        }
    }
    if let Some(mut line) = line {
        let _ = line.read(&mut [0; 64]).await;
    }
}

fn open(meter: Meter) -> Dialer {
    let (dialer, lines) = MemoryDialer::new();
    tokio::spawn(play(meter.share(), lines));
    Dialer::Memory(dialer)
}

fn over_hdlc() -> Station {
    Station {
        address: "serial:///dev/bus?baud=9600".parse().unwrap(),
        device_address: Some(FIRST_DEVICE.into()),
        ..station(Level::Lls)
    }
}

fn open_bus() -> Dialer {
    let (dialer, lines) = MemoryDialer::new();
    tokio::spawn(Bus::new(vec![Meter::new(Level::Lls).share()]).play(lines));
    Dialer::Memory(dialer)
}

#[tokio::test(start_paused = true)]
async fn a_captured_day_played_back_is_the_same_day() {
    let day = Task::ReadProfile(whole_day());
    for (station, dialer) in [
        (station(Level::None), open(Meter::new(Level::None))),
        (station(Level::Gmac), open(Meter::new(Level::Gmac))),
        (over_hdlc(), open_bus()),
    ] {
        let station = Arc::new(station);
        let (reports, file) = capture(dialer, &station, day.clone()).await;
        assert_eq!(captured(&reports).len(), 96, "{}", station.address);
        assert_eq!(file.lines[0].name, station.address.to_string());
        let (dialer, lines) = MemoryDialer::new();
        let player = tokio::spawn(replay(file, lines));
        let again = run(Dialer::Memory(dialer), limits(), vec![work(1, &station, day.clone())]).await;
        player.await.unwrap();
        assert_eq!(captured(&again), captured(&reports));
        assert!(ended(&again, 1).is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn no_secret_is_in_a_capture_and_every_frame_in_it_is_whole() {
    for (station, dialer, carrier) in [
        (station(Level::Lls), open(Meter::new(Level::Lls)), Carrier::Tcp),
        (over_hdlc(), open_bus(), Carrier::Serial),
    ] {
        let (_, file) = capture(dialer, &Arc::new(station), Task::Identify).await;
        assert_eq!(file.lines[0].carrier, carrier);
        assert_eq!((file.lines.len(), file.packets[0].what), (1, What::Opened));
        let sent: Vec<_> = file.packets.iter().filter(|packet| packet.what == What::Sent).collect();
        assert!(sent.len() > 2);
        for packet in &file.packets {
            let (octets, password) = (&packet.octets, PASSWORD.as_bytes());
            assert!(!octets.windows(4).any(|some| some == &password[..4] || some == &password[4..]));
        }
        assert!(sent.iter().any(|packet| packet.octets.windows(8).any(|some| some == b"********")));
        if carrier == Carrier::Serial {
            let mut splitter = dlms::hdlc::Splitter::new();
            file.packets.iter().for_each(|packet| splitter.push(&packet.octets));
            let frames = std::iter::from_fn(|| splitter.next_frame().map(|_| ())).count();
            assert_eq!(frames, file.packets.len() - 1);
            assert_eq!(splitter.bad_frames(), dlms::hdlc::BadFrames::default());
        }
    }
}
