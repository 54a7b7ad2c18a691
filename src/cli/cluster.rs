//! Which cluster a command speaks to, and how.

use std::path::PathBuf;

use anyhow::Context as _;
use kube::{
    Api, Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use crate::api::HelmApp;

/// Flags of every command that needs a cluster, named as kubectl names them.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub(super) struct ClusterArguments {
    /// Path of the kubeconfig file. Default: $KUBECONFIG, else ~/.kube/config, else the pod's own account
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig. Default: its current one
    #[arg(long, value_name = "NAME", global = true)]
    pub(super) context: Option<String>,
    /// Namespace of the HelmApp. Default: the context's
    #[arg(short, long, value_name = "NAME")]
    pub(super) namespace: Option<String>,
}

/// A client, and the namespace that unqualified names are in.
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) namespace: String,
}

impl ClusterArguments {
    pub(super) async fn connect(&self) -> anyhow::Result<Connection> {
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        let config = match &self.kubeconfig {
            Some(path) => {
                let file = Kubeconfig::read_from(path)
                    .with_context(|| format!("cannot read the kubeconfig {}", path.display()))?;
                Config::from_custom_kubeconfig(file, &options).await?
            }
            None if self.context.is_some() => Config::from_kubeconfig(&options).await?,
            None => Config::infer()
                .await
                .context("no cluster is configured: set KUBECONFIG or pass --kubeconfig")?,
        };
        let namespace = self
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        Ok(Connection {
            client: Client::try_from(config)?,
            namespace,
        })
    }
}

impl Connection {
    pub(super) fn helmapps(&self) -> Api<HelmApp> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The HelmApp `name` of the connection's namespace.
    pub(super) async fn helmapp(&self, name: &str) -> anyhow::Result<HelmApp> {
        match self.helmapps().get_opt(name).await {
            Ok(Some(app)) => Ok(app),
            Ok(None) => anyhow::bail!(
                "there is no HelmApp {name:?} in namespace {:?}; `helmapp list -A` shows all of them",
                self.namespace
            ),
            Err(error) => {
                Err(error).with_context(|| format!("cannot read the HelmApp {}/{name}", self.namespace))
            }
        }
    }
}
