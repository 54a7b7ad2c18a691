//! Flags of `helm template` that have nothing to decide here, so that command lines written for Helm work.

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command};

/// Helm's other flags that stand alone: they speak of the cluster or of the chart's server, and the output is the
/// same with and without them.
const SWITCHES: [&str; 16] = [
    "atomic",
    "create-namespace",
    "devel",
    "disable-openapi-validation",
    "force",
    "hide-notes",
    "insecure-skip-tls-verify",
    "kube-insecure-skip-tls-verify",
    "pass-credentials",
    "plain-http",
    "render-subchart-notes",
    "replace",
    "skip-crds",
    "take-ownership",
    "wait",
    "wait-for-jobs",
];

/// Those that take a value.
const VALUES: [&str; 23] = [
    "burst-limit",
    "ca-file",
    "cert-file",
    "description",
    "key-file",
    "keyring",
    "kube-apiserver",
    "kube-as-group",
    "kube-as-user",
    "kube-ca-file",
    "kube-context",
    "kube-tls-server-name",
    "kube-token",
    "kubeconfig",
    "labels",
    "password",
    "qps",
    "registry-config",
    "repository-cache",
    "repository-config",
    "timeout",
    "username",
    "version",
];

/// Those that would change the output: what they ask for, and what to do instead.
const REFUSED: [(&str, Takes, &str); 7] = [
    (
        "dependency-update",
        Takes::Nothing,
        "is not supported; vendor the chart's dependencies with `helm dependency build`",
    ),
    (
        "enable-dns",
        Takes::Nothing,
        "is not supported: rendering asks no name server; leave it out",
    ),
    (
        "post-renderer",
        Takes::Value,
        "is not supported; pipe the output through that program",
    ),
    (
        "post-renderer-args",
        Takes::Value,
        "is not supported; pipe the output through that program",
    ),
    (
        "repo",
        Takes::Value,
        "is not supported; fetch the chart with `helm pull` and give its path",
    ),
    (
        "validate",
        Takes::Nothing,
        "asks a cluster, and this command renders without one; leave it out",
    ),
    (
        "verify",
        Takes::Nothing,
        "is not supported; check the chart's signature with `helm verify`",
    ),
];

#[derive(Clone, Copy, PartialEq)]
enum Takes {
    Nothing,
    Value,
}

/// A flag that was given and can't be honoured, as a sentence; the first one if there are more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unused {
    pub(super) refused: Option<String>,
}

impl Args for Unused {
    fn augment_args(command: Command) -> Command {
        let command = command.args(SWITCHES.map(switch)).args(VALUES.map(value));
        let refused = REFUSED.map(|(name, takes, _)| match takes {
            Takes::Nothing => switch(name),
            Takes::Value => value(name),
        });
        command.args(refused).arg(
            value("dry-run")
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("client"),
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Unused {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut found = Self::default();
        found.update_from_arg_matches(matches)?;
        Ok(found)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let refused = REFUSED.iter().find(|(name, takes, _)| match takes {
            Takes::Nothing => matches.get_one::<bool>(name) == Some(&true),
            Takes::Value => matches.get_one::<String>(name).is_some(),
        });
        self.refused = refused.map(|(name, _, why)| format!("--{name} {why}"));
        match matches.get_one::<String>("dry-run").map(String::as_str) {
            Some("server") if self.refused.is_none() => {
                self.refused = Some(
                    "--dry-run=server asks a cluster, and this command renders without one; leave it out"
                        .to_owned(),
                );
            }
            Some("" | "none" | "client" | "server" | "true" | "false") | None => {}
            Some(_) => {
                return Err(clap::Error::raw(
                    ErrorKind::InvalidValue,
                    "Invalid dry-run flag. Flag must one of the following: false, true, none, client, server\n",
                ));
            }
        }
        Ok(())
    }
}

/// A flag that may be given as `--flag` and `--flag=false`, as Go's flags may.
fn switch(name: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .hide(true)
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .value_parser(go_bool)
        .action(ArgAction::Set)
}

fn value(name: &'static str) -> Arg {
    let arg = Arg::new(name).long(name).hide(true).action(ArgAction::Set);
    match name {
        "labels" => arg.short('l'),
        _ => arg,
    }
}

/// A truth value as Go's flags read it.
pub(super) fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("it is neither true nor false".to_owned()),
    }
}
