//! The extraction tests of other projects as literals: the layers that they unpack, and the tree or refusal that is right.
//!
//! Facts of umoci (`oci/layer`), containerd (`pkg/archive`), moby (`pkg/archive`) and go-containerregistry (`pkg/v1/mutate`,
//! `pkg/v1/tarball`). Where the answer here is another than theirs, the row cites the rule of docs/formats.md.

use serde_json::json;

use crate::support::expect::{Target, refuse};
use crate::support::image::TestImage;
use crate::support::layer::{Item, dir, fifo, file, hardlink, layer_tar, symlink};
use crate::support::rootfs::Rootfs;
use crate::support::run::imgtar;
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Tarball};

/// `NAME: LAYERS => TREE`. Layers stand between `;`, entries between blanks: `d/`, `file=content`, `link->target`,
/// `hard==target`, `pipe|`. In the tree `hard==target` is a further name of a file. `!TEXT` is a refusal that says so.
const UMOCI: &[&str] = &[
    // Names that climb are clamped there and refused here.
    "garbage prefix: /../file=x => !climbs",
    "dots in front: ../file=x => !climbs",
    "a link to the root: link->/ ; link/file=x => file=x link->/",
    "a link above it: link->/../ ; link/file=x => file=x link->/../",
    "far above: link->/../../../../../../../ ; link/file=x => file=x link->/../../../../../../../",
    "with dots: link->/./.././.././../ ; link/file=x => file=x link->/./.././.././../",
    "relative: link->.. ; link/file=x => file=x link->..",
    "a file as parent: nondir= nondir/foo/bar/baz= => nondir/ nondir/foo/ nondir/foo/bar/ nondir/foo/bar/baz=",
    "parents that are missing: a/b/c/file=x => a/ a/b/ a/b/c/ a/b/c/file=x",
    "a whiteout of nothing: .wh.= => !names no file",
    "the same below: some/path/ ; some/path/.wh.= => !names no file",
    "a file: rootpath=v ; .wh.rootpath= => ",
    "a hidden one: .hiddenroot=v ; .wh..hiddenroot= => ",
    "below: some/path/file=v ; some/path/.wh.file= => some/ some/path/",
    "hidden below: another/path/.hiddenfile=v ; another/path/.wh..hiddenfile= => another/ another/path/",
    "a directory: r/ r/f1=v r/f2=v r/.sub/ r/.sub/f3=v ; .wh.r= => ",
    "a hidden one below: a/.h/ a/.h/f1=v a/.h/.sub/f3=v ; a/.wh..h= => a/",
    "opaque, empty: t/ ; t/.wh..wh..opq= => t/",
    "opaque, one level: t/ t/file= t/fifo| ; t/link->.. t/badlink->./nothing t/.wh..wh..opq= => t/ t/badlink->./nothing t/link->..",
    "opaque, nothing new: t/ t/file= t/link->.. t/badlink->./nothing t/fifo| ; t/.wh..wh..opq= => t/",
    "opaque, two levels: t/ t/link->.. t/dir/link->../badlink t/dir/bad2->/../../etc/shadow \
        ; t/file= t/dir/ t/dir/file= t/dir/bad->../../../../etc/shadow t/.wh..wh..opq= \
        => t/ t/dir/ t/dir/bad->../../../../etc/shadow t/dir/file= t/file=",
    "opaque, many levels: t/ t/l1->.. t/a/f2= t/a/a/ t/a/a/f3= t/a/b/f3b= t/a/b/l3/l4/ t/b/ t/b/f2= t/b/l2/f3= \
        ; t/f1= t/a/ t/a/l2->../../../ t/a/b/ t/a/b/f3a= t/.wh..wh..opq= \
        => t/ t/a/ t/a/b/ t/a/b/f3a= t/a/l2->../../../ t/f1=",
    "opaque, no directories above: t/ t/some/ t/some/dir/ t/other/dir/x= ; t/some/dir/x= t/.wh..wh..opq= \
        => t/ t/some/ t/some/dir/ t/some/dir/x=",
    "opaque, with whiteouts of its own layer: t/ t/c= ; t/.wh.b= t/a= t/b= t/.wh.a= t/.wh.c= t/.wh..wh..opq= => t/ t/a= t/b=",
    "opaque, with whiteouts of directories: t/ t/file= t/1/link->../bad t/2/link->../bad \
        ; t/.wh.2= t/1/ t/1/file= t/.wh.1= t/2/ t/2/file= t/.wh..wh..opq= => t/ t/1/ t/1/file= t/2/ t/2/file=",
    "hard links: regular=x hard==/regular link->../../../regular sym==/link => hard=x link->../../../regular regular==hard sym==link",
    // Targets of hard links that climb are clamped there and refused here.
    "a hard link that climbs: link->regular sym==../../../link => !climbs",
    // On disk for an overlay a file of the layer becomes a whiteout; here it stays.
    "a whiteout of its own layer: file= .wh.file= => file=",
    "markers among new files: o/foo/bar/baz/.wh.before= o/regfile= o/.wh..wh..opq= o/a/b/.wh.after= o/a/regfile= \
        => o/ o/a/ o/a/regfile= o/regfile=",
    // There a marker makes its directory; here it creates nothing.
    "markers without a directory: o/a/b/.wh..wh..opq= w/a/.wh.c= => ",
    "a marker below a file: o= o/.wh..wh..opq= => o=",
    "a marker below a whiteout: .wh.o= o/.wh..wh..opq= => ",
    "a directory that comes back: d/before= ; .wh.d= d/foo/bar= d/abc/def= => d/ d/abc/ d/abc/def= d/foo/ d/foo/bar=",
];

