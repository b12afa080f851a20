"""On what the figures were taken, and of what."""

import os
import platform
import shutil
import subprocess
import tarfile
from pathlib import Path

# The first line that tells each program's version.
VERSIONS = {
    "skopeo": ["skopeo", "--version"],
    "umoci": ["umoci", "--version"],
    "podman": ["podman", "--version"],
    "crane": ["crane", "version"],
    "undocker": ["undocker", "-version"],
    "pigz": ["pigz", "--version"],
    "tar": ["tar", "--version"],
    "cp": ["cp", "--version"],
    "openssl": ["openssl", "version"],
    "bash": ["bash", "--version"],
}


def describe(places):
    """The lines that stand above the figures."""
    sizes = [f"{size / 1e6:.0f} MB in {entries} entries" for size, entries in layers(places.image("plain"))]
    yield f"- image: {len(sizes)} layers of {', '.join(sizes)}; gzip {places.image('oci-gzip').stat().st_size / 1e6:.0f} MB"
    yield (
        f"- machine: {processor()}, {os.cpu_count()} cores, {memory()}, Linux {platform.release()}, "
        f"{filesystem(places.work)}"
    )
    versions = [first_line([places.imgtar, "--version"])]
    for name, argv in VERSIONS.items():
        if shutil.which(name):
            line = first_line(argv)
            # Some print the number alone.
            versions.append(line if name in line.lower() else f"{name} {line}")
    yield f"- programs: {'; '.join(versions)}"
    missing = [name for name in VERSIONS if not shutil.which(name)]
    if missing:
        yield f"- not here: {', '.join(missing)}"


def layers(image):
    """The plain layers of a docker archive: bytes and entries of each."""
    with tarfile.open(image) as archive:
        for member in archive:
            if member.name.endswith(".tar"):
                with tarfile.open(fileobj=archive.extractfile(member)) as layer:
                    yield member.size, sum(1 for _ in layer)


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.machine()


def memory():
    return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB"


def filesystem(path):
    return first_line(["findmnt", "--noheadings", "--output", "FSTYPE", "--target", path])


def first_line(argv):
    answer = subprocess.run(argv, capture_output=True, text=True, check=False)
    return (answer.stdout or answer.stderr).strip().partition("\n")[0]
