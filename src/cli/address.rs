//! The address of a node.

use anyhow::{Context, bail};
use reqwest::Url;

/// Reads a node's URL, under which its routes stand.
pub fn base_url(url: &str) -> anyhow::Result<Url> {
    let mut base = Url::parse(url)
        .with_context(|| format!("{url} is no URL; write it as in http://127.0.0.1:8080"))?;
    if !matches!(base.scheme(), "http" | "https") {
        bail!("{url}: a node is reached by http or https");
    }
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    Ok(base)
}
