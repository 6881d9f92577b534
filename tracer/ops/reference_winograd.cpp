// The transforms of Winograd convolutions (winograd.h), a tile at a time in double.
#include "tracer/ops/reference.h"
#include "tracer/ops/reference_util.h"
#include "tracer/ops/winograd.h"

namespace tunesmith::tracer {
namespace {

using i64 = std::int64_t;

/// The sum over a and b of left(i, a) * right(j, b) * element(a, b).
template <class Element>
double transformed(const SmallMatrix& matrix, i64 i, i64 j, const Element& element) {
  double sum = 0;
  for (i64 a = 0; a < matrix.columns; ++a)
    for (i64 b = 0; b < matrix.columns; ++b)
      if (matrix(i, a) != 0 && matrix(j, b) != 0) sum += matrix(i, a) * matrix(j, b) * element(a, b);
  return sum;
}

}  // namespace

Tensors reference_winograd_input(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const i64 m = attributes.get_int("tile");
  const auto& pads = attributes.get_ints("pads");
  const HostTensor& x = inputs[0];
  const Extents& from = x.shape();
  const i64 rows = (from[2] + pads[0] + pads[2] - 2) / m, columns = (from[3] + pads[1] + pads[3] - 2) / m;
  HostTensor out(x.dtype(), {m + 2, m + 2, from[0], rows, columns, from[1]});
  for_each_index(out.shape(), [&](std::span<const i64> o, i64 flat) {
    out.set(flat, transformed(winograd_matrices(m).input, o[0], o[1], [&](i64 a, i64 b) {
              const i64 row = o[3] * m + a - pads[0], column = o[4] * m + b - pads[1];
              if (row < 0 || row >= from[2] || column < 0 || column >= from[3]) return 0.0;
              return x.at(((o[2] * from[1] + o[5]) * from[2] + row) * from[3] + column);
            }));
  });
  return {out};
}

Tensors reference_winograd_output(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const i64 m = attributes.get_int("tile");
  const HostTensor& x = inputs[0];
  const Extents& from = x.shape();
  const Extents strides = strides_of(from);
  HostTensor out(x.dtype(), {from[2], from[5], from[3] * m, from[4] * m});
  for_each_index(out.shape(), [&](std::span<const i64> o, i64 flat) {
    out.set(flat, transformed(winograd_matrices(m).output, o[2] % m, o[3] % m, [&](i64 a, i64 b) {
              const i64 place[] = {a, b, o[0], o[2] / m, o[3] / m, o[1]};
              return x.at(flat_of(place, strides));
            }));
  });
  return {out};
}

}  // namespace tunesmith::tracer
