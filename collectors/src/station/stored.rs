//! What a concentrator holds of its nodes, which it is asked for without an association with any of them.

use p2lpc::{Request, Response};

use super::Session;
use crate::{
    Work,
    diagnosis::{Setback, Stage, declined},
    line::LineError,
};

impl Session {
    /// Asks the concentrator in front of the work's station.
    pub(crate) async fn ask_concentrator(
        &mut self,
        work: &Work,
        request: Request,
    ) -> Result<Response, Setback> {
        self.release().await;
        let mut line = self.dial(&work.station).await?;
        let answered = line.ask(request).await;
        self.exchanges = self.exchanges.saturating_add(1);
        self.part(line).await;
        answered.map_err(|error| match error {
            LineError::Declined(why) => {
                Setback::Refused { failure: declined(&why), is_absence: false, may_pass: false }
            }
            error => Setback::Line(Stage::Open, error),
        })
    }
}
