// Coefficients are minimax fits (Remez exchange) of the functions named beside them, made for this file.
#include "codegen/llvm/math.h"

#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

#include <initializer_list>
#include <limits>
#include <string>

namespace tunesmith::codegen {
namespace {

using llvm::Value;

/// Arithmetic on floats or vectors of floats, whichever `shape` is.
class Float {
 public:
  Float(llvm::IRBuilder<>& builder, Value* shape, bool has_avx512) : b(builder), type(shape->getType()) {
    const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(type);
    has_scale = has_avx512 && vector != nullptr && vector->getNumElements() == 16;
  }

  llvm::Constant* c(double value) const { return llvm::ConstantFP::get(type, value); }
  llvm::Constant* i(std::int64_t value) const {
    return llvm::ConstantInt::get(ints(), static_cast<std::uint64_t>(value), true);
  }
  llvm::Type* ints() const {
    llvm::Type* scalar = b.getInt32Ty();
    if (auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(type))
      return llvm::FixedVectorType::get(scalar, vector->getNumElements());
    return scalar;
  }
  Value* fma(Value* x, Value* y, Value* z) const {
    return b.CreateIntrinsic(llvm::Intrinsic::fma, {type}, {x, y, z});
  }
  Value* abs(Value* x) const { return b.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, x); }
  Value* copysign(Value* x, Value* sign) const {
    return b.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, x, sign);
  }
  /// x < limit ? limit : x; a NaN stays.
  Value* at_least(Value* x, double limit) const {
    return b.CreateSelect(b.CreateFCmpOLT(x, c(limit)), c(limit), x);
  }
  Value* at_most(Value* x, double limit) const {
    return b.CreateSelect(b.CreateFCmpOGT(x, c(limit)), c(limit), x);
  }
  /// Horner, highest power first.
  Value* polynomial(Value* x, std::initializer_list<double> coefficients) const {
    Value* result = nullptr;
    for (double coefficient : coefficients)
      result = result == nullptr ? c(coefficient) : fma(result, x, c(coefficient));
    return result;
  }
  /// 2^n for n in the normal exponents, from an integer.
  Value* power_of_two(Value* n) const {
    return b.CreateBitCast(b.CreateShl(b.CreateAdd(n, i(127)), i(23)), type);
  }

  /// x * 2^n for a whole n, rounded once, whatever the exponents. REQUIRES: has_scale.
  Value* scale(Value* x, Value* n) const {
    return b.CreateIntrinsic(llvm::Intrinsic::x86_avx512_mask_scalef_ps_512, {},
                             {x, n, llvm::Constant::getNullValue(type), b.getInt16(0xffff), b.getInt32(4)});
  }

  llvm::IRBuilder<>& b;
  llvm::Type* type;
  bool has_scale = false;
};

/// exp(x) = 2^n * exp(r), n = round(x / ln 2), |r| <= ln 2 / 2. Without an instruction for it, the scale is applied in
/// two halves, so that results down to the denormals and up to the overflow are right.
Value* emit_exp(const Float& f, Value* x) {
  auto& b = f.b;
  x = f.at_most(f.at_least(x, -105.0), 89.0);
  // Adding 1.5 * 2^23 rounds to an integer that stands in the low bits of the sum.
  Value* shifted = f.fma(x, f.c(1.4426950408889634), f.c(12582912.0));
  Value* n = b.CreateFSub(shifted, f.c(12582912.0));
  Value* r = f.fma(n, f.c(-0.693145751953125), x);
  r = f.fma(n, f.c(-1.42860682030941723212e-6), r);
  Value* p = f.polynomial(r, {0.001381447021, 0.008368780336, 0.04166839415, 0.1666652011, 0.4999999341});
  p = f.fma(b.CreateFMul(r, r), p, r);
  p = b.CreateFAdd(p, f.c(1.0));
  if (f.has_scale) return f.scale(p, n);
  Value* exponent = b.CreateSub(b.CreateBitCast(shifted, f.ints()), f.i(0x4b400000));
  Value* half = b.CreateAShr(exponent, f.i(1));
  p = b.CreateFMul(p, f.power_of_two(half));
  return b.CreateFMul(p, f.power_of_two(b.CreateSub(exponent, half)));
}

