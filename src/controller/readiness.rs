//! Whether the operator is ready: it hears of HelmApps and of release records. Without one of these it would miss what is
//! asked for, or what is deployed.

use std::time::Duration;

use kube::runtime::watcher;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::cluster::watches::{RECOVERED, State, is_forbidden};

/// A watch that fails for less is not worth a word: a connection broke, or an API server was replaced.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the clock is asked while a watch fails.
const TICK: Duration = Duration::from_secs(1);

/// How a watch has been doing.
#[derive(Debug, Clone, Default)]
pub(super) struct Course {
    listed: bool,
    trouble: Option<Trouble>,
}

#[derive(Debug, Clone)]
struct Trouble {
    since: Instant,
    last: Instant,
    /// A right is missing.
    forbidden: bool,
    /// It goes on from where it was without saying so.
    resumes: bool,
}

impl Course {
    /// What the watch of HelmApps says. Returns whether that is news.
    pub(super) fn saw<K>(&mut self, said: &Result<watcher::Event<K>, watcher::Error>, now: Instant) -> bool {
        use watcher::Error::{WatchError, WatchFailed, WatchStartFailed};
        match said {
            Ok(watcher::Event::InitDone) => self.is_listed(),
            // A listing can fail in the middle.
            Ok(watcher::Event::Init | watcher::Event::InitApply(_)) => return false,
            Ok(watcher::Event::Apply(_) | watcher::Event::Delete(_)) => return self.trouble.take().is_some(),
            // It is opened again from where it was, and that it can't be is an error of its own.
            Err(error @ (WatchFailed(_) | WatchError(_))) if !is_forbidden(error) => return false,
            Err(error) => {
                let resumes = matches!(error, WatchStartFailed(_) | WatchError(_));
                self.failed(is_forbidden(error), resumes, now);
            }
        }
        true
    }

    /// What is known of a watch that says itself how it is doing.
    fn is(&mut self, state: &State, now: Instant) {
        match state {
            State::Starting => {}
            State::Following => self.is_listed(),
            State::Failing(_) => self.failed(false, false, now),
            State::Forbidden(_) => self.failed(true, false, now),
        }
    }

    fn is_listed(&mut self) {
        self.listed = true;
        self.trouble = None;
    }

    fn failed(&mut self, forbidden: bool, resumes: bool, now: Instant) {
        let before = self.trouble.take().filter(|trouble| !trouble.is_over(now));
        self.trouble = Some(Trouble {
            since: before.map_or(now, |trouble| trouble.since),
            last: now,
            forbidden,
            resumes,
        });
    }

    /// Whether what happens is heard of.
    fn is_ready(&self, now: Instant) -> bool {
        let bearable = |trouble: &Trouble| {
            let short = !trouble.forbidden && now.saturating_duration_since(trouble.since) < PATIENCE;
            short || trouble.is_over(now)
        };
        self.listed && self.trouble.as_ref().is_none_or(bearable)
    }
}

impl Trouble {
    fn is_over(&self, now: Instant) -> bool {
        self.resumes && now.saturating_duration_since(self.last) >= RECOVERED
    }
}

