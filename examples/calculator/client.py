"""The client of client.ts in Python, with pycapnp.

usage: client.py ADDRESS        (HOST:PORT or the path of a unix socket; pip install pycapnp)
"""

import asyncio
import sys
from pathlib import Path

import capnp

ROOT = Path(__file__).resolve().parents[2]
schema = capnp.load(str(ROOT / "examples/calculator/calculator.capnp"), imports=[str(ROOT / "schema")])


class Power(schema.Calculator.Function.Server):
    """A function of this side's, which the calculator calls back: it has none for powers."""

    async def call(self, params, **_):
        return params[0] ** params[1]


def literal(value):
    return {"literal": value}


def parameter(number):
    return {"parameter": number}


def call(function, *params):
    return {"call": {"function": function, "params": list(params)}}


async def connect(address):
    if "/" in address:
        return await capnp.AsyncIoStream.create_unix_connection(address)
    host, port = address.rsplit(":", 1)
    return await capnp.AsyncIoStream.create_connection(host, int(port))


async def main(address):
    calculator = capnp.TwoPartyClient(await connect(address)).bootstrap().cast_as(schema.Calculator)

    def evaluate(expression):
        return calculator.evaluate(expression=expression).value

    async def read(value):
        return f"{(await value.read()).value:g}"

    print("123 =", await read(evaluate(literal(123))))

    add = calculator.getOperator(op="add").func
    subtract = calculator.getOperator(op="subtract").func
    multiply = calculator.getOperator(op="multiply").func
    print("123 + 45 - 67 =", await read(evaluate(call(subtract, call(add, literal(123), literal(45)), literal(67)))))

    # A value that nobody knows yet goes into two more expressions.
    product = evaluate(call(multiply, literal(4), literal(6)))
    plus = [evaluate(call(add, {"previousResult": product}, literal(more))) for more in (3, 5)]
    print("4 * 6 + 3 =", await read(plus[0]))
    print("4 * 6 + 5 =", await read(plus[1]))

    x, y = parameter(0), parameter(1)
    f = calculator.defFunction(paramCount=2, body=call(add, call(multiply, x, literal(100)), y)).func
    g = calculator.defFunction(
        paramCount=1, body=call(multiply, call(f, x, call(add, x, literal(1))), literal(2))
    ).func
    print("f(12, 34) =", await read(evaluate(call(f, literal(12), literal(34)))))
    print("g(21) =", await read(evaluate(call(g, literal(21)))))

    print("2 ^ (4 + 5) =", await read(evaluate(call(Power(), literal(2), call(add, literal(4), literal(5))))))


asyncio.run(capnp.run(main(sys.argv[1])))
