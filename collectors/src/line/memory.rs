use std::time::Duration;

use tokio::{
    io::{DuplexStream, duplex},
    sync::mpsc,
    time::timeout,
};

use super::LineError;

/// Octets on their way in one direction before the sender waits.
const CAPACITY: usize = 64 * 1024;

/// Opens lines inside the process; whoever holds the receiver plays the meter.
#[derive(Debug, Clone)]
pub struct MemoryDialer {
    meter: mpsc::Sender<DuplexStream>,
}

impl MemoryDialer {
    /// A dialer and the place where the meter's end of each line appears. When the receiver is dropped, connections are
    /// refused; when it is not read, they run into the connect timeout.
    pub fn new() -> (Self, mpsc::Receiver<DuplexStream>) {
        let (meter, lines) = mpsc::channel(1);
        (Self { meter }, lines)
    }

    pub(super) async fn connect(&self, limit: Duration) -> Result<DuplexStream, LineError> {
        let (ours, theirs) = duplex(CAPACITY);
        match timeout(limit, self.meter.send(theirs)).await {
            Ok(Ok(())) => Ok(ours),
            Ok(Err(_)) => Err(LineError::Refused),
            Err(_) => Err(LineError::NoRoute(format!("no connection within {limit:?}"))),
        }
    }
}
