//! Firmware into simulated meters, over lines and meters that fail in every way: what the meter really holds is the outcome.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod common;

use std::{sync::Arc, time::Duration};

use collectors::{
    Channel, Covered, Credentials, Event, Failure, Finding, Image, ImageActivation, ImageError, ImageOctets,
    ImageSource, Install, Limits, Octets, Outcome, Reason, Report, Seed, Station, Task, Terms, Work,
};
use common::{at, ended};
use dlms::client::{Counters, GlobalKeys, Key, SystemTitle};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use models::{Model, SecondInitiate};
use simulator::{Affected, Fault, FaultRule, FirmwareConfig, Fleet, FleetConfig, Often};
use tokio::sync::mpsc;

const VERSION: &str = "SED302-2.1";
const BLOCK: u32 = 100;
/// Blocks of the image; the last one is short.
const BLOCKS: u64 = 61;

/// An image in memory, which gives away no more than was asked for.
#[derive(Debug)]
struct Held(Vec<u8>);

impl ImageSource for Held {
    fn read(&self, offset: u32, length: u32) -> Octets<'_> {
        let part = self.0.get(offset as usize..(offset + length) as usize).map(<[u8]>::to_vec);
        let gone = || ImageError::Gone(format!("nothing is kept at {offset}"));
        Box::pin(std::future::ready(part.ok_or_else(gone)))
    }
}

fn octets() -> Vec<u8> {
    let size = (BLOCKS - 1) as u32 * BLOCK + 37;
    (0..size).map(|n| (n * 7 + n / BLOCK * 13) as u8).collect()
}

fn model() -> Arc<Model> {
    let mut model = models::builtin().unwrap()["sed302"].as_ref().clone();
    let firmware = model.firmware.as_mut().unwrap();
    firmware.verify_within = Duration::from_secs(5);
    firmware.activate_within = Duration::from_secs(5);
    Arc::new(model)
}

async fn meter(faults: &[Fault], firmware: FirmwareConfig) -> Fleet {
    let faults =
        faults.iter().map(|fault| FaultRule { fault: *fault, meters: Affected::SharePpm(1_000_000) });
    let firmware = FirmwareConfig { block_size: BLOCK, ..firmware };
    let config = FleetConfig { firmware, faults: faults.collect(), ..FleetConfig::new(model()) };
    Fleet::start(config).await.unwrap()
}

fn station(fleet: &Fleet, model: Arc<Model>) -> Arc<Station> {
    let meter = &fleet.meters()[0];
    let secrets = meter.secrets();
    Arc::new(Station {
        meter: 1,
        address: fleet.addresses()[0].to_string().parse().unwrap(),
        device_address: None,
        subunit: None,
        via: None,
        server_sap: model.association.server_sap,
        client_sap: model.association.client_sap_hls,
        credentials: Credentials::gmac(
            SystemTitle::new(*b"HEAD\0\0\0\x01"),
            GlobalKeys::of_suite_0(Key::new(secrets.encryption_key), Key::new(secrets.authentication_key)),
        ),
        serial: Some(meter.serial()),
        model,
        zone: TimeZone::UTC,
    })
}

fn install() -> Install {
    let deadline = Timestamp::now() + SignedDuration::from_hours(1);
    Install {
        image: Image {
            identifier: VERSION.into(),
            size: u32::try_from(octets().len()).unwrap(),
            signature: Vec::new(),
            version: VERSION.into(),
            sha256: vec![7; 32],
            octets: ImageOctets::new(Held(octets())),
        },
        initiated: false,
        activation: ImageActivation::Now,
        terms: Terms { deadline, in_doubt: false },
    }
}

/// What an attempt came to.
struct Attempt {
    outcome: Result<Covered, Failure>,
    /// Blocks done and in all, as they were reported.
    progress: Vec<(u32, u32)>,
    findings: Vec<Finding>,
    reports: Vec<Report>,
}

impl Attempt {
    fn outcome(&self) -> Result<Outcome, Reason> {
        match &self.outcome {
            Ok(covered) => Ok(covered.outcome.unwrap()),
            Err(failure) => Err(failure.reason),
        }
    }

    fn found(&self, what: &str) -> Vec<&str> {
        self.findings
            .iter()
            .filter(|finding| finding.what == what)
            .map(|found| found.value.as_str())
            .collect()
    }
}

/// The works of a channel: an installation with `counters` invocation counters from `first` on.
fn work(station: &Arc<Station>, install: Install, (first, counters): (u32, u32)) -> Work {
    Work {
        job: 1,
        station: Arc::clone(station),
        counters: Some(Counters::new(first, first + counters)),
        seed: Seed::new([42; 32]),
        task: Task::InstallFirmware(install),
        priority: -10,
        span: tracing::Span::none(),
    }
}

