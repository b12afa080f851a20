"""Whether two programs made the same of an image. Reads archives with Python's own `tarfile`, never with imgtar."""

import hashlib
import json
import os
import stat
import subprocess
import tarfile
import threading

DECODERS = {b"\x1f\x8b": ("gzip", "-dc"), b"\x28\xb5": ("zstd", "-dcq")}
BLOCK = 1 << 20


def difference(one, other):
    """None if the two are equal, else the first thing that is not."""
    for key in sorted(one.keys() | other.keys()):
        if one.get(key) != other.get(key):
            return f"{key}: {one.get(key)} and {other.get(key)}"
    return None


def content(path):
    with open(path, "rb") as file:
        return {"content": hashlib.file_digest(file, "sha256").hexdigest()}


# --- images ------------------------------------------------------------------------------------------------------------


def image(path):
    """What an archive says and holds of its image: the diff_ids of the layers as they are, and the config's meaning."""
    with open(path, "rb") as file:
        reader = Members(file)
        config, layers = parts(reader)
        config = json.loads(reader.whole(config))
        found = [diff_id(reader, layer) for layer in layers]
    if config["rootfs"]["diff_ids"] != found:
        raise ValueError(f"{path}: the config promises {config['rootfs']['diff_ids']}, the layers are {found}")
    # Some leave out what is empty.
    return {"diff_ids": found, **{key: config.get(key) or None for key in ("architecture", "os", "config", "created")}}


def image_id(path):
    with open(path, "rb") as file:
        reader = Members(file)
        config, _ = parts(reader)
        return hashlib.sha256(reader.whole(config)).hexdigest()


class Members:
    """The files of a tar by name, symbolic links followed."""

    def __init__(self, file):
        self.file = file
        with tarfile.open(fileobj=file) as archive:
            self.members = {os.path.normpath(member.name): member for member in archive}

    def __contains__(self, name):
        return name in self.members

    def member(self, name):
        found = self.members[os.path.normpath(name)]
        if found.issym():
            return self.member(os.path.join(os.path.dirname(found.name), found.linkname))
        return found

    def blocks(self, name):
        member = self.member(name)
        self.file.seek(member.offset_data)
        left = member.size
        while left > 0:
            block = self.file.read(min(left, BLOCK))
            if not block:
                raise ValueError(f"{self.file.name}: {name}: {left} bytes are missing")
            left -= len(block)
            yield block

    def whole(self, name):
        return b"".join(self.blocks(name))


def parts(reader):
    """The names of the config and of the layers, of the first image if there are more."""
    if "index.json" in reader:
        manifest = json.loads(reader.whole(blob(json.loads(reader.whole("index.json"))["manifests"][0])))
        return blob(manifest["config"]), [blob(layer) for layer in manifest["layers"]]
    [item] = json.loads(reader.whole("manifest.json"))
    return item["Config"], item["Layers"]


def blob(descriptor):
    return "blobs/" + descriptor["digest"].replace(":", "/")


def diff_id(reader, name):
    hasher = hashlib.sha256()
    blocks = reader.blocks(name)
    first = next(blocks)
    if first[:2] in DECODERS:
        blocks = decoded(DECODERS[first[:2]], first, blocks)
        first = b""
    hasher.update(first)
    for block in blocks:
        hasher.update(block)
    return f"sha256:{hasher.hexdigest()}"


def decoded(argv, first, rest):
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as decoder:

        def feed():
            with decoder.stdin as stdin:
                stdin.write(first)
                for block in rest:
                    stdin.write(block)

        feeder = threading.Thread(target=feed)
        feeder.start()
        while block := decoder.stdout.read(BLOCK):
            yield block
        feeder.join()
    if decoder.returncode != 0:
        raise ValueError(f"{argv[0]}: status {decoder.returncode}")


# --- file trees --------------------------------------------------------------------------------------------------------

KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "link",
    tarfile.FIFOTYPE: "fifo",
    tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "device",
}


def tree(path):
    return tree_of_directory(path) if path.is_dir() else tree_of_tar(path)


def tree_of_tar(path):
    """Each path of a tar: kind, mode, owner, time but of directories, and content or target."""
    tree = {}
    with tarfile.open(path) as archive:
        for member in archive:
            name = os.path.normpath(member.name)
            if member.islnk():
                tree[name] = tree[os.path.normpath(member.linkname)]
            elif name != ".":
                tree[name] = entry(
                    KINDS[member.type], member.mode, member.uid, member.gid, member.mtime, tar_content(archive, member)
                )
    return tree


def tar_content(archive, member):
    if member.issym():
        return member.linkname
    return hashlib.file_digest(archive.extractfile(member), "sha256").hexdigest() if member.isreg() else ""


def tree_of_directory(top):
    """The same of a directory."""
    tree = {}
    for directory, names, files in os.walk(top):
        for name in names + files:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            kind = kind_of(status.st_mode)
            tree[os.path.relpath(path, top)] = entry(
                kind, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime, file_content(path, kind)
            )
    return tree


def kind_of(mode):
    tests = {"file": stat.S_ISREG, "directory": stat.S_ISDIR, "link": stat.S_ISLNK, "fifo": stat.S_ISFIFO}
    return next((kind for kind, test in tests.items() if test(mode)), "device")


def file_content(path, kind):
    if kind == "link":
        return os.readlink(path)
    return content(path)["content"] if kind == "file" else ""


def entry(kind, mode, uid, gid, mtime, content):
    # Programs disagree on the time of a directory that several layers write to, and on the mode of a link.
    return (
        kind,
        None if kind == "link" else oct(mode & 0o7777),
        (uid, gid),
        None if kind in ("directory", "link") else int(mtime),
        content,
    )
