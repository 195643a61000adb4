//! A real file system of its own that is full, or read-only: a small tmpfs in a mount namespace.
//! Where that can't be made, the test says so; the shim's cases (`failing_disk.rs`) stand for it.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something isn't as it expects"
)]

mod support;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use counterfoil::store::MIN_FREE_BYTES;
use serde_json::{Value, json};
use support::binary::{Node, Ran, block_on, counterfoil, dev};
use support::load::{sale, terms};

/// The size of the file system.
const DISK_BYTES: u64 = 160 * 1024 * 1024;
/// How many acknowledged entries are asked for in one request.
const ASKED_AT_ONCE: usize = 1_000;
/// How much is written at a time to fill it.
const PIECE_BYTES: usize = 256 * 1024;
/// How often the disk is filled to the last byte under load.
const FILLINGS: u32 = 4;
/// How long a node may take until it seals again.
const PATIENCE: Duration = Duration::from_secs(30);

/// A small file system that ends with the test: the namespace of a process that only waits.
struct Disk {
    holder: Child,
    /// Where it is mounted, as its namespace sees it.
    mounted: PathBuf,
    _place: tempfile::TempDir,
}

impl Disk {
    /// `None` where the machine doesn't permit it.
    fn mount() -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        let mounted = place.path().to_owned();
        let script = format!(
            "mount -t tmpfs -o size={DISK_BYTES} tmpfs {} && echo mounted && exec sleep 600",
            mounted.display()
        );
        let mut holder = Command::new("unshare")
            .args(["--mount", "sh", "-c", &script])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut said = [0; 8];
        let out = holder.stdout.as_mut().unwrap();
        if std::io::Read::read_exact(out, &mut said).is_err() {
            holder.wait().unwrap();
            return None;
        }
        Some(Self { holder, mounted, _place: place })
    }

    /// A command that sees it.
    fn inside(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside.args(["--mount", "--target", &self.holder.id().to_string(), "--"]);
        inside.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside
    }

    fn remount(&self, options: &str) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,{options}")]).arg(&self.mounted);
        self.inside(&mount).stderr(Stdio::null()).status().unwrap().success()
    }

    fn node(&self) -> Result<Node, Ran> {
        Node::try_launch(self.inside(&dev(&self.directory(), &["--empty"])))
    }

    fn directory(&self) -> PathBuf {
        self.mounted.join("dev")
    }

    /// The same file as everybody else sees it.
    fn seen(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(path.strip_prefix("/").unwrap())
    }

    /// Fills it until `left` bytes are free.
    fn fill(&self, left: u64) {
        let mut filler = self.filler();
        let piece = vec![0x5a; PIECE_BYTES];
        while self.free() > left {
            if filler.write_all(&piece).is_err() {
                return;
            }
        }
    }

    fn empty(&self) {
        std::fs::remove_file(self.seen(&self.mounted.join("filler"))).unwrap();
    }

    fn filler(&self) -> File {
        let path = self.seen(&self.mounted.join("filler"));
        OpenOptions::new().create(true).append(true).open(path).unwrap()
    }

    fn free(&self) -> u64 {
        fs2::available_space(self.seen(&self.mounted)).unwrap()
    }

    fn assert_clean(&self) {
        let directory = self.directory();
        let fsck = counterfoil(["fsck", "--dir", directory.to_str().unwrap(), "--json"]);
        let fsck: Ran = self.inside(&fsck).output().unwrap().into();
        assert_eq!((fsck.code, &fsck.json()["clean"]), (0, &json!(true)), "{fsck:?}");
        let blobs = self.seen(&directory.join("store/blobs"));
        assert!(std::fs::read_dir(blobs).map_or(0, Iterator::count) == 0, "blobs/ is empty");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

#[test]
fn a_full_or_read_only_disk_stops_sealing_only_as_long_as_it_is() {
    let Some(disk) = Disk::mount() else {
        println!("mounting is not permitted here: only the shim's cases were played");
        return;
    };
    let node = disk.node().unwrap();
    assert_eq!(post(&node.url, &json!([terms()])).0, 200);
    submit_until_sealed(&node.url, "first");

    // Before the disk is full nothing is begun that might not end: everything can be read.
    disk.fill(MIN_FREE_BYTES / 2);
    let (status, problem) = post(&node.url, &json!([sale("no-room")]));
    assert_eq!((status, &problem["type"]), (503, &json!("/problems/recovering")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("the disk is full"), "{problem}");
    for path in ["/v1/entries/1", "/v1/entries/3/receipt", "/v1/blocks", "/v1/verify", "/"] {
        node.get(path);
    }
    disk.empty();
    submit_until_sealed(&node.url, "no-room");

    // Filled to the last byte faster than anybody looks.
    let sealed = under_load(&node, || {
        for _ in 0..FILLINGS {
            std::thread::sleep(Duration::from_millis(200));
            disk.fill(0);
            std::thread::sleep(Duration::from_millis(200));
            disk.empty();
        }
    });
    println!("{sealed} entries sealed");
    assert_eq!(node.stop().code, 0);
    disk.assert_clean();

    // While it is full a store may not open; one that needs no room to open serves.
    disk.fill(0);
    match disk.node() {
        Ok(node) => {
            assert_eq!(post(&node.url, &json!([sale("no-room-at-all")])).0, 503);
            node.get("/v1/entries/1");
            assert_eq!(node.stop().code, 0);
        }
        Err(refused) => {
            assert_eq!(refused.code, 1, "{refused:?}");
            assert!(refused.err.contains("No space left on device"), "{refused:?}");
        }
    }
    disk.empty();
    assert!(disk.remount("ro"), "nobody has a file open");
    let refused = disk.node().map(|_| ()).unwrap_err();
    assert!(refused.err.contains("Read-only file system"), "{refused:?}");
    assert!(disk.remount("rw"));
    disk.assert_clean();
    let node = disk.node().unwrap();
    submit_until_sealed(&node.url, "last");
    assert_eq!(node.stop().code, 0);
    disk.assert_clean();
}

/// Submits until `meanwhile` is over; how many entries were sealed, all of which are there.
fn under_load(node: &Node, meanwhile: impl FnOnce()) -> usize {
    let stopping = Arc::new(AtomicBool::new(false));
    let client = {
        let (url, stopping) = (node.url.clone(), stopping.clone());
        std::thread::spawn(move || {
            let mut sealed: Vec<String> = Vec::new();
            while !stopping.load(Ordering::Relaxed) {
                let names: Vec<String> =
                    (0..100).map(|part| format!("load-{}-{part}", sealed.len())).collect();
                let body: Value = names.iter().map(|name| sale(name)).collect();
                let (status, answer) = post(&url, &body);
                match status {
                    200 => sealed.extend(names),
                    503 => std::thread::sleep(Duration::from_millis(20)),
                    _ => panic!("{answer}"),
                }
            }
            sealed
        })
    };
    meanwhile();
    submit_until_sealed(&node.url, "after-the-load");
    stopping.store(true, Ordering::Relaxed);
    let sealed = client.join().unwrap();
    // A quick disk takes more than fit one request.
    for some in sealed.chunks(ASKED_AT_ONCE) {
        let again: Value = some.iter().map(|name| sale(name)).collect();
        let (_, found) = post(&node.url, &again);
        for result in found["results"].as_array().unwrap() {
            assert_eq!(result["status"], "existing", "{result}");
        }
    }
    sealed.len()
}

fn submit_until_sealed(url: &str, name: &str) {
    let since = Instant::now();
    loop {
        let (status, answer) = post(url, &json!([sale(name)]));
        if status == 200 {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "sealing does not go on: {answer}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn post(url: &str, body: &Value) -> (u16, Value) {
    block_on(async {
        let sent = reqwest::Client::new().post(format!("{url}/v1/entries")).json(body).send().await;
        let response = sent.expect("it answers");
        let status = response.status().as_u16();
        let passing = response.headers().contains_key("retry-after");
        assert_eq!(passing, status == 503, "{status}");
        (status, response.json().await.expect("JSON"))
    })
}
