// The three kinds of answers: which choice is the most likely, a text, and how likely a text is.

#include <cmath>
#include <deque>
#include <utility>

#include "evals/described_task.h"
#include "evals/error.h"
#include "evals/filter.h"
#include "evals/text.h"

namespace tern::evals {

namespace {

constexpr std::string_view kNoFilter = "none";

// numpy's argmax: the first of equals, and not-a-number above all.
std::size_t argmax(std::span<const double> values) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < values.size() && !std::isnan(values[best]); ++i) {
    if (values[i] > values[best] || std::isnan(values[i])) best = i;
  }
  return best;
}

class ChoiceTask final : public DescribedTask {
 public:
  ChoiceTask(const TaskDescription& description, const TaskInfo& info, const TaskOptions& options)
      : DescribedTask(description, info, options) {}

  Request request(std::size_t i) const override {
    const Question& asked = question(i);
    // A chat template ends in the opening of the answer, so nothing stands before a choice there.
    const std::string delimiter = chat() ? "" : description().target_delimiter;
    if (asked.choices_are_contexts) {
      ContextsRequest request{{}, delimiter + asked.target};
      for (const std::string& choice : asked.choices) {
        Prompt context = prompt(i, choice);
        request.contexts.push_back(std::move(context.text));
        if (chat()) request.messages.push_back(std::move(context.messages));
      }
      return request;
    }
    Prompt context = prompt(i, asked.text);
    ChoiceRequest request{std::move(context.text), {}, std::move(context.messages)};
    for (const std::string& choice : asked.choices)
      request.continuations.push_back(delimiter + choice);
    return request;
  }

  ItemResult score(std::size_t i, Answer answer) const override {
    const Question& asked = question(i);
    const ChoiceAnswer& likelihood = likelihoods(i, answer, asked.choices.size());
    // Lengths of a choice as it stands in the data, without what stands before it.
    std::vector<double> sums, per_character, per_byte;
    for (std::size_t c = 0; c < asked.choices.size(); ++c) {
      sums.push_back(likelihood[c].log_likelihood);
      per_character.push_back(sums[c] / static_cast<double>(code_points(asked.choices[c])));
      per_byte.push_back(sums[c] / static_cast<double>(asked.choices[c].size()));
    }
    FilterResult result{std::string(kNoFilter), "", {}};
    for (const Metric& metric : description().metrics) {
      const std::vector<double>& values = metric.name == "acc_norm"    ? per_character
                                          : metric.name == "acc_bytes" ? per_byte
                                                                       : sums;
      result.metrics.push_back(
          {std::string(metric.name), argmax(values) == asked.right ? 1.0 : 0.0});
    }
    ItemResult item;
    item.doc_id = static_cast<std::int64_t>(i);
    item.filters.push_back(std::move(result));
    item.answer = std::move(answer);
    return item;
  }
};

class TextTask final : public DescribedTask {
 public:
  TextTask(const TaskDescription& description, const TaskInfo& info, const TaskOptions& options)
      : DescribedTask(description, info, options),
        exact_match_(description.exact_match.regexes_to_ignore,
                     description.exact_match.ignore_case) {
    using Select = RegexFilter::Select;
    for (const FilterDescription& filter : description.filters) {
      filters_.emplace_back(filter.name, filter.pattern,
                            filter.last_match ? Select::kLast : Select::kFirst, filter.fallback);
    }
  }

  Request request(std::size_t i) const override {
    Prompt asked = prompt(i, question(i).text);
    return TextRequest{std::move(asked.text), description().limits, std::move(asked.messages)};
  }

  ItemResult score(std::size_t i, Answer answer) const override {
    const auto* text = std::get_if<std::string>(&answer);
    if (text == nullptr) refuse(i, "text", answer);
    ItemResult item;
    item.doc_id = static_cast<std::int64_t>(i);
    for (const RegexFilter& filter : filters_)
      item.filters.push_back(scored(i, filter.name(), filter.apply(*text)));
    if (filters_.empty()) item.filters.push_back(scored(i, kNoFilter, *text));
    item.answer = std::move(answer);
    return item;
  }

 private:
  FilterResult scored(std::size_t i, std::string_view filter, std::string response) const {
    FilterResult result{std::string(filter), std::move(response), {}};
    for (const Metric& metric : description().metrics) {
      result.metrics.push_back(
          {std::string(metric.name), exact_match_(result.response, question(i).target)});
    }
    return result;
  }

  std::deque<RegexFilter> filters_;
  ExactMatch exact_match_;
};

class RollingTask final : public DescribedTask {
 public:
  RollingTask(const TaskDescription& description, const TaskInfo& info, const TaskOptions& options)
      : DescribedTask(description, info, options) {
    if (chat())
      throw Error(description.task + ": expected no chat template, as a text is judged as it is");
    for (std::size_t i = 0; i < size(); ++i) {
      const std::string counted = description.count_in->text(row(i));
      words_.push_back(static_cast<double>(count_words(counted)));
      bytes_.push_back(static_cast<double>(counted.size()));
    }
  }

  Request request(std::size_t i) const override { return RollingRequest{question(i).target}; }

  ItemResult score(std::size_t i, Answer answer) const override {
    const auto* windows = std::get_if<ChoiceAnswer>(&answer);
    if (windows == nullptr || windows->empty()) refuse(i, "a log-likelihood or several", answer);
    double sum = 0;
    for (const Likelihood& window : *windows) sum += window.log_likelihood;
    FilterResult result{std::string(kNoFilter), "", {}};
    for (const Metric& metric : description().metrics) {
      result.metrics.push_back({std::string(metric.name), sum,
                                metric.name == "word_perplexity" ? words_[i] : bytes_[i]});
    }
    ItemResult item;
    item.doc_id = static_cast<std::int64_t>(i);
    item.filters.push_back(std::move(result));
    item.answer = std::move(answer);
    return item;
  }

 private:
  std::vector<double> words_, bytes_;  // per document
};

}  // namespace

std::unique_ptr<Task> make_described_task(const TaskDescription& description, const TaskInfo& info,
                                          const TaskOptions& options) {
  switch (description.output) {
    case OutputType::kLogLikelihood:
      return std::make_unique<ChoiceTask>(description, info, options);
    case OutputType::kRolling:
      return std::make_unique<RollingTask>(description, info, options);
    case OutputType::kGenerateUntil:
      break;
  }
  return std::make_unique<TextTask>(description, info, options);
}

}  // namespace tern::evals
