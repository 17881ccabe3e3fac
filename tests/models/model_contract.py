"""The contract every model family keeps, as one mixin: what transformers' own common tests ask of a model.

    class TestMyFamily(ModelContract):
        config_class = MyConfig
        base_class = MyModel
        model_classes = (MyModel, MyModelForTask)
        has_attention = True

        def tiny_config(self, **overrides): ...
        def inputs(self, model_class): ...   # keyword arguments of forward, batch first, two clips or more

Every test that takes `model_class` runs once for each of `model_classes`.
"""

import inspect
import json
import re

import pytest
import torch
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.utils import ModelOutput


class ModelContract:
    config_class: type[PreTrainedConfig]
    base_class: type[PreTrainedModel]
    model_classes: tuple[type[PreTrainedModel], ...]
    has_attention: bool = False
    # Auto classes beyond AutoModel -> the class of the family each must give
    auto_classes: dict[type, type[PreTrainedModel]] = {}  # noqa: RUF012
    # parameters (regular expressions) that the given inputs do not reach
    parameters_without_gradient: tuple[str, ...] = ()
    # a regular expression for modules in the parallel plans that only other configurations have
    modules_of_other_configurations: str = "(?!)"
    # largest absolute difference allowed where only the order of additions differs
    tolerance: float = 2e-5

    def tiny_config(self, **overrides) -> PreTrainedConfig:
        raise NotImplementedError

    def inputs(self, model_class: type[PreTrainedModel]) -> dict[str, torch.Tensor]:
        raise NotImplementedError

    def pytest_generate_tests(self, metafunc):
        if "model_class" in metafunc.fixturenames:
            metafunc.parametrize("model_class", self.model_classes, ids=lambda cls: cls.__name__)

    # -- building blocks ------------------------------------------------------------------------------------

    def build(self, model_class, *, scramble: bool = False, **overrides) -> PreTrainedModel:
        """A tiny model in eval mode. `scramble` moves every parameter off its initial value, so that parts
        that start at zero (gates, modulation, output layers) take part in what is compared."""
        torch.manual_seed(0)
        model = model_class(self.tiny_config(**overrides)).eval()
        if scramble:
            _scramble(model)
        return model

    def run(self, model, **kwargs) -> ModelOutput:
        return model(**self.inputs(type(model)), **kwargs)

    # -- configuration --------------------------------------------------------------------------------------

    def test_config_survives_saving(self, tmp_path):
        config = self.tiny_config()
        config.save_pretrained(tmp_path)
        assert self.config_class.from_pretrained(tmp_path).to_dict() == config.to_dict()
        assert type(AutoConfig.from_pretrained(tmp_path)) is self.config_class
        default = self.config_class()  # every field has a default
        assert type(default).from_dict(default.to_dict()).to_dict() == default.to_dict()

    def test_config_names_the_standard_sizes(self):
        config = self.tiny_config()
        assert config.hidden_size > 0
        assert config.num_hidden_layers > 0
        if self.has_attention:
            assert config.num_attention_heads > 0

    # -- class declarations ---------------------------------------------------------------------------------

    def test_declarations_match_the_code(self, model_class):
        model = self.build(model_class)
        first_argument = list(inspect.signature(model_class.forward).parameters)[1]
        assert model_class.main_input_name == first_argument
        assert model_class.supports_gradient_checkpointing
        assert model_class.config_class is self.config_class
        if model_class is not self.base_class:
            assert type(getattr(model, model_class.base_model_prefix)) is self.base_class
        # a plain tensor attribute would stay on the meta device when a checkpoint is loaded
        plain = [
            f"{type(module).__name__}.{name}"
            for module in model.modules()
            for name, value in vars(module).items()
            if isinstance(value, torch.Tensor)
        ]
        assert not plain
        class_names = {type(module).__name__ for module in model.modules()}
        assert set(model_class._no_split_modules or ()) <= class_names
        if self.has_attention:
            assert model_class._supports_sdpa
            assert model_class._supports_attention_backend

    def test_parallel_plans_name_real_modules(self):
        names = [name for name, _ in self.build(self.base_class).named_modules()]
        names = {re.sub(r"\.\d+(?=\.|$)", ".*", name) for name in names}
        plan = self.config_class.base_model_tp_plan or {}
        assert {name for name in plan if not re.search(self.modules_of_other_configurations, name)} <= names

    def test_tiny_model_is_tiny(self, model_class):
        model = self.build(model_class)
        assert sum(parameter.numel() for parameter in model.parameters()) < 1_000_000
        assert model.config.num_hidden_layers <= 2

    def test_auto_classes_give_the_family(self):
        config = self.tiny_config()
        assert type(AutoModel.from_config(config)) is self.base_class
        for auto_class, model_class in self.auto_classes.items():
            assert type(auto_class.from_config(config)) is model_class

    # -- saving and loading ---------------------------------------------------------------------------------

    @torch.no_grad()
    def test_saved_model_loads_bit_equal(self, model_class, tmp_path):
        model = self.build(model_class, scramble=True)
        model.save_pretrained(tmp_path)
        files = {path.name for path in tmp_path.iterdir()}
        assert files <= {"config.json", "model.safetensors", "generation_config.json"}
        assert json.loads((tmp_path / "config.json").read_text())["architectures"] == [model_class.__name__]
        loaded, info = model_class.from_pretrained(tmp_path, output_loading_info=True)
        assert not any(info.values()), info
        _assert_same_state(loaded, model)
        _assert_equal_outputs(self.run(loaded), self.run(model))

    def test_sharded_checkpoint_loads_bit_equal(self, model_class, tmp_path):
        model = self.build(model_class, scramble=True)
        model.save_pretrained(tmp_path, max_shard_size="16KB")
        assert (tmp_path / "model.safetensors.index.json").exists()
        assert len(list(tmp_path.glob("*.safetensors"))) > 1
        _assert_same_state(model_class.from_pretrained(tmp_path), model)

    def test_base_and_heads_load_each_other(self, model_class, tmp_path):
        if model_class is self.base_class:
            pytest.skip("a head is what this is about")
        head = self.build(model_class, scramble=True)
        head.save_pretrained(tmp_path / "head")
        base = AutoModel.from_pretrained(tmp_path / "head")
        assert type(base) is self.base_class
        _assert_same_state(base, getattr(head, head.base_model_prefix))
        base.save_pretrained(tmp_path / "base")
        head_again = model_class.from_pretrained(tmp_path / "base")
        _assert_same_state(getattr(head_again, head.base_model_prefix), base)

    def test_loading_without_weights_equals_init(self, model_class, monkeypatch):
        """Loading builds on the meta device, where nothing computed in `__init__` survives: `_init_weights`
        alone must reproduce every parameter and every buffer."""
        self._seed_before_each_init(monkeypatch)
        expected = model_class(self.tiny_config())
        loaded = model_class.from_pretrained(None, config=self.tiny_config(), state_dict={})
        _assert_same_state(loaded, expected)

    def test_partial_checkpoint_initialises_what_is_missing(self, model_class, monkeypatch):
        self._seed_before_each_init(monkeypatch)
        fresh = model_class(self.tiny_config())
        trained = self.build(model_class, scramble=True)
        kept = {name: value for name, value in list(trained.state_dict().items())[::2]}
        loaded, info = model_class.from_pretrained(
            None, config=self.tiny_config(), state_dict=dict(kept), output_loading_info=True
        )
        assert set(info["missing_keys"]) <= set(trained.state_dict()) - set(kept)
        expected = {**fresh.state_dict(), **kept}
        for name, value in loaded.state_dict().items():
            assert torch.equal(value, expected[name]), name

    def _seed_before_each_init(self, monkeypatch):
        # `__init__` draws numbers before `_init_weights` and loading does not, so a module's numbers compare
        # only if each module starts from the same seed.
        for model_class in {self.base_class, *self.model_classes}:
            original = model_class._init_weights

            def seeded(model, module, original=original):
                torch.manual_seed(0)
                original(model, module)

            monkeypatch.setattr(model_class, "_init_weights", seeded)

    # -- behaviour of forward -------------------------------------------------------------------------------

    @torch.no_grad()
    def test_eval_forward_is_deterministic(self, model_class):
        model = self.build(model_class, scramble=True)
        _assert_equal_outputs(self.run(model), self.run(model))

    @torch.no_grad()
    def test_return_dict_false_gives_the_same_tuple(self, model_class):
        model = self.build(model_class, scramble=True)
        outputs = self.run(model)
        if "loss" in outputs:
            assert next(iter(outputs)) == "loss"
        plain = self.run(model, return_dict=False)
        assert isinstance(plain, tuple)
        for left, right in zip(_tensors(plain), _tensors(outputs), strict=True):
            assert torch.equal(left, right)

    @torch.no_grad()
    def test_batch_equals_items_one_by_one(self, model_class):
        model = self.build(model_class, scramble=True)
        inputs = self.inputs(model_class)
        batch_size = inputs[model_class.main_input_name].shape[0]
        assert batch_size > 1
        together = model(**inputs)
        compared = 0
        for index in range(batch_size):
            item = {
                name: value[index : index + 1] if _is_batched(value, batch_size) else value
                for name, value in inputs.items()
            }
            alone = model(**item)
            for name in together:
                if _is_batched(together[name], batch_size):
                    difference = (alone[name][0] - together[name][index]).abs().max().item()
                    assert difference <= self.tolerance, f"{name} of item {index} differs by {difference}"
                    compared += 1
        assert compared

    def test_every_parameter_receives_gradient(self, model_class):
        model = self.build(model_class, scramble=True)
        _backward(self.run(model))
        unreached = [
            name
            for name, parameter in model.named_parameters()
            if (parameter.grad is None or not parameter.grad.abs().sum() > 0)
            and not any(re.search(pattern, name) for pattern in self.parameters_without_gradient)
        ]
        assert not unreached

    def test_gradient_checkpointing_changes_no_gradient(self, model_class):
        plain = self._train_step(model_class, gradient_checkpointing=False)
        checkpointed = self._train_step(model_class, gradient_checkpointing=True)
        assert checkpointed.calls_in_layer > plain.calls_in_layer, "no layer was computed again"
        for name, parameter in plain.model.named_parameters():
            other = checkpointed.model.get_parameter(name).grad
            torch.testing.assert_close(other, parameter.grad, atol=self.tolerance, rtol=1e-4, msg=name)
        for (
            name,
            buffer,
        ) in plain.model.named_buffers():  # e.g. statistics that a second forward would move twice
            torch.testing.assert_close(checkpointed.model.get_buffer(name), buffer, msg=name)

    def _train_step(self, model_class, *, gradient_checkpointing: bool) -> "_TrainStep":
        model = self.build(model_class, scramble=True).train()
        if gradient_checkpointing:
            model.activation_checkpointing_enable()
            assert model.is_activation_checkpointing
        layer = next(module for module in model.modules() if isinstance(module, GradientCheckpointingLayer))
        step = _TrainStep(model)
        for leaf in layer.modules():
            if leaf is not layer and not list(leaf.children()):
                leaf.register_forward_hook(step.count_call)
        torch.manual_seed(1)  # dropout draws the same mask in both runs
        _backward(self.run(model))
        return step

    def test_training_on_one_batch_learns_it(self, model_class):
        model = self.build(model_class).train()
        inputs = self.inputs(model_class)
        if "loss" not in model(**inputs):
            pytest.skip("no loss to lower")
        before = {name: parameter.clone() for name, parameter in model.named_parameters()}
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
        losses = []
        for _ in range(25):
            loss = model(**inputs).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        assert losses[-1] < 0.9 * losses[0], losses
        unmoved = [
            name
            for name, parameter in model.named_parameters()
            if torch.equal(parameter, before[name])
            and not any(re.search(pattern, name) for pattern in self.parameters_without_gradient)
        ]
        assert not unmoved

    @torch.no_grad()
    def test_bfloat16_forward_is_finite(self, model_class, tmp_path):
        self.build(model_class).save_pretrained(tmp_path)
        model = model_class.from_pretrained(tmp_path, dtype=torch.bfloat16)
        assert model.dtype == torch.bfloat16
        inputs = {
            name: value.to(torch.bfloat16) if torch.is_floating_point(value) else value
            for name, value in self.inputs(model_class).items()
        }
        outputs = model(**inputs)
        assert all(torch.isfinite(value).all() for value in _tensors(outputs))

    # -- recorded outputs and attention ---------------------------------------------------------------------

    @torch.no_grad()
    def test_hidden_states_come_out(self, model_class):
        model = self.build(model_class, scramble=True)
        if "hidden_states" not in (model._can_record_outputs or {}):
            pytest.skip("this class records no hidden states of its own")
        outputs = self.run(model, output_hidden_states=True)
        assert len(outputs.hidden_states) >= model.config.num_hidden_layers
        assert all(torch.isfinite(state).all() for state in outputs.hidden_states)
        silent = self.run(model)
        assert silent.get("hidden_states") is None
        for left, right in zip(_tensors(silent), _tensors(outputs), strict=False):
            assert torch.equal(left, right)

    @torch.no_grad()
    def test_attention_implementations_agree_and_switch(self, model_class):
        if not self.has_attention:
            pytest.skip("no attention in this family")
        eager = self.build(model_class, scramble=True, attn_implementation="eager")
        expected = self.run(eager)
        sdpa = self.build(model_class, scramble=True, attn_implementation="sdpa")
        assert sdpa.config._attn_implementation == "sdpa"
        for left, right in zip(_tensors(self.run(sdpa)), _tensors(expected), strict=True):
            torch.testing.assert_close(left, right, atol=self.tolerance, rtol=1e-4)
        sdpa.set_attn_implementation("eager")
        assert sdpa.config._attn_implementation == "eager"
        _assert_equal_outputs(self.run(sdpa), expected)

    @torch.no_grad()
    def test_eager_attention_returns_its_maps(self, model_class):
        if not self.has_attention:
            pytest.skip("no attention in this family")
        model = self.build(model_class, scramble=True, attn_implementation="eager")
        if "attentions" not in (model._can_record_outputs or {}):
            pytest.skip("this class records no attention maps of its own")
        attentions = self.run(model, output_attentions=True).attentions
        assert len(attentions) == model.config.num_hidden_layers
        for attention in attentions:
            torch.testing.assert_close(attention.sum(-1), torch.ones_like(attention.sum(-1)))

    # -- compilers ------------------------------------------------------------------------------------------

    @torch.no_grad()
    def test_exports(self, model_class):
        model = self.build(model_class, scramble=True)
        inputs = self.inputs(model_class)
        exported = torch.export.export(model, args=(), kwargs=inputs, strict=False)
        for left, right in zip(_tensors(exported.module()(**inputs)), _tensors(model(**inputs)), strict=True):
            torch.testing.assert_close(left, right, atol=self.tolerance, rtol=1e-4)

    @torch.no_grad()
    def test_compiles_without_graph_breaks(self, model_class):
        model = self.build(model_class, scramble=True)
        inputs = self.inputs(model_class)
        # the "eager" backend traces as any other would and skips the slow code generation
        compiled = torch.compile(model, fullgraph=True, backend="eager")
        for left, right in zip(_tensors(compiled(**inputs)), _tensors(model(**inputs)), strict=True):
            torch.testing.assert_close(left, right, atol=self.tolerance, rtol=1e-4)
        torch.compiler.reset()


