//! Why a meter that checks keys and counters said no.
//!
//! Many meters refuse a ciphered request to associate in the same words whether the key or the invocation counter was wrong. The counter
//! that they accepted last can be read without security, and tells one from the other.

use std::sync::Arc;

use dlms::{Error, ServiceError, axdr::Data, client::Security};

use super::{Open, Session};
use crate::{
    Credentials, Station, association,
    diagnosis::{Setback, Stage, counter_rejected, refused_keys},
    value,
};

impl Session {
    /// What a refusal means, after the ciphered request with the counter `used` was refused. Other setbacks stay as they are, and so does a
    /// refusal when the meter does not tell its counter.
    pub(super) async fn explain_refusal(
        &mut self,
        setback: Setback,
        station: &Station,
        used: u32,
    ) -> Setback {
        let counter_is_wrong = match &setback {
            Setback::Protocol(Stage::Opening, Error::Rejected { .. } | Error::Confirmed(_)) => false,
            Setback::Protocol(Stage::Opening, Error::Exception(exception))
                if exception.service == ServiceError::InvocationCounterError
                    && exception.expected_counter.is_none() =>
            {
                true
            }
            _ => return setback,
        };
        match self.last_counter(station).await {
            Ok(last) if last >= used => {
                let what = format!("The meter has accepted invocation counter {last} and refused {used}");
                Setback::Final(counter_rejected(Some(last.saturating_add(1)), &what))
            }
            Ok(_) if counter_is_wrong => setback,
            Ok(last) => Setback::Final(refused_keys(used, last, &station.credentials)),
            Err(unknown) => {
                tracing::debug!(?unknown, "the meter does not tell its invocation counter");
                setback
            }
        }
    }

    /// The invocation counter that the meter accepted last, by its association without security.
    async fn last_counter(&mut self, station: &Station) -> Result<u32, Setback> {
        let public = Station {
            client_sap: station.model.association.client_sap_none,
            credentials: Credentials::none(),
            serial: None,
            ..station.clone()
        };
        let mut line = self.dial(&public).await?;
        let counts = (&mut self.scratch, &mut self.exchanges);
        let association =
            association::open(&mut line, &public, Security::none(), &self.limits, counts).await?;
        self.open = Some(Open::new(line, association, Arc::new(public)));
        let read = self.value(&value::data(station.model.invocation_counter)).await;
        self.release().await;
        let data = Data::decode(&read?).map_err(Setback::answer)?;
        let number = value::integer(&data).and_then(|number| u32::try_from(number).ok());
        number
            .ok_or(Setback::answer(Error::DataType { expected: "invocation counter", got: data.data_type() }))
    }
}
