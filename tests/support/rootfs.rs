//! A root filesystem read back: its entries in order, held against all that docs/formats.md 7.3 promises of any of them.

use std::collections::{BTreeMap, BTreeSet};

use tar::Header;

use super::image::TestImage;
use super::layer::layer_tar;
use super::run::imgtar;
use super::scratch::Scratch;
use super::shape::Shape;

/// One entry as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// With a directory's trailing slash.
    pub(crate) path: Vec<u8>,
    /// The type flag.
    pub(crate) kind: u8,
    pub(crate) link: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) owner: (u64, u64),
    pub(crate) owner_names: (String, String),
    /// As PAX spells it.
    pub(crate) mtime: String,
    pub(crate) device: (u32, u32),
    /// PAX records that are no field's.
    pub(crate) records: BTreeMap<String, Vec<u8>>,
    /// Whether an `x` header stands in front.
    pub(crate) has_pax: bool,
    pub(crate) body: Vec<u8>,
}

/// A written root filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rootfs(pub(crate) Vec<Node>);

impl Rootfs {
    /// Flattens `image`, saved as an OCI layout.
    #[track_caller]
    pub(crate) fn of(image: &TestImage) -> Self {
        Self::with(image, &[])
    }

    #[track_caller]
    pub(crate) fn with(image: &TestImage, flags: &[&str]) -> Self {
        Self::written(&flatten(image, flags))
    }

    /// Flattens an image of one layer.
    #[track_caller]
    pub(crate) fn of_layer<const N: usize>(items: [super::layer::Item; N]) -> Self {
        Self::of(&TestImage::new().layer_bytes(layer_tar(items)))
    }

    /// Reads what imgtar wrote and holds it against.
    #[track_caller]
    pub(crate) fn written(bytes: &[u8]) -> Self {
        let nodes = read(bytes);
        check_order(&nodes);
        nodes.iter().for_each(check_header);
        Self(nodes)
    }

    /// One line an entry: path, then `-> target` or `= other name`, mode, owner, mtime, and the body of a file.
    pub(crate) fn listing(&self) -> Vec<String> {
        self.0.iter().map(Node::line).collect()
    }

    /// The paths alone.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.0.iter().map(|node| String::from_utf8_lossy(&node.path).into_owned()).collect()
    }

    #[track_caller]
    pub(crate) fn node(&self, path: impl AsRef<[u8]>) -> &Node {
        let path = path.as_ref();
        let found = self.0.iter().find(|node| node.path == path);
        found.unwrap_or_else(|| panic!("no `{}` among {:#?}", path.escape_ascii(), self.paths()))
    }

    /// The content of a file, links of either sort not followed.
    #[track_caller]
    pub(crate) fn text(&self, path: &str) -> String {
        String::from_utf8_lossy(&self.node(path).body).into_owned()
    }
}

/// The entries of a tar that imgtar wrote, whatever they are to a tree.
#[track_caller]
pub(crate) fn entries(tar: &[u8]) -> Vec<Node> {
    read(tar)
}

/// The bytes of the root filesystem of `image`, from a file to a file.
#[track_caller]
pub(crate) fn flatten(image: &TestImage, flags: &[&str]) -> Vec<u8> {
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", Shape::Oci.save_one(image).bytes());
    imgtar(["convert", "--to", "rootfs", "-o"]).arg(scratch.path("out.tar")).arg(input).args(flags).success();
    scratch.read("out.tar")
}

impl Node {
    fn line(&self) -> String {
        let path = String::from_utf8_lossy(&self.path);
        let link = String::from_utf8_lossy(&self.link);
        let (mode, (uid, gid), mtime) = (self.mode, self.owner, &self.mtime);
        let metadata = format!("{mode:04o} {uid}:{gid} {mtime}");
        match self.kind {
            b'0' => format!("{path} {metadata} {}", String::from_utf8_lossy(&self.body)).trim_end().to_owned(),
            b'1' => format!("{path} = {link}"),
            b'2' => format!("{path} -> {link}"),
            b'5' => format!("{path} {metadata}"),
            kind => format!("{path} {} {}:{} {metadata}", char::from(kind), self.device.0, self.device.1),
        }
    }
}

/// Reads ustar headers and `x` headers and nothing else, up to an end marker of two zero blocks and not one more.
#[track_caller]
fn read(bytes: &[u8]) -> Vec<Node> {
    let (mut nodes, mut records, mut rest) = (Vec::new(), None, bytes);
    while rest.len() > 1024 {
        let (block, behind) = rest.split_at(512);
        let header = Header::from_byte_slice(block);
        assert!(header.as_ustar().is_some(), "a USTAR header at {} (R-25)", bytes.len() - rest.len());
        assert_eq!(header.cksum().unwrap(), checksum(block), "the checksum at {}", bytes.len() - rest.len());
        let kind = header.entry_type().as_byte();
        let size = records.as_ref().and_then(|records| number(records, "size"));
        let size = size.unwrap_or_else(|| header.entry_size().unwrap()) as usize;
        let body = behind[..size].to_vec();
        rest = &behind[size.next_multiple_of(512)..];
        if kind == b'x' {
            assert!(records.replace(parse_pax(&body)).is_none(), "one `x` header an entry");
        } else {
            nodes.push(node(header, kind, records.take(), body));
        }
    }
    assert!(records.is_none(), "an entry behind each `x` header");
    assert_eq!(rest, [0; 1024], "two zero blocks at the end and no padding to 10 KiB (R-25)");
    nodes
}

