//! lighttpd, from the distribution's package, tuned for this load: no logs, no limit on requests a connection, file facts cached and
//! kept fresh by inotify. It has no plaintext handler of its own, so it serves files only.

use std::process::Command;

use anyhow::Result;

use super::{Job, Kind, first_line, require};
use crate::shape::Content;

pub(super) const KIND: Kind = Kind {
    name: "lighttpd",
    serves: |content| content != Content::Plaintext,
    command,
    announces: false,
    is_server: true,
    copies: 1,
    processes: 1,
    version: |_| first_line("lighttpd", "-v"),
};

fn command(job: &Job<'_>) -> Result<Command> {
    let program = require("lighttpd", "lighttpd")?;
    let (root, port) = (job.site.root(), job.port);
    let config = job.site.scratch().join("lighttpd.conf");
    let scratch = job.site.scratch().display();
    anyhow::ensure!(!job.how.secure, "lighttpd is not measured with TLS");
    let access_log = if job.how.logged {
        format!(
            "server.modules += (\"mod_accesslog\")\naccesslog.filename = \"{scratch}/lighttpd-access.log\""
        )
    } else {
        String::new()
    };
    std::fs::write(
        &config,
        format!(
            r#"server.document-root = "{root}"
server.bind = "127.0.0.1"
server.port = {port}
server.listen-backlog = 1024
server.errorlog = "{scratch}/lighttpd-error.log"
server.event-handler = "linux-sysepoll"
server.network-backend = "sendfile"
server.stat-cache-engine = "inotify"
server.max-fds = 20000
server.max-connections = 10000
server.max-keep-alive-requests = 1000000000
server.max-keep-alive-idle = 3600
server.max-read-idle = 3600
{access_log}
mimetype.assign = (".html" => "text/html", ".css" => "text/css", ".js" => "text/javascript",
                   ".svg" => "image/svg+xml", ".txt" => "text/plain")
"#,
            root = root.display(),
        ),
    )?;
    let mut command = Command::new(program);
    command.arg("-D").arg("-f").arg(config);
    Ok(command)
}
