//! Tests of imgtar from outside.
