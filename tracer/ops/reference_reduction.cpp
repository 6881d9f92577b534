// Reductions, softmax, normalisations, running sums.
#include <algorithm>
#include <cmath>
#include <limits>

#include "ir/support/check.h"
#include "tracer/ops/infer.h"
#include "tracer/ops/reference.h"
#include "tracer/ops/reference_util.h"

namespace tunesmith::tracer {
namespace {

/// A tensor as rows: the kept axes name a row, the reduced axes walk along it.
struct Rows {
  Extents kept, reduced, kept_strides, reduced_strides;

  Rows(const Extents& shape, const std::vector<bool>& is_reduced) {
    const Extents strides = strides_of(shape);
    for (std::size_t d = 0; d < shape.size(); ++d) {
      (is_reduced[d] ? reduced : kept).push_back(shape[d]);
      (is_reduced[d] ? reduced_strides : kept_strides).push_back(strides[d]);
    }
  }
  /// Flat places of the elements of each row, in order.
  template <class Visit>
  void for_each_row(Visit&& visit) const {
    Extents offsets;
    for_each_index(reduced,
                   [&](auto index, std::int64_t) { offsets.push_back(flat_of(index, reduced_strides)); });
    for_each_index(kept, [&](auto index, std::int64_t row) {
      const std::int64_t base = flat_of(index, kept_strides);
      Extents places;
      places.reserve(offsets.size());
      for (std::int64_t offset : offsets) places.push_back(base + offset);
      visit(row, std::span<const std::int64_t>(places));
    });
  }
};

std::vector<bool> from_axis(std::int64_t axis, std::size_t rank) {
  std::vector<bool> reduced(rank, false);
  for (std::size_t d = axis_of(axis, rank); d < rank; ++d) reduced[d] = true;
  return reduced;
}

std::vector<bool> only_axis(std::int64_t axis, std::size_t rank) {
  std::vector<bool> reduced(rank, false);
  reduced[axis_of(axis, rank)] = true;
  return reduced;
}

double reduce_floats(const HostTensor& x, std::span<const std::int64_t> places, const std::string& op) {
  const double infinity = std::numeric_limits<double>::infinity();
  double sum = 0, product = 1, low = infinity, high = -infinity;
  bool nan = false;
  for (std::int64_t place : places) {
    const double value = x.at(place);
    nan = nan || std::isnan(value);
    low = std::min(low, value);
    high = std::max(high, value);
    product *= value;
    sum += op == "l1" ? std::abs(value) : op == "l2" || op == "sum_square" ? value * value : value;
  }
  if (op == "sum" || op == "l1" || op == "sum_square") return sum;
  if (op == "mean") return sum / static_cast<double>(places.size());
  if (op == "prod") return product;
  if (op == "l2") return std::sqrt(sum);
  if (op == "log_sum") return std::log(sum);
  if (op == "min" || op == "max") return nan ? std::nan("") : op == "min" ? low : high;
  TS_CHECK(op == "log_sum_exp", op);
  const double shift = std::isfinite(high) ? high : 0;
  double total = 0;
  for (std::int64_t place : places) total += std::exp(x.at(place) - shift);
  return std::log(total) + shift;
}

std::int64_t highest_integer(DType dtype) {
  const int width = ir::bit_width(dtype);
  if (ir::is_unsigned_integer(dtype) || dtype == DType::boolean)
    return static_cast<std::int64_t>(~std::uint64_t{0} >> (64 - width));
  return (std::int64_t{1} << (width - 2)) - 1 + (std::int64_t{1} << (width - 2));
}

std::int64_t lowest_integer(DType dtype) {
  return ir::is_signed_integer(dtype) ? -highest_integer(dtype) - 1 : 0;
}

std::int64_t reduce_ints(const HostTensor& x, std::span<const std::int64_t> places, const std::string& op) {
  if (op == "min" || op == "max") {
    if (places.empty()) return op == "min" ? highest_integer(x.dtype()) : lowest_integer(x.dtype());
    std::int64_t best = places[0];
    for (std::int64_t place : places)
      if (op == "min" ? element_less(x, place, x, best) : element_less(x, best, x, place)) best = place;
    return x.int_at(best);
  }
  std::uint64_t sum = 0, product = 1;
  for (std::int64_t place : places) {
    const std::int64_t value = x.int_at(place);
    const auto bits = static_cast<std::uint64_t>(value);
    const bool negative = value < 0 && !ir::is_unsigned_integer(x.dtype());
    product *= bits;
    sum += op == "l1" && negative ? 0 - bits : op == "l2" || op == "sum_square" ? bits * bits : bits;
  }
  const auto total = static_cast<std::int64_t>(sum);
  if (op == "prod") return static_cast<std::int64_t>(product);
  if (op == "mean" && places.empty()) return 0;
  if (op == "mean" && ir::is_unsigned_integer(x.dtype()))
    return static_cast<std::int64_t>(sum / places.size());
  if (op == "mean") return total / static_cast<std::int64_t>(places.size());
  return total;
}

Tensors softmax(const HostTensor& x, std::int64_t axis, bool log) {
  HostTensor out(x.dtype(), x.shape());
  Rows(x.shape(), only_axis(axis, x.shape().size())).for_each_row([&](std::int64_t, auto places) {
    double high = -std::numeric_limits<double>::infinity(), sum = 0;
    for (std::int64_t place : places) high = std::max(high, x.at(place));
    for (std::int64_t place : places) sum += std::exp(x.at(place) - high);
    for (std::int64_t place : places)
      out.set(place, log ? x.at(place) - high - std::log(sum) : std::exp(x.at(place) - high) / sum);
  });
  return {out};
}

struct Moments {
  double mean = 0, variance = 0;
};

Moments moments(const HostTensor& x, std::span<const std::int64_t> places) {
  Moments m;
  for (std::int64_t place : places) m.mean += x.at(place) / static_cast<double>(places.size());
  for (std::int64_t place : places)
    m.variance += (x.at(place) - m.mean) * (x.at(place) - m.mean) / static_cast<double>(places.size());
  return m;
}

/// layer_norm and rms_norm: rows from `axis` on, then scale and bias that broadcast to a row.
Tensors row_norm(std::span<const HostTensor> inputs, const Attributes& attributes, bool centred) {
  const HostTensor& x = inputs[0];
  const std::size_t axis = axis_of(attributes.get_int("axis"), x.shape().size());
  const double epsilon = attributes.get_float("epsilon");
  const Extents row(x.shape().begin() + static_cast<std::ptrdiff_t>(axis), x.shape().end());
  std::vector<Extents> strides;
  for (std::size_t i = 1; i < inputs.size(); ++i)
    strides.push_back(broadcast_strides(inputs[i].shape(), row));
  HostTensor out(x.dtype(), x.shape());
  Rows(x.shape(), from_axis(attributes.get_int("axis"), x.shape().size()))
      .for_each_row([&](std::int64_t, auto places) {
        Moments m;
        if (centred)
          m = moments(x, places);
        else
          for (std::int64_t place : places)
            m.variance += x.at(place) * x.at(place) / static_cast<double>(places.size());
        const double inverse = 1 / std::sqrt(m.variance + epsilon);
        for_each_index(row, [&](auto index, std::int64_t i) {
          double value = (x.at(places[static_cast<std::size_t>(i)]) - m.mean) * inverse;
          if (inputs.size() > 1) value *= inputs[1].at(flat_of(index, strides[0]));
          if (inputs.size() > 2) value += inputs[2].at(flat_of(index, strides[1]));
          out.set(places[static_cast<std::size_t>(i)], value);
        });
      });
  return {out};
}

}  // namespace

Tensors reference_reduce(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const HostTensor& x = inputs[0];
  const std::vector<TensorType> operand{{x.dtype(), to_shape(x.shape())}};
  const TensorType type = infer_reduce(operand, attributes)[0];
  HostTensor out(type.dtype, to_ints(type.shape));
  const std::string& op = attributes.get_text("op");
  std::vector<bool> reduced(x.shape().size(), attributes.get_ints("axes").empty());
  for (std::int64_t axis : attributes.get_ints("axes")) reduced[axis_of(axis, x.shape().size())] = true;
  Rows(x.shape(), reduced).for_each_row([&](std::int64_t row, auto places) {
    if (ir::is_float(x.dtype()))
      out.set(row, reduce_floats(x, places, op));
    else
      out.set_int(row, reduce_ints(x, places, op));
  });
  return {out};
}

Tensors reference_arg_reduce(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const HostTensor& x = inputs[0];
  const std::vector<TensorType> operand{{x.dtype(), to_shape(x.shape())}};
  HostTensor out(DType::i64, to_ints(infer_arg_reduce(operand, attributes)[0].shape));
  const bool largest = attributes.get_text("op") == "max",
             last = attributes.get_int_or("select_last", 0) != 0;
  Rows(x.shape(), only_axis(attributes.get_int("axis"), x.shape().size()))
      .for_each_row([&](std::int64_t row, auto places) {
        // NaNs are passed over; a row of nothing else has its first place.
        auto is_nan = [&](std::size_t i) { return ir::is_float(x.dtype()) && std::isnan(x.at(places[i])); };
        std::size_t best = 0;
        while (best < places.size() && is_nan(best)) ++best;
        if (best == places.size()) best = 0;
        for (std::size_t i = best + 1; i < places.size(); ++i) {
          if (is_nan(i)) continue;
          const bool above = element_less(x, places[best], x, places[i]);
          const bool below = element_less(x, places[i], x, places[best]);
          if ((largest ? above : below) || (last && !above && !below)) best = i;
        }
        out.set_int(row, static_cast<std::int64_t>(best));
      });
  return {out};
}

Tensors reference_softmax(std::span<const HostTensor> inputs, const Attributes& attributes) {
  return softmax(inputs[0], attributes.get_int("axis"), false);
}

Tensors reference_log_softmax(std::span<const HostTensor> inputs, const Attributes& attributes) {
  return softmax(inputs[0], attributes.get_int("axis"), true);
}

Tensors reference_layer_norm(std::span<const HostTensor> inputs, const Attributes& attributes) {
  return row_norm(inputs, attributes, true);
}

Tensors reference_rms_norm(std::span<const HostTensor> inputs, const Attributes& attributes) {
  return row_norm(inputs, attributes, false);
}

Tensors reference_group_norm(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const HostTensor& x = inputs[0];
  const std::int64_t channels = x.shape()[1], groups = attributes.get_int("groups");
  const std::int64_t plane = element_count(x.shape()) / (x.shape()[0] * channels);
  const Extents grouped{x.shape()[0] * groups, channels / groups * plane};
  HostTensor out(x.dtype(), x.shape());
  Rows(grouped, {false, true}).for_each_row([&](std::int64_t, auto places) {
    const Moments m = moments(x, places);
    const double inverse = 1 / std::sqrt(m.variance + attributes.get_float("epsilon"));
    for (std::int64_t place : places) {
      const std::int64_t channel = place / plane % channels;
      double value = (x.at(place) - m.mean) * inverse;
      if (inputs.size() > 1) value *= inputs[1].at(channel);
      if (inputs.size() > 2) value += inputs[2].at(channel);
      out.set(place, value);
    }
  });
  return {out};
}

/// y = x / (bias + alpha / size * sum of squares over `size` neighbouring channels) ^ beta
Tensors reference_lrn(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const HostTensor& x = inputs[0];
  const std::int64_t size = attributes.get_int("size"), channels = x.shape()[1];
  const std::int64_t plane = element_count(x.shape()) / (x.shape()[0] * channels);
  HostTensor out(x.dtype(), x.shape());
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const std::int64_t channel = i / plane % channels;
    const std::int64_t first = std::max<std::int64_t>(0, channel - (size - 1) / 2);
    const std::int64_t last = std::min(channels - 1, channel + size / 2);
    double squares = 0;
    for (std::int64_t c = first; c <= last; ++c) squares += std::pow(x.at(i + (c - channel) * plane), 2);
    const double base =
        attributes.get_float("bias") + attributes.get_float("alpha") / static_cast<double>(size) * squares;
    out.set(i, x.at(i) / std::pow(base, attributes.get_float("beta")));
  }
  return {out};
}

