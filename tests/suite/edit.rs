//! `imgtar edit`: docs/edit.md, rule by rule.

mod config;
