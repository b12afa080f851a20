"""Images that are large and cost nothing: one file that is a hole, many files that are empty, or many layers.

Archives of plain layers as `docker save` of today writes them. What is already there is kept.
"""

import hashlib
import io
import json
import tarfile

BLOCK = 512
END = bytes(2 * BLOCK)
NAME_LENGTH = 100
CHECKSUM = slice(148, 156)


def hole(path, size):
    """An image with one file of `size` bytes."""

    def write(layer):
        header = tarfile.TarInfo("hole")
        header.size = size
        layer.write(header.tobuf(tarfile.PAX_FORMAT))
        layer.skip(size + -size % BLOCK)
        layer.write(END)

    image(path, write)


def files(path, count):
    """An image with `count` empty files, a thousand in each directory."""

    def write(layer):
        file = Header(tarfile.REGTYPE)
        directory = Header(tarfile.DIRTYPE)
        for number in range(count):
            parent = f"directory-with-a-name-{number // 1000:04}/"
            if number % 1000 == 0:
                layer.write(directory.named(parent))
            layer.write(file.named(f"{parent}a-file-whose-name-is-as-long-as-usual-{number % 1000:03}"))
        layer.write(END)

    image(path, write)


def layers(path, count):
    """An image with `count` layers of one empty file each."""
    if path.exists():
        return
    partial = path.with_suffix(".partial")
    with open(partial, "wb") as file:
        names, diff_ids = [], []
        header = Header(tarfile.REGTYPE)
        for number in range(count):
            layer = header.named(f"file-{number}") + END
            diff_ids.append(f"sha256:{hashlib.sha256(layer).hexdigest()}")
            names.append(f"{number}/layer.tar")
            member(file, names[-1], layer)
        documents(file, names, diff_ids)
    partial.rename(path)


class Header:
    """Headers that differ in their names only; a million of them by way of `tarfile` would take a minute."""

    def __init__(self, kind):
        header = tarfile.TarInfo("")
        header.type = kind
        block = header.tobuf(tarfile.USTAR_FORMAT)
        self.before = block[NAME_LENGTH : CHECKSUM.start]
        self.after = block[CHECKSUM.stop :]
        self.sum = sum(self.before) + sum(b" " * 8) + sum(self.after)

    def named(self, name):
        name = name.encode()
        checksum = b"%06o\0 " % (self.sum + sum(name))
        return name.ljust(NAME_LENGTH, b"\0") + self.before + checksum + self.after


class Layer:
    """A layer as it is written into an archive, holes left out; its diff_id counts them."""

    def __init__(self, file):
        self.file = file
        self.hasher = hashlib.sha256()

    def write(self, data):
        self.hasher.update(data)
        self.file.write(data)

    def skip(self, size):
        zeros = bytes(1 << 20)
        for _ in range(size // len(zeros)):
            self.hasher.update(zeros)
        self.hasher.update(zeros[: size % len(zeros)])
        self.file.seek(size, io.SEEK_CUR)


def image(path, write):
    if path.exists():
        return
    partial = path.with_suffix(".partial")
    with open(partial, "wb") as file:
        # The layer first, so that its size is known when its header is written.
        file.seek(3 * BLOCK)
        layer = Layer(file)
        write(layer)
        header = tarfile.TarInfo("layer.tar")
        header.size = file.tell() - 3 * BLOCK
        documents(file, ["layer.tar"], [f"sha256:{layer.hasher.hexdigest()}"])
        file.seek(0)
        # A PAX record for the size, whatever the size is: the header then always takes three blocks.
        header.pax_headers["size"] = str(header.size)
        file.write(header.tobuf(tarfile.PAX_FORMAT))
    partial.rename(path)


def documents(file, layers, diff_ids):
    """What makes an archive of the members `layers`, and its end."""
    rootfs = {"type": "layers", "diff_ids": diff_ids}
    config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}
    manifest = [{"Config": "config.json", "RepoTags": ["scale:1"], "Layers": layers}]
    member(file, "config.json", json.dumps(config).encode())
    member(file, "manifest.json", json.dumps(manifest).encode())
    file.write(END)


def member(file, name, data):
    header = tarfile.TarInfo(name)
    header.size = len(data)
    file.write(header.tobuf(tarfile.USTAR_FORMAT))
    file.write(data)
    file.write(bytes(-len(data) % BLOCK))
