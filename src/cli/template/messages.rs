//! Warnings as Helm logs them: behind the place in its own source that says them.

/// How a warning starts, what else it has, and where Helm 3.19.5 says it.
const PLACES: [(&str, &str, &str); 14] = [
    (
        "warning: skipping globals because destination",
        "",
        "coalesce.go:138",
    ),
    ("warning: skipping globals because source", "", "coalesce.go:145"),
    ("Conflict: cannot merge map", "", "coalesce.go:161"),
    ("key ", " is table. Skipping", "coalesce.go:175"),
    ("warning: skipped value for", "", "coalesce.go:237"),
    ("warning: cannot overwrite table", "", "coalesce.go:303"),
    ("warning: destination for", "", "coalesce.go:306"),
    ("Warning: Condition path", "", "dependencies.go:64"),
    ("Warning: PathValue returned", "", "dependencies.go:67"),
    ("Warning: Tag", "", "dependencies.go:95"),
    (
        "Warning: ImportValues missing table from chart",
        "",
        "dependencies.go:270",
    ),
    ("Warning: ImportValues missing table:", "", "dependencies.go:287"),
    ("WARNING: unresolved URN", "", "jsonschema.go:192"),
    ("info: skipping unknown hook", "", "manifest_sorter.go:199"),
];

/// The line that Helm logs for a warning.
pub(super) fn log_line(warning: &str) -> String {
    let place = PLACES
        .iter()
        .find(|(start, within, _)| warning.starts_with(start) && warning.contains(within));
    match place {
        Some((_, _, place)) => format!("{place}: {warning}"),
        None => warning.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::log_line;

    #[test]
    fn warnings_say_where_helm_says_them() {
        let cases = [
            (
                "key a is table. Skipping",
                "coalesce.go:175: key a is table. Skipping",
            ),
            (
                "info: skipping unknown hook: \"x\"",
                "manifest_sorter.go:199: info: skipping unknown hook: \"x\"",
            ),
            ("something new", "something new"),
        ];
        for (warning, line) in cases {
            assert_eq!(log_line(warning), line);
        }
    }
}
