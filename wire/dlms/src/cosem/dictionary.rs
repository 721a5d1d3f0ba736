//! What interface classes, their attributes and methods are called, and how an attribute is to be read (Blue Book, 4): for whoever shows
//! a person what goes over a line. The table is `dictionary/classes.txt`; nothing here decides how a meter is spoken to.

use std::collections::BTreeMap;
use std::sync::LazyLock;

const TABLE: &str = include_str!("dictionary/classes.txt");
/// Stands in the table for a number that is not used.
const UNUSED: &str = "-";

static CLASSES: LazyLock<BTreeMap<u16, Class>> = LazyLock::new(|| classes(TABLE));

/// An interface class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// Its number.
    pub id: u16,
    /// The newest version whose attributes are listed; older ones have fewer of them.
    pub version: u8,
    /// Its name, such as `disconnect_control`.
    pub name: &'static str,
    /// From attribute 2 on.
    attributes: Vec<Attribute>,
    /// From method 1 on.
    methods: Vec<&'static str>,
}

/// An attribute of a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name, such as `control_state`.
    pub name: &'static str,
    /// How its value is to be read.
    pub kind: Kind,
}

/// What a value is, beyond what its type says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What the type says.
    Plain,
    /// A date-time, also as octet-string of 12 octets.
    Time,
    /// A logical name, as octet-string of 6 octets.
    Name,
    /// Characters, also as octet-string.
    Text,
    /// An enumeration; see [`Attribute::value`].
    Enumeration(Vec<&'static str>),
}

/// Attribute 1 of every class.
static LOGICAL_NAME: Attribute = Attribute { name: "logical_name", kind: Kind::Name };

impl Class {
    /// The class of that number, if it is known.
    pub fn of(id: u16) -> Option<&'static Self> {
        CLASSES.get(&id)
    }

    /// Every class, by number.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        CLASSES.values()
    }

    /// The attribute of that number, from 1, if it is known.
    pub fn attribute(&'static self, number: i8) -> Option<&'static Attribute> {
        match number {
            1 => Some(&LOGICAL_NAME),
            number => self.attributes.get(usize::try_from(number).ok()?.checked_sub(2)?),
        }
    }

    /// The name of the method of that number, from 1, if it is known.
    pub fn method(&self, number: i8) -> Option<&'static str> {
        let position = usize::try_from(number).ok()?.checked_sub(1)?;
        self.methods.get(position).copied().filter(|name| *name != UNUSED)
    }
}

impl Attribute {
    /// The name of a value of an enumeration, if it is known.
    pub fn value(&self, number: u8) -> Option<&'static str> {
        let Kind::Enumeration(names) = &self.kind else { return None };
        names.get(usize::from(number)).copied().filter(|name| *name != UNUSED)
    }
}

/// Reads the table. What is no class in it is passed over; a test sees to it that there is nothing of the kind.
fn classes(table: &'static str) -> BTreeMap<u16, Class> {
    let mut classes = BTreeMap::new();
    let mut current: Option<Class> = None;
    let mut in_methods = false;
    for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let Some(listed) = line.strip_prefix("  ") else {
            classes.extend(current.take().map(|class| (class.id, class)));
            (current, in_methods) = (heading(line), false);
            continue;
        };
        let Some(class) = &mut current else { continue };
        let methods = listed.strip_prefix("methods ");
        in_methods |= methods.is_some();
        let listed = methods.unwrap_or(listed).split(',').map(str::trim).filter(|item| !item.is_empty());
        match in_methods {
            true => class.methods.extend(listed),
            false => class.attributes.extend(listed.map(attribute)),
        }
    }
    classes.extend(current.map(|class| (class.id, class)));
    classes
}

/// `70 0 disconnect_control`.
fn heading(line: &'static str) -> Option<Class> {
    let mut words = line.split(' ');
    let (id, version) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(Class { id, version, name: words.next()?, attributes: Vec::new(), methods: Vec::new() })
}

