"""What is measured: imgtar's jobs, and who else does them."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import agree
import machine
import scale


@dataclass(frozen=True)
class Peer:
    name: str
    argv: list
    most: float | None = None  # imgtar's wall time as a share of this one's
    size: float | None = None  # imgtar's output as a share of this one's
    out: Path | None = None  # what it writes, where that is to be compared


@dataclass(frozen=True)
class Job:
    name: str
    argv: list
    source: Path
    out: Path
    facts: Callable  # what of the output is to be the same of a peer's
    peers: list


@dataclass(frozen=True)
class Places:
    """Where everything is. `mine` and `theirs` are the two outputs, `work` a directory for what a peer keeps."""

    imgtar: str
    images: Path
    work: Path

    @property
    def mine(self):
        return self.work / "mine"

    @property
    def theirs(self):
        return self.work / "theirs"

    @property
    def tmpdir(self):
        return self.work / "tmp"

    @property
    def layout(self):
        """The image with gzip layers as a directory, for umoci."""
        return self.work / "layout"

    @property
    def layers(self):
        """Its layers, each a file; the lowest first."""
        [manifest] = json.loads((self.layout / "index.json").read_bytes())["manifests"]
        layers = json.loads((self.layout / agree.blob(manifest)).read_bytes())["layers"]
        return [self.layout / agree.blob(layer) for layer in layers]

    @property
    def plain(self):
        """Where the image's layers lie as plain files."""
        return self.work / "plain"

    def image(self, form):
        return self.images / f"{form}.tar"


# Conversions of a small archive in one measurement.
REPEATS = 200

# The jobs that copy layers as they are.
KEPT = ("oci-oci", "docker-oci", "docker-oci-digests", "legacy-oci")


def pairs(places):
    """What others do too."""
    converted = [*blob_jobs(places), *layer_jobs(places), *rootfs_jobs(places)]
    return converted + [piped(places, job) for job in converted] + small_jobs(places)


def blob_jobs(at):
    """Layers stay as they are: the cost is reading, checking and writing."""
    gzip, legacy, docker = at.image("oci-gzip"), at.image("legacy"), at.image("docker-gzip")
    recompressed = skopeo(at, f"docker-archive:{docker}", "oci-archive")
    return [
        convert(at, "oci-oci", gzip, "oci", [], agree.image, [
            skopeo(at, f"oci-archive:{gzip}", "oci-archive", most=0.14), copied(at, gzip, 1.6),
            by_hand(at, gzip, at.layers),
        ]),
        convert(at, "docker-oci", docker, "oci", [], agree.image, [limited(recompressed, 0.12), decoded(at)]),
        convert(at, "docker-oci-digests", docker, "oci", ["--verify", "digests"], agree.image, [
            limited(recompressed, 0.02), copied(at, docker),
        ]),
        convert(at, "legacy-oci", legacy, "oci", [], agree.image, [
            skopeo(at, f"docker-archive:{legacy}", "oci-archive", ["--dest-oci-accept-uncompressed-layers"], most=0.13),
            copied(at, legacy, 1.5), by_hand(at, legacy, at.plain.iterdir()),
        ]),
    ]


def layer_jobs(at):
    """Layers are decoded or encoded."""
    legacy, docker, zstd = at.image("legacy"), at.image("docker-gzip"), at.image("oci-zstd")
    compressed = skopeo(at, f"docker-archive:{legacy}", "oci-archive")
    return [
        convert(at, "docker-legacy", docker, "legacy", [], agree.image, [
            skopeo(at, f"docker-archive:{docker}", "docker-archive", most=0.13), decoded(at, 0.42), podman(at, docker),
        ]),
        convert(at, "legacy-oci-gzip", legacy, "oci", ["--compress", "gzip"], agree.image, [limited(compressed, 0.70, 1.01)]),
        convert(at, "legacy-oci-fast", legacy, "oci", ["--compress", "gzip:1"], agree.image, [limited(compressed, 0.50, 1.03)]),
        convert(at, "legacy-oci-zstd", legacy, "oci", ["--compress", "zstd"], agree.image, [
            skopeo(at, f"docker-archive:{legacy}", "oci-archive", ["--dest-compress-format", "zstd"], most=0.68, size=1.0),
        ]),
        # skopeo writes no docker-archive of compressed layers; the same layers in an oci-archive are the nearest.
        convert(at, "zstd-docker", zstd, "docker", [], agree.image, [
            skopeo(at, f"oci-archive:{zstd}", "oci-archive", ["--dest-compress-format", "gzip"], most=0.5, size=1.0),
        ]),
    ]


