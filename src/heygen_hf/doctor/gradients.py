"""Do the package's own losses and layers have the gradients that finite differences say?"""

from heygen_hf.doctor.finding import Finding


def examine_gradients() -> list[Finding]:
    """A finding for each piece; a few seconds."""
    from heygen_hf.training.debugging.own_pieces import check_own_gradients

    return [
        Finding(subject=check.name, state="ok", found="agrees with finite differences")
        if check.problem is None
        else Finding(
            subject=check.name,
            state="broken",
            found=check.problem,
            remedy="report it with the versions of torch and heygen_hf: a model trained with it learns something else",
        )
        for check in check_own_gradients()
    ]
