// oneDNN 2: a module of its own, because its interface exists as C++ headers only; built where these are
// installed and loaded by open_onednn(). Constant weights take the layout that oneDNN prefers before they are
// timed; activations stay as the caller has them.
#include <fmt/format.h>
#include <omp.h>
#include <dnnl.hpp>

#include <chrono>
#include <unordered_map>

#include "tools/peers/peer.h"

namespace tunesmith::tools {
namespace {

using dnnl::memory;
using Dims = memory::dims;
using Tag = memory::format_tag;
using Arguments = std::unordered_map<int, memory>;
constexpr auto f32 = memory::data_type::f32;
constexpr auto inference = dnnl::prop_kind::forward_inference;

/// Primitives one after another, over memories of the operands, of the result and in between.
class Sequence final : public PeerRun {
 public:
  explicit Sequence(const PeerWork& work) : work_(work), result_(ir::DType::f32, work.output_shapes.at(0)) {}

  const PeerWork& work() const { return work_; }
  const OpText& op() const { return *work_.op; }
  const dnnl::engine& engine() const { return engine_; }

  memory operand(const std::string& name, const memory::desc& desc) {
    const ir::HostTensor& tensor = work_.operand(name);
    return {desc, engine_, const_cast<std::byte*>(tensor.bytes())};
  }
  memory result(const memory::desc& desc) { return {desc, engine_, result_.mutable_bytes()}; }
  memory temporary(const memory::desc& desc) { return {desc, engine_}; }
  /// The constant `name` in the layout `wanted`; as it is where that is its own.
  memory weights(const std::string& name, const memory::desc& own, const memory::desc& wanted) {
    memory given = operand(name, own);
    if (own == wanted) return given;
    memory converted(wanted, engine_);
    dnnl::reorder(given, converted).execute(stream_, given, converted);
    stream_.wait();
    return converted;
  }
  void add(const dnnl::primitive& primitive, Arguments arguments) {
    steps_.emplace_back(primitive, std::move(arguments));
  }

  Expected<double, Error> run(std::int64_t repeat) override {
    const auto start = std::chrono::steady_clock::now();
    for (std::int64_t i = 0; i < repeat; ++i)
      for (auto& [primitive, arguments] : steps_) primitive.execute(stream_, arguments);
    stream_.wait();
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
  }
  Expected<std::vector<ir::HostTensor>, Error> outputs() override { return std::vector{result_}; }

 private:
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  PeerWork work_;
  ir::HostTensor result_;
  std::vector<std::pair<dnnl::primitive, Arguments>> steps_;
};

/// Post-operations with the operands that they need.
struct PostOps {
  dnnl::post_ops ops;
  Arguments arguments;

