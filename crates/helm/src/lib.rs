//! Helm without a cluster: charts, values, rendering, manifests, release records, plans.
//!
//! What Helm 3.19 does between a chart and the API server, as functions from data to data, exact to the byte. There is
//! no client, no async runtime and no network here; a program brings the answers of `lookup`, the capabilities and, if
//! it wants, randomness and the time.
//!
//! # From a chart to objects
//!
//! ```
//! use std::sync::Arc;
//! use helmapp_helm::capabilities::Capabilities;
//! use helmapp_helm::chart::{Chart, File};
//! use helmapp_helm::manifest::Manifest;
//! use helmapp_helm::render::{CompiledChart, ReleaseOptions, RenderInput, prepare};
//! use serde_json::json;
//!
//! let files = [
//!     ("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
//!     ("values.yaml", "port: 80\n"),
//!     (
//!         "templates/service.yaml",
//!         "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Release.Name }}\nspec:\n  ports: [{port: {{ .Values.port }}}]\n",
//!     ),
//! ];
//! let files = files.into_iter().map(|(name, text)| File::new(name, text.as_bytes())).collect();
//! let chart = Chart::load_files(files, &Default::default())?;
//!
//! // Sub-charts are settled, values merged and checked against the schemas.
//! let given = serde_json::from_value(json!({"port": 8080}))?;
//! let prepared = prepare(&chart, &given, Some(&Arc::default()), &mut Vec::new())?;
//!
//! let release = ReleaseOptions {
//!     name: "shop".into(),
//!     namespace: "default".into(),
//!     revision: 1,
//!     is_install: true,
//!     is_upgrade: false,
//! };
//! let compiled = CompiledChart::compile(&prepared.chart)?;
//! let input = RenderInput::new(&prepared.values, &release, Arc::new(Capabilities::default()));
//! let manifest = Manifest::build(chart.name(), compiled.render(input)?)?;
//!
//! let objects = manifest.parse_objects();
//! assert_eq!(objects[0]["metadata"]["name"], "shop");
//! assert_eq!(objects[0]["spec"]["ports"][0]["port"], 8080);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The parts
//!
//! - [`chart`]: charts from archives, directories and memory.
//! - [`values`]: layers of values, the grammar of `--set`, and what a chart and its sub-charts make of them.
//! - [`schema`]: values against `values.schema.json`.
//! - [`render`]: templates to text, [`toml`] for two of their functions, [`capabilities`] for what they ask.
//! - [`manifest`]: text to objects, hooks and notes in Helm's order.
//! - [`release`]: the records that Helm keeps in Secrets.
//! - [`hooks`]: in which order a release's hooks run, when one is through, which objects go afterwards.
//! - [`plan`]: what is to be done to a cluster, decided before it is done.
//! - [`health`]: whether an object has become what it should.
//!
//! # Errors
//!
//! Each module has one error type. Where Helm has a text for the mistake, that is the text.
//!
//! # Limits
//!
//! A chart may come from anybody. [`limits::Limits`] bound what it unpacks to, [`render::Limits`] what its templates do,
//! [`values::ValueLimits`] the values, [`schema::MAX_STEPS`] and [`schema::MAX_DEPTH`] its schemas,
//! [`manifest::Limits`] its objects and [`release::DecodeLimits`] a record. Errors name the limit.
//!
//! # The same each time
//!
//! With a [`render::Memo`] random functions, keys and `now` give a release the same whenever it is rendered, and a
//! [`render::Recorder`] keeps what `lookup` was answered.
//!
//! # Differences from Helm
//!
//! - Where Helm leaves the order to Go's maps, names are taken in their order.
//! - Links in archives are refused, as are documents that a schema refers to by an address.
//! - All of a chart unpacks to 64 MiB at most (Helm: 100 MiB), sub-charts included.
//! - Integers that come as JSON stay integers.
#![warn(missing_docs)]
// An index out of range would be a panic that input can reach; tests may index.
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::string_slice))]

pub mod capabilities;
pub mod chart;
pub mod health;
pub mod hooks;
pub mod limits;
pub mod manifest;
pub mod plan;
pub mod release;
pub mod render;
pub mod schema;
pub mod toml;
pub mod values;
