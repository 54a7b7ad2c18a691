//! docs/conditions.md: every condition and every reason, and no other.

use std::collections::BTreeSet;

use helmapp::api::conditions::{TYPES, reason};

/// The names in the first column of the table below a heading.
fn first_column(text: &str, heading: &str) -> BTreeSet<String> {
    let (_, part) = text
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("no heading {heading}"));
    let part = part.split("\n## ").next().expect("a part");
    part.lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, rest)| {
            assert!(
                rest.split('|').filter(|cell| !cell.trim().is_empty()).count() == 2,
                "{name} is not explained"
            );
            name.to_owned()
        })
        .collect()
}

#[test]
fn every_condition_and_reason_is_explained() {
    let text = crate::committed("docs/conditions.md");
    for (heading, known) in [("Conditions", &TYPES[..]), ("Reasons", &reason::ALL[..])] {
        let known: BTreeSet<String> = known.iter().map(|name| (*name).to_owned()).collect();
        let explained = first_column(&text, heading);
        let missing: Vec<_> = known.difference(&explained).collect();
        let unknown: Vec<_> = explained.difference(&known).collect();
        assert!(
            missing.is_empty() && unknown.is_empty(),
            "docs/conditions.md, {heading}: without a row {missing:?}, with a row that nothing says {unknown:?}"
        );
    }
}
