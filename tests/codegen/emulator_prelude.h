// The emulator's part of the prelude: generated CUDA text as C++ on a CPU.
//
// One fibre a CUDA thread, one block after the other. Threads run until they meet a barrier, in an order that the caller
// chooses. Every access to shared memory, and to global memory that the kernel writes, is held against what other threads did
// since the last barrier (within a block) or at all (in another block): two accesses to one byte, one of them a write, with
// no barrier between them are a race, whatever order the threads happened to run in. Reads of shared memory that nobody wrote,
// accesses outside of a buffer, and barriers that not all threads meet at are errors too. Shared memory begins poisoned.
//
// Included by the files that emulator.cpp writes; needs a C++17 compiler and POSIX contexts.
#pragma once

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#define TS_FN inline
#define TS_KERNEL(name, threads, parameters) static void name parameters
#define TS_IN(T, name) ts_global<const T> name
#define TS_OUT(T, name) ts_global<T> name
#define TS_REGISTERS(T, name, count) const ts_registers<T, count> name(#name)
#define TS_SHARED(T, name, offset, count) const ts_shared<T> name(#name, offset, count)
#define ts_barrier() ts_emulator::machine().barrier(__LINE__)
#define ts_store_streaming(at, value) (at) = (value)

namespace ts_emulator {

/// Who touched a byte last.
struct Cell {
  uint32_t write_epoch = 0, read_epoch = 0;  // 0: never
  int32_t writer = -1, reader = -1;          // threads of the block; reader -2: several
  int32_t writer_block = -1, reader_block = -1;
};

struct Dim3 {
  long long x = 1, y = 1, z = 1;
};

class Machine {
 public:
  Dim3 block, thread;  // where the running fibre is
  std::vector<unsigned char> arena;
  std::vector<Cell> arena_cells;
  std::string error;

  void fail(const std::string& what) {
    if (!error.empty()) return;
    error = what + " (block " + text(block) + ", thread " + text(thread) + ")";
  }

  void fail_at(const char* does, const char* name, long long index, const std::string& why) {
    fail(std::string(does) + " " + place(name, index) + ", " + why);
  }

  void touch(const char* name, Cell* cell, long long index, int bytes, bool is_write, bool is_shared) {
    for (int i = 0; i < bytes; ++i, ++cell) {
      const bool by_block = cell->writer_block >= 0 && cell->writer_block != block_number_;
      const bool to_block = cell->reader_block == -2 || (cell->reader_block >= 0 && cell->reader_block != block_number_);
      const bool after_write = cell->write_epoch == epoch_ && cell->writer != number_ && cell->writer_block == block_number_;
      const bool after_read = cell->read_epoch == epoch_ && cell->reader != number_ && cell->reader_block == block_number_;
      if (is_shared && !is_write && cell->write_epoch == 0)
        fail("reads " + place(name, index) + ", which nobody wrote");
      if (after_write || (!is_shared && by_block)) fail(std::string(is_write ? "writes " : "reads ") + place(name, index) + " while another thread writes it");
      if (is_write && (after_read || (!is_shared && to_block))) fail("writes " + place(name, index) + " while another thread reads it");
      if (is_write) {
        cell->write_epoch = epoch_;
        cell->writer = number_;
        cell->writer_block = block_number_;
      } else {
        cell->reader = cell->read_epoch == epoch_ && cell->reader != number_ && cell->reader_block == block_number_ ? -2 : number_;
        cell->read_epoch = epoch_;
        cell->reader_block = cell->reader_block == -1 || cell->reader_block == block_number_ ? block_number_ : -2;
      }
    }
  }

  void barrier(int line) {
    Fibre& me = fibres_[static_cast<size_t>(number_)];
    me.barrier = line;
    swapcontext(&me.context, &scheduler_);
  }