fn checksum(block: &[u8]) -> u32 {
    block.iter().enumerate().map(|(at, &byte)| if (148..156).contains(&at) { 32 } else { u32::from(byte) }).sum()
}

type Records = BTreeMap<String, Vec<u8>>;

#[track_caller]
fn parse_pax(mut body: &[u8]) -> Records {
    let mut records = Records::new();
    while !body.is_empty() {
        let space = body.iter().position(|&byte| byte == b' ').expect("a length");
        let length: usize = std::str::from_utf8(&body[..space]).unwrap().parse().unwrap();
        let record = body[space + 1..length].strip_suffix(b"\n").expect("a newline at the end");
        let equals = record.iter().position(|&byte| byte == b'=').expect("a key");
        let key = String::from_utf8(record[..equals].to_vec()).expect("keys are ASCII here");
        assert!(records.insert(key, record[equals + 1..].to_vec()).is_none(), "no key comes twice");
        body = &body[length..];
    }
    records
}

fn number(records: &Records, key: &str) -> Option<u64> {
    records.get(key).map(|value| std::str::from_utf8(value).unwrap().parse().unwrap())
}

fn node(header: &Header, kind: u8, pax: Option<Records>, body: Vec<u8>) -> Node {
    let has_pax = pax.is_some();
    let mut records = pax.unwrap_or_default();
    let ustar = header.as_ustar().unwrap();
    let mut text = |key: &str, field: Option<&[u8]>| records.remove(key).unwrap_or(field.unwrap_or_default().to_vec());
    let path = text("path", Some(&header.path_bytes()));
    let link = text("linkpath", header.link_name_bytes().as_deref());
    let names = [text("uname", Some(ustar.username_bytes())), text("gname", Some(ustar.groupname_bytes()))];
    let mtime = match records.remove("mtime") {
        Some(mtime) => String::from_utf8(mtime).unwrap(),
        None => header.mtime().unwrap().to_string(),
    };
    // Where a record speaks, the field may hold what this crate cannot read.
    let field = |key: &str, field: &dyn Fn() -> u64| number(&records, key).unwrap_or_else(field);
    let owner = (field("uid", &|| header.uid().unwrap()), field("gid", &|| header.gid().unwrap()));
    let device = (
        field("SCHILY.devmajor", &|| ustar.device_major().unwrap().into()) as u32,
        field("SCHILY.devminor", &|| ustar.device_minor().unwrap().into()) as u32,
    );
    records
        .retain(|key, _| !["uid", "gid", "size", "hdrcharset", "SCHILY.devmajor", "SCHILY.devminor"].contains(&&**key));
    let [user, group] = names.map(|name| String::from_utf8(name).unwrap());
    let (mode, owner_names) = (header.mode().unwrap(), (user, group));
    Node { path, kind, link, mode, owner, owner_names, mtime, device, records, has_pax, body }
}

/// Parents first and each path once; data before its other names; what is in a directory right behind it.
#[track_caller]
fn check_order(nodes: &[Node]) {
    let mut seen: BTreeSet<&[u8]> = BTreeSet::new();
    let mut carriers: BTreeSet<&[u8]> = BTreeSet::new();
    for (nth, node) in nodes.iter().enumerate() {
        let shown = node.path.escape_ascii();
        assert!(seen.insert(&node.path), "{shown}: twice");
        if nth == 0 && node.path == b"./" {
            continue;
        }
        let name = node.path.strip_suffix(b"/").unwrap_or(&node.path);
        if let Some(slash) = name.iter().rposition(|&byte| byte == b'/') {
            assert!(seen.contains(&name[..=slash]), "{shown}: before its parent");
        }
        assert_eq!(node.kind == b'5', node.path.ends_with(b"/"), "{shown}: directories end in a slash (R-25)");
        assert!(
            name.split(|&byte| byte == b'/').all(|part| !part.is_empty() && part != b"." && part != b".."),
            "{shown}"
        );
        assert!(!name.split(|&byte| byte == b'/').any(|part| part.starts_with(b".wh.")), "{shown}: a whiteout");
        match node.kind {
            b'1' => assert!(carriers.contains(&*node.link), "{shown}: before the name that carries the data"),
            b'5' => {}
            _ => drop(carriers.insert(&node.path)),
        }
    }
}

/// PAX only where ustar cannot say it.
#[track_caller]
fn check_header(node: &Node) {
    let shown = node.path.escape_ascii();
    let splits = node.path.len() <= 100
        || node.path.iter().enumerate().any(|(at, &byte)| {
            byte == b'/' && (1..=155).contains(&at) && (1..=100).contains(&(node.path.len() - at - 1))
        });
    let numbers = [node.owner.0, node.owner.1, node.device.0.into(), node.device.1.into()];
    let fits = splits
        && node.link.len() <= 100
        && node.owner_names.0.len().max(node.owner_names.1.len()) < 32
        && numbers.iter().all(|&number| number < 1 << 21)
        && node.mtime.parse::<u64>().is_ok_and(|mtime| mtime < 1 << 33)
        && node.records.is_empty();
    assert_eq!(node.has_pax, !fits, "{shown}: PAX records where they are needed and nowhere else");
    assert!(node.kind == b'0' || node.body.is_empty(), "{shown}: a body");
}
