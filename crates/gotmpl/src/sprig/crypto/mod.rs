//! Keys, certificates, password hashes and encryption.

mod certs;
mod der;
mod dsa;
mod keys;
mod passwords;
mod pem;
mod primes;
#[cfg(test)]
mod tests;

pub use certs::Certificate;

use crate::func::Functions;

use super::options::Options;

pub(super) fn register(funcs: &mut Functions, options: &Options) {
    passwords::register(funcs, options);
    keys::register(funcs, options);
    certs::register(funcs, options);
}