/// Says in `ready` whether both watches are well, as long as the operator runs.
pub(super) async fn tell(
    ready: watch::Sender<bool>,
    mut apps: watch::Receiver<Course>,
    mut records: watch::Receiver<State>,
) {
    let mut of_records = Course::default();
    loop {
        let now = Instant::now();
        let of_apps = apps.borrow_and_update().clone();
        of_records.is(&records.borrow_and_update(), now);
        let is_ready = of_apps.is_ready(now) && of_records.is_ready(now);
        if ready.send_replace(is_ready) != is_ready {
            match is_ready {
                true => info!("operator is ready"),
                false => warn!("operator is not ready: HelmApps or release records can not be watched"),
            }
        }
        let troubled = of_apps.trouble.is_some() || of_records.trouble.is_some();
        let ticks = async {
            match troubled {
                true => tokio::time::sleep(TICK).await,
                false => std::future::pending().await,
            }
        };
        // An error means that the watch has ended, which it only does with the operator.
        let goes_on = tokio::select! {
            changed = apps.changed() => changed.is_ok(),
            changed = records.changed() => changed.is_ok(),
            () = ticks => true,
        };
        if !goes_on {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    type Said = Result<watcher::Event<()>, watcher::Error>;

    /// What is said and when, then when it is asked and what the answer is.
    type Case<'a> = (&'a [(u64, Said)], &'a [(u64, bool)]);

    fn refusal(code: u16) -> Box<Status> {
        let reason = if code == 403 {
            "Forbidden"
        } else {
            "ServiceUnavailable"
        };
        Box::new(Status::failure("no", reason).with_code(code))
    }

    fn start_failed(code: u16) -> Said {
        Err(watcher::Error::WatchStartFailed(kube::Error::Api(refusal(code))))
    }

    fn list_failed(code: u16) -> Said {
        Err(watcher::Error::InitialListFailed(kube::Error::Api(refusal(code))))
    }

    #[test]
    fn a_watch_is_ready_while_it_is_listed_and_does_not_fail_for_long() {
        const LISTED: Said = Ok(watcher::Event::InitDone);
        const CHANGED: Said = Ok(watcher::Event::Apply(()));
        let table: [Case<'_>; 8] = [
            (&[], &[(0, false), (1000, false)]),
            (&[(0, LISTED)], &[(0, true), (1000, true)]),
            (&[(0, list_failed(503)), (9, LISTED)], &[(9, true)]),
            (
                &[(0, LISTED), (5, start_failed(403))],
                &[(5, false), (60, false), (124, false), (125, true)],
            ),
            (&[(0, LISTED), (5, start_failed(403)), (9, CHANGED)], &[(9, true)]),
            (
                &[(0, LISTED), (5, start_failed(503)), (30, start_failed(503))],
                &[(30, true), (34, true), (35, false), (149, false), (150, true)],
            ),
            // Errors that are far apart do not count together.
            (
                &[(0, LISTED), (5, start_failed(503)), (200, start_failed(503))],
                &[(200, true), (229, true), (230, false)],
            ),
            (
                &[(0, LISTED), (5, list_failed(503))],
                &[(34, true), (35, false), (1000, false)],
            ),
        ];
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for (number, (said, asked)) in table.iter().enumerate() {
            let mut course = Course::default();
            for (seconds, said) in *said {
                course.saw(said, at(*seconds));
            }
            for (seconds, expected) in *asked {
                assert_eq!(course.is_ready(at(*seconds)), *expected, "{number} at {seconds}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_operator_is_ready_while_both_watches_are() {
        let (ready, mut is_ready) = watch::channel(false);
        let (apps, of_apps) = watch::channel(Course::default());
        let (records, of_records) = watch::channel(State::Starting);
        let telling = tokio::spawn(tell(ready, of_apps, of_records));
        apps.send_modify(Course::is_listed);
        tokio::time::sleep(TICK).await;
        assert!(!*is_ready.borrow_and_update());
        records.send_replace(State::Following);
        is_ready.wait_for(|ready| *ready).await.unwrap();

        let began = Instant::now();
        records.send_replace(State::Failing("503".into()));
        is_ready.wait_for(|ready| !*ready).await.unwrap();
        assert!(began.elapsed() >= PATIENCE);
        records.send_replace(State::Following);
        is_ready.wait_for(|ready| *ready).await.unwrap();

        let began = Instant::now();
        apps.send_modify(|course| _ = course.saw(&start_failed(403), Instant::now()));
        is_ready.wait_for(|ready| !*ready).await.unwrap();
        assert!(began.elapsed() < TICK);
        is_ready.wait_for(|ready| *ready).await.unwrap();
        assert!(began.elapsed() >= RECOVERED);
        drop(apps);
        telling.await.unwrap();
    }
}
