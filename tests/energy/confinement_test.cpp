#include "energy/confinement.h"

#include "tests/support/catch.h"
#include "tests/support/fake_sysfs.h"

using namespace tern::energy;
using tern::tests::FakeSysfs;

namespace {

bool is_container(const char* mark, const char* text = "") {
  const FakeSysfs tree;
  tree.write(mark, text);
  return read_confinement(tree.root()).container;
}

bool is_user_namespace(const char* map) {
  const FakeSysfs tree;
  tree.write("proc/self/uid_map", map);
  return read_confinement(tree.root()).user_namespace;
}

bool is_filtered(const char* status) {
  const FakeSysfs tree;
  tree.write("proc/self/status", status);
  return read_confinement(tree.root()).filtered;
}

}  // namespace

TEST_CASE("a tree that says nothing confines nobody") {
  const FakeSysfs tree;
  CHECK_FALSE(read_confinement(tree.root()).any());
}

TEST_CASE("containers are known by the marks of their runtimes") {
  CHECK(is_container(".dockerenv"));
  CHECK(is_container("run/.containerenv"));
  CHECK(is_container("run/systemd/container", "systemd-nspawn\n"));
  CHECK(is_container("proc/1/environ", "container=podman"));
  CHECK(is_container("proc/1/cgroup", "0::/kubepods/besteffort/pod1/abc\n"));
  CHECK(is_container("proc/1/cgroup", "4:memory:/docker/0123456789ab\n0::/\n"));
  CHECK_FALSE(is_container("proc/1/cgroup", "0::/init.scope\n"));
  CHECK_FALSE(is_container("proc/1/environ", "TERM=linux"));
}

TEST_CASE("a user namespace is one that does not map all numbers to themselves") {
  CHECK(is_user_namespace("         0       1000          1\n"));
  CHECK(is_user_namespace("      1000          0          1\n"));
  CHECK(is_user_namespace("         0          0      65536\n"));
  CHECK_FALSE(is_user_namespace("         0          0 4294967295\n"));
  CHECK_FALSE(is_user_namespace(""));
}

TEST_CASE("a seccomp filter is mode 2 of the process's status") {
  CHECK(is_filtered("Name:\ttern\nSeccomp:\t2\nSeccomp_filters:\t1\n"));
  CHECK_FALSE(is_filtered("Name:\ttern\nSeccomp:\t0\nSeccomp_filters:\t0\n"));
}