fn limits() -> Limits {
    Limits {
        connect_timeout: Duration::from_secs(2),
        response_timeout: Duration::from_millis(200),
        linger: Duration::ZERO,
        retry_pause: Duration::from_millis(5),
        line_retries: 12,
        ..Limits::default()
    }
}

/// One attempt with `counters` invocation counters from `first` on.
async fn attempt(station: &Arc<Station>, install: Install, counters: (u32, u32)) -> Attempt {
    let (reports, mut outcome) = mpsc::channel(4);
    let (sender, receiver) = mpsc::channel(1);
    sender.try_send(work(station, install, counters)).unwrap();
    drop(sender);
    let gather = async {
        let mut all = Vec::new();
        while let Some(report) = outcome.recv().await {
            all.push(report);
        }
        all
    };
    let reports = tokio::join!(Channel::new(limits(), reports).run(receiver), gather).1;
    let of = |report: &Report| match &report.event {
        Event::Progress { done, total } => Some((*done, *total)),
        _ => None,
    };
    let progress = reports.iter().filter_map(of).collect();
    let found = |report: &Report| match &report.event {
        Event::Found(finding) => Some(finding.clone()),
        _ => None,
    };
    let findings = reports.iter().filter_map(found).collect();
    Attempt { outcome: ended(&reports, 1), progress, findings, reports }
}

async fn once(fleet: &Fleet) -> Attempt {
    attempt(&station(fleet, model()), install(), (1, 20_000)).await
}

/// The meter runs the image, octet by octet, and was activated once.
fn assert_installed(fleet: &Fleet) {
    let meter = &fleet.meters()[0];
    assert_eq!((meter.firmware().as_str(), meter.image() == octets()), (VERSION, true));
    assert_eq!(meter.counts().images_activated, 1);
}

fn assert_untouched(fleet: &Fleet) {
    let meter = &fleet.meters()[0];
    assert_eq!((meter.firmware().as_str(), meter.counts().images_activated), ("SIM-1.0", 0));
}

#[tokio::test]
async fn every_block_is_sent_once_and_the_new_version_is_read_back() {
    let fleet = meter(&[], FirmwareConfig::default()).await;
    let attempt = once(&fleet).await;
    assert_eq!(attempt.outcome(), Ok(Outcome::FirmwareActive));
    assert_installed(&fleet);
    assert_eq!(fleet.counts().blocks, BLOCKS);
    assert_eq!(attempt.progress.first(), Some(&(0, 61)));
    assert_eq!(attempt.progress.last(), Some(&(61, 61)));
    assert!(attempt.progress.is_sorted() && attempt.progress.len() <= 63, "{:?}", attempt.progress);
    assert_eq!(attempt.found("version before"), ["SIM-1.0"]);
    assert_eq!(attempt.found("image to activate"), ["SED302-2.1 of 6037 octets"]);
    assert_eq!(attempt.found("version after"), [VERSION]);
    let is_identity = |report: &Report| matches!(&report.event, Event::Identity { firmware: Some(version), .. } if version == VERSION);
    assert!(attempt.reports.iter().any(is_identity), "the inventory learns of it");

    let again = self::attempt(&station(&fleet, model()), install(), (20_001, 100)).await;
    assert_eq!((again.outcome(), again.progress), (Ok(Outcome::FirmwareActive), vec![]));
    assert_eq!((fleet.counts().blocks, fleet.counts().images_activated), (BLOCKS, 1));
    fleet.shutdown().await;
}

#[tokio::test]
async fn a_transfer_goes_on_with_the_blocks_that_are_missing() {
    for second_initiate in [SecondInitiate::DiscardsBlocks, SecondInitiate::KeepsBlocks] {
        let config = FirmwareConfig { second_initiate: Some(second_initiate), ..FirmwareConfig::default() };
        let fleet = meter(&[], config).await;
        let mut model = Arc::unwrap_or_clone(model());
        model.firmware.as_mut().unwrap().second_initiate = second_initiate;
        let station = station(&fleet, Arc::new(model));
        // Each attempt has counters for some twenty requests.
        let (mut attempts, mut initiated) = (0, false);
        let last = loop {
            let counters = (1 + attempts * 20, 20);
            let attempt = attempt(&station, Install { initiated, ..install() }, counters).await;
            attempts += 1;
            initiated |= !attempt.progress.is_empty();
            match attempt.outcome() {
                Err(Reason::CountersSpent) => assert!(attempts < 20),
                _ => break attempt,
            }
        };
        assert_eq!(last.outcome(), Ok(Outcome::FirmwareActive));
        assert!(attempts > 4, "{attempts}");
        assert_installed(&fleet);
        assert_eq!(fleet.counts().blocks, BLOCKS, "{second_initiate:?}: no block was sent twice");
        fleet.shutdown().await;
    }
}

