"""What one run of a program costs, as the kernel and GNU time tell it."""

import os
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

# Not this interpreter's memory is to be seen in `ru_maxrss`, which a child inherits across exec: GNU time is small.
TIME = "/usr/bin/time"
SAMPLE_EVERY = 0.01


class Failed(Exception):
    """A program that ended with another status than 0, with the last that it said."""


@dataclass(frozen=True)
class Sample:
    wall: float  # seconds
    cpu: float  # seconds, user and system, of all processes of the run
    peak: int  # bytes resident, of the largest process


def run(argv, outputs, tmpdir):
    """One run, from the fork to the end of the last process; what `outputs` names is removed before."""
    for path in outputs:
        remove(path)
    peak = tmpdir.with_name("peak")
    log = tmpdir.with_name("log")
    # Nobody pays for what another wrote.
    os.sync()
    with open(log, "wb") as stderr:
        start = time.perf_counter()
        child = subprocess.Popen(
            [TIME, "--quiet", "-f", "%M", "-o", peak, *map(str, argv)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env={**os.environ, "TMPDIR": str(tmpdir)},
            process_group=0,
        )
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:  # interrupted
            os.killpg(child.pid, signal.SIGTERM)
            raise
        wall = time.perf_counter() - start
    clear(tmpdir)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        said = log.read_text(errors="replace").strip().splitlines()[-3:]
        raise Failed(f"{' '.join(map(str, argv))}: status {child.returncode}: {' '.join(said)}")
    return Sample(wall, usage.ru_utime + usage.ru_stime, int(peak.read_text()) << 10)


def run_watched(argv, outputs, tmpdir):
    """A run that is not timed, and the most bytes that its temporary files took, unlinked ones too."""
    most = 0
    done = threading.Event()

    def watch():
        nonlocal most
        while not done.wait(SAMPLE_EVERY):
            most = max(most, temporary_bytes(tmpdir))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        run(argv, outputs, tmpdir)
    finally:
        done.set()
        watcher.join()
    return most


def temporary_bytes(tmpdir):
    files = {}
    for directory, _, names in os.walk(tmpdir):
        for name in names:
            note(files, os.path.join(directory, name))
    for pid in descendants(os.getpid()):
        for link in listed(f"/proc/{pid}/fd"):
            if opened(link).startswith(f"{tmpdir}/"):
                note(files, link)
    return sum(files.values())


def note(files, path):
    try:
        status = os.stat(path)
    except OSError:  # it was there a moment ago
        return
    files[status.st_dev, status.st_ino] = status.st_blocks * 512


def descendants(pid):
    for task in listed(f"/proc/{pid}/task"):
        try:
            children = Path(task, "children").read_text().split()
        except OSError:
            continue
        for child in children:
            yield child
            yield from descendants(child)


def listed(directory):
    try:
        return [os.path.join(directory, name) for name in os.listdir(directory)]
    except OSError:
        return []


def opened(link):
    try:
        return os.readlink(link)
    except OSError:
        return ""


def clear(directory):
    for path in directory.iterdir():
        remove(path)


def remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def size(path):
    """The bytes of a file, or of all files below a directory."""
    if path.is_dir():
        return sum(os.lstat(os.path.join(base, name)).st_size for base, _, names in os.walk(path) for name in names)
    return path.stat().st_size


def warm(path):
    """Reads a file once, so that nobody pays for the disk."""
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 20):
            pass
