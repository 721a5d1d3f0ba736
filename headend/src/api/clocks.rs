//! `ami.v1.ClocksService`.

use std::sync::Arc;

use ami_proto::v1::{
    ClockOrder, ClockReading, ListClockReadingsRequest, ListClockReadingsResponse, ListClocksRequest,
    ListClocksResponse, SyncClocksRequest, SyncClocksResponse, ZoneFault,
    clocks_service_server::ClocksService,
};
use ami_proto::words::Word as _;
use jiff::SignedDuration;
use models::Model;
use prost::Message as _;
use tonic::{Request, Response, Status};

use super::orders::{self, Asker, Wanted};
use super::readings::expand::clock_status;
use super::status::Refusal;
use super::{Models, Parts, check, convert, token};
use crate::store::clocks::{ClockFilter, MeterClock};
use crate::store::meters::Meter;
use crate::store::{CommandKind, Store};

/// The widest tolerance of an order.
const TOLERANCE_MAX: SignedDuration = SignedDuration::from_hours(1);

/// The service.
#[derive(Debug)]
pub(super) struct Clocks {
    store: Store,
    models: Arc<Models>,
}

impl Clocks {
    /// A service over the store.
    pub(super) fn new(parts: &Parts) -> Self {
        Self { store: parts.store.clone(), models: Arc::clone(&parts.models) }
    }

    async fn list(&self, question: ListClocksRequest) -> Result<ListClocksResponse, Refusal> {
        let limit = check::page_size(question.page_size)?;
        let fingerprint = token::fingerprint(&ListClocksRequest {
            page_size: 0,
            page_token: String::new(),
            ..question.clone()
        });
        let behind = place(fingerprint, &question.page_token)?;
        let least = question.off_by.as_ref().map(|off_by| duration("off_by", off_by)).transpose()?;
        let least_ms = least.map_or(Ok(0), |least| millis("off_by", least))?;
        let filter = ClockFilter {
            least_ms,
            model: Some(question.model.clone()).filter(|model| !model.is_empty()),
            zone_faults: question.zone_faults_only,
        };
        let mut clocks = self.store.worst_clocks(&filter, behind, i64::from(limit) + 1).await?;
        let more = clocks.len() > limit as usize;
        clocks.truncate(limit as usize);
        let last = clocks.last().filter(|_| more);
        let next =
            last.map(|last| [last.drift_ms.abs(), last.meter_id.into()].map(i64::to_be_bytes).concat());
        let next_page_token = next.map(|place| token::encode(fingerprint, &place)).unwrap_or_default();
        Ok(ListClocksResponse { clocks: clocks.into_iter().map(shown).collect(), next_page_token })
    }

    async fn readings(
        &self,
        question: ListClockReadingsRequest,
    ) -> Result<ListClockReadingsResponse, Refusal> {
        let ListClockReadingsRequest { meter_serial: serial, page_size, page_token } = question;
        check::serial("meter_serial", &serial)?;
        let limit = check::page_size(page_size)?;
        let meter = self.store.meter(&serial).await?;
        let meter = meter.ok_or_else(|| Refusal::MeterNotFound { serial: serial.clone() })?;
        let fingerprint = token::fingerprint(&ListClockReadingsRequest {
            meter_serial: serial,
            ..ListClockReadingsRequest::default()
        });
        let before = token::number(fingerprint, &page_token)?;
        let before = before.map(jiff::Timestamp::from_microsecond).transpose();
        let before = before.map_err(|_| Refusal::PageToken)?;
        let mut readings = self.store.clock_readings(meter.id, before, i64::from(limit) + 1).await?;
        let micros = |reading: &MeterClock| reading.read_at.to_jiff().as_microsecond();
        let next_page_token = token::next_page(fingerprint, &mut readings, limit, micros);
        Ok(ListClockReadingsResponse { readings: readings.into_iter().map(shown).collect(), next_page_token })
    }

    fn is_capable(&self, meter: &Meter) -> Result<(), String> {
        let model: &Model = orders::model(&self.models, meter)?;
        if model.clock_sync.is_some() {
            return Ok(());
        }
        Err(format!("model {} has no clock that can be set from afar", model.name))
    }
}

#[tonic::async_trait]
impl ClocksService for Clocks {
    async fn list_clocks(
        &self,
        request: Request<ListClocksRequest>,
    ) -> Result<Response<ListClocksResponse>, Status> {
        Ok(Response::new(self.list(request.into_inner()).await?))
    }

