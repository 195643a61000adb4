//! Whether the node is well.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::problem::{Problem, ProblemType};
use crate::ledger::Health;

/// A node that is well.
#[derive(Serialize, ToSchema)]
pub struct Well {
    /// `alive`, or what the node is ready to do: `sealing` or `serving`.
    #[schema(example = "sealing")]
    status: &'static str,
}

/// Whether the process runs
///
/// Always answers while it does. A node that is alive and not ready wants its operator, not a
/// restart.
#[utoipa::path(
    get, path = "/livez", tag = "node",
    responses((status = 200, description = "It runs.", body = Well,
        example = json!({"status": "alive"})))
)]
pub async fn livez() -> Json<Well> {
    Json(Well { status: "alive" })
}

/// Whether the node does what it is there for
///
/// Ready is an authority that seals, and a node that serves without a sealing key or with one that
/// isn't the authority's. Not ready is one that ought to seal and can't, and says why.
#[utoipa::path(
    get, path = "/readyz", tag = "node",
    responses((status = 200, description = "It is ready.", body = Well,
        example = json!({"status": "sealing"})))
)]
pub async fn readyz(State(shared): State<Shared>) -> Result<Json<Well>, Problem> {
    match shared.api.ledger.health() {
        Health::Sealing => Ok(Json(Well { status: "sealing" })),
        Health::NoKey => Ok(Json(Well { status: "serving" })),
        Health::NotAuthority { .. } => Ok(Json(Well { status: "standing-by" })),
        health @ (Health::Standing(_)
        | Health::Accused(_)
        | Health::Held(_)
        | Health::Recovering(_)
        | Health::Failed) => Err(Problem::new(ProblemType::NotReady, health.to_string())),
    }
}
