//! Installing the programs that the tests talk to, from the distribution, from `PyPI` and npm.
//!
//! Nothing is started: services are held back by a policy while packages are unpacked.

use std::path::Path;

use crate::run::{Failure, is_root, root, run, say};

/// Package, and the program that shows it is there.
const NEEDED: &[(&str, &str)] = &[
    ("postfix", "/usr/sbin/postfix"),
    ("nsd", "/usr/sbin/nsd"),
    ("unbound", "/usr/sbin/unbound"),
    ("ldnsutils", "/usr/bin/ldns-signzone"),
    ("opendkim-tools", "/usr/sbin/opendkim-testmsg"),
    ("swaks", "/usr/bin/swaks"),
    // For TLS in swaks.
    ("libnet-ssleay-perl", "/usr/share/doc/libnet-ssleay-perl"),
    ("msmtp", "/usr/bin/msmtp"),
    ("curl", "/usr/bin/curl"),
    ("fetchmail", "/usr/bin/fetchmail"),
    ("mpop", "/usr/bin/mpop"),
    ("isync", "/usr/bin/mbsync"),
    ("offlineimap3", "/usr/bin/offlineimap"),
    ("getmail6", "/usr/bin/getmail"),
    ("neomutt", "/usr/bin/neomutt"),
    // Mail is imported from it.
    ("dovecot-imapd", "/usr/lib/dovecot/imap"),
    ("strace", "/usr/bin/strace"),
    ("eatmydata", "/usr/bin/eatmydata"),
    ("python3", "/usr/bin/python3"),
    ("python3-pip", "/usr/share/doc/python3-pip"),
    ("iproute2", "/sbin/ip"),
    ("nftables", "/usr/sbin/nft"),
    ("faketime", "/usr/bin/faketime"),
    ("pebble", "/usr/bin/pebble"),
    ("testssl.sh", "/usr/bin/testssl"),
    ("openssl", "/usr/bin/openssl"),
    ("procps", "/usr/bin/pgrep"),
    // For the pages.
    ("chromium", "/usr/bin/chromium"),
    ("chromium-driver", "/usr/bin/chromedriver"),
    // For the clients of other mail catchers.
    ("nodejs", "/usr/bin/node"),
    ("npm", "/usr/bin/npm"),
    ("opendkim", "/usr/sbin/opendkim"),
    // For its mail().
    ("php-cli", "/usr/bin/php"),
    // For its score beside ours.
    ("spamassassin", "/usr/share/doc/spamassassin"),
    ("spamd", "/usr/sbin/spamd"),
    ("rspamd", "/usr/bin/rspamd"),
    // For the examples of the guide.
    ("default-jdk-headless", "/usr/bin/javac"),
    ("junit5", "/usr/share/java/junit-platform-console-standalone.jar"),
    ("libjackson2-databind-java", "/usr/share/java/jackson-databind.jar"),
    // For libFuzzer, in the long run.
    ("g++", "/usr/bin/g++"),
];

/// What is in Python, by its module and its requirement.
const PYTHON: &[(&str, &str)] = &[
    ("imapclient", "imapclient>=3,<5"),
    ("dkim", "dkimpy>=1.1,<2"),
    // For Ed25519 and the DNS in dkimpy.
    ("nacl", "pynacl>=1.5,<2"),
    ("dns", "dnspython>=2.4,<3"),
    // For ARC in dkimpy.
    ("authres", "authres>=1.2,<2"),
    ("mailpit", "mailpit-api-client>=1.0,<2"),
    ("mailtrap", "mailtrap>=2.11,<3"),
    // For reports: the schema of SARIF, a reader of JUnit.
    ("jsonschema", "jsonschema>=4.20,<5"),
    ("junitparser", "junitparser>=4,<6"),
    ("pytest", "pytest>=8,<10"),
];

/// What is for Node, by its name and its version.
const NODE: &[(&str, &str)] = &[
    ("mailpit-api", "^2.1"),
    ("mailhog", "^4.16"),
    ("mailtrap", "^4.10"),
    ("axe-core", "^4.10"),
    ("nodemailer", "^9.0"),
    ("@playwright/test", "^1.56"),
    // It carries the official schema of SARIF.
    ("@microsoft/jest-sarif", "1.0.0-beta.0"),
];

/// Installs what is missing, and says so.
///
/// Errors: something is missing, and this is neither root nor a user who may sudo.
pub(crate) fn install() -> Result<(), Failure> {
    programs()?;
    modules()?;
    packages()
}

/// Modules go below `target`, where the tests look for them.
fn modules() -> Result<(), Failure> {
    let folder = root().join("target/python");
    let is_missing = |(module, _): &&(&str, &str)| !folder.join(module).is_dir();
    let missing: Vec<&str> = PYTHON.iter().filter(is_missing).map(|(_, needed)| *needed).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let (folder, list) = (folder.display().to_string(), missing.join(" "));
    say(&format!("Installing {list} into {folder}"));
    let mut line = vec!["-m", "pip", "install", "--quiet", "--target", folder.as_str()];
    line.extend(missing);
    run("python3", &line)
        .map_err(|failure| Failure(format!("{failure}; please install {list} by hand")))
}

/// Packages go below `target`, too.
fn packages() -> Result<(), Failure> {
    let folder = root().join("target/npm");
    let is_missing = |(name, _): &&(&str, &str)| !folder.join("node_modules").join(name).is_dir();
    let missing: Vec<String> =
        NODE.iter().filter(is_missing).map(|(name, version)| format!("{name}@{version}")).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let (folder, list) = (folder.display().to_string(), missing.join(" "));
    say(&format!("Installing {list} into {folder}"));
    let mut line = vec!["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"];
    line.extend(["--prefix", folder.as_str()]);
    line.extend(missing.iter().map(String::as_str));
    run("npm", &line)
        .map_err(|failure| Failure(format!("{failure}; please install {list} by hand")))
}

fn programs() -> Result<(), Failure> {
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(_, program)| !Path::new(program).exists())
        .map(|(package, _)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err(Failure(format!("please install by hand: {list}")));
    }
    let how = if is_root() { "as root" } else { "with sudo" };
    say(&format!("Installing {how}, from the distribution, without starting anything: {list}"));
    let script = format!(
        "set -e
export DEBIAN_FRONTEND=noninteractive
if [ ! -e /usr/sbin/policy-rc.d ]; then
  printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
  chmod +x /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get update -qq || true
apt-get install -y -qq --no-install-recommends {list} >/dev/null"
    );
    let installed = if is_root() {
        run("sh", &["-c", &script])
    } else {
        run("sudo", &["-n", "sh", "-c", &script])
    };
    let by_hand = |failure| Failure(format!("{failure}; please install by hand: {list}"));
    installed.map_err(by_hand)
}
