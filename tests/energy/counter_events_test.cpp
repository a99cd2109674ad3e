#include "energy/counter_events.h"

#include <stdlib.h>

#include <array>
#include <set>

#include "energy/pfm_encode.h"
#include "tests/support/catch.h"
#include "tests/support/fake_sysfs.h"

using namespace tern::energy;
using Catch::Contains;

namespace {

// libpfm4 reads this once, when it starts: it then encodes for CPUs that are not this one.
const int encode_inactive = ::setenv("LIBPFM_ENCODE_INACTIVE", "1", 1);

#if defined(__x86_64__)
constexpr std::array kPmus = {
    "icl", "icx", "spr", "amd64_fam17h_zen2", "amd64_fam19h_zen3", "amd64_fam19h_zen4"};
#else
constexpr std::array kPmus = {"arm_n1", "arm_n2", "arm_v1", "arm_v2"};
#endif

CounterChoice choice(CounterSet set, const char* name, const char* pmu, const char* vendor = "") {
  for (const CounterChoice& found : counter_choices(set, pmu, vendor)) {
    if (found.name == name) return found;
  }
  FAIL("no counter " << name);
  return {};
}

void check_encodes(const char* pmu) {
  for (const CounterSet set : {CounterSet::kDefault, CounterSet::kDetail}) {
    std::set<std::uint64_t> configs;
    for (const CounterChoice& one : counter_choices(set, pmu, "")) {
      INFO(pmu << " " << one.name << " " << one.event << one.why_not);
      CHECK(one.event.empty() != one.why_not.empty());
      if (one.event.empty()) continue;
      const PerfEvent event = encode_event(one.name, one.event);
      CHECK(event.why_not == "");
      CHECK(event.name == one.name);
      // Two names of one set never count the same bits.
      CHECK(configs.insert(event.config).second);
    }
  }
}

}  // namespace

TEST_CASE("libpfm4 can encode every event of the table for its CPU") {
  REQUIRE(encode_inactive == 0);
  for (const char* pmu : kPmus) check_encodes(pmu);
}

TEST_CASE("the encodings are those of the makers' manuals") {
#if defined(__x86_64__)
  const auto code = [](CounterSet set, const char* name, const char* pmu) {
    return encode_event(name, choice(set, name, pmu).event).config & 0xf0000ffff;
  };
  // LONGEST_LAT_CACHE.MISS is 2E/41; Zen 3's fills from any source are 44 (bits 3 and 6: DRAM near
  // and far); DISPATCH_STALLS_1 of Zen 4 is 1A0.
  CHECK(code(CounterSet::kDefault, "llc_misses", "icx") == 0x412e);
  CHECK(code(CounterSet::kDefault, "llc_misses", "spr") == 0x412e);
  CHECK(code(CounterSet::kDefault, "llc_misses", "amd64_fam19h_zen3") == 0x4844);
  CHECK(code(CounterSet::kDefault, "backend_stalls", "amd64_fam19h_zen4") == 0x100001ea0);
  CHECK(code(CounterSet::kDetail, "dtlb_walks", "spr") == 0x0e12);
#endif
}

TEST_CASE("the default group fits the smallest budget of counters") {
  // Zen has six counters of which the watchdog may hold one; Intel and ARM count cycles, and Intel
  // instructions too, on counters of their own and have at least four others.
  for (const auto* pmu : {"icx", "amd64_fam17h_zen2", "amd64_fam19h_zen4", "arm_n1", ""}) {
    const auto choices = counter_choices(CounterSet::kDefault, pmu, "GenuineIntel");
    REQUIRE(choices.size() == 5);
    CHECK(choices[0].event == "PERF_COUNT_HW_CPU_CYCLES");
    CHECK(choices[1].event == "PERF_COUNT_HW_INSTRUCTIONS");
  }
}

TEST_CASE("a CPU without a name for it has a reason, not another event") {
  CHECK(choice(CounterSet::kDetail, "simd_512", "amd64_fam19h_zen3").event.empty());
  CHECK_THAT(choice(CounterSet::kDetail, "simd_512", "amd64_fam19h_zen3").why_not,
             Contains("no vector registers"));
  CHECK_THAT(choice(CounterSet::kDetail, "simd_scalable", "arm_n1").why_not, Contains("no SVE"));
  CHECK(choice(CounterSet::kDetail, "simd_scalable", "arm_v2").event == "arm_v2::SVE_INST_SPEC");
}

TEST_CASE("CPUs that libpfm4 does not know get the kernel's generic events where they mean it") {
  // Granite Rapids, Zen 5, Cortex-A76
  const auto misses = [](const char* vendor) {
    return choice(CounterSet::kDefault, "llc_misses", "", vendor);
  };
  CHECK(misses("GenuineIntel").event == "PERF_COUNT_HW_CACHE_MISSES");
  CHECK_THAT(misses("AuthenticAMD").why_not, Contains("L2"));
  CHECK_THAT(misses("arm").why_not, Contains("L1"));
  CHECK_THAT(misses("").why_not, Contains("not known"));
  CHECK(choice(CounterSet::kDefault, "frontend_stalls", "unheard_of", "arm").event ==
        "PERF_COUNT_HW_STALLED_CYCLES_FRONTEND");
  for (const char* vendor : {"GenuineIntel", "AuthenticAMD", "arm", ""}) {
    for (const CounterSet set : {CounterSet::kDefault, CounterSet::kDetail}) {
      for (const CounterChoice& one : counter_choices(set, "", vendor)) {
        INFO(vendor << " " << one.name << " " << one.event);
        CHECK(one.event.empty() != one.why_not.empty());
        if (!one.event.empty()) CHECK(encode_event(one.name, one.event).why_not == "");
      }
    }
  }
}

TEST_CASE("an event that libpfm4 does not have is a reason") {
  const PerfEvent event = encode_event("x", "spr::NO_SUCH_EVENT");
  CHECK_THAT(event.why_not, Contains("libpfm4 cannot encode spr::NO_SUCH_EVENT"));
}
