//! Random templates and formats, asked of Go and of this crate.
//!
//! `HELMAPP_DIFF_TEMPLATES` sets how many (3,000 unless set), `HELMAPP_DIFF_SEED` the seed.

use std::collections::BTreeMap;

use helmapp_oracle::{Oracle, Program, Random, seed, setting, tell};
use serde_json::{Value as Json, json};

use crate::case::{Answer, Case, Source};

const FIELDS: &[&str] = &[
    ".s",
    ".n",
    ".f",
    ".t",
    ".l",
    ".m",
    ".nil",
    ".missing",
    ".deep.a.b",
    ".deep.zip",
    ".m.one",
    ".",
    "$",
    "$.l",
    "$.m.two",
    ".nums",
    ".em",
    ".k",
    ".x",
    ".deep.a.l",
    "$v",
    "$k",
    "$x",
    "$x.a",
];
const LITERALS: &[&str] = &[
    "1",
    "0",
    "-3",
    "2.5",
    "\"a\"",
    "\"\"",
    "`raw`",
    "true",
    "false",
    "nil",
    "'c'",
    "0x1F",
    "1e3",
    "\"%d|%v\"",
    "\"one\"",
    "\"%5.2f\"",
    "1000000",
    "1_00",
    "1i",
    "1+2i",
    "-2.5e1-0x1p-2i",
    "0i",
    "3+0i",
];
const SPACES: &[&str] = &[" ", " ", " ", "  ", "\n", "\t"];

/// A random template, built from the grammar.
struct Grammar<'r> {
    random: &'r mut Random,
    vars: Vec<&'static str>,
    loops: usize,
    /// Whether other templates may be called: not from the one that is called.
    calls: bool,
}