  void eltwise(dnnl::algorithm algorithm, float alpha = 0, float beta = 0) {
    ops.append_eltwise(1.0f, algorithm, alpha, beta);
  }
  void binary(dnnl::algorithm algorithm, const memory& operand) {
    arguments.emplace(DNNL_ARG_ATTR_MULTIPLE_POST_OP(ops.len()) | DNNL_ARG_SRC_1, operand);
    ops.append_binary(algorithm, operand.get_desc());
  }
  dnnl::primitive_attr attributes() const {
    dnnl::primitive_attr result;
    result.set_post_ops(ops);
    return result;
  }
};

/// What follows a leading bias. False where oneDNN lacks one of the operators.
bool append_epilogue(Sequence& sequence, PostOps& post, const memory::desc& result) {
  const std::vector<std::string>& names = sequence.op().epilogue;
  for (std::size_t i = !names.empty() && names[0] == "bias" ? 1 : 0; i < names.size(); ++i) {
    if (names[i] == "relu")
      post.eltwise(dnnl::algorithm::eltwise_relu);
    else if (names[i] == "gelu")
      post.eltwise(dnnl::algorithm::eltwise_gelu_erf);
    else if (names[i] == "silu")
      post.eltwise(dnnl::algorithm::eltwise_swish, 1.0f);
    else if (names[i] == "sigmoid")
      post.eltwise(dnnl::algorithm::eltwise_logistic);
    else if (names[i] == "tanh")
      post.eltwise(dnnl::algorithm::eltwise_tanh);
    else if (names[i] == "add")
      post.binary(dnnl::algorithm::binary_add, sequence.operand("residual", result));
    else
      return false;
  }
  return true;
}

bool has_bias(const OpText& op) { return !op.epilogue.empty() && op.epilogue[0] == "bias"; }

bool build_matmul(Sequence& s) {
  const OpText& op = s.op();
  const std::int64_t m = op["m"], n = op["n"], k = op["k"], batch = op["b"];
  const bool ta = op["transpose_a"] != 0, tb = op["transpose_b"] != 0;
  const auto desc = [&](std::int64_t rows, std::int64_t columns, bool transposed) {
    Dims strides = {rows * columns, transposed ? 1 : columns, transposed ? rows : 1};
    return memory::desc({batch, rows, columns}, f32, strides);
  };
  const memory::desc a = desc(m, k, ta), b = desc(k, n, tb), c = desc(m, n, false);
  const bool constant = s.work().is_constant("b");
  const memory::desc b_asked = constant ? memory::desc({batch, k, n}, f32, Tag::any) : b;
  const memory::desc bias({1, 1, n}, f32, Tag::abc);
  PostOps post;
  if (!append_epilogue(s, post, c)) return false;
  const dnnl::matmul::desc matmul =
      has_bias(op) ? dnnl::matmul::desc(a, b_asked, bias, c) : dnnl::matmul::desc(a, b_asked, c);
  const dnnl::matmul::primitive_desc pd(matmul, post.attributes(), s.engine());
  Arguments arguments = post.arguments;
  arguments.insert({{DNNL_ARG_SRC, s.operand("a", a)},
                    {DNNL_ARG_WEIGHTS, s.weights("b", b, pd.weights_desc())},
                    {DNNL_ARG_DST, s.result(c)}});
  if (has_bias(op)) arguments.emplace(DNNL_ARG_BIAS, s.operand("bias", bias));
  s.add(dnnl::matmul(pd), std::move(arguments));
  return true;
}

struct ConvShape {
  Dims src, weights, dst, strides, dilations, pads;
  bool grouped = false;
};

/// Adds a convolution to the sequence; the weights are `<prefix>weight`, the bias `<prefix>bias`.
void add_conv(Sequence& s, const ConvShape& shape, const memory& src, const memory& dst,
              const std::string& prefix, bool bias, const PostOps& post) {
  const memory::desc own(shape.weights, f32, shape.grouped ? Tag::goihw : Tag::oihw);
  const memory::desc asked =
      s.work().is_constant(prefix + "weight") ? memory::desc(shape.weights, f32, Tag::any) : own;
  const memory::desc bias_desc({shape.dst[1]}, f32, Tag::a);
  const auto direct = dnnl::algorithm::convolution_direct;
  const dnnl::convolution_forward::desc conv =
      bias ? dnnl::convolution_forward::desc(inference, direct, src.get_desc(), asked, bias_desc,
                                             dst.get_desc(), shape.strides, shape.dilations, shape.pads,
                                             shape.pads)
           : dnnl::convolution_forward::desc(inference, direct, src.get_desc(), asked, dst.get_desc(),
                                             shape.strides, shape.dilations, shape.pads, shape.pads);
  const dnnl::convolution_forward::primitive_desc pd(conv, post.attributes(), s.engine());
  Arguments arguments = post.arguments;
  arguments.insert({{DNNL_ARG_SRC, src},
                    {DNNL_ARG_WEIGHTS, s.weights(prefix + "weight", own, pd.weights_desc())},
                    {DNNL_ARG_DST, dst}});
  if (bias) arguments.emplace(DNNL_ARG_BIAS, s.operand(prefix + "bias", bias_desc));
  s.add(dnnl::convolution_forward(pd), std::move(arguments));
}

std::int64_t window_places(std::int64_t extent, std::int64_t pad, std::int64_t window, std::int64_t dilation,
                           std::int64_t stride) {
  return (extent + 2 * pad - dilation * (window - 1) - 1) / stride + 1;
}

bool build_conv2d(Sequence& s) {
  const OpText& op = s.op();
  const std::int64_t groups = op["groups"], pad = op["pad"], dilation = op["dilation"], stride = op["stride"];
  const std::int64_t oh = window_places(op["h"], pad, op["r"], dilation, stride);
  const std::int64_t ow = window_places(op["w"], pad, op["s"], dilation, stride);
  const Tag tag = op["nhwc"] != 0 ? Tag::nhwc : Tag::nchw;
  ConvShape shape{{op["n"], op["c"], op["h"], op["w"]},
                  {op["k"], op["c"], op["r"], op["s"]},
                  {op["n"], op["k"], oh, ow},
                  {stride, stride},
                  {dilation - 1, dilation - 1},
                  {pad, pad},
                  groups > 1};
  if (shape.grouped) shape.weights = {groups, op["k"] / groups, op["c"] / groups, op["r"], op["s"]};
  const memory src = s.operand("x", memory::desc(shape.src, f32, tag));
  const memory dst = s.result(memory::desc(shape.dst, f32, tag));
  PostOps post;
  if (!append_epilogue(s, post, dst.get_desc())) return false;
  add_conv(s, shape, src, dst, "", has_bias(op), post);
  return true;
}

bool build_inverted_residual(Sequence& s) {
  const OpText& op = s.op();
  const std::int64_t n = op["n"], c = op["c"], h = op["h"], w = op["w"], stride = op["stride"];
  const std::int64_t k = op["k"] == 0 ? c : op["k"], wide = c * op["expand"];
  const std::int64_t oh = window_places(h, 1, 3, 1, stride), ow = window_places(w, 1, 3, 1, stride);
  const Tag tag = op["nhwc"] != 0 ? Tag::nhwc : Tag::nchw;
  const memory x = s.operand("x", memory::desc({n, c, h, w}, f32, tag));
  const memory expanded = s.temporary(memory::desc({n, wide, h, w}, f32, tag));
  const memory filtered = s.temporary(memory::desc({n, wide, oh, ow}, f32, tag));
  const memory y = s.result(memory::desc({n, k, oh, ow}, f32, tag));
  PostOps clip, residual;
  clip.eltwise(dnnl::algorithm::eltwise_clip, 0, 6);
  if (k == c && stride == 1) residual.binary(dnnl::algorithm::binary_add, x);
  const Dims one{1, 1}, zero{0, 0};
  add_conv(s, {{n, c, h, w}, {wide, c, 1, 1}, {n, wide, h, w}, one, zero, zero}, x, expanded, "expand_", true,
           clip);
  add_conv(s, {{n, wide, h, w}, {wide, 1, 1, 3, 3}, {n, wide, oh, ow}, {stride, stride}, zero, one, true},
           expanded, filtered, "depthwise_", true, clip);
  add_conv(s, {{n, wide, oh, ow}, {k, wide, 1, 1}, {n, k, oh, ow}, one, zero, zero}, filtered, y, "project_",
           true, residual);
  return true;
}

memory::desc rows_desc(const OpText& op) { return {{op["rows"], op["cols"]}, f32, Tag::ab}; }

bool build_softmax(Sequence& s) {
  const memory::desc rows = rows_desc(s.op());
  const dnnl::softmax_forward::primitive_desc pd({inference, rows, 1}, s.engine());
  s.add(dnnl::softmax_forward(pd), {{DNNL_ARG_SRC, s.operand("x", rows)}, {DNNL_ARG_DST, s.result(rows)}});
  return true;
}

void add_layernorm(Sequence& s, const memory& src) {
  const memory::desc rows = rows_desc(s.op());
  const memory::desc vector({s.op()["cols"]}, f32, Tag::a);
  const auto flags = dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift;
  const dnnl::layer_normalization_forward::primitive_desc pd({inference, rows, 1e-5f, flags}, s.engine());
  s.add(dnnl::layer_normalization_forward(pd), {{DNNL_ARG_SRC, src},
                                                {DNNL_ARG_SCALE, s.operand("scale", vector)},
                                                {DNNL_ARG_SHIFT, s.operand("bias", vector)},
                                                {DNNL_ARG_DST, s.result(rows)}});
}

bool build_layernorm(Sequence& s) {
  add_layernorm(s, s.operand("x", rows_desc(s.op())));
  return true;
}

void add_binary(Sequence& s, dnnl::algorithm algorithm, const memory& a, const memory& b, const memory& c,
                const PostOps& post = {}) {
  const dnnl::binary::primitive_desc pd({algorithm, a.get_desc(), b.get_desc(), c.get_desc()},
                                        post.attributes(), s.engine());
  Arguments arguments = post.arguments;
  arguments.insert({{DNNL_ARG_SRC_0, a}, {DNNL_ARG_SRC_1, b}, {DNNL_ARG_DST, c}});
  s.add(dnnl::binary(pd), std::move(arguments));
}

void add_eltwise(Sequence& s, dnnl::algorithm algorithm, float alpha, const memory& src, const memory& dst) {
  const dnnl::eltwise_forward::primitive_desc pd({inference, algorithm, src.get_desc(), alpha}, s.engine());
  s.add(dnnl::eltwise_forward(pd), {{DNNL_ARG_SRC, src}, {DNNL_ARG_DST, dst}});
}

bool build_addnorm(Sequence& s) {
  const memory::desc rows = rows_desc(s.op());
  const memory sum = s.temporary(rows);
  add_binary(s, dnnl::algorithm::binary_add, s.operand("x", rows), s.operand("y", rows), sum);
  add_layernorm(s, sum);
  return true;
}

bool build_swiglu(Sequence& s) {
  const memory::desc rows = rows_desc(s.op());
  const memory gate = s.temporary(rows);
  add_eltwise(s, dnnl::algorithm::eltwise_swish, 1.0f, s.operand("gate", rows), gate);
  add_binary(s, dnnl::algorithm::binary_mul, gate, s.operand("x", rows), s.result(rows));
  return true;
}

bool build_sum(Sequence& s) {
  const OpText& op = s.op();
  const memory::desc rows = rows_desc(op);
  const memory::desc sums(op["axis"] == 1 ? Dims{op["rows"], 1} : Dims{1, op["cols"]}, f32, Tag::ab);
  const dnnl::reduction::primitive_desc pd({dnnl::algorithm::reduction_sum, rows, sums, 0, 0}, s.engine());
  s.add(dnnl::reduction(pd), {{DNNL_ARG_SRC, s.operand("x", rows)}, {DNNL_ARG_DST, s.result(sums)}});
  return true;
}

bool build_transpose(Sequence& s) {
  const memory src = s.operand("x", rows_desc(s.op()));
  const memory dst = s.result(memory::desc({s.op()["rows"], s.op()["cols"]}, f32, Tag::ba));
  s.add(dnnl::reorder(src, dst), {{DNNL_ARG_FROM, src}, {DNNL_ARG_TO, dst}});
  return true;
}

memory::desc vector_desc(const OpText& op) { return {{op["size"]}, f32, Tag::a}; }

bool build_gelu(Sequence& s) {
  const memory::desc vector = vector_desc(s.op());
  add_eltwise(s, dnnl::algorithm::eltwise_gelu_erf, 0, s.operand("x", vector), s.result(vector));
  return true;
}

bool build_add(Sequence& s) {
  const memory::desc vector = vector_desc(s.op());
  PostOps post;
  if (has_bias(s.op()) || !append_epilogue(s, post, vector)) return false;
  add_binary(s, dnnl::algorithm::binary_add, s.operand("x", vector), s.operand("y", vector), s.result(vector),
             post);
  return true;
}

bool build_chain(Sequence& s) {
  const memory::desc vector = vector_desc(s.op());
  const memory x = s.operand("x", vector), y = s.operand("y", vector);
  PostOps post;
  post.binary(dnnl::algorithm::binary_mul, s.operand("z", vector));
  post.binary(dnnl::algorithm::binary_sub, x);
  post.eltwise(dnnl::algorithm::eltwise_relu);
  post.binary(dnnl::algorithm::binary_mul, y);
  add_binary(s, dnnl::algorithm::binary_add, x, y, s.result(vector), post);
  return true;
}

/// Two multiplications around a softmax; oneDNN 2 has no fused form.
bool build_attention(Sequence& s) {
  const OpText& op = s.op();
  if (op["causal"] != 0) return false;
  const std::int64_t heads = op["b"] * op["h"], rows = op["s"], d = op["d"];
  const std::int64_t columns = op["s_kv"] == 0 ? rows : op["s_kv"];
  const memory::desc q({heads, rows, d}, f32, Tag::abc), v({heads, columns, d}, f32, Tag::abc);
  const memory::desc k({heads, d, columns}, f32, Tag::acb), score_desc({heads, rows, columns}, f32, Tag::abc);
  const memory scores = s.temporary(score_desc);
  dnnl::primitive_attr scaled;
  scaled.set_output_scales(0, {1.0f / std::sqrt(static_cast<float>(d))});
  s.add(dnnl::matmul(dnnl::matmul::primitive_desc({q, k, score_desc}, scaled, s.engine())),
        {{DNNL_ARG_SRC, s.operand("q", q)}, {DNNL_ARG_WEIGHTS, s.operand("k", k)}, {DNNL_ARG_DST, scores}});
  s.add(dnnl::softmax_forward(dnnl::softmax_forward::primitive_desc({inference, score_desc, 2}, s.engine())),
        {{DNNL_ARG_SRC, scores}, {DNNL_ARG_DST, scores}});
  s.add(dnnl::matmul(dnnl::matmul::primitive_desc({score_desc, v, q}, s.engine())),
        {{DNNL_ARG_SRC, scores}, {DNNL_ARG_WEIGHTS, s.operand("v", v)}, {DNNL_ARG_DST, s.result(q)}});
  return true;
}

struct Row {
  std::string_view op;
  bool (*build)(Sequence&);
  bool takes_epilogue = false;
};
constexpr Row rows[] = {
    {"matmul", build_matmul, true},
    {"conv2d", build_conv2d, true},
    {"inverted_residual", build_inverted_residual},
    {"softmax", build_softmax},
    {"layernorm", build_layernorm},
    {"addnorm", build_addnorm},
    {"swiglu", build_swiglu},
    {"sum", build_sum},
    {"transpose", build_transpose},
    {"gelu", build_gelu},
    {"add", build_add, true},
    {"chain", build_chain},
    {"attention", build_attention},
};

class OneDnn final : public Peer {
 public:
  std::string version() const override {
    const dnnl::version_t* version = dnnl::version();
    return fmt::format("{}.{}.{}", version->major, version->minor, version->patch);
  }

  Expected<std::unique_ptr<PeerRun>, Error> prepare(const PeerWork& work) override {
    if (work.op == nullptr || work.op->dtype != ir::DType::f32) return std::unique_ptr<PeerRun>();
    for (const Row& row : rows) {
      if (row.op != work.op->name || (!work.op->epilogue.empty() && !row.takes_epilogue)) continue;
      ::omp_set_num_threads(work.threads);
      try {
        auto sequence = std::make_unique<Sequence>(work);
        if (row.build(*sequence)) return std::unique_ptr<PeerRun>(std::move(sequence));
      } catch (const dnnl::error& error) {
        if (error.status != dnnl_unimplemented) return Unexpected(make_error("oneDNN: {}", error.what()));
      }
    }
    return std::unique_ptr<PeerRun>();
  }
};

}  // namespace
}  // namespace tunesmith::tools

/// What open_adapter() looks up.
extern "C" tunesmith::tools::Peer* tunesmith_make_onednn_peer() { return new tunesmith::tools::OneDnn; }
