#include "energy/battery_source.h"

#include <cerrno>
#include <filesystem>

#include "tests/support/catch.h"
#include "tests/support/fake_sysfs.h"

using namespace tern::energy;
using Catch::Contains;
using tern::tests::FakeSysfs;

namespace {

void supply(const FakeSysfs& tree, const std::string& name, const std::string& file,
            const std::string& text) {
  tree.write("sys/class/power_supply/" + name + "/" + file, text + "\n");
}

void battery(const FakeSysfs& tree, const std::string& name, const std::string& status) {
  supply(tree, name, "type", "Battery");
  supply(tree, name, "present", "1");
  supply(tree, name, "status", status);
}

Reading read(EnergySource& source) {
  Reading reading;
  source.read({&reading, 1});
  return reading;
}

}  // namespace

TEST_CASE("a discharging battery is the whole machine, slowly") {
  const FakeSysfs tree;
  battery(tree, "BAT0", "Discharging");
  supply(tree, "BAT0", "power_now", "12345000");
  supply(tree, "AC", "type", "Mains");
  const Probe probe = probe_battery(tree.root());
  INFO(probe.why_not);
  REQUIRE(probe.source != nullptr);
  const SourceInfo& info = probe.source->info();
  CHECK(info.name == "battery");
  REQUIRE(info.domains.size() == 1);
  CHECK(info.domains[0].name == "BAT0");
  CHECK(info.domains[0].quantity == Quantity::kPower);
  CHECK(info.domains[0].included);
  CHECK(info.domains[0].longest_poll_s == Approx(1));
  CHECK(info.domains[0].min_window_s == Approx(600));  // ten minutes
  CHECK_THAT(info.coverage, Contains("the whole machine on battery (BAT0)"));
  const Reading reading = read(*probe.source);
  CHECK(reading.error == 0);
  CHECK(reading.raw == 12'345'000);
}

TEST_CASE("a battery without power_now gives current times voltage, whatever the sign") {
  const FakeSysfs tree;
  battery(tree, "BAT1", "Discharging");
  supply(tree, "BAT1", "current_now", "-1500000");
  supply(tree, "BAT1", "voltage_now", "11400000");
  const Probe probe = probe_battery(tree.root());
  REQUIRE(probe.source != nullptr);
  CHECK(read(*probe.source).raw == 17'100'000);
}

TEST_CASE("on mains power there is no meter, and going there mid-run ends it") {
  const FakeSysfs tree;
  supply(tree, "BAT0", "power_now", "9000000");
  for (const char* status : {"Charging", "Full", "Not charging", "Unknown", ""}) {
    battery(tree, "BAT0", status);
    const Probe probe = probe_battery(tree.root());
    INFO(status);
    CHECK(probe.source == nullptr);
    CHECK_THAT(probe.why_not,
               Contains("no battery is discharging") && Contains("BAT0: " + std::string(status)));
    CHECK(probe.remedy == "unplug the power supply");
  }
  battery(tree, "BAT0", "Discharging");
  const Probe probe = probe_battery(tree.root());
  REQUIRE(probe.source != nullptr);
  CHECK(read(*probe.source).error == 0);
  battery(tree, "BAT0", "Charging");
  CHECK(read(*probe.source).error == ENODATA);
  CHECK_THAT(probe.source->info().domains[0].no_data, Contains("not discharging"));
}

TEST_CASE("two batteries are emptied one after the other and count together") {
  const FakeSysfs tree;
  battery(tree, "BAT0", "Discharging");
  battery(tree, "BAT1", "Not charging");
  supply(tree, "BAT0", "power_now", "8000000");
  supply(tree, "BAT1", "power_now", "1");
  const Probe probe = probe_battery(tree.root());
  REQUIRE(probe.source != nullptr);
  CHECK(probe.source->info().domains[0].name == "BAT0 + BAT1");
  CHECK(read(*probe.source).raw == 8'000'000);
  battery(tree, "BAT1", "Discharging");
  supply(tree, "BAT1", "power_now", "7000000");
  CHECK(read(*probe.source).raw == 15'000'000);
  battery(tree, "BAT1", "Charging");
  CHECK(read(*probe.source).error == ENODATA);
}

TEST_CASE("batteries of a mouse, or not there, do not feed the machine") {
  const FakeSysfs tree;
  CHECK_THAT(probe_battery(tree.root()).why_not, Contains("no battery that feeds the machine"));
  battery(tree, "hidpp_battery_0", "Discharging");
  supply(tree, "hidpp_battery_0", "scope", "Device");
  battery(tree, "BAT0", "Discharging");
  supply(tree, "BAT0", "present", "0");
  CHECK_THAT(probe_battery(tree.root()).why_not, Contains("no battery that feeds the machine"));
}

TEST_CASE("rates that are none are refused") {
  const FakeSysfs tree;
  battery(tree, "BAT0", "Discharging");
  CHECK_THAT(probe_battery(tree.root()).why_not,
             Contains("cannot read the rate of BAT0") && Contains("neither power_now"));
  supply(tree, "BAT0", "current_now", "9223372036854775807");
  supply(tree, "BAT0", "voltage_now", "9223372036854775807");
  CHECK_THAT(probe_battery(tree.root()).why_not, Contains("not a number that a battery can give"));
  supply(tree, "BAT0", "current_now", "-9223372036854775808");
  CHECK_THAT(probe_battery(tree.root()).why_not, Contains("not a number that a battery can give"));
  supply(tree, "BAT0", "power_now", "twelve");
  CHECK_THAT(probe_battery(tree.root()).why_not, Contains("not a number that a battery can give"));
  supply(tree, "BAT0", "power_now", "0");
  CHECK_THAT(probe_battery(tree.root()).why_not, Contains("no battery is discharging"));
}
