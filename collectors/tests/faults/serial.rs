//! X-13 on lines that only a real socket or device makes: gateways of RFC 2217, and optical heads. Time is real here, so limits are short, and all
//! tries go on at the same time.

use simulator::Terminal;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use collectors::Failure;

use super::*;

/// How often each fault is tried.
const TRIES: u64 = 3;
/// "Interpret as command" of Telnet, and the commands and options that matter (RFC 854, RFC 2217).
const IAC: u8 = 255;
const SB: u8 = 250;
const SE: u8 = 240;
const DO: u8 = 253;
const COM_PORT: u8 = 44;
/// What a meter says when it is woken up at an optical head: mode E at 9600 bit/s (IEC 62056-21, annex E).
const IDENTIFICATION: &[u8] = b"/ABC5\\2METER\r\n";
/// That it goes on in binary mode at this speed.
const AGREED: &[u8] = b"\x06252\r\n";

fn hasty() -> Limits {
    Limits {
        response_timeout: Duration::from_millis(800),
        retry_pause: Duration::from_millis(10),
        linger: Duration::from_millis(10),
        line_retries: 4,
        ..Limits::default()
    }
}

/// The faults, with delays that are worth waiting for.
fn swift_faults() -> Vec<(&'static str, Faults)> {
    let swift = |faults: Faults| Faults { delay_max: Duration::from_millis(300), ..faults };
    all_faults().into_iter().map(|(name, faults)| (name, swift(faults))).collect()
}

