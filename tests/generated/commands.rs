//! docs/settings.md and docs/commands.md: every flag, from the command line's own definition.

use clap::{Arg, Command};

use crate::{code, parts_as_committed, row};

#[test]
fn every_setting_is_explained() {
    let line = built();
    let run = line.find_subcommand("run").expect("helmapp run");
    let mut rows = row(&["flag", "environment", "default", "meaning"]);
    rows.push_str("|---|---|---|---|\n");
    for arg in options(run) {
        let environment = arg
            .get_env()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        rows.push_str(&row(&[
            &code(&flag(arg)),
            &code(&environment),
            &code(&default(arg)),
            &help(arg),
        ]));
    }
    parts_as_committed("docs/settings.md", &[("run", rows)]);
}

#[test]
fn every_command_is_explained() {
    let line = built();
    let mut text = String::new();
    for command in line
        .get_subcommands()
        .filter(|command| !command.is_hide_set() && command.get_name() != "help")
    {
        let about = command.get_long_about().or(command.get_about());
        let about = about.map(ToString::to_string).unwrap_or_default();
        let positionals: String = command
            .get_positionals()
            .map(|arg| format!(" {}", arg.get_value_names().unwrap_or_default().join(" ")))
            .collect();
        text.push_str(&format!(
            "## helmapp {}{positionals}\n\n{}\n\n",
            command.get_name(),
            about.trim()
        ));
        if command.get_name() == "run" {
            text.push_str("Its settings stand in [settings.md](settings.md).\n\n");
            continue;
        }
        let rows: String = command
            .get_positionals()
            .map(|arg| (arg, arg.get_value_names().unwrap_or_default().join(" ")))
            .chain(options(command).map(|arg| (arg, flag(arg))))
            .map(|(arg, name)| row(&[&code(&name), &code(&default(arg)), &help(arg)]))
            .collect();
        if !rows.is_empty() {
            let head = row(&["argument", "default", "meaning"]);
            text.push_str(&format!("{head}|---|---|---|\n{rows}\n"));
        }
    }
    parts_as_committed(
        "docs/commands.md",
        &[("commands", text.trim_end().to_owned() + "\n")],
    );
}

#[test]
fn exit_codes_are_those_of_the_help() {
    let help = helmapp::cli::command_line().render_long_help().to_string();
    let documented = crate::committed("docs/commands.md");
    let documented = documented.split_whitespace().collect::<Vec<_>>().join(" ");
    for (number, word) in [
        (0, "done"),
        (1, "failed"),
        (2, "not understood"),
        (3, "would change"),
    ] {
        for text in [&help, &documented] {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let part = text
                .split_once(&format!(" {number} "))
                .unwrap_or_else(|| panic!("no exit code {number} in: {text}"))
                .1;
            let part = part.split(&format!(" {} ", number + 1)).next().expect("a part");
            assert!(part.contains(word), "{number}: {part}");
        }
    }
}

fn built() -> Command {
    let mut line = helmapp::cli::command_line();
    line.build();
    line
}

fn options(command: &Command) -> impl Iterator<Item = &Arg> {
    command
        .get_opts()
        .chain(command.get_arguments().filter(|arg| is_switch(arg)))
        .filter(|arg| !arg.is_hide_set())
}

fn is_switch(arg: &Arg) -> bool {
    !arg.is_positional()
        && !arg.get_action().takes_values()
        && !matches!(arg.get_id().as_str(), "help" | "version")
}

fn flag(arg: &Arg) -> String {
    let short = arg
        .get_short()
        .map(|short| format!("-{short}, "))
        .unwrap_or_default();
    let long = arg.get_long().map(|long| format!("--{long}")).unwrap_or_default();
    // Switches that Go's flags let one write as --flag=false, too.
    let optional = arg.get_num_args().is_some_and(|range| range.min_values() == 0);
    let value = if arg.get_action().takes_values() && !optional {
        format!(" {}", arg.get_value_names().unwrap_or_default().join(" "))
    } else {
        String::new()
    };
    format!("{short}{long}{value}")
}

fn default(arg: &Arg) -> String {
    if !arg.get_action().takes_values() {
        return String::new();
    }
    let values: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy())
        .collect();
    values.join(" ")
}

fn help(arg: &Arg) -> String {
    let help = arg.get_long_help().or(arg.get_help());
    help.map(ToString::to_string).unwrap_or_default()
}
