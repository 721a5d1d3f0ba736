//! The API over a database of its own, and clients for it.

#![allow(dead_code, reason = "every test binary uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests stand outside the test functions"
)]

use std::sync::Arc;
use std::time::Duration;

use ami_proto::v1::firmware_service_client::FirmwareServiceClient;
use ami_proto::v1::inventory_service_client::InventoryServiceClient;
use ami_proto::v1::jobs_service_client::JobsServiceClient;
use ami_proto::v1::readings_service_client::ReadingsServiceClient;
use ami_proto::v1::{CreateMeterRequest, Credentials, ErrorDetail, ErrorReason};
use headend::api::access::Role;
use headend::api::{self, Entrance, Limits, Parts};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::transport::Channel;

use crate::common::Database;

/// A served API.
pub(crate) struct Served {
    pub(crate) database: Database,
    pub(crate) channel: Channel,
    pub(crate) stop: CancellationToken,
    pub(crate) server: JoinHandle<Result<(), api::Error>>,
}

impl Served {
    pub(crate) async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        Self::serve(limits, Entrance::Plaintext(Role::Engineer)).await
    }

    /// Whoever calls has this role.
    pub(crate) async fn to(role: Role) -> Self {
        Self::serve(Limits::default(), Entrance::Plaintext(role)).await
    }

    async fn serve(limits: Limits, entrance: Entrance) -> Self {
        let database = Database::new().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let models = Arc::new(models::builtin().unwrap());
        database.store.note_load_profiles(&models).await.unwrap();
        let parts = Parts { store: database.store.clone(), models, limits, entrance };
        let server = tokio::spawn(api::serve(listener, parts, stop.clone()));
        let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
        let channel = endpoint.connect().await.expect("the API answers");
        Self { database, channel, stop, server }
    }

    pub(crate) fn inventory(&self) -> InventoryServiceClient<Channel> {
        InventoryServiceClient::new(self.channel.clone())
    }

    pub(crate) fn firmware(&self) -> FirmwareServiceClient<Channel> {
        FirmwareServiceClient::new(self.channel.clone())
    }

    pub(crate) fn readings(&self) -> ReadingsServiceClient<Channel> {
        ReadingsServiceClient::new(self.channel.clone())
    }

    pub(crate) fn jobs(&self) -> JobsServiceClient<Channel> {
        JobsServiceClient::new(self.channel.clone())
    }
}

/// A meter that can be created.
pub(crate) fn new_meter(serial: &str, level: Option<Credentials>) -> CreateMeterRequest {
    CreateMeterRequest {
        serial: serial.into(),
        model: "generic-dlms".into(),
        address: "127.0.0.1:4059".into(),
        zone: "Asia/Dhaka".into(),
        credentials: level,
        ..Default::default()
    }
}

/// The reason of a refusal, and the field it names.
pub(crate) fn reason(status: &Status) -> (ErrorReason, String) {
    let detail = ErrorDetail::of(status).expect("every refusal of the server has a detail");
    (detail.reason(), detail.field)
}

/// What a future gives within ten seconds.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("an answer within ten seconds")
}