  /// order 0: first to last, 1: last to first, 2: as `seed` says, anew after each barrier.
  template <class Kernel>
  std::string run(const Kernel& kernel, Dim3 grid, Dim3 threads, long long shared_bytes, int order, uint64_t seed) {
    error.clear();
    kernel_call = [](const void* k) { (*static_cast<const Kernel*>(k))(); };
    kernel_ = &kernel;
    threads_ = threads;
    random_ = seed * 2 + 1;
    order_ = order;
    const long long blocks = grid.x * grid.y * grid.z;
    for (long long b = 0; b < blocks && error.empty(); ++b) {
      const long long n = order == 1 ? blocks - 1 - b : b;
      block = {n % grid.x, n / grid.x % grid.y, n / grid.x / grid.y};
      block_number_ = static_cast<int32_t>(n);
      arena.assign(static_cast<size_t>(shared_bytes), 0xcd);
      arena_cells.assign(static_cast<size_t>(shared_bytes), Cell());
      run_block();
    }
    return error;
  }

 private:
  static constexpr size_t stack_bytes = 1 << 17;
  struct Fibre {
    ucontext_t context;
    std::unique_ptr<char[]> stack;
    int barrier = 0;  // line
    bool done = false;
  };

  static std::string text(const Dim3& d) {
    return std::to_string(d.x) + "," + std::to_string(d.y) + "," + std::to_string(d.z);
  }
  static std::string place(const char* name, long long index) { return std::string(name) + "[" + std::to_string(index) + "]"; }

  static void entry();

  void run_block() {
    const long long count = threads_.x * threads_.y * threads_.z;
    if (fibres_.size() < static_cast<size_t>(count)) fibres_.resize(static_cast<size_t>(count));
    for (long long t = 0; t < count; ++t) {
      Fibre& fibre = fibres_[static_cast<size_t>(t)];
      fibre.done = false;
      fibre.barrier = 0;
      if (!fibre.stack) fibre.stack = std::make_unique<char[]>(stack_bytes);
      getcontext(&fibre.context);
      fibre.context.uc_stack.ss_sp = fibre.stack.get();
      fibre.context.uc_stack.ss_size = stack_bytes;
      fibre.context.uc_link = &scheduler_;
      makecontext(&fibre.context, &Machine::entry, 0);
    }
    std::vector<int32_t> turn(static_cast<size_t>(count));
    for (bool any = true; any && error.empty();) {
      ++epoch_;
      for (size_t i = 0; i < turn.size(); ++i) turn[i] = static_cast<int32_t>(order_ == 1 ? turn.size() - 1 - i : i);
      if (order_ == 2)
        for (size_t i = turn.size(); i > 1; --i) std::swap(turn[i - 1], turn[next_random() % i]);
      for (const int32_t t : turn) {
        number_ = t;
        thread = {t % threads_.x, t / threads_.x % threads_.y, t / threads_.x / threads_.y};
        if (!fibres_[static_cast<size_t>(t)].done) swapcontext(&scheduler_, &fibres_[static_cast<size_t>(t)].context);
      }
      any = false;
      for (const int32_t t : turn) any = any || !fibres_[static_cast<size_t>(t)].done;
      const Fibre& first = fibres_[0];
      for (const int32_t t : turn) {
        const Fibre& fibre = fibres_[static_cast<size_t>(t)];
        if (fibre.done == first.done && (fibre.done || fibre.barrier == first.barrier)) continue;
        number_ = t;
        fail("not all threads meet at one barrier");
      }
    }
  }

  uint64_t next_random() {
    random_ = random_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return random_ >> 33;
  }

  void (*kernel_call)(const void*) = nullptr;
  const void* kernel_ = nullptr;
  Dim3 threads_;
  std::vector<Fibre> fibres_;
  ucontext_t scheduler_;
  int32_t number_ = 0, block_number_ = 0;
  uint32_t epoch_ = 0;
  uint64_t random_ = 1;
  int order_ = 0;
};

inline Machine& machine() {
  static Machine the_machine;
  return the_machine;
}

inline void Machine::entry() {
  Machine& m = machine();
  m.kernel_call(m.kernel_);
  m.fibres_[static_cast<size_t>(m.number_)].done = true;  // back to the scheduler by uc_link
}

}  // namespace ts_emulator

