//! The verifier for browsers: its modules, the page that takes files, and that page as one file.
//!
//! The modules in `assets/verify/` are served as they are. The one file holds the same modules in one
//! script, each after those that it imports; what the modules must keep to so that this is all it takes,
//! stands at [`bundle`].

use std::collections::BTreeMap;
use std::sync::LazyLock;

use askama::Template;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

use super::answer::{Frame, Section, Visitor};
use super::language::Language;
use super::messages::filters;

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        &[$((concat!("verify/", $name), include_str!(concat!("assets/verify/", $name)))),+]
    };
}

/// The modules, by their paths among the assets.
const MODULES: &[(&str, &str)] = files![
    "blake3.js",
    "bytes.js",
    "checkpoint.js",
    "drawing.js",
    "entry.js",
    "export.js",
    "file.js",
    "header.js",
    "json.js",
    "leaf.js",
    "log.js",
    "main.js",
    "merkle.js",
    "node.js",
    "page.js",
    "panel.js",
    "pins.js",
    "receipt.js",
    "sha256.js",
    "shown.js",
    "spec.js",
    "steps.js",
    "succession.js",
    "text.js",
    "toml.js",
    "types.js",
    "words.js",
];
/// What they say in other languages.
const WORDS: &[(&str, &str)] = files!["words/ar.json", "words/de.json"];
/// Where everything begins.
const ENTRANCE: &str = "main.js";
const STYLES: [&str; 2] = [include_str!("assets/style.css"), include_str!("assets/verify.css")];

/// What is served among the assets: paths, and what is there.
pub(super) fn files() -> impl Iterator<Item = (&'static str, &'static str)> {
    MODULES.iter().chain(WORDS).copied()
}

/// The modules, by their names.
fn modules() -> Vec<(&'static str, &'static str)> {
    MODULES.iter().map(|(path, text)| (path.trim_start_matches("verify/"), *text)).collect()
}

/// What the one file is called when it is kept.
const OFFLINE_NAME: &str = "attachment; filename=\"counterfoil-verify.html\"";

#[derive(Template)]
#[template(path = "verify.html")]
struct VerifyPage<'a> {
    frame: Frame<'a>,
    hash: String,
}

/// `GET /verify`
pub(super) async fn page(visitor: Visitor) -> Response {
    visitor
        .answer(|reader| {
            let frame = reader.frame(Section::Verify);
            reader.page(&VerifyPage { frame, hash: offline_hash() })
        })
        .await
}

/// `GET /verify/offline.html`
pub(super) async fn offline() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_DISPOSITION, OFFLINE_NAME),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, offline_page()).into_response()
}

/// The SHA-256 of [`offline_page`], in hexadecimal.
pub fn offline_hash() -> String {
    hex::encode(Sha256::digest(offline_page()))
}

/// The verifier as one HTML file that needs nothing else: the same bytes wherever this version of the
/// program runs.
pub fn offline_page() -> &'static str {
    static PAGE: LazyLock<String> = LazyLock::new(|| {
        let style = STYLES.concat();
        let script = bundle(&modules(), ENTRANCE);
        let source =
            |text: &str| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)));
        include_str!("assets/verify/offline.html")
            .replace("@STYLE_SOURCE@", &source(&style))
            .replace("@SCRIPT_SOURCE@", &source(&script))
            .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
            .replace("@STYLE@", &style)
            .replace("@SCRIPT@", &script)
    });
    &PAGE
}

/// One script of all modules that `entrance` needs, each after those that it imports.
///
/// For that to be the same program, modules keep to a few habits: each `import` stands at the
/// beginning of a line and takes names as they are, without `as`; each `export` stands before what it
/// exports; no two modules have a name of their own in common; and no text in them ends a script.
///
/// # Panics
/// Where a module imports another that isn't there, or itself by a detour.
fn bundle(modules: &[(&str, &str)], entrance: &str) -> String {
    let modules: BTreeMap<_, _> = modules.iter().copied().collect();
    let mut script = String::new();
    append(&modules, entrance, &mut Vec::new(), &mut Vec::new(), &mut script);
    script
}

