//! Commands in the store: ordered once, armed before anything is sent, ended by what the meter showed, and never both ways.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

mod common;
mod template;

use std::time::Duration;

use collectors::{Covered, Event, Failure, Finding, JobId, MeterId, Outcome, Reason, Report};
use common::{Database, at};
use headend::store::audit::Entry;
use headend::store::commands::{Cancelled, Change, ChangeFilter, NewOrder, Placed};
use headend::store::jobs::{LeasedCommand, Wanted};
use headend::store::{CommandKind, CommandState};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);

fn order(key: &str, meters: &[MeterId]) -> NewOrder {
    let now = Timestamp::now();
    NewOrder {
        principal: "ops".into(),
        idempotency_key: key.into(),
        kind: CommandKind::Disconnect,
        fingerprint: [7; 32],
        arguments: None,
        reason: "debt".into(),
        request_id: Uuid::new_v4(),
        trace_parent: None,
        meters: meters.to_vec(),
        priority: 50,
        not_before: now,
        deadline: now + SignedDuration::from_mins(15),
        needs_approval: false,
    }
}

fn entry() -> Entry {
    Entry {
        principal: "ops".into(),
        action: "SwitchService/Disconnect".into(),
        target: "S1".into(),
        outcome: "accepted".into(),
        detail: None,
        request_id: Uuid::new_v4(),
    }
}

async fn place(database: &Database, order: &NewOrder) -> Vec<i64> {
    match database.store.place_order(order, &entry()).await.unwrap() {
        Placed::Commands(ids) => ids,
        other => panic!("{other:?}"),
    }
}

/// What a collector gets: the job and its armed command.
async fn lease(database: &Database, owner: Uuid) -> Option<(MeterId, JobId, LeasedCommand)> {
    let leased = database.store.lease(owner, Wanted::any(1), MINUTE, 10).await.unwrap().into_iter().next()?;
    let job = &leased.jobs[0];
    Some((leased.meter, job.id, job.command.clone().unwrap()))
}

async fn end(
    database: &Database,
    owner: Uuid,
    (meter, job): (MeterId, JobId),
    outcome: Result<Covered, Failure>,
) {
    let found = Finding::new(at("2026-06-02T12:00:00Z"), "state after", "seen".into());
    let reports = [Event::Found(found), Event::Ended(outcome)].map(|event| Report { job, meter, event });
    database.store.write(owner, &reports).await.unwrap();
}

fn seen(outcome: Outcome) -> Result<Covered, Failure> {
    Ok(Covered { outcome: Some(outcome), ..Covered::default() })
}

fn states(database: &Database) -> String {
    database.sql("SELECT state FROM command ORDER BY id").replace('\n', " ")
}

#[tokio::test]
async fn an_order_is_placed_once_whoever_repeats_it() {
    let database = Database::new().await;
    let (one, two) = (database.meter("S1"), database.meter("S2"));
    let first = order("k", &[two, one]);
    let ids = place(&database, &first).await;
    assert_eq!(place(&database, &order("k", &[two, one])).await, ids, "the same again");
    let other = NewOrder { fingerprint: [8; 32], ..order("k", &[one]) };
    assert_eq!(database.store.place_order(&other, &entry()).await.unwrap(), Placed::KeyReused);
    let somebody_else = NewOrder { principal: "billing".into(), ..order("k", &[one]) };
    assert_ne!(place(&database, &somebody_else).await, ids, "keys are each principal's own");
    assert_eq!(database.sql("SELECT count(*) FROM job WHERE kind = 'command'"), "3");
    let meters = database.store.commands(&ids).await.unwrap();
    assert_eq!(meters.iter().map(|command| command.serial.as_str()).collect::<Vec<_>>(), ["S2", "S1"]);
    assert_eq!(
        database.sql("SELECT count(*) FROM audit WHERE action LIKE 'Switch%'"),
        "2",
        "what changed nothing is no act"
    );
}

#[tokio::test]
async fn many_callers_at_once_with_one_key_get_the_same_commands() {
    let database = Database::new().await;
    let meter = database.meter("S1");
    let (order, entry) = (order("k", &[meter]), entry());
    let calls = (0..8).map(|_| database.store.place_order(&order, &entry));
    let placed = futures_util::future::join_all(calls).await;
    let first = placed[0].clone().unwrap();
    assert!(matches!(&first, Placed::Commands(ids) if ids.len() == 1), "{first:?}");
    assert!(placed.iter().all(|one| one.as_ref() == Ok(&first)), "{placed:?}");
    assert_eq!(database.sql("SELECT count(*) FROM command"), "1");
}