def rootfs_jobs(at):
    docker, legacy = at.image("docker-gzip"), at.image("legacy")
    return [
        convert(at, "docker-rootfs", docker, "rootfs", [], agree.tree, [
            crane(at, docker, 0.26), undocker(at, docker, 0.17), umoci(at, "unpack", 0.075), umoci(at, "raw unpack"),
            decoded(at, 0.60), tar(at),
        ]),
        convert(at, "legacy-rootfs", legacy, "rootfs", [], agree.tree, [
            crane(at, legacy, 0.33), undocker(at, legacy, 0.38), copied(at, at.mine, 2.0),
        ]),
    ]


def small_jobs(at):
    """What starting costs, and what each layer costs. What is there is replaced: the archive is converted again and again."""
    small, layers = scaled(at, "1MiB", scale.hole, 1 << 20), scaled(at, "1000-layers", scale.layers, 1000)
    skopeo_plain = ["oci-archive", ["--dest-oci-accept-uncompressed-layers"]]
    return [
        repeated(convert(at, "small-oci", small, "oci", ["--force"], agree.image, [
            skopeo(at, f"docker-archive:{small}", *skopeo_plain, most=0.5),
        ])),
        repeated(convert(at, "small-rootfs", small, "rootfs", ["--force"], agree.tree, [crane(at, small, 1)])),
        convert(at, "layers-oci", layers, "oci", [], agree.image, [
            skopeo(at, f"docker-archive:{layers}", *skopeo_plain, most=0.5),
        ]),
    ]


# --- without a peer ----------------------------------------------------------------------------------------------------

GIB = 1 << 30


@dataclass(frozen=True)
class Alone:
    """A job that has no peer but a promise: this many seconds at most, or that the cost grows with `amount` alone."""

    name: str
    argv: list
    image: Path
    most: float | None = None
    amount: float | None = None
    unit: str = ""


def answers(at):
    """Commands whose cost has nothing to do with the size of layers."""
    huge, many = scaled(at, "20GiB", scale.hole, 20 * GIB), scaled(at, "1000000", scale.files, 1000000)
    real = [at.image(form) for form in ("legacy", "docker-gzip", "oci-gzip", "oci-plain", "oci-zstd")]
    for image in [*real, huge, many]:
        yield Alone("inspect", [at.imgtar, "inspect", image], image, most=0.05)
    for image in [real[0], huge, many]:
        entries = sum(entries for _, entries in machine.layers(image))
        yield Alone("ls", [at.imgtar, "ls", image], image, most=0.05 + 2e-6 * entries)


def growth(at):
    """Conversions to nowhere, of more and more."""
    for target in ("oci", "docker", "rootfs"):
        for size in (1, 5, 20):
            yield grown(at, target, scaled(at, f"{size}GiB", scale.hole, size * GIB), size, "GiB")
    for target in ("oci", "rootfs"):
        for count in (100000, 300000, 1000000):
            yield grown(at, target, scaled(at, str(count), scale.files, count), count / 1e6, "million entries")


def grown(at, target, image, amount, unit):
    return Alone(f"to {target}", [at.imgtar, "convert", "--quiet", image, "--to", target], image, None, amount, unit)


def scaled(at, name, make, amount):
    image = at.image(f"scale-{name}")
    make(image, amount)
    return image


# --- imgtar ------------------------------------------------------------------------------------------------------------


