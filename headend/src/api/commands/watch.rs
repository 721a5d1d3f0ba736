//! `WatchCommands`: follows the lives of commands. A token is given out with every message, so whoever goes on with it misses nothing.

use std::collections::BTreeSet;

use ami_proto::v1::{WatchCommandsRequest, WatchCommandsResponse};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::super::check;
use super::super::follow::{Follower, Messages, messages};
use super::super::known;
use super::super::notices::CommandNotices;
use super::super::status::Refusal;
use super::super::token;
use super::{Commands, convert};
use crate::store::commands::ChangeFilter;

/// Commands and meters of one watch at most.
const MAX_FILTER: usize = 1_000;
/// Changes in a message.
const MESSAGE: i64 = 1_000;

/// A watch between two messages.
struct Watch {
    service: Commands,
    notices: CommandNotices,
    filter: ChangeFilter,
    /// Up to here everything was given out.
    given: i64,
    /// Whether the first message was given out, which only bears a token.
    begun: bool,
    silent_since: Instant,
    _turn: OwnedSemaphorePermit,
}

impl Commands {
    /// Follows commands from a token, from their beginnings, or from now on.
    pub(super) async fn watch(
        &self,
        request: WatchCommandsRequest,
    ) -> Result<Messages<WatchCommandsResponse>, Refusal> {
        let limit = self.limits.watches;
        let turn = self.watches.clone().try_acquire_owned().map_err(|_| Refusal::TooManyWatches { limit })?;
        let filter = self.change_filter(&request).await?;
        let notices = self.notices.commands();
        let given = match request.resume_token.as_str() {
            "" if filter.commands.is_some() => 0,
            "" => self.store.last_change().await?,
            text => token::resumed(text).ok_or(Refusal::ResumeToken)?,
        };
        let watch = Watch {
            service: self.clone(),
            notices,
            filter,
            given,
            begun: false,
            silent_since: Instant::now(),
            _turn: turn,
        };
        Ok(messages(watch, self.shutdown.clone()))
    }

    async fn change_filter(&self, request: &WatchCommandsRequest) -> Result<ChangeFilter, Refusal> {
        check::list("ids", &request.ids, MAX_FILTER)?;
        let known = self.store.commands(&request.ids).await?;
        let commands: BTreeSet<i64> = known.into_iter().map(|command| command.id).collect();
        if let Some(&id) = request.ids.iter().find(|id| !commands.contains(id)) {
            return Err(Refusal::CommandNotFound { id });
        }
        let meters = known::meters(&self.store, &request.meter_serials, MAX_FILTER).await?;
        Ok(ChangeFilter {
            commands: (!commands.is_empty()).then(|| commands.into_iter().collect()),
            meters: (!meters.is_empty()).then_some(meters),
        })
    }
}

impl Follower for Watch {
    type Message = WatchCommandsResponse;

    async fn next(&mut self) -> Result<WatchCommandsResponse, Refusal> {
        if !self.begun {
            self.begun = true;
            return Ok(self.message(Vec::new(), Vec::new()));
        }
        loop {
            let store = &self.service.store;
            let changes = store.changes_after(self.given, &self.filter, MESSAGE).await?;
            if let Some(last) = changes.last() {
                self.given = last.id;
                let ids: BTreeSet<i64> = changes.iter().map(|change| change.command).collect();
                let commands = store.commands(&ids.into_iter().collect::<Vec<_>>()).await?;
                let changes = changes.into_iter().map(convert::change).collect();
                return Ok(self.message(changes, commands.into_iter().map(convert::command).collect()));
            }
            let due = self.silent_since + self.service.limits.sign_of_life;
            if timeout_at(due, self.notices.any()).await.is_err() {
                return Ok(self.message(Vec::new(), Vec::new()));
            }
        }
    }
}

impl Watch {
    fn message(
        &mut self,
        changes: Vec<ami_proto::v1::CommandChange>,
        commands: Vec<ami_proto::v1::Command>,
    ) -> WatchCommandsResponse {
        self.silent_since = Instant::now();
        WatchCommandsResponse { changes, commands, resume_token: token::resume(self.given) }
    }
}
