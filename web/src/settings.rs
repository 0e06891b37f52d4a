//! `[admin]`: where the admin API listens, and who may come in.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use larder_model::admin::Role;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// `[admin]`: API, dashboard and metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdminSettings {
    /// Where to listen: on loopback addresses only, unless there is a sign-in.
    pub listen: SocketAddr,
    /// The URL that nights on other workers reach it by; `None` for that of `listen`.
    pub url: Option<String>,
    /// What people and machines sign in with.
    pub tokens: Vec<TokenSettings>,
    /// A reverse proxy that says who asks.
    pub proxy: Option<ProxySettings>,
}

impl Default for AdminSettings {
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 9001));
        Self { listen, url: None, tokens: Vec::new(), proxy: None }
    }
}

impl AdminSettings {
    /// Whether anybody has to sign in. Without, whoever reaches the API may do everything.
    pub fn has_sign_in(&self) -> bool {
        !self.tokens.is_empty() || self.proxy.is_some()
    }

    /// What the commands and the nights of this configuration sign in with: the first operator's token.
    pub fn own_token(&self) -> Result<Option<String>, TokenError> {
        self.tokens.iter().find(|token| token.role == Role::Operator).map(TokenSettings::read_token).transpose()
    }
}

/// `[[admin.tokens]]`: one token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenSettings {
    /// Whose it is; the name in the records of what was changed.
    pub name: String,
    /// The token. Give this or `token_file`.
    #[serde(default)]
    pub token: Option<String>,
    /// A file that holds the token.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// What it allows.
    #[serde(default = "reader")]
    pub role: Role,
}

fn reader() -> Role {
    Role::Reader
}

/// A token that cannot be used. Fix `[[admin.tokens]]` in `larder.toml`.
#[derive(Debug, Error)]
pub enum TokenError {
    /// Neither or both of `token` and `token_file`.
    #[error("token `{name}`: give either `token` or `token_file`")]
    Token {
        /// Whose token.
        name: String,
    },
    /// It could be guessed.
    #[error("token `{name}` is too short: at least {min} characters are needed", min = TokenSettings::CHARACTERS_MIN)]
    Short {
        /// Whose token.
        name: String,
    },
    /// A header cannot hold it.
    #[error("token `{name}` may have letters, digits and signs of ASCII only, and no spaces")]
    Characters {
        /// Whose token.
        name: String,
    },
    /// The token's file cannot be read.
    #[error("token `{name}`: token_file `{path}` cannot be read")]
    File {
        /// Whose token.
        name: String,
        /// The file.
        path: PathBuf,
        /// The system's own words.
        #[source]
        source: std::io::Error,
    },
}

impl TokenSettings {
    /// A token that is shorter could be guessed.
    pub const CHARACTERS_MIN: usize = 16;

    /// The token itself, from its file where it has one.
    pub fn read_token(&self) -> Result<String, TokenError> {
        let name = || self.name.clone();
        let token = match (&self.token, &self.token_file) {
            (Some(token), None) => token.clone(),
            (None, Some(path)) => std::fs::read_to_string(path)
                .map(|text| text.trim().to_owned())
                .map_err(|source| TokenError::File { name: name(), path: path.clone(), source })?,
            _ => return Err(TokenError::Token { name: name() }),
        };
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Characters { name: name() });
        }
        if token.len() < Self::CHARACTERS_MIN {
            return Err(TokenError::Short { name: name() });
        }
        Ok(token)
    }
}

/// `[admin] proxy`: a reverse proxy that knows who asks and says so in a header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProxySettings {
    /// The header that holds the name.
    pub header: String,
    /// The addresses that it is believed from.
    pub from: Vec<IpAddr>,
    /// Who of those it names may change things; all others may look.
    #[serde(default)]
    pub operators: Vec<String>,
}
