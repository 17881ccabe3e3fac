"""What a Python file's syntax tree says about its names."""

import ast
import bisect
import builtins
import tokenize

_BUILTINS = frozenset(dir(builtins)) - {"_"}

Place = tuple[int, int]  # line from 1, character from 0


def roles_of_names(tree: ast.AST, lines: list[str], name_tokens: list[tokenize.TokenInfo]) -> dict[Place, str]:
    """What the syntax tree says about names, by where they begin."""
    places = [token.start for token in name_tokens]
    names = [token.string for token in name_tokens]
    roles: dict[Place, str] = {}

    def place_of(line: int, byte: int) -> Place:
        text = lines[line - 1]
        # The tree counts UTF-8 bytes.
        return (line, byte if text.isascii() else len(text.encode()[:byte].decode(errors="ignore")))

    def first_name(node: ast.AST, word: str, role: str) -> None:
        """The first token `word` from the beginning of the node."""
        start = bisect.bisect_left(places, place_of(node.lineno, node.col_offset))  # type: ignore[attr-defined]
        for number in range(start, min(start + 50, len(names))):
            if names[number] == word:
                roles.setdefault(places[number], role)
                return

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.JoinedStr) or type(node).__name__ == "TemplateStr":
            return  # one word
        if isinstance(node, ast.Name):
            place = place_of(node.lineno, node.col_offset)
            if isinstance(node.ctx, ast.Store):
                roles[place] = "variable"
            else:
                roles[place] = "builtin" if node.id in _BUILTINS else "name"
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            # Its place is that of `def`, decorators not included.
            first_name(node, node.name, "class" if isinstance(node, ast.ClassDef) else "function")
        elif isinstance(node, ast.arg):
            roles[place_of(node.lineno, node.col_offset)] = "parameter"
        elif isinstance(node, ast.keyword) and node.arg is not None:
            roles[place_of(node.lineno, node.col_offset)] = "argument"
        elif isinstance(node, ast.Attribute) and node.end_lineno is not None and node.end_col_offset is not None:
            line, stop = place_of(node.end_lineno, node.end_col_offset)
            roles[(line, stop - len(node.attr))] = "attribute"
        elif isinstance(node, ast.Import | ast.ImportFrom) and node.end_lineno is not None:
            end = place_of(node.end_lineno, node.end_col_offset or 0)
            start = bisect.bisect_left(places, place_of(node.lineno, node.col_offset))
            for place in places[start : bisect.bisect_left(places, end)]:
                roles[place] = "import"
        elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name is not None:
            first_name(node, node.name, "variable")
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree)
    return roles
