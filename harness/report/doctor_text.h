#pragma once
// `tern machine` for people: what measures here and what does not in tables, and below them, apart,
// what to type, ready to be pasted.

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace tern::harness {

// Two lines: whether energy and counters can be had here, and if not, whether they could be.
std::string doctor_summary(const nlohmann::json& meters, const nlohmann::json& counters);

// Tables of meters, counters and checks.
std::string doctor_tables(const nlohmann::json& meters, const nlohmann::json& counters,
                          const nlohmann::json& checks);

// Every remedy once, with what it is for; "" where there is nothing to type.
std::string doctor_remedies(const nlohmann::json& meters, const nlohmann::json& counters,
                            const nlohmann::json& checks);

}  // namespace tern::harness
