//! Who reads, from a request: each kind of client is worked out once.

use std::borrow::Cow;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderValue;

use crate::access_log::Client;

/// So many clients are remembered. When more come, all are worked out anew.
const CLIENTS_MAX: usize = 64;

/// The clients of late, by what their requests say of them.
#[derive(Debug, Default)]
pub(super) struct Clients {
    known: ArcSwap<Vec<(Option<HeaderValue>, Arc<Client>)>>,
}

impl Clients {
    /// The client that signs as `principal` and calls itself so.
    pub(super) fn get(&self, principal: String, agent: Option<&HeaderValue>) -> Arc<Client> {
        let known = self.known.load();
        let found = known.iter().find(|(known, client)| known.as_ref() == agent && client.principal == principal);
        if let Some((_, client)) = found {
            return Arc::clone(client);
        }
        let client = Arc::new(Client { principal, engine: engine_of(agent) });
        let mut more = if known.len() < CLIENTS_MAX { Vec::clone(&known) } else { Vec::new() };
        more.push((agent.cloned(), Arc::clone(&client)));
        // Who is remembered by two threads at once is remembered by one of them: the other asks again.
        self.known.store(Arc::new(more));
        client
    }
}

/// The engine behind a user agent, for the access log.
fn engine_of(agent: Option<&HeaderValue>) -> Cow<'static, str> {
    const KNOWN: [(&str, &str); 10] = [
        ("trino", "trino"),
        ("presto", "presto"),
        ("spark", "spark"),
        ("hadoop", "hadoop"),
        ("impala", "impala"),
        ("duckdb", "duckdb"),
        ("aws-cli", "aws-cli"),
        ("boto3", "boto3"),
        ("object_store", "object_store"),
        ("aws-sdk-cpp", "pyarrow"),
    ];
    let agent = agent.and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let lower = agent.to_ascii_lowercase();
    if let Some((_, engine)) = KNOWN.iter().find(|(part, _)| lower.contains(part)) {
        return Cow::Borrowed(engine);
    }
    let name = lower.split(['/', ' ']).next().unwrap_or_default();
    Cow::Owned(name.chars().take(32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_known_by_their_user_agent() {
        let engine = |agent: &'static str| engine_of(Some(&HeaderValue::from_static(agent)));
        assert_eq!(engine("Boto3/1.40 md/Botocore#1.40"), "boto3");
        assert_eq!(engine("aws-sdk-java/2.31 ... app/Trino"), "trino");
        assert_eq!(engine("curl/8.5"), "curl");
        assert_eq!(engine_of(None), "");
    }

    #[test]
    fn a_client_is_worked_out_once_and_never_taken_for_another() {
        let clients = Clients::default();
        let (trino, spark) = (HeaderValue::from_static("trino"), HeaderValue::from_static("spark"));
        let first = clients.get("a".to_owned(), Some(&trino));
        assert!(Arc::ptr_eq(&first, &clients.get("a".to_owned(), Some(&trino))));
        for (principal, agent, engine) in
            [("b", Some(&trino), "trino"), ("a", Some(&spark), "spark"), ("a", None, ""), ("", Some(&trino), "trino")]
        {
            let client = clients.get(principal.to_owned(), agent);
            assert_eq!((client.principal.as_str(), &*client.engine), (principal, engine));
        }
        for n in 0..1000 {
            clients.get(format!("stranger {n}"), None);
            assert!(clients.known.load().len() <= CLIENTS_MAX);
        }
        assert_eq!(clients.get("a".to_owned(), Some(&trino)), first);
    }
}
