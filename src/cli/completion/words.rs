//! What the last word of a command line can become, as far as the command line's own definition tells.

use clap::{Arg, Command, ValueHint};

use super::super::cluster::ClusterArguments;
use super::cluster::{Names, Of};

/// What a word can become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) value: String,
    help: String,
}

impl Candidate {
    pub(super) fn new(value: impl Into<String>, help: impl ToString) -> Self {
        let help = help.to_string();
        Self {
            value: value.into(),
            help: help.lines().next().unwrap_or_default().to_owned(),
        }
    }

    pub(super) fn line(&self) -> String {
        if self.help.is_empty() {
            format!("{}\n", self.value)
        } else {
            format!("{}\t{}\n", self.value, self.help)
        }
    }
}

/// What is to be said to a word.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Wanted {
    /// What the candidates begin with.
    pub(super) prefix: String,
    pub(super) candidates: Vec<Candidate>,
    /// Names that the cluster knows are candidates, too.
    pub(super) names: Option<Names>,
    /// And files.
    pub(super) files: bool,
}

/// What the words before the last one say.
struct Line<'a> {
    command: &'a Command,
    positionals: Vec<&'a str>,
    cluster: ClusterArguments,
    /// The flag whose value comes next.
    flag: Option<&'a Arg>,
    /// `--` was there: flags are over.
    plain: bool,
}

/// `command` is built; `words` are those behind the program's name, the last one being typed.
pub(super) fn wanted(command: &Command, words: &[String]) -> Wanted {
    // bash takes `--flag=value` for three words.
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (current, before) = match words.split_last() {
        Some((&"=", before)) => ("", before),
        Some((current, before)) => (*current, before),
        None => ("", &[][..]),
    };
    let mut line = Line {
        command,
        positionals: Vec::new(),
        cluster: ClusterArguments::default(),
        flag: None,
        plain: false,
    };
    for word in before {
        line.read(word);
    }
    let mut wanted = line.wanted(current);
    if wanted.prefix.is_empty() {
        current.clone_into(&mut wanted.prefix);
    }
    wanted
}

impl<'a> Line<'a> {
    fn read(&mut self, word: &'a str) {
        if let Some(flag) = self.flag {
            if word != "=" {
                self.give(flag, word);
                self.flag = None;
            }
        } else if self.plain {
            self.positionals.push(word);
        } else if word == "--" {
            self.plain = true;
        } else if let Some(long) = word.strip_prefix("--") {
            match long.split_once('=') {
                Some((name, value)) => {
                    if let Some(flag) = self.long(name) {
                        self.give(flag, value);
                    }
                }
                None => self.flag = self.long(long).filter(|flag| takes_value(flag)),
            }
        } else if let Some(short) = word.strip_prefix('-').filter(|short| !short.is_empty()) {
            self.short(short);
        } else if let Some(command) = self.command.find_subcommand(word)
            && self.positionals.is_empty()
        {
            self.command = command;
        } else {
            self.positionals.push(word);
        }
    }

