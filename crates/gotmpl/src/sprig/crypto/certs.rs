//! X.509 certificates, shaped as sprig makes them with Go's `x509.CreateCertificate`.

use std::borrow::Cow;
use std::net::IpAddr;

use sha1::{Digest, Sha1};

use crate::date::{Duration, Time, Zone};
use crate::error::Error;
use crate::exec::State;
use crate::fmt::to_str;
use crate::func::{Functions, GoType, Obj};
use crate::value::{List, Object, Str, Value};

use super::super::encoding::base64_decode;
use super::super::options::Options;
use super::der::{self, Reader};
use super::keys::PrivateKey;
use super::pem;

/// sprig's `certificate`: a certificate and its key, both in PEM.
#[derive(Debug, Clone)]
pub struct Certificate {
    cert: Str,
    key: Str,
}

impl GoType for Certificate {
    const NAME: &'static str = "sprig.certificate";
}

impl Object for Certificate {
    fn type_name(&self) -> Cow<'static, str> {
        Self::NAME.into()
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Cert" => Some(Value::String(self.cert.clone())),
            "Key" => Some(Value::String(self.key.clone())),
            _ => None,
        }
    }

    fn fields(&self) -> Vec<(Cow<'static, str>, Value)> {
        let text = |s: &Str| Value::String(s.clone());
        vec![("Cert".into(), text(&self.cert)), ("Key".into(), text(&self.key))]
    }

    fn equals(&self, other: &dyn Object) -> bool {
        let other: &dyn std::any::Any = other;
        let other = other.downcast_ref::<Certificate>();
        other.is_some_and(|other| self.cert == other.cert && self.key == other.key)
    }
}

type Made = Result<Value, Error>;

pub(super) fn register(funcs: &mut Functions, options: &Options) {
    funcs.add("buildCustomCert", |cert: Str, key: Str| build_custom(&cert, &key));
    let make = Maker {
        options: options.clone(),
    };
    let m = make.clone();
    funcs.add("genCA", move |state: &mut State, cn: Str, days: i64| -> Made {
        let key = m.new_key(state)?;
        m.certificate(
            state,
            &Request {
                ca: true,
                ..Request::new(&cn, days)
            },
            &key,
            None,
        )
    });
    let m = make.clone();
    funcs.add(
        "genCAWithKey",
        move |state: &mut State, cn: Str, days: i64, key: Str| -> Made {
            let key = read_key(&key)?;
            m.certificate(
                state,
                &Request {
                    ca: true,
                    ..Request::new(&cn, days)
                },
                &key,
                None,
            )
        },
    );
    let m = make.clone();
    funcs.add(
        "genSelfSignedCert",
        move |state: &mut State, cn: Str, ips: List, dns: List, days: i64| -> Made {
            let request = Request::new(&cn, days).with_names(&ips, &dns)?;
            let key = m.new_key(state)?;
            m.certificate(state, &request, &key, None)
        },
    );
    let m = make.clone();
    funcs.add(
        "genSelfSignedCertWithKey",
        move |state: &mut State, cn: Str, ips: List, dns: List, days: i64, key: Str| -> Made {
            let key = read_key(&key)?;
            let request = Request::new(&cn, days).with_names(&ips, &dns)?;
            m.certificate(state, &request, &key, None)
        },
    );
    let m = make.clone();
    funcs.add(
        "genSignedCert",
        move |state: &mut State, cn: Str, ips: List, dns: List, days: i64, ca: Obj<Certificate>| -> Made {
            let issuer = Issuer::read(&ca)?;
            let request = Request::new(&cn, days).with_names(&ips, &dns)?;
            let key = m.new_key(state)?;
            m.certificate(state, &request, &key, Some(&issuer))
        },
    );
    let m = make;
    funcs.add(
        "genSignedCertWithKey",
        move |state: &mut State,
              cn: Str,
              ips: List,
              dns: List,
              days: i64,
              ca: Obj<Certificate>,
              key: Str|
              -> Made {
            let key = read_key(&key)?;
            let issuer = Issuer::read(&ca)?;
            let request = Request::new(&cn, days).with_names(&ips, &dns)?;
            m.certificate(state, &request, &key, Some(&issuer))
        },
    );
}

