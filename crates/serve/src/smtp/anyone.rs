//! AUTH of a sandbox listener: whoever they say they are, they are; the name is that of an inbox.
//!
//! The exchange is that of any other listener, so that clients are tried for real. Mechanisms in
//! which we would have to prove that we know the password are not offered.

use mailwright_directory::inbox_name;
use mailwright_sasl::server::{Exchange, Facts, Input, Output};
use mailwright_sasl::{ChannelBinding, DecoyKey, Mechanism, Nonce};
use mailwright_smtp::server::Answer;
use mailwright_words::{Reply, Status};

use super::conversation::Conversation;

/// What is offered.
pub(super) const MECHANISMS: [&str; 2] = ["PLAIN", "LOGIN"];

/// A login under way.
#[derive(Debug)]
pub(super) struct Anyone {
    exchange: Exchange,
    mechanism: Mechanism,
}

impl Conversation {
    /// Begins the login of a sandbox listener.
    pub(super) fn anyone(&mut self, mechanism: &str, initial: Option<&[u8]>) -> Answer {
        let known = MECHANISMS.contains(&mechanism).then(|| mechanism.parse::<Mechanism>().ok());
        let (Some(mechanism), Ok(nonce)) = (known.flatten(), Nonce::random()) else {
            let text = "this mechanism is not offered here";
            return Answer::Reply(Reply::new(504, Some(Status::new(5, 5, 4)), text));
        };
        let facts = Facts {
            hostname: self.door.config.server.hostname.clone(),
            binding: ChannelBinding::default(),
            decoy: DecoyKey::new([0; 32]),
            nonce,
            account: str::to_owned,
        };
        let mut anyone = Box::new(Anyone { exchange: Exchange::new(mechanism, facts), mechanism });
        let output = anyone.exchange.step(Input::Start(initial));
        self.anyone_follows(anyone, output)
    }

    /// Takes the response to a challenge.
    pub(super) fn anyone_responds(&mut self, mut anyone: Box<Anyone>, response: &[u8]) -> Answer {
        let output = anyone.exchange.step(Input::Response(response));
        self.anyone_follows(anyone, output)
    }

    fn anyone_follows(&mut self, mut anyone: Box<Anyone>, mut output: Output) -> Answer {
        loop {
            output = match output {
                Output::Challenge(bytes) => {
                    self.anyone = Some(anyone);
                    return Answer::Challenge(bytes);
                }
                Output::NeedPassword { .. } => anyone.exchange.step(Input::Verdict(true)),
                Output::Done { authcid, .. } => return self.anyone_is(&authcid, anyone.mechanism),
                Output::NeedKeys { .. } | Output::NeedSecret { .. } | Output::Failed(_) => {
                    let text = "authentication message is malformed";
                    return Answer::Reply(Reply::new(501, Some(Status::new(5, 5, 2)), text));
                }
            };
        }
    }

    fn anyone_is(&mut self, name: &str, mechanism: Mechanism) -> Answer {
        let Some(name) = inbox_name(name) else {
            let text = "a name has 1 to 200 octets and no control characters";
            return Answer::Reply(Reply::new(535, Some(Status::new(5, 7, 8)), text));
        };
        self.client.session.mechanism = Some(mechanism.to_string());
        self.client.session.username = Some(name.clone());
        let reply = Reply::new(235, Some(Status::new(2, 7, 0)), "Authentication succeeded");
        Answer::Authenticated { reply, name }
    }
}
