//! Connections that meters, or the modems in front of them, opened to us: who has which, and who may use it.
//!
//! Whoever owns the sockets [enters](Lobby::enter) each that said who it is and waits for a [`Word`]; a channel borrows it, and gives it back
//! open. The newest connection of a caller counts, because modems come back under another address while the old connection only looks
//! alive. Saying a name proves nothing, though: a connection over which the meter proved itself by its security is used before a newer one that has
//! not, for as long as it answers.

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, timeout_at},
};

use crate::{line::Guest, station::Kept};

/// Frames that wait in one direction between a channel and a socket.
const FRAMES: usize = 8;

/// The connections that callers have open to this process, by what they call themselves.
#[derive(Debug, Clone, Default)]
pub struct Lobby(Arc<Hall>);

#[derive(Debug, Default)]
struct Hall {
    callers: Mutex<HashMap<Box<str>, Caller>>,
    /// Somebody came, or a connection got free.
    changed: Notify,
}

/// The connections of one caller: never more than two.
#[derive(Debug)]
struct Caller {
    newest: Arc<Seat>,
    earlier: Option<Arc<Seat>>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Seat {
    from: IpAddr,
    word: Notify,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What its owner has to be told.
    pending: Pending,
    is_lent: bool,
    standing: Standing,
    /// The association that was left open.
    kept: Option<Box<Kept>>,
    /// That somebody else lives under the same name was said.
    is_contested: bool,
}

#[derive(Debug, Default)]
struct Pending {
    lent: Option<Lent>,
    leave: Option<Leave>,
    counts_again: bool,
}

/// What is known of whoever is at the other end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Standing {
    /// It said a name.
    #[default]
    Claimed,
    /// The meter proved itself over it.
    Proved,
    /// It was asked, and nothing came back.
    Doubted,
    /// The meter is not there: it could not prove itself, or is another one.
    Disproved,
}

/// A connection of a caller, for whoever owns the socket. Dropping it says that the connection is over.
#[derive(Debug)]
pub struct Call {
    lobby: Lobby,
    id: Box<str>,
    seat: Arc<Seat>,
}

/// What the owner of a connection is told.
#[derive(Debug)]
pub enum Word {
    /// Somebody borrows it.
    Lend(Lent),
    /// It is to be closed.
    Leave(Leave),
    /// It is the one that counts, and that is to be said again: whoever came later under the same name is gone, or it was forgotten.
    CountsAgain,
}

/// Why a connection is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// The caller has a newer one: once the time between two heartbeats has passed, unless the other turns out to be somebody else's.
    Superseded,
    /// At once: the meter proved itself over a newer one, or one of the same name is older still.
    Replaced,
    /// At once: it is not the meter's, and the meter has another one.
    Disproved,
    /// Nobody knows the caller: it is nobody's who is asked for anything.
    Unknown,
}

/// The ends of a borrowed connection that its owner has: frames to be sent, each whole, until the connection is given back; and the place for those
/// that come.
#[derive(Debug)]
pub struct Lent {
    /// Octets to be sent, in pieces that nothing may be put between.
    pub requests: mpsc::Receiver<Vec<u8>>,
    /// Octets that came.
    pub answers: mpsc::Sender<Vec<u8>>,
}

impl Lobby {
    /// Somebody who calls himself `id` has a connection open, from this address.
    pub fn enter(&self, id: &str, from: IpAddr) -> Call {
        let seat = Arc::new(Seat { from, word: Notify::new(), state: Mutex::default() });
        let mut callers = self.callers();
        match callers.get_mut(id) {
            None => {
                let caller = Caller { newest: Arc::clone(&seat), earlier: None };
                callers.insert(id.into(), caller);
            }
            Some(caller) => {
                let before = std::mem::replace(&mut caller.newest, Arc::clone(&seat));
                // Of two earlier ones the one stays over which the meter proved itself.
                let kept = match caller.earlier.take() {
                    Some(proved) if proved.is_proved() && !before.is_proved() => {
                        before.tell(Leave::Replaced);
                        proved
                    }
                    oldest => {
                        oldest.into_iter().for_each(|oldest| oldest.tell(Leave::Replaced));
                        before.tell(Leave::Superseded);
                        before
                    }
                };
                caller.earlier = Some(kept);
            }
        }
        drop(callers);
        self.0.changed.notify_waiters();
        Call { lobby: self.clone(), id: id.into(), seat }
    }

    /// Nobody knows who calls himself so.
    pub fn refuse(&self, id: &str) {
        if let Some(Caller { newest, earlier }) = self.callers().get(id) {
            std::iter::once(newest).chain(earlier).for_each(|seat| seat.tell(Leave::Unknown));
        }
    }

    /// What was said of who has a connection open was forgotten: the owners of those that count are to say it again. Returns how many these are.
    pub fn ask_again(&self) -> usize {
        let callers = self.callers();
        callers.values().for_each(|caller| caller.newest.count_again());
        callers.len()
    }

    /// How many callers have a connection open.
    pub fn callers_present(&self) -> usize {
        self.callers().len()
    }

    /// Borrows the connection of a caller, and waits for one until `limit` has passed.
    pub(crate) async fn borrow(&self, id: &str, limit: Duration) -> Option<Guest> {
        let deadline = Instant::now() + limit;
        loop {
            let mut changed = std::pin::pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if let Some(guest) = self.lend(id) {
                return Some(guest);
            }
            timeout_at(deadline, changed).await.ok()?;
        }
    }

