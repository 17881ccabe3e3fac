"""What the isolated process does with a model: load it in every promised way and compare what it makes.

It imports nothing of this package at its top: it runs where the package cannot be imported, too.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

PACKAGE = "heygen_hf"
# What reference.json says beside the arguments of the call.
ABOUT_THE_REFERENCE = {
    *("prompt", "seed", "num_inference_steps", "guidance_scale", "output_type", "dtype", "files", "device", "compiled"),
}
OF_COMPILED_BLOCKS = 1e-4


def ways_of(job: dict[str, Any]) -> Callable[[str, bool], str | None]:
    """What goes one way and says what is wrong with it."""
    return Check(job).run


class Check:
    """The ways of one job, by name."""

    def __init__(self, job: dict[str, Any]) -> None:
        from safetensors.torch import load_file

        self.job = job
        self.source = job["source"]
        self.options: dict[str, Any] = {} if job["revision"] is None else {"revision": job["revision"]}
        self.tensors = load_file(job["reference"]) if job["reference"] else {}
        self.values: dict[str, Any] = job["reference_values"]
        self.device = self.values.get("device", "cpu")
        # Exports once made the reference with compiled blocks, whose rounding is their own.
        self.closeness = 0.0 if self.values.get("compiled") is False else OF_COMPILED_BLOCKS
        self.pipeline: Any = None
        self.made: dict[str, Any] | None = None

    def run(self, name: str, without: bool) -> str | None:
        """One way: its problem, None where it went well."""
        kind, _, argument = name.partition(":")
        way: Callable[..., str | None] = getattr(self, f"way_{kind}")
        return way(argument, trusts=without)

    # -- pipelines

    def way_pipeline(self, name: str, *, trusts: bool) -> str | None:
        """diffusers alone, which runs the repository's code; or the installed pipeline, which runs none of it."""
        if trusts:
            import diffusers

            pipe = getattr(diffusers, name).from_pretrained(self.source, trust_remote_code=True, **self.options)
        else:
            import heygen_hf.pipelines

            pipe = getattr(heygen_hf.pipelines, name).from_pretrained(self.source, **self.options)
        is_installed = type(pipe).__module__.partition(".")[0] == PACKAGE
        if is_installed == trusts:
            return f"it ran the code in {type(pipe).__module__}"
        self.pipeline = pipe
        return self._compare_frames(pipe)

    def way_plain_pipeline(self, name: str, *, trusts: bool) -> str | None:  # noqa: ARG002 - no code of its own
        """A pipeline of diffusers by its class."""
        return self._compare_frames(self._plain_pipeline(name, self.source, **self.options))

    def way_pipeline_adapter(self, name: str, *, trusts: bool) -> str | None:  # noqa: ARG002 - no code of its own
        """A LoRA of a pipeline of diffusers, on its base by the pipeline's class."""
        pipe = self._plain_pipeline(name, self.job["base"])
        pipe.load_lora_weights(self.source, **self.options)  # as the card says, which names no file
        return self._compare_frames(pipe)

    def _plain_pipeline(self, name: str, source: str, **options: Any) -> Any:
        import diffusers
        import torch

        torch.set_num_threads(self.values.get("threads", torch.get_num_threads()))
        dtypes = {part: dtype and getattr(torch, dtype) for part, dtype in self.values["dtypes"].items()}
        pipe = getattr(diffusers, name).from_pretrained(source, dtype=dtypes, use_safetensors=True, **options)
        if self.values.get("tiled"):  # where tiles meet, frames are blended
            pipe.vae.enable_tiling()
        return pipe

    def _compare_frames(self, pipe: Any) -> str | None:
        import torch

        pipe.set_progress_bar_config(disable=True)
        pipe.to(self.device)
        given = {name: [tensor] for name, tensor in self.tensors.items() if name != "frames"}
        generator = torch.Generator().manual_seed(self.values["seed"])
        if "call" in self.values:  # of another library's pipeline
            # A picture, or a clip that controls the video.
            given = {
                name: _picture(tensor) if tensor.ndim == 3 else tensor[None]
                for name, tensor in self.tensors.items()
                if name != "frames"
            }
            output = pipe(prompt=self.values["prompt"], generator=generator, **self.values["call"], **given)
            return self._compare({"frames": self.tensors["frames"]}, {"frames": output.frames.float()})
        extra = {name: value for name, value in self.values.items() if name not in ABOUT_THE_REFERENCE}
        output = pipe(self.values["prompt"], generator=generator, output_type="pt", **given, **extra)
        return self._compare({"frames": self.tensors["frames"]}, {"frames": output.frames})

    def _compare(self, expected: dict[str, Any], made: dict[str, Any]) -> str | None:
        """With the reference, and bit for bit with what the first way made."""
        problem = difference(expected, made, closeness=self.closeness)
        if problem is None and self.made is not None:
            problem = difference(self.made, made)
        self.made = made if self.made is None else self.made
        return problem

    # -- models

    def way_component(self, argument: str, *, trusts: bool) -> str | None:
        """A network of a pipeline by an Auto class, its weights compared with those of the loaded pipeline."""
        name, _, folder = argument.partition(":")
        model, info = self._class(name, trusts).from_pretrained(
            self.source, subfolder=folder, output_loading_info=True, **self._trust(trusts), **self.options
        )
        problem = loading_problem(info)
        if problem is None and self.pipeline is not None:
            problem = difference(getattr(self.pipeline, folder).to("cpu").state_dict(), model.state_dict())
        return problem

    def way_model(self, auto_class: str, *, trusts: bool) -> str | None:
        """A whole repository by an Auto class or, where it is not one, a class of the package."""
        model, info = self._class(auto_class, trusts).from_pretrained(
            self.source, output_loading_info=True, **(self._trust(trusts)), **self.options
        )
        return loading_problem(info) or self._compare_outputs(model)

    def way_autoencoder(self, name: str, *, trusts: bool) -> str | None:
        """By diffusers, with or without this package."""
        import diffusers

        self._import_families(trusts)

        return self._compare_outputs(getattr(diffusers, name).from_pretrained(self.source, **self.options))

    def way_adapter(self, base: str, *, trusts: bool) -> str | None:
        """On its base, by peft alone."""
        import json as json_module

        import transformers
        from peft import PeftConfig, PeftModel

        self._import_families(trusts)
        options = PeftConfig.from_pretrained(self.source, **self.options)
        name = (self.job.get("adapter_class") or "AutoModel").strip()
        config_file = self.job.get("base_config")
        loading: dict[str, Any] = {}
        if config_file:
            held = json_module.loads(Path(config_file).read_text(encoding="utf-8"))
            held.pop("quantization_config", None)
            loading["config"] = transformers.AutoConfig.for_model(**held)
        base_model = getattr(transformers, name).from_pretrained(base, **loading)
        model = PeftModel.from_pretrained(base_model, self.source, **self.options).eval()
        if not options.peft_type:
            return "adapter_config.json names no method"
        return self._compare_outputs(model)

    def _compare_outputs(self, model: Any) -> str | None:
        inputs = {n.removeprefix("input."): t for n, t in self.tensors.items() if n.startswith("input.")}
        expected = {n.removeprefix("output."): t for n, t in self.tensors.items() if n.startswith("output.")}
        if not expected:  # a network whose inputs are not known: the same weights in every way
            return self._compare({}, model.state_dict())
        return self._compare(expected, outputs_of(model, inputs))

    # -- what reads the inputs

    def way_processor(self, argument: str, *, trusts: bool) -> str | None:
        """`AutoImageProcessor folder`: a processor of the repository."""
        name, _, folder = argument.partition(":")
        where = {"subfolder": folder} if folder else {}
        trust = self._trust(trusts) if name != "AutoTokenizer" else {}
        self._class(name, trusts).from_pretrained(self.source, **where, **trust, **self.options)
        return None

    def _class(self, name: str, trusts: bool) -> Any:
        import transformers

        self._import_families(trusts)
        if hasattr(transformers, name):
            return getattr(transformers, name)
        import heygen_hf.models
        import heygen_hf.processing

        return getattr(heygen_hf.models, name, None) or getattr(heygen_hf.processing, name)

    def _import_families(self, trusts: bool) -> None:
        if not trusts:
            import heygen_hf.models  # noqa: F401 (registers them)

    def _trust(self, trusts: bool) -> dict[str, Any]:
        return {"trust_remote_code": True} if trusts else {}


