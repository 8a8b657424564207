//! Hostile Management API. Every behaviour begins after a request.

use crate::behaviour::{Behaviour, Kind, Stage, Then};
use crate::postgres::SILENT;

const UNREACHABLE: &[&str] = &["server-unreachable", "deadline-exceeded"];
const UNEXPECTED: &[&str] = &["unexpected-answer", "server-unreachable"];

const fn answers(
    name: &'static str,
    does: &'static str,
    first: fn() -> Vec<u8>,
    then: Then,
    faults: &'static [&'static str],
) -> Behaviour {
    Kind::Management.at(Stage::Statement, name, does, first, then, faults)
}

/// Creates a behaviour that exceeds the limit on an answer.
const fn beyond(name: &'static str, does: &'static str, first: fn() -> Vec<u8>, then: Then) -> Behaviour {
    Kind::Management.beyond(Stage::Statement, name, does, first, then, "api_bytes")
}

fn nothing() -> Vec<u8> {
    Vec::new()
}

/// Formats the head of a response, with additional headers.
fn head(status: &str, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}\r\n").into_bytes()
}

/// Formats a whole response.
fn whole(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = format!("content-length: {}\r\n{headers}", body.len());
    [head(status, &length), body.to_vec()].concat()
}

fn chunk(body: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n"].concat()
}

fn endless_chunks(_: u64) -> Vec<u8> {
    chunk(&[b' '; 1024])
}

/// Compresses 256 MiB of spaces with gzip to about 256 kB: one literal, and then copies of 258 bytes.
fn gzip_bomb() -> Vec<u8> {
    let mut body = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut bits = Bits::default();
    // One final block with fixed codes: a space, then copies of it at distance 1.
    bits.put(0b011, 3);
    bits.put_code(0x30 + 0x20, 8);
    for _ in 0..1_040_000 {
        // Length 258 is code 285, and distance 1 is code 0 of five bits.
        bits.put_code(0b1100_0101, 8);
        bits.put_code(0, 5);
    }
    bits.put_code(0, 7);
    body.extend(bits.finish());
    whole("200 OK", "content-encoding: gzip\r\n", &body)
}

/// Bit writer for deflate, which starts at the lowest bit of each byte.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    partial: u32,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        self.partial |= value << self.count;
        self.count += count;
        while self.count >= 8 {
            self.bytes.push(self.partial.to_le_bytes()[0]);
            self.partial >>= 8;
            self.count -= 8;
        }
    }

    /// Writes a code, which is packed from its highest bit.
    fn put_code(&mut self, code: u32, count: u32) {
        self.put(code.reverse_bits() >> (32 - count), count);
    }

    fn finish(mut self) -> Vec<u8> {
        self.put(0, 7);
        self.bytes
    }
}

