//! Lets connections in: a handshake for each, beside the others, and a limit on everything.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::either::Either;
use tracing::{info, warn};

use super::certificate::Holder;
use super::tls::Tls;
use super::{Connection, Entrance, LOOPBACK};
use crate::api::access::{Caller, Principal};

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
            Some(_) = handshakes.join_next() => {}
            _ = look.tick() => if let Entrance::Tls(tls) = &mut entrance { tls.refresh() },
        }
    }
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
) {
    let address = stream.peer_addr().ok();
    let connection = match entrance {
        Entrance::Plaintext(role) => {
            let principal = Principal { name: LOOPBACK.into(), role };
            let caller = Caller::Known { principal, until: None };
            Ok(Connection { stream: Either::Left(stream), caller, _place: place })
        }
        Entrance::Tls(tls) => timeout(HANDSHAKE, greet(stream, place, &tls))
            .await
            .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no handshake in time"))),
    };
    match connection {
        // When nobody takes it any more the API has stopped.
        Ok(connection) => drop(connections.send(Ok(connection)).await),
        Err(error) => info!(?address, %error, "a connection is refused in the handshake"),
    }
}

/// The handshake; the certificate is one of our CA when it succeeds.
async fn greet(stream: TcpStream, place: OwnedSemaphorePermit, tls: &Tls) -> io::Result<Connection> {
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
    let caller = caller(holder, tls);
    if let Caller::Unknown { name, fingerprint } = &caller {
        let address = stream.get_ref().0.peer_addr().ok();
        warn!(name, fingerprint, ?address, "a client certificate names nobody in [api.principals]");
    }
    Ok(Connection { stream: Either::Right(Box::new(stream)), caller, _place: place })
}

/// Waits until a refused client has gone. It may have sent more than was read, and closing on that would discard the alert that
/// tells it why it is refused.
async fn see_off(mut stream: TcpStream) {
    // Nothing is lost when the client has gone already.
    let _ = stream.shutdown().await;
    let _ = tokio::io::copy(&mut stream.take(FAREWELL), &mut tokio::io::sink()).await;
}

fn caller(holder: Holder, tls: &Tls) -> Caller {
    let known = holder.name.as_ref().and_then(|name| tls.principals.get_key_value(name));
    match known {
        Some((name, role)) => {
            let principal = Principal { name: name.clone(), role: *role };
            Caller::Known { principal, until: Some(holder.until) }
        }
        None => Caller::Unknown { name: holder.name.unwrap_or_default(), fingerprint: holder.fingerprint },
    }
}
