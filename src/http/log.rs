//! The log itself, as C2SP `tlog-tiles` v0.1.0 lays it out.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};

use super::Shared;
use super::middleware::Compressible;
use super::problem::{Problem, ProblemType};
use crate::protocol::tile_path::TilePath;
use crate::store::View;

/// What never changes may be kept for ever.
pub const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// A checkpoint is replaced with every block.
const FOR_SECONDS: HeaderValue = HeaderValue::from_static("public, max-age=2");

/// The latest checkpoint
///
/// The size and root of the log, signed by the authority: a C2SP `tlog-checkpoint`. It ends at
/// the last block's header.
#[utoipa::path(
    get, path = "/checkpoint", tag = "log",
    responses((status = 200, description = "The checkpoint.", body = String,
        content_type = "text/plain; charset=utf-8",
        example = json!("ledger.example/acme\n4721\n…\n\n— ledger.example/acme …\n")))
)]
pub async fn get_checkpoint(State(shared): State<Shared>) -> Result<Response, Problem> {
    let ledger = &shared.api.ledger;
    let head = ledger.head();
    let note = match &head.signature {
        Some(signature) => {
            let checkpoint = head.tip.checkpoint(ledger.chain());
            Some(checkpoint.to_note(&head.header.authority, signature))
        }
        None => shared.api.genesis_note.clone(),
    };
    let note = note.ok_or_else(|| {
        let detail = "the log has its genesis block only, whose checkpoint this node can't sign";
        Problem::new(ProblemType::NotFound, detail)
    })?;
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    let headers = [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, FOR_SECONDS)];
    Ok((headers, note).into_response())
}

/// A tile of the log's tree
///
/// Hashes of the tree at a level that is a multiple of eight: 256 of them, or the first ones of
/// a partial tile, such as `/tile/0/x001/x234/067.p/8`. Any part that the log has is served; an
/// empty one never is.
#[utoipa::path(
    get, path = "/tile/{level}/{*number}", tag = "log",
    params(
        ("level" = String, Path, example = "0", description = "0 to 63, without leading zeros."),
        ("number" = String, Path, example = "x001/x234/067",
            description = "The tile's number in groups of three digits, all but the last with an `x` before them; then `.p/` and the width for a partial tile.")),
    responses((status = 200, description = "The hashes, 32 bytes each.", body = Vec<u8>,
        content_type = "application/octet-stream", example = json!("32 to 8192 bytes")))
)]
pub async fn get_tile(State(shared): State<Shared>, uri: Uri) -> Result<Response, Problem> {
    serve(&shared, &uri).await
}

/// A bundle of the log's leaves
///
/// 256 leaves, headers and entries alike, or the first ones of a partial bundle; before each its
/// length, two bytes, big-endian.
#[utoipa::path(
    get, path = "/tile/entries/{*number}", tag = "log",
    params(("number" = String, Path, example = "000.p/3",
        description = "The bundle's number in groups of three digits, all but the last with an `x` before them; then `.p/` and the width for a partial bundle.")),
    responses((status = 200, description = "The leaves, each after its length.", body = Vec<u8>,
        content_type = "application/octet-stream", example = json!("length, leaf, length, leaf, …")))
)]
pub async fn get_entry_bundle(State(shared): State<Shared>, uri: Uri) -> Result<Response, Problem> {
    Ok((Extension(Compressible), serve(&shared, &uri).await?).into_response())
}

/// A bundle of the blocks' signatures
///
/// 256 signatures of the authority, or the first ones of a partial bundle, by height: the first of
/// bundle 0 is that of block 1. Each is on the checkpoint of the log that ends with its block.
/// With the leaves they are all of the ledger's blocks.
#[utoipa::path(
    get, path = "/tile/signatures/{*number}", tag = "log",
    params(("number" = String, Path, example = "000.p/3",
        description = "The bundle's number in groups of three digits, all but the last with an `x` before them; then `.p/` and the width for a partial bundle.")),
    responses((status = 200, description = "The signatures, 64 bytes each.", body = Vec<u8>,
        content_type = "application/octet-stream", example = json!("64 to 16384 bytes")))
)]
pub async fn get_signatures(State(shared): State<Shared>, uri: Uri) -> Result<Response, Problem> {
    serve(&shared, &uri).await
}

/// Serves the tile at a path.
async fn serve(shared: &Shared, uri: &Uri) -> Result<Response, Problem> {
    // The path as it was sent: what is escaped in it is no tile's path.
    let path = uri.path().strip_prefix('/').and_then(TilePath::parse).ok_or_else(not_a_tile)?;
    let bytes = shared.read(move |view: &View| view.tile_bytes(path)).await?;
    bytes.map(octets).ok_or_else(not_there)
}

fn octets(bytes: Vec<u8>) -> Response {
    let content_type = HeaderValue::from_static("application/octet-stream");
    let headers = [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, IMMUTABLE)];
    (headers, bytes).into_response()
}

fn not_a_tile() -> Problem {
    let detail = "not the path of a tile, such as /tile/0/x001/x234/067 or /tile/0/000.p/8";
    Problem::new(ProblemType::NotFound, detail)
}

fn not_there() -> Problem {
    Problem::new(ProblemType::NotFound, "the log has no such tile, or not as much of it")
}
