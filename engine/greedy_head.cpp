// Brackets of logits. |.| is the Euclidean norm, u = 2^-24, gamma_k = k u / (1 - k u), n the
// columns, B = n / 32 the blocks. For a row w of the head, its copy w', an input x and the input as
// quantised x^ (x^_k = a_b q_k as real numbers), the head computes F and the copy A:
//
//   F: fma chain of n roundings        |F - w.x|    <= gamma_n |w| |x| + T
//   A: B products d_b a_b, and a chain |A - w'.x^|  <= gamma_(B+1) |w'| |x^| + T
//
// by Higham, Accuracy and Stability of Numerical Algorithms (2nd ed.), section 3.1: a product of k
// factors (1 + delta), |delta| <= u, is 1 + theta with |theta| <= gamma_k; then Cauchy-Schwarz over
// the terms, where |d_b a_b isum_b| is at most the sum of |w'_k x^_k| over the block. An operation
// that underflows adds at most 2^-150 instead (denormals are on), and one of d_b a_b is multiplied
// by |isum_b| < 2^19: both T together stay below n 2^-130. With
//
//   w.x - w'.x^ = (w - w').x + w'.(x - x^)    and    |w| <= |w - w'| + |w'|
//
//   |F - A| <= |w - w'| (1 + gamma_n) |x|
//            + |w'| (|x - x^| + gamma_n |x| + gamma_(B+1) |x^|) + n 2^-130        (coarse)
//
// The sum A2 of w'_k x_k in binary64, whose products are exact, replaces x^ by x and gamma_(B+1) by
// something below n 2^-52:
//
//   |F - A2| <= |w - w'| (1 + gamma_n) |x| + |w'| gamma_n |x| + n 2^-130           (sharp)
//
// The norms are sums in binary64 of less than 2^22 terms (relative error below 2^-30), and every
// factor is enlarged by 2^-20 before it is rounded up to binary32; that covers those errors, the
// n 2^-52, and the four roundings of width() (its products may underflow: 2^-150 each, against
// 2^-20 of n 2^-130).
//
// No rounding can spoil the comparisons: F is a binary32 number and rounding is monotonic, so
// F <= A + width implies F <= round(A + width), and the same below. Let L be the largest
// round(A - width). Then L <= the largest F, and every row that attains that has
// round(A + width) >= L: the panels with such a row hold all rows of the largest logit, the first
// of them included, and the head's own kernel computes in them what it computes in full.
//
// Overflow: |w| |x| <= 2^120 keeps every partial sum of F and A finite, |x| <= 2^100 every d_b a_b.

#include "engine/greedy_head.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/formats/block_encoders.h"
#include "engine/thread_pool.h"
#include "kernels/check.h"
#include "kernels/float16.h"

