// Expressions: scalars, or explicit vectors of the chunk's width.
#include <fmt/format.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/Intrinsics.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>

#include "codegen/llvm/emitter.h"
#include "codegen/llvm/math.h"
#include "ir/traverse.h"

namespace tunesmith::codegen {
namespace {

using ir::BinaryOp;
using ir::DType;
using ir::UnaryOp;

bool has_load(const ir::Expr& e) {
  bool found = false;
  ir::walk(e, [&](const ir::Expr& node) {
    found = found || node.as<ir::Load>() != nullptr;
    return !found;
  });
  return found;
}

/// The number that an integer value, or every lane of it, is known to be.
std::optional<std::int64_t> constant_of(const llvm::Value* value) {
  const auto* constant = llvm::dyn_cast<llvm::Constant>(value);
  if (constant != nullptr && constant->getType()->isVectorTy()) constant = constant->getSplatValue();
  const auto* integer = llvm::dyn_cast_or_null<llvm::ConstantInt>(constant);
  return integer != nullptr ? std::optional(integer->getSExtValue()) : std::nullopt;
}

bool is_half(DType dtype) { return dtype == DType::f16 || dtype == DType::bf16; }

}  // namespace

llvm::Type* Emitter::register_type(DType dtype) {
  switch (dtype) {
    case DType::f64: return b_.getDoubleTy();
    case DType::f32: return b_.getFloatTy();
    case DType::f16: return b_.getHalfTy();
    case DType::boolean: return b_.getInt1Ty();
    default: return b_.getIntNTy(static_cast<unsigned>(8 * ir::size_bytes(dtype)));  // bf16: its bits
  }
}

llvm::Type* Emitter::memory_type(DType dtype) {
  return dtype == DType::boolean ? b_.getInt8Ty() : register_type(dtype);
}

llvm::Type* Emitter::like(llvm::Type* scalar, llvm::Value* shape) {
  if (auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(shape->getType()))
    return llvm::FixedVectorType::get(scalar, vector->getNumElements());
  return scalar;
}

llvm::Constant* Emitter::float_like(llvm::Value* shape, double value) {
  return llvm::ConstantFP::get(shape->getType(), value);
}

bool Emitter::uses_vector_var(const ir::Expr& e) const {
  if (!in_vector_) return false;
  if (ir::uses_var(e, chunk_.var)) return true;
  return std::ranges::any_of(
      bindings_, [&](const auto& bound) { return bound.second.is_vector && ir::uses_var(e, bound.first); });
}

Emitter::Value Emitter::as_vector(Value value) {
  if (value.is_vector || !in_vector_) return value;
  return {b_.CreateVectorSplat(static_cast<unsigned>(chunk_.width), value.value), true};
}

Emitter::Value Emitter::evaluate(const ir::Expr& e) {
  const void* node = &e.node();
  if (const auto it = memo_.find(node); it != memo_.end()) return it->second;
  const Value value = evaluate_uncached(e);
  memo_[node] = value;
  return value;
}

Emitter::Value Emitter::evaluate_uncached(const ir::Expr& e) {
  return ir::match(
      e,
      [&](const ir::IntImm& imm) {
        return Value{
            llvm::ConstantInt::get(register_type(imm.dtype), static_cast<std::uint64_t>(imm.value), true),
            false};
      },
      [&](const ir::FloatImm& imm) {
        if (imm.dtype == DType::bf16)
          return Value{b_.getInt16(ir::f32_to_bf16(static_cast<float>(imm.value))), false};
        return Value{llvm::ConstantFP::get(register_type(imm.dtype), imm.value), false};
      },
      [&](const ir::Var& var) {
        if (in_vector_ && var.id == chunk_.var) {
          std::vector<llvm::Constant*> lanes;
          for (int i = 0; i < chunk_.width; ++i)
            lanes.push_back(
                b_.getInt64(static_cast<std::uint64_t>(chunk_.start + std::min(i, chunk_.lanes - 1))));
          return Value{llvm::ConstantVector::get(lanes), true};
        }
        const auto it = bindings_.find(var.id);
        if (it == bindings_.end())
          throw EmitError{fmt::format("variable '{}' has no value", nest_.vars.name(var.id))};
        return Value{it->second.value, it->second.is_vector};
      },
      [&](const ir::Unary& unary) { return evaluate_unary(unary); },
      [&](const ir::Binary& binary) { return evaluate_binary(binary); },
      [&](const ir::Select& select) { return evaluate_select(select); },
      [&](const ir::Cast& cast) { return evaluate_cast(cast); },
      [&](const ir::BitCast& cast) {
        const Value a = evaluate(cast.a);
        return Value{b_.CreateBitCast(a.value, like(register_type(cast.dtype), a.value)), a.is_vector};
      },
      [&](const ir::Load& load) { return emit_load(load); });
}

/// Lazy: the side not taken is not emitted, its loads are skipped by a branch or masked off lane by lane.
Emitter::Value Emitter::evaluate_select(const ir::Select& select) {
  const Value condition = evaluate(select.condition);
  if (const auto* decided = llvm::dyn_cast<llvm::ConstantInt>(condition.value)) {  // by an unrolled loop
    const ir::Expr& side = decided->isOne() ? select.yes : select.no;
    if (select.condition.as<ir::IntImm>() || !has_load(side)) return evaluate(side);
    const StraightCode straight(*this);  // its other steps may take the other side
    return evaluate(side);
  }
  const bool loads = has_load(select.yes) || has_load(select.no);
  if (condition.is_vector) {
    llvm::Value* outer = chunk_.mask;
    auto side = [&](llvm::Value* lanes, const ir::Expr& e) {
      if (!has_load(e)) return as_vector(evaluate(e)).value;
      const auto saved = memo_;
      chunk_.mask = outer != nullptr ? b_.CreateAnd(outer, lanes) : lanes;
      llvm::Value* value = as_vector(evaluate(e)).value;
      chunk_.mask = outer;
      memo_ = saved;
      return value;
    };
    llvm::Value* yes = side(condition.value, select.yes);
    llvm::Value* no = side(has_load(select.no) ? b_.CreateNot(condition.value) : condition.value, select.no);
    return {b_.CreateSelect(condition.value, yes, no), true};
  }
  if (!loads) {
    Value yes = evaluate(select.yes), no = evaluate(select.no);
    if (yes.is_vector || no.is_vector) yes = as_vector(yes), no = as_vector(no);
    return {b_.CreateSelect(condition.value, yes.value, no.value), yes.is_vector};
  }
  const bool vector =
      uses_vector_var(select.yes) || uses_vector_var(select.no) || (in_vector_ && chunk_.mask != nullptr);
  const StraightCode straight(*this);
  auto* yes_block = llvm::BasicBlock::Create(context_, "yes", f_.function);
  auto* no_block = llvm::BasicBlock::Create(context_, "no", f_.function);
  auto* join = llvm::BasicBlock::Create(context_, "join", f_.function);
  b_.CreateCondBr(condition.value, yes_block, no_block);
  auto side = [&](llvm::BasicBlock*& block, const ir::Expr& e) {
    b_.SetInsertPoint(block);
    const auto saved = memo_;  // what is computed in here is not known outside
    Value value = evaluate(e);
    if (vector) value = as_vector(value);
    memo_ = saved;
    columns_.clear();
    b_.CreateBr(join);
    block = b_.GetInsertBlock();
    return value.value;
  };
  llvm::Value* yes = side(yes_block, select.yes);
  llvm::Value* no = side(no_block, select.no);
  b_.SetInsertPoint(join);
  auto* phi = b_.CreatePHI(yes->getType(), 2);
  phi->addIncoming(yes, yes_block);
  phi->addIncoming(no, no_block);
  return {phi, vector};
}

/// f16 and bf16 to f32; other types as they are.
llvm::Value* Emitter::widen(llvm::Value* value, DType dtype) {
  if (dtype == DType::f16) return b_.CreateFPExt(value, like(b_.getFloatTy(), value));
  if (dtype != DType::bf16) return value;
  llvm::Value* bits = b_.CreateShl(b_.CreateZExt(value, like(b_.getInt32Ty(), value)), 16);
  return b_.CreateBitCast(bits, like(b_.getFloatTy(), value));
}

/// f32 to f16 or bf16, rounded to nearest even; NaN stays NaN.
llvm::Value* Emitter::narrow(llvm::Value* value, DType dtype) {
  if (dtype == DType::f16) return b_.CreateFPTrunc(value, like(b_.getHalfTy(), value));
  if (dtype != DType::bf16) return value;
  llvm::Type* ints = like(b_.getInt32Ty(), value);
  auto constant = [&](std::uint64_t v) { return llvm::ConstantInt::get(ints, v); };
  llvm::Value* bits = b_.CreateBitCast(value, ints);
  llvm::Value* odd = b_.CreateAnd(b_.CreateLShr(bits, 16), constant(1));
  llvm::Value* rounded = b_.CreateLShr(b_.CreateAdd(bits, b_.CreateAdd(odd, constant(0x7fff))), 16);
  llvm::Value* quiet = b_.CreateOr(b_.CreateLShr(bits, 16), constant(0x40));
  llvm::Value* result = b_.CreateSelect(b_.CreateFCmpUNO(value, value), quiet, rounded);
  return b_.CreateTrunc(result, like(b_.getInt16Ty(), value));
}

Emitter::Value Emitter::evaluate_unary(const ir::Unary& unary) {
  const Value a = evaluate(unary.a);
  const DType dtype = unary.a.dtype();
  auto result = [&](llvm::Value* value) { return Value{value, a.is_vector}; };
  if (unary.op == UnaryOp::logical_not || unary.op == UnaryOp::bit_not) return result(b_.CreateNot(a.value));
  if (!ir::is_float(dtype)) {
    llvm::Value* zero = llvm::Constant::getNullValue(a.value->getType());
    switch (unary.op) {
      case UnaryOp::neg: return result(b_.CreateNeg(a.value));
      case UnaryOp::abs:
        if (ir::is_unsigned_integer(dtype)) return a;
        return result(b_.CreateSelect(b_.CreateICmpSLT(a.value, zero), b_.CreateNeg(a.value), a.value));
      case UnaryOp::sign: {
        llvm::Value* positive = b_.CreateZExt(
            ir::is_unsigned_integer(dtype) ? b_.CreateICmpNE(a.value, zero) : b_.CreateICmpSGT(a.value, zero),
            a.value->getType());
        if (ir::is_unsigned_integer(dtype)) return result(positive);
        return result(
            b_.CreateSub(positive, b_.CreateZExt(b_.CreateICmpSLT(a.value, zero), a.value->getType())));
      }
      case UnaryOp::floor:
      case UnaryOp::ceil:
      case UnaryOp::round_even:
      case UnaryOp::trunc: return a;
      case UnaryOp::is_nan:
      case UnaryOp::is_inf:
        return result(llvm::Constant::getNullValue(like(b_.getInt1Ty(), a.value)));
      default:
        throw EmitError{fmt::format("{} of {} has no code", ir::to_string(unary.op), ir::to_string(dtype))};
    }
  }
  llvm::Value* x = widen(a.value, dtype);
  auto intrinsic = [&](llvm::Intrinsic::ID id) {
    return result(narrow(b_.CreateUnaryIntrinsic(id, x), dtype));
  };
  auto finish = [&](llvm::Value* value) { return result(narrow(value, dtype)); };
  switch (unary.op) {
    case UnaryOp::neg: return finish(b_.CreateFNeg(x));
    case UnaryOp::abs: return intrinsic(llvm::Intrinsic::fabs);
    case UnaryOp::floor: return intrinsic(llvm::Intrinsic::floor);
    case UnaryOp::ceil: return intrinsic(llvm::Intrinsic::ceil);
    case UnaryOp::round_even: return intrinsic(llvm::Intrinsic::roundeven);
    case UnaryOp::trunc: return intrinsic(llvm::Intrinsic::trunc);
    case UnaryOp::sqrt: return intrinsic(llvm::Intrinsic::sqrt);
    case UnaryOp::rsqrt:
      return finish(b_.CreateFDiv(float_like(x, 1.0), b_.CreateUnaryIntrinsic(llvm::Intrinsic::sqrt, x)));
    case UnaryOp::reciprocal: return finish(b_.CreateFDiv(float_like(x, 1.0), x));
    case UnaryOp::sign: {
      llvm::Value* sign = b_.CreateSelect(b_.CreateFCmpOGT(x, float_like(x, 0.0)), float_like(x, 1.0), x);
      return finish(b_.CreateSelect(b_.CreateFCmpOLT(x, float_like(x, 0.0)), float_like(x, -1.0), sign));
    }
    case UnaryOp::is_nan: return result(b_.CreateFCmpUNO(x, x));
    case UnaryOp::is_inf:
      return result(
          b_.CreateFCmpOEQ(b_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, x), float_like(x, INFINITY)));
    default: break;
  }
  if (dtype == DType::f64) {
    if (unary.op == UnaryOp::sigmoid)
      return finish(b_.CreateFDiv(float_like(x, 1.0),
                                  b_.CreateFAdd(float_like(x, 1.0), call_libm("exp", {b_.CreateFNeg(x)}))));
    return finish(call_libm(libm_name(unary.op, true), {x}));
  }
  const bool has_avx512 = std::ranges::binary_search(target_.features, "+avx512f");
  if (llvm::Value* value = emit_math(b_, unary.op, x, has_avx512)) return finish(value);
  return finish(call_libm(libm_name(unary.op, false), {x}));
}

