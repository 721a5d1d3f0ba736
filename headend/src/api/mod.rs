//! The public interface: gRPC services over the store.
//!
//! `inventory`, `readings`, `billing`, `collection`, `jobs`, `commands`, `switch`, `clearing`, `clocks`, `tariff`, `firmware`, `alarms`, `events` and `diagnostics` are the services of `ami.v1`; `orders` is how every one of them orders. Around
//! them: `connection` lets callers in, [`access`] says who may call what, `request_id` names every request, `calls` counts them, `status` is the one
//! place where a refusal becomes a gRPC status, `check` holds the rules of what comes in, `convert` the shapes of what goes out, `token`
//! the opaque tokens, `follow` the calls that go on, `known` the meters of a filter, `as_of` the instant as of which is answered, `notices` one connection that hears what the database tells.

pub mod access;
mod alarms;
mod as_of;
mod billing;
mod calls;
mod check;
mod clearing;
mod clocks;
mod collection;
mod commands;
mod concentrators;
mod connection;
mod convert;
mod credit;
mod diagnostics;
mod events;
mod firmware;
mod follow;
mod inventory;
mod jobs;
mod known;
mod notices;
mod on_demand;
mod orders;
mod parameters;
mod readings;
mod request_id;
mod status;
mod switch;
mod tariff;
mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ami_proto::FILE_DESCRIPTOR_SET;
use ami_proto::v1::alarms_service_server::{self, AlarmsServiceServer};
use ami_proto::v1::billing_service_server::{self, BillingServiceServer};
use ami_proto::v1::clearing_service_server::{self, ClearingServiceServer};
use ami_proto::v1::clocks_service_server::{self, ClocksServiceServer};
use ami_proto::v1::collection_service_server::{self, CollectionServiceServer};
use ami_proto::v1::commands_service_server::{self, CommandsServiceServer};
use ami_proto::v1::concentrators_service_server::{self, ConcentratorsServiceServer};
use ami_proto::v1::credit_service_server::{self, CreditServiceServer};
use ami_proto::v1::diagnostics_service_server::{self, DiagnosticsServiceServer};
use ami_proto::v1::events_service_server::{self, EventsServiceServer};
use ami_proto::v1::firmware_service_server::{self, FirmwareServiceServer};
use ami_proto::v1::inventory_service_server::{self, InventoryServiceServer};
use ami_proto::v1::jobs_service_server::{self, JobsServiceServer};
use ami_proto::v1::parameters_service_server::{self, ParametersServiceServer};
use ami_proto::v1::readings_service_server::{self, ReadingsServiceServer};
use ami_proto::v1::switch_service_server::{self, SwitchServiceServer};
use ami_proto::v1::tariff_service_server::{self, TariffServiceServer};
use models::Model;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic_health::server::{HealthReporter, health_reporter};
use tracing::{info, warn};

use crate::store::{CommandKind, Store};
use access::{AccessLayer, TwoPersons};
use alarms::{Alarms, Tail};
use billing::Billing;
use calls::CallsLayer;
use clearing::Clearing;
use clocks::Clocks;
use collection::Collection;
use commands::Commands;
use concentrators::Concentrators;
pub(crate) use connection::LOOPBACK;
pub use connection::{Entrance, Tls, TlsError, TlsFiles};
use credit::Credit;
use diagnostics::Diagnostics;
use events::Events;
use firmware::Firmware;
use inventory::Inventory;
use jobs::Jobs;
use notices::{Hub, Notices};
use parameters::Parameters;
use readings::Readings;
use request_id::RequestIdLayer;
use switch::Switch;
use tariff::Tariffs;

/// Calls that one connection may have open at once; HTTP/2 makes the others wait.
const CALLS_PER_CONNECTION: u32 = 256;

/// The largest request but an import: 1 MiB and some framing.
const MAX_REQUEST: usize = (1 << 20) + 1024;

/// How long open calls may take to end once the server stops.
const GRACE: Duration = Duration::from_secs(10);

/// How long the last refusals may take to be written.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Names of the services, for the health service.
const SERVICES: [&str; 17] = [
    alarms_service_server::SERVICE_NAME,
    billing_service_server::SERVICE_NAME,
    clearing_service_server::SERVICE_NAME,
    clocks_service_server::SERVICE_NAME,
    collection_service_server::SERVICE_NAME,
    commands_service_server::SERVICE_NAME,
    concentrators_service_server::SERVICE_NAME,
    credit_service_server::SERVICE_NAME,
    switch_service_server::SERVICE_NAME,
    tariff_service_server::SERVICE_NAME,
    firmware_service_server::SERVICE_NAME,
    inventory_service_server::SERVICE_NAME,
    parameters_service_server::SERVICE_NAME,
    readings_service_server::SERVICE_NAME,
    jobs_service_server::SERVICE_NAME,
    diagnostics_service_server::SERVICE_NAME,
    events_service_server::SERVICE_NAME,
];

