//! Private keys: made, read, written, and what certificates ask of them.

use std::sync::Arc;

use p256::ecdsa::signature::Signer;
use rsa::pkcs1::{DecodeRsaPrivateKey, EncodeRsaPrivateKey, EncodeRsaPublicKey};
use rsa::rand_core::{CryptoRng, RngCore};
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::exec::State;
use crate::func::Functions;
use crate::value::Str;

use super::super::options::{Entropy, Options};
use super::der::{self, Reader};
use super::{dsa, pem, primes};

/// Object identifiers, encoded.
pub(super) mod oid {
    pub(in super::super) const RSA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 1];
    pub(in super::super) const RSA_SHA256: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 11];
    pub(in super::super) const EC: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 2, 1];
    pub(in super::super) const ECDSA_SHA256: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 2];
    pub(in super::super) const ECDSA_SHA384: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 3];
    pub(in super::super) const ECDSA_SHA512: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 4];
    pub(in super::super) const P256: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7];
    pub(in super::super) const P384: &[u8] = &[0x2B, 0x81, 4, 0, 0x22];
    pub(in super::super) const P521: &[u8] = &[0x2B, 0x81, 4, 0, 0x23];
    pub(in super::super) const ED25519: &[u8] = &[0x2B, 0x65, 0x70];
}

/// The steps that making an RSA key of 2048 bits counts for.
const RSA_WORK: u64 = 30_000;

pub(super) fn register(funcs: &mut Functions, options: &Options) {
    let entropy = Arc::clone(&options.entropy);
    funcs.add("genPrivateKey", move |state: &mut State, kind: Str| {
        let key = match kind.as_bytes() {
            b"" | b"rsa" => PrivateKey::rsa(state, &*entropy, 4096)?,
            b"dsa" => {
                let mut rng = Rng::new(state, &*entropy)?;
                let numbers = dsa::generate(state, &mut rng)?.map(|n| der::integer(&n.to_bytes_be()));
                let [p, q, g, y, x] = &numbers;
                PrivateKey::Dsa(der::constructed(
                    der::SEQUENCE,
                    &[&der::integer(&[0]), p, q, g, y, x],
                ))
            }
            b"ecdsa" => {
                let mut rng = Rng::new(state, &*entropy)?;
                loop {
                    let mut bytes = [0; 32];
                    rng.fill_bytes(&mut bytes);
                    // A number that is no key is as good as impossible.
                    if let Ok(key) = p256::ecdsa::SigningKey::from_slice(&bytes) {
                        break PrivateKey::P256(key);
                    }
                }
            }
            b"ed25519" => {
                let mut seed = [0; 32];
                entropy.fill(state, &mut seed)?;
                PrivateKey::Ed25519(ed25519_dalek::SigningKey::from_bytes(&seed))
            }
            _ => return Ok(format!("Unknown type {kind}")),
        };
        key.to_pem()
    });
}

/// A generator that an `Entropy` seeds: SHA-256 over the seed and a counter.
pub(super) struct Rng {
    seed: [u8; 32],
    counter: u64,
    left: Vec<u8>,
}

impl Rng {
    pub(super) fn new(state: &mut State, entropy: &dyn Entropy) -> Result<Self, Error> {
        let mut seed = [0; 32];
        entropy.fill(state, &mut seed)?;
        Ok(Self {
            seed,
            counter: 0,
            left: Vec::new(),
        })
    }
}

impl RngCore for Rng {
    fn next_u32(&mut self) -> u32 {
        rsa::rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rsa::rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        for byte in out {
            if self.left.is_empty() {
                self.counter += 1;
                let block = Sha256::new()
                    .chain_update(self.seed)
                    .chain_update(self.counter.to_be_bytes());
                self.left = block.finalize().to_vec();
            }
            *byte = self.left.pop().unwrap_or_default();
        }
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), rsa::rand_core::Error> {
        self.fill_bytes(out);
        Ok(())
    }
}

impl CryptoRng for Rng {}

pub(super) enum PrivateKey {
    Rsa(Box<RsaPrivateKey>),
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(p521::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
    /// Only kept as it is: certificates can not be signed with it.
    Dsa(Vec<u8>),
}

impl PrivateKey {
    pub(super) fn rsa(state: &mut State, entropy: &dyn Entropy, bits: usize) -> Result<Self, Error> {
        state.spend_on_keys(RSA_WORK * (bits as u64 / 2048).pow(3))?;
        let mut rng = Rng::new(state, entropy)?;
        let half = |state: &mut State, rng: &mut Rng| {
            let prime = primes::prime(state, rng, bits as u64 / 2)?;
            Ok::<_, Error>(rsa::BigUint::from_bytes_be(&prime.to_bytes_be()))
        };
        loop {
            let (p, q) = (half(state, &mut rng)?, half(state, &mut rng)?);
            // The exponent must have an inverse, which for one prime in 65537 it has not.
            match RsaPrivateKey::from_p_q(p, q, rsa::BigUint::from(65_537_u32)) {
                Ok(key) => return Ok(Self::Rsa(Box::new(key))),
                Err(_) => state.spend_on_keys(RSA_WORK)?,
            }
        }
    }

