//! Tests that see all of Larder from outside: `tests/tidy.rs` reads the sources, `e2e/` runs the binary against real
//! clients and servers, and `src/bin/datafusion-client.rs` is one of those clients.
