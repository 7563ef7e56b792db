//! A site that models are fetched from, as far as a look at an address sees it: files of some size, pages,
//! redirects, refusals. It answers on this computer, so the hub needs `REMOTE_ALLOW_PRIVATE_SOURCES`.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};

/// What a path answers.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A file of so many bytes, to whoever asks for its first byte.
    File(u64),
    /// A page instead of a file.
    Page,
    /// A redirect, to a path here or to a whole address.
    Redirect(String),
    /// Another status, without more.
    Status(u16),
}

/// A site that runs until it goes out of scope.
#[derive(Debug)]
pub struct PublicSite {
    port: u16,
    replies: Arc<Mutex<BTreeMap<String, Reply>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl PublicSite {
    /// A site without anything.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("the site can't listen")?;
        let port = listener.local_addr()?.port();
        let site = Self { port, replies: Arc::default(), asked: Arc::default() };
        let (replies, asked) = (Arc::downgrade(&site.replies), Arc::clone(&site.asked));
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                // The last look after the site went away ends the thread.
                let Some(replies) = replies.upgrade() else { return };
                let known = replies.lock().unwrap_or_else(PoisonError::into_inner).clone();
                drop(replies);
                if let Ok(head) = serve(socket, &known) {
                    asked.lock().unwrap_or_else(PoisonError::into_inner).push(head);
                }
            }
        });
        Ok(site)
    }

    /// Sets what a path answers from now on, and tells its address.
    pub fn put(&self, path: &str, reply: Reply) -> String {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), reply);
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The heads of all requests so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for PublicSite {
    fn drop(&mut self) {
        self.replies = Arc::default();
        // Wakes the thread, so that it sees that nobody is left.
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok();
    }
}

fn serve(socket: TcpStream, replies: &BTreeMap<String, Reply>) -> Result<String> {
    let mut reader = BufReader::new(socket);
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        head.push_str(&line);
    }
    let path = head.split(' ').nth(1).unwrap_or_default();
    let answer = match replies.get(path) {
        Some(Reply::File(size)) => {
            format!("206 Partial Content\r\nContent-Range: bytes 0-0/{size}\r\nContent-Length: 1\r\n\r\nx")
        }
        Some(Reply::Page) => "200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\npage".to_owned(),
        Some(Reply::Redirect(to)) => format!("302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"),
        Some(Reply::Status(status)) => format!("{status} x\r\nContent-Length: 0\r\n\r\n"),
        None => "404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
    };
    let mut socket = reader.into_inner();
    let (first, rest) = answer.split_once("\r\n").unwrap_or((&answer, ""));
    write!(socket, "HTTP/1.1 {first}\r\nConnection: close\r\n{rest}")?;
    Ok(head)
}
