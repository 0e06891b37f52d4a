//! What the types of the configuration cannot say. Each problem is a key's path and words that name what is allowed.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use axum::http::HeaderName;
use larder_cached::{Access, CacheSettings, OpenError, Origins, SsdSettings};
use larder_model::ByteSize;
use larder_model::admin::Role;
use larder_web::{AdminSettings, TokenError};
use larder_whitelist::StoreSettings;

use super::Config;

pub(super) type Problems = Vec<(String, String)>;

/// Less memory than this is no tier.
const MEMORY_MIN: ByteSize = ByteSize(16 << 20);

/// A pause as short as this is no stall.
const STALL_MIN: Duration = Duration::from_secs(1);

fn too_short(stall: Duration) -> String {
    format!("{stall:?} is too short: pauses of {STALL_MIN:?} are nothing unusual")
}

/// Values that cannot be.
pub(super) fn errors(config: &Config) -> Problems {
    let mut errors = Problems::new();
    let mut say = |path: &str, text: String| errors.push((path.to_owned(), text));
    listeners(config, &mut say);
    keys(config, &mut say);
    sign_in(&config.admin, &mut say);
    cache(&config.cache, &mut say);
    buckets(config, &mut say);
    hook(config, &mut say);
    store(config, &mut say);
    if let Err(text) = config.nightly.validate() {
        // The message begins with the key.
        let key = text.split([' ', ':']).next().unwrap_or("nightly").to_owned();
        say(&key, text);
    }
    for (key, text) in config.metastore.problems() {
        say(&format!("metastore.{key}"), text);
    }
    for (key, text) in config.iceberg.problems() {
        say(&format!("iceberg.{key}"), text);
    }
    if let Some(endpoint) = config.traces.endpoint.as_deref().filter(|endpoint| !is_url(endpoint)) {
        say("traces.endpoint", format!("`{endpoint}` is no URL: write for example http://127.0.0.1:4318"));
    }
    if config.traces.one_in == 0 {
        say("traces.one_in", "must be at least 1".to_owned());
    }
    if config.iceberg.listen.is_some() && config.hook.key.is_none() {
        let text = "engines are told how to sign: name one of [[s3.keys]] as `key` of [hook]";
        say("iceberg.listen", text.to_owned());
    }
    errors
}

fn store(config: &Config, say: &mut impl FnMut(&str, String)) {
    let StoreSettings { url, whitelist_to, whitelist_from } = &config.store;
    if !["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        // Not the whole URL, which may hold a password.
        let scheme = url.split("://").next().unwrap_or_default();
        say("store.url", format!("`{scheme}://` is not served: use sqlite://file or postgres://..."));
    }
    for (key, place) in [("store.whitelist_to", whitelist_to), ("store.whitelist_from", whitelist_from)] {
        let Some(place) = place else { continue };
        match StoreSettings::bucket_and_key(place) {
            None => say(key, format!("`{place}` is no object: write BUCKET/KEY")),
            Some((bucket, _)) if !config.buckets.iter().any(|known| known.name == bucket) => {
                let known: Vec<&str> = config.buckets.iter().map(|bucket| bucket.name.as_str()).collect();
                say(key, format!("there is no bucket `{bucket}` (there are: {})", known.join(", ")));
            }
            Some(_) => {}
        }
    }
    if whitelist_to.is_some() && whitelist_from.is_some() {
        let text = "the whitelist is published from here or comes from elsewhere: leave out this, or `whitelist_to`";
        say("store.whitelist_from", text.to_owned());
    }
}

fn listeners(config: &Config, say: &mut impl FnMut(&str, String)) {
    if !config.s3.listen.ip().is_loopback() && config.s3.keys.is_empty() {
        let text = format!("{} is not a loopback address: configure [[s3.keys]] first", config.s3.listen);
        say("s3.listen", text);
    }
    if !config.admin.listen.ip().is_loopback() && !config.admin.has_sign_in() {
        let text = format!("{} is not a loopback address: configure [[admin.tokens]] first", config.admin.listen);
        say("admin.listen", text);
    }
    if config.s3.connections_max == 0 {
        say("s3.connections_max", "must be at least 1".to_owned());
    }
    if config.s3.requests_max == 0 {
        say("s3.requests_max", "must be at least 1".to_owned());
    }
    if config.s3.stall < STALL_MIN {
        say("s3.stall", too_short(config.s3.stall));
    }
}

