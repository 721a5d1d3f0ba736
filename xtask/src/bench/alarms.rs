//! Goal: a storm of pushes over TCP and UDP reaches every subscriber, each once and soon, while the fleet is polled.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ami_proto::v1::SubscribeAlarmsRequest;
use ami_proto::v1::alarms_service_client::AlarmsServiceClient;
use anyhow::{Context, ensure};
use clap::Args;
use dlms::apdu::{DataNotification, LongInvokeId};
use dlms::{DateTime, wrapper};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, UdpSocket};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::fleet::{self, Set};
use super::machine;
use super::process::cpu_of_family;

/// Serial number of the first simulated meter.
const FIRST_SERIAL: u64 = 30_000_000;
/// What the first push of a meter says of its time; each further one is a second later.
const FIRST_SECOND: i64 = 1_774_872_000;
/// How long nothing may come before the rest counts as lost.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often the senders look at the clock.
const TICK: Duration = Duration::from_millis(2);
/// Connections that are open at once.
const CONNECTIONS: usize = 256;

/// What is pushed.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Pushes, half of them over TCP with a connection each, half over UDP
    #[arg(long, default_value_t = 100_000)]
    pushes: u32,
    /// Seconds over which they are spread; 0 sends them as fast as it goes
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Meters that push, and are polled meanwhile
    #[arg(long, default_value_t = 2_000)]
    meters: u32,
    /// Subscribers, each of which gets everything
    #[arg(long, default_value_t = 4)]
    subscribers: u32,
    /// How often the whole is repeated
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

/// What one round measured. Times in milliseconds, processor times in hundredths of a second.
struct Round {
    lost: u64,
    duplicated: u64,
    p50: u64,
    p99: u64,
    behind: u64,
    headend_cpu: u64,
    postgres_cpu: u64,
}

/// When each push was sent.
type Sent = Arc<Mutex<Vec<Option<Instant>>>>;

/// Runs the rounds and prints one table.
pub(super) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    fleet::build(root)?;
    println!(
        "bench alarms: {} pushes of {} meters in {} s to {} subscribers, {} rounds",
        arguments.pushes, arguments.meters, arguments.seconds, arguments.subscribers, arguments.rounds
    );
    println!("machine: {}", machine::describe());
    let runtime = Runtime::new()?;
    let rounds = (0..arguments.rounds).map(|number| round(root, number, arguments, &runtime));
    report(&rounds.collect::<anyhow::Result<Vec<_>>>()?)
}

fn round(root: &Path, number: u32, arguments: &Arguments, runtime: &Runtime) -> anyhow::Result<Round> {
    let to = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let listener = format!(
        "[roles]\nlistener = true\n[listener]\ntcp = \"{to}\"\nudp = \"{to}\"\nconnections_per_second = 1000000\nconnections_per_second_and_address = 1000000\n"
    );
    let meters = arguments.meters.to_string();
    let simulator = ["--count", &meters, "--days", "1", "--model", "generic-dlms", "--security", "none"];
    let mut set = Set::start(root, number, &simulator, (fleet::CONNECTIONS, &listener))?;
    set.amictl(&["meters", "import", "fleet.csv"])?;
    let before = (set.headend.cpu()?, cpu_of_family(set.postgres()?)?);
    let (sent, received) = runtime.block_on(storm(set.server().to_owned(), to, arguments))?;
    set.check()?;
    let after = (set.headend.cpu()?, cpu_of_family(set.postgres()?)?);
    let tally = set.psql("SELECT string_agg(fate || ' ' || pushes, ', ' ORDER BY fate) FROM push_tally")?;
    println!("round {}: {tally}", number + 1);
    set.stop()?;
    let round = judge(&sent, &received);
    Ok(Round { headend_cpu: after.0 - before.0, postgres_cpu: after.1 - before.1, ..round })
}

/// Pushes everything, and returns when each push was sent and when each subscriber got which.
async fn storm(
    server: String,
    to: SocketAddr,
    arguments: &Arguments,
) -> anyhow::Result<(Vec<Option<Instant>>, Vec<Vec<(usize, Instant)>>)> {
    let count = usize::try_from(arguments.pushes)?;
    let meters = u64::from(arguments.meters);
    let mut subscribers = JoinSet::new();
    for _ in 0..arguments.subscribers {
        let mut client = AlarmsServiceClient::connect(server.clone()).await?;
        let mut stream = client.subscribe_alarms(SubscribeAlarmsRequest::default()).await?.into_inner();
        // The first message only says that it has begun.
        stream.message().await?.context("the subscription ended")?;
        subscribers.spawn(async move {
            let mut received = Vec::with_capacity(count);
            while received.len() < count {
                let Ok(Ok(Some(message))) = timeout(PATIENCE, stream.message()).await else { break };
                let now = Instant::now();
                if message.alarms.is_empty() && !received.is_empty() {
                    break;
                }
                received.extend(message.alarms.iter().filter_map(|alarm| {
                    let meter = alarm.meter_serial.parse::<u64>().ok()?.checked_sub(FIRST_SERIAL)?;
                    let turn = u64::try_from(alarm.meter_time?.seconds - FIRST_SECOND).ok()?;
                    Some((usize::try_from(turn * meters + meter).ok()?, now))
                }));
            }
            received
        });
    }
    let sent: Sent = Arc::new(Mutex::new(vec![None; count]));
    let (tcp, udp) = tokio::join!(
        send_all(arguments, Over::Tcp(Arc::new(Semaphore::new(CONNECTIONS)), to), &sent),
        send_all(arguments, Over::Udp(Arc::new(UdpSocket::bind("127.0.0.1:0").await?), to), &sent),
    );
    tcp.and(udp)?;
    let received = subscribers.join_all().await;
    let sent = sent.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok((sent, received))
}

