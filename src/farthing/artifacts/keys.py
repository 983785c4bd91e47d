"""The signing key and the last known heads: kept on this machine, outside every workspace.

    ~/.config/farthing/            or $FARTHING_HOME, or $XDG_CONFIG_HOME/farthing
    ├── signing_key.pem            Ed25519, PKCS8, readable by its owner only, made at first use
    └── heads/GENESIS.json         {"count", "digest"}: how far each book reached when last written

Who can change the workspace can then neither sign for its owner nor cut the end of the book
without the owner's next command noticing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from farthing.artifacts.canonical import canonical_json
from farthing.artifacts.chain import Head, Signer
from farthing.artifacts.storage import write_atomic
from farthing.errors import BookError, WorkspaceError

KEY_NAME = "signing_key.pem"

_ELSEWHERE = "set FARTHING_HOME to a folder of your own that is outside the workspace"


def farthing_home() -> Path:
    """The folder of this user's key and heads; it need not exist yet."""
    if home := os.environ.get("FARTHING_HOME"):
        return Path(home)
    if config := os.environ.get("XDG_CONFIG_HOME"):
        return Path(config) / "farthing"
    return Path.home() / ".config" / "farthing"


def load_signer(workspace_root: Path) -> Signer:
    """The user's signing key, made at first use.

    Args:
        workspace_root: the folder that the key must not be in.

    Raises:
        WorkspaceError: the key lies inside the workspace, others can read it, it is damaged, or
            its folder is not writable.
    """
    home = farthing_home()
    if home.resolve().is_relative_to(workspace_root.resolve()):
        raise WorkspaceError(
            f"the signing key's folder {home} is inside the workspace {workspace_root}: "
            "whoever copies the workspace would get the key",
            remedy=_ELSEWHERE,
        )
    path = home / KEY_NAME
    if not path.exists():
        _create(path)
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise WorkspaceError(
            f"the signing key {path} can be read or changed by others (mode {mode:04o})",
            remedy=f"chmod 600 {path}; if others may have read it, begin a new key and workspace",
        )
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError) as error:
        raise WorkspaceError(
            f"the signing key {path} cannot be read ({error})", remedy="restore it from a copy"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise WorkspaceError(f"{path} is not an Ed25519 key", remedy="restore it from a copy")
    return Signer(key)


def read_head(genesis: str) -> Head | None:
    """The head last recorded on this machine for the book that begins with `genesis`.

    Raises:
        BookError: the record itself is damaged.
    """
    path = _head_file(genesis)
    try:
        record = json.loads(path.read_bytes())
        return Head(count=int(record["count"]), digest=str(record["digest"]))
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, ValueError) as error:
        raise BookError(
            f"the record of the book's head {path} is damaged",
            remedy="check the book with --head and --count that you stored elsewhere, then remove "
            "this file",
        ) from error


def write_head(genesis: str, head: Head) -> None:
    """Record how far the book reaches, in one step."""
    path = _head_file(genesis)
    _make_private(path.parent)
    try:
        write_atomic(path, canonical_json({"count": head.count, "digest": head.digest}))
    except WorkspaceError as error:
        raise WorkspaceError(
            error.what, remedy=f"free some space there, or {_ELSEWHERE}"
        ) from error


def _head_file(genesis: str) -> Path:
    return farthing_home() / "heads" / f"{genesis}.json"


def _create(path: Path) -> None:
    _make_private(path.parent)
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    partial = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        # link, unlike rename, never replaces the key that a process beside us has just made.
        os.link(partial, path)
    except FileExistsError:
        pass
    except OSError as error:
        raise _not_writable(path, error) from error
    finally:
        partial.unlink(missing_ok=True)


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _not_writable(folder, error) from error


def _not_writable(path: Path, error: OSError) -> WorkspaceError:
    return WorkspaceError(
        f"the signing key's folder is not writable: {path} ({error.strerror})", remedy=_ELSEWHERE
    )
