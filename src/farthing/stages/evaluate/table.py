"""The score matrix as a table for a terminal."""

from __future__ import annotations

from rich.table import Table

from farthing.artifacts.scores import ScoreMatrix


def score_table(matrix: ScoreMatrix) -> Table:
    """One row per member: sizes, FLOPs per token, bits per byte by domain, and the fronts."""
    table = Table(title=f"Bits per byte on {matrix.split} text (lower is better)", title_style="")
    table.add_column("member", no_wrap=True)
    for heading in ("total", "active", "non-emb.", "act. n.-e.", "MFLOP/tok"):
        table.add_column(heading, justify="right", no_wrap=True)
    domains = list(matrix.held_out_bytes)
    for domain in (*domains, "mean"):
        table.add_column(domain, justify="right", no_wrap=True)
    table.add_column("front", no_wrap=True)
    for member in matrix.members:
        fronts = [
            name
            for name, on_it in (("flops", member.best_for_flops), ("size", member.best_for_size))
            if on_it
        ]
        table.add_row(
            member.label,
            *(
                f"{count / 1e6:.2f}M"
                for count in (
                    member.total,
                    member.active,
                    member.non_embedding,
                    member.active_non_embedding,
                )
            ),
            f"{member.flops_per_token / 1e6:.2f}",
            *(f"{member.bpb[domain]:.3f}" for domain in domains),
            f"{member.mean_bpb:.3f}",
            " ".join(fronts),
        )
    table.caption = (
        "front: nobody is as good with as few FLOPs per token (flops) or parameters (size)"
    )
    return table
