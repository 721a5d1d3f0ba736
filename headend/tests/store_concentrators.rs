//! What concentrators name: found, lost, back again, and known to the inventory or not.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod common;
mod template;

use collectors::{Event, Node, Report};
use common::{Database, done};
use headend::store::concentrators::NodeFilter;
use uuid::Uuid;

fn node(name: &str, is_linked: bool) -> Node {
    Node { name: name.into(), identity: None, is_linked, phase: Some(2), level: Some(1) }
}

/// A concentrator with one meter behind it, node 1.
fn concentrator(database: &Database) -> i32 {
    let concentrator = database.sql(
        "INSERT INTO meter (serial, model, address, line, server_sap, client_sap, zone, security) VALUES
             ('C0000001', 'dlms-concentrator', '10.1.1.1:4059', 'concentrator://C0000001', 1, 16, 'UTC', 'none') RETURNING id",
    );
    database.sql(
        "INSERT INTO meter (serial, model, address, server_sap, client_sap, zone, security)
         VALUES ('N1', 'generic-dlms', 'concentrator://C0000001/1', 1, 16, 'UTC', 'none')",
    );
    concentrator.lines().next().unwrap().parse().unwrap()
}

async fn listed(database: &Database, concentrator: i32, nodes: Vec<Node>) {
    let job = database.sql(&format!(
        "INSERT INTO job (meter_id, kind, priority) VALUES ({concentrator}, 'list_nodes', 10) RETURNING id"
    ));
    let job = job.lines().next().unwrap().parse().unwrap();
    let report = Report { job, meter: concentrator, event: Event::Nodes(nodes) };
    database.store.write(Uuid::new_v4(), &[report, done(concentrator, job, None)]).await.unwrap();
}

async fn shown(
    database: &Database,
    concentrator: i32,
    filter: NodeFilter,
) -> Vec<(String, Option<String>, bool)> {
    let nodes = database.store.nodes(concentrator, filter).await.unwrap();
    nodes.into_iter().map(|node| (node.node, node.serial, node.linked)).collect()
}

/// MT-02: a node that nobody has put into the inventory is in quarantine; one that is lost stays.
#[tokio::test]
async fn mt_02_nodes_are_found_lost_and_back_and_unknown_ones_are_in_quarantine() {
    let database = Database::new().await;
    let concentrator = concentrator(&database);
    let all = NodeFilter::default();
    let of = |name: &str, serial: Option<&str>, linked| (name.to_owned(), serial.map(str::to_owned), linked);
    listed(&database, concentrator, vec![node("1", true), node("20", true), node("3", false)]).await;
    assert_eq!(
        shown(&database, concentrator, all).await,
        [of("1", Some("N1"), true), of("3", None, false), of("20", None, true)]
    );
    listed(&database, concentrator, vec![node("20", true), node("3", true)]).await;
    assert_eq!(
        shown(&database, concentrator, all).await,
        [of("1", Some("N1"), false), of("3", None, true), of("20", None, true)]
    );
    let unknown = NodeFilter { unknown: true, ..all };
    assert_eq!(shown(&database, concentrator, unknown).await, [of("3", None, true), of("20", None, true)]);
    let lost = NodeFilter { lost: true, ..all };
    assert_eq!(shown(&database, concentrator, lost).await, [of("1", Some("N1"), false)]);
    let seen = "SELECT count(*) FILTER (WHERE last_seen IS NULL) || ' ' || count(*) FILTER (WHERE changed_at > first_seen)
                FROM concentrator_node";
    assert_eq!(database.sql(seen), "0 2");
}

/// An empty list is no reason to forget.
#[tokio::test]
async fn a_concentrator_that_names_none_has_lost_all() {
    let database = Database::new().await;
    let concentrator = concentrator(&database);
    listed(&database, concentrator, vec![node("1", true)]).await;
    listed(&database, concentrator, Vec::new()).await;
    let found = shown(&database, concentrator, NodeFilter::default()).await;
    assert_eq!(found, [("1".to_owned(), Some("N1".to_owned()), false)]);
}
