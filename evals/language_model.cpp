#include "evals/language_model.h"

#include "evals/error.h"

namespace tern::evals {

std::vector<Likelihood> LanguageModel::rolling_log_likelihoods(const std::string&) {
  throw Error("expected a model that can tell how likely a long text is, got one that cannot");
}

}  // namespace tern::evals