/// libm's function, on each lane.
llvm::Value* Emitter::call_libm(const std::string& name, std::vector<llvm::Value*> arguments) {
  if (name.empty()) throw EmitError{"a math function that libm does not have"};
  llvm::Type* scalar = arguments[0]->getType()->getScalarType();
  auto* type = llvm::FunctionType::get(scalar, std::vector<llvm::Type*>(arguments.size(), scalar), false);
  llvm::FunctionCallee function = module_->getOrInsertFunction(name, type);
  auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(arguments[0]->getType());
  if (vector == nullptr) return b_.CreateCall(function, arguments);
  llvm::Value* result = llvm::PoisonValue::get(vector);
  for (unsigned lane = 0; lane < vector->getNumElements(); ++lane) {
    std::vector<llvm::Value*> scalars;
    for (llvm::Value* argument : arguments) scalars.push_back(b_.CreateExtractElement(argument, lane));
    result = b_.CreateInsertElement(result, b_.CreateCall(function, scalars), lane);
  }
  return result;
}

Emitter::Value Emitter::evaluate_binary(const ir::Binary& binary) {
  Value a = evaluate(binary.a), b = evaluate(binary.b);
  if (a.is_vector != b.is_vector) a = as_vector(a), b = as_vector(b);
  const DType dtype = binary.a.dtype();
  llvm::Value* x = widen(a.value, dtype);
  llvm::Value* y = widen(b.value, dtype);
  const DType work = is_half(dtype) ? DType::f32 : dtype;
  if (ir::is_comparison(binary.op)) return {compare(binary.op, work, x, y), a.is_vector};
  return {narrow(arithmetic(binary.op, work, x, y), dtype), a.is_vector};
}