    async fn list_clock_readings(
        &self,
        request: Request<ListClockReadingsRequest>,
    ) -> Result<Response<ListClockReadingsResponse>, Status> {
        Ok(Response::new(self.readings(request.into_inner()).await?))
    }

    async fn sync_clocks(
        &self,
        request: Request<SyncClocksRequest>,
    ) -> Result<Response<SyncClocksResponse>, Status> {
        let asker = Asker::of(&request, "ClocksService/SyncClocks")?;
        let SyncClocksRequest { meter_serials, terms, order } = request.into_inner();
        let order = asker.audited(&self.store, meter_serials.join(" "), checked(order)).await?;
        let wanted = Wanted {
            kind: CommandKind::SyncClock,
            meter_serials: &meter_serials,
            terms: terms.as_ref(),
            arguments: Some(order.encode_to_vec()),
            reason_needed: false,
        };
        let commands = orders::place(&self.store, &asker, wanted, |meter| self.is_capable(meter)).await?;
        Ok(Response::new(SyncClocksResponse { commands }))
    }
}

/// An order whose tolerance is one.
fn checked(order: Option<ClockOrder>) -> Result<ClockOrder, Refusal> {
    let order = order.unwrap_or_default();
    if let Some(tolerance) = &order.tolerance
        && duration("order.tolerance", tolerance)? > TOLERANCE_MAX
    {
        return Err(Refusal::field("order.tolerance", "at most an hour is allowed"));
    }
    Ok(order)
}

fn duration(field: &'static str, given: &prost_types::Duration) -> Result<SignedDuration, Refusal> {
    let in_proto = given.seconds >= 0 && (0..1_000_000_000).contains(&given.nanos);
    if !in_proto {
        return Err(Refusal::field(field, "a duration that is not negative is expected"));
    }
    Ok(SignedDuration::new(given.seconds, given.nanos))
}

fn millis(field: &'static str, duration: SignedDuration) -> Result<i64, Refusal> {
    i64::try_from(duration.as_millis()).map_err(|_| Refusal::field(field, "a shorter duration is expected"))
}

/// Drift and meter of the last clock of the page before.
fn place(fingerprint: u64, text: &str) -> Result<Option<(i64, i32)>, Refusal> {
    token::begin(fingerprint, text, |octets| {
        let (drift, meter) = octets.split_first_chunk()?;
        let meter = i32::try_from(i64::from_be_bytes(meter.try_into().ok()?)).ok()?;
        Some((i64::from_be_bytes(*drift), meter))
    })
}

fn shown(clock: MeterClock) -> ClockReading {
    ClockReading {
        meter_serial: clock.serial,
        read_at: Some(convert::stored(clock.read_at)),
        meter_time: Some(convert::stored(clock.meter_ts)),
        drift_ms: clock.drift_ms,
        uncertainty_ms: clock.uncertainty_ms,
        offset_minutes: clock.offset_min.map(i32::from),
        status: clock_status(clock.status),
        collector_ahead_ms: clock.server_ms,
        zone_fault: clock.zone_fault.as_deref().and_then(ZoneFault::from_word).unwrap_or_default().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tolerance_is_a_duration_of_an_hour_at_most() {
        let order = |seconds, nanos| {
            let tolerance = Some(prost_types::Duration { seconds, nanos });
            checked(Some(ClockOrder { tolerance, across_boundaries: false }))
        };
        assert!(checked(None).is_ok() && order(0, 500_000_000).is_ok() && order(3600, 0).is_ok());
        for (seconds, nanos) in [(3600, 1), (-1, 0), (0, -1), (1, 1_000_000_000)] {
            let refusal = order(seconds, nanos).unwrap_err();
            assert!(matches!(refusal, Refusal::InvalidField { .. }), "{refusal:?}");
        }
    }

    #[test]
    fn a_page_goes_on_where_the_last_one_ended() {
        let octets = [4711_i64, 17].map(i64::to_be_bytes).concat();
        let text = token::encode(7, &octets);
        assert_eq!(place(7, &text), Ok(Some((4711, 17))));
        assert_eq!(place(7, ""), Ok(None));
        assert_eq!(place(8, &text), Err(Refusal::PageToken));
        assert_eq!(place(7, &token::encode(7, &octets[1..])), Err(Refusal::PageToken));
    }
}
