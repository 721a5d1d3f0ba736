//! Connections that are opened to us: who may, and how many.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::connection::Connection;
use super::intake::Intake;
use super::pace::Pace;
use super::sources::Connected;

/// How long nothing is accepted when the system has no more to give, file descriptors for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long what was sent may stay without any sign of the other side before the connection counts as broken.
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);
/// How often the other side is asked whether it is there while nothing is sent: less than most gateways keep a silent connection.
const KEEP_ALIVE: Duration = Duration::from_secs(120);

/// Accepts connections until `stop`, and then waits until all have ended.
pub(crate) async fn listen(listener: TcpListener, intake: Arc<Intake>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    let mut pace = Pace::new(intake.config.connections_per_second, Instant::now());
    // Said once, however long it lasts.
    let mut exhausted = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    exhausted = false;
                    match admit(&intake, &mut pace, peer, connections.len()) {
                        Some(connected) => {
                            watch(&stream, peer);
                            let connection = Connection::new(stream, peer, connected, Arc::clone(&intake));
                            connections.spawn(connection.serve(stop.clone()));
                        }
                        None => debug!(%peer, "connection refused: there are too many"),
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut exhausted, true) {
                        warn!(%error, "connections can not be accepted for the time being");
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

fn admit(intake: &Intake, pace: &mut Pace, peer: SocketAddr, open: usize) -> Option<Connected> {
    if open >= intake.config.max_connections {
        return None;
    }
    // One address that asks too often does not use up what the others have.
    let connected = intake.sources.of(peer.ip()).connect()?;
    pace.admit(Instant::now()).then_some(connected)
}

/// Has the system notice a peer that is gone without a word.
fn watch(stream: &TcpStream, peer: SocketAddr) {
    let millis = u32::try_from(UNACKNOWLEDGED.as_millis()).unwrap_or(u32::MAX);
    let watched = stream
        .set_nodelay(true)
        .and_then(|()| Ok(sockopt::set_socket_keepalive(stream, true)?))
        .and_then(|()| Ok(sockopt::set_tcp_keepidle(stream, KEEP_ALIVE)?))
        .and_then(|()| Ok(sockopt::set_tcp_user_timeout(stream, millis)?));
    if let Err(error) = watched {
        debug!(%peer, %error, "whether it is still there will only be told by its heartbeats");
    }
}