    fn lend(&self, id: &str) -> Option<Guest> {
        let callers = self.callers();
        let caller = callers.get(id)?;
        let seats = std::iter::once(&caller.newest).chain(&caller.earlier);
        // The first of equals, which is the newest.
        let seat = seats.filter(|seat| seat.is_free()).min_by_key(|seat| match seat.state().standing {
            Standing::Proved => 0,
            Standing::Claimed => 1,
            Standing::Doubted => 2,
            Standing::Disproved => 3,
        })?;
        let ((to_meter, requests), (answers, from_meter)) = (mpsc::channel(FRAMES), mpsc::channel(FRAMES));
        let mut state = seat.state();
        state.is_lent = true;
        state.pending.lent = Some(Lent { requests, answers });
        let kept = state.kept.take();
        drop(state);
        seat.word.notify_one();
        Some(Guest::new(to_meter, from_meter, kept, (self.clone(), id.into(), Arc::clone(seat))))
    }

    /// The connection is given back, with the association on it, or without.
    pub(crate) fn give_back(&self, seat: &Seat, kept: Option<Box<Kept>>) {
        let mut state = seat.state();
        state.is_lent = false;
        state.kept = kept;
        drop(state);
        self.0.changed.notify_waiters();
    }

    /// The meter proved itself over this connection; others of its name are not needed any more.
    pub(crate) fn prove(&self, id: &str, seat: &Arc<Seat>) {
        seat.state().standing = Standing::Proved;
        let mut callers = self.callers();
        let Some(caller) = callers.get_mut(id) else { return };
        if Arc::ptr_eq(&caller.newest, seat)
            && let Some(earlier) = caller.earlier.take()
        {
            earlier.tell(Leave::Replaced);
        }
    }

    /// Whoever is at the other end is not the meter. While it is the only one of its name, that is for the inventory to correct.
    pub(crate) fn disprove(&self, id: &str, seat: &Seat) {
        seat.state().standing = Standing::Disproved;
        if self.callers().get(id).is_some_and(|caller| caller.earlier.is_some()) {
            seat.tell(Leave::Disproved);
        }
    }

    fn callers(&self) -> MutexGuard<'_, HashMap<Box<str>, Caller>> {
        // No code that holds the lock can leave the table half written.
        self.0.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    fn next(&mut self) -> Option<Word> {
        let again = std::mem::take(&mut self.counts_again).then_some(Word::CountsAgain);
        again.or_else(|| self.lent.take().map(Word::Lend)).or_else(|| self.leave.take().map(Word::Leave))
    }
}

impl Seat {
    /// Nothing came back over it.
    pub(crate) fn doubt(&self) {
        let mut state = self.state();
        if state.standing != Standing::Disproved {
            state.standing = Standing::Doubted;
        }
    }

    fn is_proved(&self) -> bool {
        self.state().standing == Standing::Proved
    }

    fn is_free(&self) -> bool {
        let state = self.state();
        !state.is_lent && !matches!(state.pending.leave, Some(Leave::Replaced | Leave::Disproved))
    }

    fn count_again(&self) {
        self.state().pending.counts_again = true;
        self.word.notify_one();
    }

    fn tell(&self, leave: Leave) {
        self.state().pending.leave = Some(leave);
        self.word.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Call {
    /// The next word about this connection. May be dropped: nothing is lost then.
    pub async fn word(&self) -> Word {
        loop {
            if let Some(word) = self.seat.state().pending.next() {
                return word;
            }
            self.seat.word.notified().await;
        }
    }

    /// What came over it shows that somebody is there. The address of somebody else who is there under the same name, if there is one; said once.
    pub fn is_alive(&self) -> Option<IpAddr> {
        let callers = self.lobby.callers();
        let caller = callers.get(&self.id)?;
        let earlier = caller.earlier.as_ref().filter(|earlier| Arc::ptr_eq(earlier, &self.seat))?;
        let newest = &caller.newest;
        if newest.from == earlier.from || earlier.state().is_contested {
            return None;
        }
        earlier.state().is_contested = true;
        if earlier.is_proved() && !newest.is_proved() {
            newest.tell(Leave::Disproved);
        }
        Some(newest.from)
    }

    /// Whether the caller has a newer one.
    pub fn is_superseded(&self) -> bool {
        let callers = self.lobby.callers();
        callers.get(&self.id).is_some_and(|caller| !Arc::ptr_eq(&caller.newest, &self.seat))
    }

    /// The association that was left open on it is over: the meter said something that does not belong to it.
    pub fn forget(&self) {
        self.seat.state().kept = None;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut callers = self.lobby.callers();
        let Some(caller) = callers.get_mut(&self.id) else { return };
        if Arc::ptr_eq(&caller.newest, &self.seat) {
            match caller.earlier.take() {
                Some(earlier) => {
                    earlier.state().pending.leave = None;
                    earlier.count_again();
                    caller.newest = earlier;
                }
                None => drop(callers.remove(&self.id)),
            }
        } else if caller.earlier.as_ref().is_some_and(|earlier| Arc::ptr_eq(earlier, &self.seat)) {
            caller.earlier = None;
        }
    }
}
