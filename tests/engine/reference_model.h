#pragma once
// The network once more, in binary64 and as plainly as the published formulas read: whole
// sequences, no cache, no packing, no blocks. Shares only the file reader with the engine, so that
// a mistake in the graph (a head order, a norm, a scale) cannot hide in both.

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "engine/formats/blocks.h"
#include "engine/formats/gguf.h"
#include "engine/model_config.h"

namespace tern::tests {

class ReferenceModel {
 public:
  using Matrix = std::vector<std::vector<double>>;  // rows

  // dense: run ternary matrices as floats, with unquantised activations (the FP16 twin's
  // arithmetic).
  ReferenceModel(const std::filesystem::path& path, bool dense)
      : file_(path), c_(engine::config_from_gguf(file_)), dense_(dense) {}

  // Logits (tokens, vocab).
  Matrix logits(const std::vector<int>& tokens) const {
    const Matrix embedding = matrix("token_embd.weight");
    Matrix x;
    for (const int token : tokens) x.push_back(embedding[static_cast<std::size_t>(token)]);
    for (Vector& row : x) {
      for (double& v : row) v *= static_cast<double>(c_.embedding_scale);
    }
    for (std::int64_t layer = 0; layer < c_.layers; ++layer) {
      const std::string blk = "blk." + std::to_string(layer) + ".";
      attention(blk, layer, x);
      feed_forward(blk, x);
    }
    const Matrix head =
        matrix(file_.find("output.weight") != nullptr ? "output.weight" : "token_embd.weight");
    Matrix out;
    for (const auto& row : x) out.push_back(multiply(head, norm("output_norm.weight", row)));
    return out;
  }

 private:
  using Vector = std::vector<double>;

  Matrix matrix(const std::string& name) const {
    const engine::TensorView& t = *file_.find(name);
    Matrix m;
    std::vector<float> row(static_cast<std::size_t>(t.shape[1]));
    for (std::int64_t r = 0; r < t.shape[0]; ++r) {
      engine::decode_row(t, r, row.data());
      m.emplace_back(row.begin(), row.end());
    }
    return m;
  }

  std::vector<float> vector(const std::string& name) const {
    engine::TensorView t = *file_.find(name);
    t.shape = {1, t.shape[0]};
    std::vector<float> w(static_cast<std::size_t>(t.shape[1]));
    engine::decode_row(t, 0, w.data());
    return w;
  }

  Vector norm(const std::string& name, const Vector& x) const {
    const std::vector<float> w = vector(name);
    double sum = 0;
    for (const double v : x) sum += v * v;
    const double r = 1 / std::sqrt(sum / static_cast<double>(x.size()) + c_.rms_eps);
    Vector y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] * r * static_cast<double>(w[i]);
    return y;
  }

  static Vector multiply(const Matrix& w, const Vector& x) {
    Vector y(w.size());
    for (std::size_t r = 0; r < w.size(); ++r) {
      for (std::size_t k = 0; k < x.size(); ++k) y[r] += w[r][k] * x[k];
    }
    return y;
  }

  bool ternary(const std::string& name) const {
    const engine::DType type = file_.find(name)->type;
    return type == engine::DType::kI2S || type == engine::DType::kTq2_0 ||
           type == engine::DType::kTq1_0;
  }

  Vector linear(const std::string& name, Vector x) const {
    if (ternary(name) && !dense_) {
      double largest = 1e-5;
      for (const double v : x) largest = std::max(largest, std::fabs(v));
      const double s = 127 / largest;
      for (double& v : x) v = std::nearbyint(v * s) / s;
    }
    Vector y = multiply(matrix(name), x);
    const std::string scale = name.substr(0, name.rfind('.')) + ".scale";
    if (file_.find(scale) == nullptr) return y;
    for (double& v : y) v *= static_cast<double>(vector(scale)[0]);
    return y;
  }

  Vector biased(const std::string& name, const Vector& x) const {
    Vector y = linear(name + ".weight", x);
    if (!c_.qkv_bias) return y;
    const std::vector<float> b = vector(name + ".bias");
    for (std::size_t i = 0; i < y.size(); ++i) y[i] += static_cast<double>(b[i]);
    return y;
  }