impl Grammar<'_> {
    fn field(&mut self) -> String {
        loop {
            let field = self.random.pick(FIELDS);
            if !field.starts_with("$") || field == "$" || field.starts_with("$.") {
                return field.into();
            }
            // Sometimes a variable that is not defined: that is an error to compare too.
            let name = &field[..2];
            if self.vars.contains(&name) || self.random.below(60) == 0 {
                return field.into();
            }
        }
    }

    fn operand(&mut self, depth: usize) -> String {
        match self.random.below(10) {
            0..=4 => self.field(),
            5..=6 => self.random.pick(LITERALS).into(),
            7 if depth > 0 => format!(
                "({}).{}",
                self.pipeline(depth - 1),
                self.random.pick(&["a", "x", "b.c"])
            ),
            _ if depth > 0 => format!("({})", self.pipeline(depth - 1)),
            _ => self.field(),
        }
    }

    fn call(&mut self, depth: usize) -> String {
        const CALLS: &[(&str, usize, usize)] = &[
            ("print", 0, 3),
            ("println", 1, 2),
            ("printf \"%v %5d %q\"", 1, 3),
            ("printf", 1, 4),
            ("len", 1, 1),
            ("index", 1, 3),
            ("slice", 1, 3),
            ("eq", 1, 3),
            ("ne", 2, 2),
            ("lt", 2, 2),
            ("le", 2, 2),
            ("gt", 2, 2),
            ("ge", 2, 2),
            ("and", 1, 3),
            ("or", 1, 3),
            ("not", 1, 1),
            ("html", 1, 2),
            ("js", 1, 1),
            ("urlquery", 1, 1),
            ("list", 0, 3),
            ("dict \"a\"", 1, 1),
            ("fString", 1, 1),
            ("fInt", 1, 1),
            ("fInt64", 1, 1),
            ("fFloat", 1, 1),
            ("fBool", 1, 1),
            ("fMap", 1, 1),
            ("fList", 1, 1),
            ("fAny", 1, 1),
            ("fVariadic", 1, 3),
            ("fMapString", 2, 2),
            ("fErr", 1, 1),
            ("include \"inner\"", 1, 1),
            ("call fFunc", 1, 2),
            ("thing.Hello", 1, 1),
            ("thing.Join", 1, 3),
            ("set_of", 0, 2),
            ("fBytes", 1, 1),
            ("set (dict \"z\" 1) \"b\"", 1, 1),
        ];
        let (name, least, most) = CALLS[self.random.below(CALLS.len())];
        let name = if self.calls {
            name
        } else {
            name.trim_start_matches("include ")
        };
        let name = if name == "\"inner\"" { "print" } else { name };
        let mut count = least + self.random.below(most - least + 1);
        if self.random.below(25) == 0 {
            count = self.random.below(5);
        }
        let mut out = name.to_string();
        for _ in 0..count {
            out.push_str(self.random.pick(SPACES));
            out.push_str(&self.operand(depth.saturating_sub(1)));
        }
        out
    }

    fn command(&mut self, depth: usize) -> String {
        if self.random.below(3) == 0 {
            self.operand(depth)
        } else {
            self.call(depth)
        }
    }

    fn pipeline(&mut self, depth: usize) -> String {
        let mut out = self.command(depth);
        while self.random.below(4) == 0 {
            out.push_str(self.random.pick(&[" | ", "|", " |\n"]));
            out.push_str(&self.call(depth));
        }
        out
    }

    fn action(&mut self, inside: &str) -> String {
        let left = self.random.pick(&["{{", "{{ ", "{{- "]);
        let right = self.random.pick(&["}}", " }}", " -}}"]);
        format!("{left}{inside}{right}")
    }

    fn list(&mut self, depth: usize) -> String {
        let scope = self.vars.len();
        let count = 1 + self.random.below(3);
        let out = (0..count).map(|_| self.node(depth)).collect();
        self.vars.truncate(scope);
        out
    }

    fn node(&mut self, depth: usize) -> String {
        match self.random.below(if depth == 0 { 6 } else { 14 }) {
            0 => self.random.pick(&["text", " \n ", "é\n  x", "a: ", "\n"]).into(),
            1 if self.loops > 0 => {
                let word = self.random.pick(&["break", "continue"]);
                self.action(word)
            }
            2 => {
                let inside = format!("$x := {}", self.pipeline(1));
                self.vars.push("$x");
                self.action(&inside)
            }
            3 if self.vars.contains(&"$x") => {
                let inside = format!("$x = {}", self.pipeline(1));
                self.action(&inside)
            }
            6..=7 => self.branch("if", depth),
            8 => self.branch("with", depth),
            9..=10 => self.range(depth),
            11 if self.calls => {
                let inside = format!("template \"inner\" {}", self.operand(1));
                self.action(&inside)
            }
            12 => "{{/* comment */ -}}".into(),
            _ => {
                let inside = self.pipeline(2);
                self.action(&inside)
            }
        }
    }

    fn branch(&mut self, word: &str, depth: usize) -> String {
        let scope = self.vars.len();
        let mut inside = format!("{word} {}", self.pipeline(1));
        if self.random.below(5) == 0 {
            inside = format!("{word} $x := {}", self.pipeline(1));
            self.vars.push("$x");
        }
        let mut out = self.action(&inside);
        out.push_str(&self.list(depth - 1));
        while self.random.below(4) == 0 {
            let inside = format!("else {word} {}", self.pipeline(1));
            out.push_str(&self.action(&inside));
            out.push_str(&self.list(depth - 1));
        }
        if self.random.below(3) == 0 {
            out.push_str(&self.action("else"));
            out.push_str(&self.list(depth - 1));
        }
        out.push_str(&self.action("end"));
        self.vars.truncate(scope);
        out
    }

    fn range(&mut self, depth: usize) -> String {
        let scope = self.vars.len();
        let over = match self.random.below(8) {
            0 => self.pipeline(1),
            1 => "3".into(),
            _ => self
                .random
                .pick(&["$.l", "$.nums", "$.m", "$.deep.a.l", "$.mixed", "$.em"])
                .to_string(),
        };
        let (decl, vars): (&str, &[&'static str]) = match self.random.below(4) {
            0 => ("$v := ", &["$v"]),
            1 => ("$k, $v := ", &["$k", "$v"]),
            _ => ("", &[]),
        };
        self.vars.extend(vars);
        let mut out = self.action(&format!("range {decl}{over}"));
        self.loops += 1;
        out.push_str(&self.list(depth - 1));
        self.loops -= 1;
        if self.random.below(4) == 0 {
            out.push_str(&self.action("else"));
            out.push_str(&self.list(depth - 1));
        }
        out.push_str(&self.action("end"));
        self.vars.truncate(scope);
        out
    }
}