/// A name, and how its value is to be read.
fn attribute(item: &'static str) -> Attribute {
    let (name, kind) = item.split_once(' ').unwrap_or((item, ""));
    let kind = match kind {
        "(time)" => Kind::Time,
        "(name)" => Kind::Name,
        "(text)" => Kind::Text,
        values => match values.strip_prefix('[').and_then(|values| values.strip_suffix(']')) {
            Some(values) => Kind::Enumeration(values.split('|').collect()),
            None => Kind::Plain,
        },
    };
    Attribute { name, kind }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn classes_name_their_attributes_methods_and_values() {
        let switch = Class::of(70).unwrap();
        assert_eq!((switch.name, switch.version), ("disconnect_control", 0));
        assert_eq!(switch.attribute(1).unwrap(), &LOGICAL_NAME);
        let state = switch.attribute(3).unwrap();
        assert_eq!(
            (state.name, state.value(2), state.value(3)),
            ("control_state", Some("ready_for_reconnection"), None)
        );
        assert_eq!(
            [switch.method(1), switch.method(2)],
            [Some("remote_disconnect"), Some("remote_reconnect")]
        );
        for number in [i8::MIN, -1, 0, 5, i8::MAX] {
            assert_eq!((switch.attribute(number), switch.method(number)), (None, None), "{number}");
        }
        assert_eq!(Class::of(2), None);
        // Numbers beyond a gap, in the second line of a list, and after a value that is not used.
        assert_eq!(Class::of(12).unwrap().method(8), Some("reply_to_hls_authentication"));
        assert_eq!(Class::of(12).unwrap().method(4), None);
        assert_eq!(Class::of(7).unwrap().attribute(8).unwrap().name, "profile_entries");
        let sort = Class::of(7).unwrap().attribute(5).unwrap();
        assert_eq!((sort.value(0), sort.value(1)), (None, Some("fifo")));
        assert_eq!(Class::of(8).unwrap().attribute(2).unwrap().kind, Kind::Time);
        assert_eq!(Class::of(64).unwrap().method(8), Some("remove_certificate"));
    }

    /// Numbers of the last attribute and the last method, as the classes have them.
    #[test]
    fn classes_have_as_many_attributes_and_methods_as_they_should() {
        let sizes = [
            (1, 2, 0),
            (3, 3, 1),
            (4, 5, 1),
            (5, 9, 2),
            (6, 4, 3),
            (7, 8, 2),
            (8, 9, 6),
            (9, 2, 1),
            (10, 2, 3),
            (11, 2, 2),
            (12, 6, 10),
            (15, 11, 6),
            (17, 2, 1),
            (18, 7, 4),
            (19, 9, 0),
            (20, 10, 1),
            (21, 4, 0),
            (22, 4, 0),
            (23, 9, 0),
            (26, 4, 0),
            (27, 4, 0),
            (28, 7, 0),
            (29, 6, 1),
            (30, 6, 3),
            (40, 13, 2),
            (41, 6, 0),
            (42, 10, 3),
            (44, 5, 0),
            (45, 4, 0),
            (46, 6, 0),
            (47, 8, 0),
            (48, 10, 2),
            (50, 15, 0),
            (52, 5, 0),
            (53, 8, 1),
            (61, 4, 2),
            (62, 6, 2),
            (63, 3, 0),
            (64, 6, 8),
            (68, 6, 2),
            (70, 4, 2),
            (71, 11, 0),
            (72, 14, 8),
            (73, 4, 0),
            (77, 9, 1),
            (82, 8, 0),
            (84, 7, 1),
            (85, 6, 1),
            (90, 10, 1),
            (91, 26, 1),
            (92, 23, 0),
            (100, 7, 3),
            (104, 4, 11),
            (111, 19, 3),
            (112, 11, 3),
            (113, 13, 5),
            (115, 6, 1),
            (124, 10, 1),
        ];
        for (id, attributes, methods) in sizes {
            let class = Class::of(id).unwrap();
            assert_eq!(
                (class.attributes.len() + 1, class.methods.len()),
                (attributes, methods),
                "class {id}"
            );
        }
    }

    #[test]
    fn every_line_of_the_table_is_understood() {
        let headings = TABLE.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit())).count();
        assert_eq!(Class::all().count(), headings);
        let word = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        let mut names = BTreeSet::new();
        for class in Class::all() {
            assert!(word(class.name) && names.insert(class.name), "{}", class.name);
            for attribute in &class.attributes {
                assert!(word(attribute.name), "{} {}", class.name, attribute.name);
                if let Kind::Enumeration(values) = &attribute.kind {
                    assert!(
                        values.len() > 1 && values.iter().all(|value| !value.is_empty()),
                        "{attribute:?}"
                    );
                }
            }
            assert!(class.methods.iter().all(|name| word(name) || *name == UNUSED), "{class:?}");
        }
        // Whatever stands behind a name in round or square brackets became a kind.
        let marked = TABLE.matches(['(', '[']).count()
            - TABLE
                .lines()
                .filter(|line| line.starts_with('#'))
                .map(|line| line.matches(['(', '[']).count())
                .sum::<usize>();
        let kinds = Class::all()
            .flat_map(|class| &class.attributes)
            .filter(|attribute| attribute.kind != Kind::Plain);
        assert_eq!(kinds.count(), marked);
    }
}
