#pragma once
// A throw-away tree that stands in for "/" when a reader of sysfs or procfs is tested.

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace tern::tests {

class FakeSysfs {
 public:
  FakeSysfs() {
    std::string path = (std::filesystem::temp_directory_path() / "tern-sysfs-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) throw std::runtime_error("mkdtemp failed: " + path);
    root_ = path;
    // mkdtemp makes it private; tests that give up root must still get in.
    std::filesystem::permissions(root_, std::filesystem::perms{0755});
  }
  ~FakeSysfs() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  FakeSysfs(const FakeSysfs&) = delete;
  FakeSysfs& operator=(const FakeSysfs&) = delete;

  std::string root() const { return root_.string(); }
  std::filesystem::path path(const std::string& relative) const { return root_ / relative; }

  // Overwrites in place, so that descriptors already open see the new text, as in sysfs.
  void write(const std::string& relative, const std::string& text) const {
    std::filesystem::create_directories(path(relative).parent_path());
    std::ofstream file(path(relative), std::ios::binary | std::ios::trunc);
    file << text;
    if (!file.flush()) throw std::runtime_error("cannot write " + path(relative).string());
  }

  // CPUs one by one: cpu0 in packages[0], ….
  void cpus(std::initializer_list<int> packages) const {
    int cpu = 0;
    for (const int package : packages) {
      const std::string topology =
          "sys/devices/system/cpu/cpu" + std::to_string(cpu++) + "/topology/";
      write(topology + "physical_package_id", std::to_string(package) + "\n");
      write(topology + "die_id", "0\n");
    }
  }

  static std::string zone_path(const std::string& zone) { return "sys/class/powercap/" + zone; }

  // One powercap zone with the range of a counter of 2^-14 J.
  void zone(const std::string& id, const std::string& name, std::uint64_t energy_uj = 1'000'000,
            const std::string& range = "262143328850\n") const {
    write(zone_path(id) + "/name", name + "\n");
    write(zone_path(id) + "/max_energy_range_uj", range);
    energy(id, energy_uj);
  }

  void energy(const std::string& id, std::uint64_t energy_uj) const {
    write(zone_path(id) + "/energy_uj", std::to_string(energy_uj) + "\n");
  }

 private:
  std::filesystem::path root_;
};

}  // namespace tern::tests
