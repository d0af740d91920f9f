//! Templates: kept, changed, and what a message by one is.

mod fill;

use axum::{Json, extract::State, http::StatusCode};
use mailwright_store::capture::{self, Template};
use mailwright_words::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Answer, Place};
use crate::sandbox::{ApiError, Inner, Sandbox, message::moment, scope::need_all};

/// Templates that there may be.
const TEMPLATES_MAX: usize = 1000;
/// Octets of a name, a category or a subject.
const NAME_MAX: usize = 1000;
/// Octets of a body, also of what it is filled to.
const BODY_MAX: usize = 1 << 20;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fields {
    name: Option<String>,
    category: Option<String>,
    subject: Option<String>,
    body_html: Option<String>,
    body_text: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Change {
    #[serde(rename = "email_template")]
    template: Fields,
}

fn told(one: &Template) -> Value {
    json!({
        "id": one.id,
        "uuid": one.uuid,
        "name": one.name,
        "category": one.category,
        "subject": one.subject,
        "body_html": one.html,
        "body_text": one.text,
        "created_at": moment(one.created.ms()),
        "updated_at": moment(one.updated.ms()),
    })
}

/// A number that nobody else draws. Source: RFC 9562 section 5.4.
fn uuid() -> Result<String, ApiError> {
    let random = mailwright_directory::random::<16>();
    let random = random.map_err(|error| ApiError::Unsafe(error.to_string()))?;
    let number = u128::from_be_bytes(random);
    let number = number & !(0xf << 76) | (0x4 << 76);
    let number = number & !(0x3 << 62) | (0x2 << 62);
    let digits = format!("{number:032x}");
    let mut text = String::with_capacity(36);
    for (place, digit) in digits.chars().enumerate() {
        if matches!(place, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    Ok(text)
}

/// Puts what is given into a template.
fn change(to: &mut Template, given: Fields, now: Timestamp) -> Result<(), ApiError> {
    let names = [
        (&mut to.name, given.name),
        (&mut to.category, given.category),
        (&mut to.subject, given.subject),
    ];
    for (own, given) in names {
        *own = given.unwrap_or_else(|| std::mem::take(own));
        if own.is_empty() || own.len() > NAME_MAX || own.contains(char::is_control) {
            return Err(ApiError::bad("name, subject and category have 1 to 1000 octets"));
        }
    }
    let bodies = [(&mut to.html, given.body_html), (&mut to.text, given.body_text)];
    for (own, given) in bodies {
        *own = given.or_else(|| own.take());
        if own.as_ref().is_some_and(|body| body.len() > BODY_MAX) {
            return Err(ApiError::bad("a body has 1 MiB at most"));
        }
    }
    to.updated = now;
    // What is wrong is told now, and not when it is used.
    Filled::of(to, &Value::Null).map(drop)
}

impl Inner {
    async fn template(&self, place: &Place) -> Result<Template, ApiError> {
        need_all()?;
        let id = place.template;
        let found = self.store().look(|tx| capture::template(tx, id)).await?;
        found.ok_or(ApiError::Missing("template"))
    }

    /// What a message by a template is.
    pub(super) async fn filled(
        &self,
        uuid: &str,
        values: Map<String, Value>,
    ) -> Result<Filled, ApiError> {
        let found = self.store().look(|tx| capture::template_named(tx, uuid)).await?;
        let template =
            found.ok_or_else(|| ApiError::bad(format!("there is no template {uuid}")))?;
        Filled::of(&template, &values.into())
    }
}

/// A message by a template.
#[derive(Debug)]
pub(super) struct Filled {
    pub(super) subject: String,
    pub(super) category: String,
    pub(super) html: Option<String>,
    pub(super) text: Option<String>,
}

impl Filled {
    fn of(template: &Template, values: &Value) -> Result<Self, ApiError> {
        let fill = |text: &str, is_html| {
            let filled = fill::fill(text, values, (is_html, BODY_MAX));
            filled.map_err(|wrong| ApiError::bad(wrong.to_string()))
        };
        Ok(Self {
            subject: fill(&template.subject, false)?.replace(char::is_control, " "),
            category: template.category.clone(),
            html: template.html.as_deref().map(|html| fill(html, true)).transpose()?,
            text: template.text.as_deref().map(|text| fill(text, false)).transpose()?,
        })
    }
}

pub(super) async fn list(State(sandbox): State<Sandbox>) -> Answer {
    need_all()?;
    let all = sandbox.read(capture::templates).await?;
    Ok(Json(all.iter().map(told).collect()))
}

pub(super) async fn one(State(sandbox): State<Sandbox>, place: Place) -> Answer {
    Ok(Json(told(&sandbox.template(&place).await?)))
}

pub(super) async fn add(State(sandbox): State<Sandbox>, Json(given): Json<Change>) -> Answer {
    need_all()?;
    let now = sandbox.now();
    let mut new = Template {
        id: 0,
        uuid: uuid()?,
        name: String::new(),
        category: String::new(),
        subject: String::new(),
        html: None,
        text: None,
        created: now,
        updated: now,
    };
    change(&mut new, given.template, now)?;
    let kept = new.clone();
    new.id = sandbox.write(move |tx| capture::add_template(tx, &kept, TEMPLATES_MAX)).await?;
    Ok(Json(told(&new)))
}

pub(super) async fn set(
    State(sandbox): State<Sandbox>,
    place: Place,
    Json(given): Json<Change>,
) -> Answer {
    let mut template = sandbox.template(&place).await?;
    change(&mut template, given.template, sandbox.now())?;
    let kept = template.clone();
    sandbox.write(move |tx| capture::set_template(tx, &kept)).await?;
    Ok(Json(told(&template)))
}

pub(super) async fn remove(State(sandbox): State<Sandbox>, place: Place) -> Answer<StatusCode> {
    let id = sandbox.template(&place).await?.id;
    sandbox.write(move |tx| capture::drop_template(tx, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_says_its_version() {
        let (one, two) = (uuid().unwrap(), uuid().unwrap());
        assert_ne!(one, two);
        let parts: Vec<&str> = one.split('-').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']), "{one}");
    }
}
