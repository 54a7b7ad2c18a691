//! What was measured, beside the budgets and what other operators take for the same.

use std::time::Duration;

use crate::support::metrics::Requests;

/// Requests of an install or an upgrade on top of two for each object that changes.
const FIXED: u64 = 8;
const MIB: f64 = (1 << 20) as f64;

/// One thing that was done to all releases.
#[derive(Debug)]
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    /// Until it was done.
    pub(crate) wall: Duration,
    /// Until the Deployments were as asked for, their pods aside.
    pub(crate) applied: Option<Duration>,
    pub(crate) cpu: Duration,
    /// Most memory that the process had by the end, in bytes.
    pub(crate) peak: u64,
    pub(crate) requests: Requests,
}

impl Phase {
    fn milliseconds_each(&self, releases: usize) -> f64 {
        self.cpu.as_secs_f64() * 1000.0 / releases as f64
    }

    fn requests_each(&self, releases: usize) -> f64 {
        self.requests.total() as f64 / releases as f64
    }

    fn writes(&self) -> u64 {
        let verbs = self.requests.by_verb();
        let writes = verbs.iter().filter(|(verb, _)| !matches!(**verb, "get" | "list"));
        writes.map(|(_, count)| count).sum()
    }

    fn share_of_a_core(&self) -> f64 {
        100.0 * self.cpu.as_secs_f64() / self.wall.as_secs_f64()
    }
}

#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) releases: usize,
    /// Objects of one release.
    pub(crate) objects: u64,
    pub(crate) install: Phase,
    pub(crate) update: Phase,
    pub(crate) idle: Phase,
    pub(crate) restart: Phase,
    pub(crate) repair: Phase,
    pub(crate) delete: Phase,
    /// How long each deleted Deployment was away.
    pub(crate) back: Vec<Duration>,
    /// Bytes that the operator had resident before the first release.
    pub(crate) empty: u64,
    /// And after the idle phase.
    pub(crate) settled: u64,
}

impl Report {
    fn install_budget(&self) -> u64 {
        2 * self.objects + FIXED
    }

    /// One value changes one object.
    fn update_budget(&self) -> u64 {
        2 + FIXED
    }

    /// Budgets that were exceeded and do not depend on the machine.
    pub(crate) fn violations(&self) -> Vec<String> {
        let all = self.releases as u64;
        let table = [
            (
                "requests to install",
                self.install.requests.total(),
                all * self.install_budget(),
            ),
            (
                "requests to update",
                self.update.requests.total(),
                all * self.update_budget(),
            ),
            ("requests while idle", self.idle.requests.total(), 0),
            ("writes after a restart", self.restart.writes(), 0),
        ];
        let over = table.into_iter().filter(|(_, count, budget)| count > budget);
        over.map(|(what, count, budget)| format!("{count} {what}, {budget} allowed"))
            .collect()
    }

    pub(crate) fn print(&self) {
        self.print_phases();
        self.print_comparison();
        self.print_summary();
    }

    fn phases(&self) -> [&Phase; 6] {
        [
            &self.install,
            &self.update,
            &self.idle,
            &self.restart,
            &self.repair,
            &self.delete,
        ]
    }

    fn print_phases(&self) {
        let (all, objects) = (self.releases, self.objects);
        println!("\n{all} releases of charts/demo, {objects} objects each; \"each\" is for one release\n");
        println!("phase     applied s  done s  CPU s  CPU ms each  peak MiB  requests  each  by verb");
        for phase in self.phases() {
            let seconds = |time: Duration| format!("{:.2}", time.as_secs_f64());
            let verbs = phase.requests.by_verb().into_iter();
            let verbs: Vec<_> = verbs.map(|(verb, count)| format!("{verb} {count}")).collect();
            println!(
                "{:<8}  {:>9}  {:>6}  {:>5}  {:>11.2}  {:>8.1}  {:>8}  {:>4.1}  {}",
                phase.name,
                phase.applied.map_or_else(|| "-".to_owned(), seconds),
                seconds(phase.wall),
                seconds(phase.cpu),
                phase.milliseconds_each(all),
                phase.peak as f64 / MIB,
                phase.requests.total(),
                phase.requests_each(all),
                verbs.join(", "),
            );
        }
        for phase in self.phases() {
            let requests: Vec<_> = phase
                .requests
                .0
                .iter()
                .map(|(what, count)| format!("{what} {count}"))
                .collect();
            println!("\n{}: {}", phase.name, requests.join(", "));
        }
    }