/// Appends a module, after those that it imports and that aren't there yet.
fn append<'a>(
    modules: &BTreeMap<&str, &'a str>,
    name: &'a str,
    above: &mut Vec<&'a str>,
    done: &mut Vec<&'a str>,
    script: &mut String,
) {
    assert!(!above.contains(&name), "{name} imports itself by {above:?}");
    if done.contains(&name) {
        return;
    }
    let text = modules.get(name).expect("each import is of a module that is there");
    let (imports, rest) = parts(text);
    above.push(name);
    for import in imports {
        append(modules, import, above, done, script);
    }
    above.pop();
    done.push(name);
    script.push_str(&rest);
}

/// The modules that one imports, and the rest of it without `export`.
fn parts(text: &str) -> (Vec<&str>, String) {
    let (mut imports, mut rest, mut importing) = (Vec::new(), String::new(), false);
    for line in text.lines() {
        importing |= line.starts_with("import ");
        if importing {
            // The last line of an import names the module.
            if let Some((_, from)) = line.split_once(" from './") {
                imports.push(from.trim_end_matches("';"));
                importing = false;
            }
            continue;
        }
        rest.push_str(line.strip_prefix("export ").unwrap_or(line));
        rest.push('\n');
    }
    (imports, rest)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn modules_come_after_what_they_import() {
        let modules = [
            ("a.js", "import { c } from './c.js';\nimport {\n  b,\n} from './b.js';\nb(c);\n"),
            ("b.js", "import { c } from './c.js';\nexport function b() {}\n"),
            ("c.js", "export const c = 1;\n"),
            ("d.js", "never();\n"),
        ];
        assert_eq!(bundle(&modules, "a.js"), "const c = 1;\nfunction b() {}\nb(c);\n");
    }

    #[test]
    #[should_panic(expected = "a.js imports itself")]
    fn a_circle_is_refused() {
        bundle(
            &[("a.js", "import { b } from './b.js';"), ("b.js", "import { a } from './a.js';")],
            "a.js",
        );
    }

    #[test]
    fn modules_keep_to_the_habits_of_bundling() {
        let mut names = BTreeSet::new();
        for (module, text) in modules() {
            let (_, rest) = parts(text);
            for line in rest.lines() {
                assert!(!line.starts_with("export"), "{module}: {line}");
                assert!(!line.starts_with("import"), "{module}: {line}");
                let mut words = line.split([' ', '(', ';']).skip_while(|word| *word == "async");
                if let (Some("function" | "class" | "const" | "let" | "function*"), Some(name)) =
                    (words.next(), words.next())
                {
                    let known = !names.insert(name.to_owned());
                    assert!(!known, "{module}: {name} is another module's, too");
                }
            }
            assert!(!text.contains(" as ") || !text.contains("import { as"), "{module}");
            assert!(!text.to_ascii_lowercase().contains("</script"), "{module} ends a script");
        }
        let script = bundle(&modules(), ENTRANCE);
        let used = modules().iter().all(|(_, text)| script.contains(parts(text).1.as_str()));
        assert!(used, "a module that nobody imports");
    }

    #[test]
    fn every_language_says_everything_and_nothing_else() {
        let said: BTreeSet<String> = modules()
            .iter()
            .flat_map(|(_, text)| text.split("say('").skip(1))
            .map(|rest| rest.split('\'').next().unwrap().to_owned())
            .collect();
        assert!(said.len() > 100, "{} texts were found", said.len());
        let places = |text: &str| -> BTreeSet<String> {
            text.split('{').skip(1).map(|rest| rest.split('}').next().unwrap().to_owned()).collect()
        };
        for (path, text) in WORDS {
            let words: BTreeMap<String, String> = serde_json::from_str(text).unwrap();
            assert_eq!(words.keys().cloned().collect::<BTreeSet<_>>(), said, "{path}");
            for (english, translated) in words {
                assert_eq!(places(&english), places(&translated), "{path}: {translated}");
            }
        }
    }

    #[test]
    fn the_one_file_is_whole() {
        let page = offline_page();
        assert!(!page.contains("@S") && !page.contains("@V"), "every part is filled in");
        assert!(!page.contains("src=") && !page.contains("href="), "it loads nothing");
        assert_eq!(offline_hash().len(), 64);
    }
}
