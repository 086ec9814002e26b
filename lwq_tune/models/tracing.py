"""The forward pass of a network as a graph, true in training and in evaluation alike."""

from __future__ import annotations

import inspect
import operator
import random
from collections.abc import Callable
from typing import Any

from torch import fx, nn

_N_RANDOM = 3  # times that the graph is drawn again, to see whether chance decides its form
_VIEWS = frozenset(
    (
        "flatten",
        "reshape",
        "view",
        "permute",
        "transpose",
        "getitem",
        "chunk",
        "split",
        "squeeze",
        "unsqueeze",
        "expand",
    )
)


class _FloatTracer(fx.Tracer):
    """Look into all modules but those of torch.nn; at the second try also not into those without layers."""

    def __init__(self, is_leaf: Callable[[nn.Module], bool]) -> None:
        super().__init__()
        self._is_leaf = is_leaf

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return super().is_leaf_module(m, module_qualified_name) or self._is_leaf(m)


def trace(model: nn.Module) -> fx.GraphModule | str:
    """Return a network as a graph whose modules are those of the network itself, or why there is none.

    What depends on ``training`` as an argument, as functional dropout does, keeps doing so. Where the two modes take
    different ways, there is no graph.
    """
    reason = ""
    for is_leaf in (_never, _has_no_layers):
        try:
            training, evaluation = (_graph(model, is_leaf, is_training=mode) for mode in (True, False))
            others = [_graph(model, is_leaf, is_training=True, seed=seed) for seed in range(_N_RANDOM)]
            for graph in (training, evaluation, *others):
                _name_inputs(graph)
            if any(not _have_one_form(training, other) for other in others):
                reason = reason or "it takes another way at random"
            elif not all(_follow_changes_in_place(model, graph) for graph in (training, evaluation)):
                reason = reason or "it changes a part of a tensor in place"
            elif _follow_mode(training, evaluation):
                _leave_out_identities(model, training)
                return fx.GraphModule(model, training, type(model).__name__)
            else:
                reason = reason or "it takes another way in training than in evaluation"
        except Exception as error:  # noqa: BLE001 (tracing runs any code of the user with symbols for tensors)
            reason = reason or f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}".rstrip(
                ": "
            )
    return reason


def _never(module: nn.Module) -> bool:
    return False


def _has_no_layers(module: nn.Module) -> bool:
    return not any(isinstance(part, nn.Conv2d | nn.Linear) for part in module.modules())


def _leave_out_identities(model: nn.Module, graph: fx.Graph) -> None:
    for node in list(graph.nodes):
        if node.op == "call_module" and type(model.get_submodule(str(node.target))) is nn.Identity:
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)


def _graph(
    model: nn.Module, is_leaf: Callable[[nn.Module], bool], *, is_training: bool, seed: int | None = None
) -> fx.Graph:
    was_training, state = model.training, random.getstate()
    try:
        if seed is not None:
            random.seed(seed)
        return _FloatTracer(is_leaf).trace(model.train(is_training))
    finally:
        model.train(was_training)
        random.setstate(state)


def _have_one_form(ours: fx.Graph, theirs: fx.Graph) -> bool:
    return [(node.op, node.target) for node in ours.nodes] == [(node.op, node.target) for node in theirs.nodes]


def _name_inputs(graph: fx.Graph) -> None:
    """Give the first input of each node by position, where it was given by name."""
    for node in graph.nodes:
        if not node.args and "input" in node.kwargs and node.op in ("call_module", "call_function"):
            node.args = (node.kwargs["input"],)
            node.kwargs = {name: value for name, value in node.kwargs.items() if name != "input"}


def _follow_changes_in_place(model: nn.Module, graph: fx.Graph) -> bool:
    """Let nodes behind a change in place read its result, so that the graph shows who reads what.

    Returns:
        Whether that is all there is to it: a change of a view of a tensor is not.
    """
    position = {node: number for number, node in enumerate(graph.nodes)}
    for node in list(graph.nodes):
        if not changes_in_place(model, node) or not node.args or not isinstance(node.args[0], fx.Node):
            continue
        changed = node.args[0]
        if _is_view(changed) or any(_is_view(user) for user in changed.users):
            return False
        for user in list(changed.users):
            if position[user] > position[node]:
                user.replace_input_with(changed, node)
    return True


