//! An order on the wire and what is known of it afterwards.

use dlms::{AttributeDescriptor, MethodDescriptor, axdr::Data};

use crate::{Failure, Terms, diagnosis::Setback, turn::Turn};

/// What is ordered.
#[derive(Debug, Clone, Copy)]
pub(super) enum Request<'a> {
    /// An attribute is to have a value.
    Set(&'a AttributeDescriptor, &'a Data),
    /// A method is to be invoked.
    Action(&'a MethodDescriptor, &'a Data),
}

/// What a meter said to an order.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// It accepted it.
    Yes,
    /// It refused it.
    No(Setback),
    /// Nothing that could be understood: whether the order was carried out can only be read.
    Lost(Setback),
}

impl Answer {
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(self, Self::No(_))
    }

    /// What is to be said when it can not be read what came of the order.
    pub(crate) fn unverified(self, turn: &Turn<'_>, unread: Setback) -> Setback {
        if matches!(unread, Setback::NobodyListens) {
            return unread;
        }
        match self {
            Self::No(refusal) => Setback::Final(turn.explain(&refusal)),
            Self::Yes | Self::Lost(_) => {
                let Failure { reason, detail, .. } = turn.explain(&unread);
                let detail = format!("The order was sent and what came of it could not be read: {detail}");
                Setback::InDoubt(Failure::new(reason, detail))
            }
        }
    }
}

/// What is to be said when the meter could not be read before anything is sent: an earlier doubt stays.
pub(crate) fn still_in_doubt(turn: &Turn<'_>, terms: &Terms, unread: Setback) -> Setback {
    if terms.in_doubt && !matches!(unread, Setback::NobodyListens) {
        return Setback::InDoubt(turn.explain(&unread));
    }
    unread
}

/// Sends an order once. As long as it is certain that nothing was sent, as when the line could not be opened, it is tried again like a
/// read; what the meter said, or that nobody knows, is noted.
pub(super) async fn order(turn: &mut Turn<'_>, request: Request<'_>) -> Result<Answer, Setback> {
    loop {
        let sent = match request {
            Request::Set(attribute, value) => turn.set(attribute, value).await,
            Request::Action(method, parameters) => turn.action(method, Some(parameters)).await,
        };
        if let Some(answer) = judged(turn, sent).await? {
            return Ok(answer);
        }
    }
}

/// What became of an order that was sent; `None` when it certainly was not, and may be tried again.
pub(crate) async fn judged(
    turn: &mut Turn<'_>,
    sent: Result<(), Setback>,
) -> Result<Option<Answer>, Setback> {
    let answer = match sent {
        Ok(()) => Answer::Yes,
        Err(setback) if setback.leaves_doubt() => Answer::Lost(setback),
        Err(setback) if setback.is_refusal() => Answer::No(setback),
        Err(setback) => {
            turn.recover(setback).await?;
            return Ok(None);
        }
    };
    let said = match &answer {
        Answer::Yes => "accepted".to_owned(),
        Answer::No(setback) => format!("refused: {}", turn.explain(setback).detail),
        Answer::Lost(setback) => format!("no answer: {}", turn.explain(setback).detail),
    };
    turn.found("order", said).await?;
    Ok(Some(answer))
}
