//! The threads that charts are rendered on. They are few, as one rendering can take much memory, and their stacks are
//! large, as templates include each other a thousand deep.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;

use crate::api::conditions::reason;

use super::policy::{Again, Error};

/// How long a rendering waits for a thread. Who waits holds a worker.
const PATIENCE: Duration = Duration::from_secs(10);
/// A thread that has had nothing to do for so long ends, and gives its stack back.
const IDLE: Duration = Duration::from_secs(5);
/// What a thread needs beside the stack that templates may use.
const BESIDE: usize = 1 << 20;

/// Threads for renderings: some for all namespaces together, fewer for one of them, so that what keeps a thread (a
/// lookup that is not answered) does not keep them all.
#[derive(Debug)]
pub(super) struct Renderers {
    /// Runs nothing but its blocking threads. `None` once dropped.
    threads: Option<Runtime>,
    all: Arc<Semaphore>,
    each: usize,
    namespaces: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// A thread that is free for one rendering.
pub(super) struct Place<'a> {
    threads: &'a Runtime,
    held: [OwnedSemaphorePermit; 2],
}

impl Renderers {
    /// So many threads at most, which start when they are needed, each with this stack for templates.
    ///
    /// # Errors
    /// The system gives none.
    pub(super) fn new(count: u16, stack_bytes: usize) -> io::Result<Self> {
        let count = usize::from(count.max(1));
        let threads = Builder::new_current_thread()
            .max_blocking_threads(count)
            .thread_name("render")
            .thread_stack_size(stack_bytes.saturating_add(BESIDE))
            .thread_keep_alive(IDLE)
            .build()?;
        Ok(Self {
            threads: Some(threads),
            all: Arc::new(Semaphore::new(count)),
            each: count.div_ceil(2),
            namespaces: Mutex::default(),
        })
    }

    /// Waits for a thread for a HelmApp of the namespace.
    ///
    /// # Errors
    /// None is free for [`PATIENCE`].
    pub(super) async fn enter(&self, namespace: &str) -> Result<Place<'_>, Error> {
        let own = self.of(namespace);
        let held = async {
            let own = own.acquire_owned().await?;
            Ok::<_, AcquireError>([own, self.all.clone().acquire_owned().await?])
        };
        match (tokio::time::timeout(PATIENCE, held).await, &self.threads) {
            (Ok(Ok(held)), Some(threads)) => Ok(Place { threads, held }),
            _ => Err(Error::Input {
                reason: reason::RENDER_FAILED,
                message: format!(
                    "no thread was free to render the chart on for {} s; --renderers is how many there are, half of \
                     them for one namespace",
                    PATIENCE.as_secs()
                ),
                again: Again::Soon(None),
            }),
        }
    }

    fn of(&self, namespace: &str) -> Arc<Semaphore> {
        let mut all = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(namespace).and_then(Weak::upgrade) {
            return known;
        }
        all.retain(|_, semaphore| semaphore.strong_count() > 0);
        let semaphore = Arc::new(Semaphore::new(self.each));
        all.insert(namespace.to_owned(), Arc::downgrade(&semaphore));
        semaphore
    }
}

impl Place<'_> {
    /// Does the work on the thread.
    ///
    /// # Errors
    /// It panicked.
    pub(super) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        let Self { threads, held } = self;
        let held_work = move || {
            let done = work();
            drop(held);
            done
        };
        threads.spawn_blocking(held_work).await
    }
}

impl Drop for Renderers {
    /// An ordinary drop would wait for the threads, which no task may.
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::process::Command;
    use std::thread;

    use helmapp_helm::capabilities::Capabilities;
    use helmapp_helm::chart::{Chart, File};
    use helmapp_helm::limits;
    use helmapp_helm::render::{CompiledChart, ReleaseOptions, RenderInput};
    use helmapp_helm::values::Shared;

    use super::*;
    use crate::settings::Settings;

    fn renderers(count: u16) -> Renderers {
        Renderers::new(count, Settings::default().limits.render.stack_bytes).unwrap()
    }

    /// Renders one template with the operator's limits.
    fn render(template: &str) -> Result<BTreeMap<String, String>, String> {
        let metadata = b"apiVersion: v2\nname: c\nversion: 1.0.0\n";
        let files = vec![
            File::new("Chart.yaml", &metadata[..]),
            File::new("templates/a.yaml", template.as_bytes()),
        ];
        let chart = Chart::load_files(files, &limits::Limits::default()).unwrap();
        let release = ReleaseOptions {
            name: "r".to_owned(),
            namespace: "n".to_owned(),
            revision: 1,
            is_install: true,
            is_upgrade: false,
        };
        let input = RenderInput {
            limits: Settings::default().limits.of_render(),
            ..RenderInput::new(&Shared::Null, &release, Arc::new(Capabilities::default()))
        };
        let compiled = CompiledChart::compile(&chart).unwrap();
        compiled.render(input).map_err(|error| error.to_string())
    }

