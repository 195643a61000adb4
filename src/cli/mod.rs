//! The command line: one file for each verb.
//!
//! What a verb finds out goes to standard output, for people or with `--json` for programs;
//! progress, logs and errors go to standard error.

mod address;
mod adopt;
#[cfg(unix)]
mod bench;
mod dev;
mod export;
mod fsck;
mod import;
mod init;
mod inspect;
mod key;
mod mirror;
mod node;
mod output;
mod pg;
mod progress;
mod query;
mod reindex;
mod spec;
mod submit;
mod tiles;
mod token;
mod verify;
mod verify_page;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::node::config::{ConfigError, DatabaseConfigError};
use crate::node::telemetry::{self, BadFilter, LogFormat};

/// How a command ended, as its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// It did what was asked; what was to be proven is proven.
    Fine = 0,
    /// It failed, or something is not proven.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What a verb comes to; an error is one sentence for the user.
type Outcome = anyhow::Result<Exit>;

#[derive(Parser)]
#[command(
    name = "counterfoil",
    version,
    about = "An append-only transparency ledger for affiliate marketing",
    after_help = "Example, a ledger to try things on, in one command:\n  counterfoil dev\n\n\
        Exit codes: 0 fine; 1 failed, or not proven; 2 the command line or the configuration is wrong.",
    max_term_width = 100
)]
struct Command {
    #[command(flatten)]
    logging: Logging,
    #[command(subcommand)]
    verb: Verb,
}

/// How a command logs.
#[derive(Args)]
struct Logging {
    /// Level or filter of the log, such as `debug` or `info,counterfoil=debug`
    #[arg(long, global = true, env = "COUNTERFOIL_LOG_LEVEL", value_name = "FILTER")]
    log_level: Option<String>,
    /// How log lines look
    #[arg(long, global = true, env = "COUNTERFOIL_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

#[derive(Subcommand)]
enum Verb {
    Dev(dev::Arguments),
    Init(init::Arguments),
    Node(node::Arguments),
    Submit(submit::Arguments),
    Query(query::Arguments),
    Verify(verify::Arguments),
    VerifyPage(verify_page::Arguments),
    Inspect(inspect::Arguments),
    Export(export::Arguments),
    Import(import::Arguments),
    Mirror(mirror::Arguments),
    Adopt(adopt::Arguments),
    Fsck(fsck::Arguments),
    Reindex(reindex::Arguments),
    #[cfg(unix)]
    Bench(bench::Arguments),
    #[command(subcommand)]
    Key(key::Verb),
    #[command(subcommand)]
    Token(token::Verb),
    #[command(subcommand)]
    Spec(spec::Verb),
    #[command(subcommand)]
    Pg(pg::Verb),
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let command = Command::parse();
    match command.run() {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("error: {}", sentence(&error));
            exit_of(&error).into()
        }
    }
}

/// An error and its causes in one sentence. Some errors name their cause themselves.
fn sentence(error: &anyhow::Error) -> String {
    let mut sentence = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !sentence.contains(&cause) {
            let separator = if sentence.is_empty() { "" } else { ": " };
            sentence = format!("{sentence}{separator}{cause}");
        }
    }
    sentence
}

fn exit_of(error: &anyhow::Error) -> Exit {
    let usage = error.is::<ConfigError>()
        || error.is::<DatabaseConfigError>()
        || error.is::<BadFilter>()
        || error.is::<output::Misuse>();
    if usage { Exit::Usage } else { Exit::Failed }
}

impl Command {
    fn run(self) -> Outcome {
        let logging = self.logging;
        if let Verb::Node(arguments) = self.verb {
            // Its log is part of its configuration.
            return arguments.run(logging);
        }
        let filter = logging.log_level.as_deref().unwrap_or("warn");
        telemetry::start(filter, logging.log_format.unwrap_or_default())?;
        match self.verb {
            Verb::Dev(arguments) => arguments.run(),
            Verb::Init(arguments) => arguments.run(),
            Verb::Node(_) => unreachable!("handled above"),
            Verb::Submit(arguments) => arguments.run(),
            Verb::Query(arguments) => arguments.run(),
            Verb::Verify(arguments) => arguments.run(),
            Verb::VerifyPage(arguments) => arguments.run(),
            Verb::Inspect(arguments) => arguments.run(),
            Verb::Export(arguments) => arguments.run(),
            Verb::Import(arguments) => arguments.run(),
            Verb::Mirror(arguments) => arguments.run(),
            Verb::Adopt(arguments) => arguments.run(),
            Verb::Fsck(arguments) => arguments.run(),
            Verb::Reindex(arguments) => arguments.run(),
            #[cfg(unix)]
            Verb::Bench(arguments) => arguments.run(),
            Verb::Key(verb) => verb.run(),
            Verb::Token(verb) => verb.run(),
            Verb::Spec(verb) => verb.run(),
            Verb::Pg(verb) => verb.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let cause = || std::io::Error::other("no such file");
        let named = anyhow::Error::new(cause()).context("can't open a.toml: no such file");
        assert_eq!(sentence(&named), "can't open a.toml: no such file");
        let unnamed = anyhow::Error::new(cause()).context("can't open a.toml");
        assert_eq!(sentence(&unnamed), "can't open a.toml: no such file");
    }

    #[test]
    fn the_command_line_makes_sense() {
        Command::command().debug_assert();
    }

    #[test]
    fn every_verb_has_an_example() {
        fn check(command: &clap::Command, path: &str) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            if command.get_subcommands().next().is_none() {
                assert!(help.contains(&format!("counterfoil {path}")), "{path}: {help}");
            }
            for verb in command.get_subcommands() {
                check(verb, format!("{path} {}", verb.get_name()).trim());
            }
        }
        check(&Command::command(), "");
    }
}
