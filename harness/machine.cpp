#include "harness/machine.h"

#include <openssl/evp.h>

#include <array>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "harness/system_files.h"

namespace tern::harness {
namespace {

using nlohmann::json;

constexpr const char* kCpuFolder = "sys/devices/system/cpu";

#if defined(__x86_64__)
constexpr const char* kArchitecture = "x86_64";
#elif defined(__aarch64__)
constexpr const char* kArchitecture = "aarch64";
#else
constexpr const char* kArchitecture = "other";
#endif

// MIDR implementer and part numbers of server and board cores (Arm's Technical Reference Manuals,
// MIDR_EL1).
struct ArmPart {
  std::string_view implementer, part;
  const char* name;
};
constexpr ArmPart kArmParts[] = {
    {"0x41", "0xd03", "Arm Cortex-A53"},  {"0x41", "0xd05", "Arm Cortex-A55"},
    {"0x41", "0xd08", "Arm Cortex-A72"},  {"0x41", "0xd0b", "Arm Cortex-A76"},
    {"0x41", "0xd0c", "Arm Neoverse N1"}, {"0x41", "0xd40", "Arm Neoverse V1"},
    {"0x41", "0xd41", "Arm Cortex-A78"},  {"0x41", "0xd49", "Arm Neoverse N2"},
    {"0x41", "0xd4f", "Arm Neoverse V2"}, {"0x41", "0xd84", "Arm Neoverse V3"},
    {"0x41", "0xd8e", "Arm Neoverse N3"}, {"0xc0", "0xac3", "Ampere-1"},
    {"0xc0", "0xac4", "Ampere-1A"},
};

std::string cpu_name_of(const std::string& cpuinfo) {
  for (const char* key : {"model name", "Model Name", "cpu model"}) {
    if (const auto name = colon_value(cpuinfo, key); name && !name->empty()) return *name;
  }
  const auto implementer = colon_value(cpuinfo, "CPU implementer");
  const auto part = colon_value(cpuinfo, "CPU part");
  if (!implementer || !part) return "unknown CPU";
  for (const ArmPart& known : kArmParts) {
    if (known.implementer == *implementer && known.part == *part) return known.name;
  }
  return "Arm implementer " + *implementer + " part " + *part;
}

json cpu_facts(const std::string& cpuinfo) {
  // The kernel's words on the left; bogomips and cpu MHz are readings of this boot and stay out.
  constexpr std::pair<const char*, const char*> kFields[] = {
      {"vendor_id", "vendor"},    {"cpu family", "family"},   {"model", "model"},
      {"stepping", "stepping"},   {"microcode", "microcode"}, {"CPU implementer", "implementer"},
      {"CPU variant", "variant"}, {"CPU part", "part"},       {"CPU revision", "revision"},
  };
  json cpu = {{"name", cpu_name_of(cpuinfo)}};
  for (const auto& [key, field] : kFields) {
    if (const auto value = colon_value(cpuinfo, key)) cpu[field] = *value;
  }
  for (const char* key : {"flags", "Features"}) {
    if (const auto value = colon_value(cpuinfo, key)) cpu["features"] = *value;
  }
  return cpu;
}

json topology_facts(const SystemFiles& files) {
  std::set<std::int64_t> packages;
  std::set<std::pair<std::int64_t, std::string>> cores;
  int threads = 0;
  for (const std::string& cpu : files.numbered(kCpuFolder, "cpu")) {
    const std::string folder = std::string(kCpuFolder) + "/" + cpu + "/topology/";
    const auto package = files.number(folder + "physical_package_id");
    if (!package) continue;  // offline
    ++threads;
    packages.insert(*package);
    auto siblings = files.text(folder + "core_cpus_list");
    if (!siblings) siblings = files.text(folder + "thread_siblings_list");
    cores.emplace(*package, siblings.value_or(cpu));
  }
  json topology = json::object();
  if (threads == 0) return topology;
  topology = {{"packages", packages.size()}, {"cores", cores.size()}, {"threads", threads}};
  const auto nodes = files.numbered("sys/devices/system/node", "node").size();
  if (nodes > 0) topology["numa_nodes"] = nodes;
  return topology;
}

// One row per level and type; instances are told apart by the CPUs that share them.
json cache_facts(const SystemFiles& files) {
  struct Cache {
    json facts;
    std::set<std::string> instances;
  };
  std::map<std::pair<std::int64_t, std::string>, Cache> caches;
  for (const std::string& cpu : files.numbered(kCpuFolder, "cpu")) {
    const std::string folder = std::string(kCpuFolder) + "/" + cpu + "/cache";
    for (const std::string& index : files.numbered(folder, "index")) {
      const std::string path = folder + "/" + index + "/";
      const auto level = files.number(path + "level");
      const auto type = files.text(path + "type");
      const auto size = files.text(path + "size");
      if (!level || !type || !size) continue;
      Cache& cache = caches[{*level, *type}];
      cache.instances.insert(files.text(path + "shared_cpu_list").value_or(cpu));
      cache.facts = {{"level", *level}, {"type", *type}, {"size", *size}};
      for (const char* field : {"coherency_line_size", "ways_of_associativity"}) {
        if (const auto value = files.number(path + field)) cache.facts[field] = *value;
      }
    }
  }
  json rows = json::array();
  for (auto& [key, cache] : caches) {
    cache.facts["instances"] = cache.instances.size();
    rows.push_back(std::move(cache.facts));
  }
  return rows;
}

std::string sha256(const std::string& text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  constexpr char kHex[] = "0123456789abcdef";
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    hex += kHex[digest[i] >> 4];
    hex += kHex[digest[i] & 15];
  }
  return hex;
}

// "MemTotal: 24684084 kB" -> bytes
std::optional<std::int64_t> memory_total(const SystemFiles& files) {
  const auto line = colon_value(files.text("proc/meminfo").value_or(""), "MemTotal");
  if (!line) return std::nullopt;
  return std::strtoll(line->c_str(), nullptr, 10) * 1024;
}

// What identifies the machine. The kernel keeps a little memory for itself that changes with its
// version and each boot, so memory counts in whole GiB; kernel and OS are facts, but an upgrade is
// no new machine.
std::string identity_hash(const json& facts) {
  json identity = {{"architecture", facts.at("architecture")},
                   {"cpu", facts.at("cpu")},
                   {"topology", facts.at("topology")},
                   {"caches", facts.at("caches")}};
  if (facts.contains("memory")) {
    constexpr std::int64_t kGib = std::int64_t{1} << 30;
    identity["memory_gib"] = (facts["memory"]["total_bytes"].get<std::int64_t>() + kGib / 2) / kGib;
  }
  // The kernel's feature list grows with its version.
  identity["cpu"].erase("features");
  return sha256(identity.dump());  // keys are sorted: the text is canonical
}

}  // namespace

json machine_facts(const std::string& sysroot) {
  const SystemFiles files(sysroot);
  json facts = {{"architecture", kArchitecture},
                {"cpu", cpu_facts(files.text("proc/cpuinfo").value_or(""))},
                {"topology", topology_facts(files)},
                {"caches", cache_facts(files)}};
  if (const auto total = memory_total(files)) facts["memory"] = {{"total_bytes", *total}};
  if (const auto release = files.text("proc/sys/kernel/osrelease")) {
    facts["kernel"] = "Linux " + *release;
  }
  const std::string os_release = files.text("etc/os-release").value_or("");
  const std::string key = "PRETTY_NAME=\"";
  if (const std::size_t at = os_release.find(key); at != std::string::npos) {
    const std::size_t begin = at + key.size();
    facts["os"] = os_release.substr(begin, os_release.find('"', begin) - begin);
  }
  facts["hash"] = identity_hash(facts);
  return facts;
}

std::string cpu_name(const std::string& sysroot) {
  return cpu_name_of(SystemFiles(sysroot).text("proc/cpuinfo").value_or(""));
}

}  // namespace tern::harness
