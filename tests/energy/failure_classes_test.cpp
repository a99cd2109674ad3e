// The ways in which other energy tools are known to go wrong, each with the shape that it took
// there and the answer that it gets here. Those that concern runs and their order are tested where
// runs are made.
#include <cerrno>
#include <filesystem>

#include "energy/counter_unwrapper.h"
#include "energy/energy_meter.h"
#include "energy/perf_group.h"
#include "energy/powercap_source.h"
#include "tests/energy/simulated_rapl.h"
#include "tests/support/catch.h"
#include "tests/support/fake_sysfs.h"
#include "tests/support/unprivileged.h"

using namespace tern::energy;
using Catch::Contains;
using tern::tests::FakeSysfs;
using tern::tests::rapl_domain;
using tern::tests::rapl_info;
using tern::tests::SimulatedCounter;
using tern::tests::SimulatedRapl;

namespace {

// A window of a copied tree, in which `meanwhile` happens.
template <typename Action>
EnergyDelta metered(const FakeSysfs& tree, const Action& meanwhile) {
  Probe probe = probe_powercap({.sysroot = tree.root(), .live = false, .pause = {}});
  INFO(probe.why_not);
  REQUIRE(probe.source != nullptr);
  EnergyMeter meter(std::move(probe.source));
  meter.start();
  meanwhile();
  return meter.stop();
}

const DomainEnergy& named(const EnergyDelta& delta, const std::string& name) {
  for (const DomainEnergy& domain : delta.domains) {
    if (domain.name == name) return domain;
  }
  FAIL("no domain " << name);
  return delta.domains.front();
}

}  // namespace

