"""`farthing report --data`: one self-contained page about a corpus and how it was curated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from farthing import __version__
from farthing.artifacts.curation import EXCERPT_LETTERS
from farthing.artifacts.storage import write_atomic
from farthing.artifacts.workspace import Workspace
from farthing.errors import WorkspaceError
from farthing.report.facts.trail import TrailFacts, read_trail_facts
from farthing.report.rendering import asset, content_hash, page_environment
from farthing.report.sections.trail import trail_section
from farthing.report.target import DATA_PAGE_NAME, GENERATOR, check_target, not_writable


@dataclass(frozen=True)
class DataPage:
    """A page that was written, and what is on it."""

    path: Path
    size_bytes: int
    facts: TrailFacts

    def to_json(self) -> dict[str, Any]:
        """The headline as plain JSON values."""
        view = trail_section(self.facts)
        return {
            "page": str(self.path),
            "bytes": self.size_bytes,
            "corpus": self.facts.folder,
            "digest": self.facts.data.digest,
            "read": view.read.model_dump(),
            "kept": view.kept.model_dump(),
            "tokens": view.tokens,
            "cpu_seconds": view.cpu_seconds,
        }


def write_data_page(
    workspace: Workspace, corpus: str | None, target: Path | None = None, *, replace: bool = False
) -> DataPage:
    """Write the page about a corpus.

    Args:
        workspace: whose corpus it is; nothing in it is changed but the page.
        corpus: as `read_trail_facts` takes it; None for the only one.
        target: the file; `data.html` in the workspace for None.
        replace: overwrite the target even if it is no report, as long as its name ends in .html.

    Raises:
        UsageError: no corpus fits, it has no trail, or the target is another file.
        WorkspaceError: the target cannot be written.
        ArtifactError, BookError: something is missing, changed or damaged.
    """
    target = workspace.root / DATA_PAGE_NAME if target is None else target
    check_target(target, workspace, DATA_PAGE_NAME, replace=replace)
    facts = read_trail_facts(workspace, corpus)
    page = render_data_page(facts)
    try:
        write_atomic(target, page)
    except (OSError, WorkspaceError) as error:
        raise not_writable(target, str(getattr(error, "what", error))) from error
    return DataPage(target, len(page), facts)


def render_data_page(facts: TrailFacts) -> bytes:
    """The whole page as UTF-8; whatever others wrote is escaped and visible."""
    style, script = asset("page.css") + asset("data_page.css"), asset("page.js")
    html = (
        page_environment()
        .get_template("data_page.html.j2")
        .render(
            generator=GENERATOR,
            style=Markup(style),
            script=Markup(script),
            style_hash=content_hash(style),
            script_hash=content_hash(script),
            facts=facts,
            data=facts.data,
            trail=facts.trail,
            view=trail_section(facts),
            letters=EXCERPT_LETTERS,
            version=__version__,
        )
    )
    return html.encode("utf-8", "replace")
