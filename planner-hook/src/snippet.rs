//! What to paste into an engine's configuration so that it reads through Larder, as text.

use std::collections::HashSet;
use std::fmt::Write;
use std::path::PathBuf;

use larder_model::Whitelist;

use crate::access::keeps_urls;
use crate::mapping::prefixes;

/// An engine that snippets are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnippetEngine {
    /// Catalog and query log.
    Trino,
    /// Hadoop's S3A, by bucket.
    Spark,
    /// Secrets, by prefix.
    DuckDb,
}

/// DuckDB tries one secret after the other: beyond so many prefixes, the least valuable are read from the storage.
const SECRETS_MAX: usize = 1000;

/// What snippets are made from.
#[derive(Debug, Clone)]
pub struct SnippetParts<'a> {
    /// The URL of Larder's S3 endpoint, as engines reach it.
    pub endpoint: String,
    /// The URL of its admin API.
    pub admin: String,
    /// The id of the key to sign with. Its secret is not shown.
    pub key: String,
    /// Names and origins of the buckets.
    pub buckets: Vec<(String, String)>,
    /// The file that Trino's mapping is kept in, where one is.
    pub mapping_file: Option<PathBuf>,
    /// The whitelist in force.
    pub whitelist: Option<&'a Whitelist>,
}

/// The text for one engine.
pub fn snippet(engine: SnippetEngine, parts: &SnippetParts<'_>) -> String {
    match engine {
        SnippetEngine::Trino => trino(parts),
        SnippetEngine::Spark => spark(parts),
        SnippetEngine::DuckDb => duckdb(parts),
    }
}

impl SnippetParts<'_> {
    fn secret(&self) -> String {
        format!("<the secret of {}>", self.key)
    }

    /// Host and port, and whether to use TLS.
    fn host(&self) -> (&str, bool) {
        let (scheme, host) = self.endpoint.split_once("://").unwrap_or(("http", &self.endpoint));
        (host.trim_end_matches('/'), scheme == "https")
    }
}

fn trino(parts: &SnippetParts<'_>) -> String {
    let SnippetParts { endpoint, admin, key, .. } = parts;
    let catalog = match &parts.mapping_file {
        Some(file) => format!(
            "# etc/catalog/NAME.properties on every node, beside the storage's own s3.endpoint and keys\n\
             s3.path-style-access=true\n\
             s3.security-mapping.enabled=true\n\
             s3.security-mapping.config-file={}\n\
             s3.security-mapping.refresh-period=10s\n",
            file.display()
        ),
        None => format!(
            "# etc/catalog/NAME.properties on every node: everything through Larder. To send only what is whitelisted, set\n\
             # `mapping_file` in Larder's [hook].\n\
             s3.endpoint={endpoint}\n\
             s3.path-style-access=true\n\
             s3.aws-access-key={key}\n\
             s3.aws-secret-key={}\n",
            parts.secret()
        ),
    };
    format!(
        "{catalog}\n\
         # etc/http-event-listener.properties, named by event-listener.config-files in etc/config.properties\n\
         event-listener.name=http\n\
         http-event-listener.log-completed=true\n\
         http-event-listener.connect-ingest-uri={admin}/api/v1/events/trino\n"
    )
}

fn spark(parts: &SnippetParts<'_>) -> String {
    let mut text = "# spark-defaults.conf: all of these buckets, as s3a://BUCKET/..., through Larder\n".to_owned();
    let (_, tls) = parts.host();
    for (bucket, _) in &parts.buckets {
        for (option, value) in [
            ("endpoint", parts.endpoint.as_str()),
            ("path.style.access", "true"),
            ("connection.ssl.enabled", if tls { "true" } else { "false" }),
            ("access.key", &parts.key),
            ("secret.key", &parts.secret()),
        ] {
            _ = writeln!(text, "spark.hadoop.fs.s3a.bucket.{bucket}.{option} {value}");
        }
    }
    text
}

