"""Run by test_contrastive.py: the gradients of contrastive losses on one rank, averaged over ranks as DDP does.

python contrastive_on_ranks.py FOLDER RANK RANKS writes FOLDER/result_RANK_of_RANKS.json
"""

import json
import sys
from pathlib import Path

import torch
from torch import distributed

from heygen_hf.losses import ContrastiveLoss

SHARES = {"plain": (4, 4), "missing": (4, 4), "uneven": (5, 3)}


def batch(case: str) -> tuple[torch.Tensor, torch.Tensor, dict]:
    torch.manual_seed(2)
    first, second = torch.randn(2, 8, 5)
    if case != "missing":
        return first, second, {}
    present = torch.tensor([True, True, False, True, True, False, False, True])
    return first, second, {"first_present": present, "group_ids": torch.tensor([0, 1, 2, 3, 0, 4, 5, 6])}


def main(folder: Path, rank: int, ranks: int) -> None:
    torch.set_num_threads(1)
    if ranks > 1:
        distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=ranks)
    results = {}
    for kind in ("softmax", "sigmoid"):
        for case, shares in SHARES.items():
            first, second, options = batch(case)
            torch.manual_seed(1)
            encoder, loss = torch.nn.Linear(5, 3), ContrastiveLoss(kind=kind, scale=5.0)
            rows = slice(0, 8) if ranks == 1 else slice(*((0, shares[0]), (shares[0], 8))[rank])
            mine = {name: value[rows] for name, value in options.items()}
            value = loss(encoder(first[rows]), encoder(second[rows]), **mine)
            value.backward()
            gradients = [parameter.grad for parameter in (*encoder.parameters(), *loss.parameters())]
            if ranks > 1:
                for gradient in gradients:
                    distributed.all_reduce(gradient)
                    gradient /= ranks
            results[f"{kind} {case}"] = [value.item(), *torch.cat([g.flatten() for g in gradients]).tolist()]
    if ranks > 1:
        distributed.destroy_process_group()
    (folder / f"result_{rank}_of_{ranks}.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
