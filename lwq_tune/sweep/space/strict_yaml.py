"""Reads the YAML of a search space: plain values, of bounded size, each key once. No torch, no Ray."""

from __future__ import annotations

import re
import sys
from collections.abc import Hashable
from typing import Any

import yaml

from lwq_tune.errors import ConfigError

MAX_DEPTH = 20
MAX_VALUES = 100_000


class _StrictLoader(yaml.SafeLoader):
    """A YAML loader that is stricter than PyYAML's.

    A key given twice is an error, 1e-4 is a number, aliases cannot multiply a small file into a large value, and what
    is no number or date although its tag says so is an error with a line.
    """

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0
        self._deepest = 0  # in the value that is being read
        self._n_values = 0
        self._extents: dict[yaml.Node, tuple[int, int]] = {}  # values in a node and their depth below it

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        is_alias = self.check_event(yaml.AliasEvent)
        n_before, deepest_before = self._n_values, self._deepest
        self._depth += 1
        self._deepest = self._depth
        self._check_extent(mark)
        node = super().compose_node(parent, index)
        if is_alias:
            self._count_alias(node, mark)
        elif node is not None:
            self._n_values += 1
            self._extents[node] = (self._n_values - n_before, self._deepest - self._depth)
        self._check_extent(mark)
        self._deepest = max(deepest_before, self._deepest)
        self._depth -= 1
        return node

    def _count_alias(self, node: yaml.Node | None, mark: yaml.Mark) -> None:
        """Count what an alias stands for as if it were written out."""
        if node not in self._extents:
            raise yaml.composer.ComposerError(None, None, "found a value that holds itself", mark)
        n_values, depth = self._extents[node]
        self._n_values += n_values
        self._deepest = self._depth + depth

    def _check_extent(self, mark: yaml.Mark) -> None:
        if self._deepest > MAX_DEPTH:
            raise yaml.composer.ComposerError(None, None, f"found values nested more than {MAX_DEPTH} deep", mark)
        if self._n_values > MAX_VALUES:
            problem = f"found more than {MAX_VALUES} values, aliases counted as often as they are used"
            raise yaml.composer.ComposerError(None, None, problem, mark)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep=deep)
        except ConfigError:
            raise
        except (AttributeError, LookupError, TypeError, ValueError) as error:  # PyYAML's, of a scalar that is no such
            problem = f"found {node.value[:40]!r}, which cannot be read as {node.tag.rpartition(':')[2]}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error
        if isinstance(value, int) and value.bit_length() > sys.float_info.max_exp:
            problem = f"found a number beyond {sys.float_info.max:.1e}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            line = key_node.start_mark.line + 1
            if key_node.tag == "tag:yaml.org,2002:merge":
                raise ConfigError(f"settings are written out, got a merge key (<<) in line {line}")
            key = self.construct_object(key_node, deep=deep)
            if not isinstance(key, Hashable):
                break  # PyYAML says what is wrong, with the line, as it does of a node that is no mapping
            if key in seen:
                raise ConfigError(f"a key may be given once, got {key!r} again in line {line}")
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


_StrictLoader.yaml_implicit_resolvers = {
    first: list(resolvers) for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+"), list("-+0123456789")
)


def read_yaml(text: str) -> Any:
    """Return the value of a YAML text.

    Raises:
        ConfigError: It is not YAML, gives a key twice, or holds too much.
    """
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 (a SafeLoader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"a search space must be valid YAML, got an error in line {line}: {error.reason}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(f"a search space must be valid YAML, got an error{where}: {problem}") from error
