//! The file that `mailwright init DOMAIN` writes: commented, for the real ports.

/// Renders a commented mailwright.toml for a server of `domain` on the real ports.
pub fn init(domain: &str) -> String {
    TEMPLATE.replace("{domain}", domain)
}

const TEMPLATE: &str = r#"# Mailwright for {domain}. docs/reference/config.md describes each
# setting; what is left out keeps its default. Check with `mailwright --config FILE config check`.

[server]
# Name of this machine. DNS has to resolve it to this machine's address, and back.
hostname = "mail.{domain}"
data = "/var/lib/mailwright"
# Whom to become after the ports are open. Under systemd's DynamicUser leave both out.
# user = "mailwright"
# group = "mailwright"

# Mail from other servers. In DNS: {domain}. MX 10 mail.{domain}.
[listeners.mta]
role = "mta"
addresses = ["[::]:25"]

# Mail from your own users, with a password: TLS from the first octet ...
[listeners.submissions]
role = "msa"
addresses = ["[::]:465"]
implicit_tls = true

# ... or after STARTTLS.
[listeners.submission]
role = "msa"
addresses = ["[::]:587"]

# Your users read their mail here: TLS from the first octet ...
[listeners.imaps]
role = "imap"
addresses = ["[::]:993"]
implicit_tls = true

# ... or after STARTTLS.
[listeners.imap]
role = "imap"
addresses = ["[::]:143"]

# Mail fetched over POP3: TLS from the first octet.
[listeners.pop3s]
role = "pop3"
addresses = ["[::]:995"]
implicit_tls = true

# Health and metrics; it asks for no password, so it stays on loopback.
[http]
addresses = ["127.0.0.1:10080"]

# Until certificates are set, one of our own making is used, which no client trusts.
# [tls.certificates."mail.{domain}"]
# certificate = "/etc/letsencrypt/live/mail.{domain}/fullchain.pem"
# key = "/etc/letsencrypt/live/mail.{domain}/privkey.pem"

[limits]
message_size_max = "50 MiB"

# All mail through one server, where yours may not speak to the world on port 25. Give the password
# in the file, which then only mailwright may read.
# [routes."*"]
# hosts = [
#   { host = "smtp.example.net", port = 587, tls = "verified", user = "me", password = "secret" },
# ]

[log]
format = "text"
level = "info"
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, check};

    fn uncommented(text: &str) -> String {
        let setting = |line: &str| {
            let line = line.trim();
            line.starts_with('[') || line.contains(" = ") || line == "]" || line.starts_with('{')
        };
        let lines =
            text.lines().map(|line| line.strip_prefix("# ").filter(|l| setting(l)).unwrap_or(line));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_file_is_right_as_written_and_with_its_examples() {
        for text in [init("example.com"), uncommented(&init("example.com"))] {
            let config: Config = toml::from_str(&text).expect(&text);
            assert!(check::check(&config).is_ok(), "{text}");
            assert_eq!(config.server.hostname, "mail.example.com");
            assert_eq!(config.listeners.len(), 6);
        }
        let config: Config = toml::from_str(&uncommented(&init("example.com"))).unwrap();
        assert_eq!(config.routes["*"].hosts[0].port(), 587);
    }
}
