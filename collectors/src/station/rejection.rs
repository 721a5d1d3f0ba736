//! Why a meter that checks keys and counters said no, or nothing.
//!
//! Many meters refuse a ciphered request to associate in the same words whether the key or the invocation counter was wrong, and some answer
//! neither, which a broken line does not either. The counter that they accepted last can be read without security, and tells one from the other.

use std::sync::Arc;

use dlms::{Error, ServiceError, axdr::Data, client::Security};

use super::{Open, Session, refusals::Silence};
use crate::{
    Credentials, Station, association,
    diagnosis::{Setback, Stage, counter_rejected, refused_keys, unanswered_secret},
    line::LineError,
    value,
};

impl Session {
    /// What it means that no association came about, after so many answers, when the request for it had the counter `used`.
    pub(super) async fn explain(
        &mut self,
        setback: Setback,
        station: &Arc<Station>,
        (used, answers): (Option<u32>, u32),
    ) -> Setback {
        if let Setback::Line(Stage::Opening, LineError::Silent | LineError::Cut) = setback {
            return self.explain_silence(setback, station, (used, answers)).await;
        }
        match used {
            Some(used) => self.explain_refusal(setback, station, used).await,
            None => setback,
        }
    }

    /// What silence means, or that the meter hung up. It is the line, unless the meter answers in the clear and has accepted no counter of ours, or has just
    /// answered what stands in front of a proof.
    async fn explain_silence(
        &mut self,
        setback: Setback,
        station: &Arc<Station>,
        (used, answers): (Option<u32>, u32),
    ) -> Setback {
        let Some(reason) = station.credentials.at_stake(answers) else { return setback };
        let Some(since) = self.note_silence(station, used) else { return setback };
        let is_ciphered = answers == 0;
        if let (true, Some(used)) = (is_ciphered, used) {
            match self.last_counter(station).await {
                Ok(last) if last > used => {
                    self.resolve_silences(station, Silence::Line);
                    let what = format!(
                        "The meter has accepted invocation counter {last} and does not answer to {used}"
                    );
                    return Setback::Final(counter_rejected(Some(last.saturating_add(1)), &what));
                }
                Ok(last) if last < since => {}
                Err(Setback::Line(..)) => {
                    self.resolve_silences(station, Silence::Mute);
                    return setback;
                }
                told => {
                    tracing::debug!(?told, since, "it cannot be told why the meter is silent");
                    self.resolve_silences(station, Silence::Line);
                    return setback;
                }
            }
        }
        self.resolve_silences(station, Silence::Secret);
        Setback::Final(unanswered_secret(reason, station))
    }

    /// What a refusal means, after the ciphered request with the counter `used` was refused. Other setbacks stay as they are, and so does a
    /// refusal when the meter does not tell its counter.
    async fn explain_refusal(&mut self, setback: Setback, station: &Station, used: u32) -> Setback {
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
