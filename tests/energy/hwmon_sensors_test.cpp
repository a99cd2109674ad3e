#include "energy/hwmon_sensors.h"

#include "tests/energy/hwmon_trees.h"
#include "tests/support/catch.h"

using namespace tern::energy;
using namespace tern::tests;
using Catch::Contains;

namespace {

HwmonListing listing_of(const FakeSysfs& tree) {
  return list_hwmon_sensors(tree.path("sys/class/hwmon").string());
}

}  // namespace

TEST_CASE("the rails of an INA3221 are voltage times current, without shunts and sums") {
  const FakeSysfs tree;
  const FakeChip chip = jetson(tree, 4);
  const auto sensors = listing_of(tree).sensors;
  REQUIRE(sensors.size() == 3);
  CHECK(sensors[0].chip == "ina3221");
  CHECK(sensors[0].channel == "in1");
  CHECK(sensors[0].label == "VDD_IN");
  CHECK(sensors[0].quantity == Quantity::kPower);
  CHECK(sensors[0].path == chip.path("in1_input"));
  CHECK(sensors[0].times_path == chip.path("curr1_input"));
  CHECK(sensors[0].averaging_s == Approx(0.002));
  CHECK(sensors[2].label == "VDD_SOC");
}

TEST_CASE("a chip with a power of its own is not multiplied") {
  const FakeSysfs tree;
  const FakeChip chip(tree, 0, "ina226");
  chip.number("in0_input", 3).number("in1_input", 5000).number("curr1_input", 1000);
  chip.number("power1_input", 5'000'000).write("label", "VDD_IN\n");
  const auto sensors = listing_of(tree).sensors;
  REQUIRE(sensors.size() == 1);
  CHECK(sensors[0].channel == "power1");
  CHECK(sensors[0].path == chip.path("power1_input"));
  CHECK(sensors[0].times_path.empty());
  CHECK(sensors[0].label == "VDD_IN");  // the device tree's name of the whole chip
}

TEST_CASE("an averaged power is preferred, with its own interval") {
  const FakeSysfs tree;
  const FakeChip chip(tree, 0, "some");
  chip.number("power1_input", 1).number("power1_average", 2).number("update_interval", 7);
  chip.number("power1_average_interval", 50).number("power2_input", 3);
  const auto sensors = listing_of(tree).sensors;
  REQUIRE(sensors.size() == 2);
  CHECK(sensors[0].path == chip.path("power1_average"));
  CHECK(sensors[0].averaging_s == Approx(0.05));
  CHECK(sensors[1].path == chip.path("power2_input"));
  CHECK(sensors[1].averaging_s == Approx(0.007));
}

TEST_CASE("drivers that keep their attributes with the device are found there") {
  const FakeSysfs tree;
  const FakeChip chip = grace_meter(tree, 3, "Module", 1, 300'000'000);
  const auto sensors = listing_of(tree).sensors;
  REQUIRE(sensors.size() == 1);
  CHECK(sensors[0].chip == "power_meter");
  CHECK(sensors[0].label == "Module Power Socket 1");
  CHECK(sensors[0].path == chip.path("device/power1_average"));
  CHECK(sensors[0].averaging_s == Approx(0.05));
}

TEST_CASE("a sensor that is switched off has a reason and a remedy") {
  const FakeSysfs tree;
  const FakeChip chip = jetson(tree, 0);
  chip.number("in2_enable", 0);
  const auto sensors = listing_of(tree).sensors;
  CHECK(sensors[0].defect.empty());
  CHECK_THAT(sensors[1].defect, Contains("disabled") && Contains("in2_enable"));
  CHECK(sensors[1].remedy == "echo 1 | sudo tee " + chip.path("in2_enable"));
}

TEST_CASE("the order is that of devices, whatever hwmonX they got at boot") {
  std::vector<std::string> orders[2];
  for (const int boot : {0, 1}) {
    const FakeSysfs tree;
    FakeChip(tree, boot, "ina226").device("1-0040").number("power1_input", 1).write("label", "A\n");
    FakeChip(tree, 1 - boot, "ina226").device("1-0041").number("power1_input", 1);
    FakeChip(tree, 2 + boot, "amd_energy").number("energy10_input", 1).number("energy9_input", 1);
    for (const HwmonSensor& sensor : listing_of(tree).sensors) {
      orders[boot].push_back(sensor.chip + " " + std::to_string(sensor.instance) + " " +
                             sensor.device + " " + sensor.channel + " " + sensor.label);
    }
  }
  CHECK(orders[0] == orders[1]);
  REQUIRE(orders[0].size() == 4);
  CHECK(orders[0][0] == "amd_energy 0  energy9 ");
  CHECK(orders[0][1] == "amd_energy 0  energy10 ");
  CHECK(orders[0][2] == "ina226 0 1-0040 power1 A");
  CHECK(orders[0][3] == "ina226 1 1-0041 power1 ");
}

TEST_CASE("chips without energy or power are no sensors, and neither is what only looks like one") {
  const FakeSysfs tree;
  FakeChip(tree, 0, "coretemp").number("temp1_input", 45000).number("in1_input", 900);
  FakeChip(tree, 1, "nct6775").number("in1_input", 900).number("curr1_input", 900);
  FakeChip(tree, 2, "odd")
      .number("power_input", 1)
      .number("powerX_input", 1)
      .number("power1_max", 1)
      .number("energy-1_input", 1)
      .number("power99999999999_input", 1);
  tree.write("sys/class/hwmon/README", "x");
  const HwmonListing listing = listing_of(tree);
  CHECK(listing.error == 0);
  CHECK(listing.sensors.empty());
  CHECK(listing_of(FakeSysfs()).error == ENOENT);
}

TEST_CASE("text of the tree is cut to what a record can hold") {
  const FakeSysfs tree;
  FakeChip(tree, 0, "ina226\x01\xff")
      .number("power1_input", 1)
      .write("power1_label", std::string(500, 'x') + "\n")
      .write("update_interval", "99999999999\n");
  const auto sensors = listing_of(tree).sensors;
  REQUIRE(sensors.size() == 1);
  CHECK(sensors[0].chip == "ina226??");
  CHECK(sensors[0].label.size() == 64);
  CHECK(sensors[0].averaging_s == 0);
}