llvm::Value* Emitter::compare(BinaryOp op, DType dtype, llvm::Value* a, llvm::Value* b) {
  using P = llvm::CmpInst::Predicate;
  const bool is_unsigned = ir::is_unsigned_integer(dtype) || dtype == DType::boolean;
  auto pick = [&](P of_float, P of_signed, P of_unsigned) {
    if (ir::is_float(dtype)) return b_.CreateFCmp(of_float, a, b);
    return b_.CreateICmp(is_unsigned ? of_unsigned : of_signed, a, b);
  };
  switch (op) {
    case BinaryOp::eq: return pick(P::FCMP_OEQ, P::ICMP_EQ, P::ICMP_EQ);
    case BinaryOp::ne: return pick(P::FCMP_UNE, P::ICMP_NE, P::ICMP_NE);
    case BinaryOp::lt: return pick(P::FCMP_OLT, P::ICMP_SLT, P::ICMP_ULT);
    case BinaryOp::le: return pick(P::FCMP_OLE, P::ICMP_SLE, P::ICMP_ULE);
    case BinaryOp::gt: return pick(P::FCMP_OGT, P::ICMP_SGT, P::ICMP_UGT);
    case BinaryOp::ge: return pick(P::FCMP_OGE, P::ICMP_SGE, P::ICMP_UGE);
    default: TS_UNREACHABLE("not a comparison");
  }
}

