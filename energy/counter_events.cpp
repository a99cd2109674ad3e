#include "energy/counter_events.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "energy/sysfs_file.h"

namespace tern::energy {
namespace {

constexpr std::array kDefaultNames = {"cycles", "instructions", "llc_misses", "frontend_stalls",
                                      "backend_stalls"};
constexpr std::array kDetailNames = {"simd_128", "simd_256", "simd_512", "simd_scalable",
                                     "dtlb_walks"};

// Either an event of libpfm4 (without its PMU, unless the kernel's generic one) or a reason.
struct Answer {
  const char* event = nullptr;
  const char* why_not = nullptr;
};

constexpr Answer event(const char* name) { return {name, nullptr}; }
constexpr Answer none(const char* why) { return {nullptr, why}; }

struct Microarchitecture {
  std::string_view pmu;
  Answer llc_misses, frontend_stalls, backend_stalls;
  Answer simd_128, simd_256, simd_512, simd_scalable, dtlb_walks;
};

constexpr Answer kNotScalable = none("vectors of scalable width are an ARM extension (SVE)");
constexpr Answer kNoSve = none("this CPU has no SVE");
constexpr Answer kNoSuchWidth = none("this CPU has no vector registers of this width");
constexpr Answer kNoWidths =
    none("this CPU counts floating-point operations, not vector instructions by width");

// Demand misses of the L2 DTLB, by size of page: each is a walk.
constexpr Answer kZenWalks = event(
    "L1_DTLB_MISS:TLB_RELOAD_4K_L2_MISS:TLB_RELOAD_COALESCED_PAGE_MISS:"
    "TLB_RELOAD_2M_L2_MISS:TLB_RELOAD_1G_L2_MISS");

// Intel: cycles in which the front end delivered nothing to a back end that waited, and cycles in
// which nothing ran while a load was outstanding. FP_ARITH has no event of all types of one width:
// binary32 is what engines compute in. The integer dot product (VNNI) has no event at all.
constexpr Microarchitecture intel(std::string_view pmu, const char* memory_stalls) {
  return {pmu,
          event("LONGEST_LAT_CACHE:MISS"),
          event("IDQ_UOPS_NOT_DELIVERED:CYCLES_0_UOPS_DELIV_CORE"),
          event(memory_stalls),
          event("FP_ARITH_INST_RETIRED:128B_PACKED_SINGLE"),
          event("FP_ARITH_INST_RETIRED:256B_PACKED_SINGLE"),
          event("FP_ARITH_INST_RETIRED:512B_PACKED_SINGLE"),
          kNotScalable,
          event("DTLB_LOAD_MISSES:WALK_COMPLETED")};
}

// ARM: cycles without an operation dispatched, because the front end had none or because the back
// end took none (Arm's PMU guides for Neoverse). ASE_SPEC is Advanced SIMD (Neon).
constexpr Microarchitecture neoverse(std::string_view pmu, Answer scalable) {
  return {pmu,
          event("LL_CACHE_MISS_RD"),
          event("STALL_FRONTEND"),
          event("STALL_BACKEND"),
          event("ASE_SPEC"),
          kNoSuchWidth,
          kNoSuchWidth,
          scalable,
          event("DTLB_WALK")};
}

// Zen: the L3 has a PMU of its own, so a miss of it is a line that came from memory into the first
// data cache. Zen 2 and 3 have no single event of "the back end took nothing": a full load queue
// and a full reorder buffer are what waiting for memory looks like there. Zen 4 counts dispatch
// slots lost, six to a cycle.
constexpr std::array kTable = {
    intel("icl", "CYCLE_ACTIVITY:STALLS_MEM_ANY"),
    intel("icx", "CYCLE_ACTIVITY:STALLS_MEM_ANY"),
    intel("spr", "EXE_ACTIVITY:BOUND_ON_LOADS"),
    Microarchitecture{
        "amd64_fam17h_zen2",
        event("DATA_CACHE_REFILLS_FROM_SYSTEM:LS_MABRESP_LCL_DRAM:LS_MABRESP_RMT_DRAM"),
        event("UOPS_QUEUE_EMPTY"), event("DISPATCH_RESOURCE_STALL_CYCLES_1:LOAD_QUEUE_RSRC_STALL"),
        kNoWidths, kNoWidths, kNoSuchWidth, kNotScalable, kZenWalks},
    Microarchitecture{
        "amd64_fam19h_zen3", event("ANY_DATA_CACHE_FILLS_FROM_SYSTEM:MEM_IO_LCL:MEM_IO_RMT"),
        event("UOPS_QUEUE_EMPTY"), event("DISPATCH_RESOURCE_STALL_CYCLES_2:RETIRE_TOKEN_STALL"),
        kNoWidths, kNoWidths, kNoSuchWidth, kNotScalable, kZenWalks},
    Microarchitecture{
        "amd64_fam19h_zen4", event("ANY_DATA_CACHE_FILLS_FROM_SYSTEM:DRAM_IO_NEAR:DRAM_IO_FAR"),
        event("DISPATCH_STALLS_1:FE_NO_OPS"), event("DISPATCH_STALLS_1:BE_STALLS"),
        event("RETIRED_FP_OPS_BY_WIDTH:PACK128_UOPS_RETIRED"),
        event("RETIRED_FP_OPS_BY_WIDTH:PACK256_UOPS_RETIRED"),
        event("RETIRED_FP_OPS_BY_WIDTH:PACK512_UOPS_RETIRED"), kNotScalable, kZenWalks},
    neoverse("arm_n1", kNoSve),
    neoverse("arm_n2", event("SVE_INST_SPEC")),
    neoverse("arm_v1", event("SVE_INST_SPEC")),
    neoverse("arm_v2", event("SVE_INST_SPEC")),
};

constexpr Answer kUnknownVendor =
    none("what the kernel's generic event means on this maker's CPUs is not known");
constexpr Answer kNoGeneric =
    none("neither libpfm4's table for this CPU nor the kernel's generic events have it");

// The kernel's generic events where libpfm4 knows no better: arch/x86/events/{intel,amd}/core.c and
// drivers/perf/arm_pmuv3.c say what each of them means.
Microarchitecture generic(std::string_view vendor) {
  Microarchitecture g{.pmu = {},
                      .llc_misses = kUnknownVendor,
                      .frontend_stalls = event("PERF_COUNT_HW_STALLED_CYCLES_FRONTEND"),
                      .backend_stalls = event("PERF_COUNT_HW_STALLED_CYCLES_BACKEND"),
                      .simd_128 = kNoGeneric,
                      .simd_256 = kNoGeneric,
                      .simd_512 = kNoGeneric,
                      .simd_scalable = kNoGeneric,
                      .dtlb_walks = kUnknownVendor};
  constexpr Answer kReadWalks = event("PERF_COUNT_HW_CACHE_DTLB:READ:MISS");
  if (vendor == "GenuineIntel") {
    g.llc_misses = event("PERF_COUNT_HW_CACHE_MISSES");
    g.dtlb_walks = kReadWalks;
  } else if (vendor == "AuthenticAMD" || vendor == "HygonGenuine") {
    g.llc_misses = none("the kernel's generic cache misses are those of the L2 on this CPU");
    g.dtlb_walks = kReadWalks;
  } else if (vendor == "arm") {
    g.llc_misses = none("the kernel's generic cache misses are refills of the L1 on this CPU");
    g.dtlb_walks =
        none("the kernel's generic DTLB misses are refills, not page walks, on this CPU");
  }
  return g;
}

CounterChoice choice(const char* name, const Answer& answer, std::string_view pmu) {
  if (answer.event == nullptr) return {name, "", answer.why_not};
  const bool is_generic = std::string_view(answer.event).starts_with("PERF_COUNT_");
  const std::string prefix = is_generic ? "" : std::string(pmu) + "::";
  return {name, prefix + answer.event, ""};
}

}  // namespace

std::vector<CounterChoice> counter_choices(CounterSet set, std::string_view pmu,
                                           std::string_view vendor) {
  const auto* const known = std::find_if(
      kTable.begin(), kTable.end(), [&](const Microarchitecture& row) { return row.pmu == pmu; });
  const Microarchitecture row = known != kTable.end() ? *known : generic(vendor);
  // The kernel maps these two to a fixed counter where there is one, which no table does.
  const std::array default_answers = {event("PERF_COUNT_HW_CPU_CYCLES"),
                                      event("PERF_COUNT_HW_INSTRUCTIONS"), row.llc_misses,
                                      row.frontend_stalls, row.backend_stalls};
  const std::array detail_answers = {row.simd_128, row.simd_256, row.simd_512, row.simd_scalable,
                                     row.dtlb_walks};
  const bool is_default = set == CounterSet::kDefault;
  const std::span<const char* const> names =
      is_default ? std::span<const char* const>(kDefaultNames) : kDetailNames;
  const std::span<const Answer> answers =
      is_default ? std::span<const Answer>(default_answers) : detail_answers;
  std::vector<CounterChoice> choices;
  for (std::size_t i = 0; i < names.size(); ++i) {
    choices.push_back(choice(names[i], answers[i], row.pmu));
  }
  return choices;
}

}  // namespace tern::energy
