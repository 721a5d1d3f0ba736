//! Terminals that open the connection themselves: what stands behind them is read over it.

use std::time::Duration;

use heartbeat::Dialect;
use jiff::Timestamp;
use simulator::{Backend, CallConfig, Modems};
use tokio::time::sleep;

use crate::program::free_port;
use crate::reading::{assert_stored, order};
use crate::site::{config, settle, start, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sen_37_nodes_of_terminals_that_call_are_read_over_their_connections() {
    let port = free_port();
    let sections = format!(
        "linger = \"1s\"\n[roles]\nplanner = false\nlistener = true\n[listener]\ntcp = \"127.0.0.1:{port}\"\nudp = \"127.0.0.1:{port}\"\n"
    );
    let (concentrators, program) = start(8, config(Backend::Forward, "calling-terminal", 4), &sections).await;
    program.sql("UPDATE meter SET address = 'inbound://' || serial WHERE line = 'concentrator://' || serial");
    let end = Timestamp::now();
    order(&program, end);
    // Who has not called costs no attempt.
    sleep(Duration::from_secs(2)).await;
    assert_eq!(program.sql("SELECT DISTINCT state, attempts FROM job"), "due|0");
    let heartbeat = Duration::from_millis(200);
    let to = ([127, 0, 0, 1], port).into();
    let calls = CallConfig { to, dialect: Some(Dialect::Terminal), heartbeat, from: None };
    let modems = Modems::of_concentrators(&concentrators, &calls);
    settle(&program).await;
    assert_stored(&program, &concentrators, end);
    assert_eq!(program.sql("SELECT count(*) FROM push_quarantine"), "0");
    let callers = "SELECT count(*), min(dialect) FROM caller WHERE left_at IS NULL";
    assert_eq!(program.sql(callers), "2|gdw376");
    // A terminal that is gone takes no work with it.
    drop(modems);
    until(&program, "SELECT count(*) FROM caller WHERE left_at IS NULL", "0").await;
    program.sql("DELETE FROM job");
    order(&program, end);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(program.sql("SELECT DISTINCT state, attempts FROM job"), "due|0");
    program.stop().await;
    concentrators.shutdown().await;
}
