#include "codegen/cuda/prelude.h"

namespace tunesmith::codegen::cuda {
namespace {

constexpr const char* device_part = R"cuda(
#define TS_FN __device__ __forceinline__
#define TS_KERNEL(name, threads, parameters) extern "C" __global__ void __launch_bounds__(threads) name parameters
#define TS_IN(T, name) const T* __restrict__ name
#define TS_OUT(T, name) T* __restrict__ name
#define TS_SHARED(T, name, offset, count) T* name = (T*)(ts_arena + offset)
#define TS_REGISTERS(T, name, count) T name[count]
#define ts_barrier() __syncthreads()
#define ts_store_streaming(at, value) ts_stream(&(at), value)

extern __shared__ __align__(128) unsigned char ts_arena[];

TS_FN int ts_block_x() { return blockIdx.x; }
TS_FN int ts_block_y() { return blockIdx.y; }
TS_FN int ts_block_z() { return blockIdx.z; }
TS_FN int ts_thread_x() { return threadIdx.x; }
TS_FN int ts_thread_y() { return threadIdx.y; }
TS_FN int ts_thread_z() { return threadIdx.z; }

struct ts_half {
  unsigned short bits;
  ts_half() = default;
  TS_FN explicit ts_half(float x) { asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x)); }
  TS_FN operator float() const {
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
    return x;
  }
};
struct ts_bfloat {
  unsigned short bits;
  ts_bfloat() = default;
  TS_FN explicit ts_bfloat(float x) { asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x)); }
  TS_FN operator float() const { return __uint_as_float((unsigned)bits << 16); }
};

template <class T, int N> struct __align__(sizeof(T) * N < 16 ? sizeof(T) * N : 16) ts_vector {
  T lanes[N];
  TS_FN T& operator[](int i) { return lanes[i]; }
  TS_FN const T& operator[](int i) const { return lanes[i]; }
};
template <int N, class T> TS_FN ts_vector<T, N> ts_load_vector(const T* from, long long at) {
  return *reinterpret_cast<const ts_vector<T, N>*>(from + at);
}
template <int N, class T> TS_FN void ts_store_vector(T* to, long long at, const ts_vector<T, N>& value) {
  *reinterpret_cast<ts_vector<T, N>*>(to + at) = value;
}
template <int N, class T> TS_FN void ts_stream_vector(T* to, long long at, const ts_vector<T, N>& value) {
  if constexpr (sizeof(value) % 16 == 0) {
    union { ts_vector<T, N> all; uint4 parts[sizeof(value) / 16]; } x;
    x.all = value;
    for (int i = 0; i < int(sizeof(value) / 16); ++i) __stcs(reinterpret_cast<uint4*>(to + at) + i, x.parts[i]);
  } else {
    ts_store_vector<N>(to, at, value);
  }
}
template <class T, class V> TS_FN void ts_stream(T* at, V value) { *at = value; }
TS_FN void ts_stream(float* at, float value) { __stcs(at, value); }
TS_FN void ts_stream(double* at, double value) { __stcs(at, value); }
)cuda";

constexpr const char* arithmetic_part = R"cuda(
template <class T> struct ts_traits { static constexpr bool is_float = false; typedef T wide; };
template <> struct ts_traits<float> { static constexpr bool is_float = true; typedef float wide; };
template <> struct ts_traits<double> { static constexpr bool is_float = true; typedef double wide; };
template <> struct ts_traits<ts_half> { static constexpr bool is_float = true; typedef float wide; };
template <> struct ts_traits<ts_bfloat> { static constexpr bool is_float = true; typedef float wide; };

template <class T> struct ts_unsigned { typedef T type; };
template <> struct ts_unsigned<signed char> { typedef unsigned char type; };
template <> struct ts_unsigned<short> { typedef unsigned short type; };
template <> struct ts_unsigned<int> { typedef unsigned type; };
template <> struct ts_unsigned<long long> { typedef unsigned long long type; };

// Narrow floats: in f32, rounded after each operation.
#define TS_NARROW(T)                                                                 \
  TS_FN T operator+(T a, T b) { return T(float(a) + float(b)); }                     \
  TS_FN T operator-(T a, T b) { return T(float(a) - float(b)); }                     \
  TS_FN T operator*(T a, T b) { return T(float(a) * float(b)); }                     \
  TS_FN T operator/(T a, T b) { return T(float(a) / float(b)); }                     \
  TS_FN bool operator==(T a, T b) { return float(a) == float(b); }                   \
  TS_FN bool operator!=(T a, T b) { return float(a) != float(b); }                   \
  TS_FN bool operator<(T a, T b) { return float(a) < float(b); }                     \
  TS_FN bool operator<=(T a, T b) { return float(a) <= float(b); }                   \
  TS_FN bool operator>(T a, T b) { return float(a) > float(b); }                     \
  TS_FN bool operator>=(T a, T b) { return float(a) >= float(b); }