    /// Reads a key in PEM: PKCS#1, SEC 1, PKCS#8 or sprig's own form for DSA.
    pub(super) fn from_pem(text: &str) -> Result<Self, Error> {
        let Some(block) = pem::decode(text) else {
            return Err(Error::new("no PEM data in input"));
        };
        let bytes = &block.bytes;
        let malformed = |what: &str| Error::new(format!("{what}: malformed key"));
        if block.label == "PRIVATE KEY" {
            return pkcs8(bytes).ok_or_else(|| malformed("decoding PEM as PKCS#8"));
        }
        let Some(kind) = block.label.strip_suffix(" PRIVATE KEY") else {
            let label = &block.label;
            return Err(Error::new(format!(
                "no private key data in PEM block of type {label}"
            )));
        };
        match kind {
            "RSA" => RsaPrivateKey::from_pkcs1_der(bytes)
                .map(|key| Self::Rsa(Box::new(key)))
                .map_err(|_| malformed("parsing RSA private key from PEM")),
            "EC" => sec1(bytes, None).ok_or_else(|| malformed("parsing EC private key from PEM")),
            "DSA" => match Reader(bytes).take(der::SEQUENCE) {
                Some(_) => Ok(Self::Dsa(block.bytes)),
                None => Err(malformed("parsing DSA private key from PEM")),
            },
            _ => Err(Error::new(format!("invalid private key type {}", block.label))),
        }
    }

    /// The key in the form that sprig writes for its type.
    pub(super) fn to_pem(&self) -> Result<String, Error> {
        let ec = |curve: &[u8], private: &[u8], public: &[u8]| {
            let key = der::constructed(
                der::SEQUENCE,
                &[
                    &der::integer(&[1]),
                    &der::value(der::OCTET_STRING, private),
                    &der::constructed(0xA0, &[&der::value(der::OID, curve)]),
                    &der::constructed(0xA1, &[&der::bit_string(public)]),
                ],
            );
            pem::encode("EC PRIVATE KEY", &key)
        };
        Ok(match self {
            Self::Rsa(key) => {
                let der = key
                    .to_pkcs1_der()
                    .map_err(|e| Error::new(format!("encoding rsa key: {e}")))?;
                pem::encode("RSA PRIVATE KEY", der.as_bytes())
            }
            Self::P256(key) => ec(oid::P256, &key.to_bytes(), &key.verifying_key().to_sec1_bytes()),
            Self::P384(key) => ec(oid::P384, &key.to_bytes(), &key.verifying_key().to_sec1_bytes()),
            Self::P521(key) => ec(oid::P521, &key.to_bytes(), &key.verifying_key().to_sec1_bytes()),
            Self::Ed25519(key) => {
                let inner = der::value(der::OCTET_STRING, key.as_bytes());
                let key = der::constructed(
                    der::SEQUENCE,
                    &[
                        &der::integer(&[0]),
                        &der::constructed(der::SEQUENCE, &[&der::value(der::OID, oid::ED25519)]),
                        &der::value(der::OCTET_STRING, &inner),
                    ],
                );
                pem::encode("PRIVATE KEY", &key)
            }
            Self::Dsa(der) => pem::encode("DSA PRIVATE KEY", der),
        })
    }

    /// The algorithm and the bits of the public key, as a certificate holds them.
    pub(super) fn public(&self) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let ec = |curve: &[u8], public: Box<[u8]>| {
            let algorithm = [der::value(der::OID, oid::EC), der::value(der::OID, curve)].concat();
            (der::value(der::SEQUENCE, &algorithm), public.into_vec())
        };
        Ok(match self {
            Self::Rsa(key) => {
                let bits = key
                    .to_public_key()
                    .to_pkcs1_der()
                    .map_err(|e| Error::new(format!("encoding rsa key: {e}")))?;
                let algorithm = [der::value(der::OID, oid::RSA), vec![5, 0]].concat();
                (der::value(der::SEQUENCE, &algorithm), bits.as_bytes().to_vec())
            }
            Self::P256(key) => ec(oid::P256, key.verifying_key().to_sec1_bytes()),
            Self::P384(key) => ec(oid::P384, key.verifying_key().to_sec1_bytes()),
            Self::P521(key) => ec(oid::P521, key.verifying_key().to_sec1_bytes()),
            Self::Ed25519(key) => {
                let algorithm = der::constructed(der::SEQUENCE, &[&der::value(der::OID, oid::ED25519)]);
                (algorithm, key.verifying_key().as_bytes().to_vec())
            }
            Self::Dsa(_) => {
                return Err(Error::new(
                    "x509: certificate private key does not implement crypto.Signer",
                ));
            }
        })
    }