/// log(x) = e * ln 2 + log(m), m in [sqrt(1/2), sqrt(2)).
Value* emit_log(const Float& f, Value* x) {
  auto& b = f.b;
  Value* tiny = b.CreateFCmpOLT(x, f.c(0x1p-126));
  Value* scaled = b.CreateSelect(tiny, b.CreateFMul(x, f.c(0x1p23)), x);
  Value* bits = b.CreateBitCast(scaled, f.ints());
  Value* offset = b.CreateSub(bits, f.i(0x3f3504f3));  // sqrt(1/2): its exponent field becomes the exponent
  Value* exponent = b.CreateAShr(offset, f.i(23));
  Value* mantissa = b.CreateBitCast(b.CreateSub(bits, b.CreateShl(exponent, f.i(23))), f.type);
  Value* e = b.CreateSIToFP(exponent, f.type);
  e = b.CreateSelect(tiny, b.CreateFSub(e, f.c(23.0)), e);
  Value* m = b.CreateFSub(mantissa, f.c(1.0));
  Value* p = f.polynomial(m, {0.06746648381, -0.1167565505, 0.1188816058, -0.1240558831, 0.1421955251,
                              -0.1666799589, 0.2000211865, -0.250000096, 0.333333126});
  Value* square = b.CreateFMul(m, m);
  Value* result = f.fma(b.CreateFMul(square, m), p, b.CreateFMul(e, f.c(-2.12194440e-4)));
  result = f.fma(square, f.c(-0.5), result);
  result = b.CreateFAdd(m, result);
  result = f.fma(e, f.c(0.693359375), result);
  const double infinity = std::numeric_limits<double>::infinity();
  result = b.CreateSelect(b.CreateFCmpOEQ(x, f.c(infinity)), x, result);
  result = b.CreateSelect(b.CreateFCmpOEQ(x, f.c(0.0)), f.c(-infinity), result);
  Value* invalid = b.CreateFCmpULT(x, f.c(0.0));  // negative, or NaN
  return b.CreateSelect(invalid, f.c(std::numeric_limits<double>::quiet_NaN()), result);
}

/// Small arguments: an odd polynomial; others: 1 - 2 / (exp(2 |x|) + 1), with the sign of x.
Value* emit_tanh(const Float& f, Value* x) {
  auto& b = f.b;
  Value* size = f.abs(x);
  Value* e = emit_exp(f, b.CreateFAdd(size, size));
  Value* large = b.CreateFSub(f.c(1.0), b.CreateFDiv(f.c(2.0), b.CreateFAdd(e, f.c(1.0))));
  Value* s = b.CreateFMul(x, x);
  Value* p = f.polynomial(s, {-0.005717045197, 0.02065058747, -0.05374349815, 0.1333149129, -0.3333328393});
  Value* small = f.fma(b.CreateFMul(s, p), x, x);
  Value* is_small = b.CreateFCmpOLT(size, f.c(0.625));
  return b.CreateSelect(is_small, small, f.copysign(large, x));
}

/// erf(x) = x * P(t), t = 2 (x / 3.94)^2 - 1, |x| <= 3.94; beyond, erf is 1 in f32, and so is the product at the limit. In
/// t, which runs over [-1, 1], the coefficients are small and no digits cancel.
Value* emit_erf(const Float& f, Value* x) {
  auto& b = f.b;
  constexpr double limit = 3.94;
  x = f.at_most(f.at_least(x, -limit), limit);
  Value* t = f.fma(b.CreateFMul(x, x), f.c(2 / (limit * limit)), f.c(-1.0));
  Value* p = f.polynomial(
      t, {0.00042053755917, -0.001032592196,  0.00063971908617, -0.0010685663827, 0.0045463018263, -0.0086080094331,
          0.012698855348,   -0.02014252624,   0.031234339233,   -0.044205854572,  0.058627598744,  -0.074192099685,
          0.090539215746,   -0.10882249149,   0.13347835946,    -0.17921389056,   0.35890820558});
  return b.CreateFMul(x, p);
}

Value* emit_sigmoid(const Float& f, Value* x) {
  auto& b = f.b;
  Value* e = emit_exp(f, b.CreateFNeg(x));
  return b.CreateFDiv(f.c(1.0), b.CreateFAdd(e, f.c(1.0)));
}

}  // namespace

llvm::Value* emit_math(llvm::IRBuilder<>& builder, ir::UnaryOp op, llvm::Value* x, bool has_avx512) {
  const Float f(builder, x, has_avx512);
  switch (op) {
    case ir::UnaryOp::exp: return emit_exp(f, x);
    case ir::UnaryOp::log: return emit_log(f, x);
    case ir::UnaryOp::tanh: return emit_tanh(f, x);
    case ir::UnaryOp::erf: return emit_erf(f, x);
    case ir::UnaryOp::sigmoid: return emit_sigmoid(f, x);
    default: return nullptr;
  }
}

std::string libm_name(ir::UnaryOp op, bool is_double) {
  switch (op) {
    case ir::UnaryOp::exp:
    case ir::UnaryOp::exp2:
    case ir::UnaryOp::expm1:
    case ir::UnaryOp::log:
    case ir::UnaryOp::log2:
    case ir::UnaryOp::log1p:
    case ir::UnaryOp::sin:
    case ir::UnaryOp::cos:
    case ir::UnaryOp::tan:
    case ir::UnaryOp::asin:
    case ir::UnaryOp::acos:
    case ir::UnaryOp::atan:
    case ir::UnaryOp::sinh:
    case ir::UnaryOp::cosh:
    case ir::UnaryOp::asinh:
    case ir::UnaryOp::acosh:
    case ir::UnaryOp::atanh:
    case ir::UnaryOp::tanh:
    case ir::UnaryOp::erf: return std::string(ir::to_string(op)) + (is_double ? "" : "f");
    default: return "";
  }
}

}  // namespace tunesmith::codegen
