//! Violations in the words of the validator that Helm uses.

use jsonschema::{
    JsonType, JsonTypeSet, ValidationError,
    error::{TypeKind, ValidationErrorKind as Kind},
};
use serde_json::{Number, Value};

use super::formats;
use crate::values::text::float_text;

/// What `not` says.
pub(super) const NOT: &str = "'not' failed";

/// What one keyword found wrong in the values.
pub(super) fn message(error: &ValidationError<'_>, values: &Value) -> String {
    let value = error.instance();
    match error.kind() {
        Kind::Type { kind } => format!("got {}, want {}", json_type(value), wanted(kind)),
        Kind::Required { property } => missing(&[property.as_str().unwrap_or_default().to_owned()]),
        Kind::AdditionalProperties { unexpected } => {
            format!("additional properties {} not allowed", quoted(unexpected))
        }
        Kind::UnevaluatedProperties { unexpected } => {
            format!("unevaluated properties {} not allowed", quoted(unexpected))
        }
        Kind::UnevaluatedItems { unexpected } => {
            format!("unevaluated items {} not allowed", quoted(unexpected))
        }
        Kind::AdditionalItems { limit } => {
            format!(
                "last {} additionalItem(s) not allowed",
                grouped(length(value).saturating_sub(*limit))
            )
        }
        Kind::AnyOf { .. } => "'anyOf' failed".to_owned(),
        Kind::OneOfNotValid { .. } => "'oneOf' failed, none matched".to_owned(),
        Kind::OneOfMultipleValid { context } => {
            let mut matched = context
                .iter()
                .enumerate()
                .filter(|(_, errors)| errors.is_empty())
                .map(|(at, _)| at);
            match (matched.next(), matched.next()) {
                (Some(one), Some(other)) => format!("'oneOf' failed, subschemas {one}, {other} matched"),
                _ => "'oneOf' failed, several subschemas matched".to_owned(),
            }
        }
        Kind::Not { .. } => NOT.to_owned(),
        // Without other properties in the schema, all of the value's are additional.
        Kind::FalseSchema
            if error
                .evaluation_path()
                .as_str()
                .ends_with("/additionalProperties") =>
        {
            let object = values
                .pointer(error.instance_path().as_str())
                .and_then(Value::as_object);
            let names: Vec<String> = object.into_iter().flatten().map(|(key, _)| key.clone()).collect();
            format!("additional properties {} not allowed", quoted(&names))
        }
        Kind::FalseSchema => "false schema".to_owned(),
        Kind::Constant { expected_value } => match &**expected_value {
            Value::Array(_) | Value::Object(_) => "'const' failed".to_owned(),
            scalar => format!("value must be {}", display(scalar)),
        },
        Kind::Enum { options } => options_text(options),
        Kind::Format { format } => {
            let reason = value.as_str().and_then(|text| formats::reason(format, text));
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("{} is not valid {format}{reason}", display(value))
        }
        Kind::Pattern { pattern } => {
            format!(
                "{} does not match pattern {}",
                quote(value.as_str().unwrap_or_default()),
                quote(pattern)
            )
        }
        Kind::MinLength { limit } => counted("minLength", characters(value), *limit),
        Kind::MaxLength { limit } => counted("maxLength", characters(value), *limit),
        Kind::MinItems { limit } => counted("minItems", length(value), *limit),
        Kind::MaxItems { limit } => counted("maxItems", length(value), *limit),
        Kind::MinProperties { limit } => counted("minProperties", length(value), *limit),
        Kind::MaxProperties { limit } => counted("maxProperties", length(value), *limit),
        Kind::Minimum { limit } => compared("minimum", value, limit),
        Kind::Maximum { limit } => compared("maximum", value, limit),
        Kind::ExclusiveMinimum { limit } => compared("exclusiveMinimum", value, limit),
        Kind::ExclusiveMaximum { limit } => compared("exclusiveMaximum", value, limit),
        Kind::MultipleOf { multiple_of } => compared("multipleOf", value, &Value::from(*multiple_of)),
        Kind::Contains => "no items match contains schema".to_owned(),
        Kind::PropertyNames { error } => property_name(error.instance().as_str().unwrap_or_default()),
        Kind::UniqueItems => duplicates(value),
        _ => error.to_string(),
    }
}

/// What `propertyNames` says of a name.
pub(super) fn property_name(name: &str) -> String {
    format!("invalid propertyName {}", quote(name))
}

/// What `required` found missing.
pub(super) fn missing(names: &[String]) -> String {
    match names {
        [name] => format!("missing property {}", quote(name)),
        names => format!("missing properties {}", quoted(names)),
    }
}

/// What `dependentRequired` or `dependencies` found missing because of a property; nothing if it found nothing.
pub(super) fn dependent(name: &str, needed: &Value, object: &Value) -> Option<String> {
    let needed = needed.as_array()?;
    object.get(name)?;
    let missing: Vec<String> = needed
        .iter()
        .filter_map(Value::as_str)
        .filter(|needed| object.get(needed).is_none())
        .map(str::to_owned)
        .collect();
    let told = || {
        format!(
            "properties {} required, if {} exists",
            quoted(&missing),
            quote(name)
        )
    };
    (!missing.is_empty()).then(told)
}

