//! Lets connections in: a handshake for each, beside the others, and a limit on everything.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tracing::{info, warn};

use super::certificate::Holder;
use super::tls::Tls;
use super::{Connection, Entrance, LOOPBACK};
use crate::api::access::{Caller, Identity, Principal};

/// Connections that are open at once; more wait in the queue of the operating system.
const CONNECTIONS: usize = 1024;

/// Handshakes at once; each may take [`HANDSHAKE`].
const HANDSHAKES: usize = 128;

/// How long a client may take until it has shown its certificate.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Octets that a refused client may still send.
const FAREWELL: u64 = 1 << 20;

/// How often is looked for changed certificates.
const LOOK: Duration = Duration::from_secs(2);

/// Refused handshakes that are told one by one between two looks; the others are counted.
const TOLD: u32 = 8;

/// How long is waited when the operating system gives no connection, for example for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// Hands connections on until nobody takes them any more; the listener closes then.
pub(super) async fn run(
    listener: TcpListener,
    mut entrance: Entrance,
    connections: mpsc::Sender<io::Result<Connection>>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut handshakes = JoinSet::new();
    let mut look = interval(LOOK);
    let mut refused = 0;
    loop {
        tokio::select! {
            () = connections.closed() => return,
            accepted = accept(&listener, &room), if handshakes.len() < HANDSHAKES => match accepted {
                Ok((stream, place)) => {
                    handshakes.spawn(let_in(stream, place, entrance.clone(), connections.clone()));
                }
                Err(error) => {
                    warn!(%error, "no connection could be accepted");
                    sleep(PAUSE).await;
                }
            },
            Some(outcome) = handshakes.join_next() => if let Ok(Err(Refused { address, error })) = outcome {
                refused += 1;
                if refused <= TOLD {
                    info!(?address, %error, "a connection is refused in the handshake");
                }
            },
            _ = look.tick() => {
                if refused > TOLD {
                    info!(more = refused - TOLD, "more connections are refused in the handshake");
                }
                refused = 0;
                if let Entrance::Tls(tls) = &mut entrance {
                    tls.refresh();
                }
            }
        }
    }
}

/// Why a connection is not let in.
#[derive(Debug)]
struct Refused {
    address: Option<SocketAddr>,
    error: io::Error,
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    // Answers are small and awaited.
    stream.set_nodelay(true)?;
    Ok((stream, place))
}

/// Finds out who is there, and hands the connection on.
async fn let_in(
    stream: TcpStream,
    place: OwnedSemaphorePermit,
    entrance: Entrance,
    connections: mpsc::Sender<io::Result<Connection>>,
) -> Result<(), Refused> {
    let address = stream.peer_addr().ok();
    let (stream, identity) = match entrance {
        Entrance::Plaintext(role) => {
            let principal = Principal { name: LOOPBACK.into(), role };
            (Either::Left(stream), Identity::Known { principal, until: None })
        }
        Entrance::Tls(tls) => {
            let late = || io::Error::new(io::ErrorKind::TimedOut, "no handshake in time");
            let greeted = timeout(HANDSHAKE, greet(stream, &tls)).await.unwrap_or_else(|_| Err(late()));
            let (stream, identity) = greeted.map_err(|error| Refused { address, error })?;
            (Either::Right(Box::new(stream)), identity)
        }
    };
    let connection = Connection { stream, caller: Caller { address, identity }, _place: place };
    // When nobody takes it any more the API has stopped.
    drop(connections.send(Ok(connection)).await);
    Ok(())
}

/// The handshake; the certificate is one of our CA when it succeeds.
async fn greet(stream: TcpStream, tls: &Tls) -> io::Result<(TlsStream<TcpStream>, Identity)> {
    let accepted = TlsAcceptor::from(Arc::clone(&tls.config)).accept(stream).into_fallible().await;
    let stream = match accepted {
        Ok(stream) => stream,
        Err((error, stream)) => {
            see_off(stream).await;
            return Err(error);
        }
    };
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let holder = Holder::of(certificates.first().map(AsRef::as_ref).unwrap_or_default());
    Ok((stream, identity(holder, tls)))
}

/// Waits until a refused client has gone. It may have sent more than was read, and closing on that would discard the alert that
/// tells it why it is refused.
async fn see_off(mut stream: TcpStream) {
    // Nothing is lost when the client has gone already.
    let _ = stream.shutdown().await;
    let _ = tokio::io::copy(&mut stream.take(FAREWELL), &mut tokio::io::sink()).await;
}

fn identity(holder: Holder, tls: &Tls) -> Identity {
    match holder.name.as_ref().and_then(|name| tls.principals.get_key_value(name)) {
        Some((name, role)) => {
            let principal = Principal { name: name.clone(), role: *role };
            Identity::Known { principal, until: Some(holder.until) }
        }
        None => Identity::Unknown { name: holder.name.unwrap_or_default(), fingerprint: holder.fingerprint },
    }
}
