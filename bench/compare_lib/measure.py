# SPDX-License-Identifier: Apache-2.0
"""Running a command and knowing what it cost, on equal terms for every tool.

Nothing here knows which tool is measured. Everything that reads whole trees (warming, hashing) runs in
a pool of child processes, so that this process stays small: Linux counts the memory of the parent at
the moment of the fork into a child's peak, which makes our own size the floor of what we can measure.
"""

import hashlib
import multiprocessing
import os
import signal
import stat
import subprocess
import time

READ_BYTES = 1 << 20


class CommandFailed(Exception):
    """A command that was to be measured, or to prepare a measurement, did not exit with 0."""


class WrongRestore(Exception):
    """A tool restored something other than what it backed up."""


def run_measured(argv, env, cwd, log_path):
    """Runs argv to its end. Returns seconds, CPU seconds, peak resident bytes, the CPU seconds that went to
    anything else meanwhile (kernel threads too), and the seconds that the kernel then needed to write out
    what the command left in the page cache (not part of `seconds`)."""
    with open(log_path, "ab") as log:
        log.write(("$ " + " ".join(argv) + "\n").encode())
        log.flush()
        busy_before = busy_cpu_seconds()
        begin = time.perf_counter()
        process = subprocess.Popen(argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:  # we are to end: not without the child, which may hold the mount
            process.kill()
            process.wait()
            raise
        seconds = time.perf_counter() - begin
        busy = busy_cpu_seconds() - busy_before
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise CommandFailed(f"exit status {process.returncode}: {tail(log_path)}")
    begin = time.perf_counter()
    os.sync()
    return {
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "other_cpu_seconds": max(0.0, busy - usage.ru_utime - usage.ru_stime),
        "rss_bytes": usage.ru_maxrss * 1024,
        "flush_seconds": time.perf_counter() - begin,
    }


def busy_cpu_seconds():
    """What all processors of the machine have spent since boot on anything, stolen time included."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _idle, _wait, irq, softirq, stolen = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + stolen) / os.sysconf("SC_CLK_TCK")


def run_quietly(argv, env=None, cwd=None):
    """Runs a command that is not timed; returns what it printed."""
    done = subprocess.run(argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()[-600:]
        raise CommandFailed(f"{os.path.basename(argv[0])}: exit status {done.returncode}: {said}")
    return done.stdout.decode(errors="replace")


def tail(path, size_bytes_max=600):
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - size_bytes_max))
        return file.read().decode(errors="replace").strip()


# --- whole trees, read in parallel -------------------------------------------------------------------

def folders_of(root):
    """Every folder beneath root, root first, in an order that depends on the names alone."""
    pending = [root]
    while pending:
        folder = pending.pop()
        yield folder
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        pending.extend(os.path.join(folder, name) for name in sorted(names, reverse=True))


def read_file_into(path, buffer, digest=None):
    total = 0
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        while True:
            got = os.readv(descriptor, [buffer])
            if got == 0:
                return total
            total += got
            if digest is not None:
                digest.update(memoryview(buffer)[:got])
    finally:
        os.close(descriptor)


def read_folder(folder):
    """Reads every regular file right in `folder`; returns (files, bytes)."""
    buffer = bytearray(READ_BYTES)
    files = total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                files += 1
                total += read_file_into(entry.path, buffer)
    return files, total


def digest_folder(task):
    """Digests what stands right in a folder: (entries, digest of names and contents, digest of metadata)."""
    root, folder = task
    buffer = bytearray(READ_BYTES)
    content = hashlib.sha256(os.path.relpath(folder, root).encode(errors="surrogateescape"))
    metadata = hashlib.sha256()
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: os.fsencode(entry.name))
    for entry in ordered:
        status = entry.stat(follow_symlinks=False)
        kind = stat.S_IFMT(status.st_mode)
        content.update(b"\0%o\0%s\0" % (kind, os.fsencode(entry.name)))
        if kind == stat.S_IFREG:
            one = hashlib.sha256()
            content.update(b"%d" % read_file_into(entry.path, buffer, one) + one.digest())
            metadata.update(b"%o %d %d %d;" % (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns))
        elif kind == stat.S_IFLNK:
            content.update(os.fsencode(os.readlink(entry.path)))
    return len(ordered), content.digest(), metadata.digest()


def leave_signals_to_parent():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


class TreeReaders:
    """The pool of processes that read trees. Made once, while this process is still small."""

    def __init__(self):
        self.pool_ = multiprocessing.get_context("fork").Pool(os.cpu_count() or 2, leave_signals_to_parent)

    def close(self):
        self.pool_.terminate()

    def warm(self, root):
        """Reads all of root through the page cache; returns (folders, files, bytes)."""
        folders = files = total = 0
        for got_files, got_bytes in self.pool_.imap_unordered(read_folder, folders_of(root), chunksize=8):
            folders += 1
            files += got_files
            total += got_bytes
        return folders, files, total

    def digest(self, root):
        """Returns entries and one digest each of names + contents and of the files' metadata."""
        entries = 0
        content, metadata = hashlib.sha256(), hashlib.sha256()
        tasks = ((root, folder) for folder in folders_of(root))
        for got, content_part, metadata_part in self.pool_.imap(digest_folder, tasks, chunksize=8):
            entries += got
            content.update(content_part)
            metadata.update(metadata_part)
        return {"entries": entries, "content": content.hexdigest(), "metadata": metadata.hexdigest()}

    def map(self, function, tasks):
        """Runs function over tasks; for those who make data."""
        yield from self.pool_.imap_unordered(function, tasks)


def stored_bytes(path):
    """What `du -sb` says: apparent sizes, folders included."""
    return int(run_quietly(["du", "-sb", path]).split()[0])


# --- a fresh file system for each restore -------------------------------------------------------------

class FreshFileSystem:
    """An ext4 in a fully written image, made anew at each `with`, behind a loop device with direct I/O.

    The image's blocks are written once before the first use and kept, so that no tool pays for, or
    gains from, the host's allocation. The kernel's lazy initialisation is switched off for the same reason.
    """

    def __init__(self, work, size_bytes, inodes):
        self.image_ = os.path.join(work, "restore.img")
        self.mount_point = os.path.join(work, "restore")
        self.size_bytes_ = -(-size_bytes // (64 << 20)) * (64 << 20)
        self.inodes_ = inodes
        self.device_ = None
        self.discard_leftovers()
        os.makedirs(self.mount_point, exist_ok=True)

    def discard_leftovers(self):
        """Frees what a run that was killed has left mounted."""
        if os.path.ismount(self.mount_point):
            run_quietly(["umount", self.mount_point])
        if os.path.exists(self.image_):
            for line in run_quietly(["losetup", "-j", self.image_]).splitlines():
                run_quietly(["losetup", "-d", line.split(":")[0]])

    def write_image(self):
        if os.path.exists(self.image_) and os.path.getsize(self.image_) == self.size_bytes_:
            return
        run_quietly(["dd", "if=/dev/zero", f"of={self.image_}", "bs=64M", "oflag=direct",
                     f"count={self.size_bytes_ // (64 << 20)}"])

    def remove(self):
        self.discard_leftovers()
        if os.path.exists(self.image_):
            os.unlink(self.image_)

    def __enter__(self):
        self.write_image()
        self.device_ = run_quietly(["losetup", "--find", "--show", "--direct-io=on", self.image_]).strip()
        try:
            run_quietly(["mkfs.ext4", "-q", "-F", "-N", str(self.inodes_), "-m", "0", "-E",
                         "nodiscard,lazy_itable_init=0,lazy_journal_init=0", self.device_])
            run_quietly(["mount", self.device_, self.mount_point])
            os.sync()
        except BaseException:
            self.discard_leftovers()
            raise
        return self.mount_point

    def __exit__(self, *_):
        run_quietly(["umount", self.mount_point])
        run_quietly(["losetup", "-d", self.device_])


# --- the machine ---------------------------------------------------------------------------------------

def first_match(path, prefix):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith(prefix):
                    return line.split(":", 1)[-1].split("=", 1)[-1].strip().strip('"')
    except OSError:
        pass
    return "unknown"


def describe_machine(work):
    memory_kib = first_match("/proc/meminfo", "MemTotal").split()[0]
    return {
        "cpu": first_match("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "ram_bytes": int(memory_kib) * 1024 if memory_kib.isdigit() else 0,
        "kernel": os.uname().release,
        "system": first_match("/etc/os-release", "PRETTY_NAME"),
        "file_system": run_quietly(["df", "--output=fstype", work]).splitlines()[-1].strip(),
        "disk": run_quietly(["df", "--output=source", work]).splitlines()[-1].strip(),
    }
