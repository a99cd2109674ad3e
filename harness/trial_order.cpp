#include "harness/trial_order.h"

#include <algorithm>

namespace tern::harness {

namespace {

// 0, 1, n-1, 2, n-2, …: every distance modulo n occurs once between neighbours.
std::size_t zigzag(std::size_t n, std::size_t i) {
  return i % 2 == 1 ? (i + 1) / 2 : (n - i / 2) % n;
}

// Where in the zigzag a number stands.
std::size_t place(std::size_t n, std::size_t number) {
  if (number == 0) return 0;
  return 2 * number <= n ? 2 * number - 1 : 2 * (n - number);
}

}  // namespace

int order_cycle(std::size_t subjects) noexcept {
  // The rows of an even number of subjects hold their own mirror images.
  return static_cast<int>(subjects % 2 == 0 ? subjects : 2 * subjects);
}

std::vector<std::size_t> trial_order(std::size_t subjects, int round) {
  const std::size_t row = static_cast<std::size_t>(round % order_cycle(subjects)) / 2;
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < subjects; ++i) {
    // A subject is a place in the zigzag, so that the first round is 0, 1, 2, …
    order.push_back(place(subjects, (zigzag(subjects, i) + row) % subjects));
  }
  if (round % 2 == 1) std::reverse(order.begin(), order.end());
  return order;
}

std::string order_text(std::size_t subjects) {
  if (subjects <= 2) return "ABBA";  // pair 0 forwards, pair 1 backwards, …
  std::string text;
  for (int round = 0; round < order_cycle(subjects); ++round) {
    if (round > 0) text += ' ';
    for (const std::size_t subject : trial_order(subjects, round)) {
      text += static_cast<char>('A' + subject);
    }
  }
  return text;
}

}  // namespace tern::harness
