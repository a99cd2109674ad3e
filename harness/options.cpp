#include "harness/options.h"

#include <fmt/core.h>

#include <charconv>
#include <string_view>

#include "harness/error.h"

namespace tern::harness {
namespace {

struct Spelling {
  std::string_view from, to;
};

// llama-bench's short names of more than one letter (`llama-bench --help`).
constexpr Spelling kSpellings[] = {
    {"-pg", "--pg"},
    {"-ub", "--ubatch-size"},
    {"-ctk", "--cache-type-k"},
    {"-ctv", "--cache-type-v"},
    {"-oe", "--output-err"},
    {"-ngl", "--n-gpu-layers"},
    {"-fa", "--flash-attn"},
    {"-mmp", "--mmap"},
    {"-npl", "--parallel"},  // llama-batched-bench's
    // What only a GPU or another design could obey: refused under its own name, not as "-m g".
    {"-dev", "--device"},
    {"-embd", "--embeddings"},
    {"-mg", "--main-gpu"},
    {"-ncmoe", "--n-cpu-moe"},
    {"-nkvo", "--no-kv-offload"},
    {"-nopo", "--no-op-offload"},
    {"-sm", "--split-mode"},
    {"-ts", "--tensor-split"},
};

std::string rewrite(const std::string& arg) {
  const std::size_t equals = arg.find('=');
  std::string flag = arg.substr(0, equals);
  const std::string value = equals == std::string::npos ? "" : arg.substr(equals);
  if (flag.starts_with("--")) {
    for (char& c : flag) {
      if (c == '_') c = '-';
    }
    return flag + value;
  }
  for (const Spelling& spelling : kSpellings) {
    if (flag == spelling.from) return std::string(spelling.to) + value;
  }
  return arg;
}

// More values than anybody measures, so that a mistyped range cannot fill the memory.
constexpr std::size_t kMostValues = 100'000;

class IntListParser {
 public:
  IntListParser(std::string_view text, const std::string& flag, int least)
      : text_(text), flag_(flag), least_(least) {}

  std::vector<int> parse() {
    for (std::size_t begin = 0; begin <= text_.size();) {
      std::size_t end = text_.find(',', begin);
      if (end == std::string_view::npos) end = text_.size();
      parse_item(text_.substr(begin, end - begin));
      begin = end + 1;
    }
    return std::move(values_);
  }

 private:
  // "4", "4-8", "4-8+2", "4-8*2"
  void parse_item(std::string_view item) {
    std::string_view rest = item;
    const int first = number(rest);
    if (rest.empty()) return add(first);
    if (rest[0] != '-') malformed();
    rest.remove_prefix(1);
    const int last = number(rest);
    char operation = '+';
    int step = 1;
    if (!rest.empty()) {
      operation = rest[0];
      if (operation != '+' && operation != '*') malformed();
      rest.remove_prefix(1);
      step = number(rest);
      if (!rest.empty()) malformed();
    }
    add_range(item, first, last, operation, step);
  }

  void add_range(std::string_view item, int first, int last, char operation, int step) {
    if (last < first) {
      throw Error(fmt::format("{}: the range \"{}\" ends below its start", flag_, item));
    }
    if (operation == '+' ? step < 1 : (step < 2 || first < 1)) {
      throw Error(fmt::format("{}: the range \"{}\" never reaches its end", flag_, item));
    }
    for (std::int64_t value = first; value <= last;
         value = operation == '+' ? value + step : value * step) {
      add(static_cast<int>(value));
    }
  }

  int number(std::string_view& rest) {
    int value = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (error != std::errc() || rest[0] == '-') malformed();
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    return value;
  }

  void add(int value) {
    if (value < least_) {
      throw Error(fmt::format("{}: expected at least {}, got {}", flag_, least_, value));
    }
    if (values_.size() == kMostValues) {
      throw Error(fmt::format("{}: \"{}\" has more than {} values", flag_, text_, kMostValues));
    }
    values_.push_back(value);
  }

  [[noreturn]] void malformed() const {
    throw Error(
        fmt::format("{}: expected whole numbers of at least {}, lists (1,2) or ranges (4-8, "
                    "0-8192+1024, 1-16*2), got \"{}\"",
                    flag_, least_, text_));
  }

