//! One connection that hears what the database tells, for all calls that wait.
//!
//! A notice only says that looking is worth while. Whoever waits looks by himself every second as well, so a lost notice costs a
//! second and nothing else.

use std::time::Duration;

use sqlx::postgres::PgNotification;
use tokio::sync::{broadcast, watch};
use tracing::{info, warn};

use crate::store::{ALARM_CHANNEL, COMMAND_CHANNEL, EVENT_CHANNEL, JOB_CHANNEL, READING_CHANNEL, Store};

/// Ended jobs that a slow waiter may fall behind before it has to look for itself.
const JOB_QUEUE: usize = 1024;

/// The least pause between two attempts to hear.
const RETRY: Duration = Duration::from_secs(1);

/// Where notices come in.
#[derive(Debug)]
pub(super) struct Hub {
    readings: watch::Sender<()>,
    commands: watch::Sender<()>,
    alarms: watch::Sender<()>,
    events: watch::Sender<()>,
    jobs: broadcast::Sender<i64>,
}

/// Where calls wait for notices.
#[derive(Debug, Clone)]
pub(super) struct Notices {
    readings: watch::Receiver<()>,
    commands: watch::Receiver<()>,
    alarms: watch::Receiver<()>,
    events: watch::Receiver<()>,
    jobs: broadcast::Sender<i64>,
    poll: Duration,
}

/// Notices about commands.
#[derive(Debug)]
pub(super) struct CommandNotices {
    commands: watch::Receiver<()>,
    poll: Duration,
}

/// Notices about events.
#[derive(Debug)]
pub(super) struct EventNotices {
    events: watch::Receiver<()>,
    poll: Duration,
}

/// Notices about one job.
#[derive(Debug)]
pub(super) struct JobNotices {
    jobs: broadcast::Receiver<i64>,
    poll: Duration,
}

/// Both ends; whoever waits looks by himself every `poll`.
pub(super) fn channel(poll: Duration) -> (Hub, Notices) {
    let (readings, of_readings) = watch::channel(());
    let (commands, of_commands) = watch::channel(());
    let (alarms, of_alarms) = watch::channel(());
    let (events, of_events) = watch::channel(());
    let (jobs, _) = broadcast::channel(JOB_QUEUE);
    let notices = Notices {
        readings: of_readings,
        commands: of_commands,
        alarms: of_alarms,
        events: of_events,
        jobs: jobs.clone(),
        poll,
    };
    (Hub { readings, commands, alarms, events, jobs }, notices)
}

impl Hub {
    /// Hears the database for ever and says whether it answers.
    pub(super) async fn run(&self, store: &Store, answers: &watch::Sender<bool>) {
        loop {
            if let Err(error) = self.hear(store, answers).await {
                warn!(%error, "the database does not answer; trying again");
            }
            answers.send_replace(false);
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn hear(&self, store: &Store, answers: &watch::Sender<bool>) -> Result<(), crate::store::Error> {
        let channels = [ALARM_CHANNEL, COMMAND_CHANNEL, EVENT_CHANNEL, JOB_CHANNEL, READING_CHANNEL];
        let mut listener = store.listen(&channels).await?;
        answers.send_replace(true);
        info!("listening to the database");
        loop {
            match listener.try_recv().await {
                Ok(Some(notice)) => self.tell(&notice),
                // The connection broke and notices were lost: everybody looks, and a new connection is made.
                Ok(None) => {
                    self.readings.send_replace(());
                    self.commands.send_replace(());
                    self.alarms.send_replace(());
                    self.events.send_replace(());
                    return Ok(());
                }
                Err(error) => return Err(crate::store::failed("api::notices")(error)),
            }
        }
    }

    fn tell(&self, notice: &PgNotification) {
        match notice.channel() {
            READING_CHANNEL => {
                self.readings.send_replace(());
            }
            COMMAND_CHANNEL => {
                self.commands.send_replace(());
            }
            ALARM_CHANNEL => {
                self.alarms.send_replace(());
            }
            EVENT_CHANNEL => {
                self.events.send_replace(());
            }
            // Nobody may be waiting for a job.
            JOB_CHANNEL => drop(notice.payload().parse().map(|job| self.jobs.send(job))),
            _ => {}
        }
    }
}

impl Notices {
    /// Waits until readings may have been stored.
    pub(super) async fn readings(&mut self) {
        told(&mut self.readings, self.poll).await;
    }

    /// Waits until alarms may have been stored.
    pub(super) async fn alarms(&mut self) {
        told(&mut self.alarms, self.poll).await;
    }

    /// Notices about events from now on.
    pub(super) fn events(&self) -> EventNotices {
        EventNotices { events: self.events.clone(), poll: self.poll }
    }

    /// Notices about commands from now on.
    pub(super) fn commands(&self) -> CommandNotices {
        CommandNotices { commands: self.commands.clone(), poll: self.poll }
    }

    /// Notices about jobs from now on.
    pub(super) fn jobs(&self) -> JobNotices {
        JobNotices { jobs: self.jobs.subscribe(), poll: self.poll }
    }
}

impl CommandNotices {
    /// Waits until something may have happened to any command.
    pub(super) async fn any(&mut self) {
        told(&mut self.commands, self.poll).await;
    }
}

impl EventNotices {
    /// Waits until events may have been stored.
    pub(super) async fn any(&mut self) {
        told(&mut self.events, self.poll).await;
    }
}

/// Waits for a notice, or for the time to look without one. A closed channel is the end of the server; the time limit serves then.
async fn told(notices: &mut watch::Receiver<()>, poll: Duration) {
    let told = async {
        if notices.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    drop(tokio::time::timeout(poll, told).await);
}

impl JobNotices {
    /// Waits until something may have happened to job `id`.
    pub(super) async fn about(&mut self, id: i64) {
        let told = async {
            loop {
                match self.jobs.recv().await {
                    Ok(job) if job != id => {}
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        drop(tokio::time::timeout(self.poll, told).await);
    }
}
