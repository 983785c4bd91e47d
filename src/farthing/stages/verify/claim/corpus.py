"""Level 1, the text: the manifest in the bundle is that of the corpus that was registered."""

from __future__ import annotations

from typing import Any

from farthing.artifacts.canonical import digest_json
from farthing.artifacts.claims.archive import Bundle
from farthing.artifacts.claims.entries import ClaimDraft
from farthing.artifacts.claims.names import CORPUS_MANIFEST
from farthing.artifacts.claims.strict_json import parse_strict
from farthing.errors import ClaimError
from farthing.stages.verify.finding import Finding

_CHECK = "corpus"
_MOST_BYTES = 64 << 20
_KIND = "corpus"


def check_corpus(bundle: Bundle, draft: ClaimDraft) -> tuple[int | None, Finding]:
    """The rows of the output matrix, which the tokenizer decides, and what was found.

    Args:
        bundle: of the claim.
        draft: what was registered.
    """
    try:
        manifest = parse_strict(bundle.read(CORPUS_MANIFEST, most=_MOST_BYTES))
        problem, vocabulary = _problem(manifest, draft)
    except (ClaimError, KeyError, TypeError) as error:
        problem, vocabulary = f"it cannot be read: {getattr(error, 'what', error)!s}", None
    if problem is not None:
        return None, Finding(_CHECK, False, CORPUS_MANIFEST, problem, 1)
    detail = (
        f"the corpus {draft.corpus_digest[:16]} that was registered, vocabulary of {vocabulary}; "
        f"its {draft.split} text is scored"
    )
    return vocabulary, Finding(_CHECK, True, CORPUS_MANIFEST, detail, 1)


def _problem(manifest: dict[str, Any], draft: ClaimDraft) -> tuple[str | None, int | None]:
    parts = {name: manifest[name] for name in ("kind", "files", "detail")}
    digest = digest_json(parts)
    if manifest["kind"] != _KIND:
        return f"kind: {manifest['kind']!r} is no corpus", None
    if manifest["content_digest"] != digest:
        return f"content_digest: {manifest['content_digest']}; its parts make {digest}", None
    if digest != draft.corpus_digest:
        return f"corpus {digest[:16]}; the draft registered {draft.corpus_digest[:16]}", None
    held_out = {
        name: each for name, each in manifest["files"].items() if name.startswith(f"{draft.split}/")
    }
    if digest_json(held_out) != draft.held_out_digest:
        return f"its {draft.split} text is not the one that the draft registered", None
    vocabulary = manifest["detail"]["tokenizer"]["vocab_size"]
    if not isinstance(vocabulary, int) or vocabulary < 1:
        return f"vocab_size: {vocabulary!r}", None
    return None, vocabulary
