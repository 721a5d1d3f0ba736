//! How a second person approves an order that needs one: from here on the command has a job.

use uuid::Uuid;

use super::order::LISTED_ATTEMPTS;
use crate::store::audit::{self, Entry};
use crate::store::{CommandState, Error, JOB_CHANNEL, Store, failed};

/// What came of approving a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approved {
    /// It is approved by this person, now or before.
    Yes,
    /// The same person ordered it.
    SamePerson,
    /// It does not wait for a second person, or does not any more.
    NotAwaiting,
    /// Its meter, by its serial number, is out of service.
    Retired(String),
    /// There is none.
    NotFound,
}

/// Who approves, and by which request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Who.
    pub principal: String,
    /// The request.
    pub request_id: Uuid,
    /// W3C trace context of the request, when it is traced.
    pub trace_parent: Option<String>,
}

/// What is known of a command: its state, who ordered and who approved it, whether its deadline has passed, its meter and whether that is in service.
type Found = (CommandState, String, Option<String>, bool, String, bool);

impl Store {
    /// Accepts a command that waits for a second person, makes its job, writes `entry` into the audit, and wakes the collectors: one transaction.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn approve_command(
        &self,
        id: i64,
        approval: &Approval,
        entry: &Entry,
    ) -> Result<Approved, Error> {
        super::super::repeat("store::approve_command", || self.try_approve(id, approval, entry)).await
    }

    async fn try_approve(&self, id: i64, approval: &Approval, entry: &Entry) -> Result<Approved, Error> {
        let failed = failed("store::approve_command");
        let mut transaction = self.pool().begin().await.map_err(&failed)?;
        // The share lock on the meter keeps a retirement from slipping in between.
        let found: Option<Found> = sqlx::query_as(
            "/* store::approve_command */
             SELECT c.state, o.principal, c.approved_by, c.deadline <= now(), m.serial, m.state = 'active'
             FROM command c JOIN command_order o ON o.id = c.order_id JOIN meter m ON m.id = c.meter_id
             WHERE c.id = $1 FOR UPDATE OF c FOR SHARE OF m",
        )
        .bind(id)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(&failed)?;
        let Some((state, ordered_by, approved_by, is_late, serial, is_active)) = found else {
            return Ok(Approved::NotFound);
        };
        if approved_by.is_some_and(|who| who == approval.principal) {
            return Ok(Approved::Yes);
        }
        if state != CommandState::AwaitingApproval || is_late {
            return Ok(Approved::NotAwaiting);
        }
        if ordered_by == approval.principal {
            return Ok(Approved::SamePerson);
        }
        if !is_active {
            return Ok(Approved::Retired(serial));
        }
        sqlx::query(
            "/* store::approve_command */
             WITH made AS (
                 INSERT INTO job (meter_id, kind, priority, due_at, max_attempts, request_id, trace_parent)
                 SELECT meter_id, 'command', priority, greatest(not_before, now()), $2, $3, $4 FROM command WHERE id = $1 RETURNING id),
             accepted AS (
                 UPDATE command SET state = 'accepted', approved_by = $5, approved_at = now(), job_id = (SELECT id FROM made) WHERE id = $1
                 RETURNING job_id)
             SELECT pg_notify($6, job_id::text) FROM accepted",
        )
        .bind(id)
        .bind(LISTED_ATTEMPTS)
        .bind(approval.request_id)
        .bind(&approval.trace_parent)
        .bind(&approval.principal)
        .bind(JOB_CHANNEL)
        .execute(&mut *transaction)
        .await
        .map_err(&failed)?;
        audit::insert(&mut transaction, entry).await?;
        transaction.commit().await.map_err(&failed)?;
        Ok(Approved::Yes)
    }
}
