//! The source tree keeps its own rules: short files, no leftovers, dependencies that point one way, one version each of
//! the crates that must agree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// No source file is longer. A ratchet: it may be lowered, and is never raised.
const LINES_MAX: usize = 800;

/// What each of our crates may depend on, among our own.
const ALLOWED: [(&str, &[&str]); 10] = [
    ("larder-model", &[]),
    ("larder-lrfu", &[]),
    ("larder-plot", &[]),
    ("larder-cached", &["larder-model", "larder-lrfu"]),
    ("larder-whitelist", &["larder-model", "larder-lrfu"]),
    ("larder-planner-hook", &["larder-model"]),
    ("larder-web", &["larder-model"]),
    (
        "larder",
        &["larder-model", "larder-cached", "larder-whitelist", "larder-planner-hook", "larder-plot", "larder-web"],
    ),
    ("larder-tests", &["larder-model", "larder-cached", "larder-whitelist", "larder-planner-hook", "larder-web"]),
    (
        "larder-bench",
        &["larder-model", "larder-cached", "larder-whitelist", "larder-planner-hook", "larder-plot", "larder-web"],
    ),
];

/// A second version of any of these in one build means that two halves of Larder cannot pass data to each other.
const ONE_VERSION: [&str; 3] = ["arrow", "parquet", "object_store"];

#[test]
fn no_source_file_is_too_long() {
    let too_long: Vec<String> = sources()
        .into_iter()
        // The API's types are written by a program, from the API's document.
        .filter(|(path, _)| !path.ends_with("web/ui/src/api/schema.ts"))
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(path, lines)| format!("{} has {lines} lines, at most {LINES_MAX} are allowed", path.display()))
        .collect();
    assert!(too_long.is_empty(), "split these files:\n{}", too_long.join("\n"));
}

#[test]
fn nothing_is_left_to_do_in_a_comment() {
    // Put together here, so that this file does not find itself.
    let leftovers = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!(")];
    assert_absent(&leftovers, "do it, or open an issue");
}

#[test]
fn no_source_names_a_place_on_somebodys_machine() {
    let places = [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];
    assert_absent(&places, "paths come from the configuration or the environment");
}

#[test]
fn every_promise_has_the_tests_that_are_named() {
    let promises = fs::read_to_string(root().join("docs/promises.md")).expect("the page of promises");
    let named: Vec<(&str, &str)> = promises.split('`').filter_map(|words| words.split_once("::")).collect();
    assert!(named.len() > 20, "the page names {} tests", named.len());
    let missing: Vec<String> = named
        .into_iter()
        .filter(|(file, _)| *file != "file")
        .filter(|(file, test)| {
            let text = fs::read_to_string(root().join(file)).unwrap_or_default();
            !text.contains(&format!("fn {test}(")) && !text.contains(&format!("def {test}("))
        })
        .map(|(file, test)| format!("{file}::{test}"))
        .collect();
    assert!(missing.is_empty(), "docs/promises.md names tests that are not there:\n{}", missing.join("\n"));
}

#[test]
fn every_factor_of_a_value_has_words_in_both_languages() {
    // Put together here, so that this file does not find itself.
    let made = concat!("Factor::", "new(");
    let mut names: BTreeSet<String> = BTreeSet::new();
    for (_, text) in sources() {
        names.extend(text.split(made).skip(1).filter_map(first_quoted).map(str::to_owned));
    }
    assert!(names.len() > 10, "only these were found: {names:?}");
    for language in ["en", "zh"] {
        let page = fs::read_to_string(root().join(format!("web/ui/src/text/{language}.ts"))).expect("the page's words");
        let (_, after) = page.split_once("\n  factors: {").expect("the words of factors");
        let (words, _) = after.split_once("\n  },").expect("their end");
        let missing: Vec<&String> = names.iter().filter(|name| !words.contains(&format!("\n    {name}: {{"))).collect();
        assert!(missing.is_empty(), "{language}.ts has no words for the factors {missing:?}");
    }
}

#[test]
fn dependencies_between_our_crates_point_one_way() {
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        ALLOWED.iter().map(|(name, others)| (*name, others.iter().copied().collect())).collect();
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    let ours: BTreeSet<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        let may = allowed.get(name).unwrap_or_else(|| panic!("the new crate `{name}` has no line in ALLOWED"));
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let other = dependency["name"].as_str().expect("a name");
            assert!(!ours.contains(other) || may.contains(other), "`{name}` must not depend on `{other}`");
        }
    }
}

#[test]
fn crates_that_must_agree_have_one_version() {
    // The lock file rather than `cargo metadata`, which would download what other platforms need.
    let text = fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock");
    let lock: toml::Table = text.parse().expect("Cargo.lock is TOML");
    let packages = lock["package"].as_array().expect("packages");
    for name in ONE_VERSION {
        let versions: Vec<&str> = packages
            .iter()
            .filter(|package| package["name"].as_str() == Some(name))
            .filter_map(|package| package["version"].as_str())
            .collect();
        assert_eq!(versions.len(), 1, "{name} must have one version, not {versions:?} (cargo tree -d shows who asks)");
    }
}

/// What stands in quotes at the beginning of a text, if anything does.
fn first_quoted(text: &str) -> Option<&str> {
    Some(text.trim_start().strip_prefix('"')?.split_once('"')?.0)
}

#[track_caller]
fn assert_absent(words: &[&str], instead: &str) {
    let mut found = Vec::new();
    for (path, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            for word in words.iter().filter(|word| line.contains(**word)) {
                found.push(format!("{}:{}: `{word}`", path.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{instead}:\n{}", found.join("\n"));
}

fn root() -> PathBuf {
    // As the test runs, not as it was built: clones may share what is built.
    let package = std::env::var("CARGO_MANIFEST_DIR").expect("cargo runs the tests");
    Path::new(&package).parent().expect("the workspace lies above").to_owned()
}

/// Every source file, the paths relative to the workspace.
fn sources() -> Vec<(PathBuf, String)> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name in UTF-8");
            if path.is_dir() {
                // What is built, installed or kept by git is not ours to judge.
                if !matches!(name, "target" | "data" | "node_modules" | "dist") && !name.starts_with(".git") {
                    folders.push(path);
                }
            } else if is_source(name) {
                let text = fs::read_to_string(&path).expect("a source file in UTF-8");
                found.push((path.strip_prefix(&root).expect("below the root").to_owned(), text));
            }
        }
    }
    assert!(found.len() > 20, "the sources were not found below {}", root.display());
    found
}

fn is_source(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("rs" | "ts" | "tsx" | "py" | "sql" | "sh")) || matches!(name, "test" | "run")
}

fn metadata() -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--no-deps"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}