TS_NARROW(ts_half)
TS_NARROW(ts_bfloat)
#undef TS_NARROW

template <class T> TS_FN T ts_infinity() {
  union { unsigned bits; float value; } x;
  x.bits = 0x7f800000u;
  return T(x.value);
}
template <class T> TS_FN T ts_nan() {
  union { unsigned bits; float value; } x;
  x.bits = 0x7fc00000u;
  return T(x.value);
}

template <class To, class From> TS_FN To ts_bit_cast(From from) {
  union { From from; To to; } x;
  x.from = from;
  return x.to;
}

/// Floats to integers: towards zero, saturated (those narrower than 32 bits as i32, then wrapped), 0 for NaN; integers wrap.
template <class To, class From> TS_FN To ts_cast(From from) {
  if constexpr (ts_traits<To>::is_float) {
    if constexpr (ts_traits<From>::is_float)
      return To((typename ts_traits<To>::wide)(typename ts_traits<From>::wide)(from));
    else
      return To((typename ts_traits<To>::wide)(from));
  } else if constexpr (ts_traits<From>::is_float) {
    const double x = (typename ts_traits<From>::wide)(from);
    if constexpr (sizeof(To) == 1 && To(2) == To(1)) {
      return x != 0;
    } else if constexpr (sizeof(To) < 4) {
      return To(ts_cast<int>(from));
    } else {
      constexpr bool is_signed = To(-1) < To(0);
      constexpr To most = is_signed ? To(~(typename ts_unsigned<To>::type(1) << (8 * sizeof(To) - 1))) : To(-1);
      constexpr To least = is_signed ? To(-most - 1) : To(0);
      if (x != x) return 0;
      if (x >= (double)most) return most;
      if (x <= (double)least) return least;
      return (To)x;
    }
  } else {
    return To(from);
  }
}

template <class T> TS_FN T ts_min(T a, T b) { return a < b ? a : b; }
template <class T> TS_FN T ts_max(T a, T b) { return a > b ? a : b; }

// Integers that overflow wrap.
template <class T> TS_FN T ts_add(T a, T b) { typedef typename ts_unsigned<T>::type U; return T(U(a) + U(b)); }
template <class T> TS_FN T ts_sub(T a, T b) { typedef typename ts_unsigned<T>::type U; return T(U(a) - U(b)); }
template <class T> TS_FN T ts_mul(T a, T b) { return T((unsigned long long)a * (unsigned long long)b); }
template <class T> TS_FN T ts_div(T a, T b) {
  if constexpr (T(-1) < T(0)) if (b == T(-1)) return ts_sub<T>(T(0), a);
  return T(a / b);
}
template <class T> TS_FN T ts_floor_div(T a, T b) {
  if constexpr (ts_traits<T>::is_float) {
    typedef typename ts_traits<T>::wide W;
    return T(W(floor(double(W(T(W(a) / W(b)))))));
  } else {
    const T quotient = ts_div<T>(a, b);
    if constexpr (T(-1) < T(0)) if (b != T(-1) && T(a % b) != T(0) && (a < T(0)) != (b < T(0))) return T(quotient - 1);
    return quotient;
  }
}
template <class T> TS_FN T ts_mod(T a, T b) {
  if constexpr (ts_traits<T>::is_float) {
    return T((typename ts_traits<T>::wide)fmod(double((typename ts_traits<T>::wide)(a)), double((typename ts_traits<T>::wide)(b))));
  } else {
    if constexpr (T(-1) < T(0)) if (b == T(-1)) return T(0);
    return T(a % b);
  }
}
template <class T> TS_FN T ts_floor_mod(T a, T b) {
  const T rest = ts_mod<T>(a, b);
  return rest != T(0) && (rest < T(0)) != (b < T(0)) ? T(rest + b) : rest;
}
template <class T> TS_FN T ts_shift_left(T a, T b) {
  const long long amount = (long long)b;
  return amount < 0 || amount >= (long long)(8 * sizeof(T)) ? T(0) : T((unsigned long long)a << amount);
}
template <class T> TS_FN T ts_shift_right(T a, T b) {
  const long long amount = (long long)b;
  const bool all_out = amount < 0 || amount >= (long long)(8 * sizeof(T));
  if constexpr (T(-1) < T(0)) return T((long long)a >> (all_out ? 63 : amount));
  return all_out ? T(0) : T(a >> amount);
}

