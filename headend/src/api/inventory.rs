//! `ami.v1.InventoryService`.

mod correct;
mod csv;
mod import;

use std::sync::Arc;

use ami_proto::v1::{
    CallState, CorrectMetersRequest, CorrectMetersResponse, CreateMeterRequest, CreateMeterResponse,
    GetMeterRequest, GetMeterResponse, ImportMetersRequest, ImportMetersResponse, ListMetersRequest,
    ListMetersResponse, MeterPath, MeterState, RetireMeterRequest, RetireMeterResponse,
    inventory_service_server::InventoryService,
};
use tokio::sync::{Semaphore, SemaphorePermit};
use tonic::{Request, Response, Status, Streaming};
use tracing::info;
use zeroize::Zeroizing;

use super::check::{Draft, DraftPath, DraftSecrets};
use super::orders::Asker;
use super::status::Refusal;
use super::{Limits, Models, Parts, check, convert, token};
use crate::store::meters::{Added, Meter, MeterFilter};
use crate::store::{Security, Store};

/// What is wrong with a parent that can not be one.
const NO_PARENT: &str = "a meter in service that is no sub-unit itself is expected";

/// The service.
#[derive(Debug)]
pub(super) struct Inventory {
    store: Store,
    models: Arc<Models>,
    limits: Limits,
    imports: Semaphore,
}

impl Inventory {
    /// A service over the store.
    pub(super) fn new(parts: &Parts) -> Self {
        Self {
            store: parts.store.clone(),
            models: parts.models.clone(),
            limits: parts.limits.clone(),
            imports: Semaphore::new(parts.limits.imports),
        }
    }

    async fn create(&self, asker: &Asker, request: CreateMeterRequest) -> Result<Meter, Refusal> {
        let meter = check::meter(draft(request), &self.models).map_err(|problems| {
            match problems.into_iter().next() {
                Some(first) => Refusal::field(path(first.field), first.problem),
                None => Refusal::Internal,
            }
        })?;
        let serial = meter.serial.clone();
        let entry = asker.entry(serial.clone(), "accepted", None);
        match self.store.add_meters(&[meter], &entry).await? {
            Added::All => info!(serial, "meter added"),
            Added::Taken(_) => return Err(Refusal::MeterExists { serial }),
            Added::Orphaned(_) => return Err(Refusal::field("parent", NO_PARENT)),
        }
        self.find(&serial).await
    }

    async fn list(&self, question: ListMetersRequest) -> Result<ListMetersResponse, Refusal> {
        let limit = check::page_size(question.page_size)?;
        let fingerprint = token::fingerprint(&ListMetersRequest {
            page_size: 0,
            page_token: String::new(),
            ..question.clone()
        });
        let serial = |octets: &[u8]| String::from_utf8(octets.to_vec()).ok();
        let after = token::begin(fingerprint, &question.page_token, serial)?;
        if !question.serial_prefix.is_empty() {
            check::serial("serial_prefix", &question.serial_prefix)?;
        }
        let active = match MeterState::try_from(question.state) {
            Ok(MeterState::Unspecified) => None,
            Ok(state) => Some(state == MeterState::Active),
            Err(_) => return Err(Refusal::field("state", "a state of ami.v1.MeterState is expected")),
        };
        let called = match CallState::try_from(question.call) {
            Ok(CallState::Unspecified) => None,
            Ok(state) => Some(state == CallState::Connected),
            Err(_) => return Err(Refusal::field("call", "a state of ami.v1.CallState is expected")),
        };
        let model = Some(question.model).filter(|model| !model.is_empty());
        let filter = MeterFilter { model, active, serial_prefix: question.serial_prefix, called };
        let mut meters = self.store.list_meters(&filter, after.as_deref(), i64::from(limit) + 1).await?;
        let more = meters.len() as u64 > u64::from(limit);
        meters.truncate(limit as usize);
        let next =
            meters.last().filter(|_| more).map(|meter| token::encode(fingerprint, meter.serial.as_bytes()));
        let meters = meters.into_iter().map(convert::meter).collect();
        Ok(ListMetersResponse { meters, next_page_token: next.unwrap_or_default() })
    }

    async fn get(&self, serial: &str) -> Result<GetMeterResponse, Refusal> {
        let meter = self.find(serial).await?;
        let profiles = self.store.profile_states(meter.id).await?;
        let profiles = profiles.into_iter().map(convert::profile).collect::<Result<_, _>>()?;
        let ratios = self.store.ratio_epochs(meter.id).await?.into_iter().map(convert::ratios).collect();
        let mbus_devices =
            self.store.mbus_devices(meter.id).await?.into_iter().map(convert::device).collect();
        Ok(GetMeterResponse { meter: Some(convert::meter(meter)), profiles, ratios, mbus_devices })
    }

    async fn retire(&self, asker: &Asker, serial: &str) -> Result<Meter, Refusal> {
        check::serial("serial", serial)?;
        let entry = asker.entry(serial.into(), "accepted", None);
        if !self.store.retire_meter(serial, &entry).await? {
            return Err(Refusal::MeterNotFound { serial: serial.into() });
        }
        info!(serial, "meter retired");
        self.find(serial).await
    }

