//! Streams that go on for ever: followed until they are interrupted, with a token to go on from.

use std::{
    future::Future,
    io::{self, Write},
};

use serde::Serialize;
use tonic::{Response, Status, Streaming};

use crate::{
    error::Error,
    output::{Format, Output, Row},
};

#[derive(Serialize)]
struct Resume<'a> {
    resume_token: &'a str,
}

/// Writes the rows of every message until it is interrupted, and says from where to go on. `split` parts a message into rows and token.
pub(super) async fn run<M, R: Row, W: Write>(
    opening: impl Future<Output = Result<Response<Streaming<M>>, Status>>,
    mut token: String,
    output: &mut Output<W>,
    split: impl Fn(M) -> (Vec<R>, String),
) -> Result<(), Error> {
    let outcome = tokio::select! {
        outcome = follow(opening, &mut token, output, split) => outcome,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    match outcome {
        Err(error) if token.is_empty() => Err(error),
        Err(error) => Err(error.and(&format!("go on with --resume {token}"))),
        Ok(()) if token.is_empty() => Ok(()),
        Ok(()) => Ok(writeln!(io::stderr(), "go on with --resume {token}")?),
    }
}

async fn follow<M, R: Row, W: Write>(
    opening: impl Future<Output = Result<Response<Streaming<M>>, Status>>,
    token: &mut String,
    output: &mut Output<W>,
    split: impl Fn(M) -> (Vec<R>, String),
) -> Result<(), Error> {
    let mut stream = opening.await?.into_inner();
    while let Some(message) = stream.message().await? {
        let (rows, resume_token) = split(message);
        if !rows.is_empty() {
            output.page(&rows)?;
        }
        if output.format() == Format::Json && *token != resume_token {
            output.json(&Resume { resume_token: &resume_token })?;
        }
        // Only now: what was written is dealt with.
        *token = resume_token;
    }
    Err(Error::Unreachable("the head-end ended the watch".into()))
}
