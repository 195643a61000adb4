//! What a node says of itself: logs, on standard error.

use std::backtrace::Backtrace;
use std::io::IsTerminal;

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Pretty,
    /// For machines: an object a line.
    Json,
}

/// A log level or filter that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error(
    "log_level: `{filter}` is no log filter ({problem}); write error, warn, info, debug or trace, or a filter such as `info,counterfoil=debug`"
)]
pub struct BadFilter {
    /// What was given.
    pub filter: String,
    problem: String,
}

/// Starts logging to standard error, panics included; only the first call has an effect.
///
/// # Errors
/// [`BadFilter`].
pub fn start(filter: &str, format: LogFormat) -> Result<(), BadFilter> {
    let parsed = EnvFilter::try_new(filter)
        .map_err(|error| BadFilter { filter: filter.to_owned(), problem: error.to_string() })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // It fails only where something logs already, which then goes on.
    let _ = match format {
        LogFormat::Pretty => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(backtrace = %Backtrace::capture(), "{panic}");
    }));
    Ok(())
}
