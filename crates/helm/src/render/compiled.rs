//! Compiled charts that are kept for the next render.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::{CompiledChart, Error, FunctionSet};
use crate::chart::{Chart, File};

/// Charts by content, compiled once for all threads and releases that render them. The least recently used go first
/// when they take up more bytes than they may.
///
/// A chart is told by its files as they were loaded: clones of one [`Chart`], and what
/// [`prepare`](super::prepare) makes of them with equal sub-charts switched on, are one. Two versions of a chart share
/// the templates that are equal by path and content.
///
/// ```
/// use std::sync::Arc;
/// use helmapp_helm::chart::{Chart, File};
/// use helmapp_helm::render::CompiledCharts;
///
/// let files = [
///     ("Chart.yaml", "apiVersion: v2\nname: demo\nversion: 1.0.0\n"),
///     ("templates/a.yaml", "name: {{ .Release.Name }}"),
/// ];
/// let files = files.map(|(name, text)| File::new(name, text.as_bytes())).to_vec();
/// let chart = Chart::load_files(files, &Default::default())?;
/// let charts = CompiledCharts::new(16 << 20);
/// assert!(Arc::ptr_eq(&charts.get(&chart)?, &charts.get(&chart.clone())?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CompiledCharts {
    most: usize,
    functions: FunctionSet,
    kept: Mutex<Kept>,
    /// A chart is compiled, or can not be.
    done: Condvar,
}

#[derive(Default)]
struct Kept {
    /// The least recently used first.
    charts: Vec<Entry>,
    bytes: usize,
    /// The templates of the charts that are being compiled.
    compiling: Vec<Arc<[File]>>,
}

struct Entry {
    chart: Arc<CompiledChart>,
    bytes: usize,
    /// Since [`CompiledCharts::forget_unused`] was last called.
    is_used: bool,
}

impl CompiledCharts {
    /// None yet, and at most so many bytes of them. A chart that alone takes up more is not kept.
    pub fn new(bytes: usize) -> CompiledCharts {
        CompiledCharts {
            most: bytes,
            functions: FunctionSet::default(),
            kept: Mutex::default(),
            done: Condvar::new(),
        }
    }

    /// Whose functions the templates may call. Default: Helm 3's.
    pub fn with_functions(self, functions: FunctionSet) -> CompiledCharts {
        CompiledCharts { functions, ..self }
    }

    /// The compiled form of a chart that [`prepare`](super::prepare) has settled. Who asks for one that another thread
    /// compiles waits for that.
    ///
    /// # Errors
    /// Those of [`CompiledChart::compile`], which are not kept.
    pub fn get(&self, chart: &Chart) -> Result<Arc<CompiledChart>, Error> {
        let mut kept = self.lock();
        loop {
            if let Some(found) = kept.find(chart) {
                return Ok(found);
            }
            let is_same = |other: &Arc<[File]>| Arc::ptr_eq(other, &chart.templates);
            if !kept.compiling.iter().any(is_same) {
                break;
            }
            kept = self.done.wait(kept).unwrap_or_else(PoisonError::into_inner);
        }
        kept.compiling.push(Arc::clone(&chart.templates));
        let others: Vec<_> = kept.charts.iter().map(|entry| Arc::clone(&entry.chart)).collect();
        drop(kept);
        let compiling = Compiling(self, chart);
        let compiled = Arc::new(CompiledChart::compile_beside(chart, self.functions, &others)?);
        self.lock().keep(Arc::clone(&compiled), self.most);
        drop(compiling);
        Ok(compiled)
    }

    /// Drops what nobody has asked for since the last call, so that charts that are rendered seldom take up nothing.
    pub fn forget_unused(&self) {
        let mut kept = self.lock();
        kept.charts.retain_mut(|entry| std::mem::take(&mut entry.is_used));
        kept.bytes = kept.charts.iter().map(|entry| entry.bytes).sum();
    }

    /// Bytes that are kept, about, and of how many charts.
    pub fn size(&self) -> (usize, usize) {
        let kept = self.lock();
        (kept.bytes, kept.charts.len())
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // What is kept is whole after every step, whoever ended in between.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CompiledCharts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, charts) = self.size();
        f.debug_struct("CompiledCharts")
            .field("bytes", &bytes)
            .field("charts", &charts)
            .finish_non_exhaustive()
    }
}

impl Kept {
    fn find(&mut self, chart: &Chart) -> Option<Arc<CompiledChart>> {
        let place = self.charts.iter().position(|entry| entry.chart.is_of(chart))?;
        let mut entry = self.charts.remove(place);
        entry.is_used = true;
        let found = Arc::clone(&entry.chart);
        self.charts.push(entry);
        Some(found)
    }

    fn keep(&mut self, chart: Arc<CompiledChart>, most: usize) {
        let bytes = chart.bytes();
        if bytes > most {
            return;
        }
        let mut over = (self.bytes + bytes).saturating_sub(most);
        let mut gone = 0;
        for entry in &self.charts {
            if over == 0 {
                break;
            }
            over = over.saturating_sub(entry.bytes);
            gone += 1;
        }
        self.charts.drain(..gone);
        self.charts.push(Entry {
            chart,
            bytes,
            is_used: true,
        });
        self.bytes = self.charts.iter().map(|entry| entry.bytes).sum();
    }
}

/// A chart that is being compiled, until this goes, also by a panic.
struct Compiling<'a>(&'a CompiledCharts, &'a Chart);

