"""Python, the packages this one needs against the versions it supports, and what is known to clash."""

import importlib.util
import platform
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata

from packaging.requirements import Requirement

from heygen_hf._optional import OPTIONAL_DEPENDENCIES, require
from heygen_hf.doctor.finding import Finding

OLDEST_PYTHON = (3, 11)


def examine_software() -> list[Finding]:
    """Findings about Python and its packages."""
    return [
        python(),
        *core_packages(),
        torchvision(),
        *optional_packages(),
        video_codecs(),
    ]


def python() -> Finding:
    """Is Python new enough?"""
    found = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info >= OLDEST_PYTHON:
        return Finding(subject="Python", state="ok", found=found)
    oldest = ".".join(map(str, OLDEST_PYTHON))
    return Finding(
        subject="Python",
        state="broken",
        found=found,
        remedy=f"install Python {oldest} or newer",
    )


def core_packages(requirements: Iterable[str] | None = None) -> list[Finding]:
    """Is every package there, in a version that is supported?

    Args:
        requirements: as in the package's metadata, which is read where this is left out.
    """
    if requirements is None:
        requirements = metadata.requires("heygen_hf") or []
    findings = []
    for requirement in map(Requirement, requirements):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue  # an extra's
        remedy = f"pip install '{requirement.name}{requirement.specifier}'"
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            findings.append(Finding(subject=requirement.name, state="broken", found="not installed", remedy=remedy))
            continue
        if requirement.specifier.contains(version, prereleases=True):
            findings.append(Finding(subject=requirement.name, state="ok", found=version))
        else:
            found = f"{version}, supported is {requirement.specifier}"
            findings.append(Finding(subject=requirement.name, state="broken", found=found, remedy=remedy))
    return findings


def torchvision() -> Finding:
    """A torchvision that does not match torch makes transformers' Trainer and image processors fail."""
    if importlib.util.find_spec("torchvision") is None:
        return Finding(subject="torchvision", state="ok", found="not installed, not needed")
    failure = _import_failure("torchvision")
    version = _version("torchvision")
    if failure is None:
        return Finding(subject="torchvision", state="ok", found=f"{version}, loads")
    return Finding(
        subject="torchvision",
        state="broken",
        found=f"{version} does not load beside this torch, and takes transformers down with it ({failure})",
        remedy="pip uninstall -y torchvision",
    )


def optional_packages() -> list[Finding]:
    """What extras have brought; one that is installed and does not load is worth a note, none is needed."""
    findings = []
    for name, dependency in OPTIONAL_DEPENDENCIES.items():
        install = f"pip install 'heygen_hf[{dependency.extra}]'"
        if importlib.util.find_spec(name) is None:
            found = f"not installed; for {dependency.purpose}: {install}"
            findings.append(Finding(subject=name, state="ok", found=found))
            continue
        try:
            require(name)
        except ImportError as error:
            findings.append(Finding(subject=name, state="note", found=str(error), remedy=install))
        else:
            findings.append(Finding(subject=name, state="ok", found=f"{_version(name)}, loads"))
    return findings


def video_codecs() -> Finding:
    """Can PyAV read what people have and write what we write?"""
    remedy = "pip install --force-reinstall --no-deps --only-binary :all: av"
    try:
        import av
        from av.codec import Codec
    except ImportError as error:
        return Finding(subject="PyAV codecs", state="broken", found=f"does not load ({error})", remedy=remedy)

    def has(name: str, mode: str) -> bool:
        try:
            Codec(name, mode)
        except ValueError:  # av.codec.codec.UnknownCodecError is one
            return False
        return True

    readable = [name for name in ("h264", "hevc", "vp9", "av1", "mpeg4", "prores") if has(name, "r")]
    writable = [name for name in ("libx264", "libx265", "libvpx-vp9", "libsvtav1") if has(name, "w")]
    found = f"FFmpeg {av.ffmpeg_version_info}; reads {', '.join(readable)}; writes {', '.join(writable)}"
    if "h264" in readable and "libx264" in writable:
        return Finding(subject="PyAV codecs", state="ok", found=found)
    found += "; H.264 is needed both ways"
    return Finding(subject="PyAV codecs", state="broken", found=found, remedy=remedy)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "unknown version"


def _import_failure(name: str) -> str | None:
    """The last line of a failing import of `name`, in a process that it may crash; None if it works."""
    result = subprocess.run(
        [sys.executable, "-c", f"import {name}"], capture_output=True, text=True, timeout=120, check=False
    )
    if result.returncode == 0:
        return None
    lines = result.stderr.strip().splitlines()
    return lines[-1] if lines else f"exit code {result.returncode}"
