//! Formats of texts as the validator that Helm uses knows them, whatever the draft, with its words for what is wrong.

mod moments;
mod names;
mod tokens;

use jsonschema::ValidationOptions;

/// Why a text is not of a format; nothing where only Go has words for it.
type Checked = Result<(), String>;

type Check = fn(&str) -> Checked;

/// All but `uri-template`, of which the library's own check does.
const FORMATS: [(&str, Check); 18] = [
    ("date", |text| moments::date(text.as_bytes())),
    ("date-time", |text| moments::date_time(text.as_bytes())),
    ("duration", moments::duration),
    ("email", names::email),
    ("hostname", names::hostname),
    ("ipv4", names::ipv4),
    ("ipv6", names::ipv6),
    ("iri", names::uri),
    ("iri-reference", names::uri_reference),
    ("json-pointer", tokens::json_pointer),
    ("period", moments::period),
    ("regex", tokens::regex),
    ("relative-json-pointer", tokens::relative_json_pointer),
    ("semver", tokens::semver),
    ("time", |text| moments::time(text.as_bytes())),
    ("uri", names::uri),
    ("uri-reference", names::uri_reference),
    ("uuid", tokens::uuid),
];

/// What the library would check, and Helm does not.
const UNCHECKED: [&str; 2] = ["idn-email", "idn-hostname"];

/// Has texts checked as Helm checks them.
pub(super) fn register(options: ValidationOptions<'static>) -> ValidationOptions<'static> {
    let options = FORMATS.iter().fold(options, |options, (name, check)| {
        options.with_format(*name, |text: &str| check(text).is_ok())
    });
    UNCHECKED.iter().fold(options, |options, name| {
        options.with_format(*name, |_: &str| true)
    })
}

/// Why a text is not of a format, if there are words for it.
pub(super) fn reason(format: &str, text: &str) -> Option<String> {
    let (_, check) = FORMATS.iter().find(|(name, _)| *name == format)?;
    check(text).err().filter(|reason| !reason.is_empty())
}

fn refuse(reason: &str) -> Checked {
    Err(reason.to_owned())
}

/// The reason of a part within that of the whole.
fn within(what: &str, part: Checked) -> Checked {
    part.map_err(|reason| match reason.as_str() {
        "" => reason,
        _ => format!("{what}: {reason}"),
    })
}

/// The digits at the start, and what is behind them.
fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}
