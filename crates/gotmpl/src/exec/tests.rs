//! Limits, layers of sets, shared maps: what the comparison with Go cannot show.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::State;
use crate::error::Error;
use crate::func::{Functions, Variadic};
use crate::limits::{Limit, Limits};
use crate::set::{TemplateSet, Unit};
use crate::value::MAX_VALUE_DEPTH;
use crate::value::{List, Map, Object, Str, Value};

fn functions() -> Functions {
    let mut f = Functions::new();
    f.add("include", |state: &mut State, name: Str, data: Value| {
        state.render(&name.to_str_lossy(), &data)
    });
    f.add(
        "tpl",
        |state: &mut State, source: Str, data: Value| -> Result<Str, Error> {
            let Some(set) = state.templates().cloned() else {
                return Err(Error::new("no templates"));
            };
            let mut child = set.child();
            child.add("tpl", source.as_bytes())?;
            state.render_in(&Arc::new(child), "tpl", &data)
        },
    );
    f.add("list", |items: Variadic<Value>| List::new(items.0));
    f.add("dict", Map::new);
    f.add("set", |state: &mut State, m: Map, k: Str, v: Value| {
        m.insert(k, v);
        state.mutated(&m);
        m
    });
    f.add("copy", |v: Value| v.deep_copy());
    f.add("same", |a: Value, b: Value| a.deep_equal(&b));
    f.add("json", |v: Value| -> Result<String, Error> {
        Ok(v.to_json()?.to_string())
    });
    f
}

fn run(source: &str, data: &Value, limits: Limits) -> Result<String, Error> {
    let mut set = TemplateSet::new("root", Arc::new(functions()));
    set.add("t", source)?;
    Arc::new(set).execute("t", data, &mut State::new(limits))
}

fn fails(source: &str, limits: Limits) -> (Option<Limit>, String) {
    let error = run(source, &Value::Nil, limits).expect_err(source);
    (error.limit(), error.root_cause().to_string())
}

#[test]
fn each_limit_stops_and_is_named() {
    let limits = Limits::default;
    let cases = [
        (
            "{{range 1000000}}{{end}}",
            Limits {
                steps: 1000,
                ..limits()
            },
            Limit::Steps,
            "steps limit exceeded: more than 1000",
        ),
        (
            "{{range 100}}0123456789{{end}}",
            Limits {
                output_bytes: 99,
                ..limits()
            },
            Limit::Output,
            "output size limit exceeded: more than 99 bytes",
        ),
        (
            "{{define `r`}}{{template `r`}}{{end}}{{template `r`}}",
            Limits {
                template_depth: 50,
                ..limits()
            },
            Limit::TemplateDepth,
            "exceeded maximum template depth (50)",
        ),
        (
            "{{define `r`}}{{include `r` .}}{{end}}{{include `r` .}}",
            Limits {
                template_depth: 50,
                ..limits()
            },
            Limit::TemplateDepth,
            "exceeded maximum template depth (50)",
        ),
        (
            "{{range 1000000}}{{end}}",
            Limits {
                deadline: Instant::now().checked_sub(Duration::from_millis(1)),
                ..limits()
            },
            Limit::Deadline,
            "deadline exceeded",
        ),
        (
            "{{define `r`}}{{include `r` (list (list (list .)))}}{{end}}{{include `r` .}}",
            Limits {
                stack_bytes: 100_000,
                ..limits()
            },
            Limit::Stack,
            "stack limit exceeded: templates nested too deep for 100000 bytes",
        ),
    ];
    for (source, limits, limit, text) in cases {
        let (got, message) = fails(source, limits);
        assert_eq!(got, Some(limit), "{source}: {message}");
        assert!(message.ends_with(text), "{source}: {message}");
    }
}