/// All behaviours of this server.
pub(crate) const BEHAVIOURS: &[Behaviour] = &[
    answers("silent", "says nothing after a request", nothing, Then::Silence, SILENT),
    answers("closed", "closes the connection after a request", nothing, Then::Close, UNREACHABLE),
    answers(
        "silent-in-the-head",
        "stops in the middle of the headers",
        || b"HTTP/1.1 200 OK\r\ncontent-ty".to_vec(),
        Then::Silence,
        SILENT,
    ),
    answers(
        "silent-in-the-body",
        "stops in the middle of the body",
        || [head("200 OK", "content-length: 100\r\n"), b"[{".to_vec()].concat(),
        Then::Silence,
        SILENT,
    ),
    answers(
        "byte-a-second",
        "answers at a byte a second",
        nothing,
        Then::Trickle(|| whole("200 OK", "", b"[]")),
        SILENT,
    ),
    answers(
        "endless-headers",
        "sends headers for ever",
        || b"HTTP/1.1 200 OK\r\n".to_vec(),
        Then::Repeat(|n| format!("x-{n}: y\r\n").into_bytes()),
        UNREACHABLE,
    ),
    answers(
        "endless-header",
        "sends a header without end",
        || b"HTTP/1.1 200 OK\r\nx: ".to_vec(),
        Then::Repeat(|_| vec![b'y'; 1024]),
        UNREACHABLE,
    ),
    answers(
        "endless-continue",
        "asks for more of the request for ever",
        nothing,
        Then::Repeat(|_| b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
        // Limit `api_bytes`, or the statement's timeout on a machine that reads more slowly.
        &["limit-exceeded", "server-unreachable", "deadline-exceeded"],
    ),
    beyond(
        "endless-chunks",
        "sends a body in chunks for ever",
        || head("200 OK", "transfer-encoding: chunked\r\n"),
        Then::Repeat(endless_chunks),
    ),
    beyond(
        "endless-body",
        "sends a body without a length for ever",
        || head("200 OK", "connection: close\r\n"),
        Then::Repeat(|_| vec![b' '; 1024]),
    ),
    beyond(
        "two-gib-body",
        "announces a body of 2 GiB and sends it",
        || head("200 OK", "content-length: 2147483647\r\n"),
        Then::Repeat(|_| vec![b' '; 1024]),
    ),
    beyond(
        "endless-error",
        "refuses with a body without end",
        || head("500 Internal Server Error", "transfer-encoding: chunked\r\n"),
        Then::Repeat(endless_chunks),
    ),
    answers(
        "chunk-of-all-memory",
        "announces a chunk of 16 EiB",
        || [head("200 OK", "transfer-encoding: chunked\r\n"), b"ffffffffffffffff\r\n[".to_vec()].concat(),
        Then::Silence,
        SILENT,
    ),
    answers(
        "chunk-without-number",
        "sends a chunk whose length is no number",
        || [head("200 OK", "transfer-encoding: chunked\r\n"), b"many\r\n[]\r\n".to_vec()].concat(),
        Then::Silence,
        UNREACHABLE,
    ),
    answers(
        "length-negative",
        "announces a body of -1 bytes",
        || [head("200 OK", "content-length: -1\r\n"), b"[]".to_vec()].concat(),
        Then::Silence,
        UNREACHABLE,
    ),
    answers(
        "two-lengths",
        "announces two lengths",
        || [head("200 OK", "content-length: 2\r\ncontent-length: 7\r\n"), b"[]".to_vec()].concat(),
        Then::Silence,
        UNREACHABLE,
    ),
    answers(
        "body-truncated",
        "closes the connection in the middle of the body",
        || [head("200 OK", "content-length: 100\r\n"), b"[{".to_vec()].concat(),
        Then::Close,
        UNREACHABLE,
    ),
    answers(
        "no-http",
        "answers in another protocol",
        || b"220 mail.example ESMTP\r\n".to_vec(),
        Then::Silence,
        UNREACHABLE,
    ),
    beyond("deep-json", "nests arrays 200,000 deep", || whole("200 OK", "", &vec![b'['; 200_000]), Then::Continue),
    beyond(
        "wide-json",
        "answers with 3,500,000 numbers in 7 MB",
        || whole("200 OK", "", &[b"[".as_slice(), &b"0,".repeat(3_500_000), b"0]"].concat()),
        Then::Continue,
    ),
    beyond(
        "empty-objects",
        "answers with 2,300,000 empty objects in 7 MB",
        || whole("200 OK", "", &[b"[".as_slice(), &b"{},".repeat(2_300_000), b"{}]"].concat()),
        Then::Continue,
    ),
    answers(
        "gzip-bomb",
        "answers with 256 MiB in 1.7 MB of gzip that nobody asked for",
        gzip_bomb,
        Then::Continue,
        &["unexpected-answer", "limit-exceeded"],
    ),
    answers(
        "redirect",
        "sends the token elsewhere",
        || whole("302 Found", "location: http://127.0.0.1:1/elsewhere\r\n", b""),
        Then::Continue,
        UNEXPECTED,
    ),
    answers(
        "not-utf8",
        "answers in bytes that are no UTF-8",
        || whole("200 OK", "", b"[{\"identifier\":\"\xff\xfe\"}]"),
        Then::Continue,
        UNEXPECTED,
    ),
    answers(
        "wrong-types",
        "answers with JSON of another form",
        || whole("200 OK", "", b"{\"default_pool_size\":{\"a\":[1e999]}}"),
        Then::Continue,
        UNEXPECTED,
    ),
    answers(
        "rate-limit-for-ever",
        "asks to be left alone for 136 years",
        || whole("429 Too Many Requests", "retry-after: 4294967295\r\n", b"{\"message\":\"later\"}"),
        Then::Continue,
        &["overloaded"],
    ),
];
