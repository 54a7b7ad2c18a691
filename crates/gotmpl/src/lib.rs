//! Go's text/template, fmt and sprig.

pub mod re2;
pub mod semver;
