//! What sprig's functions need from outside: randomness, the clock, the local zone.

use std::fmt;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::error::Error;
use crate::exec::State;

/// Where random functions and keys get their bytes.
pub trait Entropy: Send + Sync {
    /// Fills the buffer with random bytes. The state tells renders apart.
    fn fill(&self, state: &mut State, out: &mut [u8]) -> Result<(), Error>;
}

/// Where `now` and functions that compare with it get the time.
pub trait Clock: Send + Sync {
    /// Seconds since 1970 in UTC, and nanoseconds.
    fn now(&self, state: &mut State) -> (i64, u32);
}

/// The operating system's randomness.
#[derive(Debug, Clone, Copy)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, _: &mut State, out: &mut [u8]) -> Result<(), Error> {
        getrandom::fill(out).map_err(|e| Error::new(format!("reading random bytes: {e}")))
    }
}

/// The system's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self, _: &mut State) -> (i64, u32) {
        let now = jiff::Timestamp::now().as_nanosecond();
        (
            (now.div_euclid(1_000_000_000)) as i64,
            now.rem_euclid(1_000_000_000) as u32,
        )
    }
}

/// Finds an address of a host by its name.
pub type Resolver = dyn Fn(&str) -> String + Send + Sync;

/// How sprig's functions are set up.
#[derive(Clone)]
pub struct Options {
    /// Default: the operating system.
    pub entropy: Arc<dyn Entropy>,
    /// Default: the system's clock.
    pub clock: Arc<dyn Clock>,
    /// The zone that dates are shown in where none is given. Default: UTC.
    pub local_zone: TimeZone,
    /// Whether `urlParse` refuses an http address with several colons in its host, as Go does since 1.26. Default: yes.
    pub strict_colons: bool,
    /// Whether `env` and `expandenv` exist and read this process's environment. Default: no, as in Helm.
    pub environment: bool,
    /// What `getHostByName` does. Default: it gives "", as in Helm unless DNS is enabled.
    pub resolver: Option<Arc<Resolver>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            entropy: Arc::new(OsEntropy),
            clock: Arc::new(SystemClock),
            local_zone: TimeZone::UTC,
            strict_colons: true,
            environment: false,
            resolver: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("local_zone", &self.local_zone)
            .field("strict_colons", &self.strict_colons)
            .field("environment", &self.environment)
            .field("resolver", &self.resolver.is_some())
            .finish_non_exhaustive()
    }
}
