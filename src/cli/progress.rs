//! Progress bars: on standard error, and only where that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar towards `total` of something, named by `what`.
pub fn bar(total: u64, what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{msg} {wide_bar} {human_pos}/{human_len} ({per_sec}, {eta} left)",
    )
    .expect("the template is in order");
    ProgressBar::new(total).with_style(style).with_message(what.to_owned())
}

/// The same for bytes.
pub fn bytes(total: u64, what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{msg} {wide_bar} {bytes}/{total_bytes} ({bytes_per_sec}, {eta} left)",
    )
    .expect("the template is in order");
    ProgressBar::new(total).with_style(style).with_message(what.to_owned())
}
