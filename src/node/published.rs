//! What was published of this ledger, asked for before the first block is sealed.
//!
//! A place is a URL or a file where a signed checkpoint of this ledger can be found: a mirror's,
//! another node's, an auditor's. All of them are asked, again and again where one doesn't
//! answer, until each has said something. One that knows of more than is here, or of something
//! else, keeps the node from sealing; the others can't outvote it.

use std::path::PathBuf;
use std::time::Duration;

use futures::future::join_all;
use reqwest::{Client, StatusCode, Url, redirect};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::files;
use crate::ledger::{Health, Hold, Holder, Ledger, Published, contradiction};
use crate::protocol::checkpoint::{Checkpoint, CheckpointError, MAX_NOTE_BYTES, SignedBy};
use crate::protocol::evidence::SignedRoot;
use crate::protocol::succession::{KeyRole, Succession};
use crate::store::View;

/// The most places that a node asks.
pub const MAX_PLACES: usize = 16;
/// How long a place may take to answer, in seconds.
const TIMEOUT_SECONDS: u64 = 10;
/// How often a place may send us elsewhere.
const MAX_REDIRECTS: usize = 3;
/// The pause before places are asked again, in milliseconds; it doubles each time.
const FIRST_PAUSE_MS: u64 = 500;
/// The longest such pause, in milliseconds.
const MAX_PAUSE_MS: u64 = 60_000;

/// Where a signed checkpoint can be found.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Place {
    /// Behind this URL, whole.
    Url(Box<Url>),
    /// In this file.
    File(PathBuf),
}

/// A place that is neither a URL nor a file.
#[derive(Debug, thiserror::Error)]
pub enum BadPlace {
    /// It begins like one, but is none.
    #[error("it is no URL ({0}); write it as in https://ledger.example/checkpoint")]
    NotAUrl(String),
    /// Another scheme than those two.
    #[error("a checkpoint is read by http or https, or from a file")]
    Scheme,
    /// Nothing at all.
    #[error("it is empty; write a URL or a file")]
    Empty,
}

/// Why a place doesn't say what was published.
#[derive(Debug, thiserror::Error)]
pub enum Silence {
    /// There is nothing.
    #[error("nothing is published there")]
    Nothing,
    /// It can't be read.
    #[error("{0}")]
    Unreadable(String),
    /// What is there is no checkpoint of this ledger by its authority.
    #[error("{0}")]
    NotSigned(#[from] CheckpointError),
}

impl TryFrom<String> for Place {
    type Error = BadPlace;

    fn try_from(text: String) -> Result<Self, BadPlace> {
        match text.split_once("://") {
            _ if text.is_empty() => Err(BadPlace::Empty),
            None => Ok(Self::File(text.into())),
            Some(("http" | "https", _)) => match Url::parse(&text) {
                Ok(url) => Ok(Self::Url(Box::new(url))),
                Err(error) => Err(BadPlace::NotAUrl(error.to_string())),
            },
            Some(_) => Err(BadPlace::Scheme),
        }
    }
}

impl std::str::FromStr for Place {
    type Err = BadPlace;

    fn from_str(text: &str) -> Result<Self, BadPlace> {
        Self::try_from(text.to_owned())
    }
}

/// How everybody may see it: without passwords, queries or folders.
impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Url(url) => {
                let host = url.host_str().unwrap_or_default();
                let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                write!(f, "{}://{host}{port}{}", url.scheme(), url.path())
            }
            Self::File(path) => {
                let name = path.file_name().unwrap_or(path.as_os_str());
                write!(f, "the file {}", name.display())
            }
        }
    }
}

impl Place {
    /// The checkpoint that is published here, and by which of the ledger's authorities it is signed:
    /// of those that ever were, or will be by what is recorded.
    ///
    /// # Errors
    /// [`Silence`].
    pub async fn checkpoint(
        &self,
        origin: &str,
        succession: &Succession,
    ) -> Result<(Checkpoint, SignedBy), Silence> {
        let bytes = match self {
            Self::Url(url) => fetch(url).await?,
            Self::File(path) => {
                files::read_bytes(path, MAX_NOTE_BYTES).map_err(|error| match error {
                    files::FileError::Io { source, .. }
                        if source.kind() == std::io::ErrorKind::NotFound =>
                    {
                        Silence::Nothing
                    }
                    // Without the path.
                    files::FileError::Io { source, .. } => Silence::Unreadable(source.to_string()),
                    error => Silence::Unreadable(error.to_string()),
                })?
            }
        };
        let note = String::from_utf8(bytes)
            .map_err(|_| Silence::Unreadable("it is not a text in UTF-8".to_owned()))?;
        Ok(Checkpoint::open_by_any(&note, origin, &succession.sealing_keys())?)
    }
}