#[tokio::test]
async fn a_transfer_of_somebody_else_begins_anew() {
    let fleet = meter(&[], FirmwareConfig::default()).await;
    let station = station(&fleet, model());
    let other = Image { identifier: b"OTHER".to_vec(), ..install().image };
    let cut = attempt(&station, Install { image: other, ..install() }, (1, 30)).await;
    assert_eq!(cut.outcome(), Err(Reason::CountersSpent));
    let before = fleet.counts().blocks;
    let attempt = attempt(&station, install(), (100, 20_000)).await;
    assert_eq!(attempt.outcome(), Ok(Outcome::FirmwareActive));
    assert_installed(&fleet);
    assert_eq!(fleet.counts().blocks, before + BLOCKS);
    fleet.shutdown().await;
}

#[tokio::test]
async fn lost_answers_and_lost_blocks_cost_only_what_was_lost() {
    let share = Often::SharePpm(150_000);
    for fault in [
        Fault::Unanswered(share),
        Fault::Unexecuted(share),
        Fault::Dropped(share),
        Fault::LostBlocks(share),
        Fault::Cut { after: 9 },
    ] {
        let fleet = meter(&[fault], FirmwareConfig::default()).await;
        let attempt = once(&fleet).await;
        assert_eq!(attempt.outcome(), Ok(Outcome::FirmwareActive), "{fault:?}: {:?}", attempt.outcome);
        assert_installed(&fleet);
        let counts = fleet.counts();
        assert_eq!((counts.new_blocks, counts.counters_repeated), (BLOCKS, 0), "{fault:?}");
        if !matches!(fault, Fault::LostBlocks(_)) {
            assert_eq!(counts.blocks, BLOCKS, "{fault:?}: the meter is asked before a block is sent again");
        }
        fleet.shutdown().await;
    }
}

#[tokio::test]
async fn another_image_than_the_ordered_one_is_never_activated() {
    let fleet = meter(&[Fault::WrongImage], FirmwareConfig::default()).await;
    let attempt = once(&fleet).await;
    assert_eq!(attempt.outcome(), Err(Reason::ImageMismatch));
    let detail = attempt.outcome.unwrap_err().detail;
    assert!(detail.contains("SED302-2.1-other") && detail.contains("nothing was activated"), "{detail}");
    assert_untouched(&fleet);
    fleet.shutdown().await;

    // The meter shows no signature, and one was ordered.
    let fleet = meter(&[], FirmwareConfig::default()).await;
    let image = Image { signature: vec![1, 2], ..install().image };
    let order = Install { image, ..install() };
    let station = station(&fleet, model());
    let unsigned = self::attempt(&station, order, (1, 20_000)).await;
    assert_eq!(unsigned.outcome(), Err(Reason::ImageMismatch));
    assert_untouched(&fleet);
    fleet.shutdown().await;
}

#[tokio::test]
async fn a_block_that_never_arrives_ends_the_transfer_in_bounded_work() {
    let fleet = meter(&[Fault::StuckBlock(17)], FirmwareConfig::default()).await;
    let attempt = once(&fleet).await;
    assert_eq!(attempt.outcome(), Err(Reason::NotEffective));
    let detail = attempt.outcome.unwrap_err().detail;
    assert!(detail.contains("still lacks block 17 of 61"), "{detail}");
    assert_eq!(fleet.counts().blocks, BLOCKS + 5);
    assert_untouched(&fleet);
    fleet.shutdown().await;
}

#[tokio::test]
async fn a_meter_that_takes_its_time_and_restarts_is_waited_for() {
    let takes = Duration::from_millis(700);
    let slow = FirmwareConfig {
        verify_takes: takes,
        activate_takes: takes,
        restarts: true,
        ..FirmwareConfig::default()
    };
    let busy = [Fault::VerifyBusy(Often::First(3)), Fault::ActivateBusy(Often::First(3))];
    for (faults, config) in [(&[][..], slow), (&busy[..], FirmwareConfig::default())] {
        let fleet = meter(faults, config).await;
        let attempt = once(&fleet).await;
        assert_eq!(attempt.outcome(), Ok(Outcome::FirmwareActive), "{:?}", attempt.outcome);
        assert_installed(&fleet);
        fleet.shutdown().await;
    }
}

