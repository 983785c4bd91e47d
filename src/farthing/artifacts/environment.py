"""What a run's start says about the software and settings that its numbers depend on."""

from __future__ import annotations

from typing import ClassVar

from farthing.artifacts.body import Body


class Environment(Body):
    """The software and settings that a run's numbers depend on.

    The last three are None in books of rules 1 to 3, and where nobody can tell.

    Attributes:
        python: its version.
        torch: its version, where torch is used.
        threads: of the computation.
        platform: operating system, its version and the processor's architecture.
        cpu: the processor's name.
        instructions: the vector instructions that torch chooses its loops by.
        packages: `canonical.digest_json` of name -> version of the installed distributions that
            numbers depend on (`claims.packages.installed`).
        deterministic: whether torch was told to use algorithms that give the same bits twice.
    """

    kind_name: ClassVar[str] = "environment"

    python: str
    torch: str | None
    threads: int
    platform: str
    cpu: str
    instructions: str | None = None
    packages: str | None = None
    deterministic: bool | None = None
