//! `helmapp get`.

mod text;

use anyhow::Context as _;
use clap::ValueEnum;
use helmapp_helm::manifest::parse_stored;
use helmapp_helm::release::Release;
use serde_json::{Value, json};

use super::cluster::{ClusterArguments, Connection};
use super::output::{self, Format};
use crate::api::HelmApp;
use crate::store::{ReleaseKey, Store};

/// Show what a revision of a HelmApp's release is made of, as `helm get` does
///
/// The revision's record is read with your own rights. What it holds is shown as it is, values and manifests of Secrets
/// included; `helmapp diff --revision` shows none.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What to show
    #[arg(value_enum, value_name = "WHAT")]
    what: Part,
    /// Name of the HelmApp
    name: String,
    #[command(flatten)]
    cluster: ClusterArguments,
    /// The revision. Default: the newest one
    #[arg(long, value_name = "REVISION", value_parser = clap::value_parser!(i64).range(1..))]
    revision: Option<i64>,
    /// With `values`: the chart's own values, too
    #[arg(short, long)]
    all: bool,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The values that were given
    Values,
    /// The objects
    Manifest,
    /// The hooks
    Hooks,
    /// The notes
    Notes,
    /// Chart, versions, state and time
    Metadata,
    /// All of it
    All,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments {
        what,
        name,
        cluster,
        revision,
        all,
        output,
    } = arguments;
    anyhow::ensure!(!all || what == Part::Values, "--all goes with `get values`");
    let connection = cluster.connect().await?;
    let release = read(&connection, &connection.helmapp(&name).await?, revision).await?;
    let shown = match what {
        Part::Values if all => text::computed(&release)?,
        _ => document(&release, what)?,
    };
    output::print(output, &shown, || match what {
        Part::Values => text::values(&shown, all),
        Part::Manifest => format!("{}\n", release.manifest),
        Part::Hooks => text::hooks(&release),
        Part::Notes => text::notes(&release),
        Part::Metadata => text::metadata(&release),
        Part::All => text::all(&release),
    })
}

/// A revision of the HelmApp's release, as whoever runs the command may see it.
async fn read(connection: &Connection, app: &HelmApp, revision: Option<i64>) -> anyhow::Result<Release> {
    let key = ReleaseKey::new(app.target_namespace(), app.release_name());
    let store = Store::new(connection.client.clone());
    let revision = match revision {
        Some(revision) => revision,
        None => {
            let newest = store.heads(&key).await?.into_iter().next();
            newest
                .with_context(|| format!("release {key} has no revision yet"))?
                .revision
        }
    };
    let stored = store.read(&key, revision).await?.with_context(|| {
        format!("revision {revision} of release {key} is not stored; `helmapp history` shows those that are")
    })?;
    Ok(stored.release)
}

/// What programs get.
fn document(release: &Release, what: Part) -> anyhow::Result<Value> {
    Ok(match what {
        Part::Values => text::given(release),
        Part::Manifest => objects(&release.manifest)?,
        Part::Hooks => serde_json::to_value(&release.hooks)?,
        Part::Notes => release.info.notes.clone().into(),
        Part::Metadata => text::facts(release),
        Part::All => {
            let mut all = serde_json::Map::new();
            for (key, part) in [
                ("metadata", Part::Metadata),
                ("values", Part::Values),
                ("hooks", Part::Hooks),
                ("manifest", Part::Manifest),
                ("notes", Part::Notes),
            ] {
                all.insert(key.to_owned(), document(release, part)?);
            }
            all.into()
        }
    })
}

fn objects(manifest: &str) -> anyhow::Result<Value> {
    let documents = parse_stored(manifest).context("the stored manifest can not be read")?;
    let objects = documents.into_iter().map(|document| document.object);
    Ok(json!(
        objects.filter(|object| !object.is_null()).collect::<Vec<_>>()
    ))
}
