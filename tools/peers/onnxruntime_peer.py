"""onnxruntime as a peer of `tunesmith bench`: a child process that takes one request a line and answers with a line.

Requests and answers are JSON; tensors travel as files of raw bytes. Activations that the caller holds as NHWC are
brought to NCHW, onnxruntime's own order, before anything is timed, and so are constant weights.
"""

import json
import math
import os
import sys
import time

answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # whatever libraries print goes to standard error

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

DTYPES = {"f32": np.float32, "f16": np.float16, "f64": np.float64, "i8": np.int8, "u8": np.uint8, "i32": np.int32,
          "i64": np.int64, "bool": np.bool_}
NAMES = {np.dtype(value): name for name, value in DTYPES.items()}


class Network:
    """An ONNX graph under construction."""

    def __init__(self, operands):
        self.operands = operands
        self.nodes, self.inputs, self.initializers = [], [], []
        self.count = 0

    def operand(self, name, array=None):
        array = self.operands[name][0] if array is None else array
        if self.operands[name][1]:
            self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        else:
            self.operands[name] = (np.ascontiguousarray(array), False)
            self.inputs.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape))
        return name

    def constant(self, array):
        self.count += 1
        self.initializers.append(numpy_helper.from_array(np.asarray(array), f"c{self.count}"))
        return f"c{self.count}"

    def add(self, kind, *inputs, **attributes):
        self.count += 1
        self.nodes.append(helper.make_node(kind, list(inputs), [f"t{self.count}"], **attributes))
        return f"t{self.count}"

    def model(self, result, opset):
        self.nodes.append(helper.make_node("Identity", [result], ["result"]))
        graph = helper.make_graph(self.nodes, "work", self.inputs,
                                  [helper.make_tensor_value_info("result", TensorProto.FLOAT, None)], self.initializers)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def image(net, op, name):
    array = net.operands[name][0]
    return net.operand(name, array.transpose(0, 3, 1, 2) if op["nhwc"] else array)


def conv2d(net, op):
    return net.add("Conv", image(net, op, "x"), net.operand("weight"), strides=[op["stride"]] * 2, pads=[op["pad"]] * 4,
                   dilations=[op["dilation"]] * 2, group=op["groups"])


def inverted_residual(net, op):
    x = image(net, op, "x")
    low, high = net.constant(np.float32(0)), net.constant(np.float32(6))
    wide = op["c"] * op["expand"]
    y = net.add("Conv", x, net.operand("expand_weight"), net.operand("expand_bias"))
    y = net.add("Clip", y, low, high)
    y = net.add("Conv", y, net.operand("depthwise_weight"), net.operand("depthwise_bias"), strides=[op["stride"]] * 2,
                pads=[1] * 4, group=wide)
    y = net.add("Clip", y, low, high)
    y = net.add("Conv", y, net.operand("project_weight"), net.operand("project_bias"))
    same = op["k"] in (0, op["c"]) and op["stride"] == 1
    return net.add("Add", y, x) if same else y


def matmul(net, op):
    a, b = net.operand("a"), net.operand("b")
    if op["transpose_a"]:
        a = net.add("Transpose", a, perm=[1, 0] if op["b"] == 1 else [0, 2, 1])
    if op["transpose_b"]:
        b = net.add("Transpose", b, perm=[1, 0] if op["b"] == 1 else [0, 2, 1])
    return net.add("MatMul", a, b)


def layernorm(net, op, x=None):
    return net.add("LayerNormalization", x or net.operand("x"), net.operand("scale"), net.operand("bias"), axis=-1,
                   epsilon=1e-5)


def chain(net, op):
    x, y, z = net.operand("x"), net.operand("y"), net.operand("z")
    product = net.add("Mul", net.add("Add", x, y), z)
    return net.add("Mul", net.add("Relu", net.add("Sub", product, x)), y)


def swiglu(net, op):
    gate = net.operand("gate")
    return net.add("Mul", net.add("Mul", gate, net.add("Sigmoid", gate)), net.operand("x"))


def attention(net, op):
    return net.add("Attention", net.operand("q"), net.operand("k"), net.operand("v"), is_causal=op["causal"])


def attention_chain(net, op):
    k = net.add("Transpose", net.operand("k"), perm=[0, 1, 3, 2])
    scores = net.add("MatMul", net.operand("q"), k)
    scores = net.add("Mul", scores, net.constant(np.float32(1 / math.sqrt(op["d"]))))
    if op["causal"]:
        columns = op["s_kv"] or op["s"]
        hidden = np.triu(np.full((op["s"], columns), -np.inf, np.float32), 1)
        scores = net.add("Add", scores, net.constant(hidden))
    return net.add("MatMul", net.add("Softmax", scores, axis=-1), net.operand("v"))


