//! Flags and environment of the limits on charts.

use std::ops::RangeInclusive;

use anyhow::ensure;
use helmapp_helm::{
    limits::Limits as ChartLimits,
    render::{self, LookupLimits},
    values::ValueLimits,
};

use crate::{api::Duration, settings::Limits};

/// A stack with which templates can do something, and one that a system has.
const STACK_BYTES: RangeInclusive<usize> = (1 << 20)..=(1 << 30);

/// What becomes [`Limits`].
#[derive(Clone, Debug, clap::Args)]
pub(super) struct LimitArguments {
    /// How long one rendering of a chart may take
    #[arg(
        long,
        env = "HELMAPP_RENDER_TIMEOUT",
        default_value = "2m",
        value_name = "DURATION"
    )]
    render_timeout: Duration,
    /// Actions, turns of loops and calls of one rendering; text and values count by their size
    #[arg(
        long,
        env = "HELMAPP_RENDER_STEPS",
        default_value_t = 20_000_000,
        value_name = "COUNT"
    )]
    render_steps: u64,
    /// Templates within templates
    #[arg(
        long,
        env = "HELMAPP_RENDER_DEPTH",
        default_value_t = 2000,
        value_name = "COUNT"
    )]
    render_depth: u32,
    /// Bytes that all templates of a chart may give
    #[arg(long, env = "HELMAPP_RENDER_OUTPUT_BYTES", default_value_t = 32 << 20, value_name = "BYTES")]
    render_output_bytes: usize,
    /// Bytes of one text that a function gives
    #[arg(long, env = "HELMAPP_RENDER_TEXT_BYTES", default_value_t = 16 << 20, value_name = "BYTES")]
    render_text_bytes: usize,
    /// Bytes of all values that a rendering holds at a time
    #[arg(long, env = "HELMAPP_RENDER_MEMORY_BYTES", default_value_t = 64 << 20, value_name = "BYTES")]
    render_memory_bytes: usize,
    /// Items of a list made from a number, such as until 10
    #[arg(
        long,
        env = "HELMAPP_RENDER_LIST_ITEMS",
        default_value_t = 1_000_000,
        value_name = "COUNT"
    )]
    render_list_items: u64,
    /// Work on keys, certificates and password hashes: 10,000 for each hash, 30,000 and more for each RSA key
    #[arg(
        long,
        env = "HELMAPP_RENDER_KEY_WORK",
        default_value_t = 10_000_000,
        value_name = "COUNT"
    )]
    render_key_work: u64,
    /// Bytes of a thread's stack that templates within templates may take
    #[arg(long, env = "HELMAPP_RENDER_STACK_BYTES", default_value_t = 32 << 20, value_name = "BYTES")]
    render_stack_bytes: usize,
    /// Different questions of lookup in one rendering
    #[arg(
        long,
        env = "HELMAPP_RENDER_LOOKUPS",
        default_value_t = 500,
        value_name = "COUNT"
    )]
    render_lookups: usize,
    /// Bytes of all answers to them
    #[arg(long, env = "HELMAPP_RENDER_LOOKUP_BYTES", default_value_t = 16 << 20, value_name = "BYTES")]
    render_lookup_bytes: usize,
    /// Bytes of a regular expression, at most 65536
    #[arg(
        long,
        env = "HELMAPP_RENDER_REGEX_BYTES",
        default_value_t = 65_536,
        value_name = "BYTES"
    )]
    render_regex_bytes: usize,
    /// Entries and items of the values of a chart and its sub-charts, merged
    #[arg(
        long,
        env = "HELMAPP_VALUES_ENTRIES",
        default_value_t = 500_000,
        value_name = "COUNT"
    )]
    values_entries: usize,
    /// Bytes of their texts and keys, counted at each place where they stand
    #[arg(long, env = "HELMAPP_VALUES_BYTES", default_value_t = 32 << 20, value_name = "BYTES")]
    values_bytes: usize,
    /// Entries, charts and declarations of dependencies that are looked at until values are merged
    #[arg(
        long,
        env = "HELMAPP_VALUES_STEPS",
        default_value_t = 5_000_000,
        value_name = "COUNT"
    )]
    values_steps: usize,
    /// Steps of checking values against the schemas of a chart and its sub-charts
    #[arg(
        long,
        env = "HELMAPP_SCHEMA_STEPS",
        default_value_t = 5_000_000,
        value_name = "COUNT"
    )]
    schema_steps: u64,
    /// Bytes of one text of YAML
    #[arg(long, env = "HELMAPP_YAML_INPUT_BYTES", default_value_t = 64 << 20, value_name = "BYTES")]
    yaml_input_bytes: usize,
    /// Values in one YAML document, those that an alias stands for counted each time
    #[arg(
        long,
        env = "HELMAPP_YAML_NODES",
        default_value_t = 500_000,
        value_name = "COUNT"
    )]
    yaml_nodes: usize,
    /// Bytes of text that the aliases of a YAML document stand for
    #[arg(long, env = "HELMAPP_YAML_ALIAS_BYTES", default_value_t = 16 << 20, value_name = "BYTES")]
    yaml_alias_bytes: usize,
    /// Values in all objects of a release
    #[arg(
        long,
        env = "HELMAPP_MANIFEST_NODES",
        default_value_t = 500_000,
        value_name = "COUNT"
    )]
    manifest_nodes: usize,
    /// Bytes of a chart's files, unpacked
    #[arg(long, env = "HELMAPP_CHART_UNPACKED_BYTES", default_value_t = 64 << 20, value_name = "BYTES")]
    chart_unpacked_bytes: u64,
    /// Bytes of one file of a chart
    #[arg(long, env = "HELMAPP_CHART_FILE_BYTES", default_value_t = 5 << 20, value_name = "BYTES")]
    chart_file_bytes: u64,
    /// Files of a chart
    #[arg(
        long,
        env = "HELMAPP_CHART_FILES",
        default_value_t = 10_000,
        value_name = "COUNT"
    )]
    chart_files: usize,
    /// Charts in a chart, each alias of a sub-chart being one
    #[arg(
        long,
        env = "HELMAPP_CHART_DEPENDENCIES",
        default_value_t = 1_000,
        value_name = "COUNT"
    )]
    chart_dependencies: usize,
    /// Charts within charts
    #[arg(long, env = "HELMAPP_CHART_DEPTH", default_value_t = 32, value_name = "COUNT")]
    chart_depth: usize,
    /// Directories within directories of an unpacked chart
    #[arg(
        long,
        env = "HELMAPP_CHART_DIRECTORY_DEPTH",
        default_value_t = 64,
        value_name = "COUNT"
    )]
    chart_directory_depth: usize,
}

