"""Clips changed at random, the same for every frame, by seed alone; captions that stay true."""

from heygen_hf.data.augmentation.direction_words import Change, DirectionWords
from heygen_hf.data.augmentation.options import CaptionPolicy
from heygen_hf.data.augmentation.video_augmentation import VideoAugmentation

__all__ = ["CaptionPolicy", "Change", "DirectionWords", "VideoAugmentation"]
