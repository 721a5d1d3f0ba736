//! `SubscribeAlarms`: the log of alarms, from a place on.

use std::sync::Arc;

use ami_proto::v1::{Alarm, SubscribeAlarmsRequest, SubscribeAlarmsResponse};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Instant, timeout_at};

use super::super::follow::{Follower, Messages, messages};
use super::super::status::Refusal;
use super::super::{convert, token};
use super::Alarms;
use super::tail::{PAGE, Page};
use crate::store::alarms::AlarmFilter;

/// A subscription between two messages.
struct Subscription {
    service: Alarms,
    filter: AlarmFilter,
    /// Up to this number everything that fits was given out.
    given: i64,
    /// What is read at the end of the log.
    live: broadcast::Receiver<Arc<Page>>,
    /// Behind what `live` still has: the log itself is read.
    behind: bool,
    first: bool,
    silent_since: Instant,
    _turn: OwnedSemaphorePermit,
}

impl Alarms {
    /// Follows alarms from a token or from now on.
    pub(super) async fn subscribe(
        &self,
        request: SubscribeAlarmsRequest,
    ) -> Result<Messages<SubscribeAlarmsResponse>, Refusal> {
        let limit = self.limits.watches;
        let turn = self.turns.clone().try_acquire_owned().map_err(|_| Refusal::TooManyWatches { limit })?;
        let filter = self.filter(&request.meter_serials, &request.keys, request.min_severity).await?;
        // Before the end is asked for, so that there is no gap between the two.
        let live = self.tail.follow();
        let end = self.store.alarms_end().await?;
        let given = token::place(&request.resume_token, end)?;
        let subscription = Subscription {
            service: self.clone(),
            filter,
            given,
            live,
            behind: true,
            first: true,
            silent_since: Instant::now(),
            _turn: turn,
        };
        Ok(messages(subscription, self.shutdown.clone()))
    }
}

impl Follower for Subscription {
    type Message = SubscribeAlarmsResponse;

    async fn next(&mut self) -> Result<SubscribeAlarmsResponse, Refusal> {
        let alarms = self.alarms().await?;
        self.silent_since = Instant::now();
        Ok(SubscribeAlarmsResponse { alarms, resume_token: token::resume(self.given) })
    }
}

impl Subscription {
    /// The alarms of the next message: none at first, so that the client has a token, and as a sign of life.
    async fn alarms(&mut self) -> Result<Vec<Alarm>, Refusal> {
        if std::mem::take(&mut self.first) {
            return Ok(Vec::new());
        }
        loop {
            let alarms = if self.behind { self.read_log().await? } else { self.hear().await? };
            match alarms {
                Some(alarms) if alarms.is_empty() => {}
                Some(alarms) => return Ok(alarms),
                None => return Ok(Vec::new()),
            }
        }
    }

    /// The next alarms of the log, from the end of which on `live` serves.
    async fn read_log(&mut self) -> Result<Option<Vec<Alarm>>, Refusal> {
        let end = self.service.store.alarms_end().await?;
        let alarms = self.service.store.alarms_after(self.given, end, &self.filter, PAGE).await?;
        self.behind = i64::try_from(alarms.len()) == Ok(PAGE);
        self.given = alarms.last().filter(|_| self.behind).map_or(end, |last| last.id);
        alarms.into_iter().map(convert::alarm).collect::<Result<_, _>>().map(Some)
    }

    /// What is new; `None` when there was nothing for so long that a sign of life is due.
    async fn hear(&mut self) -> Result<Option<Vec<Alarm>>, Refusal> {
        let due = self.silent_since + self.service.limits.sign_of_life;
        match timeout_at(due, self.live.recv()).await {
            Ok(Ok(page)) if page.begin > self.given => {
                self.behind = true;
                Ok(Some(Vec::new()))
            }
            Ok(Ok(page)) => {
                let given = self.given;
                self.given = given.max(page.end);
                let new = page.alarms.iter().filter(|alarm| alarm.id > given && self.filter.fits(alarm));
                new.cloned().map(convert::alarm).collect::<Result<_, _>>().map(Some)
            }
            Ok(Err(RecvError::Lagged(_))) => {
                self.behind = true;
                Ok(Some(Vec::new()))
            }
            Ok(Err(RecvError::Closed)) => Err(Refusal::ShuttingDown),
            Err(_) => Ok(None),
        }
    }
}
