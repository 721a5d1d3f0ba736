use std::{io, time::Duration};

use tokio::{net::TcpStream, time::timeout};

use super::LineError;

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
    Ok(socket)
}
