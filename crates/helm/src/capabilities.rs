//! What the cluster offers, as templates see it in `.Capabilities`.

use helmapp_gotmpl::semver::{Constraint, Version};

/// `.Capabilities`: the cluster's version, the API versions it serves, and the Helm that renders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The version of Kubernetes.
    pub kube_version: KubeVersion,
    /// API versions (`apps/v1`) and kinds in them (`apps/v1/Deployment`), in the order in which templates range
    /// over them.
    pub api_versions: Vec<String>,
    /// The Helm that templates believe to be rendered by.
    pub helm_version: HelmVersion,
}

impl Capabilities {
    /// The capabilities of `helm template` for a version of Kubernetes: [`DEFAULT_API_VERSIONS`] and then
    /// `more_api_versions`.
    pub fn without_cluster(kube_version: KubeVersion, more_api_versions: &[String]) -> Self {
        let default = DEFAULT_API_VERSIONS.iter().map(|version| (*version).to_owned());
        Self {
            kube_version,
            api_versions: default.chain(more_api_versions.iter().cloned()).collect(),
            helm_version: HelmVersion::default(),
        }
    }

    /// Whether an API version or kind is served (`.Capabilities.APIVersions.Has`).
    pub fn has(&self, api_version: &str) -> bool {
        self.api_versions.iter().any(|known| known == api_version)
    }
}

impl Default for Capabilities {
    /// What Helm assumes without a cluster: Kubernetes 1.34 and [`DEFAULT_API_VERSIONS`].
    fn default() -> Self {
        Self::without_cluster(KubeVersion::default(), &[])
    }
}

/// `.Capabilities.KubeVersion`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeVersion {
    /// The version with its `v`: `v1.35.0`.
    pub version: String,
    /// The first number.
    pub major: String,
    /// The second number; some clusters write `28+`.
    pub minor: String,
}

impl KubeVersion {
    /// Reads a version as `--kube-version` takes it: two or more numbers, with or without `v`; what follows
    /// the numbers is dropped.
    ///
    /// # Errors
    /// [`KubeVersionError`], in the words of Kubernetes' own parser.
    pub fn parse(text: &str) -> Result<Self, KubeVersionError> {
        let unreadable = || KubeVersionError::Unreadable(text.to_owned());
        let trimmed = text.trim_start_matches(|c: char| c.is_ascii_whitespace() && c != '\u{b}');
        let body = trimmed.strip_prefix('v').unwrap_or(trimmed);
        let end = body
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(body.len());
        let numbers = body.get(..end).unwrap_or_default();
        let components: Vec<&str> = numbers
            .split('.')
            .take_while(|component| !component.is_empty())
            .collect();
        // The parser's pattern does not reach over the end of a line.
        if components.is_empty() || body.contains('\n') {
            return Err(unreadable());
        }
        if components.len() < 2 {
            return Err(KubeVersionError::TooShort(text.to_owned()));
        }
        let mut numbers = Vec::with_capacity(components.len());
        for (at, component) in components.into_iter().enumerate() {
            if at == 0 && component.starts_with('0') && component != "0" {
                return Err(KubeVersionError::ZeroPrefix {
                    component: component.to_owned(),
                    version: text.to_owned(),
                });
            }
            let number: u64 = component.parse().map_err(|_| KubeVersionError::NotANumber {
                component: component.to_owned(),
                version: text.to_owned(),
            })?;
            numbers.push(number.to_string());
        }
        let number = |at: usize| numbers.get(at).cloned().unwrap_or_default();
        Ok(Self {
            version: format!("v{}", numbers.join(".")),
            major: number(0),
            minor: number(1),
        })
    }

    /// Checks the `kubeVersion` of a chart; an empty constraint allows every version.
    ///
    /// # Errors
    /// [`Incompatible`], with Helm's text, where the version is not in the range or the range can't be read.
    pub fn check(&self, constraint: &str) -> Result<(), Incompatible> {
        if constraint.is_empty() || is_compatible_range(constraint, &self.version) {
            return Ok(());
        }
        Err(Incompatible {
            constraint: constraint.to_owned(),
            version: self.version.clone(),
        })
    }
}

impl Default for KubeVersion {
    /// What the released binaries of Helm 3.19.5 assume. One that is built without their link flags says v1.20.0,
    /// which today's charts refuse.
    fn default() -> Self {
        Self {
            version: "v1.34.0".to_owned(),
            major: "1".to_owned(),
            minor: "34".to_owned(),
        }
    }
}

/// Whether a version is in a range; what can't be read is in none (`chartutil.IsCompatibleRange`).
pub fn is_compatible_range(constraint: &str, version: &str) -> bool {
    match (Constraint::parse(constraint), Version::parse(version)) {
        (Ok(constraint), Ok(version)) => constraint.check(&version),
        _ => false,
    }
}

/// A chart is not for this version of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("chart requires kubeVersion: {constraint} which is incompatible with Kubernetes {version}")]
pub struct Incompatible {
    /// What the chart asks for.
    pub constraint: String,
    /// The cluster's version.
    pub version: String,
}

/// A version of Kubernetes could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KubeVersionError {
    /// It does not start with a number.
    #[error("could not parse {0:?} as version")]
    Unreadable(String),
    /// It has fewer than two numbers.
    #[error("illegal version string {0:?}")]
    TooShort(String),
    /// Its first number starts with a zero.
    #[error("illegal zero-prefixed version component {component:?} in {version:?}")]
    ZeroPrefix {
        /// The number.
        component: String,
        /// The whole text.
        version: String,
    },
    /// One of its numbers is too large.
    #[error("illegal non-numeric version component {component:?} in {version:?}")]
    NotANumber {
        /// The number.
        component: String,
        /// The whole text.
        version: String,
    },
}

