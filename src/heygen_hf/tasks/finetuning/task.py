"""What fine-tuning a published generator does differently from training one's own; the story is the same."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase, TrainerCallback

from heygen_hf.data import VideoTextCollator
from heygen_hf.data.buckets import Bucket
from heygen_hf.data.loading import ClipLoader
from heygen_hf.data.sources.locations import is_missing_locally, locate
from heygen_hf.hub import write_sample_strips
from heygen_hf.layers.patches import patch_grid
from heygen_hf.models.pretrained_generators import GeneratorFamily, PretrainedVideoGenerator
from heygen_hf.pipelines.pretrained_generator import PretrainedGeneratorPipeline, SamplingDefaults
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.clip_data import PreparedData
from heygen_hf.tasks.clip_data.sizes import bucket_set
from heygen_hf.tasks.finetuning.adapter.comfyui import check_comfyui
from heygen_hf.tasks.finetuning.adapter.earlier import OrthogonalToEarlier, join_adapters
from heygen_hf.tasks.finetuning.adapter.lora import ADAPTER
from heygen_hf.tasks.finetuning.base.identity import check_publishable
from heygen_hf.tasks.finetuning.base.pipeline import BasePipeline, find_base, load_family, load_tokenizer_of
from heygen_hf.tasks.finetuning.callbacks import EvaluateAtTheEnd, KeepOrthogonal
from heygen_hf.tasks.finetuning.card import write_finetuning_card
from heygen_hf.tasks.finetuning.clips.beside import build_source_losses, check_clips_beside, with_clips_beside
from heygen_hf.tasks.finetuning.clips.collator import EncodedClipCollator
from heygen_hf.tasks.finetuning.clips.control import (
    check_control,
    control_samples,
    read_clips,
    with_control,
    write_controls,
)
from heygen_hf.tasks.finetuning.clips.encoders import FamilyEncoders, drop_text_encoders, family_encoders
from heygen_hf.tasks.finetuning.clips.first_frames import first_frame_samples
from heygen_hf.tasks.finetuning.export import export_finetuned, write_samples
from heygen_hf.tasks.finetuning.measuring import measure_validation
from heygen_hf.tasks.finetuning.memory.plan import plan_memory
from heygen_hf.tasks.finetuning.model import build_generator, check_clip_size, check_training, described_family
from heygen_hf.tasks.finetuning.recipe import with_defaults
from heygen_hf.tasks.finetuning.reference import is_out_of_memory
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_folder import RunFolder, TrainedRun
from heygen_hf.tasks.text_to_video.bare import BareVideoTraining, samples_per_step
from heygen_hf.tasks.text_to_video.cache import cache as cache_video
from heygen_hf.tasks.text_to_video.latent_geometry import LatentGeometry, latent_geometry
from heygen_hf.tasks.text_to_video.model import check_cacheable
from heygen_hf.tasks.text_to_video.parts import Samples, TextToVideo
from heygen_hf.tasks.text_to_video.plan import plan as plan_video
from heygen_hf.tasks.text_to_video.story import run as run_video
from heygen_hf.training import FinetuningTrainingArguments
from heygen_hf.training.loaders import build_loader
from heygen_hf.training.optimization.block_offloading import BlockOffloading


class Finetuning(TextToVideo):
    """A published pipeline of diffusers, its transformer trained whole or with an adapter."""

    arguments_class = FinetuningTrainingArguments
    fills_cache_first = True
    offloading: BlockOffloading | None = None

    @cached_property
    def base(self) -> BasePipeline:
        """The pipeline that is fine-tuned."""
        return find_base(self.recipe.model)

    @cached_property
    def geometry(self) -> LatentGeometry:
        """Of its autoencoder."""
        return latent_geometry(str(self.base.folder))

    @cached_property
    def family(self) -> GeneratorFamily:
        """The pipeline's parts, loaded when they are first asked for."""
        family = load_family(self.base, self.recipe.model, adapts=self.recipe.peft is not None)
        if hasattr(family, "frame_rate"):
            family.frame_rate = self.recipe.generation.frame_rate
        return family

    def check(self) -> None:
        name = self.recipe.model.get("pretrained")
        if name is not None and not Path(name).is_dir() and not is_missing_locally(name):
            self._look_for_clips()  # before a base is fetched, which may take hours
        described = described_family(self.base)
        check_cacheable(self.recipe)
        check_training(self.recipe, self.base)
        if self.recipe.training.get("given_frames") and not described.takes_frame_timesteps:
            raise ValueError(
                f"training.given_frames needs a timestep for each frame, which {described.name} has not: leave it out"
            )
        if self.recipe.model.get("quantization") is not None and getattr(self.recipe.peft, "merge", False):
            raise ValueError(
                "peft.merge=true adds the update to the weights, and few bits do not hold it: set it false"
            )
        if self.recipe.peft is not None and not self.recipe.peft.merge:
            hub = self.recipe.hub
            check_publishable(self.base.name, push_to_hub=hub.push_to_hub, named=hub.base_model)
        if getattr(self.recipe.peft, "comfyui", False):
            check_comfyui(described.name, method=self.recipe.peft.method)
        check_control(self.recipe.data, described)
        check_clips_beside(self.recipe.data, adapts=self.recipe.peft is not None)
        processor = self.recipe.processor
        sizes = {"processor": Bucket(processor.num_frames, processor.height, processor.width)}
        if self.recipe.data.buckets is not None or self.recipe.data.bucket_resolutions is not None:
            buckets = bucket_set(self.recipe.data, VideoProcessor(**asdict(processor))).buckets
            sizes |= {f"the bucket {bucket} in data:": bucket for bucket in buckets}
        for where, size in sizes.items():
            check_clip_size(self.base, self.geometry, size, patch_size=described.patch_size, where=where)

    def _look_for_clips(self) -> None:
        data = self.recipe.data
        for source in (data.train, *(beside.train for beside in (data.prior, data.replay) if beside is not None)):
            if isinstance(source, str):
                locate(source, None)

    def with_defaults(self, recipe: Recipe) -> Recipe:
        return with_defaults(recipe)

    def evaluates(self) -> bool:
        return True

    def check_data(self, data: PreparedData) -> None:
        """Nothing is asked of the clips' labels."""

    def evaluate(self, folder: RunFolder, *, data: PreparedData) -> dict[str, Any]:
        most = self.recipe.training.get("max_eval_clips", self.arguments_class.max_eval_clips)
        judged: Any = data.validation_subset(most) or ()
        return measure_validation(folder, num_clips=len(judged))

    def build_tokenizer(self, data: PreparedData) -> PreTrainedTokenizerBase | None:  # noqa: ARG002 - the pipeline's
        return load_tokenizer_of(self.base)

    def loader_without_model(
        self, data: PreparedData, arguments: Any, *, processor: VideoProcessor
    ) -> ClipLoader | None:
        patch_size = described_family(self.base).patch_size

        def count_tokens(*size: int) -> int:
            latents = self.geometry.latent_bucket(Bucket(*size))
            frames, rows, columns = patch_grid(latents.num_frames, latents.height, latents.width, patch_size)
            return frames * rows * columns

        return build_loader(
            data.training_set(at_least=samples_per_step(arguments)),
            args=arguments,
            batch_size=arguments.per_device_train_batch_size,
            collate=VideoTextCollator(processor),
            process_index=0,
            num_processes=arguments.world_size,
            for_training=True,
            count_tokens=count_tokens,
            tokens_per_batch=arguments.tokens_per_batch,
        )

    def prepare(self, *, processor: VideoProcessor, is_main: bool) -> PreparedData:
        section = self.recipe.data
        data = with_control(read_clips(self.recipe, processor=processor, is_main=is_main), section, is_main=is_main)
        return with_clips_beside(data, self.recipe.data, processor=processor, seed=self.recipe.seed, is_main=is_main)

    def load_encoders(self) -> FamilyEncoders:
        return family_encoders(self.family, geometry=self.geometry, control=self.recipe.data.control)

    def build_collator(
        self,
        *,
        processor: VideoProcessor,
        tokenizer: PreTrainedTokenizerBase | None,  # noqa: ARG002 - captions are encoded
    ) -> EncodedClipCollator:
        return EncodedClipCollator(VideoTextCollator(processor))

    def build_model(
        self,
        *,
        processor: VideoProcessor,
        tokenizer: PreTrainedTokenizerBase | None,  # noqa: ARG002 - the pipeline's
    ) -> PretrainedVideoGenerator:
        model = build_generator(
            self.family,
            self.base,
            self.recipe.model,
            peft=self.recipe.peft,
            processor=processor,
            geometry=self.geometry,
        )
        model.source_losses = build_source_losses(self.recipe.data, model.transformer)
        if self.recipe.training.get("offload_blocks"):
            self.offloading = BlockOffloading(model.transformer)
        return model

    def callbacks(self, model: Any) -> list[TrainerCallback]:
        found: list[TrainerCallback] = [EvaluateAtTheEnd()]
        if self.recipe.peft is not None and self.recipe.peft.previous and self.recipe.peft.orthogonal:
            found.append(KeepOrthogonal(OrthogonalToEarlier(model.transformer, ADAPTER)))
        return found

    def build_pipeline(
        self,
        model: Any,  # noqa: ARG002 - the family's own
        *,
        processor: VideoProcessor,
        is_main: bool = True,
        **_: Any,
    ) -> PretrainedGeneratorPipeline:
        generation = self.recipe.generation
        if not is_main:
            drop_text_encoders(self.family)
        return PretrainedGeneratorPipeline(
            self.family,
            SamplingDefaults(
                num_frames=processor.num_frames,
                height=processor.height,
                width=processor.width,
                num_inference_steps=generation.num_inference_steps,
                guidance_scale=generation.guidance_scale,
                frame_rate=generation.frame_rate,
            ),
            processor=processor,
        )

    def samples(self, data: PreparedData, *, processor: VideoProcessor) -> Samples:
        found = super().samples(data, processor=processor)
        asked = self.recipe.generation.sample_prompts is not None
        if self.family.takes_control:
            return control_samples(
                found, data.test, processor=processor, kind=self.recipe.data.control, keeps_prompts=asked
            )
        if self.family.takes_first_frame:
            return first_frame_samples(found, data.test, processor=processor, keeps_prompts=asked)
        return found

    def before_training(self, pipeline: Any, *, samples: Samples, folder: RunFolder, device: Any) -> None:
        """What the base makes of the sample prompts, to be set beside what it makes afterwards."""
        # Of blocks that wait on the CPU the offloading moves the weights; a model to be sharded is there whole.
        elsewhere = pipeline.device != device and self.offloading is None
        try:
            with pipeline.computing_on(device) if elsewhere else nullcontext():
                self._write_samples(pipeline, folder, samples, name="before", precision=self._precision)
        except (MemoryError, RuntimeError) as error:
            if not (elsewhere and is_out_of_memory(error)):
                raise
            print(f"{device} does not hold the whole model, so there are no samples of the base to compare with")
        write_controls(folder.samples, samples, frame_rate=self.recipe.generation.frame_rate)

    def export(self, folder: RunFolder, pipeline: Any, *, samples: Samples, precision: str) -> None:
        after = self._write_samples(pipeline, folder, samples, name="after", precision=precision)
        write_sample_strips(folder.samples / "samples.png", list(after), list(samples.texts))
        assert samples.prompts is not None
        if self.offloading is not None:
            self.offloading.remove()
            if self.recipe.peft is not None and self.recipe.peft.merge:
                pipeline.transformer.to("cpu")  # what was trained beside what waited there
        if self.recipe.peft is not None and self.recipe.peft.previous:
            join_adapters(pipeline.transformer, ADAPTER)
        export_finetuned(
            folder,
            pipeline,
            base=self.base,
            peft=self.recipe.peft,
            prompts=samples.prompts,
            seed=self.recipe.seed,
            given=samples.given,
            encoder_dtype=self.recipe.model.get("encoder_dtype", "auto"),
        )

    @property
    def _precision(self) -> str:
        return self.recipe.training.get("precision", "auto")

    def _write_samples(self, pipeline: Any, folder: RunFolder, samples: Samples, *, name: str, precision: str) -> Any:
        assert samples.prompts is not None
        return write_samples(
            folder.samples,
            pipeline,
            samples.prompts,
            name=name,
            seed=self.recipe.seed,
            batch_size=self.recipe.generation.batch_size,
            precision=precision,
            given=samples.given,
        )

    def write_card(self, folder: RunFolder) -> None:
        write_finetuning_card(folder, self.recipe, base=self.base)


def run(recipe: Recipe, *, resume: str | None, overwrite: bool, command: Sequence[str] | None) -> TrainedRun:
    """Train what the recipe says; the arguments are those of `text_to_video.run`."""
    return run_video(recipe, resume=resume, overwrite=overwrite, command=command, task=Finetuning)


def plan(recipe: Recipe, *, measure: bool = True) -> dict[str, Any]:
    """The plan of a recipe, see `text_to_video.plan`, and what each way to train it would need in memory."""
    found = plan_video(recipe, measure=measure, task=Finetuning)
    parts = Finetuning(recipe)
    return found | {"memory": plan_memory(recipe, parts.base, parts.geometry)}


def check_recipe(recipe: Recipe) -> None:
    """Refuse a recipe whose model or sizes cannot be."""
    Finetuning(recipe).check()


def bare_training(recipe: Recipe) -> BareVideoTraining:
    """Data and trainer alone, see `BareTraining`."""
    return BareVideoTraining(recipe, task=Finetuning)


cache = partial(cache_video, task=Finetuning)
