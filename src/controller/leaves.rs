//! The one walk through values for whoever looks for secrets in them.

use serde_json::Value;

/// Every text and number of a value, with the JSON pointer to it, in the order in which they stand.
pub(super) fn leaves(value: &Value) -> Vec<(String, String)> {
    let (mut found, mut rest) = (Vec::new(), vec![(String::new(), value)]);
    while let Some((at, value)) = rest.pop() {
        match value {
            Value::Array(items) => {
                let below = items.iter().enumerate().rev();
                rest.extend(below.map(|(index, item)| (format!("{at}/{index}"), item)));
            }
            Value::Object(members) => {
                let below = members.iter().rev();
                rest.extend(below.map(|(key, member)| (format!("{at}/{}", escaped(key)), member)));
            }
            Value::Null | Value::Bool(_) => {}
            _ => found.extend(text(value).map(|text| (at, text))),
        }
    }
    found
}

/// What a text or a number says; None for anything else.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A key as a part of a JSON pointer.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn leaves_are_found_where_their_pointers_lead() {
        let value = json!({"a": [1, {"b/c": "x"}, null], "d~": {"e": true, "f": "y"}, "": "z"});
        let found = leaves(&value);
        let expected = [("/", "z"), ("/a/0", "1"), ("/a/1/b~1c", "x"), ("/d~0/f", "y")];
        let pairs = found.iter().map(|(at, text)| (at.as_str(), text.as_str()));
        assert_eq!(pairs.collect::<Vec<_>>(), expected);
        for (at, said) in &found {
            assert_eq!(value.pointer(at).and_then(text).as_ref(), Some(said));
        }
        assert_eq!(leaves(&json!("alone")), [(String::new(), "alone".to_owned())]);
    }
}
