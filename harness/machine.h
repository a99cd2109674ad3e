#pragma once
// What this machine is (stable facts, hashed) and what state it is in (volatile facts): the two go
// into different parts of a record, so that a reading that changes at boot never splits a history.

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace tern::harness {

// CPU model, vendor, family/model/stepping, microcode, topology, caches, memory, kernel, OS, and
// "hash" over the stable ones of them. sysroot replaces "/" for /proc and /sys.
nlohmann::json machine_facts(const std::string& sysroot = "/");

// Governor, turbo, frequency, SMT, steal, load, CPU times, temperature, throttling,
// virtualisation, available memory. A fact that cannot be read is absent; of throttle times, its
// reason stands instead.
nlohmann::json environment_snapshot(const std::string& sysroot = "/");

// "AMD EPYC 9754" or, where /proc/cpuinfo has no model name (ARM), implementer and part.
std::string cpu_name(const std::string& sysroot = "/");

// "kvm", "container", … or empty on bare metal.
std::string virtualization(const std::string& sysroot = "/");

}  // namespace tern::harness
