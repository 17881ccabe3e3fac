"""Pushing to a small Hub on loopback, with the real client."""

import re
from pathlib import Path

import pytest
from loopback_hub import TOKEN, LoopbackHub

from heygen_hf.hub.gate.manifest import take_manifest
from heygen_hf.hub.push import PushError, PushOptions, push_folder

NAME = "someone/moving-digits"
CARD = "---\nlicense: apache-2.0\n---\n# Moving digits\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "repository"
    (path / "transformer").mkdir(parents=True)
    (path / "README.md").write_text(CARD)
    (path / "transformer" / "model.safetensors").write_bytes(b"weights" * 1000)
    (path / "transformer" / "config.json").write_text("{}")
    (path / ".repository").touch()
    return path


@pytest.fixture
def push(hub: LoopbackHub, folder: Path):
    """Pushes the folder as it is now; the manifest may be an earlier one."""

    def run(repo_id: str = NAME, *, manifest=None, token: str | None = TOKEN, **options):
        manifest = take_manifest(folder) if manifest is None else manifest
        return push_folder(
            folder, manifest, repo_id=repo_id, options=PushOptions(**options), token=token, endpoint=hub.url
        )

    return run


def held(hub: LoopbackHub, revision: str = "main") -> set[str]:
    return set(hub.files(NAME, revision)) - {".gitattributes"}


def test_all_files_arrive_in_one_commit(hub: LoopbackHub, push, folder: Path) -> None:
    pushed = push()
    files = {name: data for name, data in hub.files(NAME).items() if name != ".gitattributes"}
    assert files == {
        name: (folder / name).read_bytes()
        for name in ("README.md", "transformer/model.safetensors", "transformer/config.json")
    }
    assert hub.repos[NAME].refs["main"] == pushed.revision
    assert len(hub.repos[NAME].commits) == 2  # the empty one and this


def test_the_same_again_changes_nothing(hub: LoopbackHub, push) -> None:
    first = push()
    assert push().revision == first.revision


def test_a_repository_with_files_is_changed_only_when_asked(hub: LoopbackHub, push, folder: Path) -> None:
    first = push()
    (folder / "transformer" / "config.json").unlink()
    (folder / "README.md").write_text(CARD + "more\n")
    with pytest.raises(PushError, match=r"exists and holds 3 files: change it with --update.*nothing was published"):
        push()
    assert hub.repos[NAME].refs["main"] == first.revision
    push(update=True)
    assert held(hub) == {"README.md", "transformer/model.safetensors"}  # what is no more is gone


def test_branch_tag_private_and_pull_request(hub: LoopbackHub, push, folder: Path) -> None:
    first = push(private=True, tag="v1")
    assert hub.repos[NAME].private
    assert hub.repos[NAME].refs["v1"] == first.revision
    (folder / "README.md").write_text(CARD + "second\n")
    second = push(branch="next", update=True)
    assert hub.repos[NAME].refs["next"] == second.revision
    assert hub.repos[NAME].refs["main"] == first.revision
    (folder / "README.md").write_text(CARD + "third\n")
    third = push(create_pr=True)
    assert third.pull_request is not None
    assert hub.repos[NAME].refs["refs/pr/1"] == third.revision
    assert hub.repos[NAME].refs["main"] == first.revision


def test_what_shall_be_private_does_not_go_to_a_public_repository(hub: LoopbackHub, push) -> None:
    first = push()
    with pytest.raises(PushError, match=r"exists and is public.*nothing was published"):
        push(private=True, update=True)
    assert hub.repos[NAME].refs["main"] == first.revision


def test_a_card_that_the_hub_does_not_take(hub: LoopbackHub, push, folder: Path) -> None:
    (folder / "README.md").write_text("---\nlicense: refused\n---\n")
    with pytest.raises(PushError) as error:
        push()
    one_line(error, r"the Hub does not take it \(.*no licence of ours")
    assert held(hub) == set()