/// The files that the endpoint needs and cannot read.
pub(super) fn unreadable_files(config: &Config) -> Problems {
    let mut problems = Problems::new();
    let mut check = |key: String, path: &Path| match std::fs::read(path) {
        Ok(bytes) if bytes.trim_ascii().is_empty() => problems.push((key, format!("{} is empty", path.display()))),
        Ok(_) => {}
        Err(error) => problems.push((key, format!("{} cannot be read: {error}", path.display()))),
    };
    if let Some(tls) = &config.s3.tls {
        check("s3.tls.cert".to_owned(), &tls.cert);
        check("s3.tls.key".to_owned(), &tls.key);
    }
    for (i, key) in config.s3.keys.iter().enumerate() {
        if let Some(path) = &key.secret_file {
            check(format!("s3.keys.{i}.secret_file"), path);
        }
    }
    for (i, token) in config.admin.tokens.iter().enumerate() {
        if let Some(path) = &token.token_file {
            check(format!("admin.tokens.{i}.token_file"), path);
        }
    }
    problems
}

fn keys(config: &Config, say: &mut impl FnMut(&str, String)) {
    let mut ids = HashSet::new();
    for (i, key) in config.s3.keys.iter().enumerate() {
        let at = |field: &str| format!("s3.keys.{i}{field}");
        if key.id.is_empty() {
            say(&at(".id"), "an id is at least one character".to_owned());
        }
        if !ids.insert(&key.id) {
            say(&at(".id"), format!("key `{}` stands twice", key.id));
        }
        match (&key.secret, &key.secret_file) {
            (Some(secret), None) if secret.is_empty() => say(&at(".secret"), "the secret is empty".to_owned()),
            (Some(_), None) => {}
            (None, Some(_)) => {}
            _ => say(&at(""), format!("key `{}`: give either `secret` or `secret_file`", key.id)),
        }
        for bucket in key.buckets.iter().filter(|name| *name != "*") {
            if !config.buckets.iter().any(|known| known.name == *bucket) {
                let known: Vec<&str> = config.buckets.iter().map(|bucket| bucket.name.as_str()).collect();
                say(&at(".buckets"), format!("there is no bucket `{bucket}` (there are: *, {})", known.join(", ")));
            }
        }
    }
}

fn is_url(url: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme))
}

fn sign_in(admin: &AdminSettings, say: &mut impl FnMut(&str, String)) {
    if let Some(url) = admin.url.as_deref().filter(|url| !is_url(url)) {
        say("admin.url", format!("`{url}` is no URL: write for example http://worker-1:9001"));
    }
    let mut names = HashSet::new();
    for (i, token) in admin.tokens.iter().enumerate() {
        let at = |field: &str| format!("admin.tokens.{i}{field}");
        if token.name.is_empty() {
            say(&at(".name"), "a name is at least one character".to_owned());
        }
        if !names.insert(&token.name) {
            say(&at(".name"), format!("token `{}` stands twice", token.name));
        }
        match token.read_token() {
            // Files may be unreadable for who runs a command.
            Ok(_) | Err(TokenError::File { .. }) => {}
            Err(error @ TokenError::Token { .. }) => say(&at(""), error.to_string()),
            Err(error) if token.token.is_some() => say(&at(".token"), error.to_string()),
            Err(error) => say(&at(".token_file"), error.to_string()),
        }
    }
    if let Some(proxy) = &admin.proxy {
        if proxy.header.parse::<HeaderName>().is_err() {
            say("admin.proxy.header", format!("`{}` is no name of a header", proxy.header));
        }
        if proxy.from.is_empty() {
            say(
                "admin.proxy.from",
                "at least one address is needed: the header is believed from there only".to_owned(),
            );
        }
    }
    if admin.has_sign_in() && !admin.tokens.iter().any(|token| token.role == Role::Operator) {
        let key = if admin.tokens.is_empty() { "admin.proxy" } else { "admin.tokens" };
        let text = "nights and commands sign in with the first operator's token: add one with role = \"operator\"";
        say(key, text.to_owned());
    }
}

fn cache(cache: &CacheSettings, say: &mut impl FnMut(&str, String)) {
    if cache.memory < MEMORY_MIN {
        say("cache.memory", format!("{} is too small: at least {MEMORY_MIN} is needed", cache.memory));
    }
    if cache.ssd.capacity < SsdSettings::CAPACITY_MIN {
        let (capacity, min) = (cache.ssd.capacity, SsdSettings::CAPACITY_MIN);
        say("cache.ssd.capacity", format!("{capacity} is too small: at least {min} is needed"));
    }
    let block_max = ByteSize((64 << 20).min(cache.memory.as_u64() / 8).min(cache.ssd.capacity.as_u64() / 32));
    if cache.block < ByteSize::kib(4) || (cache.block > block_max && cache.memory >= MEMORY_MIN) {
        let text =
            format!("{} is not from 4.0 KiB to {block_max}, an eighth of memory and a 32nd of the ssd", cache.block);
        say("cache.block", text);
    }
    if cache.ssd.adaptive_percent > 100 {
        say("cache.ssd.adaptive", format!("adaptive {} is not from 0 to 100, in percent", cache.ssd.adaptive_percent));
    }
    if !(0.0..=1.0).contains(&cache.ssd.lrfu_lambda) {
        say("cache.ssd.lrfu_lambda", format!("lrfu_lambda {} is not from 0 to 1", cache.ssd.lrfu_lambda));
    }
    if cache.fills_in_flight < cache.fill {
        say("cache.fills_in_flight", format!("{} is less than one fill ({})", cache.fills_in_flight, cache.fill));
    }
    if cache.metadata_objects_max == 0 {
        say("cache.metadata_objects_max", "must be at least 1".to_owned());
    }
}

