//! docs/verify-it-yourself.md works: its commands run as they stand there.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop where it fails"
)]

mod published;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use published::{python, said, sales};

/// Serves the files in `directory` to whoever asks, until the test ends; its URL.
fn serve(directory: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            answer(&connection.expect("a connection"), &directory);
        }
    });
    url
}

fn answer(mut connection: &TcpStream, directory: &Path) {
    let mut lines = BufReader::new(connection).lines();
    let request = lines.next().expect("a request").expect("text");
    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    let path = request.split([' ', '?']).nth(1).expect("a path").trim_start_matches('/');
    let file = directory.join(path);
    let file = if file.is_dir() { file.join("list") } else { file };
    let (status, body) = match fs::read(file) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    // A client that has gone away is its own affair.
    let _ = connection.write_all(&[head.as_bytes(), &body].concat());
}

/// The commands of the page, as a script for the shell; the node is at `url`.
fn commands_of_the_page(url: &str) -> String {
    let page = include_str!("../docs/verify-it-yourself.md");
    let blocks = page.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    let commands = blocks.collect::<String>();
    assert!(commands.contains("http://127.0.0.1:8080"), "the page names the node's address");
    format!("set -eu\n{}", commands.replace("http://127.0.0.1:8080", url))
}

/// Runs the page's commands in a place of their own; `directory` has what the node serves.
fn follow_the_page(directory: &Path, spec: &str) -> (bool, String) {
    let url = serve(directory.to_owned());
    let place = tempfile::tempdir().unwrap();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    std::os::unix::fs::symlink(docs, place.path().join("docs")).unwrap();
    let dev = place.path().join("counterfoil-dev");
    fs::create_dir(&dev).unwrap();
    fs::write(dev.join("chain-spec.toml"), spec).unwrap();
    // The page says python3; the tests' own Python is to answer to that.
    let program = python().get_program().to_str().unwrap().to_owned();
    let function = format!("python3() {{ '{program}' -B \"$@\"; }}\n");
    let script = function + &commands_of_the_page(&url);
    let shell = Command::new("bash").arg("-c").arg(script).current_dir(place.path()).output();
    said(&shell.expect("bash, with curl and openssl, to run the page's commands"))
}

#[test]
fn the_page_works_as_it_stands() {
    let ledger = sales(&[20, 300]);
    let (served, spec) = (tempfile::tempdir().unwrap(), ledger.chain.spec().to_toml());
    ledger.publish(served.path());
    let id = ledger.publish_answers(served.path(), 11);
    let (holds, said) = follow_the_page(served.path(), &spec);
    assert!(holds, "{said}");
    for line in [
        "Signature Verified Successfully",
        "the entry is in the log",
        "and so is the header",
        "entry id ok:",
        "leaves ok:",
        "past ok:",
    ] {
        assert!(said.contains(line), "no {line:?} in {said}");
    }

    // With another leaf in the receipt, the same commands stop.
    let path = served.path().join(format!("v1/entries/{id}/receipt"));
    let honest = fs::read_to_string(&path).unwrap();
    let altered = honest.replace("\"leaf\": \"AQRh", "\"leaf\": \"AQRi");
    assert_ne!(honest, altered);
    fs::write(&path, altered).unwrap();
    let (holds, said) = follow_the_page(served.path(), &spec);
    assert!(!holds && said.contains("NOT PROVEN"), "{said}");
}
