//! Decoded octets as a tree: offset, octets, name, value, and what it means.

use std::ops::Range;

use dlms::decode::{Decoded, Node, Stop, Value};

/// Octets that stand in a line; a date-time is the longest that one wants to see whole.
const IN_LINE: usize = 14;
/// Octets of a value that are written out.
const IN_VALUE: usize = 24;
/// Octets in front of a stop that are shown with it.
const BEFORE_STOP: usize = 4;

/// One line for each element.
pub(crate) fn tree(decoded: &Decoded, octets: &[u8]) -> Vec<String> {
    let mut tree = Tree { lines: Vec::new() };
    for node in &decoded.nodes {
        tree.node(node, octets, String::new(), 0);
    }
    if let Some(stop) = &decoded.stop {
        tree.stop(stop, octets);
    }
    tree.lines
}

struct Tree {
    lines: Vec<String>,
}

impl Tree {
    fn node(&mut self, node: &Node, octets: &[u8], label: String, depth: usize) {
        if !is_shown(node) {
            return;
        }
        let label = joined(label, node.name);
        if let Value::Section(inside, children) = &node.value {
            let size = format!("{label}: {} octets of their own", inside.len());
            self.line(None, octets, depth, &with_note(size, &node.note));
            children.iter().for_each(|child| self.node(child, inside, String::new(), depth + 1));
            return;
        }
        let children: Vec<&Node> = node.children().iter().filter(|child| is_shown(child)).collect();
        let named = matches!(node.value, Value::Fields(_)) && node.note.is_empty();
        match (children.as_slice(), &node.value) {
            // One thing under two names takes one line.
            ([only], _) if named => self.node(only, octets, label, depth),
            // In a list, what a note says in one line needs no lines below; nor does what has none.
            (children, Value::Fields(_) | Value::List(_))
                if !node.note.is_empty() && (children.is_empty() || depth > 0) =>
            {
                self.line(place(node), octets, depth, &format!("{label}  {}", node.note));
            }
            ([], Value::Fields(_) | Value::List(_)) => {
                self.line(place(node), octets, depth, &format!("{label}  (empty)"));
            }
            (children, Value::Fields(_) | Value::List(_)) => {
                self.line(head(node), octets, depth, &joined(label, &node.note));
                let list = matches!(node.value, Value::List(_));
                for (at, child) in children.iter().enumerate() {
                    let index = if list { format!("[{at}]") } else { String::new() };
                    self.node(child, octets, index, depth + 1);
                }
            }
            _ => self.line(node.place.clone(), octets, depth, &leaf(label, node)),
        }
    }

    /// Where it stops: the octets around the place, and why.
    fn stop(&mut self, stop: &Stop, octets: &[u8]) {
        self.lines.push(String::new());
        if stop.within.is_empty() && stop.offset <= octets.len() {
            let from = stop.offset.saturating_sub(BEFORE_STOP);
            let before = spaced(&octets[from..stop.offset]);
            let behind = spaced(&octets[stop.offset..octets.len().min(stop.offset + IN_LINE)]);
            let behind = if behind.is_empty() { "(end)".to_owned() } else { behind };
            let gap = if before.is_empty() { "" } else { " " };
            self.lines.push(format!("{from:04X}  {before}{gap}{behind}"));
            self.lines.push(format!(
                "{:width$}^ {}: {}",
                "",
                stop.field,
                stop.error,
                width = 6 + before.len() + gap.len()
            ));
        } else {
            self.lines.push(stop.to_string());
        }
    }

    fn line(&mut self, place: Option<Range<usize>>, octets: &[u8], depth: usize, text: &str) {
        let (offset, digits) = match place {
            Some(place) => (format!("{:04X}", place.start), digits(octets.get(place).unwrap_or_default())),
            None => (String::new(), String::new()),
        };
        let width = 3 * IN_LINE + 1;
        let line = format!("{offset:4}  {digits:width$}{:indent$}{text}", "", indent = 2 * depth);
        self.lines.push(line.trim_end().to_owned());
    }
}

/// Whether an element is more than another word for what stands beside it.
fn is_shown(node: &Node) -> bool {
    let apart = matches!(node.value, Value::Section(..));
    apart || node.place.is_some() || !node.note.is_empty() || node.children().iter().any(is_shown)
}

/// The octets of an element and all that is in it.
fn place(node: &Node) -> Option<Range<usize>> {
    node.place.clone().or_else(|| node.children().iter().find_map(place))
}

/// The octets of an element in front of the first one that is in it.
fn head(node: &Node) -> Option<Range<usize>> {
    let start = place(node)?.start;
    let first = node.children().iter().filter(|child| is_shown(child)).find_map(place);
    Some(start..first.map_or(start, |first| first.start.max(start)))
}

fn joined(label: String, name: &str) -> String {
    match (label.is_empty(), name.is_empty()) {
        (true, _) => name.to_owned(),
        (_, true) => label,
        _ => format!("{label} {name}"),
    }
}

fn leaf(label: String, node: &Node) -> String {
    match &node.value {
        // The note says it in words; the octets stand beside it.
        Value::Octets(_) if !node.note.is_empty() => format!("{label}  {}", node.note),
        Value::Null => with_note(label, &node.note),
        value => with_note(format!("{label}  {}", text(value)), &node.note),
    }
}

fn with_note(text: String, note: &str) -> String {
    if note.is_empty() { text } else { format!("{text}  ({note})") }
}

fn text(value: &Value) -> String {
    match value {
        Value::Flag(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Text(text) => text.to_string(),
        Value::Octets(octets) if octets.len() > IN_VALUE => {
            format!("{}… ({} octets)", packed(&octets[..IN_VALUE]), octets.len())
        }
        Value::Octets(octets) if octets.is_empty() => "(empty)".to_owned(),
        Value::Octets(octets) => packed(octets),
        Value::Null | Value::Fields(_) | Value::List(_) | Value::Section(..) => String::new(),
    }
}

fn packed(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect()
}

fn spaced(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect::<Vec<_>>().join(" ")
}

fn digits(octets: &[u8]) -> String {
    match octets.get(..IN_LINE) {
        Some(first) if octets.len() > IN_LINE => spaced(first) + " …",
        _ => spaced(octets),
    }
}