    async fn find(&self, serial: &str) -> Result<Meter, Refusal> {
        check::serial("serial", serial)?;
        self.store.meter(serial).await?.ok_or_else(|| Refusal::MeterNotFound { serial: serial.into() })
    }

    /// Takes a file in, unless as many as may be are at work already; this one is while its turn is held on to.
    async fn file<T>(
        &self,
        asker: &Asker,
        parts: Streaming<T>,
        octets: fn(T) -> Vec<u8>,
    ) -> Result<(SemaphorePermit<'_>, Zeroizing<Vec<u8>>), Status> {
        let limit = self.limits.imports;
        let turn = self.imports.try_acquire().map_err(|_| Refusal::TooManyImports { limit });
        let turn = asker.audited(&self.store, String::new(), turn).await?;
        let file = import::receive(parts, octets, self.limits.import_octets).await?;
        Ok((turn, asker.audited(&self.store, String::new(), file).await?))
    }
}

#[tonic::async_trait]
impl InventoryService for Inventory {
    async fn create_meter(
        &self,
        request: Request<CreateMeterRequest>,
    ) -> Result<Response<CreateMeterResponse>, Status> {
        let asker = Asker::of(&request, "InventoryService/CreateMeter")?;
        let request = request.into_inner();
        let serial = request.serial.clone();
        let meter = asker.audited(&self.store, serial, self.create(&asker, request).await).await?;
        Ok(Response::new(CreateMeterResponse { meter: Some(convert::meter(meter)) }))
    }

    async fn import_meters(
        &self,
        request: Request<Streaming<ImportMetersRequest>>,
    ) -> Result<Response<ImportMetersResponse>, Status> {
        let asker = Asker::of(&request, "InventoryService/ImportMeters")?;
        let (_turn, file) = self.file(&asker, request.into_inner(), |part| part.chunk).await?;
        let imported = import::run(&self.store, &self.models, &file, &asker).await;
        Ok(Response::new(asker.audited(&self.store, String::new(), imported).await?))
    }

    async fn correct_meters(
        &self,
        request: Request<Streaming<CorrectMetersRequest>>,
    ) -> Result<Response<CorrectMetersResponse>, Status> {
        let asker = Asker::of(&request, "InventoryService/CorrectMeters")?;
        let (_turn, file) = self.file(&asker, request.into_inner(), |part| part.chunk).await?;
        let corrected = correct::run(&self.store, &self.models, &file, &asker).await;
        Ok(Response::new(asker.audited(&self.store, String::new(), corrected).await?))
    }

    async fn get_meter(
        &self,
        request: Request<GetMeterRequest>,
    ) -> Result<Response<GetMeterResponse>, Status> {
        Ok(Response::new(self.get(&request.into_inner().serial).await?))
    }

    async fn list_meters(
        &self,
        request: Request<ListMetersRequest>,
    ) -> Result<Response<ListMetersResponse>, Status> {
        Ok(Response::new(self.list(request.into_inner()).await?))
    }

    async fn retire_meter(
        &self,
        request: Request<RetireMeterRequest>,
    ) -> Result<Response<RetireMeterResponse>, Status> {
        let asker = Asker::of(&request, "InventoryService/RetireMeter")?;
        let RetireMeterRequest { serial } = request.into_inner();
        let retired = self.retire(&asker, &serial).await;
        let meter = asker.audited(&self.store, serial, retired).await?;
        Ok(Response::new(RetireMeterResponse { meter: Some(convert::meter(meter)) }))
    }
}

fn draft(request: CreateMeterRequest) -> Draft {
    let secrets = match request.credentials {
        None => DraftSecrets::of(Some(Security::None)),
        Some(given) => DraftSecrets {
            security: convert::stored_security(given.security()),
            policy: convert::stored_policy(given.policy()),
            password: check::secret(given.password),
            client_title: given.client_title,
            encryption_key: check::secret(given.encryption_key),
            authentication_key: check::secret(given.authentication_key),
            suite: given.suite,
            signing_key: check::secret(given.signing_key),
            meter_public_key: given.meter_public_key,
        },
    };
    Draft {
        serial: request.serial,
        model: request.model,
        address: request.address,
        server_sap: request.server_sap,
        client_sap: request.client_sap,
        zone: request.zone,
        secrets,
        system_title: request.system_title,
        equipment_id: request.equipment_id,
        device_address: request.device_address,
        paths: request.paths.into_iter().map(path_draft).collect(),
        parent: request.parent,
        subunit: request.subunit,
        circuit: request.circuit,
        throttle_group: request.throttle_group,
        pulses_per_kwh: request.pulses_per_kwh,
        ratio: request.ratio,
        invocation_counter: request.invocation_counter,
    }
}

fn path_draft(path: MeterPath) -> DraftPath {
    DraftPath { address: path.address, device_address: path.device_address }
}

/// Where a field stands in the request.
fn path(field: &str) -> String {
    match field {
        "security" | "password" | "client_title" | "encryption_key" | "authentication_key" | "suite"
        | "policy" | "signing_key" | "meter_public_key" => format!("credentials.{field}"),
        _ => field.into(),
    }
}