    fn print_comparison(&self) {
        let idle = self.idle.requests.total() as f64 / self.idle.wall.as_secs_f64();
        let each = |phase: &Phase| format!("{:.1}", phase.requests_each(self.releases));
        let cpu = |phase: &Phase| format!("{:.1}", phase.milliseconds_each(self.releases));
        let seconds = |time: Duration| format!("{:.1}", time.as_secs_f64());
        let applied = |phase: &Phase| phase.applied.map_or_else(String::new, seconds);
        let mib = |bytes: u64| format!("{:.1}", bytes as f64 / MIB);
        let (install, update) = (
            self.install_budget().to_string(),
            self.update_budget().to_string(),
        );
        let table = [
            (
                "install wave, applied, s",
                applied(&self.install),
                "",
                "11.0",
                "16.1",
            ),
            ("CPU an install, ms", cpu(&self.install), "6", "114", "136"),
            ("requests an install", each(&self.install), &install, "18", "32"),
            (
                "update wave, applied, s",
                applied(&self.update),
                "",
                "27.9",
                "21.3",
            ),
            ("CPU an update, ms", cpu(&self.update), "5", "417", "227"),
            ("requests an update", each(&self.update), &update, "22", "36"),
            (
                "idle, % of a core",
                format!("{:.2}", self.idle.share_of_a_core()),
                "0.2",
                "31",
                "1.8",
            ),
            ("idle, requests a second", format!("{idle:.1}"), "0", "18", "8"),
            ("peak memory, MiB", mib(self.peak()), "80", "147", "159 + 94"),
            ("settled memory, MiB", mib(self.settled), "40", "", ""),
            (
                "steady after a restart, s",
                seconds(self.restart.wall),
                "3",
                "",
                "",
            ),
            (
                "writes after a restart",
                self.restart.writes().to_string(),
                "0",
                "",
                "",
            ),
            (
                "Deployment back, p50, ms",
                self.back_at(50).as_millis().to_string(),
                "",
                "39000",
                "never",
            ),
            (
                "Deployment back, p95, ms",
                self.back_at(95).as_millis().to_string(),
                "300",
                "",
                "",
            ),
            ("delete wave, gone, s", applied(&self.delete), "", "4.4", "4.6"),
        ];
        println!(
            "\n{:<26}  {:>8}  {:>6}  {:>13}  {:>8}",
            "", "helmapp", "budget", "helm-operator", "Flux"
        );
        for (what, ours, budget, helm_operator, flux) in table {
            println!("{what:<26}  {ours:>8}  {budget:>6}  {helm_operator:>13}  {flux:>8}");
        }
        println!(
            "\nBudgets are for 1,000 releases. The other operators were measured with 100 releases of `helm create`'s \
             chart\n(the same three kinds) on two cores, waits off: helm-operator at 60559f3e, Flux helm-controller 1.6 \
             with its\nsource-controller; their memory is in MB. The update raises `replicas`.\n"
        );
    }

    /// The first process' peak is the highest; the second begins with everything installed.
    fn peak(&self) -> u64 {
        self.phases()
            .into_iter()
            .map(|phase| phase.peak)
            .max()
            .unwrap_or_default()
    }

    fn back_at(&self, percent: usize) -> Duration {
        let mut sorted = self.back.clone();
        sorted.sort();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default()
    }

    fn print_summary(&self) {
        let grown = self.settled.saturating_sub(self.empty) as f64 / 1024.0 / self.releases as f64;
        println!(
            "bench: {} releases: install {:.1} ms CPU and {:.1} requests each, update {:.1} ms and {:.1}, idle {:.2}% of a \
             core and {} requests",
            self.releases,
            self.install.milliseconds_each(self.releases),
            self.install.requests_each(self.releases),
            self.update.milliseconds_each(self.releases),
            self.update.requests_each(self.releases),
            self.idle.share_of_a_core(),
            self.idle.requests.total(),
        );
        println!(
            "bench: memory {:.1} MiB before the first release, {:.1} settled ({grown:.1} KiB more a release), {:.1} at most; \
             steady {:.1} s after a restart, with {} writes; deleted Deployments back after {} ms (p50), {} ms (p95)",
            self.empty as f64 / MIB,
            self.settled as f64 / MIB,
            self.peak() as f64 / MIB,
            self.restart.wall.as_secs_f64(),
            self.restart.writes(),
            self.back_at(50).as_millis(),
            self.back_at(95).as_millis(),
        );
    }
}