def test_a_file_changed_after_the_check_is_not_pushed(hub: LoopbackHub, push, folder: Path) -> None:
    checked = take_manifest(folder)
    (folder / "transformer" / "model.safetensors").write_bytes(b"Weights" * 1000)
    with pytest.raises(PushError, match=r"transformer/model\.safetensors was changed after the check"):
        push(manifest=checked)
    assert hub.requests == []


def test_a_weight_changed_while_it_is_sent_is_not_published(hub: LoopbackHub, push, folder: Path) -> None:
    def change(method: str, path: str) -> None:
        if method == "PUT":
            (folder / "transformer" / "model.safetensors").write_bytes(b"WEIGHTS" * 1000)

    hub.before = change
    with pytest.raises(PushError, match="was changed after the check"):
        push()
    assert held(hub) == set()


@pytest.mark.parametrize(
    "name", ["digits", "a/b/c", "someone/", "some one/x", "someone/x--y", "someone/x.git", "../x", "a/.."]
)
def test_a_malformed_name_is_refused_before_anything_is_sent(hub: LoopbackHub, push, name: str) -> None:
    with pytest.raises(ValueError, match=r"is no USER/NAME") as caught:
        push(name)
    assert "\n" not in str(caught.value)
    assert hub.requests == []


@pytest.mark.parametrize(
    "options",
    [
        {"branch": "a", "create_pr": True},
        {"tag": "v1", "create_pr": True},
        {"branch": "a..b"},
        {"tag": "-x"},
        {"branch": "a b"},
    ],
)
def test_options_that_cannot_be(options) -> None:
    with pytest.raises(ValueError, match=r"leave out|is no name"):
        PushOptions(**options)


def one_line(error: pytest.ExceptionInfo[PushError], expected: str) -> None:
    message = str(error.value)
    assert "\n" not in message
    assert TOKEN not in message
    assert re.search(expected, message), message
    assert re.search(r"published", message)