/// What came of reading a meter once: whether it was read to its end, and how often a fault struck.
async fn read_once(
    open: impl Future<Output = String>,
    meter: Arc<Mutex<Meter>>,
    (name, faults): (&'static str, Faults),
) -> (&'static str, Result<(), Failure>, u64) {
    let station = Arc::new(Station {
        address: open.await.parse().unwrap(),
        device_address: Some(FIRST_DEVICE.into()),
        ..common::station(Level::None)
    });
    let works = work(1, &station, Task::ReadProfile(whole_day()));
    let dialer = Dialer::System(Lobby::default());
    let (reports, instruments) = collect(dialer, faults, hasty(), works).await;
    let (captures, all) = (captured(&reports), expected(&meter));
    assert_eq!(captures, all[..captures.len()], "{} with {name}: a value is wrong", station.address);
    let end = ended(&reports, 1);
    match &end {
        Ok(_) => assert_eq!(captures.len(), all.len(), "{name}: what is missing was not told"),
        Err(failure) => assert!(!failure.detail.is_empty(), "{name}: {failure:?}"),
    }
    (name, end.map(drop), struck(&instruments, name))
}

/// Of each fault: it struck, and where it does no harm, or can be repaired, meters were read.
fn assert_all(of: &str, all: &[(&'static str, Result<(), Failure>, u64)]) {
    for (name, _) in all_faults() {
        let tries: Vec<_> = all.iter().filter(|(fault, ..)| *fault == name).collect();
        assert!(
            tries.iter().map(|(.., struck)| struck).sum::<u64>() > 0,
            "{of} with {name}: nothing went wrong"
        );
        let failures: Vec<_> = tries.iter().filter_map(|(_, end, _)| end.as_ref().err()).collect();
        let is_harmless = ["split", "merge", "duplication"].contains(&name);
        let least = if is_harmless { tries.len() } else { 1 };
        assert!(failures.len() + least <= tries.len(), "{of} with {name}: {failures:?}");
    }
}

/// A gateway of RFC 2217 before a bus: each connection is one line. It grants whatever is ordered of its port.
async fn gateway(listener: TcpListener, lines: mpsc::Sender<DuplexStream>) {
    while let Ok((socket, _)) = listener.accept().await {
        let (line, theirs) = duplex(64 * 1024);
        if lines.send(theirs).await.is_err() {
            return;
        }
        let _ = carry(socket, line).await;
    }
}

async fn carry(mut socket: TcpStream, mut line: DuplexStream) -> std::io::Result<()> {
    socket.write_all(&[IAC, DO, COM_PORT]).await?;
    let (mut telnet, mut from_line, mut received) = ([0; 512], [0; 512], Vec::new());
    loop {
        tokio::select! {
            got = socket.read(&mut telnet) => match got? {
                0 => return Ok(()),
                got => received.extend_from_slice(&telnet[..got]),
            },
            got = line.read(&mut from_line) => match got? {
                0 => return Ok(()),
                got => {
                    let escaped = from_line[..got].iter().flat_map(|octet| [*octet; 2].into_iter().take(1 + usize::from(*octet == IAC)));
                    socket.write_all(&escaped.collect::<Vec<u8>>()).await?;
                }
            },
        }
        let (octets, answers) = understood(&mut received);
        line.write_all(&octets).await?;
        socket.write_all(&answers).await?;
    }
}

/// Takes what is whole: the octets for the line, and what is said to orders.
fn understood(received: &mut Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    let (mut octets, mut answers) = (Vec::new(), Vec::new());
    loop {
        let used = match received[..] {
            [IAC, IAC, ..] => {
                octets.push(IAC);
                2
            }
            [IAC, SB, ..] => match received.windows(2).position(|pair| pair == [IAC, SE]) {
                Some(end) => {
                    // What was ordered is confirmed by the same with a number that is 100 higher.
                    let confirmed = answers.len() + 3;
                    answers.extend_from_slice(&received[..end + 2]);
                    answers[confirmed] += 100;
                    end + 2
                }
                None => return (octets, answers),
            },
            [IAC, _, _, ..] => 3,
            [IAC, ..] | [] => return (octets, answers),
            [octet, ..] => {
                octets.push(octet);
                1
            }
        };
        received.drain(..used);
    }
}

/// serial ports behind gateways of RFC 2217.
#[tokio::test]
async fn x_13_rfc2217_with_every_fault() {
    let mut tries = JoinSet::new();
    for (name, faults) in swift_faults() {
        for seed in 1..=TRIES {
            let meter = Meter::new(Level::None).share();
            let (to_bus, lines) = mpsc::channel(1);
            tokio::spawn(Bus::new(vec![Arc::clone(&meter)]).play(lines));
            let open = async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let place = listener.local_addr().unwrap();
                tokio::spawn(gateway(listener, to_bus));
                format!("rfc2217://{place}?baud=115200&parity=none")
            };
            tries.spawn(read_once(open, meter, (name, Faults { seed, ..faults })));
        }
    }
    assert_all("rfc2217", &tries.join_all().await);
}

/// A meter with an optical port: woken up in mode E, then a station that speaks HDLC; woken up again when somebody knocks anew.
async fn optical(mut terminal: Terminal, lines: mpsc::Sender<DuplexStream>) {
    let mut line: Option<DuplexStream> = None;
    let (mut heard, mut said) = ([0; 512], [0; 512]);
    loop {
        let from_line = async {
            match &mut line {
                Some(line) => line.read(&mut said).await.unwrap_or(0),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            got = terminal.read(&mut heard) => {
                let Ok(got @ 1..) = got else { return };
                let octets = &heard[..got];
                if octets.starts_with(b"/?") {
                    line = None;
                    terminal.write_all(IDENTIFICATION).await.unwrap();
                } else if octets.starts_with(AGREED) {
                    let (ours, theirs) = duplex(64 * 1024);
                    terminal.write_all(AGREED).await.unwrap();
                    lines.send(theirs).await.unwrap();
                    line = Some(ours);
                } else if let Some(line) = &mut line {
                    line.write_all(octets).await.unwrap();
                }
            }
            got = from_line => terminal.write_all(&said[..got]).await.unwrap(),
        }
    }
}

/// optical heads, of meters that go on with HDLC.
#[tokio::test]
async fn x_13_optical_heads_with_every_fault() {
    let mut tries = JoinSet::new();
    for (name, faults) in swift_faults() {
        for seed in 1..=TRIES {
            let meter = Meter::new(Level::None).share();
            let (to_bus, lines) = mpsc::channel(1);
            tokio::spawn(Bus::new(vec![Arc::clone(&meter)]).play(lines));
            let open = async {
                let terminal = Terminal::open().unwrap();
                let device = terminal.device().to_owned();
                tokio::spawn(optical(terminal, to_bus));
                format!("optical://{device}?baud=300")
            };
            tries.spawn(read_once(open, meter, (name, Faults { seed, ..faults })));
        }
    }
    assert_all("optical", &tries.join_all().await);
}