fn read_key(text: &Str) -> Result<PrivateKey, Error> {
    PrivateKey::from_pem(&text.to_str_lossy()).map_err(|e| Error::new(format!("parsing private key: {e}")))
}

fn build_custom(cert: &Str, key: &Str) -> Result<Value, Error> {
    let decoded = |text: &Str, what: &str| {
        base64_decode(text.as_bytes())
            .map(Str::from)
            .map_err(|_| Error::new(format!("unable to decode base64 {what}")))
    };
    let cert = decoded(cert, "certificate")?;
    let key = decoded(key, "private key")?;
    Parsed::from_pem(&cert, "decodedCert.Bytes")?;
    PrivateKey::from_pem(&key.to_str_lossy())
        .map_err(|e| Error::new(format!("error parsing private key: {e}")))?;
    Ok(Value::object(Certificate { cert, key }))
}

/// What of a certificate its issuer needs.
struct Parsed {
    /// The subject's name, encoded.
    subject: Vec<u8>,
    /// The public key with its algorithm, encoded.
    public_key: Vec<u8>,
    key_id: Option<Vec<u8>>,
}

impl Parsed {
    fn from_pem(text: &Str, what: &str) -> Result<Self, Error> {
        let Some(block) = pem::decode(&text.to_str_lossy()) else {
            return Err(Error::new("unable to decode certificate"));
        };
        Self::from_der(&block.bytes).ok_or_else(|| {
            Error::new(format!(
                "error parsing certificate: {what}: x509: malformed certificate"
            ))
        })
    }

    fn from_der(bytes: &[u8]) -> Option<Self> {
        let mut certificate = Reader(bytes).enter(der::SEQUENCE)?;
        let mut body = certificate.enter(der::SEQUENCE)?;
        certificate.take(der::SEQUENCE)?;
        certificate.take(der::BIT_STRING)?;
        let _version = body.take(0xA0);
        body.take(der::INTEGER)?;
        body.take(der::SEQUENCE)?;
        let _issuer = body.take(der::SEQUENCE)?;
        let _validity = body.take(der::SEQUENCE)?;
        let subject = body.take(der::SEQUENCE)?.raw.to_vec();
        let public_key = body.take(der::SEQUENCE)?.raw.to_vec();
        let mut key_id = None;
        while let Some(part) = body.next() {
            if part.tag != 0xA3 {
                continue;
            }
            let mut extensions = Reader(part.content).enter(der::SEQUENCE)?;
            while let Some(mut extension) = extensions.enter(der::SEQUENCE) {
                if extension.take(der::OID)?.content == SUBJECT_KEY_ID {
                    extension.take(0x01);
                    let value = extension.take(der::OCTET_STRING)?.content;
                    key_id = Some(Reader(value).take(der::OCTET_STRING)?.content.to_vec());
                }
            }
        }
        Some(Self {
            subject,
            public_key,
            key_id,
        })
    }
}

struct Issuer {
    parsed: Parsed,
    key: PrivateKey,
}

impl Issuer {
    fn read(ca: &Certificate) -> Result<Self, Error> {
        let parsed = Parsed::from_pem(&ca.cert, "decodedSignerCert.Bytes")?;
        let key = PrivateKey::from_pem(&ca.key.to_str_lossy())
            .map_err(|e| Error::new(format!("error parsing private key: {e}")))?;
        Ok(Self { parsed, key })
    }
}

/// What a certificate is to say.
struct Request {
    common_name: String,
    ca: bool,
    days: i64,
    addresses: Vec<IpAddr>,
    dns_names: Vec<String>,
}

impl Request {
    fn new(common_name: &Str, days: i64) -> Self {
        let common_name = common_name.to_str_lossy().into_owned();
        Self {
            common_name,
            ca: false,
            days,
            addresses: Vec::new(),
            dns_names: Vec::new(),
        }
    }