def test_without_a_token_nothing_is_sent(hub: LoopbackHub, push, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heygen_hf.hub.push.push.get_token", lambda: None)
    with pytest.raises(PushError) as error:
        push(token=None)
    one_line(error, "there is no Hugging Face token")
    assert hub.requests == []


def test_a_token_that_is_not_accepted(hub: LoopbackHub, push) -> None:
    with pytest.raises(PushError) as error:
        push(token="hf_wrongtokenwrongtoken")
    one_line(error, r"does not accept the token \(401\)")
    assert hub.repos == {}


def test_a_namespace_of_others(hub: LoopbackHub, push) -> None:
    with pytest.raises(PushError) as error:
        push("others/model")
    one_line(error, r"may not write to others/model \(403\)")


def test_no_network(push, hub: LoopbackHub, folder: Path) -> None:
    with pytest.raises(PushError) as error:
        push_folder(folder, take_manifest(folder), repo_id=NAME, token=TOKEN, endpoint="http://127.0.0.1:9")
    one_line(error, "cannot be reached")


@pytest.mark.parametrize(
    ("method", "path", "status", "expected"),
    [
        ("POST", r"/commit/", 500, r"the Hub failed \(500\)"),
        ("POST", r"/commit/", 412, r"changed by someone else"),
        ("POST", r"/commit/", None, r"cannot be reached or broke off"),
        ("POST", r"/repos/create", 503, r"the Hub failed \(503\)"),
        ("POST", r"/repos/create", 429, r"asks to wait"),
        ("POST", r"/preupload/", 403, r"may not write"),
        ("PUT", r"/lfs/", 400, r"the Hub refused \(400\)"),
    ],
)
def test_a_push_that_breaks_off_leaves_main_as_it_was_and_goes_on(
    hub: LoopbackHub, push, method: str, path: str, status: int | None, expected: str
) -> None:
    hub.fail(method, path, status=status, times=1)
    with pytest.raises(PushError) as error:
        push()
    one_line(error, expected)
    assert "nothing was published" in str(error.value)
    assert NAME not in hub.repos or held(hub) == set()  # all or nothing
    sent = sum(request.startswith("PUT") for request in hub.requests)
    kept = len(hub.lfs)
    push()
    assert held(hub) == {"README.md", "transformer/model.safetensors", "transformer/config.json"}
    if kept:  # what arrived the first time was not sent again
        assert sum(request.startswith("PUT") for request in hub.requests) == sent


@pytest.mark.slow
@pytest.mark.parametrize("status", [503, None])
def test_a_hub_that_fails_while_large_files_are_sent(hub: LoopbackHub, push, status: int | None) -> None:
    """The client tries each a few times itself."""
    hub.fail("PUT", r"/lfs/", status=status, times=99)
    with pytest.raises(PushError) as error:
        push()
    one_line(error, r"the Hub failed \(503\)|cannot be reached or broke off")
    assert "nothing was published (what was sent is kept" in str(error.value)
    assert held(hub) == set()
    hub.faults.clear()
    push()
    assert len(held(hub)) == 3


@pytest.mark.parametrize("status", [504, None])
def test_a_commit_whose_answer_is_lost_is_found(hub: LoopbackHub, push, status: int | None) -> None:
    """The Hub finishes what took it too long to answer."""
    hub.fail("POST", r"/commit/", status=status, after=True)
    pushed = push(tag="v1")
    assert hub.repos[NAME].refs["main"] == hub.repos[NAME].refs["v1"] == pushed.revision
    assert len(hub.repos[NAME].commits) == 2
    assert pushed.url == f"{hub.url}/{NAME}/commit/{pushed.revision}"


def test_a_hub_that_fails_and_then_says_nothing(hub: LoopbackHub, push) -> None:
    hub.fail("POST", r"/commit/", status=504, after=True)
    hub.before = lambda method, path: (
        hub.fail("GET", r"/revision/", status=500, times=99) if "/commit/" in path else None
    )
    with pytest.raises(PushError) as error:
        push()
    one_line(error, r"failed \(504\).*whether it was published cannot be asked now: the same command finds out")
    assert "nothing was published" not in str(error.value)
    hub.before = None
    hub.faults.clear()
    assert push().revision == hub.repos[NAME].refs["main"]
    assert len(hub.repos[NAME].commits) == 2


def test_a_tag_that_an_earlier_try_gave(hub: LoopbackHub, push) -> None:
    first = push(tag="v1")
    assert push(tag="v1").revision == first.revision
    hub.repos[NAME].refs["v1"] = next(iter(hub.repos[NAME].commits))
    with pytest.raises(PushError, match=r"already.*409.*is published, what follows it is not done"):
        push(tag="v1")


def test_data_sets_have_repositories_of_their_own(hub: LoopbackHub, folder: Path, push) -> None:
    model = push()
    options = {"repo_id": NAME, "token": TOKEN, "endpoint": hub.url, "kind": "dataset"}
    pushed = push_folder(folder, take_manifest(folder), **options, options=PushOptions(branch="next"))
    assert hub.repos[f"datasets/{NAME}"].refs["next"] == pushed.revision
    assert set(hub.files(f"datasets/{NAME}")) == {".gitattributes"}
    assert hub.repos[NAME].refs["main"] == model.revision
    assert "/datasets/" in pushed.url


def test_many_files_are_sent_in_parts(hub: LoopbackHub, folder: Path, push, capfd: pytest.CaptureFixture[str]) -> None:
    for number in range(70):
        (folder / f"{number}.mp4").write_bytes(b"%d" % number)
    push()
    assert len(held(hub)) == 73
    assert "69.mp4" not in capfd.readouterr().err  # one bar, not seventy


def test_what_the_hub_holds_is_compared_with_what_was_checked(hub: LoopbackHub, push) -> None:
    def corrupt(method: str, path: str) -> None:
        if method == "GET" and "/tree/" in path and len(hub.repos[NAME].commits) == 2:
            files = hub.files(NAME)
            files["README.md"] = b"other"

    hub.before = corrupt
    with pytest.raises(PushError, match=r"is published and not what was checked: README\.md differs"):
        push()
