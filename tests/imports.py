"""Read what each module of a package imports, without importing any of it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tabular_labels"


@dataclass(frozen=True)
class Import:
    """One imported module: where it is asked for, and how.

    Attributes:
        module: Dotted name of the importing module.
        target: Dotted name of the imported module. For names of our own package it is
            the module that defines or re-exports the name.
        line: Line of the statement.
        is_inner: Whether the statement stands inside a function.
        is_typing: Whether only type checkers follow it (``if TYPE_CHECKING``).
    """

    module: str
    target: str
    line: int
    is_inner: bool
    is_typing: bool

    def __str__(self) -> str:
        return f"{self.module}, line {self.line}: imports {self.target}"

    @property
    def is_top(self) -> bool:
        """Whether importing the module runs this import."""
        return not (self.is_inner or self.is_typing)


def find_modules(package: Path) -> dict[str, Path]:
    """Map the dotted name of each module under a package folder to its file."""
    return {module_name(package, path): path for path in sorted(package.rglob("*.py"))}


def module_name(package: Path, path: Path) -> str:
    """Name a file of the package the way an import statement does."""
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def read_imports(package: Path) -> list[Import]:
    """List every import of every module under a package folder."""
    modules = find_modules(package)
    return [
        found
        for name, path in modules.items()
        for found in _Reader(name, path, frozenset(modules)).read()
    ]


def runtime_packages(module: str, imports: list[Import]) -> set[str]:
    """Name the packages of others that importing a module loads, directly or through ours."""
    own = module.partition(".")[0]
    tops: dict[str, set[str]] = {}
    for found in imports:
        if found.is_top:
            tops.setdefault(found.module, set()).add(found.target)
    loaded, waiting = set[str](), [module]
    while waiting:
        name = waiting.pop()
        if name in loaded:
            continue
        loaded.add(name)
        if name == own or name.startswith(f"{own}."):
            # A module's parents are loaded before it.
            waiting += [*tops.get(name, ()), *([name.rpartition(".")[0]] if "." in name else [])]
    return {name.partition(".")[0] for name in loaded} - {own}


class _Reader:
    """Walk one module's statements, knowing whether they run on import."""

    def __init__(self, module: str, path: Path, modules: frozenset[str]) -> None:
        self.module = module
        self.path = path
        self.modules = modules
        self.package = module if path.name == "__init__.py" else module.rpartition(".")[0]

    def read(self) -> Iterator[Import]:
        tree = ast.parse(self.path.read_text(encoding="utf-8"), filename=str(self.path))
        return self._visit(tree, is_inner=False, is_typing=False)

    def _visit(self, node: ast.AST, *, is_inner: bool, is_typing: bool) -> Iterator[Import]:
        for target in self._targets(node):
            line = getattr(node, "lineno", 0)
            # A call of import_module hides its target from readers wherever it stands.
            hides = isinstance(node, ast.Call)
            yield Import(self.module, target, line, is_inner or hides, is_typing)
        for child in ast.iter_child_nodes(node):
            inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            typing = (
                isinstance(node, ast.If) and _is_type_checking(node.test) and child in node.body
            )
            yield from self._visit(
                child, is_inner=is_inner or inside, is_typing=is_typing or typing
            )

    def _targets(self, node: ast.AST) -> list[str]:
        match node:
            case ast.Import(names=names):
                return [alias.name for alias in names]
            case ast.ImportFrom(module=module, names=names, level=level):
                base = self._resolve(module or "", level)
                return sorted({self._module_of(base, alias.name) for alias in names})
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__")
                | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                return [name]
        return []

    def _resolve(self, module: str, level: int) -> str:
        if not level:
            return module
        parents = self.package.split(".")
        parents = parents[: len(parents) - (level - 1)]
        return ".".join([*parents, module] if module else parents)

    def _module_of(self, base: str, name: str) -> str:
        dotted = f"{base}.{name}"
        return dotted if dotted in self.modules else base


def _is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )
