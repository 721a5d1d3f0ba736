//! As of when a question is answered, so that it is answered the same at any later time.

use std::time::Duration;

use jiff::Timestamp;

use super::check;
use super::status::Refusal;
use crate::store::Store;

/// How often it is looked whether what is being stored is stored, and how long to wait from one look to the next.
const LOOKS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);

/// The instant that is asked for, or now. What is being stored may count before that: this waits for it, two seconds at most. Then now becomes the last instant
/// that is settled, and what was asked for is refused.
///
/// # Errors
/// [`Refusal::InvalidField`] for an instant that the database's clock has not reached, [`Refusal::NotSettled`], and those of the store.
pub(super) async fn settled(
    store: &Store,
    asked: Option<&prost_types::Timestamp>,
) -> Result<Timestamp, Refusal> {
    let asked = asked.map(|asked| check::instant("known_at", asked)).transpose()?;
    // As exact as the store is.
    let exact = |asked: Timestamp| Timestamp::from_microsecond(asked.as_microsecond());
    let asked = asked.map(exact).transpose().map_err(|_| Refusal::Internal)?;
    let mut known = store.known().await?;
    let wanted = asked.unwrap_or(known.asked_at);
    if wanted > known.asked_at {
        return Err(Refusal::field("known_at", "it is in the future"));
    }
    for _ in 0..LOOKS {
        if known.until.is_some_and(|until| until >= wanted) {
            return Ok(wanted);
        }
        tokio::time::sleep(PAUSE).await;
        known = store.known().await?;
    }
    known.until.filter(|_| asked.is_none()).ok_or(Refusal::NotSettled)
}
