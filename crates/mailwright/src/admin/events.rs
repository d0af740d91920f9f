//! `mailwright events`.

use std::time::Duration;

use mailwright_store::event::{self, Hour};
use serde::Serialize;

use super::{json, table, time};
use crate::{Failure, console::Console, office::Office};

/// Most hours that are told: a year.
const HOURS_MAX: u64 = 366 * 24;

#[derive(Serialize)]
struct Row {
    hour: String,
    kind: String,
    count: i64,
}

/// Tells what happened in the last hours, by hour and kind.
pub(super) async fn run(
    (hours, as_json): (u64, bool),
    office: &Office,
    console: &Console,
) -> Result<(), Failure> {
    let before = Duration::from_hours(hours.clamp(1, HOURS_MAX) - 1);
    let from = office.now().minus(before);
    let counted = office.store.read(move |tx| event::hours(tx, from)).await?;
    let rows: Vec<Row> = counted.into_iter().map(row).collect();
    if as_json {
        return json(console, &rows).await;
    }
    let line = |row: Row| vec![row.hour, row.kind, row.count.to_string()];
    table(console, &rows.into_iter().map(line).collect::<Vec<_>>()).await
}

fn row(Hour { begun, kind, count }: Hour) -> Row {
    Row { hour: time(begun), kind, count }
}
