"""Container images written by hand, for machines with neither Docker nor a registry.

The format is the archive of `docker save`: a manifest that names configurations and layers, each called by the SHA-256
of what is in it. `docker load` and `ctr images import` read it.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Image:
    """One image.

    Attributes:
        name: registry, repository and tag.
        layers: uncompressed tar files, the lowest first; shared ones are stored once.
        entrypoint: program and first arguments.
        environment: variables of its processes.
        user: uid and gid.
    """

    name: str
    layers: Sequence[Path]
    entrypoint: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = "65532:65532"


def write_archive(path: Path, images: Sequence[Image], *, architecture: str) -> None:
    """Write images into one archive, whole or not at all.

    Args:
        path: The archive.
        images: What it is to hold.
        architecture: As Go names it, such as ``amd64``.
    """
    digests = {layer: _sha256(layer) for image in images for layer in image.layers}
    aside = path.with_name(f".{path.name}.new")
    with tarfile.open(aside, "w") as archive:
        for layer, digest in digests.items():
            archive.add(layer, arcname=_layer_name(digest), filter=_anonymous)
        manifest = []
        for image in images:
            layers = [digests[layer] for layer in image.layers]
            config = json.dumps(_config(image, layers, architecture)).encode()
            config_name = f"{hashlib.sha256(config).hexdigest()}.json"
            _add(archive, config_name, config)
            manifest.append(
                {"Config": config_name, "RepoTags": [image.name], "Layers": [_layer_name(digest) for digest in layers]}
            )
        _add(archive, "manifest.json", json.dumps(manifest).encode())
    aside.replace(path)


def pack(root: Path, layer: Path) -> None:
    """Pack a folder as a layer, everything owned by root and of one age, so that equal folders make equal layers."""
    with tarfile.open(layer, "w") as archive:
        for entry in sorted(root.rglob("*")):
            archive.add(entry, arcname=str(entry.relative_to(root)), recursive=False, filter=_anonymous)


def _config(image: Image, layers: Sequence[str], architecture: str) -> Mapping[str, object]:
    return {
        "architecture": architecture,
        "os": "linux",
        "config": {
            "User": image.user,
            "Env": [f"{name}={value}" for name, value in image.environment.items()],
            "Entrypoint": list(image.entrypoint),
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in layers]},
    }


def _layer_name(digest: str) -> str:
    return f"{digest}/layer.tar"


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    info.mtime = 0
    return info


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
