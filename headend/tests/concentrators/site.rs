//! Simulated concentrators, and a head-end with their inventory.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ami_proto::v1::ImportMetersRequest;
use ami_proto::v1::inventory_service_client::InventoryServiceClient;
use jiff::tz::TimeZone;
use simulator::{
    Backend, ConcentratorConfig, Concentrators, FleetConfig, Security, inventory_of_concentrators,
};
use tokio::time::sleep;

use crate::program::Program;

pub(crate) const METERS: &str = "mt371";
const LIMIT: Duration = Duration::from_secs(180);

/// Concentrators, and the program with their inventory and these further sections. Their models answer sooner than real ones, as their power lines do.
pub(crate) async fn start(
    count: u32,
    config: ConcentratorConfig,
    sections: &str,
) -> (Concentrators, Program) {
    start_in(TimeZone::UTC, count, config, sections).await
}

/// The same in another zone.
pub(crate) async fn start_in(
    zone: TimeZone,
    count: u32,
    config: ConcentratorConfig,
    sections: &str,
) -> (Concentrators, Program) {
    let models = models::builtin().unwrap();
    let fleet = FleetConfig {
        count,
        security: Security::None,
        history_days: 6,
        zone,
        ..FleetConfig::new(models[METERS].clone())
    };
    let folder = put_model(&config);
    let concentrators = Concentrators::start(fleet, config).await.unwrap();
    let sections = format!(
        "[models]\ndir = {folder:?}\n[collector]\nresponse_timeout = \"1s\"\nline_retries = 0\n{sections}"
    );
    let program = Program::start(&sections).await;
    std::fs::remove_dir_all(folder).unwrap();
    let chunk = inventory_of_concentrators(&concentrators).into_bytes();
    let parts = tokio_stream::iter([ImportMetersRequest { chunk }]);
    let imported = InventoryServiceClient::new(program.channel.clone()).import_meters(parts).await.unwrap();
    assert_eq!(imported.into_inner().problems, []);
    (concentrators, program)
}

/// A folder with the model of the concentrators, which is there while the program starts.
pub(crate) fn put_model(config: &ConcentratorConfig) -> PathBuf {
    let base = match config.backend {
        Backend::Wrapper { .. } => "dlms-concentrator",
        Backend::Gateway { .. } => "dlms-gateway",
        Backend::Forward => "gdw376-terminal",
        Backend::P2lpc => "p2lpc",
    };
    let name = &config.model;
    let folder = std::env::temp_dir().join(format!("headend-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let model = format!("base = \"{base}\"\nname = \"{name}\"\n[concentrator]\nanswer_within = \"1s\"\n");
    std::fs::write(folder.join(format!("{name}.toml")), model).unwrap();
    folder
}

/// Concentrators of so many nodes each, with a fast power line.
pub(crate) fn config(backend: Backend, model: &str, nodes: u32) -> ConcentratorConfig {
    ConcentratorConfig {
        backend,
        model: model.to_owned(),
        nodes,
        accelerate: 5000,
        ..ConcentratorConfig::default()
    }
}

/// Waits until no job is due any more; who was out of reach is asked again at once, not after a while.
pub(crate) async fn settle(program: &Program) {
    let begun = Instant::now();
    while program.sql("UPDATE job SET due_at = now() WHERE state = 'due'; SELECT count(*) FROM job WHERE state IN ('due', 'running')") != "0" {
        assert!(begun.elapsed() < LIMIT, "{}", program.sql("SELECT state, reason, count(*), min(detail) FROM job GROUP BY 1, 2"));
        sleep(Duration::from_millis(500)).await;
    }
}

/// Waits until a question about the database has this answer.
pub(crate) async fn until(program: &Program, question: &str, answer: &str) {
    let begun = Instant::now();
    while program.sql(question) != answer {
        let found =
            || format!("{question}: {} instead of {answer}\n{}", program.sql(question), program.log());
        assert!(begun.elapsed() < LIMIT, "{}", found());
        sleep(Duration::from_millis(50)).await;
    }
}
