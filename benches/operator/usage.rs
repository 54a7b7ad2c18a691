//! What a process used, as Linux counts it.

use std::time::Duration;

/// Linux reports times to programs in hundredths of a second, whatever the kernel's own clock does.
const TICK: Duration = Duration::from_millis(10);

/// A reading of one process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// User and system time of all its threads, those that ended included.
    pub(crate) cpu: Duration,
    /// The most that it ever had resident, in bytes.
    pub(crate) peak: u64,
    /// What it has resident now, in bytes.
    pub(crate) resident: u64,
}

impl Usage {
    pub(crate) fn read(id: u32) -> Self {
        let file = |name: &str| {
            let path = format!("/proc/{id}/{name}");
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
        };
        let (stat, status) = (file("stat"), file("status"));
        // The name, in parentheses, may hold spaces; utime and stime are the 12th and 13th field after it.
        let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
        let ticks = fields.split(' ').skip(11).take(2);
        let ticks: u32 = ticks.map(|field| field.parse::<u32>().expect("a number")).sum();
        let bytes = |label: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(label));
            let kibibytes = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
            let kibibytes = kibibytes.and_then(|number| number.parse::<u64>().ok());
            kibibytes.expect("a size in kB") * 1024
        };
        Self {
            cpu: TICK * ticks,
            peak: bytes("VmHWM:"),
            resident: bytes("VmRSS:"),
        }
    }
}
