//! Goal: a disconnect is verified soon after it was ordered, also while the fleet is polled as fast as the machine can.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ami_proto::v1::commands_service_client::CommandsServiceClient;
use ami_proto::v1::switch_service_client::SwitchServiceClient;
use ami_proto::v1::{CommandState, DisconnectRequest, OrderTerms, ReconnectRequest, WatchCommandsRequest};
use anyhow::{Context, ensure};
use clap::Args;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::transport::Channel;

use super::fleet::{self, Set};
use super::machine;

/// The longest wait for the end of one command.
const PATIENCE: Duration = Duration::from_secs(60);
/// Commits that are measured beside the commands of a phase.
const COMMITS: usize = 2_000;

/// What is switched.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Commands of each phase
    #[arg(long, default_value_t = 1_000)]
    commands: u32,
    /// Meters that are switched, each by a caller of its own
    #[arg(long, default_value_t = 10)]
    callers: u32,
    /// Meters that are polled meanwhile, in the loaded phase
    #[arg(long, default_value_t = 1_500)]
    polled: u32,
    /// Days of history that each of them has
    #[arg(long, default_value_t = 100)]
    days: u32,
    /// How often the whole is repeated
    #[arg(long, default_value_t = 1)]
    rounds: u32,
}

/// Durations in microseconds, ascending.
struct Spread(Vec<u64>);

impl Spread {
    fn of(mut all: Vec<u64>) -> Self {
        all.sort_unstable();
        Self(all)
    }

    /// The duration that so many of a thousand do not exceed.
    fn permille(&self, permille: usize) -> u64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get((self.0.len() * permille / 1000).min(last)).copied().unwrap_or(0)
    }
}

/// What one phase measured.
struct Phase {
    /// From the call to the state that was read back, as a follower is told.
    verified: Spread,
    /// From the call to its answer: the order is durable.
    accepted: Spread,
    /// One row written and committed by `psql` on the same server at the same time.
    commit: Spread,
}

/// Runs the rounds and prints what each phase measured.
pub(super) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    fleet::build(root)?;
    println!(
        "bench switch: {} commands a phase by {} callers, idle and with {} meters of {} days being read",
        arguments.commands, arguments.callers, arguments.polled, arguments.days
    );
    println!("machine: {}", machine::describe());
    let runtime = Runtime::new()?;
    for number in 0..arguments.rounds {
        round(root, number, arguments, &runtime)?;
    }
    Ok(())
}

fn round(root: &Path, number: u32, arguments: &Arguments, runtime: &Runtime) -> anyhow::Result<()> {
    let (count, days) = ((arguments.callers + arguments.polled).to_string(), arguments.days.to_string());
    let simulator = ["--count", &count, "--days", &days, "--model", "generic-dlms", "--security", "gmac"];
    let mut set = Set::start(root, number, &simulator, (fleet::CONNECTIONS, ""))?;
    set.psql("CREATE TABLE bench_commit (at timestamptz)")?;
    let serials = split_inventory(&set, arguments.callers)?;
    set.amictl(&["meters", "import", "switched.csv"])?;
    set.amictl(&["jobs", "summary", "--wait", "--timeout", "5m"])?;
    let idle = phase(&set, &serials, arguments, runtime)?;
    set.amictl(&["meters", "import", "polled.csv"])?;
    let loaded = phase(&set, &serials, arguments, runtime)?;
    let open = set.psql("SELECT count(*) FROM job WHERE state IN ('due', 'running')")?;
    set.check()?;
    set.stop()?;
    println!("round {}: {open} reads were still open when the loaded phase ended", number + 1);
    ensure!(open != "0", "the polling ended before the switching: ask for more meters or days");
    report(&idle, &loaded);
    Ok(())
}

/// Cuts the inventory into the meters that are switched and those that are polled; returns the serial numbers of the first.
fn split_inventory(set: &Set, switched: u32) -> anyhow::Result<Vec<String>> {
    let inventory = fs::read_to_string(set.folder().join("fleet.csv"))?;
    let mut lines = inventory.lines();
    let header = lines.next().context("an empty inventory")?;
    let rows: Vec<&str> = lines.collect();
    let (first, rest) = rows.split_at((switched as usize).min(rows.len()));
    for (name, rows) in [("switched.csv", first), ("polled.csv", rest)] {
        fs::write(set.folder().join(name), format!("{header}\n{}\n", rows.join("\n")))?;
    }
    Ok(first.iter().filter_map(|row| row.split(',').next()).map(str::to_owned).collect())
}

