//! The work list: meters that cannot be read, and where that most likely comes from.

use ami_proto::v1::{
    LikelyCause, ListTroublesRequest, ListTroublesResponse, ResolveTroublesRequest, ResolveTroublesResponse,
    Trouble, TroubleCause,
};
use ami_proto::words::Word as _;
use collectors::Reason;

use super::{Collection, MAX_LIST};
use crate::api::orders::Asker;
use crate::api::status::Refusal;
use crate::api::{check, convert, known, token};
use crate::retry::Cause;
use crate::store::troubles::{self, TroubleFilter};

/// The longest reason.
const MAX_REASON: usize = 1000;

impl Collection {
    pub(super) async fn troubles(
        &self,
        question: ListTroublesRequest,
    ) -> Result<ListTroublesResponse, Refusal> {
        let limit = check::page_size(question.page_size)?;
        let fingerprint = token::fingerprint(&ListTroublesRequest {
            page_size: 0,
            page_token: String::new(),
            ..question.clone()
        });
        let after = token::number(fingerprint, &question.page_token)?.unwrap_or(0);
        let meters = known::meters(&self.store, &question.meter_serials, MAX_LIST).await?;
        let lasting = question.lasting.map_or(0, |lasting| lasting.seconds);
        if lasting < 0 {
            return Err(Refusal::field("lasting", "a duration of 0 s or more is expected"));
        }
        let filter = TroubleFilter {
            meters: Some(meters).filter(|_| !question.meter_serials.is_empty()),
            needs_person: question.needs_person_only,
            older_than_s: lasting,
        };
        let mut troubles = self.store.list_troubles(&filter, after, i64::from(limit) + 1).await?;
        let next_page_token = token::next_page(fingerprint, &mut troubles, limit, |trouble| trouble.id);
        Ok(ListTroublesResponse { troubles: troubles.into_iter().map(shown).collect(), next_page_token })
    }

    pub(super) async fn resolve(
        &self,
        asker: &Asker,
        question: ResolveTroublesRequest,
    ) -> Result<ResolveTroublesResponse, Refusal> {
        let ResolveTroublesRequest { meter_serial, reason } = question;
        check::serial("meter_serial", &meter_serial)?;
        if reason.trim().is_empty() || reason.len() > MAX_REASON {
            return Err(Refusal::field("reason", "what was done is expected, in 1 to 1000 octets"));
        }
        let meter = self.store.meter(&meter_serial).await?;
        let meter = meter.ok_or_else(|| Refusal::MeterNotFound { serial: meter_serial.clone() })?;
        let entry = asker.entry(meter_serial, "accepted", Some(reason));
        let resolved = self.store.resolve_troubles(meter.id, &entry).await?;
        Ok(ResolveTroublesResponse { resolved: u32::try_from(resolved).unwrap_or(u32::MAX) })
    }
}

fn shown(trouble: troubles::Trouble) -> Trouble {
    let count = |number: i64| u32::try_from(number).unwrap_or_default();
    Trouble {
        id: trouble.id,
        cause: TroubleCause::from_word(trouble.cause.word()).unwrap_or_default().into(),
        likely: likely(&trouble).into(),
        reason: convert::reason(Some(&trouble.reason)).into(),
        needs_person: trouble.needs_person,
        failures: trouble.failures.unsigned_abs(),
        job_id: trouble.job_id,
        since: Some(convert::stored(trouble.since)),
        last_at: Some(convert::stored(trouble.last_at)),
        neighbours: count(trouble.neighbours),
        silent_neighbours: count(trouble.silent_neighbours),
        power_lost_at: trouble.power_lost_at.map(convert::stored),
        meter_serial: trouble.serial,
        scope: trouble.scope,
        detail: trouble.detail.unwrap_or_default(),
        line: trouble.line,
    }
}

/// Where a trouble most likely comes from: what the meter said last, else what its neighbours on the line do.
fn likely(trouble: &troubles::Trouble) -> LikelyCause {
    let all_silent = trouble.neighbours > 0 && trouble.silent_neighbours >= trouble.neighbours;
    match trouble.cause {
        Cause::Authentication => LikelyCause::WrongSecret,
        Cause::Counter if trouble.reason == Reason::CounterUnusable.as_str() => LikelyCause::CounterAhead,
        Cause::Counter => LikelyCause::CounterShared,
        Cause::Identity => LikelyCause::Exchanged,
        Cause::Data => LikelyCause::WrongModel,
        Cause::Route | Cause::Busy if trouble.power_lost_at.is_some() => LikelyCause::PowerLost,
        Cause::Busy => LikelyCause::InUse,
        Cause::Route if trouble.is_missing => LikelyCause::DoesNotCall,
        Cause::Route if all_silent => LikelyCause::LineDown,
        Cause::Route if trouble.neighbours > 0 => LikelyCause::MeterSilent,
        Cause::Route => LikelyCause::NoAnswer,
    }
}
