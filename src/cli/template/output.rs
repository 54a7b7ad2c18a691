//! What `helmapp template` prints or writes below `--output-dir`.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

use anyhow::{anyhow, bail};
use helmapp_helm::chart::Chart;
use helmapp_helm::manifest::{Manifest, source_block, split_documents};
use helmapp_helm::release::{Hook, HookEvent};

use super::Arguments;
use super::match_path::matches;

pub(super) struct Output<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) release: &'a str,
    pub(super) chart: &'a Chart,
    pub(super) manifest: &'a Manifest,
    /// The manifest is what is left of one that is not valid.
    pub(super) partial: bool,
}

impl Output<'_> {
    pub(super) fn write(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let text = match &self.arguments.output_dir {
            Some(directory) => {
                self.write_files(Path::new(directory), out)?;
                "\n".to_owned()
            }
            None => self.text(),
        };
        if self.arguments.show_only.is_empty() {
            out.write_all(text.as_bytes())?;
            return Ok(());
        }
        for document in self.shown(&text)? {
            write!(out, "---\n{document}\n")?;
        }
        Ok(())
    }

    fn text(&self) -> String {
        let mut text = String::with_capacity(self.manifest.text.len());
        for crd in self.crds() {
            text.push_str(&source_block(&crd.0, &crd.1));
        }
        text.push_str(&self.manifest.text);
        let mut text = text.trim().to_owned();
        text.push('\n');
        for hook in self.hooks() {
            text.push_str(&source_block(&hook.path, &hook.manifest));
        }
        text
    }

    fn crds(&self) -> Vec<(String, String)> {
        if !self.arguments.include_crds || self.partial {
            return Vec::new();
        }
        let text = |data: &[u8]| String::from_utf8_lossy(data).into_owned();
        self.chart
            .crd_objects()
            .into_iter()
            .map(|crd| (crd.filename, text(&crd.file.data)))
            .collect()
    }

    fn hooks(&self) -> impl Iterator<Item = &Hook> {
        let skip_tests = self.arguments.skip_tests;
        let hooks = if self.arguments.no_hooks {
            &[]
        } else {
            self.manifest.hooks.as_slice()
        };
        hooks
            .iter()
            .filter(move |h| !(skip_tests && h.runs_at(&HookEvent::Test)))
    }

    /// The documents whose template `--show-only` names, in the order of its patterns.
    fn shown<'t>(&self, text: &'t str) -> anyhow::Result<Vec<&'t str>> {
        let mut shown = Vec::new();
        for pattern in &self.arguments.show_only {
            let before = shown.len();
            let fits = |d: &&str| template_of(d).is_some_and(|path| matches(pattern, path));
            shown.extend(split_documents(text).filter(fits));
            if shown.len() == before {
                bail!("could not find template {pattern} in chart");
            }
        }
        Ok(shown)
    }

    fn write_files(&self, directory: &Path, out: &mut impl Write) -> anyhow::Result<()> {
        let mut written = BTreeSet::new();
        for (path, text) in self.crds() {
            write_file(directory, &path, &text, &mut written, out)?;
        }
        let directory = match self.arguments.release_name {
            true => directory.join(self.release),
            false => directory.to_owned(),
        };
        for object in &self.manifest.objects {
            write_file(&directory, &object.source, &object.text, &mut written, out)?;
        }
        for hook in self.hooks() {
            write_file(&directory, &hook.path, &hook.manifest, &mut written, out)?;
        }
        Ok(())
    }
}

/// The template a document says it came from, without the chart's name.
fn template_of(document: &str) -> Option<&str> {
    let (_, rest) = document.split_once("# Source: ")?;
    let (_, path) = rest.lines().next()?.split_once('/')?;
    (!path.is_empty()).then_some(path)
}

/// The first document of a path makes its file anew, the next ones are appended.
fn write_file(
    directory: &Path,
    path: &str,
    text: &str,
    written: &mut BTreeSet<PathBuf>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let inside = Path::new(path)
        .components()
        .all(|c| matches!(c, Component::Normal(_)));
    if !inside {
        bail!(
            "template {path:?} would be written outside {}",
            directory.display()
        );
    }
    let target = directory.join(path);
    let write = || {
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let first = !written.contains(&target);
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(first)
            .append(!first)
            .open(&target)?;
        file.write_all(source_block(path, text).as_bytes())
    };
    write().map_err(|e: std::io::Error| anyhow!("{} can not be written: {e}", target.display()))?;
    writeln!(out, "wrote {}", target.display())?;
    written.insert(target);
    Ok(())
}
