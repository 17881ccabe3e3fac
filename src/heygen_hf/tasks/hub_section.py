"""The `hub` section of every recipe."""

from dataclasses import dataclass


@dataclass(kw_only=True)
class HubSection:
    """What the model card says that no run can know, and whether the finished run is published.

    Args:
        license: identifier on the Hub, such as apache-2.0.
        title: of the card; by default the run's name.
        data_description, intended_use, limits: of the data, and what the model is and is not good for.
        citation: how to cite the model, as BibTeX or in words.
        push_to_hub: publish the finished run through the gate, as `heygen-hf publish` does.
        repo_id: `USER/NAME` to publish it to.
        private: of a repository that is created; None is the account's default.
        base_model: `USER/NAME` on the Hub of the model that adapters were trained on, where the recipe names a folder.
    """

    license: str | None = None
    title: str | None = None
    data_description: str | None = None
    intended_use: str | None = None
    limits: str | None = None
    citation: str | None = None
    push_to_hub: bool = False
    repo_id: str | None = None
    private: bool | None = None
    base_model: str | None = None
