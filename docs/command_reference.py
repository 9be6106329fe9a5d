"""Write the command reference, ``commands.md``, from the commands themselves.

Usage, from the top of the repository::

    python docs/command_reference.py > docs/commands.md
"""

import re
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from napari_clip_denoise.cli.app import app

PROGRAM = "clip-denoise"
LEFT_OUT = {"bench", "study"}
"""Commands for the project's own measurements."""
INTRODUCTION = f"""# Commands

Every command has a help page: `{PROGRAM} COMMAND --help`. `{PROGRAM} --version` prints the version.

An option whose default is *off* or *on* is a switch and takes no value.

Exit codes:

- 0: all went well.
- 1: some files of a batch failed, or a fine-tuned model is not better than the one it started from.
- 2: the input or an option is wrong. One sentence says what to do.
- 130: you pressed Ctrl-C.

The environment variable `CLIP_DENOISE_MODELS` names another folder for your own models."""


def main() -> None:
    """Print a page of Markdown."""
    print(INTRODUCTION)
    for name, command in commands(PROGRAM, get_command(app)):
        print("", *describe(name, command), sep="\n")


def commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Find all commands below one, with their full names."""
    if not hasattr(command, "commands"):
        yield name, command
        return
    for part, below in command.commands.items():
        if part not in LEFT_OUT:
            yield from commands(f"{name} {part}", below)


def describe(name: str, command: Any) -> Iterator[str]:
    """Describe a command in lines of Markdown."""
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [
        each for each in command.params if each.param_type_name == "option" and not each.hidden
    ]
    yield f"## {name}"
    yield ""
    yield f"```\n{usage(name, arguments, options)}\n```"
    yield ""
    yield "\n".join(line.strip() for line in (command.help or "").strip().splitlines())
    for title, found in (("Argument", arguments), ("Option", options)):
        if found:
            yield ""
            yield f"| {title} | Default | Description |"
            yield "| --- | --- | --- |"
            yield from map(row, found)


def usage(name: str, arguments: list[Any], options: list[Any]) -> str:
    """Say in a line how a command is called."""
    parts = [name]
    if any(not option.required for option in options):
        parts.append("[OPTIONS]")
    parts += [f"{each.opts[0]} {each.name.upper()}" for each in options if each.required]
    for argument in arguments:
        text = placeholder(argument) + "..." * (argument.nargs != 1)
        parts.append(text if argument.required else f"[{text}]")
    return " ".join(parts)


def placeholder(argument: Any) -> str:
    """What stands for the value of an argument."""
    return str(argument.metavar or argument.name.upper())


def row(parameter: Any) -> str:
    """Describe an argument or option in a row of a table."""
    return f"| {names(parameter)} | {default(parameter)} | {escape(parameter.help or '')} |"


def names(parameter: Any) -> str:
    """How an argument or option is written."""
    if parameter.param_type_name == "argument":
        return f"`{placeholder(parameter)}`"
    return ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))


def default(parameter: Any) -> str:
    """What holds where an argument or option is not given."""
    value = parameter.default
    if parameter.required:
        return "*required*"
    if isinstance(value, bool):
        return "on" if value else "off"
    return "" if value in (None, ()) or callable(value) else f"`{value}`"


def escape(text: str) -> str:
    """Keep Markdown from reading stars, pipes and the like in a text."""
    return re.sub(r"([\\`*_|<>])", r"\\\1", text)


if __name__ == "__main__":
    main()