    /// Helm ends at a thousand.
    #[tokio::test]
    async fn templates_may_include_each_other_as_deep_as_in_helm() {
        let renderers = renderers(1);
        let template = |depth: u32| {
            format!(
                "{{{{ define \"d\" }}}}{{{{ if . }}}}{{{{ include \"d\" (sub . 1 | int) }}}}{{{{ else }}}}end{{{{ end }}}}{{{{ end }}}}\
                 {{{{ include \"d\" {depth} }}}}"
            )
        };
        for (depth, expected) in [(900, Ok("end")), (1001, Err("nested reference name: d"))] {
            let place = renderers.enter("a").await.unwrap();
            let work = move || {
                let name = thread::current().name().map(str::to_owned);
                (name, render(&template(depth)))
            };
            let (name, rendered) = place.run(work).await.unwrap();
            assert_eq!(name.as_deref(), Some("render"));
            match (rendered, expected) {
                (Ok(files), Ok(text)) => assert_eq!(files["c/templates/a.yaml"], text),
                (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
                (rendered, _) => panic!("{depth}: {rendered:?}"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_namespace_has_half_of_the_threads() {
        for (count, each, all) in [(1, 1, 1), (2, 1, 2), (3, 2, 3), (4, 2, 4)] {
            let renderers = renderers(count);
            let mut held = Vec::new();
            for _ in 0..each {
                held.push(
                    renderers
                        .enter("a")
                        .await
                        .map_err(|error| error.to_string())
                        .unwrap(),
                );
            }
            let error = renderers.enter("a").await.err().unwrap();
            assert_eq!(error.again(), Again::Soon(None));
            assert!(error.to_string().contains("--renderers"), "{error}");
            for n in each..all {
                held.push(renderers.enter(&n.to_string()).await.unwrap());
            }
            assert!(renderers.enter("more").await.is_err(), "{count}");
            held.pop();
            assert!(renderers.enter("more").await.is_ok(), "{count}");
            held.clear();
            drop(renderers.enter("last").await.unwrap());
            assert_eq!(renderers.namespaces.lock().unwrap().len(), 1, "{count}");
        }
    }

    #[tokio::test]
    async fn a_thread_that_panics_is_given_back() {
        let renderers = renderers(1);
        for _ in 0..2 {
            let place = renderers.enter("a").await.unwrap();
            assert!(place.run(|| panic!("on purpose")).await.is_err());
        }
        let place = renderers.enter("a").await.unwrap();
        assert_eq!(place.run(|| 1).await.unwrap(), 1);
    }

    /// Templates that take what they may of the stack, of values and of output.
    const HOSTILE: [&str; 4] = [
        "{{ define \"r\" }}{{ include \"r\" . }}{{ end }}{{ include \"r\" . }}",
        "{{ define \"r\" }}{{ with list . }}{{ range . }}{{ if true }}{{ print (include \"r\" $) | trim | nindent 2 }}{{ end }}{{ end }}{{ end }}{{ end }}{{ include \"r\" . }}",
        "{{ $l := list }}{{ range until 1000 }}{{ $l = append $l (repeat 1000000 \"a\") }}{{ end }}",
        "{{ $x := repeat 1000000 \"a\" }}{{ range until 100 }}{{ $x }}{{ end }}",
    ];

    const CHILD: &str = "HELMAPP_HOSTILE_CHILD";

    /// However many hostile charts come at once, they take the memory of as many as there are threads.
    #[test]
    fn hostile_charts_take_no_more_memory_than_the_threads_allow() {
        const NAME: &str = "hostile_charts_take_no_more_memory_than_the_threads_allow";
        if std::env::var_os(CHILD).is_some() {
            return hostile();
        }
        let path = format!("{}::{NAME}", module_path!().split_once("::").unwrap().1);
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &path, "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let peak = text.lines().find_map(|line| line.strip_prefix("PEAK "));
        let peak: u64 = peak.unwrap_or_else(|| panic!("{output:?}")).parse().unwrap();
        let threads = u64::from(Settings::default().renderers);
        assert!(peak < threads * (256 << 10), "{peak} KiB for {threads} threads");
    }

    #[allow(clippy::print_stdout, reason = "the parent reads it")]
    fn hostile() {
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async {
            let renderers = Arc::new(renderers(Settings::default().renderers));
            let tasks: Vec<_> = (0..16)
                .map(|n| {
                    let renderers = renderers.clone();
                    tokio::spawn(async move {
                        let template = HOSTILE[n % HOSTILE.len()];
                        let place = loop {
                            if let Ok(place) = renderers.enter(&n.to_string()).await {
                                break place;
                            }
                        };
                        place.run(|| render(template)).await.unwrap().unwrap_err()
                    })
                })
                .collect();
            for task in tasks {
                let error = task.await.unwrap();
                assert!(
                    error.contains("limit exceeded") || error.contains("nested reference"),
                    "{error:.200}"
                );
            }
        });
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        println!("\nPEAK {}", peak.trim().strip_suffix(" kB").unwrap());
    }
}
