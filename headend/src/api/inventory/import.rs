//! An import: all meters of a file, or none and the reasons.

use std::collections::BTreeMap;

use ami_proto::v1::{ImportMetersResponse, ImportProblem};
use tonic::{Status, Streaming};
use tracing::info;
use zeroize::Zeroizing;

use super::super::Models;
use super::super::orders::Asker;
use super::super::status::Refusal;
use super::{NO_PARENT, csv};
use crate::store::Store;
use crate::store::meters::Added;

/// Problems that are listed; the others are counted.
const MAX_LISTED: usize = 10_000;

/// Serial numbers that the audit names; their number stands beside them.
pub(super) const MAX_AUDITED: usize = 32;

/// What is wrong with a meter of which something is taken.
const TAKEN: &str = "a meter with this serial number, system title, equipment id or place on its parent exists already, in service or out of it: \
    correct that one (amictl meters correct)";

/// What is wrong with a file.
#[derive(Debug, Default)]
pub(super) struct Problems {
    listed: Vec<ImportProblem>,
    count: u32,
}

impl Problems {
    /// One more problem; `column` is empty when the line as a whole is at fault.
    pub(super) fn add(&mut self, line: u32, column: &str, problem: impl Into<String>) {
        self.count = self.count.saturating_add(1);
        if self.listed.len() < MAX_LISTED {
            self.listed.push(ImportProblem { line, column: column.into(), problem: problem.into() });
        }
    }

    /// Whether there is none.
    pub(super) fn none(&self) -> bool {
        self.count == 0
    }

    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// All that is listed, by line.
    pub(super) fn into_list(mut self) -> Vec<ImportProblem> {
        self.listed.sort_by_key(|problem| problem.line);
        self.listed
    }
}

/// Takes the file in, unless it is too large; it holds secrets and is wiped when it is dropped.
///
/// # Errors
/// What broke the stream.
pub(super) async fn receive<T>(
    mut parts: Streaming<T>,
    octets: fn(T) -> Vec<u8>,
    limit: usize,
) -> Result<Result<Zeroizing<Vec<u8>>, Refusal>, Status> {
    let mut file = Zeroizing::new(Vec::new());
    while let Some(part) = parts.message().await? {
        let part = Zeroizing::new(octets(part));
        if file.len() + part.len() > limit {
            return Ok(Err(Refusal::ImportTooLarge { octets: limit }));
        }
        file.extend_from_slice(&part);
    }
    Ok(Ok(file))
}

/// Adds the meters of a file, all of them or none.
pub(super) async fn run(
    store: &Store,
    models: &Models,
    file: &[u8],
    asker: &Asker,
) -> Result<ImportMetersResponse, Refusal> {
    let (rows, mut problems) = csv::parse(file, models);
    if !problems.none() {
        return refuse(store, problems, asker).await;
    }
    let imported = u32::try_from(rows.len()).map_err(|_| Refusal::Internal)?;
    let lines: BTreeMap<String, u32> = rows.iter().map(|row| (row.meter.serial.clone(), row.line)).collect();
    let meters: Vec<_> = rows.into_iter().map(|row| row.meter).collect();
    let named = meters.iter().take(MAX_AUDITED).map(|meter| meter.serial.as_str()).collect::<Vec<_>>();
    let entry = asker.entry(named.join(" "), "accepted", Some(format!("{imported} meters")));
    let line = |serial: &str| lines.get(serial).copied().unwrap_or_default();
    match store.add_meters(&meters, &entry).await? {
        Added::All => {
            info!(imported, "meters imported");
            Ok(ImportMetersResponse { imported, problems: Vec::new(), problem_count: 0 })
        }
        Added::Taken(serials) => {
            for serial in serials {
                problems.add(line(&serial), "serial", TAKEN);
            }
            refuse(store, problems, asker).await
        }
        Added::Orphaned(serials) => {
            for serial in serials {
                problems.add(line(&serial), "parent", NO_PARENT);
            }
            refuse(store, problems, asker).await
        }
    }
}

/// None was imported, which the audit tells, too.
async fn refuse(store: &Store, problems: Problems, asker: &Asker) -> Result<ImportMetersResponse, Refusal> {
    let detail = format!("nothing was imported: {} problems in the file", problems.count);
    store.audit(&asker.entry(String::new(), "import_problems", Some(detail))).await?;
    let problem_count = problems.count;
    Ok(ImportMetersResponse { imported: 0, problems: problems.into_list(), problem_count })
}
