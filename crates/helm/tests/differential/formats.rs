//! Texts of every format that Helm's validator knows, whole and damaged, in schemas of every draft that checks them.

use helmapp_oracle::Random;

/// A format, and texts that are of it or nearly so.
const FORMATS: [(&str, &[&str]); 20] = [
    ("date", &["2024-02-29", "2023-02-29", "2024-13-01"]),
    (
        "date-time",
        &[
            "2024-02-29T12:34:56Z",
            "1990-12-31t23:59:60z",
            "2024-02-29T12:34:56.5+05:30",
            "2024-02-30T12:34:56Z",
        ],
    ),
    (
        "duration",
        &["P1Y2M3DT4H5M6S", "P4W", "PT0S", "P1D2Y", "PT", "P1X"],
    ),
    (
        "email",
        &[
            "a.b+c@example.org",
            "\"a b\"@x.y",
            "a@[127.0.0.1]",
            "a@[IPv6:::1]",
            "\"a@x",
            "a..b@x",
            "a@-x",
        ],
    ),
    (
        "hostname",
        &["example.org", "a-b.c.", "-a.b", "a_b", "xn--bcher-kva.example"],
    ),
    ("idn-email", &["no mail"]),
    ("idn-hostname", &["no host"]),
    (
        "ipv4",
        &["127.0.0.1", "256.1.1.1", "01.2.3.4", "1.2.3", "+1.2.3.4"],
    ),
    (
        "ipv6",
        &[
            "::1",
            "1:2:3:4:5:6:7:8",
            "::ffff:1.2.3.4",
            "fe80::1%eth0",
            "1::2::3",
            "12345::",
        ],
    ),
    ("iri", &["https://é.example/ü?q=ß#x", "é"]),
    ("iri-reference", &["/é", "a\\b", "//h:x/"]),
    ("json-pointer", &["/a/b~0~1", "", "a", "/~2", "/a~"]),
    (
        "period",
        &[
            "2024-02-29T12:34:56Z/P1D",
            "P1D/2024-02-29T12:34:56Z",
            "2024-02-29T12:34:56Z/2024-03-01T00:00:00Z",
        ],
    ),
    ("regex", &["^[a-z]+$", "(?=x)", "[", "a{2,1}", "\\p{L}"]),
    ("relative-json-pointer", &["0#", "1/a", "01/a", "-1", "2"]),
    (
        "semver",
        &[
            "1.2.3",
            "1.2.3-rc.1+build.5",
            "01.2.3",
            "1.2",
            "1.2.3-01",
            "1.2.3+",
            "1.2.x",
        ],
    ),
    (
        "time",
        &[
            "12:34:56Z",
            "23:59:60Z",
            "00:59:60+01:00",
            "12:34:56.789-08:00",
            "24:00:00Z",
            "12:34:56+5:30",
        ],
    ),
    (
        "uri",
        &[
            "https://u:p@h:80/p?q#f",
            "mailto:a@b",
            "relative",
            "http://[::1]:80/",
            "http://a:b:c/",
            "x://h:1:2/",
            "http://[::1%25a]/",
            "http://h/%zz",
            ":x",
        ],
    ),
    ("uri-reference", &["../a?b", "a\\b", "http://[x]/", "1:2"]),
    (
        "uuid",
        &[
            "123e4567-e89b-12d3-a456-426614174000",
            "123e4567e89b12d3a456426614174000",
            "123e4567-e89b-12d3-a456-42661417400g",
        ],
    ),
];

/// Where formats count, by what `$schema` says.
const DRAFTS: [&str; 3] = ["04", "06", "07"];

/// A schema that asks for formats, and values of which some are not of theirs.
pub(crate) fn schema_and_values(random: &mut Random) -> (String, String) {
    let (mut properties, mut values) = (Vec::new(), Vec::new());
    for at in 0..8 {
        let (format, texts) = random.pick(&FORMATS);
        let mut text = random.pick(texts).to_owned();
        if random.one_in(2) {
            text = damaged(random, &text);
        }
        properties.push(format!("\"p{at}\":{{\"format\":\"{format}\"}}"));
        values.push(format!("p{at}: {}\n", serde_json::Value::from(text)));
    }
    let draft = random.pick(&DRAFTS);
    let schema = format!(
        "{{\"$schema\":\"http://json-schema.org/draft-{draft}/schema#\",\"properties\":{{{}}}}}",
        properties.join(",")
    );
    (schema, values.concat())
}

/// The text with a character more, one less or another.
fn damaged(random: &mut Random, text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let at = random.below(chars.len() + 1);
    let other = random.pick(&[
        '0', '9', 'a', 'Z', '-', ':', '.', '/', '+', '~', 'T', ' ', '"', 'é', '%', '[', ']', '@',
    ]);
    match random.below(3) {
        0 => chars.insert(at, other),
        1 if at < chars.len() => chars[at] = other,
        _ => drop((at < chars.len()).then(|| chars.remove(at))),
    }
    chars.into_iter().collect()
}
