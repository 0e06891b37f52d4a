//! Where in a configuration file a key stands, so that every problem names its line.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

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

    pub(super) fn parse_error(&self, error: &toml::de::Error) -> Problem {
        Problem { line: error.span().map(|span| self.line_at(span.start)), text: error.message().to_owned() }
    }

    /// The problem of a key that means nothing, with the nearest one that does.
    pub(super) fn unknown_key(&self, ignored: &str) -> Problem {
        // serde_ignored marks optional values with `?`, which are no part of the path.
        let path: Vec<&str> = ignored.split('.').filter(|part| *part != "?").collect();
        let (name, parent) = path.split_last().map_or(("", &[][..]), |(name, parent)| (*name, parent));
        let shown: Vec<&str> = path.iter().copied().filter(|part| part.parse::<usize>().is_err()).collect();
        let known = known_keys(parent);
        let nearest = known.iter().min_by_key(|key| strsim::levenshtein(key, name));
        let near = nearest.filter(|key| strsim::levenshtein(key, name) <= 3);
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", known.join(", ")),
        };
        let text = format!("unknown key `{}`; {hint}", shown.join("."));
        Problem { line: self.of(&path.join(".")), text }
    }
}

/// The keys that mean something below `parent`, from a configuration in which every optional part is present.
fn known_keys(parent: &[&str]) -> Vec<String> {
    let mut value = toml::Value::try_from(everything()).expect("a configuration is TOML");
    for part in parent {
        let next = match &value {
            toml::Value::Table(table) => table.get(*part).cloned(),
            toml::Value::Array(array) => array.first().cloned(),
            _ => None,
        };
        match next {
            Some(next) => value = next,
            None => return Vec::new(),
        }
    }
    value.as_table().map(|table| table.keys().cloned().collect()).unwrap_or_default()
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
    config.buckets[0].catalog = Some("hive".to_owned());
    config.buckets[0].tables = vec![larder_model::TablePrefix {
        prefix: "raw/clicks/".to_owned(),
        name: "hive.web.clicks".parse().expect("a table name"),
    }];
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key of the configuration, as `table.key`.
    fn all_keys(prefix: &str, value: &toml::Value, keys: &mut Vec<String>) {
        match value {
            toml::Value::Table(table) => {
                for (key, value) in table {
                    keys.push(key.clone());
                    all_keys(&format!("{prefix}{key}."), value, keys);
                }
            }
            toml::Value::Array(array) => array.iter().for_each(|value| all_keys(prefix, value, keys)),
            _ => {}
        }
    }

    #[test]
    fn every_key_has_a_line_in_the_reference_page() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md"))
            .expect("the reference page");
        let mut keys = Vec::new();
        all_keys("", &toml::Value::try_from(everything()).expect("TOML"), &mut keys);
        for key in keys {
            assert!(
                page.contains(&format!("`{key}`")) || page.contains(&format!("{key}]")),
                "`{key}` is not documented"
            );
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
