//! Certificates against those that Go makes of the same key, names, clock and serial number.

use std::sync::Arc;

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use serde_json::Value as Json;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::der::{self, Reader};
use super::keys::PrivateKey;
use super::pem;
use crate::error::Error;
use crate::exec::State;
use crate::func::Functions;
use crate::limits::Limits;
use crate::set::TemplateSet;
use crate::sprig::{Clock, Entropy, Options, register};
use crate::value::Value;

/// The serial number, byte by byte, and a counter for whatever needs more.
struct Fixed;

impl Entropy for Fixed {
    fn fill(&self, _: &mut State, out: &mut [u8]) -> Result<(), Error> {
        for (i, byte) in out.iter_mut().enumerate() {
            *byte = if i == 0 { 0x8F } else { i as u8 + 1 };
        }
        Ok(())
    }
}

impl Clock for Fixed {
    fn now(&self, _: &mut State) -> (i64, u32) {
        (1_700_000_000, 123_456_789)
    }
}

fn render(template: &str, data: &Json) -> Result<String, String> {
    let options = Options {
        entropy: Arc::new(Fixed),
        clock: Arc::new(Fixed),
        ..Options::default()
    };
    let mut funcs = Functions::new();
    register(&mut funcs, &options);
    let mut set = TemplateSet::new("root", Arc::new(funcs));
    set.add("t", template).map_err(|e| e.to_string())?;
    let mut state = State::new(Limits::default());
    Arc::new(set)
        .execute("t", &Value::from_json(data), &mut state)
        .map_err(|e| e.to_string())
}

/// All but the signature, which ECDSA makes anew each time.
fn body(cert: &str) -> Vec<u8> {
    let block = pem::decode(cert).unwrap();
    let mut certificate = Reader(&block.bytes).enter(der::SEQUENCE).unwrap();
    certificate.take(der::SEQUENCE).unwrap().raw.to_vec()
}

#[test]
fn certificates_are_those_of_go() {
    let mut count = 0;
    for line in include_str!("../../../tests/fixtures/certificates.jsonl").lines() {
        let row: Json = serde_json::from_str(line).unwrap();
        let template = match row["f"].as_str().unwrap() {
            "genCAWithKey" => "{{ $c := genCAWithKey .cn (int .days) .key }}",
            "genSelfSignedCertWithKey" => {
                "{{ $c := genSelfSignedCertWithKey .cn (default list .ips) (default list .dns) (int .days) .key }}"
            }
            _ => {
                "{{ $ca := buildCustomCert (b64enc .caCert) (b64enc .caKey) }}\
                 {{ $c := genSignedCertWithKey .cn (default list .ips) (default list .dns) (int .days) $ca .key }}"
            }
        };
        let name = format!("{} {} {:?}", row["f"], row["name"], row["cn"]);
        let made = render(&format!("{template}{{{{ $c.Cert }}}}|{{{{ $c.Key }}}}"), &row).unwrap();
        let (cert, key) = made.split_once('|').unwrap();
        let want = row["cert"].as_str().unwrap();
        assert_eq!(key, row["keyOut"].as_str().unwrap(), "{name}");
        assert_eq!(body(cert), body(want), "{name}");
        let signed_anew = row["name"].as_str().unwrap().starts_with('p');
        assert!(signed_anew || cert == want, "{name}: another signature");
        if signed_anew {
            let signer = row.get("caKey").unwrap_or(&row["key"]).as_str().unwrap();
            assert!(verifies(cert, signer), "{name}: bad signature");
        }
        count += 1;
    }
    assert!(count > 40, "{count}");
}

/// Whether the certificate's ECDSA signature is that of the key, over the digest its curve asks for.
fn verifies(cert: &str, signer: &str) -> bool {
    let block = pem::decode(cert).unwrap();
    let mut certificate = Reader(&block.bytes).enter(der::SEQUENCE).unwrap();
    let body = certificate.take(der::SEQUENCE).unwrap().raw;
    certificate.take(der::SEQUENCE).unwrap();
    let signature = &certificate.take(der::BIT_STRING).unwrap().content[1..];
    match PrivateKey::from_pem(signer).unwrap() {
        PrivateKey::P256(key) => {
            let signature = p256::ecdsa::Signature::from_der(signature).unwrap();
            key.verifying_key()
                .verify_prehash(&Sha256::digest(body), &signature)
                .is_ok()
        }
        PrivateKey::P384(key) => {
            let signature = p384::ecdsa::Signature::from_der(signature).unwrap();
            key.verifying_key()
                .verify_prehash(&Sha384::digest(body), &signature)
                .is_ok()
        }
        PrivateKey::P521(key) => {
            let signature = p521::ecdsa::Signature::from_der(signature).unwrap();
            key.verifying_key()
                .verify_prehash(&Sha512::digest(body), &signature)
                .is_ok()
        }
        _ => false,
    }
}

#[test]
fn the_same_entropy_makes_the_same_keys() {
    for kind in ["ecdsa", "ed25519"] {
        let template = format!("{{{{ genPrivateKey {kind:?} }}}}");
        assert_eq!(render(&template, &Json::Null), render(&template, &Json::Null));
    }
    let rsa = "{{ (genCA \"x\" 1).Key }}";
    assert_eq!(render(rsa, &Json::Null), render(rsa, &Json::Null));
}

#[test]
fn keys_of_all_kinds_read_back() {
    for (kind, label) in [("rsa", "RSA PRIVATE KEY"), ("dsa", "DSA PRIVATE KEY")] {
        let mut funcs = Functions::new();
        register(&mut funcs, &Options::default());
        let mut set = TemplateSet::new("root", Arc::new(funcs));
        set.add("t", format!("{{{{ genPrivateKey {kind:?} }}}}")).unwrap();
        let mut state = State::new(Limits::default());
        let key = Arc::new(set).execute("t", &Value::Nil, &mut state).unwrap();
        let block = pem::decode(&key).unwrap();
        assert_eq!(block.label, label);
        let read = PrivateKey::from_pem(&key).unwrap();
        assert_eq!(read.to_pem().unwrap(), key);
        let mut numbers = Reader(&block.bytes).enter(der::SEQUENCE).unwrap();
        let mut lengths = Vec::new();
        while let Some(number) = numbers.take(der::INTEGER) {
            lengths.push(number.content.iter().skip_while(|b| **b == 0).count());
        }
        match kind {
            "rsa" => assert_eq!((lengths.len(), lengths[1]), (9, 512)),
            _ => assert_eq!((lengths.len(), lengths[1], lengths[2]), (6, 256, 32)),
        }
    }
}