/// The meter models by name.
pub type Models = BTreeMap<String, Arc<Model>>;

/// Why the API stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The listening socket failed.
    #[error("the API can not go on serving: {0}")]
    Serve(String),
    /// The embedded description of the API is damaged.
    #[error("the description of the API can not be used: {0}")]
    Description(String),
}

/// What a client may ask for at once. Beyond it stands a named refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Octets of an import file. Default 64 MiB.
    pub import_octets: usize,
    /// Imports at once; each holds its file in memory. Default 2.
    pub imports: usize,
    /// Kinds of orders that wait until somebody else approves them. Default: none.
    pub two_persons: BTreeSet<CommandKind>,
    /// Octets of a firmware image. Default 64 MiB.
    pub image_octets: u32,
    /// Firmware images that are kept. Default 100.
    pub images: u32,
    /// Uploads of firmware at once; each holds its image in memory. Default 2.
    pub uploads: usize,
    /// Open watches of each kind. Default 256.
    pub watches: usize,
    /// On-demand reads that wait for their outcome. Default 256.
    pub waiting: usize,
    /// How often is looked for news without being told. Default 1 s.
    pub poll: Duration,
    /// After how long without readings a watch gives a sign of life. Default 15 s.
    pub sign_of_life: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            import_octets: 64 << 20,
            imports: 2,
            two_persons: BTreeSet::new(),
            image_octets: 64 << 20,
            images: 100,
            uploads: 2,
            watches: 256,
            waiting: 256,
            poll: Duration::from_secs(1),
            sign_of_life: Duration::from_secs(15),
        }
    }
}

/// What the API serves from.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Where everything is kept.
    pub store: Store,
    /// The meter models that meters may have.
    pub models: Arc<Models>,
    /// What a client may ask for at once.
    pub limits: Limits,
    /// Who may connect, and as whom.
    pub entrance: Entrance,
}

