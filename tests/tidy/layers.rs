//! The layers of `src/lib.rs`, and which crates belong to which.

use super::source::{Path, Source};
use super::{Problems, Repository};

/// Where the list of layers stands.
const LIST: &str = "src/lib.rs";

/// A path of a crate, and the files that may not name it.
struct Ban {
    path: &'static str,
    /// What may follow the path and be named all the same.
    but: &'static [&'static str],
    files: Files,
}

/// Some of the files in `src`, by how their paths begin.
enum Files {
    In(&'static [&'static str]),
    Outside(&'static [&'static str]),
}

const fn ban(path: &'static str, files: Files) -> Ban {
    Ban { path, but: &[], files }
}

const PURE: Files = Files::In(&["src/protocol/"]);
const SYNCHRONOUS: Files =
    Files::In(&["src/protocol/", "src/sample/", "src/sample.rs", "src/store/"]);
const NO_SURFACE: Files =
    Files::In(&["src/protocol/", "src/sample/", "src/sample.rs", "src/store/", "src/ledger/"]);

const BANS: [Ban; 17] = [
    ban("std::env", PURE),
    ban("std::fs", PURE),
    ban("std::io", PURE),
    ban("std::net", PURE),
    ban("std::process", PURE),
    ban("std::thread", PURE),
    Ban { path: "std::time", but: &["Duration"], files: PURE },
    ban("getrandom", PURE),
    ban("rand", PURE),
    ban("rand_core", PURE),
    ban("tokio", SYNCHRONOUS),
    ban("tokio_stream", SYNCHRONOUS),
    ban("tokio_util", SYNCHRONOUS),
    ban("futures", SYNCHRONOUS),
    ban("axum", NO_SURFACE),
    ban("sled", Files::Outside(&["src/store/"])),
    // Implementing its traits is free, calling it is not.
    Ban {
        path: "bincode",
        but: &["BorrowDecode", "Decode", "Encode", "de", "enc", "error", "impl_borrow_decode"],
        files: Files::Outside(&["src/protocol/codec.rs"]),
    },
];

/// Every import that runs up or sideways.
pub fn imports(repository: &Repository) -> Problems {
    let list = repository.files.get(LIST).and_then(Option::as_deref).unwrap_or_default();
    let layers = read_layers(list);
    let mut problems = Problems::new();
    for (file, text) in sources(repository) {
        let module = module_path(file);
        // The program stands above every layer.
        let Some(own) = module.first().copied() else { continue };
        let Some(own_rank) = rank(&layers, own) else {
            problems.push(format!("{file}: {own} is in no layer of {LIST}"));
            continue;
        };
        for path in Source::parse(text).unwrap_or_default().paths {
            let Some(target) = reached(&path, module.len()) else { continue };
            let wrong = match rank(&layers, target) {
                _ if target == own => continue,
                Some(other) if other > own_rank => continue,
                Some(other) if other == own_rank => "a neighbour",
                Some(_) => "above",
                None => "no layer",
            };
            let written = path.segments.join("::");
            problems.push(format!("{file}:{}: {written}: {target} is {wrong}", path.line));
        }
    }
    problems
}

/// Every path of a crate that stands where it doesn't belong.
pub fn foreign_paths(repository: &Repository) -> Problems {
    let mut problems = Problems::new();
    for (file, text) in sources(repository) {
        match Source::parse(text) {
            Err(error) => problems.push(format!("{file}:{error}")),
            Ok(source) => {
                for path in source.paths {
                    if BANS.iter().any(|ban| ban.covers(file) && ban.forbids(&path)) {
                        let written = path.segments.join("::");
                        problems.push(format!("{file}:{}: {written}", path.line));
                    }
                }
            }
        }
    }
    problems
}

impl Ban {
    fn covers(&self, file: &str) -> bool {
        let among = |starts: &[&str]| starts.iter().any(|start| file.starts_with(start));
        match self.files {
            Files::In(starts) => among(starts),
            Files::Outside(starts) => !among(starts),
        }
    }

    fn forbids(&self, path: &Path) -> bool {
        // A lone word is a crate only where a `use` brings it in.
        if path.segments.len() < 2 && !path.imported {
            return false;
        }
        let mut segments = path.segments.iter().map(String::as_str);
        self.path.split("::").all(|part| segments.next() == Some(part))
            && segments.next().is_none_or(|next| !self.but.contains(&next))
    }
}

fn sources(repository: &Repository) -> impl Iterator<Item = (&str, &str)> {
    repository.rust().filter(|(file, _)| file.starts_with("src/") && *file != LIST)
}

/// The modules of each layer, outermost first; a blank line stands between two layers.
fn read_layers(list: &str) -> Vec<Vec<&str>> {
    list.split("\n\n")
        .map(|block| block.lines().filter_map(declared).collect::<Vec<_>>())
        .filter(|layer| !layer.is_empty())
        .collect()
}

