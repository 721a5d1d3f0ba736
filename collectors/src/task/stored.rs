//! Documents of a concentrator that reads its nodes by itself.

use p2lpc::{Document, Request, Response};

use crate::{Failure, Reason, diagnosis::Setback, turn::Turn};

/// Asks the concentrator for what it holds of the station, which is a node by its name or the concentrator itself, again if need be.
pub(super) async fn ask(
    turn: &mut Turn<'_>,
    what: &str,
    request: impl Fn(String) -> Request,
) -> Result<Document, Setback> {
    let node = turn.station().address.node().map(|(_, node)| node.to_owned());
    let request = request(node.clone().unwrap_or_default());
    loop {
        match turn.ask_concentrator(request.clone()).await {
            Ok(Response::Document(Document { damage: Some(error), .. })) => {
                turn.recover(Setback::message(error)).await?;
            }
            Ok(Response::Document(Document { refusal: Some(refusal), .. })) => {
                let detail = format!("{what} as the concentrator has it: {refusal}; ask its maker.");
                return Err(Setback::Final(Failure::new(Reason::MeterBrokeRules, detail)));
            }
            Ok(Response::Document(document)) => {
                let other = document
                    .devices
                    .iter()
                    .find(|device| node.as_ref().is_some_and(|node| device.id != *node));
                return match (other, node) {
                    (Some(other), Some(node)) => Err(someone_else(what, &other.id, &node)),
                    _ => Ok(document),
                };
            }
            Ok(_) => return Err(Setback::Flooded),
            Err(setback) => turn.recover(setback).await?,
        }
    }
}

fn someone_else(what: &str, got: &str, expected: &str) -> Setback {
    let detail = format!(
        "{what} is that of the node {got:?}, and {expected} was asked for; nothing of it was taken. Ask the maker of the concentrator."
    );
    Setback::Final(Failure::new(Reason::WrongMeter, detail))
}