    fn with_names(mut self, ips: &List, dns: &List) -> Result<Self, Error> {
        for ip in ips.iter() {
            let Some(text) = ip.as_str() else {
                return Err(Error::new(format!(
                    "error parsing ip: {} is not a string",
                    to_str(ip)?
                )));
            };
            let address = text.to_str_lossy().parse();
            self.addresses
                .push(address.map_err(|_| Error::new(format!("error parsing ip: {text}")))?);
        }
        for name in dns.iter() {
            let Some(text) = name.as_str() else {
                let name = to_str(name)?;
                return Err(Error::new(format!(
                    "error processing alternate dns name: {name} is not a string"
                )));
            };
            self.dns_names.push(text.to_str_lossy().into_owned());
        }
        Ok(self)
    }

    fn subject(&self) -> Vec<u8> {
        if self.common_name.is_empty() {
            return der::value(der::SEQUENCE, &[]);
        }
        let printable = |b: u8| b.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&b);
        let tag = if self.common_name.bytes().all(printable) {
            PRINTABLE_STRING
        } else {
            UTF8_STRING
        };
        let name = der::constructed(
            der::SEQUENCE,
            &[
                &der::value(der::OID, COMMON_NAME),
                &der::value(tag, self.common_name.as_bytes()),
            ],
        );
        der::constructed(der::SEQUENCE, &[&der::constructed(der::SET, &[&name])])
    }

    fn alternative_names(&self) -> Result<Vec<u8>, Error> {
        let mut names = Vec::new();
        for name in &self.dns_names {
            if !name.is_ascii() {
                let name = crate::strconv::quote(name.as_bytes());
                return Err(Error::new(format!(
                    "x509: {name} cannot be encoded as an IA5String"
                )));
            }
            names.extend(der::value(0x82, name.as_bytes()));
        }
        for address in &self.addresses {
            names.extend(match address {
                IpAddr::V4(a) => der::value(0x87, &a.octets()),
                IpAddr::V6(a) => match a.to_ipv4_mapped() {
                    Some(a) => der::value(0x87, &a.octets()),
                    None => der::value(0x87, &a.octets()),
                },
            });
        }
        Ok(names)
    }
}

const PRINTABLE_STRING: u8 = 0x13;
const UTF8_STRING: u8 = 0x0C;
const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const KEY_USAGE: &[u8] = &[0x55, 0x1D, 15];
const EXT_KEY_USAGE: &[u8] = &[0x55, 0x1D, 37];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1D, 19];
const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1D, 14];
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1D, 35];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1D, 17];
const SERVER_AUTH: &[u8] = &[0x2B, 6, 1, 5, 5, 7, 3, 1];
const CLIENT_AUTH: &[u8] = &[0x2B, 6, 1, 5, 5, 7, 3, 2];

fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[1, 1, 0xFF] } else { &[] };
    let value = der::value(der::OCTET_STRING, value);
    der::constructed(der::SEQUENCE, &[&der::value(der::OID, oid), critical, &value])
}

/// UTCTime for the years it can show, GeneralizedTime for others.
fn validity_time(time: &Time) -> Result<Vec<u8>, Error> {
    let year = time.civil().year;
    Ok(match year {
        1950..2050 => der::value(0x17, &time.format(b"060102150405Z")),
        0..=9999 => der::value(0x18, &time.format(b"20060102150405Z")),
        _ => {
            return Err(Error::new(
                "asn1: structure error: cannot represent time as GeneralizedTime",
            ));
        }
    })
}

#[derive(Clone)]
struct Maker {
    options: Options,
}

impl Maker {
    fn new_key(&self, state: &mut State) -> Result<PrivateKey, Error> {
        PrivateKey::rsa(state, &*self.options.entropy, 2048)
    }

    /// Signs with the issuer's key, or with the certificate's own where there is no issuer.
    fn certificate(
        &self,
        state: &mut State,
        request: &Request,
        key: &PrivateKey,
        issuer: Option<&Issuer>,
    ) -> Result<Value, Error> {
        let failed = |e: Error| Error::new(format!("error creating certificate: {e}"));
        let cert = self.signed(state, request, key, issuer).map_err(failed)?;
        Ok(Value::object(Certificate {
            cert: Str::from(pem::encode("CERTIFICATE", &cert)),
            key: Str::from(key.to_pem()?),
        }))
    }