def _is_view(node: fx.Node) -> bool:
    return node.op in ("call_function", "call_method") and function_name(node) in _VIEWS


def changes_in_place(model: nn.Module, node: fx.Node) -> bool:
    """Whether a node writes over its first input."""
    if node.op == "call_module":
        return bool(getattr(model.get_submodule(str(node.target)), "inplace", False))
    if node.op not in ("call_function", "call_method"):
        return False
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    is_named_so = name.endswith("_") and not name.startswith("__")
    return is_named_so or name in ("iadd", "isub", "imul", "itruediv", "setitem") or inplace_argument(node)


def inplace_argument(node: fx.Node) -> bool:
    """Whether a function is called with ``inplace``, by name or position."""
    if node.op != "call_function":
        return False
    try:
        bound = inspect.signature(node.target).bind(*node.args, **node.kwargs)  # type: ignore[arg-type]
    except (TypeError, ValueError):  # a function of C has no signature, and no such argument
        return bool(node.kwargs.get("inplace"))
    return bound.arguments.get("inplace") is True


def _follow_mode(training: fx.Graph, evaluation: fx.Graph) -> bool:
    """Let a graph traced in training read the mode where one traced in evaluation has another constant, in place.

    Returns:
        Whether the two differ in nothing else.
    """
    pairs = list(zip(training.nodes, evaluation.nodes, strict=False))
    if len(training.nodes) != len(evaluation.nodes):
        return False
    same = dict(pairs)
    for ours, theirs in pairs:
        if ours.op != theirs.op or ours.target != theirs.target:
            return False
        for arguments, others in ((ours.args, theirs.args), (ours.kwargs, theirs.kwargs)):
            if not _agree(arguments, others, same):
                return False
    mode: dict[bool, fx.Node] = {}
    for ours, theirs in pairs:
        if _has_mode(ours.args, theirs.args) or _has_mode(ours.kwargs, theirs.kwargs):
            first = next(node for node in training.nodes if node.op != "placeholder")
            if not mode:
                with training.inserting_before(first):
                    mode[True] = training.get_attr("training")
                    mode[False] = training.call_function(operator.not_, (mode[True],))
            ours.args = _with_mode(ours.args, theirs.args, mode)
            ours.kwargs = _with_mode(ours.kwargs, theirs.kwargs, mode)
    if mode and not mode[False].users:
        training.erase_node(mode[False])
    return True


def _agree(ours: Any, theirs: Any, same: dict[fx.Node, fx.Node]) -> bool:
    if isinstance(ours, fx.Node):
        return same.get(ours) is theirs
    if isinstance(ours, tuple | list):
        return len(ours) == len(theirs) and all(_agree(a, b, same) for a, b in zip(ours, theirs, strict=True))
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(_agree(ours[key], theirs[key], same) for key in ours)
    if isinstance(ours, slice):
        return _agree((ours.start, ours.stop, ours.step), (theirs.start, theirs.stop, theirs.step), same)
    return _is_mode(ours, theirs) or bool(ours == theirs)


def _is_mode(ours: Any, theirs: Any) -> bool:
    return isinstance(ours, bool) and isinstance(theirs, bool) and ours != theirs


def _has_mode(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, tuple | list):
        return any(_has_mode(a, b) for a, b in zip(ours, theirs, strict=True))
    if isinstance(ours, dict):
        return any(_has_mode(ours[key], theirs[key]) for key in ours)
    return _is_mode(ours, theirs)


def _with_mode(ours: Any, theirs: Any, mode: dict[bool, fx.Node]) -> Any:
    if isinstance(ours, tuple | list):
        return type(ours)(_with_mode(a, b, mode) for a, b in zip(ours, theirs, strict=True))
    if isinstance(ours, dict):
        return {key: _with_mode(ours[key], theirs[key], mode) for key in ours}
    return mode[ours] if _is_mode(ours, theirs) else ours


def function_name(node: fx.Node) -> str:
    """Return the name of the function or method that a node calls, without module and trailing underscore.

    >>> import torch
    >>> graph = fx.Graph()
    >>> function_name(graph.call_function(torch.relu_, (graph.placeholder("x"),)))
    'relu'
    """
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
    return name.strip("_")