TEST_CASE("failure class: wrap lost or negative") {
  const FakeSysfs tree;
  tree.zone("intel-rapl:0", "package-0", 262'143'328'000);
  const EnergyDelta delta = metered(tree, [&] { tree.energy("intel-rapl:0", 9'089); });
  CHECK(delta.status == Status::kMeasured);
  CHECK(delta.total_joules == Approx(0.01));
  // 1795 s with one reading at each end: 30 811 J, or a whole range more?
  CounterUnwrapper counter(rapl_domain("package-0", DomainKind::kPackage, 0));
  counter.feed({0, 1, 0});
  counter.feed({30'811'000'000, 1'795'000'000'000, 0});
  CHECK(counter.fault() == Fault::kAmbiguousWrap);
}

TEST_CASE("failure class: read error read as number") {
  for (const char* text : {"", "-1\n", "Permission denied\n", "1000000 \n", "1000000"}) {
    INFO('"' << text << '"');
    const FakeSysfs tree;
    tree.zone("intel-rapl:0", "package-0", 1000);
    const EnergyDelta delta =
        metered(tree, [&] { tree.write("sys/class/powercap/intel-rapl:0/energy_uj", text); });
    CHECK(delta.status == Status::kNotMeasured);
    CHECK(delta.total_joules == 0);
    CHECK_FALSE(delta.domains[0].measured);
    CHECK_THAT(delta.why, Contains("package-0: a reading was not one whole number"));
  }
  for (const int error : {ENODEV, EIO, ENOENT, ENODATA}) {
    SimulatedRapl* source = nullptr;
    auto owned = std::make_unique<SimulatedRapl>(
        rapl_info({rapl_domain("package-0", DomainKind::kPackage, 0)}),
        std::vector<SimulatedCounter>{{}});
    source = owned.get();
    EnergyMeter meter(std::move(owned));
    meter.start();
    source->counter(0).error = error;
    source->pass(0.5);
    const EnergyDelta delta = meter.stop();
    CHECK(delta.status == Status::kNotMeasured);
    CHECK(delta.total_joules == 0);
    CHECK_THAT(delta.why, Contains("a reading failed"));
  }
}

TEST_CASE("failure class: wrong unit") {
  // Memory that seems to draw 600 W, as with the unit of another model; and joules taken for
  // microjoules.
  for (const double factor : {30.0, 1e6}) {
    const FakeSysfs tree;
    tree.zone("intel-rapl:0", "package-0", 1000);
    tree.zone("intel-rapl:0:0", "dram", 1000, "65712999613\n");
    const EnergyDelta delta = metered(tree, [&] {
      tree.energy("intel-rapl:0", 2000);
      tree.energy("intel-rapl:0:0", 1000 + static_cast<std::uint64_t>(20e6 * factor));
    });
    CHECK(delta.status == Status::kNotMeasured);
    CHECK_THAT(delta.why, Contains("package-0/dram: the counter rose by") ||
                              Contains("package-0/dram: the counter reads 20000000001000, beyond"));
  }
}

TEST_CASE("failure class: double count") {
  const FakeSysfs tree;
  tree.cpus({0, 0});
  const char* const zones[][2] = {{"intel-rapl:0", "package-0-die-0"},
                                  {"intel-rapl:0:0", "core"},
                                  {"intel-rapl:0:1", "uncore"},
                                  {"intel-rapl:0:2", "dram"},
                                  {"intel-rapl:1", "psys"},
                                  {"intel-rapl:2", "package-0-die-1"},
                                  {"intel-rapl-mmio:0", "package-0"}};
  for (const auto& [id, name] : zones) tree.zone(id, name, 1000);
  const EnergyDelta delta = metered(tree, [&] {
    for (const auto& [id, name] : zones) tree.energy(id, 1'001'000);
    tree.energy("intel-rapl:0:2", 501'000);
  });
  INFO(delta.why);
  CHECK(delta.status == Status::kMeasured);
  CHECK(delta.total_joules == Approx(1.5));
  CHECK_THAT(named(delta, "package-0-die-1").why, Contains("mirrored"));
  CHECK(named(delta, "psys").why == "contains the packages");
  CHECK(named(delta, "package-0-die-0/core").why == "inside the package");
  CHECK_FALSE(named(delta, "intel-rapl-mmio:0/package-0").included);
  CHECK_THAT(delta.coverage, Contains("package-0-die-1 mirrored"));
}

TEST_CASE("failure class: sockets or dies missing") {
  const FakeSysfs tree;
  tree.cpus({0, 1});
  tree.zone("intel-rapl:0", "package-0", 1000);
  const EnergyDelta delta = metered(tree, [&] { tree.energy("intel-rapl:0", 2000); });
  CHECK(delta.coverage == "1 of 2 packages, no dram domain");
}

TEST_CASE("failure class: silent estimate") {
  const FakeSysfs empty;
  const auto meter = open_meter(empty.root());
  meter->start();
  const EnergyDelta delta = meter->stop();
  CHECK(delta.status == Status::kNotMeasured);
  CHECK(delta.total_joules == 0);
  CHECK(delta.domains.empty());
  CHECK_THAT(delta.why, Contains("perf: ") && Contains("powercap: "));
}

TEST_CASE("failure class: permission denied becomes zero or panic") {
  const FakeSysfs tree;
  tree.zone("intel-rapl:0", "package-0", 1000);
  const auto lock = [&](const char* file) {
    std::filesystem::permissions(tree.path("sys/class/powercap/intel-rapl:0") / file,
                                 std::filesystem::perms::none);
  };
  lock("max_energy_range_uj");
  const auto probe_unprivileged = [&] {
    const tern::tests::Unprivileged nobody;
    return ::geteuid() == 0 ? Probe{}
                            : probe_powercap({.sysroot = tree.root(), .live = false, .pause = {}});
  };
  const Probe range = probe_unprivileged();
  if (range.name.empty()) {
    WARN("cannot give up root here: denied reads are not tested");
    return;
  }
  CHECK(range.source == nullptr);
  CHECK_THAT(range.why_not, Contains("max_energy_range_uj (Permission denied)"));
  lock("energy_uj");
  std::filesystem::permissions(
      tree.path("sys/class/powercap/intel-rapl:0/max_energy_range_uj"),
      std::filesystem::perms::owner_read | std::filesystem::perms::others_read);
  const Probe energy = probe_unprivileged();
  CHECK(energy.source == nullptr);
  CHECK_THAT(energy.why_not, Contains("denied"));
  CHECK_FALSE(energy.remedy.empty());
}

TEST_CASE("failure class: window too short") {
  auto owned = std::make_unique<SimulatedRapl>(
      rapl_info({rapl_domain("package-0", DomainKind::kPackage, 0)}),
      std::vector<SimulatedCounter>{{.tick_s = 0.05}});  // a filtered counter: every 50 ms
  SimulatedRapl& source = *owned;
  EnergyMeter meter(std::move(owned));
  meter.start();
  source.pass(0.08);
  const EnergyDelta delta = meter.stop();
  CHECK(delta.status == Status::kNotMeasured);
  CHECK_THAT(delta.why, Contains("too short for this counter"));
}

TEST_CASE("failure class: multiplexed counters unscaled") {
  const ThreadCount half[] = {{.value = 500, .enabled = 100, .running = 50}};
  const CounterValue value = combine("cycles", half);
  CHECK(value.value == Approx(1000));
  CHECK(value.running_share == Approx(0.5));
  const ThreadCount never[] = {{.value = 0, .enabled = 100, .running = 0}};
  CHECK_FALSE(combine("cycles", never).measured);
}
