//! Projects with their inboxes.

use std::collections::HashMap;

use axum::{Json, extract::State};
use mailwright_store::capture::{self, Group, Project};
use mailwright_words::Id;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Answer, Place, inbox};
use crate::sandbox::{ApiError, Inner, Sandbox, scope::need_all};

/// Projects that there may be.
const PROJECTS_MAX: usize = 1000;

#[derive(Debug, Deserialize)]
pub(super) struct Named {
    name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct New {
    project: Named,
}

impl Named {
    /// The name, of 2 to 100 characters.
    pub(super) fn checked(self) -> Result<String, ApiError> {
        let name = self.name.trim().to_owned();
        if (2..=100).contains(&name.chars().count()) && !name.contains(char::is_control) {
            return Ok(name);
        }
        Err(ApiError::bad("a name has 2 to 100 characters"))
    }
}

impl Inner {
    /// What is kept of each inbox beside its name.
    pub(super) async fn groups(&self) -> Result<HashMap<Id, Group>, ApiError> {
        Ok(self.read(capture::groups).await?.into_iter().collect())
    }
}

/// What a client may do with anything here.
pub(super) fn permissions() -> Value {
    json!({ "can_read": true, "can_update": true, "can_destroy": true, "can_leave": false })
}

async fn told(sandbox: &Sandbox, place: &Place, project: Project) -> Result<Value, ApiError> {
    let groups = sandbox.groups().await?;
    let mut inboxes = Vec::new();
    for one in sandbox.inboxes().await? {
        let group = groups.get(&one.principal).cloned().unwrap_or_default();
        if group.project == project.id {
            inboxes.push(inbox::told(sandbox, &one, &group, None).await?);
        }
    }
    let mut all = Map::new();
    all.insert("id".to_owned(), project.id.into());
    all.insert("name".to_owned(), project.name.into());
    all.insert(place.words().to_owned(), inboxes.into());
    all.insert("permissions".to_owned(), permissions());
    Ok(all.into())
}

async fn named(sandbox: &Sandbox, id: u64) -> Result<Project, ApiError> {
    let all = sandbox.read(capture::projects).await?;
    all.into_iter().find(|one| one.id == id).ok_or(ApiError::NoPath)
}

pub(super) async fn list(State(sandbox): State<Sandbox>, place: Place) -> Answer {
    need_all()?;
    let mut all = Vec::new();
    for project in sandbox.read(capture::projects).await? {
        all.push(told(&sandbox, &place, project).await?);
    }
    Ok(Json(all.into()))
}

pub(super) async fn one(State(sandbox): State<Sandbox>, place: Place) -> Answer {
    need_all()?;
    let project = named(&sandbox, place.project).await?;
    Ok(Json(told(&sandbox, &place, project).await?))
}

pub(super) async fn add(
    State(sandbox): State<Sandbox>,
    place: Place,
    Json(new): Json<New>,
) -> Answer {
    need_all()?;
    let name = new.project.checked()?;
    let made = sandbox.write(move |tx| capture::add_project(tx, &name, PROJECTS_MAX)).await?;
    Ok(Json(told(&sandbox, &place, made).await?))
}

pub(super) async fn rename(
    State(sandbox): State<Sandbox>,
    place: Place,
    Json(new): Json<New>,
) -> Answer {
    need_all()?;
    let (id, name) = (place.project, new.project.checked()?);
    if !sandbox.write(move |tx| capture::rename_project(tx, id, &name)).await? {
        return Err(ApiError::NoPath.into());
    }
    one(State(sandbox), place).await
}

/// Removes a project with its inboxes.
pub(super) async fn remove(State(sandbox): State<Sandbox>, place: Place) -> Answer {
    need_all()?;
    let project = named(&sandbox, place.project).await?;
    if project.id == capture::DEFAULT_PROJECT {
        return Err(ApiError::Forbidden("the first project stays".to_owned()).into());
    }
    let groups = sandbox.groups().await?;
    for one in sandbox.inboxes().await? {
        if groups.get(&one.principal).is_some_and(|group| group.project == project.id) {
            sandbox.backing.directory.remove_inbox(&one, sandbox.now()).await?;
        }
    }
    let id = project.id;
    sandbox.write(move |tx| capture::drop_project(tx, id)).await?;
    Ok(Json(json!({ "id": id })))
}
