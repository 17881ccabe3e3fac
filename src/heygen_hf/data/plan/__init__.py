"""What a run will do with every file, known before it starts."""

from heygen_hf.data.plan.clip_plan import ClipPlan, crop_box, describe_frames, plan_clips

__all__ = ["ClipPlan", "crop_box", "describe_frames", "plan_clips"]
