"""Optional dependencies: one table, one check, one error that names the extra to install.

Code that needs one of them calls `require` where the dependency is used, never at the top of a module::

    kornia = require("kornia")
    augment = kornia.augmentation.VideoSequential(...)
"""

import importlib
from dataclasses import dataclass
from functools import cache
from types import ModuleType


@dataclass(frozen=True)
class OptionalDependency:
    """A module that a feature needs and the core does without.

    Attributes:
        extra: the extra of this package that installs it.
        purpose: what it is for, as the end of "... is needed for ...".
    """

    extra: str
    purpose: str


# module -> what installs it. Every extra named here is one of pyproject.toml's (a test compares the two).
OPTIONAL_DEPENDENCIES: dict[str, OptionalDependency] = {
    "kornia": OptionalDependency(extra="augmentation", purpose="augmenting clips"),
    "torchcodec": OptionalDependency(extra="torchcodec", purpose="decoding with torchcodec"),
    "bitsandbytes": OptionalDependency(
        extra="quantization", purpose="loading a base model in 4 bits (QLoRA), and optimisers of 8 bits"
    ),
    "optuna": OptionalDependency(extra="search", purpose="searching hyper-parameters (heygen-hf search)"),
    "matplotlib": OptionalDependency(extra="plots", purpose="drawing curves"),
    "ftfy": OptionalDependency(extra="wan", purpose="reading captions as Wan's pipelines do"),
    "gradio": OptionalDependency(extra="demo", purpose="serving a demo (heygen-hf demo)"),
    "deepspeed": OptionalDependency(extra="deepspeed", purpose="training with DeepSpeed ZeRO"),
    "mlflow": OptionalDependency(extra="mlflow", purpose="logging to MLflow"),
    "trackio": OptionalDependency(extra="trackio", purpose="logging to Trackio"),
    "tensorboard": OptionalDependency(extra="tensorboard", purpose="logging to TensorBoard"),
    "torchdiffeq": OptionalDependency(extra="ode", purpose="sampling by an adaptive solver (sampler='dopri5')"),
    "sacrebleu": OptionalDependency(extra="text-metrics", purpose="BLEU"),
    "rouge_score": OptionalDependency(extra="text-metrics", purpose="ROUGE"),
    "wandb": OptionalDependency(extra="wandb", purpose="logging to Weights & Biases"),
}


def require(name: str) -> ModuleType:
    """Import and return the optional module `name`.

    Args:
        name: a key of `OPTIONAL_DEPENDENCIES`.

    Raises:
        ImportError: it is not installed, or it is and fails to import; the message has the command to run.
    """
    if name not in OPTIONAL_DEPENDENCIES:
        raise KeyError(f"{name!r} is not in heygen_hf's table of optional dependencies")
    dependency = OPTIONAL_DEPENDENCIES[name]
    remedy = f"pip install 'heygen_hf[{dependency.extra}]'"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name:
            raise ImportError(f"{name} is needed for {dependency.purpose}: {remedy}", name=name) from error
        reason: Exception = error
    except Exception as error:  # compiled extensions fail with whatever their loader raises
        reason = error
    first_line = (str(reason).strip() or type(reason).__name__).splitlines()[0]
    raise ImportError(
        f"{name} is installed and fails to import ({first_line}); for a version that fits: {remedy}",
        name=name,
    ) from reason


@cache
def is_available(name: str) -> bool:
    """Whether `require(name)` would succeed. It imports the module: an installed one may still not load."""
    try:
        require(name)
    except ImportError:
        return False
    return True
