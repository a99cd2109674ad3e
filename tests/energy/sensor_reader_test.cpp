#include "energy/sensor_reader.h"

#include <cerrno>
#include <filesystem>

#include "tests/support/catch.h"
#include "tests/support/fake_sysfs.h"

using namespace tern::energy;
using Catch::Contains;
using tern::tests::FakeSysfs;

namespace {

std::pair<int, std::int64_t> read_text(const FakeSysfs& tree, const std::string& text) {
  tree.write("n", text);
  std::int64_t value = -77;
  const int error = SensorFile(tree.path("n").string()).read(value);
  return {error, value};
}

}  // namespace

TEST_CASE("a sensor file holds one signed number and a newline, or it is an error") {
  const FakeSysfs tree;
  CHECK(read_text(tree, "5008\n") == std::pair(0, std::int64_t{5008}));
  CHECK(read_text(tree, "-12\n") == std::pair(0, std::int64_t{-12}));
  CHECK(read_text(tree, "9223372036854775807\n") == std::pair(0, INT64_MAX));
  for (const char* bad : {"", "\n", "12", "12 \n", " 12\n", "+1\n", "0x10\n", "1.5\n", "N/A\n",
                          "9223372036854775808\n", "1\n2\n", "--1\n", "-\n"}) {
    INFO(bad);
    CHECK(read_text(tree, bad).first == EBADMSG);
  }
  CHECK(SensorFile(tree.path("none").string()).open_error() == ENOENT);
  std::int64_t value = 0;
  CHECK(SensorFile(tree.root()).read(value) == EISDIR);
}

TEST_CASE("an open sensor file sees what is written later") {
  const FakeSysfs tree;
  tree.write("n", "1\n");
  const SensorFile file(tree.path("n").string());
  tree.write("n", "-2000000\n");
  std::int64_t value = 0;
  CHECK(file.read(value) == 0);
  CHECK(value == -2'000'000);
}

TEST_CASE("millivolts times milliamperes are microwatts") {
  const FakeSysfs tree;
  tree.write("in1_input", "5008\n");
  tree.write("curr1_input", "1528\n");
  const SensorReader rail(tree.path("in1_input").string(), tree.path("curr1_input").string());
  CHECK(rail.defect().empty());
  const Reading reading = rail.read();
  CHECK(reading.error == 0);
  CHECK(reading.raw == 5008u * 1528u);
  CHECK(reading.time_ns > 0);
}

TEST_CASE("a rail that cannot be read says which file and why") {
  const FakeSysfs tree;
  const std::string volts = tree.path("in1_input").string();
  const std::string amperes = tree.path("curr1_input").string();
  tree.write("in1_input", "5008\n");
  CHECK_THAT(SensorReader(volts, amperes).defect(),
             Contains("cannot read") && Contains(amperes) && Contains("No such file"));
  tree.write("curr1_input", "-4\n");
  CHECK_THAT(SensorReader(volts, amperes).defect(), Contains("negative"));
  tree.write("curr1_input", "9223372036854775807\n");
  CHECK_THAT(SensorReader(volts, amperes).defect(), Contains("too large"));
  tree.write("curr1_input", "much\n");
  CHECK_THAT(SensorReader(volts, amperes).defect(), Contains("whole number"));
  tree.write("curr1_input", "0\n");
  CHECK(SensorReader(volts, amperes).defect().empty());
  CHECK(SensorReader(volts, "").read().raw == 5008);
}

TEST_CASE("a source reads what is measurable and nothing else") {
  const FakeSysfs tree;
  tree.write("a", "7\n");
  std::vector<SensorReader> readers;
  readers.emplace_back(tree.path("a").string(), "");
  readers.emplace_back(tree.path("a").string(), "");
  SourceInfo info;
  info.domains.resize(2);
  info.domains[1].measurable = false;
  SensorSource source(info, std::move(readers));
  std::vector<Reading> readings(2);
  source.read(readings);
  CHECK(readings[0].error == 0);
  CHECK(readings[0].raw == 7);
  CHECK(readings[1].error == ENODATA);
}

TEST_CASE("a sensor of power is read once per averaging time, within bounds") {
  Domain domain;
  pace_power(domain, 0.05);
  CHECK(domain.quantity == Quantity::kPower);
  CHECK(domain.averaging_s == 0.05);
  CHECK(domain.longest_poll_s == 0.05);
  CHECK(domain.longest_gap_s == Approx(1));
  CHECK(domain.min_window_s == Approx(1));
  pace_power(domain, 0.001);  // a bus is no faster
  CHECK(domain.longest_poll_s == Approx(0.02));
  CHECK(domain.min_window_s == Approx(0.16));
  pace_power(domain, 30);
  CHECK(domain.longest_poll_s == Approx(1));
  CHECK(domain.longest_gap_s == Approx(10));
  CHECK(domain.min_window_s == Approx(600));
  pace_power(domain, 0, 0.5);
  CHECK(domain.longest_poll_s == Approx(0.5));
  CHECK(domain.min_window_s == Approx(4));
}
