//! Random texts and numbers.

use std::sync::Arc;

use crate::error::Error;
use crate::exec::State;
use crate::func::Functions;
use crate::value::Str;

use super::options::{Entropy, Options};
use super::text::reserve;

pub(super) fn register(funcs: &mut Functions, options: &Options) {
    type Accept = fn(u8) -> bool;
    let sets: [(&'static str, Accept); 4] = [
        ("randAlphaNum", |b| b.is_ascii_alphanumeric()),
        ("randAlpha", |b| b.is_ascii_alphabetic()),
        ("randNumeric", |b| b.is_ascii_digit()),
        ("randAscii", |b| (b' '..=b'~').contains(&b)),
    ];
    for (name, accept) in sets {
        let entropy = Arc::clone(&options.entropy);
        let alphabet: Vec<u8> = (0..=127).filter(|b| accept(*b)).collect();
        funcs.add(name, move |state: &mut State, n: i64| {
            random_text(state, &*entropy, &alphabet, n)
        });
    }
    let entropy = Arc::clone(&options.entropy);
    funcs.add("randBytes", move |state: &mut State, n: i64| {
        let Ok(n) = usize::try_from(n) else {
            return Err(Error::new("runtime error: makeslice: len out of range"));
        };
        reserve(state, n.saturating_mul(2))?;
        state.spend(DRAW_STEPS + n as u64 / 16)?;
        let mut bytes = vec![0; n];
        entropy.fill(state, &mut bytes)?;
        Ok(super::encoding::base64_encode(&bytes))
    });
    let entropy = Arc::clone(&options.entropy);
    funcs.add("randInt", move |state: &mut State, min: i64, max: i64| {
        let span = max.wrapping_sub(min);
        if span <= 0 {
            return Err(Error::new("invalid argument to Intn"));
        }
        state.spend(DRAW_STEPS)?;
        Ok(min.wrapping_add(below(state, &*entropy, span as u64)? as i64))
    });
    let entropy = Arc::clone(&options.entropy);
    funcs.add("shuffle", move |state: &mut State, s: Str| {
        let mut chars: Vec<char> = s.to_str_lossy().chars().collect();
        state.spend(chars.len() as u64 * DRAW_STEPS + 1)?;
        for i in (1..chars.len()).rev() {
            let other = below(state, &*entropy, i as u64 + 1)? as usize;
            chars.swap(i, other);
        }
        Ok::<_, Error>(chars.into_iter().collect::<String>())
    });
    let entropy = Arc::clone(&options.entropy);
    funcs.add("uuidv4", move |state: &mut State| {
        state.spend(DRAW_STEPS)?;
        let mut bytes = [0; 16];
        entropy.fill(state, &mut bytes)?;
        let mut n = u128::from_be_bytes(bytes);
        // Version 4, variant 1.
        n = n & !(0xF << 76) | 4 << 76;
        n = n & !(0b11 << 62) | 0b10 << 62;
        let hex = format!("{n:032x}");
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        let parts = [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)];
        Ok::<_, Error>(parts.join("-"))
    });
}

/// What asking for random bytes counts for.
const DRAW_STEPS: u64 = 10;

/// A negative length gives an empty text: sprig drops the error.
fn random_text(state: &mut State, entropy: &dyn Entropy, alphabet: &[u8], n: i64) -> Result<Str, Error> {
    let n = usize::try_from(n).unwrap_or(0);
    reserve(state, n)?;
    state.spend(DRAW_STEPS + n as u64 / 2)?;
    let limit = 256 - 256 % alphabet.len().max(1);
    let mut out = Vec::with_capacity(n);
    let mut buffer = [0; 64];
    while out.len() < n {
        entropy.fill(state, &mut buffer)?;
        // Bytes above the last multiple of the alphabet's size would make its first letters likelier.
        let fair = buffer.iter().map(|b| usize::from(*b)).filter(|b| *b < limit);
        let letters = fair.filter_map(|b| alphabet.get(b % alphabet.len()));
        out.extend(letters.take(n - out.len()));
    }
    Ok(Str::from(out))
}

/// A number below `n`, each equally likely.
fn below(state: &mut State, entropy: &dyn Entropy, n: u64) -> Result<u64, Error> {
    let limit = u64::MAX - u64::MAX % n.max(1);
    loop {
        let mut bytes = [0; 8];
        entropy.fill(state, &mut bytes)?;
        let number = u64::from_be_bytes(bytes);
        if number < limit {
            return Ok(number % n.max(1));
        }
    }
}
