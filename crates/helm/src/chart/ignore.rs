//! `.helmignore`: which files of a directory are no part of the chart.

use super::{
    error::{Error, Result},
    path,
};

/// The rules of a `.helmignore` file, in order, with Helm's own after them: dot files directly in `templates/`.
#[derive(Debug)]
pub(super) struct Rules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    pattern: String,
    negated: bool,
    only_directories: bool,
    /// Whether the pattern is for the whole path instead of the last part.
    whole_path: bool,
}

impl Rules {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut rules = Vec::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (at, line) in text.lines().enumerate() {
            let rule = Rule::parse(line).map_err(|message| Error::Ignore {
                line: at + 1,
                message,
            })?;
            rules.extend(rule);
        }
        rules.push(Rule {
            pattern: "templates/.?*".to_owned(),
            negated: false,
            only_directories: false,
            whole_path: true,
        });
        Ok(Self(rules))
    }

    /// Whether the file or directory is left out. The first rule that matches decides; a negated rule that does
    /// *not* match leaves the file out.
    pub(super) fn ignores(&self, name: &str, is_directory: bool) -> bool {
        for rule in &self.0 {
            let wrong_kind = rule.only_directories && !is_directory;
            if rule.negated {
                if wrong_kind || !rule.matches(name) {
                    return true;
                }
            } else if !wrong_kind && rule.matches(name) {
                return true;
            }
        }
        false
    }
}

impl Rule {
    fn parse(line: &str) -> std::result::Result<Option<Self>, &'static str> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        if line.contains("**") {
            return Err("double-star (**) syntax is not supported");
        }
        path::matches(line, "abc").map_err(|path::BadPattern| "syntax error in pattern")?;
        let (negated, pattern) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest));
        let (only_directories, pattern) = pattern
            .strip_suffix('/')
            .map_or((false, pattern), |rest| (true, rest));
        Ok(Some(Self {
            pattern: pattern.strip_prefix('/').unwrap_or(pattern).to_owned(),
            negated,
            only_directories,
            whole_path: pattern.contains('/'),
        }))
    }

    fn matches(&self, name: &str) -> bool {
        let name = if self.whole_path { name } else { path::base(name) };
        path::matches(&self.pattern, name).unwrap_or(false)
    }
}