namespace tern::engine {
namespace {

constexpr std::int64_t kBlock = kernels::kQuantBlock;
constexpr std::int64_t kBlockBytes = 34;  // of Q8_0
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Rows of a panel that are worth a dot product each before the whole panel is computed.
constexpr int kMostSharpened = 4;

float enlarged(double value) noexcept {
  const double larger = value * (1 + 0x1p-20);
  const auto rounded = static_cast<float>(larger);
  return double{rounded} < larger ? std::nextafterf(rounded, kInfinity) : rounded;
}

double gamma(std::int64_t k) noexcept {
  const double ku = static_cast<double>(k) * 0x1p-24;
  return ku / (1 - ku);
}

// A block that Q8_0 cannot hold (its scale overflows binary16, or its inverse binary32) is left
// zero: its weights are then part of the residual.
void drop_extreme_blocks(std::span<float> row) noexcept {
  for (std::size_t i = 0; i < row.size(); i += kBlock) {
    const auto block = row.subspan(i, kBlock);
    float most = 0;
    for (const float w : block) most = std::max(most, std::fabs(w));
    if (most < 0x1p-40f || most > 127 * 65000.0f) std::fill(block.begin(), block.end(), 0.0f);
  }
}

float decoded(const std::byte* blocks, std::int64_t col) noexcept {
  const std::byte* block = blocks + col / kBlock * kBlockBytes;
  std::uint16_t d;
  std::memcpy(&d, block, sizeof d);
  return kernels::f16_to_f32(d) * static_cast<float>(static_cast<std::int8_t>(block[2 + col % 32]));
}

// The columns of a head that the brackets hold for; throws for others.
std::int64_t whole_blocks(const HalfLinear& head, const kernels::KernelTable& table) {
  if (head.cols() % kBlock != 0) {
    throw Error("greedy head: expected rows in multiples of " + std::to_string(kBlock) +
                " columns, got " + std::to_string(head.cols()));
  }
  if (!head.exact()) {
    throw Error(
        std::string("greedy head: expected kernels whose rounding has proven bounds, got ") +
        "BF16 weights on the row " + table.name);
  }
  TERN_CHECK(head.cols() < (std::int64_t{1} << 22), "%lld columns",
             static_cast<long long>(head.cols()));
  TERN_CHECK(head.scale() == 1, "an output scale of %g", double{head.scale()});
  return head.cols();
}

std::size_t size(std::int64_t a, std::int64_t b) noexcept {
  return static_cast<std::size_t>(a * b);
}

// In four chains: one would wait for its own sum.
double dot(const float* a, const float* b, std::int64_t n) noexcept {
  double sums[4] = {};
  for (std::int64_t k = 0; k < n; k += 4) {
    for (std::int64_t i = 0; i < 4; ++i) sums[i] += double{a[k + i]} * b[k + i];
  }
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

}  // namespace

GreedyScratch::GreedyScratch(std::int64_t tokens, std::int64_t panels, std::int64_t cols,
                             std::int64_t threads)
    : inputs(size(tokens, 1)),
      upper(size(tokens, panels)),
      lower(size(tokens, panels)),
      threshold(size(tokens, 1)),
      candidates(size(panels, 1)),
      rows(size(threads, cols)) {}

GreedyHead::GreedyHead(const HalfLinear& head, const kernels::KernelTable& table, ThreadPool& pool)
    : residual_norm_(size(head.rows(), 1)),
      copy_norm_(size(head.rows(), 1)),
      panel_(std::lcm(head.row_block(), table.block.row_block)),
      copy_(
          table, kernels::BlockType::kQ8_0, head.rows(), whole_blocks(head, table), 1.0f,
          [&](std::int64_t row, std::byte* out) { encode_row(head, row, out); }, pool) {
  for (std::int64_t r = 0; r < rows(); ++r) {
    const auto i = static_cast<std::size_t>(r);
    largest_ = std::max(largest_, double{residual_norm_[i]} + double{copy_norm_[i]});
  }
}

void GreedyHead::encode_row(const HalfLinear& head, std::int64_t row, std::byte* out) {
  std::vector<float> w(static_cast<std::size_t>(head.cols()));
  head.unpack_row(row, w.data());
  const bool finite = std::all_of(w.begin(), w.end(), [](float v) { return std::isfinite(v); });
  std::vector<float> kept = finite ? w : std::vector<float>(w.size());
  drop_extreme_blocks(kept);
  encode_blocks(DType::kQ8_0, kept, out);
  double residual = 0, copy = 0;
  for (std::int64_t k = 0; k < head.cols(); ++k) {
    const double c = decoded(out, k);
    const double r = double{w[static_cast<std::size_t>(k)]} - c;
    residual += r * r;
    copy += c * c;
  }
  residual_norm_[static_cast<std::size_t>(row)] =
      finite ? enlarged(std::sqrt(residual)) : kInfinity;
  copy_norm_[static_cast<std::size_t>(row)] = enlarged(std::sqrt(copy));
}

std::int64_t GreedyHead::bytes() const noexcept {
  return copy_.bytes() + static_cast<std::int64_t>(residual_norm_.bytes()) +
         static_cast<std::int64_t>(copy_norm_.bytes());
}

std::int64_t GreedyHead::bytes_needed(std::int64_t rows, std::int64_t cols) noexcept {
  return rows *
         (block_row_bytes(kernels::BlockType::kQ8_0, cols) + 2 * std::int64_t{sizeof(float)});
}

GreedyInput GreedyHead::measure(const float* x, const std::int8_t* q,
                                const float* scales) const noexcept {
  double x2 = 0, quantized2 = 0, difference2 = 0;
  for (std::int64_t k = 0; k < cols(); ++k) {
    const double quantized = double{scales[k / kBlock]} * q[k];
    const double difference = double{x[k]} - quantized;
    x2 += double{x[k]} * x[k];
    quantized2 += quantized * quantized;
    difference2 += difference * difference;
  }
  const double norm = std::sqrt(x2);
  const double chain = gamma(cols()) * norm;  // of the head
  const double copy_chain = gamma(cols() / kBlock + 1) * std::sqrt(quantized2);
  const float residual = enlarged(norm + chain);
  const float least = enlarged(static_cast<double>(cols()) * 0x1p-130);
  return {.coarse = {residual, enlarged(std::sqrt(difference2) + chain + copy_chain), least},
          .sharp = {residual, enlarged(chain), least},
          .valid = norm <= 0x1p100 && largest_ * norm <= 0x1p120};
}

bool GreedyHead::find(const HalfLinear& head, const Activations& in, ThreadPool& pool,
                      GreedyScratch& scratch, float* y, int* best) const noexcept {
  const std::int64_t n = in.tokens;
  for (std::int64_t t = 0; t < n; ++t) {
    GreedyInput& input = scratch.inputs[static_cast<std::size_t>(t)];
    input = measure(in.x + t * in.x_stride, in.blocks.q + t * in.blocks.stride,
                    in.blocks.scales + t * (in.blocks.stride / kBlock));
    if (!input.valid) return false;
  }
  pool.parallel_rows(rows(), panel_, [&](std::int64_t begin, std::int64_t end) {
    copy_.apply(in, nullptr, y, rows(), begin, end);
    for (std::int64_t t = 0; t < n; ++t) {
      for (std::int64_t p = begin / panel_; p * panel_ < end; ++p) bracket(p, t, y, scratch);
    }
  });
  choose(n, scratch);
  // In a batch the head itself reads a panel once for all inputs, a search once for each.
  if (scratch.pairs > panels() * (n + 7) / 16) return false;
  for_candidates(n, pool, scratch, [&](std::int64_t p, std::int64_t t, int member) {
    sharpen(p, t, in.x + t * in.x_stride, y, scratch.rows.data() + member * cols(), scratch);
  });
  choose(n, scratch);
  for_candidates(n, pool, scratch, [&](std::int64_t p, std::int64_t t, int) {
    Activations one;
    one.x = in.x + t * in.x_stride;
    one.x_stride = in.x_stride;
    one.tokens = 1;
    head.apply(one, nullptr, y + t * rows(), rows(), p * panel_, panel_end(p));
  });
  for (std::int64_t t = 0; t < n; ++t) best[t] = argmax(t, y, scratch);
  return true;
}

bool GreedyHead::needs(std::int64_t token, std::int64_t panel,
                       const GreedyScratch& scratch) const noexcept {
  return scratch.upper[static_cast<std::size_t>(token * panels() + panel)] >=
         scratch.threshold[static_cast<std::size_t>(token)];
}

std::int64_t GreedyHead::panel_end(std::int64_t panel) const noexcept {
  return std::min((panel + 1) * panel_, rows());
}

// Lanes, because a compiler may not reorder the comparisons of one maximum.
void GreedyHead::bracket(std::int64_t panel, std::int64_t token, const float* y,
                         GreedyScratch& scratch) const noexcept {
  constexpr std::int64_t kLanes = 16;
  const GreedyBound bound = scratch.inputs[static_cast<std::size_t>(token)].coarse;
  float upper[kLanes], lower[kLanes];
  std::fill(upper, upper + kLanes, -kInfinity);
  std::fill(lower, lower + kLanes, -kInfinity);
  const auto widen = [&](std::int64_t row, std::int64_t lane) {
    const float logit = y[token * rows() + row];
    const float half_width = width(bound, row);
    const float above = logit + half_width;
    const float below = logit - half_width;
    upper[lane] = above > upper[lane] ? above : upper[lane];
    lower[lane] = below > lower[lane] ? below : lower[lane];
  };
  const std::int64_t end = panel_end(panel);
  std::int64_t row = panel * panel_;
  for (; row + kLanes <= end; row += kLanes) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) widen(row + lane, lane);
  }
  for (; row < end; ++row) widen(row, 0);
  const auto at = static_cast<std::size_t>(token * panels() + panel);
  scratch.upper[at] = *std::max_element(upper, upper + kLanes);
  scratch.lower[at] = *std::max_element(lower, lower + kLanes);
}

