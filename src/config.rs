//! `larder.toml`: the crates' settings put together, read once and checked before anything starts.

mod key_pair;
mod lines;
mod shown;
mod validate;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use larder_cached::{BucketSettings, CacheSettings, S3Settings};
use larder_planner_hook::HookSettings;
use larder_planner_hook::iceberg::IcebergSettings;
use larder_planner_hook::metastore::MetastoreSettings;
use larder_web::AdminSettings;
use larder_whitelist::{NightlySettings, StoreSettings};
use serde::{Deserialize, Serialize};

pub(crate) use self::key_pair::load_or_make as load_or_make_key_pair;
use self::lines::Lines;
use crate::traces::TraceSettings;

/// The whole configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    pub(crate) s3: S3Settings,
    pub(crate) admin: AdminSettings,
    pub(crate) store: StoreSettings,
    pub(crate) cache: CacheSettings,
    #[serde(rename = "bucket")]
    pub(crate) buckets: Vec<BucketSettings>,
    pub(crate) nightly: NightlySettings,
    pub(crate) hook: HookSettings,
    pub(crate) logs: LogSettings,
    pub(crate) metastore: MetastoreSettings,
    pub(crate) iceberg: IcebergSettings,
    pub(crate) traces: TraceSettings,
}

/// `[logs]`: the access log and the query events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LogSettings {
    /// The folder; `access/` and `queries/` are made in it.
    pub(crate) path: PathBuf,
    /// Whether reads are logged. Without, only query events say what is worth keeping.
    pub(crate) access: bool,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { path: PathBuf::from("data/logs"), access: true }
    }
}

/// Something wrong with a configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The line, from 1; `None` for what no single line says.
    pub(crate) line: Option<usize>,
    /// In words, with what is allowed.
    pub(crate) text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// A configuration that could be read, and what is to be said of it.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// Keys that mean nothing: errors for `check-config`, warnings at start-up.
    pub(crate) unknown: Vec<Problem>,
    /// What is allowed but hardly meant.
    pub(crate) warnings: Vec<Problem>,
    /// Files that it names and that cannot be read: errors for `serve` and `check-config`, of no matter for the others.
    pub(crate) unreadable: Vec<Problem>,
}

/// Problems as one error, each with the file that it is in.
pub(crate) fn failed(file: Option<&Path>, problems: &[Problem]) -> anyhow::Error {
    let file = file.map_or("the embedded defaults".to_owned(), |path| path.display().to_string());
    let mut problems: Vec<&Problem> = problems.iter().collect();
    problems.sort_by_key(|problem| problem.line);
    let problems: Vec<String> = problems.iter().map(|problem| format!("{file}: {problem}")).collect();
    anyhow::Error::msg(problems.join("\n        "))
}

