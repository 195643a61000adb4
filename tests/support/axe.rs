//! axe-core, which finds what keeps people from using a page.

#![allow(clippy::panic, reason = "a test fails by it")]

use std::path::PathBuf;
use std::process::Command;

/// The Python that `tests/run` provides; the package that carries axe-core is in it.
const PYTHON_VARIABLE: &str = "COUNTERFOIL_PYTHON";
const FIND: &str = "import importlib.util as u; print(u.find_spec('axe_playwright_python').submodule_search_locations[0])";

/// What WCAG 2.2 asks for at level AA, and at A below it.
pub const RUN: &str = "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})
  .then(found => found.violations.map(fault =>
    `${fault.id}: ${fault.nodes.slice(0, 3).map(node => node.html.slice(0, 120)).join(' | ')}`))";

/// The program, as a script for the page.
pub fn script() -> String {
    let python = std::env::var(PYTHON_VARIABLE).unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&python).args(["-c", FIND]).output().expect("Python runs");
    assert!(
        found.status.success(),
        "{python} lacks axe-core: run tests/run, or install tests/axe.txt there (--no-deps)"
    );
    let folder = String::from_utf8_lossy(&found.stdout).trim().to_owned();
    let path = PathBuf::from(folder).join("axe.min.js");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
