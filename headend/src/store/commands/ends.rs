//! What attempts make of commands, inside the transaction that stores what they reported.

use std::collections::BTreeMap;

use collectors::{Covered, Failure, Finding, JobId, Outcome, Reason};
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;

use crate::command::{Next, next};
use crate::store::{COMMAND_CHANNEL, CommandState, Error, failed};

/// What becomes of a command when an attempt has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct CommandEnd {
    pub(in crate::store) job: JobId,
    pub(in crate::store) next: Next,
    outcome: Option<Outcome>,
    failure: Option<Reason>,
    detail: Option<String>,
}

impl CommandEnd {
    /// Judges the end of attempt number `attempts`.
    pub(in crate::store) fn of(job: JobId, outcome: &Result<Covered, Failure>, attempts: i16) -> Self {
        match outcome {
            Ok(Covered { outcome: Some(outcome), .. }) => Self {
                job,
                next: Next::Over(CommandState::Confirmed),
                outcome: Some(*outcome),
                failure: None,
                detail: None,
            },
            // A task that carries out an order says what it saw; without that nobody knows.
            Ok(Covered { outcome: None, .. }) => {
                let unseen =
                    Failure::new(Reason::Unsupported, "The attempt did not say what the meter showed.");
                Self::failed(job, &Failure { in_doubt: true, ..unseen }, attempts)
            }
            Err(failure) => Self::failed(job, failure, attempts),
        }
    }

    fn failed(job: JobId, failure: &Failure, attempts: i16) -> Self {
        Self {
            job,
            next: next(failure, attempts),
            outcome: None,
            failure: Some(failure.reason),
            detail: Some(failure.detail.clone()),
        }
    }

    fn state(&self) -> CommandState {
        match self.next {
            Next::Again(state, _) | Next::Over(state) => state,
        }
    }
}

/// Writes the ends of attempts. Those of commands that came to an end without the attempt change nothing. Of a confirmed command all steps
/// are done, whoever was to tell of the last ones.
pub(in crate::store) async fn write(connection: &mut PgConnection, ends: &[CommandEnd]) -> Result<(), Error> {
    if ends.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "/* store::commands::ends::write */
         UPDATE command c SET state = e.state, outcome = e.outcome::command_outcome, failure = e.failure::failure_reason, detail = e.detail,
             progress_done = CASE WHEN e.state = 'confirmed' THEN c.progress_total ELSE c.progress_done END,
             in_doubt = e.state = 'unknown', finished_at = CASE WHEN e.over THEN now() END
         FROM unnest($1::int8[], $2::command_state[], $3::text[], $4::text[], $5::text[], $6::bool[])
             AS e (job, state, outcome, failure, detail, over)
         WHERE c.job_id = e.job AND c.finished_at IS NULL",
    )
    .bind(ends.iter().map(|end| end.job).collect::<Vec<_>>())
    .bind(ends.iter().map(CommandEnd::state).collect::<Vec<_>>())
    .bind(ends.iter().map(|end| end.outcome.map(Outcome::as_str)).collect::<Vec<_>>())
    .bind(ends.iter().map(|end| end.failure.map(Reason::as_str)).collect::<Vec<_>>())
    .bind(ends.iter().map(|end| end.detail.clone()).collect::<Vec<_>>())
    .bind(ends.iter().map(|end| matches!(end.next, Next::Over(_))).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map_err(failed("store::commands::ends::write"))?;
    Ok(())
}

/// Adds what attempts found out to the lives of their commands. It is true whoever owns the job now.
pub(in crate::store) async fn note(
    connection: &mut PgConnection,
    findings: &[(JobId, &Finding)],
) -> Result<(), Error> {
    if findings.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "/* store::commands::ends::note */
         WITH noted AS (
             INSERT INTO command_change (command_id, at, state, what, value, done, total)
             SELECT c.id, f.at, c.state, f.what, f.value, c.progress_done, c.progress_total
             FROM unnest($1::int8[], $2::timestamptz[], $3::text[], $4::text[]) WITH ORDINALITY AS f (job, at, what, value, place)
             JOIN command c ON c.job_id = f.job ORDER BY f.place RETURNING command_id)
         SELECT pg_notify($5, command_id::text) FROM noted GROUP BY command_id",
    )
    .bind(findings.iter().map(|(job, _)| *job).collect::<Vec<_>>())
    .bind(findings.iter().map(|(_, finding)| finding.at.to_sqlx()).collect::<Vec<_>>())
    .bind(findings.iter().map(|(_, finding)| finding.what).collect::<Vec<_>>())
    .bind(findings.iter().map(|(_, finding)| finding.value.clone()).collect::<Vec<_>>())
    .bind(COMMAND_CHANNEL)
    .execute(connection)
    .await
    .map_err(failed("store::commands::ends::note"))?;
    Ok(())
}

/// Writes how far commands with many steps have come.
pub(in crate::store) async fn advance(
    connection: &mut PgConnection,
    progress: &BTreeMap<JobId, (u32, u32)>,
) -> Result<(), Error> {
    if progress.is_empty() {
        return Ok(());
    }
    let steps = |of: fn(&(u32, u32)) -> u32| -> Vec<i32> {
        progress.values().map(|steps| i32::try_from(of(steps)).unwrap_or(i32::MAX)).collect()
    };
    sqlx::query(
        "/* store::commands::ends::advance */
         UPDATE command c SET progress_done = least(p.done, p.total), progress_total = p.total
         FROM unnest($1::int8[], $2::int4[], $3::int4[]) AS p (job, done, total)
         WHERE c.job_id = p.job AND c.finished_at IS NULL AND (c.progress_done, c.progress_total) <> (p.done, p.total)",
    )
    .bind(progress.keys().copied().collect::<Vec<_>>())
    .bind(steps(|(done, _)| *done))
    .bind(steps(|(_, total)| *total))
    .execute(connection)
    .await
    .map_err(failed("store::commands::ends::advance"))?;
    Ok(())
}
