//! Loading as an operator meets it.

use std::time::Duration;

use super::*;
use crate::{Role, TlsNeed};

fn folder_file(name: &str, text: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("mailwright-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn from_file(name: &str, text: &str) -> Result<Config, Problem> {
    load(&Source { file: Some(folder_file(name, text)), ..Source::default() })
}

fn from_variables(variables: &[(&str, &str)]) -> Result<Config, Problem> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    load(&Source { environment: variables.iter().map(own).collect(), ..Source::default() })
}

#[track_caller]
fn fails_at(name: &str, text: &str, at: (usize, usize), named: &str, says: &str) {
    let problem = from_file(name, text).unwrap_err();
    let shown = problem.to_string();
    let Problem::File { line, column, field, .. } = problem else { panic!("{shown}") };
    assert_eq!(((line, column), field.as_str()), (at, named), "{shown}");
    assert!(shown.contains(says), "{shown}");
    assert!(shown.contains(name), "the file is named: {shown}");
}

#[test]
fn nothing_set_is_the_first_run() {
    let config = load(&Source::default()).unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(config.listeners["mta"].addresses[0].to_string(), "127.0.0.1:10025");
    assert!(config.listeners.values().flat_map(|l| &l.addresses).all(|a| a.ip().is_loopback()));
}

#[test]
fn the_defaults_read_back_as_written() {
    let text = toml::to_string_pretty(&Config::default()).unwrap();
    assert_eq!(toml::from_str::<Config>(&text).unwrap(), Config::default());
}

#[test]
fn a_file_lies_over_the_defaults() {
    let text = "
        [server]
        hostname = \"mx.example.com\"
        [limits]
        message_size_max = \"10 MiB\"
        [timeouts]
        command = \"7m\"
        [listeners.in]
        role = \"mta\"
        addresses = [\"[::]:25\"]
        message_size_max = 1000
        [routes.\"example.net\"]
        hosts = [{ host = \"relay.example.net\", tls = \"required\" }]
    ";
    let config = from_file("over.toml", text).unwrap();
    assert_eq!(config.server.hostname, "mx.example.com");
    assert_eq!(config.limits.message_size_max, 10 << 20);
    assert_eq!(config.timeouts.command, Duration::from_mins(7));
    assert_eq!(config.listeners.len(), 1);
    let listener = &config.listeners["in"];
    assert_eq!((listener.role, config.message_size_max(listener)), (Role::Mta, 1000));
    assert_eq!(config.route("Example.NET").unwrap().hosts[0].tls, TlsNeed::Required);
    assert!(config.route("sub.example.net").is_none());
}

#[test]
fn the_environment_lies_over_the_file_and_flags_over_both() {
    let file = folder_file("layers.toml", "[server]\nhostname = \"a.example\"\ndata = \"a\"\n");
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let config = load(&Source {
        file: Some(file),
        environment: vec![
            pair("MAILWRIGHT_SERVER__HOSTNAME", "b.example"),
            pair("MAILWRIGHT_SERVER__DATA", "b"),
            pair("MAILWRIGHT_CONFIG", "unrelated"),
        ],
        flags: vec![pair("server.data", "c")],
    })
    .unwrap();
    assert_eq!(config.server.hostname, "b.example");
    assert_eq!(config.server.data, PathBuf::from("c"));
}

#[test]
fn variables_reach_every_kind_of_field() {
    let config = from_variables(&[
        ("MAILWRIGHT_LIMITS__ERRORS_MAX", "7"),
        ("MAILWRIGHT_LIMITS__MESSAGE_SIZE_MAX", "1 MiB"),
        ("MAILWRIGHT_DNS__SERVERS", "127.0.0.1:5353, 127.0.0.2:53"),
        ("MAILWRIGHT_LISTENERS__SUBMISSION_2525__ADDRESSES", "[\"127.0.0.1:2525\"]"),
        ("MAILWRIGHT_STORAGE__SYNC", "false"),
    ])
    .unwrap();
    assert_eq!(config.limits.errors_max, 7);
    assert_eq!(config.limits.message_size_max, 1 << 20);
    assert_eq!(config.dns.servers.len(), 2);
    assert_eq!(config.listeners["submission-2525"].addresses[0].port(), 2525);
    assert!(!config.storage.sync);
}

#[test]
fn an_unknown_field_names_the_nearest() {
    let text = "[server]\nhostnam = \"mx.example.com\"\n";
    fails_at("near.toml", text, (2, 1), "server.hostnam", "did you mean `hostname`?");
    let text = "[servers]\n";
    fails_at("near2.toml", text, (1, 2), "servers", "did you mean `server`?");
}

#[test]
fn a_wrong_value_names_what_would_be_right() {
    let text = "[timeouts]\ncommand = \"soon\"\n";
    fails_at("value.toml", text, (2, 11), "timeouts.command", "\"30s\"");
    let text = "[log]\nlevel = \"inf\"\n";
    fails_at("variant.toml", text, (2, 9), "log.level", "did you mean `info`?");
    let text = "[limits]\nmessage_size_max = true\n";
    fails_at("type.toml", text, (2, 20), "limits.message_size_max", "25 MiB");
}

#[test]
fn text_that_is_no_toml_has_a_place() {
    let problem = from_file("broken.toml", "[server]\nhostname = \n").unwrap_err();
    let Problem::File { line, .. } = problem else { panic!("{problem}") };
    assert_eq!(line, 2);
}

#[test]
fn what_cannot_go_together_is_found_in_the_file() {
    let text = "[queue]\nretry_first = \"5h\"\n";
    fails_at("check.toml", text, (2, 15), "queue.retry_first", "retry_longest");
    let text = "[server]\nhostname = \"not a name\"\n";
    fails_at("name.toml", text, (2, 12), "server.hostname", "mail.example.com");
    let text = "[door]\ngreylist_retry = \"1m\"\n";
    fails_at("door.toml", text, (2, 18), "door.greylist_retry", "greylist_wait");
    let text = "[door]\nlist_timeout = \"0s\"\n";
    fails_at("lists.toml", text, (2, 16), "door.list_timeout", "more than nothing");
}

#[test]
fn a_wrong_variable_is_named() {
    let problem = from_variables(&[("MAILWRIGHT_LIMITS__ERRORS_MX", "7")]).unwrap_err();
    let shown = problem.to_string();
    assert!(shown.contains("MAILWRIGHT_LIMITS__ERRORS_MX"), "{shown}");
    assert!(shown.contains("did you mean `errors_max`?"), "{shown}");
}

#[test]
fn a_missing_file_is_named() {
    let source = Source { file: Some("/nowhere/mailwright.toml".into()), ..Source::default() };
    assert!(load(&source).unwrap_err().to_string().contains("/nowhere/mailwright.toml"));
}

#[test]
fn shown_settings_hide_passwords() {
    let text =
        "[routes.\"*\"]\nhosts = [{ host = \"127.0.0.1\", user = \"u\", password = \"hunter2\" }]";
    let shown = show(&from_file("secret.toml", text).unwrap());
    assert!(shown.contains("***") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_route_by_dane_needs_signatures_checked() {
    for route in ["tls = \"dane-only\"", "hosts = [{ host = \"mx.example\", tls = \"dane\" }]"] {
        let text = format!("[routes.\"example.net\"]\n{route}\n");
        let refused = from_file("dane.toml", &text).unwrap_err().to_string();
        assert!(refused.contains("dns.dnssec"), "{refused}");
        from_file("signed.toml", &format!("{text}[dns]\ndnssec = true\n")).unwrap();
    }
}
