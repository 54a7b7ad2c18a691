//! Schemas in every draft: random keywords over the values that the charts have.

use helmapp_oracle::Random;

/// Keys of the charts' values, of each kind.
const KEYS: [&str; 22] = [
    "text", "empty", "uni", "n", "zero", "neg", "huge", "f", "big", "t", "nil", "l", "ls", "el", "mixed",
    "m", "em", "nested", "date", "on", "global", "absent",
];

/// What `$schema` says: nothing, each draft, and what is none.
const DRAFTS: [(&str, usize); 12] = [
    ("", 2020),
    ("", 2020),
    ("http://json-schema.org/draft-04/schema#", 4),
    ("http://json-schema.org/draft-04/schema", 4),
    ("http://json-schema.org/draft-06/schema#", 6),
    ("http://json-schema.org/draft-07/schema#", 7),
    ("http://json-schema.org/draft-07/schema", 7),
    ("https://json-schema.org/draft-07/schema", 7),
    ("https://json-schema.org/draft/2019-09/schema", 2019),
    ("https://json-schema.org/draft/2020-12/schema", 2020),
    ("https://json-schema.org/draft/2020-12/schema#", 2020),
    ("http://json-schema.org/schema#", 2020),
];

/// A schema's text.
pub(crate) fn schema(random: &mut Random) -> String {
    if random.one_in(25) {
        return random.pick(&BROKEN).to_owned();
    }
    let (uri, draft) = random.pick(&DRAFTS);
    let mut maker = Maker { random, draft };
    let mut members = Vec::new();
    if !uri.is_empty() {
        members.push(format!("\"$schema\":{uri:?}"));
    }
    let definitions = if draft < 2019 { "definitions" } else { "$defs" };
    let below = maker.below(1);
    members.push(format!(
        "\"{definitions}\":{{\"x\":{below},\"y\":{{\"type\":\"string\"}}}}"
    ));
    let count = 1 + maker.random.below(4);
    let properties: Vec<String> = (0..count)
        .map(|_| {
            let key = maker.random.pick(&KEYS);
            format!("{key:?}:{}", maker.below(2))
        })
        .collect();
    members.push(format!("\"properties\":{{{}}}", properties.join(",")));
    for _ in 0..maker.random.below(3) {
        let keyword = maker.for_objects(1);
        members.push(keyword);
    }
    without_twins(members)
}

/// An object of members, of which the first of a name stays.
fn without_twins(members: Vec<String>) -> String {
    let mut kept: Vec<String> = Vec::new();
    for member in members {
        let name = member.split(':').next().unwrap_or_default().to_owned() + ":";
        if !kept.iter().any(|other| other.starts_with(&name)) {
            kept.push(member);
        }
    }
    format!("{{{}}}", kept.join(","))
}

struct Maker<'r> {
    random: &'r mut Random,
    draft: usize,
}

