//! The caches that Larder is compared with, each in front of the simulated origin, set up as its operators would.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::client::cache_home;
use crate::servers::{BUCKET, KEY, Launcher, Server, free_port, is_root, pinned};

/// What each cache may keep in memory, where that can be said, and on disk.
pub(crate) const MEMORY: &str = "1GiB";
pub(crate) const DISK: &str = "4GiB";

impl Launcher<'_> {
    /// nginx as a cache of slices of 1 MiB, kept in files.
    pub(crate) async fn nginx_slices(&self, origin: &Server) -> anyhow::Result<Server> {
        let port = free_port()?;
        let folder = self.folder.join("nginx");
        fs::create_dir_all(&folder)?;
        let home = folder.display();
        // Started by root, nginx would write the cache as another user, who may not enter the folder.
        let user = if is_root() { "user root;" } else { "" };
        let configuration = format!(
            "daemon off; worker_processes 1; pid {home}/pid; error_log {home}/error.log; {user}\n\
             events {{ worker_connections 4096; }}\n\
             http {{\n\
               access_log off; sendfile on; tcp_nopush on; tcp_nodelay on;\n\
               keepalive_timeout 600; keepalive_requests 1000000000;\n\
               open_file_cache max=10000; open_file_cache_valid 600s;\n\
               client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;\n\
               uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;\n\
               proxy_cache_path {home}/cache levels=1:2 keys_zone=slices:64m max_size=4g inactive=1d use_temp_path=off;\n\
               upstream origin {{ server {address}; keepalive 256; }}\n\
               server {{\n\
                 listen 127.0.0.1:{port};\n\
                 location / {{\n\
                   slice 1m;\n\
                   proxy_cache slices; proxy_cache_valid 200 206 1d; proxy_cache_lock on;\n\
                   proxy_cache_key $uri$is_args$args$slice_range;\n\
                   proxy_set_header Range $slice_range;\n\
                   proxy_http_version 1.1; proxy_set_header Connection \"\";\n\
                   proxy_pass http://origin;\n\
                 }}\n\
               }}\n\
             }}\n",
            address = origin.endpoint.trim_start_matches("http://")
        );
        fs::write(folder.join("nginx.conf"), configuration)?;
        let mut command = pinned(self.core, "nginx");
        command.arg("-p").arg(&folder).arg("-c").arg(folder.join("nginx.conf"));
        let url = format!("http://127.0.0.1:{port}/{BUCKET}/{}", self.object);
        let started = self.start("nginx", command, port, url, false).await;
        started.context("is nginx installed? (Debian: apt-get install nginx-light)")
    }

    /// Varnish, which cannot cut objects: each range that is asked for is an object of its own, kept in memory.
    pub(crate) async fn varnish(&self, origin: &Server) -> anyhow::Result<Server> {
        let port = free_port()?;
        let folder = self.folder.join("varnish");
        fs::create_dir_all(&folder)?;
        let origin_port = origin.endpoint.rsplit(':').next().unwrap_or_default();
        // A HEAD is passed on: what Varnish keeps of one has no length, and a GET in its place would fetch the whole object.
        let vcl = format!(
            "vcl 4.1;\n\
             backend origin {{ .host = \"127.0.0.1\"; .port = \"{origin_port}\"; .first_byte_timeout = 60s; }}\n\
             sub vcl_recv {{\n\
               if (req.method != \"GET\") {{ return (pass); }}\n\
               set req.http.X-Range = req.http.Range;\n\
               unset req.http.Range; unset req.http.Authorization; unset req.http.Cookie;\n\
               return (hash);\n\
             }}\n\
             sub vcl_hash {{ hash_data(req.url); hash_data(req.http.X-Range); return (lookup); }}\n\
             sub vcl_backend_fetch {{ if (bereq.http.X-Range) {{ set bereq.http.Range = bereq.http.X-Range; }} }}\n\
             sub vcl_backend_response {{\n\
               if (beresp.status == 206 || beresp.status == 200) {{ set beresp.ttl = 1d; return (deliver); }}\n\
             }}\n"
        );
        fs::write(folder.join("cache.vcl"), vcl)?;
        let mut command = pinned(self.core, "varnishd");
        command.args(["-F", "-j", "none", "-a", &format!("127.0.0.1:{port}"), "-p", "http_range_support=off"]);
        command.args(["-s", &format!("malloc,{}", MEMORY.trim_end_matches("iB"))]);
        command.arg("-n").arg(&folder).arg("-f").arg(folder.join("cache.vcl"));
        let url = format!("http://127.0.0.1:{port}/{BUCKET}/{}", self.object);
        let started = self.start("varnish", command, port, url, false).await;
        started.context("is Varnish installed? (Debian: apt-get install varnish)")
    }

    /// cachey, on memory and disk.
    pub(crate) async fn cachey(&self, binary: &Path, origin: &Server) -> anyhow::Result<Server> {
        let port = free_port()?;
        let folder = self.folder.join("cachey");
        fs::create_dir_all(&folder)?;
        let mut command = pinned(self.core, binary);
        command.args(["--port", &port.to_string(), "--memory", MEMORY, "--disk-capacity", DISK]);
        command.arg("--disk-path").arg(folder.join("cache")).current_dir(&folder);
        command.env("AWS_ENDPOINT_URL_S3", &origin.endpoint).env("AWS_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", KEY.0).env("AWS_SECRET_ACCESS_KEY", KEY.1);
        command.env("AWS_EC2_METADATA_DISABLED", "true").env("RUST_LOG", "warn");
        fs::create_dir_all(folder.join("cache"))?;
        let url = format!("http://127.0.0.1:{port}/fetch/{BUCKET}/{}", self.object);
        let mut server = self.start("cachey", command, port, url, false).await?;
        server.header = Some(CACHEY_HEADER);
        Ok(server)
    }
}

/// How cachey reads the origin, which is no Amazon: in path style.
pub(crate) const CACHEY_HEADER: &str = "C0-Config: fps=true";

/// The release that the comparison was written for.
pub(crate) const CACHEY_VERSION: &str = "0.13.2";

/// cachey's server: the one that is named, or the one that was installed for this. (Its name, `server`, says too little to
/// look for.)
pub(crate) fn cachey_binary(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let install = cache_home()?.join("cachey");
    let binary = given.map_or_else(|| install.join("bin").join("server"), Path::to_owned);
    anyhow::ensure!(
        binary.exists(),
        "{} does not exist: cargo install cachey --version {CACHEY_VERSION} --locked --root {}\n\
         (or name another with --cachey, or leave it out with --without cachey)",
        binary.display(),
        install.display()
    );
    Ok(binary)
}
