//! The style of this repository, enforced: layers, sizes, words, names, paths and links.
//!
//! Each rule is a function from the repository's files to what is wrong with them, and each
//! has a table of files that it must refuse and of files that it must let pass.

#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/text.rs"]
mod text;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// What a rule finds wrong, one line for each place.
type Problems = Vec<String>;

/// What must hold of the repository.
type Rule = fn(&Repository) -> Problems;

/// Every rule. Its name says what holds when it finds nothing.
const RULES: [(&str, Rule); 11] = [
    ("a module imports only from layers below its own", layers::imports),
    ("a crate is named only where it belongs", layers::foreign_paths),
    ("a Rust file is short", text::long_files),
    ("a function fits a screen", text::long_functions),
    ("a line has no tab, no blank at its end, and an end", text::lines),
    ("nothing is left undone", text::leftovers),
    ("a name says what is inside", text::names),
    ("nothing depends on one machine", text::places),
    ("packages come from the public registries", text::registries),
    ("the map names only what exists", documents::named_files),
    ("a link leads somewhere", documents::links),
];

#[test]
fn the_repository_is_tidy() {
    let repository = Repository::read(Path::new(env!("CARGO_MANIFEST_DIR")));
    for note in text::growing_files(&repository) {
        // Past the capture of a passing test, so that somebody reads it.
        writeln!(std::io::stderr(), "note: {note}").expect("standard error is open");
    }
    let found = RULES.map(|(name, rule)| (name, rule(&repository)));
    let broken = found.iter().filter(|(_, problems)| !problems.is_empty());
    let report: Vec<_> = broken
        .map(|(name, problems)| format!("{name}, but:\n  {}", problems.join("\n  ")))
        .collect();
    assert!(report.is_empty(), "\n{}", report.join("\n"));
}

/// The files that are, or are about to be, under version control.
struct Repository {
    /// By path from the root, with `/`. What isn't UTF-8 has no text here.
    files: BTreeMap<String, Option<String>>,
}

impl Repository {
    fn read(root: &Path) -> Self {
        let mut paths = git_files(root).unwrap_or_else(|| walk(root, ""));
        // Git still lists what was deleted but not yet committed.
        paths.retain(|path| root.join(path).is_file());
        assert!(paths.iter().any(|path| path == "src/lib.rs"), "{} has no sources", root.display());
        let read = |path: String| {
            let bytes = fs::read(root.join(&path)).expect("a listed file is readable");
            (path, String::from_utf8(bytes).ok())
        };
        Self { files: paths.into_iter().map(read).collect() }
    }

    /// Every text file with its path.
    fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// Every Rust file with its path.
    fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(|(path, _)| is_rust(path))
    }

    /// Whether there is a file or folder at `path`.
    fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        self.files.contains_key(path) || self.files.keys().any(|file| file.starts_with(&folder))
    }
}

fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "rs")
}

/// Every file that git knows or would add; nothing where git can't tell.
fn git_files(root: &Path) -> Option<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .ok()?;
    let list = String::from_utf8(output.stdout).ok()?;
    let paths = list.split('\0').filter(|path| !path.is_empty()).map(str::to_owned);
    output.status.success().then(|| paths.collect())
}

/// Every file below `folder`, but for what is built and git's own.
fn walk(root: &Path, folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for item in fs::read_dir(root.join(folder)).expect("a folder is readable") {
        let item = item.expect("a folder is readable");
        let name = item.file_name().into_string().expect("names are UTF-8");
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        if !item.file_type().expect("a file has a type").is_dir() {
            found.push(path);
        } else if ![".git", "target"].contains(&name.as_str()) {
            found.extend(walk(root, &path));
        }
    }
    found
}

/// What a rule must find: the files, and words of the problems, in order.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

/// Runs `rule` on each case and compares what it finds.
fn check(rule: Rule, cases: &[Case<'_>]) {
    for (files, expected) in cases {
        let files = files.iter().map(|(path, text)| ((*path).into(), Some((*text).into())));
        let repository = Repository { files: files.collect() };
        let problems = rule(&repository);
        let alike = problems.len() == expected.len()
            && problems.iter().zip(*expected).all(|(problem, words)| problem.contains(words));
        assert!(alike, "expected {expected:?}, found {problems:#?}\nin {:#?}", repository.files);
    }
}

#[test]
fn walking_finds_what_git_finds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let walked = walk(root, "");
    assert!(walked.iter().any(|path| path == "tests/tidy/source.rs"));
    assert!(!walked.iter().any(|path| path.starts_with("target/")));
    // A copy without git's own folder has no list to compare with.
    for path in git_files(root).unwrap_or_default() {
        assert!(walked.contains(&path) || !root.join(&path).is_file(), "{path}");
    }
}
