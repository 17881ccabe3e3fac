"""Nothing of this machine gets into a card."""

import getpass
import socket
from pathlib import Path

import pytest
from card_of_texts import NUM_TEXTS, card_of
from hostile_texts import hostile_texts

from heygen_hf.hub import DataSplit, MetricResult, SampleImage, render_card, scrub, scrub_command
from heygen_hf.hub.card.privacy import scrub_values
from heygen_hf.hub.card.text import unescape_markdown

TOKEN = "hf_" + "aB3" * 11
HEX = "0123456789abcdef0123456789abcdef01234567"
AWS = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A working directory in somebody's home, on a named machine."""
    home = tmp_path / "home" / "miriam"
    work = home / "projects" / "clips"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(home))
    for name in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "miriam")
    monkeypatch.setattr(socket, "gethostname", lambda: "gpu-box-17.lab.example")
    monkeypatch.setenv("STORAGE_API_KEY", "value-of-the-key-0815")
    assert getpass.getuser() == "miriam"
    return work


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("train: {work}/data/clips", "train: data/clips"),
        ("train: {home}/other/clips", "train: clips"),
        ("train: /mnt/secret-project/clips\nnext: 1", "train: clips\nnext: 1"),
        ("train: '/mnt/secret project/my clips'", "train: 'my clips'"),
        ("train: ~/clips/new", "train: new"),
        ("train: C:\\Users\\miriam\\clips", "train: clips"),
        ("cache: file:///mnt/share/cache", "cache: cache"),
        ("see (/opt/private/x), or /opt/private/y.", "see (x), or y."),
        ("on gpu-box-17.lab.example by Miriam", "on [removed] by [removed]"),
        ("on gpu-box-17", "on [removed]"),
        ("key is value-of-the-key-0815 here", "key is [removed] here"),
        (f"hub:\n  token: {TOKEN}\n  private: true", "hub:\n  token: [removed]\n  private: true"),
        ('{{"api_key": "abcdefgh"}}', '{{"api_key": "[removed]"}}'),
        ("WANDB_API_KEY=0123456789 HF_TOKEN=abcdefgh", "WANDB_API_KEY=[removed] HF_TOKEN=[removed]"),
        (f"wandb key {HEX} here", "wandb key [removed] here"),
        ("wandb_v1_abcdefghijklmnopqrst.mp4", "[removed].mp4"),
        ("AKIAABCDEFGHIJKLMNOP and ASIAABCDEFGHIJKLMNOP", "[removed] and [removed]"),
        (f"it is {AWS}", "it is [removed]"),
        (f"aws_secret_access_key: {AWS[:12]}", "aws_secret_access_key: [removed]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "[removed]"),
        (f"my_{TOKEN}", "my_[removed]"),
        ("miriam_clips on GPU-BOX-17_b", "[removed]_clips on [removed]_b"),
        ("cannot open:/mnt/share/a.mp4", "cannot open:a.mp4"),
        ("https://user:pass@host.example/repo", "https://[removed]@host.example/repo"),
    ],
)
def test_scrub_removes_what_is_private(machine, text, expected):
    home = machine.parent.parent
    assert scrub(text.format(work=machine, home=home)) == expected.format()


@pytest.mark.parametrize(
    "text",
    [
        "train: data/moving_digits",
        "a and/or b, 1/2, 30 km/h",
        "max_caption_tokens: 16\neos_token: <eos>\ntokenizer: word_level",
        "https://huggingface.co/user/model",
        "patch_size: [4, 4, 4]  # ~5 minutes",
        "token: null",
        "video tokens and text tokens: 528 each",
        "a red 7 moves left",
        f"revision: {HEX}",
        f"git+https://example.org/x@{HEX}",
        f"weights {HEX}{HEX[:24]}",
    ],
)
def test_scrub_leaves_the_rest(machine, text):
    assert scrub(text) == text


