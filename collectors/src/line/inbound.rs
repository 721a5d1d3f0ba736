//! The channel's end of a connection that somebody opened to us; the socket is with whoever heard the call.

use std::{io, sync::Arc};

use tokio::sync::mpsc;

use crate::{
    lobby::{Lobby, Seat},
    station::Kept,
};

/// A borrowed connection. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Guest {
    to_meter: mpsc::Sender<Vec<u8>>,
    from_meter: mpsc::Receiver<Vec<u8>>,
    /// What came last, and how many octets of it were read.
    came: Vec<u8>,
    read: usize,
    kept: Option<Box<Kept>>,
    lobby: Lobby,
    id: Box<str>,
    seat: Arc<Seat>,
}

impl Guest {
    pub(crate) fn new(
        to_meter: mpsc::Sender<Vec<u8>>,
        from_meter: mpsc::Receiver<Vec<u8>>,
        kept: Option<Box<Kept>>,
        (lobby, id, seat): (Lobby, Box<str>, Arc<Seat>),
    ) -> Self {
        Self { to_meter, from_meter, came: Vec::new(), read: 0, kept, lobby, id, seat }
    }

    /// Reads what came, at least one octet; none when the connection is over. May be dropped: nothing is lost then.
    pub(super) async fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        while self.read == self.came.len() {
            match self.from_meter.recv().await {
                Some(came) => (self.came, self.read) = (came, 0),
                None => return Ok(0),
            }
        }
        let rest = &self.came[self.read..];
        let length = rest.len().min(octets.len());
        octets[..length].copy_from_slice(&rest[..length]);
        self.read += length;
        Ok(length)
    }

    /// Hands on all octets, between which nothing else is sent; none when the connection is over. May be dropped: nothing is handed on then.
    pub(super) async fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let Ok(place) = self.to_meter.reserve().await else { return Ok(0) };
        place.send(octets.to_vec());
        Ok(octets.len())
    }

    /// The association that the one before has left open on it.
    pub(super) fn kept(&mut self) -> Option<Box<Kept>> {
        self.kept.take()
    }

    /// Leaves the association open for the next one.
    pub(super) fn keep(&mut self, kept: Box<Kept>) {
        self.kept = Some(kept);
    }

    /// The meter has proved that it is there.
    pub(crate) fn prove(&self) {
        self.lobby.prove(&self.id, &self.seat);
    }

    /// The meter is not there.
    pub(crate) fn disprove(&self) {
        self.lobby.disprove(&self.id, &self.seat);
    }

    /// Nothing came back.
    pub(crate) fn doubt(&self) {
        self.seat.doubt();
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.lobby.give_back(&self.seat, self.kept.take());
    }
}
