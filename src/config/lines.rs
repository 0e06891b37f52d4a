//! Where in a configuration file a key stands, so that every problem names its line.

use std::ops::Range;

use toml::de::{DeArray, DeTable, DeValue};

use super::{Config, Problem};

/// A configuration's text and the places of its keys.
pub(super) struct Lines<'a> {
    text: &'a str,
    root: Option<DeTable<'a>>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, root: DeTable::parse(text).ok().map(|table| table.into_inner()) }
    }

    /// The line of a key such as `bucket.1.name`; of its nearest parent where it does not stand in the text.
    pub(super) fn of(&self, path: &str) -> Option<usize> {
        let mut table = self.root.as_ref()?;
        let mut found: Option<Range<usize>> = None;
        let mut parts = path.split('.').peekable();
        'path: while let Some(part) = parts.next() {
            let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == part) else { break };
            found = Some(key.span());
            let mut value = value;
            while let DeValue::Array(array) = value.get_ref() {
                let Some(item) = parts.peek().and_then(|n| n.parse().ok()).and_then(|n: usize| array.get(n)) else {
                    break 'path;
                };
                parts.next();
                found = Some(item.span());
                value = item;
            }
            match value.get_ref() {
                DeValue::Table(inner) => table = inner,
                _ => break,
            }
        }
        found.map(|span| self.line_at(span.start))
    }

    fn line_at(&self, offset: usize) -> usize {
        1 + self.text[..offset.min(self.text.len())].matches('\n').count()
    }

    /// What is wrong with the text, or with the value of a key, which is then named with a value that would do.
    pub(super) fn parse_error(&self, error: &toml::de::Error) -> Problem {
        let place = error.span().map(|span| span.start);
        let path = place.and_then(|place| key_in_table(self.root.as_ref()?, place));
        let text = match path {
            Some(path) => {
                let example = known_value(&path).filter(|value| value.as_table().is_none_or(|table| table.len() == 1));
                let example = example.map(|value| format!("; for example {value}")).unwrap_or_default();
                format!("`{}`: {}{example}", shown(&path), error.message())
            }
            None => error.message().to_owned(),
        };
        Problem { line: place.map(|place| self.line_at(place)), text }
    }

    /// The problem of a key that means nothing, with the nearest one that does.
    pub(super) fn unknown_key(&self, ignored: &str) -> Problem {
        // serde_ignored marks optional values with `?`, which are no part of the path.
        let path: Vec<String> = ignored.split('.').filter(|part| *part != "?").map(str::to_owned).collect();
        let (name, parent) = path.split_last().map_or(("", &[][..]), |(name, parent)| (name.as_str(), parent));
        let known: Vec<String> = match known_value(parent) {
            Some(toml::Value::Table(table)) => table.into_iter().map(|(key, _)| key).collect(),
            _ => Vec::new(),
        };
        let nearest = known.iter().min_by_key(|key| strsim::levenshtein(key, name));
        let near = nearest.filter(|key| strsim::levenshtein(key, name) <= 3);
        let hint = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
        let text = format!("unknown key `{}`; {hint}known here: {}", shown(&path), known.join(", "));
        Problem { line: self.of(&path.join(".")), text }
    }
}

/// The path of the deepest key that stands at, or whose value holds, this place in the text.
fn key_in_table(table: &DeTable<'_>, place: usize) -> Option<Vec<String>> {
    table.iter().find_map(|(key, value)| {
        let is_here = key.span().contains(&place) || value.span().contains(&place);
        let below = below(value.get_ref(), place).or_else(|| is_here.then(Vec::new));
        below.map(|below| [vec![key.get_ref().to_string()], below].concat())
    })
}

fn key_in_array(array: &DeArray<'_>, place: usize) -> Option<Vec<String>> {
    array.iter().enumerate().find_map(|(i, item)| {
        let below = below(item.get_ref(), place).or_else(|| item.span().contains(&place).then(Vec::new));
        below.map(|below| [vec![i.to_string()], below].concat())
    })
}

fn below(value: &DeValue<'_>, place: usize) -> Option<Vec<String>> {
    match value {
        DeValue::Table(table) => key_in_table(table, place),
        DeValue::Array(array) => key_in_array(array, place),
        _ => None,
    }
}

/// A path as people write it, without the places in arrays.
fn shown(path: &[String]) -> String {
    let names: Vec<&str> = path.iter().map(String::as_str).filter(|part| part.parse::<usize>().is_err()).collect();
    names.join(".")
}

/// What stands at a path in a configuration in which every optional part is present.
fn known_value(path: &[String]) -> Option<toml::Value> {
    let mut value = toml::Value::try_from(everything()).expect("a configuration is TOML");
    for part in path {
        value = match value {
            toml::Value::Table(mut table) => table.remove(part)?,
            toml::Value::Array(array) => array.into_iter().next()?,
            _ => return None,
        };
    }
    Some(value)
}

