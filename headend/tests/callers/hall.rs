//! A running head-end that meters call, and those who call it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use heartbeat::{Dialect, Kind};
use simulator::{CallConfig, Fleet, FleetConfig, Framing, Security};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::program::{Program, free_port};

const LIMIT: Duration = Duration::from_secs(60);

/// A head-end with listener and collector, but without a planner.
pub(crate) struct Hall {
    pub(crate) program: Program,
    pub(crate) tcp: SocketAddr,
}

impl Hall {
    pub(crate) async fn new() -> Self {
        Self::with("").await
    }

    /// With further keys of `[listener]`.
    pub(crate) async fn with(listener: &str) -> Self {
        let tcp = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let sections = format!(
            "[roles]\nplanner = false\nlistener = true\n\
             [collector]\nlease = \"5s\"\nlinger = \"1s\"\nresponse_timeout = \"2s\"\nconnect_timeout = \"3s\"\n\
             [listener]\ntcp = \"{tcp}\"\nudp = \"{tcp}\"\n{listener}\n",
        );
        Self { program: Program::start(&sections).await, tcp }
    }

    /// Has a meter of the fleet called instead of dialled.
    pub(crate) async fn register(&self, fleet: &Fleet, number: usize, address: &str) -> String {
        let serial = self.program.register(fleet, number).await;
        self.program.sql(&format!("UPDATE meter SET address = '{address}' WHERE serial = '{serial}'"));
        serial
    }

    pub(crate) fn sql(&self, text: &str) -> String {
        self.program.sql(text)
    }

    /// Waits until a question about the database has this answer.
    pub(crate) async fn until(&self, question: &str, answer: &str) {
        let begun = Instant::now();
        while self.sql(question) != answer {
            let found =
                || format!("{question}: {} instead of {answer}\n{}", self.sql(question), self.program.log());
            assert!(begun.elapsed() < LIMIT, "{}", found());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Orders a read of the clock, and returns the number of the job.
    pub(crate) fn order(&self, serial: &str) -> String {
        self.sql(&format!(
            "INSERT INTO job (meter_id, kind, priority, due_at) SELECT id, 'read_clock', 0, now() FROM meter \
             WHERE serial = '{serial}' RETURNING id"
        ))
    }

    /// Waits until a job has this end, attempts included.
    pub(crate) async fn ends(&self, job: &str, end: &str) {
        let question =
            format!("SELECT state, coalesce(reason::text, ''), attempts FROM job WHERE id = {job}");
        self.until(&question, end).await;
    }

    /// Opens a connection from an address of the loopback network.
    pub(crate) async fn connect(&self, from: [u8; 4]) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((IpAddr::from(from), 0).into()).unwrap();
        socket.connect(self.tcp).await.unwrap()
    }

    /// The same, and says who calls.
    pub(crate) async fn login(&self, from: [u8; 4], id: &str) -> TcpStream {
        let mut stream = self.connect(from).await;
        say(&mut stream, Kind::Login, id).await;
        stream
    }

    pub(crate) fn calls(&self, dialect: Dialect) -> CallConfig {
        CallConfig { to: self.tcp, dialect: Some(dialect), heartbeat: Duration::from_millis(200), from: None }
    }
}

/// Says who calls, and takes the answer in.
pub(crate) async fn say(stream: &mut TcpStream, kind: Kind, id: &str) {
    let mut frame = Vec::new();
    heartbeat::write(Dialect::Login, kind, id, &mut frame).unwrap();
    stream.write_all(&frame).await.unwrap();
    let mut answer = vec![0; frame.len()];
    soon(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer[8], if kind == Kind::Login { 0xAA } else { 0xCC });
}

/// Whether the peer closes the connection without another word.
pub(crate) async fn is_closed(stream: &mut TcpStream) -> bool {
    matches!(soon(stream.read(&mut [0; 64])).await, Ok(0) | Err(_))
}

pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("in time")
}

/// Some meters.
pub(crate) async fn fleet(security: Security, framing: Framing) -> Fleet {
    let model = Arc::clone(&models::builtin().unwrap()["sed302"]);
    let config = FleetConfig { count: 3, security, framing, history_days: 1, ..FleetConfig::new(model) };
    Fleet::start(config).await.unwrap()
}
