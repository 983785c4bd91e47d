"""Settings of a training run."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from farthing.artifacts.config import Config
from farthing.stages.train.elastic_config import ElasticConfig

# YAML reads a bare `off` as false.
CompileSetting = Annotated[
    Literal["off", "blocks", "graphs"],
    BeforeValidator(lambda value: "off" if value is False else value),
]


class OptimizerConfig(Config):
    """Muon (or AdamW) for the hidden matrices, AdamW for embeddings, output, router and norms."""

    matrix_optimizer: Literal["muon", "adamw"] = Field(
        default="muon", description="of the hidden matrices"
    )
    matrix_learning_rate: float | None = Field(
        default=None, gt=0, description="peak rate of the hidden matrices where AdamW has them"
    )
    muon_learning_rate: float = Field(default=0.02, gt=0, description="peak step of Muon")
    muon_momentum: float = Field(default=0.95, ge=0, lt=1, description="Nesterov momentum of Muon")
    newton_schulz_iterations: int = Field(
        default=5, ge=1, description="iterations that orthogonalise a Muon update"
    )
    newton_schulz_share: float = Field(
        default=0.25,
        gt=0,
        description="most that orthogonalising may cost, as a share of the model's FLOPs; above it "
        "each matrix has its turn every 2nd to 4th step and goes that much farther",
    )
    embedding_learning_rate: float = Field(default=0.02, gt=0, description="AdamW, embeddings")
    output_learning_rate: float = Field(default=0.004, gt=0, description="AdamW, output matrix")
    other_learning_rate: float = Field(default=0.004, gt=0, description="AdamW, router and norms")
    adam_betas: tuple[float, float] = Field(
        default=(0.9, 0.95), description="AdamW's decay of gradient and of its square"
    )
    weight_decay: float = Field(
        default=0.0, ge=0, description="decoupled decay of the hidden matrices, times their rate"
    )
    embedding_weight_decay: float = Field(
        default=0.0,
        ge=0,
        description="the same of embedding and output matrices; router and norms never decay",
    )
    adam_epsilon: float = Field(
        default=1e-10, gt=0, description="AdamW's addition to the root of the mean square"
    )

    @model_validator(mode="after")
    def _matrices_have_a_rate(self) -> Self:
        if (self.matrix_optimizer == "adamw") != (self.matrix_learning_rate is not None):
            raise ValueError(
                "matrix_learning_rate goes with matrix_optimizer: adamw, and only with it "
                "(Muon's is muon_learning_rate)"
            )
        return self


class ScheduleConfig(Config):
    """Warm-up, stable, decay (WSD, arXiv 2404.06395), as shares of all steps."""

    warmup_share: float = Field(default=0.02, ge=0, le=1, description="linear rise from zero")
    decay_share: float = Field(default=0.4, ge=0, le=1, description="fall at the end")
    decay_shape: Literal["linear", "cosine"] = Field(
        default="linear", description="of the fall: straight, or half a wave of the cosine"
    )
    final_share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of the peak that the fall runs to, one step after the end",
    )

    @model_validator(mode="after")
    def _phases_fit(self) -> Self:
        if self.warmup_share + self.decay_share > 1:
            raise ValueError("warmup_share and decay_share overlap: together they exceed 1")
        return self


class TrainConfig(Config):
    """One run: how long, on what mixture, how elastic, how careful."""

    # Settings that change how a run is kept safe, never what comes out of it.
    harmless: ClassVar[frozenset[str]] = frozenset(
        {"checkpoint_every", "keep_checkpoints", "max_loss_jump_nats"}
    )

    steps: int = Field(ge=1, description="optimizer steps")
    batch_sequences: int = Field(ge=1, description="sequences of one optimizer step")
    micro_sequences: int | None = Field(
        default=None, ge=1, description="sequences of one forward pass; null for the whole batch"
    )
    seed: int = Field(
        default=0, ge=0, lt=1 << 31, description="of weights, data order and elastic draws"
    )
    mixture: dict[str, float] | None = Field(
        default=None,
        description="weight of each domain; null for the mixture that the corpus states, and where "
        "it states none, for its share of the text",
    )
    elastic: ElasticConfig | None = Field(
        default=None, description="elastic sampling; null trains the full shape only"
    )
    optimizer: OptimizerConfig = Field(default=OptimizerConfig(), description="optimizer settings")
    schedule: ScheduleConfig = Field(default=ScheduleConfig(), description="learning-rate schedule")
    clip_norm: float = Field(default=1.0, gt=0, description="largest gradient norm of a step")
    balance_rate: float = Field(
        default=0.001, ge=0, description="step of the router's balancing bias"
    )
    device: str = Field(
        default="auto", description="auto takes the accelerator that torch finds, else the CPU"
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        description="CPU threads; null tries at the start which number makes a step fastest on the "
        "wall clock. Another number may change the last bits: a run goes on with the one it began",
    )
    precision: Literal["auto", "fp32", "bf16", "fp8"] = Field(
        default="auto",
        description="of matrix products; auto is bf16 on accelerators and on processors with "
        "bf16 matrix units, else fp32; fp8 where the hardware has it, bf16 elsewhere",
    )
    compile: CompileSetting = Field(
        default="off",
        description="torch.compile: blocks compiles each layer, graphs also lets an accelerator "
        "record and replay them",
    )
    activation_gib: float | None = Field(
        default=None,
        gt=0,
        description="memory for what layers keep for the backward pass, in GiB: as few layers as "
        "needed compute it again; null: none does",
    )
    deterministic: bool = Field(
        default=False,
        description="refuse algorithms that may give other bits the next time, so that others can "
        "check a run bit for bit; slower on accelerators, nothing changes on the CPU",
    )
    checkpoint_every: int = Field(default=200, ge=1, description="steps between checkpoints")
    keep_checkpoints: int = Field(default=2, ge=1, description="newest checkpoints kept on disk")
    max_loss_jump_nats: float = Field(
        default=2.0, gt=0, description="rise over the recent median loss that stops the run"
    )

    @model_serializer(mode="wrap")
    def _without_what_is_off(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # A recipe that does not ask for it keeps the digest that it had before this could be asked.
        written: dict[str, Any] = handler(self)
        if not self.deterministic:
            written.pop("deterministic", None)
        return written

    @model_validator(mode="after")
    def _batches_divide(self) -> Self:
        if self.micro_sequences and self.batch_sequences % self.micro_sequences:
            raise ValueError(
                f"batch_sequences {self.batch_sequences} is no multiple of "
                f"micro_sequences {self.micro_sequences}"
            )
        return self
