//! Work that stands aside: whoever can do it gets it, and nobody else looks at it again and again.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod common;
mod template;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{Database, done};
use headend::store::callers::{Came, Left};
use headend::store::jobs::{Leased, Wanted};
use jiff::Timestamp;
use proptest::prelude::*;
use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);

/// Meters `S1` to `S<meters>` on lines `bus<n>:1`, so many each, with a job each that gets more urgent by the number.
fn buses(database: &Database, meters: u32, each: u32) {
    database.sql(&format!(
        "INSERT INTO meter (serial, model, address, device_address, server_sap, client_sap, zone, security)
         SELECT 'S' || n, 'generic-dlms', 'hdlc://bus' || (n - 1) / {each} || ':1', n, 1, 16, 'UTC', 'none'
         FROM generate_series(1, {meters}) AS n;
         INSERT INTO job (meter_id, kind, wanted_by) SELECT id, 'read_clock', now() - id * interval '1 s' FROM meter"
    ));
}

fn aside(database: &Database) -> String {
    database.sql("SELECT coalesce(behind, '-'), count(*) FROM job WHERE state = 'due' GROUP BY behind ORDER BY behind NULLS FIRST")
}

fn meters(leased: &[Leased]) -> Vec<i32> {
    leased.iter().map(|meter| meter.meter).collect()
}

/// Has the owner end the works that it was given.
async fn end(database: &Database, owner: Uuid, leased: &[Leased]) {
    let ends: Vec<_> = leased
        .iter()
        .flat_map(|meter| meter.jobs.iter().map(|job| done(meter.meter, job.id, None)))
        .collect();
    database.store.write(owner, &ends).await.unwrap();
}

#[tokio::test]
async fn work_for_the_line_of_another_stands_aside_until_the_line_is_left() {
    let database = Database::new().await;
    buses(&database, 100, 90);
    database.sql("UPDATE job SET priority = 10 WHERE id = 1");
    let (store, [first, second]) = (&database.store, [Uuid::new_v4(), Uuid::new_v4()]);
    let leased = store.lease(first, Wanted { least_priority: 1, ..Wanted::any(1) }, MINUTE, 0).await.unwrap();
    assert_eq!(meters(&leased), [1]);
    database.sql("INSERT INTO job (meter_id, kind, priority) VALUES (2, 'identify', 20)");
    assert!(!store.put_aside(second, &Wanted::any(32)).await.unwrap(), "that was all");
    assert_eq!(aside(&database), "-|11\nbus0:1|89", "what a person waits for stays where it is");
    assert_eq!(
        store.lease(second, Wanted::any(32), MINUTE, 0).await.unwrap().len(),
        10,
        "the other line is free"
    );
    assert_eq!(
        store.bring_back(&["bus0:1".into()]).await.unwrap(),
        64,
        "whoever has the line asks for as much as it takes"
    );
    let leased = store.lease(first, Wanted { meters: 3, ..Wanted::any(3) }, MINUTE, 0).await.unwrap();
    let mut first_ones = meters(&leased);
    first_ones.sort_unstable();
    assert_eq!(first_ones, [2, 89, 90], "in the order in which it is wanted, and a meter with all its work");
    store.put_aside(second, &Wanted::any(32)).await.unwrap();
    assert_eq!(aside(&database), "bus0:1|86", "no work that is taken");
    store.leave(first, &["bus0:1".into()]).await.unwrap();
    assert_eq!(aside(&database), "-|64\nbus0:1|22", "whoever takes the line next asks for the rest");
}

