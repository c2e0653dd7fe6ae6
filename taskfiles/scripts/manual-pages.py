#!/usr/bin/env python3
"""Writes manual pages and shell completions of our programs, from what the programs say about themselves.

    manual-pages.py PROGRAMS DESTINATION      PROGRAMS: the folder of the executables, .build/release

Commands and options come from `PROGRAM --experimental-dump-help`, the environment and the exit codes from the tables in
docs/operations. DESTINATION becomes a share folder: man/man1, bash-completion/completions, zsh/site-functions,
fish/vendor_completions.d. Programs that are not built are left out. Exit codes: 0 written; 69 no program is there.
"""
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ["albergue-crypt", "turso-sync", "albergue-migration", "albergue-primary", "albergue-service"]
COMPLETIONS = {
    "bash": "bash-completion/completions/{}", "zsh": "zsh/site-functions/_{}", "fish": "fish/vendor_completions.d/{}.fish",
}


def escaped(text):
    """Text as roff shows it unchanged: backslashes, dashes, and control characters at the beginning of a line."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in text.split("\n"))


def paragraphs(text):
    """Paragraphs; lines that are indented stay as they are, for examples."""
    lines = []
    for part in re.split(r"\n\s*\n", text.strip("\n")):
        lines.append(".PP")
        verbatim = False
        for line in part.split("\n"):
            if line.startswith("  ") != verbatim:
                verbatim = not verbatim
                lines += [".RS 4", ".nf"] if verbatim else [".fi", ".RE"]
            lines.append(escaped(line.strip()))
        if verbatim:
            lines += [".fi", ".RE"]
    return lines


def option_names(argument):
    """`-h`, `--help`, in bold, with the value in italics."""
    if argument["kind"] == "positional":
        return f"\\fI{escaped(argument['valueName'])}\\fR"
    names = [
        f"\\fB{escaped(('-' if name['kind'] == 'short' else '--') + name['name'])}\\fR" for name in argument["names"]]
    value = f" \\fI{escaped(argument['valueName'])}\\fR" if argument["kind"] == "option" else ""
    return ", ".join(names) + value


def shown(arguments):
    return [argument for argument in arguments if argument.get("shouldDisplay", True)]


def options(arguments):
    lines = []
    for argument in arguments:
        lines += [".TP", option_names(argument)]
        text = argument.get("abstract", "")
        if argument.get("defaultValue"):
            text += f" Default: {argument['defaultValue']}."
        lines.append(escaped(text.strip() or "See above."))
    return lines


def synopsis(name, arguments):
    words = [f"\\fB{escaped(name)}\\fR"]
    if any(argument["kind"] != "positional" for argument in arguments):
        words.append("[\\fIoptions\\fR]")
    for argument in arguments:
        if argument["kind"] == "positional":
            word = option_names(argument) + ("..." if argument["isRepeating"] else "")
            words.append(f"[{word}]" if argument["isOptional"] else word)
    return " ".join(words)


def table(path, heading):
    """Rows of the first Markdown table whose heading begins with the cell `heading`."""
    rows, found = [], False
    for line in (ROOT / path).read_text(encoding="utf-8").split("\n"):
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells and cells[0] == heading:
            found = True
        elif found and not cells:
            break
        elif found and not set(cells[0]) <= {"-"}:
            rows.append(cells)
    return rows


def plain(markdown):
    """Markdown of one table cell as text."""
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", markdown).replace("`", "")


def page(description):
    command = description["command"]
    name, version = command["commandName"], "albergue-crypt 0.1.0"
    lines = [
        '.\\" Made by taskfiles/scripts/manual-pages.py.',
        f'.TH "{name.upper()}" "1" "" "{version}" "Encrypted databases"',
        ".SH NAME", f"{escaped(name)} \\- {escaped(command['abstract'].rstrip('.'))}", ".SH SYNOPSIS",
    ]
    commands = [found for found in command.get("subcommands", []) if found["commandName"] != "help"]
    for found in commands:
        lines += [synopsis(f"{name} {found['commandName']}", shown(found.get("arguments", []))), ".br"]
    lines += [".SH DESCRIPTION"] + paragraphs(command.get("discussion", command["abstract"]))
    # Options that every command has are told once.
    named = [{json.dumps(a, sort_keys=True) for a in shown(found.get("arguments", []))} for found in commands]
    common = set.intersection(*named) if named else set()
    lines.append(".SH COMMANDS")
    for found in commands:
        arguments = shown(found.get("arguments", []))
        lines += [f'.SS "{escaped(found["commandName"])}"', synopsis(f"{name} {found['commandName']}", arguments)]
        lines += paragraphs(found["abstract"])
        if command.get("defaultSubcommand") == found["commandName"]:
            lines += paragraphs("This is what runs when no command is named.")
        if found.get("discussion"):
            lines += paragraphs(found["discussion"])
        lines += options(a for a in arguments if json.dumps(a, sort_keys=True) not in common)
    lines.append(".SH OPTIONS OF EVERY COMMAND")
    lines += options(json.loads(text) for text in sorted(common))
    lines.append(".SH ENVIRONMENT")
    lines += paragraphs("A variable that is set but empty counts as unset. Options win over variables.")
    for variable, readers, meaning, default in table("docs/operations/configuration.md", "variable"):
        if name in readers or readers == "all":
            lines += [".TP", f"\\fB{escaped(plain(variable))}\\fR", escaped(plain(f"{meaning}. Default: {default}."))]
    lines.append(".SH EXIT STATUS")
    for code, _, meaning, causes, *_ in table("docs/operations/exit-codes.md", "code"):
        lines += [".TP", f"\\fB{code}\\fR", escaped(plain(meaning + (f": {causes}" if causes else "")) + ".")]
    others = [f"\\fB{escaped(other)}\\fR(1)" for other in PROGRAMS if other != name]
    lines += [".SH SEE ALSO", ", ".join(others)]
    return "\n".join(lines) + "\n"


def main():
    if len(sys.argv) != 3:
        print("usage: manual-pages.py PROGRAMS DESTINATION", file=sys.stderr)
        return 64
    programs, destination = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])

    def answer(program, *arguments):
        return subprocess.run([programs / program, *arguments], check=True, capture_output=True, text=True).stdout

    def write(path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    built = [program for program in PROGRAMS if (programs / program).exists()]
    if not built:
        print(f"manual-pages.py: error: no program in {programs}\n  what to do: ./taskw build", file=sys.stderr)
        return 69
    for program in built:
        write(destination / "man" / "man1" / f"{program}.1", page(json.loads(answer(program, "--experimental-dump-help"))))
        for shell, place in COMPLETIONS.items():
            write(destination / place.format(program), answer(program, "--generate-completion-script", shell))
    print(f"manual pages and completions of {', '.join(built)} in {destination}")
    return 0


sys.exit(main())
