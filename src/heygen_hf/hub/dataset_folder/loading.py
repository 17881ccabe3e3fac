"""Loading a data set where nothing of this process is left, by `load_dataset` and by this package."""

import json
import tempfile
from pathlib import Path

from heygen_hf.hub.dataset_folder import loading_program
from heygen_hf.hub.dataset_folder.card import split_key
from heygen_hf.hub.dataset_folder.write import WrittenDataset
from heygen_hf.hub.gate import Check, run_in_clean_process


def load_dataset_in_clean_process(
    written: WrittenDataset,
    *,
    repo_id: str | None = None,
    revision: str | None = None,
    endpoint: str | None = None,
    token: str | None = None,
    caption_column: str = "text",
    max_rows: int | None = None,
) -> list[Check]:
    """Load every row (or the first `max_rows` of each split, streamed) and compare clips by hash, captions by letter.

    Args:
        repo_id: on the Hub; by default the folder that was written.
        revision: of that repository.
    """
    with tempfile.TemporaryDirectory(prefix="gate-expected-") as folder:
        splits = {}
        for number, split in enumerate(split for split in written.splits if split.rows):
            path = Path(folder, f"{number}.json")
            path.write_text(json.dumps(split.rows), encoding="utf-8")
            splits[split_key(split.name)] = str(path)
        job = {
            "source": repo_id or str(written.path.resolve()),
            "revision": revision,
            "splits": splits,
            "caption_column": caption_column,
            "max_rows": max_rows,
            "without": ["load_dataset:load_dataset"],
            "with": ["load_video_dataset:load_video_dataset"],
        }
        return run_in_clean_process(
            Path(loading_program.__file__),
            job,
            is_on_hub=repo_id is not None,
            endpoint=endpoint,
            token=token,
        )
