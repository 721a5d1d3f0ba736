//! No reading passes through a binary floating-point number.

use super::Violation;
use super::tree::Tree;

/// Rooms that carry readings.
const ROOMS: [&str; 2] = ["headend/src/", "collectors/src/"];

/// Paths of files that show rates and progress to people, where a rounded number does no harm.
const FOR_EYES: [&str; 3] = ["metric", "progress", "telemetry/"];

/// Names every floating-point type or number in production code of those rooms.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let files = tree.rust.iter().filter(|(path, _)| {
        ROOMS.iter().any(|room| path.starts_with(room)) && !FOR_EYES.iter().any(|word| path.contains(word))
    });
    files
        .flat_map(|(path, text)| text.code_words().map(move |(line, word)| (path, line, word)))
        .filter(|(_, _, word)| is_float(word))
        .map(|(path, line, word)| {
            Violation::at(
                path,
                line,
                format!("`{word}`: keep the integer and its scaler, or a Duration; no floats here."),
            )
        })
        .collect()
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
    fn other_rooms_words_of_the_standard_and_progress_may() {
        assert!(check(&Tree::of(&[("wire/dlms/src/axdr.rs", "f64")])).is_empty());
        assert!(check(&Tree::of(&[("headend/src/metrics.rs", "f64")])).is_empty());
        assert!(check(&Tree::of(&[("headend/src/a.rs", "Data::Float64")])).is_empty());
    }
}
