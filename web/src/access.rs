//! Who may do what: every request passes [`guard`] before any route sees it.
//!
//! Without tokens and proxy there is no sign-in: the daemon listens on loopback addresses only, and whoever reaches it
//! may do everything. Then, too, a page from elsewhere in this machine's browser may do nothing.

mod browser;
mod sessions;

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use larder_model::Clock;
use larder_model::admin::{Person, Role};
use serde::Serialize;
use thiserror::Error;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use self::sessions::Sessions;
use crate::settings::{AdminSettings, ProxySettings, TokenError};

/// How long a session lasts.
pub(crate) const SESSION_SECONDS: u64 = sessions::LASTS.as_secs();

/// The browser's cookie with the session's id.
pub(crate) const COOKIE: &str = "larder_session";

/// What pages of Larder's send with each change, and a form on another page cannot.
const ASKED_BY_THE_PAGE: HeaderName = HeaderName::from_static("x-larder-request");

/// Who says a wrong token waits so long for the answer.
const WRONG_TOKEN_WAIT: Duration = Duration::from_secs(1);

/// Wrong tokens that wait at a time; those beyond are turned away at once, and not logged.
const WRONG_TOKENS_MAX: usize = 16;

/// Settings that nobody can come in with. Fix `[admin]` in `larder.toml`.
#[derive(Debug, Error)]
pub enum AccessError {
    /// A token cannot be used.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// No header is called so.
    #[error("`{0}` is no name of a header")]
    Header(String),
}

/// Who may come in. Clones share it.
#[derive(Debug, Clone)]
pub struct Access(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// By their hashes, which are compared in constant time.
    tokens: Vec<(blake3::Hash, Person)>,
    proxy: Option<Proxy>,
    sessions: Sessions,
    /// Whether Trino's mapping asks for a token of its own.
    mapping_has_token: bool,
    wrong_tokens: Semaphore,
}

#[derive(Debug)]
struct Proxy {
    header: HeaderName,
    from: Vec<IpAddr>,
    operators: HashSet<String>,
}

impl Proxy {
    fn new(settings: &ProxySettings) -> Result<Self, AccessError> {
        let header = settings.header.parse().map_err(|_| AccessError::Header(settings.header.clone()))?;
        let from = settings.from.iter().map(IpAddr::to_canonical).collect();
        Ok(Self { header, from, operators: settings.operators.iter().cloned().collect() })
    }

    fn person(&self, headers: &HeaderMap) -> Option<Person> {
        let mut said = headers.get_all(&self.header).iter();
        // A second one was added by somebody else than the proxy: nobody knows which is which.
        let (name, None) = (said.next()?.to_str().ok()?.trim(), said.next()) else { return None };
        let role = if self.operators.contains(name) { Role::Operator } else { Role::Reader };
        (!name.is_empty()).then(|| Person { name: name.to_owned(), role })
    }
}

/// How somebody showed who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// There is no sign-in.
    None,
    /// A token with the request: no browser sends one by itself.
    Token,
    /// A cookie or a proxy's header, which a browser's requests carry whoever made them.
    Ambient,
}

/// Why a request goes no further.
#[derive(Debug)]
enum Refusal {
    /// 401: nobody is signed in.
    SignIn,
    /// 401, after a while: the token is nobody's.
    WrongToken,
    /// 403, in words.
    Forbidden(String),
}

/// What a path asks of those who come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    /// Nothing.
    Open,
    /// To be signed in, also for what comes in: engines hand in their events.
    Inbox,
    /// To be an operator, also for reading: it holds a secret.
    Secret,
    /// To be signed in for reading, and an operator for changing.
    Api,
}

impl Access {
    /// Reads the tokens. With `mapping_has_token`, Trino's mapping asks for a token itself.
    pub fn new(settings: &AdminSettings, mapping_has_token: bool, clock: Arc<dyn Clock>) -> Result<Self, AccessError> {
        let mut tokens = Vec::new();
        for token in &settings.tokens {
            let person = Person { name: token.name.clone(), role: token.role };
            tokens.push((blake3::hash(token.read_token()?.as_bytes()), person));
        }
        Ok(Self(Arc::new(Inner {
            tokens,
            proxy: settings.proxy.as_ref().map(Proxy::new).transpose()?,
            sessions: Sessions::new(clock),
            mapping_has_token,
            wrong_tokens: Semaphore::new(WRONG_TOKENS_MAX),
        })))
    }

    /// Whether anybody has to sign in.
    pub(crate) fn has_sign_in(&self) -> bool {
        !self.0.tokens.is_empty() || self.0.proxy.is_some()
    }

    /// Begins a session for who says a token, and returns its id.
    pub(crate) fn sign_in(&self, token: &str) -> Option<(Person, String)> {
        let person = self.owner(token)?;
        Some((person.clone(), self.0.sessions.begin(person)))
    }

    /// Ends the session that a request carries.
    pub(crate) fn sign_out(&self, headers: &HeaderMap) {
        session_ids(headers).for_each(|id| self.0.sessions.end(id));
    }

