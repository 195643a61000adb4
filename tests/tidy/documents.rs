//! What documents name must exist.

use std::path::Path;

use super::{Problems, Repository, is_rust};

/// The documents that people find their way by.
const MAPS: [&str; 2] = ["ARCHITECTURE.md", "README.md"];

/// Files named in the maps that don't exist.
///
/// A word is the name of a file when it begins with a folder of ours, or ends like one of our
/// sources or documents; the latter may be the end of a longer path.
pub fn named_files(repository: &Repository) -> Problems {
    let mut problems = Problems::new();
    for map in MAPS {
        let Some(Some(text)) = repository.files.get(map) else {
            problems.push(format!("{map} is missing"));
            continue;
        };
        for (number, line) in (1..).zip(text.lines()) {
            let missing = words(line).filter(|word| is_missing(repository, word));
            problems.extend(missing.map(|word| format!("{map}:{number}: {word}")));
        }
    }
    // A link says it twice.
    problems.dedup();
    problems
}

/// What could be a path, without the full stop of its sentence.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let part = |letter: char| letter.is_ascii_alphanumeric() || "._-/".contains(letter);
    line.split(move |letter| !part(letter))
        .map(|word| word.trim_end_matches('.').trim_start_matches("./"))
}

fn is_missing(repository: &Repository, word: &str) -> bool {
    let (folder, inside) = word.split_once('/').unwrap_or_default();
    if !folder.is_empty() && !inside.is_empty() && repository.has(&format!("{folder}/")) {
        return !repository.has(word);
    }
    let end = format!("/{word}");
    let found = |file: &String| file == word || file.ends_with(&end);
    // A path from the root of a host, or of an API, is none of ours.
    (is_rust(word) || is_document(word))
        && !word.starts_with('/')
        && !repository.files.keys().any(found)
}

/// Links between documents that lead nowhere.
pub fn links(repository: &Repository) -> Problems {
    let mut problems = Problems::new();
    for (file, text) in repository.texts().filter(|(file, _)| is_document(file)) {
        let mut fenced = false;
        for (number, line) in (1..).zip(text.lines()) {
            let fence = line.trim_start().starts_with("```");
            fenced ^= fence;
            if fence || fenced {
                continue;
            }
            for target in targets(line) {
                if !resolve(file, &target).is_some_and(|path| repository.has(&path)) {
                    problems.push(format!("{file}:{number}: {target}"));
                }
            }
        }
    }
    problems
}

fn is_document(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|extension| extension == "md")
}

/// The files that a line's links name, without the place inside them.
fn targets(line: &str) -> Vec<String> {
    // Every other piece between backticks is code.
    let prose: String = line.split('`').step_by(2).collect();
    let inline = prose.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    let definition = prose.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
    let definition = definition.and_then(|(_, rest)| rest.split(' ').next());
    inline
        .chain(definition)
        .map(|target| target.trim_matches(['<', '>']).split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains(':'))
        .map(str::to_owned)
        .collect()
}

/// The path from the root that `target` means in `file`; none outside the repository.
fn resolve(file: &str, target: &str) -> Option<String> {
    let mut path: Vec<_> = file.split('/').collect();
    path.pop();
    for part in target.split('/').filter(|part| !part.is_empty()) {
        match part {
            "." => {}
            ".." => drop(path.pop()?),
            part => path.push(part),
        }
    }
    Some(path.join("/"))
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn maps_name_what_exists() {
        let case = |text: &'static str| {
            [
                ("README.md", ""),
                ("ARCHITECTURE.md", text),
                ("src/store/commit.rs", ""),
                ("docs/a.md", ""),
            ]
        };
        check(
            named_files,
            &[
                (&case("See `store/commit.rs`, `src/store/`, commit.rs and docs/a.md."), &[]),
                (
                    &case(
                        "`src/*.rs` is at https://example.org/src/x.rs, or /v1/x.md, `and/or` src.",
                    ),
                    &[],
                ),
                (&case("x\n[`src/a.rs`](src/a.rs)"), &["ARCHITECTURE.md:2: src/a.rs"]),
                (&case("    seal.rs  seals"), &["seal.rs"]),
                (&case("`docs/b`, `store/sealed.rs` and B.md."), &["docs/b", "sealed.rs", "B.md"]),
                (&case("`mmit.rs`"), &["mmit.rs"]),
                (&[("README.md", "")], &["ARCHITECTURE.md is missing"]),
            ],
        );
    }

    #[test]
    fn links_lead_somewhere() {
        let case =
            |text: &'static str| [("docs/a.md", text), ("README.md", ""), ("docs/b/c.png", "")];
        check(
            links,
            &[
                (
                    &case(
                        "[x](../README.md#x), ![y](b/c.png \"z\"), [d](b/), [s](#s), [w](https://a.b/c)",
                    ),
                    &[],
                ),
                (&case("`[x](no.md)`\n```\n[x](no.md)\n```\n[x]: a.md"), &[]),
                (&case("[x](a.md) [y](no.md)"), &["docs/a.md:1: no.md"]),
                (
                    &case("```\n```\n[x](../../README.md)\n[x]: gone.md"),
                    &["3: ../../README", "4: gone.md"],
                ),
            ],
        );
    }
}
