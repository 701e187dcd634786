//! A proxy for one TCP address: a line that can be cut, held, or opened one way only, at once or
//! when certain words are said on it.

use anyhow::Result;
use fleetlog_chassis::Tasks;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What goes through a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Everything.
    Open,
    /// Nothing: what was open is closed, new connections are closed at once.
    Cut,
    /// Nothing, but connections stay and new ones are taken: nobody is told.
    Held,
    /// Only what the client says; no answer comes back.
    ToHub,
    /// Only what the hub says.
    ToClient,
}

#[derive(Clone, Copy)]
struct State {
    way: Way,
    cuts: u64,
    /// With these words of a client answers stop.
    last_words: Option<&'static str>,
}

impl State {
    /// Whether what a client says changes what goes through.
    fn hear(&mut self, said: &[u8]) -> bool {
        let meant = |words: &&str| said.windows(words.len()).any(|part| part == words.as_bytes());
        let hears = self.last_words.as_ref().is_some_and(meant);
        if hears {
            (self.way, self.last_words) = (Way::ToHub, None);
        }
        hears
    }
}

/// A line to a server. It ends with this value.
pub struct Line {
    url: String,
    state: watch::Sender<State>,
    tasks: Tasks,
}

impl Line {
    /// An open line to `url`, of the form `nats://127.0.0.1:4222`.
    ///
    /// # Errors
    /// When no port of loopback can be listened on.
    pub async fn to(url: &str) -> Result<Self> {
        let server = url.rsplit('/').next().unwrap_or_default().to_owned();
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let url = format!("nats://{}", listener.local_addr()?);
        let state = watch::Sender::new(State { way: Way::Open, cuts: 0, last_words: None });
        let (tasks, states) = (Tasks::default(), state.clone());
        let each = tasks.clone();
        tasks.spawn("line", async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, state) = (server.clone(), states.clone());
                each.spawn("connection", async move {
                    // A connection that breaks is what this is for.
                    let _ = connect(client, &server, &state).await;
                    Ok(())
                });
            }
            Ok(())
        });
        Ok(Self { url, state, tasks })
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Lets this through from now on.
    pub fn set(&self, way: Way) {
        self.state.send_modify(|state| {
            state.way = way;
            state.cuts += u64::from(way == Way::Cut);
        });
    }

    /// Lets no answer through from the moment on at which a client says this: [`Way::ToHub`].
    pub fn hold_answers_once_said(&self, words: &'static str) {
        self.state.send_modify(|state| state.last_words = Some(words));
    }

    /// Closes what is open; new connections go through.
    pub fn cut_once(&self) {
        self.set(Way::Cut);
        self.set(Way::Open);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

async fn connect(
    client: TcpStream,
    server: &str,
    state: &watch::Sender<State>,
) -> std::io::Result<()> {
    let State { way, cuts, .. } = *state.borrow();
    if way == Way::Cut {
        return Ok(());
    }
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((from_client, to_client), (from_hub, to_hub)) = (client.into_split(), server.into_split());
    let mut told = state.subscribe();
    tokio::select! {
        _ = told.wait_for(|state| state.cuts > cuts) => {}
        () = carry(from_client, to_hub, state, &[Way::Open, Way::ToHub]) => {}
        () = carry(from_hub, to_client, state, &[Way::Open, Way::ToClient]) => {}
    }
    Ok(())
}

/// Carries bytes one way, while the line is open that way, until an end closes.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: &watch::Sender<State>,
    open: &[Way],
) {
    let (mut buffer, mut told) = (vec![0; 64 * 1024], state.subscribe());
    loop {
        let Ok(read @ 1..) = from.read(&mut buffer).await else { return };
        if open.contains(&Way::ToHub) {
            state.send_if_modified(|state| state.hear(&buffer[..read]));
        }
        if told.wait_for(|state| open.contains(&state.way)).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that says back what it hears, and a line to it.
    async fn echo() -> (Line, Tasks) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("nats://{}", listener.local_addr().unwrap());
        let tasks = Tasks::default();
        let each = tasks.clone();
        tasks.spawn("server", async move {
            while let Ok((mut peer, _)) = listener.accept().await {
                each.spawn("echo", async move {
                    let (mut from, mut to) = peer.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                    Ok(())
                });
            }
            Ok(())
        });
        (Line::to(&url).await.unwrap(), tasks)
    }

    async fn dial(line: &Line) -> TcpStream {
        TcpStream::connect(line.url().strip_prefix("nats://").unwrap()).await.unwrap()
    }

    async fn said(peer: &mut TcpStream) -> Vec<u8> {
        let mut heard = vec![0; 16];
        let read = peer.read(&mut heard).await.unwrap_or(0);
        heard[..read].to_vec()
    }

    #[tokio::test]
    async fn answers_stop_with_the_words_that_they_are_held_from_on() {
        let (line, _server) = echo().await;
        let mut peer = dial(&line).await;
        line.hold_answers_once_said("two");
        peer.write_all(b"one").await.unwrap();
        assert_eq!(said(&mut peer).await, b"one");
        peer.write_all(b"two").await.unwrap();
        let waited = tokio::time::timeout(std::time::Duration::from_millis(100), said(&mut peer));
        assert!(waited.await.is_err(), "an answer comes through");
        line.set(Way::Open);
        assert_eq!(said(&mut peer).await, b"two");
    }

    #[tokio::test]
    async fn a_held_line_loses_nothing_and_a_cut_one_closes() {
        let (line, _server) = echo().await;
        let mut peer = dial(&line).await;
        peer.write_all(b"one").await.unwrap();
        assert_eq!(said(&mut peer).await, b"one");
        for way in [Way::Held, Way::ToHub, Way::ToClient] {
            line.set(way);
            peer.write_all(b"two").await.unwrap();
            let waited =
                tokio::time::timeout(std::time::Duration::from_millis(100), said(&mut peer));
            assert!(waited.await.is_err(), "{way:?} lets an answer through");
            line.set(Way::Open);
            assert_eq!(said(&mut peer).await, b"two");
        }
        line.set(Way::Cut);
        assert_eq!(said(&mut peer).await, b"");
        assert_eq!(said(&mut dial(&line).await).await, b"");
        line.set(Way::Open);
        let mut peer = dial(&line).await;
        peer.write_all(b"three").await.unwrap();
        assert_eq!(said(&mut peer).await, b"three");
    }
}
