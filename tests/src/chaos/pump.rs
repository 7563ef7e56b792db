//! One connection: two pumps, each of which may end both.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::sniff::{Open, Piece, Sniffer, What};
use super::{Control, Mode, Reply, Shared, Side, reply};

/// Bytes that a throttled connection sends at once.
const THROTTLED_BYTES: usize = 4 << 10;

/// Why a connection ends before both sides have said all.
enum End {
    Cut,
    Answered(Vec<u8>),
}

/// Carries a connection until its end. `tcp` finds the socket below TLS.
pub(super) async fn carry<S>(client: S, tcp: fn(&S) -> &TcpStream, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut control = shared.control.subscribe();
    let cuts = control.borrow_and_update().cuts;
    let (mut from_agent, mut to_agent) = tokio::io::split(client);
    let end = tokio::select! {
        biased;
        _ = control.wait_for(|control| control.cuts != cuts) => Err(End::Cut),
        end = connect_and_pump(&shared, &mut from_agent, &mut to_agent) => end,
    };
    if let Err(End::Answered(page)) = &end {
        drop(to_agent.write_all(page).await);
        drop(to_agent.shutdown().await);
        // Until the other side closes: closed with unread bytes, a socket resets and loses the answer.
        let mut rest = [0; 4096];
        let drained = async { while from_agent.read(&mut rest).await.is_ok_and(|n| n > 0) {} };
        drop(tokio::time::timeout(Duration::from_secs(1), drained).await);
    }
    let client = from_agent.unsplit(to_agent);
    if matches!(end, Err(End::Cut)) {
        drop(tcp(&client).set_zero_linger());
    }
}

async fn connect_and_pump(
    shared: &Arc<Shared>,
    from_agent: &mut (impl AsyncRead + Unpin),
    to_agent: &mut (impl AsyncWrite + Unpin),
) -> Result<(), End> {
    let mut control = shared.control.subscribe();
    open(&mut control, Side::Agent).await;
    let requests = Open::default();
    let upstream = *shared.upstream.lock();
    let mut up = Pump::new(Side::Agent, shared, &requests);
    let Ok(hub) = TcpStream::connect(upstream).await else {
        up.has_hub = false;
        return up.run(from_agent, &mut tokio::io::sink()).await;
    };
    drop(hub.set_nodelay(true));
    let mut hub = hub;
    let (mut from_hub, mut to_hub) = hub.split();
    let mut down = Pump::new(Side::Hub, shared, &requests);
    let end = tokio::try_join!(up.run(from_agent, &mut to_hub), down.run(&mut from_hub, to_agent));
    if matches!(end, Err(End::Cut)) {
        drop(hub.set_zero_linger());
    }
    end.map(|((), ())| ())
}

/// Waits until what a side sends may pass.
async fn open(control: &mut watch::Receiver<Control>, side: Side) -> Mode {
    match control.wait_for(|control| !control.mode.holds(side)).await {
        Ok(control) => control.mode.clone(),
        Err(_) => Mode::Pass,
    }
}

struct Pump<'a> {
    side: Side,
    shared: &'a Arc<Shared>,
    control: watch::Receiver<Control>,
    sniffer: Sniffer,
    has_hub: bool,
}

impl<'a> Pump<'a> {
    fn new(side: Side, shared: &'a Arc<Shared>, requests: &Open) -> Self {
        let control = shared.control.subscribe();
        Self { side, shared, control, sniffer: Sniffer::new(side, Arc::clone(requests)), has_hub: true }
    }

    async fn run(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), End> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            open(&mut self.control, self.side).await;
            let n = from.read(&mut buffer).await.map_err(|_| End::Cut)?;
            let Some(read) = buffer.get(..n).filter(|read| !read.is_empty()) else {
                return to.shutdown().await.map_err(|_| End::Cut);
            };
            for piece in self.sniffer.push(read) {
                self.pass(piece, to).await?;
            }
        }
    }

    async fn pass(&mut self, piece: Piece, to: &mut (impl AsyncWrite + Unpin)) -> Result<(), End> {
        let mode = open(&mut self.control, self.side).await;
        self.note(&piece);
        if let What::Request(request) = &piece.what {
            match &mode {
                Mode::Answer(reply, only) if request.path.contains(only) || request.path.contains("/sso/login") => {
                    return Err(End::Answered(reply.to(&request.path)));
                }
                Mode::StripUpgrade(status) if request.upgrades => {
                    return Err(End::Answered(reply::no_upgrade(*status)));
                }
                _ if !self.has_hub => return Err(End::Answered(Reply::BadGateway.to(&request.path))),
                _ => {}
            }
        }
        let armed = self.shared.triggers.lock().clone();
        let effect = armed.iter().find_map(|armed| armed.judge(self.side, &piece));
        let passing = effect.as_ref().map_or(piece.bytes.len(), |effect| effect.passing);
        self.write(piece.bytes.get(..passing).unwrap_or_default(), &mode, to).await.map_err(|_| End::Cut)?;
        let Some(effect) = effect else { return Ok(()) };
        if let Some(then) = effect.then {
            self.shared.control.send_modify(|control| control.mode = then);
        }
        if effect.cuts { Err(End::Cut) } else { Ok(()) }
    }

    async fn write(&self, bytes: &[u8], mode: &Mode, to: &mut (impl AsyncWrite + Unpin)) -> std::io::Result<()> {
        match mode {
            Mode::Slice => {
                for byte in bytes {
                    to.write_all(std::slice::from_ref(byte)).await?;
                    to.flush().await?;
                }
            }
            Mode::Throttle(_) if self.side == Side::Hub => {
                for some in bytes.chunks(THROTTLED_BYTES) {
                    self.turn(some.len()).await;
                    to.write_all(some).await?;
                    to.flush().await?;
                }
            }
            _ => {
                to.write_all(bytes).await?;
                to.flush().await?;
            }
        }
        Ok(())
    }

    /// Waits for the turn of so many bytes, as long as there are turns.
    async fn turn(&self, size: usize) {
        let Mode::Throttle(rate) = self.control.borrow().mode else { return };
        let takes = Duration::from_secs(size as u64) / u32::try_from(rate.max(1)).unwrap_or(u32::MAX);
        let start = {
            let mut next = self.shared.next_turn.lock();
            let now = tokio::time::Instant::now();
            let start = next.map_or(now, |next| next.max(now));
            *next = Some(start + takes);
            start
        };
        tokio::time::sleep_until(start).await;
    }

    fn note(&self, piece: &Piece) {
        let mut seen = self.shared.seen.lock();
        match &piece.what {
            What::Request(request) => seen.requests.push(request.line()),
            What::Frames(kinds) => seen.frames.extend(kinds.iter().map(|kind| (self.side, kind.clone()))),
            What::Body(path) if self.side == Side::Hub => {
                *seen.bodies.entry(path.clone()).or_default() += piece.bytes.len() as u64;
            }
            What::Body(_) | What::Head | What::Unread => {}
        }
    }
}
