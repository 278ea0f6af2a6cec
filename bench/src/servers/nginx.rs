//! nginx, from the distribution's package, tuned for this load: one process, no logs, open files cached for the whole run, sendfile,
//! unlimited keep-alive.

use std::process::Command;

use anyhow::Result;

use super::{Job, Kind, first_line, require};
use crate::load::Key;

pub(super) const KIND: Kind = Kind {
    name: "nginx",
    serves: |_| true,
    command: |job| command(job, 1),
    announces: false,
    is_server: true,
    copies: 1,
    processes: 1,
    version: |_| first_line("nginx", "-v"),
};

pub(super) const TWO_WORKERS: Kind = Kind {
    name: "nginx-2",
    command: |job| command(job, 2),
    processes: 3,
    ..KIND
};

fn command(job: &Job<'_>, workers: usize) -> Result<Command> {
    let program = require("nginx", "nginx-light")?;
    let scratch = job.site.scratch().display();
    let (root, port) = (job.site.root(), job.port);
    let config = job.site.scratch().join("nginx.conf");
    let access_log = if job.how.logged {
        format!("{scratch}/nginx-access.log combined")
    } else {
        "off".to_owned()
    };
    let header_timeout = job
        .how
        .header_timeout
        .map_or(60, |timeout| timeout.as_secs());
    let files = job.how.files.unwrap_or(20_000);
    // All that it may have open but what it needs itself.
    let connections = files.min(16_384 + 64) - 64;
    let (ssl, tls) = if job.how.secure {
        let Key { certificate, key } = Key::at(job.site.scratch());
        let (certificate, key) = (certificate.display(), key.display());
        let tls = format!(
            "ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.3;
        ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
        ssl_ecdh_curve X25519;
        ssl_session_tickets on;"
        );
        (" ssl", tls)
    } else {
        ("", String::new())
    };
    // One process that serves needs none that watches it: the same code on the path of a request, and nothing to add up. Each
    // of several gets a listening socket of its own, as Bucle's do.
    let (master, share) = match workers {
        1 => ("off", ""),
        _ => ("on", " reuseport"),
    };
    std::fs::write(
        &config,
        format!(
            r#"user root;
daemon off;
master_process {master};
worker_processes {workers};
worker_rlimit_nofile {files};
pid {scratch}/nginx.pid;
error_log {scratch}/nginx-error.log crit;
events {{
    worker_connections {connections};
    use epoll;
    multi_accept on;
}}
http {{
    include /etc/nginx/mime.types;
    default_type text/plain;
    access_log {access_log};
    client_header_timeout {header_timeout}s;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    open_file_cache max=4000 inactive=1h;
    open_file_cache_valid 1h;
    open_file_cache_min_uses 1;
    open_file_cache_errors on;
    client_body_temp_path {scratch}/nginx-body;
    proxy_temp_path {scratch}/nginx-proxy;
    fastcgi_temp_path {scratch}/nginx-fastcgi;
    uwsgi_temp_path {scratch}/nginx-uwsgi;
    scgi_temp_path {scratch}/nginx-scgi;
    server {{
        listen 127.0.0.1:{port} backlog=1024{share}{ssl};
        {tls}
        server_name bench.example;
        root {root};
        location /plaintext/ {{
            return 200 "Hello, World!";
        }}
    }}
}}
"#,
            root = root.display()
        ),
    )?;
    let mut command = Command::new(program);
    command.arg("-c").arg(config).args(["-g", ""]);
    Ok(command)
}