/// How pushes are sent.
enum Over {
    /// Each with a connection of its own, so many at once.
    Tcp(Arc<Semaphore>, SocketAddr),
    /// One after the other.
    Udp(Arc<UdpSocket>, SocketAddr),
}

/// Sends every second push, spread evenly over the time.
async fn send_all(arguments: &Arguments, over: Over, sent: &Sent) -> anyhow::Result<()> {
    let begun = Instant::now();
    let total = Duration::from_secs(arguments.seconds);
    let first = u32::from(matches!(over, Over::Udp(..)));
    let mut connections = JoinSet::new();
    for number in (first..arguments.pushes).step_by(2) {
        let due = begun + total * number / arguments.pushes;
        while Instant::now() < due {
            sleep(TICK).await;
        }
        let frame = frame(number, arguments.meters)?;
        match &over {
            Over::Udp(socket, to) => {
                note(sent, number);
                socket.send_to(&frame, to).await?;
            }
            Over::Tcp(turns, to) => {
                let (turn, sent, to) = (Arc::clone(turns).acquire_owned().await?, Arc::clone(sent), *to);
                connections.spawn(async move {
                    let mut stream = TcpStream::connect(to).await?;
                    note(&sent, number);
                    stream.write_all(&frame).await?;
                    stream.shutdown().await?;
                    drop(turn);
                    Ok::<_, std::io::Error>(())
                });
                while let Some(ended) = connections.try_join_next() {
                    ended??;
                }
            }
        }
    }
    connections.join_all().await.into_iter().collect::<Result<(), _>>()?;
    Ok(())
}

fn note(sent: &Sent, number: u32) {
    let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(place) = sent.get_mut(number as usize) {
        *place = Some(Instant::now());
    }
}

/// A last gasp: event 99 of the standard log, of the meter and with the time that the number says.
fn frame(number: u32, meters: u32) -> anyhow::Result<Vec<u8>> {
    let serial = (FIRST_SERIAL + u64::from(number % meters)).to_string();
    let time = DateTime::from_unix(FIRST_SECOND + i64::from(number / meters), Some(0), 0);
    let mut body = vec![2, 3, 9, u8::try_from(serial.len())?];
    body.extend_from_slice(serial.as_bytes());
    body.extend_from_slice(&[9, 6, 0, 0, 96, 11, 0, 255, 17, 99]);
    let (mut apdu, mut frame) = (Vec::new(), Vec::new());
    DataNotification { invoke: LongInvokeId::new(1), time: Some(time), body: &body }.encode(&mut apdu);
    wrapper::frame(1, 103, &apdu, &mut frame)?;
    Ok(frame)
}

/// What arrived, over all subscribers.
fn judge(sent: &[Option<Instant>], received: &[Vec<(usize, Instant)>]) -> Round {
    let (mut lost, mut duplicated, mut delays) = (0, 0, Vec::new());
    for all in received {
        let mut first: BTreeMap<usize, Instant> = BTreeMap::new();
        for (number, at) in all {
            if first.insert(*number, *at).is_some() {
                duplicated += 1;
            }
        }
        lost += sent.len().saturating_sub(first.len()) as u64;
        delays.extend(first.iter().filter_map(|(number, at)| Some(millis(*at, (*sent.get(*number)?)?))));
    }
    delays.sort_unstable();
    let part = |per_mille: usize| delays.get(delays.len() * per_mille / 1000).copied().unwrap_or_default();
    let last_sent = sent.iter().flatten().max();
    let last_received = received.iter().flatten().map(|(_, at)| at).max();
    let behind = last_sent.zip(last_received).map_or(0, |(sent, received)| millis(*received, *sent));
    Round { lost, duplicated, p50: part(500), p99: part(990), behind, headend_cpu: 0, postgres_cpu: 0 }
}

fn millis(later: Instant, earlier: Instant) -> u64 {
    u64::try_from(later.saturating_duration_since(earlier).as_millis()).unwrap_or(u64::MAX)
}

fn report(rounds: &[Round]) -> anyhow::Result<()> {
    ensure!(!rounds.is_empty(), "no round");
    let figure = |name: &str, unit: &str, of: &dyn Fn(&Round) -> u64| {
        let mut all: Vec<u64> = rounds.iter().map(of).collect();
        all.sort_unstable();
        println!("{name:44} {:>12} {unit}  ({} … {})", all[all.len() / 2], all[0], all[all.len() - 1]);
    };
    println!("median of {} rounds (least … most)", rounds.len());
    figure("lost, all subscribers together", "", &|round| round.lost);
    figure("duplicated, all subscribers together", "", &|round| round.duplicated);
    figure("from sent to subscriber, half of them", "ms", &|round| round.p50);
    figure("from sent to subscriber, 99 of 100", "ms", &|round| round.p99);
    figure("last one received after the last one sent", "ms", &|round| round.behind);
    figure("head-end CPU, polling included", "ms", &|round| round.headend_cpu * 10);
    figure("PostgreSQL CPU, polling included", "ms", &|round| round.postgres_cpu * 10);
    Ok(())
}
