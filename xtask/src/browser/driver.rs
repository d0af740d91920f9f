//! A client of `WebDriver`, as small as the scenes need it. Source: W3C `WebDriver`.

use std::{
    io::{BufRead, BufReader, Read as _, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use super::world::{free_port, wait_for};
use crate::run::Failure;

/// How long one command may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The key under which an element is told.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Keys that are no characters.
pub(crate) const CONTROL: &str = "\u{e009}";
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const ESCAPE: &str = "\u{e00c}";
/// Ends keys that are held.
const RELEASE: &str = "\u{e000}";

/// One request over HTTP/1.1; gives the code and the body.
pub(crate) fn http(
    port: u16,
    method: &str,
    path: &str,
    body: Option<&str>,
) -> Result<(u16, String), Failure> {
    http_as("", (port, method, path), body)
}

/// The same with a field of one's own.
pub(crate) fn http_as(
    field: &str,
    (port, method, path): (u16, &str, &str),
    body: Option<&str>,
) -> Result<(u16, String), Failure> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let body = body.unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{field}\
         Content-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    read(BufReader::new(stream))
}

/// Reads an answer: its length is told, or its end is that of the connection.
fn read(mut answer: impl BufRead) -> Result<(u16, String), Failure> {
    let (mut head, mut length) = (String::new(), None);
    while answer.read_line(&mut head)? > 2 {}
    for line in head.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse::<u64>().ok();
        }
    }
    let mut octets = Vec::new();
    answer.take(length.unwrap_or(u64::MAX)).read_to_end(&mut octets)?;
    let code = head.split_whitespace().nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    Ok((code, String::from_utf8_lossy(&octets).into_owned()))
}

/// A browser under our hand; it ends with this.
pub(crate) struct Browser {
    process: Child,
    port: u16,
    session: String,
}

impl Drop for Browser {
    fn drop(&mut self) {
        if http(self.port, "DELETE", &format!("/session/{}", self.session), None).is_err()
            || self.process.kill().is_err()
        {
            return;
        }
        self.process.wait().map(drop).unwrap_or_default();
    }
}

