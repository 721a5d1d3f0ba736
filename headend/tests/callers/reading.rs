//! Meters that called are read over their own connection, in each dialect.

use std::time::Duration;

use heartbeat::{Dialect, Kind};
use simulator::{Framing, Modems, Security, caller_id};

use crate::hall::{Hall, fleet, is_closed, say};

const CONNECTED: &str = "SELECT count(*) FROM caller WHERE left_at IS NULL";

#[tokio::test]
async fn sen_37_meters_that_call_are_read_over_their_own_connection_in_each_dialect() {
    for (dialect, security) in [
        (Dialect::Login, Security::Gmac),
        (Dialect::Plain, Security::Lls),
        (Dialect::Terminal, Security::None),
    ] {
        let hall = Hall::new().await;
        let fleet = fleet(security, Framing::Wrapper).await;
        let id = |number: usize| caller_id(&fleet.meters()[number].serial(), Some(dialect));
        let serial = hall.register(&fleet, 0, &format!("inbound://{}", id(0))).await;
        // Work of a meter that has not called waits, and costs no attempt.
        let early = hall.order(&serial);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        hall.ends(&early, "due||0").await;
        let modems = Modems::start(&fleet, &hall.calls(dialect));
        hall.ends(&early, "done||1").await;
        hall.until(CONNECTED, "3").await;
        let row = hall.sql(&format!(
            "SELECT dialect, peer LIKE 'tcp 127.0.0.1:%', since <= now(), owner = (SELECT owner FROM listener) \
             FROM caller WHERE line = 'inbound://{}'",
            id(0)
        ));
        assert_eq!(row, format!("{}|t|t|t", dialect.as_str()));
        // Again, over the association that stayed open, and after a while with heartbeats only.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let later = hall.order(&serial);
        hall.ends(&later, "done||1").await;
        assert_eq!(hall.sql("SELECT count(*) FROM clock_reading"), "2");
        // Modems that are gone: nobody is connected, and work waits again.
        drop(modems);
        hall.until(CONNECTED, "0").await;
        let late = hall.order(&serial);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        hall.ends(&late, "due||0").await;
        hall.program.stop().await;
        fleet.shutdown().await;
    }
}

#[tokio::test]
async fn sen_35_several_meters_behind_one_modem_that_calls() {
    let hall = Hall::new().await;
    let framing = Framing::Hdlc { meters_per_line: 3, max_info: 128, window: 1 };
    let fleet = fleet(Security::Gmac, framing).await;
    let id = caller_id(&fleet.meters()[0].serial(), Some(Dialect::Login));
    let mut jobs = Vec::new();
    for number in 0..3 {
        let serial = hall.register(&fleet, number, &format!("inbound://{id}?framing=hdlc")).await;
        let device = fleet.meters()[number].device_address().unwrap();
        hall.sql(&format!("UPDATE meter SET device_address = {device} WHERE serial = '{serial}'"));
        jobs.push(hall.order(&serial));
    }
    let _modems = Modems::start(&fleet, &hall.calls(Dialect::Login));
    for job in &jobs {
        hall.ends(job, "done||1").await;
    }
    assert_eq!(hall.sql("SELECT count(DISTINCT meter_id) FROM clock_reading"), "3");
    hall.program.stop().await;
    fleet.shutdown().await;
}

#[tokio::test]
async fn a_head_end_that_is_killed_is_called_again_and_what_it_said_of_its_callers_ends() {
    let hall = Hall::new().await;
    let fleet = fleet(Security::Gmac, Framing::Wrapper).await;
    let id = caller_id(&fleet.meters()[0].serial(), Some(Dialect::Login));
    let serial = hall.register(&fleet, 0, &format!("inbound://{id}")).await;
    let _modems = Modems::start(&fleet, &hall.calls(Dialect::Login));
    let job = hall.order(&serial);
    hall.ends(&job, "done||1").await;
    let Hall { program, tcp } = hall;
    let before = program.sql("SELECT owner FROM listener");
    let hall = Hall { program: program.kill_and_restart().await, tcp };
    let job = hall.order(&serial);
    hall.ends(&job, "done||1").await;
    hall.until(&format!("SELECT count(*) FROM caller WHERE left_at IS NULL AND owner = '{before}'"), "0")
        .await;
    hall.program.stop().await;
    fleet.shutdown().await;
}

#[tokio::test]
async fn sen_37_the_newest_connection_counts_and_the_one_before_is_closed_after_a_heartbeat() {
    let hall = Hall::with("heartbeat = \"5s\"\n").await;
    let mut first = hall.login([127, 0, 0, 1], "A1").await;
    hall.until(CONNECTED, "1").await;
    let peer = hall.sql("SELECT peer FROM caller");
    let mut second = hall.login([127, 0, 0, 1], "A1").await;
    hall.until(&format!("SELECT count(*) FROM caller WHERE peer <> '{peer}'"), "1").await;
    assert!(is_closed(&mut first).await);
    hall.until(CONNECTED, "1").await;
    say(&mut second, Kind::Heartbeat, "A1").await;
    drop(second);
    hall.until(CONNECTED, "0").await;
    hall.program.stop().await;
}

#[tokio::test]
async fn sen_37_who_falls_silent_is_given_up_after_three_heartbeats() {
    let hall = Hall::with("heartbeat = \"5s\"\nidle_timeout = \"1s\"\n").await;
    let mut silent = hall.login([127, 0, 0, 1], "A1").await;
    hall.until(CONNECTED, "1").await;
    assert!(is_closed(&mut silent).await);
    hall.until(CONNECTED, "0").await;
    hall.program.stop().await;
}
