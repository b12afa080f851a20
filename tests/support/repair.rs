//! Archives made right again after something in them was changed.

use std::collections::BTreeMap;
use std::io::Read;

use serde_json::{Value, json};

use super::codec::Codec;
use super::sha256;
use super::tarball::{Kind, Tarball};

/// `damaged` with every digest and size that says what `sound` held saying what it holds now. Both have the same members.
pub(crate) fn repair_digests(sound: &Tarball, damaged: &Tarball) -> Tarball {
    let mut now = damaged.clone();
    // A document that changes changes its own digest, which another names: config, manifest, index, index.json.
    for _ in 0..8 {
        let renamed = changed(sound, &now);
        let mut next = damaged.clone();
        for (member, was) in next.members.iter_mut().zip(&sound.members) {
            for (old, new) in &renamed {
                member.name = member.name.replace(old, &new.hex);
            }
            match &mut member.kind {
                Kind::File(body) if Kind::File(body.clone()) == was.kind => *body = document(body, &renamed),
                Kind::Symlink(target) | Kind::Hardlink(target) => {
                    renamed.iter().for_each(|(old, new)| *target = target.replace(old, &new.hex));
                }
                _ => {}
            }
        }
        if next == now {
            break;
        }
        now = next;
    }
    now
}

/// What bytes that had another digest are now.
struct New {
    hex: String,
    size: usize,
}

fn changed(sound: &Tarball, now: &Tarball) -> BTreeMap<String, New> {
    let mut renamed = BTreeMap::new();
    for (was, is) in sound.members.iter().zip(&now.members) {
        let (Kind::File(was), Kind::File(is)) = (&was.kind, &is.kind) else { continue };
        if was == is {
            continue;
        }
        if Codec::sniff(was) != Codec::Plain
            && let Some(plain) = decoded(is)
        {
            renamed.insert(sha256(&Codec::decode(was)), New { hex: sha256(&plain), size: plain.len() });
        }
        renamed.insert(sha256(was), New { hex: sha256(is), size: is.len() });
    }
    renamed
}

/// What the bytes decode to, if they do; the test's own codecs panic where they do not.
pub(crate) fn decoded(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let done = match Codec::sniff(bytes) {
        Codec::Plain => return Some(bytes.to_vec()),
        Codec::Gzip | Codec::GzipMembers => flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut plain),
        Codec::Zstd | Codec::ZstdFrames => {
            zstd::stream::read::Decoder::new(bytes).and_then(|mut decoder| decoder.read_to_end(&mut plain))
        }
        Codec::Xz => liblzma::read::XzDecoder::new(bytes).read_to_end(&mut plain),
        Codec::Bzip2 => bzip2::read::BzDecoder::new(bytes).read_to_end(&mut plain),
        Codec::Lz4 => lz4_flex::frame::FrameDecoder::new(bytes).read_to_end(&mut plain),
    };
    done.ok().map(|_| plain)
}

/// A document with the new digests, and the new sizes beside them; anything else as it is.
fn document(body: &[u8], renamed: &BTreeMap<String, New>) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else { return body.to_vec() };
    if rename(&mut value, renamed) { value.to_string().into_bytes() } else { body.to_vec() }
}

fn rename(value: &mut Value, renamed: &BTreeMap<String, New>) -> bool {
    match value {
        Value::String(text) => {
            let mut touched = false;
            for (old, new) in renamed {
                touched |= text.contains(old.as_str());
                *text = text.replace(old, &new.hex);
            }
            touched
        }
        Value::Array(items) => items.iter_mut().fold(false, |touched, item| rename(item, renamed) | touched),
        Value::Object(map) => {
            let size = map.get("digest").and_then(Value::as_str).and_then(|digest| digest.strip_prefix("sha256:"));
            if let (Some(new), true) = (size.and_then(|old| renamed.get(old)), map.contains_key("size")) {
                map["size"] = json!(new.size);
            }
            // LayerSources is keyed by diff_id.
            let keys: Vec<_> = map.keys().filter(|key| renamed.keys().any(|old| key.contains(old))).cloned().collect();
            for key in &keys {
                let held = map.shift_remove(key).expect("the key is there");
                let name = renamed.iter().fold(key.clone(), |key, (old, new)| key.replace(old, &new.hex));
                map.insert(name, held);
            }
            map.values_mut().fold(!keys.is_empty(), |touched, item| rename(item, renamed) | touched)
        }
        _ => false,
    }
}
