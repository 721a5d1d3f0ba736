//! What meters send unasked over lines that a collector has opened: the way of every push from the queue on. Nobody waits for an answer: the line is
//! the collector's, and who asked for a confirmation sends again.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use collectors::{Instruments, Unasked};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::arrival::{Arrival, Form, Waiting};
use super::record::Recorder;
use crate::api::Models;
use crate::config;
use crate::store::Store;

/// Pushes that have left the queue of the lines and not reached a batch.
const PASSED_ON: usize = 64;

/// Keeps what comes unasked over the lines of these instruments until `stop`, and what had come until then.
pub async fn overhear(
    instruments: &Instruments,
    store: Store,
    models: Arc<Models>,
    config: config::Listener,
    stop: CancellationToken,
) {
    let (heard, mut waiting) = mpsc::channel(config.queue);
    let turned_away = Arc::new(AtomicU64::new(0));
    instruments.hear_to(heard, Arc::clone(&turned_away));
    let (sender, queue) = mpsc::channel(PASSED_ON);
    let recorder = Recorder { store, models, config, turned_away, stop: stop.clone() };
    let pass_on = async move {
        loop {
            let next = match stop.run_until_cancelled(waiting.recv()).await {
                Some(next) => next,
                None => {
                    waiting.close();
                    waiting.recv().await
                }
            };
            let Some(unasked) = next else { return };
            if sender.send(arrival(unasked)).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(recorder.run(queue), pass_on);
}

fn arrival(Unasked { line, apdu }: Unasked) -> Arrival {
    Arrival {
        at: Timestamp::now(),
        peer: format!("line {line}"),
        host: String::new(),
        line: Some(line),
        form: Form::of(&apdu),
        octets: apdu,
        waiting: Waiting::Nobody,
        _turn: None,
    }
}
