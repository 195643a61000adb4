//! The description of the API: OpenAPI 3.1, a reference page, and the list of problems.

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::http::HeaderValue;
use axum::http::header::{self, CONTENT_TYPE};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, Ref, RefOr, Response,
    ResponseBuilder,
};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::Shared;
use super::problem::ProblemType::{
    self, AtomicRejected, AtomicStream, AuthorityUnreachable, BadCursor, BadParameter,
    DuplicateExternalId, Internal, Interrupted, MalformedEntry, MalformedJson, MethodNotAllowed,
    MissingParent, NoSealingKey, NotAuthority, NotFound, NotReady, NotSealing, Overloaded,
    TimedOut, TooLarge, TooMuch, Unauthorized, UnsupportedMediaType,
};
use super::problem::{self, Problem};
use crate::protocol::entry::Kind;

/// What each operation can fail with, beside what any can.
#[rustfmt::skip]
const PROBLEMS: &[(&str, &[ProblemType])] = &[
    ("submit_entries", &[
        BadParameter, MalformedJson, AtomicStream, Interrupted, Unauthorized, NoSealingKey,
        NotAuthority, DuplicateExternalId, TooLarge, UnsupportedMediaType, MalformedEntry, MissingParent, TooMuch,
        AtomicRejected, NotSealing, AuthorityUnreachable,
    ]),
    ("list_entries", &[BadParameter, BadCursor]),
    ("get_entry", &[BadParameter, NotFound]),
    ("get_receipt", &[BadParameter, NotFound]),
    ("get_leaf", &[BadParameter, NotFound]),
    ("get_affiliate_balances", &[BadParameter, BadCursor]),
    ("get_affiliate_statement", &[BadParameter, BadCursor]),
    ("get_affiliate_earnings", &[BadParameter, BadCursor]),
    ("get_merchant_liabilities", &[BadParameter, BadCursor]),
    ("get_merchant_statement", &[BadParameter, BadCursor]),
    ("get_merchant_performance", &[BadParameter, BadCursor]),
    ("list_merchant_affiliates", &[BadParameter, BadCursor]),
    ("get_totals", &[BadParameter, BadCursor]),
    ("get_downline", &[BadParameter, BadCursor]),
    ("search", &[BadParameter, BadCursor]),
    ("get_entry_history", &[BadParameter, BadCursor, NotFound]),
    ("get_history", &[BadParameter, BadCursor, NotFound]),
    ("get_order", &[BadParameter, BadCursor, NotFound]),
    ("list_terms", &[BadParameter, BadCursor, NotFound]),
    ("compare_terms", &[BadParameter, BadCursor, NotFound]),
    ("list_blocks", &[BadParameter, BadCursor]),
    ("get_block", &[BadParameter, BadCursor, NotFound]),
    ("stream_blocks", &[BadParameter, Overloaded]),
    ("get_chain", &[MethodNotAllowed]),
    ("get_spec", &[MethodNotAllowed]),
    ("verify_ledger", &[BadParameter, Overloaded]),
    ("verify_receipt", &[MalformedJson, TooLarge, UnsupportedMediaType]),
    ("get_checkpoint", &[NotFound]),
    ("get_tile", &[NotFound]),
    ("get_entry_bundle", &[NotFound]),
    ("get_peers", &[MethodNotAllowed]),
    ("list_evidence", &[MethodNotAllowed]),
    ("get_signatures", &[NotFound]),
    ("list_problems", &[MethodNotAllowed]),
    ("get_problem", &[NotFound]),
    ("get_metrics", &[MethodNotAllowed]),
    ("livez", &[MethodNotAllowed]),
    ("readyz", &[NotReady]),
];

/// Entries of every kind to show, in an order in which an empty ledger admits them.
const EXAMPLES: &str = include_str!("examples.json");

/// An entry to show.
#[derive(Deserialize)]
struct EntryExample {
    /// What it is called among the examples.
    name: String,
    /// What it is about, in a few words.
    summary: String,
    entry: Value,
}

