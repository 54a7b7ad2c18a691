//! Password hashes, derived passwords and AES.

use std::sync::Arc;

use aes::Aes256;
use cbc::cipher::block_padding::{NoPadding, Pkcs7};
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::error::Error;
use crate::exec::State;
use crate::func::{Func, Functions, Signature};
use crate::value::{ParamType, Str, UintType, Value};

use super::super::encoding::{base64_decode, base64_encode};
use super::super::options::{Entropy, Options};
use super::super::text::reserve;

/// bcrypt's cost, as Go's default.
const COST: u32 = 10;

/// The steps that one slow hash counts for.
const HASH_WORK: u64 = 10_000;

/// And scrypt.
const SCRYPT_WORK: u64 = 3 * HASH_WORK;

/// What preparing a key and drawing a vector count for.
const ENCRYPT_STEPS: u64 = 40;

pub(super) fn register(funcs: &mut Functions, options: &Options) {
    let entropy = Arc::clone(&options.entropy);
    funcs.add("bcrypt", move |state: &mut State, password: Str| {
        bcrypt(state, &*entropy, &password)
    });
    let entropy = Arc::clone(&options.entropy);
    funcs.add("htpasswd", move |state: &mut State, user: Str, password: Str| {
        if user.as_bytes().contains(&b':') {
            return Ok(format!("invalid username: {user}"));
        }
        Ok::<_, Error>(format!("{user}:{}", bcrypt(state, &*entropy, &password)?))
    });
    const DERIVE: &[ParamType] = &[
        ParamType::Uint(UintType::Uint32),
        ParamType::String,
        ParamType::String,
        ParamType::String,
        ParamType::String,
    ];
    funcs.insert(
        "derivePassword",
        Func::new(Signature::fixed(DERIVE), |state, args| {
            state.spend_on_keys(SCRYPT_WORK)?;
            let mut args = args.iter();
            let counter = match args.next() {
                Some(Value::Uint(n, _)) => *n as u32,
                _ => 0,
            };
            let mut text = || args.next().and_then(Value::as_str).cloned().unwrap_or_default();
            let (kind, password, user, site) = (text(), text(), text(), text());
            Ok(derive_password(counter, &kind, &password, &user, &site).into())
        }),
    );
    let entropy = Arc::clone(&options.entropy);
    funcs.add(
        "encryptAES",
        move |state: &mut State, password: Str, text: Str| {
            if text.is_empty() {
                return Ok(String::new());
            }
            reserve(state, text.len() * 2)?;
            state.spend(ENCRYPT_STEPS + text.len() as u64 / 4)?;
            let mut iv = [0; 16];
            entropy.fill(state, &mut iv)?;
            let cipher = cbc::Encryptor::<Aes256>::new(&key(&password).into(), &iv.into());
            let encrypted = cipher.encrypt_padded_vec::<Pkcs7>(text.as_bytes());
            Ok::<_, Error>(base64_encode(&[&iv[..], &encrypted].concat()))
        },
    );
    funcs.add("decryptAES", |password: Str, text: Str| decrypt(&password, &text));
}

fn bcrypt(state: &mut State, entropy: &dyn Entropy, password: &Str) -> Result<String, Error> {
    state.spend_on_keys(HASH_WORK)?;
    let mut salt = [0; 16];
    entropy.fill(state, &mut salt)?;
    // sprig gives the error as the result.
    if password.len() > 72 {
        return Ok(
            "failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes".to_owned(),
        );
    }
    let hash =
        ::bcrypt::hash_with_salt(password.as_bytes(), COST, salt).map_err(|e| Error::new(e.to_string()))?;
    Ok(hash.format_for_version(::bcrypt::Version::TwoA))
}

/// The first 32 bytes of the password, filled up with zeros.
fn key(password: &Str) -> [u8; 32] {
    let mut key = [0; 32];
    for (to, from) in key.iter_mut().zip(password.as_bytes()) {
        *to = *from;
    }
    key
}

/// sprig checks nothing: what does not fit ends in the errors of Go's runtime.
fn decrypt(password: &Str, text: &Str) -> Result<Str, Error> {
    if text.is_empty() {
        return Ok(Str::default());
    }
    let bytes = base64_decode(text.as_bytes())
        .map_err(|at| Error::new(format!("illegal base64 data at input byte {at}")))?;
    let capacity = text.len() / 4 * 3;
    let Some((iv, encrypted)) = bytes.split_first_chunk::<16>() else {
        return Err(Error::new(if capacity < 16 {
            format!("runtime error: slice bounds out of range [:16] with capacity {capacity}")
        } else {
            format!("runtime error: slice bounds out of range [16:{}]", bytes.len())
        }));
    };
    let cipher = cbc::Decryptor::<Aes256>::new(&key(password).into(), &(*iv).into());
    let decrypted = cipher
        .decrypt_padded_vec::<NoPadding>(encrypted)
        .map_err(|_| Error::new("crypto/cipher: input not full blocks"))?;
    let Some(padding) = decrypted.last() else {
        return Err(Error::new("runtime error: index out of range [-1]"));
    };
    let end = decrypted.len() as i64 - i64::from(*padding);
    match usize::try_from(end).ok().and_then(|end| decrypted.get(..end)) {
        Some(text) => Ok(Str::from(text)),
        None => Err(Error::new(format!(
            "runtime error: slice bounds out of range [:{end}]"
        ))),
    }
}

/// The shapes of passwords: each letter stands for a set of characters.
fn templates(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        "long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        "medium" => &["CvcnoCvc", "CvcCvcno"],
        "short" => &["Cvcn"],
        "basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        "pin" => &["nnnn"],
        _ => return None,
    })
}

fn characters(class: u8) -> &'static [u8] {
    match class {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

/// The Master Password algorithm: scrypt over the user's name, then a MAC over site and counter picks
/// shape and characters.
fn derive_password(counter: u32, kind: &Str, password: &Str, user: &Str, site: &Str) -> String {
    const SCOPE: &[u8] = b"com.lyndir.masterpassword";
    let Some(templates) = templates(&kind.to_str_lossy()) else {
        return format!("cannot find password template {kind}");
    };
    let prefixed = |text: &Str| [&(text.len() as u32).to_be_bytes(), text.as_bytes()].concat();
    let salt = [SCOPE, &prefixed(user)].concat();
    let mut master = [0; 64];
    let derived = ::scrypt::Params::new(15, 8, 2)
        .map_err(|e| e.to_string())
        .and_then(|p| {
            ::scrypt::scrypt(password.as_bytes(), &salt, &p, &mut master).map_err(|e| e.to_string())
        });
    if let Err(e) = derived {
        return format!("failed to derive password: {e}");
    }
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&master) else {
        return "failed to derive password: key length".to_owned();
    };
    mac.update(&[SCOPE, &prefixed(site), &counter.to_be_bytes()].concat());
    let seed = mac.finalize().into_bytes();
    let pick = |from: usize, of: usize| usize::from(seed.get(from).copied().unwrap_or_default()) % of.max(1);
    let template = templates
        .get(pick(0, templates.len()))
        .copied()
        .unwrap_or_default();
    let letters = template.bytes().enumerate().map(|(i, class)| {
        let set = characters(class);
        set.get(pick(i + 1, set.len())).copied().map_or('?', char::from)
    });
    letters.collect()
}
