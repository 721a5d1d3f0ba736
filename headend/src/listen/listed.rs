//! Pushes that describe themselves: one of their values, most often the first, is the push object list (class 40, attribute 2: Blue Book,
//! 4.4.8), and the others stand in its order.

use dlms::Obis;
use dlms::axdr::Data;

/// Class of a push setup.
const PUSH_SETUP: u16 = 40;

/// What the list says of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) class_id: u16,
    pub(super) object: Obis,
    pub(super) attribute: i8,
}

/// The values of a body beside its list, each with what the list says of it, or nothing where the list does not fit the values; `None` for a
/// body without a list.
pub(super) fn values(body: &Data) -> Option<Vec<(Option<Column>, &Data)>> {
    let Data::Structure(parts) = body else { return None };
    let (place, mut columns) =
        parts.iter().enumerate().find_map(|(place, part)| Some((place, columns(part)?)))?;
    let is_list = |column: &Column| column.class_id == PUSH_SETUP && column.attribute == 2;
    if columns.get(place).is_some_and(is_list) {
        columns.remove(place);
    }
    let fits = columns.len() + 1 == parts.len();
    let column = |number: usize| columns.get(number).copied().filter(|_| fits);
    let others = parts.iter().enumerate().filter(|(number, _)| *number != place);
    Some(others.enumerate().map(|(number, (_, value))| (column(number), value)).collect())
}

/// What a push object list says, if it is one: class, logical name, attribute, data index and, in later versions of the class, more.
fn columns(part: &Data) -> Option<Vec<Column>> {
    let Data::Array(listed) = part else { return None };
    let columns: Option<Vec<Column>> = listed.iter().map(column).collect();
    columns.filter(|columns| !columns.is_empty())
}

fn column(element: &Data) -> Option<Column> {
    let Data::Structure(fields) = element else { return None };
    let [Data::LongUnsigned(class_id), Data::OctetString(name), Data::Integer(attribute), _, ..] =
        fields.as_slice()
    else {
        return None;
    };
    let object = Obis::new(name.as_slice().try_into().ok()?);
    Some(Column { class_id: *class_id, object, attribute: *attribute })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(class_id: u16, object: [u8; 6]) -> Data {
        let name = Data::OctetString(object.to_vec());
        Data::Structure(vec![Data::LongUnsigned(class_id), name, Data::Integer(2), Data::LongUnsigned(0)])
    }

    fn named(parts: Vec<Data>) -> Option<Vec<Option<u16>>> {
        let body = Data::Structure(parts);
        let values = values(&body)?;
        Some(values.into_iter().map(|(column, _)| column.map(|column| column.class_id)).collect())
    }

    #[test]
    fn values_are_told_by_their_place_whether_the_list_names_itself_or_not() {
        let own = || listed(40, [0, 0, 25, 9, 0, 255]);
        let (one, other) = (listed(1, [0, 0, 97, 98, 0, 255]), listed(3, [1, 0, 1, 8, 0, 255]));
        let values = || [Data::Unsigned(1), Data::Unsigned(2)];
        let told = Some(vec![Some(1), Some(3)]);
        let with = |list: Vec<Data>| {
            let [first, second] = values();
            named(vec![Data::Array(list), first, second])
        };
        assert_eq!(with(vec![own(), one.clone(), other.clone()]), told);
        assert_eq!(with(vec![one.clone(), other.clone()]), told);
        let [first, second] = values();
        let between = Data::Array(vec![one.clone(), own(), other.clone()]);
        assert_eq!(named(vec![first, between, second]), told);
        // Nobody knows which is which.
        assert_eq!(with(vec![own(), one.clone()]), told.clone().map(|_| vec![None, None]));
        assert_eq!(with(vec![one.clone(), one, other]), told.map(|_| vec![None, None]));
    }

    #[test]
    fn other_arrays_are_no_lists() {
        let [first, second] = [Data::Unsigned(1), Data::Unsigned(2)];
        assert_eq!(named(vec![first.clone(), second.clone()]), None);
        assert_eq!(named(vec![Data::Array(vec![]), first.clone()]), None);
        let row =
            Data::Structure(vec![Data::OctetString(vec![0; 12]), second.clone(), first.clone(), second]);
        assert_eq!(named(vec![Data::Array(vec![row]), first.clone()]), None);
        assert_eq!(values(&first), None);
    }
}