/// A configuration that says something for every key there is.
pub(super) fn everything() -> Config {
    let mut config = Config::embedded();
    config.s3.domain = Some("larder.example".to_owned());
    config.s3.tls = Some(larder_cached::TlsSettings { cert: "cert.pem".into(), key: "key.pem".into() });
    config.s3.keys = vec![larder_cached::KeySettings {
        id: "analyst".to_owned(),
        secret: Some("secret".to_owned()),
        secret_file: Some("secret".into()),
        buckets: vec!["*".to_owned()],
        access: larder_cached::Access::Read,
    }];
    config.admin.url = Some("http://worker-1:9001".to_owned());
    config.store.whitelist_to = Some("warehouse/_larder/whitelist.json".to_owned());
    config.store.whitelist_from = Some("warehouse/_larder/whitelist.json".to_owned());
    config.admin.tokens = vec![larder_web::TokenSettings {
        name: "ops".to_owned(),
        token: Some("a-long-random-text".to_owned()),
        token_file: Some("token".into()),
        role: larder_model::admin::Role::Operator,
    }];
    config.admin.proxy = Some(larder_web::ProxySettings {
        header: "X-Forwarded-User".to_owned(),
        from: vec![std::net::Ipv4Addr::LOCALHOST.into()],
        operators: vec!["ann".to_owned()],
    });
    config.buckets[0].catalog = Some("hive".to_owned());
    config.buckets[0].tables = vec![larder_model::TablePrefix {
        prefix: "raw/clicks/".to_owned(),
        name: "hive.web.clicks".parse().expect("a table name"),
    }];
    config.hook.endpoint = Some("http://127.0.0.1:9000".to_owned());
    config.hook.key = Some("analyst".to_owned());
    config.hook.token = Some("a-long-random-text".to_owned());
    config.hook.mapping_file = Some("/etc/trino/larder-mapping.json".into());
    config.metastore.listen = Some(std::net::SocketAddr::from(([127, 0, 0, 1], 9083)));
    config.metastore.upstream = vec!["thrift://hms:9083".to_owned()];
    config.traces.endpoint = Some("http://127.0.0.1:4318".to_owned());
    config.nightly.caps = vec![larder_whitelist::TableCap {
        table: "hive.web.clicks".parse().expect("a table"),
        bytes: larder_model::ByteSize::gib(10),
    }];
    config.nightly.owners = vec![larder_whitelist::Owner {
        name: "growth".to_owned(),
        tables: vec!["hive.ads.*".parse().expect("tables")],
        cap: larder_model::ByteSize::gib(20),
    }];
    config.nightly.trino = Some(larder_whitelist::accesses::TrinoSettings {
        url: "https://trino:8443".to_owned(),
        user: "larder".to_owned(),
        password_file: Some("/etc/larder/trino.password".into()),
        access: "hive.larder.access_log".to_owned(),
        events: Some("hive.larder.query_events".to_owned()),
    });
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key of the configuration, in tables within tables too.
    fn all_keys(value: &toml::Value, keys: &mut Vec<String>) {
        match value {
            toml::Value::Table(table) => {
                for (key, value) in table {
                    keys.push(key.clone());
                    all_keys(value, keys);
                }
            }
            toml::Value::Array(array) => array.iter().for_each(|value| all_keys(value, keys)),
            _ => {}
        }
    }

    fn reference_page() -> String {
        std::fs::read_to_string("docs/configuration.md").expect("cargo runs the tests in the package's folder")
    }

    #[test]
    fn every_key_has_a_line_in_the_reference_page() {
        let (page, mut keys) = (reference_page(), Vec::new());
        all_keys(&toml::Value::try_from(everything()).expect("TOML"), &mut keys);
        for key in keys {
            assert!(
                page.contains(&format!("`{key}`")) || page.contains(&format!("{key}]")),
                "`{key}` is not documented"
            );
        }
    }

    #[test]
    fn every_line_of_the_reference_page_is_about_a_key_that_there_is() {
        let (page, mut keys) = (reference_page(), Vec::new());
        all_keys(&toml::Value::try_from(everything()).expect("TOML"), &mut keys);
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        let documented: Vec<&str> = rows.map(|(key, _)| key).collect();
        assert!(documented.len() > 30, "the tables were not found: {documented:?}");
        for key in documented {
            assert!(keys.iter().any(|known| known == key), "`{key}` is documented and means nothing");
        }
    }

    #[test]
    fn keys_are_found_in_tables_and_arrays() {
        let text = "[a]\nb = 1\n[[c]]\nd = 1\n[[c]]\nd = 2\ne = { f = 3 }\n";
        let lines = Lines::new(text);
        assert_eq!(lines.of("a.b"), Some(2));
        assert_eq!(lines.of("c.1.d"), Some(6));
        assert_eq!(lines.of("c.1.e.f"), Some(7));
        assert_eq!(lines.of("a.absent"), Some(1));
        assert_eq!(lines.of("absent"), None);
    }
}
