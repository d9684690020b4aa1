# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudWatch's statistics of data points, and its expressions over them.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
A series has a value for each period that has one; periods are counted backwards, 0 is the one that has just ended. Supported are numbers,
+ - * / and parentheses, FILL with a number, and ANOMALY_DETECTION_BAND. AWS tells nobody how it learns what is usual: here it is the mean
of the past, and the band as many standard deviations around it as the expression says.
"""

from __future__ import annotations

import ast
import math
import operator
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moto.cloudwatch.models import MetricDatumBase, Statistics

Series = dict[int, float]
LEARNED_FROM = 12  # periods of the past; with fewer nothing is known to be usual
_OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class MathError(Exception):
    """An expression, rule or statistic that is not supported; the text says which."""


@dataclass(frozen=True)
class Band:
    """What is usual, the same in all periods."""

    lower: float
    upper: float


def statistic(name: str, points: Sequence[MetricDatumBase]) -> float:
    """A statistic of one period's data points, of which there is at least one."""
    calculated = Statistics([name], points[0].timestamp)
    calculated.metric_data = list(points)
    if re.fullmatch(r"p\d+(\.\d+)?", name):
        values = sorted(calculated.metric_single_values_list)
        if len(values) < len(points):
            raise MathError(f"there is no {name} of values that were told as their sum")
        return values[max(0, math.ceil(float(name[1:]) / 100 * len(values)) - 1)]
    value = calculated.get_statistics_for_type(name)
    if value is None:
        raise MathError(f"the statistic {name} is not supported")
    return float(value)


def calculate(expression: str, known: Mapping[str, Series], periods: int) -> Series | Band:
    """What an expression says of the other queries' series, which it calls by their ids, in that many periods."""
    try:
        tree = ast.parse(expression, mode="eval").body
    except SyntaxError as error:
        raise MathError(f"{expression!r} is no expression: {error.msg}") from error
    value = _value(tree, known, periods)
    return dict.fromkeys(range(periods), value) if isinstance(value, float) else value


def _value(node: ast.expr, known: Mapping[str, Series], periods: int) -> float | Series | Band:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name) if name in known:
            return known[name]
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in _OPERATORS:
            return _combined(_OPERATORS[type(operation)], _value(left, known, periods), _value(right, known, periods))
        case ast.Call(func=ast.Name(id="FILL"), args=[filled, ast.Constant(value=int() | float() as number)]):
            series = _series(_value(filled, known, periods))
            return dict.fromkeys(range(periods), float(number)) | series if series else {}  # nothing at all stays nothing
        case ast.Call(func=ast.Name(id="ANOMALY_DETECTION_BAND"), args=[learned, ast.Constant(value=int() | float() as width)]):
            return _band(_series(_value(learned, known, periods)), width, periods)
    raise MathError(f"{ast.unparse(node)!r} is not supported")


def _combined(operation: Callable[[float, float], float], left: Any, right: Any) -> float | Series:
    if isinstance(left, float) and isinstance(right, float):
        return operation(left, right)
    sides = [side if isinstance(side, dict) else None for side in (left, right)]
    periods = set[int].intersection(*(set(side) for side in sides if side is not None))
    found = {}
    for period in periods:
        values = [plain if series is None else series[period] for series, plain in zip(sides, (left, right), strict=True)]
        try:
            found[period] = operation(*values)
        except ZeroDivisionError:  # such a period has no value
            continue
    return found


def _series(value: float | Series | Band) -> Series:
    if not isinstance(value, dict):
        raise MathError("a function needs a series")
    return value


def _band(series: Series, width: float, periods: int) -> Series | Band:
    past = [value for period, value in series.items() if period >= periods]
    if len(past) < LEARNED_FROM:
        return {}
    mean, deviation = statistics.fmean(past), statistics.pstdev(past)
    return Band(mean - width * deviation, mean + width * deviation)
