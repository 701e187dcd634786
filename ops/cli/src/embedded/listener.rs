//! The door for agents on other machines: TLS with a certificate of the hub's own authority, and
//! behind it the nats-server on loopback. Who is let in, the server decides.

use crate::failure::Failure;
use fleetlog_bus::Fault;
use fleetlog_chassis::Tasks;
use fleetlog_topology::Authority;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Duration, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;

/// What the door allows.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at once; more wait to be taken.
    pub connections: usize,
    /// How long a client may take until the connection is encrypted.
    pub handshake: Duration,
    /// How long to wait after a connection could not be taken.
    pub pause: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        let (handshake, pause) = (Duration::from_secs(5), Duration::from_millis(100));
        Self { connections: 10_000, handshake, pause }
    }
}

/// A bound address that nobody is answered on yet.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Takes the address.
    ///
    /// # Errors
    /// An address that is in use, or not this machine's.
    pub async fn bind(address: SocketAddr) -> Result<Self, Failure> {
        let refused = |error: std::io::Error| {
            let sentence = format!("cannot listen on {address}: {error}");
            let advice = "choose a free port of an address of this machine, e.g. 0.0.0.0:4443";
            Failure::new("CLI0038", sentence, advice)
        };
        let socket = TcpListener::bind(address).await.map_err(refused)?;
        let address = socket.local_addr().map_err(refused)?;
        Ok(Self { socket, address })
    }

    /// How others on the network name it, as well as this machine can tell.
    #[must_use]
    pub fn url(&self) -> String {
        let address = self.address;
        let ip = if address.ip().is_unspecified() { own_ip(address.ip()) } else { address.ip() };
        format!("tls://{}", SocketAddr::new(ip, address.port()))
    }

    /// Answers, among `tasks`: what comes encrypted goes to the server at `nats`, on loopback.
    ///
    /// # Errors
    /// A certificate that does not fit its key.
    pub fn open(
        self,
        authority: Authority,
        nats: SocketAddr,
        bounds: Bounds,
        tasks: &Tasks,
    ) -> Result<(), Failure> {
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(anyhow::Error::from)?
            .with_no_client_auth()
            .with_single_cert(authority.chain, authority.key)
            .map_err(anyhow::Error::from)?;
        let door = Door { acceptor: TlsAcceptor::from(Arc::new(config)), nats, bounds };
        let listening = door.serve(self.socket, tasks.clone());
        tasks.spawn("listener", listening);
        Ok(())
    }
}

#[derive(Clone)]
struct Door {
    acceptor: TlsAcceptor,
    nats: SocketAddr,
    bounds: Bounds,
}

impl Door {
    async fn serve(self, socket: TcpListener, tasks: Tasks) -> Result<(), Fault> {
        let places = Arc::new(Semaphore::new(self.bounds.connections));
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return Ok(()) };
            match socket.accept().await {
                Ok((client, from)) => {
                    tasks.spawn("listener-connection", self.clone().pass(client, from, place));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    sleep(self.bounds.pause).await;
                }
            }
        }
    }

    /// One connection, until either side ends it.
    async fn pass(
        self,
        client: TcpStream,
        from: SocketAddr,
        _place: OwnedSemaphorePermit,
    ) -> Result<(), Fault> {
        let _ = client.set_nodelay(true);
        let mut client = match timeout(self.bounds.handshake, self.acceptor.accept(client)).await {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => {
                tracing::info!(%from, %error, "a connection without proper TLS is refused");
                return Ok(());
            }
            Err(_) => {
                tracing::info!(%from, "a connection that does not begin with TLS is refused");
                return Ok(());
            }
        };
        match TcpStream::connect(self.nats).await {
            Ok(mut server) => {
                let _ = server.set_nodelay(true);
                let _ = copy_bidirectional(&mut client, &mut server).await;
            }
            Err(error) => tracing::debug!(%from, %error, "the server is away"),
        }
        Ok(())
    }
}

/// The address by which this machine reaches others; nothing is sent to find it.
fn own_ip(unspecified: IpAddr) -> IpAddr {
    let (local, far) = match unspecified {
        IpAddr::V4(_) => ("0.0.0.0:0", "192.0.2.1:9"),
        IpAddr::V6(_) => ("[::]:0", "[2001:db8::1]:9"),
    };
    let found = UdpSocket::bind(local).and_then(|socket| {
        socket.connect(far)?;
        socket.local_addr()
    });
    found.map_or(IpAddr::from([127, 0, 0, 1]), |address| address.ip())
}
