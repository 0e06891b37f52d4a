//! The key pair that the daemon makes when none is configured: random, printed once, kept in a file that only its
//! owner can read.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use larder_cached::{Access, KeySettings};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct KeyPair {
    id: String,
    secret: String,
}

/// The pair in `path`, and whether it was made just now.
pub(crate) fn load_or_make(path: &Path) -> Result<(KeySettings, bool)> {
    let (pair, made) = match std::fs::read_to_string(path) {
        Ok(text) => (toml::from_str(&text).with_context(|| format!("{} is not a key pair", path.display()))?, false),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => (make(path)?, true),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let KeyPair { id, secret } = pair;
    let buckets = vec!["*".to_owned()];
    Ok((KeySettings { id, secret: Some(secret), secret_file: None, buckets, access: Access::Write }, made))
}

fn make(path: &Path) -> Result<KeyPair> {
    // Version 4 UUIDs are 122 bits from the system's random source each.
    let random = || uuid::Uuid::new_v4().simple().to_string();
    let pair = KeyPair { id: format!("LARDER{}", &random()[..14].to_uppercase()), secret: random() + &random()[..8] };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot make {}", path.display()))?;
    file.write_all(toml::to_string(&pair)?.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(pair)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_pair_is_made_once_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data/s3-key.toml");
        let (first, made) = load_or_make(&path).expect("a pair");
        assert!(made);
        assert_eq!(std::fs::metadata(&path).expect("the file").permissions().mode() & 0o777, 0o600);
        let (second, made) = load_or_make(&path).expect("the pair");
        assert!(!made && second == first);
    }
}