llvm::Value* Emitter::arithmetic(BinaryOp op, DType dtype, llvm::Value* a, llvm::Value* b) {
  const bool real = ir::is_float(dtype);
  switch (op) {
    // A product that is added becomes a fused multiply-add: numerics allow it everywhere.
    case BinaryOp::add: return real ? contracted(b_.CreateFAdd(a, b)) : b_.CreateAdd(a, b);
    case BinaryOp::sub: return real ? contracted(b_.CreateFSub(a, b)) : b_.CreateSub(a, b);
    case BinaryOp::mul: return real ? contracted(b_.CreateFMul(a, b)) : b_.CreateMul(a, b);
    case BinaryOp::min: return b_.CreateSelect(compare(BinaryOp::lt, dtype, a, b), a, b);
    case BinaryOp::max: return b_.CreateSelect(compare(BinaryOp::gt, dtype, a, b), a, b);
    case BinaryOp::bit_and: return b_.CreateAnd(a, b);
    case BinaryOp::bit_or: return b_.CreateOr(a, b);
    case BinaryOp::bit_xor: return b_.CreateXor(a, b);
    case BinaryOp::shift_left:
    case BinaryOp::shift_right: return shift(op, dtype, a, b);
    case BinaryOp::pow:
      if (!real) return integer_power(dtype, a, b);
      return call_libm(dtype == DType::f64 ? "pow" : "powf", {a, b});
    case BinaryOp::atan2: {
      const std::string name(ir::to_string(op));
      if (!real) throw EmitError{fmt::format("{} of {} has no code", name, ir::to_string(dtype))};
      return call_libm(dtype == DType::f64 ? name : name + "f", {a, b});
    }
    case BinaryOp::div:
      if (real) return b_.CreateFDiv(a, b);
      return integer_division(op, dtype, a, b);
    case BinaryOp::floor_div:
      if (real) return b_.CreateUnaryIntrinsic(llvm::Intrinsic::floor, b_.CreateFDiv(a, b));
      return integer_division(op, dtype, a, b);
    case BinaryOp::mod:
      if (real) return call_libm(dtype == DType::f64 ? "fmod" : "fmodf", {a, b});
      return integer_division(op, dtype, a, b);
    case BinaryOp::floor_mod:
      if (real) {
        llvm::Value* rest = call_libm(dtype == DType::f64 ? "fmod" : "fmodf", {a, b});
        llvm::Value* zero = float_like(rest, 0.0);
        llvm::Value* apart = b_.CreateXor(b_.CreateFCmpOLT(rest, zero), b_.CreateFCmpOLT(b, zero));
        llvm::Value* mend = b_.CreateAnd(b_.CreateFCmpONE(rest, zero), apart);
        return b_.CreateSelect(mend, b_.CreateFAdd(rest, b), rest);
      }
      return integer_division(op, dtype, a, b);
    default: TS_UNREACHABLE("comparison in arithmetic");
  }
}

