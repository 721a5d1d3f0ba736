use std::{io, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::{net::TcpStream, time::timeout};

use super::LineError;

/// Silence after which the other end is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Time between such questions.
const KEEP_ALIVE_PAUSE: Duration = Duration::from_secs(10);
/// How long the other end may leave questions, and octets that were sent, without an acknowledgement before the connection counts as broken:
/// a carrier that forgot it, or a modem that was switched off, says nothing of it.
const DEAD_AFTER: Duration = Duration::from_secs(60);

/// Connects to `host:port`, name look-up included in the time.
pub(super) async fn connect(address: &str, limit: Duration) -> Result<TcpStream, LineError> {
    let connected = timeout(limit, TcpStream::connect(address)).await;
    let socket = match connected {
        Err(_) => return Err(LineError::NoRoute(format!("no TCP connection within {limit:?}"))),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => return Err(LineError::Refused),
        Ok(Err(error)) => return Err(LineError::NoRoute(error.to_string())),
        Ok(Ok(socket)) => socket,
    };
    // Requests are single small segments: waiting to fill one only delays them.
    socket.set_nodelay(true).map_err(|_| LineError::Cut)?;
    watch(&socket).map_err(|_| LineError::Cut)?;
    Ok(socket)
}

/// Has the operating system find out when the other end is gone without a word.
fn watch(socket: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE_PAUSE))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(DEAD_AFTER))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_connection_is_watched_by_the_operating_system() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let socket = connect(&address, Duration::from_secs(10)).await.unwrap();
        let socket = SockRef::from(&socket);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEP_ALIVE);
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(DEAD_AFTER));
    }
}