#[tokio::test]
async fn work_for_a_busy_line_and_a_full_group_stands_aside_until_there_is_room() {
    let database = Database::new().await;
    buses(&database, 40, 10);
    database.sql("UPDATE meter SET throttle_group = 'cell-7' WHERE id > 10");
    let (store, owner) = (&database.store, Uuid::new_v4());
    let busy = |busy: &[&str], room| Wanted {
        busy: busy.iter().map(|line| (*line).to_owned()).collect(),
        rooms: BTreeMap::from([("cell-7".into(), room)]),
        ..Wanted::any(32)
    };
    let leased = store.lease(owner, busy(&["bus0:1"], 1), MINUTE, 0).await.unwrap();
    assert_eq!(meters(&leased), [40], "the group has room for one line");
    store.put_aside(owner, &busy(&["bus0:1"], 0)).await.unwrap();
    assert_eq!(
        aside(&database),
        "-|9\nbus0:1|10\ncell-7|20",
        "the line of the group that is open takes more"
    );
    let leased = store.lease(owner, busy(&["bus0:1"], 0), MINUTE, 0).await.unwrap();
    assert_eq!(leased.len(), 9);
    store.leave(owner, &["bus3:1".into()]).await.unwrap();
    assert_eq!(aside(&database), "-|2\nbus0:1|10\ncell-7|18", "one for the room, and one in case of");
    // A meter that moves to another line, or out of the group, has to do with neither any more.
    database.sql("UPDATE meter SET address = 'hdlc://bus9:1' WHERE id = 1; UPDATE meter SET throttle_group = NULL WHERE id = 11");
    assert_eq!(aside(&database), "-|4\nbus0:1|9\ncell-7|17");
    // What is tried again stands in the queue again.
    database.sql(
        "UPDATE job SET state = 'cancelled', finished_at = now() WHERE meter_id = 2;
         UPDATE job SET state = 'due', finished_at = NULL WHERE meter_id = 2",
    );
    assert_eq!(aside(&database), "-|5\nbus0:1|8\ncell-7|17");
    assert_eq!(store.bring_back_first().await.unwrap(), 2, "one for each name");
}

fn came(line: &str) -> Came {
    let since = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap();
    Came { line: line.into(), dialect: "login", peer: "tcp:10.0.0.1:5".into(), since, ready_at: since }
}

#[tokio::test]
async fn work_of_a_caller_stands_aside_for_the_process_that_it_called() {
    let database = Database::new().await;
    let (store, [first, second]) = (&database.store, [Uuid::new_v4(), Uuid::new_v4()]);
    database.sql(
        "INSERT INTO meter (serial, model, address, server_sap, client_sap, zone, security)
         VALUES ('T', 'gdw376-terminal', 'inbound://T', 1, 16, 'UTC', 'none'), ('N', 'generic-dlms', 'concentrator://T/1', 1, 16, 'UTC', 'none'),
             ('M', 'generic-dlms', 'inbound://M', 1, 16, 'UTC', 'none');
         UPDATE meter SET line = 'concentrator://T' WHERE serial = 'T';
         INSERT INTO job (meter_id, kind) SELECT id, 'read_clock' FROM meter",
    );
    let waits = || database.sql("SELECT count(*) FILTER (WHERE waits), count(behind) FROM job");
    assert_eq!(waits(), "3|0", "the node waits with its concentrator");
    store.note_callers(first, &[came("inbound://T"), came("inbound://M")], &[]).await.unwrap();
    assert_eq!(waits(), "0|0");
    store.put_aside(second, &Wanted::any(32)).await.unwrap();
    assert_eq!(aside(&database), format!("{first}|3"));
    assert!(store.lease(second, Wanted::any(32), MINUTE, 0).await.unwrap().is_empty());
    assert_eq!(store.bring_back(&[first.to_string()]).await.unwrap(), 3);
    store.put_aside(second, &Wanted::any(32)).await.unwrap();
    // They call another process: nobody has to ask.
    store.note_callers(second, &[came("inbound://T")], &[]).await.unwrap();
    assert_eq!(aside(&database), format!("-|2\n{first}|1"));
    assert_eq!(store.lease(second, Wanted::any(32), MINUTE, 0).await.unwrap().len(), 2);
    let call = came("inbound://M");
    let (line, since) = (call.line.clone(), call.since);
    store.note_callers(first, &[call], &[]).await.unwrap();
    store.note_callers(first, &[], &[Left { line, since, at: since }]).await.unwrap();
    assert_eq!(waits(), "1|0", "who left is waited for by nobody");
    // The terminal is to be called instead of calling.
    store.release(second).await.unwrap();
    store.end_listener(second).await.unwrap();
    assert_eq!(waits(), "3|0");
    database.sql("UPDATE meter SET address = '10.0.0.1:4059' WHERE serial = 'T'");
    assert_eq!(waits(), "1|0", "and its node with it");
}

/// What one collector does, as far as the queue sees it: it has room for two lines of a group, and its lines for three works.
struct Collector {
    owner: Uuid,
    open: BTreeMap<String, (Option<String>, Vec<Leased>)>,
}

impl Collector {
    fn new() -> Self {
        Self { owner: Uuid::new_v4(), open: BTreeMap::new() }
    }

