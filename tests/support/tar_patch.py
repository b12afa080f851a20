"""Applies a tar-diff by the format's own page (containers/tar-diff, file-format.md) and nothing else.

    tar_patch.py ROOTFS.tar DIFF > LAYER.tar

ROOTFS.tar is the old image flattened. zstd of the system decompresses.
"""

import os
import subprocess
import sys
import tarfile
import tempfile


def zstd(frame, *options):
    return subprocess.run(["zstd", "-dcq", "--memory=2048MB", *options], input=frame, stdout=subprocess.PIPE, check=True).stdout


def frame_of(payload, dictionary):
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "dictionary")
        with open(path, "wb") as file:
            file.write(dictionary)
        return zstd(payload, f"--patch-from={path}")


def varint(bytes, place):
    value = shift = 0
    while True:
        byte = bytes[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def apply(old, diff, out):
    magic, operations, place = diff[:8], zstd(diff[8:]), 0
    assert magic in (b"tardf1\n\0", b"tardf2\n\0"), magic
    source, position = None, 0
    while place < len(operations):
        number = operations[place]
        size, place = varint(operations, place + 1)
        payload = operations[place : place + size] if number in (0, 1, 3, 5) else b""
        place += len(payload)
        if number == 0:
            out.write(payload)
        elif number == 1:
            name = payload.decode()
            source, position = old.extractfile(name if name in old.getnames() else f"./{name}").read(), 0
        elif number == 2:
            assert position + size <= len(source)
            out.write(source[position : position + size])
        elif number == 3:
            assert position + size <= len(source)
            out.write(bytes((a + b) & 0xFF for a, b in zip(source[position:], payload)))
        elif number == 4:
            position = size
        elif number == 5 and magic == b"tardf2\n\0":
            out.write(frame_of(payload, source))
        else:
            raise ValueError(f"operation {number}")
        if number in (2, 3):
            position += size


if __name__ == "__main__":
    with tarfile.open(sys.argv[1]) as old, open(sys.argv[2], "rb") as diff:
        apply(old, diff.read(), sys.stdout.buffer)
