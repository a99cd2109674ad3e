#pragma once
// What stands between this process and the machine's meters besides the modes of files: a
// container, a user namespace, a filter of system calls. Who is refused needs to know, because what
// helps outside (a sysctl, a file capability, root) does not help in there.

#include <string>

namespace tern::energy {

struct Confinement {
  bool container = false;  // marked as one by Docker, Podman, systemd, LXC or Kubernetes
  bool user_namespace =
      false;  // its root and its capabilities are nothing to the machine's files and counters
  bool filtered = false;  // a seccomp filter decides which system calls pass

  bool any() const noexcept { return container || user_namespace || filtered; }
  // What must be typed outside, or when this is started.
  bool enclosed() const noexcept { return container || user_namespace; }
};

// From marks under sysroot: .dockerenv, run/.containerenv, run/systemd/container,
// /proc/1/{environ,cgroup} and /proc/self/{uid_map,status}. What cannot be read is taken for
// absent.
Confinement read_confinement(const std::string& sysroot = "/");

}  // namespace tern::energy
