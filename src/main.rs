//! The command `counterfoil`.

use std::process::ExitCode;

fn main() -> ExitCode {
    counterfoil::cli::run()
}
