//! Expressions out of the table of functions (functions.txt): each function with arguments of the kinds it takes,
//! now and then of others, nested and piped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use helmapp_oracle::Random;

use crate::atoms::{atoms, plain};

/// How a function is written: a call with arguments, or a form with places for some.
enum Form {
    Call(Vec<Argument>),
    Text(&'static str),
}

struct Argument {
    kind: char,
    /// `*`, `?` or a blank.
    number: char,
}

struct Entry {
    kind: char,
    name: &'static str,
    form: Form,
}

/// The table.
pub(crate) struct Table {
    entries: Vec<Entry>,
    /// Places in `entries`, by what they give.
    giving: BTreeMap<char, Vec<usize>>,
}

/// These take a tenth of a second and more.
const COSTLY: [&str; 6] = [
    "bcrypt",
    "htpasswd",
    "derivePassword",
    "genCA",
    "genSelfSignedCert",
    "genSignedCert",
];

impl Table {
    pub(crate) fn get() -> &'static Table {
        static TABLE: OnceLock<Table> = OnceLock::new();
        TABLE.get_or_init(Table::read)
    }

    fn read() -> Table {
        let lines = include_str!("functions.txt").lines();
        let entries: Vec<Entry> = lines.filter(|line| !line.starts_with('#')).map(entry).collect();
        let mut giving: BTreeMap<char, Vec<usize>> = BTreeMap::new();
        for (at, entry) in entries.iter().enumerate() {
            let nests = entry.kind != 'X' && !COSTLY.contains(&entry.name);
            if nests {
                giving.entry(entry.kind).or_default().push(at);
                giving.entry('A').or_default().push(at);
            }
        }
        Table { entries, giving }
    }

    /// How many lines it has.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The first turn of a function.
    pub(crate) fn turn_of(&self, name: &str) -> usize {
        let found = self.entries.iter().position(|entry| entry.name == name);
        found.expect("a function of the table")
    }

    /// All functions that it has.
    pub(crate) fn names(&self) -> BTreeSet<&'static str> {
        self.entries.iter().map(|entry| entry.name).collect()
    }
}

fn entry(line: &'static str) -> Entry {
    let mut words = line.split(' ');
    let kind = words.next().and_then(|w| w.chars().next()).expect("a kind");
    let name = words.next().expect("a name");
    let form = match line.split_once(" = ") {
        Some((_, text)) => Form::Text(text),
        None => Form::Call(words.map(argument).collect()),
    };
    Entry { kind, name, form }
}

fn argument(word: &str) -> Argument {
    // A text in quotes stands for itself.
    if word.starts_with('"') {
        return Argument {
            kind: '"',
            number: ' ',
        };
    }
    let mut chars = word.chars();
    Argument {
        kind: chars.next().expect("a kind"),
        number: chars.next().unwrap_or(' '),
    }
}

/// Makes expressions, and remembers which functions they call whatever their arguments are.
pub(crate) struct Expressions<'r> {
    pub(crate) random: &'r mut Random,
    pub(crate) used: BTreeSet<&'static str>,
    /// How many calls around the present place may leave their arguments alone.
    lazy: usize,
}

impl<'r> Expressions<'r> {
    pub(crate) fn new(random: &'r mut Random) -> Self {
        Expressions {
            random,
            used: BTreeSet::new(),
            lazy: 0,
        }
    }

    /// A pipeline of a function: of each in turn, but of those that take long rarely.
    fn any(&mut self, turn: Option<usize>, depth: usize) -> String {
        let entries = &Table::get().entries;
        let mut at = turn.unwrap_or_else(|| self.random.below(entries.len()));
        let round = at / entries.len();
        let rest = turn.is_none() || round > 1 && !round.is_multiple_of(25);
        while COSTLY.contains(&entries[at % entries.len()].name) && rest {
            at = self.random.below(entries.len());
        }
        self.written(&entries[at % entries.len()], depth)
    }

    fn atom(&mut self, kind: char) -> String {
        self.random.pick(atoms(kind)).to_owned()
    }

    /// An argument.
    pub(crate) fn operand(&mut self, kind: char, depth: usize) -> String {
        // A time of another kind stands for now, which nobody can foretell.
        if kind != 'T' && self.random.one_in(25) {
            return self.atom('A');
        }
        let small = kind.is_ascii_lowercase() || matches!(kind, '"' | 'G');
        if depth == 0 || small || self.random.below(3) > 0 {
            return self.atom(kind);
        }
        let kind = match kind {
            'N' => self.random.pick(&['I', 'F', 'S', 'N']),
            kind => kind,
        };
        let table = Table::get();
        let Some(places) = table.giving.get(&kind) else {
            return self.atom(kind);
        };
        let at = places[self.random.below(places.len())];
        format!("({})", self.written(&table.entries[at], depth - 1))
    }

    /// An argument as charts write it every day; now and then any other.
    pub(crate) fn ordinary(&mut self, kind: char) -> String {
        if self.random.one_in(40) {
            return self.operand(kind, 2);
        }
        self.random.pick(plain(kind)).to_owned()
    }

    fn written(&mut self, entry: &Entry, depth: usize) -> String {
        if self.lazy == 0 {
            self.used.insert(entry.name);
        }
        let lazy = usize::from(matches!(entry.name, "and" | "or"));
        self.lazy += lazy;
        let text = match &entry.form {
            Form::Call(arguments) => self.call(entry.name, arguments, depth),
            Form::Text(text) => self.filled(text, depth),
        };
        self.lazy -= lazy;
        text
    }

    fn call(&mut self, name: &str, arguments: &[Argument], depth: usize) -> String {
        let mut operands = Vec::new();
        for argument in arguments {
            let count = match argument.number {
                '*' => self.random.below(4),
                '?' => self.random.below(2),
                _ => 1,
            };
            operands.extend((0..count).map(|_| self.operand(argument.kind, depth)));
        }
        if self.random.one_in(80) {
            match self.random.below(2) {
                0 => drop(operands.pop()),
                _ => operands.push(self.atom('A')),
            }
        }
        let piped = self.random.below(3) == 0;
        let last = if piped { operands.pop() } else { None };
        let mut text = String::new();
        if let Some(last) = last {
            text.push_str(&last);
            text.push_str(" | ");
        }
        text.push_str(name);
        for operand in operands {
            text.push(' ');
            text.push_str(&operand);
        }
        text
    }

    fn filled(&mut self, form: &str, depth: usize) -> String {
        let mut text = String::new();
        let mut rest = form;
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let mut chars = after.chars();
            match (chars.next(), chars.next()) {
                (Some(kind), Some('}')) => {
                    text.push_str(&self.operand(kind, depth));
                    rest = chars.as_str();
                }
                _ => {
                    text.push('{');
                    rest = after;
                }
            }
        }
        text.push_str(rest);
        text
    }

    /// An action or some, which print what a function gives: the one whose turn it is, or any.
    pub(crate) fn action(&mut self, turn: Option<usize>) -> String {
        let depth = self.random.below(3);
        let text = self.any(turn, depth);
        if text.starts_with('$') {
            return format!("{{{{ {text} }}}}");
        }
        match self.random.below(6) {
            0 => format!("{{{{ {text} }}}}"),
            1 => format!("{{{{ {text} | toJson }}}}"),
            2 => format!("{{{{ {text} | toYaml }}}}"),
            3 => format!("{{{{ {text} | quote }}}}"),
            _ => format!("{{{{ $x := {text} }}}}{{{{ printf \"%T %v\" $x $x }}}}"),
        }
    }
}
