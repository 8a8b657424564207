#!/usr/bin/env python3
"""Finds circles between source files: `tests/circles.py SRC...`; exits with 1 when there is one.

In Rust an edge is a path `crate::…`, `self::…`, `super::…` or of a child module, in a `use` or elsewhere, outside of
tests; in TypeScript and Python a relative import, of types as well.
"""

import collections
import os
import re
import sys

Graph = dict[tuple[str, ...], set[tuple[str, ...]]]


def modules(source: str) -> dict[tuple[str, ...], str]:
    """The files of a crate by their module paths."""
    found = {}
    for folder, _, names in os.walk(source):
        for name in names:
            if name.endswith(".rs"):
                path = os.path.join(folder, name)
                parts = tuple(os.path.relpath(path, source)[:-3].split(os.sep))
                if parts[0] != "bin":
                    found[parts[:-1] if parts[-1] in ("mod", "lib", "main") else parts] = path
    return found


def code(path: str) -> str:
    """The text of a file without comments and tests."""
    text = re.sub(r"//[^\n]*", "", open(path, encoding="utf-8").read())
    text = re.sub(r"#\[cfg\(test\)\]\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\([^)]*\))?\s+)?mod\s+\w+\s*\{.*\Z", "", text, flags=re.S)
    return re.sub(r"#\[cfg\(test\)\]\s*(?:pub(?:\([^)]*\))?\s+)?use [^;]*;", "", text, flags=re.S)


def expand(tree: str) -> list[str]:
    """The paths of a `use` tree."""
    match = re.match(r"^([\w:]*?)(?:::)?\{(.*)\}$", tree, re.S)
    if not match:
        return [re.sub(r"\sas\s.*", "", tree)]
    prefix, body = match.groups()
    paths, depth, part = [], 0, ""
    for letter in body + ",":
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            if part.strip():
                paths += [f"{prefix}::{path}" if prefix else path for path in expand(part.strip())]
            part = ""
        else:
            part += letter
    return paths


def target(path: str, here: tuple[str, ...], files: dict[tuple[str, ...], str]) -> tuple[str, ...] | None:
    """The file that a path leads into."""
    parts = [part.strip() for part in path.split("::")]
    at = list(here)
    if parts[0] == "crate":
        at = []
    while parts and parts[0] in ("crate", "self", "super"):
        if parts.pop(0) == "super":
            at = at[:-1]
    found = tuple(at) if tuple(at) in files else None
    for part in parts:
        at.append(part)
        if tuple(at) not in files:
            break
        found = tuple(at)
    return found


def edges(files: dict[tuple[str, ...], str]) -> Graph:
    """The files that each file refers to."""
    graph: Graph = collections.defaultdict(set)
    for here, path in files.items():
        if "tests" in here:
            continue
        text = code(path)
        paths = [each for use in re.findall(r"\buse\s+([^;]*);", text) for each in expand(" ".join(use.split()))]
        paths += re.findall(r"\b((?:crate|self|super|[a-z_]\w*)(?:::\w+)+)", re.sub(r"\buse\s+[^;]*;", "", text))
        for each in paths:
            first = each.split("::")[0].strip()
            if first in ("crate", "self", "super") or (*here, first) in files:
                leads = target(each, here, files)
                if leads is not None and leads != here and "tests" not in leads:
                    graph[here].add(leads)
    return graph


def imports(source: str) -> Graph:
    """The TypeScript and Python files that each file imports."""
    graph: Graph = collections.defaultdict(set)
    for folder, _, names in os.walk(source):
        for name in names:
            path = os.path.join(folder, name)
            if name.endswith((".ts", ".py")):
                text = open(path, encoding="utf-8").read()
                found = of_typescript(text) if name.endswith(".ts") else of_python(text)
                files = (os.path.normpath(os.path.join(folder, each)) for each in found)
                graph[(path,)] = {(file,) for file in files if os.path.isfile(file) and file != path}
    return graph


def of_typescript(text: str) -> list[str]:
    """The files that a TypeScript file imports."""
    return [path.removesuffix(".js") + ".ts" for path in re.findall(r'\b(?:from|import)\s*\(?\s*"(\.[^"]+)"', text)]


def of_python(text: str) -> list[str]:
    """The files that a Python file may import: a name is a module, or stands in one."""
    found = []
    for dots, module, names in re.findall(r"^ *from (\.+)([\w.]*) import ([^\n(]+|\([^)]*\))", text, re.M):
        at = os.path.join("../" * (len(dots) - 1), *module.split("."))
        found += [f"{at}.py", os.path.join(at, "__init__.py")] if module else []
        found += [os.path.join(at, f"{name}.py") for name in re.findall(r"\w+", names)]
    return found


def circles(graph: Graph) -> list[list[tuple[str, ...]]]:
    """The strongly connected components of more than one file (Tarjan)."""
    index: dict[tuple[str, ...], int] = {}
    low: dict[tuple[str, ...], int] = {}
    stack: list[tuple[str, ...]] = []
    found = []

    def visit(node: tuple[str, ...]) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            component = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(component) > 1:
                found.append(component)

    for node in list(graph):
        if node not in index:
            visit(node)
    return found


def main(sources: list[str]) -> int:
    sys.setrecursionlimit(10_000)
    failed = False
    for source in sources:
        graph = edges(modules(source)) | imports(source)
        for circle in circles(graph):
            failed = True
            print(f"{source}: {len(circle)} files refer to each other in a circle:")
            for node in sorted(circle):
                leads = sorted("::".join(other) or "lib" for other in graph[node] if other in circle)
                print(f"    {'::'.join(node) or 'lib'} -> {', '.join(leads)}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
