//! Answers on the wire: documents in the form that was asked for, refusals, streams.

use bytes::Bytes;
use fleetlog_gateway_domain::{Form, Status};
use futures::{Stream, StreamExt as _, stream};
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER, VARY, WARNING,
};
use http::{Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use serde_json::Value;
use std::convert::Infallible;

/// A body of an answer.
pub type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

/// Bodies above this are compressed for who takes that, in bytes.
const COMPRESSED: usize = 128 * 1_024;

/// All bytes of an answer, beside its body.
#[derive(Clone)]
struct Whole(Bytes);

/// A whole body.
fn whole(bytes: Bytes) -> Body {
    StreamBody::new(stream::iter([Ok(Frame::data(bytes))])).boxed_unsync()
}

/// An answer that is known to its end.
pub(crate) fn complete(code: u16, content_type: &str, bytes: impl Into<Bytes>) -> Response<Body> {
    let bytes = bytes.into();
    let mut response = with_type(code, content_type, whole(bytes.clone()));
    response.extensions_mut().insert(Whole(bytes));
    response
}

/// The same answer, compressed if it is large and known to its end.
pub(crate) fn compressed(mut response: Response<Body>) -> Response<Body> {
    use std::io::Write as _;
    let Some(Whole(bytes)) = response.extensions_mut().remove::<Whole>() else { return response };
    if bytes.len() <= COMPRESSED {
        return response;
    }
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    let Ok(packed) = encoder.write_all(&bytes).and_then(|()| encoder.finish()) else {
        return response;
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    *response.body_mut() = whole(packed.into());
    response
}

/// An answer with a content type.
fn with_type(code: u16, content_type: &str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(content_type) {
        headers.insert(CONTENT_TYPE, value);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// A text.
pub(crate) fn text(code: u16, text: &str) -> Response<Body> {
    complete(code, "text/plain; charset=utf-8", text.to_owned())
}

/// A document, as JSON or, where that was asked for, as YAML.
pub(crate) fn document(code: u16, form: Form, document: &Value) -> Response<Body> {
    match form {
        Form::Yaml => {
            let text = fleetlog_objects::to_yaml(document);
            complete(code, "application/yaml", text)
        }
        Form::Json | Form::Table(_) | Form::Metadata => {
            complete(code, "application/json", serde_json::to_vec(document).unwrap_or_default())
        }
    }
}

/// A refusal.
pub(crate) fn refused(status: &Status) -> Response<Body> {
    let mut response = document(status.code, Form::Json, &status.body());
    let headers = response.headers_mut();
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    if status.retry_after > 0 {
        headers.insert(RETRY_AFTER, HeaderValue::from(status.retry_after));
    }
    response
}

/// Puts warnings on an answer (RFC 7234, section 5.5), each once.
pub(crate) fn warn(response: &mut Response<Body>, warnings: &[String]) {
    let mut said: Vec<&String> = vec![];
    for warning in warnings.iter().filter(|text| !text.is_empty()) {
        if said.contains(&warning) {
            continue;
        }
        said.push(warning);
        let escaped = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{escaped}\"")) {
            response.headers_mut().append(WARNING, value);
        }
    }
}

/// A stream of JSON documents, each ended by a new line.
pub(crate) fn stream_of(lines: impl Stream<Item = Bytes> + Send + 'static) -> Response<Body> {
    let frames = lines.map(|line| Ok(Frame::data(line)));
    with_type(200, "application/json", StreamBody::new(frames).boxed_unsync())
}
