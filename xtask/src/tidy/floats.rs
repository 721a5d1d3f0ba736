//! No reading passes through a binary floating-point number.

use super::Violation;
use super::tree::Tree;

/// Rooms that carry readings from the meter to the bill.
const ROOMS: [&str; 6] =
    ["wire/", "models/src/", "collectors/src/", "headend/src/", "proto/src/", "amictl/src/"];

/// Where statements of SQL stand among the code.
const STATEMENTS: &str = "headend/src/store/";

/// Contracts that they pass.
const CONTRACTS: [(&str, &[&str]); 2] = [("proto/ami/", &["double", "float"]), ("migrations/", &SQL_FLOATS)];

/// The words of PostgreSQL for floating-point types; its literals with a point are exact.
const SQL_FLOATS: [&str; 5] = ["real", "float", "float4", "float8", "double"];

/// What may name floats, by the beginning of its path, and why.
const EXCEPTIONS: [(&str, &str); 4] = [
    (
        "wire/modbus/src/format.rs",
        "registers may hold IEEE 754 numbers: their shortest decimal is taken, and nothing is calculated",
    ),
    (
        "wire/dlms/src/axdr/number.rs",
        "meters hold IEEE 754 numbers: their shortest decimal is taken, and nothing is calculated",
    ),
    (
        "wire/dlms/src/decode/",
        "octets are shown to people, and what a float among them shows goes nowhere else",
    ),
    ("headend/src/telemetry/", "durations and rates for dashboards"),
];

/// Names every floating-point type or number in production code of those rooms, in its SQL and in the contracts.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let files = || {
        tree.rust.iter().filter(|(path, _)| {
            ROOMS.iter().any(|room| path.starts_with(room))
                && !EXCEPTIONS.iter().any(|(excepted, _)| path.starts_with(excepted))
        })
    };
    let code = files()
        .flat_map(|(path, text)| text.code_words().map(move |(line, word)| (path, line, word)))
        .filter(|(_, _, word)| is_float(word));
    let literals = files().flat_map(|(path, text)| {
        let lines = text.code.iter().zip(1..);
        lines.flat_map(move |(code, line)| literals(code).map(move |literal| (path, line, literal)))
    });
    let found = code.chain(literals).chain(statements(tree)).chain(contracts(tree));
    let told = |(path, line, word): (&String, usize, &str)| {
        let what = format!("`{word}`: keep the integer and its scaler, or a Duration; no floats here.");
        Violation::at(path, line, what)
    };
    found.map(told).collect()
}

/// The floats of SQL in strings, with the lines on which they stand.
fn statements(tree: &Tree) -> impl Iterator<Item = (&String, usize, &str)> {
    let files = tree.rust.iter().filter(|(path, _)| path.starts_with(STATEMENTS));
    let strings = files.flat_map(|(path, text)| text.strings.iter().map(move |string| (path, string)));
    strings.flat_map(|(path, (begin, text))| {
        text.split('\n').zip(*begin..).flat_map(move |(row, line)| {
            words(row).filter(|word| SQL_FLOATS.contains(word)).map(move |word| (path, line, word))
        })
    })
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
            let words = code.flat_map(words);
            words.filter(|word| floats.contains(word)).map(move |word| (path, line, word))
        })
    })
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// `f64`, `1f64`, `as_secs_f64`.
fn is_float(word: &str) -> bool {
    word.ends_with("f32") || word.ends_with("f64")
}

/// Numbers such as `1.5`, `1.` and `1e3`; neither `0..5` nor `1.max(2)` nor `pair.0.1`.
fn literals(code: &str) -> impl Iterator<Item = &str> {
    let begins = code.char_indices().filter(|(at, c)| {
        let before = code[..*at].chars().next_back();
        c.is_ascii_digit() && !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.')
    });
    begins.filter_map(|(at, _)| {
        let text = &code[at..];
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
        let mut behind = text[digits..].chars();
        let (point, next) = (behind.next(), behind.next());
        let is_float = match point {
            Some('.') => next.is_none_or(|c| c != '.' && c != '_' && !c.is_alphabetic()),
            Some('e' | 'E') => next.is_some_and(|c| c.is_ascii_digit() || c == '-' || c == '+'),
            _ => false,
        };
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').unwrap_or(text.len());
        is_float.then_some(&text[..end])
    })
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
    fn a_number_with_a_point_is_found_and_what_looks_like_one_is_not() {
        let code = "let a = [1.5, 2., 1e3, 3E-2]; b(0..5, 1.max(2), pair.0.1, 0x1e3, \"1.5\", x1.y);";
        let found = check(&Tree::of(&[("wire/gdw376/src/a.rs", code)]));
        let told: Vec<_> = found.iter().map(|one| one.what.split('`').nth(1).unwrap()).collect();
        assert_eq!(told, ["1.5", "2.", "1e3", "3E"]);
    }

    #[test]
    fn a_float_is_found_in_a_statement() {
        let code = "const A: &str = \"/* store::a */ SELECT 1.5 * x,\n y::float8\";\nb(\"real\");";
        let found =
            check(&Tree::of(&[("headend/src/store/a.rs", code), ("headend/src/b.rs", "b(\"real\")")]));
        assert_eq!(found.iter().map(|one| one.line).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn a_float_is_found_in_a_contract() {
        let proto = ("proto/ami/v1/a.proto", "// a double in a comment\nmessage A { double value = 1; }\n");
        let sql = (
            "migrations/1.sql",
            "CREATE TABLE a (b real); -- float8\nCOMMENT ON TABLE a IS 'no real one';\nSELECT 1::float;\n",
        );
        let found = check(&Tree::of(&[proto, sql]));
        let places: Vec<_> = found.iter().map(|one| (one.path.as_str(), one.line)).collect();
        assert_eq!(places, [("migrations/1.sql", 1), ("migrations/1.sql", 3), ("proto/ami/v1/a.proto", 2)]);
    }

    #[test]
    fn exceptions_and_words_of_the_standard_may() {
        for (path, reason) in EXCEPTIONS {
            assert!(check(&Tree::of(&[(&format!("{path}a.rs"), "f64")])).is_empty(), "{reason}");
        }
        assert_eq!(check(&Tree::of(&[("wire/dlms/src/axdr.rs", "f64"), ("proto/src/a.rs", "f32")])).len(), 2);
        assert!(
            check(&Tree::of(&[("headend/src/a.rs", "Data::Float64"), ("simulator/src/a.rs", "f64")]))
                .is_empty()
        );
    }
}
