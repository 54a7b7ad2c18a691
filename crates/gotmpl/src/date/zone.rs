//! Time zones: Go's `time.Location`.

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

/// Where a time is shown. Cloning is cheap.
#[derive(Debug, Clone)]
pub enum Zone {
    /// UTC.
    Utc,
    /// The zone that the process calls local. Go shows its name as `Local`.
    Local(TimeZone),
    /// A zone of the time zone database.
    Named(Arc<str>, TimeZone),
    /// An offset in seconds east of UTC with a name, which may be empty.
    Fixed(Arc<str>, i32),
}

impl Zone {
    /// As Go's `time.LoadLocation`: `""` and `UTC` are UTC, `Local` is the given zone, other names are
    /// looked up in the time zone database, which is built in. `None` for an unknown name.
    pub fn load(name: &str, local: &TimeZone) -> Option<Zone> {
        static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);
        match name {
            "" | "UTC" => Some(Zone::Utc),
            "Local" => Some(Zone::Local(local.clone())),
            _ => {
                let zone = DATABASE.get(name).ok()?;
                // Go finds zones as files, whose names are case-sensitive.
                let found = zone.iana_name().is_some_and(|known| known == name);
                found.then(|| Zone::Named(Arc::from(name), zone))
            }
        }
    }

    /// The name as `time.Location` shows it.
    pub fn name(&self) -> &str {
        match self {
            Zone::Utc => "UTC",
            Zone::Local(_) => "Local",
            Zone::Named(name, _) | Zone::Fixed(name, _) => name,
        }
    }

    fn rules(&self) -> Option<&TimeZone> {
        match self {
            Zone::Local(rules) | Zone::Named(_, rules) => Some(rules),
            Zone::Utc | Zone::Fixed(..) => None,
        }
    }

    /// Seconds east of UTC at a moment.
    pub(super) fn offset_at(&self, unix: i64) -> i32 {
        match self {
            Zone::Utc => 0,
            Zone::Fixed(_, offset) => *offset,
            Zone::Local(rules) | Zone::Named(_, rules) => rules.to_offset(timestamp(unix)).seconds(),
        }
    }

    /// The zone's abbreviation at a moment, such as `CEST`; empty for an offset without a name.
    pub(super) fn abbreviation_at(&self, unix: i64) -> String {
        match self {
            Zone::Utc => "UTC".to_owned(),
            Zone::Fixed(name, _) => name.to_string(),
            Zone::Local(rules) | Zone::Named(_, rules) => {
                rules.to_offset_info(timestamp(unix)).abbreviation().to_owned()
            }
        }
    }

    /// Whether daylight saving time holds at a moment.
    pub fn is_dst_at(&self, unix: i64) -> bool {
        self.rules()
            .is_some_and(|rules| rules.to_offset_info(timestamp(unix)).dst().is_dst())
    }

    /// The offset that an abbreviation means in this zone around a moment, given as if it were UTC.
    pub(super) fn offset_of_name(&self, name: &str, unix: i64) -> Option<i32> {
        let rules = self.rules()?;
        let at = timestamp(unix);
        let mut known: Vec<(String, Offset)> = rules
            .preceding(at)
            .take(MAX_TRANSITIONS)
            .chain(rules.following(at).take(MAX_TRANSITIONS))
            .map(|t| (t.abbreviation().to_string(), t.offset()))
            .collect();
        let now = rules.to_offset_info(at);
        known.insert(0, (now.abbreviation().to_owned(), now.offset()));
        known.retain(|(abbreviation, _)| abbreviation == name);
        let holds = |offset: &Offset| {
            let unix = unix.wrapping_sub(i64::from(offset.seconds()));
            rules.to_offset_info(timestamp(unix)).abbreviation() == name
        };
        let current = known.iter().find(|(_, offset)| holds(offset));
        current.or(known.first()).map(|(_, offset)| offset.seconds())
    }
}

/// How many changes of a zone's rules before and after a moment are searched for an abbreviation.
const MAX_TRANSITIONS: usize = 512;

/// A moment with the same rules that the zone database covers: after its end the calendar repeats every
/// 400 years, before its beginning the first rule holds.
fn timestamp(unix: i64) -> Timestamp {
    const CYCLE: i64 = 146_097 * 86_400;
    let covered = if unix > CYCLE { CYCLE + unix % CYCLE } else { unix };
    Timestamp::from_second(covered).unwrap_or(Timestamp::MIN)
}
