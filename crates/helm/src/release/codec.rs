//! base64(gzip(json)), as Helm's storage drivers pack a record (`pkg/storage/driver/util.go`).
//!
//! A record is two gzip members: the chart, which the releases of one chart share compressed, and the rest. Readers of
//! gzip (Go's, zlib's command-line tools, flate2's multi decoder) read members as one stream.

use std::borrow::Cow;
use std::io::{Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::Serialize;

use super::{Error, Release};

/// Default of [`DecodeLimits::max_decoded_bytes`].
pub const MAX_DECODED_BYTES: u64 = 32 << 20;

/// Default of [`DecodeLimits::max_values`].
pub const MAX_VALUES: usize = 1_000_000;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b, 0x08];

/// What a record may cost to read.
#[derive(Clone, Copy, Debug)]
pub struct DecodeLimits {
    /// Bytes of JSON after decompression.
    pub max_decoded_bytes: u64,
    /// Values in the JSON: scalars, arrays, objects and keys.
    pub max_values: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        DecodeLimits {
            max_decoded_bytes: MAX_DECODED_BYTES,
            max_values: MAX_VALUES,
        }
    }
}

/// Packs a record into the text of a Secret's `release` key.
///
/// # Errors
/// When the record can not be serialised or compressed.
pub fn encode(release: &Release) -> Result<String, Error> {
    Ok(text(&pack(release)?))
}

/// A compressed record as the text of a Secret's `release` key.
pub fn text(packed: &[u8]) -> String {
    to_base64(packed)
}

/// Compresses a record.
///
/// # Errors
/// When the record can not be serialised or compressed, or is larger than [`MAX_DECODED_BYTES`]: it could not be read
/// again.
pub fn pack(release: &Release) -> Result<Vec<u8>, Error> {
    let chart = release.chart.compressed()?;
    let rest = serde_json::to_vec(&Rest::from(release)).map_err(Error::Serialize)?;
    if plain_bytes(chart) + rest.len() as u64 > MAX_DECODED_BYTES {
        return Err(Error::TooLarge {
            limit: MAX_DECODED_BYTES,
        });
    }
    let rest = gzip(rest.get(1..).unwrap_or_default())?;
    let mut bytes = Vec::with_capacity(chart.len() + rest.len());
    bytes.extend_from_slice(chart);
    bytes.extend_from_slice(&rest);
    Ok(bytes)
}

/// The size of a gzip member's content, which the member ends with.
fn plain_bytes(member: &[u8]) -> u64 {
    let size = member.last_chunk().copied().map(u32::from_le_bytes);
    size.map_or(0, u64::from)
}

/// Reads the text of a Secret's `release` key. Records from before compression are read too.
///
/// # Errors
/// When the text is not such a record, or passes a limit.
pub fn decode(text: &str, limits: &DecodeLimits) -> Result<Release, Error> {
    unpack(
        &STANDARD.decode(text.trim_ascii()).map_err(Error::Base64)?,
        limits,
    )
}

/// Reads a compressed record.
///
/// # Errors
/// When the bytes are not such a record, or pass a limit.
pub fn unpack(packed: &[u8], limits: &DecodeLimits) -> Result<Release, Error> {
    let json = if packed.starts_with(GZIP_MAGIC) {
        let mut json = Vec::new();
        MultiGzDecoder::new(packed)
            .take(limits.max_decoded_bytes.saturating_add(1))
            .read_to_end(&mut json)
            .map_err(Error::Decompress)?;
        Cow::Owned(json)
    } else {
        Cow::Borrowed(packed)
    };
    if json.len() as u64 > limits.max_decoded_bytes {
        return Err(Error::TooLarge {
            limit: limits.max_decoded_bytes,
        });
    }
    if values(&json) > limits.max_values {
        return Err(Error::TooManyValues {
            limit: limits.max_values,
        });
    }
    serde_json::from_slice(&json).map_err(|e| Error::Json {
        line: e.line(),
        column: e.column(),
    })
}

/// The values and keys of a JSON text, counted by what stands between them.
fn values(json: &[u8]) -> usize {
    let mut count = 1;
    let mut rest = json;
    while let Some(at) = rest
        .iter()
        .position(|b| matches!(b, b'"' | b',' | b':' | b'[' | b'{'))
    {
        let (head, tail) = rest.split_at(at + 1);
        rest = tail;
        if head.last() != Some(&b'"') {
            count += 1;
            continue;
        }
        // To the end of the string.
        while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
            let escape = rest.get(at) == Some(&b'\\');
            rest = rest.get(at + 1 + usize::from(escape)..).unwrap_or_default();
            if !escape {
                break;
            }
        }
    }
    count
}

pub(super) fn gzip(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::best());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .map_err(Error::Compress)
}

pub(super) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// A release without its chart; never empty, because `info` is always written.
#[derive(Serialize)]
struct Rest<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    info: &'a super::Info,
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    config: &'a serde_json::Map<String, serde_json::Value>,
    #[serde(skip_serializing_if = "str::is_empty")]
    manifest: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    hooks: &'a [super::Hook],
    #[serde(skip_serializing_if = "super::is_zero")]
    version: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    apply_method: Option<&'a super::ApplyMethod>,
    #[serde(flatten)]
    extra: &'a serde_json::Map<String, serde_json::Value>,
}

impl<'a> From<&'a Release> for Rest<'a> {
    fn from(r: &'a Release) -> Self {
        Rest {
            name: &r.name,
            info: &r.info,
            config: &r.config,
            manifest: &r.manifest,
            hooks: &r.hooks,
            version: r.version,
            namespace: &r.namespace,
            apply_method: r.apply_method.as_ref(),
            extra: &r.extra,
        }
    }
}
