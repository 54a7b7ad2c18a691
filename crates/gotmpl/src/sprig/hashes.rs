//! Checksums and digests of text.

use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use crate::error::Error;
use crate::exec::State;
use crate::func::Functions;
use crate::value::Str;

pub(super) fn register(funcs: &mut Functions) {
    funcs.add("sha1sum", digest::<Sha1>);
    funcs.add("sha256sum", digest::<Sha256>);
    funcs.add("sha512sum", digest::<Sha512>);
    funcs.add("adler32sum", |state: &mut State, s: Str| {
        state.spend(s.len() as u64 / 16 + 1)?;
        Ok::<_, Error>(adler32(s.as_bytes()).to_string())
    });
}

/// What beginning and ending a digest counts for.
const DIGEST_STEPS: u64 = 60;

fn digest<D: Digest>(state: &mut State, s: Str) -> Result<String, Error> {
    state.spend(DIGEST_STEPS + s.len() as u64 / 8)?;
    Ok(D::digest(s.as_bytes())
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect())
}

fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    let (mut a, mut b) = (1_u32, 0_u32);
    // The sums of so many bytes can not overflow before they are reduced.
    for chunk in bytes.chunks(5552) {
        for byte in chunk {
            a += u32::from(*byte);
            b += a;
        }
        a %= MODULUS;
        b %= MODULUS;
    }
    b << 16 | a
}
