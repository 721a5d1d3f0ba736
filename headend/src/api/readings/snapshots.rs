use ami_proto::v1::{SnapshotOrder, TakeSnapshotRequest, TakeSnapshotResponse};
use prost::Message as _;

use super::Readings;
use crate::api::orders::{self, Asker, Wanted};
use crate::api::status::Refusal;
use crate::store::CommandKind;
use crate::store::meters::Meter;

impl Readings {
    /// Orders a snapshot of meters whose models take some by order.
    pub(super) async fn order_snapshot(
        &self,
        asker: &Asker,
        request: TakeSnapshotRequest,
    ) -> Result<TakeSnapshotResponse, Refusal> {
        let TakeSnapshotRequest { meter_serials, everybody_on_the_line, terms } = request;
        let wanted = Wanted {
            kind: CommandKind::TakeSnapshot,
            meter_serials: &meter_serials,
            terms: terms.as_ref(),
            arguments: Some(SnapshotOrder { everybody_on_the_line }.encode_to_vec()),
            reason_needed: false,
        };
        let is_capable = |meter: &Meter| {
            let model = orders::model(&self.models, meter)?;
            let refusal = || format!("model {} takes no snapshots by order", model.name);
            if model.takes_snapshots() { Ok(()) } else { Err(refusal()) }
        };
        let commands = orders::place(&self.store, asker, wanted, is_capable).await?;
        Ok(TakeSnapshotResponse { commands })
    }
}
