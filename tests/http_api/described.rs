//! The description of the API: whole, and true.

use std::collections::BTreeSet;

use counterfoil::http::{ProblemType, openapi};
use counterfoil::protocol::entry::Kind;
use counterfoil::protocol::spec::Currencies;
use counterfoil::protocol::text;
use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::support::chain::currency;
use crate::support::node::Node;

/// Routes that are not described: the description itself and its page.
const UNDESCRIBED: [&str; 4] = ["/docs", "/docs/", "/docs/{*rest}", "/openapi.json"];
/// What the test's own pages add.
const PAGES: [&str; 2] = ["/page", "/panic"];

fn description() -> Value {
    serde_json::to_value(openapi()).unwrap()
}

/// Every operation: path, method, what is said of it.
fn operations(api: &Value) -> Vec<(String, String, Map<String, Value>)> {
    let paths = api["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, operation)| {
                (path.clone(), method.to_uppercase(), operation.as_object().unwrap().clone())
            })
        })
        .collect()
}

#[tokio::test]
async fn every_route_is_described_and_the_other_way_round() {
    let node = Node::start("routes").await;
    let api = description();
    let described: BTreeSet<String> = api["paths"].as_object().unwrap().keys().cloned().collect();
    let routed: BTreeSet<String> = node
        .routes
        .iter()
        .filter(|path| !UNDESCRIBED.contains(&path.as_str()) && !PAGES.contains(&path.as_str()))
        .map(|path| path.replace("{*", "{"))
        .collect();
    assert!(routed.len() > 15, "{routed:?}");
    assert_eq!(routed, described);
    // A method that isn't described isn't there.
    for path in &described {
        let methods: Vec<String> = operations(&api)
            .into_iter()
            .filter(|(other, _, _)| other == path)
            .map(|(_, method, _)| method)
            .collect();
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            if methods.contains(&method.to_string()) {
                continue;
            }
            let path = path.replace(['{', '}'], "");
            let response = node.request(method.clone(), &path).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        }
    }
}

#[test]
fn every_operation_is_explained_with_examples_and_errors() {
    let api = description();
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
    let operations = operations(&api);
    assert!(operations.len() > 15);
    for (path, method, operation) in &operations {
        let place = format!("{method} {path}");
        for text in ["summary", "description", "operationId"] {
            let said = operation.get(text).and_then(Value::as_str).unwrap_or_default();
            assert!(!said.is_empty(), "{place}: {text}");
        }
        for parameter in operation.get("parameters").and_then(Value::as_array).into_iter().flatten()
        {
            assert!(parameter["description"].as_str().is_some(), "{place}: {parameter}");
        }
        if let Some(body) = operation.get("requestBody") {
            assert_examples(&place, &body["content"]);
        }
        let responses = operation["responses"].as_object().unwrap();
        for (status, response) in responses {
            assert!(
                response["description"].as_str().is_some_and(|text| !text.is_empty()),
                "{place}"
            );
            assert_examples(&format!("{place} {status}"), &response["content"]);
            if status.starts_with(['4', '5']) {
                let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{place} {status}");
            }
        }
        assert!(responses.keys().any(|status| status.starts_with('2')), "{place}");
        assert!(responses.contains_key("500") && responses.contains_key("503"), "{place}");
        let own = responses.keys().any(|status| status.starts_with('4')) || path == "/readyz";
        assert!(own, "{place} has no problem of its own");
    }
}

fn assert_examples(place: &str, content: &Value) {
    for (media_type, content) in content.as_object().expect("content") {
        let one = content.get("example").is_some_and(|example| !example.is_null());
        let some =
            content.get("examples").and_then(Value::as_object).is_some_and(|all| !all.is_empty());
        assert!(one || some, "{place} {media_type}: no example");
        assert!(!content["schema"].is_null(), "{place} {media_type}: no schema");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let api = description();
    let mut references = BTreeSet::new();
    collect_references(&api, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference.trim_start_matches('#');
        assert!(api.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect_references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| collect_references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        _ => {}
    }
}

/// Each kind has an example, and together they are a history that an empty ledger admits.
#[tokio::test]
async fn examples_of_entries_are_entries() {
    let api = description();
    let body = &api["paths"]["/v1/entries"]["post"]["requestBody"]["content"];
    let examples = body["application/json"]["examples"].as_object().unwrap();
    let all = examples["array"]["value"].as_array().unwrap();
    // A change of the spec is signed for one ledger.
    assert_eq!(all.len(), examples.len() - 2);
    let node = Node::start("examples").await;
    for entry in all {
        assert!(examples.values().any(|example| example["value"] == *entry), "{entry}");
        let (status, result) = node.submit(entry).await;
        assert_eq!(status, StatusCode::CREATED, "{entry}: {result}");
    }
    for kind in Kind::ALL {
        assert_eq!(examples[kind.as_str()]["value"]["kind"], kind.as_str());
    }
    let currencies = Currencies::new([(currency("EUR"), 2)]);
    let mut entries = Vec::new();
    let line = body["application/x-ndjson"]["example"].as_str().unwrap();
    entries.push(serde_json::from_str(line).unwrap());
    let shown = &api["paths"]["/v1/entries/{entry}"]["get"]["responses"]["200"]["content"];
    entries.push(shown["application/json"]["example"]["entry"].clone());
    for entry in entries {
        text::parse(&entry.to_string(), &currencies).expect("an entry");
    }
}

#[tokio::test]
async fn the_description_and_its_page_are_served() {
    let node = Node::start("docs").await;
    assert_eq!(node.read("/openapi.json").await, description());
    let page = node.request(Method::GET, "/docs").send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.url().path().starts_with("/docs/"));
    assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("'self'"));
    let page = page.text().await.unwrap();
    let is_file =
        |text: &&str| text.rsplit_once('.').is_some_and(|(_, end)| end == "js" || end == "css");
    let files: Vec<&str> = page.split('"').filter(is_file).collect();
    assert!(files.len() > 2, "{page}");
    for file in files {
        assert!(!file.contains("//"), "{file} is fetched from elsewhere");
        let path = format!("/docs/{}", file.trim_start_matches("./"));
        let file = node.request(Method::GET, &path).send().await.unwrap();
        assert_eq!(file.status(), StatusCode::OK, "{path}");
        if path.ends_with("initializer.js") {
            let text = file.text().await.unwrap();
            assert!(text.contains("/openapi.json") && text.contains("\"validatorUrl\": \"none\""));
        }
    }
}

#[tokio::test]
async fn every_type_of_problem_is_documented_where_its_uri_leads() {
    let node = Node::start("problem-types").await;
    let all = node.read("/problems").await;
    assert_eq!(all.as_array().unwrap().len(), ProblemType::ALL.len());
    for (kind, listed) in ProblemType::ALL.iter().zip(all.as_array().unwrap()) {
        let meaning = node.read(&kind.uri()).await;
        assert_eq!(&meaning, listed);
        let expected = json!({"type": kind.uri(), "title": kind.title(),
            "status": kind.status().as_u16(), "meaning": kind.meaning()});
        assert_eq!(meaning, expected);
    }
}
