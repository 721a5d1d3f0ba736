//! Progress of long work on standard error; silent when that is no terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over `total` octets.
pub(crate) fn octets(total: u64) -> ProgressBar {
    styled(ProgressBar::new(total), "{bar:40} {bytes}/{total_bytes} {msg}")
}

/// A bar over `total` jobs.
pub(crate) fn jobs(total: u64) -> ProgressBar {
    styled(ProgressBar::new(total), "{bar:40} {pos}/{len} jobs {msg} [{elapsed}]")
}

/// Turns `bar` into one over steps, of which so many are done.
pub(crate) fn steps(bar: &ProgressBar, done: u64, total: u64) {
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent}% {msg} [{elapsed}]") {
        bar.set_style(style);
    }
    bar.set_length(total);
    bar.set_position(done);
}

/// A sign that something is waited for.
pub(crate) fn waiting(message: String) -> ProgressBar {
    let bar = styled(ProgressBar::new_spinner(), "{spinner} {msg} [{elapsed}]").with_message(message);
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
