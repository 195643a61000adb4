//! What the pages load beside themselves: all of it under one address that holds the hash of all of
//! it. So a browser may keep it for ever, a new version is loaded at once, and modules import each
//! other by relative paths.

use std::sync::LazyLock;

use axum::Router;
use axum::http::header;
use axum::routing::get;

use super::verifier;

/// Hexadecimal digits of the hash in the address.
const HASH_DIGITS: usize = 16;
/// A year: as long as caches keep anything.
const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

/// The files: each by its path below `assets/`, and what is in it.
const FILES: &[(&str, &str)] = &[
    ("style.css", include_str!("assets/style.css")),
    ("verify.css", include_str!("assets/verify.css")),
    ("logo.svg", include_str!("assets/logo.svg")),
    ("page.js", include_str!("assets/page.js")),
    ("page/copy.js", include_str!("assets/page/copy.js")),
    ("page/keys.js", include_str!("assets/page/keys.js")),
    ("page/live.js", include_str!("assets/page/live.js")),
    ("page/times.js", include_str!("assets/page/times.js")),
];

/// The media types of what there is, by the ends of names.
const MEDIA_TYPES: &[(&str, &str)] = &[
    (".css", "text/css; charset=utf-8"),
    (".html", "text/html; charset=utf-8"),
    (".js", "text/javascript; charset=utf-8"),
    (".json", "application/json"),
    (".svg", "image/svg+xml"),
];

/// Where all assets are, relative to the explorer's root, without a slash at the end.
pub(super) static DIRECTORY: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = blake3::Hasher::new();
    for (path, content) in files() {
        for part in [path, content] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
    }
    let hash = hasher.finalize().to_hex();
    format!("assets/{}", hash.get(..HASH_DIGITS).expect("64 digits of ASCII"))
});

/// Serves every asset below `base`, which ends with a slash.
pub(super) fn router(base: &str) -> Router {
    files().fold(Router::new(), |router, (path, content)| {
        let headers =
            [(header::CONTENT_TYPE, media_type(path)), (header::CACHE_CONTROL, CACHE_CONTROL)];
        let path = format!("{base}{}/{path}", *DIRECTORY);
        router.route(&path, get(async move || (headers, content)))
    })
}

/// All files, those of the verifier included.
fn files() -> impl Iterator<Item = (&'static str, &'static str)> {
    FILES.iter().copied().chain(verifier::files())
}

fn media_type(path: &str) -> &'static str {
    let known = MEDIA_TYPES.iter().find(|(end, _)| path.ends_with(end));
    known.expect("each file's end has a media type").1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_a_media_type() {
        for (path, _) in files() {
            assert!(!media_type(path).is_empty());
        }
    }
}
