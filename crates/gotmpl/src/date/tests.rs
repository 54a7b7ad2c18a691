//! Recorded answers of Go's time package, with UTC as the local zone.

use jiff::tz::TimeZone;
use serde_json::Value;

use super::{Duration, Time, Zone};

fn recorded(key: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("../../tests/fixtures/date.json")).unwrap();
    all[key].as_array().unwrap().clone()
}

fn text(v: &Value) -> &str {
    v.as_str().unwrap()
}

fn integer(v: &Value) -> i64 {
    v.as_i64().unwrap_or_else(|| text(v).parse().unwrap())
}

fn zone(name: &Value) -> Zone {
    Zone::load(text(name), &TimeZone::UTC).unwrap_or(Zone::Utc)
}

fn format(t: &Time, layout: &str) -> String {
    String::from_utf8(t.format(layout.as_bytes())).unwrap()
}

const FULL: &str = "2006-01-02 15:04:05.999999999 -0700 MST";

/// Fails with all rows that differ.
fn check(rows: &[Value], got: impl Fn(&Value) -> (Value, Value)) {
    let differ: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            let (got, want) = got(row);
            (got != want).then(|| format!("{row}\n   got {got}\n  want {want}"))
        })
        .collect();
    assert!(!rows.is_empty());
    assert!(
        differ.is_empty(),
        "{} of {} differ:\n{}",
        differ.len(),
        rows.len(),
        differ.join("\n")
    );
}

#[test]
fn times_format_as_recorded() {
    check(&recorded("format"), |row| {
        let t = Time::from_unix(integer(&row["u"]), integer(&row["n"]) as u32, zone(&row["z"]));
        (format(&t, text(&row["l"])).into(), row["o"].clone())
    });
}

#[test]
fn unknown_zones_are_as_recorded() {
    for name in recorded("unknown_zones") {
        assert!(Zone::load(text(&name), &TimeZone::UTC).is_none(), "{name}");
    }
    assert_eq!(
        Zone::load("Europe/Berlin", &TimeZone::UTC).unwrap().name(),
        "Europe/Berlin"
    );
    assert_eq!(Zone::load("Local", &TimeZone::UTC).unwrap().name(), "Local");
    let india = TimeZone::fixed(jiff::tz::offset(5));
    assert_eq!(Zone::load("Local", &india).unwrap().name(), "Local");
}

#[test]
fn times_parse_as_recorded() {
    check(&recorded("parse"), |row| {
        let got = match Time::parse(text(&row[0]).as_bytes(), text(&row[1]).as_bytes(), &zone(&row[2])) {
            Ok(t) => {
                serde_json::json!([
                    format(&t, "2006-01-02 15:04:05.999999999 -07:00:00 MST"),
                    t.unix().to_string()
                ])
            }
            Err(e) => serde_json::json!([null, e.to_string()]),
        };
        (got, serde_json::json!([row[3], row[4]]))
    });
}

#[test]
fn durations_are_as_recorded() {
    check(&recorded("duration"), |row| {
        let got = match Duration::parse(text(&row[0]).as_bytes()) {
            Ok(d) => serde_json::json!([d.0.to_string(), d.to_string()]),
            Err(e) => serde_json::json!([null, e.to_string()]),
        };
        (got, serde_json::json!([row[1], row[2]]))
    });
    check(&recorded("round"), |row| {
        let (d, unit) = (Duration(integer(&row[0])), Duration(integer(&row[1])));
        let got = serde_json::json!([d.round(unit).to_string(), d.truncate(unit).to_string()]);
        (got, serde_json::json!([row[2], row[3]]))
    });
    for row in recorded("round") {
        let d = Duration(integer(&row[0]));
        let units = [Duration::HOUR, Duration::MINUTE, Duration::SECOND].map(|u| d.in_units(u));
        let want: Vec<f64> = text(&row[4])
            .split_whitespace()
            .map(|n| n.parse().unwrap())
            .collect();
        assert_eq!(units.as_slice(), want);
    }
}

#[test]
fn arithmetic_is_as_recorded() {
    check(&recorded("arithmetic"), |row| {
        let n = |i: usize| integer(&row[i]);
        let zone = zone(&row[2]);
        let t = Time::from_unix(n(0), n(1) as u32, zone.clone());
        let unit = Duration(n(7));
        let built = Time::from_civil((2020 + n(3), n(4), n(5)), (n(9), n(4), n(5)), n(1) * 3, zone);
        let c = t.civil();
        let got = serde_json::json!([
            format(&t.add_date(n(3), n(4), n(5)), FULL),
            format(&t.add(Duration(n(6))), FULL),
            format(&t.round(unit), FULL),
            format(&t.truncate(unit), FULL),
            t.since(&Time::from_unix(n(8), 5, Zone::Utc)).to_string(),
            built.to_string(),
            format!(
                "{} {} {} {} {} {}",
                super::WEEKDAYS[usize::from(c.weekday)],
                c.year_day,
                t.zone().is_dst_at(t.unix()),
                t.unix_in(1_000),
                t.unix_in(1_000_000),
                t.unix_in(1_000_000_000)
            ),
        ]);
        (got, row.as_array().unwrap()[10..].into())
    });
}
