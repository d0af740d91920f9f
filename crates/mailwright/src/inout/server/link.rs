//! A connection to another server, up to the login, and commands run on it.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use mailwright_config::Config;
use mailwright_imap::client::{Command, Data, Event, Limits, Outcome, Session};
use mailwright_net::{
    Stream, System, connect,
    dns::{self, Answer, Resolver as _},
    tls::{Client, Trust},
};
use mailwright_sasl::{
    ChannelBinding, Nonce,
    client::{Exchange, Login, choose},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{super::MESSAGE_MAX, place::Place};
use crate::Failure;

/// How long a connection or a handshake may take.
const CONNECT_MAX: Duration = Duration::from_secs(30);
/// How long the server may send nothing, or take nothing.
const SILENCE_MAX: Duration = Duration::from_mins(5);
/// Octets read at once.
const READ_BYTES: usize = 64 << 10;

/// A connection on which somebody is logged in.
pub(super) struct Link {
    session: Session,
    stream: Option<Box<dyn Stream>>,
    buffer: Vec<u8>,
    binding: ChannelBinding,
    is_secure: bool,
    is_loopback: bool,
    /// Whether the connection is secured also within this machine.
    is_wary: bool,
}

impl Link {
    /// Connects, secures the connection and logs in.
    pub(super) async fn open(
        place: &Place,
        login: &Login,
        (config, authority): (&Config, Option<&Path>),
    ) -> Result<Self, Failure> {
        let addresses = addresses(place, config).await?;
        let failed =
            |error: io::Error| Failure::of(&format!("cannot reach {}", place.host), &error);
        let (stream, address) =
            connect::dial(&addresses, &[], CONNECT_MAX).await.map_err(failed)?;
        let mut link = Self {
            session: Session::new(Limits { message: MESSAGE_MAX, ..Limits::default() }),
            stream: Some(Box::new(stream)),
            buffer: vec![0; READ_BYTES],
            binding: ChannelBinding::default(),
            is_secure: false,
            is_loopback: address.ip().is_loopback(),
            is_wary: authority.is_some(),
        };
        let authorities: Vec<_> = authority.map(Path::to_owned).into_iter().collect();
        let client = Client::new(&authorities, Arc::new(System::new()))
            .map_err(|error| Failure::of("certificates", &error))?;
        if place.implicit_tls {
            link.secure(&client, &place.host).await?;
        }
        let is_in = matches!(link.event().await?, Event::Greeted { logged_in: true });
        if !link.is_secure {
            link.start_tls(is_in, (&client, &place.host)).await?;
        }
        if !is_in {
            link.log_in(login).await?;
        }
        link.know().await?;
        Ok(link)
    }

    /// Secures a connection that began in the open, unless it does not leave this machine.
    async fn start_tls(
        &mut self,
        is_in: bool,
        (client, host): (&Client, &str),
    ) -> Result<(), Failure> {
        self.know().await?;
        if self.is_loopback && !self.is_wary && !self.session.can("LOGINDISABLED") {
            return Ok(());
        }
        // Who is logged in cannot shake hands any more, which is how somebody in between would
        // keep us from it.
        if is_in || !self.session.can("STARTTLS") {
            if self.is_loopback {
                return Ok(());
            }
            let text = format!("{host} does not secure the connection; try imaps://");
            return Err(Failure::new(text));
        }
        match self.run(&Command::StartTls, |_| {}).await? {
            Outcome::Ok => {}
            Outcome::Refused(text) => {
                return Err(Failure::new(format!("{host} refuses STARTTLS: {text}")));
            }
        }
        self.session.tls().map_err(|fault| Failure::of(host, &fault))?;
        self.secure(client, host).await
    }

    async fn secure(&mut self, client: &Client, host: &str) -> Result<(), Failure> {
        let failed =
            |error: &io::Error| Failure::of(&format!("no secure connection to {host}"), error);
        let stream = self.stream.take().ok_or_else(gone)?;
        let shake = client.connect(stream, host, &Trust::Verified);
        let shaken = timeout(CONNECT_MAX, shake).await;
        let shaken = shaken.unwrap_or_else(|_late| Err(io::ErrorKind::TimedOut.into()));
        let (stream, facts) = shaken.map_err(|error| failed(&error))?;
        self.stream = Some(Box::new(stream));
        self.binding = ChannelBinding {
            exporter: Some(facts.exporter).filter(|exporter| !exporter.is_empty()),
            server_end_point: facts.server_end_point,
        };
        self.is_secure = true;
        Ok(())
    }

    /// Learns what the server can do, unless it said so.
    async fn know(&mut self) -> Result<(), Failure> {
        if self.session.capabilities().is_none() {
            self.run(&Command::Capability, |_| {}).await?;
        }
        Ok(())
    }

    async fn log_in(&mut self, login: &Login) -> Result<(), Failure> {
        self.know().await?;
        let private = self.is_secure || self.is_loopback;
        // A server may offer what needs a readable password and have none of ours.
        let offered = self.session.mechanisms().filter(|name| *name != "CRAM-MD5" || !private);
        let mechanism = choose(offered, &self.binding, private);
        let outcome = match mechanism {
            Some(mechanism) => {
                let nonce =
                    Nonce::random().map_err(|error| Failure::of("no random numbers", &error))?;
                let exchange = Exchange::new(mechanism, login.clone(), self.binding.clone(), nonce);
                self.exchange(mechanism.name(), exchange).await?
            }
            None if private && !self.session.can("LOGINDISABLED") => {
                let (name, password) = (login.name.as_str(), login.password.expose());
                let tag = self.say(&Command::Login { name, password })?;
                self.session.forget_capabilities();
                self.until(tag, |_| {}).await?
            }
            None => return Err(Failure::new("the server offers no way to log in that we know")),
        };
        match outcome {
            Outcome::Ok => Ok(()),
            Outcome::Refused(text) => {
                Err(Failure::new(format!("the server refuses the login of {}: {text}", login.name)))
            }
        }
    }

    async fn exchange(
        &mut self,
        mechanism: &str,
        mut exchange: Exchange,
    ) -> Result<Outcome, Failure> {
        let initial = exchange.initial();
        self.say(&Command::Authenticate { mechanism, initial })?;
        self.session.forget_capabilities();
        loop {
            match self.event().await? {
                Event::Challenge(challenge) => {
                    let response = exchange.step(&challenge).ok();
                    self.session.respond(response.as_deref());
                }
                Event::Done { outcome: Outcome::Ok, .. } if !exchange.is_complete() => {
                    return Err(Failure::new(
                        "the server did not prove that it knows the password",
                    ));
                }
                Event::Done { outcome, .. } => return Ok(outcome),
                Event::Data(_) | Event::Greeted { .. } => {}
            }
        }
    }

    /// Whether the server said that it can do this.
    pub(super) fn can(&self, capability: &str) -> bool {
        self.session.can(capability)
    }

    /// Sends a command, together with what is sent next; gives what its end is known by.
    pub(super) fn say(&mut self, command: &Command<'_>) -> Result<u32, Failure> {
        self.session.say(command).map_err(|error| Failure::of("a command", &error))
    }

    /// Sends a command and hands on what the server tells until it is done.
    pub(super) async fn run(
        &mut self,
        command: &Command<'_>,
        each: impl FnMut(Data),
    ) -> Result<Outcome, Failure> {
        let tag = self.say(command)?;
        self.until(tag, each).await
    }

    async fn until(&mut self, tag: u32, mut each: impl FnMut(Data)) -> Result<Outcome, Failure> {
        loop {
            match self.event().await? {
                Event::Data(data) => each(data),
                Event::Done { tag: done, outcome } if done == tag => return Ok(outcome),
                Event::Done { .. } | Event::Greeted { .. } | Event::Challenge(_) => {}
            }
        }
    }

    /// What the server says next; what waits to be sent goes first.
    pub(super) async fn event(&mut self) -> Result<Event, Failure> {
        loop {
            let event = self.session.event();
            if let Some(event) = event.map_err(|fault| Failure::of("the other server", &fault))? {
                return Ok(event);
            }
            let stream = self.stream.as_mut().ok_or_else(gone)?;
            let out = self.session.output();
            let moved = timeout(SILENCE_MAX, async {
                if !out.is_empty() {
                    stream.write_all(&out).await?;
                    stream.flush().await?;
                }
                stream.read(&mut self.buffer).await
            });
            let moved = moved.await.unwrap_or_else(|_late| Err(io::ErrorKind::TimedOut.into()));
            let count = moved.map_err(|error| Failure::of("the connection is lost", &error))?;
            if count == 0 {
                return Err(gone());
            }
            self.session.feed(self.buffer.get(..count).unwrap_or_default());
        }
    }
}

fn gone() -> Failure {
    Failure::new("the other server closed the connection")
}

async fn addresses(place: &Place, config: &Config) -> Result<Vec<SocketAddr>, Failure> {
    let at = |address: IpAddr| SocketAddr::new(address, place.port);
    if let Ok(address) = place.host.parse::<IpAddr>() {
        return Ok(vec![at(address)]);
    }
    let resolver = dns::System::new(&config.dns)
        .map_err(|error| Failure::of("configuration of the DNS", &error))?;
    match resolver.addresses(&place.host).await {
        Answer::Found(found) => Ok(found.into_iter().map(at).collect()),
        Answer::NoSuchDomain | Answer::NoData => {
            Err(Failure::new(format!("there is no server {}", place.host)))
        }
        Answer::Temporary(why) => {
            Err(Failure::new(format!("the addresses of {} are not known: {why}", place.host)))
        }
    }
}
