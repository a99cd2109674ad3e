#include "energy/external/trace.h"

#include <algorithm>
#include <array>
#include <exception>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <utility>

#include "energy/external/log_window.h"
#include "energy/external/power_reading.h"
#include "energy/external/text.h"
#include "energy/sysfs_file.h"

namespace tern::energy {
namespace {

using nlohmann::json;

constexpr std::string_view kHeader = "t_ns,domain,raw,errno";
constexpr std::string_view kMetaMark = "#tern.trace ";
constexpr double kMaxDram_w = 200;
constexpr int kMaxErrno = 4095;  // of Linux
constexpr std::size_t kMaxDomains = 4096;
constexpr std::uint64_t kLatest_ns = std::numeric_limits<std::int64_t>::max();
constexpr double kForever = std::numeric_limits<double>::infinity();
constexpr std::array kKindNames = {
    std::pair{DomainKind::kPsys, "psys"}, std::pair{DomainKind::kPackage, "package"},
    std::pair{DomainKind::kCore, "core"}, std::pair{DomainKind::kUncore, "uncore"},
    std::pair{DomainKind::kDram, "dram"}, std::pair{DomainKind::kRail, "rail"},
    std::pair{DomainKind::kWall, "wall"}, std::pair{DomainKind::kOther, "other"}};

const char* kind_name(DomainKind kind) {
  for (const auto& [value, word] : kKindNames) {
    if (value == kind) return word;
  }
  return "other";
}

// JSON has no infinity, which is what null stands for.
json to_json(const Domain& domain) {
  return {{"name", domain.name},
          {"kind", kind_name(domain.kind)},
          {"joules_per_count", domain.joules_per_count},
          {"modulus", domain.modulus},
          {"max_power_w", domain.max_power_w},
          {"update_s", domain.update_s},
          {"max_silence_s", domain.max_silence_s},
          {"measurable", domain.measurable},
          {"included", domain.included},
          {"why_excluded", domain.why_excluded}};
}

// Caught by info_from, as what the library throws.
void require(bool holds) {
  if (!holds) throw std::domain_error("not the description of a meter");
}

double positive(const json& value) {
  const double number = value.get<double>();
  require(number > 0);
  return number;
}

double positive_or_forever(const json& value) {
  return value.is_null() ? kForever : positive(value);
}

bool good_name(std::string_view name) {
  const auto printable = [](char c) { return c >= ' ' && c <= '~'; };
  return !name.empty() && std::all_of(name.begin(), name.end(), printable);
}

DomainKind kind_named(const std::string& name) {
  for (const auto& [value, word] : kKindNames) {
    if (name == word) return value;
  }
  throw std::domain_error("no kind of domain");
}

Domain domain_from(const json& object) {
  Domain domain;
  domain.name = object.at("name").get<std::string>();
  require(good_name(domain.name));
  domain.kind = kind_named(object.at("kind").get<std::string>());
  domain.joules_per_count = positive(object.at("joules_per_count"));
  require(object.at("modulus").is_number_unsigned());
  domain.modulus = object.at("modulus").get<std::uint64_t>();
  domain.max_power_w = positive(object.at("max_power_w"));
  domain.update_s = positive(object.at("update_s"));
  domain.max_silence_s = positive_or_forever(object.at("max_silence_s"));
  domain.measurable = object.at("measurable").get<bool>();
  domain.included = object.at("included").get<bool>();
  domain.why_excluded = object.at("why_excluded").get<std::string>();
  return domain;
}

std::optional<SourceInfo> info_from(std::string_view text) {
  try {
    const json object = json::parse(text);
    SourceInfo info;
    info.name = object.at("source").get<std::string>();
    info.detail = object.at("detail").get<std::string>();
    info.coverage = object.at("coverage").get<std::string>();
    info.attributed = object.at("attributed").get<bool>();
    for (const json& domain : object.at("domains")) info.domains.push_back(domain_from(domain));
    return info;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

void judge_by_name(Domain& domain) {
  const std::string_view name = domain.name;
  const auto exclude = [&](DomainKind kind, const char* why) {
    domain.kind = kind;
    domain.why_excluded = why;
  };
  if (name == "wall") {
    domain.kind = DomainKind::kWall;
    domain.max_power_w = kMaxNode_w;
  } else if (name == "dram" || name.ends_with("/dram")) {
    domain.kind = DomainKind::kDram;
    domain.max_power_w = kMaxDram_w;
  } else if (name.starts_with("package-") && name.find('/') == std::string_view::npos) {
    domain.kind = DomainKind::kPackage;
  } else if (name == "psys") {
    exclude(DomainKind::kPsys, "contains the packages");
  } else if (name.ends_with("/core")) {
    exclude(DomainKind::kCore, "part of its package");
  } else if (name.ends_with("/uncore")) {
    exclude(DomainKind::kUncore, "part of its package");
  } else {
    exclude(DomainKind::kOther, "the trace does not say what it covers");
  }
  domain.included = domain.why_excluded.empty();
}

// Of a trace that says nothing about its meter.
Domain plain_domain(std::string_view name) {
  Domain domain;
  domain.name = name;
  domain.max_silence_s = kForever;
  judge_by_name(domain);
  return domain;
}

// The wall holds everything else: next to it nothing is added.
void keep_wall_apart(std::vector<Domain>& domains) {
  bool wall = false;
  for (const Domain& domain : domains) wall = wall || domain.kind == DomainKind::kWall;
  for (Domain& domain : domains) {
    if (!wall || domain.kind == DomainKind::kWall || !domain.included) continue;
    domain.included = false;
    domain.why_excluded = "part of what the wall meter measures";
  }
}

struct Row {
  std::string_view domain;
  Reading reading;
};

// From both ends: a domain's name may hold commas.
std::optional<Row> parse_row(std::string_view line) {
  Row row;
  std::string_view rest = line;
  const std::string_view time = take_field(rest, ',');
  const std::size_t last = rest.rfind(',');
  if (last == std::string_view::npos || last == 0) return std::nullopt;
  const std::size_t middle = rest.rfind(',', last - 1);
  if (middle == std::string_view::npos || middle == 0) return std::nullopt;
  row.domain = rest.substr(0, middle);
  const std::string_view raw = rest.substr(middle + 1, last - middle - 1);
  const auto error = parse_count(rest.substr(last + 1));
  const auto time_ns = parse_count(time);
  if (!good_name(row.domain) || !time_ns || *time_ns > kLatest_ns) return std::nullopt;
  row.reading.time_ns = static_cast<std::int64_t>(*time_ns);
  if (!error || *error > kMaxErrno) return std::nullopt;
  row.reading.error = static_cast<int>(*error);
  const auto count = parse_count(raw);
  if (!count && !(raw.empty() && row.reading.error != 0)) return std::nullopt;
  row.reading.raw = count.value_or(0);
  return row;
}

class Reader {
 public:
  std::string lines(std::string_view text) {
    return for_each_line(text,
                         [&](int number, std::string_view each) { return line(number, each); });
  }

  std::string line(int number, std::string_view text) {
    number_ = number;
    const bool first = std::exchange(first_, false);
    if (first && text.starts_with(kMetaMark)) return describe(text.substr(kMetaMark.size()));
    if (text.empty() || text.starts_with('#')) return "";
    if (std::exchange(first_row_, false) && text == kHeader) return "";
    const std::optional<Row> row = parse_row(text);
    if (!row) return expected(std::string(kHeader), text);
    return add(*row);
  }

  Parsed<Trace> finish_so_far() {
    const std::size_t domains = trace_.info.domains.size();
    if (domains > 0) trace_.readings.resize(trace_.readings.size() / domains * domains);
    if (!described_) keep_wall_apart(trace_.info.domains);
    return std::move(trace_);
  }

  Parsed<Trace> finish() {
    const std::size_t domains = trace_.info.domains.size();
    if (trace_.readings.empty()) {
      return Parsed<Trace>::failed("expected lines " + std::string(kHeader) + ", got none");
    }
    if (trace_.readings.size() % domains != 0) {
      return Parsed<Trace>::failed(
          "after line " + std::to_string(number_) + ": expected a reading of " +
          shown(trace_.info.domains[trace_.readings.size() % domains].name) + ", got the end");
    }
    if (!described_) keep_wall_apart(trace_.info.domains);
    return std::move(trace_);
  }

 private:
  std::string expected(const std::string& what, std::string_view got) const {
    return "line " + std::to_string(number_) + ": expected " + what + ", got " + shown(got);
  }

  std::string describe(std::string_view text) {
    std::optional<SourceInfo> info = info_from(text);
    if (!info || info->domains.empty()) return expected("the description of a meter", text);
    trace_.info = std::move(*info);
    described_ = true;
    grouped_ = true;
    return "";
  }

  std::string add(const Row& row) {
    std::vector<Domain>& domains = trace_.info.domains;
    const std::size_t place = grouped_ ? trace_.readings.size() % domains.size() : domains.size();
    if (!grouped_ && !domains.empty() && row.domain == domains.front().name) {
      grouped_ = true;
    } else if (!grouped_) {
      if (place == kMaxDomains) return expected("at most 4096 domains", row.domain);
      const auto same = [&](const Domain& domain) { return domain.name == row.domain; };
      if (std::any_of(domains.begin(), domains.end(), same)) {
        return expected("a reading of " + shown(domains.front().name), row.domain);
      }
      domains.push_back(plain_domain(row.domain));
    } else if (row.domain != domains[place].name) {
      return expected("a reading of " + shown(domains[place].name), row.domain);
    }
    trace_.readings.push_back(row.reading);
    return "";
  }

  Trace trace_{{"trace", "", {}, "as the trace's names say", false}, {}};
  int number_ = 0;
  bool first_ = true;
  bool first_row_ = true;
  bool described_ = false;
  bool grouped_ = false;  // all domains are known
};

}  // namespace

Parsed<Trace> parse_trace(std::string_view text) {
  Reader reader;
  const std::string error = reader.lines(text);
  return error.empty() ? reader.finish() : Parsed<Trace>::failed(error);
}

Parsed<Trace> parse_trace_so_far(std::string_view text) {
  Reader reader;
  const std::string error = reader.lines(complete_lines(text));
  return error.empty() ? reader.finish_so_far() : Parsed<Trace>::failed(error);
}

std::string to_text(const Trace& trace) {
  json meta = {{"source", trace.info.name},
               {"detail", trace.info.detail},
               {"coverage", trace.info.coverage},
               {"attributed", trace.info.attributed},
               {"domains", json::array()}};
  for (const Domain& domain : trace.info.domains) meta["domains"].push_back(to_json(domain));
  std::string text(kMetaMark);
  text += meta.dump(-1, ' ', true, json::error_handler_t::replace) + "\n";
  text.append(kHeader).append("\n");
  const std::size_t domains = trace.info.domains.size();
  for (std::size_t i = 0; i < trace.readings.size(); ++i) {
    const Reading& reading = trace.readings[i];
    text += std::to_string(reading.time_ns) + "," + trace.info.domains[i % domains].name + "," +
            std::to_string(reading.raw) + "," + std::to_string(reading.error) + "\n";
  }
  return text;
}

}  // namespace tern::energy