def _picture(frame: Any) -> Any:
    """`(channels, height, width)` in [0, 1] with 8 bits, as diffusers' pipelines take it."""
    import torch
    from PIL import Image

    values = (frame.float() * 255).round().clamp(0, 255).to(torch.uint8)
    return Image.fromarray(values.permute(1, 2, 0).numpy())


def outputs_of(model: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    """The tensors that a network makes of some inputs, by name; of an autoencoder latents and what it decodes."""
    import torch

    model.eval()
    with torch.no_grad():
        if hasattr(model, "encode") and hasattr(model, "decode") and "sample" in inputs:
            latents = model.encode(inputs["sample"]).latent_dist.mode()
            return {"latents": latents, "sample": model.decode(latents).sample}
        output = model(**inputs)
    return {name: value.contiguous() for name, value in output.items() if isinstance(value, torch.Tensor)}


def loading_problem(info: dict[str, Any]) -> str | None:
    """What `output_loading_info` complains of."""
    said = {
        name: sorted(map(str, info.get(name) or ())) for name in ("missing_keys", "unexpected_keys", "mismatched_keys")
    }
    named = [f"{name.partition('_')[0]} {keys[0]} ({len(keys)} in all)" for name, keys in said.items() if keys]
    return f"weights do not fit the network: {'; '.join(named)}" if named else None


def difference(expected: dict[str, Any], found: dict[str, Any], *, closeness: float = 0.0) -> str | None:
    """Whether two sets of tensors differ in a bit (or by more than `closeness`), and where first."""
    import torch

    for name, tensor in expected.items():
        if name not in found:
            return f"there is no {name}"
        other = found[name].detach().to("cpu")
        tensor = tensor.detach().to("cpu")
        if other.shape != tensor.shape or other.dtype != tensor.dtype:
            return f"{name} is {_form(other)}, the reference is {_form(tensor)}"
        if not torch.equal(other, tensor):
            most = (other.double() - tensor.double()).abs().max().item()
            if not most <= closeness:
                return f"{name} is not the reference, bit for bit: it differs by up to {most:.3g}"
    return None


def _form(tensor: Any) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
