#pragma once
// A language model that answers several requests at once: they join when there is a place, run
// through the network together, and leave one by one. What a request is answered does not depend on
// its company. It measures nothing.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "evals/task.h"

namespace tern::harness {

struct EngineModelCounts {
  std::int64_t evaluated_tokens = 0;  // run through the network
  std::int64_t reused_tokens = 0;     // prompt tokens whose keys and values were still there
  std::int64_t truncated_prompts = 0;
  std::int64_t dropped_tokens = 0;  // cut from the left of those prompts
};

// One request that is answered; `ticket` is the caller's number for it.
struct BatchAnswer {
  std::size_t ticket = 0;
  evals::Answer answer;
  std::int64_t prompt_tokens = 0, new_tokens = 0, dropped_tokens = 0;  // of a text
  EngineModelCounts counts;
};

struct BatchAdvance {
  std::vector<BatchAnswer> answered;
  // Tokens evaluated meanwhile, of every request in flight.
  struct Evaluated {
    std::size_t ticket = 0;
    std::int64_t tokens = 0;
  };
  std::vector<Evaluated> evaluated;
};

class BatchedModel {
 public:
  virtual ~BatchedModel() = default;

  // Requests that submit() would take now.
  virtual std::size_t places() const = 0;
  // Throws where the request cannot be answered; the others go on.
  virtual void submit(std::size_t ticket, const evals::Request& request) = 0;
  // Works until at least one of the requests in flight, of which there must be one, is answered.
  // What throws here ends all of them.
  virtual BatchAdvance advance() = 0;
};

}  // namespace tern::harness
