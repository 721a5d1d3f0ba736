//! Modems that say nothing.

use simulator::{CallConfig, Framing, Modems, Security};

use crate::hall::{Hall, fleet};

#[tokio::test]
async fn sen_37_who_says_nothing_is_asked_for_the_serial_number_and_read_under_it() {
    let hdlc = Framing::Hdlc { meters_per_line: 1, max_info: 128, window: 1 };
    for (framing, option) in [(Framing::Wrapper, ""), (hdlc, "?framing=hdlc")] {
        let hall = Hall::with("frame_timeout = \"1s\"\n").await;
        let fleet = fleet(Security::None, framing).await;
        let serial = fleet.meters()[0].serial();
        hall.register(&fleet, 0, &format!("inbound://{serial}{option}")).await;
        let job = hall.order(&serial);
        let calls = CallConfig { dialect: None, ..hall.calls(heartbeat::Dialect::Login) };
        let _modems = Modems::start(&fleet, &calls);
        let known =
            format!("SELECT dialect FROM caller WHERE left_at IS NULL AND line = 'inbound://{serial}'");
        hall.until(&known, "serial").await;
        hall.ends(&job, "done||1").await;
        // The others are nobody's.
        let kept_apart = "SELECT count(DISTINCT octets) FROM push_quarantine WHERE reason = 'unknown_sender'";
        hall.until(kept_apart, "2").await;
        hall.program.stop().await;
        fleet.shutdown().await;
    }
}