llvm::Value* Emitter::contracted(llvm::Value* value) {
  if (auto* instruction = llvm::dyn_cast<llvm::Instruction>(value)) instruction->setHasAllowContract(true);
  return value;
}

/// The plain instructions trap, and are undefined, where the divisor is 0 and where the quotient overflows
/// (least / -1). Here the latter wraps; a division by 0, which has no result, gives some value, so that
/// neither the data of a user nor a lane that is masked out ends the process.
llvm::Value* Emitter::integer_division(BinaryOp op, DType dtype, llvm::Value* a, llvm::Value* b) {
  const bool wants_quotient = op == BinaryOp::div || op == BinaryOp::floor_div;
  llvm::Value* zero = llvm::Constant::getNullValue(a->getType());
  llvm::Value* one = llvm::ConstantInt::get(a->getType(), 1);
  const std::optional<std::int64_t> known = constant_of(b);
  if (!known || *known == 0) b = b_.CreateSelect(b_.CreateICmpEQ(b, zero), one, b);
  if (ir::is_unsigned_integer(dtype)) return wants_quotient ? b_.CreateUDiv(a, b) : b_.CreateURem(a, b);

  llvm::Value* negated = nullptr;  // where the divisor is -1
  if (!known || *known == -1) {
    negated = b_.CreateICmpEQ(b, llvm::Constant::getAllOnesValue(a->getType()));
    b = b_.CreateSelect(negated, one, b);
  }
  llvm::Value* rest = b_.CreateSRem(a, b);
  llvm::Value* quotient = wants_quotient ? b_.CreateSDiv(a, b) : nullptr;
  if (op == BinaryOp::floor_div || op == BinaryOp::floor_mod) {
    llvm::Value* apart = b_.CreateICmpSLT(b_.CreateXor(rest, b), zero);
    llvm::Value* mend = b_.CreateAnd(b_.CreateICmpNE(rest, zero), apart);
    if (wants_quotient)
      quotient = b_.CreateSelect(mend, b_.CreateSub(quotient, one), quotient);
    else
      rest = b_.CreateSelect(mend, b_.CreateAdd(rest, b), rest);
  }
  if (!wants_quotient) return rest;  // 0 for a divisor of -1, as for 1
  return negated != nullptr ? b_.CreateSelect(negated, b_.CreateSub(zero, a), quotient) : quotient;
}

