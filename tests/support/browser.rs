//! A real browser, driven over a pipe: headless Chromium and the protocol of its developer tools.

#![expect(clippy::indexing_slicing, reason = "what JSON lacks reads as null")]
#![expect(clippy::needless_pass_by_value, reason = "commands read well with JSON in place")]
#![expect(clippy::panic, reason = "a test fails by it")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long the browser may take to answer, in seconds.
const PATIENCE_SECONDS: u64 = 60;
/// Where the browser is, if it isn't `chromium` on the path.
const PROGRAM_VARIABLE: &str = "COUNTERFOIL_CHROMIUM";

const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
];

/// A browser with one page, ended when it is dropped.
pub struct Browser {
    child: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    last_command: u64,
    session: Option<String>,
    /// What the page complained about since it was opened: errors, refused content, failures.
    complaints: Vec<String>,
    /// How many pages were loaded.
    loads: usize,
    _profile: TempDir,
}

impl Browser {
    /// Starts the browser with an empty profile of its own.
    pub fn start() -> Self {
        let program = std::env::var(PROGRAM_VARIABLE).unwrap_or_else(|_| "chromium".to_owned());
        let profile = tempfile::tempdir().expect("a directory for the browser's profile");
        // The browser reads commands from descriptor 3 and answers on 4.
        let mut child = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>/dev/null"#])
            .arg(&program)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh is there");
        let commands = child.stdin.take().expect("it is piped");
        let answers = child.stdout.take().expect("it is piped");
        let (sender, messages) = mpsc::channel();
        std::thread::spawn(move || {
            for message in BufReader::new(answers).split(0).map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice(&message) else { break };
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let mut browser = Self {
            child,
            commands,
            messages,
            last_command: 0,
            session: None,
            complaints: Vec::new(),
            loads: 0,
            _profile: profile,
        };
        browser.attach(&program);
        browser
    }

    fn attach(&mut self, program: &str) {
        let Some(page) = self.try_command("Target.createTarget", json!({"url": "about:blank"}))
        else {
            panic!(
                "no browser answers: install Debian's package `chromium`, or set \
                 {PROGRAM_VARIABLE} to Chromium's path (tried `{program}`)"
            );
        };
        let target = json!({"targetId": page["targetId"], "flatten": true});
        let attached = self.command("Target.attachToTarget", target);
        self.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.command(&format!("{domain}.enable"), json!({}));
        }
    }

    /// Shows pages in a window of this size, in pixels, with or without dark colours.
    pub fn show_as(&mut self, width: u32, height: u32, dark: bool) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.command("Emulation.setDeviceMetricsOverride", size);
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.command(
            "Emulation.setEmulatedMedia",
            json!({"media": "screen", "features": features}),
        );
    }

    /// Lets pages run scripts, or not.
    pub fn run_scripts(&mut self, allowed: bool) {
        self.command("Emulation.setScriptExecutionDisabled", json!({"value": !allowed}));
    }

    /// Types into whatever has the focus.
    pub fn type_text(&mut self, text: &str) {
        self.command("Input.insertText", json!({"text": text}));
    }

    /// Presses and lets go of a key.
    pub fn press(&mut self, key: &str, text: &str) {
        for kind in ["keyDown", "keyUp"] {
            let typed = if kind == "keyDown" { text } else { "" };
            let event = json!({"type": kind, "key": key, "text": typed, "code": key,
                "windowsVirtualKeyCode": if key == "Enter" { 13 } else { 0 }});
            self.command("Input.dispatchKeyEvent", event);
        }
    }

    /// Does what loads another page, and waits for that.
    pub fn turn_page(&mut self, act: impl FnOnce(&mut Self)) {
        self.complaints.clear();
        self.loads = 0;
        act(self);
        let deadline = Instant::now() + Duration::from_secs(PATIENCE_SECONDS);
        while self.loads == 0 {
            self.next(deadline).expect("the page loads");
        }
    }

    /// Waits until an expression in the page is true.
    pub fn wait_for(&mut self, expression: &str) {
        let deadline = Instant::now() + Duration::from_secs(PATIENCE_SECONDS);
        while self.evaluate(expression) != true {
            assert!(Instant::now() < deadline, "never true: {expression}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Takes the network away.
    pub fn cut_off(&mut self) {
        let nothing = json!({
            "offline": true, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0,
        });
        self.command("Network.emulateNetworkConditions", nothing);
    }

    /// Opens `address` and waits until it is loaded.
    pub fn open(&mut self, address: &str) {
        self.complaints.clear();
        self.command("Page.navigate", json!({"url": address}));
        let deadline = Instant::now() + Duration::from_secs(PATIENCE_SECONDS);
        while self.next(deadline).expect("the page loads")["method"] != "Page.loadEventFired" {}
    }

    /// What the page complained about since it was opened.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// The value of an expression in the page; of a promise, what it comes to.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.command("Runtime.evaluate", asked);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Writes a picture of the whole page to `path`, as PNG.
    pub fn picture(&mut self, path: &Path) {
        let asked = json!({"format": "png", "captureBeyondViewport": true});
        let answer = self.command("Page.captureScreenshot", asked);
        let data = answer["data"].as_str().expect("a picture");
        let bytes = base64::engine::general_purpose::STANDARD.decode(data).expect("base64");
        std::fs::write(path, bytes).expect("the picture can be written");
    }

    fn command(&mut self, method: &str, parameters: Value) -> Value {
        self.try_command(method, parameters).unwrap_or_else(|| panic!("{method}: no answer"))
    }

    fn try_command(&mut self, method: &str, parameters: Value) -> Option<Value> {
        self.last_command += 1;
        let id = self.last_command;
        let mut command = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        write!(self.commands, "{command}\0").ok()?;
        self.commands.flush().ok()?;
        let deadline = Instant::now() + Duration::from_secs(PATIENCE_SECONDS);
        loop {
            let message = self.next(deadline)?;
            if message["id"] == id {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return Some(message["result"].clone());
            }
        }
    }

    /// The next message, after a look at whether it is a complaint.
    fn next(&mut self, deadline: Instant) -> Option<Value> {
        let left = deadline.saturating_duration_since(Instant::now());
        let message = self.messages.recv_timeout(left).ok()?;
        if message["method"] == "Page.loadEventFired" {
            self.loads += 1;
        }
        let wrong = match message["method"].as_str() {
            Some("Runtime.consoleAPICalled") => message["params"]["type"] == "error",
            Some("Runtime.exceptionThrown" | "Log.entryAdded" | "Network.loadingFailed") => true,
            _ => false,
        };
        if wrong {
            self.complaints.push(message["params"].to_string());
        }
        Some(message)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may be gone already; either way it is waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
