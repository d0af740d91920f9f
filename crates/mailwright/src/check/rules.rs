//! All rules as a page of the reference.

use std::fmt::{Result, Write as _};

use mailwright_sandbox::{
    auth, links::LinkFault, report::NUMBERS, spam, structure, support::table,
};

/// The page, as Markdown.
pub(super) fn page() -> String {
    let mut page = String::new();
    write(&mut page).map_or_else(|_| String::new(), |()| page)
}

fn write(page: &mut String) -> Result {
    writeln!(
        page,
        "# Checks\n\n<!-- Made by `cargo xtask docs` from the rules. Do not edit. -->\n\n\
         What `mailwright check` and the sandbox look at.\n\n\
         ## Numbers that can be demanded\n\n| number | what it is |\n|---|---|"
    )?;
    for (name, means) in NUMBERS {
        writeln!(page, "| `{name}` | {means} |")?;
    }
    let features = &table().features;
    let clients = table().clients.len();
    writeln!(
        page,
        "\n## HTML and CSS\n\n{} features in {clients} clients, by the data of caniemail.com.\n",
        features.len()
    )?;
    let slugs: Vec<String> = features.iter().map(|one| format!("`{}`", one.slug)).collect();
    writeln!(
        page,
        "{}\n\n## Structure\n\n| rule | level | means |\n|---|---|---|",
        slugs.join(" ")
    )?;
    for rule in structure::rules() {
        let means = cell(rule.explanation);
        writeln!(page, "| `{}` | {} | {means} |", rule.name, rule.level.as_str())?;
    }
    writeln!(page, "\n## Links\n\n| rule | broken | means |\n|---|---|---|")?;
    for fault in LinkFault::ALL {
        let broken = if fault.is_broken() { "yes" } else { "no" };
        writeln!(page, "| `{}` | {broken} | {} |", fault.name(), cell(fault.explanation()))?;
    }
    writeln!(page, "\n## Origin\n\n| rule | level | means |\n|---|---|---|")?;
    for rule in auth::RULES {
        let means = cell(rule.explanation);
        writeln!(page, "| `{}` | {} | {means} |", rule.name, rule.level.as_str())?;
    }
    writeln!(page, "\n## Spam\n\n| rule | points | means |\n|---|---|---|")?;
    for rule in spam::rules() {
        writeln!(page, "| `{}` | {:.2} | {} |", rule.name, rule.points, cell(rule.explanation))?;
    }
    Ok(())
}

/// Text inside a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}
