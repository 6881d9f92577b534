// Matrix products: batched, with NumPy broadcasting of the leading dimensions; vectors as in NumPy.
#include "tracer/ops/lower.h"
#include "tracer/ops/lower_util.h"

namespace tunesmith::tracer {

using namespace ir;

std::vector<TensorView> lower_matmul(KernelBuilder& builder, std::span<const TensorView> inputs,
                                     const Attributes&, std::span<const TensorType> outputs) {
  TensorView a = inputs[0], b = inputs[1];
  const bool a_is_vector = a.shape.size() == 1, b_is_vector = b.shape.size() == 1;
  const std::int64_t k = a.shape.back();
  std::vector<std::int64_t> shape = to_ints(outputs[0].shape);
  const std::size_t batch_rank = shape.size() - (a_is_vector ? 0 : 1) - (b_is_vector ? 0 : 1);
  const DType acc = accumulator_dtype(outputs[0].dtype);

  // The operand's own index: its batch dimensions are the last of the result's, 0 where broadcast.
  auto batch_index = [batch_rank](const TensorView& view, std::size_t own_rank, Indices indices) {
    std::vector<Expr> own;
    for (std::size_t d = 0; d < own_rank; ++d)
      own.push_back(view.shape[d] == 1 ? Expr(0) : indices[batch_rank - own_rank + d]);
    return own;
  };
  TensorView product = builder.reduce(
      "matmul", acc, std::move(shape), {k}, CombinerKind::sum, [&](Indices indices, Indices reduce) {
        const std::size_t a_batch = a_is_vector ? 0 : a.shape.size() - 2;
        const std::size_t b_batch = b_is_vector ? 0 : b.shape.size() - 2;
        std::vector<Expr> at = batch_index(a, a_batch, indices), bt = batch_index(b, b_batch, indices);
        std::size_t next = batch_rank;
        if (!a_is_vector) at.push_back(indices[next++]);
        at.push_back(reduce[0]);
        bt.push_back(reduce[0]);
        if (!b_is_vector) bt.push_back(indices[next]);
        return cast(acc, a(at)) * cast(acc, b(bt));
      });
  return {cast_view(product, outputs[0].dtype)};
}

}  // namespace tunesmith::tracer
