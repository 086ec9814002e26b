"""How a training step is executed: eagerly or compiled, in float32 or under bfloat16 autocast."""

from __future__ import annotations

import copy
import functools
import logging
import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

_log = logging.getLogger(__name__)

# Compiling pays once the steps it speeds up take longer than the compiler. Measured on 2 cores of an AMD EPYC VM
# with AVX-512, torch 2.15: 20 to 40 s with a cold cache; a compiled step then saves a tenth. An eager step trains
# about 2e10 multiply-accumulates per second and core there, so 2e13 per core are some 15 minutes.
MIN_CPU_MACS_PER_THREAD = 2e13
# On a GPU an eager step of these small networks waits for Python; what is saved grows with the steps.
MIN_GPU_STEPS = 10_000
PASSES_PER_STEP = 3  # forward, gradient of the inputs, gradient of the weights
# A process that trains many networks (widths, depths, mixed full precision) compiles a graph for each.
GRAPHS_PER_PROCESS = 128
X86 = ("x86_64", "AMD64")
BF16_INSTRUCTIONS = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # functions of torch.cpu

StepResult = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Workload:
    """Size of a trial.

    Attributes:
        n_images: Training images over all epochs.
        batch_size: Images per step.
        macs: Multiply-accumulates of the network for one image.
    """

    n_images: int
    batch_size: int
    macs: int


def choose_engine(engine: str, workload: Workload, device: torch.device) -> str:
    """Return ``eager`` or ``compiled``; ``auto`` compiles a trial that is long enough to save the compiler's time.

    >>> choose_engine("auto", Workload(10_000, 64, 27_000_000), torch.device("cpu"))
    'eager'
    """
    if engine != "auto":
        return engine
    if device.type == "cuda":
        is_long = workload.n_images / workload.batch_size >= MIN_GPU_STEPS
    else:
        work = PASSES_PER_STEP * workload.n_images * workload.macs
        is_long = work / torch.get_num_threads() >= MIN_CPU_MACS_PER_THREAD
    return "compiled" if is_long else "eager"


def has_fast_bf16(device: torch.device) -> bool:
    """Return whether convolutions in bfloat16 are faster there than in float32, not emulated value by value."""
    if device.type != "cpu":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    has_onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not has_onednn or not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    # oneDNN also says so of AVX-512 without instructions for it, where products take several times as long.
    return platform.machine() not in X86 or any(getattr(torch.cpu, name, bool)() for name in BF16_INSTRUCTIONS)


def loss_and_correct(model: nn.Module, images: Tensor, labels: Tensor) -> StepResult:
    """Return the mean cross-entropy of a batch and how many of its images are classified correctly.

    Args:
        model: Maps images to logits.
        images: Normalised, shape (n, c, h, w).
        labels: Shape (n,).
    """
    logits = model(images).float()
    return nn.functional.cross_entropy(logits, labels), (logits.detach().argmax(dim=1) == labels).sum()


@functools.cache
def _compiled_step(device_type: str) -> Callable[[nn.Module, Tensor, Tensor], StepResult]:
    """Return the compiled step of this process; one graph serves all bit-widths, in every trial of the process."""
    torch._dynamo.config.recompile_limit = GRAPHS_PER_PROCESS
    torch._dynamo.config.accumulated_recompile_limit = 4 * GRAPHS_PER_PROCESS
    mode = "reduce-overhead" if device_type == "cuda" else None  # CUDA graphs
    return torch.compile(loss_and_correct, dynamic=False, mode=mode)


class Engine:
    """Executes forward passes.

    Args:
        kind: ``eager`` or ``compiled``.
        precision: ``fp32``, or ``bf16`` for autocast: convolutions and activations in bfloat16; parameters, scales,
            batch-norm statistics and the loss in float32.
        device: Where the model is.
    """

    def __init__(self, kind: str, precision: str, device: torch.device) -> None:
        self.kind = kind
        self.precision = precision
        self._device = device
        if precision == "bf16" and not has_fast_bf16(device):
            _log.warning(
                "precision: bf16 is emulated on this %s and several times slower than precision: fp32",
                "GPU" if device.type == "cuda" else "CPU",
            )
        self._compiled_batch: int | None = None

    def autocast(self) -> torch.autocast:
        """Return the context in which the model runs."""
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def compile(self, model: nn.Module, images: Tensor, labels: Tensor) -> None:
        """Compile the training step for batches of this size, on a copy of the model, which stays as it is.

        Where the machine cannot compile, the engine becomes an eager one, and one line says so. On CUDA the graphs
        themselves are recorded in the first steps of the trial, since they hold the addresses of its parameters.

        Args:
            model: Calibrated: the first call of a quantizer is not compiled.
            images: A batch of full size.
            labels: Its labels.
        """
        if self.kind != "compiled":
            return
        trial_model = copy.deepcopy(model).train()
        self._compiled_batch = len(images)
        try:
            loss, _ = self.step(trial_model, images, labels)
            loss.backward()  # type: ignore[no-untyped-call]
        except Exception as error:  # a compiler fails in many ways; the trial itself needs none
            if not _is_compiler_error(error):
                raise
            reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            _log.warning("the training step could not be compiled (%s); this trial runs eagerly", reason.strip())
            self.kind, self._compiled_batch = "eager", None

    def step(self, model: nn.Module, images: Tensor, labels: Tensor) -> StepResult:
        """Return loss and number of correct images; batches of another size than the compiled one run eagerly."""
        function: Any = loss_and_correct
        if self._compiled_batch == len(images):
            if self._device.type == "cuda":
                torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
            function = _compiled_step(self._device.type)
        with self.autocast():
            result: StepResult = function(model, images, labels)
        return result


def _is_compiler_error(error: Exception) -> bool:
    """Return whether an error comes from torch's compiler and not from the trial."""
    return any(cls.__module__.startswith(("torch._dynamo", "torch._inductor")) for cls in type(error).__mro__)
