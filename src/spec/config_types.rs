//! The types that engines, all written in Go, give to the fields of an image config.
//!
//! Go refuses a whole document for one field of another type, so such a config is unreadable for the engine, while imgtar,
//! which needs few fields, goes on. `null` stands for a field that is left out, and keys match whatever their case.
//!
//! Sources: moby `image` and `api/types/container`, OCI image-spec `specs-go/v1`, containers/image `manifest/docker_schema2.go`,
//! go-containerregistry `pkg/v1/config.go`; docs/formats.md M-14.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::config::ImageConfig;
use super::fields::{FieldRule, FieldType};
use super::json::as_go_reads;
use super::timestamp::Timestamp;

/// The Go type into which an engine reads a config.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ConfigReader {
    /// Docker's own: all fields, and a command may be one text.
    Docker,
    /// That of containers/image for Docker's archives: like Docker's.
    ContainersImage,
    /// That of go-containerregistry: all fields, but a command is a list.
    GoContainerregistry,
    /// OCI's: the fields of its specification.
    Oci,
}

impl ConfigReader {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Docker, Self::ContainersImage, Self::GoContainerregistry, Self::Oci];
}

/// A field that is not what engines take it for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigTypeFault {
    /// The field, as in `config.Env`.
    pub field: String,
    expected: FieldType,
    is_oci: bool,
}

use FieldType::{Command, Flag, Number, Object, ObjectByText, Objects, Present, Set, Text, TextByText, Texts, Time};

/// Configs of images.
pub(crate) const CONFIG: &[FieldRule] = &[
    ("architecture", Text, true),
    ("author", Text, true),
    ("comment", Text, false),
    ("config", Object(RUNTIME), true),
    ("container", Text, false),
    ("container_config", Object(RUNTIME), false),
    ("created", Time, true),
    ("docker_version", Text, false),
    ("history", Objects(HISTORY), true),
    ("id", Text, false),
    ("os", Text, true),
    ("os.features", Texts, true),
    ("os.version", Text, true),
    ("parent", Text, false),
    ("rootfs", Object(ROOTFS), true),
    ("Size", Number, false),
    ("variant", Text, true),
];

const RUNTIME: &[FieldRule] = &[
    ("ArgsEscaped", Flag, true),
    ("AttachStderr", Flag, false),
    ("AttachStdin", Flag, false),
    ("AttachStdout", Flag, false),
    ("Cmd", Command, true),
    ("Domainname", Text, false),
    ("Entrypoint", Command, true),
    ("Env", Texts, true),
    ("ExposedPorts", Set, true),
    ("Healthcheck", Object(HEALTHCHECK), false),
    ("Hostname", Text, false),
    ("Image", Text, false),
    ("Labels", TextByText, true),
    ("MacAddress", Text, false),
    ("NetworkDisabled", Flag, false),
    ("OnBuild", Texts, false),
    ("OpenStdin", Flag, false),
    ("Shell", Command, false),
    ("StdinOnce", Flag, false),
    ("StopSignal", Text, true),
    ("StopTimeout", Number, false),
    ("Tty", Flag, false),
    ("User", Text, true),
    ("Volumes", Set, true),
    ("WorkingDir", Text, true),
];

const HEALTHCHECK: &[FieldRule] = &[
    ("Interval", Number, false),
    ("Retries", Number, false),
    ("StartPeriod", Number, false),
    ("Test", Texts, false),
    ("Timeout", Number, false),
];

const HISTORY: &[FieldRule] = &[
    ("author", Text, true),
    ("comment", Text, true),
    ("created", Time, true),
    ("created_by", Text, true),
    ("empty_layer", Flag, true),
];

const ROOTFS: &[FieldRule] = &[("diff_ids", Texts, true), ("type", Text, true)];

impl ImageConfig {
    /// The fields that some engine cannot read, each named once.
    pub(crate) fn type_faults(&self) -> Vec<ConfigTypeFault> {
        let mut check = FieldCheck::default();
        if let Ok(config) = serde_json::from_slice::<RawObject<'_>>(&as_go_reads(self.raw())) {
            if !config.iter().any(|(key, value)| key.eq_ignore_ascii_case("rootfs") && value.get() != "null") {
                check.faults.push(ConfigTypeFault { field: "rootfs".into(), expected: Present, is_oci: false });
            }
            check.object(&config, CONFIG, "", true);
        }
        check.faults
    }
}

impl ConfigTypeFault {
    /// Returns whether no engine reads the config because of this fault.
    pub(crate) fn stops_all(&self) -> bool {
        ConfigReader::ALL.into_iter().all(|reader| self.stops(reader))
    }

    /// A description of the fault, with the engines that it stops.
    pub(crate) fn problem(&self) -> String {
        let who = if self.stops_all() { "no engine reads the config" } else { "not every engine reads the config" };
        format!("{self}: {who}")
    }

    /// Returns whether `reader` refuses the config because of this fault.
    pub(crate) fn stops(&self, reader: ConfigReader) -> bool {
        match (reader, self.expected) {
            (ConfigReader::Docker | ConfigReader::ContainersImage, Command) => false,
            // Docker alone asks for it.
            (_, Present) => reader == ConfigReader::Docker,
            (ConfigReader::Oci, _) => self.is_oci,
            _ => true,
        }
    }
}

impl fmt::Display for ConfigTypeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = match self.expected {
            Text => "a text",
            Flag => "true or false",
            Number => "a whole number",
            Time => "a time of RFC 3339",
            Texts | Command => "a list of texts",
            TextByText => "an object of texts",
            Set => "an object of empty objects",
            ObjectByText(_) => "an object of objects",
            Object(_) => "an object",
            Objects(_) => "a list of objects",
            Present => return write!(f, "it has no `{}`", self.field),
        };
        write!(f, "`{}` is not {expected}", self.field)
    }
}