/// `.Capabilities.HelmVersion`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelmVersion {
    /// The version of Helm whose behaviour this is.
    pub version: String,
    /// The commit it was built from.
    pub git_commit: String,
    /// The state of the tree it was built from.
    pub git_tree_state: String,
    /// The version of Go it was built with.
    pub go_version: String,
}

impl Default for HelmVersion {
    /// Helm 3.19 as built from its module without link flags.
    fn default() -> Self {
        Self {
            version: "v3.19".to_owned(),
            git_commit: String::new(),
            git_tree_state: String::new(),
            go_version: "go1.26.8".to_owned(),
        }
    }
}

/// The API versions that Helm 3.19 knows without a cluster: those of its Kubernetes client, in its order.
pub const DEFAULT_API_VERSIONS: &[&str] = &[
    "v1",
    "admissionregistration.k8s.io/v1",
    "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1",
    "internal.apiserver.k8s.io/v1alpha1",
    "apps/v1",
    "apps/v1beta1",
    "apps/v1beta2",
    "authentication.k8s.io/v1",
    "authentication.k8s.io/v1alpha1",
    "authentication.k8s.io/v1beta1",
    "authorization.k8s.io/v1",
    "authorization.k8s.io/v1beta1",
    "autoscaling/v1",
    "autoscaling/v2",
    "autoscaling/v2beta1",
    "autoscaling/v2beta2",
    "batch/v1",
    "batch/v1beta1",
    "certificates.k8s.io/v1",
    "certificates.k8s.io/v1beta1",
    "certificates.k8s.io/v1alpha1",
    "coordination.k8s.io/v1alpha2",
    "coordination.k8s.io/v1beta1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "discovery.k8s.io/v1beta1",
    "events.k8s.io/v1",
    "events.k8s.io/v1beta1",
    "extensions/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1beta2",
    "flowcontrol.apiserver.k8s.io/v1beta3",
    "networking.k8s.io/v1",
    "networking.k8s.io/v1beta1",
    "node.k8s.io/v1",
    "node.k8s.io/v1alpha1",
    "node.k8s.io/v1beta1",
    "policy/v1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1",
    "rbac.authorization.k8s.io/v1beta1",
    "rbac.authorization.k8s.io/v1alpha1",
    "resource.k8s.io/v1",
    "resource.k8s.io/v1beta2",
    "resource.k8s.io/v1beta1",
    "resource.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1alpha1",
    "scheduling.k8s.io/v1beta1",
    "scheduling.k8s.io/v1",
    "storage.k8s.io/v1beta1",
    "storage.k8s.io/v1",
    "storage.k8s.io/v1alpha1",
    "storagemigration.k8s.io/v1alpha1",
    "apiextensions.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1",
];

#[cfg(test)]
mod tests {
    use super::{Capabilities, DEFAULT_API_VERSIONS, KubeVersion};

    /// Texts, and what Kubernetes' generic version parser makes of them.
    #[test]
    fn versions_are_read_as_kubernetes_reads_them() {
        let cases = [
            ("1.35.0", Ok(("v1.35.0", "1", "35"))),
            ("v1.35", Ok(("v1.35", "1", "35"))),
            ("  v1.22.0-gke.100+x ", Ok(("v1.22.0", "1", "22"))),
            ("1.28+", Ok(("v1.28", "1", "28"))),
            ("1.02.3.4", Ok(("v1.2.3.4", "1", "2"))),
            ("1.2.", Ok(("v1.2", "1", "2"))),
            ("1", Err("illegal version string \"1\"")),
            ("v1.x", Err("illegal version string \"v1.x\"")),
            ("x1.2", Err("could not parse \"x1.2\" as version")),
            ("", Err("could not parse \"\" as version")),
            (
                "01.2",
                Err("illegal zero-prefixed version component \"01\" in \"01.2\""),
            ),
        ];
        for (text, want) in cases {
            let got = KubeVersion::parse(text);
            let got = match &got {
                Ok(version) => Ok((&*version.version, &*version.major, &*version.minor)),
                Err(error) => Err(error.to_string()),
            };
            assert_eq!(got, want.map_err(str::to_owned), "{text:?}");
        }
    }

    #[test]
    fn charts_say_which_versions_they_are_for() {
        let version = KubeVersion::parse("v1.22.0").unwrap();
        for constraint in ["", ">=1.21.0-0", "^1.20", "1.19 - 1.23"] {
            assert_eq!(version.check(constraint), Ok(()), "{constraint}");
        }
        let error = version.check(">=1.25.0-0").unwrap_err();
        assert_eq!(
            error.to_string(),
            "chart requires kubeVersion: >=1.25.0-0 which is incompatible with Kubernetes v1.22.0"
        );
        assert!(version.check("not a range").is_err());
    }

    #[test]
    fn without_a_cluster_helms_defaults_hold() {
        let plain = Capabilities::default();
        assert_eq!(plain.kube_version.version, "v1.34.0");
        assert!(plain.has("apps/v1") && !plain.has("apps/v1/Deployment"));
        let more = Capabilities::without_cluster(KubeVersion::default(), &["example.com/v1".to_owned()]);
        assert_eq!(more.api_versions.len(), DEFAULT_API_VERSIONS.len() + 1);
        assert!(more.has("example.com/v1"));
    }
}
