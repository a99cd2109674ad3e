"""Runs a command as a container without privileges would: a user namespace whose user is not root, mounts and
processes of its own, a made-up /sys, and perf_event_open refused by a seccomp filter, as the default profiles of
container runtimes refuse it (EPERM). Needs no privilege and no program; where user namespaces are refused it ends
with exit code 77 and says why.

usage: confine.py SPEC COMMAND..., where SPEC is a JSON object:
  tmpfs     empty file systems mounted first, in this order ("/run")
  binds     {path: ours} then a file or folder of ours over one that is there ("/sys", "/proc/stat")
  files     {path: text} then put into these
  masks     empty, read-only file systems mounted last, over what is there"""

import ctypes
import json
import os
import platform
import struct
import sys

NO_NAMESPACES = 77
USER = 1000  # in there
LIBC = ctypes.CDLL(None, use_errno=True)

# Linux's numbers: sched.h, mount.h, prctl.h, seccomp.h, bpf_common.h, audit.h, and the tables of system calls.
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID = 0x00020000, 0x10000000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 8, 4096, 16384, 1 << 18
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, EPERM = 0x7FFF0000, 0x00050000, 1
BPF_LOAD, BPF_JUMP_EQUAL, BPF_RETURN = 0x20, 0x15, 0x06
ARCHITECTURES = {"x86_64": (0xC000003E, 298), "aarch64": (0xC00000B7, 241)}  # audit number, perf_event_open


def call(name, *args):
    if getattr(LIBC, name)(*args) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def mount(source, target, kind, flags, data=None):
    call("mount", source.encode(), target.encode(), kind.encode() if kind else None, ctypes.c_ulong(flags),
         data.encode() if data else None)


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def enter_namespaces():
    uid, gid = os.geteuid(), os.getegid()
    call("unshare", CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID)
    write("/proc/self/setgroups", "deny")
    write("/proc/self/gid_map", f"{USER} {gid} 1")
    write("/proc/self/uid_map", f"{USER} {uid} 1")
    mount("none", "/", None, MS_REC | MS_PRIVATE)


def make_place(spec):
    for path in spec.get("tmpfs", []):
        mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for path, ours in spec.get("binds", {}).items():
        mount(ours, path, None, MS_BIND)
    for path, text in spec.get("files", {}).items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write(path, text)
    for path in spec.get("masks", []):
        mount("tmpfs", path, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)


def refuse_perf_events():
    audit, number = ARCHITECTURES[platform.machine()]

    def instruction(code, value, if_equal=0, if_not=0):
        return struct.pack("=HBBI", code, if_equal, if_not, value)

    # seccomp_data: the system call's number at 0, the architecture at 4.
    program = b"".join([
        instruction(BPF_LOAD, 4), instruction(BPF_JUMP_EQUAL, audit, 0, 3), instruction(BPF_LOAD, 0),
        instruction(BPF_JUMP_EQUAL, number, 0, 1), instruction(BPF_RETURN, SECCOMP_RET_ERRNO | EPERM),
        instruction(BPF_RETURN, SECCOMP_RET_ALLOW)])
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    call("prctl", PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.create_string_buffer(header, len(header)), 0, 0)


def run(spec, words):
    """In the child, which is the first process of its namespace."""
    try:  # refused where /proc has been partly hidden already; the old one then serves
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        for path, ours in spec.get("binds", {}).items():
            if path.startswith("/proc/"):
                mount(ours, path, None, MS_BIND)
    except OSError:
        pass
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    refuse_perf_events()
    os.execvp(words[0], words)


def main():
    spec, words = json.loads(sys.argv[1]), sys.argv[2:]
    if platform.machine() not in ARCHITECTURES:
        print(f"no numbers for {platform.machine()} here", file=sys.stderr)
        return NO_NAMESPACES
    try:
        enter_namespaces()
        make_place(spec)
    except OSError as error:
        print(f"namespaces are refused here: {error}", file=sys.stderr)
        return NO_NAMESPACES
    child = os.fork()
    if child == 0:
        try:
            run(spec, words)
        except OSError as error:
            print(f"confine.py: {error}", file=sys.stderr)
        os._exit(NO_NAMESPACES)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