    fn wanted(&self) -> Wanted {
        let mut rooms = BTreeMap::new();
        for (group, _) in self.open.values() {
            if let Some(group) = group {
                let room = rooms.entry(group.clone()).or_insert(2_u32);
                *room = room.saturating_sub(1);
            }
        }
        let busy = self.open.iter().filter(|(_, (_, works))| works.len() >= 3);
        Wanted { busy: busy.map(|(line, _)| line.clone()).collect(), rooms, room: 2, ..Wanted::any(4) }
    }

    async fn look(&mut self, database: &Database, brings_back: bool, puts_aside: bool) {
        if brings_back {
            let low =
                self.open.iter().filter(|(_, (_, works))| works.len() < 2).map(|(line, _)| line.clone());
            database.store.bring_back(&low.collect::<Vec<_>>()).await.unwrap();
        }
        if puts_aside {
            database.store.put_aside(self.owner, &self.wanted()).await.unwrap();
        }
        for leased in database.store.lease(self.owner, self.wanted(), MINUTE, 0).await.unwrap() {
            let group = leased.throttle_group.clone();
            self.open.entry(leased.line.clone()).or_insert((group, Vec::new())).1.push(leased);
        }
    }

    /// Ends what waits for one of its lines, and may leave it.
    async fn work(&mut self, database: &Database, place: usize, leaves: bool) {
        let Some(line) = self.open.keys().nth(place % self.open.len().max(1)).cloned() else { return };
        let lane = self.open.get_mut(&line).unwrap();
        end(database, self.owner, &std::mem::take(&mut lane.1)).await;
        if leaves {
            self.open.remove(&line);
            database.store.leave(self.owner, &[line]).await.unwrap();
        }
    }
}

/// What happens to one of two collectors.
#[derive(Debug, Clone)]
enum Step {
    Look { collector: usize, brings_back: bool, puts_aside: bool },
    Work { collector: usize, place: usize, leaves: bool },
    SignOfLife,
    Restart { collector: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let look = (0..2_usize, any::<bool>(), any::<bool>())
        .prop_map(|(collector, brings_back, puts_aside)| Step::Look { collector, brings_back, puts_aside });
    let work = (0..2_usize, 0..15_usize, any::<bool>()).prop_map(|(collector, place, leaves)| Step::Work {
        collector,
        place,
        leaves,
    });
    let restart = (0..2_usize).prop_map(|collector| Step::Restart { collector });
    proptest::collection::vec(
        prop_oneof![8 => look, 8 => work, 1 => Just(Step::SignOfLife), 1 => restart],
        1..60,
    )
}

async fn take(database: &Database, collectors: &mut [Collector; 2], step: Step) {
    match step {
        Step::Look { collector, brings_back, puts_aside } => {
            collectors[collector].look(database, brings_back, puts_aside).await;
        }
        Step::Work { collector, place, leaves } => collectors[collector].work(database, place, leaves).await,
        Step::SignOfLife => {
            database.store.bring_back_first().await.unwrap();
        }
        Step::Restart { collector } => {
            database.store.release(collectors[collector].owner).await.unwrap();
            collectors[collector] = Collector::new();
        }
    }
}

/// Buses in groups, and collectors that put aside what the other could do, and begin anew: all work is done.
#[test]
fn nothing_stands_aside_for_ever() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = runtime.block_on(Database::new());
    buses(&database, 120, 8);
    database.sql("UPDATE meter SET throttle_group = 'cell-' || id / 40 WHERE id % 3 > 0");
    let config = ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(steps in steps())| {
        database.sql("UPDATE job SET state = 'due', finished_at = NULL, behind = NULL");
        let mut collectors = [Collector::new(), Collector::new()];
        runtime.block_on(async {
            for step in steps {
                take(&database, &mut collectors, step).await;
            }
        });
        let open = || database.sql("SELECT count(*) FROM job WHERE state IN ('due', 'running')");
        let mut rounds = 0;
        while open() != "0" {
            rounds += 1;
            prop_assert!(rounds < 200, "{} jobs are left: {}", open(), aside(&database));
            let collector = rounds % 2;
            runtime.block_on(async {
                take(&database, &mut collectors, Step::Look { collector, brings_back: true, puts_aside: true }).await;
                take(&database, &mut collectors, Step::Work { collector, place: rounds, leaves: rounds % 3 == 0 }).await;
                if rounds % 20 == 0 {
                    take(&database, &mut collectors, Step::SignOfLife).await;
                }
            });
        }
        prop_assert_eq!(database.sql("SELECT count(*) FROM job WHERE state = 'done'"), "120");
        for collector in &collectors {
            runtime.block_on(database.store.release(collector.owner)).unwrap();
        }
    });
}
