"""A folder of captioned clips to the Hub: its folder there, the gate, the push, and loading what was pushed."""

from heygen_hf.tasks.dataset_publishing.publish import PublishedDataset, publish_dataset

__all__ = ["PublishedDataset", "publish_dataset"]