fn data() -> Json {
    json!({
        "s": "hello", "n": 17, "f": 2.5, "big": 1e6, "t": true, "nil": null, "l": ["a", "b", "c"], "k": "",
        "nums": [3, 4, 5], "m": {"one": 1, "two": 2}, "em": {}, "x": {"a": [1], "b": {"c": "deep"}},
        "deep": {"a": {"b": "c", "l": [{"x": 1, "a": "q"}, {"x": null}, {}]}},
        "mixed": [1, "x", null, 2.5, true, {"k": "v"}, [1, [2]]],
    })
}

fn template_case(random: &mut Random) -> Case {
    let mut grammar = Grammar {
        random,
        vars: Vec::new(),
        loops: 0,
        calls: true,
    };
    let main = (0..3).map(|_| grammar.node(3)).collect();
    grammar.vars.clear();
    grammar.calls = false;
    let inner = format!("{{{{define \"inner\"}}}}<{}>{{{{end}}}}", grammar.list(1));
    let mut templates = vec![
        Source {
            name: "_helpers.tpl".into(),
            text: inner,
        },
        Source {
            name: "dir/main.yaml".into(),
            text: main,
        },
    ];
    if random.below(20) == 0 {
        // Cut somewhere: mostly an error of parsing.
        let text = &mut templates[1].text;
        let at = random.below(text.len().max(1));
        let at = (0..=at).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        text.truncate(at);
    }
    let missingkey = random.pick(&["", "zero", "zero", "error"]).into();
    Case {
        templates,
        execute: "dir/main.yaml".into(),
        data: data(),
        missingkey,
        format: None,
    }
}

/// All of fmt's verbs, and two that are none.
const VERBS: &[&str] = &[
    "v", "d", "s", "q", "x", "X", "f", "g", "e", "t", "T", "c", "U", "o", "b", "O", "G", "E", "F", "p", "z",
    "%",
];
const FLAGS: &[&str] = &["+", "-", "#", " ", "0"];
const WIDTHS: &[&str] = &["", "", "", "5", "12", "*", "[1]*", "[2]", "[9]"];
const PRECISIONS: &[&str] = &["", "", "", ".2", ".", ".0", ".*", ".10", ".[1]", ".[2]*"];

/// How often each verb was met: alone, and with each flag, width and precision.
type Verbs = BTreeMap<(&'static str, &'static str), usize>;

fn format_case(random: &mut Random, verbs: &mut Verbs) -> Case {
    let mut format = String::new();
    for _ in 0..1 + random.below(3) {
        format.push_str(random.pick(&["", "a", "é ", "%%", "|"]));
        format.push('%');
        let mut parts = Vec::new();
        for _ in 0..random.below(3) {
            parts.push(random.pick(FLAGS));
        }
        let width = random.pick(WIDTHS);
        let precision = random.pick(PRECISIONS);
        let verb = random.pick(VERBS);
        parts.iter().for_each(|flag| format.push_str(flag));
        parts.extend([width, precision]);
        [width, precision, verb]
            .iter()
            .for_each(|part| format.push_str(part));
        for part in parts {
            *verbs.entry((verb, part)).or_default() += 1;
        }
    }
    let values = [
        json!(0),
        json!(-42),
        json!(65),
        json!(1.5),
        json!(1e21),
        json!(-0.001),
        json!("héllo"),
        json!(""),
        json!("a\tb"),
        json!(true),
        json!(null),
        json!(123456789.0),
        json!(0x1F600),
        json!(i64::MIN),
        json!([1, "a", null]),
        json!({"k": 1.5, "a": ["x"]}),
        json!([[], {}, ["é"]]),
        json!({"complex128": ["1", "-2.5"]}),
        json!({"complex128": ["1e300", "NaN"]}),
        json!([{"complex128": ["-Inf", "0.001"]}]),
    ];
    let args: Vec<Json> = (0..random.below(4))
        .map(|_| values[random.below(values.len())].clone())
        .collect();
    Case {
        format: Some(format),
        data: Json::Array(args),
        ..Case::default()
    }
}

