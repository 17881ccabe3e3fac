"""Which of a module's names mean something at its top, and where each of them is used."""

import ast
import symtable
from collections.abc import Iterator

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def top_names(text: str) -> set[str]:
    """What the module defines or imports at its top."""
    table = symtable.symtable(text, "module", "exec")
    return {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}


def global_uses(tree: ast.Module, text: str) -> Iterator[tuple[ast.AST, str, set[str]]]:
    """Every place that means a name at the module's top: the node, the name, and the names local to its scope."""
    yield from _uses(tree.body, symtable.symtable(text, "module", "exec"), ())


def undefined_names(text: str) -> set[str]:
    """Names that are used as the module's own and are neither defined in it nor built in."""
    import builtins

    defined = top_names(text) | set(dir(builtins)) | {"__file__", "__name__", "__package__"}
    return {name for _, name, _ in global_uses(ast.parse(text), text) if name not in defined}


def _uses(
    nodes: list[ast.AST] | list[ast.stmt], table: symtable.SymbolTable, outer: tuple[symtable.SymbolTable, ...]
) -> Iterator[tuple[ast.AST, str, set[str]]]:
    children = {(child.get_name(), child.get_lineno()): [] for child in table.get_children()}  # type: ignore[var-annotated]
    for child in table.get_children():
        children[child.get_name(), child.get_lineno()].append(child)

    def inside(node: ast.AST) -> Iterator[tuple[ast.AST, str, set[str]]]:
        if isinstance(node, (*_SCOPES, *_COMPREHENSIONS)):
            yield from scope(node)
            return
        if isinstance(node, ast.Name):
            yield from use(node, node.id)
        if isinstance(node, ast.Global):
            for name in node.names:
                yield from use(node, name)
        for child in ast.iter_child_nodes(node):
            yield from inside(child)

    def use(node: ast.AST, name: str) -> Iterator[tuple[ast.AST, str, set[str]]]:
        if _is_global(name, table):
            yield node, name, _locals(table)

    def scope(node: ast.AST) -> Iterator[tuple[ast.AST, str, set[str]]]:
        name = {ast.Lambda: "lambda", ast.ListComp: "listcomp", ast.SetComp: "setcomp", ast.DictComp: "dictcomp"}.get(
            type(node), "genexpr" if isinstance(node, ast.GeneratorExp) else getattr(node, "name", "")
        )
        own: list[ast.AST] = []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from use(node, node.name)
            for outside in node.decorator_list:
                yield from inside(outside)
        if isinstance(node, ast.ClassDef):
            for base in (*node.bases, *(keyword.value for keyword in node.keywords)):
                yield from inside(base)
            own = list(node.body)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            arguments = node.args
            for default in (*arguments.defaults, *(d for d in arguments.kw_defaults if d is not None)):
                yield from inside(default)
            if not isinstance(node, ast.Lambda):
                for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
                    yield from inside(argument)
                for argument in filter(None, (arguments.vararg, arguments.kwarg)):
                    yield from inside(argument)
                if node.returns is not None:
                    yield from inside(node.returns)
            own = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
        else:
            first = node.generators[0]  # type: ignore[attr-defined]
            yield from inside(first.iter)  # the first iterable is evaluated outside
            own = [child for child in ast.iter_child_nodes(node) if child is not first]
            own += [first.target, *first.ifs]
        line = getattr(node, "lineno", 0)
        if getattr(node, "decorator_list", None):  # symtable counts from the first decorator
            line = min(line, *(d.lineno for d in node.decorator_list))  # type: ignore[attr-defined]
        tables = children.get((name, line)) or children.get((name, node.lineno)) or []  # type: ignore[attr-defined]
        if not tables:
            raise ValueError(f"no scope found for {name} at line {line}")
        yield from _uses(own, tables.pop(0), (*outer, table))

    for node in nodes:
        yield from inside(node)


def _is_global(name: str, table: symtable.SymbolTable) -> bool:
    try:
        symbol = table.lookup(name)
    except KeyError:
        return table.get_type() == "module"
    return table.get_type() == "module" or symbol.is_global()


def _locals(table: symtable.SymbolTable) -> set[str]:
    if table.get_type() == "module":
        return set()
    return {symbol.get_name() for symbol in table.get_symbols() if symbol.is_local() or symbol.is_free()}
