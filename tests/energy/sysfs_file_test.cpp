#include "energy/sysfs_file.h"

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>

#include "tests/support/catch.h"
#include "tests/support/fake_sysfs.h"

using namespace tern::energy;

TEST_CASE("a count is digits and nothing else") {
  CHECK(parse_count("0") == 0u);
  CHECK(parse_count("18446744073709551615") == UINT64_MAX);
  for (const char* text :
       {"", " 1", "1 ", "-1", "+1", "1.5", "0x10", "1\n", "18446744073709551616"}) {
    INFO('"' << text << '"');
    CHECK_FALSE(parse_count(text).has_value());
  }
}

TEST_CASE("a sysroot is joined with and without its final slash") {
  CHECK(under_root("/", "sys") == "/sys");
  CHECK(under_root("", "sys") == "/sys");
  CHECK(under_root("/tmp/tree/", "sys") == "/tmp/tree/sys");
  CHECK(under_root("/tmp/tree", "sys") == "/tmp/tree/sys");
}

TEST_CASE("a small file loses its newline, an absent one has an errno") {
  const tern::tests::FakeSysfs tree;
  tree.write("name", "package-0\n");
  CHECK(read_small_file(tree.path("name").string()).text == "package-0");
  CHECK(read_small_file(tree.path("none").string()).error == ENOENT);
  CHECK(read_small_file(tree.root()).error == EISDIR);
}

TEST_CASE("an open counter follows its file and refuses what is not one number") {
  const tern::tests::FakeSysfs tree;
  tree.write("energy_uj", "240422366267\n");
  const CounterFile file(tree.path("energy_uj").string());
  REQUIRE(file.open_error() == 0);
  std::uint64_t value = 0;
  CHECK(file.read(value) == 0);
  CHECK(value == 240422366267u);
  tree.write("energy_uj", "240422366300\n");
  CHECK(file.read(value) == 0);
  CHECK(value == 240422366300u);
  for (const char* text : {"", "12", "12 \n", "-3\n", "twelve\n", "\n", "1\n2\n",
                           "00000000000000000000000000000000000000000001\n"}) {
    INFO('"' << text << '"');
    tree.write("energy_uj", text);
    CHECK(file.read(value) == EBADMSG);
    CHECK(value == 240422366300u);
  }
}

TEST_CASE("a replaced counter is followed, a removed one is an error and not its last value") {
  const tern::tests::FakeSysfs tree;
  tree.write("energy_uj", "1\n");
  const CounterFile file(tree.path("energy_uj").string());
  tree.write("next", "2\n");
  std::filesystem::rename(tree.path("next"), tree.path("energy_uj"));
  std::uint64_t value = 0;
  CHECK(file.read(value) == 0);
  CHECK(value == 2);
  std::filesystem::remove(tree.path("energy_uj"));
  CHECK(file.read(value) == ENOENT);
  CHECK(value == 2);
  tree.write("energy_uj", "3\n");
  CHECK(file.read(value) == 0);
  CHECK(value == 3);
}

TEST_CASE("a counter that cannot be opened or read says why") {
  const tern::tests::FakeSysfs tree;
  CHECK(CounterFile(tree.path("none").string()).open_error() == ENOENT);
  const CounterFile directory(tree.root());
  std::uint64_t value = 0;
  CHECK(directory.read(value) == EISDIR);
}

TEST_CASE("a list of CPUs is numbers and ranges, and nothing else") {
  CHECK(parse_cpu_list("0") == std::vector<int>{0});
  CHECK(parse_cpu_list("28,0") == std::vector<int>{0, 28});
  CHECK(parse_cpu_list("0-2,5,1-3") == std::vector<int>{0, 1, 2, 3, 5});
  for (const char* text : {"", ",", "0,", "a", "0-", "-1", "3-1", "0 1", "0\n", "1,,2",
                           "0-99999999999", "70000", "1--2"}) {
    INFO('"' << text << '"');
    CHECK_FALSE(parse_cpu_list(text).has_value());
  }
}

TEST_CASE("a number is a count or hexadecimal digits after 0x") {
  CHECK(parse_number("10") == 10u);
  CHECK(parse_number("0x10") == 16u);
  CHECK(parse_number("0xffffffffffffffff") == UINT64_MAX);
  for (const char* text : {"", "0x", "x10", "0X10", "10h", "0x1g", "0x10000000000000000", "-0x1"}) {
    INFO('"' << text << '"');
    CHECK_FALSE(parse_number(text).has_value());
  }
}

TEST_CASE("a pipe in the place of a file is no number, and nobody waits for its writer") {
  const tern::tests::FakeSysfs tree;
  const std::string path = tree.path("energy_uj").string();
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  CHECK(read_small_file(path).text.empty());
  std::uint64_t value = 0;
  CHECK(CounterFile(path).read(value) == ESPIPE);
}
