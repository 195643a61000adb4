//! Templates and sources are read for what they say: every language says all of it, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::*;

/// A text that is used: as it is, or for a number of things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Plain,
    Counted,
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for file in std::fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_dir() {
            files(&path, found);
        } else if matches!(extension, Some("html" | "rs")) && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

/// All texts of templates and sources.
fn used() -> BTreeMap<String, Use> {
    let mut paths = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/explorer"), &mut paths);
    let mut used = BTreeMap::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        // What a file says in its own tests or docs, it says to nobody.
        let text = text.split("#[cfg(test)]").next().unwrap();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let text = lines.collect::<Vec<_>>().join("\n");
        for (place, _) in text.match_indices("\"|say") {
            let before = &text[..place];
            let begin = before.rfind('"').unwrap();
            used.insert(before[begin + 1..].to_owned(), Use::Plain);
        }
        for (place, called) in text.match_indices("say(") {
            let is_name =
                text[..place].ends_with(|last: char| last.is_alphanumeric() || last == '_');
            if let (false, Some(said)) = (is_name, literals(&text[place + called.len()..]).first())
            {
                used.insert(said.clone(), Use::Plain);
            }
        }
        for (place, called) in text.match_indices("counted(") {
            let said = literals(&text[place + called.len()..]);
            if let [_, several] = said.as_slice() {
                used.insert(several.clone(), Use::Counted);
            }
        }
    }
    used.remove("");
    used
}

/// The string literals up to the end of a call's arguments.
fn literals(arguments: &str) -> Vec<String> {
    let (mut found, mut depth, mut rest) = (Vec::new(), 0, arguments);
    while let Some(next) = rest.find(['"', '(', ')']) {
        let (mark, after) = (rest.as_bytes()[next], &rest[next + 1..]);
        rest = after;
        match mark {
            b'(' => depth += 1,
            b')' if depth == 0 => break,
            b')' => depth -= 1,
            _ => {
                let (literal, after) = after.split_once('"').unwrap();
                found.push(literal.to_owned());
                rest = after;
            }
        }
    }
    found
}

/// The arguments and the markup of a text, each as often as it occurs.
fn parts(text: &str) -> Vec<String> {
    let between = |open: char, close: char| {
        text.split(open).skip(1).filter_map(move |rest| rest.split(close).next())
    };
    let mut parts: Vec<String> = between('{', '}').map(|name| format!("{{{name}}}")).collect();
    parts.extend(between('<', '>').map(|tag| format!("<{tag}>")));
    parts.sort();
    parts
}

#[test]
fn every_language_says_everything_and_nothing_else() {
    let used = used();
    assert!(used.len() > 300, "{} texts were found", used.len());
    let mut faults = Vec::new();
    for language in Language::ALL {
        let Some(messages) = MESSAGES.get(&language) else {
            assert_eq!(language, Language::English, "what is written in the templates");
            continue;
        };
        let code = language.code();
        for (text, usage) in &used {
            let forms: Vec<&String> = match (messages.get(text), usage) {
                (Some(Message::Plain(said)), Use::Plain) => vec![said],
                (Some(Message::Counted(forms)), Use::Counted) => {
                    let known: BTreeSet<_> = forms.keys().copied().collect();
                    if known != language.plurals().iter().copied().collect() {
                        faults.push(format!("{code}: forms of {text:?}: {known:?}"));
                    }
                    forms.values().collect()
                }
                (Some(_), _) => {
                    faults.push(format!("{code}: {text:?} is {usage:?}"));
                    continue;
                }
                (None, _) => {
                    faults.push(format!("{code} lacks {text:?}"));
                    continue;
                }
            };
            let expected = parts(text);
            for said in forms {
                // One and two need no number.
                let without = |parts: &[String]| {
                    parts.iter().filter(|part| *part != "{count}").cloned().collect::<Vec<_>>()
                };
                let counted = *usage == Use::Counted;
                let said_parts = parts(said);
                let same = said_parts == expected
                    || (counted && without(&said_parts) == without(&expected));
                if !same || said.trim().is_empty() {
                    faults.push(format!("{code}: {text:?} and {said:?} differ in their parts"));
                }
            }
        }
        for text in messages.keys().filter(|text| !used.contains_key(*text)) {
            faults.push(format!("{code}: nobody says {text:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn arguments_are_shown_as_what_they_are() {
    let said = say("Commission <b>{name}</b>").name("name", "<script>&'\"").to_string();
    assert_eq!(said, "Commission <b>&#60;script&#62;&#38;&#39;&#34;</b>");
    assert_eq!(say("{name} {other}").name("name", "{other}").to_string(), "{other} ");
    assert_eq!(counted(1, "{count} entry", "{count} entries").to_string(), "1 entry");
    assert_eq!(counted(1200, "{count} entry", "{count} entries").to_string(), "1,200 entries");
}
