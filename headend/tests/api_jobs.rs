//! Work through the public interface: reads on demand, lists and counts of jobs, and what every call has around it.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod common;
mod served;
mod template;

use std::time::Duration;

use ami_proto::v1::{
    ClockTarget, ErrorDetail, ErrorReason, FailureReason, GetJobRequest, IdentityTarget, JobKind, JobState,
    ListJobsRequest, ProfileTarget, ReadNowRequest, ReadNowResponse, RegistersTarget, SummaryRequest,
    read_now_request::Target, read_now_response::Outcome,
};
use collectors::{ClockReading, Event, Failure, Reason, RegisterValue, Report};
use common::{at, captures, done, layout, quarters};
use dlms::Unit;
use headend::api::Limits;
use headend::store::jobs::{LeasedJob, Wanted};
use served::{Served, reason, soon};
use tonic::{Code, IntoRequest, Request, Response, Status};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};
use tonic_reflection::pb::v1alpha;
use uuid::Uuid;

fn order(serial: &str, target: Target, seconds: i64) -> ReadNowRequest {
    let wait = Some(prost_types::Duration { seconds, nanos: 0 });
    ReadNowRequest { meter_serial: serial.into(), target: Some(target), wait }
}

/// Asks for a read and does the collector's part: `answer` turns the job that comes due into reports.
async fn read_now(
    served: &Served,
    request: impl IntoRequest<ReadNowRequest>,
    answer: impl Fn(i32, &LeasedJob) -> Vec<Report>,
) -> Result<Response<ReadNowResponse>, Status> {
    let (request, mut readings) = (request.into_request(), served.readings());
    let asked = tokio::spawn(async move { readings.read_now(request).await });
    let owner = Uuid::new_v4();
    let leased = soon(async {
        loop {
            let leased = served
                .database
                .store
                .lease(owner, Wanted::any(1), Duration::from_secs(60), 10)
                .await
                .unwrap();
            if let Some(leased) = leased.into_iter().next() {
                return leased;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let reports = answer(leased.meter, &leased.jobs[0]);
    served.database.store.write(owner, &reports).await.unwrap();
    // The line, too, is free for the next owner.
    served.database.store.release(owner).await.unwrap();
    soon(asked).await.unwrap()
}

#[tokio::test]
async fn registers_are_read_on_demand_and_the_request_is_known_everywhere() {
    let served = Served::new().await;
    served.database.meter("D1");
    let id = Uuid::new_v4().to_string();
    let mut request =
        Request::new(order("D1", Target::Registers(RegistersTarget { obis: "1.0.1.8.0.255".into() }), 30));
    request.metadata_mut().insert("x-request-id", id.parse().unwrap());
    let answer = read_now(&served, request, |meter, job| {
        let obis = job.obis.unwrap();
        let value = RegisterValue {
            obis,
            attribute: 2,
            class_id: 3,
            value: 77,
            scaler: 0,
            unit: Unit(30),
            at: jiff::Timestamp::now(),
        };
        vec![Report { job: job.id, meter, event: Event::Registers(vec![value]) }, done(meter, job.id, None)]
    })
    .await
    .unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap().to_str().unwrap(), id);
    let answer = answer.into_inner();
    let job = answer.job.unwrap();
    assert_eq!(
        (job.state(), job.kind(), job.priority, job.request_id.as_str()),
        (JobState::Done, JobKind::ReadRegisters, 10, id.as_str())
    );
    let Some(Outcome::Readings(outcome)) = answer.outcome else { panic!("no readings") };
    let values: Vec<_> =
        outcome.readings.iter().map(|reading| (reading.value.unwrap().mantissa, reading.job_id)).collect();
    assert_eq!(values, [(77, job.id)]);
}

#[tokio::test]
async fn a_profile_is_read_by_its_name_in_the_model() {
    let served = Served::new().await;
    served.database.meter("D2");
    let instant = |text: &str| Some(prost_types::Timestamp { seconds: at(text).as_second(), nanos: 0 });
    let target = ProfileTarget {
        profile: "energy".into(),
        from: instant("2026-03-01T00:15:00Z"),
        to: instant("2026-03-01T00:30:00Z"),
    };
    let answer = read_now(&served, order("D2", Target::Profile(target.clone()), 30), |meter, job| {
        let layout = layout(900, 0);
        // The meter gives more than was asked for.
        vec![
            captures(meter, job.id, quarters(&layout, at("2026-03-01T00:15:00Z"), 3, 5)),
            done(meter, job.id, None),
        ]
    })
    .await
    .unwrap();
    let Some(Outcome::Readings(outcome)) = answer.into_inner().outcome else { panic!("no readings") };
    let values: Vec<_> = outcome.readings.iter().map(|reading| reading.value.unwrap().mantissa).collect();
    assert_eq!((values, outcome.truncated), (vec![5, 2301, 6, 2301], false));

    let unknown = order("D2", Target::Profile(ProfileTarget { profile: "enrgy".into(), ..target }), 30);
    let refused = served.readings().read_now(unknown).await.unwrap_err();
    assert_eq!(reason(&refused), (ErrorReason::InvalidField, "profile.profile".into()));
    assert!(refused.message().contains("energy (1.0.99.1.0.255)"), "{}", refused.message());
}

#[tokio::test]
async fn clock_and_identity_are_told_as_the_meter_told_them() {
    let served = Served::new().await;
    served.database.meter("D3");
    let answer = read_now(&served, order("D3", Target::Clock(ClockTarget {}), 30), |meter, job| {
        let event = Event::Clock(ClockReading {
            shown: at("2026-03-01T00:00:05Z"),
            resolution: Duration::from_secs(1),
            offset_min: Some(-90),
            status: 0,
            read_at: at("2026-03-01T00:00:00Z"),
            delay: Duration::from_millis(120),
        });
        vec![Report { job: job.id, meter, event }, done(meter, job.id, None)]
    })
    .await
    .unwrap();
    let Some(Outcome::Clock(clock)) = answer.into_inner().outcome else { panic!("no clock") };
    assert_eq!(
        (clock.meter_time.unwrap().seconds, clock.offset_minutes),
        (at("2026-03-01T00:00:05Z").as_second(), Some(-90))
    );
    assert_eq!((clock.delay_ms, clock.status), (120, Some(0)));

    let answer = read_now(&served, order("D3", Target::Identity(IdentityTarget {}), 30), |meter, job| {
        let event = Event::Identity {
            serial: "D3".into(),
            logical_device_name: Some("XYZ0001".into()),
            firmware: Some("1.2".into()),
            system_title: None,
        };
        vec![Report { job: job.id, meter, event }, done(meter, job.id, None)]
    })
    .await
    .unwrap();
    let Some(Outcome::Identity(identity)) = answer.into_inner().outcome else { panic!("no identity") };
    assert_eq!((identity.logical_device_name.as_str(), identity.firmware.as_str()), ("XYZ0001", "1.2"));
}

#[tokio::test]
async fn a_failed_read_says_why_in_a_type() {
    let served = Served::new().await;
    served.database.meter("D4");
    let failed = read_now(&served, order("D4", Target::Clock(ClockTarget {}), 30), |meter, job| {
        let failure = Failure::new(
            Reason::WrongPassword,
            "The meter refused the password: correct it in the inventory.",
        );
        vec![Report { job: job.id, meter, event: Event::Ended(Err(failure)) }]
    })
    .await
    .unwrap_err();
    assert_eq!((failed.code(), reason(&failed).0), (Code::FailedPrecondition, ErrorReason::ReadFailed));
    let failure = ErrorDetail::of(&failed).unwrap().failure.unwrap();
    assert_eq!(failure.reason(), FailureReason::WrongPassword);
    assert!(failed.message().contains("correct it in the inventory"), "{}", failed.message());
    let job =
        served.jobs().get_job(GetJobRequest { id: failure.job_id }).await.unwrap().into_inner().job.unwrap();
    assert_eq!((job.state(), job.reason()), (JobState::Failed, FailureReason::WrongPassword));
}

#[tokio::test]
async fn a_read_that_takes_too_long_or_may_not_be_is_refused_by_name() {
    let served = Served::with(Limits { waiting: 1, ..Limits::default() }).await;
    served.database.meter("D5");
    let clock = || Target::Clock(ClockTarget {});
    let (mut first, mut second) = (served.readings(), served.readings());
    let (pending, busy) = tokio::join!(first.read_now(order("D5", clock(), 2)), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        second.read_now(order("D5", clock(), 2)).await
    });
    let pending = pending.unwrap_err();
    assert_eq!((pending.code(), reason(&pending).0), (Code::DeadlineExceeded, ErrorReason::ReadPending));
    let id = ErrorDetail::of(&pending).unwrap().failure.unwrap().job_id;
    let job = served.jobs().get_job(GetJobRequest { id }).await.unwrap().into_inner().job.unwrap();
    assert_eq!(job.state(), JobState::Due, "the job goes on");
    assert_eq!(reason(&busy.unwrap_err()).0, ErrorReason::TooManyWaiting);

    served.database.sql("UPDATE meter SET state = 'retired', retired_at = now()");
    let cases = [
        (order("D5", clock(), 2), ErrorReason::MeterRetired),
        (order("D6", clock(), 2), ErrorReason::MeterNotFound),
        (order("D5", clock(), 301), ErrorReason::InvalidField),
        (ReadNowRequest { target: None, ..order("D5", clock(), 2) }, ErrorReason::InvalidField),
    ];
    for (request, expected) in cases {
        assert_eq!(reason(&served.readings().read_now(request).await.unwrap_err()).0, expected);
    }
}

#[tokio::test]
async fn jobs_are_listed_newest_first_and_counted() {
    let served = Served::new().await;
    let (one, two) = (served.database.meter("J1"), served.database.meter("J2"));
    for _ in 0..5 {
        served.database.identify_job(one, 10);
    }
    served.database.identify_job(two, 0);
    served.database.sql(&format!(
        "INSERT INTO job (meter_id, kind, state, reason, finished_at, captures)
         SELECT {two}, 'read_clock', 'failed', 'timeout', now(), 2 FROM generate_series(1, 3)"
    ));
    let mut jobs = served.jobs();
    let mut question = ListJobsRequest { page_size: 4, ..Default::default() };
    let mut ids = Vec::new();
    loop {
        let page = jobs.list_jobs(question.clone()).await.unwrap().into_inner();
        ids.extend(page.jobs.iter().map(|job| job.id));
        if page.next_page_token.is_empty() {
            break;
        }
        question.page_token = page.next_page_token;
    }
    assert_eq!(ids, (1..=9).rev().collect::<Vec<_>>());

    let failed = ListJobsRequest {
        states: vec![JobState::Failed.into()],
        kinds: vec![JobKind::ReadClock.into()],
        ..Default::default()
    };
    let found = jobs.list_jobs(failed.clone()).await.unwrap().into_inner().jobs;
    assert_eq!(
        found.iter().map(|job| (job.meter_serial.as_str(), job.reason())).collect::<Vec<_>>(),
        [("J2", FailureReason::Timeout); 3]
    );
    let none = ListJobsRequest { meter_serial: "J1".into(), ..failed };
    assert_eq!(jobs.list_jobs(none).await.unwrap().into_inner().jobs, []);
    let refused =
        jobs.list_jobs(ListJobsRequest { states: vec![99], ..Default::default() }).await.unwrap_err();
    assert_eq!(reason(&refused), (ErrorReason::InvalidField, "states".into()));

    let counts = jobs.summary(SummaryRequest { created_from: None }).await.unwrap().into_inner().counts;
    let counts: Vec<_> = counts
        .iter()
        .map(|count| (count.state(), count.kind(), count.reason(), count.jobs, count.captures))
        .collect();
    let expected = [
        (JobState::Due, JobKind::Identify, FailureReason::Unspecified, 6, 0),
        (JobState::Failed, JobKind::ReadClock, FailureReason::Timeout, 3, 6),
    ];
    assert_eq!(counts, expected);
    let future = Some(prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 });
    assert_eq!(jobs.summary(SummaryRequest { created_from: future }).await.unwrap().into_inner().counts, []);
}

#[tokio::test]
async fn health_follows_the_server() {
    let served = Served::new().await;
    let mut health = HealthClient::new(served.channel.clone());
    for service in ["", "ami.v1.InventoryService", "ami.v1.ReadingsService", "ami.v1.JobsService"] {
        let request = HealthCheckRequest { service: service.into() };
        let serving = soon(async {
            // The database is heard a moment after the port answers.
            loop {
                if let Ok(answer) = health.check(request.clone()).await
                    && answer.get_ref().status() == ServingStatus::Serving
                {
                    return true;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(serving.await, "{service}");
    }
    let mut watch =
        health.watch(HealthCheckRequest { service: "ami.v1.JobsService".into() }).await.unwrap().into_inner();
    assert_eq!(soon(watch.message()).await.unwrap().unwrap().status(), ServingStatus::Serving);
    served.stop.cancel();
    assert_eq!(soon(watch.message()).await.unwrap().unwrap().status(), ServingStatus::NotServing);
}

#[tokio::test]
async fn reflection_describes_every_service_in_both_versions() {
    let served = Served::new().await;
    let ask = |message_request| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message_request),
    };
    let questions = [
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol("ami.v1.ReadingsService".into())),
    ];
    let mut reflection = ServerReflectionClient::new(served.channel.clone());
    let mut answers =
        reflection.server_reflection_info(tokio_stream::iter(questions)).await.unwrap().into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) =
        soon(answers.message()).await.unwrap().unwrap().message_response
    else {
        panic!("no list")
    };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    for name in
        ["ami.v1.InventoryService", "ami.v1.JobsService", "ami.v1.ReadingsService", "grpc.health.v1.Health"]
    {
        assert!(names.iter().any(|known| known == name), "{name} is missing in {names:?}");
    }
    let Some(MessageResponse::FileDescriptorResponse(files)) =
        soon(answers.message()).await.unwrap().unwrap().message_response
    else {
        panic!("no file")
    };
    let text = String::from_utf8_lossy(&files.file_descriptor_proto[0]).into_owned();
    assert!(text.contains("WatchReadings"), "the file that declares the service");

    let ask = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            v1alpha::server_reflection_request::MessageRequest::ListServices(String::new()),
        ),
    };
    let mut older = v1alpha::server_reflection_client::ServerReflectionClient::new(served.channel.clone());
    let mut answers = older.server_reflection_info(tokio_stream::iter([ask])).await.unwrap().into_inner();
    assert!(soon(answers.message()).await.unwrap().unwrap().message_response.is_some());
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let served = Served::new().await;
    let answer = served.jobs().summary(SummaryRequest::default()).await.unwrap();
    let made = answer.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
    assert!(Uuid::try_parse(&made).is_ok(), "{made}");
    let mut request = Request::new(GetJobRequest { id: 404 });
    request.metadata_mut().insert("x-request-id", "no uuid".parse().unwrap());
    let refused = served.jobs().get_job(request).await.unwrap_err();
    let given = refused.metadata().get("x-request-id").unwrap().to_str().unwrap();
    assert!(Uuid::try_parse(given).is_ok() && given != made, "{given}");
    assert_eq!(reason(&refused).0, ErrorReason::JobNotFound);
}