/// An object whose values have not been read yet.
type RawObject<'a> = BTreeMap<String, &'a RawValue>;

/// The faults that have been found.
#[derive(Default)]
struct FieldCheck {
    faults: Vec<ConfigTypeFault>,
    known: HashSet<String>,
}

impl FieldCheck {
    /// Checks the fields of the object at `path`, which OCI's specification has if `is_oci`.
    fn object(&mut self, object: &RawObject<'_>, fields: &'static [FieldRule], path: &str, is_oci: bool) {
        for (key, value) in object {
            if let Some((name, expected, in_oci)) = fields.iter().find(|(name, ..)| name.eq_ignore_ascii_case(key)) {
                let field = if path.is_empty() { (*name).to_owned() } else { format!("{path}.{name}") };
                self.field(value, *expected, field, is_oci && *in_oci);
            }
        }
    }

    fn field(&mut self, value: &RawValue, expected: FieldType, field: String, is_oci: bool) {
        let text = value.get();
        let is_fine = match expected {
            _ if text == "null" => true,
            Present => true,
            Object(fields) => match serde_json::from_str(text) {
                Ok(object) => {
                    self.object(&object, fields, &field, is_oci);
                    true
                }
                Err(_) => false,
            },
            Objects(fields) => match serde_json::from_str::<Vec<Option<RawObject<'_>>>>(text) {
                Ok(objects) => {
                    objects.iter().flatten().for_each(|object| self.object(object, fields, &field, is_oci));
                    true
                }
                Err(_) => false,
            },
            // Go takes the characters as they are written, escapes among them.
            Time => text.trim_matches('"').parse::<Timestamp>().is_ok() && text.starts_with('"'),
            Text => is::<String>(text),
            Flag => is::<bool>(text),
            Number => is::<i64>(text),
            Texts | Command => is::<Vec<Option<String>>>(text),
            TextByText => is::<BTreeMap<String, Option<String>>>(text),
            Set | ObjectByText(_) => is::<BTreeMap<String, Option<RawObject<'_>>>>(text),
        };
        if !is_fine && self.known.insert(field.clone()) {
            // One text is a command to some, anything else to none.
            let expected = if expected == Command && !text.starts_with('"') { Texts } else { expected };
            self.faults.push(ConfigTypeFault { field, expected, is_oci });
        }
    }
}

/// Returns whether the JSON `text` is of type `T`.
fn is<'a, T: Deserialize<'a>>(text: &'a str) -> bool {
    serde_json::from_str::<T>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The faults of a config with this text among its fields.
    fn faults(fields: &str) -> Vec<ConfigTypeFault> {
        let comma = if fields.is_empty() { "" } else { "," };
        let raw = format!(r#"{{"rootfs":{{"type":"layers","diff_ids":[]}}{comma}{fields}}}"#);
        ImageConfig::read(raw.into_bytes(), "config").unwrap().type_faults()
    }

    #[test]
    fn fields_of_the_right_types_and_of_none_are_read() {
        for fields in [
            "",
            r#""os":null,"config":null,"history":null,"created":null,"x":[1]"#,
            r#""created":"2020-01-02T03:04:05.5Z","config":{"Env":["A=1",null],"Cmd":null,"ExposedPorts":{"80/tcp":{}},
               "Labels":{"a":"b"},"Healthcheck":{"Test":["NONE"],"Interval":30000000000},"Volumes":{},"Tty":false}"#,
            r#""history":[{"created":"2020-01-02T03:04:05+01:00","empty_layer":true},{}],"os.features":["win32k"]"#,
        ] {
            assert_eq!(faults(fields), [], "{fields}");
        }
    }

    #[test]
    fn a_field_of_another_type_stops_those_that_have_it() {
        for (fields, shown, stopped) in [
            (r#""created":"""#, "`created` is not a time of RFC 3339", [true; 4]),
            (r#""created":"2020-01-02T03:04:05\u002B01:00""#, "`created` is not a time of RFC 3339", [true; 4]),
            (r#""created":"2020-01-02T03:04:05""#, "`created` is not a time of RFC 3339", [true; 4]),
            (r#""config":{"Env":{"A":"1"}}"#, "`config.Env` is not a list of texts", [true; 4]),
            (r#""config":{"env":"A=1"}"#, "`config.Env` is not a list of texts", [true; 4]),
            (r#""config":{"Cmd":"sh"}"#, "`config.Cmd` is not a list of texts", [false, false, true, true]),
            (r#""config":{"Cmd":[1]}"#, "`config.Cmd` is not a list of texts", [true; 4]),
            (r#""config":{"OnBuild":"x"}"#, "`config.OnBuild` is not a list of texts", [true, true, true, false]),
            (r#""config":{"Labels":{"a":1}}"#, "`config.Labels` is not an object of texts", [true; 4]),
            (r#""config":{"Volumes":["/v"]}"#, "`config.Volumes` is not an object of empty objects", [true; 4]),
            (
                r#""config":{"Healthcheck":{"Interval":1.5}}"#,
                "`config.Healthcheck.Interval` is not a whole number",
                [true, true, true, false],
            ),
            (
                r#""container_config":{"Env":1}"#,
                "`container_config.Env` is not a list of texts",
                [true, true, true, false],
            ),
            (r#""history":[{"created":""},{"created":""}]"#, "`history.created` is not a time of RFC 3339", [true; 4]),
        ] {
            let found = faults(fields);
            assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), [shown], "{fields}");
            assert_eq!(ConfigReader::ALL.map(|reader| found[0].stops(reader)), stopped, "{fields}");
        }
    }
}
