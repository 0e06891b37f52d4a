//! Answers to requests that no operation sees.

use std::borrow::Cow;
use std::fmt::Write as _;

use http::{HeaderValue, Response, StatusCode};
use s3s::Body;

/// An error with all that S3 says of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    /// Further elements of the error document, by their names.
    details: Vec<(&'static str, String)>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), details: Vec::new() }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.details.push((name, value.to_string()));
        self
    }

    pub(super) fn response(&self, request_id: &str) -> Response<Body> {
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{}</Code><Message>{}</Message>",
            self.code,
            escaped(&self.message)
        );
        for (name, value) in &self.details {
            write!(xml, "<{name}>{}</{name}>", escaped(value)).expect("a string takes all");
        }
        write!(xml, "<RequestId>{request_id}</RequestId></Error>").expect("a string takes all");
        let mut response = Response::new(Body::from(xml));
        *response.status_mut() = self.status;
        response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        response
    }
}

/// Text as XML holds it. Control characters, for which XML has no form, are left out.
fn escaped(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            character if character.is_control() => {}
            character => xml.push(character),
        }
    }
    xml
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_sent_stays_text() {
        let refusal =
            Refusal::new(StatusCode::BAD_REQUEST, "InvalidArgument", "no").with("ArgumentValue", "<a&\u{1}\">");
        let body = refusal.response("7").into_body().bytes().expect("a body in memory");
        let text = String::from_utf8_lossy(&body);
        assert!(text.ends_with(
            "<Message>no</Message><ArgumentValue>&lt;a&amp;&quot;&gt;</ArgumentValue><RequestId>7</RequestId></Error>"
        ));
    }
}
