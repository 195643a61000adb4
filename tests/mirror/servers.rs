//! Web servers: one that anybody has, and some that aren't well.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{OriginalUri, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::published::{python, sales};
use super::support::binary::{counterfoil, run};
use super::{Site, tells};

/// The most memory that a mirror may take, in KiB, whatever it is served: the store's, and eight
/// of the longest bundles, each perhaps in a buffer of twice its length.
const MAX_RESIDENT_KIB: u64 = 448 * 1024;

/// Python's own web server on a folder. It knows nothing of tiles.
pub struct WebServer {
    pub url: String,
    process: Child,
}

impl WebServer {
    pub fn start(folder: &Path) -> Self {
        let mut process = python()
            .args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"])
            .arg(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Python runs");
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        // Serving HTTP on 127.0.0.1 port 12345 (http://127.0.0.1:12345/) ...
        let url = line.split(['(', ')']).nth(1).unwrap_or_else(|| panic!("{line}"));
        Self { url: url.trim_end_matches('/').to_owned(), process }
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

type Answer = dyn Fn(u64, &str, Vec<u8>) -> Response + Send + Sync;

/// A server on a folder, whose answers may be others than the files: by how often it was asked
/// for a path before, the path, and the file.
pub struct Unwell {
    pub url: String,
    _runtime: tokio::runtime::Runtime,
}

type Shared = Arc<(PathBuf, Mutex<HashMap<String, u64>>, Duration, Box<Answer>)>;

impl Unwell {
    pub fn start(
        folder: &Path,
        delay: Duration,
        answer: impl Fn(u64, &str, Vec<u8>) -> Response + Send + Sync + 'static,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let shared: Shared =
            Arc::new((folder.to_owned(), Mutex::default(), delay, Box::new(answer)));
        let router = axum::Router::new().fallback(serve).with_state(shared);
        let address = runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(axum::serve(listener, router).into_future());
            address
        });
        Self { url: format!("http://{address}"), _runtime: runtime }
    }
}

async fn serve(OriginalUri(uri): OriginalUri, State(shared): State<Shared>) -> Response {
    let (folder, requests, delay, answer) = &*shared;
    tokio::time::sleep(*delay).await;
    let path = uri.path().trim_start_matches('/');
    let before = {
        let mut requests = requests.lock().unwrap();
        let count = requests.entry(path.to_owned()).or_default();
        *count += 1;
        *count - 1
    };
    match std::fs::read(folder.join(path)) {
        Ok(file) => answer(before, path, file),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Half of the file, and then the connection is gone.
fn broken_off(file: &[u8]) -> Response {
    let half = Bytes::copy_from_slice(&file[..file.len() / 2]);
    let chunks = [Ok(half), Err(std::io::Error::other("gone"))];
    axum::body::Body::from_stream(futures::stream::iter(chunks)).into_response()
}

/// The file, as it is.
fn plainly(file: Vec<u8>) -> Response {
    Bytes::from(file).into_response()
}

#[test]
fn a_server_that_is_slow_and_fails_now_and_then_is_asked_again() {
    let ledger = sales(&[400; 4]);
    let site = Site::new(&ledger);
    let pause = Duration::from_millis(30);
    let server = Unwell::start(&site.at("pub"), pause, |before, path, file| {
        // Some fail three times, some less often, some never.
        if before >= path.len() as u64 % 4 {
            return plainly(file);
        }
        match before {
            0 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            1 => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")]).into_response(),
            // The connection breaks in the midst of it.
            _ => broken_off(&file),
        }
    });
    let said = site.mirrored(&server.url, "replica");
    assert_eq!((said["size"].clone(), said["root"].clone()), tells(&ledger));
    site.stands("replica", 5);
}

#[test]
fn a_server_that_only_fails_is_given_up_and_named() {
    let site = Site::new(&sales(&[100; 4]));
    let server = Unwell::start(&site.at("pub"), Duration::ZERO, |_, path, file| {
        if path == "tile/entries/000" {
            return StatusCode::BAD_GATEWAY.into_response();
        }
        plainly(file)
    });
    let ran = site.mirror(&server.url, "replica");
    assert!(ran.code == 1 && ran.err.contains("tile/entries/000 can't be read"), "{ran:?}");
    assert!(ran.err.contains("502"), "{ran:?}");
    site.stands("replica", 0);
    // Nobody listens there any more; a password isn't shown.
    let url = server.url.replace("http://", "http://user:secret@");
    drop(server);
    let ran = site.mirror(&url, "replica");
    assert!(ran.code == 1 && ran.err.contains("checkpoint can't be read"), "{ran:?}");
    assert!(!ran.err.contains("secret"), "{ran:?}");
}

#[test]
fn memory_is_bounded_whatever_is_served() {
    // Forty bundles, for which as much comes as a bundle may have, and then more and more.
    let site = Site::new(&sales(&[10_000]));
    for extra in [0, 1 << 30] {
        let server = Unwell::start(&site.at("pub"), Duration::ZERO, move |_, path, file| {
            if path.ends_with(".p/20") || !path.starts_with("tile/entries") {
                return plainly(file);
            }
            endless(256 * (2 + 65_535) + extra)
        });
        let (dir, spec) = (site.path("replica"), site.path("spec.toml"));
        let mut child = counterfoil(["mirror", &server.url, "--dir", &dir, "--spec", &spec])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let since = Instant::now();
        let mut most = 0;
        let status = loop {
            most = most.max(resident_kib(child.id()));
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(since.elapsed() < Duration::from_mins(2), "it doesn't end");
            std::thread::sleep(Duration::from_millis(2));
        };
        println!("at most {most} KiB");
        assert_eq!(status.code(), Some(1));
        assert!(most > 0 && most < MAX_RESIDENT_KIB, "{most} KiB");
    }
    assert_eq!(run(&["fsck", "--dir", &site.path("replica")]).code, 0);
}

/// So many bytes, made as they are read.
fn endless(bytes: usize) -> Response {
    let chunk = Bytes::from(vec![b'x'; 65_536]);
    let chunks = std::iter::repeat_n(chunk, bytes.div_ceil(65_536)).map(Ok::<_, std::io::Error>);
    axum::body::Body::from_stream(futures::stream::iter(chunks)).into_response()
}

/// The memory that a process takes, where the system says so.
fn resident_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}
