//! ConfigMaps and Secrets that specs name, and which HelmApps name them.

use std::collections::HashMap;

use super::AppKey;

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
    /// resourceVersion; `None` when it is not there or was not seen yet.
    version: Option<String>,
    users: Vec<AppKey>,
}

/// All references.
#[derive(Debug, Default)]
pub(super) struct References(HashMap<Reference, Named>);

impl References {
    /// Says which objects the spec of a HelmApp names.
    pub(super) fn name(&mut self, app: &AppKey, references: &[Reference]) {
        self.0.retain(|reference, named| {
            if !references.contains(reference) {
                named.users.retain(|user| user != app);
            }
            !named.users.is_empty()
        });
        for reference in references {
            let named = self.0.entry(reference.clone()).or_default();
            if !named.users.contains(app) {
                named.users.push(app.clone());
            }
        }
    }

    /// The resourceVersion of an object.
    pub(super) fn version(&self, reference: &Reference) -> Option<String> {
        self.0.get(reference)?.version.clone()
    }

    /// Whether any HelmApp names the object.
    pub(super) fn has(&self, kind: &str, namespace: &str, name: &str) -> bool {
        self.0.keys().any(|reference| {
            reference.kind == kind && reference.namespace == namespace && reference.name == name
        })
    }

    /// A watch shows an object, or that it is not there. Returns the HelmApps for which that is news.
    pub(super) fn see(&mut self, reference: &Reference, version: Option<String>) -> &[AppKey] {
        match self.0.get_mut(reference) {
            Some(named) if named.version != version => {
                named.version = version;
                &named.users
            }
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn news_go_to_those_who_name_the_object() {
        let mut references = References::default();
        references.name(&app("a"), &[reference("x"), reference("y")]);
        references.name(&app("b"), &[reference("x")]);
        assert_eq!(
            references.see(&reference("x"), Some("5".into())),
            [app("a"), app("b")]
        );
        assert_eq!(references.version(&reference("x")).as_deref(), Some("5"));
        assert!(references.see(&reference("x"), Some("5".into())).is_empty());
        assert!(references.see(&reference("z"), Some("5".into())).is_empty());
        assert_eq!(references.see(&reference("x"), None), [app("a"), app("b")]);
    }

    #[test]
    fn what_nobody_names_any_more_is_forgotten() {
        let mut references = References::default();
        references.name(&app("a"), &[reference("x"), reference("y")]);
        references.name(&app("b"), &[reference("x")]);
        references.name(&app("a"), &[]);
        assert!(references.has("Secret", "web", "x"));
        assert!(!references.has("Secret", "web", "y"));
        references.name(&app("b"), &[]);
        assert!(references.0.is_empty());
    }
}
