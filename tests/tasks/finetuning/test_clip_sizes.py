"""Clips of a size that a published pipeline would not give back are refused before anything is loaded."""

import pytest
import torch
from tiny_pipelines import tiny_pipeline

from heygen_hf.data.buckets import Bucket
from heygen_hf.tasks.finetuning.base.pipeline import find_base
from heygen_hf.tasks.finetuning.model import check_clip_size, described_family
from heygen_hf.tasks.text_to_video.latent_geometry import latent_geometry


@pytest.mark.parametrize("name", ["cogvideox", "cogvideox_15"])
def test_cogvideox_takes_an_odd_number_of_latent_frames(name, tiny_pipeline_folder):
    base = find_base({"pretrained": str(tiny_pipeline_folder(name))})
    geometry, patch_size = latent_geometry(str(base.folder)), described_family(base).patch_size
    check_clip_size(base, geometry, Bucket(17, 32, 32), patch_size=patch_size, where="processor")
    with pytest.raises(ValueError, match=r"num_frames=13 does not fit cogvideox.*9 and 17"):
        check_clip_size(base, geometry, Bucket(13, 32, 32), patch_size=patch_size, where="processor")
    latents = torch.zeros(1, 4, 4, 4, 4)
    assert tiny_pipeline(name).vae.decode(latents).sample.shape[2] == 16  # and not 13
