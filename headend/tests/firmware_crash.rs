//! `kill -9` of the program at every step of an installation of firmware: after each start it goes on where the meter says that it stands.
//!
//! What counts as failure: a block that is sent again although the meter has it (beyond the one that was on its way when the program died),
//! an image that is activated twice or differs in one octet, an invocation counter that is used twice, a command that does not come to its
//! end. Not deterministic: between which two requests of a step the program dies.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod image;
mod program;
mod template;

use std::time::Duration;

use ami_proto::v1::CommandOutcome;
use program::Program;
use simulator::{Access, Affected, Event, Fault, FaultRule, FirmwareConfig, Fleet, FleetConfig, Ledger};
use tokio::time::{sleep, timeout};

const BLOCK: u32 = 256;
const BLOCKS: u64 = 300;
const LIMIT: Duration = Duration::from_secs(120);

/// A step of the installation, as the meter's ledger shows it.
type Step = (&'static str, fn(&Ledger) -> bool);

const STEPS: [Step; 5] = [
    ("the transfer is initiated", |ledger| invoked(ledger, 1)),
    ("blocks are on their way", |ledger| ledger.counts.blocks > 60),
    ("more blocks are on their way", |ledger| ledger.counts.blocks > 200),
    ("the meter verifies", |ledger| invoked(ledger, 3)),
    ("the meter activates", |ledger| invoked(ledger, 4)),
];

fn invoked(ledger: &Ledger, method: i8) -> bool {
    ledger.records.iter().any(|record| {
        matches!(record.event, Event::Executed { class_id: 18, access: Access::Action(number), .. } if number == method)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_survives_the_death_of_the_program_at_every_step() {
    let fleet = fleet().await;
    let meter = &fleet.meters()[0];
    let collector = "[collector]\nlease = \"5s\"\nresponse_timeout = \"2s\"\n";
    let mut program = Program::start(collector).await;
    let serial = program.register(&fleet, 0).await;
    let octets = image::octets((BLOCKS as usize - 1) * BLOCK as usize + 9);
    image::upload(&program.channel, "sed302", "SIM-2.0", &octets).await;
    let id = image::install(&program.channel, &serial, "once").await;

    for (step, reached) in STEPS {
        let until = async {
            while !reached(&meter.ledger()) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LIMIT, until).await.unwrap_or_else(|_| panic!("{step}: never\n{}", program.log()));
        program = program.kill_and_restart().await;
    }
    let command = program.end_of(id).await;
    assert_eq!(command.outcome(), CommandOutcome::FirmwareActive, "{command:?}\n{}", program.log());
    assert_eq!((command.progress_done, command.progress_total), (300, 300));

    assert_eq!((meter.firmware().as_str(), meter.image() == octets), ("SIM-2.0", true));
    let counts = meter.counts();
    assert_eq!((counts.images_activated, counts.new_blocks, counts.counters_repeated), (1, BLOCKS, 0));
    let in_flight = STEPS.len() as u64;
    assert!(counts.blocks <= BLOCKS * 105 / 100 + in_flight, "{} blocks for {BLOCKS}", counts.blocks);
    assert_eq!(program.sql("SELECT firmware FROM meter"), "SIM-2.0");
    fleet.shutdown().await;
}

/// One meter that is slow enough to die in the midst of everything.
async fn fleet() -> Fleet {
    let slow = FaultRule { fault: Fault::Slow(Duration::from_millis(8)), meters: Affected::Numbers(vec![0]) };
    let takes = Duration::from_secs(2);
    let firmware = FirmwareConfig {
        block_size: BLOCK,
        verify_takes: takes,
        activate_takes: takes,
        restarts: true,
        ..FirmwareConfig::default()
    };
    let model = models::builtin().unwrap()["sed302"].clone();
    let config = FleetConfig { firmware, faults: vec![slow], ..FleetConfig::new(model) };
    Fleet::start(config).await.unwrap()
}