/// What any operation can fail with.
const PROBLEMS_OF_ALL: &[ProblemType] = &[Internal, Overloaded, TimedOut];

/// What the reference page may load: its own files.
const PAGE_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; \
img-src 'self' data:; frame-ancestors 'none'";

const ABOUT: &str = "An append-only transparency ledger for affiliate marketing: what is stated \
here is sealed into signed blocks, and anybody can verify it.

Every error is a problem document (RFC 9457, `application/problem+json`) whose `type` is stable and \
documented at its own path, `/problems/…`. Every response has an `x-request-id`, under which the \
node's log has more.

Amounts are decimal strings. Times are RFC 3339. Lists go on with the cursor in `next`. Parameters \
and fields that aren't known are refused, not ignored.";

const TAGS: [(&str, &str); 9] = [
    ("entries", "Facts: submitting, finding and proving them."),
    ("queries", "Questions about affiliates, merchants and everything, answered as of any height."),
    ("blocks", "Runs of entries, each sealed and signed."),
    ("chain", "Which ledger this is, and where it stands."),
    ("verify", "Verification by the node, for those who ask it."),
    ("log", "The transparency log itself, as C2SP `tlog-tiles` lays it out."),
    ("peers", "Who else holds this ledger, and whether its key signed two histories."),
    ("problems", "What each type of problem means."),
    ("node", "Whether the node is well."),
];

/// The description of `routes`.
pub fn describe(routes: OpenApiRouter<Shared>) -> OpenApi {
    let mut api = routes.into_openapi();
    api.info = InfoBuilder::new()
        .title("Counterfoil")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(LicenseBuilder::new().name("MIT OR Apache-2.0").build()))
        .build();
    let tag = |(name, about)| TagBuilder::new().name(name).description(Some(about)).build();
    api.tags = Some(TAGS.into_iter().map(tag).collect());
    let components = api.components.get_or_insert_with(Components::new);
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The token that the operator gave you. Reading needs none."))
        .build();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    let mut schemas = Vec::new();
    <Problem as ToSchema>::schemas(&mut schemas);
    components.schemas.extend(schemas);
    components.schemas.insert(Problem::name().into_owned(), Problem::schema());
    let paths = std::mem::take(&mut api.paths.paths);
    for (path, mut item) in paths {
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            let name = operation.operation_id.clone().unwrap_or_default();
            let own = PROBLEMS.iter().find(|(operation, _)| *operation == name);
            let own = own.map_or(&[] as &[ProblemType], |(_, problems)| problems);
            add_problems(&mut operation.responses.responses, own);
            if name == "submit_entries" {
                add_entries(operation);
            }
        }
        // The router's mark for the rest of a path means nothing to OpenAPI.
        api.paths.paths.insert(path.replace("{*", "{"), item);
    }
    api
}

fn add_problems(responses: &mut BTreeMap<String, RefOr<Response>>, own: &[ProblemType]) {
    let mut by_status: BTreeMap<String, Vec<ProblemType>> = BTreeMap::new();
    for kind in own.iter().chain(PROBLEMS_OF_ALL.iter().filter(|kind| !own.contains(kind))) {
        by_status.entry(kind.status().as_str().to_owned()).or_default().push(*kind);
    }
    for (status, kinds) in by_status {
        let titles: Vec<String> =
            kinds.iter().map(|kind| format!("`{}`: {}", kind.uri(), kind.title())).collect();
        let examples = kinds.iter().map(|kind| {
            let value = serde_json::to_value(Problem::plain(*kind)).ok();
            let example = ExampleBuilder::new().summary(kind.title()).value(value).build();
            (kind.name(), RefOr::T(example))
        });
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(Problem::name())))
            .examples_from_iter(examples)
            .build();
        let response = ResponseBuilder::new()
            .description(titles.join("; "))
            .content(problem::MEDIA_TYPE, content)
            .build();
        responses.insert(status, RefOr::T(response));
    }
}