fn buckets(config: &Config, say: &mut impl FnMut(&str, String)) {
    let mut names = HashSet::new();
    for (i, bucket) in config.buckets.iter().enumerate() {
        if !is_bucket_name(&bucket.name) {
            let text = format!(
                "`{}` is no bucket name: 3 to 63 lower-case letters, digits, dots and hyphens, with a letter or digit at \
                 both ends",
                bucket.name
            );
            say(&format!("bucket.{i}.name"), text);
        }
        if !names.insert(&bucket.name) {
            say(&format!("bucket.{i}.name"), format!("bucket `{}` stands twice", bucket.name));
        }
        if bucket.fills_max == 0 {
            say(&format!("bucket.{i}.fills_max"), "must be at least 1".to_owned());
        }
        if bucket.stall < STALL_MIN {
            say(&format!("bucket.{i}.stall"), too_short(bucket.stall));
        }
        if let Err(error) = Origins::open(std::slice::from_ref(bucket)) {
            let field = match error {
                OpenError::Option { .. } | OpenError::Value { .. } => "options",
                OpenError::Redirect { .. } => "redirect",
                OpenError::Url { .. } | OpenError::Client { .. } => "origin",
            };
            say(&format!("bucket.{i}.{field}"), format!("{:#}", anyhow::Error::from(error)));
        }
    }
}

fn hook(config: &Config, say: &mut impl FnMut(&str, String)) {
    let hook = &config.hook;
    if let Some(endpoint) = hook.endpoint.as_deref()
        && !is_url(endpoint)
    {
        say("hook.endpoint", format!("`{endpoint}` is no URL: write for example http://127.0.0.1:9000"));
    }
    match hook.key.as_deref() {
        Some(id) if !config.s3.keys.iter().any(|key| key.id == id) => {
            let known: Vec<&str> = config.s3.keys.iter().map(|key| key.id.as_str()).collect();
            say("hook.key", format!("there is no key `{id}` in [[s3.keys]] (there are: {})", known.join(", ")));
        }
        None if hook.mapping_file.is_some() => {
            let text = "the mapping tells Trino how to sign: name one of [[s3.keys]] in `key`";
            say("hook.mapping_file", text.to_owned());
        }
        _ => {}
    }
    if hook.mapping_entries_max == 0 {
        say("hook.mapping_entries_max", "must be at least 1".to_owned());
    }
}

fn is_bucket_name(name: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    (3..=63).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-')
        && ends(name.chars().next())
        && ends(name.chars().last())
}

/// What is allowed but hardly meant.
pub(super) fn warnings(config: &Config) -> Problems {
    let mut warnings = Problems::new();
    let room = config.cache.ssd.capacity.as_u64() / 100 * 90;
    if config.nightly.budget.as_u64() > room {
        let text = format!(
            "the budget {} is more than preloads may fill of ssd.capacity (90% of {}): what is beyond is left out",
            config.nightly.budget, config.cache.ssd.capacity
        );
        warnings.push(("nightly.budget".to_owned(), text));
    }
    told_warnings(config, &mut warnings);
    if config.metastore.listen.is_some() {
        let origins: Vec<(&str, &str)> =
            config.buckets.iter().map(|bucket| (bucket.name.as_str(), bucket.origin.as_str())).collect();
        for (i, (name, _)) in origins.iter().enumerate() {
            if larder_planner_hook::metastore::is_ambiguous(name, origins.iter().map(|(_, origin)| *origin)) {
                let text = format!(
                    "there is a bucket `{name}` at an origin, too, so that nobody could tell which one s3a://{name}/... \
                     means: the metastore proxy leaves its locations alone; give it another name"
                );
                warnings.push((format!("bucket.{i}.name"), text));
            }
        }
    }
    warnings
}

/// What engines that are told Larder's endpoint will not read through it, or not write.
fn told_warnings(config: &Config, warnings: &mut Problems) {
    let Some(key) = config.s3.keys.iter().find(|key| Some(&key.id) == config.hook.key.as_ref()) else { return };
    for (i, bucket) in config.buckets.iter().enumerate() {
        if let Err(text) = crate::hook::keeps_urls(bucket, key) {
            let text = format!("Trino's mapping and the Iceberg proxy leave this out: {text}");
            warnings.push((format!("bucket.{i}"), text));
        }
    }
    if key.access == Access::Read {
        let text = format!("key `{}` is not `write`: engines' writes to what is whitelisted will be refused", key.id);
        warnings.push(("hook.key".to_owned(), text));
    }
}