#[test]
fn recursion_without_end_is_an_error_by_default() {
    for call in [
        "{{template `r` .}}",
        "{{include `r` .}}",
        "{{with list .}}{{range .}}{{include `r` (list (list .))}}{{end}}{{end}}",
    ] {
        let (limit, message) = fails(
            &format!("{{{{define `r`}}}}{call}{{{{end}}}}{call}"),
            Limits::default(),
        );
        assert!(
            matches!(limit, Some(Limit::TemplateDepth | Limit::Stack)),
            "{message}"
        );
    }
    let (limit, message) = fails(
        "{{define `r`}}{{tpl `{{include \"r\" .}}` .}}{{end}}{{include `r` .}}",
        Limits::default(),
    );
    assert!(
        matches!(limit, Some(Limit::TemplateDepth | Limit::Stack)),
        "{message}"
    );
}

#[test]
fn a_thousand_nested_includes_fit() {
    let source = "{{define `r`}}{{if lt (len .) 1000}}{{include `r` (printf `%sx` .)}}{{else}}{{.}}{{end}}{{end}}{{include `r` ``}}";
    let limits = Limits {
        stack_bytes: 6 << 20,
        ..Limits::default()
    };
    let run = move || run(source, &Value::Nil, limits).unwrap().len();
    let thread = std::thread::Builder::new()
        .stack_size(8 << 20)
        .spawn(run)
        .unwrap();
    assert_eq!(thread.join().unwrap(), 1000);
}

#[test]
fn nesting_in_the_source_is_limited_but_a_chain_is_no_nesting() {
    let nested = |n: usize| format!("{{{{{}1{}}}}}", "(".repeat(n), ")".repeat(n));
    assert_eq!(run(&nested(150), &Value::Nil, Limits::default()).unwrap(), "1");
    for n in [201, 100_000] {
        let error = run(&nested(n), &Value::Nil, Limits::default()).unwrap_err();
        assert_eq!(error.limit(), Some(Limit::ParseDepth));
        assert_eq!(
            error.to_string(),
            "template: t:1: parse depth limit exceeded, nested deeper than 200"
        );
    }
    let ifs = format!("{}x{}", "{{if true}}".repeat(201), "{{end}}".repeat(201));
    assert_eq!(
        run(&ifs, &Value::Nil, Limits::default()).unwrap_err().limit(),
        Some(Limit::ParseDepth)
    );
    let chain = format!(
        "{{{{if false}}}}{}{{{{else}}}}last{{{{end}}}}",
        "{{else if false}}".repeat(20_000)
    );
    assert_eq!(run(&chain, &Value::Nil, Limits::default()).unwrap(), "last");
}

#[test]
fn deep_values_are_an_error_to_walk_and_safe_to_free() {
    let deep = "{{$x := list}}{{range 100000}}{{$x = list $x}}{{end}}";
    assert_eq!(run(deep, &Value::Nil, Limits::default()).unwrap(), "");
    for walk in [
        "{{$x}}",
        "{{printf `%v` $x}}",
        "{{copy $x}}",
        "{{same $x (list (copy $x))}}",
        "{{json $x}}",
    ] {
        let (limit, message) = fails(&format!("{deep}{walk}"), Limits::default());
        assert_eq!(limit, Some(Limit::ValueDepth), "{walk}: {message}");
        assert!(message.contains(&MAX_VALUE_DEPTH.to_string()), "{message}");
    }
    let maps = "{{$x := dict}}{{range 100000}}{{$x = set dict `k` $x}}{{end}}ok";
    assert_eq!(run(maps, &Value::Nil, Limits::default()).unwrap(), "ok");
}

#[test]
fn formats_cannot_write_without_bound() {
    let format = "%1000000d".repeat(200);
    let source = format!(
        "{{{{printf `{format}` 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1}}}}"
    );
    let (limit, message) = fails(&source, Limits::default());
    assert_eq!(limit, Some(Limit::Text), "{message}");
}

#[derive(Debug)]
struct Witness(Rc<Cell<bool>>);

