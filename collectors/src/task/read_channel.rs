use jiff::Timestamp;
use models::MBus;

use super::{mbus_client, read_profile};
use crate::{Event, ProfileRange, diagnosis::Setback, turn::Turn};

/// Reads the profile of an M-Bus channel: which device is there first, then the captures until then, which are of that device as far back as it has been
/// seen there. The columns are read each time, because another device may have other units. Of a channel without a device nothing is read, nor of
/// one that the meter does not show: M-Bus is an option.
pub(super) async fn run(
    turn: &mut Turn<'_>,
    channel: u8,
    range: &ProfileRange,
) -> Result<Option<(Timestamp, Timestamp)>, Setback> {
    let client = turn.station().model.mbus.iter().flat_map(MBus::clients).find(|(n, _)| *n == channel);
    let Some((channel, client)) = client else { return Ok(None) };
    let Some(shown) = mbus_client::look(turn, channel, client).await?? else { return Ok(None) };
    turn.report(Event::MBus(vec![shown])).await?;
    if shown.device.is_none() {
        return Ok(Some((range.from, range.to)));
    }
    let range = ProfileRange { to: range.to.min(shown.read_at), layout: None, ..range.clone() };
    if range.from > range.to {
        return Ok(None);
    }
    read_profile::run(turn, &range).await.map(Some)
}
