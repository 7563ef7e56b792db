//! What stands between hub and agent and answers in the hub's place; or a hub of another version.

/// An answer that is not that of the hub behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// 524: the tunnel's provider waited too long for the hub.
    Timeout,
    /// 403 with a page: a firewall for web pages took the agent for a robot.
    Forbidden,
    /// 401 with a page: a proxy wants a password.
    Unauthorized,
    /// 302 to a page where people log in, which is then there, as 200.
    Login,
    /// 502: the tunnel is up, the hub is not.
    BadGateway,
    /// 503 with `Retry-After`.
    Unavailable,
    /// 400, by a hub that speaks no version of the agent's.
    Version,
}

impl Reply {
    /// The whole answer to a request for a path, after which the connection is closed.
    pub(super) fn to(self, path: &str) -> Vec<u8> {
        let is_login = path.contains("/sso/login");
        let (status, header, title) = match self {
            Self::Version => return refusal(),
            Self::Timeout => ("524 <none>", "", "A timeout occurred"),
            Self::Forbidden => ("403 Forbidden", "", "Sorry, you have been blocked"),
            Self::Unauthorized => ("401 Unauthorized", "WWW-Authenticate: Basic realm=\"proxy\"\r\n", "Log in"),
            Self::Login if is_login => ("200 OK", "", "Log in"),
            Self::Login => ("302 Found", "Location: /sso/login?next=%2F\r\n", "Found"),
            Self::BadGateway => ("502 Bad Gateway", "", "Unable to reach the origin"),
            Self::Unavailable => ("503 Service Unavailable", "Retry-After: 1\r\n", "Come back later"),
        };
        page(status, header, title)
    }
}

/// What a later hub says to an agent of today.
fn refusal() -> Vec<u8> {
    let body = r#"{"app":"comfy-hub","refusal":{"code":"version","detail":"Another version.","retry":false}}"#;
    let n = body.len();
    format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: {n}\r\n\
         Connection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

/// The answer of a proxy that knows no upgrade.
pub(super) fn no_upgrade(status: u16) -> Vec<u8> {
    page(&format!("{status} No WebSockets here"), "", "No WebSockets here")
}

fn page(status: &str, header: &str, title: &str) -> Vec<u8> {
    let body = format!("<!DOCTYPE html><html><head><title>{title}</title></head><body>{title}</body></html>\n");
    let n = body.len();
    format!(
        "HTTP/1.1 {status}\r\nServer: proxy\r\n{header}Content-Type: text/html; charset=UTF-8\r\n\
         Content-Length: {n}\r\nConnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}