# The forms of an operator, the preferred first, each with its opset.
FORMS = {
    "matmul": [(matmul, 20)],
    "conv2d": [(conv2d, 20)],
    "inverted_residual": [(inverted_residual, 20)],
    "softmax": [(lambda net, op: net.add("Softmax", net.operand("x"), axis=-1), 20)],
    "layernorm": [(layernorm, 20)],
    "addnorm": [(lambda net, op: layernorm(net, op, net.add("Add", net.operand("x"), net.operand("y"))), 20)],
    "swiglu": [(swiglu, 20)],
    "sum": [(lambda net, op: net.add("ReduceSum", net.operand("x"), net.constant(np.int64([op["axis"]])), keepdims=0),
             20)],
    "transpose": [(lambda net, op: net.add("Transpose", net.operand("x"), perm=[1, 0]), 20)],
    "gelu": [(lambda net, op: net.add("Gelu", net.operand("x")), 20)],
    "add": [(lambda net, op: net.add("Add", net.operand("x"), net.operand("y")), 20)],
    "chain": [(chain, 20)],
    "attention": [(attention_chain, 20), (attention, 23)],
}


def epilogue(net, op, result):
    for name in op["epilogue"]:
        if name == "bias":
            result = net.add("Add", result, net.operand("bias"))
        elif name == "add":
            result = net.add("Add", result,
                             image(net, op, "residual") if op["name"] == "conv2d" else net.operand("residual"))
        elif name == "silu":
            result = net.add("Mul", result, net.add("Sigmoid", result))
        else:
            result = net.add({"relu": "Relu", "gelu": "Gelu", "sigmoid": "Sigmoid", "tanh": "Tanh"}[name], result)
    return result


class Run:
    def __init__(self, model, threads, inputs):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that spin after a run would take the cores of whoever is timed next.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.binding = self.session.io_binding()
        self.values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in inputs.values()]
        for name, value in zip(inputs, self.values):
            self.binding.bind_ortvalue_input(name, value)
        self.names = [output.name for output in self.session.get_outputs()]
        for name in self.names:
            self.binding.bind_output(name)
        self.session.run_with_iobinding(self.binding)
        self.results = self.binding.get_outputs()
        self.binding.clear_binding_outputs()
        for name, value in zip(self.names, self.results):  # written in place from now on
            self.binding.bind_ortvalue_output(name, value)

    def time(self, repeat):
        run, session, binding = self.session.run_with_iobinding, self.session, self.binding
        start = time.perf_counter_ns()
        for _ in range(repeat):
            run(binding)
        return time.perf_counter_ns() - start


class Peer:
    def prepare(self, request):
        operands = {}
        for operand in request["operands"]:
            if operand["dtype"] not in DTYPES:
                return {"offered": False}
            array = np.fromfile(operand["file"], DTYPES[operand["dtype"]]).reshape(operand["shape"])
            operands[operand["name"]] = (array, operand["constant"])
        if "model" in request:
            self.nhwc = False
            self.run = Run(request["model"], request["threads"], {name: array for name, (array, _) in operands.items()})
            return {"offered": True}
        op = request["op"]
        if any(array.dtype != np.float32 for array, _ in operands.values()):
            return {"offered": False}
        self.nhwc = bool(op.get("nhwc"))
        forms, failure = [], None
        for form, opset in FORMS.get(op["name"], []):
            net = Network(dict(operands))
            model = net.model(epilogue(net, op, form(net, op)), opset).SerializeToString()
            inputs = {name: array for name, (array, constant) in net.operands.items() if not constant}
            try:
                forms.append(Run(model, request["threads"], inputs))
            except Exception as error:  # onnxruntime's exceptions have no common base
                failure = error
        if not forms:
            return {"offered": False} if failure is None else {"error": str(failure)}
        self.run = min(forms, key=lambda run: min(run.time(1) for _ in range(3)))
        return {"offered": True}

    def outputs(self, request):
        results = []
        for i, value in enumerate(self.run.results):
            array = value.numpy()
            if self.nhwc:
                array = array.transpose(0, 2, 3, 1)
            path = os.path.join(request["folder"], f"result_{i}")
            np.ascontiguousarray(array).tofile(path)
            results.append({"file": path, "dtype": NAMES[array.dtype], "shape": list(array.shape)})
        return {"outputs": results}

    def answer(self, request):
        do = request["do"]
        if do == "version":
            return {"version": onnxruntime.__version__}
        if do == "prepare":
            return self.prepare(request)
        if do == "run":
            return {"ns": self.run.time(request["repeat"])}
        if do == "outputs":
            return self.outputs(request)
        return {"error": f"unknown request '{do}'"}


def main():
    peer = Peer()
    for line in sys.stdin:
        try:
            answer = peer.answer(json.loads(line))
        except Exception as error:  # the caller names it
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


main()
