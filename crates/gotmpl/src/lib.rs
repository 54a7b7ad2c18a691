//! Go's text/template, fmt and sprig.

pub mod semver;
