//! The command `counterfoil`.

use std::process::ExitCode;

fn main() -> ExitCode {
    counterfoil::cli::run()
}

/// Blocks are made by one thread and let go of by another: the system's allocator takes half as
/// long again to verify a ledger.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
