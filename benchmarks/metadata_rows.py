"""How long opening a metadata file of a million rows takes, and how much memory it holds.

    python benchmarks/metadata_rows.py [--rows 1000000]

For each format a fresh process opens the folder with `load_video_dataset` and reads the first and the last row. The
clips are not there, as for a folder that is mounted later: nothing may look for each of them. The last line is JSON:
`{"rows": …, "jsonl": {"seconds": …, "peak_gib": …}, "csv": …, "parquet": …}`; seconds are those of opening, without
importing; the peak is the process's, with all that it imports (`imports_gib`).
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FORMATS = ("jsonl", "csv", "parquet")


def write_metadata(folder: Path, kind: str, num_rows: int) -> None:
    """Rows with a name, a caption of usual length, and a label."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    caption = "A {} clip, in which somebody walks from left to right past a house, number {}, while it rains."
    if kind == "parquet":
        numbers = range(num_rows)
        table = pa.table(
            {
                "file_name": [f"videos/{n // 1000:04d}/{n:07d}.mp4" for n in numbers],
                "text": [caption.format("short", n) for n in numbers],
                "label": [str(n % 10) for n in numbers],
            }
        )
        pq.write_table(table, folder / "metadata.parquet")
        return
    with (folder / f"metadata.{kind}").open("w", encoding="utf-8") as file:
        if kind == "csv":
            file.write("file_name,text,label\n")
        for n in range(num_rows):
            name, text, label = f"videos/{n // 1000:04d}/{n:07d}.mp4", caption.format("short", n), str(n % 10)
            row = (
                f'{name},"{text}",{label}'
                if kind == "csv"
                else json.dumps(dict(file_name=name, text=text, label=label))
            )
            file.write(row + "\n")


def open_metadata(folder: str, num_rows: int) -> dict[str, float]:
    """Open the folder in this process and measure it."""
    import datasets  # noqa: F401
    import pyarrow.csv
    import pyarrow.json
    import pyarrow.parquet  # noqa: F401

    from heygen_hf.data.sources import load_video_dataset

    imports = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    dataset = load_video_dataset(folder, label_columns=["label"])
    seconds = time.perf_counter() - started
    assert len(dataset) == num_rows
    assert f"number {num_rows - 1}," in dataset[num_rows - 1]["text"]
    assert dataset[0]["video"]["path"].endswith("videos/0000/0000000.mp4")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": round(seconds, 2), "peak_gib": round(peak / 2**20, 3), "imports_gib": round(imports / 2**20, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--open", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.open:
        print(json.dumps(open_metadata(arguments.open, arguments.rows)))
        return
    results: dict[str, object] = {"rows": arguments.rows}
    with tempfile.TemporaryDirectory() as folder:
        for kind in FORMATS:
            write_metadata(Path(folder, kind), kind, arguments.rows)
            command = [sys.executable, __file__, "--rows", str(arguments.rows), "--open", str(Path(folder, kind))]
            finished = subprocess.run(command, check=True, capture_output=True, text=True)
            results[kind] = json.loads(finished.stdout.splitlines()[-1])
            print(f"{kind}: {results[kind]}")
    print(json.dumps(results))


if __name__ == "__main__":
    main()
