//! A program: its terms, version by version, and what changed between two of them.

use askama::Template;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::response::Response;
use serde::Deserialize;

use super::answer::{ExplorerError, Frame, Reader, Section, Visitor};
use super::lines::EntryLine;
use super::messages::filters;
use super::query::{ids, value};
use super::values::{Day, Moment};
use crate::query::{self as questions, AsOf, ProgramName, TermsDifference, TermsVersion, When};

/// How many versions are listed, the newest ones.
const MAX_VERSIONS: usize = 50;

/// What a program can be asked for.
#[derive(Deserialize)]
pub(super) struct ProgramQuery {
    /// The version that differences are counted from.
    from: Option<String>,
    /// The version that they lead to.
    to: Option<String>,
}

/// A version of the terms.
struct Version {
    terms: TermsVersion,
    line: EntryLine,
    recorded: Moment,
}

#[derive(Template)]
#[template(path = "program.html")]
struct ProgramPage<'a> {
    frame: Frame<'a>,
    of: ProgramName,
    /// The newest first.
    versions: Vec<Version>,
    /// The versions that are compared, and what differs.
    compared: Option<(u32, u32, Vec<TermsDifference>)>,
}

/// `GET /programs/{tenant}/{merchant}/{program}`
pub(super) async fn page(
    visitor: Visitor,
    names: Result<Path<(String, String, String)>, PathRejection>,
    asked: Result<Query<ProgramQuery>, QueryRejection>,
) -> Response {
    visitor
        .answer(move |reader| {
            let (Path((tenant, merchant, program)), Query(asked)) = (names?, asked?);
            let [tenant, merchant, program] = ids([&tenant, &merchant, &program])?;
            let from = value("from", asked.from.as_deref())?;
            let to = value("to", asked.to.as_deref())?;
            let of = ProgramName { tenant, merchant, program };
            reader.page(&program_page(reader, of, from, to)?)
        })
        .await
}

fn program_page<'a>(
    reader: &Reader<'a>,
    of: ProgramName,
    from: Option<u32>,
    to: Option<u32>,
) -> Result<ProgramPage<'a>, ExplorerError> {
    let at = AsOf::resolve(reader.view, When::Now)?;
    let all = questions::terms_versions(reader.view, &at, &of, None, usize::MAX)?;
    let newest = all.last().map_or(1, |newest| newest.version);
    let to = to.unwrap_or(newest);
    let from = from.unwrap_or(to.saturating_sub(1));
    let compared = if from > 0 && from != to {
        let differences = questions::terms_differences(reader.view, &at, &of, (from, to))?;
        Some((from, to, differences))
    } else {
        None
    };
    let versions = all.into_iter().rev().take(MAX_VERSIONS).map(|terms| {
        let unknown = || ExplorerError::NoSuchEntry { name: terms.index.to_string() };
        let found = reader.view.entry(terms.index)?.ok_or_else(unknown)?;
        let line = reader.entry_line(terms.index, &found)?;
        Ok(Version { recorded: reader.moment(terms.recorded_at), line, terms })
    });
    Ok(ProgramPage {
        frame: reader.frame(Section::Entries),
        versions: versions.collect::<Result<_, ExplorerError>>()?,
        of,
        compared,
    })
}