  void rotate(Vector& x, std::int64_t layer, std::int64_t head, std::size_t position) const {
    const auto d = static_cast<std::size_t>(c_.head_dim);
    const std::size_t base = static_cast<std::size_t>(head) * d;
    const bool slides = c_.slides(layer);
    for (std::size_t i = 0; i < d / 2; ++i) {
      const bool interleaved = c_.rope_pairs == engine::RopePairs::kInterleaved;
      double& a = x[base + (interleaved ? 2 * i : i)];
      double& b = x[base + (interleaved ? 2 * i + 1 : i + d / 2)];
      const double theta = slides ? c_.sliding_rope_theta : c_.rope_theta;
      const double divisor =
          slides || c_.rope_divisors.empty() ? 1.0 : static_cast<double>(c_.rope_divisors[i]);
      const double angle = static_cast<double>(position) /
                           std::pow(theta, 2 * static_cast<double>(i) / static_cast<double>(d)) /
                           divisor;
      const double a0 = a;
      a = a0 * std::cos(angle) - b * std::sin(angle);
      b = a0 * std::sin(angle) + b * std::cos(angle);
    }
  }

  // Each head through the same norm.
  void norm_heads(const std::string& name, Vector& x) const {
    if (!c_.qk_norms) return;
    const auto d = static_cast<std::ptrdiff_t>(c_.head_dim);
    for (auto head = x.begin(); head != x.end(); head += d) {
      const Vector y = norm(name, Vector(head, head + d));
      std::copy(y.begin(), y.end(), head);
    }
  }

  bool sees(std::int64_t layer, std::size_t query, std::size_t key) const {
    return !c_.slides(layer) || static_cast<std::int64_t>(query - key) < c_.window;
  }

  void attention(const std::string& blk, std::int64_t layer, Matrix& x) const {
    const std::size_t n = x.size();
    const auto d = static_cast<std::size_t>(c_.head_dim);
    Matrix q(n), k(n), v(n);
    for (std::size_t t = 0; t < n; ++t) {
      const Vector h = norm(blk + "attn_norm.weight", x[t]);
      q[t] = biased(blk + "attn_q", h);
      k[t] = biased(blk + "attn_k", h);
      v[t] = biased(blk + "attn_v", h);
      norm_heads(blk + "attn_q_norm.weight", q[t]);
      norm_heads(blk + "attn_k_norm.weight", k[t]);
      for (std::int64_t head = 0; head < c_.heads; ++head) rotate(q[t], layer, head, t);
      for (std::int64_t head = 0; head < c_.kv_heads; ++head) rotate(k[t], layer, head, t);
    }
    for (std::size_t t = 0; t < n; ++t) {
      Vector o(q[t].size());
      for (std::size_t head = 0; head < static_cast<std::size_t>(c_.heads); ++head) {
        const std::size_t kv = head / static_cast<std::size_t>(c_.heads / c_.kv_heads) * d;
        Vector p(t + 1);
        double sum = 0;
        for (std::size_t j = 0; j <= t; ++j) {
          if (!sees(layer, t, j)) continue;
          double dot = 0;
          for (std::size_t i = 0; i < d; ++i) dot += q[t][head * d + i] * k[j][kv + i];
          p[j] = std::exp(dot / std::sqrt(static_cast<double>(d)));
          sum += p[j];
        }
        for (std::size_t j = 0; j <= t; ++j) {
          for (std::size_t i = 0; i < d; ++i) o[head * d + i] += p[j] / sum * v[j][kv + i];
        }
      }
      if (c_.sub_norms) o = norm(blk + "attn_sub_norm.weight", o);
      o = linear(blk + "attn_output.weight", o);
      if (c_.post_norms) o = norm(blk + "post_attention_norm.weight", o);
      add(x[t], o);
    }
  }

  double activation(double g) const {
    const double relu = std::max(g, 0.0);
    if (c_.activation == engine::Activation::kRelu2) return relu * relu;
    if (c_.activation == engine::Activation::kSilu) return g / (1 + std::exp(-g));
    const double u = std::sqrt(2 / 3.141592653589793) * (g + 0.044715 * g * g * g);
    return 0.5 * g * (1 + std::tanh(u));
  }

  void feed_forward(const std::string& blk, Matrix& x) const {
    for (Vector& row : x) {
      const Vector h = norm(blk + "ffn_norm.weight", row);
      Vector a = linear(blk + "ffn_gate.weight", h);
      const Vector up = linear(blk + "ffn_up.weight", h);
      for (std::size_t i = 0; i < a.size(); ++i) {
        a[i] = up[i] * activation(a[i]);
      }
      if (c_.sub_norms) a = norm(blk + "ffn_sub_norm.weight", a);
      a = linear(blk + "ffn_down.weight", a);
      if (c_.post_norms) a = norm(blk + "post_ffw_norm.weight", a);
      add(row, a);
    }
  }

  static void add(Vector& x, const Vector& y) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  }

  engine::GgufFile file_;
  engine::ModelConfig c_;
  bool dense_;
};

}  // namespace tern::tests
