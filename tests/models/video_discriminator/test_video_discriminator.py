"""The patch discriminator: the shared contract, its shapes, its penalty, and that it tells clips apart."""

import pytest
import torch
from huggingface_hub.errors import StrictDataclassClassValidationError
from model_contract import ModelContract

from heygen_hf.losses import AdversarialLoss, GradientPenalty
from heygen_hf.models.video_discriminator import VideoDiscriminatorConfig, VideoDiscriminatorModel


class _Discriminator(ModelContract):
    config_class = VideoDiscriminatorConfig
    base_class = VideoDiscriminatorModel
    model_classes = (VideoDiscriminatorModel,)
    options: dict = {}  # noqa: RUF012

    def tiny_config(self, **overrides):
        options = {"hidden_sizes": (8, 16), "strides": ((1, 2), (2, 2)), "num_groups": 4, **self.options}
        return VideoDiscriminatorConfig(**{**options, **overrides})

    def inputs(self, model_class):
        generator = torch.Generator().manual_seed(3)
        return {"pixel_values": torch.rand(3, 4, 3, 16, 16, generator=generator) * 2 - 1}


class TestGroupNormDiscriminator(_Discriminator):
    def test_shapes_follow_strides_and_scales(self):
        model = self.build(VideoDiscriminatorModel, num_scales=2)
        outputs = model(torch.zeros(2, 5, 3, 16, 24), output_hidden_states=True)
        assert outputs.logits.shape == (2, 3, 4, 6)
        assert [tuple(scale.shape) for scale in outputs.scale_logits] == [(2, 3, 4, 6), (2, 3, 2, 3)]
        assert torch.equal(outputs.logits, outputs.scale_logits[0])
        shapes = [tuple(state.shape) for state in outputs.hidden_states]
        assert shapes == [(2, 8, 5, 8, 12), (2, 16, 3, 4, 6), (2, 8, 5, 4, 6), (2, 16, 3, 2, 3)]

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"num_scales": 3},
            {"kernel_size": (4, 4)},
            {"kernel_size": (1, 5)},
            {"scale_factor": (2, 2), "num_scales": 2},
        ],
    )
    def test_the_stated_minimum_is_the_minimum(self, options):
        model = self.build(VideoDiscriminatorModel, **options)
        frames, height, width = model.config.minimum_clip_size
        assert model(torch.zeros(1, frames, 3, height, width)).logits.numel() > 0
        for smaller in ((frames - 1, height, width), (frames, height - 1, width), (frames, height, width - 1)):
            with pytest.raises(ValueError, match=rf"leave no patch: .* need {frames} frames of {height} x {width}"):
                model(torch.zeros(1, smaller[0], 3, *smaller[1:]))

    def test_a_patch_sees_only_its_surroundings(self):
        model = self.build(VideoDiscriminatorModel, norm_type="none")
        clip = torch.zeros(1, 4, 3, 64, 64)
        changed = clip.clone()
        changed[..., :4, :4] = 1
        difference = (model(changed).logits - model(clip).logits).abs()[0, 0]
        assert difference[0, 0] > 0
        assert difference[4:, 4:].max() == 0

    @pytest.mark.parametrize("shape", [(4, 3, 16, 16), (2, 3, 4, 16, 16)])
    def test_wrong_layout_says_what_was_expected(self, shape):
        with pytest.raises(ValueError, match=r"expected \(batch, frames, channels=3, height, width\)"):
            self.build(VideoDiscriminatorModel)(torch.zeros(shape))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"strides": ((1, 2),)}, "1 entries for 2 stages"),
            ({"strides": ((1, 2), (0, 2))}, "positive integers"),
            ({"kernel_size": (0, 4)}, r"kernel_size=\[0, 4\] must be a \(time, space\) pair"),
            ({"num_scales": 0}, "num_scales=0 must be at least 1"),
            ({"num_groups": 5}, r"num_groups=5 does not divide hidden_sizes=\[16\]"),
            ({"hidden_sizes": (), "strides": ()}, "one positive width a stage"),
        ],
    )
    def test_inconsistent_config_is_refused(self, options, message):
        with pytest.raises(StrictDataclassClassValidationError, match=message):
            self.tiny_config(**options)

    @pytest.mark.parametrize("norm_type", ["group", "spectral", "none"])
    def test_penalty_differentiates_twice(self, norm_type):
        model = self.build(VideoDiscriminatorModel, norm_type=norm_type, num_scales=2).double()
        clips = torch.randn(2, 2, 3, 8, 8, dtype=torch.float64)
        penalty = GradientPenalty(weight=2.0)
        loss = penalty(model, clips)
        loss.backward()
        weight = model.scales[1].stages[0].convolution.weight
        index, step = (3, 1, 1, 2, 1), 1e-5
        with torch.no_grad():
            weight[index] += step
            above = penalty(model, clips)
            weight[index] -= 2 * step
            below = penalty(model, clips)
        torch.testing.assert_close(weight.grad[index], (above - below) / (2 * step), rtol=1e-4, atol=1e-9)

    @pytest.mark.parametrize("norm_type", ["group", "spectral", "none"])
    def test_learns_to_tell_still_from_flickering(self, norm_type):
        """Every frame alone looks the same in both: only a look across frames can tell."""
        model = VideoDiscriminatorModel(self.tiny_config(norm_type=norm_type)).train()
        loss = AdversarialLoss(kind="hinge")
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)

        def clips():
            still = (torch.rand(16, 1, 3, 8, 8) * 2 - 1).expand(-1, 4, -1, -1, -1)
            return still, torch.rand(16, 4, 3, 8, 8) * 2 - 1

        for _ in range(60):
            still, flickering = clips()
            loss.discriminator(model(still).scale_logits, model(flickering).scale_logits).backward()
            optimizer.step()
            optimizer.zero_grad()
        with torch.no_grad():
            still, flickering = clips()
            real, fake = (model.eval()(clip).logits.mean((1, 2, 3)) for clip in (still, flickering))
        assert (real > 0).float().mean() >= 0.9
        assert (fake < 0).float().mean() >= 0.9


class TestSpectralMultiScaleDiscriminator(_Discriminator):
    options = {"norm_type": "spectral", "num_scales": 2, "hidden_sizes": (24,), "strides": ((1, 2),)}  # noqa: RUF012

    def test_largest_singular_value_becomes_one(self):
        model = self.build(VideoDiscriminatorModel, scramble=True).train()
        clip = self.inputs(VideoDiscriminatorModel)["pixel_values"]
        for _ in range(100):
            model(clip)
        convolution = model.eval().scales[0].stages[0].convolution
        matrix = convolution.weight.detach().flatten(1)
        expected = torch.nn.functional.conv3d(
            clip.transpose(1, 2),
            convolution.weight / torch.linalg.matrix_norm(matrix, ord=2),
            convolution.bias,
            convolution.stride,
            convolution.padding,
        )
        torch.testing.assert_close(convolution(clip.transpose(1, 2)), expected, atol=1e-4, rtol=1e-4)

    def test_two_forwards_before_a_backward(self):
        """Real, then generated, then backward: the second forward moves what the first divided by."""
        model = self.build(VideoDiscriminatorModel).train()
        before = model.scales[0].stages[0].convolution.left_vector.clone()
        clip = self.inputs(VideoDiscriminatorModel)["pixel_values"]
        AdversarialLoss().discriminator(model(clip).scale_logits, model(-clip).scale_logits).backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        assert not torch.equal(model.scales[0].stages[0].convolution.left_vector, before)