/// Charts and directories within others are loaded by recursion.
const DEPTH: RangeInclusive<usize> = 1..=256;

impl LimitArguments {
    pub(super) fn validate(self) -> anyhow::Result<Limits> {
        ensure!(
            !self.render_timeout.0.is_zero(),
            "--render-timeout must be more than 0"
        );
        ensure!(
            STACK_BYTES.contains(&self.render_stack_bytes),
            "--render-stack-bytes must be at least {} and at most {}",
            STACK_BYTES.start(),
            STACK_BYTES.end()
        );
        for (flag, depth) in [
            ("--chart-depth", self.chart_depth),
            ("--chart-directory-depth", self.chart_directory_depth),
        ] {
            ensure!(
                DEPTH.contains(&depth),
                "{flag} must be at least {} and at most {}",
                DEPTH.start(),
                DEPTH.end()
            );
        }
        Ok(Limits {
            render_timeout: self.render_timeout.0,
            render: render::Limits {
                steps: self.render_steps,
                template_depth: self.render_depth,
                output_bytes: self.render_output_bytes,
                text_bytes: self.render_text_bytes,
                memory_bytes: self.render_memory_bytes,
                list_items: self.render_list_items,
                key_work: self.render_key_work,
                stack_bytes: self.render_stack_bytes,
                regex_bytes: self.render_regex_bytes,
                ..render::Limits::default()
            },
            lookups: LookupLimits {
                count: self.render_lookups,
                bytes: self.render_lookup_bytes,
            },
            yaml: helmapp_goyaml::Limits {
                input_bytes: self.yaml_input_bytes,
                nodes: self.yaml_nodes,
                expanded_bytes: self.yaml_alias_bytes,
                ..helmapp_goyaml::Limits::default()
            },
            values: ValueLimits {
                entries: self.values_entries,
                bytes: self.values_bytes,
                charts: self.chart_dependencies,
                steps: self.values_steps,
                schema_steps: self.schema_steps,
                ..ValueLimits::default()
            },
            manifest_nodes: self.manifest_nodes,
            chart: ChartLimits {
                unpacked_bytes: self.chart_unpacked_bytes,
                file_bytes: self.chart_file_bytes,
                file_count: self.chart_files,
                chart_depth: self.chart_depth,
                directory_depth: self.chart_directory_depth,
                ..ChartLimits::default()
            },
        })
    }
}