    fn long(&self, name: &str) -> Option<&'a Arg> {
        self.command
            .get_arguments()
            .find(|arg| arg.get_long() == Some(name))
    }

    /// Short flags can stand together; the first that takes a value has the rest for it.
    fn short(&mut self, flags: &'a str) {
        for (index, flag) in flags.char_indices() {
            let mut known = self.command.get_arguments();
            let Some(found) = known.find(|arg| arg.get_short() == Some(flag)) else {
                return;
            };
            if takes_value(found) {
                let value = flags.get(index + flag.len_utf8()..).unwrap_or_default();
                match value.strip_prefix('=').unwrap_or(value) {
                    "" => self.flag = Some(found),
                    value => self.give(found, value),
                }
                return;
            }
        }
    }

    fn give(&mut self, flag: &Arg, value: &str) {
        let place = match flag.get_id().as_str() {
            "kubeconfig" => {
                self.cluster.kubeconfig = Some(value.into());
                return;
            }
            "context" => &mut self.cluster.context,
            "namespace" => &mut self.cluster.namespace,
            _ => return,
        };
        *place = Some(value.to_owned());
    }

    fn wanted(&self, current: &str) -> Wanted {
        if let Some(flag) = self.flag {
            return self.values(flag);
        }
        if !self.plain && current.starts_with('-') {
            if let Some((name, _)) = current.split_once('=') {
                return self.inline(name);
            }
            return Wanted {
                candidates: self.flags(),
                ..Wanted::default()
            };
        }
        let mut wanted = match self.positional() {
            Some(positional) => self.values(positional),
            None => Wanted::default(),
        };
        if !self.plain && self.positionals.is_empty() {
            let commands = self.command.get_subcommands().filter(|one| !one.is_hide_set());
            wanted.candidates.extend(commands.map(|one| {
                let about = one.get_about().map(ToString::to_string);
                Candidate::new(one.get_name(), about.unwrap_or_default())
            }));
        }
        wanted
    }

    /// The values of `--flag=`, each with that before it.
    fn inline(&self, flag: &str) -> Wanted {
        let Some(found) = self.long(flag.trim_start_matches('-')) else {
            return Wanted::default();
        };
        let mut wanted = self.values(found);
        for candidate in &mut wanted.candidates {
            candidate.value = format!("{flag}={}", candidate.value);
        }
        wanted
    }

    fn flags(&self) -> Vec<Candidate> {
        let all = self.command.get_arguments().filter(|arg| !arg.is_hide_set());
        all.filter_map(|arg| {
            let help = arg.get_help().map(ToString::to_string);
            Some(Candidate::new(
                format!("--{}", arg.get_long()?),
                help.unwrap_or_default(),
            ))
        })
        .collect()
    }

    fn positional(&self) -> Option<&'a Arg> {
        let all: Vec<&Arg> = self.command.get_positionals().collect();
        let is_many = |arg: &&Arg| arg.get_num_args().is_some_and(|count| count.max_values() > 1);
        let next = all.get(self.positionals.len());
        next.or_else(|| all.last().filter(|arg| is_many(arg))).copied()
    }

    /// The HelmApp that the line speaks of.
    fn name(&self) -> Option<&'a str> {
        let mut all = self.command.get_positionals();
        let place = all.position(|arg| matches!(arg.get_id().as_str(), "name" | "target"))?;
        self.positionals.get(place).copied()
    }

    fn values(&self, arg: &Arg) -> Wanted {
        let possible = arg.get_possible_values();
        let possible = possible.iter().filter(|value| !value.is_hide_set());
        let candidates = possible.map(|value| {
            let help = value.get_help().map(ToString::to_string);
            Candidate::new(value.get_name(), help.unwrap_or_default())
        });
        let of = match arg.get_id().as_str() {
            "name" | "names" | "target" => Some(Of::HelmApps),
            "namespace" => Some(Of::Namespaces),
            "revision" => self.name().map(|name| Of::Revisions(name.to_owned())),
            _ => None,
        };
        let hint = arg.get_value_hint();
        let is_path = matches!(
            hint,
            ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath | ValueHint::ExecutablePath
        );
        Wanted {
            prefix: String::new(),
            candidates: candidates.collect(),
            names: of.map(|of| Names {
                of,
                cluster: self.cluster.clone(),
            }),
            files: is_path || arg.get_id() == "target",
        }
    }
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values() && arg.get_num_args().is_none_or(|count| count.min_values() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(line: &str) -> Wanted {
        let mut command = super::super::super::command(None);
        command.build();
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        wanted(&command, &words)
    }

    fn values(wanted: &Wanted) -> Vec<&str> {
        let all = wanted.candidates.iter().map(|one| one.value.as_str());
        all.filter(|value| value.starts_with(&wanted.prefix)).collect()
    }

    #[test]
    fn what_the_definition_tells_is_offered() {
        let table: &[(&str, &[&str])] = &[
            ("st", &["status"]),
            ("ro", &["rollback"]),
            ("status --na", &["--namespace"]),
            ("list --output ", &["table", "json", "yaml"]),
            ("list --output=j", &["--output=json"]),
            ("list --output = j", &["json"]),
            ("list -A -o y", &["yaml"]),
            ("list -Ao y", &["yaml"]),
            ("completion z", &["zsh"]),
            ("--nothing x ", &[]),
            ("__", &[]),
        ];
        for (line, expected) in table {
            assert_eq!(values(&ask(line)), *expected, "{line}");
        }
        let commands = ask("");
        assert!(values(&commands).contains(&"uninstall"));
        assert_eq!(
            ask("ver")
                .candidates
                .iter()
                .find(|one| one.value == "version")
                .map(|one| one.help.is_empty()),
            Some(false)
        );
    }

    #[test]
    fn names_are_those_of_the_cluster_that_the_line_speaks_of() {
        let names = |of, namespace: Option<&str>, context: Option<&str>| {
            Some(Names {
                of,
                cluster: ClusterArguments {
                    kubeconfig: None,
                    context: context.map(str::to_owned),
                    namespace: namespace.map(str::to_owned),
                },
            })
        };
        let table = [
            ("status ", names(Of::HelmApps, None, None), false),
            ("status -n web sh", names(Of::HelmApps, Some("web"), None), false),
            (
                "history --namespace=web --context one ",
                names(Of::HelmApps, Some("web"), Some("one")),
                false,
            ),
            ("uninstall one two ", names(Of::HelmApps, None, None), false),
            ("diff -nweb ", names(Of::HelmApps, Some("web"), None), true),
            ("uninstall -n ", names(Of::Namespaces, None, None), false),
            (
                "rollback shop ",
                names(Of::Revisions("shop".to_owned()), None, None),
                false,
            ),
            ("status shop ", None, false),
            ("status --kubeconfig ", None, true),
            ("list ", None, false),
        ];
        for (line, expected, files) in table {
            let wanted = ask(line);
            assert_eq!((wanted.names, wanted.files), (expected, files), "{line}");
        }
    }

    #[test]
    fn a_line_says_what_a_candidate_means() {
        assert_eq!(Candidate::new("a", "first\nsecond").line(), "a\tfirst\n");
        assert_eq!(Candidate::new("a", "").line(), "a\n");
    }
}