TS_FN float ts_math_pow(float a, float b) { return powf(a, b); }
TS_FN double ts_math_pow(double a, double b) { return pow(a, b); }
TS_FN float ts_math_atan2(float a, float b) { return atan2f(a, b); }
TS_FN double ts_math_atan2(double a, double b) { return atan2(a, b); }
template <class T> TS_FN T ts_pow(T a, T b) {
  if constexpr (ts_traits<T>::is_float) {
    typedef typename ts_traits<T>::wide W;
    return T(ts_math_pow(W(a), W(b)));
  } else {
    if constexpr (T(-1) < T(0)) if (b < T(0)) return a == T(1) ? T(1) : a == T(-1) ? (b % 2 == 0 ? T(1) : T(-1)) : T(0);
    T result = 1;
    for (unsigned long long n = (unsigned long long)b; n != 0; n >>= 1) {
      if (n & 1) result = ts_mul<T>(result, a);
      a = ts_mul<T>(a, a);
    }
    return result;
  }
}
template <class T> TS_FN T ts_atan2(T a, T b) {
  typedef typename ts_traits<T>::wide W;
  return T(ts_math_atan2(W(a), W(b)));
}

template <class T> TS_FN T ts_neg(T a) {
  if constexpr (ts_traits<T>::is_float) return T(-(typename ts_traits<T>::wide)(a));
  else return ts_sub<T>(T(0), a);
}
template <class T> TS_FN T ts_abs(T a) {
  if constexpr (ts_traits<T>::is_float) {
    typedef typename ts_traits<T>::wide W;
    if constexpr (sizeof(W) == 8) return T(fabs(W(a)));
    else return T(fabsf(W(a)));
  } else {
    return a < T(0) ? ts_sub<T>(T(0), a) : a;
  }
}
template <class T> TS_FN T ts_sign(T a) {
  if constexpr (ts_traits<T>::is_float) {
    typedef typename ts_traits<T>::wide W;
    return W(a) > W(0) ? T(W(1)) : W(a) < W(0) ? T(W(-1)) : a;
  } else {
    return a < T(0) ? T(-1) : T(a != T(0));
  }
}
template <class T> TS_FN T ts_bit_not(T a) { return T(~a); }
template <class T> TS_FN bool ts_is_nan(T a) { return a != a; }
template <class T> TS_FN bool ts_is_inf(T a) {
  if constexpr (ts_traits<T>::is_float) {
    typedef typename ts_traits<T>::wide W;
    return W(a) == ts_infinity<W>() || W(a) == -ts_infinity<W>();
  } else {
    return false;
  }
}

#define TS_UNARY(name, in_f32, in_f64)                                        \
  TS_FN float ts_math_##name(float x) { return in_f32; }                      \
  TS_FN double ts_math_##name(double x) { return in_f64; }                    \
  template <class T> TS_FN T ts_##name(T a) {                                 \
    if constexpr (ts_traits<T>::is_float) {                                   \
      typedef typename ts_traits<T>::wide W;                                  \
      return T(ts_math_##name(W(a)));                                         \
    } else {                                                                  \
      return a;                                                               \
    }                                                                         \
  }
TS_UNARY(floor, floorf(x), floor(x))
TS_UNARY(ceil, ceilf(x), ceil(x))
TS_UNARY(round_even, rintf(x), rint(x))
TS_UNARY(trunc, truncf(x), trunc(x))
TS_UNARY(sqrt, sqrtf(x), sqrt(x))
TS_UNARY(rsqrt, 1.0f / sqrtf(x), 1.0 / sqrt(x))
TS_UNARY(reciprocal, 1.0f / x, 1.0 / x)
TS_UNARY(exp, expf(x), exp(x))
TS_UNARY(exp2, exp2f(x), exp2(x))
TS_UNARY(expm1, expm1f(x), expm1(x))
TS_UNARY(log, logf(x), log(x))
TS_UNARY(log2, log2f(x), log2(x))
TS_UNARY(log1p, log1pf(x), log1p(x))
TS_UNARY(sin, sinf(x), sin(x))
TS_UNARY(cos, cosf(x), cos(x))
TS_UNARY(tan, tanf(x), tan(x))
TS_UNARY(asin, asinf(x), asin(x))
TS_UNARY(acos, acosf(x), acos(x))
TS_UNARY(atan, atanf(x), atan(x))
TS_UNARY(sinh, sinhf(x), sinh(x))
TS_UNARY(cosh, coshf(x), cosh(x))
TS_UNARY(asinh, asinhf(x), asinh(x))
TS_UNARY(acosh, acoshf(x), acosh(x))
TS_UNARY(atanh, atanhf(x), atanh(x))
TS_UNARY(tanh, tanhf(x), tanh(x))
TS_UNARY(sigmoid, 1.0f / (1.0f + expf(-x)), 1.0 / (1.0 + exp(-x)))
TS_UNARY(erf, erff(x), erf(x))
#undef TS_UNARY
)cuda";

}  // namespace

std::string device_prelude() { return std::string(device_part) + arithmetic_part; }
const char* arithmetic_prelude() { return arithmetic_part; }

}  // namespace tunesmith::codegen::cuda
