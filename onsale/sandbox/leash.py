"""Becomes another program, on a leash: that program ends when the one that started it ends, even by kill -9.

Run as a script, on the standard library alone, so that it costs some milliseconds:

    python -I -S leash.py PARENT SIGNAL IDENTITY PROGRAM [ARGUMENT ...]

PARENT is the id of the starting process, SIGNAL is what the kernel sends when it ends (Linux; elsewhere the next run
ends what was left over). IDENTITY is `same`, `namespace` or `nobody`: PostgreSQL refuses to run as root, so root
either maps itself to a plain user inside a user namespace, with files that stay root's, or gives up its identity.
"""

from __future__ import annotations

import ctypes
import os
import sys

NOBODY = 65_534
# Any id but root's; inside the namespace it stands for whoever started us.
INSIDE = 1_000
_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Take the identity, tie the leash, become the program."""
    parent, signal_number, identity, *program = arguments
    if identity == "namespace":
        enter_namespace()
    elif identity == "nobody":
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    # Last: the kernel forgets the leash when a process changes its identity.
    die_with(int(parent), int(signal_number))
    os.execv(program[0], program)  # noqa: S606 - becoming the program is what this file is for


def enter_namespace() -> None:
    """Be user 1000 from here on, with the rights of whoever started us; OSError where namespaces are forbidden."""
    user, group = os.geteuid(), os.getegid()
    _linux("unshare", _CLONE_NEWUSER)
    # The kernel wants this before an unprivileged process may map its group.
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{INSIDE} {user} 1"),
        ("gid_map", f"{INSIDE} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def die_with(parent: int, signal_number: int) -> None:
    """Ask the kernel for `signal_number` when the parent ends; end at once if it has ended already."""
    if not sys.platform.startswith("linux"):
        return
    _linux("prctl", _PR_SET_PDEATHSIG, signal_number)
    if os.getppid() != parent:
        sys.exit("The process that started this one has ended.")


def _linux(call: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, call)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


if __name__ == "__main__":
    main(sys.argv[1:])
