//! Result files of concentrators that read their meters by themselves: taken over from a folder, each once.
//!
//! What a file brings is written first, then what became of it is noted, and then it is moved out of the way, so that whatever happens in between it is
//! read again or only moved: captures and events that are known change nothing. `take.rs`, which is pure, turns a document into reports; `folder.rs` knows the
//! files.

mod folder;
mod take;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use collectors::{MeterId, Report};
use jiff::Timestamp;
use models::Model;
use p2lpc::{Document, OCTETS_LIMIT};
use sha2::{Digest as _, Sha256};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use self::folder::{Folder, ResultPath, Whereto};
use self::take::{Behind, Taken};
use crate::config;
use crate::store::result_files::NewResultFile;
use crate::store::{self, ResultState, Store};
use crate::telemetry::metrics;

/// Captures and entries that are written in one transaction, and the device that exceeds it.
const BATCH: usize = 5_000;

/// Why a pass over the folder ended early. What is left is taken at the next one.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The file system.
    #[error("{path}: {error}")]
    File {
        /// What was touched.
        path: String,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// A concentrator whose files are taken over.
struct Giver {
    id: MeterId,
    serial: String,
    behind: Behind,
}

/// Takes files over until `stop`.
pub async fn run(
    store: Store,
    models: Arc<BTreeMap<String, Arc<Model>>>,
    (owner, config): (Uuid, config::Results),
    stop: CancellationToken,
) {
    let Some(path) = config.folder.clone() else { return };
    let folder = Folder::new(path);
    let mut passes = interval(config.every);
    passes.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = passes.tick() => {}
        }
        let taking = Taking { store: &store, models: &models, owner, config: &config };
        // A file that is being written when the program stops is taken again.
        let passed = tokio::select! {
            () = stop.cancelled() => return,
            passed = taking.pass(&folder) => passed,
        };
        if let Err(error) = passed {
            warn!(%error, "not all result files could be taken over; the rest waits");
        }
        if let Err(error) = store.purge_results(config.keep).await {
            warn!(%error, "old result files could not be forgotten");
        }
    }
}

/// What a pass needs.
struct Taking<'a> {
    store: &'a Store,
    models: &'a BTreeMap<String, Arc<Model>>,
    owner: Uuid,
    config: &'a config::Results,
}

impl Taking<'_> {
    async fn pass(&self, folder: &Folder) -> Result<(), Error> {
        for serial in folder.concentrators().await? {
            let files = folder.files(&serial).await?;
            if files.is_empty() {
                continue;
            }
            let Some((id, model)) = self.store.concentrator(&serial).await? else {
                warn!(
                    serial,
                    files = files.len(),
                    "result files wait: no concentrator in service has that serial number"
                );
                continue;
            };
            let meters = self.store.meters_behind(&serial).await?;
            let giver = Giver { id, behind: Behind::new((id, &model), meters, self.models), serial };
            for file in files {
                self.file(folder, &giver, &file).await?;
            }
        }
        Ok(())
    }

    /// Takes over one file, and moves it out of the way.
    async fn file(&self, folder: &Folder, giver: &Giver, file: &ResultPath) -> Result<(), Error> {
        let job = self.store.result_number().await?;
        let mut noted = NewResultFile {
            concentrator: giver.id,
            name: file.name.clone(),
            digest: [0; 32],
            octets: file.octets,
            state: ResultState::Refused,
            captures: 0,
            events: 0,
            detail: String::new(),
            job,
        };
        if file.octets > OCTETS_LIMIT as u64 {
            noted.detail = format!("It has {} octets, at most {OCTETS_LIMIT} are read.", file.octets);
            return self.settle(folder, giver, file, noted).await;
        }
        let octets = folder.read(&giver.serial, file).await?;
        noted.digest = Sha256::digest(&octets).into();
        if let Some(name) = self.store.taken_result(giver.id, &noted.digest).await? {
            if name == file.name && !folder.has_taken(&giver.serial, &name).await? {
                // It was taken, and the program ended before it was moved.
                return folder.put_away(&giver.serial, file, &Whereto::Taken).await;
            }
            noted.state = ResultState::Doubled;
            noted.detail = format!("The same was taken before as {name}.");
            return self.settle(folder, giver, file, noted).await;
        }
        let document = Document::read(&octets);
        let is_fresh = file.changed.is_some_and(|changed| age(changed) < self.config.settle);
        if document.damage.is_some() && is_fresh {
            return Ok(());
        }
        let taken = take::reports(&document, (&giver.serial, &giver.behind), job, Timestamp::now());
        match self.write(&taken.reports).await {
            Ok(()) => {
                let Taken { captures, events, state, detail, .. } = taken;
                noted = NewResultFile { captures, events, state, detail, ..noted };
            }
            Err(error) if error.is_transient() => return Err(error.into()),
            Err(error) => noted.detail = format!("The database does not take what is in it: {error}."),
        }
        self.settle(folder, giver, file, noted).await
    }

    /// Writes what a file brings, some at a time.
    async fn write(&self, reports: &[Report]) -> Result<(), store::Error> {
        let mut rest = reports;
        while !rest.is_empty() {
            let mut weight = 0;
            let full = rest.iter().position(|report| {
                weight += take::weight(report);
                weight > BATCH
            });
            let (some, others) = rest.split_at(full.map_or(rest.len(), |place| place.max(1)));
            let written = self.store.write(self.owner, some).await?;
            metrics::results_stored(&written);
            rest = others;
        }
        Ok(())
    }

    /// Notes what became of a file, and moves it out of the way.
    async fn settle(
        &self,
        folder: &Folder,
        giver: &Giver,
        file: &ResultPath,
        noted: NewResultFile,
    ) -> Result<(), Error> {
        let number = self.store.note_result(&noted).await?;
        metrics::result_file(noted.state);
        let NewResultFile { state, captures, events, detail, .. } = &noted;
        let word = state.word();
        if *state == ResultState::Taken {
            info!(serial = giver.serial, file = file.name, captures, events, "a result file was taken over");
        } else {
            warn!(
                serial = giver.serial,
                file = file.name,
                state = word,
                captures,
                events,
                detail,
                "a result file is in quarantine"
            );
        }
        let whereto = if *state == ResultState::Taken { Whereto::Taken } else { Whereto::Quarantine(number) };
        folder.put_away(&giver.serial, file, &whereto).await
    }
}

fn age(changed: SystemTime) -> std::time::Duration {
    // What was changed in the future was changed now.
    SystemTime::now().duration_since(changed).unwrap_or_default()
}
