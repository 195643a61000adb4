//! Where a published log is: a server or a directory.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Client, Response, StatusCode, Url, header};

use super::TileError;
use crate::cli::address::base_url;
use crate::node::files::SPEC_FILE;

/// How often a request is made before it is given up.
const MAX_ATTEMPTS: u32 = 5;
/// How long an answer may take, in seconds.
const TIMEOUT_SECONDS: u64 = 60;
/// The pause before the second attempt, in milliseconds; it doubles each time.
const FIRST_PAUSE_MS: u64 = 250;
/// The longest pause that a server may ask for, in seconds.
const MAX_PAUSE_SECONDS: u64 = 30;

/// Where the files of a log are.
pub enum Source {
    /// Under a URL: a node, or any web server.
    Server { client: Client, base: Box<Url> },
    /// Below a directory.
    Directory(PathBuf),
}

/// Whether `directory` has a published log, and not a node's data.
pub fn looks_published(directory: &Path) -> bool {
    !directory.join(SPEC_FILE).exists() && directory.join("checkpoint").is_file()
}

/// Without passwords and queries.
impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Server { base, .. } => {
                let host = base.host_str().unwrap_or_default();
                let port = base.port().map(|port| format!(":{port}")).unwrap_or_default();
                write!(f, "{}://{host}{port}{}", base.scheme(), base.path())
            }
            Self::Directory(directory) => directory.display().fmt(f),
        }
    }
}

impl Source {
    pub fn server(url: &str) -> anyhow::Result<Self> {
        let base = Box::new(base_url(url)?);
        let client = Client::builder().timeout(Duration::from_secs(TIMEOUT_SECONDS)).build()?;
        Ok(Self::Server { client, base })
    }

    /// What stands at a path of the log, at most `limit_bytes` of it.
    pub async fn read(&self, path: &str, limit_bytes: usize) -> Result<Vec<u8>, TileError> {
        match self {
            Self::Server { client, base } => get(client, base, path, limit_bytes).await,
            Self::Directory(directory) => {
                let (file, path) = (directory.join(path), path.to_owned());
                let read = tokio::task::spawn_blocking(move || read_file(&file, path, limit_bytes));
                read.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
            }
        }
    }
}

fn read_file(file: &Path, path: String, limit_bytes: usize) -> Result<Vec<u8>, TileError> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(file)
        .and_then(|file| file.take(limit_bytes as u64 + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) if bytes.len() > limit_bytes => Err(TileError::TooLong { path, limit_bytes }),
        Ok(_) => Ok(bytes),
        // A file stands where its folder must be.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Err(TileError::Missing { path })
        }
        Err(error) => Err(TileError::Unreadable { path, cause: error.to_string() }),
    }
}

async fn get(
    client: &Client,
    base: &Url,
    path: &str,
    limit_bytes: usize,
) -> Result<Vec<u8>, TileError> {
    let mut pause = Duration::from_millis(FIRST_PAUSE_MS);
    for attempt in 1..=MAX_ATTEMPTS {
        match get_once(client, base, path, limit_bytes).await {
            Err(Failed::Again { asked, .. }) if attempt < MAX_ATTEMPTS => {
                tokio::time::sleep(pause.max(asked)).await;
                pause *= 2;
            }
            Err(Failed::Again { error, .. } | Failed::Never(error)) => return Err(error),
            Ok(bytes) => return Ok(bytes),
        }
    }
    unreachable!("the last attempt returns")
}

async fn get_once(
    client: &Client,
    base: &Url,
    path: &str,
    limit_bytes: usize,
) -> Result<Vec<u8>, Failed> {
    let unreadable = |cause| TileError::Unreadable { path: path.to_owned(), cause };
    let again = |error: reqwest::Error| {
        // Without the URL, which may hold a password.
        let cause = format!("{:#}", anyhow::Error::new(error.without_url()));
        Failed::Again { error: unreadable(cause), asked: Duration::ZERO }
    };
    let url = base.join(path).map_err(|error| Failed::Never(unreadable(error.to_string())))?;
    let mut response = client.get(url).send().await.map_err(again)?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            return Err(Failed::Never(TileError::Missing { path: path.to_owned() }));
        }
        status => {
            let error = unreadable(format!("the answer is {status}"));
            let passes = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
            if passes {
                return Err(Failed::Again { error, asked: pause_asked(&response) });
            }
            return Err(Failed::Never(error));
        }
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(again)? {
        if bytes.len() + chunk.len() > limit_bytes {
            let path = path.to_owned();
            return Err(Failed::Never(TileError::TooLong { path, limit_bytes }));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The pause that a server asks for, in seconds, as far as we are willing.
fn pause_asked(response: &Response) -> Duration {
    let asked = response.headers().get(header::RETRY_AFTER);
    let seconds = asked.and_then(|text| text.to_str().ok()?.parse().ok()).unwrap_or(0);
    Duration::from_secs(MAX_PAUSE_SECONDS.min(seconds))
}

/// Why there is no answer, and whether asking again may help.
enum Failed {
    Again { error: TileError, asked: Duration },
    Never(TileError),
}
