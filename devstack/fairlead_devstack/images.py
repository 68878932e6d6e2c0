"""``python -m fairlead_devstack.images``: the chart's images, by Docker or buildah where there is one, else by hand.

The third way needs no registry: a Debian root made by mmdebstrap, cached, is the lowest layer, and the project's wheel
with its locked dependencies the next. `images/Dockerfile` installs the same wheel.
"""

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from fairlead_devstack.debian import PackagesMissing, ensure_commands, find_command
from fairlead_devstack.image_archive import Image, pack, write_archive
from fairlead_devstack.interruption import EXIT_CODE, end_on_signals
from fairlead_devstack.lookup import cache_folder
from fairlead_devstack.node_programs import IMAGE_COMMANDS
from fairlead_devstack.progress import say
from fairlead_devstack.scratch import ScratchFolder
from fairlead_devstack.uv import WheelFailed, build_wheel, install_wheel

CHECKOUT = Path(__file__).parents[2]
PROCESSES = ("operator", "api", "tgtd")
CHART = CHECKOUT / "charts" / "fairlead"
PAUSE = "localhost/pause:1"
"""The image of pods' sandboxes, for nodes that cannot pull the usual one."""

_ARCHIVE = CHECKOUT / "dist" / "images.tar"
_SUITE = "bookworm"
_PYTHON = "3.11"
"""The version of that Debian's python3."""

_INCLUDED = ("ca-certificates", "python3", "tgt")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class ImagesFailed(Exception):
    """The images could not be made; the message has what the tool said."""


def default_tag(chart: Path = CHART) -> str:
    """The tag that a chart asks for when its values name none."""
    return str(yaml.safe_load((chart / "Chart.yaml").read_text())["appVersion"])


def image_names(registry: str, tag: str) -> dict[str, str]:
    """The images' names by process, as the chart makes them from `image.registry` and `image.tag`."""
    prefix = f"{registry.rstrip('/')}/" if registry else ""
    return {process: f"{prefix}fairlead/{process}:{tag}" for process in PROCESSES}


def write_images(archive: Path, *, registry: str, tag: str, pause: bool, checkout: Path = CHECKOUT) -> None:
    """Make the images without a registry and write them into one archive.

    Args:
        archive: for `ctr images import` or `docker load`.
        registry: start of their names.
        tag: end of their names.
        pause: whether the archive has an image for pods' sandboxes too.
        checkout: of what they are made.

    Raises:
        PackagesMissing: mmdebstrap or busybox is missing and cannot be installed.
        ImagesFailed: a step failed.
    """
    ensure_commands(IMAGE_COMMANDS)
    names = image_names(registry, tag)
    base = _debian_root()
    with ScratchFolder("images") as scratch:
        application, tools, bare = (scratch.path / name for name in ("application.tar", "tools.tar", "pause.tar"))
        say("installing the wheel and its dependencies into a layer")
        _pack_application(checkout, scratch.path, application)
        _pack_files(scratch.path / "tools", {"usr/local/bin/run-tgtd": checkout / "images/tgtd/run-tgtd"}, tools)
        environment = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        python = {**environment, "PYTHONPATH": "/opt/fairlead", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        images = [
            Image(
                name=names[process],
                layers=(base, application),
                entrypoint=("python3", "-m", f"fairlead_{process}.main"),
                environment=python,
            )
            for process in ("operator", "api")
        ]
        images.append(
            Image(
                name=names["tgtd"],
                layers=(base, tools),
                entrypoint=("/usr/local/bin/run-tgtd",),
                environment=environment,
            )
        )
        if pause:
            _pack_files(scratch.path / "pause", {"bin/sleep": Path("/bin/busybox")}, bare)
            images.append(Image(name=PAUSE, layers=(bare,), entrypoint=("/bin/sleep", "2147483647")))
        say("writing the images")
        archive.parent.mkdir(parents=True, exist_ok=True)
        write_archive(archive, images, architecture=_ARCHITECTURES.get(platform.machine(), platform.machine()))


def _debian_root() -> Path:
    """The lowest layer, made once. Remove it from the cache to have it made of today's packages."""
    key = hashlib.sha256("\n".join((_SUITE, *_INCLUDED)).encode()).hexdigest()[:12]
    root = cache_folder().parent / "images" / f"debian-{_SUITE}-{key}.tar"
    if root.exists():
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    say("making a Debian root with mmdebstrap; takes about half a minute, only once")
    with ScratchFolder("debian-root") as scratch:
        made = scratch.path / "root.tar"
        _run(
            ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(_INCLUDED)}", _SUITE, str(made)],
            scratch.path,
        )
        aside = root.with_suffix(f".{os.getpid()}")
        shutil.copyfile(made, aside)
        aside.replace(root)
    return root


def _pack_application(checkout: Path, scratch: Path, layer: Path) -> None:
    folder = scratch / "application"
    wheel = build_wheel(checkout, scratch / "wheel")
    install_wheel(wheel, folder / "opt" / "fairlead", python=_PYTHON, constraints=checkout / "requirements.txt")
    pack(folder, layer)


def _pack_files(folder: Path, files: dict[str, Path], layer: Path) -> None:
    for target, source in files.items():
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / target)
        (folder / target).chmod(0o755)
    pack(folder, layer)


def build_images(program: str, *, registry: str, tag: str) -> None:
    """Build the images from `images/Dockerfile`, which has a target for each.

    Args:
        program: docker or buildah.
        registry: start of their names.
        tag: end of their names.

    Raises:
        ImagesFailed: one cannot be built; what the program said is on the terminal.
    """
    for process, name in image_names(registry, tag).items():
        say(f"{Path(program).name} builds {name}")
        command = [program, "build", "--target", process, "--tag", name, "--file", "images/Dockerfile", "."]
        if subprocess.run(command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, check=False).returncode != 0:
            raise ImagesFailed(f"{' '.join(command)} failed; see above")


def _builder() -> str | None:
    """Docker with a daemon that answers, or buildah."""
    docker = shutil.which("docker")
    if docker is not None:
        asked = subprocess.run([docker, "info"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if asked.returncode == 0:
            return docker
        say("docker is passed over: its daemon does not answer")
    return find_command("buildah")


def _run(command: Sequence[str], cwd: Path) -> None:
    result = subprocess.run(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        tail = "\n".join(result.stdout.splitlines()[-15:])
        raise ImagesFailed(f"{command[0]} ended with {result.returncode}:\n{tail}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="fairlead_devstack.images", description="Make the chart's images.")
    parser.add_argument("--registry", default="", help="start of the images' names, as image.registry of the chart")
    parser.add_argument("--tag", default=default_tag(), help="(default: the chart's appVersion, %(default)s)")
    parser.add_argument(
        "--archive", type=Path, default=_ARCHIVE, help="where the images go without Docker (default: dist/images.tar)"
    )
    parser.add_argument("--without-registry", action="store_true", help="even where there is Docker or buildah")
    options = parser.parse_args(arguments)
    end_on_signals()
    try:
        builder = None if options.without_registry else _builder()
        if builder is not None:
            build_images(builder, registry=options.registry, tag=options.tag)
        else:
            write_images(options.archive, registry=options.registry, tag=options.tag, pause=False)
            say(f"wrote {options.archive}; load it with `docker load -i` or `ctr -n k8s.io images import`")
    except (ImagesFailed, PackagesMissing, WheelFailed) as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; nothing half made is left")
        return EXIT_CODE
    return 0


if __name__ == "__main__":
    sys.exit(main())