#[tokio::test]
async fn one_retired_meter_and_nothing_is_ordered() {
    let database = Database::new().await;
    let (active, retired) = (database.meter("S1"), database.meter("S2"));
    database.sql("UPDATE meter SET state = 'retired', retired_at = now() WHERE serial = 'S2'");
    let order = order("k", &[active, retired]);
    assert_eq!(database.store.place_order(&order, &entry()).await.unwrap(), Placed::Retired(retired));
    assert_eq!(database.sql("SELECT count(*) FROM command_order"), "0");
    assert_eq!(database.sql("SELECT count(*) FROM job"), "0");
}

#[tokio::test]
async fn a_lease_arms_the_command_and_what_was_seen_ends_it() {
    let database = Database::new().await;
    let owner = Uuid::new_v4();
    let id = place(&database, &order("k", &[database.meter("S1")])).await[0];
    let (meter, job, command) = lease(&database, owner).await.unwrap();
    assert_eq!((command.id, command.kind, command.in_doubt), (id, CommandKind::Disconnect, false));
    assert_eq!(states(&database), "sending", "durable before a byte leaves");
    end(&database, owner, (meter, job), seen(Outcome::Disconnected)).await;
    assert_eq!(
        database.sql("SELECT state, outcome, finished_at IS NULL FROM command"),
        "confirmed|disconnected|f"
    );
    assert_eq!(database.sql("SELECT state FROM job"), "done");
    let life = "SELECT state, what, value FROM command_change ORDER BY id";
    let expected = "accepted||\nsending||\nsending|state after|seen\nconfirmed||";
    assert_eq!(database.sql(life), expected);
    assert_eq!(
        database.sql("SELECT action, outcome FROM audit ORDER BY id"),
        "SwitchService/Disconnect|accepted\ncommand.sending|sending\ncommand.confirmed|disconnected"
    );
}

#[tokio::test]
async fn a_collector_that_dies_leaves_its_command_in_doubt() {
    let database = Database::new().await;
    place(&database, &order("k", &[database.meter("S1")])).await;
    let (dead, alive) = (Uuid::new_v4(), Uuid::new_v4());
    lease(&database, dead).await.unwrap();
    database.collectors_die();
    assert_eq!(database.store.recover().await.unwrap(), 1);
    let (meter, job, command) = lease(&database, alive).await.unwrap();
    assert!(command.in_doubt, "something may have been sent");
    // The dead one comes back with an outcome: it is not its command any more.
    end(&database, dead, (meter, job), seen(Outcome::Disconnected)).await;
    assert_eq!(states(&database), "sending");
    let unread = Failure { in_doubt: true, ..Failure::new(Reason::Timeout, "silent") };
    end(&database, alive, (meter, job), Err(unread)).await;
    assert_eq!(database.sql("SELECT state, in_doubt, finished_at IS NULL FROM command"), "unknown|t|t");
    assert_eq!(database.sql("SELECT state, due_at > now() FROM job"), "due|t", "it is looked at again");
    database.sql("UPDATE job SET due_at = now()");
    let (meter, job, command) = lease(&database, alive).await.unwrap();
    assert!(command.in_doubt);
    end(&database, alive, (meter, job), seen(Outcome::Disconnected)).await;
    assert_eq!(states(&database), "confirmed");
}

#[tokio::test]
async fn what_was_not_sent_waits_and_what_is_refused_is_over() {
    let database = Database::new().await;
    let owner = Uuid::new_v4();
    place(&database, &order("k", &[database.meter("S1")])).await;
    let (meter, job, _) = lease(&database, owner).await.unwrap();
    end(&database, owner, (meter, job), Err(Failure::new(Reason::NoRoute, "nothing there"))).await;
    assert_eq!(database.sql("SELECT state, failure FROM command"), "accepted|no_route");
    database.sql("UPDATE job SET due_at = now()");
    let (meter, job, command) = lease(&database, owner).await.unwrap();
    assert!(!command.in_doubt, "nothing was sent");
    end(&database, owner, (meter, job), Err(Failure::new(Reason::NotEffective, "welded"))).await;
    assert_eq!(database.sql("SELECT state, failure, detail FROM command"), "refused|not_effective|welded");
    assert_eq!(database.sql("SELECT state, reason FROM job"), "failed|not_effective");
}

