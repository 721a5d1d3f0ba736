//! `ami.v1.CreditService`.

use std::sync::Arc;

use ::models::Decimal;
use ami_proto::v1::{
    BuyCreditRequest, BuyCreditResponse, CreditOrder, FieldViolation, credit_service_server::CreditService,
};
use prost::Message as _;
use tonic::{Request, Response, Status};

use super::orders::{self, Asker, Unfit, Wanted};
use super::status::Refusal;
use super::{Models, Parts};
use crate::store::meters::Meter;
use crate::store::{CommandKind, Store};

/// The service.
#[derive(Debug)]
pub(super) struct Credit {
    store: Store,
    models: Arc<Models>,
}

impl Credit {
    /// A service over the store.
    pub(super) fn new(parts: &Parts) -> Self {
        Self { store: parts.store.clone(), models: Arc::clone(&parts.models) }
    }

    /// What speaks against an amount for a meter.
    fn fits(&self, meter: &Meter, amount: Decimal) -> Result<(), Unfit> {
        let model = orders::model(&self.models, meter)?;
        let credit = model.credit.and_then(|credit| Some((credit, credit.registers(model)?)));
        let (credit, registers) =
            credit.ok_or_else(|| format!("model {} takes no purchases from afar", model.name))?;
        credit.purchase.admit(model, registers.amount, amount).map_err(|problem| {
            Unfit::Fields(vec![FieldViolation { field: "amount".into(), problem: problem.to_string() }])
        })
    }
}

#[tonic::async_trait]
impl CreditService for Credit {
    async fn buy_credit(
        &self,
        request: Request<BuyCreditRequest>,
    ) -> Result<Response<BuyCreditResponse>, Status> {
        let asker = Asker::of(&request, "CreditService/BuyCredit")?;
        let BuyCreditRequest { meter_serial, number, amount, terms } = request.into_inner();
        let exact = match amount.parse::<Decimal>() {
            _ if number == 0 => Err(Refusal::field("number", "1 or more is expected")),
            Ok(exact) => Ok(exact),
            Err(error) => Err(Refusal::field("amount", error.to_string())),
        };
        let exact = asker.audited(&self.store, meter_serial.clone(), exact).await?;
        let wanted = Wanted {
            kind: CommandKind::BuyCredit,
            meter_serials: std::slice::from_ref(&meter_serial),
            terms: terms.as_ref(),
            arguments: Some(CreditOrder { number, amount: exact.to_string() }.encode_to_vec()),
            reason_needed: false,
        };
        let fits = |meter: &Meter| self.fits(meter, exact);
        let command = orders::place(&self.store, &asker, wanted, fits).await?.pop();
        Ok(Response::new(BuyCreditResponse { command }))
    }
}
