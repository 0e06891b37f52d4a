//! `build.rs` itself, compiled and run as cargo does, where there is no npm.

use std::path::Path;
use std::process::Command;

#[test]
fn without_node_the_build_goes_on_and_its_page_says_what_is_missing() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("without-node");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).expect("what an earlier run left can be removed");
    }
    let (script, out, no_programs) = (folder.join("build-script"), folder.join("out"), folder.join("no-programs"));
    for made in [&out, &no_programs] {
        std::fs::create_dir_all(made).expect("the folder for tests is writable");
    }
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition", "2024", "-o"]).arg(&script).arg(sources.join("build.rs"));
    let compiled = rustc.output().expect("rustc starts, as it did for cargo");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));

    let mut build = Command::new(&script);
    build.env_clear().env("PATH", &no_programs).env("CARGO_MANIFEST_DIR", sources).env("OUT_DIR", &out);
    let built = build.output().expect("the build script starts");
    let said = String::from_utf8_lossy(&built.stdout);
    assert!(built.status.success(), "{said}{}", String::from_utf8_lossy(&built.stderr));
    assert!(said.contains("cargo:warning=the dashboard is not built: npm does not start"), "{said}");
    for page in ["index.html", "api.html"] {
        let text = std::fs::read_to_string(out.join("dist").join(page)).expect("a page in the place of the dashboard");
        assert!(text.contains("The dashboard was not built"), "{text}");
        assert!(text.contains("install Node.js 20 or newer") && text.contains("/api/openapi.json"), "{text}");
    }
}
