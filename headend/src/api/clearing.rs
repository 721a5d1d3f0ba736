//! `ami.v1.ClearingService`.

use std::sync::Arc;

use ami_proto::v1::{ClearMeterRequest, ClearMeterResponse, clearing_service_server::ClearingService};
use tonic::{Request, Response, Status};

use super::orders::{self, Asker, Wanted};
use super::{Models, Parts};
use crate::store::meters::Meter;
use crate::store::{CommandKind, Store};

/// The service.
#[derive(Debug)]
pub(super) struct Clearing {
    store: Store,
    models: Arc<Models>,
}

impl Clearing {
    /// A service over the store.
    pub(super) fn new(parts: &Parts) -> Self {
        Self { store: parts.store.clone(), models: Arc::clone(&parts.models) }
    }

    /// What speaks against clearing a meter.
    fn fits(&self, meter: &Meter) -> Result<(), String> {
        let model = orders::model(&self.models, meter)?;
        let subunit = meter.subunit.map(|number| u8::try_from(number).unwrap_or(u8::MAX));
        match &model.clearing {
            Some(clearing) if clearing.admits(subunit) => Ok(()),
            Some(_) if subunit.is_some() => {
                Err(format!("model {} clears a meter as a whole only: order that of its meter", model.name))
            }
            Some(_) => Err(format!("model {} clears sub-units only: order it of each", model.name)),
            None => Err(format!("model {} is not cleared from afar", model.name)),
        }
    }
}

#[tonic::async_trait]
impl ClearingService for Clearing {
    async fn clear_meter(
        &self,
        request: Request<ClearMeterRequest>,
    ) -> Result<Response<ClearMeterResponse>, Status> {
        let asker = Asker::of(&request, "ClearingService/ClearMeter")?;
        let ClearMeterRequest { meter_serial, terms } = request.into_inner();
        let wanted = Wanted {
            kind: CommandKind::Clear,
            meter_serials: std::slice::from_ref(&meter_serial),
            terms: terms.as_ref(),
            arguments: None,
            reason_needed: true,
        };
        let fits = |meter: &Meter| self.fits(meter);
        let command = orders::place(&self.store, &asker, wanted, fits).await?.pop();
        Ok(Response::new(ClearMeterResponse { command }))
    }
}