const CONTAINERD: &[&str] = &[
    "unpack: etc/ etc/hosts=h etc/hosts.allow==etc/hosts usr/local/lib/n.so=0 usr/local/lib/n.so.2->n.so home/ home/derek/ \
        => etc/ etc/hosts=h etc/hosts.allow==etc/hosts home/ home/derek/ usr/ usr/local/ usr/local/lib/ usr/local/lib/n.so=0 \
        usr/local/lib/n.so.2->n.so",
    "links anywhere: h/d/o->../other h/d/e->../../etc h/d/u->up/../../other h/d/b->../../../breakout b->etc/../../up \
        => b->etc/../../up h/ h/d/ h/d/b->../../../breakout h/d/e->../../etc h/d/o->../other h/d/u->up/../../other",
    "absolute: etc/ localetc->/etc localetc/u=x => etc/ etc/u=x localetc->/etc",
    "up and out: etc/ dummy/ localetc->/dummy/../etc /localetc/u=x => dummy/ etc/ etc/u=x localetc->/dummy/../etc",
    "several absolute: etc/ dummy/ /dummy/etc->/etc localetc->/dummy/etc /dummy/etc/u=x \
        => dummy/ dummy/etc->/etc etc/ etc/u=x localetc->/dummy/etc",
    "several relative: etc/ dummy/ /dummy/etc->/etc localetc->./dummy/etc localetc/u=x \
        => dummy/ dummy/etc->/etc etc/ etc/u=x localetc->./dummy/etc",
    "emptied: etc/ etc/e=full localetc->/etc /localetc/e= => etc/ etc/e= localetc->/etc",
    "a hard link through a link: etc/ /etc/p=in b/ b/d1->../../etc b/my==/b/d1/p => b/ b/d1->../../etc b/my=in etc/ etc/p==b/my",
    "down and out: etc/ /etc/p=in b/ d/ b/d1->../d/../../etc b/my==/b/d1/p => b/ b/d1->../d/../../etc b/my=in d/ etc/ etc/p==b/my",
    "absolute, hard: etc/ /etc/p=in l->/etc lp==/l/p => etc/ etc/p=in l->/etc lp==etc/p",
    "long: etc/ /etc/p=in l->../../../../../../../etc lp==/l/p => etc/ etc/p=in l->../../../../../../../etc lp==etc/p",
    "through what is missing: etc/ /etc/p=in l->upandout/../../../etc lp==/l/p => etc/ etc/p=in l->upandout/../../../etc lp==etc/p",
    // Clamped there, refused here.
    "a hard link that climbs: etc/ /etc/p=in lp==../../../../../etc/p => !climbs",
    "direct: etc/ /etc/p=in lp==/etc/p => etc/ etc/p=in lp==etc/p",
    "a link on the parent of the root: etc/ /etc/p=in ..->/etc/ => !climbs",
    // Passed over there; here the root must be a directory.
    "a link on the root: etc/ /etc/p=in /->/etc/ => !the entry for the root is not a directory",
    "a name with dots: etc/ /etc/p=in l/sub/..->/etc/ l/lp==/etc/p => etc/ etc/lp=in etc/p==etc/lp l->/etc/",
    "a slash behind: etc/ /etc/p=in l/ l/lp==/etc/p => etc/ etc/p=in l/ l/lp==etc/p",
    "a link over a directory: etc/ etc/p=in l/ ; l->/etc l/lp==/etc/p => etc/ etc/lp=in etc/p==etc/lp l->/etc",
    "the same, relative: etc/ etc/p=in l/ ; l->../../etc l/lp==/etc/p => etc/ etc/lp=in etc/p==etc/lp l->../../etc",
    "a directory over a link: etc/ etc/p=in l->/etc ; /l/ /l/lp==/etc/p => etc/ etc/p=in l/ l/lp==etc/p",
    "and over a hard link: etc/ etc/p=in l->etc l/lp==/etc/p ; /l/ /l/lp=other => etc/ etc/lp=in etc/p==etc/lp l/ l/lp=other",
    "a whiteout of the root's parent: etc/ etc/p=in ; .wh...= => !names no file",
    "of a parent: etc/ etc/p=in ; etc/.wh...= => !names no file",
    "of the root: etc/ etc/p=in ; .wh..= => !names no file",
    "of its directory: etc/ etc/p=in ; etc/.wh..= => !names no file",
    "of a link: etc/ etc/p=in l->/etc ; .wh.l= => etc/ etc/p=in",
    "through a link: etc/ etc/p=in etc/w=out l->/etc ; l/.wh.w= => etc/ etc/p=in l->/etc",
    // A file below a name of that kind is one there, and refused here (R-5, H-23).
    "a directory with a whiteout's name: etc/ etc/p=in ; .wh.etc/somefile=x => !a whiteout cannot be a directory",
    "below a link that leads nowhere: etc/ etc/p=in l->/dne ; l/.wh.etc= => etc/ etc/p=in l->/dne",
    "with dots: etc/ etc/p=in l->/dne ; dne/../.wh.etc= => l->/dne",
    "a link before its target: etc/ lp->/etc/p dup==lp /etc/p=after => dup->/etc/p etc/ etc/p=after lp==dup",
    "a hard link to a link: etc/ /etc/p=in pl->../../../../../etc/p lp==/pl => etc/ etc/p=in lp->../../../../../etc/p pl==lp",
    "to an absolute one: etc/ /etc/p=in pl->/etc/p lp==/pl => etc/ etc/p=in lp->/etc/p pl==lp",
    "names outside: /t/also->/t/perm400 sketchy==/t/also => sketchy->/t/perm400 t/ t/also==sketchy",
    "directories: /etc/ ; /etc/s/ /etc/s2/ /etc/s2/more/ /o/n-1/1/ /o/n-2/2/ \
        => etc/ etc/s/ etc/s2/ etc/s2/more/ o/ o/n-1/ o/n-1/1/ o/n-2/ o/n-2/2/",
    "links replaced: bin/ bin/s= bin/o1->../bin/s ; bin/o1->/bin/s bin/o2->../bin/s bin/o3->s \
        => bin/ bin/o1->/bin/s bin/o2->../bin/s bin/o3->s bin/s=",
    "links to links: bin/ sbin/ sbin/s= bin/s->/sbin/s bin/o1->../bin/s ; bin/o1->/bin/s bin/o2->s \
        => bin/ bin/o1->/bin/s bin/o2->s bin/s->/sbin/s sbin/ sbin/s=",
    "a link that becomes a directory: bin/ bin/actual= bin/app->actual ; bin/app/ => bin/ bin/actual= bin/app/",
];

