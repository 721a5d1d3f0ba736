//! SQL is written in one room: `headend/src/store`.

use super::Violation;
use super::tree::Tree;

/// Where SQL may stand. A benchmark needs its own, to compare the store with the bare database.
const ALLOWED: [&str; 2] = ["headend/src/store", "xtask/src/bench"];

/// Words that begin a statement, each with a word that must follow later, if any.
const STATEMENTS: [(&str, Option<&str>); 14] = [
    ("SELECT", None),
    ("INSERT", Some("INTO")),
    ("UPDATE", Some("SET")),
    ("DELETE", Some("FROM")),
    ("MERGE", Some("INTO")),
    ("COPY", Some("FROM")),
    ("COPY", Some("STDIN")),
    ("TRUNCATE", None),
    ("LISTEN", None),
    ("NOTIFY", None),
    ("CREATE", Some("TABLE")),
    ("CREATE", Some("INDEX")),
    ("ALTER", Some("TABLE")),
    ("DROP", Some("TABLE")),
];

/// Names every string of production code that is SQL and stands elsewhere.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let outside = tree.rust.iter().filter(|(path, _)| !ALLOWED.iter().any(|room| path.starts_with(room)));
    outside
        .flat_map(|(path, text)| text.strings.iter().map(move |(line, string)| (path, *line, string)))
        .filter(|(_, _, string)| is_sql(string))
        .map(|(path, line, _)| {
            Violation::at(path, line, "SQL outside headend/src/store: move the statement there.")
        })
        .collect()
}

/// Keywords are told from prose by their capitals, or by a small-letter statement that begins the string.
fn is_sql(text: &str) -> bool {
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect();
    let capitals = words.len() > 1 && STATEMENTS.iter().any(|(first, then)| follows(&words, first, *then));
    let small = words.first().is_some_and(|first| {
        let upper: Vec<String> = words.iter().map(|word| word.to_uppercase()).collect();
        let upper: Vec<&str> = upper.iter().map(String::as_str).collect();
        match *first {
            "select" => upper.contains(&"FROM"),
            "insert" => upper.contains(&"VALUES"),
            "delete" => upper.get(1) == Some(&"FROM"),
            "update" => upper.get(2) == Some(&"SET"),
            _ => false,
        }
    });
    capitals || small
}

fn follows(words: &[&str], first: &str, then: Option<&str>) -> bool {
    let Some(at) = words.iter().position(|word| *word == first) else { return false };
    then.is_none_or(|then| words[at..].contains(&then))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_seen_in_any_shape() {
        for text in [
            "/* lease */ SELECT id FROM job",
            "WITH due AS (DELETE FROM job RETURNING id) TABLE due",
            "UPDATE job\n SET state = 'done'",
            "NOTIFY reading",
            "select 1 from meter",
            "update job set state = 'done'",
        ] {
            assert!(is_sql(text), "{text}");
        }
    }

    #[test]
    fn sentences_are_not_statements() {
        for text in [
            "select",
            "SELECT",
            "update the address of the meter and set the clock",
            "delete the file from the folder",
            "could not UPDATE",
        ] {
            assert!(!is_sql(text), "{text}");
        }
    }

    #[test]
    fn only_the_store_may() {
        let text = "fn a() { query(\"SELECT 1 FROM meter\"); }";
        assert!(check(&Tree::of(&[("headend/src/store/jobs.rs", text)])).is_empty());
        let found = check(&Tree::of(&[("headend/src/plan.rs", text)]));
        assert_eq!(
            found[0].to_string(),
            "headend/src/plan.rs:1: SQL outside headend/src/store: move the statement there."
        );
    }
}