/// An element: reading and writing it is seen.
template <class T>
class ts_element {
 public:
  typedef std::remove_const_t<T> Value;
  ts_element(const char* name, T* at, ts_emulator::Cell* cell, long long index, bool is_shared, bool* is_written = nullptr)
      : name_(name), at_(at), cell_(cell), is_written_(is_written), index_(index), is_shared_(is_shared) {}
  ts_element(const ts_element&) = default;

  operator Value() const {
    if (at_ == nullptr) return Value();
    if (is_written_ != nullptr && !*is_written_) ts_emulator::machine().fail_at("reads", name_, index_, "which was not written");
    if (cell_ != nullptr) ts_emulator::machine().touch(name_, cell_, index_, sizeof(T), false, is_shared_);
    return *at_;
  }
  void operator=(Value value) const {
    if (at_ == nullptr) return;
    if (is_written_ != nullptr) *is_written_ = true;
    if (cell_ != nullptr) ts_emulator::machine().touch(name_, cell_, index_, sizeof(T), true, is_shared_);
    *at_ = value;
  }
  void operator=(const ts_element& other) const { *this = Value(other); }

 private:
  const char* name_;
  T* at_;
  ts_emulator::Cell* cell_;
  bool* is_written_;  // of registers
  long long index_;
  bool is_shared_;
};

/// A thread's own array.
template <class T, long long count>
class ts_registers {
 public:
  explicit ts_registers(const char* name) : name_(name) {}
  ts_element<T> operator[](long long i) const {
    if (i < 0 || i >= count) {
      ts_emulator::machine().fail_at("accesses", name_, i, "of " + std::to_string(count) + " registers");
      return {name_, nullptr, nullptr, i, false};
    }
    return {name_, values_ + i, nullptr, i, false, is_written_ + i};
  }

 private:
  const char* name_;
  mutable T values_[count];
  mutable bool is_written_[count] = {};
};

/// One of the kernel's arguments.
struct ts_argument {
  const char* name;
  void* data;
  long long bytes;
  ts_emulator::Cell* cells;  // one a byte; null: only read
};

template <class T>
class ts_global {
 public:
  typedef std::remove_const_t<T> Value;
  const char* name() const { return name_; }
  ts_global(const ts_argument& a)  // NOLINT: as a pointer would
      : name_(a.name), data_(static_cast<T*>(a.data)), cells_(a.cells), count_(a.bytes / static_cast<long long>(sizeof(T))) {}
  ts_element<Value> operator[](long long i) const {
    if (i < 0 || i >= count_) {
      ts_emulator::machine().fail(std::string("accesses ") + name_ + "[" + std::to_string(i) + "] of " + std::to_string(count_));
      return {name_, nullptr, nullptr, i, false};
    }
    return {name_, const_cast<Value*>(data_) + i, cells_ == nullptr ? nullptr : cells_ + i * static_cast<long long>(sizeof(T)), i, false};
  }

 private:
  const char* name_;
  T* data_;
  ts_emulator::Cell* cells_;
  long long count_;
};

template <class T>
class ts_shared {
 public:
  typedef std::remove_const_t<T> Value;
  const char* name() const { return name_; }
  ts_shared(const char* name, long long offset, long long count) : name_(name), offset_(offset), count_(count) {}
  ts_element<T> operator[](long long i) const {
    ts_emulator::Machine& m = ts_emulator::machine();
    const long long at = offset_ + i * static_cast<long long>(sizeof(T));
    if (i < 0 || i >= count_ || at + static_cast<long long>(sizeof(T)) > static_cast<long long>(m.arena.size())) {
      m.fail(std::string("accesses ") + name_ + "[" + std::to_string(i) + "] of " + std::to_string(count_));
      return {name_, nullptr, nullptr, i, true};
    }
    return {name_, reinterpret_cast<T*>(m.arena.data() + at), m.arena_cells.data() + at, i, true};
  }