const MOBY: &[&str] = &[
    "a name that climbs: ../victim/dotdot= => !climbs",
    "behind a slash: /../victim/slash-dotdot= => !climbs",
    "a hard link that climbs: dotdot==../victim/hello => !climbs",
    "behind a slash, hard: slash-dotdot==/../victim/hello => !climbs",
    "a loophole: loophole==../victim loophole/file= => !climbs",
    // Links that lead out are refused there, and kept within the root here.
    "a link that climbs: dotdot->../victim/hello => dotdot->../victim/hello",
    "behind a slash, symbolic: dotdot->/../victim/hello => dotdot->/../victim/hello",
    "writing through it: loophole->../victim loophole/file=x => loophole->../victim victim/ victim/file=x",
    "reading through it: loophole->../victim symlink->loophole/hello => loophole->../victim symlink->loophole/hello",
    "linking through it: loophole->../victim hardlink==loophole/hello => !nothing is there",
    "replacing it: loophole->../victim loophole=x => loophole=x",
    "deeper: dir/loophole->../../victim dir/loophole/new/file=x \
        => dir/ dir/loophole->../../victim victim/ victim/new/ victim/new/file=x",
    "a hard link to a link: s1->regfile s2==s1 regfile=x => regfile=x s1->regfile s2==s1",
    "whiteouts, first: .baz= bar/ bar/bax= bar/bay/ baz= foo/ foo/.abc= foo/.bcd/ foo/.bcd/a= foo/cde/ foo/cde/def= foo/fgh= fb= \
        ; .bay= .wh.baz= foo/ foo/.bce= foo/.wh..wh..opq= foo/cde/ foo/cde/efg= \
        => .bay= .baz= bar/ bar/bax= bar/bay/ fb= foo/ foo/.bce= foo/cde/ foo/cde/efg=",
    "whiteouts, second: .baz= bar/bax= fb= foo/ foo/.bce= foo/cde/ foo/cde/efg= \
        ; .bay= .wh..baz= .wh.fb= foo/ foo/.abc= foo/.wh.cde= bar/ => .bay= bar/ bar/bax= foo/ foo/.abc= foo/.bce=",
    "whiteouts, third: .bay= bar/bax= foo/.bce= ; .abc= .wh..wh..opq= fb= => .abc= fb=",
];

