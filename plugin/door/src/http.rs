//! Requests by `wasi:http`, with limits on time and on the size of answers.

use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme,
};
use wasip2::io::poll::{Pollable, poll};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

/// Time for one request, from its first byte to the last one of its answer, nanoseconds.
const PATIENCE_NS: u64 = 15_000_000_000;
/// Maximum size of an answer, bytes.
const MOST_BYTES: usize = 8 << 20;
/// Size of one piece of a body: the largest that a host must take at once.
const PIECE_BYTES: usize = 4 << 10;

/// Address of a server.
pub(super) struct Server {
    pub(super) scheme: Scheme,
    /// Host, and port if it is not the scheme's.
    pub(super) authority: String,
}

/// One request.
pub(super) struct Request<'a> {
    pub(super) server: &'a Server,
    pub(super) path: &'a str,
    /// Value of the header `authorization`.
    pub(super) authorization: &'a str,
    /// JSON to send by POST; none for GET.
    pub(super) body: Option<&'a str>,
}

/// Complete answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

/// Sends a request and reads its answer; the error is one clause without the request's content.
pub(super) fn exchange(request: &Request<'_>) -> Result<Answer, String> {
    let deadline = subscribe_duration(PATIENCE_NS);
    let response = respond(request, &deadline)?;
    let (status, headers) = (response.status(), response.headers().entries());
    let incoming = response.consume().map_err(|()| "the answer has no body")?;
    let body = read(&incoming, &deadline)?;
    Ok(Answer { status, headers, body })
}

fn respond(request: &Request<'_>, deadline: &Pollable) -> Result<IncomingResponse, String> {
    let outgoing = outgoing(request)?;
    let body = outgoing.body().map_err(|()| "no body can be sent")?;
    let pending = outgoing_handler::handle(outgoing, Some(options())).map_err(|code| said(&code))?;
    let sent = send(body, request.body.unwrap_or_default(), deadline);
    let arrived = pending.subscribe();
    loop {
        // A server may answer before it has read the whole request, and close it.
        if let Some(response) = pending.get() {
            let response = response.map_err(|()| "the answer was taken already")?;
            return response.map_err(|code| sent.err().unwrap_or_else(|| said(&code)));
        }
        wait(&arrived, deadline)?;
    }
}

fn send(body: OutgoingBody, text: &str, deadline: &Pollable) -> Result<(), String> {
    if !text.is_empty() {
        let stream = body.write().map_err(|()| "no body can be sent")?;
        write(&stream, text.as_bytes(), deadline)?;
    }
    OutgoingBody::finish(body, None).map_err(|code| said(&code))
}

fn outgoing(request: &Request<'_>) -> Result<OutgoingRequest, String> {
    let mut headers = vec![("authorization".to_owned(), request.authorization.as_bytes().to_vec())];
    if let Some(body) = request.body {
        headers.push(("content-type".to_owned(), b"application/json".to_vec()));
        headers.push(("content-length".to_owned(), body.len().to_string().into_bytes()));
    }
    let headers = Fields::from_list(&headers).map_err(|_| "the runtime refuses a header of the request")?;
    let outgoing = OutgoingRequest::new(headers);
    let method = if request.body.is_some() { Method::Post } else { Method::Get };
    outgoing
        .set_method(&method)
        .and_then(|()| outgoing.set_scheme(Some(&request.server.scheme)))
        .and_then(|()| outgoing.set_authority(Some(&request.server.authority)))
        .and_then(|()| outgoing.set_path_with_query(Some(request.path)))
        .map_err(|()| "the runtime refuses the address of the request")?;
    Ok(outgoing)
}

/// Returns the limits for runtimes that apply them; the deadline holds in all.
fn options() -> RequestOptions {
    let options = RequestOptions::new();
    let _ = options.set_connect_timeout(Some(PATIENCE_NS));
    let _ = options.set_first_byte_timeout(Some(PATIENCE_NS));
    let _ = options.set_between_bytes_timeout(Some(PATIENCE_NS));
    options
}

fn write(stream: &OutputStream, bytes: &[u8], deadline: &Pollable) -> Result<(), String> {
    let broken = |_: StreamError| "the request could not be sent";
    let room = stream.subscribe();
    let mut left = bytes;
    while !left.is_empty() {
        let admitted = usize::try_from(stream.check_write().map_err(broken)?).unwrap_or(usize::MAX);
        let (piece, rest) = left.split_at(left.len().min(admitted).min(PIECE_BYTES));
        if piece.is_empty() {
            wait(&room, deadline)?;
        } else {
            stream.write(piece).map_err(broken)?;
        }
        left = rest;
    }
    stream.flush().map_err(broken)?;
    loop {
        // Zero until everything was flushed.
        if stream.check_write().map_err(broken)? > 0 {
            return Ok(());
        }
        wait(&room, deadline)?;
    }
}

fn read(incoming: &IncomingBody, deadline: &Pollable) -> Result<Vec<u8>, String> {
    let stream: InputStream = incoming.stream().map_err(|()| "the answer has no body")?;
    let more = stream.subscribe();
    let mut body = Vec::new();
    loop {
        match stream.read(64 << 10) {
            Ok(piece) if piece.is_empty() => wait(&more, deadline)?,
            Ok(piece) => body.extend(piece),
            Err(StreamError::Closed) => return Ok(body),
            Err(StreamError::LastOperationFailed(_)) => return Err("the answer broke off".to_owned()),
        }
        if body.len() > MOST_BYTES {
            return Err(format!("the answer has more than {} MiB", MOST_BYTES >> 20));
        }
    }
}

/// Waits for an event, as long as the request may take.
fn wait(event: &Pollable, deadline: &Pollable) -> Result<(), String> {
    // The deadline is the second of the two.
    if poll(&[event, deadline]) == [1] {
        return Err(format!("no answer within {} s", PATIENCE_NS / 1_000_000_000));
    }
    Ok(())
}

fn said(code: &ErrorCode) -> String {
    let why = match code {
        ErrorCode::DnsTimeout | ErrorCode::DnsError(_) | ErrorCode::DestinationNotFound => "the host was not found",
        ErrorCode::DestinationUnavailable | ErrorCode::ConnectionRefused => "nothing answers at that address",
        ErrorCode::ConnectionTerminated => "the connection was closed",
        ErrorCode::ConnectionTimeout | ErrorCode::HttpResponseTimeout => "the connection took too long",
        ErrorCode::TlsProtocolError | ErrorCode::TlsCertificateError | ErrorCode::TlsAlertReceived(_) => "TLS failed",
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => {
            "the runtime denies it: allow the component to send requests to this host"
        }
        _ => "the runtime could not send the request, or could not read the answer",
    };
    why.to_owned()
}
