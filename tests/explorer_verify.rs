//! Verification in a real browser: what the pages' own verifier accepts and refuses, and which lies of a
//! node it finds.

#![cfg(feature = "node")]
#![expect(clippy::unwrap_used, reason = "a test fails by it")]
#![expect(clippy::indexing_slicing, reason = "what JSON lacks reads as null")]

mod support;

#[path = "explorer_verify/files.rs"]
mod files;
#[path = "explorer_verify/implementation.rs"]
mod implementation;
#[path = "explorer_verify/liar.rs"]
mod liar;
#[path = "explorer_verify/lies.rs"]
mod lies;

use serde_json::Value;
use support::browser::Browser;

/// Presses the button and waits for the verdict.
const VERIFY: &str = include_str!("explorer_verify/press.js");

/// What a page came to: `outcome`, `steps` with how each `ended`, its `title` and what it `said`, and
/// the `alarm` above it.
pub struct Verdict(Value);

impl Verdict {
    /// Opens a page and verifies it.
    pub fn of(browser: &mut Browser, address: &str) -> Self {
        browser.open(address);
        Self(browser.evaluate(VERIFY))
    }

    /// `passed`, `failed` or `unchecked`.
    pub fn outcome(&self) -> &str {
        self.0["outcome"].as_str().unwrap()
    }

    /// What stands above the page until the visitor decides.
    pub fn alarm(&self) -> Option<&str> {
        self.0["alarm"].as_str()
    }

    /// What every step that failed is called, and said.
    pub fn failed(&self) -> Vec<(&str, &str)> {
        let text = |step: &'_ Value, name: &str| step[name].as_str().unwrap().to_owned();
        let steps = self.0["steps"].as_array().unwrap().iter();
        let failed = steps.filter(|step| text(step, "ended") == "failed");
        failed
            .map(|step| (step["title"].as_str().unwrap(), step["said"].as_str().unwrap()))
            .collect()
    }

    /// Stops the test unless everything was checked and holds.
    pub fn assert_passed(&self, page: &str) {
        assert_eq!(self.outcome(), "passed", "{page}: {:#}", self.0);
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#}", self.0)
    }
}