    /// The answer to a wrong token: late, so that trying many takes long. Logged without the token.
    pub(crate) async fn wrong_token(&self, peer: SocketAddr) -> Response {
        let Ok(_waiting) = self.0.wrong_tokens.try_acquire() else {
            let answer = problem(StatusCode::TOO_MANY_REQUESTS, "too many wrong tokens at once: try again later");
            return ([(header::RETRY_AFTER, "1")], answer).into_response();
        };
        tracing::warn!(%peer, "somebody said a wrong token to the admin api");
        tokio::time::sleep(WRONG_TOKEN_WAIT).await;
        problem(StatusCode::UNAUTHORIZED, "the token is not one of [[admin.tokens]]")
    }

    fn owner(&self, token: &str) -> Option<Person> {
        let said = blake3::hash(token.as_bytes());
        self.0.tokens.iter().find(|(known, _)| *known == said).map(|(_, person)| person.clone())
    }

    /// The proxy, if it is what this comes from.
    fn proxy_at(&self, peer: SocketAddr) -> Option<&Proxy> {
        self.0.proxy.as_ref().filter(|proxy| proxy.from.contains(&peer.ip().to_canonical()))
    }

    fn who(&self, peer: SocketAddr, headers: &HeaderMap) -> Result<(Person, Proof), Refusal> {
        if !self.has_sign_in() {
            return Ok((Person::local(), Proof::None));
        }
        let token = bearer(headers);
        if let Some(person) = token.and_then(|token| self.owner(token)) {
            return Ok((person, Proof::Token));
        }
        // A token that is not Larder's may be the proxy's own.
        let of_session = session_ids(headers).find_map(|id| self.0.sessions.person(id));
        let person = of_session.or_else(|| self.proxy_at(peer)?.person(headers));
        let refusal = if token.is_some() { Refusal::WrongToken } else { Refusal::SignIn };
        Ok((person.ok_or(refusal)?, Proof::Ambient))
    }

    /// Who asks, if they may ask for this; `None` for what is open to people who are not signed in.
    fn admit(&self, peer: SocketAddr, asked: &Parts) -> Result<Option<Person>, Refusal> {
        let host = browser::host(asked);
        let door = self.door(asked.uri.path());
        let from_browser = browser::is_from_browser(&asked.headers);
        if !self.has_sign_in() && (door != Door::Inbox || from_browser) && !host.is_none_or(browser::is_local) {
            let host = host.unwrap_or_default();
            return Err(Refusal::Forbidden(format!(
                "without a sign-in, Larder answers on this machine's own names only (localhost, 127.0.0.1), not as \
                 `{host}`: configure [[admin.tokens]]"
            )));
        }
        let writes = !matches!(asked.method, Method::GET | Method::HEAD);
        // Behind a proxy, the browser's name for this is the one that the proxy passes on.
        let passed_on = self.proxy_at(peer).and_then(|_| asked.headers.get("x-forwarded-host")?.to_str().ok());
        let hosts: Vec<&str> = host.into_iter().chain(passed_on).collect();
        if writes && browser::is_cross_site(&asked.headers, &hosts) {
            return Err(Refusal::Forbidden("a page from elsewhere may change nothing here".to_owned()));
        }
        let (person, proof) = match self.who(peer, &asked.headers) {
            Ok(who) => who,
            Err(_) if door == Door::Open => return Ok(None),
            Err(refusal) => return Err(refusal),
        };
        if door != Door::Open && writes && proof == Proof::Ambient && !asked.headers.contains_key(ASKED_BY_THE_PAGE) {
            return Err(Refusal::Forbidden("a change by a browser wants the header `X-Larder-Request: 1`".to_owned()));
        }
        let wants_operator = door == Door::Secret || (door == Door::Api && writes);
        if wants_operator && person.role != Role::Operator {
            return Err(Refusal::Forbidden(format!("`{}` may look at things; this is for operators", person.name)));
        }
        Ok(Some(person))
    }

    fn door(&self, path: &str) -> Door {
        match path.strip_prefix("/api/v1/") {
            // The page, the API's document, whether Larder lives, and its figures, which name nobody and nothing.
            None | Some("session") => Door::Open,
            Some("mappings/trino") if self.0.mapping_has_token => Door::Open,
            Some("mappings/trino") => Door::Secret,
            Some(path) if path.starts_with("events/") => Door::Inbox,
            Some(_) => Door::Api,
        }
    }
}

/// Lets in who may come in, and notes who it is for the routes.
pub(crate) async fn guard(
    State(access): State<Access>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    match access.admit(peer, &parts) {
        Ok(person) => {
            if let Some(person) = person {
                parts.extensions.insert(person);
            }
            next.run(Request::from_parts(parts, body)).await
        }
        Err(Refusal::SignIn) => {
            let answer = problem(StatusCode::UNAUTHORIZED, "sign in: this wants a token");
            ([(header::WWW_AUTHENTICATE, "Bearer")], answer).into_response()
        }
        Err(Refusal::WrongToken) => access.wrong_token(peer).await,
        Err(Refusal::Forbidden(why)) => problem(StatusCode::FORBIDDEN, why),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    // Other schemes are for the proxy in front.
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn session_ids(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    pairs.filter(|(name, _)| *name == COOKIE).map(|(_, id)| id)
}

/// An answer that says what is wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// In words.
    error: String,
}

pub(crate) fn problem(status: StatusCode, error: impl Into<String>) -> Response {
    (status, Json(Problem { error: error.into() })).into_response()
}

#[cfg(test)]
mod tests;