    fn signed(
        &self,
        state: &mut State,
        request: &Request,
        key: &PrivateKey,
        issuer: Option<&Issuer>,
    ) -> Result<Vec<u8>, Error> {
        let mut serial = [0; 16];
        self.options.entropy.fill(state, &mut serial)?;
        let (seconds, _) = self.options.clock.now(state);
        let from = Time::from_unix(seconds, 0, Zone::Utc);
        let until = from.add(Duration(
            Duration::HOUR.0.wrapping_mul(24).wrapping_mul(request.days),
        ));
        let (algorithm, public_bits) = key.public()?;
        let public_key = der::constructed(der::SEQUENCE, &[&algorithm, &der::bit_string(&public_bits)]);
        let signer = issuer.map_or(key, |issuer| &issuer.key);
        if let Some(issuer) = issuer {
            let (algorithm, bits) = signer.public()?;
            let own = der::constructed(der::SEQUENCE, &[&algorithm, &der::bit_string(&bits)]);
            if own != issuer.parsed.public_key {
                return Err(Error::new(
                    "x509: provided PrivateKey doesn't match parent's PublicKey",
                ));
            }
        }
        let subject = request.subject();
        let issuer_name = issuer.map_or(&subject, |issuer| &issuer.parsed.subject);
        let authority = issuer
            .filter(|i| i.parsed.subject != subject)
            .and_then(|i| i.parsed.key_id.as_deref());
        let signature_algorithm = signer.signature_algorithm();
        let body = der::constructed(
            der::SEQUENCE,
            &[
                &der::constructed(0xA0, &[&der::integer(&[2])]),
                &der::integer(&serial),
                &signature_algorithm,
                issuer_name,
                &der::constructed(der::SEQUENCE, &[&validity_time(&from)?, &validity_time(&until)?]),
                &subject,
                &public_key,
                &der::constructed(0xA3, &[&extensions(request, &public_bits, authority)?]),
            ],
        );
        let signature = der::bit_string(&signer.sign(&body)?);
        Ok(der::constructed(
            der::SEQUENCE,
            &[&body, &signature_algorithm, &signature],
        ))
    }
}

fn extensions(request: &Request, public_bits: &[u8], authority: Option<&[u8]>) -> Result<Vec<u8>, Error> {
    // Digital signature and key encipherment; a CA may sign certificates too.
    let usage: &[u8] = if request.ca { &[2, 0xA4] } else { &[5, 0xA0] };
    let mut out = extension(KEY_USAGE, true, &der::value(der::BIT_STRING, usage));
    let purposes = [
        der::value(der::OID, SERVER_AUTH),
        der::value(der::OID, CLIENT_AUTH),
    ]
    .concat();
    out.extend(extension(
        EXT_KEY_USAGE,
        false,
        &der::value(der::SEQUENCE, &purposes),
    ));
    let is_ca: &[u8] = if request.ca { &[1, 1, 0xFF] } else { &[] };
    out.extend(extension(
        BASIC_CONSTRAINTS,
        true,
        &der::value(der::SEQUENCE, is_ca),
    ));
    if request.ca {
        let id = der::value(der::OCTET_STRING, &Sha1::digest(public_bits));
        out.extend(extension(SUBJECT_KEY_ID, false, &id));
    }
    if let Some(authority) = authority {
        let id = der::constructed(der::SEQUENCE, &[&der::value(0x80, authority)]);
        out.extend(extension(AUTHORITY_KEY_ID, false, &id));
    }
    let names = request.alternative_names()?;
    if !names.is_empty() {
        let unnamed = request.common_name.is_empty();
        out.extend(extension(
            SUBJECT_ALT_NAME,
            unnamed,
            &der::value(der::SEQUENCE, &names),
        ));
    }
    Ok(der::value(der::SEQUENCE, &out))
}
