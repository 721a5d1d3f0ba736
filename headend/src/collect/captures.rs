//! Stores what lines leave for captures.

use collectors::Captured;
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use pcapng::{Carrier, What};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::store::Store;
use crate::store::line_captures::Packet;

/// What may wait to be stored.
const QUEUE: usize = 4096;
/// Packets that are stored at once.
const BATCH: usize = 512;

/// A place for lines to leave captured packets, and where they come out.
pub fn queue() -> (Sender<Captured>, Receiver<Captured>) {
    mpsc::channel(QUEUE)
}

/// Stores what comes out, until `stop` and what had come until then. What can not be stored is lost: it is for whoever looks for a fault, and nothing else
/// waits for it.
pub async fn store_captured(store: Store, mut captured: Receiver<Captured>, stop: CancellationToken) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        if stop.run_until_cancelled(captured.recv_many(&mut batch, BATCH)).await.is_none() {
            captured.close();
            captured.recv_many(&mut batch, BATCH).await;
        }
        if batch.is_empty() {
            return;
        }
        let packets: Vec<_> = batch.drain(..).map(stored).collect();
        if let Err(error) = store.add_captured(&packets).await {
            warn!(%error, packets = packets.len(), "what was captured on lines could not be stored");
        }
    }
}

fn stored(captured: Captured) -> Packet {
    let Captured { capture, line, at, what, octets } = captured;
    let ago = SignedDuration::try_from(at.elapsed()).unwrap_or_default();
    Packet {
        capture_id: capture,
        at: (Timestamp::now() - ago).to_sqlx(),
        line: line.name,
        carrier: carrier_word(line.carrier).to_owned(),
        what: what_word(what).to_owned(),
        octets,
    }
}

const fn carrier_word(carrier: Carrier) -> &'static str {
    match carrier {
        Carrier::Tcp => "tcp",
        Carrier::Udp => "udp",
        Carrier::Serial => "serial",
    }
}

const fn what_word(what: What) -> &'static str {
    match what {
        What::Opened => "opened",
        What::Sent => "sent",
        What::Received => "received",
    }
}