impl Object for Witness {
    fn type_name(&self) -> std::borrow::Cow<'static, str> {
        "main.Witness".into()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

#[test]
fn a_map_in_itself_is_freed_with_the_render() {
    let dropped = Rc::new(Cell::new(false));
    {
        let data = Map::new();
        data.insert("w", Value::object(Witness(Rc::clone(&dropped))));
        let source = "{{$d := dict}}{{$_ := set $d `self` $d}}{{$_ := set $d `w` .w}}{{len $d.self.self}}";
        assert_eq!(run(source, &data.into(), Limits::default()).unwrap(), "2");
    }
    assert!(dropped.get());
    let (limit, _) = fails(
        "{{$d := dict}}{{$_ := set $d `self` $d}}{{$d}}",
        Limits::default(),
    );
    assert_eq!(limit, Some(Limit::ValueDepth));
}

#[test]
fn a_layer_hides_templates_only_while_it_is_current() {
    let source = "{{define `a`}}old{{end}}{{include `a` .}} {{tpl `{{define \"a\"}}new{{end}}{{include \"a\" .}}` .}} {{include `a` .}}";
    assert_eq!(
        run(source, &Value::Nil, Limits::default()).unwrap(),
        "old new old"
    );
}

#[test]
fn a_unit_serves_many_sets() {
    let funcs = Arc::new(functions());
    let unit = Unit::compile("u", "{{define `d`}}D{{end}}<{{template `d`}}>", &funcs).unwrap();
    let mut names: Vec<_> = unit.names().collect();
    names.sort_unstable();
    assert_eq!(names, ["d", "u"]);
    for other in ["{{define `d`}}E{{end}}", "{{define `d`}} {{end}}"] {
        let mut set = TemplateSet::new("root", Arc::clone(&funcs));
        set.add_unit("u", &unit).unwrap();
        set.add("o", other).unwrap();
        let want = if other.contains('E') { "<E>" } else { "<D>" };
        assert_eq!(
            Arc::new(set)
                .execute("u", &Value::Nil, &mut State::new(Limits::default()))
                .unwrap(),
            want
        );
    }
}

#[test]
fn a_source_need_not_be_utf8() {
    let run = |source: &[u8]| {
        let mut set = TemplateSet::new("t", Arc::new(Functions::new()));
        set.add("t", source).unwrap();
        Arc::new(set).execute_str("t", &Value::Nil, &mut State::new(Limits::default()))
    };
    let source = b"\xe9\r\n {{- /* \xe9 */ -}} {{ `a\xffb\r` }}{{ \"\xff\" }}\xc3\xa9\xe2\x82";
    let want = b"\xe9a\xffb\xef\xbf\xbd\xc3\xa9\xe2\x82";
    assert_eq!(run(source).unwrap().as_bytes(), want);
    let error = run(b"\xe9\n\xe9\xe9 {{ index 1 2 }}").unwrap_err().to_string();
    assert!(error.starts_with("template: t:2:6: "), "{error}");
}

#[test]
fn the_alternate_form_of_an_error_shows_the_source() {
    let source = "{{define `n`}}\n\t{{ .a.b.c }}{{end}}x: 1\n  y: {{ include `n` . }}\n";
    let mut set = TemplateSet::new("root", Arc::new(functions()));
    set.add("dir/t.yaml", source).unwrap();
    let data = Value::from_json(&serde_json::json!({"a": 1}));
    let error = Arc::new(set)
        .execute("dir/t.yaml", &data, &mut State::new(Limits::default()))
        .unwrap_err();
    let plain = "template: dir/t.yaml:3:8: executing \"dir/t.yaml\" at <include `n` .>: error calling include: \
                 template: dir/t.yaml:2:6: executing \"n\" at <.a.b.c>: can't evaluate field b in type interface {}";
    assert_eq!(error.to_string(), plain);
    let excerpts = "\n  --> dir/t.yaml:3:8\n3 |   y: {{ include `n` . }}\n  |         ^\
                    \n  --> dir/t.yaml:2:6\n2 | \t{{ .a.b.c }}{{end}}x: 1\n  | \t     ^";
    assert_eq!(format!("{error:#}"), format!("{plain}{excerpts}"));
    assert_eq!(error.place().unwrap().line, 3);
    assert_eq!(error.chain().count(), 2);
}

#[test]
fn compiled_templates_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<TemplateSet>();
    shared::<Unit>();
    shared::<Functions>();
}