/// A disconnect that could not be sent at once must not come after the reconnect that was ordered behind it.
#[tokio::test]
async fn orders_to_one_switch_are_carried_out_in_the_order_in_which_they_were_accepted() {
    let database = Database::new().await;
    let owner = Uuid::new_v4();
    let meter = database.meter("S1");
    let next_week = Timestamp::now() + SignedDuration::from_hours(7 * 24);
    let later = NewOrder {
        not_before: next_week,
        deadline: next_week + SignedDuration::from_hours(1),
        ..order("next week", &[meter])
    };
    place(&database, &later).await;
    place(&database, &order("off", &[meter])).await;
    let (_, job, _) = lease(&database, owner).await.unwrap();
    end(&database, owner, (meter, job), Err(Failure::new(Reason::NoRoute, "away"))).await;
    let on = NewOrder { kind: CommandKind::Reconnect, priority: 100, ..order("on", &[meter]) };
    place(&database, &on).await;
    assert!(lease(&database, owner).await.is_none(), "the disconnect comes first, and waits");
    database.sql("UPDATE job SET due_at = now() WHERE due_at < now() + interval '1 day'");
    let (_, job, first) = lease(&database, owner).await.unwrap();
    assert_eq!(first.kind, CommandKind::Disconnect);
    end(&database, owner, (meter, job), seen(Outcome::Disconnected)).await;
    assert_eq!(lease(&database, owner).await.unwrap().2.kind, CommandKind::Reconnect);
}

#[tokio::test]
async fn only_what_was_not_begun_can_be_taken_back() {
    let database = Database::new().await;
    let ids = place(&database, &order("k", &[database.meter("S1"), database.meter("S2")])).await;
    let entry = entry();
    let cancel = |id| database.store.cancel_command(id, "paid", &entry);
    lease(&database, Uuid::new_v4()).await.unwrap();
    let begun = database.sql("SELECT id FROM command WHERE state = 'sending'").parse().unwrap();
    let other = ids.into_iter().find(|id| *id != begun).unwrap();
    assert_eq!(cancel(begun).await.unwrap(), Cancelled::Begun);
    assert_eq!(cancel(other).await.unwrap(), Cancelled::Yes);
    assert_eq!(cancel(other).await.unwrap(), Cancelled::Yes, "again changes nothing");
    assert_eq!(cancel(4711).await.unwrap(), Cancelled::NotFound);
    let row = "SELECT c.state, c.detail, j.state FROM command c JOIN job j ON j.id = c.job_id WHERE c.state <> 'sending'";
    assert_eq!(database.sql(row), "cancelled|Taken back: paid|cancelled");
    assert!(lease(&database, Uuid::new_v4()).await.is_none(), "nobody gets it any more");
}

#[tokio::test]
async fn a_deadline_ends_what_was_not_begun_and_a_day_more_what_stays_in_doubt() {
    let database = Database::new().await;
    let owner = Uuid::new_v4();
    let meters = ["S1", "S2", "S3"].map(|serial| database.meter(serial));
    place(&database, &order("k", &meters)).await;
    let (meter, job, _) = lease(&database, owner).await.unwrap();
    let unread = Failure { in_doubt: true, ..Failure::new(Reason::LineCut, "cut") };
    end(&database, owner, (meter, job), Err(unread)).await;
    lease(&database, owner).await.unwrap();
    assert_eq!(database.store.expire_commands().await.unwrap(), 0);
    let age = |hours: u32| {
        database.sql(&format!(
            "UPDATE command SET not_before = now() - interval '{} h', deadline = now() - interval '{hours} h'",
            hours + 1
        ))
    };
    age(1);
    assert_eq!(database.store.expire_commands().await.unwrap(), 1);
    assert_eq!(database.sql("SELECT state FROM command ORDER BY state"), "sending\nunknown\nexpired");
    assert_eq!(database.sql("SELECT failure FROM command WHERE state = 'expired'"), "deadline_passed");
    age(25);
    assert_eq!(database.store.expire_commands().await.unwrap(), 1, "not the one that a collector works on");
    assert_eq!(
        database.sql("SELECT count(*) FROM command WHERE state = 'unknown' AND finished_at IS NOT NULL"),
        "1"
    );
    assert_eq!(database.sql("SELECT state FROM job ORDER BY state"), "running\ncancelled\ncancelled");
}

#[tokio::test]
async fn what_is_ordered_of_a_meter_that_is_retired_ends_and_says_so() {
    let database = Database::new().await;
    let (store, owner) = (&database.store, Uuid::new_v4());
    let retire = async |serial: &str| store.retire_meter(serial, &entry()).await.unwrap();
    let [begun, waiting] = ["S1", "S2"].map(|serial| database.meter(serial));
    place(&database, &order("k", &[begun])).await;
    let (meter, job, _) = lease(&database, owner).await.unwrap();
    place(&database, &order("l", &[waiting])).await;
    for serial in ["S1", "S2"] {
        assert!(retire(serial).await);
    }
    assert_eq!(store.expire_commands().await, Ok(1), "what a collector works on is left to end");
    let unread = Failure { in_doubt: true, ..Failure::new(Reason::Timeout, "It did not answer.") };
    end(&database, owner, (meter, job), Err(unread)).await;
    assert_eq!(store.expire_commands().await, Ok(0), "its work is not called off yet");
    assert_eq!(store.call_off_retired().await, Ok(1));
    assert_eq!(store.expire_commands().await, Ok(1));
    let rows = "SELECT state, failure, detail, finished_at IS NOT NULL FROM command ORDER BY id";
    let expected = [
        "unknown|cancelled|Something may have been sent, and what came of it was not read: The meter was retired before this was done.|t",
        "cancelled|cancelled|The meter was retired before this was done.|t",
    ];
    assert_eq!(database.sql(rows), expected.join("\n"));
}

