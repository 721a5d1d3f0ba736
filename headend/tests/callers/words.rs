//! Who says what he is not, and who is nobody's.

use std::time::Duration;

use dlms::apdu::{DataNotification, LongInvokeId};
use dlms::push::Push;
use heartbeat::{Dialect, Kind};
use simulator::{CallConfig, Framing, Modems, Security, caller_id};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::hall::{Hall, fleet, is_closed, say, soon};

#[tokio::test]
async fn sen_37_two_that_live_at_different_addresses_raise_an_alarm_and_the_proved_one_stays() {
    let hall = Hall::new().await;
    let fleet = fleet(Security::Gmac, Framing::Wrapper).await;
    let id = caller_id(&fleet.meters()[0].serial(), Some(Dialect::Login));
    let serial = hall.register(&fleet, 0, &format!("inbound://{id}")).await;
    let calls = CallConfig { from: Some([127, 0, 0, 2].into()), ..hall.calls(Dialect::Login) };
    let _modems = Modems::start(&fleet, &calls);
    let job = hall.order(&serial);
    hall.ends(&job, "done||1").await;
    // Somebody else says the meter's name: the meter's next heartbeat shows that there are two.
    let mut spoof = hall.login([127, 0, 0, 3], &id).await;
    hall.until("SELECT key, severity, authenticated FROM alarm", "security.duplicate_login|critical|f").await;
    assert!(is_closed(&mut spoof).await);
    let job = hall.order(&serial);
    hall.ends(&job, "done||1").await;
    hall.program.stop().await;
    fleet.shutdown().await;
}

#[tokio::test]
async fn sen_37_who_is_nobodys_is_kept_apart_and_known_when_the_inventory_names_him() {
    let hall = Hall::with("strangers = 1\n").await;
    let fleet = fleet(Security::None, Framing::Wrapper).await;
    let id = caller_id(&fleet.meters()[0].serial(), Some(Dialect::Login));
    let calls = CallConfig { heartbeat: Duration::from_secs(5), ..hall.calls(Dialect::Login) };
    let call = tokio::spawn({
        let (meter, id) = (fleet.addresses()[0], id.clone());
        async move { simulator::call(meter, &id, &calls).await }
    });
    let entry =
        "SELECT reason, detail LIKE '%no meter in service has the address inbound://%' FROM push_quarantine";
    hall.until(entry, "unknown_sender|t").await;
    assert_eq!(hall.sql("SELECT count(*) FROM meter"), "0", "nobody gets into the inventory by calling");
    // There is no place for another one.
    let mut second = hall.login([127, 0, 0, 1], "B2").await;
    assert!(is_closed(&mut second).await);
    let serial = hall.register(&fleet, 0, &format!("inbound://{id}")).await;
    let job = hall.order(&serial);
    hall.ends(&job, "done||1").await;
    call.abort();
    hall.program.stop().await;
    fleet.shutdown().await;
}

#[tokio::test]
async fn pushes_of_a_caller_are_heard_between_its_heartbeats_and_known_by_its_connection() {
    let hall = Hall::new().await;
    let fleet = fleet(Security::None, Framing::Wrapper).await;
    let serial = hall.register(&fleet, 0, "inbound://M0DEM-7").await;
    let mut caller = hall.login([127, 0, 0, 1], "M0DEM-7").await;
    // It names no meter.
    let (mut apdu, mut frame) = (Vec::new(), Vec::new());
    let invoke = LongInvokeId::new(0x4000_0001);
    Push::Data(DataNotification { invoke, time: None, body: &[0x11, 7] }).encode(&mut apdu);
    dlms::wrapper::frame(1, 103, &apdu, &mut frame).unwrap();
    caller.write_all(&frame).await.unwrap();
    let mut confirmation = [0; 14];
    soon(caller.read_exact(&mut confirmation)).await.unwrap();
    assert_eq!(confirmation[8..13], [0x10, 0x40, 0, 0, 1]);
    say(&mut caller, Kind::Heartbeat, "M0DEM-7").await;
    let whose = "SELECT m.serial, a.key FROM alarm a JOIN meter m ON m.id = a.meter_id";
    assert_eq!(hall.sql(whose), format!("{serial}|push.data"));
    // Another name on the same connection is nobody's.
    let mut frame = Vec::new();
    heartbeat::write(Dialect::Login, Kind::Heartbeat, "M0DEM-8", &mut frame).unwrap();
    caller.write_all(&frame).await.unwrap();
    assert!(is_closed(&mut caller).await);
    hall.program.stop().await;
    fleet.shutdown().await;
}

#[tokio::test]
async fn what_comes_unasked_over_a_line_that_was_opened_to_read_is_heard_and_disturbs_nothing() {
    let hall = Hall::new().await;
    let fleet = fleet(Security::None, Framing::Wrapper).await;
    let (between, meter) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), fleet.addresses()[0]);
    let line = between.local_addr().unwrap().to_string();
    let serial = hall.register(&fleet, 0, &line).await;
    let pushing = tokio::spawn(async move {
        let (mut near, _) = between.accept().await.unwrap();
        let mut far = TcpStream::connect(meter).await.unwrap();
        // Bit 2 of alarm register 1, to the push client and, as an event-notification, to the client that reads.
        let mut frames = Vec::new();
        let bits = [2, 2, 9, 6, 0, 0, 97, 98, 0, 255, 6, 0, 0, 0, 4];
        dlms::wrapper::frame(1, 0x66, &[&[0x0F, 0, 0, 0, 1, 0][..], &bits].concat(), &mut frames).unwrap();
        let event = [0xC2, 0, 0, 1, 0, 0, 97, 98, 0, 255, 2, 6, 0, 0, 0, 8];
        dlms::wrapper::frame(1, 16, &event, &mut frames).unwrap();
        near.write_all(&frames).await.unwrap();
        tokio::io::copy_bidirectional(&mut near, &mut far).await
    });
    let job = hall.order(&serial);
    hall.ends(&job, "done||1").await;
    let heard = "SELECT m.serial, a.source, a.code, a.peer FROM alarm a JOIN meter m ON m.id = a.meter_id ORDER BY a.code";
    let both = format!("{serial}|bit|2|line {line}\n{serial}|bit|3|line {line}");
    hall.until(heard, &both).await;
    pushing.abort();
    hall.program.stop().await;
    fleet.shutdown().await;
}

#[tokio::test]
async fn a_heartbeat_with_a_wrong_check_sequence_is_kept_to_be_looked_at_and_not_answered() {
    let hall = Hall::new().await;
    let mut caller = hall.connect([127, 0, 0, 1]).await;
    let mut frame = Vec::new();
    heartbeat::write(Dialect::Login, Kind::Login, "A1", &mut frame).unwrap();
    let last = frame.len() - 1;
    frame[last] ^= 0x55;
    caller.write_all(&frame).await.unwrap();
    hall.until("SELECT reason, detail LIKE '%check sequence%' FROM push_quarantine", "undecodable|t").await;
    assert_eq!(hall.sql("SELECT count(*) FROM caller"), "0");
    say(&mut caller, Kind::Login, "A1").await;
    hall.until("SELECT line FROM caller WHERE left_at IS NULL", "inbound://A1").await;
    hall.program.stop().await;
}
