#include "energy/pmic_source.h"

#include <cerrno>
#include <filesystem>

#include "tests/support/catch.h"
#include "tests/support/fake_sysfs.h"

using namespace tern::energy;
using namespace std::chrono_literals;
using Catch::Contains;
using tern::tests::FakeSysfs;

namespace {

// As the firmware prints it: currents, then voltages, then two voltages without a current.
const std::string kText =
    "   3V7_WL_SW_A current(0)=0.10000000A\n"
    "   3V3_SYS_A current(1)=0.20000000A\n"
    "   VDD_CORE_A current(7)=2.50000000A\n"
    "   3V7_WL_SW_V volt(8)=3.70000000V\n"
    "   3V3_SYS_V volt(9)=3.30000000V\n"
    "   VDD_CORE_V volt(15)=0.80000000V\n"
    "     EXT5V_V volt(24)=5.15000000V\n"
    "      BATT_V volt(25)=0.00000000V\n";
constexpr double kPower_w = 0.1 * 3.7 + 0.2 * 3.3 + 2.5 * 0.8;

// A Raspberry Pi 5 whose vcgencmd is a script.
class FakePi {
 public:
  FakePi() {
    tree_.write("proc/device-tree/model", std::string("Raspberry Pi 5 Model B Rev 1.0") + '\0');
    says(kText);
  }
  void script(const std::string& body) const {
    tree_.write("vcgencmd", "#!/bin/sh\n" + body);
    std::filesystem::permissions(tree_.path("vcgencmd"), std::filesystem::perms{0755});
  }
  void says(const std::string& text) const {
    tree_.write("answer", text);
    script("[ \"$1\" = pmic_read_adc ] || exit 9\ncat '" + tree_.path("answer").string() + "'\n");
  }
  Probe probe(std::chrono::milliseconds limit = 20s) const {
    return probe_pmic({.sysroot = tree_.root(),
                       .live = false,
                       .program = tree_.path("vcgencmd").string(),
                       .limit = limit});
  }
  const FakeSysfs& tree() const { return tree_; }

 private:
  FakeSysfs tree_;
};

Reading read(EnergySource& source) {
  Reading reading;
  source.read({&reading, 1});
  return reading;
}

}  // namespace

TEST_CASE("the rails are those with a current, by name, in any order") {
  const PmicReading reading = parse_pmic(kText);
  CHECK(reading.why.empty());
  CHECK(reading.rails == std::vector<std::string>{"3V3_SYS", "3V7_WL_SW", "VDD_CORE"});
  CHECK(reading.power_w == Approx(kPower_w));
  const PmicReading older = parse_pmic(
      "VDD_CORE_V volt(15)=0.8V\r\nVDD_CORE_A current(7)=2.5A\r\nHDMI_A current(3)=0A\n"
      "HDMI_V volt(4)=5V");
  CHECK(older.why.empty());
  CHECK(older.power_w == Approx(2.0));
}

TEST_CASE("text that is not what pmic_read_adc prints is refused with its reason") {
  CHECK_THAT(parse_pmic("").why, Contains("no rail VDD_CORE"));
  CHECK_THAT(parse_pmic("error=1 error_msg=\"Command not registered\"\n").why,
             Contains("no rail VDD_CORE"));
  CHECK_THAT(parse_pmic(kText + "HDMI_A current(3)=0.1A\n").why,
             Contains("HDMI has a current and no voltage"));
  CHECK_THAT(parse_pmic(kText + "VDD_CORE_A current(7)=2A\n").why,
             Contains("VDD_CORE is there twice"));
  for (const char* bad : {"=A", "=1", "=1V", "=-1A", "=nanA", "=infA", "=1e9A", "=1 A", "=x"}) {
    INFO(bad);
    CHECK_THAT(parse_pmic(kText + "HDMI_A current(3)" + bad + "\nHDMI_V volt(3)=5V\n").why,
               Contains("the value of HDMI"));
  }
}

TEST_CASE("the sum of the rails is metered, and what it leaves out is said") {
  const FakePi pi;
  const Probe probe = pi.probe();
  INFO(probe.why_not);
  REQUIRE(probe.source != nullptr);
  const SourceInfo& info = probe.source->info();
  CHECK(info.name == "pmic");
  CHECK(info.coverage == "3 PMIC rails; USB, fan and regulator losses left out");
  REQUIRE(info.domains.size() == 1);
  CHECK(info.domains[0].name == "PMIC rails");
  CHECK(info.domains[0].quantity == Quantity::kPower);
  CHECK(info.domains[0].longest_poll_s == Approx(0.5));
  const Reading reading = read(*probe.source);
  CHECK(reading.error == 0);
  CHECK(reading.raw == 3'030'000);
}

TEST_CASE("a firmware that changes its rails, fails or hangs is an error of the reading") {
  const FakePi pi;
  const Probe probe = pi.probe(2s);
  REQUIRE(probe.source != nullptr);
  pi.says(kText + "HDMI_A current(3)=0.1A\nHDMI_V volt(4)=5V\n");
  CHECK(read(*probe.source).error == EBADMSG);
  pi.says("nothing\n");
  CHECK(read(*probe.source).error == EBADMSG);
  pi.script("cat '" + pi.tree().path("answer").string() + "'; exit 1\n");
  CHECK(read(*probe.source).error == EBADMSG);
  std::filesystem::remove(pi.tree().path("vcgencmd"));
  CHECK(read(*probe.source).error == ENOENT);
}

TEST_CASE("a firmware that never answers is given up") {
  const FakePi pi;
  const Probe probe = pi.probe();
  REQUIRE(probe.source != nullptr);
  pi.script("sleep 600\n");
  const Probe hung = pi.probe(300ms);
  CHECK(hung.source == nullptr);
  CHECK_THAT(hung.why_not, Contains("did not answer in time"));
}

TEST_CASE("the denied device names the group that may") {
  const FakePi pi;
  pi.script("echo \"Can't open device file: /dev/vcio\" >&2; exit 255\n");
  const Probe probe = pi.probe();
  CHECK(probe.source == nullptr);
  CHECK_THAT(probe.why_not, Contains("exit code 255") && Contains("/dev/vcio"));
  CHECK_THAT(probe.remedy, Contains("usermod -aG video"));
}

TEST_CASE("other machines have no PMIC, and nothing of a copied tree is run") {
  const FakeSysfs tree;
  CHECK(probe_pmic({.sysroot = tree.root(), .program = ""}).why_not == "not a Raspberry Pi 5");
  tree.write("proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4");
  CHECK_THAT(probe_pmic({.sysroot = tree.root(), .program = ""}).why_not,
             Contains("Raspberry Pi 4 Model B"));
  tree.write("proc/device-tree/model", "Raspberry Pi Compute Module 5 Rev 1.0");
  tree.write("usr/bin/vcgencmd", "#!/bin/sh\nexit 0\n");
  std::filesystem::permissions(tree.path("usr/bin/vcgencmd"), std::filesystem::perms{0755});
  CHECK_THAT(probe_pmic({.sysroot = tree.root(), .live = false, .program = ""}).why_not,
             Contains("copied tree"));
}
