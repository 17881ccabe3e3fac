"""Hold recordings out: by what the metadata says, by the number of the take, or by content."""

from heygen_hf.data.recordings.dataset import RecordingDataset
from heygen_hf.data.recordings.folder import SPLIT, TAKE
from heygen_hf.data.sources.splits import split_rows


def split_recordings(
    recordings: RecordingDataset, *, test_takes: int = 5, test_share: float = 0.1, seed: int = 0
) -> tuple[list[int], list[int], str]:
    """Rows for training and for the test, no recording on both sides.

    A column `split` decides where there is one ("train", or anything else for the test). Else, where every recording
    has a `take`, takes number 0 to `test_takes - 1` of every label and speaker are the test: what the Free Spoken
    Digit Dataset's own README calls its official split. Else a share of them, by the hash of their contents. A training
    recording with the contents of a test recording is left out.

    Returns:
        Rows of training, rows of the test, and how they were told apart, in a few words.

    Raises:
        ValueError: one of the two would be empty.
    """
    labels = recordings.labels
    if SPLIT in labels and any(labels[SPLIT]):
        held_out = [value != "train" for value in labels[SPLIT]]
        how = "the column split of the metadata"
    elif TAKE in labels and all(value.isdecimal() for value in labels[TAKE]):
        held_out = [int(value) < test_takes for value in labels[TAKE]]
        how = f"takes 0 to {test_takes - 1} of every label and speaker are the test"
    else:
        train, test = split_rows(recordings.contents, test_share, seed=seed)
        chosen = set(test)
        held_out = [row in chosen for row in range(len(recordings))]
        how = f"{test_share:.0%} of the recordings, by content, are the test"
    test = [row for row, out in enumerate(held_out) if out]
    tested = {recordings.contents[row] for row in test}
    train = [row for row, out in enumerate(held_out) if not out and recordings.contents[row] not in tested]
    num_copies = len(recordings) - len(test) - len(train)
    if num_copies:
        how += f"; {num_copies} others have the same contents as test recordings and are left out"
    for name, rows in (("training", train), ("test", test)):
        if not rows:
            raise ValueError(
                f"no recording is left for {name} ({how}); set data.recordings.test_takes, or add a column split"
            )
    return train, test, how