 private:
  const char* name_;
  long long offset_, count_;
};

template <class T, int N>
struct ts_vector {
  T lanes[N];
  T& operator[](int i) { return lanes[i]; }
  const T& operator[](int i) const { return lanes[i]; }
};
/// Of all lanes at once: what is not aligned to its size faults on a GPU.
template <int N, class T>
bool ts_is_aligned(const char* name, long long at) {
  const long long lanes = N * sizeof(T) < 16 ? N : 16 / static_cast<long long>(sizeof(T));
  if (at % lanes != 0)
    ts_emulator::machine().fail(std::string("accesses ") + name + "[" + std::to_string(at) + "] by " + std::to_string(lanes) + " at once, which is not aligned");
  return at % lanes == 0;
}
template <int N, class Buffer>
auto ts_load_vector(const Buffer& from, long long at) {
  ts_vector<typename Buffer::Value, N> value;
  if (ts_is_aligned<N, typename Buffer::Value>(from.name(), at))
    for (int i = 0; i < N; ++i) value[i] = from[at + i];
  return value;
}
template <int N, class Buffer, class T>
void ts_store_vector(const Buffer& to, long long at, const ts_vector<T, N>& value) {
  if (ts_is_aligned<N, T>(to.name(), at))
    for (int i = 0; i < N; ++i) to[at + i] = value[i];
}
template <int N, class Buffer, class T>
void ts_stream_vector(const Buffer& to, long long at, const ts_vector<T, N>& value) {
  ts_store_vector<N>(to, at, value);
}

inline int ts_block_x() { return static_cast<int>(ts_emulator::machine().block.x); }
inline int ts_block_y() { return static_cast<int>(ts_emulator::machine().block.y); }
inline int ts_block_z() { return static_cast<int>(ts_emulator::machine().block.z); }
inline int ts_thread_x() { return static_cast<int>(ts_emulator::machine().thread.x); }
inline int ts_thread_y() { return static_cast<int>(ts_emulator::machine().thread.y); }
inline int ts_thread_z() { return static_cast<int>(ts_emulator::machine().thread.z); }

inline float ts_float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}
inline uint32_t ts_bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits;
}

struct ts_half {
  unsigned short bits;
  ts_half() = default;
  explicit ts_half(float x) {  // round to nearest even
    const uint32_t b = ts_bits_of(x), sign = b >> 16 & 0x8000u;
    const float magnitude = fabsf(x);
    uint32_t result;
    if (!(magnitude == magnitude)) result = 0x7e00u;
    else if (magnitude >= 65520.0f) result = 0x7c00u;
    else if (magnitude < 0x1p-14f) result = static_cast<uint32_t>(lrintf(magnitude * 0x1p24f));
    else {
      const uint32_t m = ts_bits_of(magnitude);
      result = (m - 0x38000000u + 0xfffu + (m >> 13 & 1u)) >> 13;
    }
    bits = static_cast<unsigned short>(sign | result);
  }
  operator float() const {
    const uint32_t sign = (bits & 0x8000u) << 16, exponent = bits >> 10 & 31u, fraction = bits & 0x3ffu;
    if (exponent == 31) return ts_float_of(sign | 0x7f800000u | fraction << 13);
    if (exponent == 0) return (sign != 0 ? -1.0f : 1.0f) * static_cast<float>(fraction) * 0x1p-24f;
    return ts_float_of(sign | (exponent + 112) << 23 | fraction << 13);
  }
};
struct ts_bfloat {
  unsigned short bits;
  ts_bfloat() = default;
  explicit ts_bfloat(float x) {
    const uint32_t b = ts_bits_of(x);
    bits = static_cast<unsigned short>(x != x ? 0x7fc0u : (b + 0x7fffu + (b >> 16 & 1u)) >> 16);
  }
  operator float() const { return ts_float_of(static_cast<uint32_t>(bits) << 16); }
};