fn declared(line: &str) -> Option<&str> {
    line.trim().trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';')
}

/// How many layers stand above the module's own.
fn rank(layers: &[Vec<&str>], module: &str) -> Option<usize> {
    layers.iter().position(|layer| layer.contains(&module))
}

/// The module that a file is: `src/a/b.rs` and `src/a/b/mod.rs` are `a::b`.
fn module_path(file: &str) -> Vec<&str> {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').filter(|part| *part != "main").collect()
}

/// What a path names at the root of the crate, if it leads there from a file `length` deep.
fn reached(path: &Path, length: usize) -> Option<&str> {
    let segments = path.segments.iter().map(String::as_str).skip_while(|word| *word == "self");
    let mut segments = segments.peekable();
    if segments.next_if_eq(&"crate").is_some() {
        return segments.next();
    }
    let mut up = 0;
    while segments.next_if_eq(&"super").is_some() {
        up += 1;
    }
    if up >= length + path.depth { segments.next() } else { None }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    const LAYERS: (&str, &str) = (
        "src/lib.rs",
        "//! Layers.\n\n#[cfg(x)]\npub mod top;\n\npub mod left;\npub mod right;\n\npub mod low;\n",
    );

    #[test]
    fn imports_run_down() {
        check(
            imports,
            &[
                (&[LAYERS, ("src/top/mod.rs", "use crate::low::{x, y}; use crate::left;")], &[]),
                (&[LAYERS, ("src/main.rs", "use counterfoil::top;")], &[]),
                (
                    &[
                        LAYERS,
                        ("src/left.rs", "use crate::left::x; mod m { use super::super::low::y; }"),
                    ],
                    &[],
                ),
                (
                    &[LAYERS, ("src/left/a.rs", "pub(super) fn f() { super::b::g(); self::h() }")],
                    &[],
                ),
                (&[LAYERS, ("src/left.rs", "// crate::top\nconst A: &str = \"crate::top\";")], &[]),
                (
                    &[LAYERS, ("src/low.rs", "\nuse crate::left::x;")],
                    &["src/low.rs:2: crate::left::x: left is above"],
                ),
                (&[LAYERS, ("src/left.rs", "use crate::right;")], &["right is a neighbour"]),
                (
                    &[LAYERS, ("src/left.rs", "use crate::{low::a, top::{b, c}};")],
                    &["top::b", "top::c"],
                ),
                (
                    &[LAYERS, ("src/low/a.rs", "fn f() { super::super::top::g() }")],
                    &["top is above"],
                ),
                (
                    &[
                        LAYERS,
                        ("src/low/mod.rs", "#[cfg(test)] mod t { fn f() { m!(crate::top::g()) } }"),
                    ],
                    &["top is above"],
                ),
                (
                    &[LAYERS, ("src/low/mod.rs", "mod t { use super::super::right::x; }")],
                    &["right is above"],
                ),
                (
                    &[LAYERS, ("src/low/mod.rs", "use super::*; use crate::Thing;")],
                    &["no layer", "no layer"],
                ),
                (&[LAYERS, ("src/lost/mod.rs", "")], &["lost is in no layer"]),
            ],
        );
    }

    #[test]
    fn crates_stay_where_they_belong() {
        check(
            foreign_paths,
            &[
                (
                    &[(
                        "src/protocol/a.rs",
                        "use std::time::Duration; use bincode::{Encode, de::Decoder};",
                    )],
                    &[],
                ),
                (&[("src/protocol/codec.rs", "fn f() { bincode::encode_to_vec(1, c) }")], &[]),
                (&[("src/store/a.rs", "use sled::Db; use std::fs;")], &[]),
                (&[("src/ledger/a.rs", "use tokio::sync; let rand = 1;")], &[]),
                (&[("tests/a.rs", "use sled::Db;")], &[]),
                (
                    &[("src/protocol/a.rs", "use std::{fs, time::{Duration, SystemTime}};")],
                    &["std::fs", "SystemTime"],
                ),
                (
                    &[("src/protocol/a.rs", "fn f() { ::std::thread::spawn(g); rand::random() }")],
                    &["std::thread", "rand"],
                ),
                (&[("src/protocol/a.rs", "use std::time;")], &["std::time"]),
                (
                    &[("src/protocol/a.rs", "fn f() { bincode::config::standard() }")],
                    &["bincode::config"],
                ),
                (&[("src/store/a.rs", "use bincode; use axum::Router;")], &["bincode", "axum"]),
                (&[("src/sample/a.rs", "#[tokio::main] fn f() {}")], &["tokio::main"]),
                (
                    &[("src/ledger/a.rs", "use sled;"), ("src/main.rs", "fn f() { sled::open() }")],
                    &["sled", "sled::open"],
                ),
                (&[("src/store/a.rs", "fn f( {")], &["not Rust"]),
            ],
        );
    }
}
