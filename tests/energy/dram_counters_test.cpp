#include "energy/dram_counters.h"

#include <unistd.h>

#include <chrono>
#include <fstream>

#include "tests/support/catch.h"
#include "tests/support/fake_sysfs.h"

using namespace tern::energy;
using Catch::Contains;
using tern::tests::FakeSysfs;

namespace {

const std::string kDevices = "sys/bus/event_source/devices/";

// The number of a dynamic PMU that virtual machines have too: event 0 is the time stamp counter.
std::string msr_type() {
  std::ifstream file("/sys/bus/event_source/devices/msr/type");
  std::string type;
  file >> type;
  return type;
}

void write_controller(const FakeSysfs& tree, const std::string& name, const std::string& type) {
  const std::string folder = kDevices + name + "/";
  tree.write(folder + "type", type + "\n");
  tree.write(folder + "cpumask", "0\n");
  tree.write(folder + "format/event", "config:0-63\n");
  for (const std::string event : {"cas_count_read", "cas_count_write"}) {
    tree.write(folder + "events/" + event, "event=0x00\n");
    tree.write(folder + "events/" + event + ".scale", "6.103515625e-5\n");
    tree.write(folder + "events/" + event + ".unit", "MiB\n");
  }
}

// False, with a word about it, where this machine lets nobody open the stand-in.
bool usable_here(const DramCounters& counters) {
  if (counters.counters()[0].usable) return true;
  WARN("the msr PMU is not usable here: " << counters.counters()[0].why_not);
  CHECK_FALSE(counters.counters()[0].why_not.empty());
  return false;
}

}  // namespace

TEST_CASE("controllers are opened, summed and scaled to bytes") {
  const std::string type = msr_type();
  if (type.empty()) {
    WARN("there is no msr PMU here to stand in for a memory controller");
    return;
  }
  const FakeSysfs tree;
  write_controller(tree, "uncore_imc_0", type);
  DramCounters one(tree.root());
  write_controller(tree, "uncore_imc_1", type);
  DramCounters two(tree.root());
  REQUIRE(one.counters().size() == 2);
  CHECK(one.counters()[0].name == "dram_read_bytes");
  CHECK(one.counters()[1].name == "dram_write_bytes");
  if (!usable_here(one) || !usable_here(two)) return;
  // Nested windows: what the inner one sees is less than what the outer ones do.
  two.start();
  one.start();
  const auto begin = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(20)) {
  }
  const auto inner = one.stop();
  const auto outer = two.stop();
  REQUIRE(inner[0].measured);
  REQUIRE(outer[0].measured);
  CHECK(inner[0].running_share == Approx(1));
  // 64 bytes per count of a clock of at least 100 MHz, twice of it for two controllers.
  CHECK(inner[0].value > 64 * 0.020 * 1e8);
  CHECK(outer[0].value > 1.9 * inner[0].value);
}

TEST_CASE("one controller that does not open leaves no sum") {
  const std::string type = msr_type();
  if (type.empty()) return;
  const FakeSysfs tree;
  write_controller(tree, "uncore_imc_0", type);
  write_controller(tree, "uncore_imc_1", "4294967295");
  DramCounters counters(tree.root());
  CHECK_FALSE(counters.counters()[0].usable);
  CHECK_THAT(counters.counters()[0].why_not, Contains("perf_event_open"));
  counters.start();
  for (const CounterValue& value : counters.stop()) {
    CHECK_FALSE(value.measured);
    CHECK(value.value == 0);
    CHECK_FALSE(value.why.empty());
  }
}

TEST_CASE("an event that opens and never moves is absent") {
  const std::string type = msr_type();
  if (type.empty()) return;
  const FakeSysfs tree;
  write_controller(tree, "uncore_imc_0", "1");  // the kernel's software PMU
  // PERF_COUNT_SW_DUMMY counts nothing.
  tree.write(kDevices + "uncore_imc_0/events/cas_count_read", "event=0x09\n");
  const DramCounters counters(tree.root());
  CHECK_FALSE(counters.counters()[0].usable);
  if (::geteuid() == 0) {
    CHECK_THAT(counters.counters()[0].why_not,
               Contains("does not count") || Contains("perf_event_open"));
  }
}

TEST_CASE("a unit that is not bytes is refused") {
  const FakeSysfs tree;
  write_controller(tree, "uncore_imc_0", "1");
  tree.write(kDevices + "uncore_imc_0/events/cas_count_read.unit", "Joules\n");
  const DramCounters counters(tree.root());
  CHECK_THAT(counters.counters()[0].why_not, Contains("Joules"));
}

TEST_CASE("AMD's controllers are opened by number: they name no events") {
  const FakeSysfs tree;
  const std::string folder = kDevices + "amd_umc_0/";
  tree.write(folder + "type", "4294967295\n");
  tree.write(folder + "cpumask", "0\n");
  tree.write(folder + "format/event", "config:0-7\n");
  tree.write(folder + "format/rdwrmask", "config:8-9\n");
  const DramCounters counters(tree.root());
  CHECK(counters.counters()[0].event == "amd_umc_*/reads/");
  CHECK_THAT(counters.counters()[1].why_not,
             Contains("perf_event_open of amd_umc_0/writes/ on CPU 0 failed"));
}

TEST_CASE("without a controller's PMU there is a reason, and no bytes") {
  const FakeSysfs tree;
  DramCounters counters(tree.root());
  for (const CounterInfo& info : counters.counters()) {
    CHECK_FALSE(info.usable);
    CHECK_THAT(info.why_not, Contains("memory controller"));
  }
  counters.start();
  CHECK_FALSE(counters.stop()[1].measured);
}

TEST_CASE("on this machine every DRAM counter is usable or says why not") {
  DramCounters counters;
  for (const CounterInfo& info : counters.counters()) CHECK(info.usable == info.why_not.empty());
  for (const CounterValue& value : counters.stop()) CHECK_FALSE(value.measured);  // never started
}
