//! docs/verify-it-yourself.md works: its commands run as they stand there, against a real node.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop where it fails"
)]
#![cfg(feature = "node")]

mod published;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use published::{python, said};
use serde_json::Value;
use tempfile::TempDir;

/// What the page says a node's address is.
const PAGES_URL: &str = "http://127.0.0.1:8080";

/// `counterfoil dev` in a place of its own, from which docs/ can be seen; killed in the end.
struct Node {
    place: TempDir,
    process: Child,
    url: String,
}

impl Node {
    fn start() -> Self {
        let place = tempfile::tempdir().unwrap();
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        std::os::unix::fs::symlink(docs, place.path().join("docs")).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_counterfoil"))
            .args(["dev", "--listen", "127.0.0.1:0", "--entries", "600", "--json"])
            .current_dir(place.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).expect("where it serves, in JSON");
        let url = said["url"].as_str().expect("a URL").to_owned();
        Self { place, process, url }
    }

    /// Runs the page's commands from top to bottom, each line as `change` would have it.
    fn follow_the_page(&self, change: impl Fn(&str) -> String) -> (bool, String) {
        let page = include_str!("../docs/verify-it-yourself.md");
        let blocks = page.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
        let commands = blocks.collect::<String>();
        assert!(commands.contains(PAGES_URL), "the page names the node's address");
        let commands: String = commands.lines().map(|line| change(line) + "\n").collect();
        // The page says python3; the tests' own Python is to answer to that.
        let (python, url) = (python().get_program().to_str().unwrap().to_owned(), &self.url);
        let script = format!(
            "set -eu\n\
             python3() {{ '{python}' -B \"$@\"; }}\n\
             until curl -fsS '{url}/v1/entries?limit=1' | grep -q receipt; do sleep 0.1; done\n\
             {}",
            commands.replace(PAGES_URL, url)
        );
        let mut shell = Command::new("timeout");
        shell.args(["100", "bash", "-c", &script]).current_dir(self.place.path());
        said(&shell.output().expect("bash, with curl and openssl, to run the page's commands"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_page_works_as_it_stands() {
    let node = Node::start();
    let (holds, said) = node.follow_the_page(str::to_owned);
    assert!(holds, "{said}");
    for line in [
        "Signature Verified Successfully",
        "the entry is in the log",
        "and so is the header",
        "entry id ok:",
        "leaves ok:",
        "past ok:",
        "\"affiliates\": {",
        "sums ok:",
    ] {
        assert!(said.contains(line), "no {line:?} in {said}");
    }

    // With a spoiled receipt or tile the same commands say otherwise: before which line, how it is
    // spoiled, what is said then and what no more.
    let spoil_leaf = "sed -i 's/\"leaf\": \"AQRk/\"leaf\": \"AQRl/' receipt.json";
    let spoil_tile = "printf x | dd of=ledger-copy/tile/entries/000 bs=1 seek=9 conv=notrunc";
    let cases = [
        ("python3 docs/verify/check_receipt.py", spoil_leaf, "NOT PROVEN: entry:", "entry id ok"),
        ("field checkpoint", spoil_leaf, "and so is the header", "the entry is in the log"),
        ("python3 docs/verify/check_ledger.py --dir", spoil_tile, "NOT PROVEN: leaf 0:", "past ok"),
    ];
    for (before, spoil, expected, unexpected) in cases {
        let change = |line: &str| {
            if line.starts_with(before) { format!("{spoil}\n{line}") } else { line.to_owned() }
        };
        let (_, said) = node.follow_the_page(change);
        assert!(said.contains(expected) && !said.contains(unexpected), "{before}: {said}");
    }
}
