//! What the pages say, in each language.
//!
//! Templates and sentences are written in English, where a reader of the code can follow them:
//! `{{ "Sealed {when}"|say|with("when", sealed) }}`. The English text is also what other languages
//! are looked up by, in `messages/de.toml` and `messages/ar.toml`. A text may hold markup; a name
//! in braces is the place of an argument, `{root}` the way to the explorer's first page and `{node}`
//! the one to the node's root.
//!
//! A test reads templates and sources for all texts, and refuses a language that lacks one, has one
//! too many, or differs in arguments or markup.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::LazyLock;

use askama::filters::HtmlSafe;
use askama::{FastWritable, NO_VALUES, Values, get_value};
use serde::Deserialize;

use super::answer::Visit;
use super::language::{Language, Plural};

/// A text with its arguments. It is put into words when it is written, in the language of whoever
/// reads the page.
pub(super) struct Said<'a> {
    english: English,
    arguments: Vec<(&'static str, Box<dyn FastWritable + 'a>)>,
}

#[derive(Clone, Copy)]
enum English {
    Plain(&'static str),
    /// What depends on a number: for one, and for any other.
    Counted(u64, &'static str, &'static str),
}

/// The text `english`, which may have arguments.
pub(super) fn say<'a>(english: &'static str) -> Said<'a> {
    Said { english: English::Plain(english), arguments: Vec::new() }
}

/// The text for a number of things, which is its argument `count`.
pub(super) fn counted<'a>(count: u64, one: &'static str, several: &'static str) -> Said<'a> {
    let said = Said { english: English::Counted(count, one, several), arguments: Vec::new() };
    said.with("count", super::values::Count(count))
}

impl<'a> Said<'a> {
    /// The same with an argument that needs no escaping.
    pub(super) fn with(
        mut self,
        name: &'static str,
        argument: impl FastWritable + HtmlSafe + 'a,
    ) -> Self {
        self.arguments.push((name, Box::new(argument)));
        self
    }

    /// The same with an argument that is shown as it is, whatever is in it: an id, say.
    pub(super) fn name(mut self, name: &'static str, argument: impl fmt::Display) -> Self {
        self.arguments.push((name, Box::new(escaped(&argument.to_string()))));
        self
    }
}

impl FastWritable for Said<'_> {
    fn write_into(&self, dest: &mut dyn fmt::Write, values: &dyn Values) -> askama::Result<()> {
        let visit = get_value::<Visit>(values, Visit::KEY).ok();
        let language = visit.map_or(Language::English, |visit| visit.language);
        let mut rest = self.english.in_language(language);
        while let Some((before, after)) = rest.split_once('{') {
            dest.write_str(before)?;
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            rest = after;
            let argument = self.arguments.iter().find(|(known, _)| *known == name);
            match (argument, name, visit) {
                (Some((_, argument)), ..) => argument.write_into(dest, values)?,
                (None, "root", Some(visit)) => dest.write_str(&visit.root)?,
                (None, "node", Some(visit)) => dest.write_str(&visit.node)?,
                _ => {}
            }
        }
        Ok(dest.write_str(rest)?)
    }
}

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_into(f, NO_VALUES).map_err(|_| fmt::Error)
    }
}

impl HtmlSafe for Said<'_> {}

impl English {
    fn in_language(self, language: Language) -> &'static str {
        let (key, english) = match self {
            Self::Plain(text) => (text, text),
            Self::Counted(1, one, several) => (several, one),
            Self::Counted(_, _, several) => (several, several),
        };
        let Some(messages) = MESSAGES.get(&language) else { return english };
        let found = match (messages.get(key), self) {
            (Some(Message::Plain(text)), _) => Some(text),
            (Some(Message::Counted(forms)), Self::Counted(count, ..)) => {
                forms.get(&language.plural(count)).or_else(|| forms.get(&Plural::Other))
            }
            _ => None,
        };
        found.map_or(english, String::as_str)
    }
}

/// A text in another language.
#[derive(Deserialize)]
#[serde(untagged)]
enum Message {
    Plain(String),
    Counted(BTreeMap<Plural, String>),
}

type Messages = HashMap<String, Message>;

/// What other languages say, by what English says.
static MESSAGES: LazyLock<HashMap<Language, Messages>> = LazyLock::new(|| {
    let files = [
        (Language::German, include_str!("messages/de.toml")),
        (Language::Arabic, include_str!("messages/ar.toml")),
    ];
    let read = |text| toml::from_str(text).expect("a test reads every language's file");
    files.into_iter().map(|(language, text)| (language, read(text))).collect()
});

/// The language that a page is written in.
pub(super) fn language(values: &dyn Values) -> Language {
    get_value::<Visit>(values, Visit::KEY).map(|visit| visit.language).unwrap_or_default()
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '&' => html.push_str("&#38;"),
            '<' => html.push_str("&#60;"),
            '>' => html.push_str("&#62;"),
            '"' => html.push_str("&#34;"),
            '\'' => html.push_str("&#39;"),
            plain => html.push(plain),
        }
    }
    html
}

/// A number of things, as templates have it: by reference or not.
pub(super) trait Tally {
    fn tally(&self) -> u64;
}

impl Tally for u64 {
    fn tally(&self) -> u64 {
        *self
    }
}

impl<T: Tally> Tally for &T {
    fn tally(&self) -> u64 {
        (**self).tally()
    }
}

/// What templates use to say things.
#[allow(
    clippy::inline_always,
    clippy::struct_field_names,
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "what the macro makes of functions"
)]
pub(super) mod filters {
    use super::{FastWritable, HtmlSafe, Said, Tally, Values};

    /// The text, in the language of the page.
    #[askama::filter_fn]
    pub fn say(english: &'static str, _: &dyn Values) -> askama::Result<Said<'static>> {
        Ok(super::say(english))
    }

    /// The text for so many things.
    #[askama::filter_fn]
    pub fn counted(
        count: impl Tally,
        _: &dyn Values,
        one: &'static str,
        several: &'static str,
    ) -> askama::Result<Said<'static>> {
        Ok(super::counted(count.tally(), one, several))
    }

    /// A text with an argument.
    #[askama::filter_fn]
    pub fn with<T: FastWritable + HtmlSafe>(
        said: Said<'static>,
        values: &dyn Values,
        name: &'static str,
        argument: T,
    ) -> askama::Result<Said<'static>> {
        let mut written = String::new();
        argument.write_into(&mut written, values)?;
        Ok(said.written(name, written))
    }

    /// A text with an argument that is shown as it is, whatever is in it.
    #[askama::filter_fn]
    pub fn name<T: std::fmt::Display>(
        said: Said<'static>,
        _: &dyn Values,
        name: &'static str,
        argument: T,
    ) -> askama::Result<Said<'static>> {
        Ok(said.name(name, argument))
    }
}

impl Said<'_> {
    /// The same with an argument that has been put into words before.
    fn written(mut self, name: &'static str, html: String) -> Self {
        self.arguments.push((name, Box::new(html)));
        self
    }
}

#[cfg(test)]
#[path = "messages/tests.rs"]
mod tests;
