//! The Gateway API. Like an Ingress, a route is of use to whoever comes later; a gateway has to be there.

use serde_json::Value;

use super::{Condition, Health, Status, condition, condition_in};

/// A gateway is ready when its controller has programmed it.
pub(super) fn gateway(object: &Value) -> Health {
    if let Some(refused) = condition(object, "Accepted").filter(|accepted| accepted.status == "False") {
        return Health::of(Status::Progressing, &refused);
    }
    match condition(object, "Programmed") {
        Some(programmed) if programmed.status == "True" => Health::ready(),
        Some(programmed) => Health::of(Status::Progressing, &programmed),
        None => Health::progressing("NotProgrammed", "no controller has programmed the gateway yet"),
    }
}

/// A route is ready unless a gateway refuses it, or can not resolve what it refers to.
pub(super) fn route(object: &Value) -> Health {
    let parents = object.pointer("/status/parents").and_then(Value::as_array);
    let refused = |parent: &Value| -> Option<Health> {
        let conditions = parent.get("conditions")?;
        let refusal = |kind: &str| condition_in(conditions, kind).filter(is_false);
        let found = refusal("Accepted").or_else(|| refusal("ResolvedRefs"))?;
        Some(Health::of(Status::Progressing, &found))
    };
    let refused = parents.into_iter().flatten().find_map(refused);
    refused.unwrap_or_else(Health::ready)
}

fn is_false(condition: &Condition<'_>) -> bool {
    condition.status == "False"
}
