//! `ami.v1.ParametersService`.

use std::sync::Arc;

use ::models::{Bounds, Decimal, Register};
use ami_proto::v1::{
    FieldViolation, ListParametersRequest, ListParametersResponse, Parameter, ParameterOrder,
    SetParameterRequest, SetParameterResponse, parameters_service_server::ParametersService,
};
use dlms::Unit;
use prost::Message as _;
use tonic::{Request, Response, Status};

use super::orders::{self, Asker, Unfit, Wanted};
use super::status::Refusal;
use super::{Models, Parts, check};
use crate::store::meters::Meter;
use crate::store::{CommandKind, Store};

/// The service.
#[derive(Debug)]
pub(super) struct Parameters {
    store: Store,
    models: Arc<Models>,
}

impl Parameters {
    /// A service over the store.
    pub(super) fn new(parts: &Parts) -> Self {
        Self { store: parts.store.clone(), models: Arc::clone(&parts.models) }
    }

    /// What speaks against a value for a meter.
    fn fits(&self, meter: &Meter, name: &str, value: Decimal) -> Result<(), Unfit> {
        let model = orders::model(&self.models, meter)?;
        let (register, bounds) = model.parameter(name).ok_or_else(|| match meter.circuit {
            1 => format!("model {} has no `{name}` that can be set", model.name),
            circuit => {
                format!("circuit {circuit} of a household can only be switched: `{name}` is set in the first")
            }
        })?;
        bounds.admit(model, register, value).map_err(|problem| {
            let problem = format!("for meter {}: {problem}", meter.serial);
            Unfit::Fields(vec![FieldViolation { field: "value".into(), problem }])
        })
    }
}

#[tonic::async_trait]
impl ParametersService for Parameters {
    async fn list_parameters(
        &self,
        request: Request<ListParametersRequest>,
    ) -> Result<Response<ListParametersResponse>, Status> {
        let serial = request.into_inner().meter_serial;
        check::serial("meter_serial", &serial)?;
        let meter = orders::meters(&self.store, std::slice::from_ref(&serial)).await?.pop();
        let model = meter.and_then(|meter| self.models.get(&meter.model));
        let parameters = model.iter().flat_map(|model| model.parameters()).map(parameter).collect();
        Ok(Response::new(ListParametersResponse { parameters }))
    }

    async fn set_parameter(
        &self,
        request: Request<SetParameterRequest>,
    ) -> Result<Response<SetParameterResponse>, Status> {
        let asker = Asker::of(&request, "ParametersService/SetParameter")?;
        let SetParameterRequest { meter_serials, name, value, terms } = request.into_inner();
        let wrong = value.parse::<Decimal>().map_err(|error| Refusal::field("value", error.to_string()));
        let target = meter_serials.join(" ");
        let exact = asker.audited(&self.store, target, wrong).await?;
        let wanted = Wanted {
            kind: CommandKind::SetParameter,
            meter_serials: &meter_serials,
            terms: terms.as_ref(),
            arguments: Some(ParameterOrder { name: name.clone(), value: exact.to_string() }.encode_to_vec()),
            reason_needed: false,
        };
        let fits = |meter: &Meter| self.fits(meter, &name, exact);
        let commands = orders::place(&self.store, &asker, wanted, fits).await?;
        Ok(Response::new(SetParameterResponse { commands }))
    }
}

fn parameter((register, Bounds { least, most }): (&Register, Bounds)) -> Parameter {
    let unit = if register.unit == Unit::NONE { "" } else { register.unit.symbol() };
    Parameter {
        name: register.name.clone(),
        obis: register.obis.to_string(),
        unit: unit.to_owned(),
        least: least.to_string(),
        most: most.to_string(),
    }
}
