//! Elements and attributes, read and written.

use quick_xml::Reader;
use quick_xml::escape::{escape, unescape};
use quick_xml::events::{BytesStart, Event};

use crate::Error;

/// Longest text of an attribute or a field, in octets, but that of encoded octets.
const TEXT_MAX: usize = 256;
/// Most elements beside one another in a message.
const CHILDREN_MAX: usize = 4096;

/// An element of a message.
pub(crate) struct Element<'a> {
    /// Its name without a prefix.
    pub(crate) name: String,
    /// It, with its tags.
    pub(crate) whole: &'a str,
    /// What stands between its tags.
    pub(crate) content: &'a str,
}

/// The elements that stand directly in a piece of XML; text between them does not matter.
pub(crate) fn children(content: &str) -> Result<Vec<Element<'_>>, Error> {
    let mut reader = Reader::from_str(content);
    let mut children = Vec::new();
    loop {
        let from = place(reader.buffer_position());
        let (name, start) = match reader.read_event().map_err(|_| damage(&reader, content))? {
            Event::Start(start) => (start.to_owned(), place(reader.buffer_position())),
            Event::Empty(empty) => {
                let whole = &content[from..place(reader.buffer_position())];
                children.push(Element { name: local(&empty), whole, content: "" });
                continue;
            }
            Event::Eof => return Ok(children),
            _ => continue,
        };
        if children.len() == CHILDREN_MAX {
            return Err(Error::TooLong { what: "elements in a message", limit: CHILDREN_MAX });
        }
        let end = reader.read_to_end(name.name()).map_err(|_| damage(&reader, content))?;
        let whole = &content[from..place(reader.buffer_position())];
        children.push(Element { name: local(&name), whole, content: &content[start..place(end.end)] });
    }
}

/// The element with that name.
pub(crate) fn child<'a>(content: &'a str, name: &'static str) -> Result<Element<'a>, Error> {
    let mut children = children(content)?.into_iter();
    children.find(|child| child.name == name).ok_or(Error::Missing { what: name })
}

/// The text of an element, which holds nothing else.
pub(crate) fn text(content: &str, what: &'static str) -> Result<String, Error> {
    let text = unescape(content.trim()).map_err(|_| Error::Value { what })?;
    if content.contains('<') { Err(Error::Value { what }) } else { Ok(text.into_owned()) }
}

/// Name of an element without its prefix.
pub(crate) fn local(tag: &BytesStart<'_>) -> String {
    tag.local_name().as_ref().to_owned()
}

/// The text of an attribute.
pub(crate) fn find(tag: &BytesStart<'_>, name: &'static str) -> Result<Option<String>, Error> {
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|_| Error::Value { what: "an attribute" })?;
        if attribute.key.local_name().as_ref() == name {
            let text = unescape(&attribute.value).map_err(|_| Error::Value { what: name })?;
            let fits = text.len() <= TEXT_MAX;
            return if fits { Ok(Some(text.into_owned())) } else { Err(Error::Value { what: name }) };
        }
    }
    Ok(None)
}

/// Why a piece of XML cannot be read on: it ends within a tag, or it is none.
pub(crate) fn damage(reader: &Reader<&[u8]>, text: &str) -> Error {
    let octet = place(reader.error_position());
    let rest = text.get(octet..).unwrap_or_default();
    let cut = rest.is_empty() || (rest.starts_with('<') && !rest.contains('>'));
    if cut { Error::Truncated { octets: text.len() } } else { Error::Malformed { octet } }
}

/// Appends an opening tag, or an element with nothing in it.
pub(crate) fn open(out: &mut String, name: &str, attributes: &[(&str, &str)], empty: bool) {
    out.push('<');
    out.push_str(name);
    attributes.iter().for_each(|(name, value)| attribute(out, name, value));
    out.push_str(if empty { "/>" } else { ">" });
}

/// Appends an attribute.
pub(crate) fn attribute(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    out.push_str(&escape(value));
    out.push('"');
}

/// Appends an element with a text in it.
pub(crate) fn field(out: &mut String, name: &str, value: &str) {
    out.push_str(&format!("<{name}>{}</{name}>", escape(value)));
}

/// A place in a text, which is shorter than what an address can reach.
fn place(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}