#[tokio::test]
async fn what_the_meter_does_not_get_done_is_refused() {
    let forever = Duration::from_secs(3600);
    let never_verified = FirmwareConfig { verify_takes: forever, ..FirmwareConfig::default() };
    let cases = [
        (&[Fault::VerifyFails][..], FirmwareConfig::default(), Reason::MeterRefused, "finds the image bad"),
        (&[], never_verified, Reason::NotEffective, "has not verified the image within 5s"),
        (&[Fault::ActivationFails], FirmwareConfig::default(), Reason::NotEffective, "activation failed"),
    ];
    for (faults, config, reason, says) in cases {
        let fleet = meter(faults, config).await;
        let attempt = once(&fleet).await;
        assert_eq!(attempt.outcome(), Err(reason), "{says}");
        let failure = attempt.outcome.unwrap_err();
        assert!(failure.detail.contains(says) && !failure.in_doubt, "{}", failure.detail);
        assert_eq!((fleet.counts().blocks, fleet.meters()[0].firmware().as_str()), (BLOCKS, "SIM-1.0"));
        fleet.shutdown().await;
    }
}

#[tokio::test]
async fn an_image_is_activated_at_its_time_and_not_before() {
    let fleet = meter(&[], FirmwareConfig::default()).await;
    let at = fleet.clock().now() + SignedDuration::from_hours(1);
    let order = Install { activation: ImageActivation::At(at), ..install() };
    let attempt = attempt(&station(&fleet, model()), order, (1, 20_000)).await;
    assert_eq!(attempt.outcome(), Ok(Outcome::FirmwareScheduled), "{:?}", attempt.outcome);
    fleet.clock().advance(3_000);
    assert_untouched(&fleet);
    fleet.clock().advance(700);
    assert_installed(&fleet);
}

#[tokio::test]
async fn what_the_order_or_the_model_does_not_allow_is_refused_before_anything_is_sent() {
    let fleet = meter(&[], FirmwareConfig::default()).await;
    let mut bare = Arc::unwrap_or_clone(model());
    bare.firmware = None;
    let mut small = Arc::unwrap_or_clone(model());
    small.firmware.as_mut().unwrap().max_block_size = BLOCK - 1;
    let mut at_once = Arc::unwrap_or_clone(model());
    at_once.firmware.as_mut().unwrap().activation_schedule = None;
    let late = Terms { deadline: at("2026-01-01T00:00:00Z"), in_doubt: false };
    let timed = ImageActivation::At(Timestamp::now() + SignedDuration::from_hours(1));
    for (first, model, order, reason) in [
        (1, bare, install(), Reason::Unsupported),
        (101, small, install(), Reason::Unsupported),
        (201, at_once, Install { activation: timed, ..install() }, Reason::Unsupported),
        (301, Arc::unwrap_or_clone(model()), Install { terms: late, ..install() }, Reason::DeadlinePassed),
    ] {
        let attempt = attempt(&station(&fleet, Arc::new(model)), order, (first, 100)).await;
        assert_eq!(attempt.outcome(), Err(reason));
    }
    let counts = fleet.counts();
    assert_eq!((counts.blocks, counts.actions, counts.sets), (0, 0, 0));
    fleet.shutdown().await;
}

#[tokio::test]
async fn a_read_goes_first_between_two_blocks() {
    let fleet = meter(&[Fault::Slow(Duration::from_millis(5))], FirmwareConfig::default()).await;
    let station = station(&fleet, model());
    let (reports, mut outcome) = mpsc::channel::<Report>(4);
    let (sender, receiver) = mpsc::channel(2);
    sender.try_send(work(&station, install(), (1, 20_000))).unwrap();
    let mut ends = Vec::new();
    let gather = async {
        let mut sender = Some(sender);
        while let Some(report) = outcome.recv().await {
            let has_begun = matches!(report.event, Event::Progress { done: 5.., .. });
            if let Some(sender) = sender.take_if(|_| has_begun) {
                let read = work(&station, install(), (20_001, 100));
                sender.try_send(Work { job: 2, task: Task::Identify, priority: 0, ..read }).unwrap();
            }
            if let Event::Ended(outcome) = report.event {
                ends.push((report.job, outcome.is_ok(), fleet.counts().blocks));
            }
        }
    };
    tokio::join!(Channel::new(limits(), reports).run(receiver), gather);
    let [(2, true, blocks), (1, true, BLOCKS)] = ends[..] else { panic!("{ends:?}") };
    assert!(blocks < BLOCKS / 2, "the read waited for {blocks} blocks");
    assert_installed(&fleet);
    fleet.shutdown().await;
}
