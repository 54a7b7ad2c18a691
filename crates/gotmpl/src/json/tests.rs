//! Reading and writing where fixtures of templates do not reach.

use super::{MAX_DEPTH, Style, decode, decode_partial, encode};
use crate::value::{List, MAX_VALUE_DEPTH, Value};

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(decode(nested(MAX_DEPTH + 1).as_bytes()).is_ok());
    let error = decode(nested(MAX_DEPTH + 2).as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "exceeded max depth");
    let mut value = Value::Nil;
    for _ in 0..=MAX_VALUE_DEPTH {
        value = Value::List(List::new(vec![value]));
    }
    assert!(
        encode(&value, Style::default())
            .unwrap_err()
            .to_string()
            .starts_with("value depth limit exceeded")
    );
}

#[test]
fn a_number_that_does_not_fit_leaves_nil() {
    let (value, error) = decode_partial(br#"{"a":1e999,"b":2}"#);
    assert_eq!(encode(&value, Style::default()).unwrap(), r#"{"a":null,"b":2}"#);
    let error = error.unwrap().to_string();
    assert_eq!(
        error,
        "json: cannot unmarshal number 1e999 into Go value of type float64"
    );
}
