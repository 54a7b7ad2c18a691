//! What a file holds that is no archive, as Go's net/http tells it from the beginning of one.

/// How much of a file is looked at. Helm looks at as much of a shorter one, and takes what is missing for zeros.
const LOOKED_AT: usize = 512;

/// Tags that HTML may begin with.
const HTML: [&[u8]; 17] = [
    b"<!DOCTYPE HTML",
    b"<HTML",
    b"<HEAD",
    b"<SCRIPT",
    b"<IFRAME",
    b"<H1",
    b"<DIV",
    b"<FONT",
    b"<TABLE",
    b"<A",
    b"<STYLE",
    b"<TITLE",
    b"<B",
    b"<BODY",
    b"<BR",
    b"<P",
    b"<!--",
];

/// How other files begin that may be taken for a chart.
const BEGINNINGS: [(&[u8], &str); 12] = [
    (b"%PDF-", "application/pdf"),
    (b"%!PS-Adobe-", "application/postscript"),
    (b"\xFE\xFF", "text/plain; charset=utf-16be"),
    (b"\xFF\xFE", "text/plain; charset=utf-16le"),
    (b"\xEF\xBB\xBF", "text/plain; charset=utf-8"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x89PNG\x0D\x0A\x1A\x0A", "image/png"),
    (b"\xFF\xD8\xFF", "image/jpeg"),
    (b"PK\x03\x04", "application/zip"),
    (b"Rar!\x1A\x07\x00", "application/x-rar-compressed"),
    (b"\0asm", "application/wasm"),
];

/// The kind of a file; nothing for one that begins as a gzip file does.
pub(super) fn other_kind(file: &[u8]) -> Option<&'static str> {
    if file.starts_with(b"\x1F\x8B\x08") {
        return None;
    }
    let text = file.trim_ascii_start();
    if HTML.iter().any(|tag| begins_with_tag(text, tag)) {
        return Some("text/html; charset=utf-8");
    }
    if text.starts_with(b"<?xml") {
        return Some("text/xml; charset=utf-8");
    }
    let known = BEGINNINGS
        .iter()
        .find(|(beginning, _)| file.starts_with(beginning));
    if let Some((_, kind)) = known {
        return Some(kind);
    }
    let is_text = |head: &[u8]| !head.iter().any(|byte| is_binary(*byte));
    Some(match file.get(..LOOKED_AT) {
        Some(head) if is_text(head) => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    })
}

fn begins_with_tag(text: &[u8], tag: &[u8]) -> bool {
    let head = text.get(..tag.len()).unwrap_or_default();
    head.eq_ignore_ascii_case(tag) && matches!(text.get(tag.len()), Some(b' ' | b'>'))
}

fn is_binary(byte: u8) -> bool {
    matches!(byte, 0x00..=0x08 | 0x0B | 0x0E..=0x1A | 0x1C..=0x1F)
}