impl Browser {
    /// Starts one that reaches this machine alone.
    ///
    /// Errors: it does not start.
    pub(crate) fn start() -> Result<Self, Failure> {
        let port = free_port()?;
        let process = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut browser = Self { process, port, session: String::new() };
        let ready = || http(port, "GET", "/status", None).is_ok_and(|(code, _)| code == 200);
        if !wait_for(Duration::from_secs(20), ready) {
            return Err(Failure("chromedriver does not start".to_owned()));
        }
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--window-size=1280,900",
            "--disable-background-networking",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "unhandledPromptBehavior": "accept",
            "goog:chromeOptions": { "binary": "/usr/bin/chromium", "args": arguments },
        } } });
        let (code, text) = http(port, "POST", "/session", Some(&wanted.to_string()))?;
        let told: Value = serde_json::from_str(&text).unwrap_or_default();
        let session = told.pointer("/value/sessionId").and_then(Value::as_str);
        let Some(session) = session.filter(|_| code == 200) else {
            return Err(Failure(format!("chromium does not start: {text}")));
        };
        session.clone_into(&mut browser.session);
        let timeouts = json!({ "pageLoad": 20_000, "script": 20_000 });
        browser.command("POST", "/timeouts", Some(&timeouts))?;
        Ok(browser)
    }

    fn command(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let path = format!("/session/{}{path}", self.session);
        let text = body.map(Value::to_string);
        let (code, answer) = http(self.port, method, &path, text.as_deref())?;
        let told: Value = serde_json::from_str(&answer).unwrap_or_default();
        let value = told.get("value").cloned().unwrap_or_default();
        if code == 200 { Ok(value) } else { Err(Failure(format!("{method} {path}: {value}"))) }
    }

    /// Goes to an address.
    pub(crate) fn open(&self, url: &str) -> Result<(), Failure> {
        self.command("POST", "/url", Some(&json!({ "url": url }))).map(drop)
    }

    /// The title of the page.
    pub(crate) fn title(&self) -> Result<String, Failure> {
        Ok(self.command("GET", "/title", None)?.as_str().unwrap_or_default().to_owned())
    }

    /// Runs a function body in the page, and gives what it returns.
    pub(crate) fn run(&self, script: &str) -> Result<Value, Failure> {
        self.command("POST", "/execute/sync", Some(&json!({ "script": script, "args": [] })))
    }

    /// The same for one that calls its last argument when it is done.
    pub(crate) fn run_async(&self, script: &str) -> Result<Value, Failure> {
        self.command("POST", "/execute/async", Some(&json!({ "script": script, "args": [] })))
    }

    /// Whether a function body comes to return true.
    pub(crate) fn comes(&self, script: &str) -> bool {
        wait_for(Duration::from_secs(10), || self.run(script).is_ok_and(|value| value == true))
    }

    /// The first element that a selector names.
    fn find(&self, selector: &str) -> Result<String, Failure> {
        let asked = json!({ "using": "css selector", "value": selector });
        let found = self.command("POST", "/element", Some(&asked))?;
        let id = found.get(ELEMENT).and_then(Value::as_str);
        id.map(str::to_owned).ok_or_else(|| Failure(format!("there is no {selector}")))
    }

    /// Clicks on it.
    pub(crate) fn click(&self, selector: &str) -> Result<(), Failure> {
        let press = || {
            let id = self.find(selector)?;
            self.command("POST", &format!("/element/{id}/click"), Some(&json!({}))).map(drop)
        };
        // It may be made anew between the two.
        press().or_else(|failure| if failure.0.contains("stale") { press() } else { Err(failure) })
    }

    /// Types into it.
    pub(crate) fn write(&self, selector: &str, text: &str) -> Result<(), Failure> {
        let id = self.find(selector)?;
        let keys = json!({ "text": text });
        self.command("POST", &format!("/element/{id}/value"), Some(&keys)).map(drop)
    }

    /// Presses keys, wherever the focus is; [`CONTROL`] is held for the next one.
    pub(crate) fn press(&self, keys: &str) -> Result<(), Failure> {
        let (mut steps, mut held) = (Vec::new(), false);
        for key in keys.chars() {
            let text = key.to_string();
            steps.push(json!({ "type": "keyDown", "value": text }));
            if text == CONTROL {
                held = true;
                continue;
            }
            steps.push(json!({ "type": "keyUp", "value": text }));
            if held {
                steps.push(json!({ "type": "keyUp", "value": CONTROL }));
                held = false;
            }
        }
        let actions = json!({ "actions": [{ "type": "key", "id": "keys", "actions": steps }] });
        self.command("POST", "/actions", Some(&actions))?;
        debug_assert!(!keys.contains(RELEASE), "keys are let go by themselves");
        Ok(())
    }

    /// Text of what a selector names in the first frame of the page.
    pub(crate) fn frame_text(&self, selector: &str) -> Result<String, Failure> {
        let frame = self.find("iframe")?;
        let place = json!({ "id": { ELEMENT: frame } });
        self.command("POST", "/frame", Some(&place))?;
        let text = self
            .find(selector)
            .and_then(|id| self.command("GET", &format!("/element/{id}/text"), None));
        self.command("POST", "/frame", Some(&json!({ "id": null })))?;
        Ok(text?.as_str().unwrap_or_default().to_owned())
    }

    /// A number that an element in the first frame of the page has as a property.
    pub(crate) fn frame_number(&self, selector: &str, property: &str) -> Result<u64, Failure> {
        let frame = self.find("iframe")?;
        self.command("POST", "/frame", Some(&json!({ "id": { ELEMENT: frame } })))?;
        let read = self.find(selector).and_then(|id| {
            self.command("GET", &format!("/element/{id}/property/{property}"), None)
        });
        self.command("POST", "/frame", Some(&json!({ "id": null })))?;
        Ok(read?.as_u64().unwrap_or_default())
    }

    /// Empties a field.
    pub(crate) fn clear(&self, selector: &str) -> Result<(), Failure> {
        let id = self.find(selector)?;
        self.command("POST", &format!("/element/{id}/clear"), Some(&json!({}))).map(drop)
    }

    /// Whether the system is to be dark, as far as the page knows.
    pub(crate) fn darken(&self, is_dark: bool) -> Result<(), Failure> {
        let value = if is_dark { "dark" } else { "light" };
        let asked = json!({ "cmd": "Emulation.setEmulatedMedia", "params": {
            "features": [{ "name": "prefers-color-scheme", "value": value }] } });
        self.command("POST", "/goog/cdp/execute", Some(&asked)).map(drop)
    }

    /// How large the window is.
    pub(crate) fn resize(&self, width: u32, height: u32) -> Result<(), Failure> {
        let size = json!({ "width": width, "height": height });
        self.command("POST", "/window/rect", Some(&size)).map(drop)
    }

    /// A picture of the page, as PNG in base64.
    pub(crate) fn picture(&self) -> Result<String, Failure> {
        Ok(self.command("GET", "/screenshot", None)?.as_str().unwrap_or_default().to_owned())
    }

    /// The cookies of the page.
    pub(crate) fn cookies(&self) -> Result<Value, Failure> {
        self.command("GET", "/cookie", None)
    }
}
