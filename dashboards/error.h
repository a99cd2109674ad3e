#pragma once
// The one exception type of this folder: the server cannot be set up as asked.

#include <stdexcept>

namespace tern::dashboards {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace tern::dashboards