/// Serves the API on `listener` until `shutdown` is cancelled; open calls get 10 s to end then.
///
/// # Errors
/// Every [`Error`].
pub async fn serve(listener: TcpListener, parts: Parts, shutdown: CancellationToken) -> Result<(), Error> {
    let (hub, notices) = notices::channel(parts.limits.poll);
    let (health, health_service) = health_reporter();
    let tail = Tail::new();
    let two_persons = TwoPersons::new(parts.limits.two_persons.clone(), parts.entrance.has_second_person());
    let (access, recorder) = AccessLayer::new(two_persons);
    let mut routes = routes(&parts, &notices, &tail, &shutdown)?;
    routes = routes.add_service(health_service);
    let address = listener.local_addr().map_err(|error| Error::Serve(error.to_string()))?;
    let server = Server::builder()
        .layer(CallsLayer)
        .layer(RequestIdLayer)
        .layer(access)
        .max_concurrent_streams(CALLS_PER_CONNECTION)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .add_routes(routes)
        .serve_with_incoming_shutdown(
            connection::incoming(listener, parts.entrance.clone()),
            shutdown.clone().cancelled_owned(),
        );
    info!(%address, "API serves");
    let recording = tokio::spawn(recorder.run(parts.store.clone()));
    let grace = async {
        shutdown.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    let outcome = tokio::select! {
        served = server => served.map_err(|error| Error::Serve(error.to_string())),
        () = grace => {
            warn!("calls were still open when the API stopped");
            Ok(())
        }
        () = hear(&parts.store, &hub, &health, &shutdown) => Ok(()),
        () = tail.run(&parts.store, notices) => Ok(()),
    };
    // What was refused last is written, unless a connection is still open.
    let _ = tokio::time::timeout(LAST_WORDS, recording).await;
    outcome
}

/// The services, reflection included and health left out.
fn routes(
    parts: &Parts,
    notices: &Notices,
    tail: &Tail,
    shutdown: &CancellationToken,
) -> Result<Routes, Error> {
    let broken = |error: tonic_reflection::server::Error| Error::Description(error.to_string());
    let describe = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let inventory = InventoryServiceServer::new(Inventory::new(parts))
        .max_decoding_message_size(MAX_REQUEST)
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip);
    let readings = ReadingsServiceServer::new(Readings::new(parts, notices.clone(), shutdown.clone()))
        .max_decoding_message_size(MAX_REQUEST)
        .send_compressed(CompressionEncoding::Gzip);
    let billing = BillingServiceServer::new(Billing::new(parts, shutdown.clone()))
        .max_decoding_message_size(MAX_REQUEST)
        .send_compressed(CompressionEncoding::Gzip);
    let jobs = JobsServiceServer::new(Jobs::new(parts))
        .max_decoding_message_size(MAX_REQUEST)
        .send_compressed(CompressionEncoding::Gzip);
    let collection = CollectionServiceServer::new(Collection::new(parts))
        .max_decoding_message_size(MAX_REQUEST)
        .send_compressed(CompressionEncoding::Gzip);
    let diagnostics =
        DiagnosticsServiceServer::new(Diagnostics::new(parts)).max_decoding_message_size(MAX_REQUEST);
    let alarms = AlarmsServiceServer::new(Alarms::new(parts, tail.clone(), shutdown.clone()))
        .max_decoding_message_size(MAX_REQUEST)
        .send_compressed(CompressionEncoding::Gzip);
    let events = EventsServiceServer::new(Events::new(parts, notices.clone(), shutdown.clone()))
        .max_decoding_message_size(MAX_REQUEST)
        .send_compressed(CompressionEncoding::Gzip);
    let commands = CommandsServiceServer::new(Commands::new(parts, notices.clone(), shutdown.clone()))
        .max_decoding_message_size(MAX_REQUEST)
        .send_compressed(CompressionEncoding::Gzip);
    let concentrators =
        ConcentratorsServiceServer::new(Concentrators::new(parts, notices.clone(), shutdown.clone()))
            .max_decoding_message_size(MAX_REQUEST)
            .send_compressed(CompressionEncoding::Gzip);
    let tariff = TariffServiceServer::new(Tariffs::new(parts, notices.clone(), shutdown.clone()))
        .max_decoding_message_size(MAX_REQUEST);
    let parameters =
        ParametersServiceServer::new(Parameters::new(parts)).max_decoding_message_size(MAX_REQUEST);
    let credit = CreditServiceServer::new(Credit::new(parts)).max_decoding_message_size(MAX_REQUEST);
    let clearing = ClearingServiceServer::new(Clearing::new(parts)).max_decoding_message_size(MAX_REQUEST);
    let clocks = ClocksServiceServer::new(Clocks::new(parts))
        .max_decoding_message_size(MAX_REQUEST)
        .send_compressed(CompressionEncoding::Gzip);
    let switch = SwitchServiceServer::new(Switch::new(parts)).max_decoding_message_size(MAX_REQUEST);
    let firmware = FirmwareServiceServer::new(Firmware::new(parts)).max_decoding_message_size(MAX_REQUEST);
    Ok(Routes::new(inventory)
        .add_service(firmware)
        .add_service(readings)
        .add_service(billing)
        .add_service(jobs)
        .add_service(collection)
        .add_service(commands)
        .add_service(switch)
        .add_service(clocks)
        .add_service(parameters)
        .add_service(credit)
        .add_service(clearing)
        .add_service(alarms)
        .add_service(events)
        .add_service(diagnostics)
        .add_service(concentrators)
        .add_service(tariff)
        .add_service(describe().build_v1().map_err(broken)?)
        .add_service(describe().build_v1alpha().map_err(broken)?))
}

/// Hears the database and tells the health service whether it answers; never ends but by being dropped.
async fn hear(store: &Store, hub: &Hub, health: &HealthReporter, shutdown: &CancellationToken) {
    let (answers, mut heard) = watch::channel(false);
    let tell = async {
        loop {
            let serving = *heard.borrow_and_update() && !shutdown.is_cancelled();
            set_health(health, serving).await;
            tokio::select! {
                _ = heard.changed() => {}
                () = shutdown.cancelled(), if serving => {}
            }
        }
    };
    tokio::join!(hub.run(store, &answers), tell);
}

async fn set_health(health: &HealthReporter, serving: bool) {
    let status =
        if serving { tonic_health::ServingStatus::Serving } else { tonic_health::ServingStatus::NotServing };
    for service in SERVICES.into_iter().chain([""]) {
        health.set_service_status(service, status).await;
    }
}
