// Any bytes as a small tree of sysfs: every source over it is usable or says why not, what it reads
// adds up to no nonsense, and what it says fits into a record.
//
// The input is text: a line "> PATH" begins a file below sys/class, or sys where the path begins
// with bus/, the lines up to the next one are what it holds; the file "> pmic" is parsed as
// vcgencmd's answer instead.

#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "energy/battery_source.h"
#include "energy/domain_accumulator.h"
#include "energy/hwmon_source.h"
#include "energy/pmic_source.h"
#include "energy/powercap_source.h"
#include "energy/scmi_powercap_source.h"

namespace fs = std::filesystem;
using namespace tern::energy;

namespace {

void require(bool truth) {
  if (!truth) std::abort();
}

// One folder for the whole run, emptied for each input; in memory where the system allows.
class Folder {
 public:
  Folder() {
    std::error_code error;
    const bool memory = fs::is_directory("/dev/shm", error);
    const fs::path base = memory ? fs::path("/dev/shm") : fs::temp_directory_path();
    std::string name = (base / "tern-fuzz-XXXXXX").string();
    require(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

const fs::path& root() {
  static const Folder folder;
  return folder.path();
}

// Relative, of at most eight names without dots and control characters.
bool is_tame(std::string_view path) {
  constexpr std::size_t kLongest = 120;
  if (path.empty() || path.size() > kLongest || path.front() == '/') return false;
  if (path.find("..") != std::string_view::npos) return false;
  if (std::count(path.begin(), path.end(), '/') > 7) return false;
  return std::all_of(path.begin(), path.end(), [](char c) { return c > ' ' && c <= '~'; });
}

void write(const std::string& path, std::string_view content) {
  if (path == "pmic") {
    const PmicReading reading = parse_pmic(content);
    require(!reading.why.empty() || (std::isfinite(reading.power_w) && reading.power_w >= 0));
    return;
  }
  if (!is_tame(path)) return;
  const fs::path file = root() / (path.starts_with("bus/") ? "sys" : "sys/class") / path;
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  if (!error) std::ofstream(file, std::ios::binary) << content;
}

void write_tree(std::string_view input) {
  constexpr int kMostFiles = 64;
  for (int files = 0; files < kMostFiles && !input.empty(); ++files) {
    if (input.starts_with("> ")) input.remove_prefix(2);
    const std::size_t line = input.find('\n');
    const std::string path(input.substr(0, line));
    input.remove_prefix(line == std::string_view::npos ? input.size() : line + 1);
    std::size_t end = input.starts_with("> ") ? 0 : input.find("\n> ");
    if (end != std::string_view::npos && end != 0) ++end;
    write(path, input.substr(0, end));
    input.remove_prefix(end == std::string_view::npos ? input.size() : end);
  }
}

bool fits_record(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

void check_domain(const Domain& domain) {
  require(!domain.name.empty());
  require(domain.included == domain.why_excluded.empty());
  require(domain.measurable || !domain.included);
  require(domain.averaging_s >= 0 && domain.longest_poll_s > 0 && domain.min_window_s >= 0);
}

void check_source(EnergySource& source) {
  const std::vector<Domain>& domains = source.info().domains;
  require(!source.info().coverage.empty() && fits_record(source.info().coverage));
  std::vector<Reading> readings(domains.size());
  std::vector<DomainAccumulator> sums;
  for (const Domain& domain : domains) {
    check_domain(domain);
    sums.emplace_back(domain);
  }
  for (int i = 0; i < 2; ++i) {
    source.read(readings);
    for (std::size_t d = 0; d < domains.size(); ++d) {
      require(domains[d].measurable || readings[d].error != 0);
      sums[d].feed(readings[d]);
    }
  }
  for (const DomainAccumulator& sum : sums) {
    if (sum.fault() != Fault::kNone) require(!sum.why().empty());
    require(std::isfinite(sum.joules()) && sum.joules() >= 0);
    require(std::isfinite(sum.sampling_u_joules()) && sum.sampling_u_joules() >= 0);
  }
}

void check(Probe probe) {
  require((probe.source != nullptr) == probe.why_not.empty());
  if (probe.source) check_source(*probe.source);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::error_code error;
  fs::remove_all(root() / "sys", error);
  write_tree({reinterpret_cast<const char*>(data), size});
  const std::string sysroot = root().string();
  check(probe_powercap({.sysroot = sysroot, .live = false, .pause = {}}));
  check(probe_hwmon({.sysroot = sysroot, .live = false, .pause = {}}));
  check(probe_scmi_powercap(sysroot));
  check(probe_battery(sysroot));
  return 0;
}
