//! The program is killed while meters push: what it confirmed is in the table, and what it did not, a meter sends again.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::common::Database;
use crate::hearing::{entry, framed};
use crate::program::Program;

const METERS: usize = 8;
const PUSHES: i64 = 100;
/// Confirmations after which the program is killed.
const ENOUGH: usize = 200;

/// Pushes what is in `open`, one after the other, and returns what was confirmed before the connection ended.
async fn push(meter: usize, open: Vec<i64>, to: SocketAddr, confirmed: Arc<AtomicUsize>) -> Vec<i64> {
    let mut done = Vec::new();
    let Ok(mut connection) = TcpStream::connect(to).await else { return done };
    for second in open {
        let frame = framed(&entry(&format!("M{meter}"), 99, second, true));
        let mut answer = [0; 14];
        if connection.write_all(&frame).await.is_err() || connection.read_exact(&mut answer).await.is_err() {
            break;
        }
        done.push(second);
        confirmed.fetch_add(1, Ordering::Relaxed);
    }
    done
}

fn stored(database: &Database) -> Vec<(usize, i64)> {
    let rows = database.sql(
        "SELECT substr(serial, 2), extract(epoch FROM meter_ts)::int8 - 1774872000 FROM alarm a \
         JOIN meter m ON m.id = a.meter_id ORDER BY 1, 2",
    );
    let row = |line: &str| {
        let (meter, second) = line.split_once('|').unwrap();
        (meter.parse().unwrap(), second.parse().unwrap())
    };
    rows.lines().map(row).collect()
}

#[tokio::test]
async fn what_was_confirmed_is_there_after_a_kill() {
    let database = Database::new().await;
    for meter in 0..METERS {
        database.meter(&format!("M{meter}"));
    }
    let program = Program::listen(&database);
    let confirmed = Arc::new(AtomicUsize::new(0));
    let pushing: Vec<_> = (0..METERS)
        .map(|meter| tokio::spawn(push(meter, (0..PUSHES).collect(), program.tcp, Arc::clone(&confirmed))))
        .collect();
    while confirmed.load(Ordering::Relaxed) < ENOUGH {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(program);
    let mut done = BTreeSet::new();
    for (meter, pushing) in pushing.into_iter().enumerate() {
        done.extend(pushing.await.unwrap().into_iter().map(|second| (meter, second)));
    }
    assert!((ENOUGH..METERS * PUSHES as usize).contains(&done.len()), "{} were confirmed", done.len());
    let there: BTreeSet<_> = stored(&database).into_iter().collect();
    assert!(done.is_subset(&there), "confirmed and lost: {:?}", done.difference(&there).collect::<Vec<_>>());

    let program = Program::listen(&database);
    let open = |meter| (0..PUSHES).filter(|second| !done.contains(&(meter, *second))).collect();
    let again = (0..METERS).map(|meter| push(meter, open(meter), program.tcp, Arc::clone(&confirmed)));
    join_all(again).await;
    let all: Vec<_> = (0..METERS).flat_map(|meter| (0..PUSHES).map(move |second| (meter, second))).collect();
    assert_eq!(stored(&database), all, "each once");
}