fn phase(set: &Set, serials: &[String], arguments: &Arguments, runtime: &Runtime) -> anyhow::Result<Phase> {
    let commits = measure_commits(set)?;
    let each = arguments.commands / arguments.callers.max(1);
    let times = runtime.block_on(switch_all(set.server().to_owned(), serials.to_vec(), each))?;
    let commit = commits.join().map_err(|_| anyhow::anyhow!("psql could not be read"))??;
    let (accepted, verified) = times.into_iter().unzip();
    Ok(Phase { verified: Spread::of(verified), accepted: Spread::of(accepted), commit: Spread::of(commit) })
}

/// Commits rows one by one, in a process of its own; gives how long each took.
fn measure_commits(set: &Set) -> anyhow::Result<JoinHandle<anyhow::Result<Vec<u64>>>> {
    let statements = "INSERT INTO bench_commit VALUES (now());\n".repeat(COMMITS);
    fs::write(set.folder().join("commits.sql"), format!("\\timing on\n{statements}"))?;
    let mut psql = set.psql_command("\\i commits.sql")?;
    psql.stdout(Stdio::piped());
    let child = psql.spawn()?;
    Ok(std::thread::spawn(move || {
        let output = child.wait_with_output()?;
        let text = String::from_utf8(output.stdout)?;
        let times = text.lines().filter_map(|line| line.strip_prefix("Time: ")?.split(' ').next());
        // Milliseconds with three digits after the point.
        times.map(|time| Ok(time.replace('.', "").parse()?)).collect()
    }))
}

/// Every caller switches a meter of its own to and fro; gives for each command, in microseconds, when it was accepted and when verified.
async fn switch_all(server: String, serials: Vec<String>, each: u32) -> anyhow::Result<Vec<(u64, u64)>> {
    let channel = Channel::from_shared(server)?.connect().await?;
    let mut callers = JoinSet::new();
    for serial in serials {
        callers.spawn(switch_one(channel.clone(), serial, each));
    }
    let mut times = Vec::new();
    while let Some(caller) = callers.join_next().await {
        times.extend(caller??);
    }
    Ok(times)
}

/// Follows its meter, orders the opposite of what was before, and waits for the end of each command.
async fn switch_one(channel: Channel, serial: String, each: u32) -> anyhow::Result<Vec<(u64, u64)>> {
    let follow = WatchCommandsRequest { meter_serials: vec![serial.clone()], ..Default::default() };
    let mut lives = CommandsServiceClient::new(channel.clone()).watch_commands(follow).await?.into_inner();
    let mut client = SwitchServiceClient::new(channel);
    let mut times = Vec::with_capacity(each as usize);
    for number in 0..each {
        let key = format!("{serial}-{number}-{:?}", Instant::now()).replace(' ', "");
        let terms = Some(OrderTerms { idempotency_key: key, reason: "bench".into(), ..Default::default() });
        let meter_serials = vec![serial.clone()];
        let begun = Instant::now();
        let commands = if number.is_multiple_of(2) {
            client.disconnect(DisconnectRequest { meter_serials, terms }).await?.into_inner().commands
        } else {
            client
                .reconnect(ReconnectRequest { meter_serials, terms, force: false })
                .await?
                .into_inner()
                .commands
        };
        let accepted = begun.elapsed();
        let id = commands.first().context("no command")?.id;
        let ended = loop {
            let message = timeout(PATIENCE, lives.message()).await??.context("the watch ended")?;
            let ours = message.commands.into_iter().find(|command| command.id == id);
            if let Some(command) = ours.filter(|command| command.finished_at.is_some()) {
                break command;
            }
        };
        let verified = begun.elapsed();
        ensure!(ended.state() == CommandState::Confirmed, "{ended:?}");
        times.push((micros(accepted), micros(verified)));
    }
    Ok(times)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn report(idle: &Phase, loaded: &Phase) {
    let line = |name: &str, idle: &Spread, loaded: &Spread| {
        let three = |spread: &Spread| [500, 990, 999].map(|permille| spread.permille(permille));
        let ([i50, i99, i999], [l50, l99, l999]) = (three(idle), three(loaded));
        println!("{name:40} {i50:>9} {i99:>9} {i999:>9}   {l50:>9} {l99:>9} {l999:>9}");
    };
    println!(
        "microseconds                                  idle: p50       p99     p99.9   loaded: p50       p99     p99.9"
    );
    line("call to verified state", &idle.verified, &loaded.verified);
    line("call to answer (order durable)", &idle.accepted, &loaded.accepted);
    line("a single commit", &idle.commit, &loaded.commit);
    let ratio = |above: u64, below: u64| above * 100 / below.max(1);
    let (verified, commit) = (loaded.verified.permille(990), loaded.commit.permille(990));
    println!("p99 verified to p99 of a commit, loaded: {} /100", ratio(verified, commit));
    println!("p99 verified, loaded to idle: {} /100", ratio(verified, idle.verified.permille(990)));
}
