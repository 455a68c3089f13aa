"""Write a page per module of the library, from which autodoc makes the API reference."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from sphinx.application import Sphinx

FOLDER = "reference/api"


def modules(package: Path) -> Iterator[tuple[str, Path]]:
    """Yield dotted name and file of each module below a package, without those of private names."""
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        names = parts[:-1] if parts[-1] == "__init__" else parts
        if not any(name.startswith("_") for name in names):
            yield ".".join(names), path


def reexported(path: Path) -> list[str]:
    """Return the public names that a package lists in `__all__`."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [name for name in ast.literal_eval(node.value) if not name.startswith("_")]
    return []


def defined(path: Path) -> set[str]:
    """Return the names of the classes, functions and values that a module defines."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return names


@cache
def exported_names(root: Path) -> dict[str, dict[str, str]]:
    """Return, for each package, the full name at the place of definition of each name that it exports."""
    found = list(modules(root / "cascade"))
    homes = {(module, name): f"{module}.{name}" for module, path in found for name in defined(path)}
    exports: dict[str, dict[str, str]] = {}
    for package, path in found:
        if path.stem == "__init__":
            inside = {name: full for (module, name), full in homes.items() if module.startswith(f"{package}.")}
            exports[package] = {name: inside[name] for name in reexported(path) if name in inside}
    return exports


def _first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def _module(name: str) -> str:
    # `:ignore-module-all:` documents each name once, where it is defined.
    options = "   :members:\n   :ignore-module-all:\n   :inherited-members: BaseEstimator\n"
    return f"{name}\n{'=' * len(name)}\n\n.. automodule:: {name}\n{options}"


def _package(name: str, exports: dict[str, str], children: list[tuple[str, Path]]) -> str:
    """Return the page of a package: its question, the names it exports, and its modules with their first lines."""
    exported = "".join(f"* :py:obj:`{public} <{full}>`\n" for public, full in exports.items())
    names = f"Names to import from `{name}`:\n\n{exported}\n" if exported else ""
    listed = "".join(f"* :doc:`{child} <{child}>`: {_first_line(file)}\n" for child, file in children)
    tree = "".join(f"   {child}\n" for child, _ in children)
    hidden = f".. toctree::\n   :hidden:\n\n{tree}" if children else ""
    return f"{_module(name)}\n{names}{listed}\n{hidden}"


def write_if_changed(path: Path, text: str) -> None:
    """Write a generated page; an unchanged one keeps its time, so that Sphinx does not read it again."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def write_pages(app: Sphinx) -> None:
    """Write the page of each module, and remove those of modules that are gone."""
    folder = Path(app.srcdir, FOLDER)
    root = Path(app.srcdir).parent
    found, exports = dict(modules(root / "cascade")), exported_names(root)
    for old in folder.glob("*.rst"):
        if old.stem not in found:
            old.unlink()
    for name, path in found.items():
        children = [(other, file) for other, file in found.items() if other.rpartition(".")[0] == name]
        page = _package(name, exports[name], children) if path.stem == "__init__" else _module(name)
        write_if_changed(folder / f"{name}.rst", page)


def add_modules(app: Sphinx, name: str, source: list[str]) -> None:
    """Put the page of the library below the page on the API, of which the repository has only the text."""
    if name == "reference/api":
        source[0] += "\n```{toctree}\n:hidden:\n\napi/cascade\n```\n"


def skip(app: Sphinx, what: str, name: str, obj: object, skipped: bool, options: object) -> bool | None:
    """Leave out members of classes that scikit-learn or Keras define: their docstrings link to pages of their own."""
    function = getattr(obj, "fget", obj)
    elsewhere = not getattr(function, "__module__", None) or not function.__module__.startswith("cascade")
    return True if what == "class" and callable(function) and elsewhere else None


def no_signature(app: Sphinx, what: str, *rest: object) -> tuple[()] | None:
    """Return an empty signature for data, such as an alias of a type, before numpydoc looks for one."""
    return () if what == "data" else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("builder-inited", write_pages)
    app.connect("source-read", add_modules)
    app.connect("autodoc-skip-member", skip)
    app.connect("autodoc-process-signature", no_signature, priority=400)
    return {"parallel_read_safe": True}
