//! `WatchEvents`: the log of events, from a place on.

use ami_proto::v1::{Event, WatchEventsRequest, WatchEventsResponse};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::super::follow::{Follower, Messages, messages};
use super::super::notices::EventNotices;
use super::super::status::Refusal;
use super::super::{convert, token};
use super::Events;
use crate::store::events::EventFilter;

/// Events in a message.
const MESSAGE: i64 = 512;

/// A watch between two messages.
struct Watch {
    service: Events,
    notices: EventNotices,
    filter: EventFilter,
    /// Up to this number everything that fits was given out.
    given: i64,
    first: bool,
    silent_since: Instant,
    _turn: OwnedSemaphorePermit,
}

impl Events {
    /// Follows events from a token or from now on.
    pub(super) async fn watch(
        &self,
        request: WatchEventsRequest,
    ) -> Result<Messages<WatchEventsResponse>, Refusal> {
        let limit = self.limits.watches;
        let turn = self.turns.clone().try_acquire_owned().map_err(|_| Refusal::TooManyWatches { limit })?;
        let WatchEventsRequest { meter_serials, keys, min_severity, log, resume_token } = &request;
        let filter = self.filter(meter_serials, keys, *min_severity, log).await?;
        // Before the end is asked for, so that there is no gap between the two.
        let notices = self.notices.events();
        let end = self.store.events_end().await?;
        let given = token::place(resume_token, end)?;
        let watch = Watch {
            service: self.clone(),
            notices,
            filter,
            given,
            first: true,
            silent_since: Instant::now(),
            _turn: turn,
        };
        Ok(messages(watch, self.shutdown.clone()))
    }
}

impl Follower for Watch {
    type Message = WatchEventsResponse;

    async fn next(&mut self) -> Result<WatchEventsResponse, Refusal> {
        let events = self.events().await?;
        self.silent_since = Instant::now();
        Ok(WatchEventsResponse { events, resume_token: token::resume(self.given) })
    }
}

impl Watch {
    /// The events of the next message: none at first, so that the client has a token, and as a sign of life.
    async fn events(&mut self) -> Result<Vec<Event>, Refusal> {
        if std::mem::take(&mut self.first) {
            return Ok(Vec::new());
        }
        loop {
            let store = &self.service.store;
            let end = store.events_end().await?;
            let events = store.events_after(self.given, end, &self.filter, MESSAGE).await?;
            let full = i64::try_from(events.len()) == Ok(MESSAGE);
            self.given = events.last().filter(|_| full).map_or(end, |last| last.id);
            if !events.is_empty() {
                return events.into_iter().map(convert::event).collect();
            }
            let due = self.silent_since + self.service.limits.sign_of_life;
            if timeout_at(due, self.notices.any()).await.is_err() {
                return Ok(Vec::new());
            }
        }
    }
}
