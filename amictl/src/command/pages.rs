//! Lists that the server gives out in pages.

use std::io::Write;

use crate::{
    error::Error,
    output::{Output, Row},
};

/// Rows in a page.
const PAGE: u32 = 1_000;

/// Shows `limit` rows at most, page by page. `ask` is given the size of a page and the token that leads to it, and answers with its rows and the token of
/// the page behind it, which is empty when there is none.
pub(super) async fn show<W: Write, R: Row>(
    limit: u32,
    output: &mut Output<W>,
    mut ask: impl AsyncFnMut(u32, String) -> Result<(Vec<R>, String), Error>,
) -> Result<(), Error> {
    let (mut left, mut token) = (limit, String::new());
    while left > 0 {
        let (rows, next) = ask(left.min(PAGE), token).await?;
        left = left.saturating_sub(u32::try_from(rows.len()).unwrap_or(u32::MAX));
        output.page(&rows)?;
        if next.is_empty() {
            break;
        }
        token = next;
    }
    Ok(())
}
