//! The example in the documentation, as a reader would run it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::world::World;

/// The folder of `psql`, beside the server's own programs or on the path.
fn with_psql(command: &mut Command) {
    let own = std::env::var_os("POSTGRES_BIN").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(own);
    command.env("PATH", std::env::join_paths(folders).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_round_of_the_example_does_what_it_says() {
    let mut world = World::new("example").await;
    world.drain();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/marketplace/round.sh");
    let mut command = Command::new(script);
    with_psql(&mut command);
    let ran = command.arg(world.postgres.url()).output().unwrap();
    let (said, error) =
        (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said}{error}");
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.iter().any(|line| line.starts_with("O-1|sealed|entry ")), "{said}");
    assert!(!said.contains("O-2"), "{said}");
    assert!(lines.iter().any(|line| line.starts_with("commission|C-2|")), "{said}");
    assert_eq!(lines.last(), Some(&"t"), "{said}");
    world.check(4).await;
}
