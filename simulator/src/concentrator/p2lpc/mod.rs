//! The web service of a P2LPC: what the concentrator has read of its meters by itself, and a way through to them.
//!
//! The concentrator reads all of its meters in rounds. What it holds of one ends with the last round in which the meter was on the power line, and is
//! whole up to there: what it missed meanwhile, it reads when the meter is back. `stored.rs` is what it holds, `files.rs` the same as result files, one
//! of each round, `operations.rs` what is asked of it; here is HTTP around them.

mod files;
mod operations;
mod stored;

use std::convert::Infallible;
use std::io;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request as HttpRequest, Response as HttpResponse, StatusCode, header};
use hyper_util::rt::TokioIo;
use p2lpc::{Fault, Request};

use super::Stream;
use super::site::Site;

pub(super) use files::write_results;

/// Longest request, in octets.
const REQUEST_LIMIT: usize = 64 * 1024;

/// Serves one connection until the client closes it.
pub(super) async fn serve(stream: impl Stream + 'static, site: &Site) -> io::Result<()> {
    let service = service_fn(|request| respond(request, site));
    hyper::server::conn::http1::Builder::new()
        .keep_alive(site.keeps_alive)
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(io::Error::other)
}

async fn respond(
    request: HttpRequest<Incoming>,
    site: &Site,
) -> Result<HttpResponse<Full<Bytes>>, Infallible> {
    let body = Limited::new(request.into_body(), REQUEST_LIMIT).collect().await;
    let bad = |text: String| Fault { code: Fault::BAD_REQUEST.to_owned(), text };
    let request = match body {
        Ok(body) => Request::read(&body.to_bytes()).map_err(|error| bad(error.to_string())),
        Err(_) => Err(bad(format!("more octets than {REQUEST_LIMIT}, or fewer than said"))),
    };
    let answer = match request {
        Ok(request) => operations::perform(site, &request).await.map(|response| response.encode(&request)),
        Err(fault) => Err(fault),
    };
    let (status, octets) = match answer {
        Ok(octets) => (StatusCode::OK, site.torn(octets)),
        Err(fault) => (StatusCode::INTERNAL_SERVER_ERROR, fault.encode()),
    };
    let mut response = HttpResponse::new(Full::new(Bytes::from(octets)));
    *response.status_mut() = status;
    let text = header::HeaderValue::from_static("text/xml; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    Ok(response)
}
