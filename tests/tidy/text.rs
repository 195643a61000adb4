//! Sizes, lines, words and names.

use super::source::Source;
use super::{Problems, Repository, is_rust};

/// The most lines of a Rust file.
const MAX_FILE_LINES: usize = 800;
/// From how many lines on a Rust file is named, so that somebody thinks of parting it.
const GROWING_FILE_LINES: usize = 500;
/// The most lines of a function's body.
const MAX_FUNCTION_LINES: usize = 70;

/// What a file or module may not be called: such a name takes anything in.
const EMPTY_NAMES: [&str; 8] =
    ["common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"];

/// Words of what is undone, in any file. Parted here, so that they don't find themselves.
const MARKERS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
/// The same, in Rust alone.
const STUBS: [&str; 4] = [
    concat!("todo", "!"),
    concat!("unimplemented", "!"),
    concat!("dbg", "!"),
    concat!("#[", "ignore"),
];

/// Where only the machine of one of us has anything.
const PLACES: [&str; 6] = [
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Use", "rs/"),
    concat!("/wo", "rk/"),
    concat!("/tmp", "/wt"),
    concat!("../sha", "red"),
];
/// The one file that may name the folder beside the checkout.
const CI: (&str, &str) = (".ci/run", concat!("../sha", "red"));

/// The source that every package of `Cargo.lock` has.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";
/// Settings that lead a package client elsewhere.
const REGISTRY_SETTINGS: [&str; 5] = [
    concat!("index", "-url"),
    concat!("INDEX", "_URL"),
    concat!("find", "-links"),
    concat!("replace", "-with"),
    concat!("\"reso", "lved\":"),
];

/// Rust files beyond [`MAX_FILE_LINES`].
pub fn long_files(repository: &Repository) -> Problems {
    files_beyond(repository, MAX_FILE_LINES)
}

/// Rust files beyond [`GROWING_FILE_LINES`]: worth a thought, no fault.
pub fn growing_files(repository: &Repository) -> Problems {
    files_beyond(repository, GROWING_FILE_LINES)
}

fn files_beyond(repository: &Repository, max: usize) -> Problems {
    let sizes = repository.rust().map(|(file, text)| (file, text.lines().count()));
    sizes
        .filter(|(_, lines)| *lines > max)
        .map(|(file, lines)| format!("{file}: {lines} lines, {max} are enough"))
        .collect()
}

/// Functions beyond [`MAX_FUNCTION_LINES`].
pub fn long_functions(repository: &Repository) -> Problems {
    let mut problems = Problems::new();
    for (file, text) in repository.rust() {
        for function in Source::parse(text).unwrap_or_default().functions {
            let (name, lines) = (function.name, function.body_lines);
            if lines > MAX_FUNCTION_LINES {
                let line = function.line;
                problems.push(format!(
                    "{file}:{line}: {name} has {lines} lines, {MAX_FUNCTION_LINES} are enough"
                ));
            }
        }
    }
    problems
}

/// Tabs, blanks at the end of a line, and what doesn't end with just one line end.
pub fn lines(repository: &Repository) -> Problems {
    let mut problems = Problems::new();
    for (file, text) in repository.texts() {
        for (number, line) in (1..).zip(text.split('\n')) {
            if line.contains('\t') {
                problems.push(format!("{file}:{number}: a tab"));
            }
            if line.ends_with(char::is_whitespace) {
                problems.push(format!("{file}:{number}: a blank at the end"));
            }
        }
        if !text.is_empty() && (!text.ends_with('\n') || text.ends_with("\n\n")) {
            problems.push(format!("{file}: doesn't end with one line end"));
        }
    }
    problems
}

/// What somebody meant to come back to.
pub fn leftovers(repository: &Repository) -> Problems {
    let marker = |line: &str| {
        // With quotes around it is a value: ISO 4217 has such a currency.
        let part = |letter: char| letter.is_alphanumeric() || "_\"".contains(letter);
        let mut words = line.split(|letter: char| !part(letter));
        words.find_map(|word| MARKERS.into_iter().find(|marker| *marker == word))
    };
    let stub = |line: &str| STUBS.into_iter().find(|stub| line.contains(stub));
    find(repository, |file, line| marker(line).or_else(|| stub(line).filter(|_| is_rust(file))))
}

/// Paths of somebody's own machine.
pub fn places(repository: &Repository) -> Problems {
    // After a name it is a part of some other path.
    let begins = |before: &str| {
        !before.ends_with(|letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter))
    };
    find(repository, |file, line| {
        PLACES.into_iter().find(|place| {
            line.match_indices(place).any(|(at, _)| line.get(..at).is_some_and(begins))
                && (file, *place) != CI
        })
    })
}

/// Packages, or settings of their clients, that lead elsewhere than to the public registries.
pub fn registries(repository: &Repository) -> Problems {
    find(repository, |file, line| {
        let source = line.strip_prefix("source = ").filter(|_| file == "Cargo.lock");
        match source {
            Some(source) if source.trim_matches('"') != CRATES_IO => Some("another source"),
            _ => REGISTRY_SETTINGS.into_iter().find(|setting| line.contains(setting)),
        }
    })
}

