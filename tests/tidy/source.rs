//! Rust source as tokens: which paths it names, which functions and modules it declares.
//!
//! Tokens rather than a syntax tree, so that macros are seen through too; comments and the
//! insides of strings are not code and don't count.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// What rules ask of one file.
#[derive(Default)]
pub struct Source {
    pub paths: Vec<Path>,
    pub functions: Vec<Function>,
    /// The names of modules declared, each with its line.
    pub modules: Vec<(String, usize)>,
}

/// A path as written; a group in a `use` is one path for each of its branches.
#[derive(Debug, PartialEq)]
pub struct Path {
    pub segments: Vec<String>,
    pub line: usize,
    /// How many modules of the same file stand around it.
    pub depth: usize,
    /// Whether a `use` brings it in.
    pub imported: bool,
}

/// A function with a body.
#[derive(Debug, PartialEq)]
pub struct Function {
    pub name: String,
    pub line: usize,
    /// Lines between the body's braces.
    pub body_lines: usize,
}

impl Source {
    /// Reads a file; an error says where it isn't Rust.
    pub fn parse(text: &str) -> Result<Self, String> {
        let tokens: TokenStream = text.parse().map_err(|error: proc_macro2::LexError| {
            format!("{}: not Rust: {error}", error.span().start().line)
        })?;
        let mut source = Self::default();
        source.scan(tokens, 0);
        Ok(source)
    }

    fn scan(&mut self, tokens: TokenStream, depth: usize) {
        let trees: Vec<_> = tokens.into_iter().collect();
        let mut rest = trees.as_slice();
        let mut imported = false;
        while let Some((tree, after)) = rest.split_first() {
            rest = after;
            match tree {
                TokenTree::Group(group) => self.scan(group.stream(), depth),
                TokenTree::Ident(word) if word == "mod" => rest = self.module(after, depth),
                TokenTree::Ident(word) if word == "fn" => self.function(after),
                TokenTree::Ident(word) if word == "use" => {}
                TokenTree::Ident(_) => {
                    let begin = Path { segments: vec![], line: 0, depth, imported };
                    rest = self.path(begin, tree, after);
                }
                // A path may begin with colons.
                TokenTree::Punct(colon) if colon.as_char() == ':' => continue,
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            imported = matches!(tree, TokenTree::Ident(word) if word == "use");
        }
    }

    /// Takes a module's name, and its body if it has one; what follows.
    fn module<'a>(&mut self, after: &'a [TokenTree], depth: usize) -> &'a [TokenTree] {
        let [TokenTree::Ident(name), rest @ ..] = after else { return after };
        self.modules.push((name.to_string(), name.span().start().line));
        let [TokenTree::Group(body), rest @ ..] = rest else { return rest };
        self.scan(body.stream(), depth + 1);
        rest
    }

    /// Measures a function. Its tokens are left to be scanned.
    fn function(&mut self, after: &[TokenTree]) {
        // Without a name it is a function pointer's type.
        let [TokenTree::Ident(name), rest @ ..] = after else { return };
        let ends = |tree: &&TokenTree| match tree {
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
            TokenTree::Punct(mark) => mark.as_char() == ';',
            _ => false,
        };
        if let Some(TokenTree::Group(body)) = rest.iter().find(ends) {
            let (first, last) = (body.span_open().start().line, body.span_close().start().line);
            self.functions.push(Function {
                name: name.to_string(),
                line: name.span().start().line,
                body_lines: last.saturating_sub(first).saturating_sub(1),
            });
        }
    }

    /// Takes a path on from `begin` with its next segment; what follows.
    fn path<'a>(
        &mut self,
        mut begin: Path,
        segment: &TokenTree,
        after: &'a [TokenTree],
    ) -> &'a [TokenTree] {
        begin.segments.push(segment.to_string());
        begin.line = segment.span().start().line;
        let rest = match after {
            [TokenTree::Punct(a), TokenTree::Punct(b), rest @ ..]
                if a.as_char() == ':' && b.as_char() == ':' =>
            {
                rest
            }
            _ => &[],
        };
        match rest {
            [next @ TokenTree::Ident(_), rest @ ..] => return self.path(begin, next, rest),
            [TokenTree::Group(group), rest @ ..] => {
                self.branches(&begin, group);
                return rest;
            }
            [TokenTree::Punct(star), ..] if star.as_char() == '*' => {
                begin.segments.push("*".to_owned());
            }
            _ => {}
        }
        self.paths.push(begin);
        after
    }

    /// Takes the branches of a group in a `use`, each a path of its own.
    fn branches(&mut self, begin: &Path, group: &Group) {
        let trees: Vec<_> = group.stream().into_iter().collect();
        let comma =
            |tree: &TokenTree| matches!(tree, TokenTree::Punct(mark) if mark.as_char() == ',');
        for branch in trees.split(comma) {
            if let Some((first, after)) = branch.split_first() {
                let begin = Path { segments: begin.segments.clone(), ..*begin };
                self.path(begin, first, after);
            }
        }
    }
}

#[test]
fn paths_are_found_wherever_they_stand() {
    let cases: [(&str, &[&str]); 9] = [
        ("use std::fs;", &["use std::fs"]),
        (
            "use std::{fs, time::{self, Instant as I}};",
            &["use std::fs", "use std::time::self", "use std::time::Instant"],
        ),
        ("use ::std::fs::*;", &["use std::fs::*"]),
        ("use sled;", &["use sled"]),
        ("fn f() { m! { $crate::a::b!(x) } }", &["f", "m", "crate::a::b", "x"]),
        ("#[tokio::test] struct S;", &["tokio::test", "struct", "S"]),
        ("type T = Vec::<u8>::Item;", &["type", "T", "Vec", "u8", "Item"]),
        ("// std::fs\n/* std::fs */ const C: &str = \"std::fs\";", &["const", "C", "str"]),
        ("mod a { mod b { super::c(); } }", &["2 super::c"]),
    ];
    for (text, expected) in cases {
        let show = |path: Path| {
            let imported = if path.imported { "use " } else { "" };
            let depth = if path.depth > 0 { format!("{} ", path.depth) } else { String::new() };
            format!("{depth}{imported}{}", path.segments.join("::"))
        };
        let found: Vec<_> = Source::parse(text).unwrap().paths.into_iter().map(show).collect();
        assert_eq!(found, expected, "{text}");
    }
    assert!(Source::parse("fn f() { (").is_err());
}

#[test]
fn functions_and_modules_are_measured() {
    let text = "fn a() {\n\n\n}\ntrait T {\n    fn b(&self);\n    fn c(x: [u8; 2]) -> u8 {\n        \
                0\n    }\n}\nmod m;\nmod n {}\ntype P = fn(u8);\n";
    let source = Source::parse(text).unwrap();
    let function = |name: &str, line, body_lines| Function { name: name.into(), line, body_lines };
    assert_eq!(source.functions, [function("a", 1, 2), function("c", 7, 1)]);
    assert_eq!(source.modules, [("m".to_owned(), 11), ("n".to_owned(), 12)]);
}