/// Shows an entry of each kind among the bodies of `operation`, and all of them in an array.
fn add_entries(operation: &mut Operation) {
    let examples: Vec<EntryExample> = serde_json::from_str(EXAMPLES).expect("a list of examples");
    let Some(RefOr::T(body)) = &mut operation.request_body else {
        unreachable!("what is submitted is described where it is");
    };
    let Some(RefOr::T(json)) = body.content.get_mut("application/json") else {
        unreachable!("entries are submitted as JSON");
    };
    let show = |summary: &str, value| {
        RefOr::T(ExampleBuilder::new().summary(summary).value(Some(value)).build())
    };
    // A change of the spec is signed for one ledger, and stands there first.
    let stated = examples.iter().filter(|example| example.name != Kind::SpecChange.as_str());
    let all = stated.map(|example| example.entry.clone()).collect();
    json.examples.insert("array".to_owned(), show("Several at once", Value::Array(all)));
    for EntryExample { name, summary, entry } in examples {
        json.examples.insert(name, show(&summary, entry));
    }
}

/// The description as a file, and its page.
pub fn routes(api: &OpenApi) -> Router<Shared> {
    let json = Bytes::from(serde_json::to_vec(api).expect("strings, numbers and lists"));
    let file = get(async move || ([(CONTENT_TYPE, "application/json")], json.clone()));
    // Nothing is fetched from, or told to, anybody else.
    let page = SwaggerUi::new("/docs")
        .config(Config::new(["/openapi.json"]).validator_url("none").try_it_out_enabled(false));
    let policy = (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    let policy = SetResponseHeaderLayer::overriding(policy.0, policy.1);
    Router::from(page).layer(policy).route("/openapi.json", file)
}

/// What a type of problem means.
#[derive(Serialize, ToSchema)]
pub struct ProblemMeaning {
    /// The type URI.
    #[serde(rename = "type")]
    #[schema(example = "/problems/missing-parent")]
    uri: String,
    /// What it is, in a few words.
    title: &'static str,
    /// The status of a response that is this problem.
    #[schema(example = 422)]
    status: u16,
    /// What it means, and what to do.
    meaning: &'static str,
}

impl From<ProblemType> for ProblemMeaning {
    fn from(kind: ProblemType) -> Self {
        let (uri, status) = (kind.uri(), kind.status().as_u16());
        Self { uri, title: kind.title(), status, meaning: kind.meaning() }
    }
}

/// Every type of problem
///
/// With what it means and what to do about it.
#[utoipa::path(
    get, path = "/problems", tag = "problems",
    responses((status = 200, description = "All of them.", body = [ProblemMeaning],
        example = json!([{"type": "/problems/missing-parent", "status": 422,
            "title": "The entry refers to one that is not there",
            "meaning": "An entry that is named must stand on the ledger before, …"}])))
)]
pub async fn list_problems() -> Json<Vec<ProblemMeaning>> {
    Json(ProblemType::ALL.iter().copied().map(ProblemMeaning::from).collect())
}

/// One type of problem
///
/// What stands in the `type` of a problem document leads here.
#[utoipa::path(
    get, path = "/problems/{name}", tag = "problems",
    params(("name" = String, Path, example = "missing-parent", description = "The type's name.")),
    responses((status = 200, description = "What it means.", body = ProblemMeaning,
        example = json!({"type": "/problems/missing-parent", "status": 422,
            "title": "The entry refers to one that is not there",
            "meaning": "An entry that is named must stand on the ledger before, …"})))
)]
pub async fn get_problem(Path(name): Path<String>) -> Result<Json<ProblemMeaning>, Problem> {
    let kind = ProblemType::named(&name);
    let kind = kind.ok_or_else(|| Problem::new(NotFound, "no type of problem has this name"))?;
    Ok(Json(kind.into()))
}
