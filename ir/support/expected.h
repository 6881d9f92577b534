// Expected<T, E>: a value or the reason why there is none, shaped like C++23's std::expected.
//
// An expected failure (illegal step, compile failure, locked database) is returned, not thrown.
// Access to the wrong alternative is a bug of the caller and aborts.
#pragma once

#include <type_traits>
#include <utility>
#include <variant>

#include "ir/support/check.h"

namespace tunesmith {

/// Wraps an error so that it converts to any Expected<T, E>.
template <class E>
class Unexpected {
 public:
  explicit Unexpected(E error) : error_(std::move(error)) {}
  const E& error() const& { return error_; }
  E&& error() && { return std::move(error_); }

 private:
  E error_;
};

template <class E>
Unexpected(E) -> Unexpected<E>;

template <class T, class E>
class [[nodiscard]] Expected {
 public:
  using value_type = T;
  using error_type = E;

  Expected(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  template <class G>
  requires std::is_convertible_v<G, E> Expected(Unexpected<G> error)
      : state_(std::in_place_index<1>, std::move(error).error()) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & { return checked_value(); }
  const T& value() const& { return const_cast<Expected*>(this)->checked_value(); }
  T&& value() && { return std::move(checked_value()); }
  T& operator*() & { return checked_value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(checked_value()); }
  T* operator->() { return &checked_value(); }
  const T* operator->() const { return &value(); }

  const E& error() const& {
    TS_CHECK(!has_value(), "error() of an Expected that holds a value");
    return std::get<1>(state_);
  }
  E&& error() && {
    TS_CHECK(!has_value(), "error() of an Expected that holds a value");
    return std::get<1>(std::move(state_));
  }
  template <class U>
  T value_or(U&& other) const& {
    return has_value() ? std::get<0>(state_) : static_cast<T>(std::forward<U>(other));
  }

 private:
  T& checked_value() {
    TS_CHECK(has_value(), "value of an Expected that holds an error");
    return std::get<0>(state_);
  }
  std::variant<T, E> state_;
};

/// Success without a value, or an error.
template <class E>
class [[nodiscard]] Expected<void, E> {
 public:
  using value_type = void;
  using error_type = E;

  Expected() = default;
  template <class G>
  requires std::is_convertible_v<G, E> Expected(Unexpected<G> error)
      : state_(std::in_place_index<1>, std::move(error).error()) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  const E& error() const& {
    TS_CHECK(!has_value(), "error() of an Expected that holds success");
    return std::get<1>(state_);
  }

 private:
  std::variant<std::monostate, E> state_;
};

}  // namespace tunesmith
