//! Who may submit.

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::Shared;
use super::forward::Forwarder;
use super::problem::{Problem, ProblemType};

/// Who may submit entries. Everybody may read.
#[derive(Clone, Debug)]
pub enum SubmitAccess {
    /// Nobody.
    Closed,
    /// Everybody: for development, on loopback.
    Open,
    /// Whoever has the token.
    Token(TokenDigest),
    /// Whoever the authority lets: it is asked.
    Forward(Forwarder),
}

/// The digest of a bearer token: the token itself isn't kept.
#[derive(Clone, Debug)]
pub struct TokenDigest(blake3::Hash);

impl TokenDigest {
    /// The digest of `token`.
    pub fn new(token: &str) -> Self {
        Self(blake3::hash(token.as_bytes()))
    }

    /// Whether it is that of `token`, in a time that doesn't tell how much of it is right.
    fn is_of(&self, token: &str) -> bool {
        self.0 == blake3::hash(token.as_bytes())
    }
}

/// Somebody who may submit: an argument of every handler that writes.
pub struct Submitter;

impl FromRequestParts<Shared> for Submitter {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Problem> {
        let refused = |detail| Err(Problem::new(ProblemType::Unauthorized, detail));
        let expected = match &shared.api.access {
            SubmitAccess::Token(expected) => expected,
            SubmitAccess::Open | SubmitAccess::Forward(_) => return Ok(Self),
            SubmitAccess::Closed => {
                return refused("nobody can submit here: the operator has set no token");
            }
        };
        let mut given = parts.headers.get_all(AUTHORIZATION).iter();
        let (Some(header), None) = (given.next(), given.next()) else {
            return refused("submitting takes one header `Authorization: Bearer <token>`");
        };
        let bearer = header.to_str().ok().and_then(|value| value.split_once(' '));
        match bearer {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                if expected.is_of(token) {
                    Ok(Self)
                } else {
                    refused("the token is not one that may submit here")
                }
            }
            _ => refused("the header `Authorization` must be `Bearer <token>`"),
        }
    }
}