impl Maker<'_> {
    fn pick(&mut self, from: &[&'static str]) -> String {
        self.random.pick(from).to_owned()
    }

    /// A schema for a value.
    fn below(&mut self, depth: usize) -> String {
        if self.random.one_in(15) {
            return match self.draft {
                4 => "{}".to_owned(),
                _ => self.pick(&["true", "false", "{}"]),
            };
        }
        let count = self.random.pick(&[1, 1, 1, 2, 2, 3]);
        let members = (0..count)
            .map(|_| match self.random.below(8) {
                0..2 => self.for_any(),
                2 => self.for_texts(),
                3 => self.for_numbers(),
                4 => self.for_lists(depth),
                5 => self.for_objects(depth),
                _ if depth > 0 => self.applied(depth - 1),
                _ => self.for_any(),
            })
            .collect();
        without_twins(members)
    }

    fn for_any(&mut self) -> String {
        let members = [
            "\"type\":\"string\"",
            "\"type\":\"integer\"",
            "\"type\":\"number\"",
            "\"type\":\"object\"",
            "\"type\":\"array\"",
            "\"type\":\"null\"",
            "\"type\":\"boolean\"",
            "\"type\":[\"string\",\"null\"]",
            "\"type\":[\"object\",\"integer\",\"array\"]",
            "\"enum\":[\"a\",5,null]",
            "\"enum\":[true]",
            "\"enum\":[{\"a\":1},[1]]",
            "\"enum\":[\"hello world\",1.5,\"it's\"]",
            "\"const\":5",
            "\"const\":\"b\"",
            "\"const\":{\"g\":1}",
            "\"const\":null",
            "\"description\":\"d\"",
            "\"default\":1",
            "\"title\":\"t\",\"examples\":[1]",
        ];
        let past = if self.draft == 4 { 13 } else { members.len() };
        self.random.pick(&members[..past]).to_owned()
    }

    fn for_texts(&mut self) -> String {
        self.pick(&[
            "\"minLength\":20",
            "\"maxLength\":3",
            "\"minLength\":1",
            "\"maxLength\":1000",
            "\"pattern\":\"^h\"",
            "\"pattern\":\"[0-9]+$\"",
            "\"pattern\":\"^\\\\d{4}-\\\\d\\\\d-\\\\d\\\\d$\"",
            "\"pattern\":\"\\\\p{L}\"",
            "\"format\":\"date\"",
            "\"format\":\"email\"",
            "\"format\":\"ipv4\"",
            "\"format\":\"uri\"",
            "\"format\":\"hostname\"",
            "\"format\":\"regex\"",
            "\"format\":\"unknown\"",
            "\"contentEncoding\":\"base64\"",
            "\"contentMediaType\":\"application/json\"",
        ])
    }

    fn for_numbers(&mut self) -> String {
        let bounds = match self.draft {
            4 => self.pick(&[
                "\"minimum\":5,\"exclusiveMinimum\":true",
                "\"maximum\":5,\"exclusiveMaximum\":true",
                "\"maximum\":5,\"exclusiveMaximum\":false",
            ]),
            _ => self.pick(&[
                "\"exclusiveMinimum\":5",
                "\"exclusiveMaximum\":5",
                "\"exclusiveMinimum\":-3.5",
                "\"exclusiveMaximum\":1.5",
            ]),
        };
        match self.random.below(3) {
            0 => bounds,
            _ => self.pick(&[
                "\"minimum\":6",
                "\"maximum\":3",
                "\"minimum\":-2.5",
                "\"maximum\":1e6",
                "\"minimum\":1000000",
                "\"maximum\":9007199254740992",
                "\"multipleOf\":2",
                "\"multipleOf\":0.5",
                "\"multipleOf\":1000",
            ]),
        }
    }

    fn for_lists(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.pick(&[
                "\"minItems\":3",
                "\"maxItems\":1",
                "\"uniqueItems\":true",
                "\"minItems\":0",
            ]);
        }
        let one = self.below(depth - 1);
        let other = self.below(depth - 1);
        let tuples = self.draft >= 2020;
        match self.random.below(8) {
            0 | 1 => format!("\"items\":{one}"),
            2 if tuples => format!("\"prefixItems\":[{one},{other}],\"items\":false"),
            2 => format!("\"items\":[{one},{other}],\"additionalItems\":false"),
            3 if tuples => format!("\"prefixItems\":[{one}],\"items\":{other}"),
            3 => format!("\"items\":[{one}],\"additionalItems\":{other}"),
            4 if self.draft > 4 => format!("\"contains\":{one}"),
            5 if self.draft >= 2019 => {
                let bounds = self.pick(&["\"minContains\":2", "\"maxContains\":1", "\"minContains\":0"]);
                format!("\"contains\":{one},{bounds}")
            }
            6 if self.draft >= 2020 => format!("\"prefixItems\":[{one}],\"unevaluatedItems\":{other}"),
            6 if self.draft >= 2019 => format!("\"items\":[{one}],\"unevaluatedItems\":false"),
            _ => self.pick(&[
                "\"minItems\":3",
                "\"maxItems\":1",
                "\"uniqueItems\":true",
                "\"uniqueItems\":false",
            ]),
        }
    }

    fn for_objects(&mut self, depth: usize) -> String {
        let plain = [
            "\"required\":[\"text\"]",
            "\"required\":[\"a\",\"absent\"]",
            "\"required\":[\"absent\",\"b\",\"it's\"]",
            "\"minProperties\":3",
            "\"maxProperties\":2",
            "\"additionalProperties\":false",
        ];
        if depth == 0 {
            return self.pick(&plain);
        }
        let one = self.below(depth - 1);
        let other = self.below(depth - 1);
        match self.random.below(9) {
            0 => format!("\"properties\":{{\"a\":{one},\"b\":{other}}}"),
            1 => format!("\"properties\":{{\"a\":{one},\"s\":{{}}}},\"additionalProperties\":false"),
            2 => format!("\"additionalProperties\":{one}"),
            3 => format!("\"patternProperties\":{{\"^[a-b]\":{one},\"l\":{other}}}"),
            4 if self.draft > 4 => format!("\"propertyNames\":{one}"),
            5 if self.draft >= 2019 => match self.random.below(2) {
                0 => "\"dependentRequired\":{\"a\":[\"b\",\"absent\"],\"text\":[\"absent\",\"none\"]}"
                    .to_owned(),
                _ => format!("\"dependentSchemas\":{{\"a\":{one},\"text\":{other}}}"),
            },
            5 | 6 if self.draft < 2019 => match self.random.below(2) {
                0 => "\"dependencies\":{\"a\":[\"b\",\"absent\"],\"text\":[\"absent\"]}".to_owned(),
                _ => format!("\"dependencies\":{{\"a\":{one},\"text\":{other}}}"),
            },
            7 if self.draft >= 2019 => {
                format!("\"properties\":{{\"a\":{one}}},\"unevaluatedProperties\":false")
            }
            8 if self.draft >= 2019 => format!("\"unevaluatedProperties\":{one}"),
            _ => self.pick(&plain),
        }
    }

    /// Schemas that are put together from others.
    fn applied(&mut self, depth: usize) -> String {
        let one = self.below(depth);
        let other = self.below(depth);
        match self.random.below(10) {
            0 => format!("\"allOf\":[{one},{other}]"),
            1 => format!("\"anyOf\":[{one},{other}]"),
            2 => format!("\"oneOf\":[{one},{other}]"),
            3 => format!("\"not\":{one}"),
            4 if self.draft > 6 => format!("\"if\":{one},\"then\":{other}"),
            5 if self.draft > 6 => {
                let last = self.below(depth);
                format!("\"if\":{one},\"then\":{other},\"else\":{last}")
            }
            6 if self.draft < 2019 => {
                self.pick(&["\"$ref\":\"#/definitions/x\"", "\"$ref\":\"#/definitions/y\""])
            }
            6 | 7 if self.draft >= 2019 => self.pick(&[
                "\"$ref\":\"#/$defs/x\"",
                "\"$ref\":\"#/$defs/y\"",
                "\"$ref\":\"#/$defs/y\",\"minLength\":20",
            ]),
            8 => format!("\"oneOf\":[{one},{other},{{\"type\":\"string\"}}]"),
            _ => format!("\"anyOf\":[{one}]"),
        }
    }
}

/// What is no schema.
const BROKEN: [&str; 18] = [
    "{",
    "",
    "[]",
    "5",
    "null",
    "{} x",
    "{\"a\":}",
    "{\"type\":5}",
    "{\"type\":\"text\"}",
    "{\"properties\":[]}",
    "{\"required\":\"text\"}",
    "{\"properties\":{\"text\":{\"minLength\":-1}}}",
    "{\"properties\":{\"text\":{\"pattern\":\"[\"}}}",
    "{\"$ref\":\"#/nowhere\"}",
    "{\"$schema\":\"http://json-schema.org/draft-04/schema#\",\"required\":[]}",
    "{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"properties\":{\"n\":{\"type\":[\"integer\",\"x\"]}}}",
    "{\"$schema\":\"https://json-schema.org/draft/2019-09/schema\",\"items\":5}",
    "{\"$schema\":5}",
];
