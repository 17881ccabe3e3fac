"""The training objective that a configuration names."""

from heygen_hf.losses import DDPMObjective, DenoisingObjective, FlowMatchingObjective, MeanFlowObjective
from heygen_hf.models.video_transformer.configuration_video_transformer import VideoTransformerConfig


def build_objective(config: VideoTransformerConfig) -> DenoisingObjective:
    """The `DenoisingObjective` of `config.objective`, with its prediction type, loss space and timestep shift."""
    options = {
        "prediction_type": config.prediction_type,
        "loss_space": config.loss_space,
        "timestep_shift": config.timestep_shift,
        "min_timestep": config.min_timestep,
    }
    if config.objective == "ddpm":
        return DDPMObjective(num_train_timesteps=config.num_train_timesteps, **options)
    if config.objective == "mean_flow":
        return MeanFlowObjective(**options)
    return FlowMatchingObjective(**options)
