//! What a chart may cost the operator. docs/limits.md lists these and the limits that can't be set.

use std::time::{Duration, Instant};

use helmapp_goyaml::Limits as YamlLimits;
use helmapp_helm::{
    limits::Limits as ChartLimits,
    manifest::Limits as ManifestLimits,
    render::{Limits as RenderLimits, LookupLimits},
    values::ValueLimits,
};

/// Room for templates that include each other a thousand deep, which Helm allows.
const STACK_BYTES: usize = 32 << 20;

/// Limits on loading a chart and on rendering it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long one rendering may take, by the clock. The answers of lookups are waited for within it.
    pub render_timeout: Duration,
    /// Steps, sizes and depths of a rendering. Its deadline is set by `render_timeout`.
    pub render: RenderLimits,
    /// Questions of one rendering to the cluster, and their answers.
    pub lookups: LookupLimits,
    /// Reading YAML: values files, `fromYaml`, rendered objects.
    pub yaml: YamlLimits,
    /// The values of a chart and its sub-charts, merged.
    pub values: ValueLimits,
    /// Values in all objects of a release.
    pub manifest_nodes: usize,
    /// Loading a chart. [`Limits::of_chart`] says how large its archive may be and how its YAML is read.
    pub chart: ChartLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            render_timeout: Duration::from_secs(120),
            // Renderings have threads of their own.
            render: RenderLimits {
                stack_bytes: STACK_BYTES,
                ..RenderLimits::default()
            },
            lookups: LookupLimits::default(),
            yaml: YamlLimits::default(),
            values: ValueLimits::default(),
            manifest_nodes: ManifestLimits::default().nodes,
            chart: ChartLimits::default(),
        }
    }
}

impl Limits {
    /// The limits of a rendering that begins now.
    pub fn of_render(&self) -> RenderLimits {
        self.render
            .clone()
            .with_timeout(Instant::now(), self.render_timeout)
    }

    /// The limits on what was rendered.
    pub fn of_manifest(&self) -> ManifestLimits {
        ManifestLimits {
            nodes: self.manifest_nodes,
            yaml: self.yaml,
        }
    }

    /// The limits on loading a chart whose archive may have so many bytes.
    pub fn of_chart(&self, archive_bytes: u64) -> ChartLimits {
        ChartLimits {
            archive_bytes,
            yaml: self.yaml,
            ..self.chart
        }
    }
}
