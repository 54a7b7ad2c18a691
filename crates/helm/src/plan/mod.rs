//! What a release will do to the cluster, decided before the first write.
//!
//! Three pure steps. [`objects`] gives every manifest document its identity. [`draft`] compares the last
//! revision's objects with the new ones and says which of them must be tried on the server first.
//! [`decide`] takes the server's answers and returns the ordered operations, or every reason to refuse.
//! [`Order`] says which of them wait for which. Nothing here talks to a cluster: the same plan serves the operator,
//! `diff` and the tests.

mod conflicts;
mod decide;
mod draft;
mod hygiene;
mod leftovers;
mod object;
mod order;
mod ownership;
mod policy;
mod structural;
#[cfg(test)]
mod tests;

pub use conflicts::{Conflict, Yield, YieldError, give_way};
pub use decide::{Action, Answer, Live, Operation, Plan, Refusal, RefusalReason, Refused, decide};
pub use draft::{Draft, Inputs, Need, Removal, Step, draft};
pub use leftovers::{Leftovers, leftovers};
pub use object::{Document, Object, ObjectError, ObjectId, Scope, crd_kinds, objects, split_api_version};
pub use order::{Order, OrderError, Turn, removal_waves, subcharts_before};
pub use ownership::{
    MANAGED_BY_HELM, MANAGED_BY_LABEL, OWNER_NAME_LABEL, OWNER_NAMESPACE_LABEL, Owner, Ownership,
    RELEASE_NAME_ANNOTATION, RELEASE_NAMESPACE_ANNOTATION, RESOURCE_POLICY_ANNOTATION, classify, keeps,
    prepare,
};
pub use policy::{Propagation, ResourcePolicy, Rules, holds_data, is_custom};
pub use structural::violations;
