"""What the child process may do: little memory, little time, no file written, no socket, no core dump."""

import ctypes
import os
import platform
import resource
import struct
import sys

MEMORY = 4 << 30
"""Bytes of address space; the models with both engines and the reader map about 2 GiB of it."""
JOB_SECONDS = 60
LIFE_SECONDS = 1800

# Numbers of socket(2), socketpair(2) and connect(2), and AUDIT_ARCH, by machine.
_CALLS = {"x86_64": (0xC000003E, (41, 53, 42)), "aarch64": (0xC00000B7, (198, 199, 203))}


def close() -> None:
    """For the rest of this process. Called before a library is loaded or a byte from outside is read."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    # No file grows past 0 bytes: a template of a face cannot reach the disk, not even by a library's cache.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.addaudithook(_refuse_sockets)
    _forbid_sockets()


def next_job() -> None:
    """`JOB_SECONDS` of CPU from now on, within `LIFE_SECONDS` of the process; the kernel ends it after that."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(used.ru_utime + used.ru_stime)
    resource.setrlimit(resource.RLIMIT_CPU, (min(spent + JOB_SECONDS, LIFE_SECONDS), LIFE_SECONDS))


def _refuse_sockets(event: str, _: object) -> None:
    if event.startswith("socket."):
        raise PermissionError("no network here")


def _forbid_sockets() -> None:
    """A seccomp filter: socket, socketpair and connect answer EACCES, from native code too. Elsewhere than on Linux
    on x86-64 or ARM64 the audit hook alone stands."""
    known = _CALLS.get(platform.machine())
    if not sys.platform.startswith("linux") or known is None:
        return
    arch, calls = known
    load, equal, give = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
    allow, refuse = 0x7FFF0000, 0x00050000 | 13  # SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO | EACCES
    steps = [(load, 0, 0, 4), (equal, 0, len(calls) + 1, arch), (load, 0, 0, 0)]
    steps += [(equal, len(calls) - index, 0, call) for index, call in enumerate(calls)]
    steps += [(give, 0, 0, allow), (give, 0, 0, refuse)]
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HP", len(steps), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, set_seccomp, filter_mode = 38, 22, 2
    if libc.prctl(no_new_privileges, 1, 0, 0, 0) or libc.prctl(set_seccomp, filter_mode, program, 0, 0):
        raise OSError(ctypes.get_errno(), f"no seccomp filter: {os.strerror(ctypes.get_errno())}")