Tensors reference_cumulate(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const HostTensor& x = inputs[0];
  HostTensor out(x.dtype(), x.shape());
  const bool product = attributes.get_text("op") == "prod";
  const bool exclusive = attributes.get_int_or("exclusive", 0) != 0,
             reverse = attributes.get_int_or("reverse", 0) != 0;
  Rows(x.shape(), only_axis(attributes.get_int("axis"), x.shape().size()))
      .for_each_row([&](std::int64_t, auto places) {
        double real = product ? 1 : 0;
        std::uint64_t whole = product ? 1 : 0;
        for (std::size_t k = 0; k < places.size(); ++k) {
          const std::int64_t place = places[reverse ? places.size() - 1 - k : k];
          auto write = [&] {
            if (ir::is_float(x.dtype()))
              out.set(place, real);
            else
              out.set_int(place, static_cast<std::int64_t>(whole));
          };
          if (exclusive) write();
          if (ir::is_float(x.dtype()))
            real = product ? real * x.at(place) : real + x.at(place);
          else
            whole = product ? whole * static_cast<std::uint64_t>(x.int_at(place))
                            : whole + static_cast<std::uint64_t>(x.int_at(place));
          if (!exclusive) write();
        }
      });
  return {out};
}

}  // namespace tunesmith::tracer
