//! What a browser may not be made to do by a page from elsewhere. Nothing here knows who asks.

use axum::http::header::{HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use std::net::IpAddr;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The name and port that the client believes to talk to.
pub(super) fn host(parts: &Parts) -> Option<&str> {
    let named = parts.uri.authority().map(|authority| authority.as_str());
    // What is no text is no name that anything here would compare with.
    named.or_else(|| parts.headers.get(HOST).map(|host| host.to_str().unwrap_or_default()))
}

/// Whether a host names this machine to itself. Where anybody on the machine may do everything, a browser must not be
/// led here by a name that somebody else gives out for 127.0.0.1.
pub(super) fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let name = name.to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a browser sends this.
pub(super) fn is_from_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(SEC_FETCH_SITE) || headers.contains_key(ORIGIN)
}

/// Whether a browser sends this for a page that is not one of `hosts`. Other ports of a host are other pages. A
/// program that is no browser says nothing of the kind.
pub(super) fn is_cross_site(headers: &HeaderMap, hosts: &[&str]) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        // `none`: the person did it, no page.
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let from = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    !from.is_some_and(|(_, from)| hosts.iter().any(|host| host.eq_ignore_ascii_case(from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine_are_local_and_names_that_begin_like_them_are_not() {
        for host in ["localhost", "LOCALHOST:9001", "larder.localhost:80", "127.0.0.1:9001", "127.1.2.3", "[::1]:9001"]
        {
            assert!(is_local(host), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example:9001", "127.0.0.1.evil.example", "10.0.0.1:9001", "[::2]"]
        {
            assert!(!is_local(host), "{host}");
        }
    }

    #[test]
    fn what_the_browser_says_of_the_page_decides() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let pair = |(name, value): &(&'static str, &'static str)| {
                (HeaderName::from_static(name), axum::http::HeaderValue::from_static(value))
            };
            pairs.iter().map(pair).collect::<HeaderMap>()
        };
        for (sent, is) in [
            (&[][..], false),
            (&[("sec-fetch-site", "same-origin"), ("origin", "https://larder.example")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("sec-fetch-site", "cross-site"), ("origin", "http://worker:9001")], true),
            (&[("origin", "http://worker:9001")], false),
            (&[("origin", "http://worker:8080")], true),
            (&[("origin", "http://evil.example")], true),
            (&[("origin", "null")], true),
        ] {
            assert_eq!(is_cross_site(&headers(sent), &["worker:9001"]), is, "{sent:?}");
        }
    }
}
