//! Closing a file fails: where there is a quota, or a network between, that can be the first word of bytes that are lost.

use super::{Input, Output, Pair, inputs};
use crate::support::inject::{self, Fault};
use crate::support::scratch::Scratch;

/// The messages about each call to close that fails, if the run fails by it.
fn close_errors(pair: &Pair<'_>) -> Vec<String> {
    let mut errors = Vec::new();
    for nth in 1.. {
        pair.set_up();
        let (ended, struck) = pair.run((Fault::Error, nth), "");
        match struck.as_deref() {
            None => break,
            Some("close") if ended.code != 0 => errors.push(ended.exits(5, []).stderr),
            Some(_) => {}
        }
    }
    errors
}

#[test]
fn an_output_that_fails_to_close_is_named_and_no_input_is() {
    if !inject::is_possible() {
        return;
    }
    let scratch = Scratch::new();
    let inputs = inputs(&scratch);
    let input: &Input = inputs.iter().find(|input| input.name == "legacy" && !input.is_piped).unwrap();
    // An archive; two documents, a config, a manifest and two layers.
    for (target, files) in [("legacy", 1), ("oci-dir", 6)] {
        let pair = Pair::new(input, target, Output::New, "1");
        let errors = close_errors(&pair);
        let out = pair.scratch.path("place/out");
        let expected = format!("imgtar: error: closing {}", out.display());
        assert!(errors.iter().all(|text| text.starts_with(&expected)), "{errors:#?}");
        assert!(errors.iter().all(|text| text.contains("No space left on device")), "{errors:#?}");
        assert_eq!(errors.len(), files, "{errors:#?}");
    }
}