  std::string_view text_;
  const std::string& flag_;
  int least_;
  std::vector<int> values_;
};

// Exact rows, then the others; best first.
std::string usable_rows() {
  const kernels::CpuFeatures cpu = kernels::detect_cpu();
  std::string names;
  for (const auto tables : {kernels::compiled_tables(), kernels::inexact_tables()}) {
    for (const kernels::KernelTable& table : tables) {
      if (!cpu.has(table.required)) continue;
      if (!names.empty()) names += ", ";
      names += table.name;
    }
  }
  return names;
}

// The best of those that can run here; where none can, one of them all the same, for its reason.
const kernels::KernelTable* best_inexact(kernels::CpuFeatures cpu) {
  const kernels::KernelTable* table = nullptr;
  for (const kernels::KernelTable& each : kernels::inexact_tables()) {
    table = &each;
    if (cpu.has(each.required)) break;
  }
  return table;
}

}  // namespace

std::vector<std::string> rewrite_spellings(const std::vector<std::string>& args) {
  std::vector<std::string> out;
  out.reserve(args.size());
  bool options = true;
  for (const std::string& arg : args) {
    options = options && arg != "--";
    out.push_back(options ? rewrite(arg) : arg);
  }
  return out;
}

std::vector<int> parse_int_list(const std::string& text, const std::string& flag, int least) {
  return IntListParser(text, flag, least).parse();
}

int parse_threads(const std::string& text) {
  if (text.empty()) return 0;
  const std::vector<int> threads = parse_int_list(text, "-t", 1);
  if (threads.size() != 1) {
    throw Error(fmt::format("-t: expected one number, got \"{}\"", text));
  }
  if (threads[0] > kMostThreads) {
    throw Error(fmt::format("-t: expected at most {}, got {}", kMostThreads, threads[0]));
  }
  return threads[0];
}

const kernels::KernelTable& kernels_row(const std::string& name) {
  const kernels::CpuFeatures cpu = kernels::detect_cpu();
  if (name.empty()) return kernels::select_table(cpu);
  const kernels::KernelTable* table =
      name == "auto+bf16" ? best_inexact(cpu) : kernels::find_table(name);
  if (table == nullptr) {
    throw Error(fmt::format("--kernels: there is no row \"{}\" in this build; usable here: {}",
                            name, usable_rows()));
  }
  if (!cpu.has(table->required)) {
    throw Error(fmt::format("--kernels: the row \"{}\" cannot run here: {}; usable here: {}", name,
                            kernels::why_not(table->required, cpu), usable_rows()));
  }
  return *table;
}

std::string bf16_row_beside(const kernels::KernelTable& row) {
  const kernels::CpuFeatures cpu = kernels::detect_cpu();
  const kernels::KernelTable* table = best_inexact(cpu);
  const bool usable = table != nullptr && cpu.has(table->required);
  return usable && row.half.exact ? table->name : "";
}

kernels::CacheType parse_cache_type(const std::string& text, const std::string& flag) {
  if (text == "f16") return kernels::CacheType::kF16;
  if (text == "f32") return kernels::CacheType::kF32;
  throw Error(fmt::format("{}: expected f16 or f32, got \"{}\"", flag, text));
}

std::optional<engine::TernaryBits> parse_ternary_bits(const std::string& text) {
  for (const engine::TernaryBits bits : {engine::TernaryBits::k2, engine::TernaryBits::k1_6}) {
    if (text == engine::name(bits)) return bits;
  }
  if (text == "auto") return std::nullopt;
  throw Error(fmt::format("--ternary-bits: expected 2, 1.6 or auto, got \"{}\"", text));
}

engine::HeadType parse_head(const std::string& text) {
  for (const engine::HeadType head :
       {engine::HeadType::kStored, engine::HeadType::kQ8_0, engine::HeadType::kQ6_K}) {
    if (text == name(head)) return head;
  }
  throw Error(fmt::format("--head: expected stored, q8_0 or q6_k, got \"{}\"", text));
}

void check_greedy_head(bool greedy_head, engine::HeadType head) {
  if (!greedy_head || head == engine::HeadType::kStored) return;
  throw Error(fmt::format("--greedy-head: expected a head as stored, got --head {}", name(head)));
}

const char* name(kernels::CacheType type) noexcept {
  return type == kernels::CacheType::kF16 ? "f16" : "f32";
}

}  // namespace tern::harness