/// An answer without the addresses of lists and maps, which nobody can foretell, nor how long they are: runs of nine
/// hexadecimal digits and more, with the sign, the blanks around them and the digits on the other side of these, which may
/// stand beside an address without a blank. Only answers to formats with `%p` have some.
fn without_addresses(case: &Case, answer: &Answer) -> Answer {
    let asks = case.format.as_ref().is_some_and(|format| format.contains('p'));
    if !asks {
        return answer.clone();
    }
    let is_digit = |c: char| c.is_ascii_hexdigit();
    let mut out = String::new();
    let mut rest = answer.output.as_str();
    while let Some(start) = rest.find(is_digit) {
        let (before, at) = rest.split_at(start);
        let after = at.trim_start_matches(is_digit);
        match at.len() - after.len() {
            0..9 => {
                out.push_str(before);
                out.push_str(&at[..at.len() - after.len()]);
                rest = after;
            }
            _ => {
                out.push_str(before);
                let is_around = |c: char| is_digit(c) || "x+ ".contains(c);
                out.truncate(out.trim_end_matches(is_around).len());
                out.push_str("ADDRESS");
                rest = after.trim_start().trim_start_matches(is_digit);
            }
        }
    }
    Answer {
        output: out + rest,
        error: answer.error.clone(),
    }
}

/// Prints a row a verb, and gives the pairs that were never met.
fn print_coverage(verbs: &Verbs) -> Vec<String> {
    let mut missed = Vec::new();
    let parts = || {
        FLAGS
            .iter()
            .chain(WIDTHS)
            .chain(PRECISIONS)
            .filter(|part| !part.is_empty())
    };
    tell("formats: how often each verb was met with each flag, width and precision");
    for verb in VERBS {
        let mut row = Vec::new();
        for part in parts() {
            let count = verbs.get(&(*verb, *part)).copied().unwrap_or_default();
            if count == 0 {
                missed.push(format!("%{part}{verb}"));
            }
            row.push(format!("{part:?} {count}"));
        }
        tell(format!("  %{verb}  {}", row.join("  ")));
    }
    missed
}

#[test]
fn random_cases_answer_as_go_does() {
    let count = usize::try_from(setting("HELMAPP_DIFF_TEMPLATES", 3_000)).expect("a number of cases");
    let seed = seed();
    tell(format!("seed: HELMAPP_DIFF_SEED={seed}"));
    let mut oracle = Oracle::start(Program::Template);
    let mut random = Random::new(seed);
    let mut wrong = Vec::new();
    let (mut outputs, mut errors) = (0, 0);
    let mut verbs = Verbs::new();
    let mut asked = 0;
    while asked < count {
        let cases: Vec<Case> = (asked..count.min(asked + 512))
            .map(|i| match i % 3 {
                0 => format_case(&mut random, &mut verbs),
                _ => template_case(&mut random),
            })
            .collect();
        asked += cases.len();
        let answers: Vec<Answer> = oracle.ask_all(&cases);
        for (case, want) in cases.into_iter().zip(answers) {
            let got = case.run();
            if want.error.is_empty() {
                outputs += 1;
            } else {
                errors += 1;
            }
            if without_addresses(&case, &got) != without_addresses(&case, &want) {
                let data = match case.format {
                    Some(_) => case.data,
                    None => Json::Null,
                };
                let case = serde_json::to_string(&Case { data, ..case }).unwrap();
                wrong.push(format!("{case}\n  want {want:?}\n  got  {got:?}"));
            }
        }
    }
    let missed = print_coverage(&verbs);
    tell(format!(
        "templates: {count} cases, {outputs} with output, {errors} with an error, {} different",
        wrong.len()
    ));
    assert!(
        outputs > count / 10 && errors > count / 10,
        "the cases are lopsided: {outputs} outputs, {errors} errors"
    );
    wrong.sort_by_key(String::len);
    let shown = wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(
        wrong.is_empty(),
        "seed {seed}: {} of {count} differ, the first of them:\n{shown}",
        wrong.len()
    );
    assert!(missed.is_empty(), "seed {seed}: never met: {}", missed.join(" "));
}