/// Amounts outside of [0, width) shift everything out; the plain instructions are undefined there.
llvm::Value* Emitter::shift(BinaryOp op, DType dtype, llvm::Value* a, llvm::Value* b) {
  const bool arithmetic = op == BinaryOp::shift_right && !ir::is_unsigned_integer(dtype);
  llvm::Value* zero = llvm::Constant::getNullValue(a->getType());
  const unsigned bits = a->getType()->getScalarSizeInBits();
  llvm::Value* inside = b_.CreateICmpULT(b, llvm::ConstantInt::get(b->getType(), bits));
  if (arithmetic) {
    llvm::Value* amount = b_.CreateSelect(inside, b, llvm::ConstantInt::get(b->getType(), bits - 1));
    return b_.CreateAShr(a, amount);
  }
  llvm::Value* amount = b_.CreateSelect(inside, b, zero);
  llvm::Value* shifted = op == BinaryOp::shift_left ? b_.CreateShl(a, amount) : b_.CreateLShr(a, amount);
  return b_.CreateSelect(inside, shifted, zero);
}

/// By squaring, without branches: one step a bit of the exponent. Wraps. A negative exponent gives the exact
/// result truncated: 0, save for bases of 1 and -1.
llvm::Value* Emitter::integer_power(DType dtype, llvm::Value* base, llvm::Value* exponent) {
  llvm::Type* type = base->getType();
  llvm::Value* zero = llvm::Constant::getNullValue(type);
  llvm::Value* one = llvm::ConstantInt::get(type, 1);
  unsigned bits = type->getScalarSizeInBits();
  const std::optional<std::int64_t> known = constant_of(exponent);
  if (known && *known >= 0) bits = static_cast<unsigned>(std::bit_width(static_cast<std::uint64_t>(*known)));
  llvm::Value* result = one;
  llvm::Value* square = base;
  for (unsigned bit = 0; bit < bits; ++bit) {
    llvm::Value* taken = b_.CreateAnd(b_.CreateLShr(exponent, llvm::ConstantInt::get(type, bit)), one);
    result = b_.CreateSelect(b_.CreateICmpNE(taken, zero), b_.CreateMul(result, square), result);
    if (bit + 1 < bits) square = b_.CreateMul(square, square);
  }
  if (ir::is_unsigned_integer(dtype) || (known && *known >= 0)) return result;
  llvm::Value* minus_one = llvm::Constant::getAllOnesValue(type);
  llvm::Value* odd = b_.CreateICmpNE(b_.CreateAnd(exponent, one), zero);
  llvm::Value* sign = b_.CreateSelect(odd, minus_one, one);
  llvm::Value* inverse = b_.CreateSelect(b_.CreateICmpEQ(base, minus_one), sign, zero);
  inverse = b_.CreateSelect(b_.CreateICmpEQ(base, one), one, inverse);
  return b_.CreateSelect(b_.CreateICmpSLT(exponent, zero), inverse, result);
}

Emitter::Value Emitter::evaluate_cast(const ir::Cast& cast) {
  const Value a = evaluate(cast.a);
  return {convert(a.value, cast.a.dtype(), cast.dtype), a.is_vector};
}

llvm::Value* Emitter::convert(llvm::Value* value, DType from, DType to) {
  if (from == to) return value;
  llvm::Value* x = widen(value, from);
  const DType source = is_half(from) ? DType::f32 : from;
  const DType target = is_half(to) ? DType::f32 : to;
  llvm::Type* type = like(register_type(target), x);
  if (target == DType::boolean)
    return ir::is_float(source) ? b_.CreateFCmpUNE(x, float_like(x, 0.0))
                                : b_.CreateICmpNE(x, llvm::Constant::getNullValue(x->getType()));
  const bool from_unsigned = ir::is_unsigned_integer(source) || source == DType::boolean;
  llvm::Value* result = x;
  if (ir::is_float(source) && ir::is_float(target))
    result = b_.CreateFPCast(x, type);
  else if (ir::is_float(source) && ir::bit_width(target) < 32)  // as store_double does it
    result = b_.CreateTrunc(
        b_.CreateIntrinsic(llvm::Intrinsic::fptosi_sat, {like(b_.getInt32Ty(), x), x->getType()}, {x}), type);
  else if (ir::is_float(source))
    result = b_.CreateIntrinsic(
        ir::is_unsigned_integer(target) ? llvm::Intrinsic::fptoui_sat : llvm::Intrinsic::fptosi_sat,
        {type, x->getType()}, {x});
  else if (ir::is_float(target))
    result = from_unsigned ? b_.CreateUIToFP(x, type) : b_.CreateSIToFP(x, type);
  else
    result = b_.CreateIntCast(x, type, !from_unsigned);
  return narrow(result, to);
}

}  // namespace tunesmith::codegen
