//! The way to the server.

use std::time::Duration;

use tonic::{
    Request,
    transport::{Channel, Endpoint},
};

use crate::error::Error;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Opens the connection to `server`.
pub(crate) async fn open(server: &str) -> Result<Channel, Error> {
    let wrong =
        |why: String| Error::Usage(format!("--server {server}: {why}; write it like http://127.0.0.1:50051"));
    if !server.starts_with("http://") {
        return Err(wrong("only http:// is spoken".into()));
    }
    let endpoint = Endpoint::from_shared(server.to_owned()).map_err(|error| wrong(error.to_string()))?;
    let endpoint =
        endpoint.connect_timeout(CONNECT_TIMEOUT).http2_keep_alive_interval(Duration::from_secs(20));
    endpoint.connect().await.map_err(|_| {
        Error::Unreachable(format!(
            "no head-end answers at {server}: start it with 'headend serve', or name another one with --server"
        ))
    })
}

/// A request that waits for its answer one minute at most.
pub(crate) fn request<T>(message: T) -> Request<T> {
    request_within(message, CALL_TIMEOUT)
}

/// A request that waits for its answer as long as said.
pub(crate) fn request_within<T>(message: T, timeout: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(timeout);
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wrong_address_and_a_silent_one_are_told_apart() {
        assert_eq!(open("127.0.0.1:50051").await.unwrap_err().exit_code(), 2);
        assert_eq!(open("http://").await.unwrap_err().exit_code(), 2);
        // Port 1 (tcpmux) has no listener on any machine that runs tests.
        assert_eq!(open("http://127.0.0.1:1").await.unwrap_err().exit_code(), 3);
    }
}
