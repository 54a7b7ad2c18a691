//! Hooks of a release, one after another: which runs next, when one is through, what is deleted afterwards
//! (`pkg/action/hooks.go` and `watchUntilReady` of Helm 3.19).
//!
//! What has run so far is a list of [`Run`]s. It is kept outside of Helm's record while the revision is under way, and
//! goes into the record's `last_run` fields when it ends.

mod live;
mod run;
mod speaker;

pub use live::{Existing, RUN_ANNOTATION, Verdict, existing, is_owned, mark, verdict, waits};
pub use run::{Next, Run, clear, next, order, record};
pub use speaker::speaker;