def test_a_token_is_seen_through_what_hides_it(machine, change):
    hidden = f"{TOKEN[:9]}\u200b{TOKEN[9:20]}\u00ad{TOKEN[20:]}"
    texts = [hidden, f"{'word ' * 250}{TOKEN}", " " * 2180 + TOKEN, f"x\x00{TOKEN}"]
    card = render_card(
        change(
            title=hidden,
            recipe_yaml=f"prompt: {hidden}",
            command=["heygen-hf", hidden],
            data_note=" ".join(texts),
            samples=[SampleImage(path="samples/s.png", prompts=texts)],
        )
    )
    assert "aB3aB3" not in card


def test_no_secret_gets_out_among_hostile_texts(machine):
    home = str(machine.parent.parent)
    planted = {
        TOKEN: "aB3aB3",
        f"WANDB_API_KEY={HEX}": HEX,
        f"my key {HEX}": HEX,
        "AKIAABCDEFGHIJKLMNOP": "AKIAABC",
        f"secret {AWS}": AWS,
        "value-of-the-key-0815": "value-of-the-key",
        f"{home}/x/a.mp4": home,
        "/mnt/elsewhere/b.mp4": "/mnt/elsewhere",
        "gpu-box-17.lab.example": "gpu-box",
        "by miriam": "miriam",
        "https://who:what@host.example": "who:what",
    }
    texts = hostile_texts(6 * NUM_TEXTS, seed=2)
    secrets = list(planted) * len(texts)
    mixed = [f"{text} {secret} {text}" for text, secret in zip(texts, secrets, strict=False)]
    mixed[1::5] = secrets[1 : len(texts) : 5]
    for start in range(0, len(mixed), NUM_TEXTS):
        card = render_card(card_of(iter(mixed[start : start + NUM_TEXTS]).__next__))
        for private in planted.values():
            assert private not in unescape_markdown(card), private


def test_json_keeps_commits_and_no_keys(machine):
    values = {"commit": {"heygen_hf": HEX}, "key": HEX, f"{machine}/a.mp4": ["/mnt/share/b.mp4", 1, None, True, 0.5]}
    assert scrub_values(values) == {
        "commit": {"heygen_hf": HEX},
        "key": "[removed]",
        "a.mp4": ["b.mp4", 1, None, True, 0.5],
    }


def test_command_is_what_somebody_else_would_type(machine):
    command = [
        "/usr/lib/python3.11/bin/python3.11",
        "-m",
        "heygen_hf",
        "train",
        f"{machine}/recipes/video folder.yaml",
        "data.train=/mnt/secret/my clips",
        "--token",
        "abcdefgh",
        "training.max_steps=200",
    ]
    expected = "python -m heygen_hf train 'recipes/video folder.yaml' 'data.train=my clips' --token [removed]"
    assert scrub_command(command) == f"{expected} training.max_steps=200"


def test_whole_card_gives_nothing_away(machine, change):
    private = f"{machine}/x {machine.parent.parent}/y {TOKEN} value-of-the-key-0815 /mnt/elsewhere/z"
    named = f"{private} gpu-box-17 miriam"
    card = render_card(
        change(
            title=named,
            data_name=f"{machine}/clips/",
            splits=[
                DataSplit(
                    name="train",
                    used=0,
                    skipped=[(f"{machine}/clips/a.mp4", f"truncated {named}"), (f"miriam_{TOKEN}.mp4", named)],
                    notes=[named],
                )
            ],
            replaced=[(f"{machine}/clips/b.mp4", named)],
            citation=named,
            intended_use=named,
            stories={"metrics.json": named},
            data_note=named,
            recipe_yaml=named,
            command=["heygen-hf", *named.split()],
            hardware={"host": named},
            versions={"torch": named},
            limits=named,
            generation_defaults={"x": named},
            metrics=[MetricResult(name=named, value=1.0, note=named, group=named)],
            samples=[SampleImage(path="samples/s.png", prompts=[named, "a\u200bb"], note=named)],
        )
    )
    for secret in (
        str(machine),
        str(machine.parent.parent),
        TOKEN,
        "value-of-the-key-0815",
        "gpu-box",
        "miriam",
        "/mnt/elsewhere",
    ):
        assert secret not in card, secret
    assert "Data set: clips." in card
    assert str(Path.home()) not in card
