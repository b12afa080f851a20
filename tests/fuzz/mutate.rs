//! Damage: to the bytes of an archive, to the body of a member, to a document; and what makes it hard to notice, checksums
//! and digests made right again.

use serde_json::{Value, json};

use crate::choice::Choice;
use crate::support::codec::Codec;
use crate::support::repair::{decoded, repair_digests};
use crate::support::tarball::{Kind, Tarball};

const BLOCK: usize = 512;
/// Where a header's size stands.
const SIZE: std::ops::Range<usize> = 124..136;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const FLAG: usize = 156;

/// What a size field may lie: nothing, a little, a block, all that octal has, base-256, negative.
const SIZES: [&[u8; 12]; 8] = [
    b"00000000000\0",
    b"00000000001\0",
    b"00000001000\0",
    b"77777777777\0",
    b"00000200000\0",
    b"\x80\0\0\0\0\0\0\0\0\0\x02\0",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    b"-0000000001\0",
];

/// Damages a tar in up to four places; in half of all cases the headers' checksums are right afterwards.
pub(crate) fn tar(choice: &mut Choice<'_>, tar: &mut Vec<u8>) {
    let repaired = choice.once_in(2);
    for _ in 0..=choice.below(4) {
        if !tar.is_empty() {
            damage(choice, tar);
        }
    }
    if repaired {
        repair_checksums(tar);
    }
}

fn damage(choice: &mut Choice<'_>, bytes: &mut Vec<u8>) {
    let (here, there) = (choice.below(bytes.len()), choice.below(bytes.len()));
    let header = header(bytes, here);
    match choice.below(9) {
        0..3 => bytes[here] ^= 1 << choice.below(8),
        3 => bytes[here] = choice.byte(),
        4 => swap_blocks(bytes, here / BLOCK, there / BLOCK),
        5 => splice(bytes, here, there, 1 + choice.below(2 * BLOCK)),
        6 => drop(bytes.splice(here..there.clamp(here, here + 2 * BLOCK), [])),
        7 => set(bytes, header + SIZE.start, *choice.of(&SIZES)),
        _ => set(bytes, header + FLAG, &[*choice.of(b"0127345xgLKS\0")]),
    }
}

fn swap_blocks(bytes: &mut [u8], one: usize, two: usize) {
    let (first, second) = (one.min(two) * BLOCK, one.max(two) * BLOCK);
    if first != second && second + BLOCK <= bytes.len() {
        let (left, right) = bytes.split_at_mut(second);
        left[first..first + BLOCK].swap_with_slice(&mut right[..BLOCK]);
    }
}

/// Puts a copy of some bytes elsewhere.
fn splice(bytes: &mut Vec<u8>, from: usize, to: usize, length: usize) {
    let copied = bytes[from..bytes.len().min(from + length)].to_vec();
    bytes.splice(to..to, copied);
}

fn set(bytes: &mut [u8], at: usize, field: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + field.len()) {
        place.copy_from_slice(field);
    }
}

/// The last header that starts at or before `at`, as the sizes in headers tell.
fn header(tar: &[u8], at: usize) -> usize {
    headers(tar).take_while(|&start| start <= at).last().unwrap_or(0)
}

/// Where headers stand, for a reader that believes everything.
fn headers(tar: &[u8]) -> impl Iterator<Item = usize> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(block) = tar.get(at..at + BLOCK) {
            let start = at;
            at += BLOCK;
            if block.iter().any(|&byte| byte != 0) {
                let carries = matches!(block[FLAG], b'0' | 0 | b'7' | b'x' | b'g' | b'L' | b'K' | b'S');
                let size = if carries { octal(&block[SIZE]) } else { 0 };
                at = at.saturating_add(size.next_multiple_of(BLOCK));
                return Some(start);
            }
        }
        None
    })
}

/// Where the last member ends, its padding included.
pub(crate) fn end_of_members(tar: &[u8]) -> usize {
    let Some(last) = headers(tar).last() else { return 0 };
    let size = if tar[last + FLAG] == b'2' || tar[last + FLAG] == b'1' { 0 } else { octal(&tar[last..][SIZE]) };
    last + BLOCK + size.next_multiple_of(BLOCK)
}

fn octal(field: &[u8]) -> usize {
    let text = std::str::from_utf8(field).unwrap_or_default();
    usize::from_str_radix(text.trim_matches(['\0', ' ']), 8).unwrap_or(0)
}

