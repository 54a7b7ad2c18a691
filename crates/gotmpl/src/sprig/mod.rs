//! The functions of Masterminds/sprig v3.3.0, as its `TxtFuncMap` gives them to text/template.
//!
//! What sprig panics with becomes the function's error, as text/template makes it. Randomness and the
//! clock come through [`Options`], so that a host can replay them.

mod address;
mod cast;
#[cfg(feature = "crypto")]
mod crypto;
mod decimal;
mod defaults;
mod dicts;
mod encoding;
mod hashes;
mod lists;
mod merge;
mod numbers;
mod options;
mod outcome;
mod paths;
mod random;
mod regexes;
mod runes;
mod strings;
mod system;
#[cfg(test)]
mod tests;
mod text;
mod times;
mod urls;
mod versions;
mod words;

#[cfg(feature = "crypto")]
pub use crypto::Certificate;
pub use options::{Clock, Entropy, Options, OsEntropy, Resolver, SystemClock};
pub use outcome::no_error;
pub use times::{DurationObject, TimeObject};
pub use urls::url_scheme_and_host;
pub use versions::VersionObject;

use crate::func::Functions;

/// Adds all of sprig's functions, over those of the same name.
///
/// `env`, `expandenv` and `getHostByName` look outside and are only added where the options allow them.
pub fn register(funcs: &mut Functions, options: &Options) {
    strings::register(funcs);
    words::register(funcs);
    numbers::register(funcs);
    decimal::register(funcs);
    defaults::register(funcs);
    lists::register(funcs);
    dicts::register(funcs);
    merge::register(funcs);
    encoding::register(funcs);
    hashes::register(funcs);
    paths::register(funcs);
    urls::register(funcs, options);
    regexes::register(funcs);
    versions::register(funcs);
    times::register(funcs, options);
    random::register(funcs, options);
    system::register(funcs, options);
    #[cfg(feature = "crypto")]
    crypto::register(funcs, options);
}

/// Go's error text for what its runtime panics with.
mod panics {
    use crate::error::Error;

    /// Use of a nil interface or pointer.
    pub(super) fn nil_pointer() -> Error {
        Error::new("runtime error: invalid memory address or nil pointer dereference")
    }

    /// A failed type assertion on an interface value.
    pub(super) fn assertion(got: &str, wanted: &str) -> Error {
        let got = if got == "<nil>" { "nil" } else { got };
        Error::new(format!(
            "interface conversion: interface {{}} is {got}, not {wanted}"
        ))
    }
}