impl Drop for Compiling<'_> {
    fn drop(&mut self) {
        let is_other = |other: &Arc<[File]>| !Arc::ptr_eq(other, &self.1.templates);
        self.0.lock().compiling.retain(is_other);
        self.0.done.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::sync::Barrier;
    use std::thread;

    use serde_json::json;

    use super::*;
    use crate::limits::Limits;
    use crate::render::prepare;

    fn chart(version: &str, templates: &[(&str, &str)]) -> Chart {
        let metadata = format!("apiVersion: v2\nname: c\nversion: {version}\n");
        let dependencies = "dependencies: [{name: sub, version: \"*\", condition: sub.on}]\n";
        let all = [
            ("Chart.yaml", metadata.clone() + dependencies),
            ("charts/sub/Chart.yaml", metadata.replace("name: c", "name: sub")),
            ("charts/sub/templates/s.yaml", "s: 1".to_owned()),
        ];
        let files = all.iter().map(|(name, text)| (*name, text.as_str()));
        let files = files.chain(templates.iter().copied());
        let files = files
            .map(|(name, text)| File::new(name, text.as_bytes()))
            .collect();
        Chart::load_files(files, &Limits::default()).unwrap()
    }

    fn small(version: &str) -> Chart {
        chart(
            version,
            &[("templates/a.yaml", "a: 1"), ("templates/b.yaml", version)],
        )
    }

    fn prepared(chart: &Chart, on: bool) -> Chart {
        let values = json!({"sub": {"on": on}});
        let values = values.as_object().unwrap();
        prepare(chart, values, None, &mut Vec::new()).unwrap().chart
    }

    fn source<'a>(compiled: &'a CompiledChart, name: &str) -> Cow<'a, [u8]> {
        compiled.units[name].source()
    }

    #[test]
    fn a_chart_is_compiled_once_for_each_choice_of_sub_charts() {
        let charts = CompiledCharts::new(64 << 20);
        let chart = small("1.0.0");
        let get = |on| charts.get(&prepared(&chart, on)).unwrap();
        assert!(Arc::ptr_eq(&get(true), &get(true)));
        assert!(Arc::ptr_eq(&get(false), &get(false)));
        assert!(!Arc::ptr_eq(&get(true), &get(false)));
        assert_eq!(get(false).units.len() + 1, get(true).units.len());
        assert_eq!(charts.size().1, 2);
    }

    #[test]
    fn versions_share_the_templates_that_are_equal() {
        let charts = CompiledCharts::new(64 << 20);
        let [old, new] = ["1.0.0", "2.0.0"].map(|version| charts.get(&small(version)).unwrap());
        let is_shared = |name: &str| source(&old, name).as_ptr() == source(&new, name).as_ptr();
        assert!(is_shared("c/templates/a.yaml") && is_shared("c/charts/sub/templates/s.yaml"));
        assert!(!is_shared("c/templates/b.yaml"));
        assert_eq!(*source(&new, "c/templates/b.yaml"), *b"2.0.0");
    }

    #[test]
    fn threads_that_ask_at_once_get_one() {
        let (charts, chart) = (CompiledCharts::new(64 << 20), small("1.0.0"));
        let start = Barrier::new(8);
        let all: Vec<_> = thread::scope(|scope| {
            let ask = || {
                start.wait();
                charts.get(&prepared(&chart, true)).unwrap()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(all.iter().all(|one| Arc::ptr_eq(one, &all[0])));
        assert!(charts.lock().compiling.is_empty());
    }

    #[test]
    fn templates_call_the_functions_that_were_chosen() {
        let weeks = chart(
            "1.0.0",
            &[("templates/a.yaml", "a: {{ durationWeeks \"336h\" }}")],
        );
        let charts = CompiledCharts::new(64 << 20);
        let error = charts.get(&weeks).unwrap_err().to_string();
        assert!(
            error.contains("function \"durationWeeks\" not defined"),
            "{error}"
        );
        let charts = CompiledCharts::new(64 << 20).with_functions(FunctionSet::Helm4);
        charts.get(&weeks).unwrap();
    }

    #[test]
    fn what_does_not_compile_is_said_each_time() {
        let charts = CompiledCharts::new(64 << 20);
        let broken = chart("1.0.0", &[("templates/a.yaml", "{{ if }}")]);
        for _ in 0..2 {
            let error = charts.get(&broken).unwrap_err().to_string();
            assert!(error.contains("missing value for if"), "{error}");
        }
        assert_eq!(charts.size(), (0, 0));
        assert!(charts.lock().compiling.is_empty());
    }

    #[test]
    fn the_least_recently_used_goes_first_and_what_is_unused_goes_in_time() {
        let all: Vec<Chart> = ["1.0.0", "2.0.0", "3.0.0"].map(small).to_vec();
        let each = CompiledChart::compile(&all[0]).unwrap().bytes();
        let charts = CompiledCharts::new(2 * each);
        let first = charts.get(&all[0]).unwrap();
        charts.get(&all[1]).unwrap();
        assert!(Arc::ptr_eq(&first, &charts.get(&all[0]).unwrap()));
        charts.get(&all[2]).unwrap();
        assert_eq!(charts.size(), (2 * each, 2));
        assert!(Arc::ptr_eq(&first, &charts.get(&all[0]).unwrap()));
        charts.forget_unused();
        assert_eq!(charts.size().1, 2);
        assert!(Arc::ptr_eq(&first, &charts.get(&all[0]).unwrap()));
        charts.forget_unused();
        assert_eq!(charts.size(), (each, 1));
        charts.forget_unused();
        assert_eq!(charts.size(), (0, 0));

        let charts = CompiledCharts::new(each - 1);
        charts.get(&all[0]).unwrap();
        assert_eq!(charts.size(), (0, 0), "what is larger than the limit is not kept");
    }
}