def convert(at, name, image, target, flags, facts, peers):
    argv = [at.imgtar, "convert", "--quiet", image, "--to", target, *flags, "--output", at.mine]
    return Job(name, argv, image, at.mine, facts, peers)


def piped(at, job):
    """The same job with `cat` before and after, against itself from file to file."""
    *command, _ = ["-" if word == job.source else word for word in job.argv[:-1]]
    script = 'cat "$1" | "${@:3}" | cat >"$2"'
    argv = ["bash", "-o", "pipefail", "-c", script, "-", job.source, at.mine, *command]
    most = 3 if job.name in KEPT else 1.5
    from_file = Peer("file to file", [*job.argv[:-1], at.theirs], most, out=at.theirs)
    return Job(f"{job.name}-piped", argv, job.source, at.mine, agree.content, [from_file])


def repeated(job):
    """The same job many times in the loop of a shell, and what its peers do too."""
    script = f'for n in {{1..{REPEATS}}}; do "$@" || exit; done'
    again = lambda argv: ["bash", "-c", script, "-", *argv]
    peers = [replace(peer, argv=again(peer.argv)) for peer in job.peers]
    return replace(job, argv=again(job.argv), peers=peers)


# --- the others --------------------------------------------------------------------------------------------------------


def skopeo(at, source, target, flags=(), **limits):
    argv = ["skopeo", "--tmpdir", at.tmpdir, "copy", "--quiet", *flags, source, f"{target}:{at.theirs}:bench:1"]
    return Peer(f"skopeo to {target}", argv, out=at.theirs, **limits)


def limited(peer, most, size=None):
    return replace(peer, most=most, size=size)


def podman(at, source):
    """What loads and saves: a store is made for the image, and goes with the temporary files."""
    podman = 'podman --root "$TMPDIR/root" --runroot "$TMPDIR/run" --storage-driver overlay'
    script = f'{podman} load --quiet --input "$1" && {podman} save --quiet --format docker-archive --output "$2" bench:1'
    return Peer("podman load, save", ["bash", "-c", script, "-", source, at.theirs], out=at.theirs)


def crane(at, source, most):
    return Peer("crane export", ["bash", "-c", 'crane export - "$2" <"$1"', "-", source, at.theirs], most, out=at.theirs)


def undocker(at, source, most):
    return Peer("undocker", ["undocker", source, at.theirs], most, out=at.theirs)


def umoci(at, command, most=None):
    inside = "rootfs" if command == "unpack" else "."
    argv = ["umoci", *command.split(), "--image", f"{at.layout}:bench:1", at.theirs]
    return Peer(f"umoci {command}", argv, most, out=at.theirs / inside)


def tar(at):
    """The layers over each other by hand; whiteouts are not obeyed, so that the result is another."""
    script = 'mkdir "$TMPDIR/root" && for layer in "${@:2}"; do tar -C "$TMPDIR/root" -xzf "$layer" || exit; done &&'
    script += ' tar -C "$TMPDIR/root" -cf "$1" .'
    return Peer("tar -x, tar -c", ["bash", "-c", script, "-", at.theirs, *at.layers])


def decoded(at, most=None):
    return Peer("pigz -dc", ["pigz", "-dc", *at.layers], most)


def copied(at, source, most=None):
    """A real copy, also where the file system could share the blocks."""
    return Peer("cp", ["cp", "--reflink=never", source, at.theirs], most)


def by_hand(at, source, layers):
    """The same work by the quickest programs for it: a copy, and beside it the digests, the largest layer's first."""
    script = 'cp --reflink=never "$1" "$2" & printf "%s\\0" "${@:3}" |'
    script += ' xargs -0 -n 1 -P "$(nproc)" openssl dgst -sha256 && wait "$!"'
    layers = sorted(layers, key=lambda layer: layer.stat().st_size, reverse=True)
    return Peer("openssl dgst, cp", ["bash", "-o", "pipefail", "-c", script, "-", source, at.theirs, *layers])
