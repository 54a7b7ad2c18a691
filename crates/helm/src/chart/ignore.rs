//! `.helmignore`: which files of a directory are no part of the chart.

use super::{
    error::{Error, Result},
    path,
};

/// Characters of patterns and names that may be looked at for all files of a chart.
pub const MAX_IGNORE_STEPS: u64 = 50_000_000;

/// The rules of a `.helmignore` file, in order, with Helm's own after them: dot files directly in `templates/`.
#[derive(Debug)]
pub(super) struct Rules {
    rules: Vec<Rule>,
    /// Characters looked at so far.
    steps: u64,
}

#[derive(Debug)]
struct Rule {
    pattern: Vec<char>,
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
            pattern: "templates/.?*".chars().collect(),
            negated: false,
            only_directories: false,
            whole_path: true,
        });
        Ok(Self { rules, steps: 0 })
    }

    /// Whether the file or directory is left out. The first rule that matches decides; a negated rule that does
    /// *not* match leaves the file out.
    ///
    /// # Errors
    /// The files of the chart have taken more than [`MAX_IGNORE_STEPS`].
    pub(super) fn ignores(&mut self, name: &str, is_directory: bool) -> Result<bool> {
        let whole: Vec<char> = name.chars().collect();
        let base: Vec<char> = path::base(name).chars().collect();
        for rule in &self.rules {
            self.steps += 1;
            if self.steps > MAX_IGNORE_STEPS {
                return Err(Error::IgnoreSteps {
                    limit: MAX_IGNORE_STEPS,
                });
            }
            if rule.only_directories && !is_directory {
                if rule.negated {
                    return Ok(true);
                }
                continue;
            }
            let name = if rule.whole_path { &whole } else { &base };
            if rule.negated != path::match_all(&rule.pattern, name, &mut self.steps).unwrap_or(false) {
                return Ok(true);
            }
        }
        Ok(false)
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
            pattern: pattern.strip_prefix('/').unwrap_or(pattern).chars().collect(),
            negated,
            only_directories,
            whole_path: pattern.contains('/'),
        }))
    }
}
