//! What the meter granted of how attributes are asked for: several in one request, and rows of them.

use dlms::{AttributeDescriptor, Conformance, DataAccessResult, Error, apdu::get::read_results};

use super::Session;
use crate::{diagnosis::Setback, exchange::Subject};

/// Most attributes of one request: meters have small buffers for what is asked, too.
pub(crate) const LIST_MAX: usize = 10;

/// What came of each attribute.
pub(crate) type Values = Vec<Result<Vec<u8>, DataAccessResult>>;

impl Session {
    /// Whether the meter of the open association takes requests with list: it granted them and has not refused one since.
    pub(crate) fn takes_lists(&self) -> bool {
        self.open.as_ref().is_some_and(|open| {
            open.association.negotiated().conformance.contains(Conformance::MULTIPLE_REFERENCES)
                && !self.without_lists.contains(&open.station.meter)
        })
    }

    /// How many attributes one request has at most: so many as the meter of the open association takes.
    pub(crate) fn list_max(&self) -> usize {
        let fitting = self.open.as_ref().map(|open| open.association.attributes_at_once());
        fitting.map_or(LIST_MAX, |fitting| fitting.clamp(1, LIST_MAX))
    }

    /// Whether the meter of the open association granted selective access; taken for granted while none is open.
    pub(crate) fn selects(&self) -> bool {
        let granted = self.open.as_ref().map(|open| open.association.negotiated().conformance);
        granted.is_none_or(|services| services.contains(Conformance::SELECTIVE_ACCESS))
    }

    /// The meter of the open association does not take requests with list.
    pub(crate) fn renounce_lists(&mut self) {
        if let Some(open) = &self.open {
            tracing::info!("the meter refused a request with list; from now on it is asked one by one");
            self.without_lists.insert(open.station.meter);
        }
    }

    /// Reads several whole attributes, at most [`list_max`](Self::list_max), in one request.
    pub(crate) async fn values(&mut self, descriptors: &[AttributeDescriptor]) -> Result<Values, Setback> {
        let Some(first) = descriptors.first() else { return Ok(Vec::new()) };
        let list: Vec<_> = descriptors.iter().map(|descriptor| (*descriptor, None)).collect();
        self.blocks = 0;
        self.subject = Subject::get_list(first);
        let piece = self.exchange(|association, out| association.get_list(&list, out)).await?;
        let octets = self.whole(piece).await?;
        let results = read_results(&octets).map_err(Setback::answer)?;
        let (expected, got) = (descriptors.len(), results.len());
        if got != expected {
            return Err(Setback::answer(Error::Length { what: "list of values", expected, got }));
        }
        Ok(results.into_iter().map(|result| result.map(<[u8]>::to_vec)).collect())
    }
}
