//! Selectors as `kubectl -l` takes them.

use std::collections::BTreeMap;

/// All of its terms have to fit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Selector(Vec<Term>);

#[derive(Debug, PartialEq, Eq)]
struct Term {
    key: String,
    wanted: Wanted,
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Any,
    None,
    In(Vec<String>),
    NotIn(Vec<String>),
}

impl Selector {
    /// Reads a selector; `None` where it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let terms = split(text)?;
        terms
            .into_iter()
            .map(Term::parse)
            .collect::<Option<_>>()
            .map(Self)
    }

    /// Whether it fits these names and values.
    pub(super) fn fits(&self, known: &BTreeMap<&str, &str>) -> bool {
        self.0
            .iter()
            .all(|term| term.fits(known.get(term.key.as_str()).copied()))
    }
}

impl Term {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let term = |key: &str, wanted| {
            let key = key.trim();
            let valid = !key.is_empty() && !key.contains(|c: char| c.is_whitespace() || "()=!,".contains(c));
            valid.then(|| Self {
                key: key.to_owned(),
                wanted,
            })
        };
        let one = |value: &str| vec![value.trim().to_owned()];
        if let Some(list) = text.strip_suffix(')') {
            let (head, list) = list.split_once('(')?;
            let (key, word) = head.trim().rsplit_once(char::is_whitespace)?;
            let values = list.split(',').map(|value| value.trim().to_owned()).collect();
            return match word {
                "in" => term(key, Wanted::In(values)),
                "notin" => term(key, Wanted::NotIn(values)),
                _ => None,
            };
        }
        if let Some(key) = text.strip_prefix('!') {
            return term(key, Wanted::None);
        }
        if let Some((key, value)) = text.split_once("!=") {
            return term(key, Wanted::NotIn(one(value)));
        }
        match text.split_once("==").or_else(|| text.split_once('=')) {
            Some((key, value)) => term(key, Wanted::In(one(value))),
            None => term(text, Wanted::Any),
        }
    }

    fn fits(&self, value: Option<&str>) -> bool {
        let is_one = |values: &[String]| value.is_some_and(|value| values.iter().any(|known| known == value));
        match &self.wanted {
            Wanted::Any => value.is_some(),
            Wanted::None => value.is_none(),
            Wanted::In(values) => is_one(values),
            Wanted::NotIn(values) => !is_one(values),
        }
    }
}

/// The terms between commas that are not in brackets.
fn split(text: &str) -> Option<Vec<&str>> {
    let (mut terms, mut start, mut inside) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '(' if inside => return None,
            '(' => inside = true,
            ')' => inside = false,
            ',' if !inside => {
                terms.push(text.get(start..at)?);
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.push(text.get(start..)?);
    (!inside).then_some(terms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_fit_as_those_of_kubectl() {
        let known = BTreeMap::from([("app", "web"), ("example.com/tier", "a")]);
        for (text, fits) in [
            ("app", true),
            ("!app", false),
            ("other", false),
            ("!other", true),
            ("app=web", true),
            ("app == web", true),
            ("app!=web", false),
            ("other!=web", true),
            ("app in (api, web)", true),
            ("app notin (api,web)", false),
            ("other notin (api)", true),
            ("app=web,example.com/tier in (a),!other", true),
            ("app=web,example.com/tier=b", false),
        ] {
            assert_eq!(
                Selector::parse(text).map(|all| all.fits(&known)),
                Some(fits),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_selector_is_told() {
        for text in [
            "",
            "app=web,",
            "app in web",
            "app in (web",
            "in (a)",
            "a b",
            "app within (a)",
            "=a",
            "a in ((b))",
        ] {
            assert_eq!(Selector::parse(text), None, "{text}");
        }
    }
}