/// Files, folders and modules with a name that says nothing.
pub fn names(repository: &Repository) -> Problems {
    let empty = |name: &str| EMPTY_NAMES.contains(&name);
    let mut problems = Problems::new();
    for (file, text) in &repository.files {
        let mut parts = file.split('/').map(|part| part.split('.').next().unwrap_or_default());
        if let Some(name) = parts.find(|part| empty(part)) {
            problems.push(format!("{file}: {name}"));
        }
        let rust = text.as_deref().filter(|_| is_rust(file));
        for (name, line) in rust.map_or_else(Vec::new, modules) {
            if empty(&name) {
                problems.push(format!("{file}:{line}: mod {name}"));
            }
        }
    }
    problems
}

fn modules(text: &str) -> Vec<(String, usize)> {
    Source::parse(text).unwrap_or_default().modules
}

/// Every line of every text in which `fault` finds one.
fn find(repository: &Repository, fault: impl Fn(&str, &str) -> Option<&'static str>) -> Problems {
    let mut problems = Problems::new();
    for (file, text) in repository.texts() {
        for (number, line) in (1..).zip(text.lines()) {
            if let Some(fault) = fault(file, line) {
                problems.push(format!("{file}:{number}: {fault}"));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn files_and_functions_are_short() {
        let file = |lines: usize| "//\n".repeat(lines);
        let function = |lines: usize| format!("fn f() {{\n{}}}\n", "    g();\n".repeat(lines));
        check(
            long_files,
            &[
                (&[("a.rs", &file(MAX_FILE_LINES)), ("a.md", &file(MAX_FILE_LINES + 1))], &[]),
                (&[("a.rs", &file(MAX_FILE_LINES + 1))], &["a.rs: 801 lines"]),
            ],
        );
        check(
            growing_files,
            &[
                (&[("a.rs", &file(GROWING_FILE_LINES))], &[]),
                (&[("a.rs", &file(GROWING_FILE_LINES + 1))], &["a.rs: 501 lines"]),
            ],
        );
        check(
            long_functions,
            &[
                (&[("a.rs", &function(MAX_FUNCTION_LINES))], &[]),
                (&[("a.rs", &function(MAX_FUNCTION_LINES + 1))], &["a.rs:1: f has 71 lines"]),
            ],
        );
    }

    #[test]
    fn lines_are_clean() {
        check(
            lines,
            &[
                (&[("a", "x\n\ny\n"), ("b", "")], &[]),
                (&[("a", "x\n\ty\n")], &["a:2: a tab"]),
                (&[("a", "x \ny\r\n")], &["a:1: a blank", "a:2: a blank"]),
                (&[("a", "x"), ("b", "x\n\n")], &["a: doesn't end", "b: doesn't end"]),
            ],
        );
    }

    #[test]
    fn nothing_is_left_undone() {
        let [todo, _, long] = MARKERS;
        let comment = format!("x\n// {todo}: later\n");
        check(
            leftovers,
            &[
                (&[("a.sh", &format!("mktemp a.{long}{long}\n")), ("a.md", STUBS[0])], &[]),
                (&[("a.rs", &format!("currency(\"{long}\")"))], &[]),
                (&[("a.rs", &comment), ("a.md", long)], &["a.md:1", "a.rs:2"]),
                (&[("a.rs", &STUBS.join("\n"))], &["a.rs:1", "a.rs:2", "a.rs:3", "a.rs:4"]),
            ],
        );
    }

    #[test]
    fn names_say_something() {
        check(
            names,
            &[
                (&[("src/commonly.rs", "mod utilities;"), ("docs/manager-guide.md", "")], &[]),
                (&[("src/utils.rs", ""), ("tests/common/mod.rs", "")], &["utils", "common"]),
                (&[("src/a.rs", "mod m { mod helpers {} }")], &["a.rs:1: mod helpers"]),
            ],
        );
    }

    #[test]
    fn no_machine_is_special() {
        let (ci, shared) = CI;
        check(
            places,
            &[
                (&[(ci, shared), ("a.md", concat!("net", "/wo", "rk/x /tmp/x"))], &[]),
                (&[("a.md", shared), (ci, PLACES[0])], &[PLACES[0], shared]),
                (&[("a", &PLACES.join("\n"))], &PLACES),
            ],
        );
    }

    #[test]
    fn packages_are_public() {
        let lock = |source: &str| format!("name = \"x\"\nsource = \"{source}\"\n");
        check(
            registries,
            &[
                (&[("Cargo.lock", &lock(CRATES_IO)), ("a.toml", &lock("elsewhere"))], &[]),
                (&[("Cargo.lock", &lock("registry+https://example.org"))], &["Cargo.lock:2"]),
                (&[("a", &REGISTRY_SETTINGS.join("\n"))], &REGISTRY_SETTINGS),
            ],
        );
    }
}