fn duckdb(parts: &SnippetParts<'_>) -> String {
    let (own_name, alias): (Vec<_>, Vec<_>) =
        parts.buckets.iter().partition(|(name, origin)| keeps_urls(name, origin).is_ok());
    let mut text = "-- A secret with the longest scope that begins a path wins.\n".to_owned();
    let mut number = 0;
    let mut secret = |scope: &str| {
        number += 1;
        let (host, tls) = parts.host();
        _ = writeln!(
            text,
            "CREATE SECRET larder_{number} (TYPE s3, SCOPE {}, ENDPOINT {}, URL_STYLE 'path', USE_SSL {tls}, KEY_ID {}, \
             SECRET {});",
            quoted(scope),
            quoted(host),
            quoted(&parts.key),
            quoted(&parts.secret()),
        );
    };
    if let Some(whitelist) = parts.whitelist {
        let buckets: HashSet<String> = own_name.into_iter().map(|(name, _)| name.clone()).collect();
        for prefix in prefixes(whitelist, &[], &buckets, SECRETS_MAX).0 {
            secret(&prefix);
        }
    }
    for (name, _) in alias {
        secret(&format!("s3://{name}/"));
    }
    text
}

/// A literal of SQL.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::tests::whitelist;

    fn parts<'a>(mapping_file: Option<&str>, whitelist: Option<&'a Whitelist>) -> SnippetParts<'a> {
        SnippetParts {
            endpoint: "http://127.0.0.1:9000".into(),
            admin: "http://127.0.0.1:9001".into(),
            key: "o'hara".into(),
            buckets: vec![("warehouse".into(), "s3://warehouse".into()), ("alias".into(), "s3://raw/hive".into())],
            mapping_file: mapping_file.map(PathBuf::from),
            whitelist,
        }
    }

    #[test]
    fn trino_is_given_the_mapping_where_there_is_one_and_the_endpoint_elsewhere() {
        let mapped = snippet(SnippetEngine::Trino, &parts(Some("/etc/m.json"), None));
        assert!(mapped.contains("\ns3.security-mapping.config-file=/etc/m.json\n"), "{mapped}");
        assert!(!mapped.contains("s3.endpoint="), "{mapped}");
        let plain = snippet(SnippetEngine::Trino, &parts(None, None));
        assert!(plain.contains("\ns3.endpoint=http://127.0.0.1:9000\n") && !plain.contains("\ns3.security"), "{plain}");
        for text in [mapped, plain] {
            assert!(text.contains("connect-ingest-uri=http://127.0.0.1:9001/api/v1/events/trino\n"), "{text}");
        }
    }

    #[test]
    fn duckdb_is_given_whitelisted_prefixes_and_the_buckets_that_only_larder_has() {
        let whitelist = whitelist();
        let text = snippet(SnippetEngine::DuckDb, &parts(None, Some(&whitelist)));
        let secrets: Vec<&str> = text.lines().filter(|line| line.starts_with("CREATE")).collect();
        assert_eq!(secrets.len(), 2, "{text}");
        assert!(secrets[0].contains("SCOPE 's3://warehouse/db/t/dt=1/', ENDPOINT '127.0.0.1:9000'"), "{text}");
        assert!(secrets[0].contains("USE_SSL false, KEY_ID 'o''hara'"), "{text}");
        assert!(secrets[1].contains("larder_2 ") && secrets[1].contains("SCOPE 's3://alias/'"), "{text}");
    }

    #[test]
    fn spark_is_given_each_bucket() {
        let text = snippet(SnippetEngine::Spark, &parts(None, None));
        for bucket in ["warehouse", "alias"] {
            let line = format!("\nspark.hadoop.fs.s3a.bucket.{bucket}.endpoint http://127.0.0.1:9000\n");
            assert!(text.contains(&line), "{text}");
        }
    }
}
