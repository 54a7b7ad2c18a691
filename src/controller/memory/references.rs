//! ConfigMaps and Secrets that specs name, and which HelmApps name them.

use std::collections::HashMap;

use crate::cluster::watches::Listed;

use super::AppKey;
use super::object::parse;

/// A ConfigMap or Secret that a spec names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// `ConfigMap` or `Secret`.
    pub kind: &'static str,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

#[derive(Debug, Default)]
struct Named {
    /// The watch or a read has told whether it is there.
    known: bool,
    /// resourceVersion; `None` when it is not there or not known.
    version: Option<String>,
    /// Newest resourceVersion seen, also that of its deletion, as a number.
    newest: u64,
    users: Vec<AppKey>,
}

/// All references.
#[derive(Debug, Default)]
pub(super) struct References {
    named: HashMap<Reference, Named>,
    /// What each HelmApp names, so that a change of one does not look at those of all.
    of: HashMap<AppKey, Box<[Reference]>>,
}

impl References {
    /// Says which objects the spec of a HelmApp names.
    pub(super) fn name(&mut self, app: &AppKey, references: &[Reference]) {
        let before = self.of.remove(app).unwrap_or_default();
        for reference in before.iter().filter(|reference| !references.contains(reference)) {
            if let Some(named) = self.named.get_mut(reference) {
                named.users.retain(|user| user != app);
                if named.users.is_empty() {
                    self.named.remove(reference);
                }
            }
        }
        for reference in references {
            let named = self.named.entry(reference.clone()).or_default();
            if !named.users.contains(app) {
                named.users.push(app.clone());
            }
        }
        if !references.is_empty() {
            self.of.insert(app.clone(), references.into());
        }
    }

    /// The resourceVersion of an object.
    pub(super) fn version(&self, reference: &Reference) -> Option<String> {
        self.named.get(reference)?.version.clone()
    }

    /// Whether it is known if the object is there: one that is named after the listing of its kind is not.
    pub(super) fn is_known(&self, reference: &Reference) -> bool {
        self.named.get(reference).is_some_and(|named| named.known)
    }

    /// Whether any HelmApp names an object of the kind.
    pub(super) fn has_kind(&self, kind: &str) -> bool {
        self.named.keys().any(|reference| reference.kind == kind)
    }

    /// A watch shows an object at a resourceVersion, or its deletion. Returns the HelmApps for which that is
    /// news.
    pub(super) fn see(&mut self, reference: &Reference, version: &str, present: bool) -> &[AppKey] {
        let Some(named) = self.named.get_mut(reference) else {
            return &[];
        };
        let number = parse(version);
        if number < named.newest {
            return &[];
        }
        named.newest = number;
        named.learn(present.then(|| version.to_owned()))
    }

    /// An object was read; `None` when it was not there. What the watch has said is newer than its absence.
    pub(super) fn read(&mut self, reference: &Reference, version: Option<&str>) {
        match version {
            Some(version) => {
                self.see(reference, version, true);
            }
            None => {
                if let Some(named) = self.named.get_mut(reference) {
                    named.known = true;
                }
            }
        }
    }

    /// A listing of a kind is complete: what is not in it is not there. Returns the HelmApps for which that is
    /// news.
    pub(super) fn listed(&mut self, kind: &str, listed: &Listed) -> Vec<AppKey> {
        let mut woken = Vec::new();
        for (reference, named) in &mut self.named {
            if reference.kind == kind && !listed.contains(&reference.namespace, &reference.name) {
                woken.extend_from_slice(named.learn(None));
            }
        }
        woken
    }
}

impl Named {
    fn learn(&mut self, version: Option<String>) -> &[AppKey] {
        self.known = true;
        if self.version == version {
            return &[];
        }
        self.version = version;
        &self.users
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn app(name: &str) -> AppKey {
        AppKey {
            namespace: "web".into(),
            name: name.into(),
        }
    }

    fn reference(name: &str) -> Reference {
        Reference {
            kind: "Secret",
            namespace: "web".into(),
            name: name.into(),
        }
    }

    fn named() -> References {
        let mut references = References::default();
        references.name(&app("a"), &[reference("x"), reference("y")]);
        references.name(&app("b"), &[reference("x")]);
        references
    }

    #[test]
    fn news_go_to_those_who_name_the_object() {
        let mut references = named();
        assert_eq!(references.see(&reference("x"), "5", true), [app("a"), app("b")]);
        assert_eq!(references.version(&reference("x")).as_deref(), Some("5"));
        assert!(references.see(&reference("x"), "5", true).is_empty());
        assert!(references.see(&reference("z"), "5", true).is_empty());
        assert_eq!(references.see(&reference("x"), "6", false), [app("a"), app("b")]);
        assert!(references.see(&reference("x"), "5", true).is_empty(), "old");
        assert_eq!(references.version(&reference("x")), None);
    }

    #[test]
    fn what_a_listing_does_not_have_is_gone() {
        let mut references = named();
        references.see(&reference("x"), "5", true);
        references.see(&reference("y"), "5", true);
        let listed = Listed::of(Instant::now(), [("web", "x")]);
        assert!(references.listed("ConfigMap", &listed).is_empty());
        assert_eq!(references.listed("Secret", &listed), [app("a")]);
        assert_eq!(references.version(&reference("y")), None);
        assert!(references.listed("Secret", &listed).is_empty());
    }

    #[test]
    fn what_is_named_later_is_read_once() {
        let mut references = named();
        references.listed("Secret", &Listed::new(Instant::now()));
        references.name(&app("c"), &[reference("x"), reference("z")]);
        assert!(references.is_known(&reference("x")));
        assert!(!references.is_known(&reference("z")));
        references.read(&reference("z"), None);
        assert!(references.is_known(&reference("z")));
        references.see(&reference("z"), "9", true);
        references.read(&reference("z"), None);
        references.read(&reference("z"), Some("8"));
        assert_eq!(
            references.version(&reference("z")).as_deref(),
            Some("9"),
            "the watch was faster"
        );
    }

    #[test]
    fn what_nobody_names_any_more_is_forgotten() {
        let mut references = named();
        references.name(&app("a"), &[]);
        assert!(references.has_kind("Secret") && !references.has_kind("ConfigMap"));
        assert_eq!(references.named.len(), 1);
        references.name(&app("b"), &[]);
        assert!(references.named.is_empty() && references.of.is_empty());
    }
}