class _TrainStep:
    def __init__(self, model: PreTrainedModel):
        self.model = model
        self.calls_in_layer = 0

    def count_call(self, *_):
        self.calls_in_layer += 1


def _scramble(model: PreTrainedModel) -> None:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))


def _is_batched(value, batch_size: int) -> bool:
    return isinstance(value, torch.Tensor) and value.ndim > 0 and value.shape[0] == batch_size


def _tensors(outputs) -> list[torch.Tensor]:
    """Every tensor in a (nested) output, in order."""
    if isinstance(outputs, torch.Tensor):
        return [outputs]
    values = outputs.values() if isinstance(outputs, dict) else outputs if isinstance(outputs, (tuple, list)) else ()
    return [tensor for value in values for tensor in _tensors(value)]


def _backward(outputs: ModelOutput) -> None:
    loss = outputs.loss if "loss" in outputs else sum(t.float().square().mean() for t in _tensors(outputs))
    loss.backward()


def _assert_equal_outputs(left: ModelOutput, right: ModelOutput) -> None:
    left_tensors, right_tensors = _tensors(left), _tensors(right)
    assert left_tensors
    for a, b in zip(left_tensors, right_tensors, strict=True):
        assert torch.equal(a, b)


def _assert_same_state(left: PreTrainedModel, right: PreTrainedModel) -> None:
    """Bit-equal parameters and buffers, those that are not saved included."""
    for kind in ("named_parameters", "named_buffers"):
        ours, theirs = dict(getattr(left, kind)()), dict(getattr(right, kind)())
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            assert value.device.type != "meta", name
            assert value.dtype == theirs[name].dtype, name
            assert torch.equal(value, theirs[name]), name
