#pragma once
// What text became, or one sentence on why it could not: what, where, expected, got. For input from
// outside (meters, logs, specifications), whose being wrong is no exception.

#include <optional>
#include <string>
#include <utility>

namespace tern::energy {

template <class T>
struct Parsed {
  std::optional<T> value;
  std::string error;  // set when there is no value

  // NOLINTNEXTLINE(google-explicit-constructor): a value is a result as it stands.
  Parsed(T parsed) : value(std::move(parsed)) {}
  static Parsed failed(std::string why) {
    Parsed result;
    result.error = std::move(why);
    return result;
  }

  explicit operator bool() const noexcept { return value.has_value(); }
  const T& operator*() const { return *value; }
  const T* operator->() const { return &*value; }

 private:
  Parsed() = default;
};

}  // namespace tern::energy