const GO_CONTAINERREGISTRY: &[&str] = &[
    "whiteouts: foo=x bar=y ; .wh.foo= => bar=y",
    "of directories: baz/foo= baz/bar/foo= red/blue/x= red/green= red/y= usr/bin= ; .wh.baz= red/.wh.blue= \
        => red/ red/green= red/y= usr/ usr/bin=",
    "overwritten: foo.txt=foo ; foo.txt=bar => foo.txt=bar",
    "all there is: app/ app/bin/ app/nm/ app/nm/.bin/ restricted/ app/main.js=m app/bin/run.sh=r restricted/key=k \
        app/nm/.bin/acorn->../acorn/bin/acorn app/link->/app/main.js app/modules->nm app/hard.js==app/main.js \
        => app/ app/bin/ app/bin/run.sh=r app/hard.js=m app/link->/app/main.js app/main.js==app/hard.js app/modules->nm app/nm/ \
        app/nm/.bin/ app/nm/.bin/acorn->../acorn/bin/acorn restricted/ restricted/key=k",
    "a replaced target of hard links: t2=123 ; t1==t2 t3==t1 ; t1=456 => t1=456 t2=123 t3==t2",
];

fn item(text: &str) -> Item {
    let pair = |between| text.split_once(between);
    if let Some((name, target)) = pair("->") {
        symlink(name, target)
    } else if let Some((name, target)) = pair("==") {
        hardlink(name, target)
    } else if let Some((name, content)) = pair("=") {
        file(name, content)
    } else if let Some(name) = text.strip_suffix('|') {
        fifo(name)
    } else {
        dir(text.strip_suffix('/').expect("one of the kinds of entries"))
    }
}

/// A line of the tree in the words of the rows; without modes, owners and times.
fn shown(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        [path, "->", target] => format!("{path}->{target}"),
        [path, "=", target] => format!("{path}=={target}"),
        [path, ..] if path.ends_with('/') => path.to_owned(),
        [path, ..] => format!("{path}={}", words.get(4).unwrap_or(&"")),
        [] => unreachable!("split gives one word at least"),
    }
}

#[test]
fn the_rows_of_all_peers() {
    let mut problems = Vec::new();
    for (peer, rows) in
        [("umoci", UMOCI), ("containerd", CONTAINERD), ("moby", MOBY), ("go-containerregistry", GO_CONTAINERREGISTRY)]
    {
        for row in rows {
            let (_, row) = row.split_once(": ").unwrap();
            let (layers, expected) = row.split_once("=> ").unwrap();
            let layers = layers.split(" ; ").map(|layer| layer.split_whitespace().map(item).collect::<Vec<_>>());
            let image = layers.fold(TestImage::new(), |image, layer| image.layer_bytes(layer_tar(layer)));
            let run = imgtar(["convert", "-q", "--to", "rootfs"]).stdin(Shape::Oci.save_one(&image).bytes()).run();
            let found = match run.code {
                0 => {
                    Rootfs::written(&run.stdout).listing().iter().map(|line| shown(line)).collect::<Vec<_>>().join(" ")
                }
                code => format!("{code}: {}", run.stderr),
            };
            let is_right = match expected.strip_prefix('!') {
                Some(text) => found.starts_with("3: ") && found.contains(text),
                None => found == expected.split_whitespace().collect::<Vec<_>>().join(" "),
            };
            if !is_right {
                problems.push(format!("{peer}: {row}\n  {found}"));
            }
        }
    }
    assert!(problems.is_empty(), "{} rows:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn archives_that_go_containerregistry_refuses() {
    let links = [("manifest.json", "config.json"), ("config.json", "manifest.json")];
    let cycle = links.into_iter().fold(Tarball::default(), |mut tar, (name, target)| {
        tar.push(name, Kind::Symlink(target.to_owned()));
        tar
    });
    let too_few = TestImage::demo("app:1").key("rootfs", json!({"type": "layers", "diff_ids": []}));
    for (archive, text) in [
        (cycle, "cycle"),
        (Tarball::default().with("manifest.json", "null"), "it is null"),
        (Tarball::default().with("README", ""), "not an image archive"),
        (Shape::Crane.save_one(&too_few), "does not list as many layers"),
    ] {
        refuse(&archive.bytes(), Target::Oci, &[], 3).says([text]);
    }
}