// The panels that may hold the largest logit of some input.
void GreedyHead::choose(std::int64_t tokens, GreedyScratch& scratch) const noexcept {
  for (std::int64_t t = 0; t < tokens; ++t) {
    const float* lower = scratch.lower.data() + t * panels();
    scratch.threshold[static_cast<std::size_t>(t)] = *std::max_element(lower, lower + panels());
  }
  scratch.chosen = scratch.pairs = 0;
  for (std::int64_t p = 0; p < panels(); ++p) {
    std::int64_t needed = 0;
    for (std::int64_t t = 0; t < tokens; ++t) needed += needs(t, p, scratch) ? 1 : 0;
    scratch.pairs += needed;
    if (needed > 0) scratch.candidates[static_cast<std::size_t>(scratch.chosen++)] = p;
  }
}

// f(panel, token, member of the pool) for each input that needs a candidate; those of one panel
// follow each other, so that it comes from memory once.
template <class F>
void GreedyHead::for_candidates(std::int64_t tokens, ThreadPool& pool, const GreedyScratch& scratch,
                                F&& f) const noexcept {
  pool.run([&](int member) {
    for (std::int64_t i = member; i < scratch.chosen; i += pool.threads()) {
      const std::int64_t p = scratch.candidates[static_cast<std::size_t>(i)];
      for (std::int64_t t = 0; t < tokens; ++t) {
        if (needs(t, p, scratch)) f(p, t, member);
      }
    }
  });
}