#[tokio::test]
async fn the_arrows_of_the_database_are_those_of_the_program() {
    let database = Database::new().await;
    let allowed = database.sql(
        "SELECT a || ' ' || b FROM unnest(enum_range(NULL::command_state)) a, unnest(enum_range(NULL::command_state)) b
         WHERE command_may_become(a, b) ORDER BY 1",
    );
    let word = |state: CommandState| {
        let name = format!("{state:?}");
        let letters = name.char_indices().map(|(place, letter)| match letter {
            'A'..='Z' if place > 0 => format!("_{}", letter.to_lowercase()),
            _ => letter.to_lowercase().to_string(),
        });
        letters.collect::<String>()
    };
    let mut ours = Vec::new();
    for from in CommandState::ALL {
        let next = CommandState::ALL.into_iter().filter(|to| from.may_become(*to));
        ours.extend(next.map(|to| format!("{} {}", word(from), word(to))));
    }
    ours.sort();
    assert_eq!(allowed, ours.join("\n"));
    place(&database, &order("k", &[database.meter("S1")])).await;
    let forbidden = database
        .refused("UPDATE command SET state = 'confirmed', outcome = 'connected', finished_at = now()");
    assert!(forbidden.contains("is accepted and can not become confirmed"), "{forbidden}");
}

#[tokio::test]
async fn audit_and_lives_are_only_added_to() {
    let database = Database::new().await;
    place(&database, &order("k", &[database.meter("S1")])).await;
    for change in [
        "UPDATE audit SET principal = 'nobody'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "UPDATE command_change SET value = 'never mind'",
        "DELETE FROM command_change",
    ] {
        let refused = database.refused(change);
        assert!(refused.contains("are only added"), "{change}: {refused}");
    }
}

#[tokio::test]
async fn lives_are_followed_in_the_order_of_commits() {
    let database = Database::new().await;
    let start = database.store.last_change().await.unwrap();
    let (one, two) = (database.meter("S1"), database.meter("S2"));
    let first = place(&database, &order("a", &[one])).await[0];
    let second = place(&database, &order("b", &[two])).await[0];
    let all = ChangeFilter::default();
    let commands = |changes: &[Change]| changes.iter().map(|change| change.command).collect::<Vec<_>>();
    let changes = database.store.changes_after(start, &all, 10).await.unwrap();
    assert_eq!(commands(&changes), [first, second]);
    assert_eq!(database.store.changes_after(changes[1].id, &all, 10).await.unwrap(), []);
    let of_two = ChangeFilter { meters: Some(vec![two]), commands: None };
    assert_eq!(commands(&database.store.changes_after(start, &of_two, 10).await.unwrap()), [second]);
    let of_first = ChangeFilter { commands: Some(vec![first]), meters: None };
    let changes = database.store.changes_after(0, &of_first, 10).await.unwrap();
    assert_eq!(changes.iter().map(|change| change.state).collect::<Vec<_>>(), [CommandState::Accepted]);
}

/// A follower that looks all the time while many transactions write sees every entry: none appears behind its back.
#[tokio::test]
async fn a_follower_misses_nothing_while_others_write() {
    let database = Database::new().await;
    let meters: Vec<_> = (0..40).map(|n| database.meter(&format!("S{n}"))).collect();
    let orders: Vec<_> = meters.iter().map(|meter| order(&format!("k{meter}"), &[*meter])).collect();
    let entry = entry();
    let write =
        futures_util::future::join_all(orders.iter().map(|order| database.store.place_order(order, &entry)));
    let follow = async {
        let (mut seen, mut after) = (0, 0);
        while seen < meters.len() {
            let changes = database.store.changes_after(after, &ChangeFilter::default(), 100).await.unwrap();
            seen += changes.len();
            after = changes.last().map_or(after, |last| last.id);
        }
        seen
    };
    let (placed, seen) = tokio::time::timeout(MINUTE, async { tokio::join!(write, follow) }).await.unwrap();
    assert!(placed.iter().all(Result::is_ok));
    assert_eq!(seen, meters.len());
}