/// Makes the checksum of every header right.
pub(crate) fn repair_checksums(tar: &mut [u8]) {
    let places: Vec<_> = headers(tar).collect();
    for place in places {
        let header = &mut tar[place..place + BLOCK];
        header[CHECKSUM].fill(b' ');
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}

/// Damages a member or the list of members; in half of all cases every digest and size is right afterwards.
pub(crate) fn members(choice: &mut Choice<'_>, sound: &Tarball) -> Tarball {
    let mut tar = sound.clone();
    let repaired = choice.once_in(2);
    for _ in 0..=choice.below(2) {
        damage_members(choice, &mut tar);
    }
    if repaired && tar.members.len() == sound.members.len() { repair_digests(sound, &tar) } else { tar }
}

fn damage_members(choice: &mut Choice<'_>, tar: &mut Tarball) {
    if tar.members.is_empty() {
        return;
    }
    let (nth, other) = (choice.below(tar.members.len()), choice.below(tar.members.len()));
    match choice.below(16) {
        0 => drop(tar.members.remove(nth)),
        1 => tar.members.swap(nth, other),
        2 => tar.members.push(tar.members[nth].clone()),
        3 => tar.members[nth].name = tar.members[other].name.clone(),
        4 => tar.members[nth].kind = tar.members[other].kind.clone(),
        5 => tar.members[nth].kind = Kind::Symlink(format!("../{}", tar.members[other].name)),
        6 => tar.members[nth].kind = Kind::Hardlink(tar.members[other].name.clone()),
        _ => {
            if let Kind::File(body) = &mut tar.members[nth].kind {
                *body = damaged_body(choice, body);
            }
        }
    }
}

fn damaged_body(choice: &mut Choice<'_>, body: &[u8]) -> Vec<u8> {
    if let Ok(mut value) = serde_json::from_slice::<Value>(body)
        && !choice.once_in(4)
    {
        edit(choice, &mut value);
        return value.to_string().into_bytes();
    }
    if !choice.once_in(4)
        && let Some(mut plain) = decoded(body)
    {
        // What lies within, stored again as it was.
        tar_or_text(choice, &mut plain);
        return Codec::sniff(body).encode(&plain);
    }
    let mut bytes = body.to_vec();
    tar_or_text(choice, &mut bytes);
    bytes
}

fn tar_or_text(choice: &mut Choice<'_>, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        bytes.extend(choice.take(4));
    } else {
        tar(choice, bytes);
    }
}

/// Changes a value somewhere in a document.
fn edit(choice: &mut Choice<'_>, value: &mut Value) {
    let deeper = !choice.once_in(4);
    match value {
        Value::Object(map) if !map.is_empty() => {
            let key = map.keys().nth(choice.below(map.len())).expect("it is not empty").clone();
            if deeper {
                return edit(choice, &mut map[&key]);
            }
            match choice.below(3) {
                0 => drop(map.shift_remove(&key)),
                1 => drop(
                    map.insert(choice.of(&["config", "layers", "urls", "data", "Layers"]).to_string(), leaf(choice)),
                ),
                _ => map[&key] = leaf(choice),
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let (nth, other) = (choice.below(items.len()), choice.below(items.len()));
            if deeper {
                return edit(choice, &mut items[nth]);
            }
            match choice.below(4) {
                0 => drop(items.remove(nth)),
                1 => items.swap(nth, other),
                2 => items.push(items[nth].clone()),
                _ => items[nth] = leaf(choice),
            }
        }
        Value::String(text) if deeper && !text.is_empty() => {
            let place = choice.below(text.len());
            if text.is_char_boundary(place) && text.is_char_boundary(place + 1) {
                let put: &&str = choice.of(&["", "a", "0", "/", "..", ":", "\u{1b}", "ü"]);
                text.replace_range(place..=place, put);
            }
        }
        _ => *value = leaf(choice),
    }
}

/// Values that fit nowhere, or in the wrong place.
fn leaf(choice: &mut Choice<'_>) -> Value {
    let nothing = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    match choice.below(12) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(0),
        3 => json!(-1),
        4 => json!(1_u64 << 63),
        5 => json!([]),
        6 => json!({}),
        7 => json!(["a", "a"]),
        8 => json!("../../x"),
        9 => json!(nothing),
        10 => json!({"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": nothing, "size": 0}),
        _ => json!(""),
    }
}