// Narrower brackets of the rows of a panel that may still hold the largest logit; those of the
// others no longer matter.
void GreedyHead::sharpen(std::int64_t panel, std::int64_t token, const float* x, const float* y,
                         float* row, GreedyScratch& scratch) const noexcept {
  const GreedyInput& input = scratch.inputs[static_cast<std::size_t>(token)];
  const float threshold = scratch.threshold[static_cast<std::size_t>(token)];
  const auto possible = [&](std::int64_t r) {
    return y[token * rows() + r] + width(input.coarse, r) >= threshold;
  };
  std::int64_t few[kMostSharpened];
  int count = 0;
  for (std::int64_t r = panel * panel_; r < panel_end(panel); ++r) {
    if (!possible(r)) continue;
    if (count == kMostSharpened) return;
    few[count++] = r;
  }
  const auto at = static_cast<std::size_t>(token * panels() + panel);
  float upper = -kInfinity;
  for (int i = 0; i < count; ++i) {
    copy_.unpack_row(few[i], row);
    const double logit = dot(row, x, cols());
    const double half_width = width(input.sharp, few[i]);
    upper = std::max(upper, static_cast<float>(logit + half_width));
    scratch.lower[at] = std::max(scratch.lower[at], static_cast<float>(logit - half_width));
  }
  scratch.upper[at] = upper;
}

// engine::argmax over the candidates.
int GreedyHead::argmax(std::int64_t token, const float* y,
                       const GreedyScratch& scratch) const noexcept {
  const float* logits = y + token * rows();
  std::int64_t best = -1;
  for (std::int64_t i = 0; i < scratch.chosen; ++i) {
    const std::int64_t p = scratch.candidates[static_cast<std::size_t>(i)];
    if (!needs(token, p, scratch)) continue;
    for (std::int64_t r = p * panel_; r < panel_end(p); ++r) {
      if (best < 0 || logits[r] > logits[best]) best = r;
    }
  }
  return static_cast<int>(best);
}

}  // namespace tern::engine
