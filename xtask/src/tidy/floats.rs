//! No reading passes through a binary floating-point number.

use super::Violation;
use super::tree::Tree;

/// Rooms that carry readings from the meter to the bill.
const ROOMS: [&str; 8] = [
    "headend/src/",
    "collectors/src/",
    "models/src/",
    "amictl/src/",
    "wire/dlms/src/profile",
    "wire/dlt645/src/",
    "wire/iec62056-21/src/",
    "wire/p2lpc/src/",
];

/// Contracts that they pass, each with the words that are floats in it.
const CONTRACTS: [(&str, &[&str]); 2] =
    [("proto/ami/", &["double", "float"]), ("migrations/", &["real", "float4", "float8", "double"])];

/// Paths of files that show rates and progress to people, where a rounded number does no harm.
const FOR_EYES: [&str; 3] = ["metric", "progress", "telemetry/"];

/// Names every floating-point type or number in production code of those rooms.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let files = tree.rust.iter().filter(|(path, _)| {
        ROOMS.iter().any(|room| path.starts_with(room)) && !FOR_EYES.iter().any(|word| path.contains(word))
    });
    let code = files
        .flat_map(|(path, text)| text.code_words().map(move |(line, word)| (path, line, word)))
        .filter(|(_, _, word)| is_float(word));
    code.chain(contracts(tree))
        .map(|(path, line, word)| {
            Violation::at(
                path,
                line,
                format!("`{word}`: keep the integer and its scaler, or a Duration; no floats here."),
            )
        })
        .collect()
}

/// The floats of the contracts, comments and texts left out.
fn contracts(tree: &Tree) -> impl Iterator<Item = (&String, usize, &str)> {
    let files = tree.files.iter().filter_map(|(path, text)| {
        let (_, floats) = CONTRACTS.iter().find(|(room, _)| path.starts_with(room))?;
        Some((path, text, *floats))
    });
    files.flat_map(|(path, text, floats)| {
        text.lines().zip(1..).flat_map(move |(row, line)| {
            let comment = row.find("//").into_iter().chain(row.find("--")).min();
            let code = row[..comment.unwrap_or(row.len())].split('\'').step_by(2);
            let words = code.flat_map(|part| part.split(|c: char| !c.is_alphanumeric() && c != '_'));
            words.filter(|word| floats.contains(word)).map(move |word| (path, line, word))
        })
    })
}

/// `f64`, `1f64`, `as_secs_f64`.
fn is_float(word: &str) -> bool {
    word.ends_with("f32") || word.ends_with("f64")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_float_is_found_where_readings_pass() {
        let found =
            check(&Tree::of(&[("collectors/src/a.rs", "// f64 in a comment\nlet x: Vec<f64> = y;\n")]));
        assert_eq!((found.len(), found[0].line), (1, 2));
        assert_eq!(check(&Tree::of(&[("headend/src/a.rs", "d.as_secs_f32() + 1f64")])).len(), 2);
    }

    #[test]
    fn a_float_is_found_in_a_contract() {
        let proto = ("proto/ami/v1/a.proto", "// a double in a comment\nmessage A { double value = 1; }\n");
        let sql = (
            "migrations/1.sql",
            "CREATE TABLE a (b real); -- float8\nCOMMENT ON TABLE a IS 'no real one';\n",
        );
        let found = check(&Tree::of(&[proto, sql]));
        let places: Vec<_> = found.iter().map(|one| (one.path.as_str(), one.line)).collect();
        assert_eq!(places, [("migrations/1.sql", 1), ("proto/ami/v1/a.proto", 2)]);
    }

    #[test]
    fn other_rooms_words_of_the_standard_and_progress_may() {
        assert!(check(&Tree::of(&[("wire/dlms/src/axdr.rs", "f64")])).is_empty());
        assert!(check(&Tree::of(&[("headend/src/metrics.rs", "f64")])).is_empty());
        assert!(check(&Tree::of(&[("headend/src/a.rs", "Data::Float64")])).is_empty());
    }
}