impl Config {
    /// Reads a configuration file; without one, the embedded defaults.
    pub(crate) fn load(path: Option<&Path>) -> Result<Loaded> {
        let Some(path) = path else {
            return Ok(Loaded {
                config: Self::embedded(),
                unknown: Vec::new(),
                warnings: Vec::new(),
                unreadable: Vec::new(),
            });
        };
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).map_err(|problems| failed(Some(path), &problems))
    }

    /// Reads a configuration; every impossible value is a problem.
    pub(crate) fn parse(text: &str) -> Result<Loaded, Vec<Problem>> {
        let lines = Lines::new(text);
        let mut ignored = Vec::new();
        let parsed = toml::Deserializer::parse(text)
            .and_then(|reader| serde_ignored::deserialize(reader, |path| ignored.push(path.to_string())));
        let config: Self = match parsed {
            Ok(config) => config,
            Err(error) => return Err(vec![lines.parse_error(&error)]),
        };
        let unknown = ignored.iter().map(|path| lines.unknown_key(path));
        let place = |(path, text): (String, String)| Problem { line: lines.of(&path), text };
        let placed = |problems: validate::Problems| problems.into_iter().map(place).collect::<Vec<_>>();
        let errors = placed(validate::errors(&config));
        if !errors.is_empty() {
            // A key that was mistyped is often why another one is missing.
            return Err(errors.into_iter().chain(unknown).collect());
        }
        let unknown = unknown.collect();
        let (warnings, unreadable) = (placed(validate::warnings(&config)), placed(validate::unreadable_files(&config)));
        Ok(Loaded { config, unknown, warnings, unreadable })
    }

    /// What holds without a file: everything below `data/`, on loopback, with the folder `data/objects` as bucket `demo`.
    pub(crate) fn embedded() -> Self {
        let objects = std::path::absolute("data/objects").unwrap_or_else(|_| PathBuf::from("/data/objects"));
        let bucket = BucketSettings::new("demo", format!("file://{}", objects.display()));
        Self { buckets: vec![bucket], ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use larder_cached::Consistency;

    use super::*;

    fn problems(text: &str) -> String {
        let problems = Config::parse(text).expect_err("a wrong configuration");
        problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
    }

    const TOKEN: &str = "[[admin.tokens]]\nname = \"ops\"\ntoken = \"0123456789abcdef\"\n";
    const OPERATOR: &str = "[[admin.tokens]]\nname = \"ops\"\ntoken = \"0123456789abcdef\"\nrole = \"operator\"\n";
    const PROXY: &str = "{ header = \"X-User\", from = [\"127.0.0.1\"] }";
    const BUCKET: &str = "[[bucket]]\nname = \"warehouse\"\norigin = \"s3://raw/hive\"\n";

    #[test]
    fn the_designs_example_is_read() {
        let text = r#"
[s3]
listen = "127.0.0.1:9000"
[[s3.keys]]
id = "analyst"
secret = "..."
buckets = ["warehouse"]
access = "read"
[admin]
listen = "127.0.0.1:9001"
[store]
url = "sqlite://data/larder.db"
[cache]
memory = "4GiB"
ssd = { path = "data/cache", capacity = "100GiB" }
admit = "whitelist"
[[bucket]]
name = "warehouse"
origin = "s3://raw-warehouse/hive"
consistency = { revalidate = "60s" }
options = { endpoint = "http://127.0.0.1:9900", region = "us-east-1", allow_http = "true" }
[nightly]
schedule = "30 2 * * *"
history = "30d"
budget = "70GiB"
window = "3h"
rate = "200MiB/s"
"#;
        let loaded = Config::parse(text).expect("the example");
        assert!(loaded.unknown.is_empty() && loaded.warnings.is_empty(), "{loaded:?}");
        let bucket = &loaded.config.buckets[0];
        assert_eq!(bucket.consistency, Consistency::default());
        assert_eq!(loaded.config.nightly, NightlySettings::default());
    }

    #[test]
    fn unknown_keys_are_named_with_line_and_the_nearest_known_key() {
        let text = format!("{BUCKET}consistancy = \"strict\"\n[cach]\nmemory = \"1GiB\"\n");
        let loaded = Config::parse(&text).expect("unknown keys are no errors here");
        let unknown: Vec<String> = loaded.unknown.iter().map(Problem::to_string).collect();
        assert!(unknown[0].starts_with("line 4: unknown key `bucket.consistancy`"), "{unknown:?}");
        assert!(unknown[0].contains("did you mean `consistency`?"), "{unknown:?}");
        assert!(unknown[1].starts_with("line 5: unknown key `cach`") && unknown[1].contains("`cache`"), "{unknown:?}");
    }

    #[test]
    fn values_of_a_wrong_kind_are_named_with_line_and_allowed_values() {
        let text = format!("{BUCKET}consistency = \"sometimes\"\n");
        let problem = problems(&text);
        assert!(problem.starts_with("line 4:"), "{problem}");
        for allowed in ["immutable", "revalidate", "strict"] {
            assert!(problem.contains(allowed), "{problem}");
        }
        for (text, line, names) in [
            ("[nightly]\nrate = \"fast\"\n", "line 2: `nightly.rate`:", "200MiB/s"),
            ("[cache]\nmemory = \"lots\"\n", "line 2: `cache.memory`:", "GiB"),
            ("[cache]\nmemory = -5\n", "line 2: `cache.memory`:", "GiB"),
            ("[cache]\nssd = { path = 7 }\n", "line 2: `cache.ssd.path`:", "data/cache"),
            ("[s3]\nlisten = \"localhost\"\n", "line 2: `s3.listen`:", "127.0.0.1:9000"),
            ("[[s3.keys]]\nid = \"a\"\naccess = \"admin\"\n", "line 3: `s3.keys.access`:", "`write`"),
            ("[[bucket]]\nname = \"warehouse\"\n", "line 1: `bucket`:", "`origin`"),
        ] {
            let problem = problems(text);
            assert!(problem.starts_with(line) && problem.contains(names), "{text}\n{problem}");
        }
        assert!(problems("[s3\n").starts_with("line 1:"));
    }

    #[test]
    fn impossible_values_are_named_with_line_and_limit() {
        let cases = [
            (format!("{BUCKET}{BUCKET}"), "line 5:", "stands twice"),
            (format!("{BUCKET}fills_max = 0\n"), "line 4:", "at least 1"),
            (format!("{BUCKET}stall = \"0s\"\n"), "line 4:", "too short"),
            (format!("{BUCKET}redirect = [\"Spark\"]\n"), "line 4:", "`Spark`"),
            (
                "[[bucket]]\nname = \"b12\"\norigin = \"file:///x\"\nredirect = [\"*\"]\n".to_owned(),
                "line 4:",
                "presigned URLs",
            ),
            ("[[bucket]]\nname = \"No Good\"\norigin = \"s3://b\"\n".to_owned(), "line 2:", "lower-case letters"),
            ("[[bucket]]\nname = \"b12\"\norigin = \"ftp://b\"\n".to_owned(), "line 3:", "s3://"),
            ("[cache]\nssd = { path = \"x\", capacity = \"1MiB\" }\n".to_owned(), "line 2:", "64.0 MiB"),
            ("[cache]\nmemory = \"1KiB\"\n".to_owned(), "line 2:", "16.0 MiB"),
            ("[nightly]\nschedule = \"at night\"\n".to_owned(), "line 2:", "30 2 * * *"),
            (format!("{BUCKET}[store]\nwhitelist_to = \"warehouse\"\n"), "line 5:", "BUCKET/KEY"),
            (
                format!("{BUCKET}[store]\nwhitelist_from = \"nope/w.json\"\n"),
                "line 5:",
                "`nope` (there are: warehouse)",
            ),
            (
                format!("{BUCKET}[store]\nwhitelist_to = \"warehouse/a\"\nwhitelist_from = \"warehouse/b\"\n"),
                "line 6:",
                "leave out this",
            ),
            ("[s3]\nrequests_max = 0\n".to_owned(), "line 2:", "at least 1"),
            ("[s3]\nstall = \"10ms\"\n".to_owned(), "line 2:", "too short"),
            ("[s3]\nlisten = \"0.0.0.0:9000\"\n".to_owned(), "line 2:", "[[s3.keys]]"),
            ("[admin]\nlisten = \"0.0.0.0:9001\"\n".to_owned(), "line 2:", "[[admin.tokens]]"),
            ("[admin]\nurl = \"worker:9001\"\n".to_owned(), "line 2:", "http://worker-1:9001"),
            ("[[admin.tokens]]\nname = \"ops\"\n".to_owned(), "line 1:", "token_file"),
            ("[[admin.tokens]]\nname = \"ops\"\ntoken = \"short\"\n".to_owned(), "line 3:", "at least 16"),
            (format!("{TOKEN}role = \"admin\"\n"), "line 4:", "`operator`"),
            (TOKEN.to_owned(), "line 1:", "role = \"operator\""),
            (format!("{OPERATOR}{TOKEN}"), "line 6:", "stands twice"),
            (format!("[admin]\nproxy = {PROXY}\n"), "line 2:", "role = \"operator\""),
            (format!("{OPERATOR}[admin.proxy]\nheader = \"no good\"\nfrom = [\"::1\"]\n"), "line 6:", "`no good`"),
            (format!("{OPERATOR}[admin.proxy]\nheader = \"X-User\"\nfrom = []\n"), "line 7:", "at least one"),
            (format!("{OPERATOR}[admin.proxy]\nheader = \"X-User\"\nfrom = [\"lb\"]\n"), "line 7:", "IP address"),
            ("[[s3.keys]]\nid = \"a\"\nsecret = \"s\"\nbuckets = [\"nope\"]\n".to_owned(), "line 4:", "`nope`"),
            ("[[s3.keys]]\nid = \"a\"\n".to_owned(), "line 1:", "secret_file"),
            ("[store]\nurl = \"mysql://x\"\n".to_owned(), "line 2:", "postgres://"),
            ("[hook]\nendpoint = \"worker:9000\"\n".to_owned(), "line 2:", "http://127.0.0.1:9000"),
            ("[hook]\nkey = \"ann\"\n".to_owned(), "line 2:", "`ann`"),
            ("[hook]\nmapping_file = \"m.json\"\n".to_owned(), "line 2:", "`key`"),
            ("[hook]\nmapping_entries_max = 0\n".to_owned(), "line 2:", "at least 1"),
            ("[metastore]\nlisten = \"127.0.0.1:9083\"\n".to_owned(), "line 1:", "thrift://host:9083"),
            ("[metastore]\nupstream = [\"hms:9083\"]\n".to_owned(), "line 2:", "`hms:9083`"),
            ("[metastore]\nscheme = \"hdfs\"\n".to_owned(), "line 2:", "s3a"),
            ("[metastore]\nstall = \"1ms\"\n".to_owned(), "line 2:", "too short"),
            ("[iceberg]\nlisten = \"127.0.0.1:8181\"\n".to_owned(), "line 1:", "http://catalog:8181"),
            ("[iceberg]\nupstream = \"catalog:8181\"\n".to_owned(), "line 2:", "`catalog:8181`"),
            ("[traces]\nendpoint = \"collector:4318\"\n".to_owned(), "line 2:", "http://127.0.0.1:4318"),
            ("[traces]\none_in = 0\n".to_owned(), "line 2:", "at least 1"),
            ("[iceberg]\nrequests_max = 0\n".to_owned(), "line 2:", "at least 1"),
            (
                "[iceberg]\nlisten = \"127.0.0.1:8181\"\nupstream = \"http://c:1\"\n".to_owned(),
                "line 2:",
                "`key` of [hook]",
            ),
        ];
        for (text, line, names) in cases {
            let problem = problems(&text);
            assert!(problem.starts_with(line) && problem.contains(names), "{text}\n{problem}");
        }
    }

    #[test]
    fn with_a_sign_in_the_admin_api_listens_anywhere() {
        let loaded = Config::parse(&format!(
            "{OPERATOR}[admin.proxy]\nheader = \"X-User\"\nfrom = [\"10.0.0.7\"]\n\
                                             operators = [\"ann\"]\n"
        ))
        .expect("a sign-in");
        assert!(loaded.unknown.is_empty() && loaded.config.admin.has_sign_in(), "{loaded:?}");
        let text = format!("[admin]\nlisten = \"0.0.0.0:9001\"\n{OPERATOR}");
        assert!(Config::parse(&text).expect("allowed").config.admin.listen.ip().is_unspecified());
    }

    #[test]
    fn an_error_comes_with_the_mistyped_key_that_caused_it() {
        let problem = problems("[[s3.keys]]\nid = \"a\"\nsecert = \"s\"\n");
        assert!(
            problem.contains("give either") && problem.contains("line 3: unknown key `s3.keys.secert`"),
            "{problem}"
        );
        assert!(
            problem.contains("did you mean `secret`?") && problem.contains("known here: access, buckets"),
            "{problem}"
        );
    }

    #[test]
    fn files_that_cannot_be_read_are_named_and_no_error_for_every_command() {
        let key = "[[s3.keys]]\nid = \"a\"\nsecret_file = \"no/such/secret\"\n";
        let tls = "[s3.tls]\ncert = \"no/such/cert\"\nkey = \"no/such/key\"\n";
        let token = "[[admin.tokens]]\nname = \"ops\"\ntoken_file = \"no/such/token\"\nrole = \"operator\"\n";
        let loaded = Config::parse(&format!("{key}{tls}{token}")).expect("a configuration");
        let unreadable: Vec<String> = loaded.unreadable.iter().map(Problem::to_string).collect();
        assert_eq!(unreadable.len(), 4, "{unreadable:?}");
        for (line, file) in [
            ("line 3:", "no/such/secret"),
            ("line 5:", "no/such/cert"),
            ("line 6:", "no/such/key"),
            ("line 9:", "no/such/token"),
        ] {
            assert!(unreadable.iter().any(|p| p.starts_with(line) && p.contains(file)), "{line} {file} {unreadable:?}");
        }
    }

    #[test]
    fn a_password_in_a_wrong_url_is_not_shown() {
        let problem = problems("[store]\nurl = \"mysql://larder:hidden@db/larder\"\n");
        assert!(problem.contains("mysql://") && !problem.contains("hidden"), "{problem}");
    }

    #[test]
    fn what_trinos_mapping_cannot_hold_is_worth_a_warning() {
        let key = "[[s3.keys]]\nid = \"trino\"\nsecret = \"s\"\nbuckets = [\"lake\", \"warehouse\"]\n";
        let bucket = |name: &str, origin: &str| format!("[[bucket]]\nname = \"{name}\"\norigin = \"{origin}\"\n");
        let buckets =
            [bucket("lake", "s3://lake"), bucket("warehouse", "s3://raw/hive"), bucket("closed", "s3://closed")];
        let text = format!("{key}{}[hook]\nkey = \"trino\"\n", buckets.concat());
        let loaded = Config::parse(&text).expect("allowed");
        let warnings: Vec<String> = loaded.warnings.iter().map(Problem::to_string).collect();
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        for (line, says) in
            [("line 8:", "origin = \"s3://raw\""), ("line 11:", "does not open"), ("line 15:", "`write`")]
        {
            assert!(warnings.iter().any(|w| w.starts_with(line) && w.contains(says)), "{line} {says} {warnings:?}");
        }
        let without = Config::parse(&buckets.concat()).expect("allowed");
        assert!(without.warnings.is_empty(), "nobody asked for a mapping: {:?}", without.warnings);
    }

    #[test]
    fn a_bucket_that_locations_cannot_be_told_apart_by_is_worth_a_warning() {
        let metastore = "[metastore]\nlisten = \"127.0.0.1:9083\"\nupstream = [\"thrift://hms:9083\"]\n";
        let same = format!("{metastore}[[bucket]]\nname = \"raw\"\norigin = \"s3://raw/hive\"\n");
        let warnings = Config::parse(&same).expect("allowed").warnings;
        assert!(warnings[0].to_string().starts_with("line 5:"), "{warnings:?}");
        assert!(warnings[0].to_string().contains("leaves its locations alone"), "{warnings:?}");
        let other = Config::parse(&format!("{metastore}{BUCKET}")).expect("allowed");
        assert!(other.warnings.is_empty(), "{:?}", other.warnings);
    }

    #[test]
    fn a_budget_beyond_the_ssd_is_worth_a_warning() {
        let loaded = Config::parse("[nightly]\nbudget = \"200GiB\"\n").expect("allowed");
        assert!(loaded.warnings[0].to_string().contains("ssd.capacity"), "{:?}", loaded.warnings);
    }
}
