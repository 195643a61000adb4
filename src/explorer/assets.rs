//! What the pages load beside themselves. Each name holds the hash of what it names, so a
//! browser may keep it for ever and a new version is loaded at once.

use std::sync::LazyLock;

use axum::Router;
use axum::http::header;
use axum::routing::get;

use super::verifier;

/// Hexadecimal digits of the hash in an asset's name.
const NAME_HASH_DIGITS: usize = 16;
/// A year: as long as caches keep anything.
const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

/// A file that is part of the program.
pub(super) struct Asset {
    /// Where it is, relative to the explorer's root.
    pub(super) path: String,
    media_type: &'static str,
    content: &'static str,
}

/// How the pages look.
pub(super) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("css", "text/css; charset=utf-8", include_str!("assets/style.css"))
});
/// The mark, also the icon in the browser's tab.
pub(super) static LOGO: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("svg", "image/svg+xml", include_str!("assets/logo.svg")));

impl Asset {
    fn new(extension: &str, media_type: &'static str, content: &'static str) -> Self {
        let hash = blake3::hash(content.as_bytes()).to_hex();
        let hash = hash.get(..NAME_HASH_DIGITS).expect("64 digits of ASCII");
        Self { path: format!("assets/explorer-{hash}.{extension}"), media_type, content }
    }
}

/// Where the verifier's files are: modules import each other by relative paths, so the hash of all of
/// them stands in the directory's name.
pub(super) static DIRECTORY: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = blake3::Hasher::new();
    for (path, content) in verifier::files() {
        for part in [path.as_str(), content] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
    }
    let hash = hasher.finalize().to_hex();
    format!("assets/{}", hash.get(..NAME_HASH_DIGITS).expect("64 digits of ASCII"))
});

/// Serves every asset.
pub(super) fn router() -> Router {
    let files = verifier::files().fold(Router::new(), |router, (path, content)| {
        let media_type = match path.ends_with(".css") {
            true => "text/css; charset=utf-8",
            false => "text/javascript; charset=utf-8",
        };
        let headers = [(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, CACHE_CONTROL)];
        router.route(&format!("/{}/{path}", *DIRECTORY), get(async move || (headers, content)))
    });
    [&*STYLE, &*LOGO].into_iter().fold(files, |router, asset| {
        let headers =
            [(header::CONTENT_TYPE, asset.media_type), (header::CACHE_CONTROL, CACHE_CONTROL)];
        router.route(&format!("/{}", asset.path), get(async move || (headers, asset.content)))
    })
}
