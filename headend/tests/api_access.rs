//! Who may call what, through the public interface: every rpc that the server describes, called with every role.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod common;
mod served;
mod template;

use std::collections::BTreeSet;
use std::time::Duration;

use ami_proto::v1::{ErrorDetail, ErrorReason};
use headend::api::access::{Role, needed};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use served::{Served, reason, soon};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

/// The paths of all rpcs that the server describes.
fn described() -> BTreeSet<String> {
    let sets = [
        ami_proto::FILE_DESCRIPTOR_SET,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let files = sets.into_iter().flat_map(|set| FileDescriptorSet::decode(set).unwrap().file);
    let services = files.flat_map(|file| {
        let package = file.package().to_owned();
        file.service.into_iter().map(move |service| (format!("{package}.{}", service.name()), service.method))
    });
    services
        .flat_map(|(name, methods)| {
            methods.into_iter().map(move |method| format!("/{name}/{}", method.name()))
        })
        .collect()
}

/// Calls an rpc with an empty message; on the wire all kinds of rpc begin alike. `Ok` when an answer begins.
async fn call(served: &Served, path: &str) -> Result<(), Status> {
    let mut client = Grpc::new(served.channel.clone());
    client.ready().await.unwrap();
    let path = PathAndQuery::try_from(path.to_owned()).unwrap();
    let codec = ProstCodec::<(), ()>::default();
    soon(client.server_streaming(Request::new(()), path, codec)).await.map(drop)
}

fn refused(outcome: &Result<(), Status>) -> bool {
    let Err(status) = outcome else { return false };
    ErrorDetail::of(status).is_some_and(|detail| detail.reason() == ErrorReason::PermissionDenied)
}

#[tokio::test]
async fn every_role_may_call_what_it_should_and_nothing_else() {
    for role in Role::ALL {
        let served = Served::to(role).await;
        for path in described() {
            let needed = needed(&path).expect(&path);
            let outcome = call(&served, &path).await;
            assert_eq!(refused(&outcome), !role.may(needed), "{role} calls {path}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_refusal_says_who_may() {
    let served = Served::to(Role::Viewer).await;
    let status = call(&served, "/ami.v1.ReadingsService/ReadNow").await.unwrap_err();
    assert_eq!((status.code(), reason(&status).0), (Code::PermissionDenied, ErrorReason::PermissionDenied));
    let expected = "loopback is viewer, but only operator or engineer may call ReadNow: ask one of them, or have the role changed";
    assert_eq!(status.message(), expected);
    assert!(status.metadata().contains_key("x-request-id"), "a refusal has a name as well");
}

#[tokio::test]
async fn what_is_not_listed_is_refused_to_everybody() {
    let served = Served::to(Role::Engineer).await;
    for path in ["/ami.v1.JobsService/DropJobs", "/ami.v2.JobsService/GetJob", "/"] {
        let outcome = call(&served, path).await;
        assert!(refused(&outcome), "{path}: {outcome:?}");
    }
}

/// What SQL answers once it is something.
async fn until_some(served: &Served, sql: &str) -> String {
    soon(async {
        loop {
            match served.database.sql(sql) {
                text if text.is_empty() => tokio::time::sleep(Duration::from_millis(50)).await,
                text => return text,
            }
        }
    })
    .await
}

#[tokio::test]
async fn what_is_refused_is_in_the_audit_but_a_flood_does_not_fill_it() {
    let served = Served::to(Role::Viewer).await;
    let status = call(&served, "/ami.v1.InventoryService/CreateMeter").await.unwrap_err();
    let row = until_some(&served, "SELECT principal, action, outcome, detail, request_id FROM audit").await;
    let id = status.metadata().get("x-request-id").unwrap().to_str().unwrap();
    let begin = "loopback|InventoryService/CreateMeter|permission_denied|loopback is viewer, but only engineer may call";
    assert!(row.starts_with(begin) && row.contains(", from 127.0.0.1:") && row.ends_with(id), "{row}");
    for _ in 0..100 {
        assert!(refused(&call(&served, "/ami.v1.ReadingsService/ReadNow").await));
    }
    // The end of the server closes the count.
    served.stop.cancel();
    let Served { server, channel, database, .. } = served;
    drop(channel);
    soon(server).await.unwrap().unwrap();
    let written = database.sql("SELECT count(*) FROM audit WHERE outcome = 'permission_denied'");
    let counted = database
        .sql("SELECT sum(substring(detail FROM '^[0-9]+')::int) FROM audit WHERE action = 'several calls'");
    let (written, counted): (u64, u64) = (written.parse().unwrap(), counted.parse().unwrap());
    // 20 within a minute, of which the calls may have touched two.
    assert!(written <= 40 && written + counted == 101, "{written} written, {counted} counted");
}