async fn fetch(url: &Url) -> Result<Vec<u8>, Silence> {
    // Without the URL, which may hold a password.
    let unreadable = |error: reqwest::Error| {
        Silence::Unreadable(format!("{:#}", anyhow::Error::new(error.without_url())))
    };
    let client = Client::builder()
        .timeout(Duration::from_secs(TIMEOUT_SECONDS))
        .redirect(redirect::Policy::limited(MAX_REDIRECTS))
        .build()
        .map_err(unreadable)?;
    let mut response = client.get(url.clone()).send().await.map_err(unreadable)?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND | StatusCode::GONE => return Err(Silence::Nothing),
        status => return Err(Silence::Unreadable(format!("it answers {status}"))),
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreadable)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_NOTE_BYTES {
            return Err(CheckpointError::TooLong(bytes.len()).into());
        }
    }
    Ok(bytes)
}

/// The hold to begin with, before anybody was asked.
pub fn awaiting(places: &[Place]) -> Hold {
    Hold::Awaiting(places.iter().map(ToString::to_string).collect())
}

/// Asks all places until each says that nothing newer was published there, and then lets the
/// ledger seal. A contradiction ends it: that is for the operator to look at.
pub async fn confirm(ledger: Ledger, places: Vec<Place>, stopping: CancellationToken) {
    if places.is_empty() {
        return;
    }
    let mut pause_ms = FIRST_PAUSE_MS;
    loop {
        let asked = tokio::select! {
            asked = ask(&ledger, &places) => asked,
            () = stopping.cancelled() => return,
        };
        match asked {
            Ok(None) => {
                tracing::info!("nothing newer was published: sealing");
                return ledger.hold(Holder::Published, None);
            }
            Ok(Some(hold)) => {
                let found = !matches!(hold, Hold::Awaiting(_));
                if found && ledger.health() != Health::Held(hold.clone()) {
                    tracing::error!("{hold}");
                }
                let for_good = matches!(hold, Hold::Contradicted { .. });
                ledger.hold(Holder::Published, Some(hold));
                if for_good {
                    return;
                }
            }
            Err(error) => tracing::error!(%error, "can't compare with what was published"),
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(pause_ms)) => {}
            () = stopping.cancelled() => return,
        }
        pause_ms = (pause_ms * 2).min(MAX_PAUSE_MS);
    }
}

/// Asks all places once; what stands against sealing.
async fn ask(ledger: &Ledger, places: &[Place]) -> anyhow::Result<Option<Hold>> {
    let (origin, tip) = (ledger.chain().spec().origin.clone(), ledger.head().tip.clone());
    let asked = places.iter().map(|place| place.checkpoint(&origin, &tip.succession));
    let answers = join_all(asked).await;
    let is_new = tip.height == 0;
    let (mut awaited, mut behind) = (Vec::new(), None);
    for (place, answer) in places.iter().zip(answers) {
        let (checkpoint, SignedBy { key, signature }) = match answer {
            Ok(signed) => signed,
            // Nothing can be published of a ledger that hasn't begun.
            Err(Silence::Nothing) if is_new => continue,
            Err(silence) => {
                tracing::warn!("waiting for {place}: {silence}");
                awaited.push(format!("{place} ({silence})"));
                continue;
            }
        };
        let place = place.to_string();
        let signed = SignedRoot::new(&checkpoint, signature);
        let compare = move |view: &View| Published::compare(view, &checkpoint);
        let role = tip.succession.role_of(&key, tip.height.saturating_add(1));
        match ledger.read(compare).await?? {
            Published::Held => {}
            // What a key signs that isn't in force any more says nothing of this ledger. Whoever
            // named the place may know why it has that.
            _ if matches!(role, KeyRole::Retired | KeyRole::StandsBy) => {
                awaited.push(format!("{place} (what it has is signed by {key}, which is retired)"));
            }
            Published::Newer { size, own } => behind = Some(Hold::Behind { place, size, own }),
            Published::Contradicts { size, published, own } => {
                let evidence = ledger.read(move |view| contradiction(view, key, signed)).await??;
                if let Some(evidence) = evidence {
                    ledger.accuse(evidence).await?;
                }
                return Ok(Some(Hold::Contradicted { place, size, published, own }));
            }
        }
    }
    Ok(behind.or_else(|| (!awaited.is_empty()).then_some(Hold::Awaiting(awaited))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_shown_without_secrets() {
        let cases = [
            ("https://a.example/checkpoint", Some("https://a.example/checkpoint")),
            ("http://user:secret@a.example:81/x?token=secret#y", Some("http://a.example:81/x")),
            ("/secret/latest.checkpoint", Some("the file latest.checkpoint")),
            ("latest", Some("the file latest")),
            ("", None),
            ("ftp://a.example/checkpoint", None),
            ("https://", None),
        ];
        for (text, shown) in cases {
            let place = text.parse::<Place>().ok().map(|place| place.to_string());
            assert_eq!(place.as_deref(), shown, "{text}");
        }
    }
}
