"""The queue's atomic operations, one Lua file each; read the header of a file for its keys."""

from importlib.resources import files


def load(name: str) -> str:
    """The source of `<name>.lua`."""
    return files(__name__).joinpath(f"{name}.lua").read_text(encoding="utf-8")
