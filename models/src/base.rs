//! Models that are like another one but for some things.
//!
//! `base = "sed302"` at the top of a file takes everything from that model that the file does not say itself: tables are merged key by key, anything
//! else, lists included, is taken as a whole from the one or the other. `without = ["switch"]` leaves out what the base has and the meter has not.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::Error;

/// The key that names the base.
pub(crate) const BASE: &str = "base";
/// The key that names what is not taken over.
const WITHOUT: &str = "without";
/// Bases of bases at most.
const DEPTH_LIMIT: usize = 4;

/// What files say, by the names of their models.
pub(crate) type Library = BTreeMap<String, Table>;

/// A file with what it takes from its base, and that from its own.
pub(crate) fn complete(file: &str, own: Table, library: &Library) -> Result<Table, Error> {
    on_its_base(own, library, DEPTH_LIMIT).map_err(|message| Error::Base { file: file.to_owned(), message })
}

fn on_its_base(mut own: Table, library: &Library, depth: usize) -> Result<Table, String> {
    let Some(base) = own.remove(BASE) else { return Ok(own) };
    let Some(depth) = depth.checked_sub(1) else {
        return Err(format!("more than {DEPTH_LIMIT} bases stand upon each other, or they form a ring"));
    };
    let name = base.as_str().ok_or_else(|| format!("`{BASE}` must be the name of a model"))?;
    let base =
        library.get(name).cloned().ok_or_else(|| format!("there is no model `{name}` to be the base"))?;
    let mut whole = on_its_base(base, library, depth)?;
    for key in without(&mut own).ok_or_else(|| format!("`{WITHOUT}` must be a list of keys"))? {
        whole.remove(&key).ok_or_else(|| format!("`{name}` has no `{key}` to do without"))?;
    }
    lay_over(&mut whole, own);
    Ok(whole)
}

fn without(table: &mut Table) -> Option<Vec<String>> {
    match table.remove(WITHOUT) {
        None => Some(Vec::new()),
        Some(Value::Array(keys)) => keys.into_iter().map(|key| key.as_str().map(str::to_owned)).collect(),
        Some(_) => None,
    }
}

/// Tables are merged, everything else is replaced.
fn lay_over(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay_over(below, above),
            (_, value) => drop(below.insert(key, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library() -> Library {
        let table = |text: &str| text.parse::<Table>().unwrap();
        [
            ("a", "x = 1\nlist = [1, 2]\n[t]\nu = 1\nv = 2"),
            ("b", "base = 'a'\n[t]\nv = 3"),
            ("ring", "base = 'ring'"),
        ]
        .into_iter()
        .map(|(name, text)| (name.to_owned(), table(text)))
        .collect()
    }

    fn completed(text: &str) -> Result<Table, Error> {
        complete("c.toml", text.parse().unwrap(), &library())
    }

    #[test]
    fn tables_are_merged_and_lists_are_taken_whole() {
        let whole = completed("base = 'b'\nlist = [9]\n[t]\nw = 4").unwrap();
        assert_eq!(whole, "x = 1\nlist = [9]\n[t]\nu = 1\nv = 3\nw = 4".parse::<Table>().unwrap());
        let whole = completed("base = 'b'\nwithout = ['t', 'list']").unwrap();
        assert_eq!(whole, "x = 1".parse::<Table>().unwrap());
    }

    #[test]
    fn a_base_that_cannot_be_is_refused_by_name() {
        for (text, part) in [
            ("base = 'z'", "there is no model `z`"),
            ("base = 1", "must be the name"),
            ("base = 'ring'", "form a ring"),
            ("base = 'a'\nwithout = ['y']", "`a` has no `y`"),
            ("base = 'a'\nwithout = 'x'", "must be a list"),
        ] {
            let message = completed(text).unwrap_err().to_string();
            assert!(message.starts_with("c.toml: ") && message.contains(part), "{message}");
        }
    }
}