    /// The algorithm that signatures of this key name, encoded.
    pub(super) fn signature_algorithm(&self) -> Vec<u8> {
        let (oid, parameters): (&[u8], &[u8]) = match self {
            Self::Rsa(_) => (oid::RSA_SHA256, &[5, 0]),
            Self::P256(_) => (oid::ECDSA_SHA256, &[]),
            Self::P384(_) => (oid::ECDSA_SHA384, &[]),
            Self::P521(_) => (oid::ECDSA_SHA512, &[]),
            Self::Ed25519(_) | Self::Dsa(_) => (oid::ED25519, &[]),
        };
        der::constructed(der::SEQUENCE, &[&der::value(der::OID, oid), parameters])
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = |e: String| Error::new(format!("signing: {e}"));
        match self {
            Self::Rsa(key) => {
                // The digest's identification that PKCS#1 v1.5 puts before it.
                let prefix = [
                    0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
                    0x05, 0x00, 0x04, 0x20,
                ];
                let padding = Pkcs1v15Sign {
                    hash_len: Some(32),
                    prefix: Box::new(prefix),
                };
                key.sign(padding, &Sha256::digest(message))
                    .map_err(|e| failed(e.to_string()))
            }
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature =
                    key.try_sign(message).map_err(|e| failed(e.to_string()))?;
                Ok(signature.to_der().as_bytes().to_vec())
            }
            Self::P384(key) => {
                let signature: p384::ecdsa::Signature =
                    key.try_sign(message).map_err(|e| failed(e.to_string()))?;
                Ok(signature.to_der().as_bytes().to_vec())
            }
            Self::P521(key) => {
                let signature: p521::ecdsa::Signature =
                    key.try_sign(message).map_err(|e| failed(e.to_string()))?;
                Ok(signature.to_der().as_bytes().to_vec())
            }
            Self::Ed25519(key) => Ok(key.sign(message).to_bytes().to_vec()),
            Self::Dsa(_) => Err(failed("DSA keys can not sign certificates".to_owned())),
        }
    }
}

fn pkcs8(bytes: &[u8]) -> Option<PrivateKey> {
    let mut key = Reader(bytes).enter(der::SEQUENCE)?;
    key.take(der::INTEGER)?;
    let mut algorithm = key.enter(der::SEQUENCE)?;
    let inner = key.take(der::OCTET_STRING)?.content;
    let name = algorithm.take(der::OID)?.content;
    if name == oid::RSA {
        let key = RsaPrivateKey::from_pkcs1_der(inner).ok()?;
        return Some(PrivateKey::Rsa(Box::new(key)));
    }
    if name == oid::EC {
        return sec1(inner, algorithm.take(der::OID).map(|curve| curve.content));
    }
    if name == oid::ED25519 {
        let seed = Reader(inner).take(der::OCTET_STRING)?.content;
        return Some(PrivateKey::Ed25519(ed25519_dalek::SigningKey::from_bytes(
            seed.try_into().ok()?,
        )));
    }
    None
}

/// A SEC 1 key; the curve may stand around it.
fn sec1(bytes: &[u8], curve: Option<&[u8]>) -> Option<PrivateKey> {
    let mut key = Reader(bytes).enter(der::SEQUENCE)?;
    key.take(der::INTEGER)?;
    let scalar = key.take(der::OCTET_STRING)?.content;
    let named = key
        .enter(0xA0)
        .and_then(|mut r| r.take(der::OID))
        .map(|curve| curve.content);
    let curve = curve.or(named)?;
    // Writers may leave out leading zeros or write too many.
    let padded = |len: usize| {
        let zeros = scalar.iter().take_while(|b| **b == 0).count();
        let digits = scalar.get(zeros..).unwrap_or_default();
        let missing = len.checked_sub(digits.len())?;
        Some([&vec![0; missing][..], digits].concat())
    };
    match curve {
        oid::P256 => p256::ecdsa::SigningKey::from_slice(&padded(32)?)
            .ok()
            .map(PrivateKey::P256),
        oid::P384 => p384::ecdsa::SigningKey::from_slice(&padded(48)?)
            .ok()
            .map(PrivateKey::P384),
        oid::P521 => p521::ecdsa::SigningKey::from_slice(&padded(66)?)
            .ok()
            .map(PrivateKey::P521),
        _ => None,
    }
}