/// What `contains` found, with its bounds, by the places of the items that match; and whether there are too many.
pub(super) fn contains(matched: &[usize], least: Option<u64>, most: Option<u64>) -> (String, bool) {
    let count = matched.len();
    let places: Vec<String> = matched.iter().map(usize::to_string).collect();
    let places = places.join(" ");
    let is =
        |bound: Option<u64>, wrong: fn(u64, u64) -> bool| bound.filter(|bound| wrong(count as u64, *bound));
    if let Some(most) = is(most, |count, most| count > most) {
        let text = format!(
            "max {most} items required to match contains schema, but matched {count} items at {places}"
        );
        return (text, true);
    }
    let text = match is(least, |count, least| count < least) {
        Some(least) if matched.is_empty() => {
            format!("min {least} items required to match contains schema, but none matched")
        }
        Some(least) => {
            format!(
                "min {least} items required to match contains schema, but matched {count} items at {places}"
            )
        }
        None => "no items match contains schema".to_owned(),
    };
    (text, false)
}

/// A text in single quotes, escaped as Go does.
pub(super) fn quote(text: &str) -> String {
    // A backslash at the end meets the closing quote, and is lost.
    let escaped = helmapp_gotmpl::strconv::quote(text.as_bytes());
    let escaped = escaped.replace("\\\"", "\"").replace('\'', "\\'");
    format!("'{}'", escaped.get(1..escaped.len() - 1).unwrap_or_default())
}

/// The JSON pointer of a path.
pub(super) fn pointer(path: &[String]) -> String {
    path.iter()
        .map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1")))
        .collect()
}

fn quoted(names: &[String]) -> String {
    names
        .iter()
        .map(|name| quote(name))
        .collect::<Vec<_>>()
        .join(", ")
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The types wanted, in the validator's order.
fn wanted(kind: &TypeKind) -> String {
    let set = match kind {
        TypeKind::Single(one) => JsonTypeSet::empty().insert(*one),
        TypeKind::Multiple(set) => *set,
    };
    let order = [
        (JsonType::Null, "null"),
        (JsonType::Boolean, "boolean"),
        (JsonType::Number, "number"),
        (JsonType::Integer, "integer"),
        (JsonType::String, "string"),
        (JsonType::Array, "array"),
        (JsonType::Object, "object"),
    ];
    let names: Vec<&str> = order
        .into_iter()
        .filter(|(kind, _)| set.contains(*kind))
        .map(|(_, name)| name)
        .collect();
    names.join(" or ")
}

fn options_text(options: &Value) -> String {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    if options
        .iter()
        .any(|option| option.is_array() || option.is_object())
    {
        return "'enum' failed".to_owned();
    }
    match options {
        [one] => format!("value must be {}", display(one)),
        several => {
            let shown: Vec<String> = several.iter().map(display).collect();
            format!("value must be one of {}", shown.join(", "))
        }
    }
}

fn display(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        Value::Array(_) | Value::Object(_) => "value".to_owned(),
        Value::Null => "<nil>".to_owned(),
        other => other.to_string(),
    }
}

fn characters(value: &Value) -> usize {
    value.as_str().map_or(0, |text| text.chars().count())
}

fn length(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len(),
        Value::Object(map) => map.len(),
        _ => 0,
    }
}

fn counted(keyword: &str, got: usize, want: u64) -> String {
    format!("{keyword}: got {}, want {}", grouped(got), grouped(want))
}

fn compared(keyword: &str, got: &Value, want: &Value) -> String {
    let text = |value: &Value| value.as_number().map(number).unwrap_or_default();
    format!("{keyword}: got {}, want {}", text(got), text(want))
}

/// A number as violations quote it: with commas between thousands, large and small ones as a power of ten.
pub fn number(number: &Number) -> String {
    let Some(float) = number.as_f64() else {
        return number.to_string();
    };
    let text = float_text(format!("{float:e}"), float.to_string());
    let Some((mantissa, exponent)) = text.split_once('e') else {
        return grouped(text);
    };
    let raised: String = exponent
        .chars()
        .filter_map(|c| match c {
            '-' => Some('⁻'),
            digit => "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(digit.to_digit(10)? as usize),
        })
        .collect();
    format!("{mantissa}×10{raised}")
}

/// A number with commas between thousands, as the validator prints for its English readers.
fn grouped(number: impl ToString) -> String {
    let text = number.to_string();
    let (whole, fraction) = text
        .split_once('.')
        .map_or((&*text, None), |(whole, rest)| (whole, Some(rest)));
    let (sign, digits) = whole
        .strip_prefix('-')
        .map_or(("", whole), |digits| ("-", digits));
    let mut shown = String::from(sign);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            shown.push(',');
        }
        shown.push(digit);
    }
    fraction.map_or_else(|| shown.clone(), |fraction| format!("{shown}.{fraction}"))
}

fn duplicates(value: &Value) -> String {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    for (at, item) in items.iter().enumerate() {
        if let Some(first) = items.iter().take(at).position(|other| other == item) {
            return format!("items at {first} and {at} are equal");
        }
    }
    "items are equal".to_owned()
}
